/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Norms over channels on a GPU: ops.h, DvNorm and DvQkNorm.
 *
 * Short rows are shared by some lanes of a warp, long ones by a block; a
 * thread's eight elements stay in registers while the statistics are summed.
 * Rows of more than eight elements for each of 1024 threads are read again.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256
#define MAX_THREADS 1024

struct Norm {
  DvView out, x, residual;
  const float *weight;
  DvRowsView scale, shift;
  int kind, one_plus, act;
  float eps;
};

/* Sums over lanes [first, first + width) that this lane is one of. */
DV_DEVICE float
part_sum (float v, int width)
{
  for (int step = width / 2; step > 0; step /= 2)
    v += __shfl_xor_sync (DV_ALL_LANES, v, step);
  return v;
}

DV_DEVICE float
sum_of (const float v[DV_CHUNK])
{
  float sum = 0;

  for (int i = 0; i < DV_CHUNK; i++)
    sum += v[i];
  return sum;
}

/* Of the @n that are there; the rest of the chunk is zeros. */
DV_DEVICE float
squares_of (const float v[DV_CHUNK], float mean, int64_t n)
{
  float sum = 0;

  for (int i = 0; i < DV_CHUNK; i++)
    if (i < n)
      sum += (v[i] - mean) * (v[i] - mean);
  return sum;
}

DV_DEVICE float
factor_of (float squares, int64_t n, float eps)
{
  return rsqrtf (squares / (float)n + eps);
}

/* Elements [c, c + n) of row @m, after its statistics. */
DV_DEVICE void
finish_chunk (const Norm &p, int64_t m, int64_t c, int64_t n, float v[DV_CHUNK],
    float mean, float factor)
{
  float other[DV_CHUNK];

  for (int i = 0; i < DV_CHUNK; i++)
    v[i] = (v[i] - mean) * factor;
  if (p.weight) {
    dv_load8 (p.weight + c, n, other);
    for (int i = 0; i < DV_CHUNK; i++)
      v[i] *= p.one_plus ? 1 + other[i] : other[i];
  }
  if (p.scale.table) {
    dv_load8 (dv_row (p.scale, m) + c, n, other);
    for (int i = 0; i < DV_CHUNK; i++)
      v[i] *= 1 + other[i];
  }
  if (p.shift.table) {
    dv_load8 (dv_row (p.shift, m) + c, n, other);
    for (int i = 0; i < DV_CHUNK; i++)
      v[i] += other[i];
  }
  if (p.act != DV_ACT_NONE)
    for (int i = 0; i < DV_CHUNK; i++)
      v[i] = dv_act ((DvAct)p.act, v[i]);
  if (p.residual.data) {
    dv_get8 (p.residual, m * p.residual.stride[0] + c, n, other);
    for (int i = 0; i < DV_CHUNK; i++)
      v[i] += other[i];
  }
  dv_set8 (p.out, m * p.out.stride[0] + c, n, v);
}

/* @width lanes, a power of two, share a row of at most 8 @width elements. */
DV_KERNEL
DV_BOUNDS (THREADS) norm_narrow (Norm p, int width)
{
  int64_t M = p.x.shape[0], C = p.x.shape[1];
  int64_t c = DV_CHUNK * (int64_t)(threadIdx.x % (unsigned)width);
  int64_t n = C - c, rows = THREADS / width;

  for (int64_t first = blockIdx.x * rows; first < M;
       first += gridDim.x * rows) {
    int64_t m = first + threadIdx.x / (unsigned)width;
    float v[DV_CHUNK] = {}, mean = 0, squares;

    if (m < M && n > 0)
      dv_get8 (p.x, m * p.x.stride[0] + c, n, v);
    if (p.kind == DV_NORM_LAYER)
      mean = part_sum (sum_of (v), width) / (float)C;
    squares = part_sum (squares_of (v, mean, n), width);
    if (m < M && n > 0)
      finish_chunk (p, m, c, n, v, mean, factor_of (squares, C, p.eps));
  }
}

/* A block shares a row of at most eight elements a thread. */
DV_KERNEL
DV_BOUNDS (MAX_THREADS) norm_wide (Norm p)
{
  int64_t M = p.x.shape[0], C = p.x.shape[1];
  int64_t c = DV_CHUNK * (int64_t)threadIdx.x, n = C - c;

  for (int64_t m = blockIdx.x; m < M; m += gridDim.x) {
    float v[DV_CHUNK] = {}, mean = 0, squares;

    if (n > 0)
      dv_get8 (p.x, m * p.x.stride[0] + c, n, v);
    if (p.kind == DV_NORM_LAYER)
      mean = dv_block_sum (sum_of (v)) / (float)C;
    squares = dv_block_sum (squares_of (v, mean, n));
    if (n > 0)
      finish_chunk (p, m, c, n, v, mean, factor_of (squares, C, p.eps));
  }
}

