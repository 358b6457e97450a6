/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What grows: forests as rows of crowns, single trees, palms, blossom, grass
 * and flowers.
 */
#include "paint.h"

/* ---- strokes and blobs in a tile ---- */

static int
row_from (const Tile *tile, float y)
{
  float row = y - tile->top;

  return row < 0 ? 0 : row > (float)tile->height ? tile->height : (int)row;
}

static int
column_from (float x)
{
  return x < 0 ? 0 : x > BLOCK ? BLOCK : (int)x;
}

/* A tapering stroke; picture rows, tile columns. */
static void
stroke (Tile *tile, float x0, float y0, float x1, float y1, float half0,
    float half1, Rgb colour)
{
  float dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  float inverse = length > 1e-6f ? 1 / length : 0;
  float reach = dv_max (half0, half1) + 1;
  int left = column_from (dv_min (x0, x1) - reach);
  int right = column_from (dv_max (x0, x1) + reach + 1);
  int top = row_from (tile, dv_min (y0, y1) - reach);
  int bottom = row_from (tile, dv_max (y0, y1) + reach + 1);

  for (int row = top; row < bottom; row++)
    for (int i = left; i < right; i++) {
      float px = (float)i - x0, py = tile->top + (float)row - y0;
      float t = dv_clamp ((px * dx + py * dy) * inverse, 0, 1);
      float ex = px - dx * t, ey = py - dy * t;
      float d = __builtin_sqrtf (ex * ex + ey * ey);
      float half = dv_lerp (half0, half1, t);
      float cover = dv_clamp (dv_max (half, 0.35f) - d + 0.5f, 0, 1);

      if (cover > 0)
        tile_over (tile, i, row, colour, cover * dv_min (1, half / 0.35f));
    }
}

/* A clump of leaves: lit from above and from one side, ragged. */
static void
clump (Tile *tile, const Noise *noise, float x, float y, float radius, Rgb dark,
    Rgb bright, float side, float grain)
{
  int left = column_from (x - radius * 1.3f),
      right = column_from (x + radius * 1.3f + 1);
  int top = row_from (tile, y - radius * 1.3f);
  int bottom = row_from (tile, y + radius * 1.3f + 1);
  double wx = (double)tile->x0;

  for (int row = top; row < bottom; row++)
    for (int i = left; i < right; i++) {
      float dx = ((float)i - x) / radius;
      float dy = (tile->top + (float)row - y) / radius;
      float r = dx * dx + dy * dy, n, m, cover, lit;

      if (r > 1.53f)
        continue;
      n = noise_at (noise, (wx + i) * (double)grain,
          (double)((tile->top + (float)row) * grain));
      m = noise_at (noise, (wx + i) * (double)grain * 0.4 + 9,
          (double)((tile->top + (float)row) * grain * 0.4f));
      cover = dv_clamp (
          (1.0f - r + 0.75f * (n - 0.5f) + 0.3f * (m - 0.5f)) * radius * 0.22f,
          0, 1);
      if (cover <= 0)
        continue;
      lit = dv_clamp (
          0.45f - 0.42f * dy + 0.3f * side * dx + 0.5f * (n - 0.5f), 0, 1);
      tile_over (tile, i, row, rgb_mix (dark, bright, lit), cover);
    }
}

/* ---- forests ---- */

typedef struct {
  Rgb dark, bright;
} Leaves;

static Leaves
leaves_of (const Set *set, uint32_t h)
{
  const DvScene *s = &set->scene;
  const Light *light = &set->light;
  float chance = dv_unit (dv_hash (h + 21));
  float snow = dv_clamp (dv_max (s->snow, s->ice) * 1.2f, 0, 1);
  Rgb green = rgb_mix (rgb8 (34, 78, 40), rgb8 (84, 124, 46), chance);
  Rgb fall = chance < 0.35f   ? rgb8 (214, 104, 28)
             : chance < 0.6f  ? rgb8 (228, 164, 44)
             : chance < 0.85f ? rgb8 (176, 52, 30)
                              : rgb8 (128, 118, 44);
  Rgb bloom = rgb_mix (rgb8 (250, 178, 204), rgb8 (255, 224, 232), chance);
  Rgb leaf = green;
  Leaves l;

  if (s->autumn > dv_unit (dv_hash (h + 22)) * 0.9f)
    leaf = fall;
  if (s->blossom > dv_unit (dv_hash (h + 23)) * 0.9f)
    leaf = bloom;
  l.bright = light_on (
      light, rgb_mix (leaf, rgb8 (236, 242, 250), 0.65f * snow), 0.85f);
  l.dark = light_on (
      light, rgb_scale (rgb_mix (leaf, rgb8 (40, 50, 90), 0.3f), 0.55f), 0.2f);
  return l;
}

