/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Layers' weights in host memory, and bringing them (offload.h).
 */
#include "offload.h"

#include <stdlib.h>
#include <string.h>

#define N_SLOTS 2
#define ALIGN 256 /* of a weight in a slot: what GPUs read fastest */

typedef struct {
  void *memory;
  const DvParcel *parcel; /* NULL: nothing of use */
  DvFence *filled, *used;
} Slot;

struct DvFetcher {
  DvDevice *device;
  DvStream *copies;
  size_t bytes; /* of a slot */
  Slot slot[N_SLOTS];
  int current; /* the slot that was taken last */
};

/* ---- parcels ---- */

static size_t
bytes_of (const DvWeight *w)
{
  return w->packed_bytes ? w->packed_bytes : dv_tensor_bytes (&w->data);
}

static size_t
padded (size_t bytes)
{
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

size_t
dv_parcel_bytes (DvWeight *const *weights, size_t n)
{
  size_t bytes = 0;

  for (size_t i = 0; i < n; i++)
    bytes += padded (bytes_of (weights[i]));
  return bytes;
}

static void
set_memory (DvWeight *w, void *memory)
{
  if (w->packed_bytes)
    w->packed = memory;
  else
    w->data.data = memory;
  w->data.owner = DV_BORROWED;
  w->borrowed = true;
}

DvStatus
dv_parcel_pack (DvParcel *parcel, DvStream *stream, DvWeight *const *weights,
    size_t n, DvError *error)
{
  DvDevice *device = stream->device;
  size_t at = 0;
  DvStatus status;

  parcel->bytes = dv_parcel_bytes (weights, n);
  parcel->host = dv_device_host_alloc (device, parcel->bytes);
  if (!parcel->host)
    return dv_fail (error, DV_ERROR_MEMORY, "load",
        "no host memory for the %zu bytes of a layer that does not stay on %s",
        parcel->bytes, device->name);
  for (size_t i = 0; i < n; i++) {
    size_t bytes = bytes_of (weights[i]);
    DvTensor from = DV_TENSOR (
        weights[i]->packed_bytes ? weights[i]->packed : weights[i]->data.data,
        DV_U8, (int64_t)bytes);
    DvTensor to =
        DV_TENSOR ((uint8_t *)parcel->host + at, DV_U8, (int64_t)bytes);

    dv_copy (stream, &to, &from);
    at += padded (bytes);
  }
  status = dv_stream_status (stream, error);
  if (status != DV_OK) {
    dv_parcel_clear (parcel, device);
    return status;
  }
  for (size_t i = 0; i < n; i++) {
    DvWeight described = *weights[i];

    dv_weight_clear (device, weights[i]);
    *weights[i] = described;
    set_memory (weights[i], NULL);
  }
  return DV_OK;
}

void
dv_parcel_lay (DvWeight *const *weights, size_t n, void *slot)
{
  size_t at = 0;

  for (size_t i = 0; i < n; i++) {
    set_memory (weights[i], (uint8_t *)slot + at);
    at += padded (bytes_of (weights[i]));
  }
}

void
dv_parcel_clear (DvParcel *parcel, DvDevice *device)
{
  dv_device_host_free (device, parcel->host);
  *parcel = (DvParcel){0};
}

/* ---- fetching ---- */

DvFetcher *
dv_fetcher_new (DvDevice *device, size_t slot_bytes, DvError *error)
{
  DvFetcher *fetcher = calloc (1, sizeof *fetcher);

  if (!fetcher) {
    dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a fetcher");
    return NULL;
  }
  fetcher->device = dv_device_ref (device);
  fetcher->bytes = slot_bytes;
  fetcher->copies = dv_stream_new (device, 0, error);
  if (!fetcher->copies)
    goto failed;
  for (int i = 0; i < N_SLOTS; i++) {
    Slot *slot = &fetcher->slot[i];

    slot->memory = dv_device_alloc (device, slot_bytes);
    if (!slot->memory) {
      dv_fail (error, DV_ERROR_MEMORY, "open",
          "no memory on %s for the %zu bytes of a layer that is brought",
          device->name, slot_bytes);
      goto failed;
    }
    slot->filled = dv_fence_new (device, error);
    slot->used = slot->filled ? dv_fence_new (device, error) : NULL;
    if (!slot->used)
      goto failed;
  }
  return fetcher;

failed:
  dv_fetcher_free (fetcher);
  return NULL;
}

void
dv_fetcher_free (DvFetcher *fetcher)
{
  if (!fetcher)
    return;
  dv_stream_free (fetcher->copies);
  for (int i = 0; i < N_SLOTS; i++) {
    Slot *slot = &fetcher->slot[i];

    dv_fence_free (slot->filled);
    dv_fence_free (slot->used);
    dv_device_free (fetcher->device, slot->memory);
  }
  dv_device_unref (fetcher->device);
  free (fetcher);
}

void
dv_fetcher_settle (DvFetcher *fetcher)
{
  dv_stream_status (fetcher->copies, NULL);
}

void
dv_fetcher_forget (DvFetcher *fetcher)
{
  dv_stream_reset (fetcher->copies);
  for (int i = 0; i < N_SLOTS; i++)
    fetcher->slot[i].parcel = NULL;
}

static Slot *
slot_with (DvFetcher *fetcher, const DvParcel *parcel)
{
  for (int i = 0; i < N_SLOTS; i++)
    if (fetcher->slot[i].parcel == parcel)
      return &fetcher->slot[i];
  return NULL;
}

/* The queue of copies failed: so does who wants them. */
static bool
copies_failed (DvFetcher *fetcher, DvStream *stream)
{
  DvStream *copies = fetcher->copies;

  if (copies->status == DV_OK)
    return false;
  dv_stream_fail (
      stream, copies->status, copies->error.stage, "%s", copies->error.detail);
  dv_fetcher_forget (fetcher);
  return true;
}

void
dv_fetch_ahead (DvStream *stream, const DvParcel *parcel)
{
  DvFetcher *fetcher = stream->fetcher;
  DvTensor from, to;
  Slot *slot;

  if (!dv_stream_live (stream) || !fetcher || slot_with (fetcher, parcel))
    return;
  if (parcel->bytes > fetcher->bytes) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "fetch",
        "a layer of %zu bytes is to come into a slot of %zu", parcel->bytes,
        fetcher->bytes);
    return;
  }
  slot = &fetcher->slot[(fetcher->current + 1) % N_SLOTS];
  slot->parcel = parcel;
  from = DV_TENSOR (parcel->host, DV_U8, (int64_t)parcel->bytes);
  to = DV_TENSOR (slot->memory, DV_U8, (int64_t)parcel->bytes);
  to.device = fetcher->device;
  dv_fence_await (slot->used, fetcher->copies);
  dv_copy (fetcher->copies, &to, &from);
  dv_fence_record (slot->filled, fetcher->copies);
  copies_failed (fetcher, stream);
}

void *
dv_fetch_take (DvStream *stream, const DvParcel *parcel)
{
  DvFetcher *fetcher = stream->fetcher;
  Slot *slot;

  if (!dv_stream_live (stream))
    return NULL;
  if (!fetcher) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "fetch",
        "a layer does not stay on the device, and nothing brings it");
    return NULL;
  }
  dv_fetch_ahead (stream, parcel);
  slot = slot_with (fetcher, parcel);
  if (!dv_stream_live (stream) || !slot)
    return NULL;
  dv_fence_await (slot->filled, stream);
  fetcher->current = (int)(slot - fetcher->slot);
  return stream->status == DV_OK ? slot->memory : NULL;
}

void
dv_fetch_done (DvStream *stream)
{
  DvFetcher *fetcher = stream->fetcher;

  if (fetcher)
    dv_fence_record (fetcher->slot[fetcher->current].used, stream);
}