/* A row of any length, read as often as it is needed. */
DV_KERNEL
DV_BOUNDS (MAX_THREADS) norm_long (Norm p)
{
  int64_t M = p.x.shape[0], C = p.x.shape[1];
  int64_t start = DV_CHUNK * (int64_t)threadIdx.x;
  int64_t step = DV_CHUNK * (int64_t)blockDim.x;

  for (int64_t m = blockIdx.x; m < M; m += gridDim.x) {
    int64_t row = m * p.x.stride[0];
    float v[DV_CHUNK], mean = 0, sum = 0;

    if (p.kind == DV_NORM_LAYER) {
      for (int64_t c = start; c < C; c += step) {
        dv_get8 (p.x, row + c, C - c, v);
        sum += sum_of (v);
      }
      mean = dv_block_sum (sum) / (float)C;
      sum = 0;
    }
    for (int64_t c = start; c < C; c += step) {
      dv_get8 (p.x, row + c, C - c, v);
      sum += squares_of (v, mean, C - c);
    }
    sum = dv_block_sum (sum);
    for (int64_t c = start; c < C; c += step) {
      dv_get8 (p.x, row + c, C - c, v);
      finish_chunk (p, m, c, C - c, v, mean, factor_of (sum, C, p.eps));
    }
  }
}

/* ---- q and k ---- */

struct QkNorm {
  DvView out, x;
  const float *weight;
  int all_heads, one_plus;
  float eps;
  /* The rotation. */
  int n_axes, shared;
  int64_t pad;
  const float *cosine[3], *sine[3];
  int64_t cosine_stride[3], sine_stride[3];
  const int32_t *index;
  int64_t index_stride[2];
};

/* A token's rows of cosines and sines, an axis each. */
struct Angles {
  const float *cosine[3], *sine[3];
};

DV_DEVICE Angles
angles_of (const QkNorm &p, int64_t m)
{
  Angles angles = {};

  DV_UNROLL
  for (int i = 0; i < 3; i++)
    if (i < p.n_axes) {
      int64_t position = m;

      if (p.index)
        position = p.index[m * p.index_stride[0] + i * p.index_stride[1]];
      angles.cosine[i] = p.cosine[i] + position * p.cosine_stride[i];
      angles.sine[i] = p.sine[i] + position * p.sine_stride[i];
    }
  return angles;
}

/* Turns @n pairs, from entry @e on of the token's angles: axes go fastest. */
DV_DEVICE void
rotate (const QkNorm &p, const Angles &angles, int64_t e, int64_t n,
    float a[DV_CHUNK], float b[DV_CHUNK])
{
  int64_t place = e > p.pad ? e - p.pad : 0;
  int axis = (int)dv_split (&place, p.n_axes);

  DV_UNROLL
  for (int i = 0; i < DV_CHUNK; i++)
    if (i < n && e + i >= p.pad) {
      const float *cosine = axis == 0   ? angles.cosine[0]
                            : axis == 1 ? angles.cosine[1]
                                        : angles.cosine[2];
      const float *sine = axis == 0   ? angles.sine[0]
                          : axis == 1 ? angles.sine[1]
                                      : angles.sine[2];
      float c = cosine[place], s = sine[place];
      float turned = a[i] * c - b[i] * s;

      b[i] = b[i] * c + a[i] * s;
      a[i] = turned;
      if (++axis == p.n_axes) {
        axis = 0;
        place++;
      }
    }
}

/* Weighs and rotates entries [j, j + n) of both halves of head @h. */
DV_DEVICE void
finish_head (const QkNorm &p, const Angles &angles, int64_t m, int64_t h,
    int64_t j, int64_t n, float a[DV_CHUNK], float b[DV_CHUNK], float factor)
{
  int64_t half = p.x.shape[2] / 2;
  int64_t out = m * p.out.stride[0] + h * p.out.stride[1] + j;
  float w[2][DV_CHUNK];

  if (p.weight) {
    const float *weight = p.weight + (p.all_heads ? 2 * half * h : 0) + j;

    dv_load8 (weight, n, w[0]);
    dv_load8 (weight + half, n, w[1]);
    for (int i = 0; i < DV_CHUNK; i++) {
      a[i] = a[i] * factor * (p.one_plus ? 1 + w[0][i] : w[0][i]);
      b[i] = b[i] * factor * (p.one_plus ? 1 + w[1][i] : w[1][i]);
    }
  }
  if (p.n_axes > 0)
    rotate (p, angles, (p.shared ? 0 : h * half) + j, n, a, b);
  dv_set8 (p.out, out, n, a);
  dv_set8 (p.out, out + half, n, b);
}

/* A block for a token; @width lanes, a power of two, share a head, a thread
 * eight entries of either half.  Where a block has fewer such parts than there
 * are heads, it goes over them in turns. */
