/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's group norm: ops.h, DvGroupNorm.  A tile of cells yields a
 * mean and a sum of squares about it for each channel; these are joined in
 * order, in double (Chan, Golub and LeVeque, 1979), so that nothing depends on
 * which thread was first.
 *
 * Threads: see cpu.h.
 */
#include "epilogue.h"

/* Entries of a tile. */
#define TILE 65536

typedef struct {
  const DvGroupNorm *p;
  int64_t cells, rows, channels; /* rows: cells of a tile */
  float *partial;                /* [tiles, 2, channels]: mean, squares */
  float *mean, *factor;          /* [channels] */
} Group;

static Group
described (const DvGroupNorm *p)
{
  const int64_t *s = p->x->shape;
  Group g = {.p = p, .cells = s[0] * s[1] * s[2], .channels = s[3]};

  g.rows = g.channels < TILE ? TILE / g.channels : 1;
  return g;
}

static int64_t
tiles (const Group *g)
{
  return (g->cells + g->rows - 1) / g->rows;
}

size_t
DV_CPU (group_norm_workspace) (const DvGroupNorm *args)
{
  Group g = described (args);

  return (size_t)((tiles (&g) * 2 + 2) * g.channels) * sizeof (float);
}

static int64_t
cell_at (const DvTensor *t, int64_t i)
{
  int64_t H = t->shape[1], W = t->shape[2];

  return i / (H * W) * t->stride[0] + i / W % H * t->stride[1] +
         i % W * t->stride[2];
}

static void
measure (void *user, int64_t tile, int thread)
{
  const Group *g = user;
  const DvTensor *x = g->p->x;
  int64_t first = tile * g->rows;
  int64_t n = g->cells - first < g->rows ? g->cells - first : g->rows;
  bool bf16 = x->dtype == DV_BF16;
  float *mean = g->partial + tile * 2 * g->channels,
        *squares = mean + g->channels;

  for (int64_t c = 0; c < g->channels; c += VL) {
    int64_t part = g->channels - c < VL ? g->channels - c : VL;
    vf sum = vset (0), middle, square = vset (0);

    for (int64_t i = 0; i < n; i++)
      sum += vget (row_at (x, cell_at (x, first + i)), bf16, c, part);
    middle = sum / (float)n;
    for (int64_t i = 0; i < n; i++) {
      vf v = vget (row_at (x, cell_at (x, first + i)), bf16, c, part) - middle;

      square = vfma (v, v, square);
    }
    vstore_part (mean + c, middle, part);
    vstore_part (squares + c, square, part);
  }
}

/* Mean and factor of the channels [c0, c0 + n) of a group. */
static void
join (const Group *g, int64_t c0, int64_t n)
{
  double count = 0, mean = 0, squares = 0;
  float factor;

  for (int64_t tile = 0; tile < tiles (g); tile++) {
    const float *from = g->partial + tile * 2 * g->channels;
    int64_t left = g->cells - tile * g->rows;
    double here = (double)(left < g->rows ? left : g->rows);

    for (int64_t c = c0; c < c0 + n; c++) {
      double off = from[c] - mean, all = count + here;

      mean += off * here / all;
      squares += from[g->channels + c] + off * off * count * here / all;
      count = all;
    }
  }
  factor = (float)(1 / sqrt (squares / count + (double)g->p->eps));
  for (int64_t c = c0; c < c0 + n; c++) {
    g->mean[c] = (float)mean;
    g->factor[c] = factor;
  }
}

static void
apply (void *user, int64_t tile, int thread)
{
  const Group *g = user;
  const DvGroupNorm *p = g->p;
  int64_t i = tile * g->rows;
  int64_t end = i + g->rows < g->cells ? i + g->rows : g->cells;
  const float *weight = p->weight ? p->weight->data : NULL;
  const float *bias = p->bias ? p->bias->data : NULL;

  for (; i < end; i++) {
    const void *x = row_at (p->x, cell_at (p->x, i)), *residual = NULL;
    void *out = row_at (p->out, cell_at (p->out, i));

    if (p->residual)
      residual = row_at (p->residual, cell_at (p->residual, i));
    for (int64_t c = 0; c < g->channels; c += VL) {
      int64_t part = g->channels - c < VL ? g->channels - c : VL;
      vf v = vget (x, p->x->dtype == DV_BF16, c, part);

      v = (v - vload_part (g->mean + c, part)) *
          vload_part (g->factor + c, part);
      if (weight)
        v *= vload_part (weight + c, part);
      if (bias)
        v += vload_part (bias + c, part);
      if (residual)
        v += vget (residual, p->residual->dtype == DV_BF16, c, part);
      if (p->act == DV_ACT_SILU)
        v = vsilu (v);
      else if (p->act == DV_ACT_GELU)
        v = vgelu (v);
      vput (out, p->out->dtype == DV_BF16, c, v, part);
    }
  }
}

DvStatus
DV_CPU (group_norm) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  Group g = described (args);
  int64_t n = g.channels / g.p->groups;

  g.mean = workspace;
  g.factor = g.mean + g.channels;
  g.partial = g.factor + g.channels;
  dv_pool_run (stream->device->pool, tiles (&g), measure, &g);
  for (int64_t c = 0; c < g.channels; c += n)
    join (&g, c, n);
  dv_pool_run (stream->device->pool, tiles (&g), apply, &g);
  return DV_OK;
}
