/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's norms over channels and rotation: ops.h, DvNorm and
 * DvQkNorm.
 *
 * Threads: see cpu.h.
 */
#include "epilogue.h"

/* Entries of a tile of rows. */
#define TILE 32768

static int64_t
rows_a_tile (int64_t columns)
{
  return columns < TILE ? TILE / columns : 1;
}

/* The sum over @n entries of (x - about)^2, or of x - about. */
INLINE float
row_sum (const void *x, bool bf16, int64_t n, float about, bool square)
{
  vf sum[4] = {vset (0), vset (0), vset (0), vset (0)}, middle = vset (about);
  int64_t i = 0;

  for (; i + 4 * VL <= n; i += 4 * VL)
    for (int j = 0; j < 4; j++) {
      vf v = vget (x, bf16, i + j * VL, VL) - middle;

      sum[j] = square ? vfma (v, v, sum[j]) : sum[j] + v;
    }
  for (int j = 0; i < n; i += VL, j++) {
    int64_t part = n - i < VL ? n - i : VL;
    vf v = vget (x, bf16, i, part) - middle;

    if (part < VL) { /* nothing stands in the rest */
      float rest[VL] = {0};

      vstore_part (rest, v, part);
      v = vload (rest);
    }
    sum[j] = square ? vfma (v, v, sum[j]) : sum[j] + v;
  }
  return vsum ((sum[0] + sum[2]) + (sum[1] + sum[3]));
}

INLINE const float *
table_row (const DvRows *rows, int64_t m)
{
  int64_t d = rows->index ? ((const int32_t *)rows->index->data)[m] : 0;

  return rows->table
             ? (const float *)rows->table->data + d * rows->table->stride[0]
             : NULL;
}

INLINE void
norm_row (const DvNorm *p, int64_t m, const bool x_bf16, const bool out_bf16)
{
  int64_t C = p->x->shape[1];
  const void *x = row_at (p->x, m * p->x->stride[0]);
  void *out = row_at (p->out, m * p->out->stride[0]);
  const float *scale = table_row (&p->scale, m);
  const float *shift = table_row (&p->shift, m);
  const float *weight = p->weight ? p->weight->data : NULL;
  float mean = 0, factor, plus = p->one_plus ? 1 : 0;
  const void *residual = NULL;

  if (p->residual)
    residual = row_at (p->residual, m * p->residual->stride[0]);
  if (p->kind == DV_NORM_LAYER)
    mean = row_sum (x, x_bf16, C, 0, false) / (float)C;
  factor = 1 / sqrtf (row_sum (x, x_bf16, C, mean, true) / (float)C + p->eps);
  for (int64_t c = 0; c < C; c += VL) {
    int64_t part = C - c < VL ? C - c : VL;
    vf v = (vget (x, x_bf16, c, part) - mean) * factor;

    if (weight)
      v *= vload_part (weight + c, part) + plus;
    if (scale)
      v *= 1 + vload_part (scale + c, part);
    if (shift)
      v += vload_part (shift + c, part);
    if (p->act == DV_ACT_SILU)
      v = vsilu (v);
    else if (p->act == DV_ACT_GELU)
      v = vgelu (v);
    if (residual)
      v += vget (residual, p->residual->dtype == DV_BF16, c, part);
    vput (out, out_bf16, c, v, part);
  }
}

static void
norm_tile (void *user, int64_t tile, int thread)
{
  const DvNorm *p = user;
  int64_t rows = rows_a_tile (p->x->shape[1]), m = tile * rows;
  int64_t end = m + rows < p->x->shape[0] ? m + rows : p->x->shape[0];
  bool out_bf16 = p->out->dtype == DV_BF16;

  for (; m < end; m++)
    if (p->x->dtype == DV_BF16) {
      if (out_bf16)
        norm_row (p, m, true, true);
      else
        norm_row (p, m, true, false);
    } else {
      if (out_bf16)
        norm_row (p, m, false, true);
      else
        norm_row (p, m, false, false);
    }
}

DvStatus
DV_CPU (norm) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvNorm *p = args;
  int64_t rows = rows_a_tile (p->x->shape[1]);

  dv_pool_run (stream->device->pool, (p->x->shape[0] + rows - 1) / rows,
      norm_tile, (void *)(uintptr_t)p);
  return DV_OK;
}

/* ---- q and k ---- */

/* Angles that are looked up at a time, if a head has no more. */
#define ANGLES 1024

