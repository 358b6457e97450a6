/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The matrix instruction and the load of its fragments for kernels on the
 * host: kernels/cuda/mma.cuh says what lane holds what.  Products and sums are
 * F32.
 *
 * Threads: those of a kernel.
 */
#include <string.h>

#include "run.h"
#include "../../kernels/tensor.h"

typedef struct {
  float *d;
  const uint32_t *a;
  uint32_t b[2];
} Product;

typedef struct {
  uint32_t *r;
  const uint16_t *row;
} Load;

static float
low (uint32_t pair)
{
  return dv_f32_from_bf16 ((uint16_t)pair);
}

static float
high (uint32_t pair)
{
  return dv_f32_from_bf16 ((uint16_t)(pair >> 16));
}

static void
multiply (void *const *all)
{
  float y[16][8]; /* [row, column] of the right factor */

  for (int lane = 0; lane < SIMT_WARP; lane++) {
    const Product *p = all[lane];
    const int g = lane / 4, t = lane % 4;

    for (int i = 0; i < 2; i++) {
      y[i * 8 + 2 * t][g] = low (p->b[i]);
      y[i * 8 + 2 * t + 1][g] = high (p->b[i]);
    }
  }
  for (int row = 0; row < 16; row++) {
    const int g = row % 8, half = row / 8;
    float sum[8];

    for (int t = 0; t < 4; t++)
      memcpy (sum + 2 * t, ((Product *)all[g * 4 + t])->d + 2 * half,
          2 * sizeof *sum);
    for (int t = 0; t < 4; t++) {
      const uint32_t *a = ((const Product *)all[g * 4 + t])->a + half;
      const float x[4] = {low (a[0]), high (a[0]), low (a[2]), high (a[2])};

      for (int c = 0; c < 8; c++)
        sum[c] += (x[0] * y[2 * t][c] + x[1] * y[2 * t + 1][c]) +
                  (x[2] * y[2 * t + 8][c] + x[3] * y[2 * t + 9][c]);
    }
    for (int t = 0; t < 4; t++)
      memcpy (((Product *)all[g * 4 + t])->d + 2 * half, sum + 2 * t,
          2 * sizeof *sum);
  }
}

void
simt_mma (float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
  Product mine = {d, a, {b0, b1}};

  simt_warp_together (&mine, multiply, __FILE__, __LINE__);
}

static void
load (void *const *all)
{
  for (int lane = 0; lane < SIMT_WARP; lane++)
    for (int i = 0; i < 4; i++)
      memcpy (((const Load *)all[lane])->r + i,
          ((const Load *)all[i * 8 + lane / 4])->row + lane % 4 * 2, 4);
}

static void
load_transposed (void *const *all)
{
  for (int lane = 0; lane < SIMT_WARP; lane++)
    for (int i = 0; i < 4; i++) {
      const int from = i * 8 + lane % 4 * 2;

      ((const Load *)all[lane])->r[i] =
          ((const Load *)all[from])->row[lane / 4] |
          (uint32_t)((const Load *)all[from + 1])->row[lane / 4] << 16;
    }
}

void
simt_ldmatrix (uint32_t r[4], const uint16_t *row, bool transposed)
{
  Load mine = {r, row};

  simt_touch (row, 16, false, true);
  if (transposed)
    simt_warp_together (&mine, load_transposed, __FILE__, __LINE__);
  else
    simt_warp_together (&mine, load, __FILE__, __LINE__);
}
