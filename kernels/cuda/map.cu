/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Elementwise ops and permuting copies on a GPU: ops.h, DvMap.
 *
 * The tensors, and the factors of AFFINE and LERP as if they had the same
 * shape, become one list of dimensions in the order of the output's strides,
 * joined where all allow it.  A thread takes eight elements along the last.  A
 * copy that turns x's last dimension elsewhere goes through tiles in shared
 * memory, so that both sides are read and written in whole lines.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256
#define TILE 32
#define TILE_ROWS 8

enum { OUT, X, Y, S, B, N_OPERANDS };

struct Operand {
  void *data; /* NULL: absent */
  int dtype;
  int64_t stride[DV_MAX_DIMS];
};

struct Operands {
  int n_dims;
  int64_t shape[DV_MAX_DIMS];
  Operand of[N_OPERANDS];
  int kind;
  float p;
};

/* Where element number @i, the last dimension fastest, stands in each. */
DV_DEVICE void
place (const Operands &o, int64_t i, int n_dims, int64_t at[N_OPERANDS])
{
  DV_UNROLL
  for (int k = 0; k < N_OPERANDS; k++)
    at[k] = 0;
  for (int d = n_dims - 1; d >= 0; d--) {
    int64_t rest = d > 0 ? dv_split (&i, o.shape[d]) : i;

    DV_UNROLL
    for (int k = 0; k < N_OPERANDS; k++)
      if (o.of[k].data)
        at[k] += rest * o.of[k].stride[d];
  }
}

DV_DEVICE DvView
view_of (const Operand &operand)
{
  DvView view;

  view.data = operand.data;
  view.dtype = operand.dtype;
  return view;
}

/* Eight elements along the last dimension, or @n. */
DV_DEVICE void
load (const Operands &o, int which, int64_t at, int64_t n, float v[DV_CHUNK])
{
  const Operand &operand = o.of[which];
  int64_t stride = operand.stride[o.n_dims - 1];
  DvView view = view_of (operand);

  if (stride == 1) {
    dv_get8 (view, at, n, v);
    return;
  }
  DV_UNROLL
  for (int i = 0; i < DV_CHUNK; i++)
    v[i] = i < n ? dv_get (view, at + i * stride) : 0;
}

DV_DEVICE float
map_one (int kind, float p, float x, float y, float s, float b)
{
  switch (kind) {
    case DV_MAP_SCALE:
      return x * p;
    case DV_MAP_GELU:
      return dv_gelu (x);
    case DV_MAP_SILU:
      return dv_silu (x);
    case DV_MAP_LEAKY:
      return x < 0 ? p * x : x;
    case DV_MAP_TANH:
      return tanhf (x);
    case DV_MAP_CLAMP:
      return x < -p ? -p : x > p ? p : x;
    case DV_MAP_ADD:
      return x + y;
    case DV_MAP_AXPY:
      return x + p * y;
    case DV_MAP_MUL:
      return x * y;
    case DV_MAP_GELU_MUL:
      return dv_gelu (x) * y;
    case DV_MAP_FILL:
      return p;
    case DV_MAP_MAGNITUDE:
      return sqrtf (x * x + y * y);
    case DV_MAP_LOG:
      return logf (x < p ? p : x);
    case DV_MAP_AFFINE:
      return x * s + b;
    case DV_MAP_LERP:
      return x * s + y * (1 - s);
    default:
      return x;
  }
}

DV_KERNEL
DV_BOUNDS (THREADS) map (Operands o, int64_t chunks, int64_t count)
{
  int last = o.n_dims - 1;

  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    float v[N_OPERANDS][DV_CHUNK] = {};
    int64_t row = i, at[N_OPERANDS];
    int64_t c = DV_CHUNK * dv_split (&row, chunks), n = o.shape[last] - c;

    place (o, row, last, at);
    DV_UNROLL
    for (int k = X; k < N_OPERANDS; k++)
      if (o.of[k].data)
        load (o, k, at[k] + c * o.of[k].stride[last], n, v[k]);
    DV_UNROLL
    for (int j = 0; j < DV_CHUNK; j++)
      v[OUT][j] = map_one (o.kind, o.p, v[X][j], v[Y][j], v[S][j], v[B][j]);
    at[OUT] += c * o.of[OUT].stride[last];
    if (o.of[OUT].stride[last] == 1) {
      dv_set8 (view_of (o.of[OUT]), at[OUT], n, v[OUT]);
      continue;
    }
    for (int j = 0; j < DV_CHUNK && j < n; j++)
      dv_set (
          view_of (o.of[OUT]), at[OUT] + j * o.of[OUT].stride[last], v[OUT][j]);
  }
}

/* ---- copies ---- */

