/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's norms over channels: ops.h, DvNorm and DvQkNorm; the
 * formulas are in docs/ltx2-model.md, sections 4.2 and 5.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

/* 1 / sqrt (mean ((x - mean)^2) + eps) of @n entries from @at; *@mean is 0
 * for RMS. */
static float
deviation (const DvTensor *x, int64_t at, int64_t n, DvNormKind kind, float eps,
    float *mean)
{
  double sum = 0, squares = 0;

  if (kind == DV_NORM_LAYER)
    for (int64_t c = 0; c < n; c++)
      sum += dv_ref_get (x, at + c);
  *mean = (float)(sum / (double)n);
  for (int64_t c = 0; c < n; c++) {
    double v = (double)dv_ref_get (x, at + c) - *mean;

    squares += v * v;
  }
  return (float)(1 / sqrt (squares / (double)n + (double)eps));
}

DvStatus
dv_ref_norm (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvNorm *p = args;
  int64_t C = p->x->shape[1];

  for (int64_t m = 0; m < p->x->shape[0]; m++) {
    int64_t x = m * p->x->stride[0], out = m * p->out->stride[0];
    float mean, factor = deviation (p->x, x, C, p->kind, p->eps, &mean);

    for (int64_t c = 0; c < C; c++) {
      float v = (dv_ref_get (p->x, x + c) - mean) * factor;

      if (p->weight)
        v *= dv_ref_get (p->weight, c) + (p->one_plus ? 1.0f : 0.0f);
      if (p->scale.table)
        v *= 1 + dv_ref_row (&p->scale, m, c);
      if (p->shift.table)
        v += dv_ref_row (&p->shift, m, c);
      v = dv_ref_act (p->act, v);
      if (p->residual)
        v += dv_ref_get (p->residual, m * p->residual->stride[0] + c);
      dv_ref_put (p->out, out + c, v);
    }
  }
  return DV_OK;
}

/* Entry @e of token @m's row of cosines and sines. */
static void
angle (const DvRope *rope, int64_t m, int64_t e, float *c, float *s)
{
  int64_t axis, position;

  *c = 1;
  *s = 0;
  if (rope->n_axes == 0 || e < rope->pad)
    return;
  axis = (e - rope->pad) % rope->n_axes;
  e = (e - rope->pad) / rope->n_axes;
  position = m;
  if (rope->index)
    position = dv_ref_int (rope->index,
        m * rope->index->stride[0] + axis * rope->index->stride[1]);
  *c = dv_ref_get (rope->cos[axis], position * rope->cos[axis]->stride[0] + e);
  *s = dv_ref_get (rope->sin[axis], position * rope->sin[axis]->stride[0] + e);
}

/* Where entry @c of head @h stands in the weight. */
static float
head_weight (const DvQkNorm *p, int64_t h, int64_t c)
{
  int64_t d = p->x->shape[2];
  float w;

  if (!p->weight)
    return 1;
  w = dv_ref_get (p->weight, p->weight->shape[0] == d ? c : h * d + c);
  return p->one_plus ? 1 + w : w;
}

/* 1 / sqrt (mean (x^2) + eps) over heads [h, h + n) of token @m. */
static float
head_factor (const DvQkNorm *p, int64_t m, int64_t h, int64_t n)
{
  int64_t d = p->x->shape[2];
  double squares = 0;

  for (int64_t i = h; i < h + n; i++)
    for (int64_t c = 0; c < d; c++) {
      double v =
          dv_ref_get (p->x, m * p->x->stride[0] + i * p->x->stride[1] + c);

      squares += v * v;
    }
  return (float)(1 / sqrt (squares / (double)(n * d) + (double)p->eps));
}

DvStatus
dv_ref_qk_norm (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvQkNorm *p = args;
  int64_t H = p->x->shape[1], d = p->x->shape[2], half = d / 2;
  bool all_heads = p->weight && p->weight->shape[0] != d;

  for (int64_t m = 0; m < p->x->shape[0]; m++) {
    float factor = all_heads ? head_factor (p, m, 0, H) : 1;

    for (int64_t h = 0; h < H; h++) {
      int64_t x = m * p->x->stride[0] + h * p->x->stride[1];
      int64_t out = m * p->out->stride[0] + h * p->out->stride[1];

      if (p->weight && !all_heads)
        factor = head_factor (p, m, h, 1);
      for (int64_t j = 0; j < half; j++) {
        float a = dv_ref_get (p->x, x + j) * factor * head_weight (p, h, j);
        float b = dv_ref_get (p->x, x + half + j) * factor *
                  head_weight (p, h, half + j);
        float c, s;

        angle (&p->rope, m, p->rope.shared ? j : h * half + j, &c, &s);
        dv_ref_put (p->out, out + j, a * c - b * s);
        dv_ref_put (p->out, out + half + j, b * c + a * s);
      }
    }
  }
  return DV_OK;
}
