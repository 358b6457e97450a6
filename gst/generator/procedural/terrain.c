/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which layers a scene is built of, their outlines, and the bare ground:
 * mountains, volcano, canyon, ice, hills, dunes, beach.
 */
#include "paint.h"

#include <string.h>

/* ---- plan ---- */

static Layer *
add (Set *set, LayerKind kind, float depth, float base, float rise)
{
  Layer *layer;

  if (set->n_layers == LAYERS_MAX || rise < 0.005f)
    return NULL;
  layer = &set->layer[set->n_layers];
  memset (layer, 0, sizeof *layer);
  layer->kind = kind;
  layer->seed =
      dv_hash2 (set->scene.seed, (uint32_t)kind * 16 + (uint32_t)(depth * 16));
  layer->depth = depth;
  layer->base = base;
  layer->rise = rise;
  layer->bottom = 1;
  /* Distance: nothing close by, most of it at the end of the world. */
  layer->haze = dv_clamp (0.78f * (1 - depth) * (1 - depth), 0, 1);
  layer->haze = dv_clamp (
      layer->haze + set->scene.fog * (1.05f - depth) * 0.75f, 0, 0.97f);
  set->n_layers++;
  return layer;
}

/* Room above the outline for what stands on it, in heights. */
static float
headroom (const Layer *layer, const Set *set)
{
  const DvScene *s = &set->scene;
  float trees = dv_max (s->trees, s->blossom);

  switch (layer->kind) {
    case LAYER_HILL:
    case LAYER_SNOWFIELD:
      return 0.02f + 0.2f * layer->depth * dv_max (trees, s->village);
    case LAYER_MEADOW:
      return 0.03f + 0.5f * dv_max (s->blossom, dv_max (0, trees - 0.5f));
    case LAYER_BEACH:
      return 0.6f * s->palms;
    case LAYER_DUNE:
      return 0.2f * s->palms;
    default:
      return 0;
  }
}

static float
choose_horizon (const DvScene *s)
{
  float weight = 0.6f, sum = 0.6f * 0.56f;
  const float want[][2] = {
      {s->sea, 0.5f},
      {s->city, 0.7f},
      {s->desert, 0.46f},
      {s->ice, 0.66f},
      {s->canyon, 0.52f},
      {s->volcano, 0.68f},
      {s->forest, 0.46f},
      {s->mountains, 0.6f},
      {s->meadow, 0.5f},
      {s->lake, 0.56f},
  };

  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    weight += 1.5f * want[i][0];
    sum += 1.5f * want[i][0] * want[i][1];
  }
  return sum / weight + 0.05f * (dv_unit (dv_hash (s->seed ^ 0x4072)) - 0.5f);
}

