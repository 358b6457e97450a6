/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checks of ops' arguments, an op a function; ops.h says what they want.
 *
 * Threads: pure.
 */
#include "arguments.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device-private.h"

/* Sizes stay below this, so that sums and small multiples of them fit. */
#define LIMIT ((int64_t)1 << 40)

#define F32 (1u << DV_F32)
#define I32 (1u << DV_I32)
#define FLOAT (1u << DV_F32 | 1u << DV_BF16)
#define ANY_FLOAT (FLOAT | 1u << DV_F16)

/* One check: after the first complaint nothing more is looked at. */
typedef struct {
  DvOp op;
  DvStatus status;
  DvError *error;
} Check;

static void complain (Check *c, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

static void
complain (Check *c, const char *format, ...)
{
  char text[300];
  va_list args;

  if (c->status != DV_OK)
    return;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  c->status = dv_fail (c->error, DV_ERROR_ARGUMENT, dv_op_name (c->op),
      "%s: %s", dv_op_name (c->op), text);
}

/* "f32 or bf16 [3, any]" */
static void
wanted (
    unsigned dtypes, int n_dims, const int64_t *shape, char *text, size_t size)
{
  size_t at = 0;

  for (int i = 0; i < DV_N_DTYPES && at < size; i++)
    if (dtypes >> i & 1)
      at += (size_t)snprintf (text + at, size - at, "%s%s", at ? " or " : "",
          dv_dtype_name ((DvDtype)i));
  for (int i = 0; i < n_dims && at < size; i++)
    at += shape[i] < 0 ? (size_t)snprintf (
                             text + at, size - at, "%s", i ? ", any" : " [any")
                       : (size_t)snprintf (text + at, size - at, "%s%" PRId64,
                             i ? ", " : " [", shape[i]);
  if (at < size)
    snprintf (text + at, size - at, "]");
}

static bool
bounded (const DvTensor *t)
{
  int64_t count = 1;

  if (t->n_dims < 0 || t->n_dims > DV_MAX_DIMS)
    return false;
  for (int i = 0; i < t->n_dims; i++)
    if (t->shape[i] < 0 || t->shape[i] > LIMIT || t->stride[i] > LIMIT ||
        t->stride[i] < -LIMIT ||
        __builtin_mul_overflow (count, t->shape[i] ? t->shape[i] : 1, &count) ||
        count > LIMIT)
      return false;
  return true;
}

/* @shape: -1 for any size. @t NULL is complained about when @needed. */
static void
tensor (Check *c, const char *name, const DvTensor *t, bool needed,
    unsigned dtypes, int n_dims, const int64_t *shape)
{
  char is[96], must[96];
  bool fits;

  if (c->status != DV_OK || (!t && !needed))
    return;
  if (!t) {
    complain (c, "%s is missing", name);
    return;
  }
  if (!bounded (t)) {
    complain (
        c, "%s has a size or stride that is negative or beyond 2^40", name);
    return;
  }
  fits = t->n_dims == n_dims && dtypes >> t->dtype & 1;
  for (int i = 0; fits && i < n_dims; i++)
    fits = shape[i] < 0 || t->shape[i] == shape[i];
  dv_tensor_describe (t, is, sizeof is);
  if (!fits) {
    wanted (dtypes, n_dims, shape, must, sizeof must);
    complain (c, "%s is %s, it must be %s", name, is, must);
  } else if (t->shape[n_dims - 1] > 1 && t->stride[n_dims - 1] != 1) {
    complain (c,
        "%s, %s, has gaps in its last dimension: copy it to a dense one", name,
        is);
  }
}

#define SHAPE(...)                                                             \
  (int)(sizeof ((int64_t[]){__VA_ARGS__}) / sizeof (int64_t)), (int64_t[])     \
  {                                                                            \
    __VA_ARGS__                                                                \
  }

/* No element of an output may be written twice. */
static void
output (Check *c, const char *name, const DvTensor *t)
{
  for (int i = 0; c->status == DV_OK && i < t->n_dims; i++)
    if (t->shape[i] > 1 && t->stride[i] == 0)
      complain (
          c, "%s writes the same element again along dimension %d", name, i);
}

/* Sizes other than the output's must not be 0. */
static void
not_empty (Check *c, const char *name, const DvTensor *t)
{
  char is[96];

  if (c->status == DV_OK && t && dv_tensor_count (t) == 0)
    complain (
        c, "%s is empty, %s", name, dv_tensor_describe (t, is, sizeof is));
}

static bool
same_layout (const DvTensor *a, const DvTensor *b)
{
  if (a->dtype != b->dtype || !dv_tensor_same_shape (a, b))
    return false;
  for (int i = 0; i < a->n_dims; i++)
    if (a->shape[i] > 1 && a->stride[i] != b->stride[i])
      return false;
  return true;
}

/* Whether out may stand over @in: with @allowed, exactly. Views that
 * interleave in one memory are taken at their word. */
static void
apart (Check *c, const DvTensor *out, const char *name, const DvTensor *in,
    bool allowed)
{
  const uint8_t *a, *b;

  if (c->status != DV_OK || !in || !in->data || !out->data ||
      dv_tensor_count (in) == 0 || dv_tensor_count (out) == 0)
    return;
  if (in->data == out->data) {
    if (!allowed || !same_layout (out, in))
      complain (c, "out stands over %s%s", name,
          allowed ? " with another dtype, shape or stride" : "");
    return;
  }
  if (!dv_tensor_dense (in) || !dv_tensor_dense (out))
    return;
  a = out->data;
  b = in->data;
  if (a < b + dv_tensor_bytes (in) && b < a + dv_tensor_bytes (out))
    complain (c, "out overlaps %s", name);
}

static void
rows (Check *c, const char *name, const char *index_name, const DvRows *r,
    int64_t M, int64_t C)
{
  if (!r->table) {
    if (r->index)
      complain (c, "%s has an index and no table", name);
    return;
  }
  tensor (c, name, r->table, true, F32, SHAPE (-1, C));
  not_empty (c, name, r->table);
  tensor (c, index_name, r->index, false, I32, SHAPE (M));
}

static void
weight (Check *c, const DvWeight *w, DvUse use, int n_dims)
{
  int64_t count = 1;

  if (c->status != DV_OK)
    return;
  if (!w) {
    complain (c, "w is missing");
    return;
  }
  if (w->use != use || w->n_dims != n_dims)
    complain (
        c, "w was prepared for another use or has %d dimensions", w->n_dims);
  for (int i = 0; c->status == DV_OK && i < n_dims; i++)
    if (w->shape[i] < 1 || w->shape[i] > INT32_MAX ||
        __builtin_mul_overflow (count, w->shape[i], &count) || count > LIMIT)
      complain (
          c, "w has a size of %" PRId64 " in dimension %d", w->shape[i], i);
  if (w->compute != DV_F32 && w->compute != DV_BF16)
    complain (c, "w computes in %s, it must be f32 or bf16",
        dv_dtype_name (w->compute));
}

static void
activation (Check *c, DvAct act)
{
  if ((unsigned)act > DV_ACT_SILU)
    complain (c, "there is no activation %d", (int)act);
}

/* ---- the ops ---- */

static void
matmul (Check *c, const DvMatmul *p)
{
  int64_t M, N;

  weight (c, p->w, DV_USE_MATMUL, 2);
  tensor (
      c, "out", p->out, true, FLOAT, SHAPE (-1, p->w ? p->w->shape[0] : -1));
  if (c->status != DV_OK)
    return;
  M = p->out->shape[0];
  N = p->out->shape[1];
  tensor (c, "a", p->a, true, FLOAT, SHAPE (M, p->w->shape[1]));
  tensor (c, "bias", p->bias, false, F32, SHAPE (N));
  rows (c, "gate", "the gate's index", &p->gate, M, N);
  tensor (c, "residual", p->residual, false, FLOAT, SHAPE (M, N));
  activation (c, p->act);
  output (c, "out", p->out);
  apart (c, p->out, "a", p->a, false);
  apart (c, p->out, "residual", p->residual, true);
}

static void
attention (Check *c, const DvAttention *p)
{
  int64_t M, H, S, G, d;

  tensor (c, "q", p->q, true, FLOAT, SHAPE (-1, -1, -1));
  tensor (
      c, "k", p->k, true, FLOAT, SHAPE (-1, -1, p->q ? p->q->shape[2] : -1));
  if (c->status != DV_OK)
    return;
  M = p->q->shape[0];
  H = p->q->shape[1];
  d = p->q->shape[2];
  S = p->k->shape[0];
  G = p->k->shape[1];
  tensor (c, "v", p->v, true, FLOAT, SHAPE (S, G, d));
  tensor (c, "out", p->out, true, FLOAT, SHAPE (M, H, d));
  tensor (c, "bias", p->bias, false, F32, SHAPE (S));
  tensor (c, "gate", p->gate, false, F32, SHAPE (M, H));
  if (d < 1 || d > DV_MAX_HEAD)
    complain (c, "a head has %" PRId64 " entries, it must be 1 to %d", d,
        DV_MAX_HEAD);
  if (G < 1 || H % G != 0)
    complain (c, "%" PRId64 " heads cannot share %" PRId64 " key heads", H, G);
  if (p->window < 0 || (p->window > 0 && !p->causal))
    complain (c, "a window of %" PRId64 " wants causal attention", p->window);
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "q", p->q, false);
  apart (c, p->out, "k", p->k, false);
  apart (c, p->out, "v", p->v, false);
}

