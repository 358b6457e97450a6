/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Draws a moment.
 */
#include "painter.h"

#include <stdlib.h>
#include <string.h>

#include "maths.h"

struct DvPainter {
  uint32_t width, height;
};

DvPainter *
dv_painter_new (uint32_t width, uint32_t height)
{
  DvPainter *painter = calloc (1, sizeof *painter);

  if (!painter)
    return NULL;
  painter->width = width;
  painter->height = height;
  return painter;
}

void
dv_painter_free (DvPainter *painter)
{
  free (painter);
}

void
dv_painter_draw (
    DvPainter *painter, const DvMoment *moment, const DvFrame *frame)
{
  const DvScene *scene = &moment->scene;
  float light = dv_clamp (0.5f + 0.5f * scene->sun_height, 0.1f, 1);

  for (uint32_t y = 0; y < painter->height; y++) {
    uint8_t *row = frame->plane[0] + (size_t)y * frame->stride[0];
    float high = (float)y / (float)painter->height;

    for (uint32_t x = 0; x < painter->width; x++) {
      float at = (float)x / (float)painter->width;
      float hill = 0.6f + 0.1f * dv_sin (at + dv_turn (moment->camera_x));
      float level = high < hill ? 60 + 120 * high : 90 - 60 * high;
      row[x] = (uint8_t)(16 + level * light);
    }
  }
  for (int c = 1; c < 3; c++)
    for (uint32_t y = 0; y < (painter->height + 1) / 2; y++)
      memset (frame->plane[c] + (size_t)y * frame->stride[c],
          (int)(128 + 30 * dv_cos (scene->hue + 0.25f * (float)c)),
          (painter->width + 1) / 2);
}
