/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The sound track: what the scene was at regular sample positions.
 *
 * All sound is a function of this record and of the sample's number, which is
 * why a segment's sound goes on where the last one's ended.
 */
#ifndef DV_TRACK_H
#define DV_TRACK_H

#include "scene.h"

#define DV_TRACK_STEP 3000 /* samples from one entry to the next, 125 ms */
/* Entries kept, 16 s: the longest note, and as much again for overlap. */
#define DV_TRACK_LENGTH 128

typedef struct {
  uint64_t known; /* entries ever written; the latest ones are kept */
  DvScene scene[DV_TRACK_LENGTH];
} DvSoundTrack;

/* Fills all entries below @end that are not known yet with @scene. */
void dv_track_extend (DvSoundTrack *track, uint64_t end, const DvScene *scene);

/* Entry @index, or the nearest that is kept. There is at least one. */
const DvScene *dv_track_at (const DvSoundTrack *track, uint64_t index);

#endif
