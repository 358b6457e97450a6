/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Convolution in F32 (conv.cuh): a block makes 128 output cells by BN
 * channels, a thread 8 by 4 of them, and walks over taps and channels 16 at a
 * time.  The next step's factors wait in registers while this one's are
 * multiplied.  What bounds it is the rate of multiply-adds.
 *
 * A sum is cut into blocks of 512 products that are added in order, which
 * keeps its rounding as small as the ref backend's.
 */
#include "conv.cuh"
#include "four.cuh"

#define BM 128
#define DEPTH 16       /* channels a step */
#define BLOCK 32       /* steps a block of products */
#define WIDTH (BM + 4) /* of a row of cells in shared memory */

/* The copies of a thread: four channels, threadIdx.x % 4 of a step's, of rows
 * threadIdx.x / 4, + THREADS / 4, ... */
template <int BN> struct Gather {
  static constexpr int THREADS = BM / 8 * (BN / 4);
  static constexpr int APART = THREADS / 4;
  static constexpr int A = BM / APART, B = (BN + APART - 1) / APART;
  int64_t at[A]; /* input under the tap, or -1 */
  float a[A][4], b[B][4];
  DvTap tap;
  bool more;
};

template <int BN>
DV_DEVICE void
look_up (const Convolution &p, Gather<BN> &g, const int *corners)
{
  DV_UNROLL
  for (int i = 0; i < g.A; i++)
    g.at[i] =
        g.more ? under (p, corners + threadIdx.x / 4 + i * g.APART, BM, g.tap)
               : -1;
}

/* Four channels of @n that are there. */
DV_DEVICE void
load_four (const Cells &c, int64_t at, int n, float v[4])
{
  DV_UNROLL
  for (int i = 0; i < 4; i++)
    if (c.bf16)
      v[i] = i < n ? dv_float (((const DvBf16 *)c.data)[at + i]) : 0;
    else
      v[i] = i < n ? ((const float *)c.data)[at + i] : 0;
}

/* Loads a step's factors and goes on to the next. */
template <int BN>
DV_DEVICE void
load (const Convolution &p, Gather<BN> &g, const int *corners, int n0)
{
  const int before = g.tap.channel, real = p.ci - before;
  const int64_t tap = (g.tap.it * p.taps[1] + g.tap.iy) * p.taps[2] + g.tap.ix;
  const float *w = (const float *)p.w + tap * p.w_tap + before;
  const bool whole = !p.x.bf16 && real >= 4;

  DV_UNROLL
  for (int i = 0; i < g.A; i++) {
    const float *from = (const float *)p.x.data + g.at[i] + before;

    if (whole && g.at[i] >= 0 && dv_aligned (from))
      dv_load_four (from, g.a[i]);
    else
      load_four (p.x, g.at[i] + before, g.at[i] < 0 ? 0 : real, g.a[i]);
  }
  DV_UNROLL
  for (int i = 0; i < g.B; i++) {
    int n = threadIdx.x / 4 + i * g.APART;

    if (g.more && n < BN && n0 + n < p.co)
      dv_load_four (w + (n0 + n) * p.w_row, g.b[i]);
    else
      g.b[i][0] = g.b[i][1] = g.b[i][2] = g.b[i][3] = 0;
  }
  g.more = step (p, &g.tap, DEPTH);
  if (g.tap.channel != before + DEPTH)
    look_up<BN> (p, g, corners);
}

/* Puts a step's factors down, transposed. */
template <int BN>
DV_DEVICE void
put_down (const Gather<BN> &g, float (*a)[WIDTH], float (*b)[BN + 4])
{
  const int row = threadIdx.x / 4, k = threadIdx.x % 4 * 4;

  DV_UNROLL
  for (int i = 0; i < g.A; i++)
    DV_UNROLL
  for (int j = 0; j < 4; j++)
    a[k + j][row + i * g.APART] = g.a[i][j];
  DV_UNROLL
  for (int i = 0; i < g.B; i++)
    DV_UNROLL
  for (int j = 0; j < 4; j++)
    if (row + i * g.APART < BN)
      b[k + j][row + i * g.APART] = g.b[i][j];
}

