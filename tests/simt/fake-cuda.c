/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fake CUDA runtime: fake-cuda.h.
 *
 * Threads: any; a lock around what is kept.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "fake-private.h"

#define MEMORY ((size_t)8 << 30) /* that each GPU says it has */

struct CUstream_st {
  unsigned long queued; /* copies so far */
};

struct CUevent_st {
  cudaStream_t stream; /* NULL: not recorded */
  unsigned long queued;
  bool asked;
};

/* A copy into pinned memory that nobody waited for yet. */
typedef struct Late {
  cudaStream_t stream;
  unsigned long number;
  void *to, *bytes;
  size_t size;
  struct Late *next;
} Late;

typedef struct Pinned {
  uint8_t *memory;
  size_t size;
  struct Pinned *next;
} Pinned;

__attribute__ ((visibility ("default"))) FakeCuda fake_cuda = {.driver = 13000,
    .devices = 2,
    .major = 9,
    .fail_at = -1,
    .limit = simt_set_limit};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cudaError_t last; /* told once; of a lost device, for ever */
static Late *late;
static Pinned *pinned;

/* ---- failing ---- */

static bool
is_lasting (cudaError_t code)
{
  return code == cudaErrorIllegalAddress || code == cudaErrorLaunchFailure;
}

static cudaError_t
result (cudaError_t code)
{
  if (code != cudaSuccess)
    last = code;
  return code;
}

cudaError_t
fake_call (void)
{
  cudaError_t code = cudaSuccess;

  pthread_mutex_lock (&lock);
  fake_cuda.calls++;
  if (!fake_cuda.lost && is_lasting (last))
    last = cudaSuccess; /* a test has made it whole again */
  if (fake_cuda.lost) {
    code = last;
  } else if (fake_cuda.fail_at >= 0 && fake_cuda.fail_at-- == 0) {
    fake_cuda.failed = true;
    code = result (fake_cuda.code);
    fake_cuda.lost = is_lasting (code);
  }
  pthread_mutex_unlock (&lock);
  return code;
}

static void
count (long change)
{
  pthread_mutex_lock (&lock);
  fake_cuda.live += change;
  pthread_mutex_unlock (&lock);
}

#define BEGIN_CALL()                                                           \
  do {                                                                         \
    cudaError_t code_ = fake_call ();                                          \
    if (code_ != cudaSuccess)                                                  \
      return code_;                                                            \
  } while (0)

cudaError_t
cudaGetLastError (void)
{
  cudaError_t code = fake_call ();

  if (code == cudaSuccess)
    code = last;
  if (!fake_cuda.lost)
    last = cudaSuccess;
  return code;
}

cudaError_t
cudaPeekAtLastError (void)
{
  return last;
}

const char *
cudaGetErrorName (cudaError_t error)
{
  return "an error";
}

const char *
cudaGetErrorString (cudaError_t error)
{
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return "it was told to fail";
  }
}

/* ---- devices ---- */

cudaError_t
cudaDriverGetVersion (int *version)
{
  *version = fake_cuda.driver;
  return cudaSuccess;
}