void
terrain_plan (Set *set)
{
  const DvScene *s = &set->scene;
  float h = set->horizon = choose_horizon (s), floor = 1;
  float wet = dv_max (s->sea, dv_max (s->lake, s->river));
  bool water;

  set->n_layers = 0;
  if (s->space > 0.6f) {
    set->horizon = 1.02f;
    set->wet = 0;
    add (set, LAYER_PLANET, 0.1f, 1, 1);
    return;
  }
  set->wet = wet = dv_smooth (0.15f, 0.55f, wet);
  water = wet > 0.5f;
  /* Where the ground of far layers may stand: staggered on dry land, all on
   * the shore where there is water. */
#define STAND(far) (water ? h + 0.004f : h + (far) * (floor - h))

  if (s->mountains > 0.12f) {
    float m = s->mountains * (s->volcano > 0.3f ? 0.5f : 1);
    add (set, LAYER_MOUNTAIN, 0.08f, h + 0.004f, 0.42f * m);
    if (m > 0.45f)
      add (set, LAYER_MOUNTAIN, 0.24f, STAND (0.06f), 0.22f * m);
  }
  if (s->volcano > 0.15f)
    add (set, LAYER_VOLCANO, 0.3f, STAND (0.05f), 0.5f * s->volcano);
  if (s->canyon > 0.15f) {
    add (set, LAYER_CANYON, 0.16f, STAND (0.05f), 0.36f * s->canyon);
    add (set, LAYER_CANYON, 0.42f, STAND (0.2f), 0.4f * s->canyon);
    if (!water)
      add (set, LAYER_CANYON, 0.72f, STAND (0.62f), 0.26f * s->canyon);
  }
  if (s->ice > 0.3f) {
    add (set, LAYER_ICE, 0.2f, STAND (0.04f), 0.15f * s->ice);
    if (!water)
      add (set, LAYER_ICE, 0.5f, STAND (0.24f), 0.07f * s->ice);
  }
  if (s->city > 0.15f) {
    add (set, LAYER_CITY, 0.16f, STAND (0.05f), 0.34f * s->city);
    add (set, LAYER_CITY, 0.4f, STAND (0.3f), 0.46f * s->city);
    if (s->city > 0.5f && !water)
      add (set, LAYER_CITY, 0.66f, STAND (0.75f), 0.42f * s->city);
  }
  if (s->hills > 0.15f) {
    add (set, LAYER_HILL, 0.3f, STAND (0.06f), 0.15f * s->hills);
    if (!water)
      add (set, LAYER_HILL, 0.5f, STAND (0.25f), 0.15f * s->hills);
  }
  if (s->forest > 0.15f) {
    add (set, LAYER_FOREST, 0.34f, STAND (0.1f), 0.16f * s->forest);
    if (!water) {
      add (set, LAYER_FOREST, 0.52f, STAND (0.34f), 0.22f * s->forest);
      add (set, LAYER_FOREST, 0.72f, STAND (0.75f), 0.3f * s->forest);
    }
  }
  if (s->desert > 0.5f && !water) {
    add (set, LAYER_DUNE, 0.26f, STAND (0.06f), 0.2f * s->desert);
    add (set, LAYER_DUNE, 0.5f, STAND (0.25f), 0.2f * s->desert);
    add (set, LAYER_DUNE, 0.74f, STAND (0.66f), 0.26f * s->desert);
  }
  if (!water) {
    /* Dry land goes on to the viewer. */
    float snowy = dv_max (s->snow, s->ice);

    if (snowy > 0.4f && s->city < 0.5f && s->forest < 0.5f)
      add (set, LAYER_SNOWFIELD, 0.78f, STAND (0.66f), 0.12f);
    else if (s->desert < 0.5f && s->canyon < 0.5f && s->city < 0.5f &&
             s->forest < 0.5f && s->volcano < 0.5f)
      add (set, LAYER_HILL, 0.7f, STAND (0.62f), 0.14f);
    if (s->volcano > 0.3f)
      add (set, LAYER_CANYON, 0.7f, STAND (0.6f), 0.14f);
    if ((s->meadow > 0.3f || s->flowers > 0.3f || s->blossom > 0.3f) &&
        snowy < 0.5f)
      add (set, LAYER_MEADOW, 0.92f, 0.97f, 0.12f);
  } else if (s->desert > 0.2f || s->palms > 0.3f)
    add (set, LAYER_BEACH, 0.9f, 0.97f, 0.1f);
  else if (s->volcano > 0.3f)
    add (set, LAYER_CANYON, 0.9f, 1.0f, 0.1f);
  else if (s->lake + s->river > 0.3f && s->sea < 0.5f && s->city < 0.5f)
    add (set, LAYER_MEADOW, 0.92f, 1.0f, 0.11f);
#undef STAND

  for (int i = 0; i < set->n_layers; i++) {
    Layer *layer = &set->layer[i];

    layer->foreground = layer->depth > 0.8f;
    layer->shore = water && !layer->foreground;
    if (layer->shore)
      layer->bottom = layer->base + 0.006f;
  }
  for (int i = 0; i < set->n_layers; i++)
    set->layer[i].rise += headroom (&set->layer[i], set);
  /* From far to near. */
  for (int i = 1; i < set->n_layers; i++)
    for (int j = i; j > 0 && set->layer[j].depth < set->layer[j - 1].depth;
         j--) {
      Layer layer = set->layer[j];

      set->layer[j] = set->layer[j - 1];
      set->layer[j - 1] = layer;
    }
  /* The ground of a layer hides the lower part of the one behind it; how far
   * it may sink while a scene changes is left as a margin. */
  for (int i = 0; i + 1 < set->n_layers; i++) {
    const Layer *nearer = &set->layer[i + 1];

    if (!water && !nearer->foreground)
      set->layer[i].bottom =
          dv_min (1, nearer->base + SINK * nearer->rise + 0.02f);
  }
}

