/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The memory plan: weights by the files' headers, activations by a dry run of
 * the code that makes a segment; and on a discrete device which layers stay,
 * and which are kept by the host and brought when they run.
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
/* Of a discrete device's memory, what is left to the driver, to libraries, and
 * to the pieces between allocations: one in so many. */
#define RESERVED_PART 32

DvStatus
dv_ltx2_measure (const DvLtx2 *model, const DvLtx2Parts *parts,
    const DvLtx2Sizes *sizes, uint64_t *bytes, DvError *error)
{
  DvStream *stream = dv_stream_new_dry (model->device, error);
  DvMaking making = {.model = model,
      .parts = parts,
      .stream = stream,
      .sizes = sizes,
      .pending = -1};
  DvStatus status;

  if (!stream)
    return DV_ERROR_MEMORY;
  dv_ltx2_make (&making);
  status = dv_stream_status (stream, error);
  *bytes = stream->arena.peak;
  dv_stream_free (stream);
  return status;
}

/* Of a prompt as long as can be, and its contexts. */
static DvStatus
measure_text (const DvLtx2 *model, const DvLtx2Parts *parts, int64_t text_len,
    uint64_t *bytes, DvError *error)
{
  const DvTextConfig *config = &model->config->text;
  DvStream *stream = dv_stream_new_dry (model->device, error);
  DvTensor video, audio;
  DvStatus status;

  if (!stream)
    return DV_ERROR_MEMORY;
  video = DV_NEW (
      stream, DV_F32, text_len, config->video.heads * config->video.head_dim);
  audio = DV_NEW (
      stream, DV_F32, text_len, config->audio.heads * config->audio.head_dim);
  dv_text_encode (
      parts->gemma, parts->connectors, stream, NULL, text_len, &video, &audio);
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

/* ---- what stays on the device ---- */

/* Adds up what is needed with the layers parked as they are. */
static void
add_up (DvPlan *plan)
{
  uint64_t weights = 0, slot = 0;

  plan->host = plan->scratch = 0;
  for (int i = 0; i < DV_N_PARTS; i++) {
    const DvPartBytes *part = &plan->part[i];

    weights += part->resident;
    plan->host += (uint64_t)part->parked * part->layer;
    if (part->parked > 0 && part->layer > slot)
      slot = part->layer;
    if (part->scratch > plan->scratch)
      plan->scratch = part->scratch;
  }
  plan->slots = 2 * slot;
  plan->ahead_slots = plan->ahead > 0 && plan->part[DV_PART_GEMMA].parked > 0
                          ? 2 * plan->part[DV_PART_GEMMA].layer
                          : 0;
  plan->reserve = plan->discrete ? plan->budget / RESERVED_PART : 0;
  plan->needed = weights - plan->host + plan->slots + plan->ahead +
                 plan->ahead_slots + plan->scratch + plan->activations +
                 plan->cache + (plan->discrete ? plan->reserve : plan->state);
}

/* Parks as few layers of @part as it takes, or as many as help. */
static bool
park (DvPlan *plan, DvPart part)
{
  DvPartBytes *bytes = &plan->part[part];
  int64_t best = 0;
  uint64_t least = plan->needed;

  for (int64_t n = 0; n <= bytes->layers; n++) {
    bytes->parked = n;
    add_up (plan);
    if (plan->needed <= plan->budget)
      return true;
    if (plan->needed < least) {
      least = plan->needed;
      best = n;
    }
  }
  bytes->parked = best;
  add_up (plan);
  return false;
}

/* The text encoder goes first: it runs once a prompt, the transformer in every
 * step. */
static bool
park_layers (DvPlan *plan)
{
  for (int i = 0; i < DV_N_PARTS; i++)
    plan->part[i].parked = 0;
  add_up (plan);
  return plan->budget == 0 || plan->needed <= plan->budget ||
         park (plan, DV_PART_GEMMA) || park (plan, DV_PART_DIT);
}

/* Where there is no room to encode a prompt beside a step, it waits for its
 * turn. */
static void
decide (DvPlan *plan)
{
  if (!plan->discrete) {
    plan->ahead = 0;
    add_up (plan);
  } else if (!park_layers (plan)) {
    plan->ahead = 0;
    park_layers (plan);
  }
}

static void
find_budgets (const DvLtx2 *model, const DvModelSpec *spec, DvPlan *plan)
{
  uint64_t available, total;

  plan->discrete = model->device->discrete;
  plan->budget = spec->memory_budget;
  if (!plan->discrete) {
    if (plan->budget == 0)
      plan->budget = available_memory ();
    return;
  }
  dv_device_memory (model->device, &available, &total);
  if (plan->budget == 0 || (available > 0 && available < plan->budget))
    plan->budget = available;
  /* A plan is not for this machine. */
  plan->host_budget = spec->plan_only ? 0 : available_memory ();
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
    status = measure_text (model, &parts, sizes.text_len, &plan->ahead, error);
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
  find_budgets (model, spec, plan);
  decide (plan);
  return DV_OK;
}

/* ---- refusing ---- */

/* What of the weights stays, and where others are brought or made. */
static uint64_t
weights_there (const DvPlan *plan)
{
  return plan->needed - plan->ahead - plan->activations - plan->cache -
         (plan->discrete ? plan->reserve : plan->state);
}

static DvStatus
check_device (const DvPlan *plan, DvError *error)
{
  if (plan->budget == 0 || plan->needed <= plan->budget)
    return DV_OK;
  return dv_fail (error, DV_ERROR_MEMORY, "plan",
      "the model does not fit on the device: %.0f MiB for weights, %.0f more "
      "in the host's memory, %.0f for a segment of %ux%u and %u frames, %.0f "
      "for texts, %.0f in reserve make %.0f MiB, and there are %.0f; make "
      "smaller or shorter segments, or take a larger device",
      (double)weights_there (plan) / MIB, (double)plan->host / MIB,
      (double)plan->activations / MIB, plan->width, plan->height, plan->frames,
      (double)(plan->cache + plan->ahead) / MIB, (double)plan->reserve / MIB,
      (double)plan->needed / MIB, (double)plan->budget / MIB);
}

static DvStatus
check_host (const DvPlan *plan, DvError *error)
{
  if (plan->host_budget == 0 || plan->host <= plan->host_budget)
    return DV_OK;
  return dv_fail (error, DV_ERROR_MEMORY, "plan",
      "the layers that do not stay on the device take %.0f MiB of the host's "
      "memory, and there are %.0f; make smaller or shorter segments, or take "
      "a larger device",
      (double)plan->host / MIB, (double)plan->host_budget / MIB);
}

DvStatus
dv_ltx2_plan_check (const DvPlan *plan, DvError *error)
{
  DvStatus status;

  if (plan->discrete) {
    status = check_device (plan, error);
    return status == DV_OK ? check_host (plan, error) : status;
  }
  if (plan->budget == 0 || plan->needed <= plan->budget)
    return DV_OK;
  return dv_fail (error, DV_ERROR_MEMORY, "plan",
      "the model does not fit: %.0f MiB for weights, %.0f for a segment of "
      "%ux%u and %u frames, %.0f for texts and the segment before make %.0f "
      "MiB, and there are %.0f; make smaller or shorter segments, or give "
      "more memory",
      (double)weights_there (plan) / MIB, (double)plan->activations / MIB,
      plan->width, plan->height, plan->frames,
      (double)(plan->cache + plan->state) / MIB, (double)plan->needed / MIB,
      (double)plan->budget / MIB);
}

DvStatus
dv_ltx2_plan_allows (const DvLtx2 *model, const DvLtx2Sizes *sizes,
    uint64_t bytes, DvError *error)
{
  DvPlan plan = model->plan;

  plan.activations = bytes;
  plan.state = state_bytes (model, sizes);
  plan.width = sizes->width;
  plan.height = sizes->height;
  plan.frames = sizes->frames;
  add_up (&plan);
  return dv_ltx2_plan_check (&plan, error);
}

/* ---- saying ---- */

static void
say_part (const DvLtx2 *model, const DvPlan *plan, DvPart part)
{
  const DvPartBytes *bytes = &plan->part[part];
  uint64_t parked = (uint64_t)bytes->parked * bytes->layer;
  char line[200];
  int n;

  n = snprintf (line, sizeof line, "  %-18s %9.1f MiB in the files, %9.1f %s",
      dv_part_name (part), (double)bytes->mapped / MIB,
      (double)(bytes->resident - parked) / MIB,
      plan->discrete ? "on the device" : "beside");
  if (bytes->parked > 0)
    snprintf (line + n, sizeof line - (size_t)n,
        ", %.1f on the host: %lld of %lld layers", (double)parked / MIB,
        (long long)bytes->parked, (long long)bytes->layers);
  model->say (model->user, line);
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
    say_part (model, plan, (DvPart)i);
  }
  snprintf (line, sizeof line,
      "  %-18s %9.1f MiB; texts %.1f, the segment before %.1f", "activations",
      (double)plan->activations / MIB, (double)plan->cache / MIB,
      (double)plan->state / MIB);
  model->say (model->user, line);
  if (plan->slots > 0) {
    snprintf (line, sizeof line,
        "  %-18s %9.1f MiB for two of the layers that are brought", "slots",
        (double)plan->slots / MIB);
    model->say (model->user, line);
  }
  if (plan->ahead > 0) {
    snprintf (line, sizeof line,
        "  %-18s %9.1f MiB to encode the next prompt beside a step", "ahead",
        (double)(plan->ahead + plan->ahead_slots) / MIB);
    model->say (model->user, line);
  }
  if (plan->scratch > 0) {
    snprintf (line, sizeof line, "  %-18s %9.1f MiB while they are merged",
        "LoRAs", (double)plan->scratch / MIB);
    model->say (model->user, line);
  }
  if (plan->discrete) {
    snprintf (line, sizeof line,
        "  %-18s %9.1f MiB; the segment before is in the host's memory",
        "reserve", (double)plan->reserve / MIB);
    model->say (model->user, line);
  }
  snprintf (line, sizeof line, "  %-18s %9.1f MiB of %.1f there are", "needed",
      (double)plan->needed / MIB, (double)plan->budget / MIB);
  model->say (model->user, line);
}
