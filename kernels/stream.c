/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams: an arena, and the first thing that went wrong.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "device.h"
#include "ops.h"

static DvStream *
stream_new (DvDevice *device, DvError *error)
{
  DvStream *stream = calloc (1, sizeof *stream);

  if (!stream) {
    dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a stream");
    return NULL;
  }
  stream->device = dv_device_ref (device);
  return stream;
}

DvStream *
dv_stream_new (DvDevice *device, size_t arena_bytes, DvError *error)
{
  DvStream *stream = stream_new (device, error);

  if (!stream)
    return NULL;
  stream->memory = dv_device_alloc (device, arena_bytes);
  if (!stream->memory) {
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "no memory for %zu bytes of activations on %s", arena_bytes,
        device->name);
    goto failed;
  }
  dv_arena_init (&stream->arena, stream->memory, arena_bytes);
  if (device->ops->stream_open &&
      device->ops->stream_open (stream, error) != DV_OK)
    goto failed;
  return stream;

failed:
  dv_device_free (device, stream->memory);
  dv_device_unref (device);
  free (stream);
  return NULL;
}

DvStream *
dv_stream_new_dry (DvDevice *device, DvError *error)
{
  DvStream *stream = stream_new (device, error);

  if (!stream)
    return NULL;
  stream->dry = true;
  dv_arena_init (&stream->arena, NULL, 0);
  return stream;
}

void
dv_stream_free (DvStream *stream)
{
  DvDevice *device;

  if (!stream)
    return;
  device = stream->device;
  if (!stream->dry && device->ops->synchronize)
    device->ops->synchronize (stream, NULL);
  if (!stream->dry && device->ops->stream_close)
    device->ops->stream_close (stream);
  dv_device_free (device, stream->memory);
  free (stream);
  dv_device_unref (device);
}

DvStatus
dv_stream_status (DvStream *stream, DvError *error)
{
  DvError late = {0};

  if (dv_stream_live (stream) && stream->device->ops->synchronize) {
    DvStatus status = stream->device->ops->synchronize (stream, &late);
    if (status != DV_OK)
      dv_stream_fail (stream, status, late.stage, "%s", late.detail);
  }
  if (stream->status != DV_OK && error)
    *error = stream->error;
  return stream->status;
}

void
dv_stream_reset (DvStream *stream)
{
  if (!stream->dry && stream->device->ops->synchronize)
    stream->device->ops->synchronize (stream, NULL);
  stream->status = DV_OK;
  stream->error = (DvError){0};
  dv_arena_clear (&stream->arena);
}

void
dv_stream_fail (
    DvStream *stream, DvStatus code, const char *stage, const char *format, ...)
{
  char detail[sizeof stream->error.detail];
  va_list args;

  if (stream->status != DV_OK)
    return;
  va_start (args, format);
  vsnprintf (detail, sizeof detail, format, args);
  va_end (args);
  stream->status = dv_fail (&stream->error, code, stage, "%s", detail);
}

DvTensor
dv_new (DvStream *stream, DvDtype dtype, int n_dims, const int64_t *shape)
{
  DvTensor t = dv_tensor (NULL, dtype, n_dims, shape);

  t.owner = DV_ARENA;
  t.device = stream->device;
  if (stream->status == DV_OK &&
      !dv_arena_take (&stream->arena, dv_tensor_bytes (&t), &t.data)) {
    char text[96];
    dv_stream_fail (stream, DV_ERROR_MEMORY, "arena",
        "%s does not fit: %zu of the %zu bytes planned for activations are "
        "taken",
        dv_tensor_describe (&t, text, sizeof text), stream->arena.used,
        stream->arena.size);
  }
  return t;
}

size_t
dv_mark (const DvStream *stream)
{
  return stream->arena.used;
}

void
dv_release (DvStream *stream, size_t mark)
{
  stream->arena.used = mark;
}
