/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The sky: gradient, glow, clouds, aurora and nebula are painted on a grid of
 * every fourth pixel and drawn out smoothly over the picture, with a fixed
 * dither against bands; stars, sun and moon go on top at full size.
 */
#include "paint.h"

#include <stdlib.h>

#define STEP 4 /* pixels a grid cell */
#define CLOUD_ROWS 256
#define STARS 1500

struct Sky {
  int width, height; /* of the picture */
  int columns, rows; /* of the grid, one more than cells */
  int cloud_width;   /* period of the clouds, grid cells */
  float *cloud;      /* [CLOUD_ROWS][cloud_width], [0, 1] */
  int16_t *grid[3];  /* levels times 64 */
  float *line[4];    /* one row of the grid: y, u, v, cover */
  float *near_glow;
};

/* Clouds from noise that closes in a ring, both ways. */
WIDE static void
cloud_fill (Sky *sky, const Noise *noise)
{
  for (int y = 0; y < CLOUD_ROWS; y++)
    for (int x = 0; x < sky->cloud_width; x++) {
      float sum = 0, weight = 0.5f;
      int cells_x = 8, cells_y = 16;

      for (int i = 0; i < 6; i++) {
        /* Lattice numbers are taken modulo the cells of the octave. */
        float fx = (float)x * (float)cells_x / (float)sky->cloud_width;
        float fy = (float)y * (float)cells_y / CLOUD_ROWS;
        int ix = (int)fx, iy = (int)fy, jx = (ix + 1) % cells_x;
        int jy = (iy + 1) % cells_y;
        float tx = fx - (float)ix, ty = fy - (float)iy;
        int o = 31 * i;

        tx = tx * tx * (3 - 2 * tx);
        ty = ty * ty * (3 - 2 * ty);
#define N(a, b) noise->at[((b) + o) % NOISE_SIZE][((a) + o) % NOISE_SIZE]
        sum += weight * dv_lerp (dv_lerp (N (ix, iy), N (jx, iy), tx),
                            dv_lerp (N (ix, jy), N (jx, jy), tx), ty);
#undef N
        weight *= 0.58f;
        cells_x = cells_x * 2 > NOISE_SIZE ? NOISE_SIZE : cells_x * 2;
        cells_y = cells_y * 2 > NOISE_SIZE ? NOISE_SIZE : cells_y * 2;
      }
      /* The weights come to 1.145 together. */
      sky->cloud[y * sky->cloud_width + x] = sum / 1.145f;
    }
}

Sky *
sky_new (int width, int height, const Noise *noise)
{
  Sky *sky = calloc (1, sizeof *sky);
  size_t cells;

  if (!sky)
    return NULL;
  sky->width = width;
  sky->height = height;
  sky->columns = (width + STEP - 1) / STEP + 1;
  sky->rows = (height + STEP - 1) / STEP + 1;
  sky->cloud_width = 2 * sky->columns;
  cells = (size_t)sky->columns * (size_t)sky->rows;
  sky->cloud = malloc (sizeof (float) * CLOUD_ROWS * (size_t)sky->cloud_width);
  for (int c = 0; c < 3; c++)
    sky->grid[c] = malloc (sizeof (int16_t) * cells);
  for (int c = 0; c < 4; c++)
    sky->line[c] = malloc (sizeof (float) * (size_t)sky->columns);
  sky->near_glow = malloc (sizeof (float) * (size_t)sky->columns);
  if (!sky->cloud || !sky->grid[0] || !sky->grid[1] || !sky->grid[2] ||
      !sky->line[0] || !sky->line[1] || !sky->line[2] || !sky->line[3] ||
      !sky->near_glow) {
    sky_free (sky);
    return NULL;
  }
  cloud_fill (sky, noise);
  return sky;
}

void
sky_free (Sky *sky)
{
  if (!sky)
    return;
  free (sky->cloud);
  for (int c = 0; c < 3; c++)
    free (sky->grid[c]);
  for (int c = 0; c < 4; c++)
    free (sky->line[c]);
  free (sky->near_glow);
  free (sky);
}

static Rgb
gradient (const Light *light, float t)
{
  return rgb_mix (
      rgb_mix (light->zenith, light->middle, dv_smooth (0, 0.66f, t)),
      light->horizon, dv_smooth (0.36f, 1.02f, t));
}

