/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the painter's files share: colours, light, noise, the canvas, and the
 * layers that a scene is built of. Lengths are pixels, or, where a name says
 * so, heights of the picture.
 */
#ifndef DV_PAINT_H
#define DV_PAINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maths.h"
#include "painter.h"
#include "scene.h"

/* On functions with loops for the vectoriser: built for wider vectors too. The
 * arithmetic is the same, step for step. */
#ifdef DV_HAVE_CLONES
#define WIDE __attribute__ ((target_clones ("avx2", "default")))
#else
#define WIDE
#endif

/* ---- colour ---- */

typedef struct {
  float r, g, b; /* [0, 1], as displayed */
} Rgb;

typedef struct {
  float y, u, v; /* 8-bit levels, BT.709, limited range */
} Yuv;

static inline Rgb
rgb (float r, float g, float b)
{
  return (Rgb){r, g, b};
}

/* Red, green and blue in 255ths, as one writes them. */
static inline Rgb
rgb8 (int r, int g, int b)
{
  return rgb ((float)r / 255, (float)g / 255, (float)b / 255);
}

static inline Rgb
rgb_mix (Rgb a, Rgb b, float t)
{
  return rgb (
      dv_lerp (a.r, b.r, t), dv_lerp (a.g, b.g, t), dv_lerp (a.b, b.b, t));
}

static inline Rgb
rgb_scale (Rgb a, float s)
{
  return rgb (a.r * s, a.g * s, a.b * s);
}

static inline Rgb
rgb_add (Rgb a, Rgb b)
{
  return rgb (a.r + b.r, a.g + b.g, a.b + b.b);
}

static inline Rgb
rgb_times (Rgb a, Rgb b)
{
  return rgb (a.r * b.r, a.g * b.g, a.b * b.b);
}

static inline float
rgb_luma (Rgb a)
{
  return 0.2126f * a.r + 0.7152f * a.g + 0.0722f * a.b;
}

static inline Yuv
to_yuv (Rgb a)
{
  float luma;

  a = rgb (dv_clamp (a.r, 0, 1), dv_clamp (a.g, 0, 1), dv_clamp (a.b, 0, 1));
  luma = rgb_luma (a);
  return (Yuv){16 + 219 * luma, 128 + 224 * (a.b - luma) / 1.8556f,
      128 + 224 * (a.r - luma) / 1.5748f};
}

static inline uint8_t
to_byte (float x)
{
  return (uint8_t)(dv_clamp (x, 0, 255) + 0.5f);
}

/* A fully saturated colour of that hue. */
Rgb rgb_of_hue (float turns);

/* ---- light ---- */

typedef struct {
  Rgb zenith, middle, horizon; /* the sky */
  Rgb haze;                    /* what distance fades to */
  Rgb sun;                     /* direct light of sun or moon */
  Rgb ambient;
  Rgb disc, glow;       /* of the sun or the moon in the sky */
  float disc_x, disc_y; /* where, in widths and heights */
  float disc_size;      /* heights */
  float disc_amount;    /* 0 hidden, 1 there */
  float glow_amount;
  float moon; /* 1: the disc is a moon */
  float day;  /* 0 night, 1 day */
  float fog;
  Rgb hue; /* the tint at full strength, and how much of it */
  float tint, saturation, gain;
} Light;

void light_of_scene (
    Light *light, const DvScene *scene, float sun_x, float horizon);
/* Where the sun of a scene stands, in widths. */
float light_sun_x (const DvScene *scene);
/* Tints and saturates a colour as the scene asks. */
static inline Rgb
light_grade (const Light *light, Rgb colour)
{
  float luma = rgb_luma (colour);
  Rgb tinted = rgb_scale (light->hue, luma);

  colour = rgb_mix (colour, tinted, light->tint);
  luma = rgb_luma (colour);
  colour = rgb_mix (rgb (luma, luma, luma), colour, light->saturation);
  return rgb_scale (colour, light->gain);
}

