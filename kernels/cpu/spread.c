/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's normalisation of hidden states: ops.h, DvSpread. A layer
 * is a tile; its rows are summed in lanes of F32, then in double.
 *
 * Threads: see cpu.h.
 */
#include <math.h>

#include "../ref/ref.h"
#include "cpu.h"

#define LANES 16

typedef struct {
  float least[LANES], largest[LANES];
  double sum;
} Found;

static void
look (Found *found, const float *row, int64_t n)
{
  float sum[LANES] = {0};
  int64_t c = 0;

  for (; c + LANES <= n; c += LANES)
    for (int i = 0; i < LANES; i++) {
      float v = row[c + i];

      sum[i] += v;
      found->least[i] = v < found->least[i] ? v : found->least[i];
      found->largest[i] = v > found->largest[i] ? v : found->largest[i];
    }
  for (; c < n; c++) {
    sum[0] += row[c];
    found->least[0] = row[c] < found->least[0] ? row[c] : found->least[0];
    found->largest[0] = row[c] > found->largest[0] ? row[c] : found->largest[0];
  }
  for (int i = 0; i < LANES; i++)
    found->sum += (double)sum[i];
}

/* A row of any type, some of it at a time. */
static void
look_at_row (Found *found, const DvTensor *x, int64_t row, int64_t n)
{
  float some[512];

  if (x->dtype == DV_F32) {
    look (found, (const float *)x->data + row, n);
    return;
  }
  for (int64_t c = 0; c < n; c += 512) {
    int64_t count = n - c < 512 ? n - c : 512;

    for (int64_t i = 0; i < count; i++)
      some[i] = dv_f32_from_bf16 (((const uint16_t *)x->data)[row + c + i]);
    look (found, some, count);
  }
}

static void
spread_layer (void *user, int64_t l, int thread)
{
  const DvSpread *p = user;
  int64_t M = p->x->shape[1], C = p->x->shape[2];
  float least = INFINITY, largest = -INFINITY, s;
  Found found = {.sum = 0};

  for (int i = 0; i < LANES; i++) {
    found.least[i] = INFINITY;
    found.largest[i] = -INFINITY;
  }
  for (int64_t m = 0; m < M; m++)
    look_at_row (&found, p->x, l * p->x->stride[0] + m * p->x->stride[1], C);
  for (int i = 0; i < LANES; i++) {
    least = found.least[i] < least ? found.least[i] : least;
    largest = found.largest[i] > largest ? found.largest[i] : largest;
  }
  s = p->scale / (largest - least + p->eps);
  dv_ref_put (p->s, l * p->s->stride[0], s);
  dv_ref_put (p->b, l * p->b->stride[0],
      (float)(-s * (found.sum / ((double)(M * C) + (double)p->eps))));
}

DvStatus
DV_CPU (spread) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvSpread *p = args;
  DvSpread copy = *p;

  dv_pool_run (stream->device->pool, p->x->shape[0], spread_layer, &copy);
  return DV_OK;
}
