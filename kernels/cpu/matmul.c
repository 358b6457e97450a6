/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's matrix product: ops.h, DvMatmul.
 *
 * Threads: see cpu.h.
 */
#include "epilogue.h"
#include "gemm.h"

static void
fill (
    const void *user, int64_t row, int64_t rows, int64_t k, int64_t n, void *to)
{
  const DvMatmul *p = user;
  bool bf16 = GEMM_BF16 && p->w->compute == DV_BF16;
  const DvTensor *a = p->a;

  for (int64_t r = 0; r < rows; r++) {
    uint32_t *at = (uint32_t *)to + r * GEMM_STRIDE;

    convert_row (at, bf16, row_at (a, (row + r) * a->stride[0] + k),
        a->dtype == DV_BF16, n, p->w->compute == DV_BF16);
    if (bf16 && n % 2)
      ((uint16_t *)at)[n] = 0;
  }
}

static void
take (
    const void *user, int64_t row, int64_t column, int64_t n, const float *sum)
{
  const DvMatmul *p = user;
  DvEpilogue e = {.act = p->act, .out_bf16 = p->out->dtype == DV_BF16};

  e.out = row_at (p->out, row * p->out->stride[0] + column);
  if (p->bias)
    e.bias = (const float *)p->bias->data + column;
  if (p->gate.table) {
    int64_t d = p->gate.index ? ((const int32_t *)p->gate.index->data)[row] : 0;

    e.gate = (const float *)p->gate.table->data + d * p->gate.table->stride[0] +
             column;
  }
  if (p->residual) {
    e.residual = row_at (p->residual, row * p->residual->stride[0] + column);
    e.residual_bf16 = p->residual->dtype == DV_BF16;
  }
  epilogue_row (&e, n, sum);
}

DvStatus
DV_CPU (matmul) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvMatmul *p = args;
  DvGemm gemm = {.M = p->out->shape[0],
      .N = p->out->shape[1],
      .K = p->a->shape[1],
      .packed = p->w->packed,
      .panel =
          gemm_words (p->a->shape[1], GEMM_BF16 && p->w->compute == DV_BF16),
      .bf16 = GEMM_BF16 && p->w->compute == DV_BF16,
      .fill = fill,
      .take = take,
      .user = p};

  DV_CPU (gemm) (stream->device->pool, &gemm, workspace);
  return DV_OK;
}
