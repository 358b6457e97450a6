/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fake CUDA runtime: fake-cuda.h.
 *
 * Threads: any; a lock around what is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "executor.h"
#include "fake-queues.h"

#define MEMORY ((size_t)8 << 30) /* that each GPU says it has */
/* Of a launch, so that what stands behind it is aligned for anything. */
#define LAUNCH_BYTES ((sizeof (SimtLaunch) + 63) / 64 * 64)

struct CUevent_st {
  FakePoint *point; /* NULL: not recorded */
  bool asked;
};

typedef struct Pinned {
  uint8_t *memory;
  size_t size;
  struct Pinned *next;
} Pinned;

__attribute__ ((visibility ("default"))) FakeCuda fake_cuda = {.driver = 13000,
    .devices = 2,
    .major = 9,
    .fail_at = -1,
    .ignore_at = -1,
    .limit = simt_set_limit};

static cudaError_t last; /* told once; of a lost device, for ever */
static Pinned *pinned;

static void
free_memory (void *data)
{
  if (!simt_free (*(void **)data)) {
    fprintf (stderr, "# device memory is given back twice\n");
    abort ();
  }
}

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

  pthread_mutex_lock (&fake_lock);
  fake_cuda.calls++;
  if (!fake_cuda.lost && is_lasting (last))
    last = cudaSuccess; /* a test has made it whole again */
  if (fake_cuda.lost) {
    code = last;
  } else if (fake_cuda.fail_at >= 0 && fake_cuda.fail_at-- == 0) {
    fake_cuda.failed = true;
    code = result (fake_cuda.code);
    fake_cuda.lost = is_lasting (code);
    if (fake_cuda.lost)
      fake_drop_all (free_memory);
  }
  pthread_mutex_unlock (&fake_lock);
  return code;
}

