/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CUDA C++ as a C++17 compiler sees it: the words, variables and functions of
 * kernels that kernels/cuda uses, on the executor (executor.h).  Only
 * simt.cuh includes this.
 */
#ifndef SIMT_H
#define SIMT_H

#include <stdint.h>
#include <string.h>
#include <tuple>

#include "executor.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;

  dim3 (unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1)
      : x (x_), y (y_), z (z_)
  {
  }
};

/* What the executor sets before a thread runs on. */
extern "C" const struct SimtPlace {
  uint3 thread, block, block_dim, grid_dim;
} simt_place;

#define threadIdx (simt_place.thread)
#define blockIdx (simt_place.block)
#define blockDim (simt_place.block_dim)
#define gridDim (simt_place.grid_dim)

static inline void
__syncthreads (const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
  simt_barrier (file, line);
}

static inline void
__syncwarp (unsigned mask = 0xffffffffu, const char *file = __builtin_FILE(),
    int line = __builtin_LINE())
{
  simt_warp (SIMT_SYNC, mask, 0, 0, file, line);
}

static inline unsigned
__ballot_sync (unsigned mask, int predicate,
    const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
  return (unsigned)simt_warp (SIMT_BALLOT, mask, predicate != 0, 0, file, line);
}

static inline int
__any_sync (unsigned mask, int predicate, const char *file = __builtin_FILE(),
    int line = __builtin_LINE())
{
  return __ballot_sync (mask, predicate, file, line) != 0;
}

static inline int
__all_sync (unsigned mask, int predicate, const char *file = __builtin_FILE(),
    int line = __builtin_LINE())
{
  return __ballot_sync (mask, predicate, file, line) == mask;
}

template <typename T>
static inline T
simt_shuffle (unsigned mask, T v, int source, const char *file, int line)
{
  uint64_t bits = 0;

  static_assert (sizeof v == 4 || sizeof v == 8, "shuffles move words");
  memcpy (&bits, &v, sizeof v);
  bits = simt_warp (SIMT_SHUFFLE, mask, bits, source, file, line);
  memcpy (&v, &bits, sizeof v);
  return v;
}

/* Lanes are divided into parts of @width; one that would reach over its part's
 * end gets its own value. */
template <typename T>
static inline T
__shfl_sync (unsigned mask, T v, int lane, int width = 32,
    const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
  int first = simt_lane () & ~(width - 1);

  return simt_shuffle (mask, v, first + (lane & (width - 1)), file, line);
}

template <typename T>
static inline T
__shfl_xor_sync (unsigned mask, T v, int bits, int width = 32,
    const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
  int lane = simt_lane (), from = lane ^ bits;

  return simt_shuffle (
      mask, v, from >= (lane & ~(width - 1)) + width ? lane : from, file, line);
}

template <typename T>
static inline T
__shfl_down_sync (unsigned mask, T v, unsigned delta, int width = 32,
    const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
  int lane = simt_lane (), within = (lane & (width - 1)) + (int)delta;

  return simt_shuffle (
      mask, v, within >= width ? lane : lane + (int)delta, file, line);
}

template <typename T>
static inline T
__shfl_up_sync (unsigned mask, T v, unsigned delta, int width = 32,
    const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
  int lane = simt_lane (), within = (lane & (width - 1)) - (int)delta;

  return simt_shuffle (
      mask, v, within < 0 ? lane : lane - (int)delta, file, line);
}

/* Of whole numbers only: sums of others would depend on the order. */
template <typename T>
static inline T
simt_atomic_add (T *at, T v)
{
  T before;

  simt_atomic (at, sizeof *at);
  memcpy (&before, at, sizeof before);
  *at = before + v;
  return before;
}

static inline int
atomicAdd (int *at, int v)
{
  return simt_atomic_add (at, v);
}

static inline unsigned
atomicAdd (unsigned *at, unsigned v)
{
  return simt_atomic_add (at, v);
}

static inline void
__threadfence (void)
{
}

static inline float
rsqrtf (float x)
{
  return 1.0f / sqrtf (x);
}

static inline int
__popc (unsigned x)
{
  return __builtin_popcount (x);
}

#endif
