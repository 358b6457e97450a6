/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Loading one part's weights: finds, checks the shape, looks for NaN and
 * infinity, merges LoRAs, converts or packs for the device, counts progress.
 *
 * Sticky like a stream: after the first failure every call gives an empty
 * weight, and dv_loader_finish() says what failed, with the tensor's name.  A
 * *counting* loader reads nothing and adds up the bytes that loading would
 * take: the same module code is its memory plan.
 */
#ifndef DV_LTX2_LOADER_H
#define DV_LTX2_LOADER_H

#include "checkpoint.h"
#include "offload.h"

typedef struct DvLoras DvLoras; /* lora.h */

typedef struct {
  DvDevice *device;
  const DvCheckpoint *checkpoint;
  DvPart part;
  DvDtype compute;      /* of matmul and convolution weights: F32 or BF16 */
  const DvLoras *loras; /* NULL: none */
  /* Weights' bytes on disk so far; false: stop. May be NULL. */
  bool (*progress) (void *user, uint64_t done);
  void *user;
  bool counting;
  int64_t parked; /* layers that do not stay on the device (offload.h) */

  /* The loader's own. */
  uint64_t bytes_read;     /* of the mapped weights; counting: would be */
  uint64_t bytes_resident; /* made beside the mapping, likewise; those of
                            * parked layers too */
  uint64_t bytes_scratch;  /* for merging LoRAs, while they are loaded */
  DvStream *merging;       /* with so much; NULL: nothing is merged */
  DvStatus status;
  DvError error;
  bool *used; /* [tensors of the part] */
  /* After dv_loader_finish(): how many tensors of the part nothing asked for,
   * and the first one's name, for whoever logs. */
  size_t n_extra;
  char extra[160];
} DvLoader;

/* Zero @loader, fill the first block of fields, then: */
DvStatus dv_loader_begin (DvLoader *loader, DvError *error);
/* Says how it went. A tensor that nothing asked for is no failure (section
 * 2.4), but is counted and named in the loader's fields. May be called once
 * more than dv_loader_begin(). */
DvStatus dv_loader_finish (DvLoader *loader, DvError *error);

/* A weight of exactly this shape, sizes of 1 apart. The name is printf-like. */
DvWeight dv_load (DvLoader *loader, DvUse use, int n_dims, const int64_t *shape,
    const char *format, ...) __attribute__ ((format (printf, 5, 6)));
#define DV_SHAPE(...)                                                          \
  (int)(sizeof ((int64_t[]){__VA_ARGS__}) / sizeof (int64_t)), (int64_t[])     \
  {                                                                            \
    __VA_ARGS__                                                                \
  }
/* dv_load (loader, DV_USE_MATMUL, DV_SHAPE (n, k), "%s.weight", prefix) */

/* A vector or table as F32 on the device (DV_OWNED by the caller, freed with
 * dv_plain_clear()). */
DvTensor dv_load_plain (DvLoader *loader, int n_dims, const int64_t *shape,
    const char *format, ...) __attribute__ ((format (printf, 4, 5)));
void dv_plain_clear (DvDevice *device, DvTensor *t);
/* Whether the part has such a tensor. */
bool dv_loader_has (const DvLoader *loader, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
/* Marks a tensor as one that is knowingly not used. */
void dv_loader_ignore (DvLoader *loader, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/* A linear layer, which is what most of a model is. */
typedef struct {
  DvWeight w;    /* [out, in] */
  DvTensor bias; /* [out] F32; data NULL: none */
} DvLinear;

/* Loads PREFIX.weight and, if @bias, PREFIX.bias. */
DvLinear dv_load_linear (DvLoader *loader, int64_t out, int64_t in, bool bias,
    const char *format, ...) __attribute__ ((format (printf, 5, 6)));
void dv_linear_clear (DvDevice *device, DvLinear *linear);

#endif
