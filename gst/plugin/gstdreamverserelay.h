/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What stands behind dreamversemux's inner muxer and puts its output in order.
 */
#ifndef GST_DREAMVERSE_RELAY_H
#define GST_DREAMVERSE_RELAY_H

#include "gstdreamversetimeline.h"

G_BEGIN_DECLS

#define GST_TYPE_DREAMVERSE_RELAY (gst_dreamverse_relay_get_type ())
G_DECLARE_FINAL_TYPE (
    GstDreamverseRelay, gst_dreamverse_relay, GST, DREAMVERSE_RELAY, GstElement)

/* (transfer floating) */
GstDreamverseRelay *gst_dreamverse_relay_new (GstDreamverseTimeline *timeline);

GstPad *gst_dreamverse_relay_get_sink (GstDreamverseRelay *self);
GstPad *gst_dreamverse_relay_get_src (GstDreamverseRelay *self);

/* Out of band, past everything. */
gboolean gst_dreamverse_relay_push_event (
    GstDreamverseRelay *self, GstEvent *event);

/* The rest is called while the muxer's thread does not run. */

/* A new session: time, sequence and init segment start over. */
void gst_dreamverse_relay_clear (GstDreamverseRelay *self);
/* The muxer was reset: what was half assembled is dropped. */
void gst_dreamverse_relay_forget (GstDreamverseRelay *self);
/* Passes the flush on and ends the segment that it cut off. */
void gst_dreamverse_relay_flushed (GstDreamverseRelay *self, GstEvent *stop);
void gst_dreamverse_relay_push_eos (GstDreamverseRelay *self);

G_END_DECLS

#endif
