/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From one filling of the inner muxer to the next: only going to READY makes
 * mp4mux forget that it ended, so it does, while encoders run on.
 *
 * Threads: gates' tasks (reset) and whoever stops a flush. A reset and a state
 * change of the bin exclude one another; both are short.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstdreamversereset.h"
#include "gstdreamversegate.h"
#include "gstdreamverserelay.h"

GST_DEBUG_CATEGORY_EXTERN (gst_dreamverse_mux_debug);
#define GST_CAT_DEFAULT gst_dreamverse_mux_debug

static gboolean
any_pushing (const GstDreamverseTimeline *timeline)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++)
    if (timeline->track[i].pushing)
      return TRUE;
  return FALSE;
}

/* Without the lock. */
static void
stop_mux (GstDreamverseTimeline *timeline)
{
  gst_element_set_locked_state (timeline->mux, TRUE);
  gst_element_set_state (timeline->mux, GST_STATE_READY);
  gst_dreamverse_relay_forget (timeline->relay);

  /* A push that was under way comes back now: its pad is inactive. It must
   * not meet the muxer again before it was told what stream this is. */
  g_mutex_lock (&timeline->lock);
  while (any_pushing (timeline))
    g_cond_wait (&timeline->cond, &timeline->lock);
  g_mutex_unlock (&timeline->lock);
}

/* Without the lock. */
static void
start_mux (GstDreamverseTimeline *timeline)
{
  guint i;

  gst_element_set_locked_state (timeline->mux, FALSE);
  gst_element_sync_state_with_parent (timeline->mux);
  g_mutex_lock (&timeline->lock);
  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++)
    if (timeline->gate[i])
      gst_dreamverse_gate_forget (timeline->gate[i]);
  g_mutex_unlock (&timeline->lock);
}

/* FALSE: there is nothing to be done any more. */
static gboolean
begin_reset (GstDreamverseTimeline *timeline)
{
  while (
      !timeline->stopping && (timeline->state_changes || timeline->resetting))
    g_cond_wait (&timeline->cond, &timeline->lock);
  if (timeline->stopping)
    return FALSE;
  timeline->resetting = TRUE;
  return TRUE;
}

static void
end_reset (GstDreamverseTimeline *timeline, gint64 began)
{
  timeline->reset_us = g_get_monotonic_time () - began;
  timeline->resetting = FALSE;
  g_cond_broadcast (&timeline->cond);
  GST_DEBUG_OBJECT (
      timeline->bin, "reset took %" G_GINT64_FORMAT " us", timeline->reset_us);
}

void
gst_dreamverse_reset (GstDreamverseTimeline *timeline)
{
  gint64 began;

  if (!begin_reset (timeline))
    return;
  began = g_get_monotonic_time ();
  /* Another gate may have done it while this one waited its turn. */
  if (timeline->drained) {
    g_mutex_unlock (&timeline->lock);
    stop_mux (timeline);
    start_mux (timeline);
    g_mutex_lock (&timeline->lock);
    gst_dreamverse_timeline_next (timeline);
  }
  end_reset (timeline, began);
}

void
gst_dreamverse_reset_after_flush (
    GstDreamverseTimeline *timeline, GstEvent *flush_stop)
{
  gint64 began;

  if (!begin_reset (timeline))
    return;
  began = g_get_monotonic_time ();
  g_mutex_unlock (&timeline->lock);
  stop_mux (timeline);
  gst_dreamverse_relay_flushed (timeline->relay, flush_stop);
  start_mux (timeline);
  g_mutex_lock (&timeline->lock);
  gst_dreamverse_timeline_clear_filling (timeline);
  timeline->flow = GST_FLOW_OK;
  end_reset (timeline, began);
}

static void
report_no_media (GstDreamverseTimeline *timeline, GstDreamversePiece *piece)
{
  gchar *text;

  if (piece->aborted)
    return;
  text = g_strdup_printf (
      "Nothing of segment %s came out of the encoders.", piece->stream_id);
  g_mutex_unlock (&timeline->lock);
  gst_dreamverse_timeline_post_error (
      timeline, piece->structure, "encode", "no-media", text);
  g_mutex_lock (&timeline->lock);
  g_free (text);
}

gboolean
gst_dreamverse_reset_skip_empty (GstDreamverseTimeline *timeline)
{
  GstDreamversePiece *piece;

  if (!timeline->open || timeline->fed ||
      !gst_dreamverse_timeline_all_cut (timeline))
    return FALSE;
  piece = g_steal_pointer (&timeline->piece);
  if (piece)
    timeline->last_end = piece->end;
  gst_dreamverse_timeline_next (timeline);
  g_cond_broadcast (&timeline->cond);
  if (piece)
    report_no_media (timeline, piece);
  gst_dreamverse_piece_free (piece);
  return TRUE;
}

void
gst_dreamverse_reset_finish (GstDreamverseTimeline *timeline)
{
  GstDreamversePiece *piece;

  if (timeline->eos_sent || timeline->stopping ||
      !gst_dreamverse_timeline_all_eos (timeline))
    return;
  if (!timeline->drained && timeline->fed)
    return;
  timeline->eos_sent = TRUE;
  gst_dreamverse_reset_skip_empty (timeline);
  while ((piece = g_queue_pop_head (&timeline->announced))) {
    report_no_media (timeline, piece);
    gst_dreamverse_piece_free (piece);
  }
  g_mutex_unlock (&timeline->lock);
  gst_dreamverse_relay_push_eos (timeline->relay);
  g_mutex_lock (&timeline->lock);
}

void
gst_dreamverse_reset_block (GstDreamverseTimeline *timeline)
{
  g_mutex_lock (&timeline->lock);
  timeline->state_changes++;
  while (timeline->resetting)
    g_cond_wait (&timeline->cond, &timeline->lock);
  g_mutex_unlock (&timeline->lock);
}

void
gst_dreamverse_reset_unblock (GstDreamverseTimeline *timeline)
{
  g_mutex_lock (&timeline->lock);
  timeline->state_changes--;
  g_cond_broadcast (&timeline->cond);
  g_mutex_unlock (&timeline->lock);
}
