/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's normalisation of hidden states: ops.h, DvSpread; the
 * formula is in docs/ltx2-model.md, section 3.3.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

DvStatus
dv_ref_spread (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvSpread *p = args;
  int64_t M = p->x->shape[1], C = p->x->shape[2];

  for (int64_t l = 0; l < p->x->shape[0]; l++) {
    float least = INFINITY, largest = -INFINITY, s;
    double sum = 0;

    for (int64_t m = 0; m < M; m++) {
      int64_t row = l * p->x->stride[0] + m * p->x->stride[1];

      for (int64_t c = 0; c < C; c++) {
        float v = dv_ref_get (p->x, row + c);

        sum += v;
        least = v < least ? v : least;
        largest = v > largest ? v : largest;
      }
    }
    s = p->scale / (largest - least + p->eps);
    dv_ref_put (p->s, l * p->s->stride[0], s);
    dv_ref_put (p->b, l * p->b->stride[0],
        (float)(-s * (sum / ((double)(M * C) + (double)p->eps))));
  }
  return DV_OK;
}