/* Whether a tree of the forest is round rather than pointed. */
static float
roundness (const Set *set)
{
  return dv_clamp (dv_max (set->scene.autumn, set->scene.blossom) * 1.2f, 0, 1);
}

void
flora_paint_forest (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  enum { ROWS = 5 };
  float unit = tile->unit;
  float pitch =
      0.016f + 0.05f * layer->depth * layer->depth + 0.01f * layer->depth;
  float tall = layer->rise * 0.5f;
  float round = roundness (set), side = set->light.disc_x > 0.5f ? 1 : -1;
  float step = dv_min ((1 - layer->base) / ROWS + 0.01f, tall * 0.4f);
  float grain = 1 / (0.4f + layer->depth), inverse = 1 / unit;
  float haze[8192 + 2]; /* of each row */

  if (layer->shore)
    step = tall * 0.1f;
  for (int row = 0; row < tile->height; row++)
    haze[row] = layer_haze (layer, set, (tile->top + (float)row) / unit);
  /* From front to back, so that what is hidden need not be painted: first the
   * ground before the first row. */
  for (int i = 0; i < BLOCK; i++) {
    double x = (double)(tile->x0 + i) / (double)unit;
    float ground = layer->base - terrain_height (layer, set, x) +
                   step * (ROWS - 1) + 0.006f;

    for (int row = row_from (tile, ground * unit); row < tile->height; row++) {
      float y = (tile->top + (float)row) * inverse;
      float n = noise_sum (noise, x * 60, (double)(y * 90), 3);
      Rgb soil = rgb_mix (rgb8 (36, 44, 28), rgb8 (72, 74, 42), n);

      soil = rgb_mix (soil, rgb8 (170, 96, 40), 0.6f * set->scene.autumn * n);
      soil = rgb_mix (
          soil, rgb8 (226, 232, 244), dv_clamp (set->scene.snow * 1.2f, 0, 1));
      soil = light_on (&set->light, soil, 0.3f + 0.4f * n);
      tile_over (tile, i, row,
          rgb_mix (light_grade (&set->light, soil), set->light.haze, haze[row]),
          1);
    }
  }
  for (int line = ROWS - 1; line >= 0; line--) {
    float lower = step * (float)line;

    /* What stands lower is nearer, and clearer. */
    for (int row = 0; row < tile->height; row++)
      haze[row] = layer_haze (
          layer, set, (tile->top + (float)row) * inverse - lower * 0.4f);
    for (int i = 0; i < BLOCK; i++) {
      double x = (double)(tile->x0 + i) / (double)unit;
      int64_t cell = (int64_t)dv_floor_d (x / (double)pitch + 0.37 * line);
      float ground = layer->base - terrain_height (layer, set, x) + lower;

      for (int64_t k = cell + 1; k >= cell - 1; k--) {
        uint32_t h = dv_hash2 ((uint32_t)k * 8 + (uint32_t)line, layer->seed);
        double at =
            ((double)k + 0.25 + 0.5 * (double)dv_unit (h) - 0.37 * line) *
            (double)pitch;
        float height = tall * (0.55f + 0.45f * dv_unit (dv_hash (h + 1)));
        float wide =
            pitch * (0.5f + 0.3f * dv_unit (dv_hash (h + 2)) + 0.25f * round);
        float dx = (float)(x - at), a = dx < 0 ? -dx : dx, t, top, bottom;
        Leaves leaves;
        float shadow = 0.75f / (height + step), slope = 0.42f * side / wide;
        int row;

        if (a >= wide)
          continue;
        t = a / wide;
        /* Pointed with ragged branches, or round. */
        top = dv_lerp (1 - t,
            __builtin_sqrtf (dv_max (0, 1 - t * t)) * 0.8f + 0.1f, round);
        top = ground - height * top;
        bottom = ground + step + 0.012f;
        leaves = leaves_of (set, h);
        /* Grading is linear: it may come before the mix. */
        leaves.dark = light_grade (&set->light, leaves.dark);
        leaves.bright = light_grade (&set->light, leaves.bright);
        for (row = row_from (tile, top * unit - 1); row < tile->height; row++) {
          float y = tile->top + (float)row, up = y * inverse;
          float n, lit, edge, cover;
          Rgb c;

          if (up > bottom)
            break;
          if (tile->pixel[row * BLOCK + i][3] > 0.995f)
            continue;
          n = noise_sum (noise, x * 120 * (double)grain + (double)(h % 64),
              (double)(up * 150 * grain), 2);
          /* Branches come out of the cone in tiers. */
          edge = (n - 0.5f) * 0.35f * wide * (1 - round) +
                 (n - 0.5f) * 0.02f * round;
          cover = dv_clamp ((up - top + edge * 0.5f) * unit * 0.7f, 0, 1);
          if (cover <= 0)
            continue;
          lit = dv_clamp (
              0.62f + slope * dx + 0.9f * (n - 0.5f) - shadow * (up - top), 0,
              1);
          c = rgb_mix (leaves.dark, leaves.bright, lit);
          tile_under (
              tile, i, row, rgb_mix (c, set->light.haze, haze[row]), cover);
        }
      }
    }
  }
}

