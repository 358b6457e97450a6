/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A stream's queue on the GPU: ops and copies in order, and waiting for them.
 *
 * Threads: a queue belongs to its stream's thread; the list of all is under
 * the context's lock.
 */
#include "context.h"

#include <stdio.h>
#include <stdlib.h>

cudaStream_t
dv_cuda_queue (const DvStream *stream)
{
  /* Launches go to the device that is the thread's own. */
  dv_cuda_enter (dv_cuda (stream->device));
  return dv_cuda_of (stream)->compute;
}

static cudaError_t
queue_open (DvCuda *cuda, DvCudaQueue *queue)
{
  cudaError_t code = dv_cuda_enter (cuda);

  if (code == cudaSuccess)
    code = cudaStreamCreateWithFlags (&queue->compute, cudaStreamNonBlocking);
  if (code == cudaSuccess)
    code = cudaEventCreateWithFlags (
        &queue->done, cudaEventBlockingSync | cudaEventDisableTiming);
  if (code == cudaSuccess)
    code = cudaEventCreateWithFlags (&queue->freed, cudaEventDisableTiming);
  return code;
}

static void
queue_free (DvDevice *device, DvCudaQueue *queue)
{
  if (queue->blas)
    dv_cuda_free (device, queue->blas);
  if (queue->freed)
    cudaEventDestroy (queue->freed);
  if (queue->done)
    cudaEventDestroy (queue->done);
  if (queue->compute)
    cudaStreamDestroy (queue->compute);
  cudaGetLastError ();
  free (queue);
}

DvStatus
dv_cuda_stream_open (DvStream *stream, DvError *error)
{
  DvCuda *cuda = dv_cuda (stream->device);
  DvCudaQueue *queue = calloc (1, sizeof *queue);
  DvStatus status = DV_OK;
  cudaError_t code;

  if (!queue)
    return dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a stream");
  code = queue_open (cuda, queue);
  if (code != cudaSuccess) {
    status = dv_cuda_fail (cuda, code, "open", "a queue", error);
  } else {
    queue->blas = dv_cuda_alloc (stream->device, DV_CUDA_BLAS_BYTES);
    if (!queue->blas)
      status = dv_cuda_fail (cuda, cudaErrorMemoryAllocation, "open",
          "the scratch of matrix products", error);
  }
  if (status != DV_OK) {
    queue_free (stream->device, queue);
    return status;
  }
  pthread_mutex_lock (&cuda->lock);
  queue->next = cuda->queues;
  cuda->queues = queue;
  pthread_mutex_unlock (&cuda->lock);
  stream->priv = queue;
  return DV_OK;
}

void
dv_cuda_stream_close (DvStream *stream)
{
  DvCuda *cuda = dv_cuda (stream->device);
  DvCudaQueue *queue = dv_cuda_of (stream);

  pthread_mutex_lock (&cuda->lock);
  for (DvCudaQueue **at = &cuda->queues; *at; at = &(*at)->next)
    if (*at == queue) {
      *at = queue->next;
      break;
    }
  pthread_mutex_unlock (&cuda->lock);
  queue_free (stream->device, queue);
}

cudaError_t
dv_cuda_join (DvCuda *cuda)
{
  cudaError_t code = cudaSuccess;

  for (DvCudaQueue *at = cuda->queues; at && code == cudaSuccess;
       at = at->next) {
    code = cudaEventRecord (at->freed, at->compute);
    if (code == cudaSuccess)
      code = cudaStreamWaitEvent (cuda->memory, at->freed, 0);
  }
  return code;
}

DvStatus
dv_cuda_synchronize (DvStream *stream, DvError *error)
{
  DvCuda *cuda = dv_cuda (stream->device);
  DvCudaQueue *queue = dv_cuda_of (stream);
  cudaError_t code;

  if (atomic_load (&cuda->lost))
    return dv_cuda_lost (cuda, "wait", error);
  code = cudaEventRecord (queue->done, dv_cuda_queue (stream));
  if (code == cudaSuccess)
    code = cudaEventSynchronize (queue->done);
  if (code != cudaSuccess)
    return dv_cuda_fail (cuda, code, "wait", "the ops of a segment", error);
  return DV_OK;
}

DvStatus
dv_cuda_copy (
    DvStream *stream, void *to, const void *from, size_t bytes, DvError *error)
{
  DvCuda *cuda = dv_cuda (stream->device);
  char doing[64];
  cudaError_t code;

  if (atomic_load (&cuda->lost))
    return dv_cuda_lost (cuda, "copy", error);
  code = cudaMemcpyAsync (
      to, from, bytes, cudaMemcpyDefault, dv_cuda_queue (stream));
  if (code == cudaSuccess)
    return DV_OK;
  snprintf (doing, sizeof doing, "copying %zu bytes", bytes);
  return dv_cuda_fail (cuda, code, "copy", doing, error);
}
