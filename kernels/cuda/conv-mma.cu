/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Convolution by matrix instructions (conv.cuh): a block makes BM output cells
 * by BN channels and walks over taps and channels 32 at a time.  Asynchronous
 * copies gather the rows of input into shared memory STAGES - 1 steps ahead;
 * where a tap's input stands is worked out once a tap.
 *
 * What bounds the large tile is the matrix instruction: a warp's 64 x 64 read
 * 128 bytes of shared memory an instruction, what an SM has a cycle.  A block's
 * 256 x 128 read 12 bytes a thousand operations, 8 of them input, of which a
 * row of taps finds two thirds in the first-level cache: at 600 TFLOP/s that
 * leaves 4 TB/s to the second.  Rows of shared memory are 80 bytes, which
 * spreads eight over all banks.
 *
 * The sums go through shared memory once more, so that a warp writes (and
 * reads of the residual) whole rows of channels.
 */
#include "conv.cuh"
#include "mma.cuh"

#define DEPTH 32 /* channels a step */
#define WIDTH 40 /* of a row in shared memory */

template <int Rows, int Columns, int Down, int Across, int Stages> struct Tile {
  static constexpr int BM = Rows, BN = Columns, STAGES = Stages;
  static constexpr int DOWN = Down, ACROSS = Across; /* warps */
  static constexpr int THREADS = 32 * Down * Across;
  static constexpr int MT = Rows / Down / 16, NT = Columns / Across / 8;
  static constexpr int STAGE = (Rows + Columns) * WIDTH; /* elements */
  static constexpr int BYTES = Stages * STAGE * 2 + Rows * 12;
  /* Of a step, how many chunks of 8 each thread copies. */
  static constexpr int APART = THREADS / 4;
  static constexpr int A = Rows / APART, B = (Columns + APART - 1) / APART;
};

/* What a thread knows of the copies it makes: chunk threadIdx.x % 4 of rows
 * threadIdx.x / 4, + APART, ... */
template <typename T> struct Gather {
  int64_t at[T::A]; /* input under the tap, or -1 */
  DvTap tap;
  bool more;
};

template <typename T>
DV_DEVICE void
look_up (const Convolution &p, Gather<T> &g, const int *corners)
{
  DV_UNROLL
  for (int i = 0; i < T::A; i++) {
    const int *at = corners + threadIdx.x / 4 + i * T::APART;

    g.at[i] = g.more ? under (p, at, T::BM, g.tap) : -1;
  }
}

/* Begins the copies of a step and goes on to the next. */
template <typename T, bool ASYNC>
DV_DEVICE void
gather (const Convolution &p, Gather<T> &g, const int *corners, int n0,
    uint16_t *to)
{
  const int row = threadIdx.x / 4, chunk = threadIdx.x % 4 * 8;
  const int real = p.ci - g.tap.channel < 8 ? p.ci - g.tap.channel : 8;
  const int before = g.tap.channel;
  const int64_t tap = (g.tap.it * p.taps[1] + g.tap.iy) * p.taps[2] + g.tap.ix;
  const uint16_t *w = (const uint16_t *)p.w + tap * p.w_tap + g.tap.channel;

  DV_UNROLL
  for (int i = 0; i < T::A; i++) {
    uint16_t *slot = to + (row + i * T::APART) * WIDTH + chunk;
    bool there = g.at[i] >= 0;
    int64_t at = there ? g.at[i] + g.tap.channel : 0;

    if (ASYNC) {
      dv_copy16 (slot, (const uint16_t *)p.x.data + at, there ? real * 2 : 0);
    } else {
      float v[DV_CHUNK];

      load_cells (p.x, at, there ? real : 0, v);
      dv_store_wide ((DvBf16 *)slot, v);
    }
  }
  DV_UNROLL
  for (int i = 0; i < T::B; i++) {
    int n = row + i * T::APART;
    bool there = g.more && n0 + n < p.co;

    if (T::BN % T::APART == 0 || n < T::BN)
      dv_copy16 (to + (T::BM + n) * WIDTH + chunk,
          there ? w + (n0 + n) * p.w_row : (const uint16_t *)p.w,
          there ? 16 : 0);
  }
  dv_copy_commit ();
  g.more = step (p, &g.tap, DEPTH);
  if (g.tap.channel != before + DEPTH)
    look_up<T> (p, g, corners);
}

/* sum += a step's product, of a warp's rows and columns. */
template <typename T>
DV_DEVICE void
multiply (float (&sum)[T::MT][T::NT][4], const uint16_t *a, const uint16_t *b)
{
  const int lane = threadIdx.x % 32;

  a += lane % 16 * WIDTH + lane / 16 * 8;
  b += (lane / 16 * 8 + lane % 8) * WIDTH + lane / 8 % 2 * 8;
  DV_UNROLL
  for (int k = 0; k < DEPTH; k += 16) {
    uint32_t x[T::MT][4];

    DV_UNROLL
    for (int m = 0; m < T::MT; m++)
      dv_ldmatrix (x[m], a + m * 16 * WIDTH + k);
    DV_UNROLL
    for (int n = 0; n < T::NT; n += 2) {
      uint32_t y[4];

      dv_ldmatrix (y, b + n * 8 * WIDTH + k);
      DV_UNROLL
      for (int m = 0; m < T::MT; m++) {
        dv_mma (sum[m][n], x[m], y[0], y[1]);
        dv_mma (sum[m][n + 1], x[m], y[2], y[3]);
      }
    }
  }
}

