/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Kernels with one fault each, which the executor has to find, and kernels
 * without, in which it must find nothing.  See faults.c.
 */
#include "../../kernels/cuda/simt.cuh"

#include "planted.h"

#define THREADS 64

/* A path that the compiler cannot foresee. */
DV_DEVICE bool
first (void)
{
  return threadIdx.x == 0;
}

DV_KERNEL
past_the_end (float *x, int n)
{
  if (first ())
    x[n] = 1;
}

DV_KERNEL
before_the_start (const float *x, float *y)
{
  if (first ())
    y[0] = x[-1];
}

DV_KERNEL
across_the_end (float *x, int n)
{
  DvWords words = {};

  if (first ())
    dv_store16 (x + n - n % 4, words);
}

DV_KERNEL
freed (const float *gone, float *y)
{
  y[threadIdx.x] = gone[threadIdx.x];
}

DV_KERNEL
host_memory (const float *host, float *y)
{
  y[threadIdx.x] = host[threadIdx.x];
}

DV_KERNEL
host_variable (float *at)
{
  if (first ())
    *at = 3;
}

DV_KERNEL
misaligned (float *x)
{
  DvWords words = {};

  if (first ())
    dv_store16 (x + 1, words);
}

DV_KERNEL
unwritten_shared (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  if (!first ())
    tile[threadIdx.x] = 1;
  __syncthreads ();
  y[threadIdx.x] = tile[threadIdx.x];
}

/* The block before has written what this one reads. */
DV_KERNEL
unwritten_by_this_block (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  if (blockIdx.x == 0)
    tile[threadIdx.x] = 1;
  __syncthreads ();
  if (blockIdx.x != 0)
    y[threadIdx.x] = tile[threadIdx.x];
}

DV_KERNEL
shared_past_the_end (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  tile[threadIdx.x + (y[0] == 0 ? 1 : 2)] = 1;
}

DV_KERNEL
dynamic_past_the_end (float *y)
{
  DV_SHARED_DYNAMIC (float, tile);

  tile[threadIdx.x] = y[threadIdx.x];
  __syncthreads ();
  y[threadIdx.x] = tile[THREADS - 1 - threadIdx.x];
}

DV_KERNEL
missing_barrier (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  tile[threadIdx.x] = (float)threadIdx.x;
  y[threadIdx.x] = tile[THREADS - 1 - threadIdx.x];
}

/* The next turn writes what others still read. */
DV_KERNEL
missing_second_barrier (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  for (int i = 0; i < 2; i++) {
    tile[threadIdx.x] = (float)threadIdx.x;
    __syncthreads ();
    y[threadIdx.x] = tile[THREADS - 1 - threadIdx.x];
  }
}

/* Words and their halves. */
DV_KERNEL
half_of_a_word (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  tile[threadIdx.x] = 1;
  __syncthreads ();
  if (threadIdx.x < DV_WARP)
    tile[threadIdx.x] = 2;
  else
    y[threadIdx.x] = ((uint16_t *)tile)[threadIdx.x % DV_WARP * 2 + 1];
}

DV_KERNEL
half_unwritten (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  ((uint16_t *)tile)[2 * threadIdx.x] = 1;
  __syncthreads ();
  y[threadIdx.x] = tile[threadIdx.x];
}

DV_KERNEL
word_of_halves (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  ((uint16_t *)tile)[threadIdx.x] = 0x3f80;
  ((uint16_t *)tile)[threadIdx.x + THREADS] = 0x3f80;
  __syncthreads ();
  y[threadIdx.x] = tile[threadIdx.x];
  __syncthreads ();
  tile[threadIdx.x] = 0;
  __syncthreads ();
  y[threadIdx.x] += ((uint16_t *)tile)[threadIdx.x];
}

DV_KERNEL
word_over_a_half (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  ((uint16_t *)tile)[threadIdx.x] = 0x3f80;
  if (threadIdx.x >= DV_WARP)
    tile[threadIdx.x - DV_WARP] = y[threadIdx.x];
}