/* Adds @weight times a row of the cloud table, moved by @shift cells, to
 * @out. */
WIDE static void
cloud_row (
    const Sky *sky, float *restrict out, double shift, float v, float weight)
{
  double turn = shift / sky->cloud_width;
  double start = (turn - dv_floor_d (turn)) * sky->cloud_width;
  float down = v - dv_floor (v / CLOUD_ROWS) * CLOUD_ROWS;
  int y = (int)down % CLOUD_ROWS, x = (int)start % sky->cloud_width;
  const float *a = sky->cloud + (size_t)y * (size_t)sky->cloud_width;
  const float *b =
      sky->cloud + (size_t)((y + 1) % CLOUD_ROWS) * (size_t)sky->cloud_width;
  float ty = down - (float)(int)down;
  float tx = (float)(start - dv_floor_d (start));
  float aa = weight * (1 - ty) * (1 - tx), ab = weight * (1 - ty) * tx;
  float ba = weight * ty * (1 - tx), bb = weight * ty * tx;
  int i = 0;

  while (i < sky->columns) {
    int n = sky->cloud_width - 1 - x;

    if (n > sky->columns - i)
      n = sky->columns - i;
    for (int k = 0; k < n; k++)
      out[i + k] +=
          aa * a[x + k] + ab * a[x + k + 1] + ba * b[x + k] + bb * b[x + k + 1];
    i += n;
    if (i < sky->columns) { /* the seam */
      int last = sky->cloud_width - 1;

      out[i++] += aa * a[last] + ab * a[0] + ba * b[last] + bb * b[0];
      x = 0;
    }
  }
}

typedef struct {
  Yuv bright, shade;
  float low, high; /* noise below: clear; above: full cloud */
  float amount, relief;
  float place; /* which stretch of the table: it goes with the sun */
} Clouds;

WIDE static void
clouds_row (
    Sky *sky, const DvMoment *moment, const Clouds *clouds, float t, float up)
{
  float *restrict y = sky->line[0], *restrict u = sky->line[1];
  float *restrict v = sky->line[2], *restrict n = sky->line[3];
  float *restrict lit = sky->near_glow;
  /* Rows close in towards the horizon, as on a ceiling of cloud. */
  float depth = 1 / (up + 0.16f);
  double drift =
      moment->wind * (0.008 + 0.012 * (double)t) + moment->camera_x * 0.05;
  double shift = (drift + 0.7 * (double)clouds->place) * sky->columns;
  float row = 26 * depth + 70 * clouds->place;
  float thin = dv_smooth (0.02f, 0.2f, up);

  for (int i = 0; i < sky->columns; i++)
    n[i] = lit[i] = 0;
  cloud_row (sky, n, shift, row, 0.64f);
  cloud_row (sky, n, shift * 1.5 + 0.3 * sky->columns, row * 1.7f + 91, 0.36f);
  /* Lit from above and a little from one side. */
  cloud_row (sky, lit, shift + 2.5, row + 2.4f, 0.64f);
  cloud_row (
      sky, lit, shift * 1.5 + 0.3 * sky->columns + 2.5, row * 1.7f + 94, 0.36f);
  for (int i = 0; i < sky->columns; i++) {
    float k = dv_clamp ((n[i] - clouds->low) * clouds->high, 0, 1);
    float body = k * k * (3 - 2 * k);
    float a = body * clouds->amount * (0.45f + 0.55f * thin);
    float s = dv_clamp (
        0.55f + (n[i] - lit[i]) * clouds->relief + 0.5f * (1 - k), 0, 1);

    y[i] +=
        (clouds->shade.y + (clouds->bright.y - clouds->shade.y) * s - y[i]) * a;
    u[i] +=
        (clouds->shade.u + (clouds->bright.u - clouds->shade.u) * s - u[i]) * a;
    v[i] +=
        (clouds->shade.v + (clouds->bright.v - clouds->shade.v) * s - v[i]) * a;
    n[i] = a;
  }
}

