/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Loading a part's weights (loader.h): every tensor is read once, front to
 * back, while it is looked at for NaN and infinity, and then prepared.
 */
#include "checkpoint-private.h"
#include "loader.h"
#include "lora.h"
#include "names.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fills name[] from the format. */
#define FORMAT_NAME(name, format)                                              \
  do {                                                                         \
    va_list args_;                                                             \
    va_start (args_, format);                                                  \
    vsnprintf (name, sizeof name, format, args_);                              \
    va_end (args_);                                                            \
  } while (0)

static const DvPartTensors *
tensors (const DvLoader *loader)
{
  return &loader->checkpoint->part[loader->part];
}

static void __attribute__ ((format (printf, 3, 4)))
fail (DvLoader *loader, DvStatus code, const char *format, ...)
{
  char text[320];

  if (loader->status != DV_OK)
    return;
  FORMAT_NAME (text, format);
  loader->status = dv_fail (&loader->error, code, "load", "%s: %s",
      tensors (loader)->where ? tensors (loader)->where
                              : dv_part_name (loader->part),
      text);
}

static bool
is_float (DvDtype dtype)
{
  return dtype == DV_F32 || dtype == DV_BF16 || dtype == DV_F16;
}

static bool
has_loras (const DvLoader *loader)
{
  return loader->part == DV_PART_DIT && loader->loras;
}

/* Holds every change against its weight, and adds up on a dry stream what the
 * weight that wants the most takes. */
static DvStatus
look_at_loras (DvLoader *loader, DvStream *dry, DvError *error)
{
  const DvPartTensors *part = tensors (loader);
  const char *target, *path;

  for (size_t i = 0; (target = dv_loras_target (loader->loras, i, &path));
       i++) {
    const DvNamed *named = dv_part_find (part, target);
    DvStatus status = DV_OK;
    DvTensor out;

    if (!named || named->tensor->n_dims != 2)
      return dv_fail (error, DV_ERROR_FORMAT, "load",
          "The LoRA %s changes %.128s, which is no matrix of the model in %s.",
          path, target, part->where ? part->where : "memory");
    out = dv_tensor (NULL, loader->compute, 2, named->tensor->shape);
    if (is_float (named->tensor->dtype))
      status = dv_loras_merge (
          loader->loras, dry, target, named->tensor, &out, error);
    if (status != DV_OK)
      return status;
  }
  loader->bytes_scratch = dry->arena.peak;
  return DV_OK;
}

static DvStatus
begin_merging (DvLoader *loader, DvError *error)
{
  DvStream *dry = dv_stream_new_dry (loader->device, error);
  DvStatus status;

  if (!dry)
    return DV_ERROR_MEMORY;
  status = look_at_loras (loader, dry, error);
  dv_stream_free (dry);
  if (status != DV_OK || loader->counting || loader->bytes_scratch == 0)
    return status;
  loader->merging =
      dv_stream_new (loader->device, loader->bytes_scratch, error);
  return loader->merging ? DV_OK : DV_ERROR_MEMORY;
}

DvStatus
dv_loader_begin (DvLoader *loader, DvError *error)
{
  const DvPartTensors *part = tensors (loader);

  loader->used = NULL;
  loader->merging = NULL;
  loader->status = DV_OK;
  loader->bytes_read = loader->bytes_resident = loader->bytes_scratch = 0;
  loader->n_extra = 0;
  loader->extra[0] = 0;
  if (has_loras (loader)) {
    DvStatus status = begin_merging (loader, error);

    if (status != DV_OK)
      return status;
  }
  loader->used = calloc (part->count + 1, sizeof *loader->used);
  if (!loader->used) {
    dv_stream_free (loader->merging);
    loader->merging = NULL;
    return dv_fail (error, DV_ERROR_MEMORY, "load",
        "There is no memory left to load the %s.", dv_part_name (loader->part));
  }
  return DV_OK;
}

DvStatus
dv_loader_finish (DvLoader *loader, DvError *error)
{
  const DvPartTensors *part = tensors (loader);

  for (size_t i = 0; loader->used && i < part->count; i++) {
    if (loader->used[i])
      continue;
    if (loader->n_extra++ == 0)
      snprintf (loader->extra, sizeof loader->extra, "%s", part->named[i].name);
  }
  free (loader->used);
  loader->used = NULL;
  dv_stream_free (loader->merging);
  loader->merging = NULL;
  if (loader->status != DV_OK && error)
    *error = loader->error;
  return loader->status;
}

