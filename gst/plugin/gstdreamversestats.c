/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Structures of messages and events of a source, and its statistics.
 *
 * Threads: statistics are guarded by the source's lock.
 */
#include "gstdreamversestats.h"

#include <string.h>

#include "gstdreamverse.h"

void
gst_dreamverse_attempt_clear (GstDreamverseAttempt *attempt)
{
  g_clear_pointer (&attempt->prompt, g_free);
  g_clear_pointer (&attempt->prompt_id, g_free);
  memset (attempt, 0, sizeof *attempt);
}

GstStructure *
gst_dreamverse_attempt_structure (
    const GstDreamverseAttempt *attempt, const gchar *name)
{
  return gst_structure_new (name, GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT,
      attempt->epoch, GST_DREAMVERSE_FIELD_INDEX, G_TYPE_UINT, attempt->index,
      GST_DREAMVERSE_FIELD_SEQUENCE, G_TYPE_UINT64, attempt->sequence,
      GST_DREAMVERSE_FIELD_STREAM_ID, G_TYPE_STRING, attempt->stream_id,
      GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, attempt->prompt,
      GST_DREAMVERSE_FIELD_START, G_TYPE_UINT64, attempt->start,
      GST_DREAMVERSE_FIELD_END, G_TYPE_UINT64, attempt->end, NULL);
}

void
gst_dreamverse_structure_to_running (
    GstStructure *structure, GstClockTime origin)
{
  GstDreamverseSegment segment;

  gst_dreamverse_parse_segment (structure, &segment);
  gst_structure_set (structure, GST_DREAMVERSE_FIELD_START, G_TYPE_UINT64,
      MAX (segment.start, origin) - origin, GST_DREAMVERSE_FIELD_END,
      G_TYPE_UINT64, MAX (segment.end, origin) - origin, NULL);
}

void
gst_dreamverse_structure_set_model (
    GstStructure *structure, const DvModelInfo *info)
{
  gst_structure_set (structure, GST_DREAMVERSE_FIELD_MODEL, G_TYPE_STRING,
      info->name, GST_DREAMVERSE_FIELD_PROCEDURAL, G_TYPE_BOOLEAN,
      (gboolean)info->procedural, NULL);
}

GstStructure *
gst_dreamverse_timings_structure (const DvReport *report)
{
  GstStructure *timings = gst_structure_new_empty ("timings");
  unsigned i;

  for (i = 0; i < report->n_stages && i < DV_REPORT_STAGES; i++)
    gst_structure_set (timings, report->stage[i].name, G_TYPE_DOUBLE,
        report->stage[i].ms, NULL);
  return timings;
}

void
gst_dreamverse_stats_reset (GstDreamverseStats *stats)
{
  memset (stats, 0, sizeof *stats);
}

void
gst_dreamverse_stats_add (GstDreamverseStats *stats,
    const GstDreamverseAttempt *attempt, const DvReport *report)
{
  guint slot = stats->next_recent;

  stats->segments++;
  stats->recent[slot].epoch = attempt->epoch;
  stats->recent[slot].index = attempt->index;
  stats->recent[slot].sequence = attempt->sequence;
  stats->recent[slot].duration = attempt->end - attempt->start;
  stats->recent[slot].report = *report;
  stats->next_recent = (slot + 1) % GST_DREAMVERSE_STATS_SEGMENTS;
  stats->n_recent = MIN (stats->n_recent + 1, GST_DREAMVERSE_STATS_SEGMENTS);
}

GstStructure *
gst_dreamverse_stats_structure (const GstDreamverseStats *stats)
{
  GstStructure *structure = gst_structure_new ("dreamverse-stats", "segments",
      G_TYPE_UINT64, stats->segments, "aborted", G_TYPE_UINT64, stats->aborted,
      "frames", G_TYPE_UINT64, stats->frames, "samples", G_TYPE_UINT64,
      stats->samples, NULL);
  GValue array = G_VALUE_INIT;
  guint i, slot;

  g_value_init (&array, GST_TYPE_ARRAY);
  for (i = 0; i < stats->n_recent; i++) {
    GValue value = G_VALUE_INIT;
    GstStructure *timings, *segment;

    slot = (stats->next_recent + GST_DREAMVERSE_STATS_SEGMENTS -
               stats->n_recent + i) %
           GST_DREAMVERSE_STATS_SEGMENTS;
    timings = gst_dreamverse_timings_structure (&stats->recent[slot].report);
    segment = gst_structure_new ("segment", GST_DREAMVERSE_FIELD_EPOCH,
        G_TYPE_UINT, stats->recent[slot].epoch, GST_DREAMVERSE_FIELD_INDEX,
        G_TYPE_UINT, stats->recent[slot].index, GST_DREAMVERSE_FIELD_SEQUENCE,
        G_TYPE_UINT64, stats->recent[slot].sequence, "duration", G_TYPE_UINT64,
        stats->recent[slot].duration, GST_DREAMVERSE_FIELD_GENERATION_MS,
        G_TYPE_DOUBLE, stats->recent[slot].report.total_ms,
        GST_DREAMVERSE_FIELD_TIMINGS, GST_TYPE_STRUCTURE, timings, NULL);
    gst_structure_free (timings);
    g_value_init (&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&value, segment);
    gst_value_array_append_and_take_value (&array, &value);
  }
  gst_structure_take_value (structure, "timings", &array);
  return structure;
}
