/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See rig.h.
 */
#include "rig.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
rig_open (Rig *rig, const DvDeviceSpec *a, const DvDeviceSpec *b)
{
  const DvDeviceSpec *specs[2] = {a, b};

  memset (rig, 0, sizeof *rig);
  rig->state = 12345;
  for (int side = 0; side < 2; side++) {
    DvError error = {0};

    rig->device[side] = dv_device_open (specs[side], &error);
    if (!rig->device[side])
      return false;
    /* A GPU's products have scratch in it. */
    rig->stream[side] = dv_stream_new (rig->device[side],
        (size_t)(rig->device[side]->discrete ? 256 : 32) << 20, &error);
    if (!rig->stream[side])
      abort ();
  }
  return true;
}

void
rig_close (Rig *rig)
{
  rig_clear (rig);
  for (int side = 0; side < 2; side++) {
    dv_stream_free (rig->stream[side]);
    dv_device_unref (rig->device[side]);
  }
}

void
rig_clear (Rig *rig)
{
  for (int i = 0; i < rig->n; i++) {
    RigTensor *t = &rig->tensor[i];

    for (int side = 0; side < 2; side++) {
      if (t->weight)
        dv_weight_clear (rig->device[side], &t->w[side]);
      dv_device_free (rig->device[side], t->memory[side]);
      free (t->host[side]);
    }
  }
  memset (rig->tensor, 0, sizeof rig->tensor);
  rig->n = 0;
}

double
rig_random (Rig *rig)
{
  rig->state = rig->state * 1664525u + 1013904223u;
  return (rig->state >> 8) / 16777216.0;
}

static float
normal (Rig *rig)
{
  double a = rig_random (rig) + 1e-9, b = rig_random (rig);

  return (float)(sqrt (-2 * log (a)) * cos (6.283185307179586 * b));
}

static void
put (DvDtype dtype, void *at, float value)
{
  switch (dtype) {
    case DV_BF16:
      *(uint16_t *)at = dv_bf16_from_f32 (value);
      break;
    case DV_F16:
      *(uint16_t *)at = dv_f16_from_f32 (value);
      break;
    case DV_I32:
      *(int32_t *)at = (int32_t)value;
      break;
    default:
      *(float *)at = value;
  }
}

static double
get (DvDtype dtype, const void *at)
{
  switch (dtype) {
    case DV_BF16:
      return dv_f32_from_bf16 (*(const uint16_t *)at);
    case DV_F16:
      return dv_f32_from_f16 (*(const uint16_t *)at);
    case DV_I32:
      return *(const int32_t *)at;
    default:
      return *(const float *)at;
  }
}

/* Where element @i of the view stands, in bytes from the memory's start. */
static size_t
place (const RigTensor *t, int64_t i)
{
  const DvTensor *v = &t->view[0];
  int64_t at = 0;

  for (int d = v->n_dims - 1; d >= 0; d--) {
    at += i % v->shape[d] * v->stride[d];
    i /= v->shape[d];
  }
  return (size_t)((uint8_t *)v->data - (uint8_t *)t->memory[0]) +
         (size_t)at * dv_dtype_size (v->dtype);
}

/* A tensor whose rows, and blocks of rows, have gaps as rig->gap says. The
 * gaps are NaN where that is a number. */
static int
new_tensor (Rig *rig, DvDtype dtype, int n_dims, const int64_t *shape)
{
  RigTensor *t = &rig->tensor[rig->n];
  size_t size = dv_dtype_size (dtype);
  int64_t stride = 1;

  for (int d = n_dims - 1; d >= 0; d--) {
    t->view[0].stride[d] = stride;
    stride = stride * shape[d] + (n_dims > 1 ? rig->gap : 0);
  }
  t->bytes = (size_t)(stride + rig->offset + 1) * size;
  for (int side = 0; side < 2; side++) {
    DvTensor *view = &t->view[side];

    t->host[side] = malloc (t->bytes);
    t->memory[side] = dv_device_alloc (rig->device[side], t->bytes);
    if (!t->host[side] || !t->memory[side])
      abort ();
    view->data = (uint8_t *)t->memory[side] + (size_t)rig->offset * size;
    view->dtype = dtype;
    view->n_dims = n_dims;
    memcpy (view->shape, shape, (size_t)n_dims * sizeof *shape);
    memcpy (view->stride, t->view[0].stride, sizeof view->stride);
  }
  for (size_t i = 0; i < t->bytes / size; i++)
    put (
        dtype, (uint8_t *)t->host[0] + i * size, dtype == DV_I32 ? -1e9f : NAN);
  return rig->n++;
}

/* What host[0] holds goes to both devices. */
static void
upload (Rig *rig, int tensor)
{
  RigTensor *t = &rig->tensor[tensor];
  DvTensor from = DV_TENSOR (t->host[0], DV_U8, (int64_t)t->bytes);

  for (int side = 0; side < 2; side++) {
    DvTensor to = DV_TENSOR (t->memory[side], DV_U8, (int64_t)t->bytes);

    dv_copy (rig->stream[side], &to, &from);
  }
}

static void
set (Rig *rig, int tensor, int64_t i, float value)
{
  RigTensor *t = &rig->tensor[tensor];

  put (t->view[0].dtype, (uint8_t *)t->host[0] + place (t, i), value);
}

int
rig_normal (
    Rig *rig, DvDtype dtype, float scale, int n_dims, const int64_t *shape)
{
  int tensor = new_tensor (rig, dtype, n_dims, shape);
  int64_t count = dv_tensor_count (&rig->tensor[tensor].view[0]);

  for (int64_t i = 0; i < count; i++)
    set (rig, tensor, i, scale * normal (rig));
  upload (rig, tensor);
  return tensor;
}

