/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tensors: shapes, strides and views.
 */
#include "tensor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  size_t size;
  const char *name;
} dtypes[DV_N_DTYPES] = {
    [DV_F32] = {4, "f32"},
    [DV_BF16] = {2, "bf16"},
    [DV_F16] = {2, "f16"},
    [DV_F64] = {8, "f64"},
    [DV_I64] = {8, "i64"},
    [DV_I32] = {4, "i32"},
    [DV_I16] = {2, "i16"},
    [DV_I8] = {1, "i8"},
    [DV_U8] = {1, "u8"},
    [DV_BOOL] = {1, "bool"},
    [DV_F8_E4M3] = {1, "f8_e4m3"},
    [DV_F8_E5M2] = {1, "f8_e5m2"},
};

size_t
dv_dtype_size (DvDtype dtype)
{
  return dtypes[dtype].size;
}

const char *
dv_dtype_name (DvDtype dtype)
{
  return dtypes[dtype].name;
}

DvTensor
dv_tensor (void *data, DvDtype dtype, int n_dims, const int64_t *shape)
{
  DvTensor t = {.data = data, .dtype = dtype, .n_dims = n_dims};
  int64_t stride = 1;

  assert (n_dims >= 0 && n_dims <= DV_MAX_DIMS);
  for (int i = n_dims - 1; i >= 0; i--) {
    t.shape[i] = shape[i];
    t.stride[i] = stride;
    stride *= shape[i];
  }
  return t;
}

DvTensor
dv_tensor_new (DvDtype dtype, int n_dims, const int64_t *shape)
{
  DvTensor t = dv_tensor (NULL, dtype, n_dims, shape);
  size_t bytes = dv_tensor_bytes (&t);

  t.data = calloc (1, bytes ? bytes : 1);
  t.owner = DV_OWNED;
  return t;
}

void
dv_tensor_clear (DvTensor *t)
{
  if (t->owner == DV_OWNED)
    free (t->data);
  memset (t, 0, sizeof *t);
}

int64_t
dv_tensor_count (const DvTensor *t)
{
  int64_t count = 1;

  for (int i = 0; i < t->n_dims; i++)
    count *= t->shape[i];
  return count;
}

size_t
dv_tensor_bytes (const DvTensor *t)
{
  return (size_t)dv_tensor_count (t) * dv_dtype_size (t->dtype);
}

bool
dv_tensor_dense (const DvTensor *t)
{
  int64_t stride = 1;

  for (int i = t->n_dims - 1; i >= 0; i--) {
    if (t->shape[i] != 1 && t->stride[i] != stride)
      return false;
    stride *= t->shape[i];
  }
  return true;
}

bool
dv_tensor_same_shape (const DvTensor *a, const DvTensor *b)
{
  if (a->n_dims != b->n_dims)
    return false;
  for (int i = 0; i < a->n_dims; i++)
    if (a->shape[i] != b->shape[i])
      return false;
  return true;
}

/* Moves the view by so many elements; a view of no memory stays one. */
static void
advance (DvTensor *t, int64_t elements)
{
  if (t->data)
    t->data = (uint8_t *)t->data + elements * (int64_t)dv_dtype_size (t->dtype);
}

void *
dv_tensor_at (const DvTensor *t, int n, const int64_t *index)
{
  DvTensor at = *t;

  for (int i = 0; i < n; i++)
    advance (&at, index[i] * t->stride[i]);
  return at.data;
}

DvTensor
dv_slice (const DvTensor *t, int dim, int64_t start, int64_t count)
{
  DvTensor view = *t;

  assert (dim < t->n_dims && start >= 0 && count >= 0);
  assert (start + count <= t->shape[dim]);
  view.owner = DV_BORROWED;
  view.shape[dim] = count;
  advance (&view, start * t->stride[dim]);
  return view;
}

DvTensor
dv_index (const DvTensor *t, int64_t i)
{
  DvTensor view = dv_slice (t, 0, i, 1);

  view.n_dims--;
  memmove (view.shape, view.shape + 1, sizeof view.shape - sizeof *view.shape);
  memmove (
      view.stride, view.stride + 1, sizeof view.stride - sizeof *view.stride);
  return view;
}

DvTensor
dv_reshape (const DvTensor *t, int n_dims, const int64_t *shape)
{
  DvTensor view = dv_tensor (t->data, t->dtype, n_dims, shape);

  assert (dv_tensor_dense (t));
  assert (dv_tensor_count (&view) == dv_tensor_count (t));
  view.device = t->device;
  return view;
}

DvTensor
dv_permute (const DvTensor *t, const int *order)
{
  DvTensor view = *t;

  view.owner = DV_BORROWED;
  for (int i = 0; i < t->n_dims; i++) {
    view.shape[i] = t->shape[order[i]];
    view.stride[i] = t->stride[order[i]];
  }
  return view;
}

const char *
dv_tensor_describe (const DvTensor *t, char *text, size_t size)
{
  size_t at = 0;

  if (size == 0)
    return text;
  at += (size_t)snprintf (text, size, "%s [", dv_dtype_name (t->dtype));
  for (int i = 0; i < t->n_dims && at < size; i++)
    at += (size_t)snprintf (
        text + at, size - at, "%s%" PRId64, i ? ", " : "", t->shape[i]);
  if (at < size)
    snprintf (text + at, size - at, "]");
  return text;
}

float
dv_f32_from_f16 (uint16_t h)
{
  union {
    uint32_t u;
    float f;
  } v;
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
  uint32_t exponent = (h >> 10) & 0x1fu;
  uint32_t mantissa = h & 0x3ffu;

  if (exponent == 0) {
    /* Zero or subnormal: mantissa * 2^-24, exact. */
    v.f = (float)mantissa * 0x1p-24f;
    v.u |= sign;
  } else if (exponent == 31) {
    v.u = sign | 0x7f800000u | mantissa << 13;
  } else {
    v.u = sign | (exponent + 112) << 23 | mantissa << 13;
  }
  return v.f;
}

uint16_t
dv_f16_from_f32 (float f)
{
  union {
    float f;
    uint32_t u;
  } v = {f};
  uint16_t sign = (uint16_t)((v.u >> 16) & 0x8000u);
  uint32_t magnitude = v.u & 0x7fffffffu;

  if (magnitude > 0x7f800000u)
    return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) /* rounds past the largest */
    return (uint16_t)(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    /* Subnormal: adding 2^-1 * 2^... lets the addition itself round. */
    v.u = magnitude;
    v.f += 0.5f;
    return (uint16_t)(sign | (uint16_t)(v.u - 0x3f000000u));
  }
  magnitude += 0xfffu + ((magnitude >> 13) & 1);
  return (uint16_t)(sign | ((magnitude - 0x38000000u) >> 13));
}
