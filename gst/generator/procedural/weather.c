/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What moves through the air: rain, snow, petals, leaves, fireflies, sky
 * lanterns, embers, birds, lightning, and banks of fog.
 *
 * Each thing has a number; where it is follows from the number and the sums
 * in the moment, so nothing is remembered.
 */
#include "paint.h"

typedef struct {
  float x, y;  /* [0, 1) of the picture, with a margin around */
  float depth; /* 0 far, 1 near */
  uint32_t hash;
} Mote;

/* Thing @i that drifts with the camera, @dx and @dy pictures a time. */
static Mote
mote_at (
    uint32_t i, uint32_t kind, const DvMoment *moment, double dx, double dy)
{
  Mote m;
  double way;

  m.hash = dv_hash2 (i, kind);
  m.depth = dv_unit (dv_hash (m.hash + 1));
  way = 0.5 + 0.5 * (double)m.depth;
  m.x = dv_turn (dv_unit (dv_hash (m.hash + 2)) + dx * way -
                 moment->camera_x * (0.15 + 0.6 * (double)m.depth)) *
            1.2f -
        0.1f;
  m.y = dv_turn (dv_unit (dv_hash (m.hash + 3)) + dy * way) * 1.2f - 0.1f;
  return m;
}

static void
draw_rain (const Canvas *canvas, const DvMoment *moment, const Light *light)
{
  float amount = moment->scene.rain, unit = (float)canvas->height;
  uint32_t n = (uint32_t)(amount * 125);
  float slant = 0.05f + 0.3f * moment->scene.wind;
  Yuv colour = to_yuv (rgb_mix (light->horizon, rgb (0.85f, 0.9f, 1), 0.45f));

  for (uint32_t i = 0; i < n; i++) {
    Mote m = mote_at (i, 11, moment, 0, moment->time * 2.1);
    float length = (0.018f + 0.04f * m.depth) * unit;
    float x = (m.x + slant * (m.y - 0.5f) * 0.5f) * (float)canvas->width,
          y = m.y * unit;

    canvas_line (canvas, x, y, x + slant * length, y + length,
        (0.7f + 0.9f * m.depth) * unit / 1088, colour, 0.07f + 0.14f * m.depth);
  }
}

/* Sand that runs before the wind, low over the dunes. */
static void
draw_sand (const Canvas *canvas, const DvMoment *moment, const Light *light,
    float horizon)
{
  float unit = (float)canvas->height;
  uint32_t n =
      (uint32_t)(dv_max (moment->scene.desert, 0.8f * moment->scene.canyon) *
                 400);
  Yuv colour = to_yuv (
      light_grade (light, light_on (light, rgb8 (255, 222, 176), 0.75f)));

  for (uint32_t i = 0; i < n; i++) {
    Mote m = mote_at (i, 22, moment, moment->wind * 0.32, 0);
    float low = horizon + (1.02f - horizon) * dv_unit (dv_hash (m.hash + 4));
    float near = (low - horizon) / (1.02f - horizon);
    float hop = dv_sin (dv_turn (moment->time * 0.23 + dv_unit (m.hash)));
    float length = (0.012f + 0.05f * near) * unit;
    float x = m.x * (float)canvas->width,
          y = (low - 0.012f * hop * near) * unit;

    canvas_line (canvas, x, y, x + length, y - 0.06f * hop * length,
        (0.8f + 1.4f * near) * unit / 1088, colour, 0.16f + 0.22f * near);
  }
}

static void
draw_snow (const Canvas *canvas, const DvMoment *moment, const Light *light)
{
  float amount = moment->scene.snow, unit = (float)canvas->height;
  uint32_t n = (uint32_t)(amount * 520);
  Yuv colour = to_yuv (
      rgb_mix (rgb (0.95f, 0.97f, 1), light->ambient, 0.3f * (1 - light->day)));

  for (uint32_t i = 0; i < n; i++) {
    Mote m = mote_at (i, 12, moment, moment->wind * 0.12, moment->time * 0.075);
    float near = m.depth * m.depth;
    float sway =
        0.012f * dv_sin (dv_turn (moment->time * 0.17 + dv_unit (m.hash)));
    float r = (0.0011f + 0.0034f * near * near) * unit;

    canvas_disc (canvas, (m.x + sway) * (float)canvas->width, m.y * unit, r,
        0.8f * r, colour, 0.5f + 0.35f * near);
  }
}

