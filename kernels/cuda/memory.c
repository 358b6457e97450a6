/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device memory from CUDA's stream-ordered pool, and pinned host memory.
 *
 * Taking waits until the memory may be used on any stream.  Giving back waits
 * for nobody: the pool has it when what was queued is done.
 *
 * Threads: any.
 */
#include "context.h"

static cudaError_t
take (DvCuda *cuda, void **memory, size_t bytes)
{
  cudaError_t code = cudaMallocAsync (memory, bytes, cuda->memory);

  if (code == cudaErrorMemoryAllocation) {
    /* What others gave back may not have arrived, or lie in pieces. */
    cudaGetLastError ();
    code = cudaStreamSynchronize (cuda->memory);
    if (code == cudaSuccess)
      code = cudaMemPoolTrimTo (cuda->pool, 0);
    if (code == cudaSuccess)
      code = cudaMallocAsync (memory, bytes, cuda->memory);
  }
  return code;
}

void *
dv_cuda_alloc (DvDevice *device, size_t bytes)
{
  DvCuda *cuda = dv_cuda (device);
  void *memory = NULL;
  cudaError_t code;

  if (atomic_load (&cuda->lost) || dv_cuda_enter (cuda) != cudaSuccess)
    return NULL;
  code = take (cuda, &memory, bytes);
  if (code != cudaSuccess) {
    dv_cuda_fail (cuda, code, "memory", "an allocation", NULL);
    return NULL;
  }
  code = cudaStreamSynchronize (cuda->memory);
  if (code != cudaSuccess) {
    dv_cuda_fail (cuda, code, "memory", "an allocation", NULL);
    cudaFreeAsync (memory, cuda->memory);
    return NULL;
  }
  return memory;
}

void
dv_cuda_free (DvDevice *device, void *memory)
{
  DvCuda *cuda = dv_cuda (device);
  cudaError_t code = dv_cuda_enter (cuda), joined, given;

  pthread_mutex_lock (&cuda->lock);
  joined = dv_cuda_join (cuda);
  given = cudaFreeAsync (memory, cuda->memory);
  pthread_mutex_unlock (&cuda->lock);
  code = code == cudaSuccess ? joined : code;
  code = code == cudaSuccess ? given : code;
  if (code != cudaSuccess)
    dv_cuda_fail (cuda, code, "memory", "giving memory back", NULL);
}

void
dv_cuda_memory (DvDevice *device, uint64_t *available, uint64_t *total)
{
  DvCuda *cuda = dv_cuda (device);
  size_t free_bytes = 0, all = 0;
  uint64_t kept = 0, used = 0;

  *available = *total = 0;
  if (dv_cuda_enter (cuda) != cudaSuccess ||
      cudaMemGetInfo (&free_bytes, &all) != cudaSuccess ||
      cudaMemPoolGetAttribute (cuda->pool, cudaMemPoolAttrReservedMemCurrent,
          &kept) != cudaSuccess ||
      cudaMemPoolGetAttribute (
          cuda->pool, cudaMemPoolAttrUsedMemCurrent, &used) != cudaSuccess) {
    cudaGetLastError ();
    return;
  }
  /* What the pool keeps can be had too. */
  *available = free_bytes + (kept - used);
  *total = all;
}

void *
dv_cuda_host_alloc (DvDevice *device, size_t bytes)
{
  DvCuda *cuda = dv_cuda (device);
  void *memory = NULL;
  cudaError_t code = dv_cuda_enter (cuda);

  if (code == cudaSuccess)
    code = cudaHostAlloc (&memory, bytes, cudaHostAllocPortable);
  if (code != cudaSuccess) {
    dv_cuda_fail (cuda, code, "memory", "pinned host memory", NULL);
    return NULL;
  }
  return memory;
}

void
dv_cuda_host_free (DvDevice *device, void *memory)
{
  DvCuda *cuda = dv_cuda (device);
  cudaError_t code = dv_cuda_enter (cuda), given = cudaFreeHost (memory);

  code = code == cudaSuccess ? given : code;
  if (code != cudaSuccess)
    dv_cuda_fail (cuda, code, "memory", "giving pinned memory back", NULL);
}
