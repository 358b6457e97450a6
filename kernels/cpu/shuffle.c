/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's moves between space and channels: ops.h, DvShuffle.
 *
 * Threads: see cpu.h.
 */
#include "epilogue.h"

INLINE float
get (const DvTensor *t, int64_t i)
{
  return t->dtype == DV_BF16 ? dv_f32_from_bf16 (((const uint16_t *)t->data)[i])
                             : ((const float *)t->data)[i];
}

INLINE void
put (const DvTensor *t, int64_t i, float v, bool add)
{
  if (add)
    v += get (t, i);
  if (t->dtype == DV_BF16)
    ((uint16_t *)t->data)[i] = dv_bf16_from_f32 (v);
  else
    ((float *)t->data)[i] = v;
}

/* Where an offset inside a cell stands among the deep side's channels. */
INLINE int64_t
place (const DvShuffle *p, const int64_t offset[3])
{
  const int *f = p->factor;

  if (p->columns_first)
    return (offset[0] * f[2] + offset[2]) * f[1] + offset[1];
  return (offset[0] * f[1] + offset[1]) * f[2] + offset[2];
}

/* One cell of the result: every P-th channel of a cell, @tile times. */
INLINE void
cell_to_space (const DvShuffle *p, const DvTensor *out, const DvTensor *x,
    int64_t to, const int64_t cell[3])
{
  int64_t P = (int64_t)p->factor[0] * p->factor[1] * p->factor[2];
  int64_t n = x->shape[3] / P, offset[3], from = 0;

  for (int a = 0; a < 3; a++) {
    int64_t i = cell[a] + (a == 0 ? p->drop : 0);

    offset[a] = i % p->factor[a];
    from += i / p->factor[a] * x->stride[a];
  }
  from += place (p, offset);
  for (int64_t c0 = 0; c0 < out->shape[3]; c0 += n)
    for (int64_t c = 0; c < n; c++)
      put (out, to + c0 + c, get (x, from + c * P), p->add);
}

/* One cell of the result: the channels of P cells in turn, averaged in
 * groups. */
INLINE void
cell_to_depth (const DvShuffle *p, const DvTensor *out, const DvTensor *x,
    int64_t to, const int64_t cell[3])
{
  const int *f = p->factor;
  int64_t P = (int64_t)f[0] * f[1] * f[2], group = p->group > 0 ? p->group : 1;
  int64_t base = 0, i = 0, o = 0;
  float sum = 0;

  for (int a = 0; a < 3; a++)
    base += cell[a] * f[a] * x->stride[a];
  for (int64_t c = 0; c < x->shape[3]; c++)
    for (int64_t k = 0; k < P; k++) {
      int64_t outer = k / (f[1] * f[2]), inner = k % (f[1] * f[2]);
      int64_t y = p->columns_first ? inner % f[1] : inner / f[2];
      int64_t column = p->columns_first ? inner / f[1] : inner % f[2];

      sum += get (x, base + outer * x->stride[0] + y * x->stride[1] +
                         column * x->stride[2] + c);
      if (++i == group) {
        put (out, to + o++, group == 1 ? sum : sum / (float)group, p->add);
        sum = 0;
        i = 0;
      }
    }
}

/* A row of cells. */
static void
row (void *user, int64_t tile, int thread)
{
  const DvShuffle *p = user;
  const DvTensor *out = p->out, *x = p->x;
  int64_t cell[3] = {tile / out->shape[1], tile % out->shape[1]};
  int64_t to = cell[0] * out->stride[0] + cell[1] * out->stride[1];

  for (; cell[2] < out->shape[2]; cell[2]++, to += out->stride[2])
    if (p->kind == DV_DEPTH_TO_SPACE)
      cell_to_space (p, out, x, to, cell);
    else
      cell_to_depth (p, out, x, to, cell);
}

DvStatus
DV_CPU (shuffle) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvShuffle *p = args;

  dv_pool_run (stream->device->pool, p->out->shape[0] * p->out->shape[1], row,
      (void *)(uintptr_t)p);
  return DV_OK;
}
