/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Moves between space and channels on a GPU: ops.h, DvShuffle.
 *
 * Where a cell has 2, 4 or 8 places and channels come in whole chunks, a thread
 * moves eight channels of all of them: what is interleaved on the deep side
 * turns round in registers.  Of other cells, as when patches of three channels
 * become pixels, a thread makes eight elements of a row of the output; what is
 * left goes an element a thread.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256

struct Shuffle {
  DvView out, x;
  int factor[3];
  int drop, columns_first, add;
  int64_t group, tiles, places;
};

/* Place @i of a cell: its offset along each axis. */
DV_DEVICE void
offset_of (const Shuffle &p, int i, int offset[3])
{
  if (p.columns_first) {
    offset[1] = i % p.factor[1];
    i /= p.factor[1];
    offset[2] = i % p.factor[2];
    offset[0] = i / p.factor[2];
  } else {
    offset[2] = i % p.factor[2];
    i /= p.factor[2];
    offset[1] = i % p.factor[1];
    offset[0] = i / p.factor[1];
  }
}

/* The inverse. */
DV_DEVICE int
place_of (const Shuffle &p, const int offset[3])
{
  if (p.columns_first)
    return (offset[0] * p.factor[2] + offset[2]) * p.factor[1] + offset[1];
  return (offset[0] * p.factor[1] + offset[1]) * p.factor[2] + offset[2];
}

/* Splits @i into a cell of @t, whose last axis goes fastest. */
DV_DEVICE void
cell_of (const DvView &t, int64_t i, int64_t cell[3])
{
  cell[2] = dv_split (&i, t.shape[2]);
  cell[1] = dv_split (&i, t.shape[1]);
  cell[0] = i;
}

DV_DEVICE int64_t
at (const DvView &t, const int64_t cell[3])
{
  return cell[0] * t.stride[0] + cell[1] * t.stride[1] + cell[2] * t.stride[2];
}

/* Where place @i of the deep side's @cell is on the wide side; false: in a
 * frame that is dropped. */
DV_DEVICE bool
wide_cell (const Shuffle &p, const int64_t cell[3], int i, int64_t to[3])
{
  int offset[3];

  offset_of (p, i, offset);
  for (int a = 0; a < 3; a++)
    to[a] = cell[a] * p.factor[a] + offset[a];
  to[0] -= p.drop;
  return to[0] >= 0;
}

/* Eight elements, or @n, of the output. */
DV_DEVICE void
give (const Shuffle &p, int64_t to, int64_t n, const float v[DV_CHUNK])
{
  float sum[DV_CHUNK];

  if (!p.add) {
    dv_set8 (p.out, to, n, v);
    return;
  }
  dv_get8 (p.out, to, n, sum);
  for (int i = 0; i < DV_CHUNK; i++)
    sum[i] = v[i] + sum[i];
  dv_set8 (p.out, to, n, sum);
}

/* A whole chunk of the output. */
template <typename T>
DV_DEVICE void
give_chunk (const Shuffle &p, int64_t to, const float v[DV_CHUNK])
{
  T *out = (T *)p.out.data + to;
  float sum[DV_CHUNK];

  if (!p.add) {
    dv_store_wide (out, v);
    return;
  }
  dv_load_wide (out, sum);
  for (int i = 0; i < DV_CHUNK; i++)
    sum[i] = v[i] + sum[i];
  dv_store_wide (out, sum);
}

/* Eight channels of all places of a cell of the output. */
template <typename T, int PLACES>
DV_KERNEL
DV_BOUNDS (THREADS) deepen (Shuffle p, int64_t chunks, int64_t count)
{
  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t number = i, c = DV_CHUNK * dv_split (&number, chunks);
    int64_t cell[3], from[3];
    float v[PLACES][DV_CHUNK], turned[DV_CHUNK];

    cell_of (p.out, number, cell);
    DV_UNROLL
    for (int k = 0; k < PLACES; k++) {
      (void)wide_cell (p, cell, k, from);
      dv_load_wide ((const T *)p.x.data + at (p.x, from) + c, v[k]);
    }
    DV_UNROLL
    for (int k = 0; k < PLACES; k++) {
      DV_UNROLL
      for (int j = 0; j < DV_CHUNK; j++)
        turned[j] = v[(DV_CHUNK * k + j) % PLACES][(DV_CHUNK * k + j) / PLACES];
      give_chunk<T> (p, at (p.out, cell) + c * PLACES + DV_CHUNK * k, turned);
    }
  }
}

