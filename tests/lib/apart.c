/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A device with memory of its own, over one that has none (apart.h).
 */
#include "apart.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device-private.h"

#define GRAIN 256
#define MOST ((uint64_t)2 << 30)

/* A piece of the device's memory. */
typedef struct Piece {
  uint8_t *at;
  size_t bytes;
  struct Piece *next; /* by address */
} Piece;

/* What is to arrive in host memory, in stream order. */
typedef struct Late {
  const DvStream *stream;
  uint8_t *to;
  int64_t stride;
  size_t row, rows;
  uint64_t number;
  struct Late *next;
  uint8_t data[];
} Late;

/* Held while anything here is looked at, and by the ops too: one runs at a
 * time, whichever thread's. */
static pthread_mutex_t gate = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static struct {
  const DvOps *under; /* the table of the device below */
  DvOps table;
  uint8_t *base;
  uint64_t limit, used, peak;
  Piece *pieces;
  Late *late;
  uint64_t clock; /* numbers of what is late */
  unsigned n_late, n_merges, failing_merge;
  int open;
  bool writable, unlocked, disabled;
} apart = {.limit = MOST, .failing_merge = UINT_MAX};

DvDevice *__real_dv_device_open (const DvDeviceSpec *spec, DvError *error);
DvDevice *__wrap_dv_device_open (const DvDeviceSpec *spec, DvError *error);

void
apart_limit (uint64_t bytes)
{
  apart.limit = bytes < MOST ? bytes : MOST;
  apart.peak = apart.used;
  apart.n_late = 0;
}

uint64_t
apart_used (void)
{
  return apart.used;
}

uint64_t
apart_peak (void)
{
  return apart.peak;
}

unsigned
apart_late (void)
{
  return apart.n_late;
}

unsigned
apart_merges (void)
{
  return apart.n_merges;
}

void
apart_fail_merge (unsigned n)
{
  apart.failing_merge = apart.n_merges + n;
}

/* ---- memory ---- */

void
apart_enable (bool enabled)
{
  apart.disabled = !enabled;
}

void
apart_unlock (void)
{
  apart.unlocked = true;
}

static void
unlock (void)
{
  pthread_mutex_lock (&gate);
  if (apart.open++ == 0 && !apart.writable)
    mprotect (apart.base, MOST, PROT_READ | PROT_WRITE);
  apart.writable = true;
}

static void
lock (void)
{
  if (--apart.open == 0 && !apart.unlocked) {
    mprotect (apart.base, MOST, PROT_NONE);
    apart.writable = false;
  }
  pthread_mutex_unlock (&gate);
}

static bool
inside (const void *memory)
{
  const uint8_t *at = memory;

  return at >= apart.base && at < apart.base + MOST;
}

/* The first gap that is large enough. */
static void *
take_piece (size_t bytes)
{
  size_t padded = (bytes + GRAIN - 1) / GRAIN * GRAIN;
  Piece **link = &apart.pieces, *piece;
  uint8_t *at = apart.base;

  if (padded < bytes || padded > apart.limit - apart.used)
    return NULL;
  for (; *link && (size_t)((*link)->at - at) < padded; link = &(*link)->next)
    at = (*link)->at + (*link)->bytes;
  if (!*link && (size_t)(apart.base + MOST - at) < padded)
    return NULL;
  piece = malloc (sizeof *piece);
  if (!piece)
    return NULL;
  *piece = (Piece){at, padded, *link};
  *link = piece;
  apart.used += padded;
  if (apart.used > apart.peak)
    apart.peak = apart.used;
  /* What was there before means nothing. */
  memset (at, 0xff, padded < 4096 ? padded : 4096);
  return at;
}

static void *
apart_alloc (DvDevice *device, size_t bytes)
{
  void *memory;

  unlock ();
  memory = take_piece (bytes);
  lock ();
  return memory;
}

