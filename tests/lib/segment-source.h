/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A source for tests: raw frames and samples in announced segments, as
 * dreamversesrc sends them, into two pads, from a thread each.
 *
 * Threads: fields are set before start; counters are read after wait.
 */
#ifndef SEGMENT_SOURCE_H
#define SEGMENT_SOURCE_H

#include <gst/gst.h>

typedef struct {
  /* the stream */
  guint width, height, fps; /* 160, 96, 24 */
  guint rate;               /* 48000, stereo */
  gboolean float_audio;     /* F32LE instead of S16LE */
  guint segments, frames;   /* 3, 24 */
  gboolean announce;        /* TRUE: dreamverse-segment events */
  gboolean clicks;          /* an impulse and a white picture each second */
  gboolean paced;           /* in real time */
  guint pause_ms;           /* after each segment; paced only */
  guint announced_frames;   /* of each segment; 0: the truth */
  guint round;              /* part of the stream ids */
  guint64 offset_frames;    /* where the first segment starts */
  /* how its end looks */
  gboolean closing; /* TRUE: silence, so that both tracks end together */
  gboolean known;   /* TRUE: the last segment's announcement says so */
  gboolean found;   /* an event in the middle of the last segment does */
  gboolean eos;     /* TRUE */
  /* faults: samples too many (too few) in segment i, repeating */
  const gint *audio_error;
  guint n_audio_error;
  guint stop_video_after; /* frames; 0: never. Then EOS. */

  /* what happened: monotonic time at which the last picture and sample of
   * segment i was handed over */
  gint64 *last_us;
  gint controls[2]; /* upstream control events that arrived */

  GstPad *video, *audio; /* NULL: without */
  GThread *threads[2];
  gint64 began_us;
  gint stopped;
  GstFlowReturn flow[2];
} SegmentSource;

void segment_source_init (SegmentSource *self);
/* Links to encoders' sink pads; either may be NULL. */
void segment_source_link (
    SegmentSource *self, GstElement *video, GstElement *audio);
void segment_source_start (SegmentSource *self);
/* Waits for both threads; with @stop, soon. It may be started again. */
void segment_source_join (SegmentSource *self, gboolean stop);
/* On both pads. */
void segment_source_push_event (SegmentSource *self, GstEvent *event);
/* The same, and for good. */
void segment_source_finish (SegmentSource *self, gboolean stop);

GstStructure *segment_source_structure (
    const SegmentSource *self, const gchar *name, guint segment);
guint64 segment_source_samples (const SegmentSource *self, guint64 frames);
GstClockTime segment_source_end (const SegmentSource *self, guint segment);

#endif
