/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See gemm.h.
 *
 * Threads: see cpu.h.
 */
#include "gemm.h"

/* c += words of a times words of b, in each entry of the vectors. */
INLINE vf
multiply (vf c, const uint32_t *a, vf b, bool bf16)
{
#if GEMM_BF16
  if (bf16)
    return _mm512_dpbf16_ps (
        c, (__m512bh)_mm512_set1_epi32 ((int)*a), (__m512bh)b);
#endif
  float x;

  memcpy (&x, a, sizeof x);
  return vfma (vset (x), b, c);
}

/* The tile in registers; @rows and @bf16 are known where it is inlined. */
INLINE void
tile (const int rows, int64_t words, const uint32_t *a, const float *b,
    float *c, int64_t stride, bool add, const bool bf16)
{
  vf sum[GEMM_ROWS][2];

#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    sum[i][0] = add ? vload (c + i * stride) : vset (0);
    sum[i][1] = add ? vload (c + i * stride + VL) : vset (0);
  }
  for (int64_t k = 0; k < words; k++) {
    vf b0 = vload (b), b1 = vload (b + VL);

#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      sum[i][0] = multiply (sum[i][0], a + i * GEMM_STRIDE, b0, bf16);
      sum[i][1] = multiply (sum[i][1], a + i * GEMM_STRIDE, b1, bf16);
    }
    a++;
    b += GEMM_COLUMNS;
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    vstore (c + i * stride, sum[i][0]);
    vstore (c + i * stride + VL, sum[i][1]);
  }
}

INLINE void
tile_of (int64_t rows, int64_t words, const void *a, const void *panel,
    float *c, int64_t stride, bool add, const bool bf16)
{
  while (rows > 0) {
    int64_t n;

    if (rows >= GEMM_ROWS) {
      n = GEMM_ROWS;
      tile (GEMM_ROWS, words, a, panel, c, stride, add, bf16);
    } else if (rows >= GEMM_ROWS * 2 / 3) {
      n = GEMM_ROWS * 2 / 3;
      tile (GEMM_ROWS * 2 / 3, words, a, panel, c, stride, add, bf16);
    } else if (rows >= GEMM_ROWS / 3) {
      n = GEMM_ROWS / 3;
      tile (GEMM_ROWS / 3, words, a, panel, c, stride, add, bf16);
    } else {
      n = 1;
      tile (1, words, a, panel, c, stride, add, bf16);
    }
    rows -= n;
    a = (const uint32_t *)a + n * GEMM_STRIDE;
    c += n * stride;
  }
}

void
DV_CPU (gemm_tile) (int64_t rows, int64_t words, const void *a,
    const void *panel, float *c, int64_t stride, bool add, bool bf16)
{
  if (bf16)
    tile_of (rows, words, a, panel, c, stride, add, true);
  else
    tile_of (rows, words, a, panel, c, stride, add, false);
}

typedef struct {
  const DvGemm *gemm;
  uint8_t *workspace;
  int64_t row_blocks, block_columns;
} Work;

#define A_BYTES ((size_t)GEMM_BLOCK_ROWS * GEMM_STRIDE * 4)
#define C_BYTES ((size_t)GEMM_BLOCK_ROWS * GEMM_BLOCK_COLUMNS * 4)

size_t
DV_CPU (gemm_workspace) (const DvDevice *device)
{
  return (A_BYTES + C_BYTES) * (size_t)dv_pool_threads (device->pool);
}

/* Adds words [k, k + depth) of rows of @a times a panel to @c. */
static void
stripe (const DvGemm *g, int64_t rows, int64_t k, int64_t depth,
    const uint32_t *a, int64_t panel, float *c, int64_t stride)
{
  const uint32_t *b = (const uint32_t *)g->packed +
                      (panel * g->panel + g->first) * GEMM_COLUMNS;
  int64_t run = g->run ? g->run : INT64_MAX;

  while (depth > 0) {
    int64_t part = run - k % run < depth ? run - k % run : depth;
    const uint32_t *from = b + (k / run * g->hop + k % run) * GEMM_COLUMNS;

    for (int64_t r = 0; r < rows; r += GEMM_ROWS)
      DV_CPU (gemm_tile)
    (rows - r < GEMM_ROWS ? rows - r : GEMM_ROWS, part, a + r * GEMM_STRIDE,
        from, c + r * stride, stride, k > 0, g->bf16);
    a += part;
    k += part;
    depth -= part;
  }
}

/* One block of rows and columns. */
static void
block (void *user, int64_t i, int thread)
{
  const Work *work = user;
  const DvGemm *g = work->gemm;
  uint32_t *a =
      (uint32_t *)(work->workspace + (A_BYTES + C_BYTES) * (size_t)thread);
  float *c = (float *)((uint8_t *)a + A_BYTES);
  int64_t row0 = i % work->row_blocks * GEMM_BLOCK_ROWS;
  int64_t column0 = i / work->row_blocks * work->block_columns;
  int64_t rows = g->M - row0 < GEMM_BLOCK_ROWS ? g->M - row0 : GEMM_BLOCK_ROWS;
  int64_t columns = g->N - column0 < work->block_columns ? g->N - column0
                                                         : work->block_columns;
  int64_t panels = (columns + GEMM_COLUMNS - 1) / GEMM_COLUMNS;
  int64_t stride = panels * GEMM_COLUMNS, per = gemm_per_word (g->bf16);
  int64_t words = gemm_words (g->K, g->bf16);

  if (words == 0) /* a transposed convolution's stride may pass its taps */
    memset (c, 0, (size_t)(rows * stride) * sizeof *c);
  for (int64_t k = 0; k < words; k += GEMM_DEPTH) {
    int64_t depth = words - k < GEMM_DEPTH ? words - k : GEMM_DEPTH;
    int64_t entries =
        depth * per < g->K - k * per ? depth * per : g->K - k * per;

    g->fill (g->user, row0, rows, k * per, entries, a);
    for (int64_t p = 0; p < panels; p++)
      stripe (g, rows, k, depth, a, column0 / GEMM_COLUMNS + p,
          c + p * GEMM_COLUMNS, stride);
  }
  for (int64_t r = 0; r < rows; r++)
    g->take (g->user, row0 + r, column0, columns, c + r * stride);
}

void
DV_CPU (gemm) (DvPool *pool, const DvGemm *gemm, void *workspace)
{
  Work work = {.gemm = gemm,
      .workspace = workspace,
      .row_blocks = (gemm->M + GEMM_BLOCK_ROWS - 1) / GEMM_BLOCK_ROWS,
      .block_columns = GEMM_BLOCK_COLUMNS};
  int64_t column_blocks;

  if (gemm->M == 0)
    return;
  /* Enough tiles for any number of threads to share. */
  while (work.block_columns > GEMM_COLUMNS &&
         work.row_blocks *
                 ((gemm->N + work.block_columns - 1) / work.block_columns) <
             16)
    work.block_columns /= 2;
  column_blocks = (gemm->N + work.block_columns - 1) / work.block_columns;
  dv_pool_run (pool, work.row_blocks * column_blocks, block, &work);
}
