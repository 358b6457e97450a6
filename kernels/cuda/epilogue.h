/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a matrix product needs beside cuBLASLt: its operands as that wants
 * them, products that it does not take, and ends that it does not know.
 *
 * Threads: each queues on the stream given and returns; whether it was taken
 * is dv_cuda_launched()'s to say.
 */
#ifndef DV_CUDA_EPILOGUE_H
#define DV_CUDA_EPILOGUE_H

#include "dvcuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows [row, row + rows) of @from [M, C], F32 or BF16, dense at @to as @dtype.
 */
void dv_cuda_dense_rows (cudaStream_t queue, const DvTensor *from, int64_t row,
    int64_t rows, DvDtype dtype, void *to);

/* sum[rows, N] F32 = a w^T for rows [row, row + rows) of @p; @stride of sum's
 * rows. */
void dv_cuda_plain_product (cudaStream_t queue, const DvMatmul *p, int64_t row,
    int64_t rows, float *sum, int64_t stride);

/* out = residual + gate * act (sum + bias) for the same rows. */
void dv_cuda_finish_rows (cudaStream_t queue, const DvMatmul *p, int64_t row,
    int64_t rows, const float *sum, int64_t stride);

#ifdef __cplusplus
}
#endif

#endif
