/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Segment arithmetic. 128-bit intermediates, so that no stream is too long.
 */
#include "segment.h"

#define NS_PER_SECOND 1000000000u

typedef unsigned __int128 Wide;

DvStatus
dv_segment_check (const DvSegmentSpec *spec, DvError *error)
{
  if (spec->fps_n == 0 || spec->fps_d == 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "segment",
        "frame rate %u/%u is not above zero", spec->fps_n, spec->fps_d);
  if (spec->rate == 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "segment", "sample rate is zero");
  if (spec->frames == 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "segment",
        "a segment must have at least one frame");
  if (spec->overlap >= spec->frames)
    return dv_fail (error, DV_ERROR_ARGUMENT, "segment",
        "overlap of %u frames leaves nothing of a segment of %u frames",
        spec->overlap, spec->frames);
  if (spec->audio_overlap < spec->overlap)
    return dv_fail (error, DV_ERROR_ARGUMENT, "segment",
        "audio overlap of %u frames is below the video's %u",
        spec->audio_overlap, spec->overlap);
  return DV_OK;
}

uint64_t
dv_segment_samples (const DvSegmentSpec *spec, uint64_t frames)
{
  Wide divided = (Wide)frames * spec->rate * spec->fps_d;

  return (uint64_t)((divided + spec->fps_n / 2) / spec->fps_n);
}

uint64_t
dv_segment_frame_time (const DvSegmentSpec *spec, uint64_t frame)
{
  return (uint64_t)((Wide)frame * NS_PER_SECOND * spec->fps_d / spec->fps_n);
}

uint64_t
dv_segment_sample_time (const DvSegmentSpec *spec, uint64_t sample)
{
  return (uint64_t)((Wide)sample * NS_PER_SECOND / spec->rate);
}

void
dv_segment_plan (const DvSegmentSpec *spec, uint64_t frames_before,
    bool continued, DvSegmentPlan *plan)
{
  plan->trim_frames = continued ? spec->overlap : 0;
  plan->frames = spec->frames - plan->trim_frames;
  plan->first_frame = frames_before;
  plan->first_sample = dv_segment_samples (spec, frames_before);
  plan->samples = dv_segment_samples (spec, frames_before + plan->frames) -
                  plan->first_sample;
  plan->trim_samples =
      continued ? dv_segment_samples (spec, spec->audio_overlap) : 0;
}
