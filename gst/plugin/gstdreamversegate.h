/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The gate in front of one sink pad of dreamversemux's inner muxer.
 */
#ifndef GST_DREAMVERSE_GATE_H
#define GST_DREAMVERSE_GATE_H

#include "gstdreamversetimeline.h"

G_BEGIN_DECLS

#define GST_TYPE_DREAMVERSE_GATE (gst_dreamverse_gate_get_type ())
G_DECLARE_FINAL_TYPE (
    GstDreamverseGate, gst_dreamverse_gate, GST, DREAMVERSE_GATE, GstElement)

/* (transfer floating) */
GstDreamverseGate *gst_dreamverse_gate_new (
    GstDreamverseTimeline *timeline, GstDreamverseTrack track);

GstPad *gst_dreamverse_gate_get_sink (GstDreamverseGate *self);
GstPad *gst_dreamverse_gate_get_src (GstDreamverseGate *self);

/* The delay that is taken out of the audio, ns; -1: by encoder. */
void gst_dreamverse_gate_set_delay (GstDreamverseGate *self, gint64 delay);

/* The muxer was reset: it does not know any more what stream this is. With the
 * timeline's lock held. */
void gst_dreamverse_gate_forget (GstDreamverseGate *self);

G_END_DECLS

#endif
