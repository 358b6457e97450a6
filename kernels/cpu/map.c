/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's elementwise ops: ops.h, DvMap, DvGather and DvEuler.
 *
 * Threads: see cpu.h.
 */
#include "epilogue.h"

/* Entries of a tile, and of a piece of a long row. */
#define TILE 16384

/* ---- map ---- */

/* Dimensions that are one for every tensor are joined; the last is the row. */
typedef struct {
  const DvMap *p;
  int n_dims;
  int64_t shape[DV_MAX_DIMS];
  int64_t stride[3][DV_MAX_DIMS]; /* of out, x, y */
  int64_t pieces, rows, per_tile; /* of a row; of all; rows' pieces a tile */
} Map;

static bool
joins (const Map *m, int d, const DvTensor *const t[3], int i)
{
  for (int k = 0; k < 3; k++)
    if (t[k] && m->stride[k][d] != t[k]->stride[i] * t[k]->shape[i])
      return false;
  return true;
}

static Map
described (const DvMap *p)
{
  const DvTensor *const t[3] = {p->out, p->x, p->y};
  Map m = {.p = p, .rows = 1};
  int d = -1;

  for (int i = 0; i < p->x->n_dims; i++) {
    bool last = i == p->x->n_dims - 1;

    if (d >= 0 && joins (&m, d, t, i) && !(last && p->kind == DV_MAP_AFFINE) &&
        !(d == 0 && p->kind == DV_MAP_LERP)) {
      m.shape[d] *= p->x->shape[i];
    } else {
      d++;
      m.shape[d] = p->x->shape[i];
    }
    for (int k = 0; k < 3; k++)
      m.stride[k][d] = t[k] ? t[k]->stride[i] : 0;
  }
  m.n_dims = d + 1;
  for (int i = 0; i < d; i++)
    m.rows *= m.shape[i];
  m.pieces = (m.shape[d] + TILE - 1) / TILE;
  m.per_tile = m.shape[d] < TILE ? TILE / m.shape[d] : 1;
  return m;
}

/* @n <= VL entries from offset @at, @stride apart. */
INLINE vf
fetch (const DvTensor *t, int64_t at, int64_t stride, int64_t n)
{
  float v[VL] = {0};

  if (stride == 1)
    return vget (t->data, t->dtype == DV_BF16, at, n);
  for (int64_t i = 0; i < n; i++, at += stride)
    v[i] = t->dtype == DV_BF16
               ? dv_f32_from_bf16 (((const uint16_t *)t->data)[at])
               : ((const float *)t->data)[at];
  return vload (v);
}

INLINE void
store (const DvTensor *t, int64_t at, int64_t stride, vf v, int64_t n)
{
  if (stride == 1) {
    vput (t->data, t->dtype == DV_BF16, at, v, n);
    return;
  }
  for (int64_t i = 0; i < n; i++, at += stride)
    if (t->dtype == DV_BF16)
      ((uint16_t *)t->data)[at] = dv_bf16_from_f32 (v[i]);
    else
      ((float *)t->data)[at] = v[i];
}

/* By the library: rare, and best exact. */
INLINE vf
each (float (*function) (float), vf x)
{
  float v[VL];

  vstore (v, x);
  for (int i = 0; i < VL; i++)
    v[i] = function (v[i]);
  return vload (v);
}

/* One vector; @s and @b as DvMap has them. */
INLINE vf
apply (const DvMap *p, const DvMapKind kind, vf x, vf y, vf s, vf b)
{
  switch (kind) {
    case DV_MAP_SCALE:
      return x * p->p;
    case DV_MAP_GELU:
      return vgelu (x);
    case DV_MAP_SILU:
      return vsilu (x);
    case DV_MAP_LEAKY:
      return vless (x, vset (0), x * p->p, x);
    case DV_MAP_TANH:
      return each (tanhf, x);
    case DV_MAP_CLAMP:
      return vmin (vset (p->p), vmax (vset (-p->p), x));
    case DV_MAP_ADD:
      return x + y;
    case DV_MAP_AXPY:
      return x + p->p * y;
    case DV_MAP_MUL:
      return x * y;
    case DV_MAP_GELU_MUL:
      return vgelu (x) * y;
    case DV_MAP_FILL:
      return vset (p->p);
    case DV_MAP_MAGNITUDE:
      return each (sqrtf, x * x + y * y);
    case DV_MAP_LOG:
      return each (logf, vless (x, vset (p->p), vset (p->p), x));
    case DV_MAP_AFFINE:
      return x * s + b;
    case DV_MAP_LERP:
      return x * s + y * (1 - s);
    default:
      return x;
  }
}

