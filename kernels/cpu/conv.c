/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's convolutions: ops.h, DvConv and DvConvUp1.  Each output
 * cell is a row of a matrix product whose left factor is the input under the
 * window, tap by tap, gathered block by block and never stored whole.
 *
 * A transposed convolution is one product for each phase of its stride: the
 * outputs of a phase see the same taps.
 *
 * Threads: see cpu.h.
 */
#include "epilogue.h"
#include "gemm.h"

typedef struct {
  const DvConv *p;
  bool bf16, merged;
  int64_t stride[3], dilation[3];
  int64_t channels, kx, ky; /* of a tap; taps of a row and rows of taps */
} Conv;

/* Which cell of an axis of @n stands at @i, or -1 for a zero. */
INLINE int64_t
source (int64_t i, int64_t n, DvPad mode)
{
  if (i >= 0 && i < n)
    return i;
  if (mode == DV_PAD_ZERO)
    return -1;
  if (mode == DV_PAD_EDGE)
    return i < 0 ? 0 : n - 1;
  return i < 0 ? -i : 2 * (n - 1) - i;
}

static void
put (const Conv *c, const DvTensor *x, int64_t at, int64_t n, uint8_t *to,
    bool round)
{
  if (at < 0)
    memset (to, 0, (size_t)n * (c->bf16 ? 2 : 4));
  else
    convert_row (to, c->bf16, row_at (x, at), x->dtype == DV_BF16, n, round);
}

/* Where a sum stands: which tap of time, rows and columns, and how many of its
 * channels are behind. */
typedef struct {
  int64_t it, iy, ix, skip;
} Tap;

/* @n entries from @tap on, of the window whose corner is (@t, @y, @x0). */
INLINE void
fill_row (const Conv *c, int64_t t, int64_t y, int64_t x0, Tap tap, int64_t n,
    void *to)
{
  const DvConv *p = c->p;
  const DvTensor *x = p->x;
  const bool round = p->w->compute == DV_BF16;
  uint8_t *at = to;

  while (n > 0) {
    int64_t st =
        source (t + tap.it * c->dilation[0], x->shape[0], p->pad_mode[0]);
    int64_t sy =
        source (y + tap.iy * c->dilation[1], x->shape[1], p->pad_mode[1]);
    int64_t base =
        st < 0 || sy < 0 ? -1 : st * x->stride[0] + sy * x->stride[1];

    if (c->merged && x0 >= 0 && x0 + c->kx <= x->shape[2]) {
      /* The rest of a row of taps is one piece of memory. */
      int64_t part = (c->kx - tap.ix) * c->channels - tap.skip;

      part = part < n ? part : n;
      put (c, x, base < 0 ? -1 : base + (x0 + tap.ix) * c->channels + tap.skip,
          part, at, round);
      at += part * (c->bf16 ? 2 : 4);
      n -= part;
    } else {
      for (; tap.ix < c->kx && n > 0; tap.ix++) {
        int64_t sx =
            source (x0 + tap.ix * c->dilation[2], x->shape[2], p->pad_mode[2]);
        int64_t part = c->channels - tap.skip < n ? c->channels - tap.skip : n;

        put (c, x,
            base < 0 || sx < 0 ? -1 : base + sx * x->stride[2] + tap.skip, part,
            at, round);
        at += part * (c->bf16 ? 2 : 4);
        n -= part;
        tap.skip = 0;
      }
    }
    tap.skip = tap.ix = 0;
    if (++tap.iy == c->ky) {
      tap.iy = 0;
      tap.it++;
    }
  }
  if (c->bf16 && (at - (uint8_t *)to) % 4)
    *(uint16_t *)at = 0;
}

/* k counts taps (time, row, column) outside and channels inside. What rows
 * have in common is worked out once. */
static void
fill (
    const void *user, int64_t row, int64_t rows, int64_t k, int64_t n, void *to)
{
  const Conv *c = user;
  const DvConv *p = c->p;
  const int64_t H = p->out->shape[1], W = p->out->shape[2];
  int64_t t = row / (H * W), y = row / W % H, x = row % W;
  int64_t tap = k / c->channels;
  Tap first = {.it = tap / (c->kx * c->ky),
      .iy = tap / c->kx % c->ky,
      .ix = tap % c->kx,
      .skip = k - tap * c->channels};

  for (int64_t r = 0; r < rows; r++) {
    fill_row (c, t * c->stride[0] - p->pad_lo[0],
        y * c->stride[1] - p->pad_lo[1], x * c->stride[2] - p->pad_lo[2], first,
        n, (uint32_t *)to + r * GEMM_STRIDE);
    if (++x < W)
      continue;
    x = 0;
    if (++y == H) {
      y = 0;
      t++;
    }
  }
}

