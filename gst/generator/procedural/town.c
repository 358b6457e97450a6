/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people built: a skyline with lit windows, and houses under roofs.
 */
#include "paint.h"

typedef struct {
  float left, right, top; /* heights, left and right from the cell's start */
  uint32_t hash;
} Building;

static Building
building_at (const Layer *layer, int64_t cell, float pitch, float rise)
{
  uint32_t h = dv_hash2 ((uint32_t)cell, layer->seed);
  float quarter = noise_line (layer->seed + 3, (double)cell * 0.17);
  float tall = dv_unit (dv_hash (h + 1));
  Building b;

  tall = tall * tall;
  b.hash = h;
  b.left = pitch * 0.14f * dv_unit (dv_hash (h + 2));
  b.right = pitch * (1 - 0.12f * dv_unit (dv_hash (h + 3)));
  b.top = rise * (0.2f + 0.32f * quarter + 0.48f * tall * (0.4f + quarter));
  return b;
}

/* A sign down the front of some houses, in the colours of the night. */
static Rgb
neon_colour (uint32_t h)
{
  static const uint8_t colours[5][3] = {{255, 48, 168}, {40, 220, 255},
      {170, 84, 255}, {255, 150, 50}, {84, 255, 190}};
  const uint8_t *c = colours[h % 5];

  return rgb8 (c[0], c[1], c[2]);
}

void
town_paint_city (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  const Light *light = &set->light;
  float pitch = 0.05f + 0.07f * layer->depth, unit = tile->unit;
  float storey = 0.008f + 0.013f * layer->depth;
  float lit_share = 0.08f + 0.3f * (1 - light->day);
  float neon = set->scene.neon;
  float side = light->disc_x > 0.5f ? 1 : -1;

  for (int i = 0; i < BLOCK; i++) {
    double x = (double)(tile->x0 + i) / (double)unit;
    int64_t cell = (int64_t)dv_floor_d (x / (double)pitch);
    float in = (float)(x - (double)cell * (double)pitch);
    Building b = building_at (layer, cell, pitch, layer->rise);
    bool house = in >= b.left && in < b.right;
    float width = b.right - b.left, across = (in - b.left) / width;
    float top = b.top;
    float bay = storey * (0.7f + 0.5f * dv_unit (dv_hash (b.hash + 4)));
    Rgb wall = rgb_mix (rgb8 (66, 70, 88), rgb8 (120, 108, 108),
        dv_unit (dv_hash (b.hash + 5)));
    uint32_t style = dv_hash (b.hash + 6) % 5;
    float start;

    /* Setbacks, slants and masts. */
    if (style == 0 && (across < 0.2f || across > 0.8f))
      top *= 0.86f;
    else if (style == 1)
      top *= 0.9f + 0.1f * across;
    else if (style == 2 && across > 0.47f && across < 0.53f)
      top += 0.035f * layer->rise / 0.3f;
    if (!house)
      top = 0.14f * layer->rise;
    start = (layer->base - top) * unit;
    for (int row = 0; row < tile->height; row++) {
      float y = tile->top + (float)row, h = y / unit;
      float cover = dv_clamp (y + 1 - start, 0, 1), up = layer->base - h;
      float face = (across - 0.5f) * side > 0 ? 0.62f : 0.3f;
      Rgb c, glow = rgb (0, 0, 0);

      if (cover <= 0)
        continue;
      c = wall;
      if (house && y > start + 3 && top - up > storey * 0.6f) {
        int floor = (int)(up / storey + 64), window = (int)(in / bay);
        float fy = up / storey + 64 - (float)floor;
        float fx = in / bay - (float)window;
        uint32_t w = dv_hash2 ((uint32_t)(floor * 64 + window), b.hash);
        float pane = dv_smooth (0.16f, 0.26f, fx) *
                     dv_smooth (0.92f, 0.8f, fx) * dv_smooth (0.2f, 0.3f, fy) *
                     dv_smooth (0.85f, 0.75f, fy);

        if (dv_unit (w) < lit_share) {
          Rgb warm = rgb_mix (rgb8 (255, 204, 120), rgb8 (196, 222, 255),
              dv_smooth (0.6f, 0.7f, dv_unit (dv_hash (w))));

          glow = rgb_scale (warm, pane * (0.25f + 0.4f * dv_unit (w + 77)));
        } else
          c = rgb_mix (c, rgb8 (40, 52, 78), 0.7f * pane);
      }
      c = light_on (light, c, face);
      c = rgb_scale (
          c, 0.92f + 0.16f * noise_at (noise, x * 40, (double)(h * 18)));
      c = rgb_add (c, glow);
      if (neon > 0.1f && house && layer->depth > 0.3f) {
        Rgb n = neon_colour (b.hash);
        float edge = dv_min (in - b.left, b.right - in) * unit;
        float deep = y - start;

        if (b.hash % 3 == 0)
          c = rgb_mix (c, n, neon * dv_smooth (2.2f, 0.8f, edge));
        if (b.hash % 4 == 1)
          c = rgb_mix (c, n, neon * dv_smooth (3.5f, 1.5f, deep));
        if (b.hash % 5 < 3 && layer->depth > 0.3f) {
          /* A tall sign with strokes on it. */
          float sx = (across - 0.32f) / 0.2f, sy = (top - up) / (top * 0.55f);
          float off = sx < 0 ? -sx : sx > 1 ? sx - 1 : 0;
          float offy = sy < 0.1f ? 0.1f - sy : sy > 0.9f ? sy - 0.9f : 0;

          c = rgb_add (
              c, rgb_scale (n, neon * 0.3f * dv_max (0, 1 - off * 1.1f) *
                                   dv_max (0, 1 - offy * 5)));
          if (off <= 0 && offy <= 0) {
            uint32_t stroke = dv_hash2 ((uint32_t)(sy * 14), b.hash);

            c = rgb_mix (c, stroke & 3 ? n : rgb8 (255, 244, 250),
                neon * (stroke % 5 && (((uint32_t)(sx * 5)) ^ stroke) % 3
                               ? 0.9f
                               : 0.25f));
          }
        }
        /* Light of the street climbs the fronts. */
        c = rgb_add (
            c, rgb_scale (n, 0.22f * neon * dv_smooth (0.2f, -0.1f, up)));
      }
      tile_over (tile, i, row, layer_seen (layer, set, c, h), cover);
    }
  }
}