static void
apart_free (DvDevice *device, void *memory)
{
  Piece **link = &apart.pieces, *piece;

  pthread_mutex_lock (&gate);
  while (*link && (*link)->at != memory)
    link = &(*link)->next;
  piece = *link;
  if (!piece) {
    fprintf (stderr, "apart: what is freed is not the device's\n");
    abort ();
  }
  *link = piece->next;
  apart.used -= piece->bytes;
  free (piece);
  pthread_mutex_unlock (&gate);
}

static void
apart_memory (DvDevice *device, uint64_t *available, uint64_t *total)
{
  pthread_mutex_lock (&gate);
  *available = apart.limit - apart.used;
  *total = apart.limit;
  pthread_mutex_unlock (&gate);
}

/* ---- what arrives late ---- */

static DvStatus
put_off (const DvStream *stream, uint8_t *to, int64_t stride,
    const uint8_t *from, int64_t from_stride, size_t row, size_t rows)
{
  Late *late = malloc (sizeof *late + row * rows), **link = &apart.late;

  if (!late)
    return DV_ERROR_MEMORY;
  pthread_mutex_lock (&gate);
  *late = (Late){.stream = stream,
      .to = to,
      .stride = stride,
      .row = row,
      .rows = rows,
      .number = ++apart.clock};
  for (size_t i = 0; i < rows; i++)
    memcpy (late->data + i * row, from + (int64_t)i * from_stride, row);
  while (*link)
    link = &(*link)->next;
  *link = late;
  apart.n_late++;
  pthread_mutex_unlock (&gate);
  return DV_OK;
}

/* What @stream was to bring up to @number arrives. */
static void
arrive (const DvStream *stream, uint64_t number)
{
  pthread_mutex_lock (&gate);
  for (Late **link = &apart.late; *link;) {
    Late *late = *link;

    if (late->stream != stream || late->number > number) {
      link = &late->next;
      continue;
    }
    for (size_t i = 0; i < late->rows; i++)
      memcpy (late->to + (int64_t)i * late->stride, late->data + i * late->row,
          late->row);
    *link = late->next;
    free (late);
  }
  pthread_mutex_unlock (&gate);
}

static DvStatus
apart_synchronize (DvStream *stream, DvError *error)
{
  arrive (stream, UINT64_MAX);
  return DV_OK;
}

static DvStatus
apart_copy (
    DvStream *stream, void *to, const void *from, size_t bytes, DvError *error)
{
  DvStatus status = DV_OK;

  unlock ();
  if (inside (to) || !inside (from))
    memmove (to, from, bytes);
  else
    status = put_off (stream, to, 0, from, 0, bytes, 1);
  lock ();
  return status == DV_OK ? status
                         : dv_fail (error, status, "copy", "no memory left");
}

/* ---- fences ---- */

typedef struct {
  const DvStream *stream;
  uint64_t number;
  int looks;
} Mark;

static DvStatus
apart_fence_open (DvFence *fence, DvError *error)
{
  fence->priv = calloc (1, sizeof (Mark));
  return fence->priv ? DV_OK : dv_fail (error, DV_ERROR_MEMORY, "open", "none");
}

static void
apart_fence_close (DvFence *fence)
{
  free (fence->priv);
}

static DvStatus
apart_fence_record (DvFence *fence, DvStream *stream, DvError *error)
{
  pthread_mutex_lock (&gate);
  *(Mark *)fence->priv = (Mark){stream, apart.clock, 0};
  pthread_mutex_unlock (&gate);
  return DV_OK;
}

static DvStatus
apart_fence_await (const DvFence *fence, DvStream *stream, DvError *error)
{
  return DV_OK;
}

/* Nothing is there at the first look. */
static DvStatus
apart_fence_passed (const DvFence *fence, bool *passed, DvError *error)
{
  Mark *mark = fence->priv;

  *passed = mark->looks++ > 0;
  if (*passed)
    arrive (mark->stream, mark->number);
  return DV_OK;
}

/* ---- weights ---- */

