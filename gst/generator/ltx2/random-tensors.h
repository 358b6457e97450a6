/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every tensor of a model of some configuration, by its diffusers name, and
 * how it is filled (make-random.h).
 */
#ifndef DV_LTX2_RANDOM_TENSORS_H
#define DV_LTX2_RANDOM_TENSORS_H

#include "checkpoint.h"

/* What a tensor is, so that random values keep a model's numbers finite. */
typedef enum {
  DV_FILL_PRODUCT, /* [out, in…]: variance 1 / in */
  DV_FILL_BRANCH,  /* the same, a quarter as large: of a sum of many */
  DV_FILL_UP1,     /* [in, out, k] of a transposed convolution */
  DV_FILL_SMALL,   /* biases, tables: about 0 */
  DV_FILL_ONE,     /* norm weights, deviations: about 1 */
  DV_FILL_UNIT,    /* registers: variance 1 */
  DV_FILL_SINC,    /* a filter of BigVGAN's */
  DV_FILL_STFT,    /* rows of windowed cosines, then sines */
  DV_FILL_BANDS,   /* overlapping triangles: a mel filter bank */
  DV_FILL_BLUR     /* the binomial kernel */
} DvFill;

typedef void (*DvTensorVisit) (void *user, const char *name, DvFill fill,
    int n_dims, const int64_t *shape);

void dv_random_tensors (
    const DvLtx2Config *config, DvPart part, DvTensorVisit visit, void *user);

#endif
