/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the instruments share: one block of sound in the making.
 *
 * An instrument adds its part of the block to @out. What it plays depends on
 * the block's number and on the sound track up to the block, nothing else:
 * noise comes in overlapping grains that are seeded by their number, tones
 * take their phase from the sample's number, notes their pitch and loudness
 * from the scene at their start.
 */
#ifndef DV_SOUND_H
#define DV_SOUND_H

#include "synth.h"

#define DV_SOUND_RATE 24000
#define DV_SOUND_LONGEST (5 * DV_SOUND_RATE) /* samples of a note */

/* A block; the scene goes from @before to @after in a whole track step, of
 * which this block is the part @from to @to. */
typedef struct {
  uint64_t number;
  const DvSoundTrack *track;
  const float *window; /* of a grain: 2 * DV_SYNTH_BLOCK values */
  const DvScene *before, *after;
  float from, to;
  float *out; /* stereo */
} DvSoundBlock;

/* The scene at sample @sample since reset. */
const DvScene *dv_sound_scene (const DvSoundBlock *block, uint64_t sample);

/* A slow wander in [0, 1], one step each @blocks blocks, at the beginning of
 * block @number. */
float dv_sound_wander (uint32_t salt, uint64_t number, uint32_t blocks);

/* How loud the strikes of thunder are at the beginning of block @number, and
 * how long ago, in seconds, the loudest was. */
float dv_sound_thunder (const DvSoundBlock *block, uint64_t number, float *age);

/* Wind, leaves, waves, streams, rain, fire, city, thunder. */
void dv_sound_noise (const DvSoundBlock *block);
/* Birds, bells, plucked strings, crickets, bubbles, crackles, drops. */
void dv_sound_notes (const DvSoundBlock *block);
/* The chord of the mood, hum, shimmer. */
void dv_sound_chord (const DvSoundBlock *block);

/* A step of the scale that a scene plays in, in Hz; @degree counts its notes
 * upwards from the root near 110 Hz. */
float dv_sound_pitch (const DvScene *scene, int degree);

#endif
