/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rows of a table on a GPU: ops.h, DvGather.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256

/* What no row stands for becomes NaN: a kernel cannot refuse. */
DV_KERNEL
DV_BOUNDS (THREADS)
gather (DvView out, DvView table, const int32_t *id, int64_t id_stride,
    float scale, int64_t chunks, int64_t count)
{
  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t m = i, c = DV_CHUNK * dv_split (&m, chunks);
    int64_t n = out.shape[1] - c, row = id[m * id_stride];
    float v[DV_CHUNK];

    if (row >= 0 && row < table.shape[0])
      dv_get8 (table, row * table.stride[0] + c, n, v);
    else
      for (int j = 0; j < DV_CHUNK; j++)
        v[j] = NAN;
    for (int j = 0; j < DV_CHUNK; j++)
      v[j] *= scale;
    dv_set8 (out, m * out.stride[0] + c, n, v);
  }
}

DvStatus
dv_cuda_gather (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvGather *p = (const DvGather *)args;
  int64_t chunks = (p->out->shape[1] + DV_CHUNK - 1) / DV_CHUNK;
  int64_t count = p->out->shape[0] * chunks;

  DV_LAUNCH (gather, dv_blocks (count, THREADS), THREADS, 0,
      dv_cuda_queue (stream), dv_view (p->out), dv_view (p->table),
      (const int32_t *)p->id->data, p->id->stride[0], p->scale, chunks, count);
  return dv_cuda_launched ("gather", error);
}
