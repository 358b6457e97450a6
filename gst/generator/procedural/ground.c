/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bare ground: mountains, volcano, canyon, ice, hills, dunes, beach, snow.
 *
 * A row of a tile is painted at once, noise by noise and then colour by
 * colour, in loops that the vectoriser can take.
 */
#include "paint.h"

#include <string.h>

typedef struct {
  const Layer *layer;
  const Set *set;
  const Noise *noise;
  float snow;           /* how much lies on the ground */
  float side;           /* +1: the light comes from the right */
  double x[BLOCK];      /* heights along */
  float top[BLOCK + 2]; /* picture row of the outline, from one column left */

  /* The row, and which of its columns have ground. */
  float y; /* heights */
  int first, end;
  float cover[BLOCK], deep[BLOCK], slope[BLOCK];
  Rgb colour[BLOCK];
} Ground;

/* A field of noise over the row: at @x cells a height and @slant of what is
 * @deep to the right, @along from the origin; @down cells a unit of @by, which
 * is how deep a place is unless said otherwise, from @from on. */
typedef struct {
  NoiseKind kind;
  int octaves;
  double x, slant, along;
  const float *by;
  double down, from;
} Field;

WIDE static void
field_places (
    const Ground *g, const Field *field, double *restrict u, double *restrict v)
{
  const float *by = field->by ? field->by : g->deep;
  double x = field->x, slant = field->slant, along = field->along;
  double down = field->down, from = field->from;

  for (int i = g->first; i < g->end; i++) {
    u[i] = g->x[i] * x + (double)g->deep[i] * slant + along;
    v[i] = (double)by[i] * down + from;
  }
}

static void
field (const Ground *g, float *out, Field field)
{
  double u[BLOCK], v[BLOCK];
  int at = g->first;

  field_places (g, &field, u, v);
  noise_row (g->noise, field.kind, u + at, v + at, field.octaves, out + at,
      g->end - at);
}

WIDE static void
shade_mountain (Ground *g)
{
  Light light = g->set->light;
  double fine = 7 + 8 * (double)g->layer->depth;
  double v = (double)g->y * fine * 1.7 + g->layer->seed % 97;
  float a[BLOCK], b[BLOCK], snowy = g->snow, side = g->side, y = g->y;
  float high = g->layer->base - g->layer->rise * (0.62f - 0.42f * snowy);

  /* Slanting ribs fall away from the crest. */
  field (
      g, a, (Field){.octaves = 5, .x = fine, .slant = 0.9 * fine, .from = v});
  field (g, b,
      (Field){.octaves = 5,
          .x = fine,
          .slant = 0.9 * fine,
          .along = 0.3 * (double)side,
          .from = v - 0.25});
  for (int i = g->first; i < g->end; i++) {
    float face = dv_clamp (
        0.46f + 4.2f * (a[i] - b[i]) + 0.12f * side * g->slope[i], 0.04f, 1);
    float line = high + 0.09f * (a[i] - 0.5f);
    float snow = dv_smooth (0.02f, -0.025f, y - line) *
                 dv_smooth (0.16f, 0.34f, face + 0.3f * snowy);
    Rgb rock = rgb_mix (rgb8 (74, 76, 92), rgb8 (128, 116, 108), a[i]);

    rock = rgb_mix (rock, rgb8 (56, 78, 62),
        0.6f * dv_smooth (-0.05f, 0.08f, y - line) * (1 - snowy));
    g->colour[i] = light_on (
        &light, rgb_mix (rock, rgb8 (228, 234, 246), snow * 0.9f), face);
  }
}

/* One thread of lava on one row of one volcano. */
typedef struct {
  float way, wide, strength;
} Thread;

enum { THREADS = 6 };

/* Lava finds its way down in winding threads, each to its own depth. */
static void
lava_threads (const Ground *g, double cell, float down, Thread *threads)
{
  for (uint32_t k = 0; k < THREADS; k++) {
    uint32_t h = dv_hash2 (k, g->layer->seed + (uint32_t)(int64_t)cell);
    float end = 0.35f + 0.6f * dv_unit (dv_hash (h));
    double y = (double)g->y;

    threads[k].way =
        (dv_unit (h) - 0.5f) * (0.1f + 0.62f * down) +
        0.055f * (noise_line_sum (h, y * 13, 3) - 0.5f) * (0.4f + down * 2);
    threads[k].strength = dv_smooth (end, end - 0.3f, down) *
                          (0.6f + 0.8f * noise_line (h + 5, y * 24));
    threads[k].wide =
        (0.0022f + 0.006f * dv_unit (dv_hash (h + 2))) * (1.2f - down * 0.6f);
  }
}

