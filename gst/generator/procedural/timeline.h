/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The timeline: what the scene is at each frame, and the continuation state.
 *
 * It keeps the state at the newest frame (head), the state some frames
 * earlier (base) and the turns, changes of the scene, between the two, so that
 * the latest frames can be drawn again exactly as they were. All of it is a
 * plain struct of fixed size: a copy of it is a whole copy of the state.
 */
#ifndef DV_TIMELINE_H
#define DV_TIMELINE_H

#include "painter.h"
#include "track.h"

/* Frames that can be drawn again. */
#define DV_TIMELINE_HISTORY 256
#define DV_TIMELINE_MORPH_SECONDS 2.5

/* Everything that the frames from @frame on depend on, until the next turn. */
typedef struct {
  uint64_t frame;                           /* since reset */
  double time, camera_x, camera_zoom, wind; /* as in DvMoment */
  DvScene from, to;
  uint64_t morph_start;  /* the frame that is still all @from */
  uint32_t morph_frames; /* 0: there is no morph, all is @to */
} DvTimelinePoint;

typedef struct {
  uint64_t frame;
  uint32_t morph_frames;
  DvScene to;
} DvTimelineTurn;

typedef struct {
  bool started;
  uint32_t fps_n, fps_d;
  DvTimelinePoint base, head;
  unsigned n_turns;
  DvTimelineTurn turn[DV_TIMELINE_HISTORY]; /* base.frame < frame, rising */
  DvSoundTrack sound;
} DvTimeline;

/* Forgets everything. */
void dv_timeline_clear (DvTimeline *timeline);

/* A clean start: the scene is @scene straight away. */
void dv_timeline_start (
    DvTimeline *timeline, uint32_t fps_n, uint32_t fps_d, const DvScene *scene);

/* From the head on the scene turns into @scene, within at most @frames. When
 * it is @scene already, or about to be, nothing happens. */
void dv_timeline_turn (
    DvTimeline *timeline, const DvScene *scene, uint32_t frames);

/* The oldest frame that can still be drawn. */
uint64_t dv_timeline_oldest (const DvTimeline *timeline);

/* The point at @frame, which is at least dv_timeline_oldest(). */
void dv_timeline_seek (
    const DvTimeline *timeline, uint64_t frame, DvTimelinePoint *point);

/* Goes on by one frame. */
void dv_timeline_next (const DvTimeline *timeline, DvTimelinePoint *point);

/* What the painter needs to know of a point. */
void dv_timeline_moment (const DvTimelinePoint *point, DvMoment *moment);

/* Makes @point the head, and forgets what is too old. */
void dv_timeline_advance (DvTimeline *timeline, const DvTimelinePoint *point);

/* The state as bytes, the same on every machine; NULL when out of memory. */
uint8_t *dv_timeline_save (const DvTimeline *timeline, size_t *size);

/* Refuses, and leaves @timeline as it was, what is not such a state. */
DvStatus dv_timeline_load (
    DvTimeline *timeline, const uint8_t *data, size_t size, DvError *error);

#endif
