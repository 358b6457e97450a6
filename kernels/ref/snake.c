/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's resampling along one axis: ops.h, DvSnake and DvFirUp; the
 * formulas are in docs/ltx2-model.md, section 11.2.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

#define TAPS 12
#define BLOCK 64

static int64_t
clamp (int64_t i, int64_t n)
{
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static float
input (const DvTensor *x, int64_t t, int64_t c)
{
  return dv_ref_get (x, clamp (t, x->shape[0]) * x->stride[0] + c);
}

/* Entry @n of snake (up2 (x)) of channel @c: with x replicated 5 steps beyond
 * its ends, up2 is twice the sum of x[i - 5] up[n + 15 - 2 i]. */
static float
snake (const DvSnake *p, int64_t n, int64_t c, float alpha, float beta)
{
  int64_t length = 2 * p->x->shape[0];
  float u = 0, wave;

  n = clamp (n, length);
  for (int64_t i = (n + 15 - (TAPS - 1) + 1) / 2; 2 * i <= n + 15; i++)
    u += input (p->x, i - 5, c) * dv_ref_get (p->up, n + 15 - 2 * i);
  u *= 2;
  wave = sinf (u * alpha);
  return u + wave * wave / beta;
}

DvStatus
dv_ref_snake (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvSnake *p = args;
  int64_t T = p->x->shape[0];
  float up[2 * BLOCK + TAPS];

  for (int64_t c = 0; c < p->x->shape[1]; c++) {
    float alpha = expf (dv_ref_get (p->alpha, c));
    float beta = expf (dv_ref_get (p->beta, c)) + 1e-9f;

    for (int64_t t0 = 0; t0 < T; t0 += BLOCK) {
      int64_t steps = T - t0 < BLOCK ? T - t0 : BLOCK;

      /* down2: replicated 5 before and 6 behind, every second sum. */
      for (int64_t i = 0; i < 2 * (steps - 1) + TAPS; i++)
        up[i] = snake (p, 2 * t0 - 5 + i, c, alpha, beta);
      for (int64_t t = 0; t < steps; t++) {
        float sum = 0;

        for (int64_t k = 0; k < TAPS; k++)
          sum += dv_ref_get (p->down, k) * up[2 * t + k];
        dv_ref_put (p->out, (t0 + t) * p->out->stride[0] + c, sum);
      }
    }
  }
  return DV_OK;
}

DvStatus
dv_ref_fir_up (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvFirUp *p = args;
  int64_t k = p->filter->shape[0], padded = p->x->shape[0] + 2 * p->pad;

  for (int64_t o = 0; o < p->out->shape[0]; o++) {
    /* Steps i of the extended input with 0 <= n - i factor < k. */
    int64_t n = o + p->cut_lo, last = n / p->factor;

    if (last > padded - 1)
      last = padded - 1;
    for (int64_t c = 0; c < p->x->shape[1]; c++) {
      float sum = 0;

      for (int64_t i = last; i >= 0 && n - i * p->factor < k; i--)
        sum += input (p->x, i - p->pad, c) *
               dv_ref_get (p->filter, n - i * p->factor);
      dv_ref_put (p->out, o * p->out->stride[0] + c, sum * (float)p->factor);
    }
  }
  return DV_OK;
}
