/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sounds made of filtered noise: wind, leaves, waves, streams, rain, fire,
 * city, thunder.
 *
 * A layer is a row of grains of two blocks' length, each a noise of its own
 * through a filter of its own; they overlap by half, so that two of them make
 * a block.
 */
#include "sound.h"

#include <stddef.h>

#include "maths.h"

/* What a filter lets through: a low, a band, a high part. */
typedef struct {
  float hz, damping; /* 2 is wide, 0.1 rings */
  float low, band, high;
} Tone;

/* How loud a layer is in a scene, at the beginning of a block. */
typedef float (*Amount) (
    const DvSoundBlock *block, const DvScene *scene, uint64_t number);
/* How a grain sounds. */
typedef void (*Colour) (const DvSoundBlock *block, const DvScene *scene,
    uint64_t number, Tone *tone);

static float
air (const DvScene *scene)
{
  return 1 - 0.85f * dv_clamp (scene->space, 0, 1);
}

static float
wind_amount (const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  float strength = 0.06f + scene->wind + 0.3f * scene->snow +
                   0.2f * scene->mountains + 0.25f * scene->ice +
                   0.15f * scene->desert + 0.1f * scene->canyon;
  float gust = dv_sound_wander (1, number, 50);

  return 0.55f * strength * (0.35f + 0.9f * gust * gust) * air (scene);
}

static void
wind_colour (const DvSoundBlock *block, const DvScene *scene, uint64_t number,
    Tone *tone)
{
  float gust = dv_sound_wander (1, number, 50);
  float whistle = dv_clamp (
      scene->ice + scene->mountains + 0.7f * scene->snow + scene->dread, 0, 1);
  float base = 190 + 330 * whistle - 60 * scene->desert + 120 * scene->canyon;

  tone->hz = base * (0.7f + 0.9f * gust);
  tone->damping = 1.1f - 0.75f * whistle;
  tone->band = 0.8f + 0.5f * tone->damping;
  tone->low = 0.5f * (1 - whistle);
}

static float
leaves_amount (const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  float leaves = dv_max (scene->forest, dv_max (scene->trees, scene->palms));
  float rustle = dv_sound_wander (2, number, 24);

  return 0.34f * (leaves + 0.3f * scene->meadow) * (0.25f + scene->wind) *
         (0.2f + rustle * rustle) * (1 - 0.7f * scene->snow);
}

static void
leaves_colour (const DvSoundBlock *block, const DvScene *scene, uint64_t number,
    Tone *tone)
{
  /* A wood sounds lower than a single tree, palms rattle. */
  float base = 4300 - 2900 * scene->forest - 900 * scene->palms;

  tone->hz = base * (0.8f + 0.5f * dv_sound_wander (2, number, 24));
  tone->damping = 1.0f;
  tone->band = 1;
}

/* A wave comes in about every six seconds, faster in a storm. */
static float
surge (uint64_t number)
{
  float beat = dv_turn ((double)number / 150.0);
  float other = dv_turn ((double)number / 217.0 + 0.4);
  float high = dv_max (
      0.5f - 0.5f * dv_cos (beat), 0.8f * (0.5f - 0.5f * dv_cos (other)));

  return high * high;
}

static float
waves_amount (const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  float lap = dv_sound_wander (3, number, 13);

  return (scene->sea * (0.25f + 0.9f * scene->waves) *
                 (0.25f + surge (number)) +
             0.12f * scene->lake * (0.4f + scene->waves) * (0.3f + lap)) *
         (1 - 0.8f * scene->ice);
}

static void
waves_colour (const DvSoundBlock *block, const DvScene *scene, uint64_t number,
    Tone *tone)
{
  float storm = 0.4f + 0.8f * scene->waves;

  tone->hz = scene->sea > scene->lake
                 ? 260 + 1500 * surge (number) * storm
                 : 420 + 500 * dv_sound_wander (3, number, 13);
  tone->damping = 1.6f;
  /* A storm roars, a gentle sea hisses over the sand. */
  tone->low = dv_min (0.15f + scene->waves, 0.9f);
  tone->band = 0.45f;
  tone->high = 0.16f * (1 - scene->waves) * scene->sea;
}

static float
stream_amount (const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  float gurgle = dv_sound_wander (4, number, 4);

  /* Rivers of lava do not gurgle. */
  return 0.42f * scene->river * (0.6f + 0.5f * gurgle) *
         (1 - 0.7f * scene->ice) * (1 - scene->volcano);
}

static void
stream_colour (const DvSoundBlock *block, const DvScene *scene, uint64_t number,
    Tone *tone)
{
  tone->hz = 700 + 1100 * dv_sound_wander (5, number, 3);
  tone->damping = 0.9f;
  tone->band = 0.9f;
  tone->high = 0.12f;
}

static float
rain_amount (const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  return 0.3f * scene->rain * (0.85f + 0.3f * dv_sound_wander (6, number, 40));
}

static void
rain_colour (const DvSoundBlock *block, const DvScene *scene, uint64_t number,
    Tone *tone)
{
  tone->hz = 3600;
  tone->damping = 1.4f;
  tone->band = 0.45f;
  tone->high = 0.55f;
}