/* Writes a warp's sums: 16 rows at a time go through @stage. */
template <typename T>
DV_DEVICE void
write (const Convolution &p, const float (&sum)[T::MT][T::NT][4], float *stage,
    const int64_t *places, int row, int rows, int column)
{
  constexpr int COLUMNS = T::NT * 8, LD = COLUMNS + 4;
  constexpr int LANES = COLUMNS / 8, AT_ONCE = 32 / LANES;
  const int lane = threadIdx.x % 32, c = lane % LANES * 8;
  const int left = p.co - column - c, n = left < 8 ? left : 8;
  float bias[DV_CHUNK] = {};

  if (p.bias && n > 0)
    dv_load8 (p.bias + column + c, n, bias);
  DV_UNROLL
  for (int m = 0; m < T::MT; m++) {
    __syncwarp ();
    DV_UNROLL
    for (int i = 0; i < T::NT; i++)
      DV_UNROLL
    for (int e = 0; e < 4; e++)
      stage[(lane / 4 + e / 2 * 8) * LD + i * 8 + lane % 4 * 2 + e % 2] =
          sum[m][i][e];
    __syncwarp ();
    for (int r = lane / LANES; r < 16; r += AT_ONCE) {
      int at = row + m * 16 + r;
      float v[DV_CHUNK];

      if (at >= rows || n <= 0)
        continue;
      dv_load_wide (stage + r * LD + c, v);
      finish (p, column + c, n, bias, places[at], places[T::BM + at], v);
    }
  }
}

/* Blocks: tiles of channels fastest, so that those with one input run
 * together. */
template <typename T, bool ASYNC>
DV_KERNEL
DV_BOUNDS (T::THREADS) convolve (const Convolution p)
{
  DV_SHARED_DYNAMIC (uint16_t, memory);
  int *corners = (int *)(memory + T::STAGES * T::STAGE);
  const int tiles = (p.co + T::BN - 1) / T::BN;
  const int n0 = blockIdx.x % tiles * T::BN, warp = threadIdx.x / 32;
  const int down = warp / T::ACROSS * T::MT * 16;
  const int across = warp % T::ACROSS * T::NT * 8;
  const int64_t m0 = (int64_t)(blockIdx.x / tiles) * T::BM;
  const int64_t cells = (int64_t)p.cells[0] * p.cells[1] * p.cells[2];
  const int rows = cells - m0 < T::BM ? (int)(cells - m0) : T::BM;
  const int steps =
      (p.taps[0] * p.taps[1] * p.taps[2] * p.channels + DEPTH - 1) / DEPTH;
  float sum[T::MT][T::NT][4] = {};
  int64_t *places = (int64_t *)memory;
  Gather<T> g = {};

  for (int r = threadIdx.x; r < T::BM; r += T::THREADS)
    corner (p, m0 + (r < rows ? r : 0), corners + r, T::BM);
  __syncthreads ();
  g.more = step (p, &g.tap, (int)threadIdx.x % 4 * 8);
  look_up<T> (p, g, corners);
  DV_UNROLL
  for (int i = 0; i < T::STAGES - 1; i++)
    gather<T, ASYNC> (p, g, corners, n0, memory + i * T::STAGE);
  for (int i = 0; i < steps; i++) {
    const uint16_t *a = memory + i % T::STAGES * T::STAGE;

    dv_copy_wait<T::STAGES - 2> ();
    __syncthreads (); /* this step is there, the one before was used */
    gather<T, ASYNC> (
        p, g, corners, n0, memory + (i + T::STAGES - 1) % T::STAGES * T::STAGE);
    multiply<T> (sum, a + down * WIDTH, a + (T::BM + across) * WIDTH);
  }
  dv_copy_wait<0> ();
  __syncthreads ();
  for (int r = threadIdx.x; r < rows; r += T::THREADS) {
    places[r] = place (p, p.out, m0 + r);
    places[T::BM + r] = place (p, p.residual, m0 + r);
  }
  __syncthreads ();
  write<T> (p, sum, (float *)(places + 2 * T::BM) + warp * 16 * (T::NT * 8 + 4),
      places, down, rows, n0 + across);
}

/* ---- launching ---- */

/* Whether asynchronous copies can take the input. */
static bool
whole (const Convolution *p)
{
  if (!p->x.bf16 || (uintptr_t)p->x.data % 16 != 0)
    return false;
  for (int a = 0; a < 3; a++)
    if (p->size[a] > 1 && p->x.stride[a] % 8 != 0)
      return false;
  return true;
}

template <typename T>
static int64_t
blocks (const Convolution *p)
{
  return (conv_rows (p) + T::BM - 1) / T::BM * ((p->co + T::BN - 1) / T::BN);
}

template <typename T, bool ASYNC>
static void
launch (const Convolution *p, cudaStream_t queue)
{
  DV_LAUNCH ((convolve<T, ASYNC>), (unsigned)blocks<T> (p), T::THREADS,
      T::BYTES, queue, *p);
}

void
dv_cuda_conv_mma (const Convolution *p, cudaStream_t queue)
{
  typedef Tile<256, 128, 4, 2, 3> Large;
  typedef Tile<256, 64, 4, 1, 3> Tall;
  typedef Tile<128, 64, 2, 2, 4> Medium;
  typedef Tile<128, 32, 4, 1, 4> Narrow;
  const int64_t full = 132; /* a large GPU's SMs */

  if (p->co <= 32 && whole (p))
    launch<Narrow, true> (p, queue);
  else if (p->co <= 32)
    launch<Narrow, false> (p, queue);
  else if (!whole (p))
    launch<Medium, false> (p, queue);
  else if (p->co > 64 && blocks<Large> (p) >= full)
    launch<Large, true> (p, queue);
  else if (p->co <= 64 && blocks<Tall> (p) >= full)
    launch<Tall, true> (p, queue);
  else
    launch<Medium, true> (p, queue);
}
