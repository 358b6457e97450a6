/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A stream's queue on the GPU: ops and copies in order, and waiting for them.
 * Pictures leave for the host on a queue of their own (copy-out.c): whoever
 * waits for a stream waits for both.
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
queue_free (DvCudaQueue *queue)
{
  dv_cuda_copy_out_close (queue);
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
  cudaError_t code;

  if (!queue)
    return dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a stream");
  code = queue_open (cuda, queue);
  if (code != cudaSuccess) {
    queue_free (queue);
    return dv_cuda_fail (cuda, code, "open", "a queue", error);
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
  queue_free (queue);
}

/* What is queued on @last from now on comes after what is on @stream. */
static cudaError_t
join (DvCudaQueue *queue, cudaStream_t stream, cudaStream_t last)
{
  cudaError_t code = cudaEventRecord (queue->freed, stream);

  if (code == cudaSuccess)
    code = cudaStreamWaitEvent (last, queue->freed, 0);
  /* Nobody else will wait for it. */
  if (code != cudaSuccess)
    cudaStreamSynchronize (stream);
  return code;
}

cudaError_t
dv_cuda_join (DvCuda *cuda)
{
  cudaError_t code = cudaSuccess;

  for (DvCudaQueue *at = cuda->queues; at; at = at->next) {
    cudaError_t joined = join (at, at->compute, cuda->memory);

    if (code == cudaSuccess)
      code = joined;
    if (!at->copy)
      continue;
    joined = join (at, at->copy, cuda->memory);
    if (code == cudaSuccess)
      code = joined;
  }
  return code;
}

cudaError_t
dv_cuda_follow (DvCudaQueue *queue)
{
  cudaError_t code = cudaEventRecord (queue->made, queue->compute);

  if (code == cudaSuccess)
    code = cudaStreamWaitEvent (queue->copy, queue->made, 0);
  return code;
}

/* The calling thread waits for what is queued on @stream, asleep. */
static cudaError_t
wait_for (DvCudaQueue *queue, cudaStream_t stream)
{
  cudaError_t code = cudaEventRecord (queue->done, stream);

  if (code == cudaSuccess)
    code = cudaEventSynchronize (queue->done);
  /* What may yet write to somebody's memory is waited for all the same. */
  if (code != cudaSuccess)
    cudaStreamSynchronize (stream);
  return code;
}

DvStatus
dv_cuda_synchronize (DvStream *stream, DvError *error)
{
  DvCuda *cuda = dv_cuda (stream->device);
  DvCudaQueue *queue = dv_cuda_of (stream);
  cudaError_t code, computed, copied = cudaSuccess;

  if (atomic_load (&cuda->lost))
    return dv_cuda_lost (cuda, "wait", error);
  code = dv_cuda_enter (cuda);
  computed = wait_for (queue, queue->compute);
  if (queue->copy)
    copied = wait_for (queue, queue->copy);
  code = code == cudaSuccess ? computed : code;
  code = code == cudaSuccess ? copied : code;
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