/* Converts, or moves the bits of types that are the same. */
template <typename T>
DV_DEVICE void
convert (T *to, T from)
{
  *to = from;
}

DV_DEVICE void
convert (float *to, DvBf16 from)
{
  *to = dv_float (from);
}

DV_DEVICE void
convert (DvBf16 *to, float from)
{
  dv_put (to, from);
}

template <typename To, typename From>
DV_KERNEL
DV_BOUNDS (THREADS) copy (Operands o, int64_t count)
{
  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t at[N_OPERANDS];

    place (o, i, o.n_dims, at);
    convert (
        (To *)o.of[OUT].data + at[OUT], ((const From *)o.of[X].data)[at[X]]);
  }
}

/* Tiles of the last dimension and of @turned, along which x is dense; the other
 * dimensions number the tiles. */
template <typename To, typename From>
DV_KERNEL
DV_BOUNDS (TILE *TILE_ROWS) turn (Operands o, int turned, int64_t count)
{
  DV_SHARED (From, tile, [TILE][TILE + 1]);
  int last = o.n_dims - 1;
  int64_t across = (o.shape[last] + TILE - 1) / TILE;
  int64_t down = (o.shape[turned] + TILE - 1) / TILE;
  const Operand &out = o.of[OUT], &x = o.of[X];

  for (int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    int64_t rest = i, from = 0, to = 0;
    int64_t a = TILE * dv_split (&rest, across);
    int64_t b = TILE * dv_split (&rest, down);

    for (int d = last - 1; d >= 0; d--) {
      int64_t at;

      if (d == turned)
        continue;
      at = dv_split (&rest, o.shape[d]);
      from += at * x.stride[d];
      to += at * out.stride[d];
    }
    for (int r = (int)threadIdx.y; r < TILE; r += TILE_ROWS)
      if (a + r < o.shape[last] && b + threadIdx.x < o.shape[turned])
        tile[r][threadIdx.x] =
            ((const From *)x.data)[from + (a + r) * x.stride[last] +
                                   (b + threadIdx.x) * x.stride[turned]];
    __syncthreads ();
    for (int r = (int)threadIdx.y; r < TILE; r += TILE_ROWS)
      if (b + r < o.shape[turned] && a + threadIdx.x < o.shape[last])
        convert ((To *)out.data + to + (b + r) * out.stride[turned] +
                     (a + threadIdx.x) * out.stride[last],
            tile[threadIdx.x][r]);
    __syncthreads ();
  }
}

/* ---- the entry ---- */

static int64_t
size_of (int64_t stride)
{
  return stride < 0 ? -stride : stride;
}

/* Dimension @d of @to is dimension @from of @o. */
static void
move (Operands *to, int d, const Operands *o, int from)
{
  to->shape[d] = o->shape[from];
  for (int k = 0; k < N_OPERANDS; k++)
    to->of[k].stride[d] = o->of[k].stride[from];
}

/* Dimension @d of @o is joined with the next: all walk through both as through
 * one. */
static bool
joins (const Operands *o, int d, const Operands *next, int n)
{
  for (int k = 0; k < N_OPERANDS; k++)
    if (o->of[k].data &&
        o->of[k].stride[d] != next->shape[n] * next->of[k].stride[n])
      return false;
  return true;
}

/* Brings the dimensions into the order of the output's strides, without those
 * of one element, and joins what can be. */
static void
simplify (Operands *o)
{
  Operands sorted = *o, joined = *o;
  int n = 0, m = 0;

  for (int d = 0; d < o->n_dims; d++) {
    int at = n;

    if (o->shape[d] == 1)
      continue;
    while (at > 0 && size_of (sorted.of[OUT].stride[at - 1]) <
                         size_of (o->of[OUT].stride[d])) {
      Operands before = sorted;

      move (&sorted, at, &before, at - 1);
      at--;
    }
    move (&sorted, at, o, d);
    n++;
  }
  for (int d = 0; d < n; d++) {
    if (m > 0 && joins (&joined, m - 1, &sorted, d)) {
      int64_t shape = joined.shape[m - 1] * sorted.shape[d];

      move (&joined, m - 1, &sorted, d);
      joined.shape[m - 1] = shape;
    } else {
      move (&joined, m++, &sorted, d);
    }
  }
  joined.n_dims = m;
  if (m == 0) { /* one element */
    joined.n_dims = 1;
    joined.shape[0] = 1;
    for (int k = 0; k < N_OPERANDS; k++)
      joined.of[k].stride[0] = 1;
  }
  *o = joined;
}

static void
take (Operands *o, int which, const DvTensor *t)
{
  if (!t)
    return;
  o->of[which].data = t->data;
  o->of[which].dtype = t->dtype;
  for (int d = 0; d < t->n_dims; d++)
    o->of[which].stride[d] = t->stride[d];
}

