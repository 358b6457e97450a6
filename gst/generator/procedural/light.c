/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The light of a scene: colours of sky, sun and distance by the height of the
 * sun, under cloud, tinted by mood.
 */
#include "paint.h"

typedef struct {
  float height;
  uint8_t zenith[3], middle[3], horizon[3], sun[3], ambient[3];
} Hour;

/* clang-format off */
static const Hour hours[] = {
  { -1.00f, { 5, 8, 24 },     { 10, 18, 46 },    { 24, 40, 76 },    { 66, 84, 140 },   { 26, 36, 70 } },
  { -0.50f, { 8, 12, 36 },    { 18, 32, 72 },    { 44, 68, 112 },   { 74, 92, 148 },   { 34, 46, 84 } },
  { -0.22f, { 16, 24, 66 },   { 52, 58, 118 },   { 150, 112, 142 }, { 120, 92, 120 },  { 60, 60, 104 } },
  { -0.08f, { 34, 42, 98 },   { 118, 84, 140 },  { 244, 142, 112 }, { 190, 112, 104 }, { 88, 76, 116 } },
  {  0.02f, { 56, 72, 138 },  { 196, 116, 134 }, { 255, 172, 92 },  { 255, 150, 84 },  { 108, 88, 114 } },
  {  0.12f, { 84, 124, 186 }, { 206, 176, 168 }, { 255, 216, 152 }, { 255, 196, 122 }, { 122, 112, 124 } },
  {  0.35f, { 62, 126, 206 }, { 128, 180, 230 }, { 216, 232, 242 }, { 255, 232, 200 }, { 118, 136, 158 } },
  {  1.00f, { 34, 104, 200 }, { 88, 164, 234 },  { 186, 224, 246 }, { 255, 248, 232 }, { 122, 144, 168 } },
};
/* clang-format on */

Rgb
rgb_of_hue (float turns)
{
  float at = (turns - dv_floor (turns)) * 6;

  return rgb (dv_clamp ((at < 3 ? 3 - at : at - 3) - 1, 0, 1),
      dv_clamp (2 - (at < 2 ? 2 - at : at - 2), 0, 1),
      dv_clamp (2 - (at < 4 ? 4 - at : at - 4), 0, 1));
}

static Rgb
between (const uint8_t a[3], const uint8_t b[3], float t)
{
  return rgb_mix (rgb8 (a[0], a[1], a[2]), rgb8 (b[0], b[1], b[2]), t);
}

float
light_sun_x (const DvScene *scene)
{
  float side = dv_unit (dv_hash (scene->seed ^ 0x5111));

  return side < 0.5f ? 0.2f + 0.36f * side : 0.62f + 0.36f * (side - 0.5f);
}

