/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See products.h.  cuBLASLt counts columns first: to it the result is
 * [N, M], the weight transposed its first operand.
 *
 * The kernels it may choose sum in an order of their own that does not change
 * from run to run, so none that adds parts up in memory as they come.
 */
#include "products.h"

#include <stdlib.h>
#include <string.h>

/* Kinds of products that are remembered; one may take another's place. */
#define SLOTS 1024

typedef struct {
  DvCudaProduct product;
  cublasLtMatmulAlgo_t algorithm;
  enum { SLOT_EMPTY, SLOT_POSSIBLE, SLOT_IMPOSSIBLE } state;
} Slot;

struct DvCudaProducts {
  pthread_mutex_t lock;
  Slot slot[SLOTS];
};

/* A product as cuBLASLt describes it. */
typedef struct {
  cublasLtMatmulDescOpaque_t desc;
  cublasLtMatrixLayoutOpaque_t w, a, add, out;
} Described;

DvCudaProducts *
dv_cuda_products_new (void)
{
  DvCudaProducts *products = calloc (1, sizeof *products);

  if (products)
    pthread_mutex_init (&products->lock, NULL);
  return products;
}

void
dv_cuda_products_free (DvCudaProducts *products)
{
  if (!products)
    return;
  pthread_mutex_destroy (&products->lock);
  free (products);
}

/* ---- what cuBLASLt is told ---- */