static void
take (
    const void *user, int64_t row, int64_t column, int64_t n, const float *sum)
{
  const DvConv *p = ((const Conv *)user)->p;
  int64_t H = p->out->shape[1], W = p->out->shape[2];
  int64_t t = row / (H * W), y = row / W % H, x = row % W;
  DvEpilogue e = {.act = p->act, .out_bf16 = p->out->dtype == DV_BF16};

  e.out = row_at (p->out, t * p->out->stride[0] + y * p->out->stride[1] +
                              x * p->out->stride[2] + column);
  if (p->bias)
    e.bias = (const float *)p->bias->data + column;
  if (p->residual) {
    const DvTensor *r = p->residual;

    e.residual = row_at (
        r, t * r->stride[0] + y * r->stride[1] + x * r->stride[2] + column);
    e.residual_bf16 = r->dtype == DV_BF16;
  }
  epilogue_row (&e, n, sum);
}

DvStatus
DV_CPU (conv) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvConv *p = args;
  const int64_t *o = p->out->shape, *w = p->w->shape;
  Conv conv = {.p = p,
      .bf16 = GEMM_BF16 && p->w->compute == DV_BF16,
      .channels = w[1],
      .ky = w[3],
      .kx = w[4]};
  DvGemm gemm = {.M = o[0] * o[1] * o[2],
      .N = o[3],
      .K = w[1] * w[2] * w[3] * w[4],
      .packed = p->w->packed,
      .bf16 = conv.bf16,
      .fill = fill,
      .take = take,
      .user = &conv};

  for (int a = 0; a < 3; a++) {
    conv.stride[a] = p->stride[a] ? p->stride[a] : 1;
    conv.dilation[a] = p->dilation[a] ? p->dilation[a] : 1;
  }
  gemm.panel = gemm_words (gemm.K, conv.bf16);
  conv.merged = conv.dilation[2] == 1 && p->x->stride[2] == w[1];
  DV_CPU (gemm) (stream->device->pool, &gemm, workspace);
  return DV_OK;
}

/* ---- transposed ---- */

typedef struct {
  const DvConvUp1 *p;
  bool bf16;
  int64_t channels; /* of a tap, whole words */
  int64_t first;    /* output of row 0; later ones are a stride apart */
} Up;

static void
up_fill_row (const Up *u, int64_t row, int64_t k, int64_t n, void *to)
{
  const DvTensor *x = u->p->x;
  int64_t t = (u->first + row * u->p->stride + u->p->pad) / u->p->stride;
  size_t size = u->bf16 ? 2 : 4;
  uint8_t *at = to;

  /* The j-th tap of a phase sees the input j steps back. */
  for (int64_t j = k / u->channels, skip = k % u->channels; n > 0; j++) {
    int64_t part = u->channels - skip < n ? u->channels - skip : n;
    int64_t real = x->shape[1] - skip < part ? x->shape[1] - skip : part;

    if (t - j < 0 || t - j >= x->shape[0])
      real = 0;
    else
      convert_row (at, u->bf16, row_at (x, (t - j) * x->stride[0] + skip),
          x->dtype == DV_BF16, real, u->p->w->compute == DV_BF16);
    memset (at + (size_t)real * size, 0, (size_t)(part - real) * size);
    at += (size_t)part * size;
    n -= part;
    skip = 0;
  }
}

static void
up_fill (
    const void *user, int64_t row, int64_t rows, int64_t k, int64_t n, void *to)
{
  for (int64_t r = 0; r < rows; r++)
    up_fill_row (user, row + r, k, n, (uint32_t *)to + r * GEMM_STRIDE);
}

static void
up_take (
    const void *user, int64_t row, int64_t column, int64_t n, const float *sum)
{
  const Up *u = user;
  const DvTensor *out = u->p->out;
  DvEpilogue e = {.out_bf16 = out->dtype == DV_BF16};

  e.out =
      row_at (out, (u->first + row * u->p->stride) * out->stride[0] + column);
  if (u->p->bias)
    e.bias = (const float *)u->p->bias->data + column;
  epilogue_row (&e, n, sum);
}

DvStatus
DV_CPU (conv_up1) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvConvUp1 *p = args;
  int64_t T = p->out->shape[0], k = p->w->shape[2], stride = p->stride;
  bool bf16 = GEMM_BF16 && p->w->compute == DV_BF16;
  int64_t run = gemm_words (p->w->shape[0], bf16);

  for (int64_t phase = 0; phase < stride; phase++) {
    /* Outputs o with (o + pad) % stride == phase. */
    int64_t first = (phase - p->pad % stride + stride) % stride;
    Up up = {.p = p,
        .bf16 = bf16,
        .channels = run * gemm_per_word (bf16),
        .first = first};
    DvGemm gemm = {.M = first < T ? (T - first + stride - 1) / stride : 0,
        .N = p->w->shape[1],
        .K = (phase < k ? (k - phase + stride - 1) / stride : 0) * up.channels,
        .packed = p->w->packed,
        .panel = k * run,
        .first = phase * run,
        .run = run,
        .hop = stride * run,
        .bf16 = bf16,
        .fill = up_fill,
        .take = up_take,
        .user = &up};

    DV_CPU (gemm) (stream->device->pool, &gemm, workspace);
  }
  return DV_OK;
}
