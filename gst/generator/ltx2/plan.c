/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The memory plan: weights by the files' headers, activations by a dry run of
 * the code that makes a segment.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../segment.h"
#include "ltx2-private.h"

#define DEFAULT_WIDTH 1920
#define DEFAULT_HEIGHT 1088
#define DEFAULT_FPS 24
#define MIB (1024.0 * 1024.0)

DvStatus
dv_ltx2_measure (const DvLtx2 *model, const DvLtx2Parts *parts,
    const DvLtx2Sizes *sizes, uint64_t *bytes, DvError *error)
{
  DvStream *stream = dv_stream_new_dry (model->device, error);
  DvMaking making = {
      .model = model, .parts = parts, .stream = stream, .sizes = sizes};
  DvStatus status;

  if (!stream)
    return DV_ERROR_MEMORY;
  dv_ltx2_make (&making);
  status = dv_stream_status (stream, error);
  *bytes = stream->arena.peak;
  dv_stream_free (stream);
  return status;
}

/* What the system says is to be had, bytes; 0 when it does not say. */
static uint64_t
available_memory (void)
{
  FILE *file = fopen ("/proc/meminfo", "re");
  uint64_t kib = 0;
  char line[128];

  if (!file)
    return 0;
  while (fgets (line, sizeof line, file))
    if (sscanf (line, "MemAvailable: %" SCNu64, &kib) == 1)
      break;
  fclose (file);
  return kib * 1024;
}

/* Sizes that the model does not make are refused when they are asked for; here
 * they may yet become others. */
static uint32_t
round_up (uint32_t pixels, uint32_t step)
{
  return pixels > DV_LTX2_MAX_SIZE ? pixels : (pixels + step - 1) / step * step;
}

/* A request of the size that the plan is made for: a continued segment, which
 * takes the most. */
static DvStatus
plan_sizes (const DvLtx2 *model, const DvModelSpec *spec, DvLtx2Sizes *sizes,
    DvError *error)
{
  DvState before = {
      .started = true, .frames = DV_DEFAULT_OVERLAP, .latents = UINT16_MAX};
  DvRequest request = {.index = 2,
      .width = round_up (spec->width ? spec->width : DEFAULT_WIDTH,
          model->parent.info.size_step),
      .height = round_up (spec->height ? spec->height : DEFAULT_HEIGHT,
          model->parent.info.size_step),
      .fps_n = DEFAULT_FPS,
      .fps_d = 1,
      .frames = spec->frames ? spec->frames : DV_DEFAULT_FRAMES,
      .overlap = DV_DEFAULT_OVERLAP,
      .audio_overlap = DV_DEFAULT_AUDIO_OVERLAP};

  /* A short segment has nothing to take over so much from. */
  if (request.overlap >= request.frames)
    request.overlap = 0;
  return dv_ltx2_sizes (model, &request, &before, sizes, error);
}

/* Of the contexts of the last prompts. */
static uint64_t
context_bytes (const DvTextConfig *config, int64_t text_len)
{
  return DV_LTX2_PROMPTS * (uint64_t)text_len * sizeof (float) *
         (uint64_t)(config->video.heads * config->video.head_dim +
                    config->audio.heads * config->audio.head_dim);
}

/* What a segment leaves to the next one, while that is made too. */
static uint64_t
state_bytes (const DvLtx2 *model, const DvLtx2Sizes *sizes)
{
  return 2 * ((uint64_t)DV_DEFAULT_OVERLAP * sizes->width * sizes->height * 3 +
                 (uint64_t)sizes->audio_latents *
                     (uint64_t)model->config->dit.audio.in * 4);
}

