/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What stands behind dreamversemux in tests: checks every buffer as it comes
 * and keeps counts, not data.
 *
 * Threads: the streaming thread writes under the lock; tests wait with a bound
 * and read under it, or after the pipeline stopped.
 */
#ifndef FRAGMENT_COLLECTOR_H
#define FRAGMENT_COLLECTOR_H

#include <stdio.h>

#include <gst/gst.h>

#include "fmp4.h"

typedef struct {
  gboolean seen;
  guint64 first, next; /* ticks */
  guint32 timescale;
  guint64 samples, fragments;
  guint64 gaps, overlaps;
  gint64 longest_gap; /* ticks */
  guint64 longest;    /* fragment, ticks */
} CollectedTrack;

typedef struct {
  GMutex lock;
  GCond cond;
  GstPad *pad;
  FILE *file; /* everything is written there, if not NULL */

  guint announced, inits, different_inits, completed, aborted;
  guint fragments, keys, bad_order;
  guint outside; /* fragments that belong to no segment, where there are any */
  guint32 sequence;
  gboolean eos, in_segment, flushed;
  guint errors; /* what was wrong with a buffer */
  gchar first_error[256];
  GstClockTime last_pts[2], last_end[2];
  CollectedTrack track[2]; /* video, audio */
  /* of each completed segment */
  GArray *last_fragment_us; /* gint64, index 0: first segment */
  GArray *reset_ms;         /* gdouble */
  GstStructure *last_completion;
  gint64 fragment_us;

  GstBuffer *init;
  Fmp4Init parsed;
} FragmentCollector;

void fragment_collector_init (FragmentCollector *self);
void fragment_collector_link (FragmentCollector *self, GstElement *mux);
void fragment_collector_clear (FragmentCollector *self);
/* FALSE: it did not happen in time. */
gboolean fragment_collector_wait_eos (FragmentCollector *self, guint seconds);
gboolean fragment_collector_wait_completed (
    FragmentCollector *self, guint completed, guint seconds);
gdouble fragment_collector_end (FragmentCollector *self, guint track);

#endif