cudaError_t
cudaRuntimeGetVersion (int *version)
{
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t
cudaGetDeviceCount (int *n)
{
  BEGIN_CALL ();
  *n = fake_cuda.devices;
  if (fake_cuda.driver < CUDART_VERSION)
    return result (cudaErrorInsufficientDriver);
  return *n > 0 ? cudaSuccess : result (cudaErrorNoDevice);
}

cudaError_t
cudaGetDeviceProperties (struct cudaDeviceProp *prop, int device)
{
  BEGIN_CALL ();
  memset (prop, 0, sizeof *prop);
  strcpy (prop->name, "a GPU of the tests");
  prop->totalGlobalMem = MEMORY;
  prop->major = fake_cuda.major;
  prop->minor = fake_cuda.minor;
  prop->multiProcessorCount = 4;
  return cudaSuccess;
}

cudaError_t
cudaDeviceGetAttribute (int *value, enum cudaDeviceAttr attribute, int device)
{
  BEGIN_CALL ();
  *value = attribute == cudaDevAttrComputeCapabilityMajor   ? fake_cuda.major
           : attribute == cudaDevAttrComputeCapabilityMinor ? fake_cuda.minor
           : attribute == cudaDevAttrMultiProcessorCount    ? 4
           : attribute == cudaDevAttrMemoryPoolsSupported   ? 1
                                                            : 227 * 1024;
  return cudaSuccess;
}

cudaError_t
cudaSetDevice (int device)
{
  BEGIN_CALL ();
  return device < fake_cuda.devices ? cudaSuccess
                                    : result (cudaErrorInvalidDevice);
}

cudaError_t
cudaGetDevice (int *device)
{
  *device = 0;
  return cudaSuccess;
}

/* ---- copies ---- */

static bool
is_pinned (const void *at)
{
  for (Pinned *p = pinned; p; p = p->next)
    if ((const uint8_t *)at >= p->memory &&
        (const uint8_t *)at < p->memory + p->size)
      return true;
  return false;
}

/* Under the lock: what @stream copied up to @number arrives. */
static void
arrive (cudaStream_t stream, unsigned long number)
{
  Late **at = &late;

  while (*at) {
    Late *copy = *at;

    if (copy->stream != stream || copy->number > number) {
      at = &copy->next;
      continue;
    }
    memcpy (copy->to, copy->bytes, copy->size);
    *at = copy->next;
    free (copy->bytes);
    free (copy);
  }
}

/* Under the lock. */
static bool
copy_late (cudaStream_t stream, void *to, const void *from, size_t bytes)
{
  Late *copy = calloc (1, sizeof *copy), **end = &late;

  if (!copy)
    abort ();
  *copy = (Late){stream, ++stream->queued, to, malloc (bytes), bytes, NULL};
  if (!copy->bytes || !simt_copy (copy->bytes, from, bytes))
    abort ();
  memset (to, 0xa5, bytes);
  while (*end)
    end = &(*end)->next;
  *end = copy;
  return true;
}

static cudaError_t
copy_bytes (void *to, const void *from, size_t bytes, cudaStream_t stream)
{
  bool good;

  if (bytes == 0)
    return cudaSuccess;
  pthread_mutex_lock (&lock);
  if (is_pinned (to) && simt_room (from) >= bytes)
    good = copy_late (stream, to, from, bytes);
  else
    good = simt_copy (to, from, bytes);
  pthread_mutex_unlock (&lock);
  return good ? cudaSuccess : result (cudaErrorInvalidValue);
}

cudaError_t
cudaMemcpyAsync (void *to, const void *from, size_t bytes,
    enum cudaMemcpyKind kind, cudaStream_t stream)
{
  BEGIN_CALL ();
  return copy_bytes (to, from, bytes, stream);
}

cudaError_t
cudaMemcpy2DAsync (void *to, size_t to_stride, const void *from,
    size_t from_stride, size_t width, size_t height, enum cudaMemcpyKind kind,
    cudaStream_t stream)
{
  cudaError_t code = cudaSuccess;

  BEGIN_CALL ();
  if (width > to_stride || width > from_stride)
    return result (cudaErrorInvalidValue);
  for (size_t y = 0; y < height && code == cudaSuccess; y++)
    code = copy_bytes ((uint8_t *)to + y * to_stride,
        (const uint8_t *)from + y * from_stride, width, stream);
  return code;
}

cudaError_t
cudaMemsetAsync (void *to, int value, size_t bytes, cudaStream_t stream)
{
  BEGIN_CALL ();
  return simt_fill (to, value, bytes) ? cudaSuccess
                                      : result (cudaErrorInvalidValue);
}

/* ---- streams and events ---- */

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags)
{
  BEGIN_CALL ();
  *stream = calloc (1, sizeof **stream);
  if (!*stream)
    abort ();
  count (1);
  return cudaSuccess;
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  pthread_mutex_lock (&lock);
  arrive (stream, stream->queued);
  pthread_mutex_unlock (&lock);
  free (stream);
  count (-1);
  return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize (cudaStream_t stream)
{
  BEGIN_CALL ();
  pthread_mutex_lock (&lock);
  arrive (stream, stream->queued);
  pthread_mutex_unlock (&lock);
  return cudaSuccess;
}

static void
event_passes (cudaEvent_t event)
{
  pthread_mutex_lock (&lock);
  if (event->stream)
    arrive (event->stream, event->queued);
  pthread_mutex_unlock (&lock);
}

cudaError_t
cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
  BEGIN_CALL ();
  event_passes (event);
  return cudaSuccess;
}