/* A surface that faces the light by @facing in [0, 1]. */
static inline Rgb
light_on (const Light *light, Rgb albedo, float facing)
{
  return rgb_times (
      albedo, rgb_add (light->ambient, rgb_scale (light->sun, facing)));
}

/* ---- noise ---- */

#define NOISE_SIZE 256

typedef struct {
  float at[NOISE_SIZE][NOISE_SIZE]; /* random numbers in [0, 1], 255ths */
  /* The four corners of each cell in 255ths, the nearest in the low byte, then
   * right, below, both: one load for all. */
  uint32_t corners[NOISE_SIZE * NOISE_SIZE];
} Noise;

void noise_fill (Noise *noise);
/* Value noise in [0, 1], one cell a unit, of period NOISE_SIZE. */
float noise_at (const Noise *noise, double x, double y);
/* @octaves of it, halved each time; still in [0, 1]. */
float noise_sum (const Noise *noise, double x, double y, int octaves);
/* The same for what is drawn out along one axis. */
float noise_bands (const Noise *noise, double x, double y, int octaves);
/* Rows of it: @n places, an even number of at most BLOCK. */
typedef enum { NOISE_TURNED, NOISE_BANDS } NoiseKind;
void noise_row (const Noise *noise, NoiseKind kind, const double *x,
    const double *y, int octaves, float *out, int n);
/* Along a line, without a period. */
float noise_line (uint32_t seed, double x);
float noise_line_sum (uint32_t seed, double x, int octaves);
/* Sharp crests: 1 on them. */
float noise_ridges (uint32_t seed, double x, int octaves);

/* ---- canvas ---- */

typedef struct {
  uint8_t *plane[3];
  size_t stride[3];
  int width, height;   /* luma */
  int cwidth, cheight; /* chroma */
} Canvas;

/* Soft round light, added; @radius where it ends, in pixels. */
void canvas_glow (const Canvas *canvas, float x, float y, float radius,
    Yuv colour, float amount);
/* A disc with a soft edge of about a pixel or @soft pixels, blended. */
void canvas_disc (const Canvas *canvas, float x, float y, float radius,
    float soft, Yuv colour, float amount);
/* A line with soft ends, blended. */
void canvas_line (const Canvas *canvas, float x0, float y0, float x1, float y1,
    float thickness, Yuv colour, float amount);

/* ---- layers ---- */

typedef enum {
  LAYER_MOUNTAIN,
  LAYER_VOLCANO,
  LAYER_CANYON,
  LAYER_ICE,
  LAYER_CITY,
  LAYER_HILL,
  LAYER_FOREST,
  LAYER_DUNE,
  LAYER_MEADOW, /* grass and flowers close by */
  LAYER_BEACH,
  LAYER_SNOWFIELD,
  LAYER_PLANET
} LayerKind;

#define LAYERS_MAX 9
#define SINK 0.5f /* of its rise that a layer sinks while a scene changes */
#define BLOCK 64  /* columns that are painted at once */

/* A stretch of one layer as floats, premultiplied: what the subjects paint. */
typedef struct {
  int64_t x0;        /* world column of the first */
  int height;        /* rows of the layer */
  float top;         /* picture row of the layer's first */
  float unit;        /* pixels a picture height */
  float (*pixel)[4]; /* [height][BLOCK] of r, g, b, alpha */
} Tile;

typedef struct {
  LayerKind kind;
  uint32_t seed;
  float depth;      /* 0 far, 1 at the viewer */
  float base;       /* where its ground line is, heights from the top */
  float rise;       /* how high it goes above, heights */
  float bottom;     /* where it may end, heights */
  float haze;       /* how much of it is lost in distance */
  float blossoming; /* trees of this layer in bloom */
  bool foreground;  /* drawn after the water */
  bool shore;       /* its foot stands in water */

  /* The ring: world column c is kept at c modulo ring, with one column more
   * at the end, the first again. */
  int y0, rows, ring, blocks;
  uint8_t *colour[3], *through[2]; /* premultiplied; what shines through, for
                                    * luma and chroma */
  int64_t *block_at;               /* which block of the world each holds */
  int *block_top;                  /* first row with anything in it */
  int *block_solid;                /* rows from here on are opaque */
} Layer;

