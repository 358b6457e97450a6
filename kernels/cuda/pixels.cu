/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From numbers to 8-bit pixels on a GPU: ops.h, DvPixels; the arithmetic is
 * that of kernels/ref/pixels.c.  RGB and planes are made on the device, in rows
 * that are padded so that every store is aligned and whole; from there they are
 * copied to the host while the next ops run (copy-out.c).
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 128
#define COLUMNS 8 /* a thread's, of two rows */
#define ALIGN 64

/* One of the four destinations: its rows on the device. */
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

/* The place at *@at for @rows of @stride bytes; none if it is not @wanted. */
static Surface
place (uint8_t **at, bool wanted, int64_t rows, int64_t stride)
{
  Surface surface = {wanted ? *at : NULL, stride};

  *at += rows * stride;
  return surface;
}

/* Lays the surfaces out from @slot on; where they end, which is the same
 * whichever are wanted. Rows hold whole groups of columns, and there is an even
 * number of them. */
static uint8_t *
lay_out (const DvPixels *p, uint8_t *slot, Pixels *to)
{
  int64_t rows = (p->x->shape[0] + 1) / 2;
  int64_t columns = padded (p->x->shape[1]);

  to->x = dv_view (p->x);
  to->rgb = place (&slot, p->rgb, 2 * rows, 3 * columns);
  for (int i = 0; i < 3; i++)
    to->plane[i] = place (&slot, p->plane[i], i == 0 ? 2 * rows : rows,
        i == 0 ? columns : padded (columns / 2));
  return slot;
}

/* Of one slot. */
static size_t
slot_bytes (const DvPixels *p)
{
  Pixels unused = {};
  uint8_t *start = (uint8_t *)ALIGN;

  return (size_t)(lay_out (p, start, &unused) - start);
}

size_t
dv_cuda_pixels_kept (const DvDevice *device, const DvPixels *p)
{
  return DV_CUDA_SLOTS * slot_bytes (p);
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

/* The copies of all that is wanted. */
static void
list_copies (const DvPixels *p, const Pixels *made, DvCudaSurface surfaces[4])
{
  int64_t H = p->x->shape[0], W = p->x->shape[1];

  for (int i = 0; i < 3; i++)
    surfaces[i] = {p->plane[i], made->plane[i].data, p->stride[i],
        made->plane[i].stride, i == 0 ? W : (W + 1) / 2,
        i == 0 ? H : (H + 1) / 2};
  surfaces[3] = {
      p->rgb, made->rgb.data, p->rgb_stride, made->rgb.stride, 3 * W, H};
}

DvStatus
dv_cuda_pixels (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvPixels *p = (const DvPixels *)args;
  int64_t W = p->x->shape[1], groups = (W + COLUMNS - 1) / COLUMNS;
  int64_t count = (p->x->shape[0] + 1) / 2 * groups;
  DvCudaSurface surfaces[4];
  uint8_t *slot;
  Pixels made = {};
  DvStatus status =
      dv_cuda_copy_out_begin (stream, workspace, slot_bytes (p), &slot, error);

  if (status != DV_OK)
    return status;
  lay_out (p, slot, &made);
  DV_LAUNCH (pixels, dv_blocks (count, THREADS), THREADS, 0,
      dv_cuda_queue (stream), made, groups, count);
  status = dv_cuda_launched ("pixels", error);
  if (status != DV_OK)
    return status;
  list_copies (p, &made, surfaces);
  return dv_cuda_copy_out_end (stream, surfaces, 4, error);
}
