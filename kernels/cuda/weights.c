/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Weights in device memory, as dvcuda.h says they stand there.  Matrices and
 * kernels are rows of input channels: a row a column of the product, or a tap
 * of one.
 *
 * Threads: any.
 */
#include "context.h"

#include <stdio.h>
#include <string.h>

#define CHANNEL_ALIGN 8

/* Rows as they go to the device, and where their entries are in the host's
 * memory. */
typedef struct {
  const DvTensor *host;
  DvDtype to;
  int64_t rows, channels, width; /* width - channels zeros end a row */
  int64_t inner;                 /* rows that share an outer step */
  int64_t outer_step, inner_step, channel_step;
} Rows;

/* ---- shapes ---- */

static int64_t
product (const DvWeight *w, int from, int to)
{
  int64_t count = 1;

  for (int i = from; i < to; i++)
    count *= w->shape[i];
  return count;
}

static int64_t
padded (int64_t channels)
{
  return (channels + CHANNEL_ALIGN - 1) / CHANNEL_ALIGN * CHANNEL_ALIGN;
}

/* Vectors and tables of floats become F32; what is looked up stays. */
static DvDtype
kept_dtype (const DvWeight *w, DvDtype host)
{
  bool is_float = host == DV_BF16 || host == DV_F16 || host == DV_F64;

  return w->use == DV_USE_PLAIN && is_float ? DV_F32 : host;
}

static Rows
described (const DvWeight *w, DvDtype host)
{
  int64_t taps = product (w, 2, w->n_dims);
  Rows rows = {.to = w->compute, .inner = 1};

  switch (w->use) {
    case DV_USE_CONV:
      rows.rows = w->shape[0] * taps;
      rows.channels = w->shape[1];
      rows.width = padded (rows.channels);
      rows.inner = taps;
      rows.outer_step = rows.channels * taps;
      rows.inner_step = 1;
      rows.channel_step = taps;
      break;
    case DV_USE_CONV_UP1:
      rows.rows = taps * w->shape[1];
      rows.channels = w->shape[0];
      rows.width = padded (rows.channels);
      rows.inner = w->shape[1];
      rows.outer_step = 1;
      rows.inner_step = taps;
      rows.channel_step = w->shape[1] * taps;
      break;
    case DV_USE_MATMUL:
      rows.rows = w->shape[0];
      rows.channels = rows.width = rows.outer_step = w->shape[1];
      rows.channel_step = 1;
      break;
    default: /* one row of all there is */
      rows.to = kept_dtype (w, host);
      rows.rows = 1;
      rows.channels = rows.width = product (w, 0, w->n_dims);
      rows.channel_step = 1;
  }
  return rows;
}

static size_t
row_bytes (const Rows *rows)
{
  return (size_t)rows->width * dv_dtype_size (rows->to);
}

size_t
dv_cuda_weight_bytes (
    const DvDevice *device, const DvWeight *w, DvDtype host_dtype)
{
  Rows rows = described (w, host_dtype);

  return (size_t)rows.rows * row_bytes (&rows);
}

/* ---- entries ---- */

static float
value (const DvTensor *host, int64_t i)
{
  switch (host->dtype) {
    case DV_BF16:
      return dv_f32_from_bf16 (((const uint16_t *)host->data)[i]);
    case DV_F16:
      return dv_f32_from_f16 (((const uint16_t *)host->data)[i]);
    case DV_F64:
      return (float)((const double *)host->data)[i];
    default:
      return ((const float *)host->data)[i];
  }
}