/* ---- outlines ---- */

double
terrain_crater (const Layer *layer, double cell)
{
  float jitter = dv_unit (dv_hash2 ((uint32_t)(int64_t)cell, layer->seed));

  return (cell + 0.28 + 0.2 * (double)jitter) * CRATER_PITCH;
}

float
terrain_height (const Layer *layer, const Set *set, double x)
{
  uint32_t seed = layer->seed;
  float size = layer->rise - headroom (layer, set), n;
  double near = 0.6 + 0.6 * (double)layer->depth;

  if (size < 0.02f)
    size = 0.02f;
  switch (layer->kind) {
    case LAYER_MOUNTAIN:
      n = 0.55f * noise_line_sum (seed + 40, x * 0.9, 2) +
          0.75f * noise_ridges (seed, x * 1.5, 6);
      return size * dv_clamp (n * 0.95f - 0.05f, 0.02f, 1);
    case LAYER_VOLCANO: {
      double cell = dv_floor_d (x / CRATER_PITCH);
      float r = (float)(x - terrain_crater (layer, cell)) / 0.82f;
      float a = r < 0 ? -r : r, cone;

      a += 0.03f * (noise_line_sum (seed + 3, x * 9, 3) - 0.5f);
      cone = dv_max (0, 1 - dv_max (a, 0.1f));
      cone = 0.45f * cone + 0.55f * cone * cone * cone;
      n = cone * 1.12f - 0.06f * dv_smooth (0.1f, 0.02f, a);
      return size * (0.08f * noise_line_sum (seed, x * 3, 3) + 0.9f * n);
    }
    case LAYER_CANYON:
      n = noise_line_sum (seed, x * 1.3 * near, 4) +
          0.02f * noise_line_sum (seed + 9, x * 40, 2);
      return size * (0.12f + 0.2f * dv_smooth (0.34f, 0.39f, n) +
                        0.4f * dv_smooth (0.47f, 0.5f, n) +
                        0.22f * dv_smooth (0.57f, 0.6f, n) +
                        0.05f * noise_line_sum (seed + 5, x * 22, 3));
    case LAYER_ICE:
      n = noise_ridges (seed, x * 2.2, 3);
      n = dv_max (0, n - 0.16f) * 1.15f;
      return size * (0.05f + 0.95f * dv_clamp (n, 0, 1)) +
             0.003f * noise_line (seed + 3, x * 30);
    case LAYER_HILL:
      return size * noise_line_sum (seed, x * near, 3) +
             0.0025f * noise_line (seed + 7, x * 40);
    case LAYER_DUNE:
      n = noise_ridges (seed, x * 0.55 * near + 0.3, 2);
      return size *
             dv_min (1, 0.3f * noise_line (seed + 4, x * 0.7) + 1.1f * n);
    case LAYER_SNOWFIELD:
      return size * noise_line_sum (seed, x * 0.8, 2);
    case LAYER_BEACH:
      return size * (0.25f + 0.75f * noise_line_sum (seed, x * 0.55, 2));
    case LAYER_MEADOW:
      return size * (0.3f + 0.4f * noise_line_sum (seed, x * 0.8, 2));
    case LAYER_FOREST:
      return size * 0.42f * noise_line_sum (seed, x * near, 2);
    default:
      return 0;
  }
}

/* ---- colours ---- */

Rgb
layer_seen (const Layer *layer, const Set *set, Rgb colour, float row_heights)
{
  /* Mist gathers at the foot of what is far. */
  float foot = 1 - dv_clamp ((layer->base - row_heights) / 0.16f, 0, 1);
  float mist =
      foot * foot * (1 - layer->depth) * (0.28f + 0.5f * set->light.fog);
  float far = layer->haze + (1 - layer->haze) * mist;

  if (layer->foreground || !layer->shore)
    far *= 1 - 0.5f * dv_smooth (0, 0.2f, row_heights - layer->base);
  return rgb_mix (
      light_grade (&set->light, colour), set->light.haze, dv_clamp (far, 0, 1));
}

typedef struct {
  const Tile *tile;
  const Layer *layer;
  const Set *set;
  const Noise *noise;
  float snow;           /* how much lies on the ground */
  float side;           /* +1: the light comes from the right */
  float top[BLOCK + 2]; /* picture row of the outline, from one column left */
} Ground;

