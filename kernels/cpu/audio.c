/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's resampling along time: ops.h, DvSnake and DvFirUp
 * (docs/ltx2-model.md, section 11.2). Channels stand side by side in a vector.
 *
 * Threads: see cpu.h.
 */
#include "epilogue.h"

#define TAPS 12
/* Steps of a tile. */
#define STEPS 64

INLINE int64_t
clamp (int64_t i, int64_t n)
{
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* STEPS steps of the channels from @c. */
static void
snake_block (const DvSnake *p, int64_t t0, int64_t c)
{
  int64_t T = p->x->shape[0], C = p->x->shape[1];
  int64_t n = C - c < VL ? C - c : VL;
  int64_t steps = T - t0 < STEPS ? T - t0 : STEPS;
  const float *x = (const float *)p->x->data + c, *up = p->up->data;
  const float *down = p->down->data;
  float *out = (float *)p->out->data + c;
  vf alpha = vexp (vload_part ((const float *)p->alpha->data + c, n));
  vf beta = vexp (vload_part ((const float *)p->beta->data + c, n)) + 1e-9f;
  vf wave[2 * STEPS + TAPS], near[STEPS + TAPS];

  beta = 1 / beta;
  /* Input steps t0 - 6 to t0 + steps + 5, then entries 2 t0 - 5 on of
   * snake (up2 (x)); up2's entry j is twice the sum of x[i - 5] up[j + 15 - 2
   * i].
   */
  for (int64_t i = 0; i < steps + TAPS; i++)
    near[i] = vload_part (x + clamp (t0 - 6 + i, T) * p->x->stride[0], n);
  for (int64_t i = 0; i < 2 * (steps - 1) + TAPS; i++) {
    int64_t j = clamp (2 * t0 - 5 + i, 2 * T), first = (j + 5) >> 1;
    vf u = vset (0);

    /* First tap of the sum: j + 15 - 2 first, 10 or 11; then down by 2. */
    for (int64_t k = 0; k < TAPS / 2; k++)
      u = vfma (near[first + k - 5 - (t0 - 6)],
          vset (up[j + 15 - 2 * (first + k)]), u);
    u = u + u;
    wave[i] = vfma (vsin2 (u * alpha), beta, u);
  }
  for (int64_t t = 0; t < steps; t++) {
    vf sum = vset (0);

    for (int64_t k = 0; k < TAPS; k++)
      sum = vfma (wave[2 * t + k], vset (down[k]), sum);
    vstore_part (out + (t0 + t) * p->out->stride[0], sum, n);
  }
}

static void
snake_tile (void *user, int64_t tile, int thread)
{
  const DvSnake *p = user;

  for (int64_t c = 0; c < p->x->shape[1]; c += VL)
    snake_block (p, tile * STEPS, c);
}

DvStatus
DV_CPU (snake) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvSnake *p = args;

  dv_pool_run (stream->device->pool, (p->x->shape[0] + STEPS - 1) / STEPS,
      snake_tile, (void *)(uintptr_t)p);
  return DV_OK;
}

/* ---- resampling ---- */

static void
fir_step (const DvFirUp *p, int64_t o)
{
  const DvTensor *x = p->x;
  const float *filter = p->filter->data;
  int64_t k = p->filter->shape[0], padded = x->shape[0] + 2 * p->pad;
  int64_t n = o + p->cut_lo, last = n / p->factor;

  if (last > padded - 1)
    last = padded - 1;
  for (int64_t c = 0; c < x->shape[1]; c += VL) {
    int64_t part = x->shape[1] - c < VL ? x->shape[1] - c : VL;
    vf sum = vset (0);

    for (int64_t i = last; i >= 0 && n - i * p->factor < k; i--)
      sum = vfma (
          vget (row_at (x, clamp (i - p->pad, x->shape[0]) * x->stride[0]),
              x->dtype == DV_BF16, c, part),
          vset (filter[n - i * p->factor]), sum);
    vput (row_at (p->out, o * p->out->stride[0]), p->out->dtype == DV_BF16, c,
        sum * (float)p->factor, part);
  }
}

static void
fir_tile (void *user, int64_t tile, int thread)
{
  const DvFirUp *p = user;
  int64_t end = (tile + 1) * STEPS < p->out->shape[0] ? (tile + 1) * STEPS
                                                      : p->out->shape[0];

  for (int64_t o = tile * STEPS; o < end; o++)
    fir_step (p, o);
}

DvStatus
DV_CPU (fir_up) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvFirUp *p = args;

  dv_pool_run (stream->device->pool, (p->out->shape[0] + STEPS - 1) / STEPS,
      fir_tile, (void *)(uintptr_t)p);
  return DV_OK;
}
