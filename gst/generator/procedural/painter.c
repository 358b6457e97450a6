/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Puts a frame together: sky, far layers, water, near layers, weather; and,
 * while a scene becomes another, the layers of both.
 *
 * Threads: a painter belongs to one thread at a time.
 */
#include "painter.h"

#include <stdlib.h>
#include <string.h>

#include "paint.h"

#define SETS 3 /* before, after, and the one that was there last */

struct DvPainter {
  int width, height;
  uint64_t draws;
  Noise *noise;
  Sky *sky;
  Water *water;
  Tile tile;
  Set set[SETS];
};

static void
set_close (Set *set)
{
  for (int i = 0; i < set->n_layers; i++)
    layer_close (&set->layer[i]);
  set->n_layers = 0;
  set->used = false;
}

DvPainter *
dv_painter_new (uint32_t width, uint32_t height)
{
  DvPainter *painter;

  if (width < 2 || height < 2 || width > 8192 || height > 8192)
    return NULL;
  painter = calloc (1, sizeof *painter);
  if (!painter)
    return NULL;
  painter->width = (int)width;
  painter->height = (int)height;
  painter->noise = malloc (sizeof *painter->noise);
  if (!painter->noise)
    goto failed;
  noise_fill (painter->noise);
  painter->sky = sky_new (painter->width, painter->height, painter->noise);
  painter->water = water_new (painter->width, painter->height, painter->noise);
  painter->tile.pixel = malloc (sizeof (float[4]) * BLOCK * (height + 2));
  if (!painter->sky || !painter->water || !painter->tile.pixel)
    goto failed;
  return painter;

failed:
  dv_painter_free (painter);
  return NULL;
}

void
dv_painter_free (DvPainter *painter)
{
  if (!painter)
    return;
  for (int i = 0; i < SETS; i++)
    set_close (&painter->set[i]);
  sky_free (painter->sky);
  water_free (painter->water);
  free (painter->tile.pixel);
  free (painter->noise);
  free (painter);
}

/* The set of a scene, made ready when it is new; @keep is not thrown out for
 * it. A layer that finds no memory is left out. */
static Set *
set_of (DvPainter *painter, const DvScene *scene, const Set *keep)
{
  Set *set = NULL;

  for (int i = 0; i < SETS; i++)
    if (painter->set[i].used &&
        memcmp (&painter->set[i].scene, scene, sizeof *scene) == 0) {
      painter->set[i].last_use = painter->draws;
      return &painter->set[i];
    }
  for (int i = 0; i < SETS; i++) {
    Set *other = &painter->set[i];

    if (other != keep && (!set || !other->used ||
                             (set->used && other->last_use < set->last_use)))
      set = other;
  }
  set_close (set);
  set->scene = *scene;
  set->used = true;
  set->last_use = painter->draws;
  set->sun_x = light_sun_x (scene);
  terrain_plan (set);
  light_of_scene (&set->light, scene, set->sun_x, set->horizon);
  for (int i = 0, n = set->n_layers; i < n; i++)
    if (!layer_open (&set->layer[i], painter->width, painter->height)) {
      set->n_layers = i;
      break;
    }
  return set;
}

/* One set as it stands in this frame. */
typedef struct {
  Set *set;
  int amount;  /* 256ths */
  float sink;  /* how far its shapes are under, [0, 1] */
  float shift; /* of the horizon, heights */
  int gain;    /* 64ths: light now to the light it was painted in */
} Part;

static double
scroll_of (const DvPainter *painter, const DvMoment *moment, const Layer *layer)
{
  double depth = (double)layer->depth;

  return moment->camera_x * painter->width * (0.02 + 0.7 * depth * depth);
}

static int
down_of (const DvPainter *painter, const Part *part, const Layer *layer)
{
  float near = layer->foreground ? 0.15f : 1;
  float rows = part->sink * layer->rise * SINK + part->shift * near;

  /* Shapes never leave a gap under them. */
  return (int)(rows * (float)painter->height);
}