static Rgb
shade_mountain (const Ground *g, double x, float y, float deep, float slope)
{
  const Light *light = &g->set->light;
  float fine = 7 + 8 * g->layer->depth;
  /* Slanting ribs fall away from the crest. */
  double u = x * (double)fine + 0.9 * (double)deep * (double)fine;
  double v = (double)(y * fine * 1.7f) + g->layer->seed % 97;
  float a = noise_sum (g->noise, u, v, 5);
  float b = noise_sum (g->noise, u + 0.3 * (double)g->side, v - 0.25, 5);
  float face =
      dv_clamp (0.46f + 4.2f * (a - b) + 0.12f * g->side * slope, 0.04f, 1);
  float line = g->layer->base - g->layer->rise * (0.62f - 0.42f * g->snow) +
               0.09f * (a - 0.5f);
  float snow = dv_smooth (0.02f, -0.025f, y - line) *
               dv_smooth (0.16f, 0.34f, face + 0.3f * g->snow);
  Rgb rock = rgb_mix (rgb8 (74, 76, 92), rgb8 (128, 116, 108), a);

  rock = rgb_mix (rock, rgb8 (56, 78, 62),
      0.6f * dv_smooth (-0.05f, 0.08f, y - line) * (1 - g->snow));
  return light_on (
      light, rgb_mix (rock, rgb8 (228, 234, 246), snow * 0.9f), face);
}

static Rgb
shade_volcano (const Ground *g, double x, float y, float deep)
{
  double cell = dv_floor_d (x / CRATER_PITCH);
  float from = (float)(x - terrain_crater (g->layer, cell));
  double u = x * 14, v = (double)(y * 9);
  float a = noise_sum (g->noise, u, v, 4);
  float b = noise_sum (g->noise, u + 0.4 * (double)g->side, v, 4);
  float face =
      dv_clamp (0.4f + 4.2f * (a - b) + g->side * from * -0.5f, 0.03f, 1.1f);
  Rgb rock = rgb_mix (rgb8 (52, 44, 48), rgb8 (96, 80, 78), a);
  Rgb lit = light_on (&g->set->light, rock, face);
  float down =
      dv_max (0, y - (g->layer->base - g->layer->rise)) / g->layer->rise;
  float off = from < 0 ? -from : from;

  /* Lava finds its way down in winding threads, each to its own depth. */
  for (uint32_t k = 0; k < 6; k++) {
    uint32_t h = dv_hash2 (k, g->layer->seed + (uint32_t)(int64_t)cell);
    float way = (dv_unit (h) - 0.5f) * (0.1f + 0.62f * down);
    float wind = 0.055f * (noise_line_sum (h, (double)(y * 13), 3) - 0.5f) *
                 (0.4f + down * 2);
    float far = from - way - wind, end = 0.35f + 0.6f * dv_unit (dv_hash (h));
    float strength = dv_smooth (end, end - 0.3f, down);
    float wide =
        (0.0022f + 0.006f * dv_unit (dv_hash (h + 2))) * (1.2f - down * 0.6f);

    far = far < 0 ? -far : far;
    strength *= 0.6f + 0.8f * noise_line (h + 5, (double)(y * 24));
    lit = rgb_add (lit,
        rgb_scale (rgb8 (255, 62, 14), 0.55f * strength * dv_fade (-far * 26)));
    lit = rgb_mix (lit,
        rgb_mix (rgb8 (255, 120, 36), rgb8 (255, 226, 130),
            dv_smooth (wide, 0, far)),
        dv_clamp (strength * dv_smooth (wide, wide * 0.3f, far), 0, 1) *
            g->set->scene.fire);
  }
  lit = rgb_add (lit,
      rgb_scale (rgb8 (255, 90, 30),
          0.8f * dv_smooth (0.08f, 0, deep) * dv_smooth (0.22f, 0.03f, off)));
  return lit;
}