static void
norm (Check *c, const DvNorm *p)
{
  int64_t M, C;

  tensor (c, "x", p->x, true, FLOAT, SHAPE (-1, -1));
  if (c->status != DV_OK)
    return;
  M = p->x->shape[0];
  C = p->x->shape[1];
  tensor (c, "out", p->out, true, FLOAT, SHAPE (M, C));
  tensor (c, "weight", p->weight, false, F32, SHAPE (C));
  rows (c, "scale", "the scale's index", &p->scale, M, C);
  rows (c, "shift", "the shift's index", &p->shift, M, C);
  tensor (c, "residual", p->residual, false, FLOAT, SHAPE (M, C));
  activation (c, p->act);
  if ((unsigned)p->kind > DV_NORM_LAYER)
    complain (c, "there is no kind %d", (int)p->kind);
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, true);
  apart (c, p->out, "residual", p->residual, true);
}

static void
rope (Check *c, const DvRope *r, int64_t M, int64_t H, int64_t d)
{
  int64_t entries = r->shared ? d / 2 : H * (d / 2), n;

  if (r->n_axes < 0 || r->n_axes > 3 || r->pad < 0) {
    complain (c, "rotation has %d axes and %" PRId64 " identity entries",
        r->n_axes, r->pad);
    return;
  }
  if (r->n_axes == 0)
    return;
  n = (entries - r->pad) / r->n_axes;
  if (r->pad > entries || n * r->n_axes + r->pad != entries)
    complain (c,
        "rotation of %" PRId64 " entries cannot be %" PRId64
        " and a multiple of %d axes",
        entries, r->pad, r->n_axes);
  for (int i = 0; c->status == DV_OK && i < r->n_axes; i++) {
    tensor (c, "cos", r->cos[i], true, F32, SHAPE (r->index ? -1 : M, n));
    if (c->status == DV_OK)
      tensor (c, "sin", r->sin[i], true, F32, SHAPE (r->cos[i]->shape[0], n));
  }
  tensor (
      c, "the rotation's index", r->index, false, I32, SHAPE (M, r->n_axes));
  if (!r->index && r->n_axes != 1)
    complain (c, "rotation over %d axes wants an index", r->n_axes);
}

