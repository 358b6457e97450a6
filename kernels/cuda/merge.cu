/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Low-rank changes of a matrix on a GPU: ops.h, DvMerge.  A launch adds one of
 * them; a block makes 64 rows by 128 columns, a thread 4 by 8 of these, and
 * walks over the rank 16 at a time.  The next step's factors wait in registers
 * while this one's are multiplied.  What is past an edge is 0 and adds
 * nothing.
 *
 * Every backend gives the same bits.  For that a sum is one chain in the order
 * of the rank, on the ordinary cores, and the file is compiled without joining
 * products and sums (-fmad=false).  Between several changes the matrix stands
 * in F32: in out, or if that is BF16 in the workspace.
 *
 * Threads: see dvcuda.h.
 */
#include "four.cuh"

#define BN 64
#define BK 128
#define DEPTH 16
#define THREADS 256
#define ROWS 4 /* of a thread, as the columns are DV_CHUNK */
#define LANES (BK / DV_CHUNK)

struct Change {
  DvView out, x, b, a;
  float scale;
};

/* A thread's share of a step's factors: eight columns of a row of a, and four
 * of the rank of a row of b. */
struct Share {
  float a[DV_CHUNK], b[4];
};

DV_DEVICE void
load (const Change &p, int64_t n0, int64_t k0, int64_t r0, Share &share)
{
  const int64_t rank = p.a.shape[0];
  const int64_t r = r0 + threadIdx.x / LANES;
  const int64_t k = k0 + threadIdx.x % LANES * DV_CHUNK;
  const int64_t n = n0 + threadIdx.x / 4, first = r0 + threadIdx.x % 4 * 4;

  dv_get8 (
      p.a, r * p.a.stride[0] + k, r < rank ? p.a.shape[1] - k : 0, share.a);
  DV_UNROLL
  for (int i = 0; i < 4; i++)
    share.b[i] = n < p.b.shape[0] && first + i < rank
                     ? dv_get (p.b, n * p.b.stride[0] + first + i)
                     : 0;
}

/* The two halves of eight columns stand apart, so that neighbours read next to
 * each other; b is turned. */
DV_DEVICE void
put_down (const Share &share, float (*a)[BK], float (*b)[BN + 4])
{
  const int row = threadIdx.x / LANES, lane = threadIdx.x % LANES;
  const int n = threadIdx.x / 4, r = threadIdx.x % 4 * 4;

  dv_store_four (&a[row][4 * lane], share.a);
  dv_store_four (&a[row][BK / 2 + 4 * lane], share.a + 4);
  DV_UNROLL
  for (int i = 0; i < 4; i++)
    b[r + i][n] = share.b[i];
}

DV_DEVICE void
multiply (float (&sum)[ROWS][DV_CHUNK], const float (*a)[BK],
    const float (*b)[BN + 4])
{
  const int row = threadIdx.x / LANES * ROWS, lane = threadIdx.x % LANES;

  DV_UNROLL
  for (int r = 0; r < DEPTH; r++) {
    float x[ROWS], y[DV_CHUNK];

    dv_load_four (&b[r][row], x);
    dv_load_four (&a[r][4 * lane], y);
    dv_load_four (&a[r][BK / 2 + 4 * lane], y + 4);
    DV_UNROLL
    for (int i = 0; i < ROWS; i++)
      DV_UNROLL
    for (int j = 0; j < DV_CHUNK; j++)
      sum[i][j] += x[i] * y[j];
  }
}

DV_DEVICE void
finish (
    const Change &p, int64_t n0, int64_t k0, const float (&sum)[ROWS][DV_CHUNK])
{
  const int64_t k = k0 + threadIdx.x % LANES * DV_CHUNK;
  const int64_t left = p.out.shape[1] - k;

  DV_UNROLL
  for (int i = 0; i < ROWS; i++) {
    int64_t n = n0 + threadIdx.x / LANES * ROWS + i;
    float v[DV_CHUNK];

    if (n >= p.out.shape[0] || left <= 0)
      continue;
    dv_get8 (p.x, n * p.x.stride[0] + k, left, v);
    DV_UNROLL
    for (int j = 0; j < DV_CHUNK; j++)
      v[j] += p.scale * sum[i][j];
    dv_set8 (p.out, n * p.out.stride[0] + k, left, v);
  }
}

DV_KERNEL
DV_BOUNDS (THREADS)
merge (const Change p, int64_t across, int64_t tiles)
{
  DV_SHARED (float, a, [DEPTH][BK]);
  DV_SHARED (float, b, [DEPTH][BN + 4]);
  const int64_t rank = p.a.shape[0];

  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    int64_t n0 = tile, k0 = BK * dv_split (&n0, across);
    float sum[ROWS][DV_CHUNK] = {};
    Share share;

    n0 *= BN;
    load (p, n0, k0, 0, share);
    for (int64_t r = 0; r < rank; r += DEPTH) {
      __syncthreads ();
      put_down (share, a, b);
      __syncthreads ();
      load (p, n0, k0, r + DEPTH, share);
      multiply (sum, a, b);
    }
    finish (p, n0, k0, sum);
  }
}

static bool
has_sums (const DvMerge *p)
{
  return p->n_changes > 1 && p->out->dtype != DV_F32;
}

size_t
dv_cuda_merge_workspace (const DvDevice *device, const DvMerge *p)
{
  return has_sums (p) ? (size_t)dv_tensor_count (p->out) * sizeof (float) : 0;
}

DvStatus
dv_cuda_merge (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvMerge *p = (const DvMerge *)args;
  const int64_t across = (p->out->shape[1] + BK - 1) / BK;
  const int64_t tiles = (p->out->shape[0] + BN - 1) / BN * across;
  DvTensor sums = dv_tensor (workspace, DV_F32, 2, p->out->shape);
  const DvTensor *between = has_sums (p) ? &sums : p->out;

  for (int i = 0; i < p->n_changes; i++) {
    Change change = {};

    change.out = dv_view (i == p->n_changes - 1 ? p->out : between);
    change.x = dv_view (i == 0 ? p->x : between);
    change.b = dv_view (p->changes[i].b);
    change.a = dv_view (p->changes[i].a);
    change.scale = p->changes[i].scale;
    DV_LAUNCH (merge, dv_blocks (tiles, 1), THREADS, 0, dv_cuda_queue (stream),
        change, across, tiles);
  }
  return dv_cuda_launched ("merging", error);
}
