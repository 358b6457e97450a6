/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Matrix products from packed panels: the engine behind matmul, convolution
 * and attention.
 *
 * The right factor stands in panels of GEMM_COLUMNS columns: for each panel,
 * all of K, with the columns' entries side by side.  The left factor is copied
 * in blocks of rows and depth into rows of GEMM_STRIDE words, whence
 * GEMM_ROWS at a time are multiplied with a panel in registers.
 *
 * A word is an F32, or two BF16 of successive k, whose products are summed
 * into F32 by one instruction.  K counts words from here on.  Every sum runs
 * over k in order, from 0, in one F32: its value does not depend on how rows,
 * columns and depth are cut.
 *
 * Threads: see cpu.h.
 */
#ifndef DV_CPU_GEMM_H
#define DV_CPU_GEMM_H

#include "cpu.h"
#include "vec.h"

#if VL == 16
#define GEMM_ROWS 12
#else
#define GEMM_ROWS 6
#endif
#define GEMM_COLUMNS (2 * VL)
#define GEMM_DEPTH 256
/* Not a power of two, so that rows do not meet in the cache's sets. */
#define GEMM_STRIDE (GEMM_DEPTH + 16)
/* Rows and columns of a tile of work. */
#define GEMM_BLOCK_ROWS 192
#define GEMM_BLOCK_COLUMNS 512

/* This copy multiplies BF16 directly. */
#if defined(__AVX512BF16__)
#define GEMM_BF16 1
#else
#define GEMM_BF16 0
#endif

/* Entries of k in a word. */
INLINE int64_t
gemm_per_word (bool bf16)
{
  return bf16 ? 2 : 1;
}

INLINE int64_t
gemm_words (int64_t K, bool bf16)
{
  return bf16 ? (K + 1) / 2 : K;
}

/* Writes entries [k, k + n) of @rows rows from @row on to @to, GEMM_STRIDE
 * words a row, with zeros to the end of its last word: F32, or BF16 when the
 * product is. */
typedef void (*DvCpuFill) (const void *user, int64_t row, int64_t rows,
    int64_t k, int64_t n, void *to);
/* Takes @n finished sums of row @row, columns from @column. */
typedef void (*DvCpuTake) (
    const void *user, int64_t row, int64_t column, int64_t n, const float *sum);

typedef struct {
  int64_t M, N, K; /* K in entries */
  const void *packed;
  int64_t panel; /* words of a whole panel's depth */
  /* Of a panel, the words from @first on, @run at a time, @hop apart; run 0:
   * all in a row. */
  int64_t first, run, hop;
  bool bf16;
  DvCpuFill fill;
  DvCpuTake take;
  const void *user;
} DvGemm;

/* Computes and hands out all sums. @workspace: gemm_workspace() bytes. */
void DV_CPU (gemm) (DvPool *pool, const DvGemm *gemm, void *workspace);
size_t DV_CPU (gemm_workspace) (const DvDevice *device);

/* c[i,j] (stride @stride) = or += sum over @words of a (rows of GEMM_STRIDE
 * words) times a panel, for rows < GEMM_ROWS and the panel's columns. */
void DV_CPU (gemm_tile) (int64_t rows, int64_t words, const void *a,
    const void *panel, float *c, int64_t stride, bool add, bool bf16);

#endif