/* ---- single trees ---- */

static void
paint_conifer (Tile *tile, const Layer *layer, const Set *set,
    const Noise *noise, float x, float y, float size, uint32_t h)
{
  Leaves leaves = leaves_of (set, h);
  float wide = size * 0.24f, side = set->light.disc_x > 0.5f ? 1 : -1;
  float snow = dv_clamp (dv_max (set->scene.snow, set->scene.ice) * 1.2f, 0, 1);
  int left = column_from (x - wide * 1.2f),
      right = column_from (x + wide * 1.2f + 1);
  int top = row_from (tile, y - size), bottom = row_from (tile, y + 1);

  leaves.bright =
      layer_seen (layer, set, leaves.bright, y / tile->unit - 0.02f);
  leaves.dark = layer_seen (layer, set, leaves.dark, y / tile->unit - 0.02f);
  for (int row = top; row < bottom; row++)
    for (int i = left; i < right; i++) {
      float t = (tile->top + (float)row - (y - size)) / size;
      float dx = (float)i - x, a = dx < 0 ? -dx : dx;
      float tier = t * 7 - dv_floor (t * 7);
      float n =
          noise_at (noise, (double)(tile->x0 + i) * 0.31, (double)row * 0.31);
      float edge =
          wide * t * (0.62f + 0.38f * tier) + (n - 0.5f) * wide * 0.3f * t;
      float cover = dv_clamp (edge - a + 0.5f, 0, 1), lit;

      if (t > 0.94f)
        cover = dv_clamp (size * 0.022f - a + 0.5f, 0, 1);
      if (cover <= 0)
        continue;
      lit = dv_clamp (0.35f + 0.3f * side * dx / wide + 0.55f * (n - 0.5f) +
                          (0.3f + 0.4f * snow) * (0.6f - tier),
          0, 1);
      tile_over (
          tile, i, row, rgb_mix (leaves.dark, leaves.bright, lit), cover);
    }
}

static void
paint_broadleaf (Tile *tile, const Layer *layer, const Set *set,
    const Noise *noise, float x, float y, float size, uint32_t h)
{
  Leaves leaves = leaves_of (set, h);
  float side = set->light.disc_x > 0.5f ? 1 : -1, foot = y / tile->unit - 0.03f;
  Rgb bark = layer_seen (
      layer, set, light_on (&set->light, rgb8 (84, 62, 52), 0.4f), foot);
  float lean = (dv_unit (dv_hash (h + 3)) - 0.5f) * 0.2f * size;
  float cx = x + lean, cy = y - size * 0.64f, spread = size * 0.36f;
  float grain = 0.2f + 12 / (size + 30);
  uint32_t n = size > 100 ? 26 : size > 40 ? 14 : 9;

  leaves.bright = layer_seen (layer, set, leaves.bright, foot);
  leaves.dark = layer_seen (layer, set, leaves.dark, foot);
  stroke (tile, x, y + size * 0.02f, x + lean * 0.5f, y - size * 0.42f,
      size * 0.036f, size * 0.022f, bark);
  for (uint32_t k = 0; k < 5; k++) {
    float a = dv_unit (dv_hash (h + 30 + k));
    stroke (tile, x + lean * 0.4f, y - size * (0.28f + 0.04f * (float)k),
        cx + spread * (0.42f * (float)k - 0.84f),
        cy - spread * (0.7f * a - 0.1f), size * 0.018f, size * 0.006f, bark);
  }
  /* Clumps from the back and below to the front and above. */
  for (uint32_t k = 0; k < n; k++) {
    float a = dv_unit (dv_hash (h + 50 + k)),
          r = dv_unit (dv_hash (h + 110 + k));
    float order = (float)k / (float)n;
    float px = cx + spread * 1.2f * dv_cos (a) * __builtin_sqrtf (r);
    float py = cy + spread * 0.74f * dv_sin (a) * __builtin_sqrtf (r) +
               spread * 0.25f * (0.5f - order);
    float high = dv_clamp (
        0.5f + 0.6f * (cy - py) / spread + 0.25f * side * (px - cx) / spread, 0,
        1);

    clump (tile, noise, px, py,
        spread * (n > 20 ? 0.22f : 0.3f) *
            (1 + 0.6f * dv_unit (dv_hash (h + 170 + k))),
        rgb_mix (leaves.dark, leaves.bright, 0.3f * high + 0.1f * order),
        rgb_mix (leaves.dark, leaves.bright, 0.55f + 0.45f * high), side,
        grain);
  }
}

