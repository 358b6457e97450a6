/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Devices and streams: where ops run, and in what order.
 *
 * A *device* is one backend opened on one piece of hardware: its table of ops,
 * its threads or queues, its memory.  It is shared by reference count.  A
 * *stream* is an ordered sequence of ops on a device, with an arena for their
 * activations.
 *
 * A stream is sticky: the first op that fails, an allocation that does not
 * fit, or a caller who cancels leave a status in it, after which every op on
 * it does nothing.  So model code reads as its formulas do, and asks
 * dv_stream_status() where it must know.
 *
 * A stream may be *dry*: ops check their arguments and count their workspace,
 * but touch no memory.  A dry run of a model's own code is its memory plan.
 *
 * A *discrete* device has memory of its own and only queues ops: the host may
 * not look at what dv_device_alloc() gave, nor free or write what queued ops
 * still read.  A second stream (of an arena of 0 bytes, say) runs beside the
 * first; a *fence* is a point in a stream's order for which the host or
 * another stream can wait.  On other devices an op is done when it returns,
 * and every fence has passed.
 *
 * Threads: a device may be used from any thread; a stream belongs to one
 * thread at a time, and a fence to the thread of those who use it.
 */
#ifndef DV_DEVICE_H
#define DV_DEVICE_H

#include "arena.h"
#include "pool.h"
#include "tensor.h"

typedef struct DvOps DvOps;

typedef struct {
  const char *backend; /* "ref", "cpu", "cuda"; NULL: a GPU if there is one
                        * that can be used, else the CPU */
  int index;           /* of the GPU */
  int threads;         /* CPU backends; 0: all this process may run on */
  /* > 0: a device of so much memory, whose streams are all dry: a plan can be
   * made where there is no such hardware. Nothing is opened. */
  uint64_t planned_memory;
  /* The instructions that the CPU backend uses at most, for tests:
   * "avx512bf16", "avx512", "avx2", "x86-64"; NULL: all that there are. */
  const char *limit;
  /* One sentence a time: an op that falls back to "ref", why no GPU is used.
   * May be NULL. Called from the thread that opens, or that first meets the
   * op. */
  void (*say) (void *user, const char *sentence);
  void *user;
} DvDeviceSpec;

struct DvDevice {
  /* The table in use; entries that the backend lacks are ref's, where the
   * memory is the host's. */
  const DvOps *ops;
  const char *name; /* "ref", "cpu", "cuda:0" */
  bool has_bf16;    /* bf16 matmul and convolution pay here */
  bool discrete;    /* memory of its own, and ops are queued */
  char about[160];  /* the processor or GPU and what is used of it */
  DvPool *pool;     /* CPU backends */
  void *priv;       /* the backend's own */
};

DvDevice *dv_device_open (const DvDeviceSpec *spec, DvError *error);
DvDevice *dv_device_ref (DvDevice *device);
void dv_device_unref (DvDevice *device);

/* Device memory, DV_ARENA_ALIGN aligned, or NULL. What is given back may still
 * be used by ops that were queued before. */
void *dv_device_alloc (DvDevice *device, size_t bytes);
void dv_device_free (DvDevice *device, void *memory);
/* Host memory that the device copies to fast (pinned with CUDA), or NULL. */
void *dv_device_host_alloc (DvDevice *device, size_t bytes);
void dv_device_host_free (DvDevice *device, void *memory);
/* Bytes of memory of a discrete device: what can be had now, and all. 0 where
 * nobody knows. */
void dv_device_memory (DvDevice *device, uint64_t *available, uint64_t *total);

/* ---- streams ---- */

typedef struct DvStream DvStream;

struct DvStream {
  DvDevice *device;
  DvArena arena;
  bool dry;
  DvStatus status; /* sticky */
  DvError error;
  /* Asked before every op; NULL: never. True leaves DV_CANCELLED. */
  bool (*cancelled) (void *user);
  void *user;
  /* Brings the weights that do not stay on the device (offload.h); NULL: all
   * stay. Borrowed. */
  struct DvFetcher *fetcher;
  void *memory; /* the arena's, owned */
  void *priv;   /* the backend's own */
};

/* A stream with an arena of @arena_bytes. */
DvStream *dv_stream_new (DvDevice *device, size_t arena_bytes, DvError *error);
/* A dry one: its arena measures. */
DvStream *dv_stream_new_dry (DvDevice *device, DvError *error);
void dv_stream_free (DvStream *stream);

/* Waits for what was queued, and says how it went. The status stays. */
DvStatus dv_stream_status (DvStream *stream, DvError *error);
/* Waits for what was queued: nothing of it touches the host's memory any more.
 * Forgets a failure; the arena is empty again. */
void dv_stream_reset (DvStream *stream);
/* Leaves a failure in the stream, if there is none yet. */
void dv_stream_fail (DvStream *stream, DvStatus code, const char *stage,
    const char *format, ...) __attribute__ ((format (printf, 4, 5)));
/* Nothing failed or was cancelled, and ops really run. */
static inline bool
dv_stream_live (const DvStream *stream)
{
  return stream->status == DV_OK && !stream->dry;
}

/* ---- fences ---- */

typedef struct {
  DvDevice *device;
  bool recorded;
  void *priv; /* the backend's own */
} DvFence;

DvFence *dv_fence_new (DvDevice *device, DvError *error);
/* Waits for nothing. */
void dv_fence_free (DvFence *fence);
/* The fence is now what was queued on @stream so far; where it was recorded
 * before is forgotten. Does nothing on a dry or failed stream. */
void dv_fence_record (DvFence *fence, DvStream *stream);
/* What is queued on @stream from here on begins when the fence, as it is
 * recorded now, has passed. */
void dv_fence_await (const DvFence *fence, DvStream *stream);
/* The caller waits until the fence has passed. False: @stream has failed or
 * was cancelled meanwhile, which is looked at all the time. A fence that was
 * never recorded has passed. */
bool dv_fence_wait (const DvFence *fence, DvStream *stream);

/* ---- activations ---- */

/* A dense tensor in the stream's arena; not cleared. data is NULL on a dry or
 * failed stream. */
DvTensor dv_new (
    DvStream *stream, DvDtype dtype, int n_dims, const int64_t *shape);
#define DV_NEW(stream, dtype, ...)                                             \
  dv_new (stream, dtype,                                                       \
      (int)(sizeof ((int64_t[]){__VA_ARGS__}) / sizeof (int64_t)),             \
      (int64_t[]){__VA_ARGS__})
/* What is taken from the arena after dv_mark() is given back by
 * dv_release(). */
size_t dv_mark (const DvStream *stream);
void dv_release (DvStream *stream, size_t mark);

#endif
