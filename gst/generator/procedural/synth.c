/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makes the sound of a scene, block by block: asks the instruments, sees to
 * the loudness.
 */
#include "synth.h"

#include <string.h>

#include "maths.h"
#include "sound.h"
#include "stamp.h"

#define BLOCKS_A_STEP (DV_TRACK_STEP / DV_SYNTH_BLOCK)
_Static_assert(DV_TRACK_STEP % DV_SYNTH_BLOCK == 0, "a block has one step");
_Static_assert(DV_SOUND_LONGEST < DV_TRACK_LENGTH / 2 * DV_TRACK_STEP,
    "the track knows the start of every note");

/* Louder than this is bent, and never reaches full scale. */
#define BEND 0.5f
#define CEILING 0.98f

const DvScene *
dv_sound_scene (const DvSoundBlock *block, uint64_t sample)
{
  return dv_track_at (block->track, sample / DV_TRACK_STEP);
}

float
dv_sound_wander (uint32_t salt, uint64_t number, uint32_t blocks)
{
  uint64_t step = number / blocks;
  float t = (float)(number % blocks) / (float)blocks;
  float a = dv_unit (dv_hash2 ((uint32_t)step, salt));
  float b = dv_unit (dv_hash2 ((uint32_t)(step + 1), salt));

  return dv_lerp (a, b, t * t * (3 - 2 * t));
}

static float
limit (float x)
{
  float size = x < 0 ? -x : x, over = size - BEND;

  if (over <= 0)
    return x;
  size = BEND + (CEILING - BEND) * over / (over + CEILING - BEND);
  return x < 0 ? -size : size;
}

/* Quiet scenes are brought up and noisy ones down, to about -20 dBFS. */
static float
volume (const DvScene *scene)
{
  float noise = scene->sea * (0.2f + scene->waves) + 0.6f * scene->rain +
                0.5f * scene->fire + 0.3f * scene->volcano +
                0.5f * scene->city + 0.5f * scene->river + 0.4f * scene->wind +
                0.5f * scene->nebula + scene->drone + scene->thunder +
                scene->music + 0.9f * scene->joy + 0.7f * scene->bells;

  return 3.2f / (1 + 1.6f * noise);
}

static void
make_block (const DvSynth *synth, uint64_t number, float *out)
{
  uint64_t entry = number / BLOCKS_A_STEP, part = number % BLOCKS_A_STEP;
  DvSoundBlock block = {.number = number,
      .track = synth->track,
      .window = synth->window,
      .before = dv_track_at (synth->track, entry ? entry - 1 : 0),
      .after = dv_track_at (synth->track, entry),
      .from = (float)part / BLOCKS_A_STEP,
      .to = (float)(part + 1) / BLOCKS_A_STEP,
      .out = out};
  float first, last;

  memset (out, 0, 2 * DV_SYNTH_BLOCK * sizeof *out);
  dv_sound_noise (&block);
  dv_sound_notes (&block);
  dv_sound_chord (&block);
  first = dv_lerp (volume (block.before), volume (block.after), block.from);
  last = dv_lerp (volume (block.before), volume (block.after), block.to);
  for (size_t i = 0; i < 2 * DV_SYNTH_BLOCK; i++)
    out[i] =
        limit (out[i] * dv_lerp (first, last, (float)(i / 2) / DV_SYNTH_BLOCK));
  if (synth->clicks)
    dv_stamp_click (number * DV_SYNTH_BLOCK, DV_SYNTH_BLOCK, out);
}

void
dv_synth_start (DvSynth *synth, const DvSoundTrack *track, bool clicks)
{
  synth->track = track;
  synth->clicks = clicks;
  synth->cached = false;
  /* The squares of two windows that overlap by half add up to one. */
  for (unsigned i = 0; i < 2 * DV_SYNTH_BLOCK; i++)
    synth->window[i] = dv_sin (((float)i + 0.5f) / (4 * DV_SYNTH_BLOCK));
}

void
dv_synth_render (DvSynth *synth, uint64_t first, size_t count, float *out)
{
  while (count) {
    uint64_t block = first / DV_SYNTH_BLOCK;
    size_t offset = (size_t)(first % DV_SYNTH_BLOCK);
    size_t n = DV_SYNTH_BLOCK - offset;

    if (n > count)
      n = count;
    if (!synth->cached || synth->block != block) {
      make_block (synth, block, synth->samples);
      synth->block = block;
      synth->cached = true;
    }
    memcpy (out, synth->samples + 2 * offset, 2 * n * sizeof *out);
    out += 2 * n;
    first += n;
    count -= n;
  }
}
