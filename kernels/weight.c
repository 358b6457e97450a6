/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Weights: prepared once for a device.
 */
#include <string.h>

#include "ops.h"

/* A convolution of fewer axes than three has kernels of 1 along the first. */
static DvWeight
described (DvUse use, DvDtype compute, int n_dims, const int64_t *shape)
{
  DvWeight w = {.use = use, .compute = compute};

  for (int i = 0; i < n_dims; i++) {
    w.shape[w.n_dims++] = shape[i];
    for (int a = n_dims; i == 1 && use == DV_USE_CONV && a < 5; a++)
      w.shape[w.n_dims++] = 1;
  }
  return w;
}

DvStatus
dv_weight_prepare (DvDevice *device, DvWeight *w, DvUse use, DvDtype compute,
    const DvTensor *host, DvError *error)
{
  DvTensor whole = *host;
  DvStatus status;

  *w = described (use, compute, host->n_dims, host->shape);
  if (w->n_dims != host->n_dims)
    whole = dv_reshape (host, w->n_dims, w->shape);
  status = device->ops->prepare (device, w, &whole, error);
  if (status != DV_OK)
    dv_weight_clear (device, w);
  return status;
}

DvStatus
dv_weight_adopt (
    DvDevice *device, DvWeight *w, const DvTensor *matrix, DvError *error)
{
  DvWeight whole = described (DV_USE_MATMUL, matrix->dtype, 2, matrix->shape);
  DvStatus status = device->ops->adopt (device, &whole, matrix, error);

  *w = status == DV_OK ? whole : (DvWeight){0};
  return status;
}

void
dv_weight_clear (DvDevice *device, DvWeight *w)
{
  if (device && device->ops->release && !w->borrowed)
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
