/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From numbers to 8-bit pixels on a GPU: ops.h, DvPixels; the arithmetic is
 * that of kernels/ref/pixels.c.  RGB and planes are made in the workspace, in
 * rows that are padded so that every store is aligned and whole; from there
 * they are copied to the host, which has them when the queue has come so far.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 128
#define COLUMNS 8 /* a thread's, of two rows */
#define ALIGN 64

/* One of the four destinations: its rows in the workspace. */
struct Surface {
  uint8_t *data; /* NULL: not wanted */
  int64_t stride;
};

struct Pixels {
  DvView x;
  Surface rgb, plane[3];
};

static int64_t
padded (int64_t bytes)
{
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Lays the surfaces out in @workspace; the bytes that they take. Rows hold
 * whole groups of columns, and there is an even number of them. */
static size_t
lay_out (const DvPixels *p, uint8_t *workspace, Pixels *to)
{
  int64_t rows = (p->x->shape[0] + 1) / 2;
  int64_t columns = padded (p->x->shape[1]), at = 0;

  to->x = dv_view (p->x);
  if (p->rgb) {
    to->rgb = {workspace + at, 3 * columns};
    at += 2 * rows * to->rgb.stride;
  }
  for (int i = 0; i < 3; i++)
    if (p->plane[i]) {
      to->plane[i] = {workspace + at, i == 0 ? columns : padded (columns / 2)};
      at += (i == 0 ? 2 * rows : rows) * to->plane[i].stride;
    }
  return (size_t)at;
}

size_t
dv_cuda_pixels_workspace (const DvDevice *device, const DvPixels *p)
{
  Pixels unused = {};

  return lay_out (p, (uint8_t *)ALIGN, &unused);
}

DV_DEVICE int
level (float x)
{
  float v = (x + 1) / 2;

  if (!(v > 0)) /* and a NaN */
    return 0;
  return v >= 1 ? 255 : (int)(255 * v);
}

/* Reads @n columns from @column on of row @row, the last of them again where
 * the picture ends. */
DV_DEVICE void
read_row (const DvView &x, int64_t row, int64_t column, int64_t n,
    int rgb[3][COLUMNS])
{
  int64_t at = row * x.stride[0] + column * x.stride[1];

  if (n >= COLUMNS && x.stride[1] == 3) {
    float v[3][DV_CHUNK];

    DV_UNROLL
    for (int i = 0; i < 3; i++)
      dv_get8 (x, at + DV_CHUNK * i, DV_CHUNK, v[i]);
    DV_UNROLL
    for (int i = 0; i < 3 * COLUMNS; i++)
      rgb[i % 3][i / 3] = level (v[i / DV_CHUNK][i % DV_CHUNK]);
    return;
  }
  DV_UNROLL
  for (int i = 0; i < COLUMNS; i++)
    DV_UNROLL
  for (int c = 0; c < 3; c++)
    rgb[c][i] = level (dv_get (x, at + (i < n ? i : n - 1) * x.stride[1] + c));
}

/* Four bytes at an address that is a multiple of four. */
DV_DEVICE void
store4 (uint8_t *to, int a, int b, int c, int d)
{
  *(uint32_t *)to =
      (uint32_t)a | (uint32_t)b << 8 | (uint32_t)c << 16 | (uint32_t)d << 24;
}

DV_DEVICE int
luma (const int rgb[3][COLUMNS], int i)
{
  return 16 +
         ((11966 * rgb[0][i] + 40254 * rgb[1][i] + 4064 * rgb[2][i] + 32768) >>
             16);
}

DV_DEVICE void
store_row (
    const Pixels &p, int64_t row, int64_t column, const int rgb[3][COLUMNS])
{
  if (p.rgb.data) {
    uint8_t *to = p.rgb.data + row * p.rgb.stride + 3 * column;

    DV_UNROLL
    for (int i = 0; i < 3 * COLUMNS; i += 4)
      store4 (to + i, rgb[i % 3][i / 3], rgb[(i + 1) % 3][(i + 1) / 3],
          rgb[(i + 2) % 3][(i + 2) / 3], rgb[(i + 3) % 3][(i + 3) / 3]);
  }
  if (p.plane[0].data) {
    uint8_t *to = p.plane[0].data + row * p.plane[0].stride + column;

    DV_UNROLL
    for (int i = 0; i < COLUMNS; i += 4)
      store4 (to + i, luma (rgb, i), luma (rgb, i + 1), luma (rgb, i + 2),
          luma (rgb, i + 3));
  }
}

/* The chroma of two rows: each weight times the sum of four pixels. */
DV_DEVICE void
store_chroma (const Surface &plane, int64_t row, int64_t column,
    const int a[3][COLUMNS], const int b[3][COLUMNS], int r, int g, int blue)
{
  int v[COLUMNS / 2];

  if (!plane.data)
    return;
  DV_UNROLL
  for (int i = 0; i < COLUMNS / 2; i++) {
    int sum = 131072;

    DV_UNROLL
    for (int c = 0; c < 3; c++)
      sum += (c == 0      ? r
                 : c == 1 ? g
                          : blue) *
             (a[c][2 * i] + a[c][2 * i + 1] + b[c][2 * i] + b[c][2 * i + 1]);
    v[i] = 128 + (sum >> 18); /* rounds down, below 0 too */
  }
  store4 (plane.data + row * plane.stride + column / 2, v[0], v[1], v[2], v[3]);
}

DV_KERNEL
DV_BOUNDS (THREADS) pixels (Pixels p, int64_t groups, int64_t count)
{
  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t row = i, column = COLUMNS * dv_split (&row, groups);
    int64_t n = p.x.shape[1] - column, below = 2 * row + 1;
    int a[3][COLUMNS], b[3][COLUMNS];

    read_row (p.x, 2 * row, column, n, a);
    read_row (p.x, below < p.x.shape[0] ? below : below - 1, column, n, b);
    store_row (p, 2 * row, column, a);
    store_row (p, below, column, b);
    store_chroma (p.plane[1], row, column, a, b, -6596, -22189, 28785);
    store_chroma (p.plane[2], row, column, a, b, 28785, -26145, -2640);
  }
}

static void
bring (uint8_t *to, int64_t stride, const Surface *from, int64_t width,
    int64_t height, cudaStream_t queue)
{
  if (to)
    (void)cudaMemcpy2DAsync (to, (size_t)stride, from->data,
        (size_t)from->stride, (size_t)width, (size_t)height,
        cudaMemcpyDeviceToHost, queue);
}

DvStatus
dv_cuda_pixels (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvPixels *p = (const DvPixels *)args;
  cudaStream_t queue = dv_cuda_queue (stream);
  int64_t H = p->x->shape[0], W = p->x->shape[1];
  int64_t groups = (W + COLUMNS - 1) / COLUMNS, count = (H + 1) / 2 * groups;
  Pixels to = {};

  lay_out (p, (uint8_t *)workspace, &to);
  DV_LAUNCH (
      pixels, dv_blocks (count, THREADS), THREADS, 0, queue, to, groups, count);
  bring (p->rgb, p->rgb_stride, &to.rgb, 3 * W, H, queue);
  for (int i = 0; i < 3; i++)
    bring (p->plane[i], p->stride[i], &to.plane[i], i == 0 ? W : (W + 1) / 2,
        i == 0 ? H : (H + 1) / 2, queue);
  return dv_cuda_launched ("pixels", error);
}