/* Curtains of light: bright at a wavering lower edge, fading upwards. */
WIDE static void
aurora_row (Sky *sky, const DvMoment *moment, float high)
{
  static const float edges[2] = {0.72f, 0.5f};
  float amount = moment->scene.aurora;
  float time = dv_turn (moment->time / 97) * 97;

  for (int k = 0; k < 2; k++) {
    float *restrict ray = sky->near_glow, *restrict y = sky->line[0];
    float *restrict u = sky->line[1], *restrict v = sky->line[2];
    int n = sky->columns;
    double drift = moment->time * (k ? 0.018 : -0.013) * sky->columns +
                   moment->camera_x * 0.04 * sky->columns;
    float strength = k ? 0.6f : 1;

    for (int i = 0; i < sky->columns; i++)
      ray[i] = 0;
    cloud_row (sky, ray, drift * 1.7 + 50 * k, 40.0f + 60.0f * (float)k, 1);
    for (int i = 0; i < n; i++) {
      float x = (float)i / (float)sky->columns;
      float edge = edges[k] +
                   0.085f * dv_sin (x * 0.9f + time * (2.0f / 97) + (float)k) +
                   0.045f * dv_sin (x * 2.3f - time * (3.0f / 97) + 0.3f);
      float below = high - edge;
      float body = below > 0 ? dv_max (0, 1 - below * 22)
                             : dv_max (0, 1 + below * (1.7f + 0.5f * (float)k));
      float a;
      float green;

      body *= body;
      a = amount * strength * body * dv_smooth (0.3f, 0.68f, ray[i]);
      green = dv_clamp (1.1f + below * 3.2f, 0, 1);
      y[i] += (178 - y[i] * 0.5f) * a * (0.5f + 0.7f * green);
      u[i] += ((green * 104 + (1 - green) * 172) - u[i]) * a;
      v[i] += ((green * 62 + (1 - green) * 150) - v[i]) * a;
    }
  }
}

WIDE static void
nebula_row (Sky *sky, const DvMoment *moment, float high)
{
  float *restrict n = sky->line[3], *restrict m = sky->near_glow;
  float *restrict ly = sky->line[0], *restrict lu = sky->line[1];
  float *restrict lv = sky->line[2], inverse = 1 / (float)sky->columns;
  int n_columns = sky->columns;
  const DvScene *scene = &moment->scene;
  float amount = dv_max (scene->nebula, 0.35f * scene->space);
  double shift =
      (moment->camera_x * 0.1 + moment->time * 0.0022) * sky->columns;
  Yuv warm = to_yuv (
      rgb_mix (rgb8 (236, 96, 150), rgb_of_hue (scene->hue), scene->tint));
  Yuv cold = to_yuv (rgb8 (56, 110, 226));
  Yuv gold = to_yuv (rgb8 (255, 214, 170));
  float row = high * 52;

  for (int i = 0; i < sky->columns; i++)
    n[i] = m[i] = 0;
  cloud_row (sky, n, shift, row, 0.6f);
  cloud_row (sky, n, -shift * 0.6 + 77, row * 1.9f + 40, 0.4f);
  cloud_row (sky, m, shift * 1.2 + 0.55 * sky->columns, row * 0.8f + 130, 1);
  for (int i = 0; i < n_columns; i++) {
    float x = (float)i * inverse;
    /* A band from corner to corner holds most of it. */
    float off = high - 0.8f + 0.75f * x + (m[i] - 0.5f) * 0.5f;
    float band = 1 / (1 + 12 * off * off);
    float a = dv_smooth (0.27f, 0.62f, n[i] * (0.62f + 0.5f * band)) * amount;
    float dust = dv_smooth (0.46f, 0.62f, m[i]) * band;
    float w = dv_smooth (0.35f, 0.65f, m[i]);
    float core =
        0.8f * dv_smooth (0.5f, 0.8f, n[i] * (0.5f + 0.6f * band)) * amount;

    a *= 1 - 0.65f * dust;
    ly[i] += (dv_lerp (cold.y, warm.y, w) - ly[i]) * a * 0.85f;
    lu[i] += (dv_lerp (cold.u, warm.u, w) - lu[i]) * a;
    lv[i] += (dv_lerp (cold.v, warm.v, w) - lv[i]) * a;
    ly[i] += (gold.y - ly[i]) * core;
    lu[i] += (gold.u - lu[i]) * core;
    lv[i] += (gold.v - lv[i]) * core;
  }
}

