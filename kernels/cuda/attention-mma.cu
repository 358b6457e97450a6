/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Attention on BF16 by matrix instructions: a block of four warps takes 64 MT
 * queries of one head, each warp 16 MT of them, and walks over the keys BN at
 * a time.  Scores, weights and sums stay in registers; keys and values come
 * to shared memory by asynchronous copies, the values of a tile while its
 * scores are computed, the keys of the next while the values are weighed.
 *
 * With MT = 2 a fragment of keys or values serves two matrix instructions, so
 * that shared memory (128 bytes a cycle) keeps ahead of the tensor cores; two
 * blocks an SM cover each other's softmax.  What bounds it is the rate of the
 * matrix instruction, then that of exp2 (16 a cycle and SM: 32,640 queries by
 * 32,640 keys by 32 heads of 128 are 17.5 TFLOP and 3.4e10 exponentials, 17.6
 * and 9.2 ms on an H100).  Rows of shared memory are 16 bytes longer than a
 * head, which spreads eight rows over all banks for every head size here.
 *
 * Where few blocks of queries meet many keys, the keys are split and a second
 * kernel joins the parts, in order.
 *
 * Values of keys that a bias of -infinity hides are not read.  A key that is
 * seen by other queries of a block but hidden from this one, or whose weight
 * is too small for a float, counts 0 times its value.
 */
#include "attention.cuh"
#include "mma.cuh"

#define THREADS 128

/* Rows [0, valid) of D entries to shared memory, the rest of @ROWS zeros.
 * @hide: rows where it is -infinity count as zeros; NULL: none. */
template <int ROWS, int D, bool ASYNC>
DV_DEVICE void
load_rows (uint16_t *to, const uint16_t *from, int64_t stride, int64_t valid,
    int d, const float *hide)
{
  constexpr int CHUNKS = D / 8, STEP = THREADS / CHUNKS;
  const int column = threadIdx.x % CHUNKS * 8,
            rows = valid < ROWS ? (int)valid : ROWS;
  const uint16_t *at = from + threadIdx.x / CHUNKS * stride + column;

  to += threadIdx.x / CHUNKS * (D + 8) + column;
  DV_UNROLL
  for (int i = 0; i < ROWS; i += STEP, at += STEP * stride) {
    int row = i + threadIdx.x / CHUNKS;
    bool there = row < rows && column < d && !(hide && hide[row] == -INFINITY);

    if (ASYNC)
      dv_copy16 (to + i * (D + 8), there ? at : from, there ? 16 : 0);
    else
      for (int j = 0; j < 8; j++)
        to[i * (D + 8) + j] = there && column + j < d ? at[j] : (uint16_t)0;
  }
}

/* What a warp keeps of its queries: fragments of [16 MT, D] sums of values,
 * and for rows g and g + 8 of each 16 the largest score and its lanes' part of
 * the sum of weights.  Scores are times @factor, in powers of two. */
template <int D, int MT> struct Sums {
  float o[MT][D / 8][4];
  float top[MT][2], sum[MT][2];
};