/* Petals and leaves turn as they fall. */
static void
draw_falling (const Canvas *canvas, const DvMoment *moment, const Light *light,
    float amount, bool petals)
{
  float unit = (float)canvas->height;
  uint32_t n = (uint32_t)(amount * 70);

  for (uint32_t i = 0; i < n; i++) {
    Mote m = mote_at (i, petals ? 13 : 14, moment, moment->wind * 0.16,
        moment->time * (petals ? 0.05 : 0.06));
    float turn =
        dv_turn (moment->time * 0.21 * (0.5 + (double)dv_unit (m.hash)) +
                 dv_unit (dv_hash (m.hash)));
    float sway = 0.02f * dv_sin (turn),
          tilt = dv_cos (turn * 2 - dv_floor (turn * 2));
    float r = (0.003f + 0.0045f * m.depth) * unit;
    float x = (m.x + sway) * (float)canvas->width,
          y = (m.y + 0.01f * dv_cos (turn)) * unit;
    float chance = dv_unit (dv_hash (m.hash + 8));
    Rgb c = petals
                ? rgb_mix (rgb8 (255, 190, 214), rgb8 (255, 232, 238), chance)
            : chance < 0.5f ? rgb8 (222, 120, 36)
            : chance < 0.8f ? rgb8 (236, 178, 56)
                            : rgb8 (180, 54, 32);

    c = light_on (light, c, 0.75f);
    canvas_line (canvas, x - r * tilt, y - r * 0.5f, x + r * tilt, y + r * 0.5f,
        r * (0.9f + 0.3f * dv_sin (turn)), to_yuv (c), 0.9f);
  }
}

static void
draw_fireflies (const Canvas *canvas, const DvMoment *moment,
    const Light *light, float horizon)
{
  float unit = (float)canvas->height, amount = moment->scene.fireflies;
  uint32_t n = (uint32_t)(amount * 80);
  Yuv colour = to_yuv (rgb8 (226, 255, 120));

  for (uint32_t i = 0; i < n; i++) {
    Mote m = mote_at (i, 15, moment, 0, 0);
    double t = moment->time * (0.03 + 0.05 * (double)dv_unit (m.hash));
    float a = dv_turn (t + dv_unit (dv_hash (m.hash + 6))),
          b = dv_turn (t * 1.7 + dv_unit (dv_hash (m.hash + 7)));
    float x =
        (m.x + 0.05f * dv_sin (a) + 0.02f * dv_sin (b)) * (float)canvas->width;
    float y =
        (horizon * 0.9f + (1.04f - horizon * 0.9f) * (m.y * 0.85f + 0.1f) +
            0.04f * dv_cos (b)) *
        unit;
    float pulse = dv_sin (
        dv_turn (moment->time * (0.16 + 0.2 * (double)dv_unit (m.hash)) +
                 dv_unit (dv_hash (m.hash + 5))));
    float bright = (0.35f + 0.65f * dv_smooth (-0.6f, 0.9f, pulse)) *
                   (1 - 0.6f * light->day);
    float r = (0.0012f + 0.0026f * m.depth) * unit;

    canvas_glow (canvas, x, y, r * 9, colour, bright * 0.65f);
    canvas_disc (
        canvas, x, y, r * 0.8f, r, to_yuv (rgb8 (252, 255, 214)), bright);
  }
}