static void
qk_norm (Check *c, const DvQkNorm *p)
{
  int64_t M, H, d;

  tensor (c, "x", p->x, true, FLOAT, SHAPE (-1, -1, -1));
  if (c->status != DV_OK)
    return;
  M = p->x->shape[0];
  H = p->x->shape[1];
  d = p->x->shape[2];
  tensor (c, "out", p->out, true, FLOAT, SHAPE (M, H, d));
  if (d < 2 || d > DV_MAX_HEAD || d % 2 != 0)
    complain (c, "a head has %" PRId64 " entries, it must be even, 2 to %d", d,
        DV_MAX_HEAD);
  if (p->weight && p->weight->n_dims == 1 && p->weight->shape[0] == d)
    tensor (c, "weight", p->weight, true, F32, SHAPE (d));
  else
    tensor (c, "weight", p->weight, false, F32, SHAPE (H * d));
  rope (c, &p->rope, M, H, d);
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, true);
}

static void
conv (Check *c, const DvConv *p)
{
  static const char *const axis[3] = {"time", "rows", "columns"};
  int64_t shape[4] = {-1, -1, -1, -1};

  weight (c, p->w, DV_USE_CONV, 5);
  tensor (c, "x", p->x, true, FLOAT,
      SHAPE (-1, -1, -1, p->w ? p->w->shape[1] : -1));
  for (int a = 0; c->status == DV_OK && a < 3; a++) {
    int64_t n = p->x->shape[a], lo = p->pad_lo[a], hi = p->pad_hi[a];
    int64_t dilation = p->dilation[a] == 0 ? 1 : p->dilation[a];
    int64_t stride = p->stride[a] == 0 ? 1 : p->stride[a];
    int64_t reach = dilation * (p->w->shape[2 + a] - 1);

    if (stride < 0 || dilation < 0 || lo < 0 || hi < 0)
      complain (c, "%s: a stride, dilation or padding is negative", axis[a]);
    else if ((unsigned)p->pad_mode[a] > DV_PAD_EDGE)
      complain (c, "%s: there is no padding %d", axis[a], (int)p->pad_mode[a]);
    else if (n < 1 || n + lo + hi - reach < 1)
      complain (c,
          "%s: %" PRId64 " cells with %" PRId64 " of padding are fewer than "
          "the %" PRId64 " that a window covers",
          axis[a], n, lo + hi, reach + 1);
    else if (p->pad_mode[a] == DV_PAD_REFLECT && (lo >= n || hi >= n))
      complain (c,
          "%s: %" PRId64 " cells are too few to reflect %" PRId64 " of them",
          axis[a], n, lo > hi ? lo : hi);
    else
      shape[a] = (n + lo + hi - reach - 1) / stride + 1;
  }
  if (c->status != DV_OK)
    return;
  shape[3] = p->w->shape[0];
  tensor (c, "out", p->out, true, FLOAT, 4, shape);
  tensor (c, "bias", p->bias, false, F32, SHAPE (shape[3]));
  tensor (c, "residual", p->residual, false, FLOAT, 4, shape);
  activation (c, p->act);
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, false);
  apart (c, p->out, "residual", p->residual, true);
}

