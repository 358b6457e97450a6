/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See epilogue.h.
 */
#include "simt.cuh"

#include "epilogue.h"

#define THREADS 256
#define TILE 16

/* ---- rows, dense and of another dtype ---- */

template <typename In, typename Out>
DV_KERNEL
DV_BOUNDS (THREADS) dense_rows (
    const In *from, int64_t stride, int64_t rows, int64_t width, Out *to)
{
  int64_t chunks = (width + DV_CHUNK - 1) / DV_CHUNK;

  for (int64_t i = dv_thread (); i < rows * chunks; i += dv_threads ()) {
    int64_t row = i / chunks, at = i % chunks * DV_CHUNK;
    float v[DV_CHUNK];

    dv_load8 (from + row * stride + at, width - at, v);
    dv_store8 (to + row * width + at, width - at, v);
  }
}

void
dv_cuda_dense_rows (cudaStream_t queue, const DvTensor *from, int64_t row,
    int64_t rows, DvDtype dtype, void *to)
{
  int64_t width = from->shape[1], stride = from->stride[0];
  int64_t chunks = rows * ((width + DV_CHUNK - 1) / DV_CHUNK);

  dv_typed (from->dtype, [&] (auto in) {
    dv_typed (dtype, [&] (auto out) {
      DV_LAUNCH ((dense_rows<decltype (in), decltype (out)>),
          dv_blocks (chunks, THREADS), THREADS, 0, queue,
          (const decltype (in) *)from->data + row * stride, stride, rows, width,
          (decltype (out) *)to);
    });
  });
}

/* ---- the product, plainly ---- */

/* A block computes a tile of sums; K is taken in tiles too, so each sum is
 * added up in one order. */
template <typename W>
DV_KERNEL
DV_BOUNDS (TILE *TILE) plain_product (DvView a, int64_t row, int64_t rows,
    const W *w, int64_t N, int64_t K, float *sum, int64_t stride)
{
  DV_SHARED (float, left, [TILE][TILE + 1]);
  DV_SHARED (float, right, [TILE][TILE + 1]);
  int x = (int)threadIdx.x % TILE, y = (int)threadIdx.x / TILE;
  int64_t n = (int64_t)blockIdx.x * TILE, m = (int64_t)blockIdx.y * TILE;
  float total = 0;

  for (int64_t k = 0; k < K; k += TILE) {
    W rounded = W ();

    if (m + y < rows && k + x < K)
      dv_put (&rounded, dv_get (a, (row + m + y) * a.stride[0] + k + x));
    left[y][x] = dv_float (rounded);
    right[y][x] =
        n + y < N && k + x < K ? dv_float (w[(n + y) * K + k + x]) : 0;
    __syncthreads ();
    for (int i = 0; i < TILE; i++)
      total = fmaf (left[y][i], right[x][i], total);
    __syncthreads ();
  }
  if (m + y < rows && n + x < N)
    sum[(m + y) * stride + n + x] = total;
}

void
dv_cuda_plain_product (cudaStream_t queue, const DvMatmul *p, int64_t row,
    int64_t rows, float *sum, int64_t stride)
{
  int64_t N = p->out->shape[1], K = p->w->shape[1];
  const int64_t most = (int64_t)65535 * TILE; /* blocks along y */

  for (int64_t at = 0; at < rows; at += most) {
    int64_t part = rows - at < most ? rows - at : most;
    dim3 grid ((unsigned)((N + TILE - 1) / TILE),
        (unsigned)((part + TILE - 1) / TILE));

    dv_typed (p->w->compute, [&] (auto w) {
      DV_LAUNCH ((plain_product<decltype (w)>), grid, TILE * TILE, 0, queue,
          dv_view (p->a), row + at, part, (const decltype (w) *)p->w->packed, N,
          K, sum + at * stride, stride);
    });
  }
}

/* ---- the end ---- */

DV_KERNEL
DV_BOUNDS (THREADS)
finish_rows (DvView out, int64_t row, int64_t rows, const float *sum,
    int64_t stride, const float *bias, DvAct act, DvRowsView gate,
    DvView residual)
{
  int64_t N = out.shape[1], chunks = (N + DV_CHUNK - 1) / DV_CHUNK;

  for (int64_t i = dv_thread (); i < rows * chunks; i += dv_threads ()) {
    int64_t m = i / chunks, at = i % chunks * DV_CHUNK, left = N - at;
    float v[DV_CHUNK], other[DV_CHUNK];

    dv_load8 (sum + m * stride + at, left, v);
    if (bias) {
      dv_load8 (bias + at, left, other);
      for (int j = 0; j < DV_CHUNK; j++)
        v[j] += other[j];
    }
    for (int j = 0; j < DV_CHUNK; j++)
      v[j] = dv_act (act, v[j]);
    if (gate.table) {
      dv_load8 (dv_row (gate, row + m) + at, left, other);
      for (int j = 0; j < DV_CHUNK; j++)
        v[j] *= other[j];
    }
    if (residual.data) {
      dv_get8 (residual, (row + m) * residual.stride[0] + at, left, other);
      for (int j = 0; j < DV_CHUNK; j++)
        v[j] += other[j];
    }
    dv_set8 (out, (row + m) * out.stride[0] + at, left, v);
  }
}

void
dv_cuda_finish_rows (cudaStream_t queue, const DvMatmul *p, int64_t row,
    int64_t rows, const float *sum, int64_t stride)
{
  int64_t chunks = rows * ((p->out->shape[1] + DV_CHUNK - 1) / DV_CHUNK);

  DV_LAUNCH (finish_rows, dv_blocks (chunks, THREADS), THREADS, 0, queue,
      dv_view (p->out), row, rows, sum, stride,
      p->bias ? (const float *)p->bias->data : NULL, p->act,
      dv_rows_view (&p->gate), dv_view (p->residual));
}
