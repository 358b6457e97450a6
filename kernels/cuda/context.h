/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the host code of the CUDA backend keeps: one context a device, one
 * queue a stream, or two where pictures leave for the host.
 *
 * Threads: a context may be used from any thread; what needs the lock says
 * so.  A queue belongs to its stream's thread.
 */
#ifndef DV_CUDA_CONTEXT_H
#define DV_CUDA_CONTEXT_H

#include "dvcuda.h"

#include <cublasLt.h>
#include <pthread.h>
#include <stdatomic.h>

/* The least compute capability that the kernels are built for. */
#define DV_CUDA_MAJOR 8

/* Scratch of cuBLASLt: of each product's workspace. */
#define DV_CUDA_BLAS_BYTES ((size_t)32 << 20)

typedef struct DvCudaQueue DvCudaQueue;
typedef struct DvCudaStage DvCudaStage;
typedef struct DvCudaProducts DvCudaProducts;

typedef struct {
  int index;
  char name[16]; /* "cuda:0" */
  atomic_bool lost;
  cudaStream_t memory; /* on which memory is taken, given back and filled */
  cudaMemPool_t pool;
  cublasLtHandle_t blas;
  DvCudaStage *stage;
  DvCudaProducts *products; /* how each matrix product is best computed */
  pthread_mutex_t lock;
  DvCudaQueue *queues; /* under the lock: all there are */
} DvCuda;

struct DvCudaQueue {
  cudaStream_t compute;
  cudaStream_t copy; /* behind compute where it is told to be; NULL: nothing was
                      * copied on it yet. Set under the context's lock */
  cudaEvent_t done;  /* waited for by host threads */
  cudaEvent_t freed; /* under the context's lock: waited for before memory goes
                      * back */
  cudaEvent_t made;  /* waited for by copy */
  /* copy-out.c: where pictures are made, whose turn it is, and what compute
   * waits for before it is written again. */
  uint8_t *slots;
  size_t slot_bytes;
  int slot;
  cudaEvent_t copied[DV_CUDA_SLOTS];
  DvCudaQueue *next;
};

static inline DvCuda *
dv_cuda (const DvDevice *device)
{
  return device->priv;
}

static inline DvCudaQueue *
dv_cuda_of (const DvStream *stream)
{
  return stream->priv;
}

/* ---- error.c ---- */

/* Says what @code means for a person, and forgets it where CUDA would tell it
 * again. @doing: "copying 12 bytes to". Returns the status of it. */
DvStatus dv_cuda_fail (DvCuda *cuda, cudaError_t code, const char *stage,
    const char *doing, DvError *error);
/* The device failed before: nothing can be done with it. */
DvStatus dv_cuda_lost (const DvCuda *cuda, const char *stage, DvError *error);

/* ---- context.c ---- */

DvStatus dv_cuda_open (
    DvDevice *device, const DvDeviceSpec *spec, DvError *error);
void dv_cuda_close (DvDevice *device);
/* Makes the device the calling thread's. */
cudaError_t dv_cuda_enter (const DvCuda *cuda);

/* ---- memory.c ---- */

void *dv_cuda_alloc (DvDevice *device, size_t bytes);
void dv_cuda_free (DvDevice *device, void *memory);
void dv_cuda_memory (DvDevice *device, uint64_t *available, uint64_t *total);
void *dv_cuda_host_alloc (DvDevice *device, size_t bytes);
void dv_cuda_host_free (DvDevice *device, void *memory);

/* ---- queue.c ---- */

DvStatus dv_cuda_stream_open (DvStream *stream, DvError *error);
void dv_cuda_stream_close (DvStream *stream);
DvStatus dv_cuda_synchronize (DvStream *stream, DvError *error);
DvStatus dv_cuda_copy (
    DvStream *stream, void *to, const void *from, size_t bytes, DvError *error);
/* Under the lock: what is queued on @cuda's memory queue from now on comes
 * after all that is queued elsewhere now, on failure too. */
cudaError_t dv_cuda_join (DvCuda *cuda);
/* What is copied from now on comes after all that is computed now. */
cudaError_t dv_cuda_follow (DvCudaQueue *queue);

/* ---- copy-out.c ---- */

void dv_cuda_copy_out_close (DvCudaQueue *queue);

/* ---- fence.c ---- */

DvStatus dv_cuda_fence_open (DvFence *fence, DvError *error);
void dv_cuda_fence_close (DvFence *fence);
DvStatus dv_cuda_fence_record (
    DvFence *fence, DvStream *stream, DvError *error);
DvStatus dv_cuda_fence_await (
    const DvFence *fence, DvStream *stream, DvError *error);
DvStatus dv_cuda_fence_passed (
    const DvFence *fence, bool *passed, DvError *error);

/* ---- stage.c: host memory to the device by way of pinned memory ---- */

/* Fills @bytes at @to with what stands at @start of the copy. */
typedef void (*DvCudaFill) (
    const void *user, size_t start, size_t bytes, void *to);

DvCudaStage *dv_cuda_stage_new (DvCuda *cuda, DvError *error);
void dv_cuda_stage_free (DvCudaStage *stage);
/* Writes @bytes at @to on the device, in parts that @fill makes, and waits
 * for the last. */
DvStatus dv_cuda_stage_run (DvCuda *cuda, void *to, size_t bytes,
    DvCudaFill fill, const void *user, DvError *error);

/* ---- weights.c ---- */

size_t dv_cuda_weight_bytes (
    const DvDevice *device, const DvWeight *w, DvDtype host_dtype);
DvStatus dv_cuda_prepare (
    DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error);
DvStatus dv_cuda_adopt (
    DvDevice *device, DvWeight *w, const DvTensor *matrix, DvError *error);
void dv_cuda_release (DvDevice *device, DvWeight *w);

#endif