static void
paint_palm (Tile *tile, const Layer *layer, const Set *set, float x, float y,
    float size, uint32_t h)
{
  const Light *light = &set->light;
  float foot = y / tile->unit - 0.03f,
        lean = (dv_unit (dv_hash (h + 3)) - 0.5f) * 0.7f;
  Rgb bark =
      layer_seen (layer, set, light_on (light, rgb8 (112, 88, 66), 0.4f), foot);
  float cx = x, cy = y;

  for (int k = 0; k < 22; k++) {
    float t = (float)(k + 1) / 22;
    float nx = x + size * lean * t * t, ny = y - size * 0.78f * t;

    stroke (tile, cx, cy, nx, ny, size * (0.022f - 0.01f * t),
        size * (0.022f - 0.01f * t), rgb_scale (bark, k & 1 ? 0.92f : 1.04f));
    cx = nx;
    cy = ny;
  }
  for (uint32_t k = 0; k < 15; k++) {
    /* Fronds all round, in no order. */
    float a =
        ((float)(k * 7 % 15) + 0.6f * dv_unit (dv_hash (h + 30 + k))) / 15;
    float out = dv_cos (a), lift = dv_sin (a), up = 0.42f + 0.4f * lift;
    float length = size * (0.36f + 0.12f * dv_unit (dv_hash (h + 50 + k)));
    float px = cx, py = cy;
    Rgb leaf =
        rgb_mix (rgb8 (26, 78, 36), rgb8 (122, 160, 58), 0.5f + 0.5f * lift);

    leaf = layer_seen (layer, set,
        light_on (light, leaf, 0.3f + 0.45f * dv_max (0, lift)), foot);
    for (int j = 1; j <= 22; j++) {
      float t = (float)j / 22;
      float nx = cx + length * out * t,
            ny = cy - length * (up * t * 1.5f - 1.1f * t * t);
      float leaflet = length * 0.3f * (1 - 0.7f * t) * dv_smooth (0, 0.2f, t);
      float way = out < 0 ? -1 : 1;

      stroke (tile, px, py, nx, ny, size * 0.006f, size * 0.005f, leaf);
      stroke (tile, nx, ny, nx + way * leaflet * 0.5f, ny + leaflet * 0.9f,
          size * 0.007f, size * 0.001f, rgb_scale (leaf, 0.86f));
      stroke (tile, nx, ny, nx + way * leaflet * 0.8f, ny - leaflet * 0.1f,
          size * 0.006f, size * 0.001f, rgb_scale (leaf, 1.06f));
      px = nx;
      py = ny;
    }
  }
}

/* Trees that stand alone on a layer; density and size by its depth. */
void
flora_paint_trees (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  const DvScene *s = &set->scene;
  bool near = layer->kind == LAYER_MEADOW,
       palms = layer->kind == LAYER_BEACH || layer->kind == LAYER_DUNE;
  float unit = tile->unit, leafy = dv_max (s->trees, s->blossom);
  float amount =
      palms ? s->palms
            : dv_max (leafy, layer->kind == LAYER_SNOWFIELD ? 0.5f : 0.12f);
  float size = palms  ? 0.2f + 0.3f * layer->depth
               : near ? 0.46f
                      : 0.03f + 0.16f * layer->depth * layer->depth;
  float pitch = palms ? 0.42f : near ? 0.8f : 0.02f + 0.09f * layer->depth;
  int64_t first, n;
  bool pointed = s->autumn < 0.4f && s->blossom < 0.4f &&
                 (s->mountains > 0.4f || s->forest > 0.4f || s->snow > 0.3f);

  if (near)
    amount = dv_max (s->blossom, leafy - 0.45f);
  if (amount < 0.1f || (s->ice > 0.5f && leafy < 0.3f))
    return;
  first =
      (int64_t)dv_floor_d (
          ((double)tile->x0 / (double)unit - (double)size) / (double)pitch) -
      1;
  n = (int64_t)((2 * size + BLOCK / unit) / pitch) + 4;
  for (int64_t cell = first; cell < first + n; cell++) {
    uint32_t h = dv_hash2 ((uint32_t)cell, layer->seed + 31);
    double at = ((double)cell + 0.2 + 0.6 * (double)dv_unit (dv_hash (h + 8))) *
                (double)pitch;
    float here = noise_line (layer->seed + 12, at * 2.3), y, big, x;

    if (dv_unit (h) > amount * (near || palms ? 0.9f : 0.25f + 0.9f * here))
      continue;
    big = size * unit * (0.7f + 0.45f * dv_unit (dv_hash (h + 5)));
    y = layer->base - terrain_height (layer, set, at) +
        (near ? 0.02f : 0.05f * layer->depth * dv_unit (dv_hash (h + 6)));
    x = (float)(at * (double)unit - (double)tile->x0);
    if (x < -0.7f * big || x > BLOCK + 0.7f * big)
      continue;
    if (palms)
      paint_palm (tile, layer, set, x, y * unit, big, h);
    else if (pointed && h % 5)
      paint_conifer (tile, layer, set, noise, x, y * unit, big, h);
    else
      paint_broadleaf (tile, layer, set, noise, x, y * unit, big, h);
  }
}