WIDE static void
shade_volcano (Ground *g)
{
  Light light = g->set->light;
  float a[BLOCK], b[BLOCK], side = g->side, fire = g->set->scene.fire;
  float down =
      dv_max (0, g->y - (g->layer->base - g->layer->rise)) / g->layer->rise;
  int i = g->first;

  field (g, a, (Field){.octaves = 4, .x = 14, .from = (double)g->y * 9});
  field (g, b,
      (Field){.octaves = 4,
          .x = 14,
          .along = 0.4 * (double)side,
          .from = (double)g->y * 9});
  /* One volcano after the other. */
  while (i < g->end) {
    double cell = dv_floor_d (g->x[i] / CRATER_PITCH);
    double crater = terrain_crater (g->layer, cell);
    Thread threads[THREADS];
    int end = i;

    while (end < g->end && dv_floor_d (g->x[end] / CRATER_PITCH) <= cell)
      end++;
    lava_threads (g, cell, down, threads);
    for (; i < end; i++) {
      float from = (float)(g->x[i] - crater), off = from < 0 ? -from : from;
      float face = dv_clamp (
          0.4f + 4.2f * (a[i] - b[i]) + side * from * -0.5f, 0.03f, 1.1f);
      Rgb rock = rgb_mix (rgb8 (52, 44, 48), rgb8 (96, 80, 78), a[i]);
      Rgb lit = light_on (&light, rock, face);

      for (int k = 0; k < THREADS; k++) {
        const Thread *t = &threads[k];
        float far = from - t->way;

        far = far < 0 ? -far : far;
        lit = rgb_add (lit, rgb_scale (rgb8 (255, 62, 14),
                                0.55f * t->strength * dv_fade (-far * 26)));
        lit = rgb_mix (lit,
            rgb_mix (rgb8 (255, 120, 36), rgb8 (255, 226, 130),
                dv_smooth (t->wide, 0, far)),
            dv_clamp (
                t->strength * dv_smooth (t->wide, t->wide * 0.3f, far), 0, 1) *
                fire);
      }
      g->colour[i] = rgb_add (lit, rgb_scale (rgb8 (255, 90, 30),
                                       0.8f * dv_smooth (0.08f, 0, g->deep[i]) *
                                           dv_smooth (0.22f, 0.03f, off)));
    }
  }
}

/* Lava field: black crust, glowing cracks. */
WIDE static void
shade_crust (Ground *g)
{
  Light light = g->set->light;
  float a[BLOCK], b[BLOCK], cracks[BLOCK], where[BLOCK];
  double y = (double)g->y;

  field (g, a, (Field){.octaves = 4, .x = 16, .from = y * 30});
  field (g, b,
      (Field){.octaves = 4,
          .x = 16,
          .along = 0.3 * (double)g->side,
          .from = y * 30 - 0.4});
  field (g, cracks, (Field){.octaves = 4, .x = 5, .from = y * 13});
  field (g, where, (Field){.octaves = 1, .x = 1.7, .from = y * 5 + 40});
  for (int i = g->first; i < g->end; i++) {
    Rgb rock = rgb_mix (rgb8 (30, 27, 32), rgb8 (84, 68, 66), a[i]);
    float face = dv_clamp (
        0.3f + 2.4f * (a[i] - b[i]) + 0.3f * dv_smooth (0.01f, 0, g->deep[i]),
        0.03f, 1);
    float crack = cracks[i] > 0.5f ? cracks[i] - 0.5f : 0.5f - cracks[i];

    rock = light_on (&light, rock, face);
    rock = rgb_add (rock,
        rgb_scale (rgb8 (255, 60, 16), 0.4f * dv_smooth (0.07f, 0, crack) *
                                           dv_smooth (0.45f, 0.7f, where[i])));
    g->colour[i] = rgb_mix (rock, rgb8 (255, 170, 70),
        dv_smooth (0.014f, 0.002f, crack) * dv_smooth (0.45f, 0.6f, where[i]));
  }
}