/* Lava field: black crust, glowing cracks. */
static Rgb
shade_crust (const Ground *g, double x, float y, float deep)
{
  float a = noise_sum (g->noise, x * 16, (double)(y * 30), 4);
  float b = noise_sum (
      g->noise, x * 16 + 0.3 * (double)g->side, (double)(y * 30) - 0.4, 4);
  float crack = noise_sum (g->noise, x * 5, (double)(y * 13), 4);
  float where = noise_at (g->noise, x * 1.7, (double)(y * 5) + 40);
  Rgb rock = rgb_mix (rgb8 (30, 27, 32), rgb8 (84, 68, 66), a);
  float face = dv_clamp (
      0.3f + 2.4f * (a - b) + 0.3f * dv_smooth (0.01f, 0, deep), 0.03f, 1);

  crack = crack > 0.5f ? crack - 0.5f : 0.5f - crack;
  rock = light_on (&g->set->light, rock, face);
  rock = rgb_add (rock,
      rgb_scale (rgb8 (255, 60, 16),
          0.4f * dv_smooth (0.07f, 0, crack) * dv_smooth (0.45f, 0.7f, where)));
  return rgb_mix (rock, rgb8 (255, 170, 70),
      dv_smooth (0.014f, 0.002f, crack) * dv_smooth (0.45f, 0.6f, where));
}

static Rgb
shade_canyon (const Ground *g, double x, float y, float deep, float slope)
{
  float near = 0.6f + g->layer->depth;
  float bend = 0.035f * noise_sum (g->noise, x * 2.2, (double)(y * 3), 2);
  float strata = noise_bands (
      g->noise, 3.7 + x * 0.9, (double)((y + bend) * 70 / near), 2);
  float ledge =
      noise_at (g->noise, 9.1 + x * 0.3, (double)((y + bend) * 26 / near));
  /* Buttresses, rounder at the foot where rubble lies. */
  double u = x * 11 / (double)near;
  float talus = dv_smooth (0.35f, 0.9f, deep / dv_max (0.03f, g->layer->rise));
  float a = noise_bands (g->noise, u, (double)(y * (4 + 14 * talus)), 2);
  float b = noise_bands (
      g->noise, u + 0.22 * (double)g->side, (double)(y * (4 + 14 * talus)), 2);
  float grain = noise_sum (g->noise, x * 80, (double)(y * 120), 2);
  Rgb rock = rgb_mix (rgb8 (142, 70, 48), rgb8 (224, 154, 104), strata);
  float face =
      dv_clamp (0.46f + 1.5f * (a - b) * (1 - 0.4f * talus) +
                    0.12f * g->side * slope + 0.7f * (grain - 0.5f) -
                    0.26f * dv_smooth (0.56f, 0.66f, ledge) * (1 - talus),
          0.04f, 1.05f);

  rock = rgb_mix (rock, rgb8 (240, 204, 158),
      0.5f * dv_smooth (0.6f, 0.72f, ledge) * (1 - talus));
  rock = rgb_mix (rock, rgb8 (186, 116, 78), 0.6f * talus);
  /* Dry brush on the rubble. */
  rock = rgb_mix (
      rock, rgb8 (92, 92, 54), 0.55f * talus * dv_smooth (0.6f, 0.72f, grain));
  /* The tops catch the light. */
  face += 0.4f * dv_smooth (0.012f, 0, deep);
  return light_on (&g->set->light, rock, dv_min (face, 1.1f));
}

static Rgb
shade_ice (const Ground *g, double x, float y, float deep, float slope)
{
  const Light *light = &g->set->light;
  /* Facets: noise in steps. */
  float a =
      noise_sum (g->noise, x * 15 + (double)deep * 10, (double)(y * 22), 3);
  float facet = dv_floor (a * 9) / 9;
  float face =
      dv_clamp (1.9f * (facet - 0.2f) + 0.16f * g->side * slope, 0.1f, 1);
  float crack = noise_sum (g->noise, x * 5, (double)(y * 40), 3);
  Rgb ice = rgb_mix (rgb8 (120, 176, 210), rgb8 (236, 246, 252), face);

  crack = crack > 0.5f ? crack - 0.5f : 0.5f - crack;
  ice = rgb_mix (ice, rgb8 (70, 142, 190),
      0.55f * dv_smooth (0.035f, 0, crack) * dv_smooth (0.01f, 0.05f, deep));
  return light_on (light, ice, face);
}