/* A bow opposite the sun. */
static void
rainbow_row (Sky *sky, const DvMoment *moment, const Light *light, float high,
    float horizon)
{
  float aspect = (float)sky->width / (float)sky->height;
  float cx = (1 - light->disc_x) * aspect, radius = 0.62f, width = 0.045f;
  float dy = high - horizon - 0.12f;

  for (int i = 0; i < sky->columns; i++) {
    float dx = (float)i / (float)sky->columns * aspect - cx;
    float r = __builtin_sqrtf (dx * dx + dy * dy);
    float t = (r - radius) / width + 0.5f;
    Yuv c;
    float a;

    if (t <= 0 || t >= 1)
      continue;
    a = moment->scene.rainbow * 0.42f * 4 * t * (1 - t);
    c = to_yuv (rgb_of_hue (0.78f * (1 - t)));
    sky->line[0][i] += (c.y * 0.4f + 130 - sky->line[0][i]) * a;
    sky->line[1][i] += (c.u - sky->line[1][i]) * a;
    sky->line[2][i] += (c.v - sky->line[2][i]) * a;
  }
}

/* One row of plain sky with the light around the sun in it. */
WIDE static void
glow_row (Sky *sky, const Light *light, Yuv base, Yuv glow, float aspect,
    float dy, float low_glow)
{
  float *restrict y = sky->line[0], *restrict u = sky->line[1];
  float *restrict v = sky->line[2];
  float step = aspect / (float)sky->columns, from = -light->disc_x * aspect;
  float amount = light->glow_amount, up = dy * dy * 1.5f;
  int n = sky->columns;

  for (int i = 0; i < n; i++) {
    float dx = from + (float)i * step, r = dx * dx + up;
    float g = amount * (0.55f / (1 + 30 * r) + 0.4f / (1 + 220 * r)) +
              low_glow / (1 + 2.2f * dx * dx);

    g = dv_min (g, 1);
    y[i] = base.y + (glow.y - base.y) * g;
    u[i] = base.u + (glow.u - base.u) * g;
    v[i] = base.v + (glow.v - base.v) * g;
  }
}

/* Paints the grid down to row @rows of it. */
WIDE static void
paint_grid (Sky *sky, const DvMoment *moment, const Light *light, float horizon,
    int rows)
{
  const DvScene *scene = &moment->scene;
  float aspect = (float)sky->width / (float)sky->height;
  float sun_low = 1 - dv_smooth (0.05f, 0.4f, scene->sun_height);
  Yuv glow = to_yuv (light->glow);
  Clouds clouds;
  float gloom = dv_max (scene->thunder, dv_max (scene->rain, scene->dread)),
        grey;
  Rgb bright = rgb_mix (light->horizon, light->glow, 0.35f + 0.4f * light->day);
  Rgb shade = rgb_mix (light->middle, light->ambient, 0.35f);

  bright = rgb_mix (bright, rgb (1, 1, 1), 0.45f * light->day * (1 - sun_low));
  gloom *= dv_smooth (0.6f, 0.9f, scene->clouds);
  grey = rgb_luma (bright);
  bright =
      rgb_mix (bright, rgb (grey * 0.96f, grey, grey * 1.06f), 0.75f * gloom);
  bright = rgb_scale (bright, 1 - 0.25f * gloom);
  shade = rgb_scale (shade, 1 - 0.45f * gloom);
  clouds.bright = to_yuv (bright);
  clouds.shade = to_yuv (shade);
  clouds.low = 0.68f - 0.42f * scene->clouds;
  clouds.place = light->disc_x;
  clouds.relief = 2.6f + 4.5f * dv_smooth (0.5f, 1, scene->clouds);
  clouds.high = 1 / (0.22f + 0.1f * scene->clouds);
  clouds.amount =
      dv_smooth (0, 0.2f, scene->clouds) * (0.75f + 0.2f * scene->clouds);

  for (int row = 0; row < rows; row++) {
    float high = (float)(row * STEP) / (float)sky->height;
    float t = dv_clamp (high / horizon, 0, 1.2f);
    Yuv base = to_yuv (gradient (light, t));
    float dy = high - light->disc_y;
    float low_glow =
        0.35f * sun_low * light->glow_amount * dv_smooth (0.5f, 1.05f, t);

    glow_row (sky, light, base, glow, aspect, dy, low_glow);
    if (scene->space > 0.02f || scene->nebula > 0.02f)
      nebula_row (sky, moment, high);
    if (scene->aurora > 0.02f)
      aurora_row (sky, moment, t * 0.95f);
    if (clouds.amount > 0.01f && scene->space < 0.9f)
      clouds_row (sky, moment, &clouds, t, dv_max (0, 1 - t));
    if (scene->rainbow > 0.02f)
      rainbow_row (sky, moment, light, high, horizon);
    for (int c = 0; c < 3; c++) {
      int16_t *out = sky->grid[c] + (size_t)row * (size_t)sky->columns;
      const float *in = sky->line[c];

      for (int i = 0; i < sky->columns; i++)
        out[i] = (int16_t)(dv_clamp (in[i], 1, 254) * 64);
    }
  }
}