/* Entries [e, e + n) of token @m's row of cosines (or sines) to @to. */
static void
angles (const DvRope *r, const DvTensor *const table[3], float identity,
    int64_t m, int64_t e, int64_t n, float *to)
{
  int64_t pad = r->pad - e < 0 ? 0 : r->pad - e < n ? r->pad - e : n;

  for (int64_t i = 0; i < pad; i++)
    to[i] = identity;
  for (int64_t i = pad; i < n && i < pad + r->n_axes; i++) {
    int64_t axis = (e + i - r->pad) % r->n_axes, position = m;
    const float *from;

    if (r->index)
      position =
          ((const int32_t *)r->index->data)[m * r->index->stride[0] + axis];
    from = (const float *)table[axis]->data +
           position * table[axis]->stride[0] + (e + i - r->pad) / r->n_axes;
    for (int64_t j = i; j < n; j += r->n_axes)
      to[j] = *from++;
  }
}

INLINE void
rotate_head (const DvQkNorm *p, const void *x, void *out, const float *weight,
    float factor, const float *cosine, const float *sine, const bool x_bf16,
    const bool out_bf16)
{
  int64_t half = p->x->shape[2] / 2;
  float plus = p->one_plus ? 1 : 0;

  for (int64_t j = 0; j < half; j += VL) {
    int64_t part = half - j < VL ? half - j : VL;
    vf a = vget (x, x_bf16, j, part) * factor;
    vf b = vget (x, x_bf16, half + j, part) * factor;

    if (weight) {
      a *= vload_part (weight + j, part) + plus;
      b *= vload_part (weight + half + j, part) + plus;
    }
    if (cosine) {
      vf c = vload_part (cosine + j, part), s = vload_part (sine + j, part);
      vf turned = a * c - b * s;

      b = b * c + a * s;
      a = turned;
    }
    vput (out, out_bf16, j, a, part);
    vput (out, out_bf16, half + j, b, part);
  }
}

INLINE void
qk_row (const DvQkNorm *p, int64_t m, const bool x_bf16, const bool out_bf16)
{
  const DvTensor *x = p->x, *out = p->out;
  int64_t H = x->shape[1], d = x->shape[2];
  bool whole = p->weight && p->weight->shape[0] != d;
  int64_t half = d / 2, group = p->rope.shared ? 1 : ANGLES / half;
  float factor = 1, cosine[ANGLES], sine[ANGLES];

  if (whole) {
    float sum = 0;

    for (int64_t h = 0; h < H; h++)
      sum += row_sum (
          row_at (x, m * x->stride[0] + h * x->stride[1]), x_bf16, d, 0, true);
    factor = 1 / sqrtf (sum / (float)(H * d) + p->eps);
  }
  for (int64_t h = 0; h < H; h++) {
    const void *from = row_at (x, m * x->stride[0] + h * x->stride[1]);
    const float *weight = p->weight ? p->weight->data : NULL;
    int64_t turn;

    if (whole)
      weight += h * d;
    else if (p->weight)
      factor =
          1 / sqrtf (row_sum (from, x_bf16, d, 0, true) / (float)d + p->eps);
    if (p->rope.n_axes && (h == 0 || (!p->rope.shared && h % group == 0))) {
      int64_t n = H - h < group ? H - h : group;

      angles (&p->rope, p->rope.cos, 1, m, h * half, n * half, cosine);
      angles (&p->rope, p->rope.sin, 0, m, h * half, n * half, sine);
    }
    turn = p->rope.shared ? 0 : h % group * half;
    rotate_head (p, from, row_at (out, m * out->stride[0] + h * out->stride[1]),
        weight, factor, p->rope.n_axes ? cosine + turn : NULL, sine + turn,
        x_bf16, out_bf16);
  }
}

static void
qk_tile (void *user, int64_t tile, int thread)
{
  const DvQkNorm *p = user;
  int64_t rows = rows_a_tile (p->x->shape[1] * p->x->shape[2]);
  int64_t m = tile * rows;
  int64_t end = m + rows < p->x->shape[0] ? m + rows : p->x->shape[0];
  bool out_bf16 = p->out->dtype == DV_BF16;

  for (; m < end; m++)
    if (p->x->dtype == DV_BF16) {
      if (out_bf16)
        qk_row (p, m, true, true);
      else
        qk_row (p, m, true, false);
    } else {
      if (out_bf16)
        qk_row (p, m, false, true);
      else
        qk_row (p, m, false, false);
    }
}

DvStatus
DV_CPU (qk_norm) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvQkNorm *p = args;
  int64_t rows = rows_a_tile (p->x->shape[1] * p->x->shape[2]);

  dv_pool_run (stream->device->pool, (p->x->shape[0] + rows - 1) / rows,
      qk_tile, (void *)(uintptr_t)p);
  return DV_OK;
}
