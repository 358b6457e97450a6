/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's last step, from numbers to 8-bit pixels: ops.h, DvPixels.
 *
 * The arithmetic is integral from the 8-bit RGB on, and every backend's is
 * this one.  With BT.709's weights, limited range and 16 fractional bits
 * (the coefficients of a row add up to 219/255 of 65536 and to 0):
 *
 *   Y  = 16 + (11966 R + 40254 G + 4064 B + 32768 >> 16)
 *   Cb = 128 + (-6596 R' - 22189 G' + 28785 B' + 131072 >> 18)
 *   Cr = 128 + (28785 R' - 26145 G' - 2640 B' + 131072 >> 18)
 *
 * where R', G', B' are sums over the 2 x 2 pixels of a chroma sample, the last
 * row or column twice where there is an odd number of them, and >> rounds
 * down.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

static uint8_t
level (float x)
{
  float v = (x + 1) / 2;

  if (!(v > 0)) /* and a NaN */
    return 0;
  return v >= 1 ? 255 : (uint8_t)(255 * v);
}

static void
rgb_at (const DvPixels *p, int64_t y, int64_t x, int rgb[3])
{
  for (int c = 0; c < 3; c++)
    rgb[c] = level (
        dv_ref_get (p->x, y * p->x->stride[0] + x * p->x->stride[1] + c));
}

/* >> that rounds down, below 0 too. */
static int
shift (int v, int bits)
{
  return v >= 0 ? v >> bits : -((-v + (1 << bits) - 1) >> bits);
}

static void
luma_row (const DvPixels *p, int64_t y)
{
  for (int64_t x = 0; x < p->x->shape[1]; x++) {
    int rgb[3];

    rgb_at (p, y, x, rgb);
    if (p->rgb)
      for (int c = 0; c < 3; c++)
        p->rgb[y * p->rgb_stride + 3 * x + c] = (uint8_t)rgb[c];
    if (p->plane[0])
      p->plane[0][y * p->stride[0] + x] =
          (uint8_t)(16 + shift (11966 * rgb[0] + 40254 * rgb[1] +
                                    4064 * rgb[2] + 32768,
                             16));
  }
}

static void
chroma_row (const DvPixels *p, int64_t y)
{
  int64_t H = p->x->shape[0], W = p->x->shape[1];

  for (int64_t x = 0; 2 * x < W; x++) {
    int sum[3] = {0}, rgb[3];

    for (int i = 0; i < 4; i++) {
      int64_t yy = 2 * y + i / 2, xx = 2 * x + i % 2;

      rgb_at (p, yy < H ? yy : H - 1, xx < W ? xx : W - 1, rgb);
      for (int c = 0; c < 3; c++)
        sum[c] += rgb[c];
    }
    if (p->plane[1])
      p->plane[1][y * p->stride[1] + x] =
          (uint8_t)(128 + shift (-6596 * sum[0] - 22189 * sum[1] +
                                     28785 * sum[2] + 131072,
                              18));
    if (p->plane[2])
      p->plane[2][y * p->stride[2] + x] =
          (uint8_t)(128 + shift (28785 * sum[0] - 26145 * sum[1] -
                                     2640 * sum[2] + 131072,
                              18));
  }
}

DvStatus
dv_ref_pixels (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvPixels *p = args;
  int64_t H = p->x->shape[0];

  for (int64_t y = 0; y < H; y++)
    luma_row (p, y);
  for (int64_t y = 0; 2 * y < H && (p->plane[1] || p->plane[2]); y++)
    chroma_row (p, y);
  return DV_OK;
}
