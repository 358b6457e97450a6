/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Water: the picture above the horizon mirrored row by row through moving
 * ripples, darker and bluer towards the viewer, with the sun's glitter on it
 * and, when the sea is up, swell after swell with foam.
 */
#include "paint.h"

#include <stdlib.h>
#include <string.h>

#define STEP 4 /* pixels between two points of the ripples */
#define SWELLS 7

struct Water {
  int width, height, points;
  const Noise *noise;
  float *field[2]; /* of this row and the one before */
  float *scratch;
  float *ripples;        /* [height][points]: what shades the swell */
  int *bend;             /* a point: rows to look further up */
  int16_t *shade;        /* a pixel: added level */
  int16_t *spark;        /* a pixel: glitter, 0 to 128 */
  uint8_t *line;         /* what is mirrored in this row */
  float *top;            /* a point: crest of a swell, picture rows */
  float *foam;           /* a point: how thick its foam is, rows */
  int16_t *top8, *foam8; /* a pixel: the same in 8ths, from a row near by */
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
  water->scratch = malloc (points * sizeof (float));
  water->ripples = malloc (points * (size_t)height * sizeof (float));
  water->bend = malloc (points * sizeof (int));
  water->shade = malloc (pixels * sizeof (int16_t));
  water->spark = malloc (pixels * sizeof (int16_t));
  water->line = malloc (pixels);
  water->top = malloc (points * sizeof (float));
  water->foam = malloc (points * sizeof (float));
  water->top8 = malloc (pixels * sizeof (int16_t));
  water->foam8 = malloc (pixels * sizeof (int16_t));
  if (!water->field[0] || !water->field[1] || !water->scratch ||
      !water->ripples || !water->bend || !water->shade || !water->spark ||
      !water->line || !water->top || !water->foam || !water->top8 ||
      !water->foam8) {
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
  free (water->scratch);
  free (water->ripples);
  free (water->bend);
  free (water->shade);
  free (water->spark);
  free (water->line);
  free (water->top);
  free (water->foam);
  free (water->top8);
  free (water->foam8);
  free (water);
}

/* A number taken round the noise's period, so that it stays exact. */
static float
lap (double x)
{
  return dv_turn (x / NOISE_SIZE) * NOISE_SIZE;
}

/* Adds a row of ripples: @u at the first point, @du from point to point. */
WIDE static void
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
WIDE static void
spread (
    const float *restrict in, int16_t *restrict out, int points, float scale)
{
  for (int i = 0; i + 1 < points; i++) {
    float a = in[i] * scale, step = (in[i + 1] * scale - a) * 0.25f;

    out[4 * i] = (int16_t)(int)a;
    out[4 * i + 1] = (int16_t)(int)(a + step);
    out[4 * i + 2] = (int16_t)(int)(a + 2 * step);
    out[4 * i + 3] = (int16_t)(int)(a + 3 * step);
  }
}

typedef struct {
  Yuv deep, glow;
  float mirror; /* share of the reflection at this row */
  int amount;   /* 128ths of water over what is there */
  int last;     /* lowest row that can be mirrored */
} Tones;

/* Mixes a mirrored row with the water's own tone, glitter and ripples. */
WIDE static void
tone_row (uint8_t *restrict row, const uint8_t *restrict line,
    const int16_t *restrict shade, const int16_t *restrict spark, int n,
    unsigned mirror, unsigned tone, int glow, int amount)
{
  uint16_t share = (uint16_t)mirror, own = (uint16_t)tone;
  int16_t shine = (int16_t)glow, part = (int16_t)amount;

  for (int x = 0; x < n; x++) {
    int16_t level = (int16_t)((uint16_t)(line[x] * share + own) >> 8);
    int16_t under = row[x];

    level = (int16_t)(level + shade[x]);
    level = level < 16 ? 16 : level > 240 ? 240 : level;
    level = (int16_t)(level +
                      ((int16_t)((int16_t)(shine - level) * spark[x]) >> 7));
    row[x] =
        (uint8_t)(under + ((int16_t)((int16_t)(level - under) * part) >> 7));
  }
}

/* The same for a plane of colour, which ripples do not shade. */
WIDE static void
tone_colour (uint8_t *restrict row, const uint8_t *restrict line,
    const int16_t *restrict spark, int n, unsigned mirror, unsigned tone,
    int glow, int amount)
{
  for (int x = 0; x < n; x++) {
    int level = (int)((line[x] * mirror + tone) >> 8), under = row[x];

    level += ((glow - level) * spark[2 * x]) >> 7;
    row[x] = (uint8_t)(under + (((level - under) * amount) >> 7));
  }
}

static void
draw_row (const Water *water, const Canvas *canvas, const Tones *tones, int y,
    int mirrored)
{
  const uint8_t *up = canvas->plane[0];
  size_t stride = canvas->stride[0];
  unsigned mirror = (unsigned)(tones->mirror * 256), rest = 256 - mirror;
  int whole = canvas->width / STEP;

  /* Four pixels bend alike: it is water. */
  for (int i = 0; i <= whole; i++) {
    int at = mirrored + water->bend[i];

    at = at < 0 ? 0 : at > tones->last ? tones->last : at;
    memcpy (water->line + 4 * i, up + (size_t)at * stride + 4 * i,
        i < whole ? 4 : (size_t)(canvas->width & 3));
  }
  tone_row (canvas->plane[0] + (size_t)y * stride, water->line, water->shade,
      water->spark, canvas->width, mirror,
      (unsigned)(tones->deep.y * (float)rest) + 100, (int)tones->glow.y,
      tones->amount);
  if (y & 1)
    return;
  for (int c = 1; c < 3; c++) {
    float tone = c == 1 ? tones->deep.u : tones->deep.v;

    up = canvas->plane[c];
    stride = canvas->stride[c];
    for (int i = 0; i <= whole; i++) {
      int at = (mirrored + water->bend[i]) / 2, left = canvas->cwidth - 2 * i;

      at = at < 0 ? 0 : at > tones->last / 2 ? tones->last / 2 : at;
      memcpy (water->line + 2 * i, up + (size_t)at * stride + 2 * i,
          left >= 2 ? 2 : (size_t)left);
    }
    tone_colour (canvas->plane[c] + (size_t)(y / 2) * stride, water->line,
        water->spark, canvas->cwidth, mirror,
        (unsigned)(tone * (float)rest) + 100,
        (int)(c == 1 ? tones->glow.u : tones->glow.v), tones->amount);
  }
}

/* The crest lines of one swell. */
WIDE static void
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
  float near = 2.5f - 1.5f * t;
  float drift = lap (moment->wind * 0.9 + across * 7 + index * 31);
  uint32_t index_seed = 900 + (uint32_t)index;
  double fleck = moment->wind * 2 + across * 70;