bool
dv_loader_has (const DvLoader *loader, const char *format, ...)
{
  char name[DV_MAX_NAME];

  FORMAT_NAME (name, format);
  return dv_part_find (tensors (loader), name) != NULL;
}

void
dv_loader_ignore (DvLoader *loader, const char *format, ...)
{
  char name[DV_MAX_NAME];
  const DvNamed *named;

  FORMAT_NAME (name, format);
  named = dv_part_find (tensors (loader), name);
  if (named && loader->used)
    loader->used[named - tensors (loader)->named] = true;
}

/* ---- finding ---- */

/* Whether both are the same but for sizes of 1: a two-dimensional kernel is a
 * three-dimensional one of a single frame. */
static bool
same_but_ones (const DvTensor *a, const DvTensor *b)
{
  int i = 0, k = 0;

  while (true) {
    while (i < a->n_dims && a->shape[i] == 1)
      i++;
    while (k < b->n_dims && b->shape[k] == 1)
      k++;
    if (i == a->n_dims || k == b->n_dims)
      return i == a->n_dims && k == b->n_dims;
    if (a->shape[i++] != b->shape[k++])
      return false;
  }
}

/* The named tensor if it has this shape; a failure and NULL if not. */
static const DvNamed *
take (DvLoader *loader, const char *name, int n_dims, const int64_t *shape)
{
  char have[96], want[96];
  const DvNamed *named;
  DvTensor expected;

  if (loader->status != DV_OK)
    return NULL;
  if (!loader->used) {
    fail (loader, DV_ERROR_ARGUMENT, "the loader was not begun.");
    return NULL;
  }
  named = dv_part_find (tensors (loader), name);
  if (!named) {
    fail (loader, DV_ERROR_FORMAT, "the tensor %.128s is missing.", name);
    return NULL;
  }
  expected = dv_tensor (NULL, named->tensor->dtype, n_dims, shape);
  if (!same_but_ones (named->tensor, &expected)) {
    fail (loader, DV_ERROR_FORMAT, "the tensor %.128s is %s and should be %s.",
        name, dv_tensor_describe (named->tensor, have, sizeof have),
        dv_tensor_describe (&expected, want, sizeof want));
    return NULL;
  }
  loader->used[named - tensors (loader)->named] = true;
  return named;
}

/* ---- NaN and infinity ---- */

/* Whether all exponents are less than the highest. The blocks let the compiler
 * use vectors. */
#define ALL_FINITE(type, data, count, mask)                                    \
  do {                                                                         \
    const uint8_t *bytes_ = (const uint8_t *)(data);                           \
    for (int64_t i_ = 0; i_ < (count); i_ += 4096) {                           \
      int64_t n_ = (count)-i_ < 4096 ? (count)-i_ : 4096;                      \
      unsigned bad_ = 0;                                                       \
      for (int64_t j_ = 0; j_ < n_; j_++) {                                    \
        type v_;                                                               \
        memcpy (&v_, bytes_ + (i_ + j_) * (int64_t)sizeof v_, sizeof v_);      \
        bad_ |= (v_ & (mask)) == (mask);                                       \
      }                                                                        \
      if (bad_)                                                                \
        return false;                                                          \
    }                                                                          \
  } while (0)

static bool
all_finite (const DvTensor *t)
{
  int64_t count = dv_tensor_count (t);

  switch (t->dtype) {
    case DV_BF16:
      ALL_FINITE (uint16_t, t->data, count, 0x7f80u);
      break;
    case DV_F16:
      ALL_FINITE (uint16_t, t->data, count, 0x7c00u);
      break;
    case DV_F32:
      ALL_FINITE (uint32_t, t->data, count, 0x7f800000u);
      break;
    case DV_F64:
      ALL_FINITE (uint64_t, t->data, count, UINT64_C (0x7ff0000000000000));
      break;
    default:
      break;
  }
  return true;
}

/* ---- preparing ---- */