/* ---- close by ---- */

void
flora_paint_grass (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise)
{
  const DvScene *s = &set->scene;
  const Light *light = &set->light;
  float unit = tile->unit, pitch = 0.0032f;
  int64_t first = (int64_t)dv_floor_d (
      ((double)tile->x0 / (double)unit - 0.05) / (double)pitch);
  int64_t n = (int64_t)((0.1f + BLOCK / unit) / pitch);
  float flowers = dv_max (s->flowers, 0.5f * s->blossom);

  (void)noise;
  for (int64_t cell = first; cell < first + n; cell++) {
    uint32_t h = dv_hash2 ((uint32_t)cell, layer->seed + 3);
    double at = ((double)cell + (double)dv_unit (h)) * (double)pitch;
    float tall = 0.025f + 0.055f * dv_unit (dv_hash (h + 1)) *
                              noise_line (layer->seed + 8, at * 4);
    float y = layer->base - terrain_height (layer, set, at) +
              0.05f * dv_unit (dv_hash (h + 2));
    float x = (float)(at * (double)unit - (double)tile->x0);
    float lean = (dv_unit (dv_hash (h + 3)) - 0.5f) * 0.9f * tall * unit;
    Rgb blade = rgb_mix (
        rgb8 (48, 84, 34), rgb8 (112, 142, 52), dv_unit (dv_hash (h + 4)));

    blade = rgb_mix (blade, rgb8 (172, 120, 50), 0.6f * s->autumn);
    blade = light_on (light, blade, 0.36f + 0.28f * dv_unit (dv_hash (h + 5)));
    blade = layer_seen (layer, set, blade, y);
    stroke (tile, x, (y + 0.03f) * unit, x + lean * 0.35f,
        (y - tall * 0.5f) * unit, 0.0016f * unit, 0.0012f * unit, blade);
    stroke (tile, x + lean * 0.35f, (y - tall * 0.5f) * unit, x + lean,
        (y - tall) * unit, 0.0012f * unit, 0.0003f * unit,
        rgb_scale (blade, 1.15f));
    if (dv_unit (dv_hash (h + 6)) < 0.28f * flowers) {
      float turn = dv_unit (dv_hash (h + 7)),
            r = (0.0035f + 0.003f * turn) * unit;
      Rgb petal = turn < 0.3f    ? rgb8 (250, 150, 190)
                  : turn < 0.5f  ? rgb8 (255, 226, 120)
                  : turn < 0.7f  ? rgb8 (196, 150, 255)
                  : turn < 0.86f ? rgb8 (255, 250, 246)
                                 : rgb8 (240, 74, 70);
      float fx = x + lean, fy = (y - tall) * unit;

      petal = layer_seen (layer, set, light_on (light, petal, 0.75f), y);
      for (int k = 0; k < 5; k++) {
        float a = (float)k / 5 + turn;
        float px = fx + dv_cos (a) * r * 0.8f, py = fy + dv_sin (a) * r * 0.6f;

        stroke (tile, px, py, px, py, r * 0.55f, r * 0.55f, petal);
      }
      stroke (tile, fx, fy, fx, fy, r * 0.35f, r * 0.35f,
          layer_seen (
              layer, set, light_on (light, rgb8 (255, 190, 60), 0.8f), y));
    }
  }
}
