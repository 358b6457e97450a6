/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Attention in F32, for tensors of either dtype: a block of 256 threads takes
 * 64 queries of one head and walks over the keys 64 at a time.  A thread has 4
 * queries by 4 keys of the scores, and 4 queries by 4 columns of each 64 of
 * the values.  Queries and keys come to shared memory 32 columns at a time,
 * transposed; values, 64 columns at a time, take the same place.
 *
 * A key whose weight is 0 does not count, whatever its values are.
 */
#include "attention.cuh"
#include "four.cuh"

#define THREADS 256
#define TILE 64
#define SLICE 32         /* columns of queries and keys at a time */
#define WIDTH (TILE + 4) /* of a row in shared memory */

DV_DEVICE float
entry (const Heads &t, int64_t at)
{
  return t.bf16 ? dv_float (((const DvBf16 *)t.data)[at])
                : ((const float *)t.data)[at];
}

/* Columns [c, c + SLICE) of rows [i, i + TILE) below @rows, transposed; the
 * rest zeros. */
DV_DEVICE void
load_slice (float (*to)[WIDTH], const Heads &t, int64_t i, int64_t rows,
    int head, int c, int d)
{
  const int column = threadIdx.x % SLICE;

  for (int r = threadIdx.x / SLICE; r < TILE; r += THREADS / SLICE)
    to[column][r] =
        i + r < rows && c + column < d
            ? entry (t, (i + r) * t.row + head * t.head + c + column)
            : 0;
}

/* Columns [c, c + TILE) of rows [i, i + TILE). */
DV_DEVICE void
load_values (float (*to)[WIDTH], const Heads &t, int64_t i, int64_t rows,
    int head, int c, int d)
{
  const int column = threadIdx.x % TILE;

  for (int r = threadIdx.x / TILE; r < TILE; r += THREADS / TILE)
    to[r][column] =
        i + r < rows && c + column < d
            ? entry (t, (i + r) * t.row + head * t.head + c + column)
            : 0;
}

/* s += the products of 4 queries and 4 keys over a slice. */
DV_DEVICE void
score_slice (float (&s)[4][4], const float (*q)[WIDTH], int row,
    const float (*k)[WIDTH], int column)
{
  for (int c = 0; c < SLICE; c++) {
    float a[4], b[4];

    dv_load_four (&q[c][row], a);
    dv_load_four (&k[c][column], b);
    DV_UNROLL
    for (int r = 0; r < 4; r++)
      DV_UNROLL
    for (int j = 0; j < 4; j++)
      s[r][j] = fmaf (a[r], b[j], s[r][j]);
  }
}

/* The largest, and the sum, over the 16 threads that share queries. */
DV_DEVICE float
row_max (float v)
{
  for (int step = 8; step > 0; step /= 2)
    v = fmaxf (v, __shfl_xor_sync (DV_ALL_LANES, v, step));
  return v;
}

DV_DEVICE float
row_sum (float v)
{
  for (int step = 8; step > 0; step /= 2)
    v += __shfl_xor_sync (DV_ALL_LANES, v, step);
  return v;
}

/* What a thread keeps of its 4 queries. */
template <int D> struct Sums {
  float o[D / TILE][4][4];
  float top[4], sum[4];
};

/* Scores become weights; what was summed so far shrinks to the new top. */
template <int D>
DV_DEVICE void
weigh (
    float (&s)[4][4], Sums<D> &sums, const Attention &p, int64_t i, int64_t key)
{
  const int first = threadIdx.x % 16 * 4;

  DV_UNROLL
  for (int r = 0; r < 4; r++) {
    float best = -INFINITY, part = 0, shift, shrink;
    int from, end;

    keys_of_tile (p, i + r, key, TILE, &from, &end);
    DV_UNROLL
    for (int j = 0; j < 4; j++) {
      bool seen = first + j >= from && first + j < end;

      s[r][j] *= p.scale;
      if (p.bias && seen)
        s[r][j] += p.bias[key + first + j];
      s[r][j] = seen ? s[r][j] : -INFINITY;
      best = fmaxf (best, s[r][j]);
    }
    best = fmaxf (sums.top[r], row_max (best));
    /* Where nothing is seen yet all weights are e^-infinity, or NaN. */
    shift = best == -INFINITY ? 0 : best;
    shrink = expf (sums.top[r] - shift);
    sums.top[r] = best;
    DV_UNROLL
    for (int j = 0; j < 4; j++) {
      s[r][j] = expf (s[r][j] - shift);
      part += s[r][j];
    }
    sums.sum[r] = sums.sum[r] * shrink + row_sum (part);
    DV_UNROLL
    for (int n = 0; n < D / TILE; n++)
      DV_UNROLL
    for (int c = 0; c < 4; c++)
      sums.o[n][r][c] *= shrink;
  }
}

