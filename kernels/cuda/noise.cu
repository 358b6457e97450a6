/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Normal numbers on a GPU: ops.h, DvNoise, by philox.h, which every backend
 * draws alike in every bit.  For that the file is compiled without joining
 * products and sums (-fmad=false).
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#include "../philox.h"

#define THREADS 256

/* A thread draws four. */
DV_KERNEL
DV_BOUNDS (THREADS)
noise (float *out, int64_t count, uint64_t seed, uint64_t sequence)
{
  for (int64_t i = dv_thread (); 4 * i < count; i += dv_threads ()) {
    float normal[4], *to = out + 4 * i;

    dv_philox_normal (seed, sequence, (uint64_t)i, normal);
    if (4 * i + 4 <= count && dv_aligned (to)) {
      DvWords words;

      for (int j = 0; j < 4; j++)
        words.w[j] = dv_bits<uint32_t> (normal[j]);
      dv_store16 (to, words);
      continue;
    }
    for (int j = 0; j < 4 && 4 * i + j < count; j++)
      to[j] = normal[j];
  }
}

DvStatus
dv_cuda_noise (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvNoise *p = (const DvNoise *)args;
  int64_t count = dv_tensor_count (p->out);

  DV_LAUNCH (noise, dv_blocks (count, 4 * THREADS), THREADS, 0,
      dv_cuda_queue (stream), (float *)p->out->data, count, p->seed,
      p->sequence);
  return dv_cuda_launched ("noise", error);
}
