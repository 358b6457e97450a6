/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sounds that last: the chord of the mood, the hum of a city, the shimmer of
 * northern lights and stars.
 *
 * A chord lasts four seconds, and every two seconds the next one begins; while
 * the scene stays the same so does the chord, and as the phase of a tone comes
 * from the sample's number the two are one.
 */
#include "sound.h"

#include "maths.h"

#define CHORD_STEP (2 * DV_SOUND_RATE)
#define VOICES 6

/* Steps of the scale in semitones, by mood. */
static const int bright[5] = {0, 2, 4, 7, 9};
static const int dark[5] = {0, 3, 5, 7, 10};
static const int uneasy[5] = {0, 1, 5, 6, 10};
static const int open[5] = {0, 2, 5, 7, 10};

/* 110 Hz times 2^(k/12) */
static const float semitone[12] = {110.0f, 116.54f, 123.47f, 130.81f, 138.59f,
    146.83f, 155.56f, 164.81f, 174.61f, 185.0f, 196.0f, 207.65f};

float
dv_sound_pitch (const DvScene *scene, int degree)
{
  const int *scale = open;
  int root, steps;
  float hz;

  if (scene->dread > 0.35f)
    scale = uneasy;
  else if (scene->joy > 0.35f)
    scale = bright;
  else if (scene->sun_height < 0 || scene->rain > 0.4f)
    scale = dark;
  root = (int)(dv_hash2 (scene->seed, (uint32_t)(scene->hue * 6)) % 12);
  steps = root + scale[degree % 5];
  hz = semitone[steps % 12];
  for (int octave = steps / 12 + degree / 5; octave > 0; octave--)
    hz *= 2;
  return hz > 8000 ? 8000 : hz;
}

/* A tone from beginning to end of the block, from @gain[0] to @gain[1], a
 * little apart left and right. */
static void
add_tone (const DvSoundBlock *block, float hz, float apart, const float gain[2])
{
  for (unsigned c = 0; c < 2; c++) {
    double turns = (double)(hz + (c ? apart : -apart)) / DV_SOUND_RATE;
    uint32_t step = (uint32_t)(turns * 4294967296.0);
    uint32_t phase = (uint32_t)(block->number * DV_SYNTH_BLOCK * step);

    for (unsigned i = 0; i < DV_SYNTH_BLOCK; i++, phase += step)
      block->out[2 * i + c] +=
          dv_lerp (gain[0], gain[1], (float)i / DV_SYNTH_BLOCK) *
          dv_sin ((float)(phase >> 8) * (1.0f / 16777216));
  }
}

static float
chord_amount (const DvScene *scene)
{
  float mood = dv_max (
      dv_max (scene->calm, scene->joy), dv_max (scene->dread, scene->awe));

  return 0.022f + 0.03f * mood + 0.07f * scene->drone + 0.05f * scene->music +
         0.05f * dv_max (scene->space, scene->nebula);
}

/* Which step of the scale a voice sings, and how loud. */
static void
voice (const DvScene *scene, unsigned number, int *degree, float *level)
{
  static const int degrees[VOICES] = {0, 3, 5, 7, 11, 15};
  float up = dv_clamp (0.25f + 0.5f * scene->awe + 0.4f * scene->joy +
                           0.3f * scene->sun_height - 0.5f * scene->dread,
      0.05f, 1);
  float fall = 1;

  for (unsigned i = 0; i < number; i++)
    fall *= 0.35f + 0.55f * up;
  *degree = degrees[number];
  *level = fall;
}

/* The chord that begins in step @step, shaped over this block. */
static void
add_chord (const DvSoundBlock *block, uint64_t step)
{
  uint64_t first = block->number * DV_SYNTH_BLOCK, start = step * CHORD_STEP;
  const DvScene *scene = dv_sound_scene (block, start);
  float amount = chord_amount (scene), shape[2];
  /* Deep space sounds an octave lower. */
  float deep = scene->space > 0.5f || scene->dread > 0.5f ? 0.5f : 1;

  for (int i = 0; i < 2; i++) {
    float at = (float)(first - start + (uint64_t)i * DV_SYNTH_BLOCK) /
               (2 * CHORD_STEP);
    float sine = dv_sin (0.5f * at);

    shape[i] = sine * sine * amount;
  }
  for (unsigned v = 0; v < VOICES; v++) {
    float level, gain[2], hz, third[2];
    int degree;

    voice (scene, v, &degree, &level);
    if (level < 0.02f)
      break;
    hz = dv_sound_pitch (scene, degree) * deep;
    for (int i = 0; i < 2; i++) {
      float swell = 0.6f + 0.4f * dv_sound_wander (
                                      20 + v, block->number + (uint64_t)i, 60);
      gain[i] = shape[i] * level * swell;
      third[i] = 0.18f * gain[i];
    }
    add_tone (block, hz, 0.11f + 0.05f * (float)v, gain);
    add_tone (block, 2 * hz, 0.2f, third);
  }
}

typedef float (*Amount) (const DvScene *scene);

/* Loudness at the beginning and the end of the block. */
static bool
fade (const DvSoundBlock *block, Amount amount, float gain[2])
{
  float before = amount (block->before), after = amount (block->after);

  gain[0] = dv_lerp (before, after, block->from);
  gain[1] = dv_lerp (before, after, block->to);
  return gain[0] > 1e-4f || gain[1] > 1e-4f;
}

static float
hum_amount (const DvScene *scene)
{
  return 0.05f * dv_max (scene->city, scene->neon);
}

static float
shimmer_amount (const DvScene *scene)
{
  return 0.02f * dv_max (dv_max (scene->aurora, 0.5f * scene->stars),
                     dv_max (scene->nebula, scene->rainbow));
}

void
dv_sound_chord (const DvSoundBlock *block)
{
  static const float shimmer[4] = {1760, 2217.5f, 2637, 3520};
  uint64_t step = block->number * DV_SYNTH_BLOCK / CHORD_STEP;
  float gain[2];

  add_chord (block, step);
  if (step)
    add_chord (block, step - 1);
  if (fade (block, hum_amount, gain))
    for (unsigned i = 1; i <= 3; i++) {
      float part[2] = {gain[0] / (float)i, gain[1] / (float)i};
      add_tone (block, 100 * (float)i, 0.05f, part);
    }
  if (fade (block, shimmer_amount, gain))
    for (unsigned i = 0; i < 4; i++) {
      float part[2];

      for (int k = 0; k < 2; k++) {
        float wave = dv_sound_wander (30 + i, block->number + (uint64_t)k, 17);
        part[k] = gain[k] * wave * wave;
      }
      add_tone (block, shimmer[i], 0.9f, part);
    }
}