  for (int i = 0; i < water->points; i++) {
    float x = (float)i / (float)(water->points - 1) * aspect;
    /* Pointed crests, wide troughs. */
    float a = dv_sin (x * 0.62f * near + p1), b = dv_sin (x * 1.3f * near + p2);
    float c = dv_sin (x * 2.9f * near + p3), n;
    float rough = noise_at (water->noise, (double)(drift + x * 9 * near),
        (double)index * 7 + moment->time * 0.4 -
            256 * dv_floor_d (moment->time * 0.4 / 256));

    a = 0.5f + 0.5f * a;
    b = 0.5f + 0.5f * b;
    n = 1.15f * a * a * a + 0.7f * b * b * b + 0.1f * c - 0.45f +
        0.2f * (rough - 0.5f) + lift;
    water->top[i] = base - size * n;
    water->foam[i] =
        size * dv_max (0, n - 0.3f + 0.6f * (rough - 0.5f)) * 0.34f *
        (0.55f +
            0.9f * noise_line (index_seed, fleck + (double)(x * 60 * near))) *
        dv_smooth (0.35f, 0.8f, scene->waves);
  }
}

/* Rows from @from on, in 8ths, kept within 16 bits. */
WIDE static void
spread_rows (const float *in, int16_t *restrict out, int points, float from)
{
  for (int i = 0; i + 1 < points; i++) {
    float a = dv_clamp ((in[i] - from) * 8, -16000, 16000);
    float b = dv_clamp ((in[i + 1] - from) * 8, -16000, 16000);
    float step = (b - a) * 0.25f;

    out[4 * i] = (int16_t)(int)a;
    out[4 * i + 1] = (int16_t)(int)(a + step);
    out[4 * i + 2] = (int16_t)(int)(a + 2 * step);
    out[4 * i + 3] = (int16_t)(int)(a + 3 * step);
  }
}

typedef struct {
  int16_t crest, deep, foam; /* levels */
  int16_t span;              /* 8ths of a row from crest to deep */
  uint16_t fall;             /* 128 * 65536 / span */
  int16_t amount;            /* 8ths of 16 */
} SwellTone;

/* One row of one swell over what is there; @y8 in 8ths, from the row that
 * the tops are measured from. */