/* Between the grid's points; @step pixels a cell, a power of two. The dither
 * is the same at every frame, so that an encoder need not send it again. */
WIDE static void
draw_out (const Sky *sky, const int16_t *grid, uint8_t *plane, size_t stride,
    int width, int height, int step)
{
  static const uint8_t dither[8][8] = {
      {2, 130, 34, 162, 10, 138, 42, 170},
      {194, 66, 226, 98, 202, 74, 234, 106},
      {50, 178, 18, 146, 58, 186, 26, 154},
      {242, 114, 210, 82, 250, 122, 218, 90},
      {14, 142, 46, 174, 6, 134, 38, 166},
      {206, 78, 238, 110, 198, 70, 230, 102},
      {62, 190, 30, 158, 54, 182, 22, 150},
      {254, 126, 222, 94, 246, 118, 214, 86},
  };
  uint16_t line[8192 / 2 + 2];
  int shift = step == 4 ? 2 : 1;

  for (int y = 0; y < height; y++) {
    const int16_t *a = grid + (size_t)(y >> shift) * (size_t)sky->columns;
    const int16_t *b = a + sky->columns;
    unsigned k = (unsigned)y & (unsigned)(step - 1);
    const uint8_t *d = dither[y & 7];
    uint8_t *out = plane + (size_t)y * stride;
    int cells = width >> shift;

    for (int i = 0; i < sky->columns; i++)
      line[i] = (uint16_t)(((unsigned)a[i] * ((unsigned)step - k) +
                               (unsigned)b[i] * k) >>
                           shift);
    if (step == 4) {
      for (int i = 0; i < cells; i++) {
        unsigned p = line[i], q = line[i + 1];
        const uint8_t *e = d + (i & 1) * 4;

        out[4 * i] = (uint8_t)((p * 4 + e[0]) >> 8);
        out[4 * i + 1] = (uint8_t)((p * 3 + q + e[1]) >> 8);
        out[4 * i + 2] = (uint8_t)((p * 2 + q * 2 + e[2]) >> 8);
        out[4 * i + 3] = (uint8_t)((p + q * 3 + e[3]) >> 8);
      }
    } else {
      for (int i = 0; i < cells; i++) {
        unsigned p = line[i], q = line[i + 1];
        const uint8_t *e = d + (i & 3) * 2;

        out[2 * i] = (uint8_t)((p * 4 + e[0]) >> 8);
        out[2 * i + 1] = (uint8_t)((p * 2 + q * 2 + e[1]) >> 8);
      }
    }
    for (int x = cells << shift; x < width; x++) {
      unsigned p = line[x >> shift], q = line[(x >> shift) + 1];
      unsigned j = ((unsigned)x & (unsigned)(step - 1)) << (2 - shift);

      out[x] = (uint8_t)((p * (4 - j) + q * j + d[x & 7]) >> 8);
    }
  }
}

/* How much of the sky at a place is open, of cloud or anything bright. */
static float
openness (const Sky *sky, const DvMoment *moment, const Light *light, float x,
    float y, float horizon)
{
  int column = (int)(x / STEP), row = (int)(y / STEP);
  float t = dv_clamp (y / (float)sky->height / horizon, 0, 1.2f);
  float clear, here;

  if (column < 0 || column >= sky->columns || row < 0 || row >= sky->rows)
    return 1;
  here =
      (float)sky->grid[0][(size_t)row * (size_t)sky->columns + (size_t)column] /
      64;
  clear = to_yuv (gradient (light, t)).y;
  return dv_clamp (1 - (here - clear - 14) * 0.02f, 0, 1);
}

