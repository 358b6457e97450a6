/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's low-rank changes: ops.h, DvMerge.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

/* Entry [n, k] of b a. */
static float
product (const DvChange *change, int64_t n, int64_t k)
{
  const DvTensor *b = change->b, *a = change->a;
  float sum = 0;

  for (int64_t r = 0; r < b->shape[1]; r++)
    sum += dv_ref_get (b, n * b->stride[0] + r) *
           dv_ref_get (a, r * a->stride[0] + k);
  return sum;
}

DvStatus
dv_ref_merge (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvMerge *p = args;

  for (int64_t n = 0; n < p->out->shape[0]; n++)
    for (int64_t k = 0; k < p->out->shape[1]; k++) {
      float total = dv_ref_get (p->x, n * p->x->stride[0] + k);

      for (int i = 0; i < p->n_changes; i++)
        total += p->changes[i].scale * product (&p->changes[i], n, k);
      dv_ref_put (p->out, n * p->out->stride[0] + k, total);
    }
  return DV_OK;
}
