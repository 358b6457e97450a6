/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pictures on their way to the host: made on the stream's queue, copied on
 * another, so that what follows is computed meanwhile.  They are made in two
 * slots by turns; before one is written again, the queue waits until what was
 * there has been copied.
 *
 * The slots are at the end of the stream's arena, where they stay until the
 * stream is reset (DvOps.kept): a dry run counts both, and nothing is allocated
 * while a segment is made.
 *
 * Threads: as device.h says of streams.
 */
#include "context.h"

/* The queue for copies, made by who is the first to copy. */
static cudaError_t
open_copies (DvCuda *cuda, DvCudaQueue *queue)
{
  cudaError_t code = cudaSuccess;
  cudaStream_t copy;

  if (queue->copy)
    return code;
  if (!queue->made)
    code = cudaEventCreateWithFlags (&queue->made, cudaEventDisableTiming);
  for (int i = 0; i < DV_CUDA_SLOTS && code == cudaSuccess; i++)
    if (!queue->copied[i])
      code =
          cudaEventCreateWithFlags (&queue->copied[i], cudaEventDisableTiming);
  if (code == cudaSuccess)
    code = cudaStreamCreateWithFlags (&copy, cudaStreamNonBlocking);
  if (code != cudaSuccess)
    return code;
  /* Other threads look at it when they give memory back. */
  pthread_mutex_lock (&cuda->lock);
  queue->copy = copy;
  pthread_mutex_unlock (&cuda->lock);
  return code;
}

void
dv_cuda_copy_out_close (DvCudaQueue *queue)
{
  for (int i = 0; i < DV_CUDA_SLOTS; i++)
    if (queue->copied[i])
      cudaEventDestroy (queue->copied[i]);
  if (queue->made)
    cudaEventDestroy (queue->made);
  if (queue->copy)
    cudaStreamDestroy (queue->copy);
}

DvStatus
dv_cuda_copy_out_begin (DvStream *stream, void *workspace, size_t bytes,
    uint8_t **slot, DvError *error)
{
  DvCuda *cuda = dv_cuda (stream->device);
  DvCudaQueue *queue = dv_cuda_of (stream);
  cudaStream_t compute = dv_cuda_queue (stream);
  bool moved = queue->slots != workspace || queue->slot_bytes != bytes;
  cudaError_t code;

  code = open_copies (cuda, queue);
  queue->slots = workspace;
  queue->slot_bytes = bytes;
  queue->slot = (queue->slot + 1) % DV_CUDA_SLOTS;
  *slot = queue->slots + (size_t)queue->slot * bytes;
  /* What was made elsewhere may stand across both of them. */
  for (int i = 0; i < DV_CUDA_SLOTS && code == cudaSuccess; i++)
    if (moved || i == queue->slot)
      code = cudaStreamWaitEvent (compute, queue->copied[i], 0);
  if (code == cudaSuccess)
    return DV_OK;
  return dv_cuda_fail (
      cuda, code, "copy", "preparing to copy a picture to the host", error);
}

DvStatus
dv_cuda_copy_out_end (DvStream *stream, const DvCudaSurface *surfaces,
    int n_surfaces, DvError *error)
{
  DvCuda *cuda = dv_cuda (stream->device);
  DvCudaQueue *queue = dv_cuda_of (stream);
  cudaError_t code = dv_cuda_follow (queue);

  for (int i = 0; i < n_surfaces && code == cudaSuccess; i++) {
    const DvCudaSurface *s = &surfaces[i];

    if (s->to)
      code = cudaMemcpy2DAsync (s->to, (size_t)s->to_stride, s->from,
          (size_t)s->from_stride, (size_t)s->width, (size_t)s->height,
          cudaMemcpyDeviceToHost, queue->copy);
  }
  if (code == cudaSuccess)
    code = cudaEventRecord (queue->copied[queue->slot], queue->copy);
  if (code == cudaSuccess)
    return DV_OK;
  return dv_cuda_fail (
      cuda, code, "copy", "copying a picture to the host", error);
}
