/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The denoise loop (sections 6.2 and 6.3 of docs/ltx2-model.md).
 */
#include "sampler.h"

#include <stdio.h>

#include "conditioning.h"
#include "schedule.h"

enum { VIDEO, AUDIO, N_SIDES };

/* The predictions that guidance mixes. */
enum { PLAIN, NEGATIVE, PERTURBED, ISOLATED, N_PREDICTIONS };

typedef struct {
  const DvSampleSide *io;
  const DvGuidanceScales *scales;
  DvTensor velocity;          /* [M, C] */
  DvTensor mask;              /* [M] on the device */
  const DvTensor *mask_there; /* or NULL */
  DvTensor x0[N_PREDICTIONS]; /* [M, C] each, as far as they are wanted */
} Lane;

typedef struct {
  const DvDit *dit;
  DvStream *stream;
  const DvSampling *sampling;
  DvDitCache *cache;
  Lane lane[N_SIDES];
  bool wanted[N_PREDICTIONS];
} Loop;

void
dv_x0_from_velocity (DvStream *stream, const DvTensor *x0, const DvTensor *x,
    const DvTensor *velocity, const DvTensor *mask, float sigma)
{
  dv_map (stream,
      &(DvMap){
          .out = x0, .x = x, .y = velocity, .kind = DV_MAP_AXPY, .p = -sigma});
  if (mask)
    dv_map (stream,
        &(DvMap){.out = x0, .x = x0, .y = x, .s = mask, .kind = DV_MAP_LERP});
}

void
dv_step_to (DvStream *stream, const DvTensor *x, const DvTensor *x0,
    float sigma, float next)
{
  size_t mark = dv_mark (stream);
  DvTensor way = DV_NEW (stream, DV_F32, x->shape[0], x->shape[1]);

  if (next == 0) {
    dv_map (stream, &(DvMap){.out = x, .x = x0, .kind = DV_MAP_COPY});
  } else {
    dv_map (stream,
        &(DvMap){.out = &way, .x = x, .y = x0, .kind = DV_MAP_AXPY, .p = -1});
    dv_map (stream, &(DvMap){.out = x,
                        .x = x,
                        .y = &way,
                        .kind = DV_MAP_AXPY,
                        .p = (next - sigma) / sigma});
  }
  dv_release (stream, mark);
}

/* One forward; the velocities go to the lanes. */
static void
predict (Loop *loop, int prediction, float sigma)
{
  const DvSampling *s = loop->sampling;
  const DvGuidance *guidance = s->guidance;
  bool negative = prediction == NEGATIVE;
  DvDitForward forward = {
      .sigma = sigma,
      .context_bias = negative ? NULL : s->context_bias,
      .rule = s->rule,
      .isolate = prediction == ISOLATED,
      .skip_attention = prediction == PERTURBED ? guidance->stg_block : -1,
      .context_key = negative ? guidance->context_key : s->context_key,
  };
  DvDitSide *side[N_SIDES] = {&forward.video, &forward.audio};

  for (int i = 0; i < N_SIDES; i++) {
    const DvSampleSide *io = loop->lane[i].io;

    *side[i] = (DvDitSide){
        .latent = io->latent,
        .context = io->context,
        .mask = io->mask,
        .positions = io->positions,
        .velocity = &loop->lane[i].velocity,
    };
  }
  if (negative) {
    forward.video.context = guidance->video_context;
    forward.audio.context = guidance->audio_context;
  }
  dv_dit_run (loop->dit, loop->stream, &forward,
      negative ? guidance->cache : loop->cache, NULL);
}

/* One step of a distilled model. */
static void
plain_step (Loop *loop, float sigma, float next)
{
  predict (loop, PLAIN, sigma);
  for (int i = 0; i < N_SIDES; i++) {
    Lane *lane = &loop->lane[i];

    dv_euler (
        loop->stream, &(DvEuler){
                          .x = lane->io->latent,
                          .velocity = &lane->velocity,
                          .mask = lane->mask_there,
                          .clean = lane->mask_there ? lane->io->clean : NULL,
                          .sigma = sigma,
                          .next = next,
                      });
  }
}

static const DvTensor *
x0_of (const Loop *loop, const Lane *lane, int prediction)
{
  return loop->wanted[prediction] ? &lane->x0[prediction] : NULL;
}