/* Paper lanterns that rise into the evening. */
static void
draw_lanterns (const Canvas *canvas, const DvMoment *moment, const Light *light)
{
  float unit = (float)canvas->height;
  uint32_t n = (uint32_t)(moment->scene.lanterns * 26);

  (void)light;
  for (uint32_t i = 0; i < n; i++) {
    Mote m =
        mote_at (i, 16, moment, moment->wind * 0.01, moment->time * -0.012);
    float near = m.depth * m.depth, r = (0.004f + 0.014f * near) * unit;
    float sway = dv_sin (dv_turn (moment->time * 0.06 + dv_unit (m.hash)));
    float x = (m.x + 0.008f * sway) * (float)canvas->width;
    float y = m.y * 0.86f * unit;
    float flicker = 0.9f + 0.1f * dv_sin (dv_turn (moment->time * 0.9 +
                                                   dv_unit (dv_hash (m.hash))));
    Yuv warm = to_yuv (rgb8 (255, 160, 62));

    canvas_glow (
        canvas, x, y, r * 5, warm, 0.5f * flicker * (0.5f + 0.5f * near));
    canvas_line (canvas, x, y - r * 0.45f, x, y + r * 0.45f, r * 1.5f,
        to_yuv (rgb8 (255, 176, 84)), 0.95f);
    canvas_disc (canvas, x, y + r * 0.5f, r * 0.35f, r * 0.6f,
        to_yuv (rgb8 (255, 240, 196)), flicker);
  }
}

static void
draw_birds (const Canvas *canvas, const DvMoment *moment, const Light *light,
    float horizon)
{
  float unit = (float)canvas->height;
  uint32_t n = (uint32_t)(moment->scene.birds * 14);
  Yuv colour = to_yuv (rgb_scale (light->zenith, 0.3f));

  for (uint32_t i = 0; i < n; i++) {
    uint32_t flock = i / 7, h = dv_hash2 (i, 17);
    double t = moment->time * (0.014 + 0.004 * flock) - moment->camera_x * 0.2;
    float x = dv_turn (t + 0.43 * flock + 0.15) * 1.4f - 0.2f +
              0.09f * (dv_unit (h) - 0.5f);
    float y = horizon * (0.3f + 0.22f * (float)(flock & 1)) +
              0.1f * (dv_unit (dv_hash (h)) - 0.5f) +
              0.015f * dv_sin (dv_turn (moment->time * 0.07 + dv_unit (h)));
    float beat =
        dv_sin (dv_turn (moment->time * (0.9 + 0.3 * (double)dv_unit (h)) +
                         dv_unit (dv_hash (h + 1))));
    float span = (0.007f + 0.005f * dv_unit (dv_hash (h + 2))) * unit;

    x *= (float)canvas->width;
    y *= unit;
    for (int side = -1; side <= 1; side += 2) {
      float ex = x + (float)side * span * 0.55f,
            ey = y - span * (0.28f + 0.3f * beat);

      canvas_line (canvas, x, y, ex, ey, span * 0.16f, colour, 0.85f);
      canvas_line (canvas, ex, ey, ex + (float)side * span * 0.6f,
          ey + span * (0.18f - 0.1f * beat), span * 0.11f, colour, 0.85f);
    }
  }
}

/* Sparks that rise, from a fire below or from everywhere. */
static void
draw_embers (const Canvas *canvas, const DvMoment *moment)
{
  float unit = (float)canvas->height;
  uint32_t n = (uint32_t)(moment->scene.fire * 60);

  for (uint32_t i = 0; i < n; i++) {
    Mote m = mote_at (i, 18, moment, moment->wind * 0.06, moment->time * -0.07);
    float sway =
        0.02f * dv_sin (dv_turn (moment->time * 0.13 + dv_unit (m.hash)));
    float r = (0.0009f + 0.002f * m.depth) * unit;
    float x = (m.x + sway) * (float)canvas->width, y = m.y * unit;
    float bright =
        dv_smooth (0, 0.5f, m.y) *
        (0.6f + 0.4f * dv_sin (dv_turn (
                           moment->time * 0.7 + dv_unit (dv_hash (m.hash)))));

    canvas_glow (
        canvas, x, y, r * 6, to_yuv (rgb8 (255, 96, 24)), 0.6f * bright);
    canvas_disc (canvas, x, y, r, r, to_yuv (rgb8 (255, 196, 110)), bright);
  }
}

