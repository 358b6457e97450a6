/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fences: points in a stream's order. Where ops are done when they return,
 * there is nothing to wait for.
 */
#include <stdlib.h>
#include <time.h>

#include "device.h"
#include "ops.h"

/* Between two looks at a fence and at whether the caller still wants it. */
#define FIRST_NAP_NS 20000L
#define LONGEST_NAP_NS 1000000L

DvFence *
dv_fence_new (DvDevice *device, DvError *error)
{
  DvFence *fence = calloc (1, sizeof *fence);

  if (!fence) {
    dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a fence");
    return NULL;
  }
  fence->device = dv_device_ref (device);
  if (device->ops->fence_open &&
      device->ops->fence_open (fence, error) != DV_OK) {
    dv_device_unref (device);
    free (fence);
    return NULL;
  }
  return fence;
}

void
dv_fence_free (DvFence *fence)
{
  if (!fence)
    return;
  if (fence->device->ops->fence_close)
    fence->device->ops->fence_close (fence);
  dv_device_unref (fence->device);
  free (fence);
}

void
dv_fence_record (DvFence *fence, DvStream *stream)
{
  DvError error = {0};
  DvStatus status = DV_OK;

  if (!dv_stream_live (stream))
    return;
  if (fence->device->ops->fence_record)
    status = fence->device->ops->fence_record (fence, stream, &error);
  if (status == DV_OK)
    fence->recorded = true;
  else
    dv_stream_fail (stream, status, error.stage, "%s", error.detail);
}

void
dv_fence_await (const DvFence *fence, DvStream *stream)
{
  const DvOps *ops = fence->device->ops;
  DvError error = {0};

  if (!dv_stream_live (stream) || !fence->recorded || !ops->fence_await)
    return;
  if (ops->fence_await (fence, stream, &error) != DV_OK)
    dv_stream_fail (stream, error.code, error.stage, "%s", error.detail);
}

bool
dv_fence_wait (const DvFence *fence, DvStream *stream)
{
  const DvOps *ops = fence->device->ops;
  struct timespec nap = {.tv_nsec = FIRST_NAP_NS};
  DvError error = {0};
  bool passed = !ops->fence_passed || !fence->recorded;

  while (dv_stream_live (stream) && !passed) {
    if (ops->fence_passed (fence, &passed, &error) != DV_OK) {
      dv_stream_fail (stream, error.code, error.stage, "%s", error.detail);
    } else if (!passed) {
      if (stream->cancelled && stream->cancelled (stream->user))
        dv_stream_fail (stream, DV_CANCELLED, "wait", "cancelled");
      else
        nanosleep (&nap, NULL);
      if (nap.tv_nsec < LONGEST_NAP_NS)
        nap.tv_nsec *= 2;
    }
  }
  return stream->status == DV_OK;
}
