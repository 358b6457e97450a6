/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A step of flow matching on a GPU: ops.h, DvEuler.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256

struct Euler {
  DvView x, velocity, clean;
  const float *mask;
  int64_t mask_stride;
  float sigma, next;
};

DV_KERNEL
DV_BOUNDS (THREADS) euler (Euler p, int64_t chunks, int64_t count)
{
  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t m = i, c = DV_CHUNK * dv_split (&m, chunks);
    int64_t n = p.x.shape[1] - c;
    float x[DV_CHUNK], velocity[DV_CHUNK], clean[DV_CHUNK] = {};
    float mask = p.mask ? p.mask[m * p.mask_stride] : 1;

    dv_get8 (p.x, m * p.x.stride[0] + c, n, x);
    dv_get8 (p.velocity, m * p.velocity.stride[0] + c, n, velocity);
    if (p.mask)
      dv_get8 (p.clean, m * p.clean.stride[0] + c, n, clean);
    for (int j = 0; j < DV_CHUNK; j++) {
      float x0 = x[j] - mask * p.sigma * velocity[j];

      if (p.mask)
        x0 = x0 * mask + clean[j] * (1 - mask);
      if (p.next == 0)
        x[j] = x0;
      else
        x[j] += (x[j] - x0) / p.sigma * (p.next - p.sigma);
    }
    dv_set8 (p.x, m * p.x.stride[0] + c, n, x);
  }
}

DvStatus
dv_cuda_euler (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvEuler *p = (const DvEuler *)args;
  int64_t chunks = (p->x->shape[1] + DV_CHUNK - 1) / DV_CHUNK;
  int64_t count = p->x->shape[0] * chunks;
  Euler step = {};

  step.x = dv_view (p->x);
  step.velocity = dv_view (p->velocity);
  if (p->mask) {
    step.clean = dv_view (p->clean);
    step.mask = (const float *)p->mask->data;
    step.mask_stride = p->mask->stride[0];
  }
  step.sigma = p->sigma;
  step.next = p->next;
  DV_LAUNCH (euler, dv_blocks (count, THREADS), THREADS, 0,
      dv_cuda_queue (stream), step, chunks, count);
  return dv_cuda_launched ("Euler step", error);
}