template <int BN>
DV_DEVICE void
multiply (float (&part)[8][4], const float (*a)[WIDTH], int row,
    const float (*b)[BN + 4], int column)
{
  DV_UNROLL
  for (int k = 0; k < DEPTH; k++) {
    float x[8], y[4];

    dv_load_wide (&a[k][row], x);
    dv_load_four (&b[k][column], y);
    DV_UNROLL
    for (int r = 0; r < 8; r++)
      DV_UNROLL
    for (int c = 0; c < 4; c++)
      part[r][c] = fmaf (x[r], y[c], part[r][c]);
  }
}

DV_DEVICE void
add (float (&sum)[8][4], float (&part)[8][4])
{
  DV_UNROLL
  for (int r = 0; r < 8; r++)
    DV_UNROLL
  for (int c = 0; c < 4; c++) {
    sum[r][c] += part[r][c];
    part[r][c] = 0;
  }
}

/* Blocks: tiles of channels fastest. */
template <int BN>
DV_KERNEL
DV_BOUNDS (Gather<BN>::THREADS) convolve (const Convolution p)
{
  DV_SHARED (float, a, [DEPTH][WIDTH]);
  DV_SHARED (float, b, [DEPTH][BN + 4]);
  DV_SHARED (int, corners, [3 * BM]);
  const int tiles = (p.co + BN - 1) / BN, n0 = blockIdx.x % tiles * BN;
  const int row = threadIdx.x / (BN / 4) * 8;
  const int column = threadIdx.x % (BN / 4) * 4;
  const int64_t m0 = (int64_t)(blockIdx.x / tiles) * BM;
  const int64_t cells = (int64_t)p.cells[0] * p.cells[1] * p.cells[2];
  const int steps =
      (p.taps[0] * p.taps[1] * p.taps[2] * p.channels + DEPTH - 1) / DEPTH;
  float sum[8][4] = {}, part[8][4] = {}, bias[DV_CHUNK] = {};
  Gather<BN> g = {};
  int n;

  for (int r = threadIdx.x; r < BM; r += g.THREADS)
    corner (p, m0 + r < cells ? m0 + r : m0, corners + r, BM);
  __syncthreads ();
  g.more = step (p, &g.tap, (int)threadIdx.x % 4 * 4);
  look_up<BN> (p, g, corners);
  load<BN> (p, g, corners, n0);
  for (int i = 0; i < steps; i++) {
    __syncthreads ();
    put_down<BN> (g, a, b);
    __syncthreads ();
    load<BN> (p, g, corners, n0);
    multiply<BN> (part, a, row, b, column);
    if (i % BLOCK == BLOCK - 1)
      add (sum, part);
  }
  add (sum, part);
  n = p.co - n0 - column < 4 ? p.co - n0 - column : 4;
  if (n <= 0)
    return;
  if (p.bias)
    dv_load8 (p.bias + n0 + column, n, bias);
  DV_UNROLL
  for (int r = 0; r < 8; r++) {
    int64_t m = m0 + row + r;
    float v[DV_CHUNK] = {sum[r][0], sum[r][1], sum[r][2], sum[r][3]};

    if (m < cells)
      finish (p, n0 + column, n, bias, place (p, p.out, m),
          place (p, p.residual, m), v);
  }
}

template <int BN>
static void
launch (const Convolution *p, cudaStream_t queue)
{
  int64_t blocks = (conv_rows (p) + BM - 1) / BM * ((p->co + BN - 1) / BN);

  DV_LAUNCH (convolve<BN>, (unsigned)blocks, Gather<BN>::THREADS, 0, queue, *p);
}

void
dv_cuda_conv_f32 (const Convolution *p, cudaStream_t queue)
{
  if (p->co <= 32)
    launch<32> (p, queue);
  else
    launch<64> (p, queue);
}
