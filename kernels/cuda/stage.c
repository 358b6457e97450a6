/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Weights on their way to the device: two pinned buffers by turns, so that one
 * is filled by the processor while the other is copied.
 *
 * Threads: any; one at a time runs, the others wait.
 */
#include "context.h"

#include <stdlib.h>

#define STAGES 2
#define STAGE_BYTES ((size_t)16 << 20)

struct DvCudaStage {
  pthread_mutex_t lock;
  void *memory[STAGES];
  cudaEvent_t copied[STAGES];
};

static cudaError_t
fill_stage (DvCudaStage *stage)
{
  cudaError_t code = cudaSuccess;

  for (int i = 0; i < STAGES && code == cudaSuccess; i++) {
    code = cudaHostAlloc (&stage->memory[i], STAGE_BYTES, 0);
    if (code == cudaSuccess)
      code = cudaEventCreateWithFlags (
          &stage->copied[i], cudaEventBlockingSync | cudaEventDisableTiming);
  }
  return code;
}

DvCudaStage *
dv_cuda_stage_new (DvCuda *cuda, DvError *error)
{
  DvCudaStage *stage = calloc (1, sizeof *stage);
  cudaError_t code;

  if (!stage) {
    dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a device");
    return NULL;
  }
  pthread_mutex_init (&stage->lock, NULL);
  code = fill_stage (stage);
  if (code != cudaSuccess) {
    dv_cuda_fail (cuda, code, "open", "pinned host memory", error);
    dv_cuda_stage_free (stage);
    return NULL;
  }
  return stage;
}

void
dv_cuda_stage_free (DvCudaStage *stage)
{
  if (!stage)
    return;
  for (int i = 0; i < STAGES; i++) {
    if (stage->copied[i])
      cudaEventDestroy (stage->copied[i]);
    if (stage->memory[i])
      cudaFreeHost (stage->memory[i]);
  }
  pthread_mutex_destroy (&stage->lock);
  free (stage);
}

DvStatus
dv_cuda_stage_run (DvCuda *cuda, void *to, size_t bytes, DvCudaFill fill,
    const void *user, DvError *error)
{
  DvCudaStage *stage = cuda->stage;
  cudaError_t code = dv_cuda_enter (cuda);

  pthread_mutex_lock (&stage->lock);
  for (size_t at = 0, i = 0; at < bytes && code == cudaSuccess;
       at += STAGE_BYTES, i = (i + 1) % STAGES) {
    size_t part = bytes - at < STAGE_BYTES ? bytes - at : STAGE_BYTES;

    code = cudaEventSynchronize (stage->copied[i]);
    if (code != cudaSuccess)
      break;
    fill (user, at, part, stage->memory[i]);
    code = cudaMemcpyAsync ((uint8_t *)to + at, stage->memory[i], part,
        cudaMemcpyHostToDevice, cuda->memory);
    if (code == cudaSuccess)
      code = cudaEventRecord (stage->copied[i], cuda->memory);
  }
  if (code == cudaSuccess)
    code = cudaStreamSynchronize (cuda->memory);
  pthread_mutex_unlock (&stage->lock);
  if (code != cudaSuccess)
    return dv_cuda_fail (cuda, code, "load", "copying a weight", error);
  return DV_OK;
}