DV_KERNEL
DV_BOUNDS (MAX_THREADS) qk_norm (QkNorm p, int width)
{
  int64_t M = p.x.shape[0], H = p.x.shape[1], d = p.x.shape[2], half = d / 2;
  int64_t j = DV_CHUNK * (int64_t)(threadIdx.x % (unsigned)width);
  int64_t n = half - j, first = threadIdx.x / (unsigned)width;
  int64_t heads = blockDim.x / (unsigned)width;

  for (int64_t m = blockIdx.x; m < M; m += gridDim.x) {
    float a[DV_CHUNK] = {}, b[DV_CHUNK] = {}, factor = 1, squares = 0;
    int64_t row = m * p.x.stride[0];
    Angles angles = angles_of (p, m);

    if (p.weight && p.all_heads) {
      for (int64_t h = first; h < H && n > 0; h += heads) {
        dv_get8 (p.x, row + h * p.x.stride[1] + j, n, a);
        dv_get8 (p.x, row + h * p.x.stride[1] + half + j, n, b);
        squares += squares_of (a, 0, n) + squares_of (b, 0, n);
      }
      factor = factor_of (dv_block_sum (squares), H * d, p.eps);
    }
    for (int64_t turn = 0; turn < H; turn += heads) {
      int64_t h = turn + first;
      bool mine = h < H && n > 0;

      /* With one turn the heads of all are still in registers. */
      if (mine && !(p.weight && p.all_heads && H <= heads)) {
        dv_get8 (p.x, row + h * p.x.stride[1] + j, n, a);
        dv_get8 (p.x, row + h * p.x.stride[1] + half + j, n, b);
      }
      if (p.weight && !p.all_heads) {
        squares = mine ? squares_of (a, 0, n) + squares_of (b, 0, n) : 0;
        factor = factor_of (part_sum (squares, width), d, p.eps);
      }
      if (mine)
        finish_head (p, angles, m, h, j, n, a, b, factor);
    }
  }
}

/* ---- the entries ---- */

/* Lanes for @chunks, a power of two. */
static int
width_for (int64_t chunks)
{
  int width = 1;

  while (width < chunks && width < DV_WARP)
    width *= 2;
  return width;
}

/* Threads for @items, whole warps. */
static unsigned
threads_for (int64_t items)
{
  int64_t warps = (items + DV_WARP - 1) / DV_WARP;

  return (
      unsigned)(warps > MAX_THREADS / DV_WARP ? MAX_THREADS : warps * DV_WARP);
}

DvStatus
dv_cuda_norm (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvNorm *p = (const DvNorm *)args;
  cudaStream_t queue = dv_cuda_queue (stream);
  int64_t M = p->x->shape[0], C = p->x->shape[1];
  int64_t chunks = (C + DV_CHUNK - 1) / DV_CHUNK;
  Norm norm = {};

  norm.out = dv_view (p->out);
  norm.x = dv_view (p->x);
  norm.residual = dv_view (p->residual);
  norm.weight = p->weight ? (const float *)p->weight->data : NULL;
  norm.scale = dv_rows_view (&p->scale);
  norm.shift = dv_rows_view (&p->shift);
  norm.kind = p->kind;
  norm.one_plus = p->one_plus;
  norm.act = p->act;
  norm.eps = p->eps;
  if (chunks <= DV_WARP) {
    int width = width_for (chunks);

    DV_LAUNCH (norm_narrow, dv_blocks (M, THREADS / width), THREADS, 0, queue,
        norm, width);
  } else if (chunks <= MAX_THREADS) {
    DV_LAUNCH (
        norm_wide, dv_blocks (M, 1), threads_for (chunks), 0, queue, norm);
  } else {
    DV_LAUNCH (norm_long, dv_blocks (M, 1), MAX_THREADS, 0, queue, norm);
  }
  return dv_cuda_launched ("norm", error);
}

static void
take_rope (QkNorm *norm, const DvRope *rope)
{
  norm->n_axes = rope->n_axes;
  norm->pad = rope->pad;
  norm->shared = rope->shared;
  if (rope->n_axes == 0)
    return;
  for (int i = 0; i < rope->n_axes; i++) {
    norm->cosine[i] = (const float *)rope->cos[i]->data;
    norm->sine[i] = (const float *)rope->sin[i]->data;
    norm->cosine_stride[i] = rope->cos[i]->stride[0];
    norm->sine_stride[i] = rope->sin[i]->stride[0];
  }
  if (rope->index) {
    norm->index = (const int32_t *)rope->index->data;
    norm->index_stride[0] = rope->index->stride[0];
    norm->index_stride[1] = rope->index->stride[1];
  }
}

DvStatus
dv_cuda_qk_norm (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvQkNorm *p = (const DvQkNorm *)args;
  int64_t M = p->x->shape[0], H = p->x->shape[1], d = p->x->shape[2];
  int width = width_for ((d / 2 + DV_CHUNK - 1) / DV_CHUNK);
  QkNorm norm = {};

  norm.out = dv_view (p->out);
  norm.x = dv_view (p->x);
  norm.weight = p->weight ? (const float *)p->weight->data : NULL;
  norm.all_heads = p->weight && p->weight->shape[0] != d;
  norm.one_plus = p->one_plus;
  norm.eps = p->eps;
  take_rope (&norm, &p->rope);
  DV_LAUNCH (qk_norm, dv_blocks (M, 1), threads_for (H * width), 0,
      dv_cuda_queue (stream), norm, width);
  return dv_cuda_launched ("qk-norm", error);
}
