/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A device for plans: a GPU of so much memory that nobody has.  Weights take
 * what they take on one (kernels/cuda/dvcuda.h says how they stand there);
 * what ops want beside their arguments is the backend's own and not counted.
 * All of its streams are dry.
 *
 * Threads: pure.
 */
#include <stdint.h>
#include <string.h>

#include "device-private.h"

#define CHANNELS 8 /* input channels of a convolution are padded to these */

static DvStatus
planned_open (DvDevice *device, const DvDeviceSpec *spec, DvError *error)
{
  device->name = "a planned GPU";
  device->has_bf16 = true;
  device->discrete = true;
  strcpy (device->about, "a GPU that is only planned for");
  ((Device *)device)->planned_memory = spec->planned_memory;
  return DV_OK;
}

static void
planned_memory (DvDevice *device, uint64_t *available, uint64_t *total)
{
  *available = *total = ((Device *)device)->planned_memory;
}

static DvStatus
planned_op (DvStream *stream, const void *args, void *workspace, DvError *error)
{
  return dv_fail (
      error, DV_ERROR_DEVICE, "plan", "a planned device computes nothing");
}

static void *
planned_alloc (DvDevice *device, size_t bytes)
{
  return NULL;
}

static void
planned_free (DvDevice *device, void *memory)
{
}

static DvStatus
planned_copy (
    DvStream *stream, void *to, const void *from, size_t bytes, DvError *error)
{
  return planned_op (stream, NULL, NULL, error);
}

static size_t
planned_weight_bytes (
    const DvDevice *device, const DvWeight *w, DvDtype host_dtype)
{
  bool is_float = host_dtype == DV_BF16 || host_dtype == DV_F16 ||
                  host_dtype == DV_F32 || host_dtype == DV_F64;
  bool kept = w->use == DV_USE_TABLE || (w->use == DV_USE_PLAIN && !is_float);
  DvDtype dtype = kept                     ? host_dtype
                  : w->use == DV_USE_PLAIN ? DV_F32
                                           : w->compute;
  int channels = w->use == DV_USE_CONV ? 1 : w->use == DV_USE_CONV_UP1 ? 0 : -1;
  size_t bytes = dv_dtype_size (dtype);

  for (int i = 0; i < w->n_dims; i++) {
    int64_t size = w->shape[i];

    if (i == channels)
      size = (size + CHANNELS - 1) / CHANNELS * CHANNELS;
    bytes *= (size_t)size;
  }
  return bytes;
}

static DvStatus
planned_prepare (
    DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error)
{
  return planned_op (NULL, NULL, NULL, error);
}

#define EVERY(op) [op] = planned_op

const DvOps dv_planned_ops = {
    .name = "cuda",
    .op = {EVERY (DV_OP_MATMUL), EVERY (DV_OP_ATTENTION), EVERY (DV_OP_NORM),
        EVERY (DV_OP_QK_NORM), EVERY (DV_OP_CONV), EVERY (DV_OP_CONV_UP1),
        EVERY (DV_OP_SHUFFLE), EVERY (DV_OP_GROUP_NORM), EVERY (DV_OP_MAP),
        EVERY (DV_OP_GATHER), EVERY (DV_OP_SPREAD), EVERY (DV_OP_EULER),
        EVERY (DV_OP_NOISE), EVERY (DV_OP_SNAKE), EVERY (DV_OP_FIR_UP),
        EVERY (DV_OP_PIXELS), EVERY (DV_OP_GUIDE), EVERY (DV_OP_MERGE)},
    .open = planned_open,
    .alloc = planned_alloc,
    .free = planned_free,
    .host_alloc = planned_alloc,
    .host_free = planned_free,
    .copy = planned_copy,
    .memory = planned_memory,
    .weight_bytes = planned_weight_bytes,
    .prepare = planned_prepare,
};