static void
conv_up1 (Check *c, const DvConvUp1 *p)
{
  int64_t T;

  weight (c, p->w, DV_USE_CONV_UP1, 3);
  tensor (c, "x", p->x, true, FLOAT, SHAPE (-1, p->w ? p->w->shape[0] : -1));
  not_empty (c, "x", p->x);
  if (p->stride < 1 || p->stride > 65536 || p->pad < 0)
    complain (c, "a stride of %d or padding of %d is out of range", p->stride,
        p->pad);
  if (c->status != DV_OK)
    return;
  T = (p->x->shape[0] - 1) * p->stride - 2 * (int64_t)p->pad + p->w->shape[2];
  if (T < 0)
    complain (c, "padding of %d leaves %" PRId64 " steps", p->pad, T);
  tensor (c, "out", p->out, true, FLOAT, SHAPE (T, p->w->shape[1]));
  tensor (c, "bias", p->bias, false, F32, SHAPE (p->w->shape[1]));
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, false);
}

static void
shuffle (Check *c, const DvShuffle *p)
{
  const int *f = p->factor;
  int64_t P, C, shape[4];

  tensor (c, "x", p->x, true, FLOAT, SHAPE (-1, -1, -1, -1));
  for (int a = 0; a < 3; a++)
    if (f[a] < 1 || f[a] > 64)
      complain (c, "factor %d is %d, it must be 1 to 64", a, f[a]);
  if (p->drop < 0 || p->group < 0 || p->tile < 0 || p->tile > 65536)
    complain (c, "drop %d, group %d and tile %d must not be negative", p->drop,
        p->group, p->tile);
  if (c->status != DV_OK)
    return;
  P = (int64_t)f[0] * f[1] * f[2];
  C = p->x->shape[3];
  if (p->kind == DV_SPACE_TO_DEPTH) {
    for (int a = 0; a < 3; a++) {
      shape[a] = p->x->shape[a] / f[a];
      if (p->x->shape[a] % f[a] != 0)
        complain (c, "size %" PRId64 " is no multiple of the factor %d",
            p->x->shape[a], f[a]);
    }
    shape[3] = C * P / (p->group > 0 ? p->group : 1);
    if (p->group > 0 && C * P % p->group != 0)
      complain (c, "%" PRId64 " channels cannot be averaged %d a time", C * P,
          p->group);
  } else {
    for (int a = 0; a < 3; a++)
      shape[a] = p->x->shape[a] * f[a] - (a == 0 ? p->drop : 0);
    shape[3] = C / P * (p->tile > 0 ? p->tile : 1);
    if (C % P != 0 || shape[0] < 0)
      complain (c,
          "%" PRId64 " channels cannot become %" PRId64
          " cells, or %d frames be dropped",
          C, P, p->drop);
  }
  tensor (c, "out", p->out, true, FLOAT, 4, shape);
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, false);
}