INLINE void
row (const Map *m, const DvMapKind kind, int64_t outer, int64_t from,
    int64_t end, const int64_t at[3])
{
  const DvMap *p = m->p;
  int d = m->n_dims - 1;
  int64_t so = m->stride[0][d], sx = m->stride[1][d], sy = m->stride[2][d];
  vf y = vset (0), s = vset (0), b = vset (0);

  if (kind == DV_MAP_LERP && m->n_dims > 1)
    s = vset (((const float *)p->s->data)[outer]);
  for (int64_t i = from; i < end; i += VL) {
    int64_t n = end - i < VL ? end - i : VL;
    vf x = vset (0);

    if (kind != DV_MAP_FILL)
      x = fetch (p->x, at[1] + i * sx, sx, n);
    if (kind == DV_MAP_ADD || kind == DV_MAP_AXPY || kind == DV_MAP_MUL ||
        kind == DV_MAP_GELU_MUL || kind == DV_MAP_MAGNITUDE ||
        kind == DV_MAP_LERP)
      y = fetch (p->y, at[2] + i * sy, sy, n);
    if (kind == DV_MAP_LERP && m->n_dims == 1)
      s = vload_part ((const float *)p->s->data + i, n);
    if (kind == DV_MAP_AFFINE) {
      s = vload_part ((const float *)p->s->data + i, n);
      b = vload_part ((const float *)p->b->data + i, n);
    }
    store (p->out, at[0] + i * so, so, apply (p, kind, x, y, s, b), n);
  }
}

#define CASE(kind)                                                             \
  case kind:                                                                   \
    row (m, kind, outer, from, end, at);                                       \
    break;

static void
map_piece (const Map *m, int64_t piece)
{
  int d = m->n_dims - 1;
  int64_t i = piece / m->pieces, from = piece % m->pieces * TILE, outer = 0;
  int64_t end = from + TILE < m->shape[d] ? from + TILE : m->shape[d];
  int64_t at[3] = {0};

  for (int a = d - 1; a >= 0; a--) {
    outer = i % m->shape[a];
    i /= m->shape[a];
    for (int k = 0; k < 3; k++)
      at[k] += outer * m->stride[k][a];
  }
  switch (m->p->kind) {
    CASE (DV_MAP_COPY)
    CASE (DV_MAP_SCALE)
    CASE (DV_MAP_GELU)
    CASE (DV_MAP_SILU)
    CASE (DV_MAP_LEAKY)
    CASE (DV_MAP_TANH)
    CASE (DV_MAP_CLAMP)
    CASE (DV_MAP_ADD)
    CASE (DV_MAP_AXPY)
    CASE (DV_MAP_MUL)
    CASE (DV_MAP_GELU_MUL)
    CASE (DV_MAP_FILL)
    CASE (DV_MAP_MAGNITUDE)
    CASE (DV_MAP_LOG)
    CASE (DV_MAP_AFFINE)
    CASE (DV_MAP_LERP)
  }
}

static void
map_tile (void *user, int64_t tile, int thread)
{
  const Map *m = user;
  int64_t i = tile * m->per_tile, all = m->rows * m->pieces;
  int64_t end = i + m->per_tile < all ? i + m->per_tile : all;

  for (; i < end; i++)
    map_piece (m, i);
}

DvStatus
DV_CPU (map) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  Map m = described (args);

  dv_pool_run (stream->device->pool,
      (m.rows * m.pieces + m.per_tile - 1) / m.per_tile, map_tile, &m);
  return DV_OK;
}

/* ---- gather ---- */

static void
gather_row (void *user, int64_t m, int thread)
{
  const DvGather *p = user;
  int64_t id = ((const int32_t *)p->id->data)[m], C = p->out->shape[1];
  const void *from = row_at (p->table, id * p->table->stride[0]);
  void *to = row_at (p->out, m * p->out->stride[0]);

  for (int64_t c = 0; c < C; c += VL) {
    int64_t n = C - c < VL ? C - c : VL;

    vput (to, p->out->dtype == DV_BF16, c,
        vget (from, p->table->dtype == DV_BF16, c, n) * p->scale, n);
  }
}

DvStatus
DV_CPU (gather) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvGather *p = args;
  int64_t rows = p->table->shape[0];

  for (int64_t m = 0; m < p->out->shape[0]; m++) {
    int64_t id = ((const int32_t *)p->id->data)[m];

    if (id < 0 || id >= rows)
      return dv_fail (error, DV_ERROR_ARGUMENT, "gather",
          "row %lld of a table of %lld is asked for: the ids do not belong to "
          "this table",
          (long long)id, (long long)rows);
  }
  dv_pool_run (
      stream->device->pool, p->out->shape[0], gather_row, (void *)(uintptr_t)p);
  return DV_OK;
}

/* ---- the Euler step ---- */

static void
euler_row (void *user, int64_t m, int thread)
{
  const DvEuler *p = user;
  int64_t C = p->x->shape[1];
  float *x = (float *)p->x->data + m * p->x->stride[0];
  const void *velocity = row_at (p->velocity, m * p->velocity->stride[0]);
  const float *clean = NULL;
  float mask = 1;

  if (p->mask) {
    mask = ((const float *)p->mask->data)[m];
    clean = (const float *)p->clean->data + m * p->clean->stride[0];
  }
  for (int64_t c = 0; c < C; c += VL) {
    int64_t n = C - c < VL ? C - c : VL;
    vf v = vload_part (x + c, n), x0;

    x0 = v -
         mask * p->sigma * vget (velocity, p->velocity->dtype == DV_BF16, c, n);
    if (clean)
      x0 = x0 * mask + vload_part (clean + c, n) * (1 - mask);
    if (p->next == 0)
      v = x0;
    else
      v += (v - x0) / p->sigma * (p->next - p->sigma);
    vstore_part (x + c, v, n);
  }
}

DvStatus
DV_CPU (euler) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvEuler *p = args;

  dv_pool_run (
      stream->device->pool, p->x->shape[0], euler_row, (void *)(uintptr_t)p);
  return DV_OK;
}
