/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Weights: prepared once for a device.
 */
#include <string.h>

#include "ops.h"

static DvWeight
described (DvUse use, DvDtype compute, int n_dims, const int64_t *shape)
{
  DvWeight w = {.use = use, .compute = compute, .n_dims = n_dims};

  memcpy (w.shape, shape, (size_t)n_dims * sizeof *shape);
  return w;
}

DvStatus
dv_weight_prepare (DvDevice *device, DvWeight *w, DvUse use, DvDtype compute,
    const DvTensor *host, DvError *error)
{
  DvStatus status;

  *w = described (use, compute, host->n_dims, host->shape);
  status = device->ops->prepare (device, w, host, error);
  if (status != DV_OK)
    dv_weight_clear (device, w);
  return status;
}

void
dv_weight_clear (DvDevice *device, DvWeight *w)
{
  if (device && device->ops->release)
    device->ops->release (device, w);
  memset (w, 0, sizeof *w);
}

size_t
dv_weight_bytes (DvDevice *device, DvUse use, DvDtype compute,
    DvDtype host_dtype, int n_dims, const int64_t *shape)
{
  DvWeight w = described (use, compute, n_dims, shape);

  return device->ops->weight_bytes (device, &w, host_dtype);
}
