/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening a GPU: whether there is one that the kernels run on, and what is
 * kept of it.
 *
 * Threads: as device.h says.
 */
#include "context.h"

#include "products.h"

#include <stdio.h>
#include <stdlib.h>

cudaError_t
dv_cuda_enter (const DvCuda *cuda)
{
  return cudaSetDevice (cuda->index);
}

/* ---- which GPU ---- */

static DvStatus
no_driver (DvError *error)
{
  int driver = 0, runtime = 0;

  cudaRuntimeGetVersion (&runtime);
  if (cudaDriverGetVersion (&driver) != cudaSuccess || driver == 0)
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "there is no NVIDIA driver on this machine");
  return dv_fail (error, DV_ERROR_DEVICE, "open",
      "the NVIDIA driver serves CUDA %d.%d and this build needs %d.%d: install "
      "a newer driver",
      driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

static DvStatus
find_gpu (int index, DvError *error)
{
  int count = 0;
  cudaError_t code = cudaGetDeviceCount (&count);

  if (code != cudaSuccess)
    cudaGetLastError ();
  if (code == cudaErrorInsufficientDriver)
    return no_driver (error);
  if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0))
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "the NVIDIA driver shows no GPU to this program: look at "
        "CUDA_VISIBLE_DEVICES and at what nvidia-smi says");
  if (code != cudaSuccess)
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "the NVIDIA driver cannot be used: %s", cudaGetErrorString (code));
  if (index < 0 || index >= count)
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "there is no GPU %d: this program sees %d, counted from 0", index,
        count);
  return DV_OK;
}

/* Fills the device's description. */
static DvStatus
describe_gpu (DvDevice *device, DvCuda *cuda, DvError *error)
{
  struct cudaDeviceProp gpu;
  cudaError_t code = cudaGetDeviceProperties (&gpu, cuda->index);

  if (code != cudaSuccess)
    return dv_cuda_fail (cuda, code, "open", "asking what it is", error);
  if (gpu.major < DV_CUDA_MAJOR)
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "%s is a %.80s of compute capability %d.%d, the kernels need %d.0 at "
        "least",
        cuda->name, gpu.name, gpu.major, gpu.minor, DV_CUDA_MAJOR);
  snprintf (device->about, sizeof device->about,
      "%.80s, %.0f GiB, compute capability %d.%d", gpu.name,
      (double)gpu.totalGlobalMem / (1024.0 * 1024 * 1024), gpu.major,
      gpu.minor);
  return DV_OK;
}

/* ---- what is kept ---- */

/* Memory that was given back stays the pool's until it runs short. */
static cudaError_t
open_pool (DvCuda *cuda)
{
  uint64_t keep = UINT64_MAX;
  cudaError_t code = cudaDeviceGetDefaultMemPool (&cuda->pool, cuda->index);

  if (code == cudaSuccess)
    code = cudaMemPoolSetAttribute (
        cuda->pool, cudaMemPoolAttrReleaseThreshold, &keep);
  return code;
}

static DvStatus
fill_context (DvCuda *cuda, DvError *error)
{
  cudaError_t code = dv_cuda_enter (cuda);

  if (code == cudaSuccess)
    code = cudaStreamCreateWithFlags (&cuda->memory, cudaStreamNonBlocking);
  if (code == cudaSuccess)
    code = open_pool (cuda);
  if (code != cudaSuccess)
    return dv_cuda_fail (cuda, code, "open", "its first use", error);
  if (cublasLtCreate (&cuda->blas) != CUBLAS_STATUS_SUCCESS) {
    cuda->blas = NULL;
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "cuBLASLt cannot be used on %s", cuda->name);
  }
  cuda->products = dv_cuda_products_new ();
  if (!cuda->products)
    return dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a device");
  cuda->stage = dv_cuda_stage_new (cuda, error);
  return cuda->stage ? DV_OK : DV_ERROR_MEMORY;
}

static void
context_free (DvCuda *cuda)
{
  if (cuda->memory)
    cudaStreamSynchronize (cuda->memory);
  dv_cuda_stage_free (cuda->stage);
  dv_cuda_products_free (cuda->products);
  if (cuda->blas)
    cublasLtDestroy (cuda->blas);
  if (cuda->memory)
    cudaStreamDestroy (cuda->memory);
  if (cuda->pool)
    cudaMemPoolTrimTo (cuda->pool, 0);
  cudaGetLastError ();
  pthread_mutex_destroy (&cuda->lock);
  free (cuda);
}

DvStatus
dv_cuda_open (DvDevice *device, const DvDeviceSpec *spec, DvError *error)
{
  DvStatus status = find_gpu (spec->index, error);
  DvCuda *cuda;

  if (status != DV_OK)
    return status;
  cuda = calloc (1, sizeof *cuda);
  if (!cuda)
    return dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a device");
  pthread_mutex_init (&cuda->lock, NULL);
  atomic_init (&cuda->lost, false);
  cuda->index = spec->index;
  snprintf (cuda->name, sizeof cuda->name, "cuda:%d", spec->index);
  status = describe_gpu (device, cuda, error);
  if (status == DV_OK)
    status = fill_context (cuda, error);
  if (status != DV_OK) {
    context_free (cuda);
    return status;
  }
  device->priv = cuda;
  device->name = cuda->name;
  device->has_bf16 = true;
  device->discrete = true;
  return DV_OK;
}

void
dv_cuda_close (DvDevice *device)
{
  DvCuda *cuda = dv_cuda (device);

  dv_cuda_enter (cuda);
  context_free (cuda);
}
