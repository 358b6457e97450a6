/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fences: CUDA's events.
 *
 * Threads: as device.h says.
 */
#include "context.h"

static cudaEvent_t
event_of (const DvFence *fence)
{
  return fence->priv;
}

DvStatus
dv_cuda_fence_open (DvFence *fence, DvError *error)
{
  DvCuda *cuda = dv_cuda (fence->device);
  cudaEvent_t event = NULL;
  cudaError_t code = dv_cuda_enter (cuda);

  if (code == cudaSuccess)
    code = cudaEventCreateWithFlags (&event, cudaEventDisableTiming);
  if (code != cudaSuccess)
    return dv_cuda_fail (cuda, code, "open", "making a fence", error);
  fence->priv = event;
  return DV_OK;
}

void
dv_cuda_fence_close (DvFence *fence)
{
  dv_cuda_enter (dv_cuda (fence->device));
  if (cudaEventDestroy (event_of (fence)) != cudaSuccess)
    cudaGetLastError ();
}

DvStatus
dv_cuda_fence_record (DvFence *fence, DvStream *stream, DvError *error)
{
  DvCudaQueue *queue = dv_cuda_of (stream);
  cudaStream_t last = dv_cuda_queue (stream);
  cudaError_t code = cudaSuccess;

  /* Behind all that is computed, and all that is copied. */
  if (queue->copy) {
    last = queue->copy;
    code = dv_cuda_follow (queue);
  }
  if (code == cudaSuccess)
    code = cudaEventRecord (event_of (fence), last);
  if (code != cudaSuccess)
    return dv_cuda_fail (
        dv_cuda (fence->device), code, "wait", "setting a fence", error);
  return DV_OK;
}

DvStatus
dv_cuda_fence_await (const DvFence *fence, DvStream *stream, DvError *error)
{
  cudaError_t code =
      cudaStreamWaitEvent (dv_cuda_queue (stream), event_of (fence), 0);

  if (code != cudaSuccess)
    return dv_cuda_fail (
        dv_cuda (fence->device), code, "wait", "waiting at a fence", error);
  return DV_OK;
}

DvStatus
dv_cuda_fence_passed (const DvFence *fence, bool *passed, DvError *error)
{
  cudaError_t code = cudaEventQuery (event_of (fence));

  *passed = code == cudaSuccess;
  if (code != cudaSuccess && code != cudaErrorNotReady)
    return dv_cuda_fail (
        dv_cuda (fence->device), code, "wait", "the ops before a fence", error);
  return DV_OK;
}
