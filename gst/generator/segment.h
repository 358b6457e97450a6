/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Segment arithmetic: pure integers, no state of its own.
 *
 * Segment 1 yields F frames; later ones F - V, after the V overlap frames at
 * their head are trimmed. Times come from cumulative counts, so nothing
 * accumulates: after T frames the audio holds round (T * rate * d / n)
 * samples for a frame rate of n/d.
 */
#ifndef DV_SEGMENT_H
#define DV_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define DV_DEFAULT_FRAMES 121
#define DV_DEFAULT_OVERLAP 9
#define DV_DEFAULT_AUDIO_OVERLAP 49

typedef struct {
  uint32_t fps_n, fps_d;  /* frame rate, a fraction */
  uint32_t rate;          /* audio samples a second */
  uint32_t frames;        /* F */
  uint32_t overlap;       /* V, frames; below F */
  uint32_t audio_overlap; /* A, in video frames: what the model repeats of the
                           * audio. At least V. */
} DvSegmentSpec;

/* Where one segment stands in the stream and what is kept of what the model
 * makes. */
typedef struct {
  uint32_t frames;       /* frames kept: F, or F - V */
  uint32_t trim_frames;  /* frames cut from the head: 0, or V */
  uint64_t first_frame;  /* frames of the stream before this segment */
  uint64_t first_sample; /* samples of the stream before this segment */
  uint64_t samples;      /* samples kept: up to the cumulative boundary */
  uint64_t trim_samples; /* samples cut from the head of the model's audio:
                          * 0, or round (A * rate * d / n) */
} DvSegmentPlan;

/* Refuses zero rates, V >= F, A < V. */
DvStatus dv_segment_check (const DvSegmentSpec *spec, DvError *error);

/* The cumulative boundary: samples that belong to the first @frames frames. */
uint64_t dv_segment_samples (const DvSegmentSpec *spec, uint64_t frames);

/* Nanoseconds at which frame number @frame of the stream begins (floor). */
uint64_t dv_segment_frame_time (const DvSegmentSpec *spec, uint64_t frame);

/* Nanoseconds at which sample number @sample of the stream begins (floor). */
uint64_t dv_segment_sample_time (const DvSegmentSpec *spec, uint64_t sample);

/* The plan of a segment that follows @frames_before frames of stream;
 * @continued tells whether it continues the last (head trim) or starts
 * clean. */
void dv_segment_plan (const DvSegmentSpec *spec, uint64_t frames_before,
    bool continued, DvSegmentPlan *plan);

#endif