static cudaDataType_t
data_type (DvDtype dtype)
{
  return dtype == DV_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

static cublasStatus_t
describe_epilogue (const DvCudaProduct *p, cublasLtMatmulDesc_t desc)
{
  cublasLtEpilogue_t epilogue = p->gelu && p->bias ? CUBLASLT_EPILOGUE_GELU_BIAS
                                : p->gelu          ? CUBLASLT_EPILOGUE_GELU
                                : p->bias          ? CUBLASLT_EPILOGUE_BIAS
                                                   : CUBLASLT_EPILOGUE_DEFAULT;

  return cublasLtMatmulDescSetAttribute (
      desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
}

static cublasStatus_t
describe (const DvCudaProduct *p, const void *bias, Described *d)
{
  cublasOperation_t transposed = CUBLAS_OP_T;
  cublasStatus_t status = cublasLtMatmulDescInit (
      &d->desc, CUBLAS_COMPUTE_32F /* and no TF32 */, CUDA_R_32F);

  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatmulDescSetAttribute (
        &d->desc, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = describe_epilogue (p, &d->desc);
  if (status == CUBLAS_STATUS_SUCCESS && p->bias && bias)
    status = cublasLtMatmulDescSetAttribute (
        &d->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatrixLayoutInit (
        &d->w, data_type (p->compute), (uint64_t)p->K, (uint64_t)p->N, p->K);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatrixLayoutInit (&d->a, data_type (p->compute),
        (uint64_t)p->K, (uint64_t)p->M, p->a_stride);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatrixLayoutInit (&d->out, data_type (p->out),
        (uint64_t)p->N, (uint64_t)p->M, p->out_stride);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatrixLayoutInit (&d->add, data_type (p->out),
        (uint64_t)p->N, (uint64_t)p->M, p->add ? p->add_stride : p->out_stride);
  return status;
}

static cublasStatus_t
describe_wishes (cublasLtMatmulPreference_t wishes)
{
  static const cublasLtMatmulPreferenceAttributes_t sides[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  size_t scratch = DV_CUDA_BLAS_BYTES;
  uint32_t align = DV_CUDA_BLAS_ALIGN;
  uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  cublasStatus_t status = cublasLtMatmulPreferenceSetAttribute (wishes,
      CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &scratch, sizeof scratch);

  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatmulPreferenceSetAttribute (
        wishes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &sums, sizeof sums);
  for (size_t i = 0;
       i < sizeof sides / sizeof *sides && status == CUBLAS_STATUS_SUCCESS; i++)
    status = cublasLtMatmulPreferenceSetAttribute (
        wishes, sides[i], &align, sizeof align);
  return status;
}

/* ---- what it chooses ---- */

static void
choose (cublasLtHandle_t blas, Slot *slot)
{
  cublasLtMatmulPreferenceOpaque_t wishes;
  cublasLtMatmulHeuristicResult_t best;
  Described d;
  int found = 0;

  slot->state = SLOT_IMPOSSIBLE;
  if (describe (&slot->product, NULL, &d) != CUBLAS_STATUS_SUCCESS ||
      cublasLtMatmulPreferenceInit (&wishes) != CUBLAS_STATUS_SUCCESS ||
      describe_wishes (&wishes) != CUBLAS_STATUS_SUCCESS ||
      cublasLtMatmulAlgoGetHeuristic (blas, &d.desc, &d.w, &d.a, &d.add, &d.out,
          &wishes, 1, &best, &found) != CUBLAS_STATUS_SUCCESS ||
      found < 1 || best.state != CUBLAS_STATUS_SUCCESS)
    return;
  slot->algorithm = best.algo;
  slot->state = SLOT_POSSIBLE;
}

/* FNV-1a. */
static uint64_t
hash (const DvCudaProduct *product)
{
  const uint8_t *bytes = (const uint8_t *)product;
  uint64_t sum = 0xcbf29ce484222325u;

  for (size_t i = 0; i < sizeof *product; i++)
    sum = (sum ^ bytes[i]) * 0x100000001b3u;
  return sum;
}

/* Whether it is possible, and how. */
static bool
look_up (DvStream *stream, const DvCudaProduct *product,
    cublasLtMatmulAlgo_t *algorithm)
{
  DvCuda *cuda = dv_cuda (stream->device);
  DvCudaProducts *products = cuda->products;
  Slot *slot = &products->slot[hash (product) % SLOTS];
  bool possible;

  pthread_mutex_lock (&products->lock);
  if (slot->state == SLOT_EMPTY ||
      memcmp (&slot->product, product, sizeof *product) != 0) {
    slot->product = *product;
    choose (cuda->blas, slot);
  }
  possible = slot->state == SLOT_POSSIBLE;
  if (possible)
    *algorithm = slot->algorithm;
  pthread_mutex_unlock (&products->lock);
  return possible;
}

bool
dv_cuda_product_possible (DvStream *stream, const DvCudaProduct *product)
{
  cublasLtMatmulAlgo_t algorithm;

  dv_cuda_enter (dv_cuda (stream->device));
  return look_up (stream, product, &algorithm);
}

DvStatus
dv_cuda_product_run (DvStream *stream, const DvCudaProduct *product,
    const DvCudaOperands *operands, DvError *error)
{
  DvCuda *cuda = dv_cuda (stream->device);
  cudaStream_t on = dv_cuda_queue (stream);
  float one = 1, add = product->add ? 1 : 0;
  cublasLtMatmulAlgo_t algorithm;
  cublasStatus_t status = CUBLAS_STATUS_NOT_SUPPORTED;
  Described d;

  if (look_up (stream, product, &algorithm))
    status = describe (product, operands->bias, &d);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatmul (cuda->blas, &d.desc, &one, operands->w, &d.w,
        operands->a, &d.a, &add, product->add ? operands->add : operands->out,
        &d.add, operands->out, &d.out, &algorithm, operands->scratch,
        DV_CUDA_BLAS_BYTES, on);
  if (status == CUBLAS_STATUS_SUCCESS)
    return DV_OK;
  return dv_fail (error, DV_ERROR_DEVICE, "matmul",
      "cuBLASLt failed on %s (status %d) at a product of [%lld, %lld] by "
      "[%lld, %lld]",
      cuda->name, (int)status, (long long)product->M, (long long)product->K,
      (long long)product->K, (long long)product->N);
}