void
weather_eruption (const Canvas *canvas, const DvMoment *moment, float amount,
    float x, float y)
{
  float unit = (float)canvas->height;
  float beat = 0.85f + 0.15f * dv_sin (dv_turn (moment->time * 0.31));

  canvas_glow (canvas, x, y - 0.02f * unit, 0.42f * unit,
      to_yuv (rgb8 (255, 84, 30)), 0.5f * amount * beat);
  canvas_glow (canvas, x, y, 0.13f * unit, to_yuv (rgb8 (255, 170, 80)),
      0.75f * amount * beat);
  for (uint32_t i = 0; i < 130; i++) {
    uint32_t h = dv_hash2 (i, 21);
    double beats = moment->time * (0.3 + 0.2 * (double)dv_unit (h)) +
                   (double)dv_unit (dv_hash (h + 1));
    float life = dv_turn (beats);
    /* Each time it flies it flies another way. */
    uint32_t g = dv_hash2 ((uint32_t)(int64_t)dv_floor_d (beats), h);
    float vx = (dv_unit (g) - 0.5f) * 0.34f,
          vy = 0.34f + 0.4f * dv_unit (dv_hash (g));
    float px = x + vx * life * unit +
               0.012f * (dv_unit (dv_hash (g + 2)) - 0.5f) * unit;
    float py = y - (vy * life - 0.62f * life * life) * unit;
    float bright = amount * dv_smooth (1, 0.5f, life);
    float r = (0.0012f + 0.0026f * dv_unit (dv_hash (g + 3))) * unit;
    Yuv colour =
        to_yuv (rgb_mix (rgb8 (255, 226, 140), rgb8 (240, 60, 16), life));

    canvas_disc (canvas, px, py, r, r, colour, bright);
    if (i % 4 == 0)
      canvas_glow (canvas, px, py, r * 6, colour, bright * 0.4f);
  }
}

static void
draw_bubbles (const Canvas *canvas, const DvMoment *moment)
{
  float unit = (float)canvas->height;
  uint32_t n = (uint32_t)(moment->scene.bubbles * 40);

  for (uint32_t i = 0; i < n; i++) {
    Mote m = mote_at (i, 19, moment, moment->wind * 0.03, moment->time * -0.03);
    float sway =
        0.012f * dv_sin (dv_turn (moment->time * 0.11 + dv_unit (m.hash)));
    float r = (0.004f + 0.014f * m.depth * m.depth) * unit;
    float x = (m.x + sway) * (float)canvas->width, y = m.y * unit;
    Yuv colour =
        to_yuv (rgb_mix (rgb (1, 1, 1), rgb_of_hue (dv_unit (m.hash)), 0.3f));

    canvas_disc (canvas, x, y, r, 1, colour, 0.16f);
    canvas_disc (
        canvas, x - r * 0.35f, y - r * 0.4f, r * 0.18f, r * 0.2f, colour, 0.8f);
    for (int k = 0; k < 12; k++) {
      float a = (float)k / 12, b = (float)(k + 1) / 12;

      canvas_line (canvas, x + r * dv_cos (a), y + r * dv_sin (a),
          x + r * dv_cos (b), y + r * dv_sin (b), 0.0014f * unit, colour, 0.5f);
    }
  }
}

/* Lightning: seldom, short; the bolt's way from the number of its while. */
static void
draw_lightning (const Canvas *canvas, const DvMoment *moment, float horizon)
{
  double at = moment->time / 3.7, whole = dv_floor_d (at);
  uint32_t h = dv_hash2 ((uint32_t)(int64_t)whole, 20);
  float since =
      ((float)(at - whole) - 0.1f - 0.6f * dv_unit (dv_hash (h + 1))) * 3.7f;
  float bright, x, y;
  Yuv colour = to_yuv (rgb8 (226, 230, 255));

  if (since < 0 || since > 0.5f || dv_unit (h) > moment->scene.thunder * 0.8f)
    return;
  bright = dv_fade (-since * 6) * (0.75f + 0.25f * dv_sin (since * 9));
  x = (0.15f + 0.7f * dv_unit (dv_hash (h + 2))) * (float)canvas->width;
  y = 0;
  canvas_glow (canvas, x, horizon * 0.3f * (float)canvas->height,
      0.7f * (float)canvas->height, colour, 0.55f * bright);
  for (uint32_t k = 0; k < 14; k++) {
    float nx = x + (dv_unit (dv_hash (h + 10 + k)) - 0.5f) * 0.06f *
                       (float)canvas->height;
    float ny = y + horizon / 14 * (float)canvas->height;

    canvas_line (canvas, x, y, nx, ny,
        (0.004f - 0.0002f * (float)k) * (float)canvas->height, colour, bright);
    if (k % 4 == 2)
      canvas_line (canvas, nx, ny,
          nx + (dv_unit (dv_hash (h + 40 + k)) - 0.5f) * 0.2f *
                   (float)canvas->height,
          ny + 0.07f * (float)canvas->height, 0.0018f * (float)canvas->height,
          colour, 0.7f * bright);
    x = nx;
    y = ny;
  }
}