DvStatus
dv_ltx2_plan (
    const DvLtx2 *model, const DvModelSpec *spec, DvPlan *plan, DvError *error)
{
  DvLtx2Parts parts = {0};
  DvLtx2Sizes sizes;
  DvStatus status;

  memset (plan, 0, sizeof *plan);
  status = plan_sizes (model, spec, &sizes, error);
  for (int i = 0; i < DV_N_PARTS && status == DV_OK; i++)
    status = dv_ltx2_load_part (model, (DvPart)i, true, model->loras, NULL,
        NULL, &parts, &plan->part[i], error);
  if (status == DV_OK)
    status = dv_ltx2_measure (model, &parts, &sizes, &plan->activations, error);
  if (status == DV_OK)
    plan->cache = dv_dit_cache_bytes (parts.dit, sizes.text_len) +
                  context_bytes (&model->config->text, sizes.text_len);
  dv_ltx2_parts_clear (&parts);
  if (status != DV_OK)
    return status;
  plan->width = sizes.width;
  plan->height = sizes.height;
  plan->frames = sizes.frames;
  plan->state = state_bytes (model, &sizes);
  plan->needed = plan->activations + plan->cache + plan->state;
  for (int i = 0; i < DV_N_PARTS; i++)
    plan->needed += plan->part[i].resident;
  plan->budget =
      spec->memory_budget ? spec->memory_budget : available_memory ();
  return DV_OK;
}

DvStatus
dv_ltx2_plan_check (const DvPlan *plan, DvError *error)
{
  uint64_t weights = 0;

  for (int i = 0; i < DV_N_PARTS; i++)
    weights += plan->part[i].resident;
  if (plan->budget == 0 || plan->needed <= plan->budget)
    return DV_OK;
  return dv_fail (error, DV_ERROR_MEMORY, "plan",
      "the model does not fit: %.0f MiB for weights, %.0f for a segment of "
      "%ux%u and %u frames, %.0f for texts and the segment before make %.0f "
      "MiB, and there are %.0f; make smaller or shorter segments, or give "
      "more memory",
      (double)weights / MIB, (double)plan->activations / MIB, plan->width,
      plan->height, plan->frames, (double)(plan->cache + plan->state) / MIB,
      (double)plan->needed / MIB, (double)plan->budget / MIB);
}

DvStatus
dv_ltx2_plan_allows (const DvLtx2 *model, const DvLtx2Sizes *sizes,
    uint64_t bytes, DvError *error)
{
  DvPlan plan = model->plan;

  plan.needed -= plan.activations + plan.state;
  plan.activations = bytes;
  plan.state = state_bytes (model, sizes);
  plan.needed += plan.activations + plan.state;
  plan.width = sizes->width;
  plan.height = sizes->height;
  plan.frames = sizes->frames;
  return dv_ltx2_plan_check (&plan, error);
}

void
dv_ltx2_plan_say (const DvLtx2 *model, const DvPlan *plan)
{
  char line[200];

  if (!model->say)
    return;
  snprintf (line, sizeof line,
      "memory plan of %s on %s (%s), %ux%u, %u frames:", model->name,
      model->device_name, dv_dtype_name (model->compute), plan->width,
      plan->height, plan->frames);
  model->say (model->user, line);
  for (int i = 0; i < DV_N_PARTS; i++) {
    if (plan->part[i].mapped == 0)
      continue;
    snprintf (line, sizeof line, "  %-18s %9.1f MiB in the files, %9.1f beside",
        dv_part_name ((DvPart)i), (double)plan->part[i].mapped / MIB,
        (double)plan->part[i].resident / MIB);
    model->say (model->user, line);
  }
  snprintf (line, sizeof line,
      "  %-18s %9.1f MiB; texts %.1f, the segment before %.1f", "activations",
      (double)plan->activations / MIB, (double)plan->cache / MIB,
      (double)plan->state / MIB);
  model->say (model->user, line);
  snprintf (line, sizeof line, "  %-18s %9.1f MiB of %.1f there are", "needed",
      (double)plan->needed / MIB, (double)plan->budget / MIB);
  model->say (model->user, line);
}