/* A vector along dimension @d. */
static void
take_vector (Operands *o, int which, const DvTensor *t, int d)
{
  o->of[which].data = t->data;
  o->of[which].dtype = t->dtype;
  o->of[which].stride[d] = t->stride[0];
}

static Operands
operands_of (const DvMap *p)
{
  bool has_y = p->kind == DV_MAP_ADD || p->kind == DV_MAP_AXPY ||
               p->kind == DV_MAP_MUL || p->kind == DV_MAP_GELU_MUL ||
               p->kind == DV_MAP_MAGNITUDE || p->kind == DV_MAP_LERP;
  Operands o = {};

  o.n_dims = p->x->n_dims;
  for (int d = 0; d < o.n_dims; d++)
    o.shape[d] = p->x->shape[d];
  take (&o, OUT, p->out);
  take (&o, X, p->kind == DV_MAP_FILL ? NULL : p->x);
  take (&o, Y, has_y ? p->y : NULL);
  if (p->kind == DV_MAP_AFFINE) {
    take_vector (&o, S, p->s, o.n_dims - 1);
    take_vector (&o, B, p->b, o.n_dims - 1);
  } else if (p->kind == DV_MAP_LERP) {
    take_vector (&o, S, p->s, 0);
  }
  o.kind = p->kind;
  o.p = p->p;
  simplify (&o);
  return o;
}

/* The dimension along which x is dense, if that is not the last one and the
 * output's is; else -1. */
static int
turned_dimension (const Operands *o)
{
  int last = o->n_dims - 1;

  if (o->of[OUT].stride[last] != 1 || o->of[X].stride[last] == 1)
    return -1;
  for (int d = 0; d < last; d++)
    if (o->of[X].stride[d] == 1 && o->shape[d] >= DV_CHUNK)
      return d;
  return -1;
}

template <typename To, typename From>
static void
launch_copy (const Operands &o, int64_t count, cudaStream_t queue)
{
  int turned = turned_dimension (&o), last = o.n_dims - 1;

  if (turned >= 0) {
    int64_t tiles = (o.shape[last] + TILE - 1) / TILE *
                    ((o.shape[turned] + TILE - 1) / TILE) *
                    (count / o.shape[last] / o.shape[turned]);

    DV_LAUNCH ((turn<To, From>), dv_blocks (tiles, 1), dim3 (TILE, TILE_ROWS),
        0, queue, o, turned, tiles);
  } else {
    DV_LAUNCH ((copy<To, From>), dv_blocks (count, THREADS), THREADS, 0, queue,
        o, count);
  }
}

/* What is the same on both sides moves as whole numbers of its size. */
static void
launch_same (const Operands &o, int64_t count, cudaStream_t queue)
{
  switch (dv_dtype_size ((DvDtype)o.of[OUT].dtype)) {
    case 1:
      launch_copy<uint8_t, uint8_t> (o, count, queue);
      break;
    case 2:
      launch_copy<uint16_t, uint16_t> (o, count, queue);
      break;
    case 4:
      launch_copy<uint32_t, uint32_t> (o, count, queue);
      break;
    default:
      launch_copy<uint64_t, uint64_t> (o, count, queue);
  }
}

static bool
is_float (int dtype)
{
  return dtype == DV_F32 || dtype == DV_BF16 || dtype == DV_F16;
}

DvStatus
dv_cuda_map (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvMap *p = (const DvMap *)args;
  cudaStream_t queue = dv_cuda_queue (stream);
  int64_t count = dv_tensor_count (p->x), chunks;
  Operands o = operands_of (p);
  int to = o.of[OUT].dtype, from = p->x->dtype;

  chunks = (o.shape[o.n_dims - 1] + DV_CHUNK - 1) / DV_CHUNK;
  if (p->kind == DV_MAP_COPY &&
      (!is_float (to) || (to == from && turned_dimension (&o) >= 0)))
    launch_same (o, count, queue);
  else if (p->kind == DV_MAP_COPY && turned_dimension (&o) >= 0 &&
           to == DV_F32 && from == DV_BF16)
    launch_copy<float, DvBf16> (o, count, queue);
  else if (p->kind == DV_MAP_COPY && turned_dimension (&o) >= 0 &&
           to == DV_BF16 && from == DV_F32)
    launch_copy<DvBf16, float> (o, count, queue);
  else {
    count = count / o.shape[o.n_dims - 1] * chunks;
    DV_LAUNCH (
        map, dv_blocks (count, THREADS), THREADS, 0, queue, o, chunks, count);
  }
  return dv_cuda_launched ("elementwise", error);
}
