/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One warp multiplies one tile, its fragments filled in each way there is.
 * See layouts.c.
 */
#include "../../kernels/cuda/mma.cuh"

#include "fragments.h"

DV_DEVICE uint32_t
two (const uint16_t *low, const uint16_t *high)
{
  return *low | (uint32_t)*high << 16;
}

DV_DEVICE void
put (float *d, int columns, const float (&sum)[4])
{
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;

  for (int e = 0; e < 4; e++)
    d[(g + e / 2 * 8) * columns + 2 * t + e % 2] = sum[e];
}

DV_KERNEL
by_hand (const uint16_t *a, const uint16_t *b, float *d)
{
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  float sum[4] = {1, 1, 1, 1};
  uint32_t x[4];

  for (int i = 0; i < 4; i++) {
    const uint16_t *at = a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;

    x[i] = two (at, at + 1);
  }
  b += 2 * t * 8 + g;
  dv_mma (sum, x, two (b, b + 8), two (b + 64, b + 72));
  put (d, 8, sum);
}

/* Both tiles come to shared memory, rows 48 bytes apart, by copies of which
 * each lane makes two. */
template <bool TRANSPOSED>
DV_KERNEL
loaded (const uint16_t *a, const uint16_t *b, float *d, int valid)
{
  DV_SHARED (uint16_t, tiles, [2][16][24]);
  const int lane = threadIdx.x, row = lane / 2, column = lane % 2 * 8;
  const int left = valid - column;
  float sum[2][4] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
  uint32_t x[4], y[4];

  dv_copy16 (&tiles[0][row][column], a + row * 16 + column,
      left < 0   ? 0
      : left < 8 ? left * 2
                 : 16);
  dv_copy_commit ();
  dv_copy16 (&tiles[1][row][column], b + row * 16 + column, 16);
  dv_copy_commit ();
  dv_copy_wait<1> ();
  __syncwarp ();
  dv_ldmatrix (x, &tiles[0][lane % 16][lane / 16 * 8]);
  dv_copy_wait<0> ();
  __syncwarp ();
  if (TRANSPOSED)
    dv_ldmatrix_transposed (y, &tiles[1][lane % 16][lane / 16 * 8]);
  else
    dv_ldmatrix (y, &tiles[1][lane / 16 * 8 + lane % 8][lane / 8 % 2 * 8]);
  dv_mma (sum[0], x, y[0], y[1]);
  dv_mma (sum[1], x, y[2], y[3]);
  put (d, 16, sum[0]);
  put (d + 8, 16, sum[1]);
}

void
fragments (
    Fragments kind, const uint16_t *a, const uint16_t *b, float *d, int valid)
{
  switch (kind) {
    case FRAGMENTS_BY_HAND:
      DV_LAUNCH (by_hand, 1, 32, 0, NULL, a, b, d);
      break;
    case FRAGMENTS_LOADED:
      DV_LAUNCH (loaded<false>, 1, 32, 0, NULL, a, b, d, valid);
      break;
    case FRAGMENTS_TRANSPOSED:
      DV_LAUNCH (loaded<true>, 1, 32, 0, NULL, a, b, d, 16);
      break;
  }
}

DV_KERNEL
numbers (float low, float high, uint32_t *pair, float *power)
{
  if (threadIdx.x == 0) {
    *pair = dv_fragment (low, high);
    *power = dv_exp2 (low);
  }
}

void
fragments_numbers (float low, float high, uint32_t *pair, float *power)
{
  DV_LAUNCH (numbers, 1, 32, 0, NULL, low, high, pair, power);
}
