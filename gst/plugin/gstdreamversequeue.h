/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What was generated and not yet pushed: two lanes, one a pad, of buffers and
 * serialized events. A push never waits, so that a step can always complete;
 * its bound is that a step begins only while gst_dreamverse_queue_segments()
 * and gst_dreamverse_queue_bytes() leave room.
 *
 * Threads: has no lock of its own; callers hold the source's. To free a buffer
 * is a call out, into its pool: what is dropped is only laid aside until the
 * caller has let go of the lock.
 */
#ifndef GST_DREAMVERSE_QUEUE_H
#define GST_DREAMVERSE_QUEUE_H

#include <gst/base/base.h>
#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  GST_DREAMVERSE_LANE_VIDEO,
  GST_DREAMVERSE_LANE_AUDIO,
  GST_DREAMVERSE_N_LANES
} GstDreamverseLane;

typedef struct {
  GstQueueArray *lane[GST_DREAMVERSE_N_LANES];
  gboolean closed[GST_DREAMVERSE_N_LANES];
  guint64 ordinal; /* segments begun */
  guint64 bytes;
  GSList *dropped; /* to be freed without the lock */
} GstDreamverseQueue;

void gst_dreamverse_queue_init (GstDreamverseQueue *queue);
/* Frees everything; without the lock. */
void gst_dreamverse_queue_clear (GstDreamverseQueue *queue);

/* What is pushed from here on belongs to another segment. */
void gst_dreamverse_queue_begin_segment (GstDreamverseQueue *queue);
/* Takes @object, a buffer or an event; a closed lane drops it. */
void gst_dreamverse_queue_push (
    GstDreamverseQueue *queue, GstDreamverseLane lane, gpointer object);
/* The oldest object, or NULL. */
GstMiniObject *gst_dreamverse_queue_pop (
    GstDreamverseQueue *queue, GstDreamverseLane lane);
/* Nobody takes from this lane any more: drops what is and what will be. */
void gst_dreamverse_queue_close (
    GstDreamverseQueue *queue, GstDreamverseLane lane);
/* Takes again, if it was closed: then TRUE. */
gboolean gst_dreamverse_queue_reopen (
    GstDreamverseQueue *queue, GstDreamverseLane lane);
/* Drops what waits in both lanes. */
void gst_dreamverse_queue_drop (GstDreamverseQueue *queue);
/* What goes the way of all that was dropped. */
void gst_dreamverse_queue_refuse (GstDreamverseQueue *queue, gpointer object);
/* What was dropped, for gst_dreamverse_queue_free_dropped(). */
GSList *gst_dreamverse_queue_take_dropped (GstDreamverseQueue *queue);
/* Without the lock. */
void gst_dreamverse_queue_free_dropped (GSList *dropped);

/* Segments of which anything waits in either lane. */
guint gst_dreamverse_queue_segments (const GstDreamverseQueue *queue);
guint64 gst_dreamverse_queue_bytes (const GstDreamverseQueue *queue);

G_END_DECLS

#endif
