/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's matrix product: ops.h, DvMatmul.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

static void
fill (const void *user, int64_t m, int64_t k, int64_t n, float *to)
{
  const DvMatmul *p = user;
  int64_t row = m * p->a->stride[0] + k;

  for (int64_t i = 0; i < n; i++)
    to[i] = dv_ref_get (p->a, row + i);
}

static void
take (const void *user, int64_t m, int64_t n, float sum)
{
  const DvMatmul *p = user;
  float v = sum;

  if (p->bias)
    v += dv_ref_get (p->bias, n);
  v = dv_ref_act (p->act, v);
  if (p->gate.table)
    v *= dv_ref_row (&p->gate, m, n);
  if (p->residual)
    v += dv_ref_get (p->residual, m * p->residual->stride[0] + n);
  dv_ref_put (p->out, m * p->out->stride[0] + n, v);
}

DvStatus
dv_ref_matmul (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvMatmul *p = args;

  dv_ref_products (
      p->out->shape[0], p->out->shape[1], p->a->shape[1], p->w, fill, take, p);
  return DV_OK;
}
