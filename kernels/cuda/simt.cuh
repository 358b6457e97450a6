/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What every kernel file is written in: launches, shared memory, BF16 and F16,
 * accesses of eight elements, sums in a fixed order, tensors passed by value.
 *
 * A kernel file includes this header and dvcuda.h (and mma.cuh), no other of
 * CUDA: so that the same source is compiled by nvcc for a GPU, and with
 * DV_SIMT by a C++17 compiler for the tests, where tests/simt runs it thread
 * by thread and looks after every access.  Such a file keeps to these habits:
 *  - DV_LAUNCH instead of <<< >>>, DV_SHARED and DV_SHARED_DYNAMIC instead of
 *    __shared__, dv_load16 and dv_store16 instead of casts to vector types.
 *  - Blocks of a multiple of 32 threads; warp functions name their lanes.
 *  - No thread leaves a kernel before a barrier that others wait at.
 *
 * Threads: kernels run on the queue they are launched on.
 */
#ifndef DV_SIMT_CUH
#define DV_SIMT_CUH

#include <math.h>
#include <string.h>

#include "dvcuda.h"

#ifdef DV_SIMT
#include "simt.h"
#else
#include <cuda_runtime.h>
#endif

/* ---- kernels and their launches ---- */

/* A kernel, and a function of kernels.  DV_BOUNDS (threads): no block of the
 * kernel has more. */
#define DV_KERNEL static __global__ void
#define DV_DEVICE static __device__ __forceinline__
#define DV_BOUNDS(threads) __launch_bounds__ (threads)

#ifdef DV_SIMT
#define DV_UNROLL
#else
#define DV_UNROLL _Pragma ("unroll")
#endif

#define DV_WARP 32
#define DV_ALL_LANES 0xffffffffu

template <typename T> struct DvSame {
  typedef T type;
};

#ifdef DV_SIMT

template <typename... P> struct DvCall {
  void (*kernel) (P...);
  std::tuple<P...> args;

  static void
  run (const void *call)
  {
    const DvCall *self = static_cast<const DvCall *> (call);

    std::apply (self->kernel, self->args);
  }
};

template <typename... P>
static void
dv_launch (const char *name, const char *file, int line, void (*kernel) (P...),
    dim3 grid, dim3 block, size_t shared_bytes, void *queue,
    typename DvSame<P>::type... args)
{
  DvCall<P...> call = {kernel, std::tuple<P...> (args...)};
  SimtLaunch launch = {name, file, line, {grid.x, grid.y, grid.z},
      {block.x, block.y, block.z}, shared_bytes, DvCall<P...>::run, &call,
      sizeof call};

  simt_launch_on (queue, &launch);
}

/* DV_LAUNCH (kernel, grid, block, bytes of dynamic shared memory, queue,
 * arguments...); a kernel with a comma in its name stands in parentheses. */
