/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Water: the picture above the horizon mirrored row by row through moving
 * ripples, darker and bluer towards the viewer, with the sun's glitter on it
 * and, when the sea is up, swell after swell with foam.
 */
#include "paint.h"

#include <stdlib.h>

#define STEP 4 /* pixels between two points of the ripples */
#define SWELLS 7

struct Water {
  int width, height, points;
  const Noise *noise;
  float *field[2];         /* of this row and the one before */
  int16_t *bend;           /* a pixel: rows to look further up, 16ths */
  int16_t *shade;          /* a pixel: added level, 16ths */
  int16_t *spark;          /* a pixel: glitter, 0 to 256 */
  float *top;              /* a point: crest of a swell, picture rows */
  float *foam;             /* a point: how thick its foam is, rows */
  int32_t *top16, *foam16; /* a pixel: the same in 16ths */
};

Water *
water_new (int width, int height, const Noise *noise)
{
  Water *water = calloc (1, sizeof *water);
  size_t points, pixels;

  if (!water)
    return NULL;
  water->width = width;
  water->height = height;
  water->noise = noise;
  water->points = (width + STEP - 1) / STEP + 1;
  points = (size_t)water->points;
  pixels = points * STEP;
  for (int i = 0; i < 2; i++)
    water->field[i] = malloc (points * sizeof (float));
  water->bend = malloc (pixels * sizeof (int16_t));
  water->shade = malloc (pixels * sizeof (int16_t));
  water->spark = malloc (pixels * sizeof (int16_t));
  water->top = malloc (points * sizeof (float));
  water->foam = malloc (points * sizeof (float));
  water->top16 = malloc (pixels * sizeof (int32_t));
  water->foam16 = malloc (pixels * sizeof (int32_t));
  if (!water->field[0] || !water->field[1] || !water->bend || !water->shade ||
      !water->spark || !water->top || !water->foam || !water->top16 ||
      !water->foam16) {
    water_free (water);
    return NULL;
  }
  return water;
}

void
water_free (Water *water)
{
  if (!water)
    return;
  free (water->field[0]);
  free (water->field[1]);
  free (water->bend);
  free (water->shade);
  free (water->spark);
  free (water->top);
  free (water->foam);
  free (water->top16);
  free (water->foam16);
  free (water);
}

/* A number taken round the noise's period, so that it stays exact. */
static float
lap (double x)
{
  return dv_turn (x / NOISE_SIZE) * NOISE_SIZE;
}

/* Adds a row of ripples: @u at the first point, @du from point to point. */
static void
ripple_row (const Noise *noise, float *restrict out, int n, float u, float du,
    float v, float weight)
{
  int iv = (int)v;
  float tv = v - (float)iv;
  const float *a = noise->at[iv % NOISE_SIZE];
  const float *b = noise->at[(iv + 1) % NOISE_SIZE];

  tv = tv * tv * (3 - 2 * tv);
  for (int i = 0; i < n; i++) {
    unsigned iu = (unsigned)(int)u;
    float tu = u - (float)(int)u;
    unsigned c = iu % NOISE_SIZE, d = (iu + 1) % NOISE_SIZE;
    float p = a[c] + (a[d] - a[c]) * tu, q = b[c] + (b[d] - b[c]) * tu;

    out[i] += weight * (p + (q - p) * tv);
    u += du;
    if (u >= 2 * NOISE_SIZE)
      u -= NOISE_SIZE;
  }
}

/* From points to pixels. */
static void
spread (const float *in, int16_t *restrict out, int points, float scale)
{
  for (int i = 0; i + 1 < points; i++) {
    int a = (int)(in[i] * scale), b = (int)(in[i + 1] * scale);

    out[4 * i] = (int16_t)a;
    out[4 * i + 1] = (int16_t)((3 * a + b) >> 2);
    out[4 * i + 2] = (int16_t)((a + b) >> 1);
    out[4 * i + 3] = (int16_t)((a + 3 * b) >> 2);
  }
}

typedef struct {
  Yuv deep, glow;
  float mirror; /* share of the reflection at this row */
  int amount;   /* 256ths of water over what is there */
  int last;     /* lowest row that can be mirrored */
} Tones;