/* A copy that is aligned, for a file that is not. */
static DvTensor
aligned_copy (DvLoader *loader, const DvTensor *from)
{
  DvTensor copy = dv_tensor_new (from->dtype, from->n_dims, from->shape);

  if (!copy.data) {
    fail (loader, DV_ERROR_MEMORY,
        "there is no memory left for the weights (%zu bytes).",
        dv_tensor_bytes (from));
    dv_tensor_clear (&copy);
    return (DvTensor){0};
  }
  memcpy (copy.data, from->data, dv_tensor_bytes (from));
  return copy;
}

/* The weight with its LoRAs, rounded to what the products take, in the device's
 * memory: in the host's where that is the same. */
static DvTensor
merged_copy (DvLoader *loader, const DvNamed *named)
{
  const DvTensor *from = named->tensor;
  DvTensor sum;

  if (loader->device->discrete) {
    sum = dv_tensor (NULL, loader->compute, 2, from->shape);
    sum.device = loader->device;
    sum.data = dv_device_alloc (loader->device, dv_tensor_bytes (&sum));
  } else {
    sum = dv_tensor_new (loader->compute, 2, from->shape);
  }
  if (!sum.data)
    fail (loader, DV_ERROR_MEMORY,
        "there is no memory left on %s to merge a LoRA into %.128s.",
        loader->device->name, named->name);
  else
    loader->status = dv_loras_merge (loader->loras, loader->merging,
        named->name, from, &sum, &loader->error);
  return sum;
}

static void
drop_copy (const DvLoader *loader, DvTensor *copy)
{
  if (copy->device)
    dv_device_free (loader->device, copy->data);
  else
    dv_tensor_clear (copy);
}

static bool
is_merged (const DvLoader *loader, const char *name)
{
  return has_loras (loader) && dv_loras_touch (loader->loras, name);
}

/* Rows that are looked up need no memory of a device of its own: the few that
 * a prompt has are brought to it. */
static bool
stays_in_file (const DvLoader *loader, DvUse use)
{
  return use == DV_USE_TABLE && loader->device->discrete;
}

/* What a weight takes beside the mapping. */
static uint64_t
resident (const DvLoader *loader, DvUse use, const DvNamed *named, int n_dims,
    const int64_t *shape)
{
  const DvTensor *t = named->tensor;
  bool merged = is_merged (loader, named->name);
  DvDtype dtype = merged ? loader->compute : t->dtype;
  uint64_t bytes = dv_weight_bytes (
      loader->device, use, loader->compute, dtype, n_dims, shape);

  if (stays_in_file (loader, use))
    return 0;
  if (bytes == 0 && merged)
    bytes = (uint64_t)dv_tensor_count (t) * dv_dtype_size (dtype);
  else if (bytes == 0 && !dv_safetensors_aligned (t))
    bytes = dv_tensor_bytes (t);
  return bytes;
}

static void
advance (DvLoader *loader, uint64_t bytes)
{
  loader->bytes_read += bytes;
  if (loader->progress && !loader->progress (loader->user, loader->bytes_read))
    fail (loader, DV_CANCELLED, "reading the weights was stopped");
}

/* Reads, looks at and prepares one tensor as one of @shape. */
static DvWeight
prepare (DvLoader *loader, DvUse use, const DvNamed *named, int n_dims,
    const int64_t *shape)
{
  const DvTensor *from = named->tensor;
  bool merged = is_merged (loader, named->name);
  DvTensor copy = {0}, view = *from;
  DvWeight w = {0};
  char text[96];

  dv_safetensors_will_read (named->file, from);
  if (use != DV_USE_PLAIN && !is_float (from->dtype)) {
    fail (loader, DV_ERROR_FORMAT,
        "the weight %.128s is %s: quantised files cannot be used, take the "
        "BF16 file of the same model.",
        named->name, dv_tensor_describe (from, text, sizeof text));
    return w;
  }
  if (!all_finite (from)) {
    fail (loader, DV_ERROR_FORMAT,
        "the tensor %.128s holds NaN or infinity: the file is damaged.",
        named->name);
    return w;
  }
  if (stays_in_file (loader, use)) {
    w = (DvWeight){.use = use, .n_dims = n_dims, .borrowed = true};
    memcpy (w.shape, shape, (size_t)n_dims * sizeof *shape);
    w.data = dv_tensor (from->data, from->dtype, n_dims, shape);
    dv_safetensors_was_read (named->file, from, true);
    return w;
  }
  if (merged)
    copy = merged_copy (loader, named);
  else if (!dv_safetensors_aligned (from))
    copy = aligned_copy (loader, from);
  if (loader->status != DV_OK)
    goto failed;
  if (copy.data)
    view = copy;
  view = dv_reshape (&view, n_dims, shape);
  loader->status =
      copy.device ? dv_weight_adopt (loader->device, &w, &view, &loader->error)
                  : dv_weight_prepare (loader->device, &w, use, loader->compute,
                        &view, &loader->error);
  if (loader->status != DV_OK)
    goto failed;
  /* A backend that uses host memory as it is takes our copy over. */
  if (copy.owner == DV_OWNED && w.data.data == copy.data)
    w.data.owner = DV_OWNED;
  else
    dv_tensor_clear (&copy);
  dv_safetensors_was_read (named->file, from, w.data.data == from->data);
  return w;

failed:
  drop_copy (loader, &copy);
  return (DvWeight){0};
}