static void
draw_layers (DvPainter *painter, const Canvas *canvas, const DvMoment *moment,
    const Part *parts, int n_parts, bool foreground, int hidden_from)
{
  int at[2] = {0, 0};

  for (;;) {
    const Part *part = NULL;
    Layer *layer = NULL;
    int end = hidden_from, which = 0;

    /* The farthest of what is left, of either set. */
    for (int p = 0; p < n_parts; p++)
      if (at[p] < parts[p].set->n_layers) {
        Layer *next = &parts[p].set->layer[at[p]];

        if (!layer || next->depth < layer->depth) {
          layer = next;
          part = &parts[p];
          which = p;
        }
      }
    if (!layer)
      return;
    at[which]++;
    if (layer->foreground != foreground)
      continue;
    /* What a nearer layer of either set hides need not be drawn. */
    for (int p = 0; p < n_parts; p++)
      for (int i = at[p]; parts[p].amount == 256 && i < parts[p].set->n_layers;
           i++) {
        Layer *nearer = &parts[p].set->layer[i];
        int solid;

        if (nearer->foreground != foreground)
          continue;
        solid =
            layer_solid (nearer, canvas, scroll_of (painter, moment, nearer),
                down_of (painter, &parts[p], nearer));
        if (solid < end)
          end = solid;
      }
    layer_draw (layer, canvas, scroll_of (painter, moment, layer),
        down_of (painter, part, layer), part->amount, part->gain, end);
  }
}

/* Fire over the craters in view. */
static void
draw_craters (const DvPainter *painter, const Canvas *canvas,
    const DvMoment *moment, const Part *parts, int n_parts)
{
  double unit = painter->height;

  for (int p = 0; p < n_parts; p++)
    for (int i = 0; i < parts[p].set->n_layers; i++) {
      const Layer *layer = &parts[p].set->layer[i];
      double left = scroll_of (painter, moment, layer) / unit;
      double cell = dv_floor_d (left / CRATER_PITCH) - 1;

      if (layer->kind != LAYER_VOLCANO)
        continue;
      for (int k = 0; k < 4; k++) {
        double x = terrain_crater (layer, cell + k);
        float y = layer->base - terrain_height (layer, parts[p].set, x);

        weather_eruption (canvas, moment, (float)parts[p].amount / 256,
            (float)((x - left) * unit),
            y * (float)unit + (float)down_of (painter, &parts[p], layer));
      }
    }
}

/* How much brighter the ground is in the second light, 64ths; twice at
 * most. */
static int
gain_of (const Light *painted, const Light *now)
{
  Rgb before = rgb_add (painted->ambient, rgb_scale (painted->sun, 0.5f));
  Rgb after = rgb_add (now->ambient, rgb_scale (now->sun, 0.5f));

  return (int)dv_clamp (
      GAIN_ONE * rgb_luma (after) * now->gain /
              dv_max (0.01f, rgb_luma (before) * painted->gain) +
          0.5f,
      10, 2 * GAIN_ONE);
}

/* The sets that a moment is made of; one of them may be NULL. */
typedef struct {
  Set *from, *to;
} Pair;

static Pair
pair_of (DvPainter *painter, const DvMoment *moment)
{
  float mix = dv_clamp (moment->mix, 0, 1);
  Pair pair = {NULL, NULL};

  painter->draws++;
  if (mix < 1)
    pair.from = set_of (painter, &moment->from, NULL);
  if (mix > 0)
    pair.to = set_of (painter, &moment->to, pair.from);
  if (pair.from == pair.to)
    pair.to = NULL;
  return pair;
}

static bool
prepare_set (
    DvPainter *painter, Set *set, const DvMoment *moment, const Halt *halt)
{
  for (int i = 0; set && i < set->n_layers; i++)
    if (!layer_prepare (&set->layer[i], set, painter->noise,
            scroll_of (painter, moment, &set->layer[i]), painter->height,
            &painter->tile, halt))
      return false;
  return true;
}

