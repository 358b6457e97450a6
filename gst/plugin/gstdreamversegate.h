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

/* Tells a muxer that was reset what stream this is. The caller has seen to it
 * that the gate's thread is not inside the muxer. */
void gst_dreamverse_gate_resend (GstDreamverseGate *self);

G_END_DECLS

#endif