DV_KERNEL
write_after_read (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  tile[threadIdx.x] = 1;
  __syncthreads ();
  y[threadIdx.x] = tile[THREADS - 1 - threadIdx.x];
  if (threadIdx.x >= DV_WARP)
    tile[threadIdx.x] = 2;
}

DV_KERNEL
missing_warp_barrier (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  for (int i = 0; i < 2; i++) {
    tile[threadIdx.x] = (float)threadIdx.x;
    __syncwarp ();
    y[threadIdx.x] = tile[threadIdx.x ^ 1];
  }
}

DV_KERNEL
warp_barrier (float *y)
{
  DV_SHARED (float, tile, [THREADS]);

  for (int i = 0; i < 3; i++) {
    tile[threadIdx.x] = (float)threadIdx.x;
    __syncwarp ();
    y[threadIdx.x] = tile[threadIdx.x ^ 1];
    __syncwarp ();
  }
}

DV_KERNEL
divergent_barrier (float *y)
{
  if (y[threadIdx.x] == 0 && threadIdx.x < 40)
    __syncthreads ();
  y[threadIdx.x] = 1;
}

DV_KERNEL
two_barriers (float *y)
{
  if (threadIdx.x < 32)
    __syncthreads ();
  else
    __syncthreads ();
  y[threadIdx.x] = 1;
}

DV_KERNEL
early_end (float *y)
{
  if (threadIdx.x >= 50)
    return;
  y[threadIdx.x] = dv_block_sum (1.0f);
}

DV_KERNEL
missing_lane (float *y)
{
  if (threadIdx.x % 32 != 7)
    y[threadIdx.x] = dv_warp_sum (1.0f);
}

DV_KERNEL
unnamed_caller (float *y)
{
  y[threadIdx.x] = __shfl_sync (0xffu, 1.0f, 0);
}

DV_KERNEL
unnamed_source (float *y)
{
  if (threadIdx.x % 32 < 8)
    y[threadIdx.x] = __shfl_sync (0xffu, 1.0f, 9);
}

/* The last to come wins. */
DV_KERNEL
race (float *y)
{
  y[0] = (float)threadIdx.x;
}

DV_KERNEL
race_of_blocks (float *y)
{
  if (first ())
    y[1 + blockIdx.x] = y[blockIdx.x] + 1;
}

DV_KERNEL
order_of_sums (int *ticket, float *y)
{
  if (first ())
    y[atomicAdd (ticket, 1)] = (float)blockIdx.x;
}

DV_KERNEL
copy_without_wait (const float *x, float *y)
{
  DV_SHARED (float, tile, [THREADS]);

#ifdef DV_SIMT
  simt_copy_async (&tile[threadIdx.x], x + threadIdx.x, 4, 4);
  simt_copy_commit ();
  simt_copy_wait (1);
#endif
  __syncthreads ();
  y[threadIdx.x] = tile[THREADS - 1 - threadIdx.x];
}

DV_KERNEL
copy_with_wait (const float *x, float *y)
{
  DV_SHARED (float, tile, [2][THREADS]);

#ifdef DV_SIMT
  for (int i = 0; i < 2; i++) {
    simt_copy_async (&tile[i][threadIdx.x], x + threadIdx.x, 4, 4);
    simt_copy_commit ();
  }
  simt_copy_wait (1);
#endif
  __syncthreads ();
  y[threadIdx.x] = tile[0][THREADS - 1 - threadIdx.x];
}

DV_KERNEL
nothing (float *y)
{
}

/* All that is right: sums, shuffles, dynamic memory, atomics, wide accesses,
 * several dimensions. */
