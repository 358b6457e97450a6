/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's group norm: ops.h, DvGroupNorm (docs/ltx2-model.md,
 * section 12).
 *
 * Threads: see ref.h.
 */
#include "ref.h"

static int64_t
cell (const DvTensor *t, const int64_t i[3])
{
  return i[0] * t->stride[0] + i[1] * t->stride[1] + i[2] * t->stride[2];
}

/* The mean over channels [c0, c0 + n) of all cells of (x - about), or of its
 * square. */
static double
mean_of (const DvTensor *x, int64_t c0, int64_t n, double about, bool square)
{
  double sum = 0;
  int64_t i[3];

  for (i[0] = 0; i[0] < x->shape[0]; i[0]++)
    for (i[1] = 0; i[1] < x->shape[1]; i[1]++)
      for (i[2] = 0; i[2] < x->shape[2]; i[2]++)
        for (int64_t c = c0; c < c0 + n; c++) {
          double v = (double)dv_ref_get (x, cell (x, i) + c) - about;

          sum += square ? v * v : v;
        }
  return sum / (double)(x->shape[0] * x->shape[1] * x->shape[2] * n);
}

DvStatus
dv_ref_group_norm (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvGroupNorm *p = args;
  const DvTensor *x = p->x;
  int64_t n = x->shape[3] / p->groups, i[3];

  for (int64_t c0 = 0; c0 < x->shape[3]; c0 += n) {
    double mean = mean_of (x, c0, n, 0, false);
    double factor = 1 / sqrt (mean_of (x, c0, n, mean, true) + (double)p->eps);

    for (i[0] = 0; i[0] < x->shape[0]; i[0]++)
      for (i[1] = 0; i[1] < x->shape[1]; i[1]++)
        for (i[2] = 0; i[2] < x->shape[2]; i[2]++)
          for (int64_t c = c0; c < c0 + n; c++) {
            float v =
                (dv_ref_get (x, cell (x, i) + c) - (float)mean) * (float)factor;

            if (p->weight)
              v *= dv_ref_get (p->weight, c);
            if (p->bias)
              v += dv_ref_get (p->bias, c);
            if (p->residual)
              v += dv_ref_get (p->residual, cell (p->residual, i) + c);
            dv_ref_put (p->out, cell (p->out, i) + c, dv_ref_act (p->act, v));
          }
  }
  return DV_OK;
}