static size_t
apart_weight_bytes (
    const DvDevice *device, const DvWeight *w, DvDtype host_dtype)
{
  size_t bytes = apart.under->weight_bytes (device, w, host_dtype);

  if (bytes > 0)
    return bytes;
  bytes = dv_dtype_size (host_dtype);
  for (int i = 0; i < w->n_dims; i++)
    bytes *= (size_t)w->shape[i];
  return bytes;
}

/* @from in the device's memory, or NULL. */
static void *
moved (DvDevice *device, const void *from, size_t bytes)
{
  void *to = apart_alloc (device, bytes ? bytes : 1);

  if (!to)
    return NULL;
  unlock ();
  memcpy (to, from, bytes);
  lock ();
  return to;
}

/* Moves what the device below left in host memory: its own copy, or where it
 * has none the weight as it is in the file. */
static DvStatus
apart_prepare (
    DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error)
{
  DvStatus status = apart.under->prepare (device, w, host, error);
  DvWeight below = *w;

  if (status != DV_OK)
    return status;
  w->data.owner = DV_BORROWED;
  w->data.device = device;
  w->data.data = NULL;
  if (w->packed)
    w->packed = moved (device, below.packed, below.packed_bytes);
  else
    w->data.data =
        moved (device, below.data.data, dv_tensor_bytes (&below.data));
  apart.under->release (device, &below);
  if (!w->packed && !w->data.data)
    return dv_fail (error, DV_ERROR_MEMORY, "prepare",
        "the device has no memory left for a weight");
  return DV_OK;
}

/* The device below packs what is in the host's memory. */
static DvStatus
apart_adopt (
    DvDevice *device, DvWeight *w, const DvTensor *matrix, DvError *error)
{
  DvTensor host = dv_tensor_new (matrix->dtype, 2, matrix->shape);
  DvStatus status;

  if (!host.data)
    return dv_fail (error, DV_ERROR_MEMORY, "adopt", "no memory left");
  unlock ();
  memcpy (host.data, matrix->data, dv_tensor_bytes (matrix));
  lock ();
  status = apart_prepare (device, w, &host, error);
  dv_tensor_clear (&host);
  if (status == DV_OK)
    apart_free (device, matrix->data);
  return status;
}

static void
apart_release (DvDevice *device, DvWeight *w)
{
  if (w->packed)
    apart_free (device, w->packed);
  if (w->data.data)
    apart_free (device, w->data.data);
}

/* ---- ops ---- */

static DvStatus
apart_op (DvOp op, DvStream *stream, const void *args, void *workspace,
    DvError *error)
{
  const DvOps *ops = apart.under;
  DvStatus status;

  if (!ops->op[op] || (ops->serves && !ops->serves (stream->device, op, args)))
    ops = &dv_ref_ops;
  unlock ();
  status = ops->op[op](stream, args, workspace, error);
  lock ();
  return status;
}

/* Pictures go to the host: later than the op. */
static DvStatus
apart_pixels (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  DvPixels there = *(const DvPixels *)args;
  const DvPixels *p = args;
  size_t h = (size_t)p->x->shape[0], w = (size_t)p->x->shape[1];
  uint8_t *memory = malloc (h * w * 5);
  DvStatus status;

  if (!memory)
    return dv_fail (error, DV_ERROR_MEMORY, "pixels", "no memory left");
  there.rgb = p->rgb ? memory + 2 * h * w : NULL;
  there.rgb_stride = 3 * (int64_t)w;
  for (int i = 0; i < 3; i++) {
    there.plane[i] =
        p->plane[i] ? memory + (i ? h * w * (3 + i) / 4 : 0) : NULL;
    there.stride[i] = (int64_t)(i ? w / 2 : w);
  }
  status = apart_op (DV_OP_PIXELS, stream, &there, workspace, error);
  if (status == DV_OK && p->rgb)
    status = put_off (
        stream, p->rgb, p->rgb_stride, there.rgb, there.rgb_stride, 3 * w, h);
  for (int i = 0; i < 3 && status == DV_OK; i++)
    if (p->plane[i])
      status = put_off (stream, p->plane[i], p->stride[i], there.plane[i],
          there.stride[i], i ? w / 2 : w, i ? h / 2 : h);
  free (memory);
  return status;
}

