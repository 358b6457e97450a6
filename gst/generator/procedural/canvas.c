/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small soft shapes put straight onto the planes: lights, discs, lines.
 */
#include "paint.h"

static inline uint8_t
blend (uint8_t under, float over, float amount)
{
  float x = (float)under + (over - (float)under) * amount;

  return (uint8_t)(dv_clamp (x, 0, 255) + 0.5f);
}

typedef struct {
  int x0, x1, y0, y1;
} Box;

/* The whole pixels within @reach of a point, cut to the plane. */
static bool
box_around (Box *box, float x0, float y0, float x1, float y1, float reach,
    int width, int height)
{
  float left = dv_min (x0, x1) - reach, right = dv_max (x0, x1) + reach;
  float up = dv_min (y0, y1) - reach, down = dv_max (y0, y1) + reach;

  if (!(right >= 0 && down >= 0 && left < (float)width && up < (float)height))
    return false;
  box->x0 = left < 0 ? 0 : (int)left;
  box->y0 = up < 0 ? 0 : (int)up;
  box->x1 = right > (float)(width - 1) ? width - 1 : (int)right + 1;
  box->y1 = down > (float)(height - 1) ? height - 1 : (int)down + 1;
  box->x1 = box->x1 > width - 1 ? width - 1 : box->x1;
  box->y1 = box->y1 > height - 1 ? height - 1 : box->y1;
  return box->x0 <= box->x1 && box->y0 <= box->y1;
}

WIDE void
canvas_glow (const Canvas *canvas, float x, float y, float radius, Yuv colour,
    float amount)
{
  Box box;
  float inverse = 1 / (radius * radius);

  if (amount <= 0.002f ||
      !box_around (&box, x, y, x, y, radius, canvas->width, canvas->height))
    return;
  for (int row = box.y0; row <= box.y1; row++) {
    uint8_t *p = canvas->plane[0] + (size_t)row * canvas->stride[0];
    float dy = (float)row - y;

    for (int column = box.x0; column <= box.x1; column++) {
      float dx = (float)column - x;
      float far = dv_max (0, 1 - (dx * dx + dy * dy) * inverse);

      p[column] = blend (p[column], colour.y, far * far * far * amount);
    }
  }
  radius /= 2;
  inverse *= 4;
  x /= 2;
  y /= 2;
  if (!box_around (&box, x, y, x, y, radius, canvas->cwidth, canvas->cheight))
    return;
  for (int row = box.y0; row <= box.y1; row++) {
    uint8_t *p = canvas->plane[1] + (size_t)row * canvas->stride[1];
    uint8_t *q = canvas->plane[2] + (size_t)row * canvas->stride[2];
    float dy = (float)row - y;

    for (int column = box.x0; column <= box.x1; column++) {
      float dx = (float)column - x;
      float far = dv_max (0, 1 - (dx * dx + dy * dy) * inverse);

      far = far * far * amount;
      p[column] = blend (p[column], colour.u, far);
      q[column] = blend (q[column], colour.v, far);
    }
  }
}

/* How far @x, @y is from a stretch of line. */
static inline float
line_distance (
    float x, float y, float x0, float y0, float dx, float dy, float inverse)
{
  float t = dv_clamp (((x - x0) * dx + (y - y0) * dy) * inverse, 0, 1);
  float ex = x - x0 - dx * t, ey = y - y0 - dy * t;

  return __builtin_sqrtf (ex * ex + ey * ey);
}

WIDE static void
line_plane (uint8_t *plane, size_t stride, int width, int height, float x0,
    float y0, float x1, float y1, float half, float soft, float value,
    float amount)
{
  Box box;
  float dx = x1 - x0, dy = y1 - y0;
  float length = dx * dx + dy * dy;
  float inverse = length > 1e-6f ? 1 / length : 0;

  if (!box_around (&box, x0, y0, x1, y1, half + soft, width, height))
    return;
  for (int row = box.y0; row <= box.y1; row++) {
    uint8_t *p = plane + (size_t)row * stride;

    for (int column = box.x0; column <= box.x1; column++) {
      float d =
          line_distance ((float)column, (float)row, x0, y0, dx, dy, inverse);
      float cover = dv_clamp ((half - d) / soft + 0.5f, 0, 1);

      p[column] = blend (p[column], value, cover * amount);
    }
  }
}

void
canvas_line (const Canvas *canvas, float x0, float y0, float x1, float y1,
    float thickness, Yuv colour, float amount)
{
  float half = thickness / 2;
  /* Thinner than a pixel is fainter instead. */
  float thin = dv_min (thickness, 1);

  line_plane (canvas->plane[0], canvas->stride[0], canvas->width,
      canvas->height, x0, y0, x1, y1, dv_max (half, 0.5f), 1, colour.y,
      amount * thin);
  for (int c = 1; c < 3; c++)
    line_plane (canvas->plane[c], canvas->stride[c], canvas->cwidth,
        canvas->cheight, x0 / 2, y0 / 2, x1 / 2, y1 / 2,
        dv_max (half / 2, 0.5f), 1, c == 1 ? colour.u : colour.v,
        amount * dv_min (thickness / 2, 1));
}

void
canvas_disc (const Canvas *canvas, float x, float y, float radius, float soft,
    Yuv colour, float amount)
{
  soft = dv_max (soft, 1);
  line_plane (canvas->plane[0], canvas->stride[0], canvas->width,
      canvas->height, x, y, x, y, radius, soft, colour.y, amount);
  for (int c = 1; c < 3; c++)
    line_plane (canvas->plane[c], canvas->stride[c], canvas->cwidth,
        canvas->cheight, x / 2, y / 2, x / 2, y / 2, radius / 2,
        dv_max (soft / 2, 1), c == 1 ? colour.u : colour.v, amount);
}