/* A scene made ready to be drawn at one size. */
typedef struct {
  bool used;
  uint64_t last_use;
  DvScene scene;
  Light light;
  float horizon; /* heights */
  float sun_x;
  float wet; /* amount of water */
  Layer layer[LAYERS_MAX];
  int n_layers;
} Set;

/* Which layers a scene has; nothing is allocated. */
void terrain_plan (Set *set);
/* Height over its base of a layer at @x heights along, in heights. */
float terrain_height (const Layer *layer, const Set *set, double x);
/* Where the crater of the volcano in stretch @cell of a layer is, in heights.
 */
double terrain_crater (const Layer *layer, double cell);
#define CRATER_PITCH 2.6 /* heights a stretch */
void terrain_paint (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise);

void ground_paint (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise);
void planet_paint (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise);
void town_paint_city (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise);
void town_paint_village (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise);
void flora_paint_forest (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise);
void flora_paint_grass (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise);
void flora_paint_trees (
    Tile *tile, const Layer *layer, const Set *set, const Noise *noise);

/* Puts a colour over what a tile has; @column in [0, BLOCK). */
static inline void
tile_over (Tile *tile, int column, int row, Rgb c, float amount)
{
  float *p = tile->pixel[row * BLOCK + column];
  float rest = 1 - amount;

  p[0] = p[0] * rest + c.r * amount;
  p[1] = p[1] * rest + c.g * amount;
  p[2] = p[2] * rest + c.b * amount;
  p[3] = p[3] * rest + amount;
}

/* Puts a colour behind what a tile has. */
static inline void
tile_under (Tile *tile, int column, int row, Rgb c, float amount)
{
  float *p = tile->pixel[row * BLOCK + column];
  float share = (1 - p[3]) * amount;

  p[0] += c.r * share;
  p[1] += c.g * share;
  p[2] += c.b * share;
  p[3] += share;
}

/* How much of a row of the layer is lost in haze. */
float layer_haze (const Layer *layer, const Set *set, float row_heights);
/* The layer's colour as seen from here: graded and lost in haze. */
Rgb layer_seen (
    const Layer *layer, const Set *set, Rgb colour, float row_heights);

bool layer_open (Layer *layer, int width, int height);
void layer_close (Layer *layer);
#define GAIN_ONE 64

/* Whom to ask, before each block, whether to stop. */
typedef struct {
  bool (*cancelled) (void *user); /* or NULL */
  void *user;
} Halt;

/* Paints the blocks in view that are missing; false when told to stop. */
bool layer_prepare (Layer *layer, const Set *set, const Noise *noise,
    double scroll, int height, Tile *tile, const Halt *halt);
/* Draws it scrolled by @scroll pixels, @down rows lower, @amount 256ths of
 * it, @gain 64ths as bright, down to row @end. */
void layer_draw (const Layer *layer, const Canvas *canvas, double scroll,
    int down, int amount, int gain, int end);
/* First picture row from which a layer hides all behind it. */
int layer_solid (
    const Layer *layer, const Canvas *canvas, double scroll, int down);

/* ---- sky, water, weather ---- */

typedef struct Sky Sky;

Sky *sky_new (int width, int height, const Noise *noise);
void sky_free (Sky *sky);
void sky_draw (Sky *sky, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon, int rows);

typedef struct Water Water;

Water *water_new (int width, int height, const Noise *noise);
void water_free (Water *water);
void water_draw (Water *water, const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon, float amount);

void weather_draw (const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon);
/* Fire that a crater at @x, @y (pixels) throws up. */
void weather_eruption (const Canvas *canvas, const DvMoment *moment,
    float amount, float x, float y);
void weather_fog (const Canvas *canvas, const DvMoment *moment,
    const Light *light, const Noise *noise, float row, float thickness,
    float amount);

#endif
