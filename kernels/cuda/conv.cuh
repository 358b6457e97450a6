/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the convolution kernels share.  A convolution is a product of matrices
 * whose left factor is never stored: row m is the input under the window of
 * output cell m, tap by tap and channel by channel within a tap; rows of the
 * right factor are output channels.  A tap's channels count up to a multiple
 * of 8, as weights stand, so that a chunk of 8 lies within one tap.
 *
 * Axes: 0 time, 1 y, 2 x. Strides are in elements.
 */
#ifndef DV_CONV_CUH
#define DV_CONV_CUH

#include "dvcuda.h"
#include "simt.cuh"

/* Cells [t, y, x, channels]. */
typedef struct {
  void *data; /* NULL: absent */
  int64_t stride[3];
  bool bf16;
} Cells;

typedef struct {
  Cells x, out, residual;
  int size[3], cells[3]; /* of x, of out */
  /* Cell c and tap k of an axis see x at c stride + k dilation - lo. */
  int taps[3], stride[3], dilation[3], lo[3];
  DvPad mode[3];
  int ci, channels, co; /* channels: ci rounded up to 8 */
  /* Entry (n, tap, channel) is at n w_row + tap w_tap + channel. */
  const void *w;
  int64_t w_row, w_tap;
  const float *bias; /* [co] */
  DvAct act;
} Convolution;

/* Where a chunk of channels stands in a row of the left factor. */
struct DvTap {
  int it, iy, ix, channel;
};

/* Which cell of an axis of @n stands at @i, or -1 for a zero. */
DV_DEVICE int
source (int i, int n, DvPad mode)
{
  if (i >= 0 && i < n)
    return i;
  if (mode == DV_PAD_ZERO)
    return -1;
  if (mode == DV_PAD_EDGE)
    return i < 0 ? 0 : n - 1;
  return i < 0 ? -i : 2 * (n - 1) - i;
}

/* Goes on by @n channels; false: behind the last tap. */
DV_DEVICE bool
step (const Convolution &p, DvTap *tap, int n)
{
  for (tap->channel += n; tap->channel >= p.channels && tap->it < p.taps[0];) {
    tap->channel -= p.channels;
    if (++tap->ix < p.taps[2])
      continue;
    tap->ix = 0;
    if (++tap->iy < p.taps[1])
      continue;
    tap->iy = 0;
    tap->it++;
  }
  return tap->it < p.taps[0];
}

/* The corner of the window of cell @m, [3] @apart from one another; a cell
 * behind the last has its window far outside. */
DV_DEVICE void
corner (const Convolution &p, int64_t m, int *to, int apart)
{
  int64_t plane = (int64_t)p.cells[1] * p.cells[2];
  int t = (int)(m / plane), rest = (int)(m % plane);

  to[0] = t * p.stride[0] - p.lo[0];
  to[apart] = rest / p.cells[2] * p.stride[1] - p.lo[1];
  to[2 * apart] = rest % p.cells[2] * p.stride[2] - p.lo[2];
}

/* Where the input under a tap of a window begins, or -1 for zeros. */
DV_DEVICE int64_t
under (const Convolution &p, const int *corner, int apart, DvTap tap)
{
  int t = source (corner[0] + tap.it * p.dilation[0], p.size[0], p.mode[0]);
  int y = source (corner[apart] + tap.iy * p.dilation[1], p.size[1], p.mode[1]);
  int x =
      source (corner[2 * apart] + tap.ix * p.dilation[2], p.size[2], p.mode[2]);

  if (t < 0 || y < 0 || x < 0)
    return -1;
  return t * p.x.stride[0] + y * p.x.stride[1] + x * p.x.stride[2];
}

/* Where the channels of output cell @m stand in @c. */
DV_DEVICE int64_t
place (const Convolution &p, const Cells &c, int64_t m)
{
  int64_t plane = (int64_t)p.cells[1] * p.cells[2];
  int t = (int)(m / plane), rest = (int)(m % plane);

  return t * c.stride[0] + rest / p.cells[2] * c.stride[1] +
         rest % p.cells[2] * c.stride[2];
}

DV_DEVICE void
load_cells (const Cells &c, int64_t at, int n, float v[DV_CHUNK])
{
  if (c.bf16)
    dv_load8 ((const DvBf16 *)c.data + at, n, v);
  else
    dv_load8 ((const float *)c.data + at, n, v);
}

DV_DEVICE void
store_cells (const Cells &c, int64_t at, int n, const float v[DV_CHUNK])
{
  if (c.bf16)
    dv_store8 ((DvBf16 *)c.data + at, n, v);
  else
    dv_store8 ((float *)c.data + at, n, v);
}

/* Finishes @n sums, at most 8, of channels from @column on: @out and @residual
 * are where the cell's channels stand. */
DV_DEVICE void
finish (const Convolution &p, int column, int n, const float bias[DV_CHUNK],
    int64_t out, int64_t residual, float v[DV_CHUNK])
{
  float other[DV_CHUNK] = {};

  if (p.residual.data)
    load_cells (p.residual, residual + column, n, other);
  DV_UNROLL
  for (int i = 0; i < DV_CHUNK; i++)
    v[i] = dv_act (p.act, v[i] + bias[i]) + other[i];
  store_cells (p.out, out + column, n, v);
}

static inline int64_t
conv_rows (const Convolution *p)
{
  return (int64_t)p->cells[0] * p->cells[1] * p->cells[2];
}

/* conv-mma.cu, conv-f32.cu: launch, for weights in BF16 and in F32. */
void dv_cuda_conv_mma (const Convolution *p, cudaStream_t queue);
void dv_cuda_conv_f32 (const Convolution *p, cudaStream_t queue);

#endif