static void
draw_row (const Water *water, const Canvas *canvas, const Tones *tones, int y,
    int mirrored)
{
  uint8_t *row = canvas->plane[0] + (size_t)y * canvas->stride[0];
  const uint8_t *up = canvas->plane[0];
  size_t stride = canvas->stride[0];
  int mirror = (int)(tones->mirror * 256);
  int deep = (int)(tones->deep.y * (float)(256 - mirror)) + 128;
  int glow = (int)tones->glow.y;
  int amount = tones->amount;

  for (int x = 0; x < canvas->width; x++) {
    int at = mirrored + (water->bend[x] >> 4), level;

    at = at < 0 ? 0 : at > tones->last ? tones->last : at;
    level = ((up[(size_t)at * stride + (size_t)x] * mirror + deep) >> 8) +
            (water->shade[x] >> 4);
    level += ((glow - level) * water->spark[x]) >> 8;
    level = level < 16 ? 16 : level > 240 ? 240 : level;
    row[x] = (uint8_t)(row[x] + (((level - row[x]) * amount) >> 8));
  }
  if (y & 1)
    return;
  for (int c = 1; c < 3; c++) {
    float tone = c == 1 ? tones->deep.u : tones->deep.v;
    int shine = (int)(c == 1 ? tones->glow.u : tones->glow.v);

    row = canvas->plane[c] + (size_t)(y / 2) * canvas->stride[c];
    up = canvas->plane[c];
    stride = canvas->stride[c];
    deep = (int)(tone * (float)(256 - mirror)) + 128;
    for (int x = 0; x < canvas->cwidth; x++) {
      int at = mirrored + (water->bend[2 * x] >> 4), level;

      at = at < 0 ? 0 : at > tones->last ? tones->last : at;
      level = (up[(size_t)(at >> 1) * stride + (size_t)x] * mirror + deep) >> 8;
      level += ((shine - level) * water->spark[2 * x]) >> 8;
      row[x] = (uint8_t)(row[x] + (((level - row[x]) * amount) >> 8));
    }
  }
}

/* The crest lines of one swell. */
static void
swell_outline (
    Water *water, const DvMoment *moment, int index, float base, float size)
{
  const DvScene *scene = &moment->scene;
  float aspect = (float)water->width / (float)water->height;
  float t = (float)index / SWELLS;
  double across = moment->camera_x * (0.1 + 0.8 * (double)t);
  float speed = index & 1 ? 1 : -0.7f;
  float p1 = dv_turn (
      moment->time * 0.11 * (double)speed + index * 0.37 + across * 0.9);
  float p2 = dv_turn (moment->time * 0.19 + index * 0.71 + across * 2.1);
  float p3 = dv_turn (moment->time * -0.26 + index * 0.13 + across * 4.7);
  float lift = 0.3f * dv_sin (dv_turn (moment->time * 0.13 + index * 0.29));
  float near = 1.9f - 1.2f * t;
  float drift = lap (moment->wind * 0.9 + across * 7 + index * 31);

  for (int i = 0; i < water->points; i++) {
    float x = (float)i / (float)(water->points - 1) * aspect;
    /* Pointed crests, wide troughs. */
    float a = dv_sin (x * 0.62f * near + p1), b = dv_sin (x * 1.3f * near + p2);
    float c = dv_sin (x * 2.9f * near + p3), n;
    float rough = noise_at (water->noise, (double)(drift + x * 9 * near),
        (double)index * 7 + moment->time * 0.4 -
            256 * dv_floor_d (moment->time * 0.4 / 256));

    a = 1 - 2 * (a < 0 ? -a : a);
    b = 1 - 2 * (b < 0 ? -b : b);
    n = 0.5f * a + 0.32f * b + 0.16f * c + 0.24f * (rough - 0.5f) + lift;
    water->top[i] = base - size * n;
    water->foam[i] = size * dv_max (0, n - 0.12f + 0.5f * (rough - 0.5f)) *
                     0.3f * dv_smooth (0.35f, 0.8f, scene->waves);
  }
}

static void
spread_wide (const float *in, int32_t *restrict out, int points)
{
  for (int i = 0; i + 1 < points; i++) {
    float step = (in[i + 1] - in[i]) * 4;
    int32_t a = (int32_t)(in[i] * 16), b = (int32_t)step;

    out[4 * i] = a;
    out[4 * i + 1] = a + b;
    out[4 * i + 2] = a + 2 * b;
    out[4 * i + 3] = a + 3 * b;
  }
}