int
rig_index (Rig *rig, int64_t limit, int n_dims, const int64_t *shape)
{
  int tensor = new_tensor (rig, DV_I32, n_dims, shape);
  int64_t count = dv_tensor_count (&rig->tensor[tensor].view[0]);

  for (int64_t i = 0; i < count; i++)
    set (rig, tensor, i, (float)(int)(rig_random (rig) * (double)limit));
  upload (rig, tensor);
  return tensor;
}

int
rig_values (Rig *rig, DvDtype dtype, const float *values, int n_dims,
    const int64_t *shape)
{
  int tensor = new_tensor (rig, dtype, n_dims, shape);
  int64_t count = dv_tensor_count (&rig->tensor[tensor].view[0]);

  for (int64_t i = 0; i < count; i++)
    set (rig, tensor, i, values[i]);
  upload (rig, tensor);
  return tensor;
}

int
rig_out (Rig *rig, DvDtype dtype, int n_dims, const int64_t *shape)
{
  int tensor = new_tensor (rig, dtype, n_dims, shape);

  upload (rig, tensor);
  return tensor;
}

int
rig_weight (Rig *rig, DvUse use, DvDtype host, DvDtype compute, int n_dims,
    const int64_t *shape)
{
  int gap = rig->gap, offset = rig->offset, tensor;
  int64_t fan = 1;
  RigTensor *t;

  for (int d = use == DV_USE_CONV_UP1 ? 0 : 1; d < n_dims; d++)
    fan *= use == DV_USE_CONV_UP1 && d == 1 ? 1 : shape[d];
  rig->gap = rig->offset = 0;
  tensor =
      rig_normal (rig, host, (float)(1 / sqrt ((double)fan)), n_dims, shape);
  rig->gap = gap;
  rig->offset = offset;
  t = &rig->tensor[tensor];
  t->weight = true;
  t->dense = dv_tensor (t->host[0], host, n_dims, shape);
  for (int side = 0; side < 2; side++) {
    DvError error = {0};

    if (dv_weight_prepare (rig->device[side], &t->w[side], use, compute,
            &t->dense, &error) != DV_OK) {
      printf ("# prepare: %s\n", error.detail);
      abort ();
    }
  }
  return tensor;
}

void
rig_poke (Rig *rig, int tensor, int64_t i, float value)
{
  set (rig, tensor, i, value);
  upload (rig, tensor);
}

const DvTensor *
rig_view (Rig *rig, int side, int tensor)
{
  return tensor < 0 ? NULL : &rig->tensor[tensor].view[side];
}

const DvWeight *
rig_prepared (Rig *rig, int side, int tensor)
{
  return &rig->tensor[tensor].w[side];
}

void
rig_complain (Rig *rig, const char *name, const char *format, ...)
{
  va_list args;

  rig->failures++;
  if (rig->failures > 20)
    return;
  printf ("# %s: %s: ", rig->device[1]->about, name);
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  printf ("\n");
  fflush (stdout); /* a failing test ends its process at once */
}

static bool
download (Rig *rig, int tensor, const char *name)
{
  RigTensor *t = &rig->tensor[tensor];

  for (int side = 0; side < 2; side++) {
    DvTensor from = DV_TENSOR (t->memory[side], DV_U8, (int64_t)t->bytes);
    DvTensor to = DV_TENSOR (t->host[side], DV_U8, (int64_t)t->bytes);
    DvError error = {0};

    dv_copy (rig->stream[side], &to, &from);
    if (dv_stream_status (rig->stream[side], &error) != DV_OK) {
      rig_complain (rig, name, "%s", error.detail);
      dv_stream_reset (rig->stream[side]);
      return false;
    }
  }
  return true;
}

/* Elements that belong to the view, by byte offset, are compared as numbers;
 * the rest bit for bit. */
static void
compare (
    Rig *rig, RigTensor *t, double tolerance, double floor, const char *name)
{
  const DvTensor *v = &t->view[0];
  size_t size = dv_dtype_size (v->dtype);
  int64_t count = dv_tensor_count (v);
  uint8_t *mine = calloc (t->bytes, 1);

  for (int64_t i = 0; i < count; i++) {
    size_t at = place (t, i);
    double a = get (v->dtype, (uint8_t *)t->host[0] + at);
    double b = get (v->dtype, (uint8_t *)t->host[1] + at), error;

    memset (mine + at, 1, size);
    if ((isnan (a) && isnan (b)) || a == b)
      continue;
    error = fabs (a - b) / (tolerance * (fabs (a) + floor));
    if (!(error <= 1)) {
      rig_complain (rig, name,
          "element %lld of %lld is %.9g, it should be %.9g", (long long)i,
          (long long)count, b, a);
      break;
    }
    if (error > rig->worst)
      rig->worst = error;
  }
  for (size_t i = 0; i < t->bytes; i++)
    if (!mine[i] && ((uint8_t *)t->host[0])[i] != ((uint8_t *)t->host[1])[i]) {
      rig_complain (rig, name, "byte %zu outside the result was changed", i);
      break;
    }
  free (mine);
}

void
rig_compare (Rig *rig, int tensor, double tolerance, double floor,
    const char *format, ...)
{
  RigTensor *t = &rig->tensor[tensor];
  char name[200];
  va_list args;

  va_start (args, format);
  vsnprintf (name, sizeof name, format, args);
  va_end (args);
  rig->checks++;
  if (download (rig, tensor, name)) {
    if (!rig->exact)
      compare (rig, t, tolerance, floor, name);
    else if (memcmp (t->host[0], t->host[1], t->bytes) != 0)
      rig_complain (rig, name, "depends on the number of threads");
  }
  rig_clear (rig);
}