/* Eight channels of all places of a cell of x. */
template <typename T, int PLACES>
DV_KERNEL
DV_BOUNDS (THREADS) widen (Shuffle p, int64_t chunks, int64_t count)
{
  int64_t channels = p.x.shape[3] / PLACES;

  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t number = i, c = DV_CHUNK * dv_split (&number, chunks);
    int64_t cell[3], to[3];
    float v[PLACES][DV_CHUNK], turned[DV_CHUNK];

    cell_of (p.x, number, cell);
    DV_UNROLL
    for (int k = 0; k < PLACES; k++) {
      dv_load_wide (
          (const T *)p.x.data + at (p.x, cell) + c * PLACES + DV_CHUNK * k,
          turned);
      DV_UNROLL
      for (int j = 0; j < DV_CHUNK; j++)
        v[(DV_CHUNK * k + j) % PLACES][(DV_CHUNK * k + j) / PLACES] = turned[j];
    }
    DV_UNROLL
    for (int k = 0; k < PLACES; k++)
      if (wide_cell (p, cell, k, to))
        for (int64_t tile = 0; tile < p.tiles; tile++)
          give_chunk<T> (p, at (p.out, to) + tile * channels + c, v[k]);
  }
}

/* ---- an element a thread ---- */

DV_DEVICE float
deep_value (const Shuffle &p, const int64_t cell[3], int64_t channel)
{
  float sum = 0;

  for (int64_t i = channel * p.group; i < (channel + 1) * p.group; i++) {
    int64_t c = i, from[3];
    int place = (int)dv_split (&c, p.places);

    (void)wide_cell (p, cell, place, from);
    sum += dv_get (p.x, at (p.x, from) + c);
  }
  return p.group == 1 ? sum : sum / (float)p.group;
}

DV_DEVICE float
wide_value (const Shuffle &p, const int64_t cell[3], int64_t channel)
{
  int64_t channels = p.x.shape[3] / p.places, from[3];
  int offset[3];

  for (int a = 0; a < 3; a++) {
    from[a] = cell[a] + (a == 0 ? p.drop : 0);
    offset[a] = (int)dv_split (&from[a], p.factor[a]);
  }
  return dv_get (p.x,
      at (p.x, from) + channel % channels * p.places + place_of (p, offset));
}

DV_KERNEL
DV_BOUNDS (THREADS) shuffle (Shuffle p, int deep, int64_t count)
{
  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t number = i, c = dv_split (&number, p.out.shape[3]), cell[3], to;
    float v;

    cell_of (p.out, number, cell);
    v = deep ? deep_value (p, cell, c) : wide_value (p, cell, c);
    to = at (p.out, cell) + c;
    if (p.add)
      v += dv_get (p.out, to);
    dv_set (p.out, to, v);
  }
}

/* Eight elements of a row of pixels, channels and all; a row of the output has
 * no gaps. */
DV_KERNEL
DV_BOUNDS (THREADS) widen_row (Shuffle p, int64_t chunks, int64_t count)
{
  int64_t channels = p.x.shape[3] / p.places, width = p.out.shape[3];
  int step = p.columns_first ? p.factor[1] : 1;

  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t t = i, pixel = DV_CHUNK * dv_split (&t, chunks), to, from, tile;
    int64_t n = p.out.shape[2] * width - pixel,
            y = dv_split (&t, p.out.shape[1]);
    int64_t c, source;
    int offset[3];
    float v[DV_CHUNK] = {};

    to = t * p.out.stride[0] + y * p.out.stride[1] + pixel;
    t += p.drop;
    offset[0] = (int)dv_split (&t, p.factor[0]);
    offset[1] = (int)dv_split (&y, p.factor[1]);
    c = dv_split (&pixel, width);
    offset[2] = (int)dv_split (&pixel, p.factor[2]);
    tile = c;
    source = dv_split (&tile, channels);
    from = t * p.x.stride[0] + y * p.x.stride[1] + pixel * p.x.stride[2];
    from += place_of (p, offset) - offset[2] * step;
    DV_UNROLL
    for (int j = 0; j < DV_CHUNK; j++) {
      if (j < n)
        v[j] = dv_get (p.x, from + source * p.places + offset[2] * step);
      source = source + 1 == channels ? 0 : source + 1;
      if (++c == width) {
        c = 0;
        if (++offset[2] == p.factor[2]) {
          offset[2] = 0;
          from += p.x.stride[2];
        }
      }
    }
    give (p, to, n, v);
  }
}

