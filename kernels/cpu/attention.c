/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's attention: ops.h, DvAttention, by blocks of queries and
 * keys.  A block's scores replace the ones before; the largest score and the
 * sums so far go along (Milakov and Gimelshein, "Online normalizer calculation
 * for softmax", 2018; Dao and others, "FlashAttention", 2022).
 *
 * Keys and values are first packed as panels, as many heads at a time as fit
 * in BATCH_BYTES; then every block of queries of these heads is a tile.
 *
 * Threads: see cpu.h.
 */
#include "epilogue.h"
#include "gemm.h"

#define QUERIES 48
#define KEYS GEMM_DEPTH
#define BATCH_BYTES ((size_t)32 << 20)

typedef struct {
  const DvAttention *p;
  bool bf16;
  int64_t M, S, H, G, d, share;
  int64_t key_words, value_panels, value_words;
  int64_t heads, first; /* of this batch */
  uint32_t *packed;     /* a head: keys, then values */
  uint8_t *scratch;     /* a thread's: Q, scores, O */
} Attention;

static Attention
described (const DvAttention *p)
{
  Attention a = {.p = p,
      .bf16 = GEMM_BF16 && p->q->dtype == DV_BF16 && p->k->dtype == DV_BF16 &&
              p->v->dtype == DV_BF16,
      .M = p->q->shape[0],
      .H = p->q->shape[1],
      .d = p->q->shape[2],
      .S = p->k->shape[0],
      .G = p->k->shape[1]};

  a.share = a.H / a.G;
  a.key_words = gemm_words (a.d, a.bf16);
  a.value_words = gemm_words (a.S, a.bf16);
  a.value_panels = (a.d + GEMM_COLUMNS - 1) / GEMM_COLUMNS;
  return a;
}

/* Words of a head's packed keys, and of its packed values. */
static int64_t
keys_size (const Attention *a)
{
  return (a->S + GEMM_COLUMNS - 1) / GEMM_COLUMNS * GEMM_COLUMNS * a->key_words;
}

static int64_t
values_size (const Attention *a)
{
  return a->value_panels * GEMM_COLUMNS * a->value_words;
}

static int64_t
batch_heads (const Attention *a)
{
  size_t head = (size_t)(keys_size (a) + values_size (a)) * 4;
  int64_t n = head ? (int64_t)(BATCH_BYTES / head) : a->G;

  return n < 1 ? 1 : n > a->G ? a->G : n;
}

#define SCRATCH_FLOATS                                                         \
  (2 * QUERIES * GEMM_STRIDE + QUERIES * (DV_MAX_HEAD + GEMM_COLUMNS))

size_t
DV_CPU (attention_workspace) (const DvDevice *device, const DvAttention *args)
{
  Attention a = described (args);
  size_t packed =
      (size_t)((keys_size (&a) + values_size (&a)) * batch_heads (&a)) * 4;

  return (packed + 63) / 64 * 64 +
         (size_t)SCRATCH_FLOATS * 4 * (size_t)dv_pool_threads (device->pool);
}

/* ---- packing ---- */

/* Entry @i of a row as a float's or a BF16's bits. */
INLINE uint32_t
bits (const DvTensor *t, int64_t i, bool bf16)
{
  const uint16_t *half = t->data;

  if (bf16)
    return half[i];
  return t->dtype == DV_BF16 ? (uint32_t)half[i] << 16
                             : ((const uint32_t *)t->data)[i];
}

INLINE void
pack_key_panel (
    const Attention *a, int64_t g, int64_t key, uint32_t *to, const bool bf16)
{
  const DvTensor *k = a->p->k;
  int64_t n = a->S - key < GEMM_COLUMNS ? a->S - key : GEMM_COLUMNS;
  int64_t base = key * k->stride[0] + g * k->stride[1], row = k->stride[0];

  for (int64_t w = 0; w < a->key_words; w++, to += GEMM_COLUMNS) {
    int64_t c = bf16 ? 2 * w : w;
    bool second = bf16 && c + 1 < a->d;

    for (int64_t j = 0; j < n; j++) {
      uint32_t v = bits (k, base + j * row + c, bf16);

      to[j] = second ? v | bits (k, base + j * row + c + 1, bf16) << 16 : v;
    }
    for (int64_t j = n; j < GEMM_COLUMNS; j++)
      to[j] = 0;
  }
}

/* A weight of 0 would not hide values that are no number. */
INLINE bool
is_hidden (const Attention *a, int64_t key)
{
  const DvTensor *bias = a->p->bias;

  return bias && ((const float *)bias->data)[key] == -INFINITY;
}

/* Words [w, w + n) of all panels of values; those of hidden keys are 0. */
INLINE void
pack_values (const Attention *a, int64_t g, int64_t w, int64_t n, uint32_t *to,
    const bool bf16)
{
  const DvTensor *v = a->p->v;

  for (int64_t p = 0; p < a->value_panels; p++) {
    int64_t c0 = p * GEMM_COLUMNS;
    int64_t columns = a->d - c0 < GEMM_COLUMNS ? a->d - c0 : GEMM_COLUMNS;

    for (int64_t i = w; i < w + n; i++) {
      uint32_t *at = to + (p * a->value_words + i) * GEMM_COLUMNS;
      int64_t key = bf16 ? 2 * i : i;
      int64_t from = key * v->stride[0] + g * v->stride[1] + c0;
      bool first = !is_hidden (a, key);
      bool second = bf16 && key + 1 < a->S && !is_hidden (a, key + 1);

      for (int64_t j = 0; j < columns; j++)
        at[j] = first ? bits (v, from + j, bf16) : 0;
      if (second)
        for (int64_t j = 0; j < columns; j++)
          at[j] |= bits (v, from + v->stride[0] + j, bf16) << 16;
      for (int64_t j = columns; j < GEMM_COLUMNS; j++)
        at[j] = 0;
    }
  }
}

/* Packs KEYS keys and values of a head. */
static void
pack (void *user, int64_t tile, int thread)
{
  const Attention *a = user;
  int64_t blocks = (a->S + KEYS - 1) / KEYS, head = tile / blocks;
  int64_t key = tile % blocks * KEYS, g = a->first + head;
  int64_t end = key + KEYS < a->S ? key + KEYS : a->S;
  uint32_t *keys = a->packed + head * (keys_size (a) + values_size (a));
  uint32_t *values = keys + keys_size (a);
  int64_t per = gemm_per_word (a->bf16), w = key / per;

  for (int64_t i = key; i < end; i += GEMM_COLUMNS) {
    uint32_t *to = keys + i * a->key_words;

    if (a->bf16)
      pack_key_panel (a, g, i, to, true);
    else
      pack_key_panel (a, g, i, to, false);
  }
  if (a->bf16)
    pack_values (a, g, w, gemm_words (end - key, true), values, true);
  else
    pack_values (a, g, w, end - key, values, false);
}

/* ---- a block of queries ---- */

typedef struct {
  float top, sum; /* so far: the largest score, the sum of weights */
} Row;

/* Which keys query @i may see. */
static void
seen (const Attention *a, int64_t i, int64_t *from, int64_t *end)
{
  const DvAttention *p = a->p;

  *from = p->causal && p->window > 0 && i >= p->window ? i - p->window + 1 : 0;
  *end = p->causal && i + 1 < a->S ? i + 1 : a->S;
}

/* Takes scale and bias to scores [0, n), where a plain factor will not do. */
static void
prepare_scores (const DvAttention *p, float *s, int64_t n, int64_t key)
{
  const float *bias = p->bias ? (const float *)p->bias->data + key : NULL;

  for (int64_t j = 0; j < n; j += VL) {
    int64_t part = n - j < VL ? n - j : VL;
    vf v = vload_part (s + j, part) * p->scale;

    if (bias)
      v += vload_part (bias + j, part);
    vstore_part (s + j, v, part);
  }
}

/* Scores [from, end) become weights, the rest of @n, up to a whole vector, 0;
 * the weights are stored as the product wants them. Returns by what the sums
 * so far shrink. */
INLINE float
weigh (const Attention *a, Row *row, float *s, int64_t from, int64_t end,
    int64_t n, int64_t key, const bool bf16)
{
  int64_t whole = (n + VL - 1) / VL * VL;
  float before = row->top, best, factor = a->p->scale;
  vf top = vset (-INFINITY), sum = vset (0), scale, shift;

  if (a->p->bias || !(a->p->scale > 0)) {
    prepare_scores (a->p, s, n, key);
    factor = 1;
  }
  for (int64_t j = 0; j < from; j++)
    s[j] = -INFINITY;
  for (int64_t j = end; j < whole; j++)
    s[j] = -INFINITY;
  for (int64_t j = 0; j < whole; j += VL)
    top = vmax (vload (s + j), top);
  best = vmax_of (top) * factor;
  if (best > row->top)
    row->top = best;
  /* Where nothing is seen yet all weights are 2^-infinity, or NaN. */
  scale = vset (factor * 1.44269504f);
  shift = vset (row->top == -INFINITY ? 0 : row->top * 1.44269504f);
  for (int64_t j = 0; j < whole; j += VL) {
    vf x = vfma (vload (s + j), scale, -shift);
    vf weight = vless (x, vset (-126), vset (0), vexp2 (x));

    sum += weight;
    if (bf16)
      vstore_bf16 ((uint16_t *)s + j, weight);
    else
      vstore (s + j, weight);
  }
  best = before == row->top || before == -INFINITY
             ? 1
             : vexp (vset (before - row->top))[0];
  row->sum = row->sum * best + vsum (sum);
  return best;
}

/* One block of keys for one block of queries. */
static void
step (const Attention *a, Row *row, int64_t i0, int64_t rows, int64_t key,
    const uint32_t *keys, const uint32_t *values, const float *q, float *s,
    float *o)
{
  int64_t n = a->S - key < KEYS ? a->S - key : KEYS;
  int64_t words = gemm_words (n, a->bf16),
          stride = a->value_panels * GEMM_COLUMNS;

  for (int64_t j = 0; j < n; j += GEMM_COLUMNS)
    for (int64_t r = 0; r < rows; r += GEMM_ROWS)
      DV_CPU (gemm_tile)
  (rows - r < GEMM_ROWS ? rows - r : GEMM_ROWS, a->key_words,
      q + r * GEMM_STRIDE, keys + (key + j) * a->key_words,
      s + r * GEMM_STRIDE + j, GEMM_STRIDE, false, a->bf16);
  for (int64_t r = 0; r < rows; r++) {
    float *scores = s + r * GEMM_STRIDE, shrink;
    int64_t from, end;

    seen (a, i0 + r, &from, &end);
    from = from < key ? 0 : from - key < n ? from - key : n;
    end = end < key ? 0 : end - key < n ? end - key : n;
    from = from < end ? from : end;
    shrink = a->bf16 ? weigh (a, &row[r], scores, from, end, n, key, true)
                     : weigh (a, &row[r], scores, from, end, n, key, false);
    if (shrink != 1)
      for (int64_t c = 0; c < stride; c += VL)
        vstore (o + r * stride + c, vload (o + r * stride + c) * shrink);
  }
  for (int64_t p = 0; p < a->value_panels; p++)
    for (int64_t r = 0; r < rows; r += GEMM_ROWS)
      DV_CPU (gemm_tile)
  (rows - r < GEMM_ROWS ? rows - r : GEMM_ROWS, words, s + r * GEMM_STRIDE,
      values +
          (p * a->value_words + key / gemm_per_word (a->bf16)) * GEMM_COLUMNS,
      o + r * stride + p * GEMM_COLUMNS, stride, true, a->bf16);
}

static void
finish (const Attention *a, const Row *row, int64_t i, int64_t h, float *o)
{
  const DvAttention *p = a->p;
  float factor = row->sum == 0 ? 0 : 1 / row->sum;
  DvEpilogue e = {.out_bf16 = p->out->dtype == DV_BF16};

  if (p->gate) {
    float gate = ((const float *)p->gate->data)[i * p->gate->stride[0] + h];

    factor *= 2 / (1 + vexp (vset (-gate))[0]);
  }
  for (int64_t c = 0; c < a->value_panels * GEMM_COLUMNS; c += VL)
    vstore (o + c, vload (o + c) * factor);
  e.out = row_at (p->out, i * p->out->stride[0] + h * p->out->stride[1]);
  epilogue_row (&e, a->d, o);
}

static void
attend (void *user, int64_t tile, int thread)
{
  const Attention *a = user;
  const DvTensor *qt = a->p->q;
  int64_t blocks = (a->M + QUERIES - 1) / QUERIES;
  int64_t h = a->first * a->share + tile / blocks;
  int64_t i0 = tile % blocks * QUERIES, from, end, unused;
  int64_t rows = a->M - i0 < QUERIES ? a->M - i0 : QUERIES;
  const uint32_t *keys =
      a->packed + tile / blocks / a->share * (keys_size (a) + values_size (a));
  float *q = (float *)a->scratch + (int64_t)thread * SCRATCH_FLOATS;
  float *s = q + QUERIES * GEMM_STRIDE, *o = s + QUERIES * GEMM_STRIDE;
  Row row[QUERIES];

  for (int64_t r = 0; r < rows; r++) {
    uint16_t *to = (uint16_t *)(q + r * GEMM_STRIDE);

    row[r] = (Row){-INFINITY, 0};
    convert_row (to, a->bf16,
        row_at (qt, (i0 + r) * qt->stride[0] + h * qt->stride[1]),
        qt->dtype == DV_BF16, a->d, false);
    if (a->bf16 && a->d % 2)
      to[a->d] = 0;
  }
  memset (o, 0, (size_t)(rows * a->value_panels * GEMM_COLUMNS) * sizeof *o);
  seen (a, i0, &from, &unused);
  seen (a, i0 + rows - 1, &unused, &end);
  for (int64_t key = from / KEYS * KEYS; key < end; key += KEYS)
    step (a, row, i0, rows, key, keys, keys + keys_size (a), q, s, o);
  for (int64_t r = 0; r < rows; r++)
    finish (a, &row[r], i0 + r, h, o + r * a->value_panels * GEMM_COLUMNS);
}

DvStatus
DV_CPU (attention) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  Attention a = described (args);
  int64_t heads = batch_heads (&a);
  size_t packed = (size_t)((keys_size (&a) + values_size (&a)) * heads) * 4;
  DvPool *pool = stream->device->pool;

  a.packed = workspace;
  a.scratch = (uint8_t *)workspace + (packed + 63) / 64 * 64;
  for (a.first = 0; a.first < a.G; a.first += heads) {
    a.heads = a.G - a.first < heads ? a.G - a.first : heads;
    dv_pool_run (pool, a.heads * ((a.S + KEYS - 1) / KEYS), pack, &a);
    dv_pool_run (
        pool, a.heads * a.share * ((a.M + QUERIES - 1) / QUERIES), attend, &a);
  }
  return DV_OK;
}
