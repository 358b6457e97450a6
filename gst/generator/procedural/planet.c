/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Planets with rings: what space has for a landscape.
 */
#include "paint.h"

#define PITCH 3.4 /* heights from one planet to the next */

typedef struct {
  float x, y, size; /* tile columns, picture rows, pixels */
  uint32_t hash;
  Rgb ground, pale;
} Planet;

static void
paint_planet (Tile *tile, const Noise *noise, const Planet *p)
{
  for (int row = 0; row < tile->height; row++) {
    float y = (tile->top + (float)row - p->y) / p->size;

    if (y < -1.2f || y > 1.2f)
      continue;
    for (int i = 0; i < BLOCK; i++) {
      float x = ((float)i - p->x) / p->size, r = x * x + y * y;
      float edge = dv_clamp ((1 - r) * p->size * 0.5f + 0.5f, 0, 1);
      /* The ring is a flat disc seen at an angle. */
      float tilt = y - 0.2f * x, ry = tilt * 4.4f;
      float rr = __builtin_sqrtf (x * x + ry * ry);
      float ring = dv_smooth (1.3f, 1.36f, rr) * dv_smooth (2.1f, 2.02f, rr);
      bool front = tilt > 0;

      if (edge > 0) {
        float z = __builtin_sqrtf (dv_max (0, 1 - r));
        float lit = dv_clamp (-0.62f * x - 0.5f * y + 0.6f * z, 0, 1);
        float swirl =
            noise_bands (noise, (double)(x / (0.4f + z)) * 2.2 + p->hash % 50,
                (double)tilt * 13, 4);
        float belt = noise_bands (noise, 3.3 + p->hash % 90,
            (double)(tilt * 6.5f + 0.35f * (swirl - 0.5f)), 3);
        Rgb c = rgb_mix (p->ground, p->pale,
            dv_smooth (0.25f, 0.75f, 0.75f * belt + 0.25f * swirl));
        /* The ring's shadow lies across it. */
        float shadow = dv_smooth (0.035f, 0.01f,
            tilt + 0.13f - 0.1f * x * x < 0 ? -(tilt + 0.13f - 0.1f * x * x)
                                            : tilt + 0.13f - 0.1f * x * x);

        c = rgb_scale (c, (0.025f + 1.05f * lit) * (1 - 0.45f * shadow));
        /* The air shines along the lit rim. */
        c = rgb_add (c, rgb_scale (rgb8 (90, 140, 255),
                            dv_smooth (0.5f, 0, z) * lit * 0.8f));
        tile_over (tile, i, row, c, edge);
      }
      if (ring > 0 && (front || edge < 1)) {
        float grain = noise_line_sum (p->hash, (double)rr * 26, 3);
        float share = ring * dv_clamp (1.7f * (grain - 0.16f), 0.08f, 0.9f);
        /* Behind the planet its night falls on the ring. */
        float dark =
            front ? 0
                  : dv_smooth (0.55f, 0.95f, x) * dv_smooth (1.75f, 1.2f, x);

        share *= front ? 1 : 1 - edge;
        tile_over (tile, i, row,
            rgb_scale (
                rgb_mix (rgb8 (150, 126, 112), rgb8 (236, 220, 200), grain),
                1 - 0.85f * dark),
            share);
      }
    }
  }
}

void
planet_paint (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  static const uint8_t grounds[4][3] = {
      {196, 122, 78}, {92, 136, 190}, {168, 108, 156}, {124, 150, 120}};
  double unit = (double)tile->unit;
  double cell = dv_floor_d ((double)tile->x0 / unit / PITCH);

  for (int k = -1; k <= 1; k++) {
    uint32_t h = dv_hash2 ((uint32_t)(int64_t)(cell + k), layer->seed);
    const uint8_t *g = grounds[h % 4];
    double at = (cell + k + 0.3 + 0.25 * (double)dv_unit (h)) * PITCH;
    Planet p;

    p.size = (0.2f + 0.12f * dv_unit (dv_hash (h + 1))) * tile->unit;
    p.x = (float)(at * unit - (double)tile->x0);
    p.y = (0.5f + 0.24f * dv_unit (dv_hash (h + 2))) * tile->unit;
    p.hash = h;
    p.ground = light_grade (&set->light, rgb8 (g[0], g[1], g[2]));
    p.pale = rgb_mix (p.ground, rgb8 (250, 232, 208), 0.72f);
    if (p.x > -2.3f * p.size && p.x < BLOCK + 2.3f * p.size)
      paint_planet (tile, noise, &p);
  }
}
