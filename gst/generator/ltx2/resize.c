/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bilinear resize and centre crop (section 7.2 of docs/ltx2-model.md): sizes
 * in double precision, as the reference computes them, pixels in single.
 *
 * Threads: any.
 */
#include <math.h>
#include <stdlib.h>

#include "resize.h"

#define MAX_SIDE 65536

/* Where a pixel of the result comes from along one axis. */
typedef struct {
  int64_t lo, hi;
  float part; /* of hi */
} Tap;

/* @n taps from place @offset of an axis resized from @from to @to pixels: the
 * ratio is single, the place double, as in the reference. */
static void
find_taps (Tap *taps, int64_t n, int64_t offset, int64_t from, int64_t to)
{
  const float scale = (float)from / (float)to;

  for (int64_t i = 0; i < n; i++) {
    double at = ((double)(i + offset) + 0.5) * (double)scale - 0.5;
    int64_t lo;

    if (at < 0)
      at = 0;
    lo = (int64_t)at;
    if (lo > from - 1)
      lo = from - 1;
    taps[i].lo = lo;
    taps[i].hi = lo + 1 < from ? lo + 1 : from - 1;
    taps[i].part = (float)(at - (double)lo);
  }
}

DvStatus
dv_resize_crop (const uint8_t *rgb, size_t stride, int64_t columns,
    int64_t rows, float *out, int64_t width, int64_t height, DvError *error)
{
  double scale;
  int64_t to_columns, to_rows;
  Tap *x, *y;

  if (columns < 1 || rows < 1 || columns > MAX_SIDE || rows > MAX_SIDE ||
      width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE ||
      stride < (size_t)columns * 3)
    return dv_fail (error, DV_ERROR_ARGUMENT, "image",
        "a picture of %lld x %lld pixels cannot be resized to %lld x %lld: "
        "sides are from 1 to %d",
        (long long)columns, (long long)rows, (long long)width,
        (long long)height, MAX_SIDE);
  scale = fmax ((double)height / (double)rows, (double)width / (double)columns);
  to_columns = (int64_t)ceil ((double)columns * scale);
  to_rows = (int64_t)ceil ((double)rows * scale);
  x = calloc ((size_t)width + (size_t)height, sizeof *x);
  if (!x)
    return dv_fail (error, DV_ERROR_MEMORY, "image",
        "no memory is left to resize a picture");
  y = x + width;
  find_taps (x, width, (to_columns - width) / 2, columns, to_columns);
  find_taps (y, height, (to_rows - height) / 2, rows, to_rows);
  for (int64_t i = 0; i < height; i++) {
    const uint8_t *above = rgb + (size_t)y[i].lo * stride;
    const uint8_t *below = rgb + (size_t)y[i].hi * stride;

    for (int64_t j = 0; j < width; j++)
      for (int c = 0; c < 3; c++) {
        const float top = (1 - x[j].part) * above[x[j].lo * 3 + c] +
                          x[j].part * above[x[j].hi * 3 + c];
        const float bottom = (1 - x[j].part) * below[x[j].lo * 3 + c] +
                             x[j].part * below[x[j].hi * 3 + c];

        *out++ = ((1 - y[i].part) * top + y[i].part * bottom) / 127.5f - 1;
      }
  }
  free (x);
  return DV_OK;
}
