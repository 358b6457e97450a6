/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See made-weights.h: weights are BF16, as files hold them, and about as large
 * as trained ones, so that activations neither vanish nor grow.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made-weights.h"

static float
next (uint64_t *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (float)(int32_t)(*state >> 32) * (1.0f / 2147483648.0f);
}

void
made_numbers (float *to, size_t n, uint64_t seed, float scale)
{
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;

  for (size_t i = 0; i < n; i++)
    to[i] = scale * next (&state);
}

static bool
ends_in (const char *name, const char *end)
{
  size_t n = strlen (name), m = strlen (end);

  return n >= m && strcmp (name + n - m, end) == 0;
}

/* The host's copy of a tensor. */
static DvTensor
make (MadeLoader *made, DvDtype dtype, int n_dims, const int64_t *shape,
    const char *name)
{
  DvTensor t = dv_tensor (NULL, dtype, n_dims, shape);
  const int64_t count = dv_tensor_count (&t), rows = shape[0];
  float scale = made->gain * sqrtf (3.0f * (float)rows / (float)count);
  float shift = 0;
  uint64_t state = 5381;

  if (made->n == MADE_MOST)
    abort ();
  if (n_dims == 1) {
    scale = 0.1f;
    shift = ends_in (name, "_std") || strstr (name, "norm") ? 1 : 0;
    if (ends_in (name, ".bias"))
      shift = 0;
  }
  for (const char *c = name; *c; c++)
    state = state * 33 + (uint8_t)*c;
  t.data = malloc (dv_tensor_bytes (&t));
  if (!t.data) {
    made->loader.status = dv_fail (
        &made->loader.error, DV_ERROR_MEMORY, "load", "no memory for %s", name);
    return t;
  }
  for (int64_t i = 0; i < count; i++) {
    float v = shift + scale * next (&state);

    if (dtype == DV_BF16)
      ((uint16_t *)t.data)[i] = dv_bf16_from_f32 (v);
    else
      ((float *)t.data)[i] = v;
  }
  snprintf (made->name[made->n], sizeof made->name[0], "%s", name);
  made->count[made->n] = count;
  made->kept[made->n++] = t.data;
  made->elements += count;
  return t;
}

MadeLoader *
made_loader_new (DvDevice *device, DvDtype compute)
{
  MadeLoader *made = calloc (1, sizeof *made);

  if (!made)
    abort ();
  made->loader.device = device;
  made->loader.compute = compute;
  made->gain = 1;
  return made;
}

bool
made_loader_asked (const MadeLoader *made, const char *name)
{
  for (int i = 0; i < made->n; i++)
    if (strcmp (made->name[i], name) == 0)
      return true;
  return false;
}

void
made_loader_free (MadeLoader *made)
{
  for (int i = 0; made && i < made->n; i++)
    free (made->kept[i]);
  free (made);
}

/* ---- loader.h ---- */

#define NAME                                                                   \
  char name[128];                                                              \
  va_list rest;                                                                \
  va_start (rest, format);                                                     \
  vsnprintf (name, sizeof name, format, rest);                                 \
  va_end (rest)

DvStatus
dv_loader_begin (DvLoader *loader, DvError *error)
{
  return DV_OK;
}

DvStatus
dv_loader_finish (DvLoader *loader, DvError *error)
{
  if (error)
    *error = loader->error;
  return loader->status;
}

DvWeight
dv_load (DvLoader *loader, DvUse use, int n_dims, const int64_t *shape,
    const char *format, ...)
{
  DvWeight w = {0};
  DvTensor host;
  NAME;

  if (loader->status != DV_OK)
    return w;
  host = make ((MadeLoader *)loader, DV_BF16, n_dims, shape, name);
  if (!host.data)
    return w;
  loader->status = dv_weight_prepare (
      loader->device, &w, use, loader->compute, &host, &loader->error);
  return w;
}

DvTensor
dv_load_plain (
    DvLoader *loader, int n_dims, const int64_t *shape, const char *format, ...)
{
  NAME;

  if (loader->status != DV_OK)
    return (DvTensor){0};
  return make ((MadeLoader *)loader, DV_F32, n_dims, shape, name);
}

void
dv_plain_clear (DvDevice *device, DvTensor *t)
{
  memset (t, 0, sizeof *t); /* made_loader_free() frees it */
}

bool
dv_loader_has (const DvLoader *loader, const char *format, ...)
{
  return true;
}

void
dv_loader_ignore (DvLoader *loader, const char *format, ...)
{
  NAME;

  (void)name;
}

DvLinear
dv_load_linear (DvLoader *loader, int64_t out, int64_t in, bool bias,
    const char *format, ...)
{
  DvLinear linear = {0};
  NAME;

  linear.w =
      dv_load (loader, DV_USE_MATMUL, DV_SHAPE (out, in), "%s.weight", name);
  if (bias)
    linear.bias = dv_load_plain (loader, DV_SHAPE (out), "%s.bias", name);
  return linear;
}

void
dv_linear_clear (DvDevice *device, DvLinear *linear)
{
  dv_weight_clear (device, &linear->w);
  dv_plain_clear (device, &linear->bias);
}
