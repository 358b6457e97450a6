/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Scenes as numbers: the default one, mixing two, and taking colours from an
 * image. Reading a prompt is in words.c.
 */
#include "painter.h"
#include "scene.h"

#include <stddef.h>
#include <string.h>

#include "maths.h"

/* Everything before the seed is a float, which is what lets the mix be a
 * loop; a field of another type must go after it. */
#define N_FLOATS (offsetof (DvScene, seed) / sizeof (float))
_Static_assert(offsetof (DvScene, seed) % sizeof (float) == 0,
    "fields before the seed are floats");

void
dv_scene_default (DvScene *scene)
{
  memset (scene, 0, sizeof *scene);
  scene->sun_height = 0.35f;
  scene->clouds = 0.3f;
  scene->waves = 0.2f;
  scene->wind = 0.25f;
  scene->hue = 0.08f;
  scene->saturation = 0.6f;
  scene->brightness = 0.5f;
  scene->speed = 0.3f;
  scene->camera_x = 0.3f;
  scene->camera_zoom = 0.1f;
  scene->calm = 0.3f;
}

void
dv_scene_mix (DvScene *out, const DvScene *a, const DvScene *b, float t)
{
  float from[N_FLOATS], to[N_FLOATS];
  float hue_from = a->hue, hue_step = b->hue - a->hue, hue;
  uint32_t seed = t < 0.5f ? a->seed : b->seed;

  memcpy (from, a, sizeof from);
  memcpy (to, b, sizeof to);
  if (t <= 0)
    t = 0;
  else if (t >= 1)
    t = 1;
  /* The end points are copied, so that no rounding shows there. */
  for (size_t i = 0; i < N_FLOATS; i++)
    from[i] = t == 0   ? from[i]
              : t == 1 ? to[i]
                       : from[i] + (to[i] - from[i]) * t;
  memcpy (out, from, sizeof from);
  out->seed = seed;
  if (t == 0 || t == 1)
    return;
  hue_step -= dv_floor (hue_step + 0.5f);
  hue = hue_from + hue_step * t;
  out->hue = hue - dv_floor (hue);
}

/* Hue in turns, saturation and value of a colour in [0, 1]. */
static void
to_hsv (const float rgb[3], float *hue, float *saturation, float *value)
{
  float high = dv_max (rgb[0], dv_max (rgb[1], rgb[2]));
  float low = dv_min (rgb[0], dv_min (rgb[1], rgb[2]));
  float range = high - low, turn = 0;

  *value = high;
  *saturation = high > 0 ? range / high : 0;
  if (range > 0) {
    if (high == rgb[0])
      turn = (rgb[1] - rgb[2]) / range;
    else if (high == rgb[1])
      turn = 2 + (rgb[2] - rgb[0]) / range;
    else
      turn = 4 + (rgb[0] - rgb[1]) / range;
    turn /= 6;
  }
  *hue = turn - dv_floor (turn);
}

/* Adds up the pixels of rows [y0, y1): mean colour, and mean saturation. */
static void
average (const DvImage *image, uint32_t y0, uint32_t y1, float mean[3],
    float *colourful)
{
  uint64_t sum[3] = {0}, range = 0, n = 0;
  /* A grid of at most 256 x 256 points tells as much as all of them. */
  uint32_t step_x = image->width / 256 + 1, step_y = (y1 - y0) / 256 + 1;

  for (uint32_t y = y0; y < y1; y += step_y) {
    const uint8_t *row = image->pixels + (size_t)y * image->stride;
    for (uint32_t x = 0; x < image->width; x += step_x) {
      const uint8_t *p = row + 3 * (size_t)x;
      uint8_t high = p[0], low = p[0];
      for (int c = 0; c < 3; c++) {
        sum[c] += p[c];
        high = p[c] > high ? p[c] : high;
        low = p[c] < low ? p[c] : low;
      }
      range += (uint64_t)(high - low);
      n++;
    }
  }
  n = n ? n : 1;
  for (int c = 0; c < 3; c++)
    mean[c] = (float)sum[c] / ((float)n * 255);
  *colourful = (float)range / ((float)n * 255);
}

void
dv_scene_colour (DvScene *scene, const DvImage *image)
{
  float all[3], top[3], colourful, colourful_top;
  float hue, saturation, value, luma, luma_top;

  if (!image || !image->pixels || image->width == 0 || image->height == 0)
    return;
  average (image, 0, image->height, all, &colourful);
  average (image, 0, (image->height + 2) / 3, top, &colourful_top);
  luma = 0.2126f * all[0] + 0.7152f * all[1] + 0.0722f * all[2];
  luma_top = 0.2126f * top[0] + 0.7152f * top[1] + 0.0722f * top[2];
  to_hsv (all, &hue, &saturation, &value);

  scene->hue = hue;
  scene->tint = dv_clamp (0.25f + saturation * 0.9f, 0, 0.9f);
  if (saturation < 0.05f)
    scene->tint = 0.15f;
  scene->saturation = dv_clamp (0.15f + colourful * 1.7f, 0.1f, 1);
  scene->brightness = dv_clamp (0.15f + luma * 0.8f, 0.15f, 0.95f);
  /* A bright upper third is a day, a dark one a night. */
  scene->sun_height = dv_clamp ((luma_top - 0.3f) * 1.8f, -0.9f, 0.95f);
  if (scene->sun_height < -0.2f)
    scene->stars = dv_max (scene->stars, 0.5f);
  else
    scene->stars = dv_min (scene->stars, 0.15f);
}
