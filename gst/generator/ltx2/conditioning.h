/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Latent-replacement conditioning and noising (sections 7.1 and 7.2 of
 * docs/ltx2-model.md): which tokens are given, how firmly, and where a
 * denoise loop starts from them.
 */
#ifndef DV_LTX2_CONDITIONING_H
#define DV_LTX2_CONDITIONING_H

#include "ops.h"

/* One modality's. A token's mask is 1 when it is free, 0 when it stays as
 * given. */
typedef struct {
  DvTensor clean; /* [M, C] F32, the caller's memory */
  DvTensor mask;  /* [M] F32 on the host */
  bool any;       /* some mask is not 1 */
} DvCondition;

/* Nothing given yet; @clean is what unconditioned tokens start from besides
 * noise, zeros or a latent. Clear with dv_condition_clear(). */
DvStatus dv_condition_init (
    DvCondition *condition, const DvTensor *clean, DvError *error);
void dv_condition_clear (DvCondition *condition);
/* Fills @t [M, C] with zeros. */
void dv_zero (DvStream *stream, const DvTensor *t);
/* Gives tokens @first and following: their clean values become @latent [n, C]
 * and their mask 1 - @strength. */
void dv_condition_write (DvCondition *condition, DvStream *stream,
    const DvTensor *latent, int64_t first, float strength);
/* The mask for a forward or a loop, NULL when nothing was given. */
const DvTensor *dv_condition_mask (const DvCondition *condition);
/* out = noise mask sigma + clean (1 - mask sigma); out may be noise. */
void dv_condition_noise (const DvCondition *condition, DvStream *stream,
    const DvTensor *out, const DvTensor *noise, float sigma);
/* x = x mask + clean (1 - mask) */
void dv_condition_mix (
    const DvCondition *condition, DvStream *stream, const DvTensor *x);

/* out = noise sigma + clean (1 - sigma), all tokens alike; out may be noise. */
void dv_noised (DvStream *stream, const DvTensor *out, const DvTensor *noise,
    const DvTensor *clean, float sigma);
/* A host mask [M] times @scale, in the stream's arena. */
DvTensor dv_mask_on_device (
    DvStream *stream, const DvTensor *mask, float scale);

#endif
