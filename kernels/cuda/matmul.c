/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The CUDA backend's matrix product: ops.h, DvMatmul.
 *
 * cuBLASLt takes operands that are aligned and of one dtype, and ends a
 * product with a bias, a GELU or a sum.  What is given otherwise goes through
 * the workspace, some rows at a time, so that a long product needs no more of
 * it than a short one; what cuBLASLt does not take at all has a kernel of our
 * own.  The workspace is that of the longest way, because a dry run knows no
 * addresses.  cuBLASLt's own scratch is in it too, so that the plan counts it
 * and a stream without products has none.
 */
#include "context.h"
#include "epilogue.h"
#include "products.h"

#include <string.h>

/* What the rows of a part take at most, unless a few take more. */
#define PART_BYTES ((int64_t)64 << 20)
#define PART_ROWS 128

/* Of places in the workspace; cuBLASLt wants its scratch so. */
#define ALIGN 256

/* A product cut into parts, and where their pieces stand in the workspace. */
typedef struct {
  int64_t M, N, K;
  int64_t rows;       /* of a part */
  int64_t sum_stride; /* of the sums' rows */
  size_t operand, sums, bias, scratch, bytes;
} Parts;

static size_t
aligned (int64_t bytes)
{
  return ((size_t)bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static Parts
cut (const DvMatmul *p)
{
  Parts parts = {.M = p->out->shape[0],
      .N = p->out->shape[1],
      .K = p->w->shape[1],
      .operand = 0};
  int64_t size = (int64_t)dv_dtype_size (p->w->compute), widest;

  parts.sum_stride = (parts.N + 3) / 4 * 4;
  widest = parts.sum_stride * 4 > parts.K * size ? parts.sum_stride * 4
                                                 : parts.K * size;
  parts.rows = PART_BYTES / widest / PART_ROWS * PART_ROWS;
  if (parts.rows < PART_ROWS)
    parts.rows = PART_ROWS;
  if (parts.rows > parts.M)
    parts.rows = parts.M;
  parts.sums = aligned (parts.rows * parts.K * size);
  parts.bias = parts.sums + aligned (parts.rows * parts.sum_stride * 4);
  parts.scratch = parts.bias + aligned (parts.N * 2);
  parts.bytes = parts.scratch + DV_CUDA_BLAS_BYTES;
  return parts;
}

size_t
dv_cuda_matmul_workspace (const DvDevice *device, const DvMatmul *p)
{
  return cut (p).bytes + ALIGN - DV_ARENA_ALIGN;
}

/* ---- what cuBLASLt takes ---- */

static bool
is_aligned (const void *data, int64_t bytes)
{
  return ((uintptr_t)data | (uintptr_t)bytes) % DV_CUDA_BLAS_ALIGN == 0;
}

/* Rows of elements, as cuBLASLt counts their distance. */
static int64_t
stride_of (const DvTensor *t)
{
  return t->shape[0] > 1 ? t->stride[0] : t->shape[1];
}

static bool
fits (const DvTensor *t)
{
  int64_t stride = stride_of (t);
  int64_t size = (int64_t)dv_dtype_size (t->dtype);

  /* A single row's distance to the next one matters to nobody. */
  return stride >= t->shape[1] &&
         is_aligned (t->data, t->shape[0] > 1 ? stride * size : 0);
}

/* The product alone; w's rows are dense. */
static DvCudaProduct
product_of (const DvMatmul *p, int64_t rows, bool copied)
{
  DvCudaProduct product;
  const int64_t K = p->w->shape[1];

  memset (&product, 0, sizeof product);
  product.M = rows;
  product.N = p->out->shape[1];
  product.K = K;
  product.a_stride = copied ? K : stride_of (p->a);
  product.compute = p->w->compute;
  return product;
}

static bool
has_aligned_weight (const DvMatmul *p)
{
  return is_aligned (
      p->w->packed, p->w->shape[1] * (int64_t)dv_dtype_size (p->w->compute));
}

/* ---- the ways ---- */

/* Whether cuBLASLt can end the product by itself, and how. */
static bool
whole_product (const DvMatmul *p, DvCudaProduct *product)
{
  bool ends = p->act == DV_ACT_NONE || (p->act == DV_ACT_GELU && !p->residual);

  if (!ends || p->gate.table || !fits (p->out) || !fits (p->a) ||
      p->a->dtype != p->w->compute || !has_aligned_weight (p))
    return false;
  if (p->residual &&
      (p->residual->dtype != p->out->dtype || !fits (p->residual)))
    return false;
  if (p->bias && p->out->dtype == DV_F32 && !is_aligned (p->bias->data, 0))
    return false;
  *product = product_of (p, p->out->shape[0], false);
  product->out = p->out->dtype;
  product->out_stride = stride_of (p->out);
  product->bias = p->bias != NULL;
  product->gelu = p->act == DV_ACT_GELU;
  product->add = p->residual != NULL;
  product->add_stride = p->residual ? stride_of (p->residual) : 0;
  return true;
}

static DvStatus
run_whole (DvStream *stream, const DvMatmul *p, const DvCudaProduct *product,
    const Parts *parts, uint8_t *workspace, DvError *error)
{
  DvCudaOperands operands = {.a = p->a->data,
      .w = p->w->packed,
      .bias = p->bias ? p->bias->data : NULL,
      .add = p->residual ? p->residual->data : NULL,
      .out = p->out->data,
      .scratch = workspace + parts->scratch};

  /* A bias is of the result's dtype to cuBLASLt. */
  if (p->bias && p->out->dtype == DV_BF16) {
    DvTensor row = DV_RESHAPE (p->bias, 1, p->bias->shape[0]);

    dv_cuda_dense_rows (
        dv_cuda_queue (stream), &row, 0, 1, DV_BF16, workspace + parts->bias);
    operands.bias = workspace + parts->bias;
  }
  return dv_cuda_product_run (stream, product, &operands, error);
}

/* sum = a w^T for some rows. */
static DvStatus
run_sums (DvStream *stream, const DvMatmul *p, const Parts *parts, int64_t row,
    int64_t rows, uint8_t *workspace, DvError *error)
{
  cudaStream_t queue = dv_cuda_queue (stream);
  float *sums = (float *)(workspace + parts->sums);
  bool copied = p->a->dtype != p->w->compute || !fits (p->a);
  DvCudaProduct product = product_of (p, rows, copied);
  DvCudaOperands operands = {
      .w = p->w->packed, .out = sums, .scratch = workspace + parts->scratch};

  product.out = DV_F32;
  product.out_stride = parts->sum_stride;
  if (!has_aligned_weight (p) || !dv_cuda_product_possible (stream, &product)) {
    dv_cuda_plain_product (queue, p, row, rows, sums, parts->sum_stride);
    return DV_OK;
  }
  if (copied)
    dv_cuda_dense_rows (
        queue, p->a, row, rows, p->w->compute, workspace + parts->operand);
  operands.a = copied ? workspace + parts->operand
                      : (const uint8_t *)p->a->data +
                            row * stride_of (p->a) *
                                (int64_t)dv_dtype_size (p->a->dtype);
  return dv_cuda_product_run (stream, &product, &operands, error);
}

DvStatus
dv_cuda_matmul (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvMatmul *p = args;
  Parts parts = cut (p);
  uint8_t *start =
      (uint8_t *)(((uintptr_t)workspace + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
  DvStatus status = DV_OK;
  DvCudaProduct product;

  if (whole_product (p, &product) &&
      dv_cuda_product_possible (stream, &product))
    status = run_whole (stream, p, &product, &parts, start, error);
  else
    for (int64_t row = 0; row < parts.M && status == DV_OK; row += parts.rows) {
      int64_t rows = parts.M - row < parts.rows ? parts.M - row : parts.rows;

      status = run_sums (stream, p, &parts, row, rows, start, error);
      if (status == DV_OK)
        dv_cuda_finish_rows (dv_cuda_queue (stream), p, row, rows,
            (float *)(start + parts.sums), parts.sum_stride);
    }
  return status == DV_OK ? dv_cuda_launched ("matmul", error) : status;
}
