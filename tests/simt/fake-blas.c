/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fake cuBLASLt: products by plain loops on the host, of what the real one
 * takes and what is more of what it promises to take.
 *
 * Threads: any.
 */
#include <cublasLt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "fake-queues.h"
#include "tensor.h"

static cublasStatus_t
begin (void)
{
  return fake_call () == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                     : CUBLAS_STATUS_EXECUTION_FAILED;
}

/* ---- descriptions ---- */

cublasStatus_t
cublasLtCreate (cublasLtHandle_t *handle)
{
  cublasStatus_t status = begin ();

  *handle =
      status == CUBLAS_STATUS_SUCCESS ? (cublasLtHandle_t)&fake_cuda : NULL;
  if (*handle)
    fake_cuda.live++;
  return status;
}

cublasStatus_t
cublasLtDestroy (cublasLtHandle_t handle)
{
  fake_cuda.live--;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescInit (cublasLtMatmulDesc_t desc, cublasComputeType_t compute,
    cudaDataType_t scale)
{
  memset (desc, 0, sizeof *desc);
  desc->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  return begin ();
}

cublasStatus_t
cublasLtMatmulDescSetAttribute (cublasLtMatmulDesc_t desc,
    cublasLtMatmulDescAttributes_t attribute, const void *value, size_t size)
{
  void *to =
      attribute == CUBLASLT_MATMUL_DESC_TRANSA     ? (void *)&desc->transposed
      : attribute == CUBLASLT_MATMUL_DESC_EPILOGUE ? (void *)&desc->epilogue
                                                   : (void *)&desc->bias;

  memcpy (to, value, size);
  return begin ();
}

cublasStatus_t
cublasLtMatrixLayoutInit (cublasLtMatrixLayout_t layout, cudaDataType_t type,
    uint64_t rows, uint64_t columns, int64_t stride)
{
  *layout = (cublasLtMatrixLayoutOpaque_t){type, rows, columns, stride};
  return begin ();
}

cublasStatus_t
cublasLtMatmulPreferenceInit (cublasLtMatmulPreference_t preference)
{
  memset (preference, 0, sizeof *preference);
  return begin ();
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute (cublasLtMatmulPreference_t preference,
    cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
    size_t size)
{
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      memcpy (&preference->sums, value, size);
      break;
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      memcpy (&preference->scratch, value, size);
      break;
    default:
      memcpy (
          &preference
               ->align[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES],
          value, size);
  }
  return begin ();
}

static int64_t
size_of (cudaDataType_t type)
{
  return type == CUDA_R_16BF ? 2 : 4;
}

static bool
is_taken (const cublasLtMatrixLayoutOpaque_t *layout)
{
  return (uint64_t)layout->stride >= layout->rows && layout->rows > 0 &&
         layout->columns > 0 &&
         (layout->columns == 1 ||
             layout->stride * size_of (layout->type) % 16 == 0);
}

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic (cublasLtHandle_t handle,
    cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
    cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int most,
    cublasLtMatmulHeuristicResult_t *results, int *found)
{
  cublasStatus_t status = begin ();

  fake_cuda.searches++;
  *found = status == CUBLAS_STATUS_SUCCESS && !fake_cuda.no_product &&
           desc->transposed == CUBLAS_OP_T && is_taken (a) && is_taken (b) &&
           is_taken (c) && is_taken (d) && c->type == d->type &&
           preference->sums == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE &&
           preference->scratch > 0;
  for (int i = 0; i < 4; i++)
    *found = *found && preference->align[i] == 16;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  results[0].workspaceSize = 4096;
  results[0].algo.data[0] = 42;
  return status == CUBLAS_STATUS_SUCCESS && !*found
             ? CUBLAS_STATUS_NOT_SUPPORTED
             : status;
}

/* ---- the product ---- */

/* A matrix, fetched as floats, or the place for one. */
static float *
fetch (const void *at, const cublasLtMatrixLayoutOpaque_t *layout)
{
  int64_t size = size_of (layout->type);
  float *values = malloc (layout->rows * layout->columns * sizeof *values);
  uint8_t *column = malloc ((size_t)layout->rows * (size_t)size);

  if (!values || !column || (uintptr_t)at % 16 != 0)
    abort ();
  for (uint64_t j = 0; j < layout->columns; j++) {
    if (!simt_copy (column,
            (const uint8_t *)at + (int64_t)j * layout->stride * size,
            (size_t)layout->rows * (size_t)size))
      abort ();
    for (uint64_t i = 0; i < layout->rows; i++)
      values[j * layout->rows + i] =
          size == 2 ? dv_f32_from_bf16 (((uint16_t *)column)[i])
                    : ((float *)column)[i];
  }
  free (column);
  return values;
}

static void
store (void *at, const cublasLtMatrixLayoutOpaque_t *layout, uint64_t column,
    const float *values)
{
  int64_t size = size_of (layout->type);
  uint16_t *narrow = malloc (layout->rows * sizeof *narrow);
  const void *from = values;

  if (!narrow || (uintptr_t)at % 16 != 0)
    abort ();
  if (size == 2) {
    for (uint64_t i = 0; i < layout->rows; i++)
      narrow[i] = dv_bf16_from_f32 (values[i]);
    from = narrow;
  }
  if (!simt_copy ((uint8_t *)at + (int64_t)column * layout->stride * size, from,
          (size_t)layout->rows * (size_t)size))
    abort ();
  free (narrow);
}

static float
dot (const float *a, const float *b, uint64_t n)
{
  double sum = 0;

  for (uint64_t i = 0; i < n; i++)
    sum += (double)a[i] * (double)b[i];
  return (float)sum;
}

static float
gelu (float x)
{
  return 0.5f * x *
         (1 + tanhf (0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

typedef struct {
  cublasLtMatmulDescOpaque_t desc;
  cublasLtMatrixLayoutOpaque_t a_layout, b_layout, c_layout, d_layout;
  const void *a, *b, *c;
  void *d;
  bool add;
} Product;

static void
run_product (void *data)
{
  const Product *p = data;
  const cublasLtMatrixLayoutOpaque_t *to = &p->d_layout;
  cublasLtMatrixLayoutOpaque_t vector = {
      to->type, to->rows, 1, (int64_t)to->rows};
  bool is_gelu = p->desc.epilogue & 32;
  float *left = fetch (p->a, &p->a_layout), *right = fetch (p->b, &p->b_layout);
  float *bias = p->desc.epilogue & 4 ? fetch (p->desc.bias, &vector) : NULL;
  float *other = p->add ? fetch (p->c, &p->c_layout) : NULL;
  float *column = malloc (to->rows * sizeof *column);

  if (!column)
    abort ();
  for (uint64_t j = 0; j < to->columns; j++) {
    for (uint64_t i = 0; i < to->rows; i++) {
      float v = dot (left + i * p->a_layout.rows, right + j * p->b_layout.rows,
          p->a_layout.rows);

      if (other)
        v += other[j * to->rows + i];
      if (bias)
        v += bias[i];
      column[i] = is_gelu ? gelu (v) : v;
    }
    store (p->d, to, j, column);
  }
  free (left);
  free (right);
  free (bias);
  free (other);
  free (column);
}

cublasStatus_t
cublasLtMatmul (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
    const void *alpha, const void *a, cublasLtMatrixLayout_t a_layout,
    const void *b, cublasLtMatrixLayout_t b_layout, const void *beta,
    const void *c, cublasLtMatrixLayout_t c_layout, void *d,
    cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm,
    void *scratch, size_t scratch_bytes, cudaStream_t stream)
{
  Product product = {*desc, *a_layout, *b_layout, *c_layout, *d_layout, a, b, c,
      d, *(const float *)beta != 0};
  cublasStatus_t status = begin ();

  if (status != CUBLAS_STATUS_SUCCESS)
    return status;
  if (algorithm->data[0] != 42 || simt_room (scratch) < scratch_bytes ||
      (uintptr_t)scratch % 256 != 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  pthread_mutex_lock (&fake_lock);
  fake_cuda.products++;
  fake_queue (stream, run_product, &product, sizeof product, NULL, 0);
  pthread_mutex_unlock (&fake_lock);
  return CUBLAS_STATUS_SUCCESS;
}
