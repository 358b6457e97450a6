/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the two files of a gate share: gstdreamversegate.c (the element, what
 * comes from upstream) and gstdreamversegatetask.c (what goes into the muxer).
 */
#ifndef GST_DREAMVERSE_GATE_PRIVATE_H
#define GST_DREAMVERSE_GATE_PRIVATE_H

#include "gstdreamversegate.h"

G_BEGIN_DECLS

struct _GstDreamverseGate {
  GstElement parent;

  GstPad *sinkpad, *srcpad;
  GstDreamverseTimeline *timeline;
  GstDreamverseTrack track;
  GstDreamverseTrackState *state; /* the timeline's */

  /* under the timeline's lock */
  GQueue queue; /* GstBuffer and serialized GstEvent */
  guint buffers;
  GQueue dropped; /* to be freed without the lock: buffers call their pool */
  gboolean timed; /* a segment in time has come, since the last flush */
  gboolean inactive;
  gboolean flushing;
  GstFlowReturn flow;
  gint64 wanted_delay;
  GstEvent *stream_start, *caps, *segment;
  gboolean told; /* the muxer, in this filling */

  /* of the task alone, between flushes */
  GstSegment in;
  GstDreamverseTime first;   /* what the encoder began with */
  GstClockTimeDiff reorder;  /* of video: PTS - DTS of its first frame */
  GstDreamverseTime dts_end; /* of the last sample given */
};

/* ---- with the timeline's lock held ---- */

/* The task has to leave its function, and callers theirs. */
static inline gboolean
gst_dreamverse_gate_leaves (const GstDreamverseGate *self)
{
  return self->inactive || self->flushing || self->timeline->stopping;
}

static inline void
gst_dreamverse_gate_wait (GstDreamverseGate *self)
{
  g_cond_wait (&self->timeline->cond, &self->timeline->lock);
}

/* Lets go of the lock, and then frees what was dropped. */
void gst_dreamverse_gate_unlock (GstDreamverseGate *self);
/* Drops what waits. */
void gst_dreamverse_gate_clear_queue (GstDreamverseGate *self);

/* One step of whatever can be done now, or a wait: the task's work. Lets go of
 * the lock meanwhile. */
void gst_dreamverse_gate_step (GstDreamverseGate *self);

G_END_DECLS

#endif
