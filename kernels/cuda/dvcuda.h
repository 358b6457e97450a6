/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the CUDA backend share.  Host code is C (*.c); kernels are
 * CUDA C++ (*.cu), a family of ops a file, kernels first, the entry of the
 * table last.  An entry checks nothing that kernels/arguments.c has checked,
 * launches on the stream's queue, and never waits.
 *
 * Tensors' data are device addresses, indices too; strides are free as ops.h
 * says.  Results are bit-equal from run to run: no floating-point atomics, no
 * sum whose order depends on scheduling.
 *
 * Threads: as device.h says of streams.
 */
#ifndef DV_DVCUDA_H
#define DV_DVCUDA_H

#ifdef __cplusplus
extern "C" {
#endif

#include "../ops.h"

#include <cuda_runtime_api.h>

/* The queue on which a stream's ops run, in order. */
cudaStream_t dv_cuda_queue (const DvStream *stream);

/* Called after the launches of an op: whether they were taken. */
DvStatus dv_cuda_launched (const char *op, DvError *error);

/* A picture of bytes, or a plane of one, on the device and on its way. */
typedef struct {
  uint8_t *to; /* NULL: it is not wanted */
  const uint8_t *from;
  int64_t to_stride, from_stride, width, height; /* bytes a row; rows */
} DvCudaSurface;

#define DV_CUDA_SLOTS 2
/* What is launched from here on may write @bytes at *@slot, one of the
 * DV_CUDA_SLOTS that stand in @workspace, which is kept (DvOps). */
DvStatus dv_cuda_copy_out_begin (DvStream *stream, void *workspace,
    size_t bytes, uint8_t **slot, DvError *error);
/* What was launched since then has made the surfaces: they are copied to the
 * host beside what is launched next. */
DvStatus dv_cuda_copy_out_end (DvStream *stream, const DvCudaSurface *surfaces,
    int n_surfaces, DvError *error);

/* The table's entries: DvOpFunc. */
DvStatus dv_cuda_matmul (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_attention (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_norm (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_qk_norm (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_conv (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_conv_up1 (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_shuffle (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_group_norm (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_map (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_gather (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_spread (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_euler (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_noise (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_snake (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_fir_up (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_pixels (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_guide (DvStream *, const void *, void *, DvError *);
DvStatus dv_cuda_merge (DvStream *, const void *, void *, DvError *);

/* Bytes of workspace, where an op wants some: the table's workspace() asks, and
 * kept() for those of pixels. */
size_t dv_cuda_matmul_workspace (const DvDevice *, const DvMatmul *);
size_t dv_cuda_attention_workspace (const DvDevice *, const DvAttention *);
size_t dv_cuda_conv_workspace (const DvDevice *, const DvConv *);
size_t dv_cuda_conv_up1_workspace (const DvDevice *, const DvConvUp1 *);
size_t dv_cuda_group_norm_workspace (const DvDevice *, const DvGroupNorm *);
size_t dv_cuda_spread_workspace (const DvDevice *, const DvSpread *);
size_t dv_cuda_guide_workspace (const DvDevice *, const DvGuide *);
size_t dv_cuda_merge_workspace (const DvDevice *, const DvMerge *);
size_t dv_cuda_pixels_kept (const DvDevice *, const DvPixels *);

/* How weights stand in device memory (weights.c prepares them so):
 *  - MATMUL: w->packed is [N, K] dense, in w->compute.
 *  - CONV: w->packed is [Co, kt, ky, kx, Ci'] dense, in w->compute, Ci' = Ci
 *    rounded up to a multiple of 8, the rest zeros.
 *  - CONV_UP1: w->packed is [k, Co, Ci'] dense, in w->compute, likewise.
 *  - TABLE: w->data is [V, C] on the device, as in the file.
 *  - PLAIN: w->data is on the device, F32 or integral. */

#ifdef __cplusplus
}
#endif

#endif