static float
fire_amount (const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  float flicker = dv_sound_wander (7, number, 3);

  return (0.6f * scene->fire + 1.4f * scene->volcano) * (0.5f + 0.7f * flicker);
}

static void
fire_colour (const DvSoundBlock *block, const DvScene *scene, uint64_t number,
    Tone *tone)
{
  tone->hz = 150 + 100 * dv_sound_wander (7, number, 3) - 80 * scene->volcano;
  tone->damping = 1.3f;
  tone->low = 1.1f;
  tone->band = 0.2f;
}

static float
city_amount (const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  return 0.6f * dv_max (scene->city, 0.15f * scene->village) *
         (0.6f + 0.5f * dv_sound_wander (8, number, 70));
}

static void
city_colour (const DvSoundBlock *block, const DvScene *scene, uint64_t number,
    Tone *tone)
{
  tone->hz = 120 + 90 * dv_sound_wander (8, number, 70);
  tone->damping = 1.5f;
  tone->low = 1;
  tone->band = 0.25f;
}

/* The thin hiss of snow, of stars and of northern lights. */
static float
hiss_amount (const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  return 0.05f *
         (scene->snow + scene->aurora + 0.8f * scene->nebula +
             0.7f * scene->desert) *
         (0.4f + dv_sound_wander (9, number, 33));
}

static void
hiss_colour (const DvSoundBlock *block, const DvScene *scene, uint64_t number,
    Tone *tone)
{
  tone->hz = scene->snow > scene->aurora ? 6500 : 5200;
  tone->damping = 0.5f;
  tone->band = 0.8f;
}

static float
thunder_amount (
    const DvSoundBlock *block, const DvScene *scene, uint64_t number)
{
  float age;

  return dv_sound_thunder (block, number, &age);
}

static void
thunder_colour (const DvSoundBlock *block, const DvScene *scene,
    uint64_t number, Tone *tone)
{
  float age;

  dv_sound_thunder (block, number, &age);
  tone->hz = 75 + 900 * dv_fade (-2.5f * age);
  tone->damping = 1.2f;
  tone->low = 1.6f;
  tone->band = 0.3f;
}

static const struct {
  Amount amount;
  Colour colour;
} layers[] = {
    {wind_amount, wind_colour},
    {leaves_amount, leaves_colour},
    {waves_amount, waves_colour},
    {stream_amount, stream_colour},
    {rain_amount, rain_colour},
    {fire_amount, fire_colour},
    {city_amount, city_colour},
    {hiss_amount, hiss_colour},
    {thunder_amount, thunder_colour},
};

#define N_LAYERS (sizeof layers / sizeof layers[0])

/* Adds one half of a grain, times @gain, to the samples: @half 0 is the first
 * half. A state variable filter in trapezoidal form, one each side. */
static void
add_grain (const DvSoundBlock *block, const Tone *tone, uint32_t seed,
    unsigned half, const float *gain)
{
  float turns = dv_clamp (tone->hz, 20, 10000) / (2 * DV_SOUND_RATE);
  float g = dv_sin (turns) / dv_cos (turns);
  float k = tone->damping, scale = 1 / (1 + g * (g + k));
  float one[2] = {0}, two[2] = {0};
  uint32_t noise[2] = {dv_hash (seed), dv_hash (seed + 1)};
  unsigned skip = half * DV_SYNTH_BLOCK;

  for (unsigned i = 0; i < skip + DV_SYNTH_BLOCK; i++)
    for (int c = 0; c < 2; c++) {
      float in, high, band, low;

      noise[c] = noise[c] * 1664525u + 1013904223u;
      in = (float)(int32_t)noise[c] * (1.0f / 2147483648.0f);
      high = (in - (g + k) * one[c] - two[c]) * scale;
      band = g * high + one[c];
      one[c] = g * high + band;
      low = g * band + two[c];
      two[c] = g * band + low;
      if (i >= skip)
        block->out[2 * (i - skip) + (unsigned)c] +=
            gain[i - skip] * block->window[i] *
            (tone->low * low + tone->band * k * band + tone->high * high);
    }
}

void
dv_sound_noise (const DvSoundBlock *block)
{
  float gain[DV_SYNTH_BLOCK];

  for (uint32_t l = 0; l < N_LAYERS; l++) {
    float a = layers[l].amount (block, block->before, block->number);
    float b = layers[l].amount (block, block->after, block->number);
    float c = layers[l].amount (block, block->before, block->number + 1);
    float d = layers[l].amount (block, block->after, block->number + 1);
    float first = dv_lerp (a, b, block->from), last = dv_lerp (c, d, block->to);

    if (first < 1e-4f && last < 1e-4f)
      continue;
    for (unsigned i = 0; i < DV_SYNTH_BLOCK; i++)
      gain[i] = dv_lerp (first, last, (float)i / DV_SYNTH_BLOCK);
    for (unsigned half = 0; half < 2; half++) {
      uint64_t grain = block->number - half;
      Tone tone = {0};

      if (grain > block->number)
        continue; /* before the very first block there was none */
      layers[l].colour (
          block, dv_sound_scene (block, grain * DV_SYNTH_BLOCK), grain, &tone);
      add_grain (block, &tone,
          dv_hash2 ((uint32_t)grain, 977 * l + (uint32_t)(grain >> 32)), half,
          gain);
    }
  }
}