WIDE static void
shade_canyon (Ground *g)
{
  Light light = g->set->light;
  double y = (double)g->y, near = 0.6 + (double)g->layer->depth;
  float bend[BLOCK], strata[BLOCK], ledges[BLOCK], grain[BLOCK];
  float talus[BLOCK], a[BLOCK], b[BLOCK], side = g->side;
  float foot = dv_max (0.03f, g->layer->rise);

  field (g, bend, (Field){.octaves = 2, .x = 2.2, .from = y * 3});
  for (int i = g->first; i < g->end; i++) {
    bend[i] *= 0.035f;
    /* Buttresses, rounder at the foot where rubble lies. */
    talus[i] = dv_smooth (0.35f, 0.9f, g->deep[i] / foot);
  }
  field (g, strata,
      (Field){NOISE_BANDS, 2, 0.9, 0, 3.7, bend, 70 / near, y * 70 / near});
  field (g, ledges,
      (Field){NOISE_BANDS, 1, 0.3, 0, 9.1, bend, 26 / near, y * 26 / near});
  field (g, a, (Field){NOISE_BANDS, 2, 11 / near, 0, 0, talus, y * 14, y * 4});
  field (g, b,
      (Field){NOISE_BANDS, 2, 11 / near, 0, 0.22 * (double)side, talus, y * 14,
          y * 4});
  field (g, grain, (Field){.octaves = 2, .x = 80, .from = y * 120});
  for (int i = g->first; i < g->end; i++) {
    float bare = 1 - talus[i], ledge = ledges[i];
    Rgb rock = rgb_mix (rgb8 (142, 70, 48), rgb8 (224, 154, 104), strata[i]);
    float face =
        dv_clamp (0.46f + 1.5f * (a[i] - b[i]) * (1 - 0.4f * talus[i]) +
                      0.12f * side * g->slope[i] + 0.7f * (grain[i] - 0.5f) -
                      0.26f * dv_smooth (0.56f, 0.66f, ledge) * bare,
            0.04f, 1.05f);

    rock = rgb_mix (rock, rgb8 (240, 204, 158),
        0.5f * dv_smooth (0.6f, 0.72f, ledge) * bare);
    rock = rgb_mix (rock, rgb8 (186, 116, 78), 0.6f * talus[i]);
    /* Dry brush on the rubble. */
    rock = rgb_mix (rock, rgb8 (92, 92, 54),
        0.55f * talus[i] * dv_smooth (0.6f, 0.72f, grain[i]));
    /* The tops catch the light. */
    face += 0.4f * dv_smooth (0.012f, 0, g->deep[i]);
    g->colour[i] = light_on (&light, rock, dv_min (face, 1.1f));
  }
}

WIDE static void
shade_ice (Ground *g)
{
  Light light = g->set->light;
  float a[BLOCK], cracks[BLOCK], side = g->side;
  double y = (double)g->y;

  field (g, a, (Field){.octaves = 3, .x = 15, .slant = 10, .from = y * 22});
  field (g, cracks, (Field){.octaves = 3, .x = 5, .from = y * 40});
  for (int i = g->first; i < g->end; i++) {
    /* Facets: noise in steps. */
    float facet = dv_floor (a[i] * 9) / 9;
    float face =
        dv_clamp (1.9f * (facet - 0.2f) + 0.16f * side * g->slope[i], 0.1f, 1);
    float crack = cracks[i] > 0.5f ? cracks[i] - 0.5f : 0.5f - cracks[i];
    Rgb ice = rgb_mix (rgb8 (120, 176, 210), rgb8 (236, 246, 252), face);

    ice = rgb_mix (ice, rgb8 (70, 142, 190),
        0.55f * dv_smooth (0.035f, 0, crack) *
            dv_smooth (0.01f, 0.05f, g->deep[i]));
    g->colour[i] = light_on (&light, ice, face);
  }
}