/* One swell over the rows from its crest to @end. */
static void
draw_swell (const Water *water, const Canvas *canvas, int top, int end,
    float depth, const Yuv *crest, const Yuv *deep, const Yuv *foam, int amount)
{
  int span = (int)(depth * 16) + 1, fall = 65536 / span;

  for (int y = top; y < end; y++) {
    uint8_t *row = canvas->plane[0] + (size_t)y * canvas->stride[0];
    int level0 = (int)crest->y, drop = (int)deep->y - level0;
    int white = (int)foam->y, y16 = y * 16;

    for (int x = 0; x < canvas->width; x++) {
      int d = y16 - water->top16[x] + 16;
      int cover = d < 0 ? 0 : d > 16 ? 16 : d;
      int down = d < 0 ? 0 : d > span ? span : d;
      int froth = water->foam16[x] - d, level;
      int ghost = d < 0 ? 0 : (water->foam16[x] * 5 - d) >> 2;

      froth = froth < 0 ? 0 : froth > 48 ? 48 : froth;
      ghost = ghost < 0 ? 0 : ghost > 20 ? 20 : ghost;
      froth = froth + ghost > 56 ? 56 : froth + ghost;
      level = level0 + ((drop * ((down * fall) >> 8)) >> 8);
      level += ((white - level) * froth) >> 6;
      row[x] = (uint8_t)(row[x] + (((level - row[x]) * cover * amount) >> 12));
    }
    if (y & 1)
      continue;
    for (int c = 1; c < 3; c++) {
      int tone0 = (int)(c == 1 ? crest->u : crest->v);
      int turn = (int)(c == 1 ? deep->u : deep->v) - tone0;

      row = canvas->plane[c] + (size_t)(y / 2) * canvas->stride[c];
      for (int x = 0; x < canvas->cwidth; x++) {
        int d = y16 - water->top16[2 * x] + 16;
        int cover = d < 0 ? 0 : d > 16 ? 16 : d;
        int down = d < 0 ? 0 : d > span ? span : d;
        int level = tone0 + ((turn * ((down * fall) >> 8)) >> 8);

        if (water->foam16[2 * x] > d)
          level = (level + 128 * 3) >> 2;
        row[x] =
            (uint8_t)(row[x] + (((level - row[x]) * cover * amount) >> 12));
      }
    }
  }
}

static void
draw_swells (Water *water, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon, float amount, Rgb sea)
{
  float up = dv_smooth (0.4f, 0.8f, moment->scene.waves);
  float height = (float)canvas->height;

  if (up <= 0.01f)
    return;
  for (int i = 0; i < SWELLS; i++) {
    float t = ((float)i + 0.35f) / SWELLS, place = t * t * 0.55f + t * 0.45f;
    float base = (horizon + (1 - horizon) * place) * height;
    float size = (0.012f + 0.13f * t * t + 0.03f * t) * up * height;
    float depth = size * 2.6f + 0.03f * height;
    Rgb pale = rgb_mix (sea, light->horizon, 0.5f - 0.22f * t);
    Yuv crest = to_yuv (rgb_add (
        pale, rgb_scale (rgb8 (20, 66, 62), light->day * 0.5f + 0.2f)));
    Yuv deep = to_yuv (rgb_scale (sea, 0.62f + 0.3f * (1 - t)));
    Yuv foam = to_yuv (rgb_mix (rgb_scale (light->horizon, 1.25f),
        rgb (0.9f, 0.94f, 0.95f), 0.25f + 0.4f * light->day));
    int top, end;
    float low = base - 1.6f * size, next;

    swell_outline (water, moment, i, base, size);
    spread_wide (water->top, water->top16, water->points);
    spread_wide (water->foam, water->foam16, water->points);
    top = (int)dv_max (low, horizon * height);
    next = base + depth * 1.6f;
    end = i == SWELLS - 1 ? canvas->height : (int)dv_min (next + size, height);
    draw_swell (water, canvas, top, end, depth, &crest, &deep, &foam,
        (int)(amount * 218));
  }
}