static void
group_norm (Check *c, const DvGroupNorm *p)
{
  const int64_t *s;

  tensor (c, "x", p->x, true, FLOAT, SHAPE (-1, -1, -1, -1));
  if (c->status != DV_OK)
    return;
  s = p->x->shape;
  tensor (c, "out", p->out, true, FLOAT, 4, s);
  tensor (c, "weight", p->weight, false, F32, SHAPE (s[3]));
  tensor (c, "bias", p->bias, false, F32, SHAPE (s[3]));
  tensor (c, "residual", p->residual, false, FLOAT, 4, s);
  activation (c, p->act);
  if (p->groups < 1 || s[3] % p->groups != 0)
    complain (c, "%" PRId64 " channels cannot be %d groups", s[3], p->groups);
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, true);
  apart (c, p->out, "residual", p->residual, true);
}

/* A tensor of any strides, of the shape of @like. */
static void
strided (Check *c, const char *name, const DvTensor *t, const DvTensor *like)
{
  DvTensor dense;

  if (c->status != DV_OK || !t || !bounded (t)) {
    tensor (c, name, t, true, ~0u, SHAPE (-1));
    return;
  }
  dense = dv_tensor (t->data, t->dtype, t->n_dims, t->shape);
  if (t->n_dims == 0)
    complain (c, "%s has no dimensions", name);
  else
    tensor (c, name, &dense, true, FLOAT | 1u << t->dtype, like->n_dims,
        like->shape);
}

static void
map (Check *c, const DvMap *p)
{
  const DvTensor *x = p->x;
  bool wants_y = p->kind == DV_MAP_ADD || p->kind == DV_MAP_AXPY ||
                 p->kind == DV_MAP_MUL || p->kind == DV_MAP_GELU_MUL ||
                 p->kind == DV_MAP_MAGNITUDE || p->kind == DV_MAP_LERP;

  if ((unsigned)p->kind > DV_MAP_LERP)
    complain (c, "there is no kind %d", (int)p->kind);
  strided (c, "x", x, x);
  strided (c, "out", p->out, x);
  if (wants_y)
    strided (c, "y", p->y, x);
  if (c->status != DV_OK)
    return;
  if (p->kind == DV_MAP_AFFINE) {
    tensor (c, "s", p->s, true, F32, SHAPE (x->shape[x->n_dims - 1]));
    tensor (c, "b", p->b, true, F32, SHAPE (x->shape[x->n_dims - 1]));
  } else if (p->kind == DV_MAP_LERP) {
    tensor (c, "s", p->s, true, F32, SHAPE (x->shape[0]));
  }
  if (!(ANY_FLOAT >> x->dtype & 1) || !(ANY_FLOAT >> p->out->dtype & 1)) {
    if (p->kind != DV_MAP_COPY || x->dtype != p->out->dtype)
      complain (c, "x of %s and out of %s can only be copied as they are",
          dv_dtype_name (x->dtype), dv_dtype_name (p->out->dtype));
  }
  if (wants_y && c->status == DV_OK && !(ANY_FLOAT >> p->y->dtype & 1))
    complain (
        c, "y is %s, it must be f32 or bf16", dv_dtype_name (p->y->dtype));
  output (c, "out", p->out);
  apart (c, p->out, "x", x, true);
  apart (c, p->out, "y", wants_y ? p->y : NULL, true);
}

static void
gather (Check *c, const DvGather *p)
{
  tensor (c, "table", p->table, true, ANY_FLOAT, SHAPE (-1, -1));
  not_empty (c, "table", p->table);
  tensor (c, "id", p->id, true, I32, SHAPE (-1));
  if (c->status != DV_OK)
    return;
  tensor (c, "out", p->out, true, FLOAT,
      SHAPE (p->id->shape[0], p->table->shape[1]));
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "table", p->table, false);
}