void
light_of_scene (Light *light, const DvScene *scene, float sun_x, float horizon)
{
  float height = dv_clamp (scene->sun_height, -1, 1);
  float overcast, gloom, t, day;
  int i = 0, last = (int)(sizeof hours / sizeof *hours) - 2;
  Rgb grey;

  while (i < last && height > hours[i + 1].height)
    i++;
  t = (height - hours[i].height) / (hours[i + 1].height - hours[i].height);
  light->zenith = between (hours[i].zenith, hours[i + 1].zenith, t);
  light->middle = between (hours[i].middle, hours[i + 1].middle, t);
  light->horizon = between (hours[i].horizon, hours[i + 1].horizon, t);
  light->sun = between (hours[i].sun, hours[i + 1].sun, t);
  light->ambient = between (hours[i].ambient, hours[i + 1].ambient, t);
  day = dv_smooth (-0.3f, 0.3f, height);
  light->day = day;

  /* A moon in the night brings its own light. */
  light->moon = 1 - dv_smooth (-0.28f, -0.12f, height);
  t = light->moon * scene->moon;
  light->sun = rgb_mix (light->sun, rgb8 (128, 152, 208), t * 0.6f);
  light->ambient = rgb_scale (light->ambient, 1 + 0.5f * t);
  light->horizon = rgb_scale (light->horizon, 1 + 0.3f * t);
  light->middle = rgb_scale (light->middle, 1 + 0.6f * t);
  light->zenith = rgb_scale (light->zenith, 1 + 0.9f * t);

  /* Neon lights the air above a city; an aurora the night. */
  t = scene->neon * (1 - day);
  light->horizon = rgb_mix (light->horizon, rgb8 (150, 44, 140), t * 0.6f);
  light->middle = rgb_mix (light->middle, rgb8 (48, 24, 92), t * 0.7f);
  light->ambient = rgb_mix (light->ambient, rgb8 (74, 44, 110), t * 0.6f);
  t = scene->aurora * (1 - day);
  light->ambient = rgb_mix (light->ambient, rgb8 (70, 146, 140), t * 0.6f);
  light->horizon = rgb_mix (light->horizon, rgb8 (44, 108, 112), t * 0.5f);
  t = scene->volcano * (1 - day);
  light->horizon = rgb_mix (light->horizon, rgb8 (132, 42, 30), t * 0.7f);
  light->middle = rgb_mix (light->middle, rgb8 (52, 22, 34), t * 0.7f);
  light->ambient = rgb_mix (light->ambient, rgb8 (74, 36, 40), t * 0.5f);

  overcast = dv_smooth (0.55f, 1, scene->clouds);
  gloom = dv_max (dv_max (scene->rain, scene->thunder), scene->dread);
  t = rgb_luma (light->middle) * (1 - 0.35f * gloom * overcast);
  grey = rgb (t * 0.94f, t, t * 1.08f);
  light->zenith =
      rgb_mix (light->zenith, rgb_scale (grey, 0.66f), 0.85f * overcast);
  light->middle = rgb_mix (light->middle, grey, 0.85f * overcast);
  light->horizon = rgb_mix (light->horizon, rgb_scale (grey, 1.3f),
      (0.55f + 0.4f * gloom) * overcast);
  light->sun = rgb_scale (light->sun, 1 - 0.72f * overcast);
  /* Clouds over a volcano are lit from below. */
  t = scene->volcano * (1 - day);
  light->horizon = rgb_mix (light->horizon, rgb8 (150, 44, 28), t * 0.6f);
  light->middle = rgb_mix (light->middle, rgb8 (84, 30, 34), t * 0.6f);
  /* In space there is no air to glow. */
  t = dv_smooth (0.3f, 0.9f, scene->space);
  light->horizon = rgb_mix (light->horizon, light->zenith, t);
  light->middle = rgb_mix (light->middle, light->zenith, t);
  light->fog = scene->fog;
  light->haze = rgb_mix (light->horizon, light->middle, 0.3f);
  /* Fog is lit from everywhere: paler and greyer than the sky behind it. */
  t = rgb_luma (light->haze);
  grey = rgb_scale (rgb (0.97f, 1, 1.02f), t + (0.82f - t) * 0.25f * day);
  light->haze = rgb_mix (light->haze, grey, 0.6f * scene->fog);
  light->middle = rgb_mix (light->middle, light->haze, 0.7f * scene->fog);
  light->zenith = rgb_mix (light->zenith, light->haze, 0.4f * scene->fog);
  light->horizon = rgb_mix (light->horizon, light->haze, 0.8f * scene->fog);

  light->hue = rgb_mix (rgb (1, 1, 1), rgb_of_hue (scene->hue), 0.75f);
  light->hue = rgb_scale (light->hue, 1 / dv_max (rgb_luma (light->hue), 0.2f));
  light->tint = 0.55f * scene->tint;
  light->saturation = 0.45f + 0.95f * scene->saturation;
  light->gain = 0.72f + 0.56f * scene->brightness;

  light->disc_x = sun_x;
  light->disc_size = 0.04f - 0.01f * dv_smooth (0, 0.6f, height);
  light->disc_y = horizon - 0.62f * height * (1 - 0.22f * height) + 0.01f;
  light->disc = rgb_mix (rgb8 (255, 214, 150), rgb8 (255, 252, 240),
      dv_smooth (0.02f, 0.3f, height));
  light->glow = rgb_mix (light->sun, rgb8 (255, 244, 220),
      0.3f + 0.5f * dv_smooth (0.1f, 0.5f, height));
  light->glow = rgb_mix (light->glow, grey, 0.9f * overcast * gloom);
  light->disc_amount = dv_smooth (-0.1f, -0.02f, height);
  light->glow_amount = 0.85f * dv_smooth (-0.4f, 0.04f, height) *
                       (1 - 0.3f * dv_smooth (0.1f, 0.6f, height));
  if (light->moon > 0) {
    float m = light->moon;

    light->disc_y = dv_lerp (light->disc_y, horizon * 0.42f, m);
    light->disc_size = dv_lerp (light->disc_size, 0.046f, m);
    light->disc = rgb_mix (light->disc, rgb8 (238, 240, 228), m);
    light->glow = rgb_mix (light->glow, rgb8 (150, 178, 226), m);
    light->disc_amount = dv_lerp (light->disc_amount, scene->moon, m);
    light->glow_amount = dv_lerp (light->glow_amount, 0.5f * scene->moon, m);
  }
  t = 1 - dv_smooth (0.6f, 0.92f, dv_max (scene->clouds, scene->fog * 0.9f));
  light->disc_amount *= t;
  light->glow_amount *= 0.35f + 0.65f * t;
  if (scene->space > 0.5f)
    light->glow_amount *= 0.3f;

  light->zenith = light_grade (light, light->zenith);
  light->middle = light_grade (light, light->middle);
  light->horizon = light_grade (light, light->horizon);
  light->haze = light_grade (light, light->haze);
  light->glow = light_grade (light, light->glow);
}