static void
count (long change)
{
  pthread_mutex_lock (&fake_lock);
  fake_cuda.live += change;
  pthread_mutex_unlock (&fake_lock);
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

/* Rows of bytes. */
typedef struct {
  uint8_t *to;
  const uint8_t *from;
  uint8_t *read; /* owned: what stood at from, read already; or NULL */
  size_t to_stride, from_stride, width, height;
} Copy;

static size_t
span (size_t stride, const Copy *copy)
{
  return (copy->height - 1) * stride + copy->width;
}

static void
run_copy (void *data)
{
  Copy *copy = data;

  for (size_t y = 0; y < copy->height; y++)
    if (!simt_copy (copy->to + y * copy->to_stride,
            copy->from + y * copy->from_stride, copy->width)) {
      fprintf (stderr, "# a copy uses device memory that was given back\n");
      abort ();
    }
  free (copy->read);
}

/* Under the lock. */
static void
queue_copy (Copy copy, cudaStream_t stream)
{
  bool in = simt_room (copy.from) > 0, out = simt_room (copy.to) > 0;

  if (!in && !is_pinned (copy.from)) {
    copy.read = malloc (span (copy.from_stride, &copy));
    if (!copy.read)
      abort ();
    for (size_t y = 0; y < copy.height; y++)
      memcpy (copy.read + y * copy.from_stride,
          copy.from + y * copy.from_stride, copy.width);
    copy.from = copy.read;
  }
  if (!out && is_pinned (copy.to))
    for (size_t y = 0; y < copy.height; y++)
      memset (copy.to + y * copy.to_stride, FAKE_RUBBISH, copy.width);
  if (!out)
    fake_queue (stream, run_copy, &copy, sizeof copy, copy.to,
        span (copy.to_stride, &copy));
  else if (!in && !copy.read)
    fake_queue (stream, run_copy, &copy, sizeof copy, copy.from,
        span (copy.from_stride, &copy));
  else
    fake_queue (stream, run_copy, &copy, sizeof copy, NULL, 0);
  if (!out && !is_pinned (copy.to))
    fake_run_all (stream);
}

cudaError_t
cudaMemcpy2DAsync (void *to, size_t to_stride, const void *from,
    size_t from_stride, size_t width, size_t height, enum cudaMemcpyKind kind,
    cudaStream_t stream)
{
  Copy copy = {to, from, NULL, to_stride, from_stride, width, height};

  BEGIN_CALL ();
  if (width > to_stride || width > from_stride)
    return result (cudaErrorInvalidValue);
  if (width == 0 || height == 0)
    return cudaSuccess;
  if (!simt_reaches (to, span (to_stride, &copy)) ||
      !simt_reaches (from, span (from_stride, &copy)))
    return result (cudaErrorInvalidValue);
  pthread_mutex_lock (&fake_lock);
  queue_copy (copy, stream);
  pthread_mutex_unlock (&fake_lock);
  return cudaSuccess;
}

cudaError_t
cudaMemcpyAsync (void *to, const void *from, size_t bytes,
    enum cudaMemcpyKind kind, cudaStream_t stream)
{
  return cudaMemcpy2DAsync (to, bytes, from, bytes, bytes, 1, kind, stream);
}

typedef struct {
  void *to;
  int value;
  size_t bytes;
} Fill;

static void
run_fill (void *data)
{
  const Fill *fill = data;

  simt_fill (fill->to, fill->value, fill->bytes);
}

cudaError_t
cudaMemsetAsync (void *to, int value, size_t bytes, cudaStream_t stream)
{
  Fill fill = {to, value, bytes};

  BEGIN_CALL ();
  if (simt_room (to) < bytes)
    return result (cudaErrorInvalidValue);
  pthread_mutex_lock (&fake_lock);
  fake_queue (stream, run_fill, &fill, sizeof fill, NULL, 0);
  pthread_mutex_unlock (&fake_lock);
  return cudaSuccess;
}

/* ---- kernels ---- */

/* Behind it, its arguments. */
static void
run_launch (void *data)
{
  SimtLaunch launch = *(const SimtLaunch *)data;

  launch.args = (const uint8_t *)data + LAUNCH_BYTES;
  simt_launch (&launch);
}

static void
queue_launch (void *queue, const SimtLaunch *launch)
{
  uint8_t *data = calloc (1, LAUNCH_BYTES + launch->args_bytes);

  if (!data)
    abort ();
  memcpy (data, launch, sizeof *launch);
  memcpy (data + LAUNCH_BYTES, launch->args, launch->args_bytes);
  pthread_mutex_lock (&fake_lock);
  if (!fake_cuda.lost)
    fake_queue (
        queue, run_launch, data, LAUNCH_BYTES + launch->args_bytes, NULL, 0);
  pthread_mutex_unlock (&fake_lock);
  free (data);
}

__attribute__ ((constructor)) static void
keep_queues (void)
{
  simt_queue_launch = queue_launch;
}

/* ---- streams and events ---- */

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags)
{
  BEGIN_CALL ();
  pthread_mutex_lock (&fake_lock);
  *stream = fake_stream_new ();
  pthread_mutex_unlock (&fake_lock);
  count (1);
  return cudaSuccess;
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  pthread_mutex_lock (&fake_lock);
  fake_stream_free (stream);
  pthread_mutex_unlock (&fake_lock);
  count (-1);
  return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize (cudaStream_t stream)
{
  BEGIN_CALL ();
  pthread_mutex_lock (&fake_lock);
  fake_run_all (stream);
  pthread_mutex_unlock (&fake_lock);
  return cudaSuccess;
}

static void
event_passes (cudaEvent_t event)
{
  pthread_mutex_lock (&fake_lock);
  if (event->point)
    fake_run_until (event->point);
  pthread_mutex_unlock (&fake_lock);
}

cudaError_t
cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
  BEGIN_CALL ();
  pthread_mutex_lock (&fake_lock);
  if (event->point) {
    fake_cuda.waits++;
    if (fake_cuda.ignore_at < 0 || fake_cuda.ignore_at-- > 0)
      fake_queue_wait (stream, event->point);
  }
  pthread_mutex_unlock (&fake_lock);
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
  pthread_mutex_lock (&fake_lock);
  fake_point_unref (event->point);
  pthread_mutex_unlock (&fake_lock);
  free (event);
  count (-1);
  return cudaSuccess;
}

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  BEGIN_CALL ();
  pthread_mutex_lock (&fake_lock);
  fake_point_unref (event->point);
  event->point = fake_queue_point (stream);
  event->asked = false;
  pthread_mutex_unlock (&fake_lock);
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
  if (event->point && !event->asked) {
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
  cudaError_t code;

  if (simt_room (memory) == 0)
    return result (cudaErrorInvalidValue);
  code = fake_call ();
  /* A device that is lost frees nothing; a test still counts what was given
   * back. */
  pthread_mutex_lock (&fake_lock);
  fake_cuda.live--;
  if (code == cudaSuccess)
    fake_queue (stream, free_memory, &memory, sizeof memory, NULL, 0);
  else
    free_memory (&memory);
  pthread_mutex_unlock (&fake_lock);
  return code;
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
  /* Not the heap's: what nobody touches costs nothing, and what was given back
   * is not there. */
  *memory = mmap (NULL, bytes, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (!p || *memory == MAP_FAILED)
    abort ();
  *p = (Pinned){*memory, bytes, NULL};
  pthread_mutex_lock (&fake_lock);
  p->next = pinned;
  pinned = p;
  fake_cuda.live++;
  pthread_mutex_unlock (&fake_lock);
  return cudaSuccess;
}

cudaError_t
cudaFreeHost (void *memory)
{
  bool found = false;

  pthread_mutex_lock (&fake_lock);
  for (Pinned **at = &pinned; *at && !found; at = found ? at : &(*at)->next)
    if ((*at)->memory == memory) {
      Pinned *p = *at;

      if (fake_is_used (memory, p->size)) {
        fprintf (stderr, "# a copy still uses host memory given back\n");
        abort ();
      }
      *at = p->next;
      munmap (memory, p->size);
      free (p);
      fake_cuda.live--;
      found = true;
    }
  pthread_mutex_unlock (&fake_lock);
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