static void
spread (Check *c, const DvSpread *p)
{
  int64_t L;

  tensor (c, "x", p->x, true, FLOAT, SHAPE (-1, -1, -1));
  not_empty (c, "x", p->x);
  if (c->status != DV_OK)
    return;
  L = p->x->shape[0];
  tensor (c, "s", p->s, true, F32, SHAPE (L));
  tensor (c, "b", p->b, true, F32, SHAPE (L));
  if (c->status != DV_OK)
    return;
  output (c, "s", p->s);
  output (c, "b", p->b);
  apart (c, p->s, "x", p->x, false);
  apart (c, p->b, "x", p->x, false);
}

static void
euler (Check *c, const DvEuler *p)
{
  int64_t M, C;

  tensor (c, "x", p->x, true, F32, SHAPE (-1, -1));
  if (c->status != DV_OK)
    return;
  M = p->x->shape[0];
  C = p->x->shape[1];
  tensor (c, "velocity", p->velocity, true, FLOAT, SHAPE (M, C));
  tensor (c, "mask", p->mask, false, F32, SHAPE (M));
  tensor (c, "clean", p->clean, p->mask != NULL, F32, SHAPE (M, C));
  if (!(p->sigma > 0) || !(p->next >= 0))
    complain (c, "a step from sigma %g to %g is none", (double)p->sigma,
        (double)p->next);
  if (c->status != DV_OK)
    return;
  output (c, "x", p->x);
  apart (c, p->x, "velocity", p->velocity, false);
  apart (c, p->x, "clean", p->clean, false);
}

static void
noise (Check *c, const DvNoise *p)
{
  if (!p->out || !bounded (p->out) || p->out->dtype != DV_F32 ||
      !dv_tensor_dense (p->out))
    complain (c, "out must be a dense f32 tensor");
}

static void
snake (Check *c, const DvSnake *p)
{
  int64_t T, C;

  tensor (c, "x", p->x, true, F32, SHAPE (-1, -1));
  if (c->status != DV_OK)
    return;
  T = p->x->shape[0];
  C = p->x->shape[1];
  tensor (c, "out", p->out, true, F32, SHAPE (T, C));
  tensor (c, "alpha", p->alpha, true, F32, SHAPE (C));
  tensor (c, "beta", p->beta, true, F32, SHAPE (C));
  tensor (c, "up", p->up, true, F32, SHAPE (12));
  tensor (c, "down", p->down, true, F32, SHAPE (12));
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, false);
}

static void
fir_up (Check *c, const DvFirUp *p)
{
  int64_t T;

  tensor (c, "x", p->x, true, FLOAT, SHAPE (-1, -1));
  tensor (c, "filter", p->filter, true, F32, SHAPE (-1));
  not_empty (c, "x", p->x);
  not_empty (c, "filter", p->filter);
  if (p->factor < 1 || p->factor > 65536 || p->pad < 0 || p->cut_lo < 0 ||
      p->cut_hi < 0)
    complain (c, "factor %d, pad %d or cuts %d, %d are out of range", p->factor,
        p->pad, p->cut_lo, p->cut_hi);
  if (c->status != DV_OK)
    return;
  T = (p->x->shape[0] + 2 * (int64_t)p->pad - 1) * p->factor +
      p->filter->shape[0] - p->cut_lo - p->cut_hi;
  if (T < 0)
    complain (c, "%" PRId64 " steps remain after the cuts", T);
  tensor (c, "out", p->out, true, FLOAT, SHAPE (T, p->x->shape[1]));
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, false);
}

static void
pixels (Check *c, const DvPixels *p)
{
  int64_t W;

  tensor (c, "x", p->x, true, FLOAT, SHAPE (-1, -1, 3));
  if (c->status != DV_OK)
    return;
  W = p->x->shape[1];
  if (p->rgb && p->rgb_stride < 3 * W)
    complain (c, "rows of rgb are %" PRId64 " bytes, %" PRId64 " are needed",
        p->rgb_stride, 3 * W);
  for (int i = 0; i < 3; i++)
    if (p->plane[i] && p->stride[i] < (i == 0 ? W : (W + 1) / 2))
      complain (c,
          "rows of plane %d are %" PRId64 " bytes, %" PRId64 " are needed", i,
          p->stride[i], i == 0 ? W : (W + 1) / 2);
}