WIDE void
weather_fog (const Canvas *canvas, const DvMoment *moment, const Light *light,
    const Noise *noise, float row, float thickness, float amount)
{
  float height = (float)canvas->height;
  int top = (int)((row - thickness) * height),
      bottom = (int)((row + thickness) * height);
  Yuv haze = to_yuv (light->haze);
  uint16_t density[8192 / 8 + 2];
  int points = canvas->width / 8 + 2;
  double drift =
      moment->wind * 0.12 + moment->camera_x * 1.2 + (double)row * 57;

  if (amount < 0.01f)
    return;
  for (int i = 0; i < points; i++) {
    double x = (double)i * 8 / (double)canvas->height * 1.6 + drift;
    float n = noise_sum (noise, x - 256 * dv_floor_d (x / 256),
        (double)row * 33 + dv_turn (moment->time * 0.0002) * 256.0, 3);

    density[i] = (uint16_t)(amount * 255 * dv_smooth (0.2f, 0.75f, n));
  }
  top = top < 0 ? 0 : top;
  bottom = bottom > canvas->height ? canvas->height : bottom;
  for (int y = top & ~1; y < bottom; y++) {
    float t = ((float)y / height - row) / thickness;
    unsigned profile =
        (unsigned)(256 * dv_max (0, (1 - t * t)) * dv_max (0, 1 - t * t));
    uint8_t *p = canvas->plane[0] + (size_t)y * canvas->stride[0];
    int level = (int)haze.y;

    for (int x = 0; x < canvas->width; x++) {
      unsigned a = density[x >> 3], b = density[(x >> 3) + 1];
      int k = (int)(((a * (unsigned)(8 - (x & 7)) + b * (unsigned)(x & 7)) *
                        profile) >>
                    11);

      p[x] = (uint8_t)(p[x] + (((level - p[x]) * k) >> 8));
    }
    if (y & 1)
      continue;
    for (int c = 1; c < 3; c++) {
      level = (int)(c == 1 ? haze.u : haze.v);
      p = canvas->plane[c] + (size_t)(y / 2) * canvas->stride[c];
      for (int x = 0; x < canvas->cwidth; x++) {
        int k = (int)(((unsigned)density[x >> 2] * profile) >> 8);

        p[x] = (uint8_t)(p[x] + (((level - p[x]) * k) >> 8));
      }
    }
  }
}

void
weather_draw (const Canvas *canvas, const DvMoment *moment, const Light *light,
    float horizon)
{
  const DvScene *s = &moment->scene;
  float air = 1 - dv_smooth (0.4f, 0.8f, s->space);

  if (s->thunder > 0.05f && air > 0)
    draw_lightning (canvas, moment, horizon);
  if (dv_max (s->desert, s->canyon) > 0.3f && s->sea < 0.3f && air > 0)
    draw_sand (canvas, moment, light, horizon);
  if (s->birds > 0.05f && air > 0)
    draw_birds (canvas, moment, light, horizon);
  if (s->lanterns > 0.05f)
    draw_lanterns (canvas, moment, light);
  if (s->fire > 0.05f && air > 0)
    draw_embers (canvas, moment);
  if (s->fireflies > 0.02f)
    draw_fireflies (canvas, moment, light, horizon);
  if (s->blossom > 0.05f)
    draw_falling (canvas, moment, light, s->blossom, true);
  if (s->autumn > 0.05f)
    draw_falling (canvas, moment, light, s->autumn * 0.6f, false);
  if (s->bubbles > 0.05f)
    draw_bubbles (canvas, moment);
  if (s->snow > 0.02f)
    draw_snow (canvas, moment, light);
  if (s->rain > 0.02f)
    draw_rain (canvas, moment, light);
}