static DvWeight
load (DvLoader *loader, DvUse use, int n_dims, const int64_t *shape,
    const char *name)
{
  const DvNamed *named = take (loader, name, n_dims, shape);
  DvWeight w = {0};

  if (!named)
    return w;
  if (use != DV_USE_MATMUL && is_merged (loader, name)) {
    fail (loader, DV_ERROR_FORMAT,
        "a LoRA changes %.128s, which is no matrix of a product.", name);
    return w;
  }
  loader->bytes_resident += resident (loader, use, named, n_dims, shape);
  if (loader->counting) {
    w.use = use;
    w.compute = loader->compute;
    w.n_dims = n_dims;
    memcpy (w.shape, shape, (size_t)n_dims * sizeof *shape);
    w.data = dv_tensor (NULL, named->tensor->dtype, n_dims, shape);
    w.packed_bytes = dv_weight_bytes (loader->device, use, loader->compute,
        is_merged (loader, name) ? loader->compute : named->tensor->dtype,
        n_dims, shape);
    loader->bytes_read += dv_tensor_bytes (named->tensor);
    return w;
  }
  w = prepare (loader, use, named, n_dims, shape);
  if (loader->status == DV_OK)
    advance (loader, dv_tensor_bytes (named->tensor));
  return w;
}

DvWeight
dv_load (DvLoader *loader, DvUse use, int n_dims, const int64_t *shape,
    const char *format, ...)
{
  char name[DV_MAX_NAME];

  FORMAT_NAME (name, format);
  return load (loader, use, n_dims, shape, name);
}

/* ---- vectors and tables ---- */

static DvTensor
load_plain (
    DvLoader *loader, int n_dims, const int64_t *shape, const char *name)
{
  DvWeight w = load (loader, DV_USE_PLAIN, n_dims, shape, name);
  DvTensor t = w.data;

  if (loader->counting && loader->status == DV_OK)
    t = dv_tensor (NULL, is_float (t.dtype) ? DV_F32 : t.dtype, n_dims, shape);
  return t;
}

DvTensor
dv_load_plain (
    DvLoader *loader, int n_dims, const int64_t *shape, const char *format, ...)
{
  char name[DV_MAX_NAME];

  FORMAT_NAME (name, format);
  return load_plain (loader, n_dims, shape, name);
}

void
dv_plain_clear (DvDevice *device, DvTensor *t)
{
  DvWeight w = {.use = DV_USE_PLAIN, .n_dims = t->n_dims, .data = *t};

  if (t->data)
    dv_weight_clear (device, &w);
  memset (t, 0, sizeof *t);
}

/* ---- linear layers ---- */

DvLinear
dv_load_linear (DvLoader *loader, int64_t out, int64_t in, bool bias,
    const char *format, ...)
{
  char prefix[DV_MAX_NAME], name[DV_MAX_NAME + 8];
  DvLinear linear = {{0}};

  FORMAT_NAME (prefix, format);
  snprintf (name, sizeof name, "%s.weight", prefix);
  linear.w = load (loader, DV_USE_MATMUL, 2, (const int64_t[]){out, in}, name);
  snprintf (name, sizeof name, "%s.bias", prefix);
  if (bias)
    linear.bias = load_plain (loader, 1, (const int64_t[]){out}, name);
  return linear;
}

void
dv_linear_clear (DvDevice *device, DvLinear *linear)
{
  dv_weight_clear (device, &linear->w);
  dv_plain_clear (device, &linear->bias);
}