#define DV_LAUNCH(kernel, ...)                                                 \
  dv_launch (#kernel, __FILE__, __LINE__, kernel, __VA_ARGS__)

/* An array in shared memory: DV_SHARED (float, tile, [32][33]). */
#define DV_SHARED(type, name, dims)                                            \
  typedef type name##_type dims;                                               \
  static const char name##_key = 0;                                            \
  name##_type &name =                                                          \
      *(name##_type *)simt_shared (&name##_key, sizeof (name##_type), #name)

/* The dynamic shared memory of the launch, 16-byte aligned. */
#define DV_SHARED_DYNAMIC(type, name) type *name = (type *)simt_dynamic ()

#else

template <typename... P>
static void
dv_launch (void (*kernel) (P...), dim3 grid, dim3 block, size_t shared_bytes,
    cudaStream_t queue, typename DvSame<P>::type... args)
{
  void *pointers[] = {(void *)&args...};

  /* Beyond what every kernel may have, a kernel has to ask. */
  if (shared_bytes > 48 * 1024 &&
      cudaFuncSetAttribute ((const void *)kernel,
          cudaFuncAttributeMaxDynamicSharedMemorySize,
          (int)shared_bytes) != cudaSuccess)
    return; /* dv_cuda_launched () finds the error */
  (void)cudaLaunchKernel (
      (const void *)kernel, grid, block, pointers, shared_bytes, queue);
}

#define DV_LAUNCH(...) dv_launch (__VA_ARGS__)

#define DV_SHARED(type, name, dims) __shared__ alignas (16) type name dims

#define DV_SHARED_DYNAMIC(type, name)                                          \
  extern __shared__ uint4 dv_dynamic_shared[];                                 \
  type *name = (type *)dv_dynamic_shared

#endif

/* Kernels go on in strides of the grid where a launch would have more blocks;
 * on the host that is soon, so that tests get there. */
#ifdef DV_SIMT
#define DV_MAX_BLOCKS 7
#else
#define DV_MAX_BLOCKS 65535
#endif

/* Blocks of @threads for @items, for kernels that go on so. */
static inline unsigned
dv_blocks (int64_t items, int threads)
{
  int64_t blocks = (items + threads - 1) / threads;

  return (unsigned)(blocks > DV_MAX_BLOCKS ? DV_MAX_BLOCKS : blocks);
}

/* for (int64_t i = dv_thread (); i < n; i += dv_threads ()): grids of one
 * dimension. */
DV_DEVICE int64_t
dv_thread (void)
{
  return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

DV_DEVICE int64_t
dv_threads (void)
{
  return (int64_t)gridDim.x * blockDim.x;
}

/* The remainder of @i by @n, both not negative; the quotient stays in @i. */
DV_DEVICE int64_t
dv_split (int64_t *i, int64_t n)
{
  int64_t rest;

  if ((((uint64_t)*i | (uint64_t)n) >> 32) == 0) {
    uint32_t small = (uint32_t)*i / (uint32_t)n;

    rest = *i - (int64_t)small * n;
    *i = small;
  } else {
    rest = *i % n;
    *i /= n;
  }
  return rest;
}

/* ---- numbers ---- */

struct DvBf16 {
  uint16_t bits;
};

struct DvF16 {
  uint16_t bits;
};

template <typename To, typename From>
DV_DEVICE To
dv_bits (From from)
{
  To to;

  static_assert (sizeof to == sizeof from, "sizes differ");
  memcpy (&to, &from, sizeof to);
  return to;
}

DV_DEVICE float
dv_float (float x)
{
  return x;
}

DV_DEVICE float
dv_float (DvBf16 x)
{
  return dv_bits<float> ((uint32_t)x.bits << 16);
}

DV_DEVICE float
dv_float (DvF16 x)
{
  uint32_t sign = (uint32_t)(x.bits & 0x8000u) << 16;
  uint32_t exponent = (x.bits >> 10) & 0x1fu, mantissa = x.bits & 0x3ffu;

  if (exponent == 0) /* zero or subnormal, exact */
    return dv_bits<float> (
        dv_bits<uint32_t> ((float)mantissa * 5.9604644775390625e-8f) | sign);
  exponent = exponent == 31 ? 255 : exponent + 112;
  return dv_bits<float> (sign | exponent << 23 | mantissa << 13);
}

/* Rounded to nearest, ties to even, with the bits of dv_bf16_from_f32() and
 * dv_f16_from_f32(). */
DV_DEVICE uint16_t
dv_bf16_bits (float x)
{
  uint32_t u = dv_bits<uint32_t> (x);

  if ((u & 0x7fffffffu) > 0x7f800000u)
    return (uint16_t)(u >> 16 | 0x40);
  return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

DV_DEVICE uint16_t
dv_f16_bits (float x)
{
  uint32_t u = dv_bits<uint32_t> (x);
  uint32_t sign = u >> 16 & 0x8000u, size = u & 0x7fffffffu;

  if (size > 0x7f800000u)
    return (uint16_t)(sign | 0x7e00u | (size >> 13 & 0x3ffu));
  if (size >= 0x477ff000u) /* rounds past the largest */
    return (uint16_t)(sign | 0x7c00u);
  if (size < 0x38800000u) /* subnormal: the addition rounds */
    return (uint16_t)(sign | (dv_bits<uint32_t> (dv_bits<float> (size) + 0.5f) -
                                 0x3f000000u));
  size += 0xfffu + (size >> 13 & 1);
  return (uint16_t)(sign | (size - 0x38000000u) >> 13);
}

DV_DEVICE void
dv_put (float *to, float x)
{
  *to = x;
}

DV_DEVICE void
dv_put (DvBf16 *to, float x)
{
  to->bits = dv_bf16_bits (x);
}

DV_DEVICE void
dv_put (DvF16 *to, float x)
{
  to->bits = dv_f16_bits (x);
}

/* x / (1 + exp (-u)), within a few units of the last place of max (|x|, 1). */
DV_DEVICE float
dv_gated (float x, float u)
{
#ifdef DV_SIMT
  return x / (1.0f + expf (-u));
#else
  return __fdividef (x, 1.0f + __expf (-u));
#endif
}

/* 0.5 (1 + tanh (v)) is 1 / (1 + exp (-2 v)). */
DV_DEVICE float
dv_gelu (float x)
{
  return dv_gated (x, 1.5957691216057308f * (x + 0.044715f * x * x * x));
}

DV_DEVICE float
dv_silu (float x)
{
  return dv_gated (x, x);
}

DV_DEVICE float
dv_act (DvAct act, float x)
{
  return act == DV_ACT_GELU   ? dv_gelu (x)
         : act == DV_ACT_SILU ? dv_silu (x)
                              : x;
}

/* ---- accesses of several elements ---- */

/* Sixteen bytes, as four words. */
struct DvWords {
  uint32_t w[4];
};

/* Whether sixteen bytes at @at can be moved at once. */
DV_DEVICE bool
dv_aligned (const void *at)
{
  return ((uintptr_t)at & 15) == 0;
}

/* @at is aligned to sixteen bytes. */
DV_DEVICE DvWords
dv_load16 (const void *at)
{
#ifdef DV_SIMT
  DvWords v;

  simt_load16 (v.w, at);
  return v;
#else
  uint4 v = *(const uint4 *)at;

  return {{v.x, v.y, v.z, v.w}};
#endif
}

DV_DEVICE void
dv_store16 (void *at, DvWords v)
{
#ifdef DV_SIMT
  simt_store16 (at, v.w);
#else
  *(uint4 *)at = make_uint4 (v.w[0], v.w[1], v.w[2], v.w[3]);
#endif
}

/* A thread's share of a row: eight elements, or the @n that are left.  Sixteen
 * bytes at a time where the address allows. */
#define DV_CHUNK 8

DV_DEVICE void
dv_load_wide (const float *from, float v[DV_CHUNK])
{
  for (int i = 0; i < 2; i++) {
    DvWords words = dv_load16 (from + 4 * i);

    for (int j = 0; j < 4; j++)
      v[4 * i + j] = dv_bits<float> (words.w[j]);
  }
}

DV_DEVICE void
dv_load_wide (const DvBf16 *from, float v[DV_CHUNK])
{
  DvWords words = dv_load16 (from);

  for (int j = 0; j < 4; j++) {
    v[2 * j] = dv_bits<float> (words.w[j] << 16);
    v[2 * j + 1] = dv_bits<float> (words.w[j] & 0xffff0000u);
  }
}

DV_DEVICE void
dv_load_wide (const DvF16 *from, float v[DV_CHUNK])
{
  DvWords words = dv_load16 (from);

  for (int j = 0; j < 4; j++) {
    v[2 * j] = dv_float (DvF16{(uint16_t)words.w[j]});
    v[2 * j + 1] = dv_float (DvF16{(uint16_t)(words.w[j] >> 16)});
  }
}

DV_DEVICE void
dv_store_wide (float *to, const float v[DV_CHUNK])
{
  for (int i = 0; i < 2; i++) {
    DvWords words;

    for (int j = 0; j < 4; j++)
      words.w[j] = dv_bits<uint32_t> (v[4 * i + j]);
    dv_store16 (to + 4 * i, words);
  }
}

/* Two at once, the first below. The instruction makes all NaNs alike, which
 * dv_bf16_bits() does not. */
DV_DEVICE uint32_t
dv_bf16_pair (float a, float b)
{
#ifndef DV_SIMT
  if (a == a && b == b) {
    uint32_t pair;

    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(b), "f"(a));
    return pair;
  }
#endif
  return dv_bf16_bits (a) | (uint32_t)dv_bf16_bits (b) << 16;
}

DV_DEVICE void
dv_store_wide (DvBf16 *to, const float v[DV_CHUNK])
{
  DvWords words;

  for (int j = 0; j < 4; j++)
    words.w[j] = dv_bf16_pair (v[2 * j], v[2 * j + 1]);
  dv_store16 (to, words);
}

DV_DEVICE void
dv_store_wide (DvF16 *to, const float v[DV_CHUNK])
{
  DvWords words;

  for (int j = 0; j < 4; j++)
    words.w[j] = dv_f16_bits (v[2 * j]) | (uint32_t)dv_f16_bits (v[2 * j + 1])
                                              << 16;
  dv_store16 (to, words);
}

/* What is not there reads as 0. */
template <typename T>
DV_DEVICE void
dv_load8 (const T *from, int64_t n, float v[DV_CHUNK])
{
  if (n >= DV_CHUNK && dv_aligned (from)) {
    dv_load_wide (from, v);
    return;
  }
  DV_UNROLL
  for (int i = 0; i < DV_CHUNK; i++)
    v[i] = i < n ? dv_float (from[i]) : 0;
}

template <typename T>
DV_DEVICE void
dv_store8 (T *to, int64_t n, const float v[DV_CHUNK])
{
  if (n >= DV_CHUNK && dv_aligned (to)) {
    dv_store_wide (to, v);
    return;
  }
  DV_UNROLL
  for (int i = 0; i < DV_CHUNK; i++)
    if (i < n)
      dv_put (to + i, v[i]);
}

/* ---- reductions, in an order that is always the same ---- */

/* Every lane gets the same bits. */
template <typename T>
DV_DEVICE T
dv_warp_sum (T v)
{
  for (int step = DV_WARP / 2; step > 0; step /= 2)
    v += __shfl_xor_sync (DV_ALL_LANES, v, step);
  return v;
}

/* A NaN is passed over. */
DV_DEVICE float
dv_warp_max (float v)
{
  for (int step = DV_WARP / 2; step > 0; step /= 2)
    v = fmaxf (v, __shfl_xor_sync (DV_ALL_LANES, v, step));
  return v;
}

/* Over a block of one dimension, whose threads all call it; every thread gets
 * the same bits. */
template <typename T>
DV_DEVICE T
dv_block_sum (T v)
{
  DV_SHARED (T, parts, [DV_WARP]);
  unsigned warp = threadIdx.x / DV_WARP, lane = threadIdx.x % DV_WARP;

  v = dv_warp_sum (v);
  if (lane == 0)
    parts[warp] = v;
  __syncthreads ();
  v = lane < blockDim.x / DV_WARP ? parts[lane] : (T)0;
  v = dv_warp_sum (v);
  __syncthreads (); /* the next call writes there again */
  return v;
}

DV_DEVICE float
dv_block_max (float v)
{
  DV_SHARED (float, parts, [DV_WARP]);
  unsigned warp = threadIdx.x / DV_WARP, lane = threadIdx.x % DV_WARP;

  v = dv_warp_max (v);
  if (lane == 0)
    parts[warp] = v;
  __syncthreads ();
  v = lane < blockDim.x / DV_WARP ? parts[lane] : -INFINITY;
  v = dv_warp_max (v);
  __syncthreads ();
  return v;
}

/* ---- tensors, by value ---- */

/* A tensor as a kernel takes it; data is NULL where there is none. */
struct DvView {
  void *data;
  int dtype, n_dims;
  int64_t shape[DV_MAX_DIMS], stride[DV_MAX_DIMS];
};

static inline DvView
dv_view (const DvTensor *t)
{
  DvView view = {};

  if (!t)
    return view;
  view.data = t->data;
  view.dtype = t->dtype;
  view.n_dims = t->n_dims;
  for (int i = 0; i < t->n_dims; i++) {
    view.shape[i] = t->shape[i];
    view.stride[i] = t->stride[i];
  }
  return view;
}

/* Element @i, strides applied by the caller, of a float tensor: the dtype is
 * looked at here, the same way in all threads. */
DV_DEVICE float
dv_get (const DvView &t, int64_t i)
{
  if (t.dtype == DV_F32)
    return ((const float *)t.data)[i];
  if (t.dtype == DV_BF16)
    return dv_float (((const DvBf16 *)t.data)[i]);
  return dv_float (((const DvF16 *)t.data)[i]);
}

DV_DEVICE void
dv_set (const DvView &t, int64_t i, float x)
{
  if (t.dtype == DV_F32)
    dv_put ((float *)t.data + i, x);
  else if (t.dtype == DV_BF16)
    dv_put ((DvBf16 *)t.data + i, x);
  else
    dv_put ((DvF16 *)t.data + i, x);
}

DV_DEVICE void
dv_get8 (const DvView &t, int64_t i, int64_t n, float v[DV_CHUNK])
{
  if (t.dtype == DV_F32)
    dv_load8 ((const float *)t.data + i, n, v);
  else if (t.dtype == DV_BF16)
    dv_load8 ((const DvBf16 *)t.data + i, n, v);
  else
    dv_load8 ((const DvF16 *)t.data + i, n, v);
}

DV_DEVICE void
dv_set8 (const DvView &t, int64_t i, int64_t n, const float v[DV_CHUNK])
{
  if (t.dtype == DV_F32)
    dv_store8 ((float *)t.data + i, n, v);
  else if (t.dtype == DV_BF16)
    dv_store8 ((DvBf16 *)t.data + i, n, v);
  else
    dv_store8 ((DvF16 *)t.data + i, n, v);
}

/* Rows of a small table that an index picks (ops.h, DvRows). */
struct DvRowsView {
  const float *table;
  const int32_t *index;
  int64_t stride, index_stride;
};

static inline DvRowsView
dv_rows_view (const DvRows *rows)
{
  DvRowsView view = {};

  if (!rows->table)
    return view;
  view.table = (const float *)rows->table->data;
  view.stride = rows->table->stride[0];
  if (rows->index) {
    view.index = (const int32_t *)rows->index->data;
    view.index_stride = rows->index->stride[0];
  }
  return view;
}

/* The row of token @m; there is a table. */
DV_DEVICE const float *
dv_row (const DvRowsView &rows, int64_t m)
{
  int64_t d = rows.index ? rows.index[m * rows.index_stride] : 0;

  return rows.table + d * rows.stride;
}

/* Calls @f with a value of the type that @dtype stands for: float, DvBf16 or
 * DvF16. */
template <typename F>
static inline void
dv_typed (DvDtype dtype, F f)
{
  if (dtype == DV_F32)
    f (float ());
  else if (dtype == DV_BF16)
    f (DvBf16 ());
  else
    f (DvF16 ());
}

#endif