/* o += weights, [key][query], times values. */
DV_DEVICE void
add_values (float (&o)[4][4], const float (*weights)[WIDTH], int row,
    const float (*values)[WIDTH], int column)
{
  for (int j = 0; j < TILE; j++) {
    float a[4], b[4];

    dv_load_four (&weights[j][row], a);
    dv_load_four (&values[j][column], b);
    DV_UNROLL
    for (int r = 0; r < 4; r++)
      DV_UNROLL
    for (int c = 0; c < 4; c++)
      o[r][c] = a[r] == 0 ? o[r][c] : fmaf (a[r], b[c], o[r][c]);
  }
}

template <int D>
DV_DEVICE void
finish (const Attention &p, const Sums<D> &sums, int64_t i, int h)
{
  const int column = threadIdx.x % 16 * 4;

  DV_UNROLL
  for (int r = 0; r < 4; r++) {
    float factor;

    if (i + r >= p.M)
      continue;
    factor = last_factor (p, i + r, h, sums.sum[r]);
    DV_UNROLL
    for (int n = 0; n < D / TILE; n++)
      DV_UNROLL
    for (int c = 0; c < 4; c++)
      if (n * TILE + column + c < p.d)
        put_entry (p.out,
            (i + r) * p.out.row + h * p.out.head + n * TILE + column + c,
            sums.o[n][r][c] * factor);
  }
}

/* Blocks: (64 queries, head). */
template <int D>
DV_KERNEL
DV_BOUNDS (THREADS) attend (const Attention p)
{
  DV_SHARED (float, inputs, [TILE][WIDTH]); /* queries, keys; or values */
  DV_SHARED (float, weights, [TILE][WIDTH]);
  const int h = blockIdx.y, g = h / p.share;
  const int rows = threadIdx.x / 16 * 4, columns = threadIdx.x % 16 * 4;
  const int64_t i0 = (int64_t)blockIdx.x * TILE;
  int64_t key, end;
  Sums<D> sums = {};

  for (int r = 0; r < 4; r++)
    sums.top[r] = -INFINITY;
  keys_seen (p, i0, p.M - i0 < TILE ? p.M - i0 : TILE, &key, &end);
  for (key = key / TILE * TILE; key < end; key += TILE) {
    float s[4][4] = {};

    for (int c = 0; c < p.d; c += SLICE) {
      __syncthreads ();
      load_slice (inputs, p.q, i0, p.M, h, c, p.d);
      load_slice (inputs + SLICE, p.k, key, p.S, g, c, p.d);
      __syncthreads ();
      score_slice (s, inputs, rows, inputs + SLICE, columns);
    }
    weigh<D> (s, sums, p, i0 + rows, key);
    for (int j = 0; j < 4; j++) {
      float column[4] = {s[0][j], s[1][j], s[2][j], s[3][j]};

      dv_store_four (&weights[columns + j][rows], column);
    }
    DV_UNROLL
    for (int n = 0; n < D / TILE; n++) {
      __syncthreads ();
      load_values (inputs, p.v, key, p.S, g, n * TILE, p.d);
      __syncthreads ();
      add_values (sums.o[n], weights, rows, inputs, columns);
    }
  }
  finish<D> (p, sums, i0 + rows, h);
}

void
dv_cuda_attention_f32 (const Attention *p, cudaStream_t queue)
{
  dim3 blocks ((unsigned)((p->M + TILE - 1) / TILE), (unsigned)p->H);

  if (p->d <= 64)
    DV_LAUNCH (attend<64>, blocks, THREADS, 0, queue, *p);
  else if (p->d <= 128)
    DV_LAUNCH (attend<128>, blocks, THREADS, 0, queue, *p);
  else
    DV_LAUNCH (attend<256>, blocks, THREADS, 0, queue, *p);
}
