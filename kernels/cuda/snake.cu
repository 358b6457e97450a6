/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The vocoder's anti-aliased activation on a GPU: ops.h, DvSnake.
 *
 * A block makes a tile of steps and channels: what the activation gives at
 * twice the rate stays in shared memory, from where the second filter reads
 * it twelve times.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define CHANNELS 32
#define ROWS 8
#define STEPS 64
#define TAPS 12
#define DOUBLED (2 * (STEPS - 1) + TAPS)

struct Snake {
  float *out;
  const float *x, *alpha, *beta, *up, *down;
  int64_t T, C, x_stride, out_stride;
};

DV_DEVICE int64_t
clamp (int64_t i, int64_t n)
{
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* Entry @n of snake (up2 (x)) of channel @c. */
DV_DEVICE float
doubled (const Snake &p, int64_t n, int64_t c, float alpha, float beta)
{
  float u = 0, wave;

  n = clamp (n, 2 * p.T);
  for (int64_t i = (n + 15 - (TAPS - 1) + 1) / 2; 2 * i <= n + 15; i++)
    u += p.x[clamp (i - 5, p.T) * p.x_stride + c] * p.up[n + 15 - 2 * i];
  u *= 2;
  wave = sinf (u * alpha);
  return u + wave * wave / beta;
}

DV_KERNEL
DV_BOUNDS (CHANNELS *ROWS) snake (Snake p, int64_t across, int64_t count)
{
  DV_SHARED (float, tile, [DOUBLED][CHANNELS]);

  for (int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    int64_t row = i, c = CHANNELS * dv_split (&row, across) + threadIdx.x;
    int64_t t0 = STEPS * row, steps = p.T - t0 < STEPS ? p.T - t0 : STEPS;

    if (c < p.C) {
      float alpha = expf (p.alpha[c]), beta = expf (p.beta[c]) + 1e-9f;

      for (int64_t n = threadIdx.y; n < 2 * (steps - 1) + TAPS; n += ROWS)
        tile[n][threadIdx.x] = doubled (p, 2 * t0 - 5 + n, c, alpha, beta);
    }
    __syncthreads ();
    for (int64_t t = threadIdx.y; c < p.C && t < steps; t += ROWS) {
      float sum = 0;

      for (int k = 0; k < TAPS; k++)
        sum += p.down[k] * tile[2 * t + k][threadIdx.x];
      p.out[(t0 + t) * p.out_stride + c] = sum;
    }
    __syncthreads ();
  }
}

DvStatus
dv_cuda_snake (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvSnake *p = (const DvSnake *)args;
  int64_t across = (p->x->shape[1] + CHANNELS - 1) / CHANNELS;
  int64_t count = (p->x->shape[0] + STEPS - 1) / STEPS * across;
  Snake s = {};

  s.out = (float *)p->out->data;
  s.x = (const float *)p->x->data;
  s.alpha = (const float *)p->alpha->data;
  s.beta = (const float *)p->beta->data;
  s.up = (const float *)p->up->data;
  s.down = (const float *)p->down->data;
  s.T = p->x->shape[0];
  s.C = p->x->shape[1];
  s.x_stride = p->x->stride[0];
  s.out_stride = p->out->stride[0];
  DV_LAUNCH (snake, dv_blocks (count, 1), dim3 (CHANNELS, ROWS), 0,
      dv_cuda_queue (stream), s, across, count);
  return dv_cuda_launched ("snake", error);
}
