/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A segment source, encoders, dreamversemux and a collector, for its tests.
 */
#ifndef MUX_RIG_H
#define MUX_RIG_H

#include "fragment-collector.h"
#include "segment-source.h"

typedef struct {
  GstElement *pipeline, *venc, *aenc, *mux;
  SegmentSource source;
  FragmentCollector out;
  /* messages, under out.lock */
  guint media_complete, media_error, errors;
  gchar code[64], stage[64], id[64], text[256]; /* of the first media error */
} MuxRig;

#define RIG_X264 "x264enc tune=zerolatency speed-preset=ultrafast"

/* Bin descriptions, with "sink" and "src" ghosted; either may be NULL. */
void mux_rig_init (MuxRig *rig, const gchar *venc, const gchar *aenc);
void mux_rig_start (MuxRig *rig);
/* Starts, waits for EOS, stops. */
void mux_rig_run (MuxRig *rig, guint seconds);
void mux_rig_clear (MuxRig *rig);
/* Nothing was wrong with any buffer, nor with the order of things. */
void mux_rig_check_clean (MuxRig *rig);
/* The application hears of the segment before it hears of the error. */
void mux_rig_check_named_first (MuxRig *rig);

#endif
