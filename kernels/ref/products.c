/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sums of products for the ref backend: rows of a left factor, which the
 * caller supplies piece by piece, with the rows of a weight.
 *
 * A sum over K is cut into blocks of 512, each summed in eight interleaved F32
 * lanes; the blocks' sums are added in order.  The rounding of a sum grows
 * with K / 4096 rather than with K.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

#define ROWS 8
#define COLUMNS 64
#define BLOCK 512
#define LANES 8

static float
dot (const float *a, const float *b, int64_t n)
{
  float lane[LANES] = {0};
  int64_t i = 0;

  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++)
      lane[j] += a[i + j] * b[i + j];
  for (int j = 0; i < n; i++, j++)
    lane[j] += a[i] * b[i];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
         ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static void
round_to_bf16 (float *x, int64_t n)
{
  for (int64_t i = 0; i < n; i++)
    x[i] = dv_f32_from_bf16 (dv_bf16_from_f32 (x[i]));
}

/* Entries [k, k + n) of row @row, scaled where the weight has scales. */
static void
weight_row (
    const DvWeight *w, int64_t row, int64_t K, int64_t k, int64_t n, float *to)
{
  for (int64_t i = 0; i < n; i++)
    to[i] = dv_ref_get (&w->data, row * K + k + i);
  if (w->compute == DV_BF16 && w->data.dtype != DV_BF16)
    round_to_bf16 (to, n);
}

void
dv_ref_products (int64_t M, int64_t N, int64_t K, const DvWeight *w,
    DvRefFill fill, DvRefTake take, const void *user)
{
  float a[ROWS][BLOCK], b[BLOCK], sum[ROWS][COLUMNS];

  for (int64_t m0 = 0; m0 < M; m0 += ROWS) {
    int64_t rows = M - m0 < ROWS ? M - m0 : ROWS;

    for (int64_t n0 = 0; n0 < N; n0 += COLUMNS) {
      int64_t columns = N - n0 < COLUMNS ? N - n0 : COLUMNS;

      for (int64_t m = 0; m < rows; m++)
        for (int64_t n = 0; n < columns; n++)
          sum[m][n] = 0;
      for (int64_t k = 0; k < K; k += BLOCK) {
        int64_t part = K - k < BLOCK ? K - k : BLOCK;

        for (int64_t m = 0; m < rows; m++) {
          fill (user, m0 + m, k, part, a[m]);
          if (w->compute == DV_BF16)
            round_to_bf16 (a[m], part);
        }
        for (int64_t n = 0; n < columns; n++) {
          weight_row (w, n0 + n, K, k, part, b);
          for (int64_t m = 0; m < rows; m++)
            sum[m][n] += dot (a[m], b, part);
        }
      }
      for (int64_t m = 0; m < rows; m++)
        for (int64_t n = 0; n < columns; n++)
          take (user, m0 + m, n0 + n, sum[m][n]);
    }
  }
}
