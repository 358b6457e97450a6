/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makes the sound of a scene, block by block.
 */
#include "synth.h"

#include <string.h>

#include "maths.h"
#include "stamp.h"

/* One part of a chord: a sine whose phase comes from the sample's number. */
static void
add_tone (uint64_t first, float hz, const float gain[2], float *out)
{
  uint64_t step = (uint64_t)((double)hz / 24000 * 4294967296.0);

  for (unsigned i = 0; i < DV_SYNTH_BLOCK; i++) {
    uint32_t phase = (uint32_t)((first + i) * step);
    float t = (float)i / DV_SYNTH_BLOCK;
    float value = dv_lerp (gain[0], gain[1], t) *
                  dv_sin ((float)(phase >> 8) * (1.0f / 16777216));

    out[2 * i] += value;
    out[2 * i + 1] += value;
  }
}

static void
make_block (const DvSynth *synth, uint64_t block, float *out)
{
  uint64_t entry = block / (DV_TRACK_STEP / DV_SYNTH_BLOCK);
  const DvScene *before = dv_track_at (synth->track, entry ? entry - 1 : 0);
  const DvScene *after = dv_track_at (synth->track, entry);
  float part = (float)(block % (DV_TRACK_STEP / DV_SYNTH_BLOCK));
  float t[2] = {part / 3, (part + 1) / 3}, gain[2];

  memset (out, 0, 2 * DV_SYNTH_BLOCK * sizeof *out);
  for (int i = 0; i < 2; i++)
    gain[i] = 0.05f * dv_lerp (before->wind, after->wind, t[i]) + 0.05f;
  add_tone (block * DV_SYNTH_BLOCK, 110, gain, out);
  if (synth->clicks)
    dv_stamp_click (block * DV_SYNTH_BLOCK, DV_SYNTH_BLOCK, out);
}

void
dv_synth_start (DvSynth *synth, const DvSoundTrack *track, bool clicks)
{
  synth->track = track;
  synth->clicks = clicks;
  synth->cached = false;
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