WIDE static void
shade_hill (Ground *g)
{
  const DvScene *s = &g->set->scene;
  Light light = g->set->light;
  double near = 0.5 + (double)g->layer->depth;
  float a[BLOCK], tuft[BLOCK], patch[BLOCK], flower[BLOCK], bed[BLOCK];
  float autumn = 0.65f * s->autumn, spring = 0.3f * s->blossom;
  float snow = g->snow, side = g->side;

  field (g, a, (Field){.octaves = 3, .x = 9, .down = 30 / near, .from = 11});
  field (g, tuft, (Field){.octaves = 1, .x = 110, .down = 260});
  field (g, patch, (Field){.octaves = 1, .x = 2.1, .down = 7, .from = 3});
  if (s->flowers > 0.3f || s->blossom > 0.3f) {
    field (
        g, flower, (Field){.octaves = 1, .x = 150 / near, .down = 260 / near});
    field (g, bed, (Field){.octaves = 2, .x = 3.1, .along = 40, .down = 9});
    for (int i = g->first; i < g->end; i++)
      flower[i] = dv_smooth (0.78f, 0.86f, flower[i]) *
                  dv_smooth (0.4f, 0.6f, bed[i]) * 0.65f;
  } else
    memset (flower, 0, sizeof flower);
  for (int i = g->first; i < g->end; i++) {
    Rgb grass = rgb_mix (rgb8 (58, 104, 46), rgb8 (136, 168, 72), a[i]);
    float face = dv_clamp (
        0.42f + 0.14f * side * g->slope[i] + 0.5f * (a[i] - 0.5f) +
            0.36f * dv_smooth (0.03f, 0, g->deep[i]) + 0.26f * (tuft[i] - 0.5f),
        0.06f, 1);

    grass = rgb_mix (
        grass, rgb8 (176, 172, 84), 0.5f * dv_smooth (0.5f, 0.75f, patch[i]));
    grass = rgb_mix (
        grass, rgb8 (44, 88, 50), 0.6f * dv_smooth (0.42f, 0.3f, patch[i]));
    grass = rgb_mix (grass, rgb8 (188, 128, 56), autumn);
    grass = rgb_mix (grass, rgb8 (164, 196, 96), spring);
    grass = rgb_mix (grass,
        rgb_mix (rgb8 (250, 180, 206), rgb8 (255, 236, 160), patch[i]),
        flower[i]);
    grass = rgb_mix (grass, rgb8 (232, 238, 248),
        snow * dv_smooth (0.0f, 0.35f, a[i] + 0.4f * snow));
    g->colour[i] = light_on (&light, grass, face);
  }
}

WIDE static void
shade_dune (Ground *g)
{
  Light light = g->set->light;
  double near = 0.45 + (double)g->layer->depth;
  float warp[BLOCK], grain[BLOCK], side = g->side, inverse = 1 / (float)near;

  field (g, warp,
      (Field){.octaves = 2,
          .x = 1.9 / near,
          .along = 50 * (double)g->layer->depth,
          .down = 9 / near});
  field (g, grain, (Field){.octaves = 2, .x = 90 / near, .down = 300 / near});
  for (int i = g->first; i < g->end; i++) {
    /* Crests wind down from the tops: light on one side, shade beyond. */
    float deep = g->deep[i], wide = warp[i];
    float p =
        (float)(g->x[i] - dv_floor_d (g->x[i] / 64) * 64) * 0.75f * inverse +
        side * deep * 3.4f * inverse + 1.5f * wide;
    float t = p - dv_floor (p), face, lee;
    float ripple = dv_sin (deep * 34 * inverse + p * 3.2f + wide * 3);

    t = side > 0 ? 1 - t : t;
    lee = dv_lerp (0.98f, dv_lerp (0.08f, 0.42f, dv_smooth (0.62f, 1, t)),
        dv_smooth (0.6f, 0.625f, t));
    face = dv_lerp (0.42f, 0.98f, dv_smooth (0, 0.6f, t));
    face = t < 0.6f ? face : lee;
    face += 0.17f * ripple * dv_smooth (0.02f, 0.1f, deep) +
            0.56f * (grain[i] - 0.5f) + 0.1f * side * g->slope[i] +
            0.16f * dv_smooth (0.012f, 0, deep);
    g->colour[i] = light_on (&light,
        rgb_mix (rgb8 (204, 146, 98), rgb8 (238, 198, 142), wide),
        dv_clamp (face, 0.03f, 1.1f));
  }
}

WIDE static void
shade_sand (Ground *g)
{
  Light light = g->set->light;
  float a[BLOCK], grain[BLOCK];

  field (g, a, (Field){.octaves = 4, .x = 12, .down = 60});
  field (g, grain, (Field){.octaves = 1, .x = 240, .down = 300});
  for (int i = g->first; i < g->end; i++) {
    float deep = g->deep[i], wet = dv_smooth (0.035f, 0.0f, deep);
    Rgb sand = rgb_mix (rgb8 (222, 190, 140), rgb8 (246, 224, 182), a[i]);

    sand = rgb_mix (sand, rgb8 (150, 122, 92), 0.6f * wet);
    sand = rgb_mix (
        sand, rgb8 (255, 255, 255), 0.8f * dv_smooth (0.008f, 0.001f, deep));
    g->colour[i] = light_on (
        &light, sand, 0.55f + 0.3f * (a[i] - 0.5f) + 0.12f * (grain[i] - 0.5f));
  }
}