DV_KERNEL
sound (const float *x, float *y, int *count, int n)
{
  DV_SHARED_DYNAMIC (float, tile);
  int at = (int)(threadIdx.x + threadIdx.y * blockDim.x);
  int size = (int)(blockDim.x * blockDim.y);
  float v[DV_CHUNK], sum = 0;

  dv_load8 (x + DV_CHUNK * at, n - DV_CHUNK * at, v);
  for (int i = 0; i < DV_CHUNK; i++)
    sum += v[i];
  tile[at] = dv_warp_sum (sum);
  __syncthreads ();
  sum = tile[size - 1 - at] + __shfl_down_sync (DV_ALL_LANES, sum, 1) +
        __shfl_up_sync (DV_ALL_LANES, sum, 2, 8);
  for (int i = 0; i < DV_CHUNK; i++)
    v[i] += sum;
  if (__any_sync (DV_ALL_LANES, at == 3))
    atomicAdd (count, 1);
  if (blockIdx.x == 1 && blockIdx.y == 2)
    dv_store8 (y + DV_CHUNK * at, n - DV_CHUNK * at, v);
}

int
planted (const char *name, float *x, float *y, int n, float *other)
{
  static float variable;

#define PLANT(kernel, blocks, shared, ...)                                     \
  if (strcmp (name, #kernel) == 0) {                                           \
    DV_LAUNCH (kernel, blocks, THREADS, shared, NULL, __VA_ARGS__);            \
    return 1;                                                                  \
  }
  PLANT (past_the_end, 1, 0, x, n)
  PLANT (before_the_start, 1, 0, x, y)
  PLANT (across_the_end, 1, 0, x, n)
  PLANT (freed, 1, 0, other, y)
  PLANT (host_memory, 1, 0, other, y)
  PLANT (host_variable, 1, 0, &variable)
  PLANT (misaligned, 1, 0, x)
  PLANT (unwritten_shared, 1, 0, y)
  PLANT (unwritten_by_this_block, 2, 0, y)
  PLANT (shared_past_the_end, 1, 0, y)
  PLANT (dynamic_past_the_end, 1, (THREADS - 1) * 4, y)
  PLANT (missing_barrier, 1, 0, y)
  PLANT (missing_second_barrier, 1, 0, y)
  PLANT (half_of_a_word, 1, 0, y)
  PLANT (half_unwritten, 1, 0, y)
  PLANT (word_of_halves, 2, 0, y)
  PLANT (word_over_a_half, 1, 0, y)
  PLANT (write_after_read, 1, 0, y)
  PLANT (missing_warp_barrier, 1, 0, y)
  PLANT (warp_barrier, 1, 0, y)
  PLANT (divergent_barrier, 1, 0, y)
  PLANT (two_barriers, 1, 0, y)
  PLANT (early_end, 1, 0, y)
  PLANT (missing_lane, 1, 0, y)
  PLANT (unnamed_caller, 1, 0, y)
  PLANT (unnamed_source, 1, 0, y)
  PLANT (race, 1, 0, y)
  PLANT (race_of_blocks, 3, 0, y)
  PLANT (order_of_sums, 3, 0, (int *)x, y)
  PLANT (copy_without_wait, 1, 0, x, y)
  PLANT (copy_with_wait, 1, 0, x, y)
  if (strcmp (name, "sound") == 0)
    DV_LAUNCH (sound, dim3 (2, 3), dim3 (16, 4), THREADS * 4, NULL, x, y,
        (int *)other, n);
  else if (strcmp (name, "half_a_warp") == 0)
    DV_LAUNCH (nothing, 1, 48, 0, NULL, y);
  else if (strcmp (name, "too_many_threads") == 0)
    DV_LAUNCH (nothing, 1, 2048, 0, NULL, y);
  else if (strcmp (name, "no_blocks") == 0)
    DV_LAUNCH (nothing, 0, 32, 0, NULL, y);
  else if (strcmp (name, "too_much_shared") == 0)
    DV_LAUNCH (nothing, 1, 32, 300 << 10, NULL, y);
  else
    return 0;
  return 1;
}

/* The bits that every kernel's BF16 and F16 have, for comparison. */
void
planted_convert (float x, uint16_t *bf16, uint16_t *f16)
{
  *bf16 = dv_bf16_bits (x);
  *f16 = dv_f16_bits (x);
}

float
planted_half (uint16_t bits)
{
  return dv_float (DvF16{bits});
}
