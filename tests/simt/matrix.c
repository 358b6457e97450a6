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

/* The two factors' entries at a pair, multiplied and added. */
static float
pair (uint32_t x, uint32_t y)
{
  return dv_f32_from_bf16 ((uint16_t)x) * dv_f32_from_bf16 ((uint16_t)y) +
         dv_f32_from_bf16 ((uint16_t)(x >> 16)) *
             dv_f32_from_bf16 ((uint16_t)(y >> 16));
}

void
simt_mma (float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
  const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
  uint32_t all[SIMT_WARP][6];
  const int g = simt_lane () / 4, t = simt_lane () % 4;

  simt_warp_exchange (mine, sizeof mine, all, __FILE__, __LINE__);
  for (int i = 0; i < 4; i++)
    for (int column = 0; column < 2; column++) {
      const uint32_t *x = all[g * 4 + i];
      const uint32_t *y = all[(t * 2 + column) * 4 + i] + 4;

      d[column] += pair (x[0], y[0]) + pair (x[2], y[1]);
      d[2 + column] += pair (x[1], y[0]) + pair (x[3], y[1]);
    }
}

void
simt_ldmatrix (uint32_t r[4], const uint16_t *row, bool transposed)
{
  const uint16_t *rows[SIMT_WARP];
  const int g = simt_lane () / 4, t = simt_lane () % 4;

  simt_touch (row, 16, false, true);
  simt_warp_exchange (&row, sizeof row, rows, __FILE__, __LINE__);
  for (int i = 0; i < 4; i++)
    if (transposed)
      r[i] = rows[i * 8 + 2 * t][g] | (uint32_t)rows[i * 8 + 2 * t + 1][g]
                                          << 16;
    else
      r[i] = rows[i * 8 + g][2 * t] | (uint32_t)rows[i * 8 + g][2 * t + 1]
                                          << 16;
}
