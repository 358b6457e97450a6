/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's convolutions: ops.h, DvConv and DvConvUp1.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

static int64_t
one_if_0 (int n)
{
  return n == 0 ? 1 : n;
}

/* Which cell of an axis of @n stands at @i, or -1 for a zero. */
static int64_t
source (int64_t i, int64_t n, DvPad mode)
{
  if (i >= 0 && i < n)
    return i;
  switch (mode) {
    case DV_PAD_REFLECT:
      return i < 0 ? -i : 2 * (n - 1) - i;
    case DV_PAD_EDGE:
      return i < 0 ? 0 : n - 1;
    default:
      return -1;
  }
}

/* The input cells under the window of output cell @m, in the weight's order:
 * channel, time, row, column. */
static void
fill (const void *user, int64_t m, int64_t k, int64_t n, float *to)
{
  const DvConv *p = user;
  const DvTensor *x = p->x;
  const int64_t *size = p->w->shape + 2, *shape = p->out->shape;
  int64_t cell[3] = {
      m / (shape[1] * shape[2]), m / shape[2] % shape[1], m % shape[2]};
  int64_t taps = size[0] * size[1] * size[2];
  int64_t channel = k / taps;
  int64_t tap[3] = {
      k % taps / (size[1] * size[2]), k / size[2] % size[1], k % size[2]};

  for (int64_t i = 0; i < n; i++) {
    int64_t at = channel;
    bool zero = false;

    for (int a = 0; a < 3; a++) {
      int64_t s = source (cell[a] * one_if_0 (p->stride[a]) +
                              tap[a] * one_if_0 (p->dilation[a]) - p->pad_lo[a],
          x->shape[a], p->pad_mode[a]);

      zero |= s < 0;
      at += s * x->stride[a];
    }
    to[i] = zero ? 0 : dv_ref_get (x, at);
    for (int a = 2; a >= 0 && ++tap[a] == size[a]; a--) {
      tap[a] = 0;
      channel += a == 0;
    }
  }
}

static void
take (const void *user, int64_t m, int64_t n, float sum)
{
  const DvConv *p = user;
  const int64_t *shape = p->out->shape;
  int64_t cell[3] = {
      m / (shape[1] * shape[2]), m / shape[2] % shape[1], m % shape[2]};
  int64_t out = n, residual = n;

  if (p->bias)
    sum += dv_ref_get (p->bias, n);
  sum = dv_ref_act (p->act, sum);
  for (int a = 0; a < 3; a++) {
    out += cell[a] * p->out->stride[a];
    if (p->residual)
      residual += cell[a] * p->residual->stride[a];
  }
  if (p->residual)
    sum += dv_ref_get (p->residual, residual);
  dv_ref_put (p->out, out, sum);
}

DvStatus
dv_ref_conv (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvConv *p = args;
  const int64_t *o = p->out->shape, *w = p->w->shape;

  dv_ref_products (
      o[0] * o[1] * o[2], o[3], w[1] * w[2] * w[3] * w[4], p->w, fill, take, p);
  return DV_OK;
}

/* ---- transposed ---- */

static float
rounded (const DvWeight *w, float v)
{
  if (w->compute == DV_BF16)
    return dv_f32_from_bf16 (dv_bf16_from_f32 (v));
  return v;
}

/* Adds input channels [from, end) of step @t, through tap @tap, to @sum. */
static void
up1_part (const DvConvUp1 *p, int64_t t, int64_t tap, int64_t from, int64_t end,
    int64_t co, float *sum)
{
  int64_t Co = p->w->shape[1], k = p->w->shape[2];
  float part = 0;

  for (int64_t ci = from; ci < end; ci++)
    part += rounded (p->w, dv_ref_get (p->x, t * p->x->stride[0] + ci)) *
            rounded (p->w, dv_ref_get (&p->w->data, (ci * Co + co) * k + tap));
  *sum += part;
}

DvStatus
dv_ref_conv_up1 (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvConvUp1 *p = args;
  int64_t Ci = p->w->shape[0], Co = p->w->shape[1], k = p->w->shape[2];

  for (int64_t o = 0; o < p->out->shape[0]; o++) {
    /* Steps t with 0 <= o + pad - t stride < k. */
    int64_t last = (o + p->pad) / p->stride;

    for (int64_t co = 0; co < Co; co++) {
      float sum = 0;

      for (int64_t t = last; t >= 0 && o + p->pad - t * p->stride < k; t--)
        for (int64_t ci = 0; t < p->x->shape[0] && ci < Ci; ci += 64)
          up1_part (p, t, o + p->pad - t * p->stride, ci,
              ci + 64 < Ci ? ci + 64 : Ci, co, &sum);
      if (p->bias)
        sum += dv_ref_get (p->bias, co);
      dv_ref_put (p->out, o * p->out->stride[0] + co, sum);
    }
  }
  return DV_OK;
}