WIDE static void
shade_snow (Ground *g)
{
  Light light = g->set->light;
  float a[BLOCK], b[BLOCK], grain[BLOCK], side = g->side;

  field (g, a, (Field){.octaves = 4, .x = 4, .down = 16});
  field (g, b,
      (Field){.octaves = 4,
          .x = 4,
          .along = 0.25 * (double)side,
          .down = 16,
          .from = -0.3});
  field (g, grain, (Field){.octaves = 1, .x = 200, .down = 260});
  for (int i = g->first; i < g->end; i++) {
    float face = dv_clamp (
        0.55f + 2.4f * (a[i] - b[i]) + 0.1f * side * g->slope[i] +
            0.2f * (grain[i] - 0.5f) + 0.2f * dv_smooth (0.02f, 0, g->deep[i]),
        0.05f, 1);

    g->colour[i] = light_on (&light,
        rgb_mix (rgb8 (186, 204, 236), rgb8 (242, 244, 250), face), face);
  }
}

static void
shade (Ground *g)
{
  switch (g->layer->kind) {
    case LAYER_MOUNTAIN:
      shade_mountain (g);
      return;
    case LAYER_VOLCANO:
      shade_volcano (g);
      return;
    case LAYER_CANYON:
      if (g->set->scene.volcano > 0.3f)
        shade_crust (g);
      else
        shade_canyon (g);
      return;
    case LAYER_ICE:
      shade_ice (g);
      return;
    case LAYER_DUNE:
      shade_dune (g);
      return;
    case LAYER_BEACH:
      shade_sand (g);
      return;
    case LAYER_SNOWFIELD:
      shade_snow (g);
      return;
    default:
      shade_hill (g);
      return;
  }
}

/* Where on picture row @row there is ground, how far below the outline. */
WIDE static void
measure_row (Ground *g, float row, float unit)
{
  float inverse = 1 / unit;
  int first = BLOCK, end = 0;

  g->y = row * inverse;
  for (int i = 0; i < BLOCK; i++) {
    float deep = dv_max (0, row - g->top[i + 1]) * inverse;

    g->cover[i] = dv_clamp (row + 1 - g->top[i + 1], 0, 1);
    g->deep[i] = deep;
    g->slope[i] = dv_clamp (g->top[i + 2] - g->top[i], -4, 4) * -0.5f *
                  dv_max (0, 1 - deep * 28);
  }
  for (int i = 0; i < BLOCK; i++)
    if (g->cover[i] > 0) {
      first = i < first ? i : first;
      end = i + 1;
    }
  g->first = first;
  g->end = end;
}

/* Puts the row over what the tile has, lost in haze as far as it is far. */
WIDE static void
put_row (const Ground *g, float (*pixel)[4], float far)
{
  Light light = g->set->light;

  for (int i = g->first; i < g->end; i++) {
    Rgb c = rgb_mix (light_grade (&light, g->colour[i]), light.haze, far);
    float amount = g->cover[i], rest = 1 - amount;

    pixel[i][0] = pixel[i][0] * rest + c.r * amount;
    pixel[i][1] = pixel[i][1] * rest + c.g * amount;
    pixel[i][2] = pixel[i][2] * rest + c.b * amount;
    pixel[i][3] = pixel[i][3] * rest + amount;
  }
}

void
ground_paint (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  Ground g = {.layer = layer, .set = set, .noise = noise};
  float unit = tile->unit;

  g.snow = dv_clamp (dv_max (set->scene.snow, set->scene.ice) * 1.3f, 0, 1);
  g.side = set->light.disc_x > 0.5f ? 1 : -1;
  for (int i = 0; i < BLOCK + 2; i++) {
    double x = (double)(tile->x0 + i - 1) / (double)unit;

    g.top[i] = (layer->base - terrain_height (layer, set, x)) * unit;
    if (i >= 1 && i <= BLOCK)
      g.x[i - 1] = x;
  }
  for (int row = 0; row < tile->height; row++) {
    measure_row (&g, tile->top + (float)row, unit);
    if (g.first >= g.end)
      continue;
    shade (&g);
    put_row (&g, tile->pixel + row * BLOCK, layer_haze (layer, set, g.y));
  }
}