static void
draw_stars (const Sky *sky, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon, int end)
{
  float amount = moment->scene.stars * (1 - light->day);
  float scale = (float)canvas->height / 1088;
  double drift = moment->camera_x * 0.04 + moment->time * 0.0004;
  bool flight = moment->scene.space > 0.5f;

  if (amount < 0.01f)
    return;
  for (uint32_t i = 0; i < (flight ? 3 : 1) * STARS; i++) {
    uint32_t h = dv_hash (i * 3 + 1), g = dv_hash (h + 7);
    float x = dv_turn (dv_unit (h) - drift * (1 + (double)(i % 3)));
    float y = dv_unit (g);
    float size = dv_unit (dv_hash (g + 5)), twinkle, b, fade = 1;
    float low = flight ? 1.0f : horizon;
    Yuv colour = {235, 128 + 12 * (size - 0.6f) * (i & 1 ? 1 : -1),
        128 - 10 * (size - 0.6f) * (i & 1 ? 1 : -1)};

    size = size * size * size;
    if (flight) {
      /* Stars come closer as the camera goes forward. */
      float z = dv_turn (dv_unit (dv_hash (g + 9)) +
                         moment->camera_zoom * 0.12 + moment->time * 0.014);
      float near = 1 / (1.15f - z);

      /* From a field twice as wide as is seen at the far end. */
      x = 0.5f + (x - 0.5f) * near * 1.1f;
      y = 0.5f + (y - 0.5f) * near * 1.1f;
      fade = dv_smooth (0, 0.2f, z) * dv_smooth (1, 0.9f, z);
      size = size * (0.5f + 0.3f * near);
    } else
      y = y * y * 0.5f + y * 0.5f;
    y *= low;
    if (x < 0 || x >= 1 || y < 0)
      continue;
    x *= (float)canvas->width;
    y *= (float)canvas->height;
    if (y >= (float)end)
      continue;
    twinkle =
        0.78f +
        0.22f * dv_sin (dv_turn (moment->time * (0.2 + 0.4 * dv_unit (h))) +
                        dv_unit (g));
    b = amount * twinkle * (0.3f + 0.9f * size) * fade;
    if (!flight)
      b *= dv_smooth (low, low * 0.7f, y / (float)canvas->height);
    b *= openness (sky, moment, light, x, y, horizon);
    canvas_disc (canvas, x, y, scale * (0.3f + 1.0f * size), scale, colour,
        dv_min (b, 1));
    if (size > 0.55f)
      canvas_glow (canvas, x, y, scale * (2 + 7 * size), colour, b * 0.4f);
  }
}

/* The sun's or the moon's disc. */
static void
draw_disc (const Sky *sky, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon)
{
  float x = light->disc_x * (float)canvas->width;
  float y = light->disc_y * (float)canvas->height;
  float radius = light->disc_size * (float)canvas->height;
  float amount = light->disc_amount;
  Yuv colour = to_yuv (light->disc), sea;

  if (amount < 0.01f || moment->scene.space > 0.95f)
    return;
  amount *= 1 - moment->scene.space;
  canvas_glow (
      canvas, x, y, radius * 3.4f, to_yuv (light->glow), amount * 0.6f);
  canvas_disc (canvas, x, y, radius, 1.6f, colour, amount);
  if (light->moon < 0.5f)
    return;
  /* The moon's seas, and a breath of shadow on one side. */
  sea = to_yuv (rgb8 (188, 194, 196));
  for (uint32_t i = 0; i < 7; i++) {
    float a = dv_unit (dv_hash (i + 90)),
          r = 0.3f + 0.38f * dv_unit (dv_hash (i + 40));
    float size = 0.14f + 0.22f * dv_unit (dv_hash (i + 20));

    canvas_disc (canvas, x + dv_cos (a) * r * radius,
        y + dv_sin (a) * r * radius, size * radius, 0.3f * radius, sea,
        amount * 0.5f);
  }
}

void
sky_draw (Sky *sky, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon, int rows)
{
  int end = rows < canvas->height ? (rows + 1) & ~1 : canvas->height;
  int grid_rows = end / STEP + 2;

  if (grid_rows > sky->rows)
    grid_rows = sky->rows;
  paint_grid (sky, moment, light, horizon, grid_rows);
  draw_out (sky, sky->grid[0], canvas->plane[0], canvas->stride[0],
      canvas->width, end, 4);
  for (int c = 1; c < 3; c++)
    draw_out (sky, sky->grid[c], canvas->plane[c], canvas->stride[c],
        canvas->cwidth, (end + 1) / 2, 2);
  draw_stars (sky, canvas, moment, light, horizon, end);
  draw_disc (sky, canvas, moment, light, horizon);
}