bool
dv_painter_prepare (DvPainter *painter, const DvMoment *moment,
    bool (*cancelled) (void *user), void *user)
{
  Halt halt = {cancelled, user};
  Pair pair = pair_of (painter, moment);

  return prepare_set (painter, pair.from, moment, &halt) &&
         prepare_set (painter, pair.to, moment, &halt);
}

void
dv_painter_draw (
    DvPainter *painter, const DvMoment *moment, const DvFrame *frame)
{
  Canvas canvas;
  Part parts[2];
  int n_parts = 0, hidden;
  float mix = dv_clamp (moment->mix, 0, 1), horizon, wet, sun_x;
  Light light;
  Pair pair = pair_of (painter, moment);
  Set *from = pair.from, *to = pair.to;
  const Halt never = {NULL, NULL};
  float fog;

  for (int c = 0; c < 3; c++) {
    canvas.plane[c] = frame->plane[c];
    canvas.stride[c] = frame->stride[c];
  }
  canvas.width = painter->width;
  canvas.height = painter->height;
  canvas.cwidth = (painter->width + 1) / 2;
  canvas.cheight = (painter->height + 1) / 2;

  prepare_set (painter, from, moment, &never);
  prepare_set (painter, to, moment, &never);
  if (from && to) {
    horizon = dv_lerp (from->horizon, to->horizon, mix);
    wet = dv_lerp (from->wet, to->wet, mix);
    sun_x = dv_lerp (from->sun_x, to->sun_x, mix);
  } else {
    Set *only = from ? from : to;

    horizon = only->horizon;
    wet = only->wet;
    sun_x = only->sun_x;
  }
  if (from)
    parts[n_parts++] = (Part){from,
        to ? (int)dv_min (256, 512 * (1 - mix)) : 256,
        to ? dv_smooth (0.3f, 1, mix) : 0, horizon - from->horizon, GAIN_ONE};
  if (to)
    parts[n_parts++] = (Part){to, from ? (int)dv_min (256, 512 * mix) : 256,
        from ? 1 - dv_smooth (0, 0.8f, mix) : 0, horizon - to->horizon,
        GAIN_ONE};
  /* The same shapes in another light stay where they are. */
  if (from && to && from->scene.seed == to->scene.seed)
    parts[0].sink = parts[1].sink = 0;

  light_of_scene (&light, &moment->scene, sun_x, horizon);
  for (int p = 0; p < n_parts; p++)
    parts[p].gain =
        n_parts == 1 ? GAIN_ONE : gain_of (&parts[p].set->light, &light);
  hidden = canvas.height;
  for (int p = 0; p < n_parts; p++)
    for (int i = 0; i < parts[p].set->n_layers; i++) {
      Layer *layer = &parts[p].set->layer[i];
      double scroll = scroll_of (painter, moment, layer);
      int solid;

      if (parts[p].amount == 256) {
        solid = layer_solid (
            layer, &canvas, scroll, down_of (painter, &parts[p], layer));
        if (solid < hidden)
          hidden = solid;
      }
    }
  if (wet >= 1) {
    int shore = ((int)(horizon * (float)canvas.height) + 2) & ~1;

    hidden = shore < hidden ? shore : hidden;
  }
  sky_draw (painter->sky, &canvas, moment, &light, horizon, hidden);
  fog = dv_smooth (0.05f, 0.9f, moment->scene.fog) * 0.7f;
  draw_layers (painter, &canvas, moment, parts, n_parts, false, canvas.height);
  draw_craters (painter, &canvas, moment, parts, n_parts);
  weather_fog (&canvas, moment, &light, painter->noise, horizon - 0.02f, 0.1f,
      fog + 0.1f * (1 - moment->scene.space) * wet);
  if (wet > 0)
    water_draw (painter->water, &canvas, moment, &light, horizon, wet);
  if (fog > 0.05f)
    weather_fog (&canvas, moment, &light, painter->noise, horizon + 0.22f,
        0.16f, fog * 0.7f);
  draw_layers (painter, &canvas, moment, parts, n_parts, true, canvas.height);
  weather_draw (&canvas, moment, &light, horizon);
}
