/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which layers a scene is built of, their outlines, and what is painted of
 * each.
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

/* ---- painting ---- */

float
layer_haze (const Layer *layer, const Set *set, float row_heights)
{
  /* Mist gathers at the foot of what is far. */
  float foot = 1 - dv_clamp ((layer->base - row_heights) / 0.16f, 0, 1);
  float mist =
      foot * foot * (1 - layer->depth) * (0.28f + 0.5f * set->light.fog);
  float far = layer->haze + (1 - layer->haze) * mist;

  if (layer->foreground || !layer->shore)
    far *= 1 - 0.5f * dv_smooth (0, 0.2f, row_heights - layer->base);
  return dv_clamp (far, 0, 1);
}

Rgb
layer_seen (const Layer *layer, const Set *set, Rgb colour, float row_heights)
{
  return rgb_mix (light_grade (&set->light, colour), set->light.haze,
      layer_haze (layer, set, row_heights));
}

void
terrain_paint (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  const DvScene *s = &set->scene;

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
  ground_paint (tile, layer, set, noise);
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