WIDE static void
swell_row (uint8_t *restrict row, const int16_t *restrict top,
    const int16_t *restrict foam, const int16_t *restrict shade, int n,
    int16_t y8, const SwellTone *tone)
{
  int16_t drop = (int16_t)(tone->deep - tone->crest);
  int16_t crest = tone->crest, white = tone->foam, span = tone->span;
  int16_t amount = tone->amount;
  uint16_t fall = tone->fall;

  for (int x = 0; x < n; x++) {
    int16_t d = (int16_t)(y8 - top[x] + 8);
    int16_t cover = d < 0 ? 0 : d > 8 ? 8 : d;
    int16_t down = d < 0 ? 0 : d > span ? span : d;
    uint16_t q = (uint16_t)(((uint32_t)(uint16_t)down * fall) >> 16);
    /* Thick froth on the crest, a thin veil below it. */
    int16_t froth = (int16_t)(foam[x] - d);
    int16_t veil = (int16_t)((int16_t)(foam[x] * 2 - d) >> 2);
    int16_t level, under = row[x];

    froth = froth < 0 ? 0 : froth > 70 ? 70 : froth;
    veil = veil < 0 ? 0 : veil > 40 ? 40 : veil;
    froth = (int16_t)(froth + veil);
    level = (int16_t)(crest + ((int16_t)(drop * (int16_t)q) >> 7) + shade[x]);
    level =
        (int16_t)(level + ((int16_t)((int16_t)(white - level) * froth) >> 7));
    row[x] = (uint8_t)(under + ((int16_t)((int16_t)(level - under) *
                                          (int16_t)(cover * amount)) >>
                                   7));
  }
}

/* The same for a plane of colour. */
WIDE static void
swell_colour (uint8_t *restrict row, const int16_t *restrict top,
    const int16_t *restrict foam, int n, int y8, const SwellTone *tone)
{
  int drop = tone->deep - tone->crest;

  for (int x = 0; x < n; x++) {
    int d = y8 - top[2 * x] + 8;
    int cover = d < 0 ? 0 : d > 8 ? 8 : d;
    int down = d < 0 ? 0 : d > tone->span ? tone->span : d;
    int q = (int)(((unsigned)down * tone->fall) >> 16);
    int level = tone->crest + ((drop * q) >> 7), under = row[x];

    level = foam[2 * x] > d ? (level + 3 * 128) >> 2 : level;
    row[x] = (uint8_t)(under + (((level - under) * cover * tone->amount) >> 7));
  }
}

static int16_t
part_of (Yuv c, int plane)
{
  return (int16_t)(plane == 0 ? c.y : plane == 1 ? c.u : c.v);
}

/* One swell over the rows from its crest to @end. */
static void
draw_swell (const Water *water, const Canvas *canvas, int top, int end,
    float depth, const Yuv colours[3], int amount, float texture)
{
  SwellTone tone[3];

  for (int c = 0; c < 3; c++) {
    tone[c].crest = part_of (colours[0], c);
    tone[c].deep = part_of (colours[1], c);
    tone[c].foam = part_of (colours[2], c);
    tone[c].span = (int16_t)dv_clamp (depth * 8, 160, 15000);
    tone[c].fall = (uint16_t)(128 * 65536 / tone[c].span > 65535
                                  ? 65535
                                  : 128 * 65536 / tone[c].span);
    tone[c].amount = (int16_t)amount;
  }
  for (int y = top; y < end; y++) {
    int y8 = (y - top) * 8;

    y8 = y8 > 16000 ? 16000 : y8;
    spread (water->ripples + (size_t)y * (size_t)water->points, water->shade,
        water->points, texture);
    swell_row (canvas->plane[0] + (size_t)y * canvas->stride[0], water->top8,
        water->foam8, water->shade, canvas->width, (int16_t)y8, &tone[0]);
    for (int c = 1; c < 3 && !(y & 1); c++)
      swell_colour (canvas->plane[c] + (size_t)(y / 2) * canvas->stride[c],
          water->top8, water->foam8, canvas->cwidth, y8, &tone[c]);
  }
}