void
water_draw (Water *water, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon, float amount)
{
  const DvScene *scene = &moment->scene;
  float height = (float)canvas->height, unit = height / 1088;
  float aspect = (float)canvas->width / height;
  int first = ((int)(horizon * height) + 1) & ~1;
  float waves = 0.1f + scene->waves * 0.9f;
  double run = moment->time * (0.35 + 0.2 * (double)scene->sea) +
               moment->camera_zoom * 1.5;
  float drift1 = lap (moment->camera_x * 4 + moment->wind * 0.35);
  float drift2 =
      lap (moment->camera_x * 7 - moment->wind * 0.22 + moment->time * 0.21);
  float run1 = lap (run * 1.3), run2 = lap (run * -0.7 + 100);
  Rgb sea = rgb_mix (rgb8 (8, 44, 66), rgb8 (20, 122, 138),
      dv_clamp (scene->palms + 0.25f * scene->saturation, 0, 1));
  Tones tones;
  float sparkle = light->glow_amount * (0.5f + 0.5f * light->disc_amount);

  if (first < 2 || first >= canvas->height || amount <= 0)
    return;
  sea = light_grade (light,
      rgb_times (sea, rgb_add (light->ambient, rgb_scale (light->sun, 0.75f))));
  sea = rgb_mix (sea, light->zenith, 0.25f);
  tones.deep = to_yuv (sea);
  tones.glow =
      to_yuv (rgb_mix (light->glow, rgb (1, 0.98f, 0.94f), 0.35f * light->day));
  tones.amount = (int)(amount * 256);
  tones.last = first - 1;
  for (int i = 0; i < water->points; i++)
    water->field[0][i] = 0;
  for (int y = first; y < canvas->height; y++) {
    float down = (float)(y - first) / height;
    float z = 1 / (down + 0.022f);
    float *field = water->field[y & 1], *before = water->field[(y & 1) ^ 1];
    float du = aspect * z * 3.4f / (float)water->points;
    float u = 256 - dv_floor (z * 3.4f * aspect * 0.5f / 256) * 0;
    /* What is smaller than a row is averaged away. */
    float calm = 1 / (1 + 0.0022f * z * z * (1088 / height));
    float bend = waves * unit * calm * (4 + 190 * down);
    float tone =
        (60 + 150 * waves) * calm * (0.25f + 0.75f * light->day) * 0.35f;
    float width = 0.02f + 0.2f * down + 0.12f * waves;
    float start = -z * 3.4f * aspect * light->disc_x;

    (void)u;
    for (int i = 0; i < water->points; i++)
      field[i] = 0;
    ripple_row (water->noise, field, water->points,
        lap ((double)start + drift1 * (double)z * 0.1 + drift1), du,
        lap ((double)z * 9 + run1), 0.55f);
    ripple_row (water->noise, field, water->points,
        lap ((double)start * 1.9 + drift2 * 3), du * 1.9f,
        lap ((double)z * 17 + run2), 0.45f);
    for (int i = 0; i < water->points; i++)
      water->top[i] = field[i] - 0.5f;
    spread (water->top, water->bend, water->points, bend * 16);
    for (int i = 0; i < water->points; i++)
      water->foam[i] =
          dv_clamp (
              (field[i] - (y == first ? field[i] : before[i])) * 6, -1, 1) *
              0.5f +
          (field[i] - 0.5f) * 0.7f;
    spread (water->foam, water->shade, water->points, tone * 16);
    for (int i = 0; i < water->points; i++) {
      float dx = ((float)i / (float)(water->points - 1) - light->disc_x) *
                 aspect / width;
      float path = 1 / (1 + dx * dx * dx * dx);
      float s =
          dv_clamp ((field[i] - 0.56f + 0.2f * path - 0.1f * down) * 6, 0, 1);

      water->top[i] = s * path * sparkle;
    }
    spread (water->top, water->spark, water->points, 250);
    tones.mirror =
        0.95f - 0.5f * dv_smooth (0, 0.5f, down) - 0.12f * scene->waves;
    draw_row (water, canvas, &tones, y, first - 1 - (y - first));
  }
  draw_swells (water, canvas, moment, light, horizon, amount, sea);
}
