/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the parts of the text side share.
 */
#ifndef DV_LTX2_TEXT_PRIVATE_H
#define DV_LTX2_TEXT_PRIVATE_H

#include "text.h"

/* out = [residual +] act (a w^T + bias) */
static inline void
dv_text_linear (DvStream *stream, const DvTensor *out, const DvTensor *a,
    const DvLinear *linear, DvAct act, const DvTensor *residual)
{
  dv_matmul (stream, &(DvMatmul){
                         .out = out,
                         .a = a,
                         .w = &linear->w,
                         .bias = linear->bias.n_dims ? &linear->bias : NULL,
                         .act = act,
                         .residual = residual,
                     });
}

/* A dense tensor with its last dimension cut in heads of @d. */
static inline DvTensor
dv_text_heads (const DvTensor *t, int64_t d)
{
  return DV_RESHAPE (t, t->shape[0], t->shape[1] / d, d);
}

/* Leaves in the loader that there was none for @what. */
static inline void
dv_text_no_memory (DvLoader *loader, const char *what)
{
  if (loader->status == DV_OK)
    loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "load",
        "There is no memory left for the %s.", what);
}

/* ---- the feature extractor (features.c) ---- */

typedef struct DvFeatures DvFeatures;

DvFeatures *dv_features_load (DvLoader *loader, const DvTextConfig *config);
void dv_features_free (DvFeatures *features);
/* @hidden [L, n, D] -> @video [n, Dv] and @audio [n, Da], F32. */
void dv_features_run (const DvFeatures *features, DvStream *stream,
    const DvTensor *hidden, const DvTensor *video, const DvTensor *audio);

#endif