cudaError_t
cudaEventCreateWithFlags (cudaEvent_t *event, unsigned flags)
{
  BEGIN_CALL ();
  *event = calloc (1, sizeof **event);
  if (!*event)
    abort ();
  count (1);
  return cudaSuccess;
}

cudaError_t
cudaEventDestroy (cudaEvent_t event)
{
  free (event);
  count (-1);
  return cudaSuccess;
}

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  BEGIN_CALL ();
  *event = (struct CUevent_st){stream, stream->queued, false};
  return cudaSuccess;
}

cudaError_t
cudaEventSynchronize (cudaEvent_t event)
{
  BEGIN_CALL ();
  event_passes (event);
  return cudaSuccess;
}

/* Who asks is told to come again, once. */
cudaError_t
cudaEventQuery (cudaEvent_t event)
{
  BEGIN_CALL ();
  if (event->stream && !event->asked) {
    event->asked = true;
    return cudaErrorNotReady;
  }
  event_passes (event);
  return cudaSuccess;
}

/* ---- memory ---- */

cudaError_t
cudaMallocAsync (void **memory, size_t bytes, cudaStream_t stream)
{
  BEGIN_CALL ();
  *memory = simt_alloc (bytes);
  if (!*memory)
    return result (cudaErrorMemoryAllocation);
  count (1);
  return cudaSuccess;
}

cudaError_t
cudaFreeAsync (void *memory, cudaStream_t stream)
{
  /* A device that is lost frees nothing; a test still counts what was given
   * back. */
  bool good = simt_free (memory);

  if (good)
    count (-1);
  BEGIN_CALL ();
  return good ? cudaSuccess : result (cudaErrorInvalidValue);
}

cudaError_t
cudaHostAlloc (void **memory, size_t bytes, unsigned flags)
{
  Pinned *p;

  BEGIN_CALL ();
  *memory = NULL;
  if (bytes > MEMORY)
    return result (cudaErrorMemoryAllocation);
  p = calloc (1, sizeof *p);
  if (!p || posix_memalign (memory, 4096, bytes) != 0)
    abort ();
  *p = (Pinned){*memory, bytes, NULL};
  pthread_mutex_lock (&lock);
  p->next = pinned;
  pinned = p;
  fake_cuda.live++;
  pthread_mutex_unlock (&lock);
  return cudaSuccess;
}

cudaError_t
cudaFreeHost (void *memory)
{
  bool found = false;

  pthread_mutex_lock (&lock);
  for (Pinned **at = &pinned; *at && !found; at = found ? at : &(*at)->next)
    if ((*at)->memory == memory) {
      Pinned *p = *at;

      *at = p->next;
      free (p);
      free (memory);
      fake_cuda.live--;
      found = true;
    }
  pthread_mutex_unlock (&lock);
  return found ? cudaSuccess : result (cudaErrorInvalidValue);
}

cudaError_t
cudaMemGetInfo (size_t *available, size_t *total)
{
  BEGIN_CALL ();
  *available = MEMORY - simt_used ();
  *total = MEMORY;
  return cudaSuccess;
}

cudaError_t
cudaDeviceGetDefaultMemPool (cudaMemPool_t *pool, int device)
{
  BEGIN_CALL ();
  *pool = (cudaMemPool_t)&fake_cuda;
  return cudaSuccess;
}

cudaError_t
cudaMemPoolSetAttribute (
    cudaMemPool_t pool, enum cudaMemPoolAttr attribute, void *value)
{
  BEGIN_CALL ();
  return cudaSuccess;
}

cudaError_t
cudaMemPoolGetAttribute (
    cudaMemPool_t pool, enum cudaMemPoolAttr attribute, void *value)
{
  BEGIN_CALL ();
  *(uint64_t *)value = simt_used ();
  return cudaSuccess;
}

cudaError_t
cudaMemPoolTrimTo (cudaMemPool_t pool, size_t bytes)
{
  BEGIN_CALL ();
  return cudaSuccess;
}
