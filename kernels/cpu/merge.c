/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's low-rank changes: ops.h, DvMerge.  A tile of the matrix
 * and of one change's products stay in the first cache, whatever the rank;
 * lanes are columns, so that no sum is in another order than ref's.
 *
 * Threads: see cpu.h.
 */
#include <string.h>

#include "../ref/ref.h"
#include "cpu.h"

#define ROWS 16
#define COLUMNS 128

typedef float Tile[ROWS][COLUMNS];

static void
read_row (const DvTensor *t, int64_t at, int64_t n, float *restrict to)
{
  const uint16_t *half = (const uint16_t *)t->data + at;

  switch (t->dtype) {
    case DV_F32:
      memcpy (to, (const float *)t->data + at, (size_t)n * sizeof *to);
      break;
    case DV_BF16:
      for (int64_t i = 0; i < n; i++)
        to[i] = dv_f32_from_bf16 (half[i]);
      break;
    default:
      for (int64_t i = 0; i < n; i++)
        to[i] = dv_f32_from_f16 (half[i]);
  }
}

static void
write_row (const DvTensor *t, int64_t at, int64_t n, const float *restrict from)
{
  if (t->dtype == DV_F32) {
    memcpy ((float *)t->data + at, from, (size_t)n * sizeof *from);
    return;
  }
  for (int64_t i = 0; i < n; i++)
    ((uint16_t *)t->data)[at + i] = dv_bf16_from_f32 (from[i]);
}

/* Columns that are not there are computed, and written nowhere. */
static void
add_change (const DvChange *change, int64_t n0, int64_t rows, int64_t k0,
    int64_t columns, Tile total)
{
  const DvTensor *b = change->b;
  float row[COLUMNS] = {0};
  Tile sum = {{0}};

  for (int64_t r = 0; r < b->shape[1]; r++) {
    read_row (change->a, r * change->a->stride[0] + k0, columns, row);
    for (int64_t n = 0; n < rows; n++) {
      float factor = dv_ref_get (b, (n0 + n) * b->stride[0] + r);

      for (int k = 0; k < COLUMNS; k++)
        sum[n][k] += factor * row[k];
    }
  }
  for (int64_t n = 0; n < rows; n++)
    for (int k = 0; k < COLUMNS; k++)
      total[n][k] += change->scale * sum[n][k];
}

static void
merge_tile (void *user, int64_t tile, int thread)
{
  const DvMerge *p = user;
  const int64_t N = p->out->shape[0], K = p->out->shape[1];
  const int64_t across = (K + COLUMNS - 1) / COLUMNS;
  const int64_t n0 = tile / across * ROWS, k0 = tile % across * COLUMNS;
  const int64_t rows = N - n0 < ROWS ? N - n0 : ROWS;
  const int64_t columns = K - k0 < COLUMNS ? K - k0 : COLUMNS;
  Tile total = {{0}};

  for (int64_t n = 0; n < rows; n++)
    read_row (p->x, (n0 + n) * p->x->stride[0] + k0, columns, total[n]);
  for (int i = 0; i < p->n_changes; i++)
    add_change (&p->changes[i], n0, rows, k0, columns, total);
  for (int64_t n = 0; n < rows; n++)
    write_row (p->out, (n0 + n) * p->out->stride[0] + k0, columns, total[n]);
}

DvStatus
DV_CPU (merge) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  DvMerge copy = *(const DvMerge *)args;
  int64_t down = (copy.out->shape[0] + ROWS - 1) / ROWS;
  int64_t across = (copy.out->shape[1] + COLUMNS - 1) / COLUMNS;

  dv_pool_run (stream->device->pool, down * across, merge_tile, &copy);
  return DV_OK;
}