/* s = q k^T of a warp's rows at @q and all keys of a tile. */
template <int D, int MT, int BN>
DV_DEVICE void
score (float (&s)[MT][BN / 8][4], const uint16_t *q, const uint16_t *k)
{
  constexpr int LD = D + 8;
  const int lane = threadIdx.x % 32;

  q += lane % 16 * LD + lane / 16 * 8;
  k += (lane / 16 * 8 + lane % 8) * LD + lane / 8 % 2 * 8;
  DV_UNROLL
  for (int m = 0; m < MT; m++)
    DV_UNROLL
  for (int n = 0; n < BN / 8; n++)
    DV_UNROLL
  for (int e = 0; e < 4; e++)
    s[m][n][e] = 0;
  DV_UNROLL
  for (int c = 0; c < D; c += 16) {
    uint32_t a[MT][4], b[4];

    DV_UNROLL
    for (int m = 0; m < MT; m++)
      dv_ldmatrix (a[m], q + m * 16 * LD + c);
    DV_UNROLL
    for (int n = 0; n < BN / 8; n += 2) {
      dv_ldmatrix (b, k + n * 8 * LD + c);
      DV_UNROLL
      for (int m = 0; m < MT; m++) {
        dv_mma (s[m][n], a[m], b[0], b[1]);
        dv_mma (s[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/* Scores become scores times scale plus bias, in powers of two. */
template <int MT, int BN>
DV_DEVICE void
bend (float (&s)[MT][BN / 8][4], const Attention &p, int64_t key)
{
  const float scale = p.scale * 1.44269504f;
  const int t = threadIdx.x % 4;

  DV_UNROLL
  for (int n = 0; n < BN / 8; n++)
    DV_UNROLL
  for (int e = 0; e < 2; e++) {
    int64_t j = key + n * 8 + t * 2 + e;
    float bias = p.bias && j < p.S ? p.bias[j] * 1.44269504f : 0;

    DV_UNROLL
    for (int m = 0; m < MT; m++) {
      s[m][n][e] = s[m][n][e] * scale + bias;
      s[m][n][e + 2] = s[m][n][e + 2] * scale + bias;
    }
  }
}

/* Scores of keys that a query does not see become -infinity. */
template <int MT, int BN>
DV_DEVICE void
hide (float (&s)[MT][BN / 8][4], const Attention &p, int64_t i, int64_t key)
{
  const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;

  DV_UNROLL
  for (int m = 0; m < MT; m++)
    DV_UNROLL
  for (int half = 0; half < 2; half++) {
    int from, end;

    keys_of_tile (p, i + m * 16 + half * 8 + g, key, BN, &from, &end);
    DV_UNROLL
    for (int n = 0; n < BN / 8; n++)
      DV_UNROLL
    for (int e = 0; e < 2; e++)
      if (n * 8 + t * 2 + e < from || n * 8 + t * 2 + e >= end)
        s[m][n][half * 2 + e] = -INFINITY;
  }
}

/* Scores become weights; what was summed so far shrinks to the new top. */
template <int D, int MT, int BN>
DV_DEVICE void
weigh (float (&s)[MT][BN / 8][4], Sums<D, MT> &sums, float factor)
{
  float shrink[MT][2];
  bool same = true;

  DV_UNROLL
  for (int m = 0; m < MT; m++)
    DV_UNROLL
  for (int h = 0; h < 2; h++) {
    float best = -INFINITY, part = 0, shift;

    DV_UNROLL
    for (int n = 0; n < BN / 8; n++)
      best = fmaxf (best, fmaxf (s[m][n][2 * h], s[m][n][2 * h + 1]));
    best = fmaxf (best, __shfl_xor_sync (DV_ALL_LANES, best, 1));
    best = fmaxf (best, __shfl_xor_sync (DV_ALL_LANES, best, 2));
    best = fmaxf (sums.top[m][h], best * factor);
    /* Where nothing is seen yet all weights are 2^-infinity, or NaN. */
    shift = best == -INFINITY ? 0 : best;
    shrink[m][h] = dv_exp2 (sums.top[m][h] - shift);
    same = same && shrink[m][h] == 1;
    sums.top[m][h] = best;
    DV_UNROLL
    for (int n = 0; n < BN / 8; n++)
      DV_UNROLL
    for (int e = 2 * h; e < 2 * h + 2; e++) {
      s[m][n][e] = dv_exp2 (fmaf (s[m][n][e], factor, -shift));
      part += s[m][n][e];
    }
    sums.sum[m][h] = sums.sum[m][h] * shrink[m][h] + part;
  }
  if (__all_sync (DV_ALL_LANES, same))
    return;
  DV_UNROLL
  for (int m = 0; m < MT; m++)
    DV_UNROLL
  for (int n = 0; n < D / 8; n++)
    DV_UNROLL
  for (int e = 0; e < 4; e++)
    sums.o[m][n][e] *= shrink[m][e / 2];
}

/* o += weights times values. The weights' fragments of 16 keys are those of
 * two columns of scores, rounded. */
template <int D, int MT, int BN>
DV_DEVICE void
add_values (
    Sums<D, MT> &sums, const float (&s)[MT][BN / 8][4], const uint16_t *v)
{
  constexpr int LD = D + 8;
  const int lane = threadIdx.x % 32;

  v += lane % 16 * LD + lane / 16 * 8;
  DV_UNROLL
  for (int n = 0; n < BN / 8; n += 2) {
    uint32_t a[MT][4], b[4];

    DV_UNROLL
    for (int m = 0; m < MT; m++) {
      a[m][0] = dv_fragment (s[m][n][0], s[m][n][1]);
      a[m][1] = dv_fragment (s[m][n][2], s[m][n][3]);
      a[m][2] = dv_fragment (s[m][n + 1][0], s[m][n + 1][1]);
      a[m][3] = dv_fragment (s[m][n + 1][2], s[m][n + 1][3]);
    }
    DV_UNROLL
    for (int c = 0; c < D / 8; c += 2) {
      dv_ldmatrix_transposed (b, v + n * 8 * LD + c * 8);
      DV_UNROLL
      for (int m = 0; m < MT; m++) {
        dv_mma (sums.o[m][c], a[m], b[0], b[1]);
        dv_mma (sums.o[m][c + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/* Entries @c and @c + 1 of a query. */
DV_DEVICE void
put_pair (const Attention &p, int64_t i, int h, int c, float a, float b)
{
  int64_t at = i * p.out.row + h * p.out.head + c;
  bool second = c + 1 < p.d;

  if (c >= p.d)
    return;
  if (p.splits > 1) {
    float *to = p.part + (((int64_t)blockIdx.z * p.H + h) * p.M + i) * p.d + c;

    to[0] = a;
    if (second)
      to[1] = b;
  } else if (!p.out.bf16) {
    float *to = (float *)p.out.data + at;

    to[0] = a;
    if (second)
      to[1] = b;
  } else {
    uint16_t *to = (uint16_t *)p.out.data + at;
    uint32_t pair = dv_bf16_pair (a, b);

    if (second && (uintptr_t)to % 4 == 0) {
      *(uint32_t *)to = pair;
    } else {
      to[0] = (uint16_t)pair;
      if (second)
        to[1] = (uint16_t)(pair >> 16);
    }
  }
}

template <int D, int MT>
DV_DEVICE void
finish (const Attention &p, const Sums<D, MT> &sums, int64_t i0, int h)
{
  const int lane = threadIdx.x % 32;

  DV_UNROLL
  for (int m = 0; m < MT; m++)
    DV_UNROLL
  for (int half = 0; half < 2; half++) {
    int64_t i = i0 + m * 16 + half * 8 + lane / 4;
    float sum = sums.sum[m][half], factor = 1;

    sum += __shfl_xor_sync (DV_ALL_LANES, sum, 1);
    sum += __shfl_xor_sync (DV_ALL_LANES, sum, 2);
    if (i >= p.M)
      continue;
    if (p.splits > 1) {
      float *to = p.part + (int64_t)p.splits * p.H * p.M * p.d +
                  (((int64_t)blockIdx.z * p.H + h) * p.M + i) * 2;

      to[0] = sums.top[m][half];
      to[1] = sum;
    } else {
      factor = last_factor (p, i, h, sum);
    }
    DV_UNROLL
    for (int n = 0; n < D / 8; n++)
      put_pair (p, i, h, n * 8 + lane % 4 * 2, sums.o[m][n][2 * half] * factor,
          sums.o[m][n][2 * half + 1] * factor);
  }
}

/* Blocks: (64 MT queries, head, part of the keys). */
template <int D, int MT, int BN, bool ASYNC>
DV_KERNEL
__launch_bounds__ (THREADS, 2) attend (const Attention p)
{
  constexpr int BM = 64 * MT, LD = D + 8;
  DV_SHARED_DYNAMIC (uint16_t, memory);
  uint16_t *q = memory, *k = q + BM * LD, *v = k + BN * LD;
  const int warp = threadIdx.x / 32, h = blockIdx.y, g = h / p.share;
  const int64_t i0 = (int64_t)blockIdx.x * BM, mine = i0 + warp * 16 * MT;
  const int64_t queries = p.M - i0 < BM ? p.M - i0 : BM;
  const uint16_t *keys = (const uint16_t *)p.k.data + g * p.k.head;
  const uint16_t *values = (const uint16_t *)p.v.data + g * p.v.head;
  const bool plain = !p.bias && p.scale > 0;
  const float factor = plain ? p.scale * 1.44269504f : 1;
  int64_t key, end;
  Sums<D, MT> sums;

  keys_seen (p, i0, queries, &key, &end);
  key = key / BN * BN;
  if (p.splits > 1) {
    int64_t tiles = (end - key + BN - 1) / BN;
    int64_t each = (tiles + p.splits - 1) / p.splits * BN;

    key += each * blockIdx.z;
    end = key + each < end ? key + each : end;
  }
  DV_UNROLL
  for (int m = 0; m < MT; m++) {
    sums.top[m][0] = sums.top[m][1] = -INFINITY;
    sums.sum[m][0] = sums.sum[m][1] = 0;
    DV_UNROLL
    for (int n = 0; n < D / 8; n++)
      DV_UNROLL
    for (int e = 0; e < 4; e++)
      sums.o[m][n][e] = 0;
  }
  load_rows<BM, D, ASYNC> (q,
      (const uint16_t *)p.q.data + i0 * p.q.row + h * p.q.head, p.q.row,
      queries, p.d, NULL);
  if (key < end)
    load_rows<BN, D, ASYNC> (
        k, keys + key * p.k.row, p.k.row, p.S - key, p.d, NULL);
  dv_copy_commit ();
  for (; key < end; key += BN) {
    float s[MT][BN / 8][4];

    dv_copy_wait<0> ();
    __syncthreads (); /* these keys are there, the last values were used */
    load_rows<BN, D, ASYNC> (v, values + key * p.v.row, p.v.row, p.S - key, p.d,
        p.bias ? p.bias + key : NULL);
    dv_copy_commit ();
    score<D, MT, BN> (s, q + warp * 16 * MT * LD, k);
    dv_copy_wait<0> ();
    __syncthreads (); /* these values are there, the keys were used */
    if (key + BN < end)
      load_rows<BN, D, ASYNC> (
          k, keys + (key + BN) * p.k.row, p.k.row, p.S - key - BN, p.d, NULL);
    dv_copy_commit ();
    if (!plain)
      bend<MT, BN> (s, p, key);
    if (key + BN > p.S || (p.causal && key + BN > mine) ||
        (p.window > 0 && key + p.window <= mine + 16 * MT))
      hide<MT, BN> (s, p, mine, key);
    weigh<D, MT, BN> (s, sums, factor);
    add_values<D, MT, BN> (sums, s, v);
  }
  finish<D, MT> (p, sums, mine, h);
}

/* Joins the parts. Threads: (entry of a query, head). */
DV_KERNEL
join (const Attention p)
{
  int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  int h = blockIdx.y;
  int64_t i = at / p.d, rows = (int64_t)p.H * p.M;
  const float *part = p.part + (h * p.M + i) * p.d + at % p.d;
  const float *known = p.part + p.splits * rows * p.d + (h * p.M + i) * 2;
  float top = -INFINITY, sum = 0, value = 0;

  if (i >= p.M)
    return;
  for (int s = 0; s < p.splits; s++)
    top = fmaxf (top, known[s * rows * 2]);
  top = top == -INFINITY ? 0 : top;
  for (int s = 0; s < p.splits; s++) {
    float weight = dv_exp2 (known[s * rows * 2] - top);

    sum += known[s * rows * 2 + 1] * weight;
    value += part[s * rows * p.d] * weight;
  }
  value *= last_factor (p, i, h, sum);
  put_entry (p.out, i * p.out.row + h * p.out.head + at % p.d, value);
}

/* ---- launching ---- */

static bool
aligned (const Heads *t)
{
  return (uintptr_t)t->data % 16 == 0 && t->row % 8 == 0 && t->head % 8 == 0;
}

template <int D, int MT, int BN, bool ASYNC>
static void
launch (const Attention *p, cudaStream_t queue)
{
  const int bytes = (64 * MT + 2 * BN) * (D + 8) * 2;
  dim3 blocks ((unsigned)((p->M + 64 * MT - 1) / (64 * MT)), (unsigned)p->H,
      (unsigned)p->splits);

  DV_LAUNCH ((attend<D, MT, BN, ASYNC>), blocks, THREADS, bytes, queue, *p);
}

/* Heads that asynchronous copies cannot take are no model's: two sizes do. */
static bool
whole (const Attention *p)
{
  return p->d % 8 == 0 && aligned (&p->q) && aligned (&p->k) && aligned (&p->v);
}

int
dv_cuda_attention_mma_splits (const Attention *p)
{
  /* Enough blocks for two on each of a large GPU's SMs, and 512 keys or more
   * to each: the same on every GPU and for every address, so that a plan is. */
  int64_t rows = p->d <= 128 ? 128 : 64;
  int64_t blocks = (p->M + rows - 1) / rows * p->H, splits;

  if (p->causal || blocks == 0)
    return 1;
  splits = 264 / blocks;
  if (splits > p->S / 512)
    splits = p->S / 512;
  return splits < 1 ? 1 : splits > 32 ? 32 : (int)splits;
}

void
dv_cuda_attention_mma (const Attention *p, cudaStream_t queue)
{
  if (!whole (p) && p->d <= 64)
    launch<64, 2, 64, false> (p, queue);
  else if (!whole (p))
    launch<256, 1, 32, false> (p, queue);
  else if (p->d <= 64)
    launch<64, 2, 64, true> (p, queue);
  else if (p->d <= 128)
    launch<128, 2, 64, true> (p, queue);
  else
    launch<256, 1, 32, true> (p, queue);
  if (p->splits > 1) {
    dim3 blocks (
        (unsigned)((p->M * p->d + THREADS - 1) / THREADS), (unsigned)p->H);

    DV_LAUNCH (join, blocks, THREADS, 0, queue, *p);
  }
}
