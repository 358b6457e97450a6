/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makes the sound of a scene.
 *
 * A sample is a function of the sound track and of the sample's number alone;
 * a synth keeps a cache, never history.
 */
#ifndef DV_SYNTH_H
#define DV_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "track.h"

/* Samples made at once; a whole part of DV_TRACK_STEP. */
#define DV_SYNTH_BLOCK 1000

typedef struct {
  const DvSoundTrack *track;
  bool clicks; /* on each whole second, for tests */
  bool cached;
  uint64_t block; /* in the cache */
  float samples[2 * DV_SYNTH_BLOCK];
  float window[2 * DV_SYNTH_BLOCK]; /* of a grain of noise */
} DvSynth;

/* From now on plays @track, which stays the caller's. */
void dv_synth_start (DvSynth *synth, const DvSoundTrack *track, bool clicks);

/* Samples @first to @first + @count - 1 since reset; the track must reach
 * that far. */
void dv_synth_render (DvSynth *synth, uint64_t first, size_t count, float *out);

#endif