static Rgb
shade_hill (const Ground *g, double x, float y, float deep, float slope)
{
  const DvScene *s = &g->set->scene;
  float near = 0.5f + g->layer->depth;
  double u = x * 9, v = (double)(deep * 30 / near);
  float a = noise_sum (g->noise, u, v + 11, 3);
  float tuft = noise_at (g->noise, x * 110, (double)(deep * 260));
  float patch = noise_at (g->noise, x * 2.1, (double)(deep * 7) + 3);
  Rgb grass = rgb_mix (rgb8 (58, 104, 46), rgb8 (136, 168, 72), a);
  float face;

  grass = rgb_mix (
      grass, rgb8 (176, 172, 84), 0.5f * dv_smooth (0.5f, 0.75f, patch));
  grass =
      rgb_mix (grass, rgb8 (44, 88, 50), 0.6f * dv_smooth (0.42f, 0.3f, patch));
  grass = rgb_mix (grass, rgb8 (188, 128, 56), 0.65f * s->autumn);
  grass = rgb_mix (grass, rgb8 (164, 196, 96), 0.3f * s->blossom);
  face =
      dv_clamp (0.42f + 0.14f * g->side * slope + 0.5f * (a - 0.5f) +
                    0.36f * dv_smooth (0.03f, 0, deep) + 0.26f * (tuft - 0.5f),
          0.06f, 1);
  if (s->flowers > 0.3f || s->blossom > 0.3f) {
    float f = noise_at (
        g->noise, x * 150 / (double)near, (double)(deep * 260 / near));
    float bed = noise_sum (g->noise, x * 3.1 + 40, (double)(deep * 9), 2);

    f = dv_smooth (0.78f, 0.86f, f) * dv_smooth (0.4f, 0.6f, bed);
    grass = rgb_mix (
        grass, rgb_mix (rgb8 (250, 180, 206), rgb8 (255, 236, 160), patch), f);
  }
  grass = rgb_mix (grass, rgb8 (232, 238, 248),
      g->snow * dv_smooth (0.0f, 0.35f, a + 0.4f * g->snow));
  return light_on (&g->set->light, grass, face);
}

static Rgb
shade_dune (const Ground *g, double x, float y, float deep, float slope)
{
  float near = 0.45f + g->layer->depth;
  float warp = noise_sum (g->noise,
      x * 1.9 / (double)near + (double)g->layer->depth * 50,
      (double)(deep * 9 / near), 2);
  /* Crests wind down from the tops: light on one side, shade beyond. */
  float p = (float)(x - dv_floor_d (x / 64) * 64) * 0.75f / near +
            g->side * deep * 3.4f / near + 1.5f * warp;
  float t = p - dv_floor (p), face;
  float ripple = dv_sin (deep * 34 / near + p * 3.2f + warp * 3);
  float grain = noise_sum (
      g->noise, x * 90 / (double)near, (double)(deep * 300 / near), 2);

  t = g->side > 0 ? 1 - t : t;
  if (t < 0.6f)
    face = dv_lerp (0.42f, 0.98f, dv_smooth (0, 0.6f, t));
  else
    face = dv_lerp (0.98f, dv_lerp (0.08f, 0.42f, dv_smooth (0.62f, 1, t)),
        dv_smooth (0.6f, 0.625f, t));
  face += 0.17f * ripple * dv_smooth (0.02f, 0.1f, deep) +
          0.42f * (grain - 0.5f) + 0.1f * g->side * slope +
          0.16f * dv_smooth (0.012f, 0, deep);
  return light_on (&g->set->light,
      rgb_mix (rgb8 (204, 146, 98), rgb8 (238, 198, 142), warp),
      dv_clamp (face, 0.03f, 1.1f));
}

static Rgb
shade_sand (const Ground *g, double x, float y, float deep)
{
  float a = noise_sum (g->noise, x * 12, (double)(deep * 60), 4);
  float grain = noise_at (g->noise, x * 240, (double)(deep * 300));
  float wet = dv_smooth (0.035f, 0.0f, deep);
  Rgb sand = rgb_mix (rgb8 (222, 190, 140), rgb8 (246, 224, 182), a);

  sand = rgb_mix (sand, rgb8 (150, 122, 92), 0.6f * wet);
  sand = rgb_mix (
      sand, rgb8 (255, 255, 255), 0.8f * dv_smooth (0.008f, 0.001f, deep));
  return light_on (
      &g->set->light, sand, 0.55f + 0.3f * (a - 0.5f) + 0.12f * (grain - 0.5f));
}