#define OP(name, op)                                                           \
  static DvStatus apart_##name (                                               \
      DvStream *stream, const void *args, void *workspace, DvError *error)     \
  {                                                                            \
    return apart_op (op, stream, args, workspace, error);                      \
  }

OP (matmul, DV_OP_MATMUL)
OP (attention, DV_OP_ATTENTION)
OP (norm, DV_OP_NORM)
OP (qk_norm, DV_OP_QK_NORM)
OP (conv, DV_OP_CONV)
OP (conv_up1, DV_OP_CONV_UP1)
OP (shuffle, DV_OP_SHUFFLE)
OP (group_norm, DV_OP_GROUP_NORM)
OP (map, DV_OP_MAP)
OP (gather, DV_OP_GATHER)
OP (spread, DV_OP_SPREAD)
OP (euler, DV_OP_EULER)
OP (noise, DV_OP_NOISE)
OP (snake, DV_OP_SNAKE)
OP (fir_up, DV_OP_FIR_UP)
OP (guide, DV_OP_GUIDE)

static DvStatus
apart_merge (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  if (apart.n_merges++ == apart.failing_merge)
    return dv_fail (error, DV_ERROR_DEVICE, "merging", "so it was wanted");
  return apart_op (DV_OP_MERGE, stream, args, workspace, error);
}

static const DvOpFunc entries[DV_N_OPS] = {
    [DV_OP_MATMUL] = apart_matmul,
    [DV_OP_ATTENTION] = apart_attention,
    [DV_OP_NORM] = apart_norm,
    [DV_OP_QK_NORM] = apart_qk_norm,
    [DV_OP_CONV] = apart_conv,
    [DV_OP_CONV_UP1] = apart_conv_up1,
    [DV_OP_SHUFFLE] = apart_shuffle,
    [DV_OP_GROUP_NORM] = apart_group_norm,
    [DV_OP_MAP] = apart_map,
    [DV_OP_GATHER] = apart_gather,
    [DV_OP_SPREAD] = apart_spread,
    [DV_OP_EULER] = apart_euler,
    [DV_OP_NOISE] = apart_noise,
    [DV_OP_SNAKE] = apart_snake,
    [DV_OP_FIR_UP] = apart_fir_up,
    [DV_OP_PIXELS] = apart_pixels,
    [DV_OP_GUIDE] = apart_guide,
    [DV_OP_MERGE] = apart_merge,
};

DvDevice *
__wrap_dv_device_open (const DvDeviceSpec *spec, DvError *error)
{
  DvDevice *device = __real_dv_device_open (spec, error);

  if (!device || apart.disabled || (spec && spec->planned_memory > 0))
    return device;
  if (!apart.base) {
    apart.base = mmap (NULL, MOST, PROT_NONE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (apart.base == MAP_FAILED)
      abort ();
  }
  apart.under = device->ops;
  apart.table = *apart.under;
  memcpy (apart.table.op, entries, sizeof entries);
  apart.table.serves = NULL;
  apart.table.alloc = apart_alloc;
  apart.table.free = apart_free;
  apart.table.copy = apart_copy;
  apart.table.synchronize = apart_synchronize;
  apart.table.memory = apart_memory;
  apart.table.fence_open = apart_fence_open;
  apart.table.fence_close = apart_fence_close;
  apart.table.fence_record = apart_fence_record;
  apart.table.fence_await = apart_fence_await;
  apart.table.fence_passed = apart_fence_passed;
  apart.table.weight_bytes = apart_weight_bytes;
  apart.table.prepare = apart_prepare;
  apart.table.adopt = apart_adopt;
  apart.table.release = apart_release;
  device->ops = &apart.table;
  device->discrete = true;
  return device;
}