/* Swell after swell, from the horizon to the viewer. */
static void
draw_swells (Water *water, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon, float amount, Rgb sea)
{
  float up = dv_smooth (0.4f, 0.8f, moment->scene.waves);
  float height = (float)canvas->height;

  if (up <= 0.01f)
    return;
  for (int i = 0; i < SWELLS; i++) {
    float t = ((float)i + 0.35f) / SWELLS, place = t * t * 0.6f + t * 0.4f;
    float base = (horizon + (1 - horizon) * place) * height;
    float size = (0.01f + 0.1f * t * t + 0.035f * t) * up * height;
    float depth = size * 2.2f + 0.02f * height;
    Rgb pale = rgb_mix (sea, light->horizon, 0.42f - 0.22f * t);
    Yuv colours[3];
    float low = base - 1.7f * size;
    /* Not above the rows that have ripples. */
    int shore = ((int)(horizon * height) + 1) & ~1;
    int top = low > (float)shore ? (int)low & ~1 : shore;
    int end = i == SWELLS - 1 ? canvas->height
                              : (int)dv_min (base + depth + size, height);

    colours[0] = to_yuv (rgb_add (
        pale, rgb_scale (rgb8 (14, 62, 62), light->day * 0.5f + 0.15f)));
    colours[1] = to_yuv (rgb_scale (sea, 0.5f + 0.35f * (1 - t)));
    colours[2] = to_yuv (rgb_mix (rgb_scale (light->horizon, 1.2f),
        rgb (0.88f, 0.93f, 0.95f), 0.2f + 0.4f * light->day));
    swell_outline (water, moment, i, base, size);
    spread_rows (water->top, water->top8, water->points, (float)top);
    for (int k = 0; k < water->points; k++)
      water->scratch[k] = water->foam[k] + (float)top;
    spread_rows (water->scratch, water->foam8, water->points, (float)top);

    draw_swell (water, canvas, top, end, depth, colours,
        (int)(amount * 15 + 0.5f),
        (14 + 44 * t) * up * (0.4f + 0.6f * light->day));
  }
}

WIDE void
water_draw (Water *water, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon, float amount)
{
  const DvScene *scene = &moment->scene;
  float height = (float)canvas->height, unit = height / 1088;
  float aspect = (float)canvas->width / height;
  int first = ((int)(horizon * height) + 1) & ~1;
  float waves = (0.22f + scene->waves * 0.9f) * (1 - 0.6f * scene->city);
  double run = moment->time * 0.4 + moment->camera_zoom * 1.5;
  float drift1 = lap (moment->camera_x * 4 + moment->wind * 0.35);
  float drift2 =
      lap (moment->camera_x * 21 - moment->wind * 0.66 + moment->time * 0.55);
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
  tones.amount = (int)(amount * 128 + 0.5f);
  tones.last = first - 1;
  for (int i = 0; i < water->points; i++)
    water->field[0][i] = 0;
  for (int y = first; y < canvas->height; y++) {
    float down = (float)(y - first) / height, z = 1 / (down + 0.022f);
    float *field = water->field[y & 1], *before = water->field[(y & 1) ^ 1];
    float du = aspect * z * 3.4f / (float)water->points;
    /* What is smaller than a row is averaged away. */
    float calm = 1 / (1 + 0.0022f * z * z * (1088 / height));
    float bend = waves * unit * calm * (9 + 290 * down);
    float tone =
        (70 + 150 * waves) * calm * (0.45f + 0.55f * light->day) * 0.35f;
    float narrow = 1 / (0.02f + 0.2f * down + 0.12f * scene->waves);
    float start = -z * 3.4f * aspect * light->disc_x, dx, step;

    for (int i = 0; i < water->points; i++)
      field[i] = 0;
    ripple_row (water->noise, field, water->points,
        lap ((double)start + drift1), du, lap ((double)z * 9 + run1), 0.55f);
    ripple_row (water->noise, field, water->points,
        lap ((double)start * 1.9 + drift2), du * 1.9f,
        lap ((double)z * 17 + run2), 0.45f);
    if (y == first)
      before = field;
    for (int i = 0; i < water->points; i++) {
      water->bend[i] = (int)((field[i] - 0.5f) * bend);
      water->foam[i] = dv_clamp ((field[i] - before[i]) * 3, -0.5f, 0.5f) +
                       (field[i] - 0.5f) * 0.7f;
    }
    dx = -light->disc_x * aspect * narrow;
    step = aspect * narrow / (float)(water->points - 1);
    for (int i = 0; i < water->points; i++) {
      float off = dx + (float)i * step;
      float path = 1 / (1 + off * off * off * off);
      float s =
          dv_clamp ((field[i] - 0.56f + 0.2f * path - 0.1f * down) * 6, 0, 1);

      water->top[i] = s * path * sparkle;
    }
    memcpy (water->ripples + (size_t)y * (size_t)water->points, water->foam,
        (size_t)water->points * sizeof (float));
    spread (water->foam, water->shade, water->points, tone);
    spread (water->top, water->spark, water->points, 125);
    tones.mirror =
        0.95f - 0.5f * dv_smooth (0, 0.5f, down) - 0.12f * scene->waves;
    draw_row (water, canvas, &tones, y, first - 1 - (y - first));
  }
  draw_swells (water, canvas, moment, light, horizon, amount, sea);
}
