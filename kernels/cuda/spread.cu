/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The scale of hidden states on a GPU: ops.h, DvSpread.  Slices of every
 * layer are looked at by a block each; one warp a layer joins them in order.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256
#define SLICES 64 /* at most */

struct Part {
  double sum;
  float least, largest;
};

static int64_t
slices_of (const DvTensor *x)
{
  int64_t chunks = (x->shape[2] + DV_CHUNK - 1) / DV_CHUNK;
  int64_t slices = (x->shape[1] * chunks + THREADS - 1) / THREADS;

  return slices < SLICES ? slices : SLICES;
}

size_t
dv_cuda_spread_workspace (const DvDevice *device, const DvSpread *p)
{
  return (size_t)(p->x->shape[0] * slices_of (p->x)) * sizeof (Part);
}

DV_KERNEL
DV_BOUNDS (THREADS)
look (DvView x, Part *parts, int64_t chunks, int64_t slices, int64_t count)
{
  for (int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    int64_t l = i, slice = dv_split (&l, slices);
    float least = INFINITY, largest = -INFINITY;
    double sum = 0;

    for (int64_t item = slice * THREADS + threadIdx.x;
         item < x.shape[1] * chunks; item += slices * THREADS) {
      int64_t m = item, c = DV_CHUNK * dv_split (&m, chunks);
      int64_t n = x.shape[2] - c;
      float v[DV_CHUNK];

      dv_get8 (x, l * x.stride[0] + m * x.stride[1] + c, n, v);
      for (int j = 0; j < DV_CHUNK; j++)
        if (j < n) {
          sum += v[j];
          least = fminf (least, v[j]);
          largest = fmaxf (largest, v[j]);
        }
    }
    sum = dv_block_sum (sum);
    least = -dv_block_max (-least);
    largest = dv_block_max (largest);
    if (threadIdx.x == 0)
      parts[i] = {sum, least, largest};
  }
}

DV_KERNEL
DV_BOUNDS (DV_WARP)
join (DvView s, DvView b, const Part *parts, int64_t slices, double count,
    float scale, float eps, int64_t layers)
{
  for (int64_t l = blockIdx.x; l < layers; l += gridDim.x) {
    float least = INFINITY, largest = -INFINITY, factor;
    double sum = 0;

    for (int64_t i = threadIdx.x; i < slices; i += DV_WARP) {
      sum += parts[l * slices + i].sum;
      least = fminf (least, parts[l * slices + i].least);
      largest = fmaxf (largest, parts[l * slices + i].largest);
    }
    sum = dv_warp_sum (sum);
    least = -dv_warp_max (-least);
    largest = dv_warp_max (largest);
    factor = scale / (largest - least + eps);
    if (threadIdx.x == 0) {
      dv_set (s, l * s.stride[0], factor);
      dv_set (
          b, l * b.stride[0], (float)(-factor * (sum / (count + (double)eps))));
    }
  }
}

DvStatus
dv_cuda_spread (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvSpread *p = (const DvSpread *)args;
  cudaStream_t queue = dv_cuda_queue (stream);
  int64_t L = p->x->shape[0], M = p->x->shape[1], C = p->x->shape[2];
  int64_t slices = slices_of (p->x), chunks = (C + DV_CHUNK - 1) / DV_CHUNK;
  Part *parts = (Part *)workspace;

  DV_LAUNCH (look, dv_blocks (L * slices, 1), THREADS, 0, queue, dv_view (p->x),
      parts, chunks, slices, L * slices);
  DV_LAUNCH (join, dv_blocks (L, 1), DV_WARP, 0, queue, dv_view (p->s),
      dv_view (p->b), parts, slices, (double)(M * C), p->scale, p->eps, L);
  return dv_cuda_launched ("spread", error);
}
