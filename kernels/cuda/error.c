/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CUDA's errors in words.
 *
 * Threads: any.
 */
#include "context.h"

/* After these the device's state is undefined, and each call fails. */
static bool
is_fatal (cudaError_t code)
{
  switch (code) {
    case cudaSuccess:
    case cudaErrorInvalidValue:
    case cudaErrorMemoryAllocation:
    case cudaErrorInvalidConfiguration:
    case cudaErrorInvalidResourceHandle:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorNotReady:
      return false;
    default:
      return true;
  }
}

static double
mib (size_t bytes)
{
  return (double)bytes / (1024 * 1024);
}

static DvStatus
no_memory (DvCuda *cuda, const char *stage, const char *doing, DvError *error)
{
  size_t available = 0, total = 0;

  if (cudaMemGetInfo (&available, &total) != cudaSuccess)
    cudaGetLastError ();
  return dv_fail (error, DV_ERROR_MEMORY, stage,
      "%s has no memory for %s: %.0f of its %.0f MiB are free; make smaller "
      "or shorter segments, or end what else uses it",
      cuda->name, doing, mib (available), mib (total));
}

DvStatus
dv_cuda_lost (const DvCuda *cuda, const char *stage, DvError *error)
{
  return dv_fail (error, DV_ERROR_DEVICE, stage,
      "%s failed before and is lost to this program: start it again",
      cuda->name);
}

DvStatus
dv_cuda_fail (DvCuda *cuda, cudaError_t code, const char *stage,
    const char *doing, DvError *error)
{
  cudaGetLastError ();
  if (code == cudaErrorMemoryAllocation)
    return no_memory (cuda, stage, doing, error);
  if (code == cudaErrorNoKernelImageForDevice)
    return dv_fail (error, DV_ERROR_DEVICE, stage,
        "%s cannot run %s: this build has no code for such a GPU", cuda->name,
        doing);
  if (!is_fatal (code))
    return dv_fail (error, DV_ERROR_DEVICE, stage, "%s failed at %s: %s",
        cuda->name, doing, cudaGetErrorString (code));
  if (atomic_exchange (&cuda->lost, true))
    return dv_cuda_lost (cuda, stage, error);
  return dv_fail (error, DV_ERROR_DEVICE, stage,
      "%s failed at %s or before and is lost to this program (%s): start it "
      "again",
      cuda->name, doing, cudaGetErrorString (code));
}

DvStatus
dv_cuda_launched (const char *op, DvError *error)
{
  cudaError_t code = cudaGetLastError ();

  if (code == cudaSuccess)
    return DV_OK;
  return dv_fail (error, DV_ERROR_DEVICE, op,
      "the GPU refused \"%s\" or failed before: %s", op,
      cudaGetErrorString (code));
}
