/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's table, its memory and its weights.  A weight is the
 * mapped memory itself; only vectors and tables that are not F32 are converted.
 *
 * Threads: as device.h says; nothing here keeps anything.
 */
#include <stdlib.h>
#include <string.h>

#include "ref.h"

static DvStatus
ref_open (DvDevice *device, const DvDeviceSpec *spec, DvError *error)
{
  device->name = "ref";
  device->has_bf16 = false;
  strcpy (device->about, "the reference: plain C, one thread");
  return DV_OK;
}

static void *
ref_alloc (DvDevice *device, size_t bytes)
{
  if (bytes > SIZE_MAX - DV_ARENA_ALIGN)
    return NULL;
  bytes = (bytes + DV_ARENA_ALIGN - 1) / DV_ARENA_ALIGN * DV_ARENA_ALIGN;
  return aligned_alloc (DV_ARENA_ALIGN, bytes ? bytes : DV_ARENA_ALIGN);
}

static void
ref_free (DvDevice *device, void *memory)
{
  free (memory);
}

static DvStatus
ref_copy (
    DvStream *stream, void *to, const void *from, size_t bytes, DvError *error)
{
  memmove (to, from, bytes);
  return DV_OK;
}

/* Vectors and tables of other float types become F32. */
static bool
to_convert (DvUse use, DvDtype dtype)
{
  return use == DV_USE_PLAIN &&
         (dtype == DV_BF16 || dtype == DV_F16 || dtype == DV_F64);
}

size_t
dv_ref_weight_bytes (
    const DvDevice *device, const DvWeight *w, DvDtype host_dtype)
{
  size_t bytes = sizeof (float);

  if (!to_convert (w->use, host_dtype))
    return 0;
  for (int i = 0; i < w->n_dims; i++)
    bytes *= (size_t)w->shape[i];
  return bytes;
}

static float
host_value (const DvTensor *host, int64_t i)
{
  if (host->dtype == DV_F64)
    return (float)((const double *)host->data)[i];
  return dv_ref_get (host, i);
}

DvStatus
dv_ref_prepare (
    DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error)
{
  char text[96];
  int64_t count = dv_tensor_count (host);
  bool is_float =
      host->dtype == DV_F32 || host->dtype == DV_BF16 || host->dtype == DV_F16;

  if (!is_float && w->use != DV_USE_PLAIN)
    return dv_fail (error, DV_ERROR_FORMAT, "prepare",
        "a weight is %s, which no CPU backend computes with: take the model's "
        "BF16, F16 or F32 file",
        dv_tensor_describe (host, text, sizeof text));
  if (!dv_tensor_dense (host))
    return dv_fail (error, DV_ERROR_ARGUMENT, "prepare",
        "a weight is a view with gaps, %s: prepare a dense one",
        dv_tensor_describe (host, text, sizeof text));
  w->data = *host;
  w->data.owner = DV_BORROWED;
  if (!to_convert (w->use, host->dtype))
    return DV_OK;
  w->data = dv_tensor_new (DV_F32, host->n_dims, host->shape);
  if (!w->data.data)
    return dv_fail (error, DV_ERROR_MEMORY, "prepare",
        "there is no memory for a table as F32, %s",
        dv_tensor_describe (host, text, sizeof text));
  for (int64_t i = 0; i < count; i++)
    ((float *)w->data.data)[i] = host_value (host, i);
  return DV_OK;
}

void
dv_ref_release (DvDevice *device, DvWeight *w)
{
  dv_tensor_clear (&w->data);
}

const DvOps dv_ref_ops = {
    .name = "ref",
    .op =
        {
            [DV_OP_MATMUL] = dv_ref_matmul,
            [DV_OP_ATTENTION] = dv_ref_attention,
            [DV_OP_NORM] = dv_ref_norm,
            [DV_OP_QK_NORM] = dv_ref_qk_norm,
            [DV_OP_CONV] = dv_ref_conv,
            [DV_OP_CONV_UP1] = dv_ref_conv_up1,
            [DV_OP_SHUFFLE] = dv_ref_shuffle,
            [DV_OP_GROUP_NORM] = dv_ref_group_norm,
            [DV_OP_MAP] = dv_ref_map,
            [DV_OP_GATHER] = dv_ref_gather,
            [DV_OP_SPREAD] = dv_ref_spread,
            [DV_OP_EULER] = dv_ref_euler,
            [DV_OP_NOISE] = dv_ref_noise,
            [DV_OP_SNAKE] = dv_ref_snake,
            [DV_OP_FIR_UP] = dv_ref_fir_up,
            [DV_OP_PIXELS] = dv_ref_pixels,
            [DV_OP_GUIDE] = dv_ref_guide,
            [DV_OP_MERGE] = dv_ref_merge,
        },
    .open = ref_open,
    .alloc = ref_alloc,
    .free = ref_free,
    .host_alloc = ref_alloc,
    .host_free = ref_free,
    .copy = ref_copy,
    .weight_bytes = dv_ref_weight_bytes,
    .prepare = dv_ref_prepare,
    .release = dv_ref_release,
};
