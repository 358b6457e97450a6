/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The arithmetic around sampling: noise levels, sizes of latents, and what a
 * segment takes over from the one before (sections 1, 6 and 7.3 of
 * docs/ltx2-model.md).  Pure functions on the host.
 */
#ifndef DV_LTX2_SCHEDULE_H
#define DV_LTX2_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* ---- noise levels: steps + 1 sigmas, falling, the last 0 ---- */

#define DV_MAX_STEPS 1000
#define DV_DISTILLED_STEPS 8
#define DV_STAGE2_STEPS 3

/* The distilled model's first stage in 1 to 8 steps. */
DvStatus dv_sigmas_distilled (int steps, float *sigmas, DvError *error);
/* And its second, in 1 to 3: the same rule over its own list. */
DvStatus dv_sigmas_stage2 (int steps, float *sigmas, DvError *error);
/* The model before distillation; @tokens moves the levels, 4096 by default. */
DvStatus dv_sigmas_shifted (
    int steps, int64_t tokens, float *sigmas, DvError *error);
/* Whether a list of the caller's can be walked. */
DvStatus dv_sigmas_check (const float *sigmas, int steps, DvError *error);

/* ---- sizes ---- */

typedef struct {
  int64_t f, h, w;       /* of the video latent */
  int64_t tokens;        /* f h w */
  int64_t audio_latents; /* T */
  int64_t mel_frames;    /* max (4 T - 3, 1) */
} DvShapes;

/* round (frames / fps * 25), half to even. */
int64_t dv_audio_latents (int64_t frames, double fps);
/* @stages: 1, or 2 when the picture is made at half its size first (sizes are
 * those of the full one). */
DvStatus dv_shapes (DvShapes *shapes, int64_t width, int64_t height,
    int64_t frames, double fps, int stages, DvError *error);

/* ---- continuation ---- */

typedef struct {
  int64_t video_frames;   /* V: of the segment before, encoded again */
  int64_t video_latents;  /* that many latent frames are given */
  int64_t audio_latents;  /* t: given at the start */
  int64_t extra;          /* frames that the sound starts before the picture */
  int64_t audio_frames;   /* N + extra: the sound's length in frames */
  int64_t audio_total;    /* T */
  double position_offset; /* seconds that the picture's positions move */
} DvContinuation;

/* @frames N, @video V and @audio P conditioning frames, @available latents of
 * the sound before. */
DvStatus dv_continuation (DvContinuation *continuation, int64_t frames,
    double fps, int64_t video, int64_t audio, int64_t available,
    DvError *error);

typedef struct {
  int64_t drop_frames, drop_samples;
  int64_t keep_frames, keep_samples;
} DvTrim;

/* What of a continued segment is shown, at @rate samples a second. */
DvTrim dv_continuation_trim (const DvContinuation *continuation, int64_t frames,
    double fps, double rate);

#endif