static Rgb
shade_snow (const Ground *g, double x, float y, float deep, float slope)
{
  float a = noise_sum (g->noise, x * 4, (double)(deep * 16), 4);
  float b = noise_sum (
      g->noise, x * 4 + 0.25 * (double)g->side, (double)(deep * 16) - 0.3, 4);
  float grain = noise_at (g->noise, x * 200, (double)(deep * 260));
  float face =
      dv_clamp (0.55f + 2.4f * (a - b) + 0.1f * g->side * slope +
                    0.1f * (grain - 0.5f) + 0.2f * dv_smooth (0.02f, 0, deep),
          0.05f, 1);

  return light_on (&g->set->light,
      rgb_mix (rgb8 (186, 204, 236), rgb8 (242, 244, 250), face), face);
}

static Rgb
shade (const Ground *g, double x, float y, float deep, float slope)
{
  switch (g->layer->kind) {
    case LAYER_MOUNTAIN:
      return shade_mountain (g, x, y, deep, slope);
    case LAYER_VOLCANO:
      return shade_volcano (g, x, y, deep);
    case LAYER_CANYON:
      return g->set->scene.volcano > 0.3f ? shade_crust (g, x, y, deep)
                                          : shade_canyon (g, x, y, deep, slope);
    case LAYER_ICE:
      return shade_ice (g, x, y, deep, slope);
    case LAYER_DUNE:
      return shade_dune (g, x, y, deep, slope);
    case LAYER_BEACH:
      return shade_sand (g, x, y, deep);
    case LAYER_SNOWFIELD:
      return shade_snow (g, x, y, deep, slope);
    default:
      return shade_hill (g, x, y, deep, slope);
  }
}

/* The bare ground of a tile. */
static void
paint_ground (Tile *tile, Ground *g)
{
  float unit = tile->unit;

  for (int i = 0; i < BLOCK + 2; i++) {
    double x = (double)(tile->x0 + i - 1) / (double)unit;

    g->top[i] = (g->layer->base - terrain_height (g->layer, g->set, x)) * unit;
  }
  for (int row = 0; row < tile->height; row++) {
    float y = tile->top + (float)row;

    for (int i = 0; i < BLOCK; i++) {
      float cover = dv_clamp (y + 1 - g->top[i + 1], 0, 1);
      float slope, deep;
      double x;
      Rgb c;

      if (cover <= 0)
        continue;
      x = (double)(tile->x0 + i) / (double)unit;
      deep = dv_max (0, y - g->top[i + 1]) / unit;
      slope = dv_clamp (g->top[i + 2] - g->top[i], -4, 4) * -0.5f *
              dv_max (0, 1 - deep * 28);
      c = shade (g, x, y / unit, deep, slope);
      tile_over (
          tile, i, row, layer_seen (g->layer, g->set, c, y / unit), cover);
    }
  }
}

void
terrain_paint (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  const DvScene *s = &set->scene;
  Ground ground = {tile, layer, set, noise, 0, 1, {0}};

  ground.snow = dv_clamp (dv_max (s->snow, s->ice) * 1.3f, 0, 1);
  ground.side = set->light.disc_x > 0.5f ? 1 : -1;
  switch (layer->kind) {
    case LAYER_CITY:
      town_paint_city (tile, layer, set, noise);
      return;
    case LAYER_FOREST:
      flora_paint_forest (tile, layer, set, noise);
      return;
    case LAYER_PLANET:
      planet_paint (tile, layer, set, noise);
      return;
    default:
      break;
  }
  if (layer->kind == LAYER_MEADOW)
    flora_paint_trees (tile, layer, set, noise);
  paint_ground (tile, &ground);
  if (layer->kind == LAYER_MEADOW) {
    flora_paint_grass (tile, layer, set, noise);
    return;
  }
  if ((layer->kind == LAYER_HILL || layer->kind == LAYER_SNOWFIELD) &&
      s->village > 0.2f)
    town_paint_village (tile, layer, set, noise);
  if (layer->kind == LAYER_HILL || layer->kind == LAYER_SNOWFIELD ||
      layer->kind == LAYER_BEACH || layer->kind == LAYER_DUNE)
    flora_paint_trees (tile, layer, set, noise);
}