/* Entries [start, start + count) of a row. */
static void
fill_row (const Rows *rows, int64_t row, int64_t start, int64_t count, void *to)
{
  int64_t from = row / rows->inner * rows->outer_step +
                 row % rows->inner * rows->inner_step;
  int64_t have = rows->channels - start;
  size_t size = dv_dtype_size (rows->to);

  have = have < 0 ? 0 : have > count ? count : have;
  if (rows->to == rows->host->dtype && rows->channel_step == 1)
    memcpy (to,
        (const uint8_t *)rows->host->data + (size_t)(from + start) * size,
        (size_t)have * size);
  else
    for (int64_t i = 0; i < have; i++) {
      float v = value (rows->host, from + (start + i) * rows->channel_step);

      if (rows->to == DV_BF16)
        ((uint16_t *)to)[i] = dv_bf16_from_f32 (v);
      else
        ((float *)to)[i] = v;
    }
  memset (
      (uint8_t *)to + (size_t)have * size, 0, (size_t)(count - have) * size);
}

static void
fill (const void *user, size_t start, size_t bytes, void *to)
{
  const Rows *rows = user;
  size_t size = dv_dtype_size (rows->to);
  int64_t at = (int64_t)(start / size), end = at + (int64_t)(bytes / size);
  uint8_t *out = to;

  while (at < end) {
    int64_t row = at / rows->width, column = at % rows->width;
    int64_t count = rows->width - column;

    count = count > end - at ? end - at : count;
    fill_row (rows, row, column, count, out);
    out += (size_t)count * size;
    at += count;
  }
}

/* ---- the table's entries ---- */

static DvStatus
check (const DvWeight *w, const DvTensor *host, DvError *error)
{
  char text[96];
  bool is_float =
      host->dtype == DV_F32 || host->dtype == DV_BF16 || host->dtype == DV_F16;

  if (!is_float && w->use != DV_USE_PLAIN)
    return dv_fail (error, DV_ERROR_FORMAT, "prepare",
        "a weight is %s, which the CUDA backend does not compute with: take "
        "the model's BF16, F16 or F32 file",
        dv_tensor_describe (host, text, sizeof text));
  if (!dv_tensor_dense (host))
    return dv_fail (error, DV_ERROR_ARGUMENT, "prepare",
        "a weight is a view with gaps, %s: prepare a dense one",
        dv_tensor_describe (host, text, sizeof text));
  return DV_OK;
}

DvStatus
dv_cuda_prepare (
    DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error)
{
  DvCuda *cuda = dv_cuda (device);
  DvStatus status = check (w, host, error);
  Rows rows = described (w, host->dtype);
  bool looked_up = w->use == DV_USE_TABLE || w->use == DV_USE_PLAIN;
  size_t bytes = (size_t)rows.rows * row_bytes (&rows);
  char text[96], doing[160];
  void *memory;

  if (status != DV_OK)
    return status;
  if (atomic_load (&cuda->lost))
    return dv_cuda_lost (cuda, "load", error);
  rows.host = host;
  w->data = *host;
  w->data.owner = DV_BORROWED;
  w->data.data = NULL;
  w->data.device = device;
  memory = dv_cuda_alloc (device, bytes ? bytes : 1);
  if (!memory) {
    snprintf (doing, sizeof doing, "a weight of %zu bytes, %s", bytes,
        dv_tensor_describe (host, text, sizeof text));
    return dv_cuda_fail (cuda, cudaErrorMemoryAllocation, "load", doing, error);
  }
  if (looked_up) {
    w->data.data = memory;
    w->data.dtype = rows.to;
  } else {
    w->packed = memory;
    w->packed_bytes = bytes;
  }
  return dv_cuda_stage_run (cuda, memory, bytes, fill, &rows, error);
}

DvStatus
dv_cuda_adopt (
    DvDevice *device, DvWeight *w, const DvTensor *matrix, DvError *error)
{
  w->data = *matrix;
  w->data.owner = DV_BORROWED;
  w->data.data = NULL;
  w->data.device = device;
  w->packed = matrix->data;
  w->packed_bytes = dv_tensor_bytes (matrix);
  return DV_OK;
}

void
dv_cuda_release (DvDevice *device, DvWeight *w)
{
  if (w->packed)
    dv_cuda_free (device, w->packed);
  if (w->data.data)
    dv_cuda_free (device, w->data.data);
}
