/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The sound track.
 */
#include "track.h"

void
dv_track_extend (DvSoundTrack *track, uint64_t end, const DvScene *scene)
{
  uint64_t at = track->known;

  if (end <= at)
    return;
  if (end - at > DV_TRACK_LENGTH)
    at = end - DV_TRACK_LENGTH;
  for (; at < end; at++)
    track->scene[at % DV_TRACK_LENGTH] = *scene;
  track->known = end;
}

const DvScene *
dv_track_at (const DvSoundTrack *track, uint64_t index)
{
  uint64_t oldest =
      track->known > DV_TRACK_LENGTH ? track->known - DV_TRACK_LENGTH : 0;

  if (index < oldest)
    index = oldest;
  else if (index >= track->known)
    index = track->known - 1;
  return &track->scene[index % DV_TRACK_LENGTH];
}
