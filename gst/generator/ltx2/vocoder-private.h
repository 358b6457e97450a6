/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One generator of a vocoder: a stack of transposed convolutions with residual
 * blocks.  LTX-2 has one, LTX-2.3 two of them.
 */
#ifndef DV_LTX2_VOCODER_PRIVATE_H
#define DV_LTX2_VOCODER_PRIVATE_H

#include "vocoder.h"

#define DV_GAN_DILATIONS 3

typedef struct {
  DvWeight w;
  DvTensor bias; /* data NULL: none */
} DvGanConv;

/* Anti-aliased snake (section 11.2). */
typedef struct {
  DvTensor alpha, beta, up, down;
} DvGanSnake;

typedef struct {
  DvGanConv conv[2][DV_GAN_DILATIONS];
  DvGanSnake act[2][DV_GAN_DILATIONS];
} DvGanBlock;

typedef struct {
  DvDevice *device;
  DvGanConfig config;
  DvDtype compute;
  DvGanConv in, out;
  DvGanConv up[DV_MAX_RATES];
  DvGanBlock *block; /* [rates][res kernels] */
  DvGanSnake act_out;
} DvGan;

/* @prefix: "" or "vocoder." */
bool dv_gan_load (DvGan *gan, DvLoader *loader, const DvGanConfig *config,
    const char *prefix);
void dv_gan_clear (DvGan *gan);
/* Samples for so many frames. */
int64_t dv_gan_samples (const DvGanConfig *config, int64_t frames);
/* @mel [T, in] -> @wave [samples, out], F32. @probe sees conv_in, up0 and
 * resnet0. */
void dv_gan_run (const DvGan *gan, DvStream *stream, const DvTensor *mel,
    const DvTensor *wave, const DvProbe *probe);

#endif
