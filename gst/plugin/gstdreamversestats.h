/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What names a segment of a source, the structures that carry it, and the
 * timings of recent segments.
 *
 * Threads: the functions that make structures are pure; the statistics have no
 * lock of their own, callers hold the source's.
 */
#ifndef GST_DREAMVERSE_STATS_H
#define GST_DREAMVERSE_STATS_H

#include <gst/gst.h>

#include "generator.h"

G_BEGIN_DECLS

#define GST_DREAMVERSE_STREAM_ID_SIZE 24
#define GST_DREAMVERSE_STATS_SEGMENTS 16

/* One attempt at a segment. */
typedef struct {
  guint epoch, index;
  guint64 sequence;
  gchar stream_id[GST_DREAMVERSE_STREAM_ID_SIZE];
  gchar *prompt;
  gchar *prompt_id;        /* NULL: the prompt has none */
  GstClockTime start, end; /* stream time: flushes do not move it */
  guint frames;
  guint64 samples;
} GstDreamverseAttempt;

void gst_dreamverse_attempt_clear (GstDreamverseAttempt *attempt);

/* The fields that name the segment, start and end in stream time. */
GstStructure *gst_dreamverse_attempt_structure (
    const GstDreamverseAttempt *attempt, const gchar *name);
/* Stream time to running time in start and end; @origin: stream time of running
 * time 0. */
void gst_dreamverse_structure_to_running (
    GstStructure *structure, GstClockTime origin);
/* Adds the model's name and whether it is a drawing. */
void gst_dreamverse_structure_set_model (
    GstStructure *structure, const DvModelInfo *info);
/* One double a stage, ms. */
GstStructure *gst_dreamverse_timings_structure (const DvReport *report);

typedef struct {
  guint64 segments, aborted, frames, samples;
  struct {
    guint epoch, index;
    guint64 sequence;
    GstClockTime duration;
    DvReport report;
  } recent[GST_DREAMVERSE_STATS_SEGMENTS];
  guint n_recent, next_recent;
} GstDreamverseStats;

void gst_dreamverse_stats_reset (GstDreamverseStats *stats);
void gst_dreamverse_stats_add (GstDreamverseStats *stats,
    const GstDreamverseAttempt *attempt, const DvReport *report);
/* Totals and, oldest first, the timings of recent segments. */
GstStructure *gst_dreamverse_stats_structure (const GstDreamverseStats *stats);

G_END_DECLS

#endif
