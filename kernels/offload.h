/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Weights that do not stay on a device: the matrices of a layer stand in one
 * block of host memory that the device copies from fast, and are brought into
 * one of two slots of device memory when the layer runs, the next layer's
 * while this one's ops run.
 *
 * A *parcel* is what a layer keeps in host memory; after loading it is only
 * read, and shared.  A *fetcher* is the slots, the copy queue and the fences:
 * it belongs to one stream, which has it in its field.
 *
 * Threads: a fetcher as its stream; parcels any.
 */
#ifndef DV_OFFLOAD_H
#define DV_OFFLOAD_H

#include "ops.h"

typedef struct {
  void *host; /* NULL: the layer stays on the device */
  size_t bytes;
} DvParcel;

/* Bytes that the memory of @n prepared weights takes in a slot. Of weights
 * that were only counted, packed_bytes says what they would take. */
size_t dv_parcel_bytes (DvWeight *const *weights, size_t n);
/* Moves the weights' memory to the host. They keep their shapes; nothing can
 * be computed with them but at a slot. @stream is of their device. On failure
 * they are as they were. */
DvStatus dv_parcel_pack (DvParcel *parcel, DvStream *stream,
    DvWeight *const *weights, size_t n, DvError *error);
/* Sets the memory of @weights, copies of those that were packed, to a slot. */
void dv_parcel_lay (DvWeight *const *weights, size_t n, void *slot);
void dv_parcel_clear (DvParcel *parcel, DvDevice *device);

typedef struct DvFetcher DvFetcher;

/* Two slots of @slot_bytes. */
DvFetcher *dv_fetcher_new (DvDevice *device, size_t slot_bytes, DvError *error);
/* The stream that it was used with must have been waited for. */
void dv_fetcher_free (DvFetcher *fetcher);
/* Waits for what is on its way: from then on parcels may be freed. */
void dv_fetcher_settle (DvFetcher *fetcher);
/* Forgets what the slots hold: where parcels were freed. */
void dv_fetcher_forget (DvFetcher *fetcher);
/* Begins to bring @parcel, in the place of what was not taken last. Does
 * nothing if it is there or on its way. */
void dv_fetch_ahead (DvStream *stream, const DvParcel *parcel);
/* The slot where @parcel is for what is queued on @stream from here on, until
 * dv_fetch_done(); NULL: the stream failed, and says why. */
void *dv_fetch_take (DvStream *stream, const DvParcel *parcel);
/* What is queued from here on does not use the slot that was taken last. */
void dv_fetch_done (DvStream *stream);

/* Whether layer @i of @layers is one of the @parked ones that do not stay:
 * spread evenly, so that there is something to compute while each is brought.
 */
static inline bool
dv_is_parked (int64_t i, int64_t layers, int64_t parked)
{
  return (i + 1) * parked / layers != i * parked / layers;
}

#endif