/* ---- the entry ---- */

static int64_t
cells_of (const DvTensor *t)
{
  return t->shape[0] * t->shape[1] * t->shape[2];
}

/* Whether all of @t can be accessed in chunks, its channels @unit at a time. */
static bool
in_chunks (const DvTensor *t, int64_t unit)
{
  return ((uintptr_t)t->data & 15) == 0 && t->shape[3] % unit == 0 &&
         t->stride[0] % DV_CHUNK == 0 && t->stride[1] % DV_CHUNK == 0 &&
         t->stride[2] % DV_CHUNK == 0;
}

template <typename T, int PLACES>
static void
launch (const DvShuffle *p, const Shuffle &how, cudaStream_t queue)
{
  bool deep = p->kind == DV_SPACE_TO_DEPTH;
  int64_t chunks = p->x->shape[3] / (deep ? 1 : PLACES) / DV_CHUNK;
  int64_t count = cells_of (deep ? p->out : p->x) * chunks;

  if (deep)
    DV_LAUNCH ((deepen<T, PLACES>), dv_blocks (count, THREADS), THREADS, 0,
        queue, how, chunks, count);
  else
    DV_LAUNCH ((widen<T, PLACES>), dv_blocks (count, THREADS), THREADS, 0,
        queue, how, chunks, count);
}

template <typename T>
static void
launch_places (const DvShuffle *p, const Shuffle &how, cudaStream_t queue)
{
  if (how.places == 8)
    launch<T, 8> (p, how, queue);
  else if (how.places == 4)
    launch<T, 4> (p, how, queue);
  else
    launch<T, 2> (p, how, queue);
}

static void
launch_chunks (const DvShuffle *p, const Shuffle &how, cudaStream_t queue)
{
  if (p->x->dtype == DV_F32)
    launch_places<float> (p, how, queue);
  else if (p->x->dtype == DV_BF16)
    launch_places<DvBf16> (p, how, queue);
  else
    launch_places<DvF16> (p, how, queue);
}

DvStatus
dv_cuda_shuffle (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvShuffle *p = (const DvShuffle *)args;
  cudaStream_t queue = dv_cuda_queue (stream);
  int64_t count = dv_tensor_count (p->out);
  bool deep = p->kind == DV_SPACE_TO_DEPTH;
  Shuffle how = {};

  how.out = dv_view (p->out);
  how.x = dv_view (p->x);
  how.places = 1;
  for (int a = 0; a < 3; a++) {
    how.factor[a] = p->factor[a];
    how.places *= p->factor[a];
  }
  how.drop = deep ? 0 : p->drop;
  how.columns_first = p->columns_first;
  how.add = p->add;
  how.group = deep && p->group > 0 ? p->group : 1;
  how.tiles = !deep && p->tile > 0 ? p->tile : 1;
  if (how.group == 1 &&
      (how.places == 8 || how.places == 4 || how.places == 2) &&
      p->x->dtype == p->out->dtype &&
      in_chunks (p->x, DV_CHUNK * (deep ? 1 : how.places)) &&
      in_chunks (p->out, DV_CHUNK * (deep ? how.places : 1)))
    launch_chunks (p, how, queue);
  else if (!deep && p->out->stride[2] == p->out->shape[3]) {
    int64_t row = p->out->shape[2] * p->out->shape[3];
    int64_t chunks = (row + DV_CHUNK - 1) / DV_CHUNK;

    count = p->out->shape[0] * p->out->shape[1] * chunks;
    DV_LAUNCH (widen_row, dv_blocks (count, THREADS), THREADS, 0, queue, how,
        chunks, count);
  } else
    DV_LAUNCH (shuffle, dv_blocks (count, THREADS), THREADS, 0, queue, how,
        (int)deep, count);
  return dv_cuda_launched ("pixel shuffle", error);
}