static void
guide (Check *c, const DvGuide *p)
{
  int64_t M, C;

  tensor (c, "cond", p->cond, true, F32, SHAPE (-1, -1));
  if (c->status != DV_OK)
    return;
  M = p->cond->shape[0];
  C = p->cond->shape[1];
  tensor (c, "out", p->out, true, F32, SHAPE (M, C));
  tensor (c, "uncond", p->uncond, false, F32, SHAPE (M, C));
  tensor (c, "perturbed", p->perturbed, false, F32, SHAPE (M, C));
  tensor (c, "modality", p->modality, false, F32, SHAPE (M, C));
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "cond", p->cond, true);
  apart (c, p->out, "uncond", p->uncond, true);
  apart (c, p->out, "perturbed", p->perturbed, true);
  apart (c, p->out, "modality", p->modality, true);
}

static void
merge (Check *c, const DvMerge *p)
{
  int64_t N, K;
  char name[32];

  tensor (c, "x", p->x, true, ANY_FLOAT, SHAPE (-1, -1));
  if (p->n_changes < 1 || !p->changes)
    complain (c, "there are no changes");
  if (c->status != DV_OK)
    return;
  N = p->x->shape[0];
  K = p->x->shape[1];
  tensor (c, "out", p->out, true, FLOAT, SHAPE (N, K));
  if (c->status != DV_OK)
    return;
  output (c, "out", p->out);
  apart (c, p->out, "x", p->x, true);
  for (int i = 0; i < p->n_changes && c->status == DV_OK; i++) {
    const DvChange *change = &p->changes[i];

    snprintf (name, sizeof name, "b of change %d", i);
    tensor (c, name, change->b, true, ANY_FLOAT, SHAPE (N, -1));
    not_empty (c, name, N > 0 ? change->b : NULL);
    apart (c, p->out, name, change->b, false);
    snprintf (name, sizeof name, "a of change %d", i);
    if (c->status == DV_OK)
      tensor (
          c, name, change->a, true, ANY_FLOAT, SHAPE (change->b->shape[1], K));
    apart (c, p->out, name, change->a, false);
  }
}

typedef void (*CheckFunc) (Check *c, const void *args);

#define OP(name, Args)                                                         \
  static void name##_args (Check *c, const void *args)                         \
  {                                                                            \
    name (c, (const Args *)args);                                              \
  }

OP (matmul, DvMatmul)
OP (attention, DvAttention)
OP (norm, DvNorm)
OP (qk_norm, DvQkNorm)
OP (conv, DvConv)
OP (conv_up1, DvConvUp1)
OP (shuffle, DvShuffle)
OP (group_norm, DvGroupNorm)
OP (map, DvMap)
OP (gather, DvGather)
OP (spread, DvSpread)
OP (euler, DvEuler)
OP (noise, DvNoise)
OP (snake, DvSnake)
OP (fir_up, DvFirUp)
OP (pixels, DvPixels)
OP (guide, DvGuide)
OP (merge, DvMerge)

DvStatus
dv_check (DvOp op, const void *args, DvError *error)
{
  static const CheckFunc checks[DV_N_OPS] = {
      [DV_OP_MATMUL] = matmul_args,
      [DV_OP_ATTENTION] = attention_args,
      [DV_OP_NORM] = norm_args,
      [DV_OP_QK_NORM] = qk_norm_args,
      [DV_OP_CONV] = conv_args,
      [DV_OP_CONV_UP1] = conv_up1_args,
      [DV_OP_SHUFFLE] = shuffle_args,
      [DV_OP_GROUP_NORM] = group_norm_args,
      [DV_OP_MAP] = map_args,
      [DV_OP_GATHER] = gather_args,
      [DV_OP_SPREAD] = spread_args,
      [DV_OP_EULER] = euler_args,
      [DV_OP_NOISE] = noise_args,
      [DV_OP_SNAKE] = snake_args,
      [DV_OP_FIR_UP] = fir_up_args,
      [DV_OP_PIXELS] = pixels_args,
      [DV_OP_GUIDE] = guide_args,
      [DV_OP_MERGE] = merge_args,
  };
  Check c = {.op = op, .status = DV_OK, .error = error};

  checks[op](&c, args);
  return c.status;
}

bool
dv_check_empty (DvOp op, const void *args)
{
  const DvTensor *out;

  if (op == DV_OP_PIXELS)
    out = ((const DvPixels *)args)->x;
  else /* every other structure begins with its output */
    out = *(const DvTensor *const *)args;
  return dv_tensor_count (out) == 0;
}