static void
guided_step (Loop *loop, float sigma, float next)
{
  DvStream *stream = loop->stream;

  for (int p = 0; p < N_PREDICTIONS; p++) {
    if (!loop->wanted[p])
      continue;
    predict (loop, p, sigma);
    for (int i = 0; i < N_SIDES; i++) {
      Lane *lane = &loop->lane[i];

      dv_x0_from_velocity (stream, &lane->x0[p], lane->io->latent,
          &lane->velocity, lane->mask_there, sigma);
    }
  }
  for (int i = 0; i < N_SIDES; i++) {
    Lane *lane = &loop->lane[i];
    const DvTensor *x0 = &lane->x0[PLAIN];

    dv_guide (stream, &(DvGuide){
                          .out = x0,
                          .cond = x0,
                          .uncond = x0_of (loop, lane, NEGATIVE),
                          .perturbed = x0_of (loop, lane, PERTURBED),
                          .modality = x0_of (loop, lane, ISOLATED),
                          .cfg = lane->scales->cfg,
                          .stg = lane->scales->stg,
                          .mod = lane->scales->mod,
                          .rescale = lane->scales->rescale,
                      });
    if (lane->mask_there)
      dv_map (stream, &(DvMap){.out = x0,
                          .x = x0,
                          .y = lane->io->clean,
                          .s = lane->mask_there,
                          .kind = DV_MAP_LERP});
    dv_step_to (stream, lane->io->latent, x0, sigma, next);
  }
}

static bool
side_sound (const DvSampleSide *side)
{
  return side->latent && side->latent->n_dims == 2 && side->context &&
         side->positions &&
         (!side->mask || (side->clean && side->mask->n_dims == 1 &&
                             side->mask->shape[0] == side->latent->shape[0]));
}

/* Takes the loop's memory from the arena. */
static bool
prepare (Loop *loop)
{
  const DvSampling *s = loop->sampling;
  DvStream *stream = loop->stream;
  DvError error = {0};

  if (stream->status != DV_OK)
    return false;
  if (dv_sigmas_check (s->sigmas, s->steps, &error) != DV_OK) {
    dv_stream_fail (stream, error.code, "denoise", "%s", error.detail);
    return false;
  }
  if (!side_sound (&s->video) || !side_sound (&s->audio)) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "denoise",
        "a denoise loop needs a latent, a context, positions and, with a mask, "
        "clean tokens of both modalities");
    return false;
  }
  loop->lane[VIDEO].io = &s->video;
  loop->lane[AUDIO].io = &s->audio;
  loop->wanted[PLAIN] = true;
  if (s->guidance) {
    const DvGuidanceScales *v = &s->guidance->video, *a = &s->guidance->audio;

    loop->lane[VIDEO].scales = v;
    loop->lane[AUDIO].scales = a;
    loop->wanted[NEGATIVE] = v->cfg != 1 || a->cfg != 1;
    loop->wanted[PERTURBED] = v->stg != 0 || a->stg != 0;
    loop->wanted[ISOLATED] = v->mod != 1 || a->mod != 1;
  }
  for (int i = 0; i < N_SIDES; i++) {
    Lane *lane = &loop->lane[i];
    const int64_t *shape = lane->io->latent->shape;

    lane->velocity = DV_NEW (stream, DV_F32, shape[0], shape[1]);
    if (lane->io->mask) {
      lane->mask = dv_mask_on_device (stream, lane->io->mask, 1);
      lane->mask_there = &lane->mask;
    }
    for (int p = 0; s->guidance && p < N_PREDICTIONS; p++)
      if (loop->wanted[p])
        lane->x0[p] = DV_NEW (stream, DV_F32, shape[0], shape[1]);
  }
  return true;
}

static void
show_step (Loop *loop, const DvProbe *probe, int step)
{
  char name[32];

  snprintf (name, sizeof name, "step%d.video", step);
  dv_probe (probe, loop->stream, name, loop->lane[VIDEO].io->latent);
  snprintf (name, sizeof name, "step%d.audio", step);
  dv_probe (probe, loop->stream, name, loop->lane[AUDIO].io->latent);
}

void
dv_sample (const DvDit *dit, DvStream *stream, const DvSampling *sampling,
    DvDitCache *cache, const DvProbe *probe)
{
  size_t mark = dv_mark (stream);
  Loop loop = {
      .dit = dit, .stream = stream, .sampling = sampling, .cache = cache};
  int steps;

  if (!prepare (&loop))
    goto out;
  steps = stream->dry ? 1 : sampling->steps;
  for (int i = 0; i < steps && stream->status == DV_OK; i++) {
    float sigma = sampling->sigmas[i], next = sampling->sigmas[i + 1];

    if (sampling->guidance)
      guided_step (&loop, sigma, next);
    else
      plain_step (&loop, sigma, next);
    show_step (&loop, probe, i);
    /* A step is done when it is computed, not when it is queued. */
    if (sampling->progress && dv_stream_live (stream) &&
        dv_stream_status (stream, NULL) == DV_OK &&
        !sampling->progress (sampling->user, i + 1, sampling->steps))
      dv_stream_fail (stream, DV_CANCELLED, "denoise",
          "cancelled after step %d of %d", i + 1, sampling->steps);
  }

out:
  dv_release (stream, mark);
}
