/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Matrix products on cuBLASLt, and which of its kernels takes each.
 *
 * Threads: any.
 */
#ifndef DV_CUDA_PRODUCTS_H
#define DV_CUDA_PRODUCTS_H

#include "context.h"

/* What addresses and strides, in bytes, must be multiples of. */
#define DV_CUDA_BLAS_ALIGN 16

/* out[M,N] = [out +] [gelu] (a[M,K] w[N,K]^T [+ bias]), @add: plus another of
 * out's dtype. Strides are of rows. Cleared before it is filled: it is
 * compared byte by byte. */
typedef struct {
  int64_t M, N, K;
  int64_t a_stride, out_stride, add_stride;
  DvDtype compute, out; /* of a and w, of the result */
  int bias, gelu, add;  /* whether */
} DvCudaProduct;

/* Its memory on the device; bias [N] of out's dtype; scratch of
 * DV_CUDA_BLAS_BYTES, 256-byte aligned. */
typedef struct {
  const void *a, *w, *bias, *add;
  void *out, *scratch;
} DvCudaOperands;

DvCudaProducts *dv_cuda_products_new (void);
void dv_cuda_products_free (DvCudaProducts *products);

/* Whether cuBLASLt has a kernel for it, found out once. */
bool dv_cuda_product_possible (DvStream *stream, const DvCudaProduct *product);
/* Queues it; it is possible. */
DvStatus dv_cuda_product_run (DvStream *stream, const DvCudaProduct *product,
    const DvCudaOperands *operands, DvError *error);

#endif
