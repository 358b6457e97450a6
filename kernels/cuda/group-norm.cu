/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Group norm on a GPU: ops.h, DvGroupNorm.  Slices of every group are summed
 * by a block each, about the group's first element so that little is lost; one
 * warp a group joins them in order; the last pass normalises.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256
#define SLICES 64 /* at most, of a group */

struct Part {
  double sum, squares;
};

struct Stats {
  float mean, factor;
};

struct GroupNorm {
  DvView out, x, residual;
  const float *weight, *bias;
  int64_t cells, channels; /* of a group */
  int groups, act;
  float eps;
};

static int64_t
cells_of (const DvTensor *x)
{
  return x->shape[0] * x->shape[1] * x->shape[2];
}

static int64_t
slices_of (const DvGroupNorm *p)
{
  int64_t n = p->x->shape[3] / p->groups;
  int64_t items = cells_of (p->x) * ((n + DV_CHUNK - 1) / DV_CHUNK);
  int64_t slices = (items + THREADS - 1) / THREADS;

  return slices < SLICES ? slices : SLICES;
}

/* The parts, then the statistics. */
size_t
dv_cuda_group_norm_workspace (const DvDevice *device, const DvGroupNorm *p)
{
  return (size_t)p->groups *
         ((size_t)slices_of (p) * sizeof (Part) + sizeof (Stats));
}

/* Where cell @i begins. */
DV_DEVICE int64_t
cell_at (const DvView &t, const DvView &like, int64_t i)
{
  int64_t x = dv_split (&i, like.shape[2]), y = dv_split (&i, like.shape[1]);

  return i * t.stride[0] + y * t.stride[1] + x * t.stride[2];
}

DV_KERNEL
DV_BOUNDS (THREADS)
look (GroupNorm p, Part *parts, int64_t chunks, int64_t slices, int64_t count)
{
  for (int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    int64_t group = i, slice = dv_split (&group, slices);
    float about = dv_get (p.x, group * p.channels);
    double sum = 0, squares = 0;

    for (int64_t item = slice * THREADS + threadIdx.x; item < p.cells * chunks;
         item += slices * THREADS) {
      int64_t cell = item, c = DV_CHUNK * dv_split (&cell, chunks);
      int64_t n = p.channels - c;
      float v[DV_CHUNK];

      dv_get8 (p.x, cell_at (p.x, p.x, cell) + group * p.channels + c, n, v);
      for (int j = 0; j < DV_CHUNK; j++)
        if (j < n) {
          double a = (double)v[j] - about;

          sum += a;
          squares += a * a;
        }
    }
    sum = dv_block_sum (sum);
    squares = dv_block_sum (squares);
    if (threadIdx.x == 0)
      parts[i] = {sum, squares};
  }
}

DV_KERNEL
DV_BOUNDS (DV_WARP)
join (GroupNorm p, const Part *parts, Stats *stats, int64_t slices)
{
  double n = (double)(p.cells * p.channels);

  for (int64_t g = blockIdx.x; g < p.groups; g += gridDim.x) {
    double sum = 0, squares = 0;

    for (int64_t i = threadIdx.x; i < slices; i += DV_WARP) {
      sum += parts[g * slices + i].sum;
      squares += parts[g * slices + i].squares;
    }
    sum = dv_warp_sum (sum) / n;
    squares = dv_warp_sum (squares) / n - sum * sum;
    if (squares < 0)
      squares = 0;
    if (threadIdx.x == 0)
      stats[g] = {(float)(sum + dv_get (p.x, g * p.channels)),
          (float)(1 / sqrt (squares + (double)p.eps))};
  }
}

DV_KERNEL
DV_BOUNDS (THREADS)
normalise (GroupNorm p, const Stats *stats, int64_t chunks, int64_t count)
{
  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t cell = i, c = DV_CHUNK * dv_split (&cell, chunks);
    int64_t n = p.x.shape[3] - c, at = cell_at (p.out, p.x, cell) + c;
    float v[DV_CHUNK], other[DV_CHUNK];

    dv_get8 (p.x, cell_at (p.x, p.x, cell) + c, n, v);
    for (int j = 0; j < DV_CHUNK && j < n; j++) {
      int64_t group = c + j;

      dv_split (&group, p.channels);
      v[j] = (v[j] - stats[group].mean) * stats[group].factor;
    }
    if (p.weight) {
      dv_load8 (p.weight + c, n, other);
      for (int j = 0; j < DV_CHUNK; j++)
        v[j] *= other[j];
    }
    if (p.bias) {
      dv_load8 (p.bias + c, n, other);
      for (int j = 0; j < DV_CHUNK; j++)
        v[j] += other[j];
    }
    if (p.residual.data) {
      dv_get8 (p.residual, cell_at (p.residual, p.x, cell) + c, n, other);
      for (int j = 0; j < DV_CHUNK; j++)
        v[j] += other[j];
    }
    if (p.act != DV_ACT_NONE)
      for (int j = 0; j < DV_CHUNK; j++)
        v[j] = dv_act ((DvAct)p.act, v[j]);
    dv_set8 (p.out, at, n, v);
  }
}

DvStatus
dv_cuda_group_norm (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvGroupNorm *p = (const DvGroupNorm *)args;
  cudaStream_t queue = dv_cuda_queue (stream);
  int64_t slices = slices_of (p), chunks, count;
  Part *parts = (Part *)workspace;
  Stats *stats = (Stats *)(parts + p->groups * slices);
  GroupNorm g = {};

  g.out = dv_view (p->out);
  g.x = dv_view (p->x);
  g.residual = dv_view (p->residual);
  g.weight = p->weight ? (const float *)p->weight->data : NULL;
  g.bias = p->bias ? (const float *)p->bias->data : NULL;
  g.cells = cells_of (p->x);
  g.channels = p->x->shape[3] / p->groups;
  g.groups = p->groups;
  g.act = p->act;
  g.eps = p->eps;
  chunks = (g.channels + DV_CHUNK - 1) / DV_CHUNK;
  DV_LAUNCH (look, dv_blocks (p->groups * slices, 1), THREADS, 0, queue, g,
      parts, chunks, slices, p->groups * slices);
  DV_LAUNCH (join, dv_blocks (p->groups, 1), DV_WARP, 0, queue, g, parts, stats,
      slices);
  chunks = (p->x->shape[3] + DV_CHUNK - 1) / DV_CHUNK;
  count = g.cells * chunks;
  DV_LAUNCH (normalise, dv_blocks (count, THREADS), THREADS, 0, queue, g, stats,
      chunks, count);
  return dv_cuda_launched ("group norm", error);
}
