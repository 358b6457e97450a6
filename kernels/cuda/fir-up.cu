/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Resampling along one axis on a GPU: ops.h, DvFirUp.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256

struct FirUp {
  DvView out, x;
  const float *filter;
  int64_t taps;
  int factor, pad, cut;
};

/* Eight channels of a step. */
DV_KERNEL
DV_BOUNDS (THREADS) fir_up (FirUp p, int64_t chunks, int64_t count)
{
  int64_t T = p.x.shape[0], padded = T + 2 * (int64_t)p.pad;

  for (int64_t item = dv_thread (); item < count; item += dv_threads ()) {
    int64_t o = item, c = DV_CHUNK * dv_split (&o, chunks);
    int64_t left = p.x.shape[1] - c, at = o + p.cut, last = at / p.factor;
    float sum[DV_CHUNK] = {};

    if (last > padded - 1)
      last = padded - 1;
    for (int64_t i = last; i >= 0 && at - i * p.factor < p.taps; i--) {
      int64_t t = i - p.pad < 0 ? 0 : i - p.pad >= T ? T - 1 : i - p.pad;
      float weight = p.filter[at - i * p.factor], v[DV_CHUNK];

      dv_get8 (p.x, t * p.x.stride[0] + c, left, v);
      for (int j = 0; j < DV_CHUNK; j++)
        sum[j] += v[j] * weight;
    }
    for (int j = 0; j < DV_CHUNK; j++)
      sum[j] *= (float)p.factor;
    dv_set8 (p.out, o * p.out.stride[0] + c, left, sum);
  }
}

DvStatus
dv_cuda_fir_up (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvFirUp *p = (const DvFirUp *)args;
  int64_t chunks = (p->x->shape[1] + DV_CHUNK - 1) / DV_CHUNK;
  int64_t count = p->out->shape[0] * chunks;
  FirUp fir = {};

  fir.out = dv_view (p->out);
  fir.x = dv_view (p->x);
  fir.filter = (const float *)p->filter->data;
  fir.taps = p->filter->shape[0];
  fir.factor = p->factor;
  fir.pad = p->pad;
  fir.cut = p->cut_lo;
  DV_LAUNCH (fir_up, dv_blocks (count, THREADS), THREADS, 0,
      dv_cuda_queue (stream), fir, chunks, count);
  return dv_cuda_launched ("resampling", error);
}
