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
  gchar last_code[64], last_stage[64], last_id[64], last_text[256];
  gboolean error_before_media_error;
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

#endif
