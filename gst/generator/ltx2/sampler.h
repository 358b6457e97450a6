/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The denoise loop: Euler steps of flow matching over both modalities, with
 * conditioning and guidance (sections 6.2 and 6.3 of docs/ltx2-model.md).
 */
#ifndef DV_LTX2_SAMPLER_H
#define DV_LTX2_SAMPLER_H

#include "dit.h"

typedef struct {
  const DvTensor *latent;  /* [M, C] F32: tokens, in and out */
  const DvTensor *context; /* [S, caption] F32 */
  const DvTensor *mask;    /* [M] F32 on the host; NULL: 1 */
  const DvTensor *clean;   /* [M, C] F32; needed with a mask */
  const DvPositions *positions;
} DvSampleSide;

/* How strongly each perturbed prediction pushes away from itself. */
typedef struct {
  float cfg;     /* the other prompt; 1: not at all */
  float stg;     /* without a block's self-attention; 0: not at all */
  float mod;     /* without the other modality; 1: not at all */
  float rescale; /* of the deviation back to the plain prediction's */
} DvGuidanceScales;

/* For a model that is not distilled. */
typedef struct {
  DvGuidanceScales video, audio;
  int stg_block;
  const DvTensor *video_context, *audio_context; /* of the negative prompt */
  uint64_t context_key;
  DvDitCache *cache; /* of its own, may be NULL */
} DvGuidance;

typedef struct {
  DvSampleSide video, audio;
  const float *sigmas; /* [steps + 1], falling to 0 */
  int steps;
  DvCrossRule rule;
  const DvTensor *context_bias; /* as DvDitForward */
  uint64_t context_key;
  const DvGuidance *guidance; /* NULL: one forward a step */
  /* After each step; false ends the loop. May be NULL. */
  bool (*progress) (void *user, int done, int steps);
  void *user;
} DvSampling;

/* A probe sees step<i>.video and step<i>.audio after each step. A dry stream
 * runs one step: all are alike. @cache may be NULL. */
void dv_sample (const DvDit *dit, DvStream *stream, const DvSampling *sampling,
    DvDitCache *cache, const DvProbe *probe);

/* x0 = x - mask sigma velocity; @mask on the device or NULL. */
void dv_x0_from_velocity (DvStream *stream, const DvTensor *x0,
    const DvTensor *x, const DvTensor *velocity, const DvTensor *mask,
    float sigma);
/* x += (x - x0) / sigma (next - sigma), exactly x0 where next is 0. */
void dv_step_to (DvStream *stream, const DvTensor *x, const DvTensor *x0,
    float sigma, float next);

#endif