/* One house, @x its middle and @y its foot in pixels of the tile. */
static void
paint_house (Tile *tile, const Layer *layer, const Set *set, float x, float y,
    float size, uint32_t h)
{
  const Light *light = &set->light;
  float half = size * (0.62f + 0.3f * dv_unit (dv_hash (h + 1)));
  float wall = size * 0.62f,
        roof = size * (0.62f + 0.2f * dv_unit (dv_hash (h + 2)));
  float snow = dv_clamp (dv_max (set->scene.snow, set->scene.ice) * 1.4f, 0, 1);
  float night = 1 - 0.75f * light->day;
  float side = light->disc_x > 0.5f ? 1 : -1;
  Rgb body = rgb_mix (
      rgb8 (132, 88, 60), rgb8 (214, 196, 168), dv_unit (dv_hash (h + 3)));
  Rgb tiles = rgb_mix (
      rgb8 (112, 56, 44), rgb8 (74, 68, 78), dv_unit (dv_hash (h + 4)));
  int top = (int)(y - wall - roof - 2 - tile->top);

  for (int row = top < 0 ? 0 : top; row < tile->height; row++) {
    float py = tile->top + (float)row, up = y - py;

    if (up < -size * 0.12f)
      break;
    for (int i = 0; i < BLOCK; i++) {
      float dx = (float)i - x, a = dx < 0 ? -dx : dx;
      float eave = half * 1.18f, cover, lit;
      Rgb c;

      if (a > eave + 1)
        continue;
      if (up > wall) { /* the roof */
        float edge = eave * (1 - (up - wall) / roof);
        float white = dv_smooth (
            edge - size * 0.42f, edge - size * 0.3f, a + 0.1f * size);

        cover = dv_clamp (edge - a + 0.5f, 0, 1);
        lit = dx * side > 0 ? 0.8f : 0.36f;
        c = light_on (light,
            rgb_mix (tiles, rgb8 (236, 240, 250), snow * dv_max (0.82f, white)),
            lit);
      } else {
        float wx = a / half, wy = up / wall, pane;

        cover = dv_clamp (half - a + 0.5f, 0, 1);
        c = light_on (light,
            rgb_scale (body, 0.9f + 0.1f * dv_sin (up * 0.31f)),
            dx * side > 0 ? 0.6f : 0.34f);
        pane = dv_smooth (0.2f, 0.26f, wx) * dv_smooth (0.72f, 0.66f, wx) *
               dv_smooth (0.24f, 0.3f, wy) * dv_smooth (0.8f, 0.74f, wy);
        c = rgb_mix (c,
            rgb_mix (rgb8 (60, 74, 96), rgb8 (255, 202, 112), night),
            pane * 0.95f);
        /* Its light on the wall and the snow below. */
        c = rgb_add (c, rgb_scale (rgb8 (255, 160, 70),
                            0.22f * night * (1 - pane) * dv_max (0, 1 - wx)));
      }
      if (cover > 0)
        tile_over (tile, i, row,
            rgb_mix (layer_seen (layer, set, c, py / tile->unit), c, 0.4f),
            cover);
    }
  }
}

void
town_paint_village (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  float unit = tile->unit, pitch = 0.045f + 0.12f * layer->depth;
  float size = 0.022f + 0.062f * layer->depth;
  int64_t first =
      (int64_t)dv_floor_d ((double)tile->x0 / (double)unit / (double)pitch) - 2;

  (void)noise;
  /* Two rows of houses, the far one first. */
  for (int line = 0; line < 2; line++)
    for (int64_t cell = first;
         cell < first + 5 + (int64_t)(BLOCK / unit / pitch); cell++) {
      uint32_t h =
          dv_hash2 ((uint32_t)cell * 2 + (uint32_t)line, layer->seed + 77);
      double at = ((double)cell + 0.3 +
                      0.4 * (double)dv_unit (dv_hash (h + 9)) + 0.5 * line) *
                  (double)pitch;
      float y;

      y = noise_line (layer->seed + 5, at * 1.7);
      if (dv_unit (h) > set->scene.village * (0.12f + 0.75f * y * y))
        continue;
      y = layer->base - terrain_height (layer, set, at) +
          (0.012f + 0.05f * (float)line) * (0.4f + layer->depth);
      paint_house (tile, layer, set,
          (float)(at * (double)unit - (double)tile->x0), y * unit,
          size * unit * (0.8f + 0.25f * (float)line), h);
    }
}
