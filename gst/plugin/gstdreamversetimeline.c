/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The timeline inside dreamversemux: announced segments and the arithmetic of
 * the cut. Everything is decided from running times, never from an end event:
 * encoders hold events back until their next output.
 *
 * Threads: see the header.
 */
#include "gstdreamversetimeline.h"

#include <string.h>

GST_DEBUG_CATEGORY_EXTERN (gst_dreamverse_mux_debug);
#define GST_CAT_DEFAULT gst_dreamverse_mux_debug

/* A resampler in front of the encoder keeps half its filter back. */
#define AUDIO_SLACK (2 * GST_MSECOND)
/* Data this much before the start of the announced segment is not its. Covers
 * an encoder's delay and the frame that straddles the boundary. */
#define EARLY (200 * GST_MSECOND)
/* An audio encoder sends the announcement after the first frame that follows
 * it, or the second: without video to tell, so many frames are waited for. */
#define AUDIO_HOLD 4
/* How far one track may run ahead of the other in announcements. */
#define MAX_SEEN 64
#define MAX_ABORTS 8

GstDreamversePiece *
gst_dreamverse_piece_new (const GstStructure *structure)
{
  GstDreamversePiece *piece;
  GstDreamverseSegment segment;

  if (!gst_dreamverse_parse_segment (structure, &segment))
    return NULL;
  piece = g_new0 (GstDreamversePiece, 1);
  piece->structure = gst_structure_copy (structure);
  piece->stream_id = g_strdup (segment.stream_id);
  piece->start = GST_CLOCK_TIME_IS_VALID (segment.start)
                     ? (GstDreamverseTime)segment.start
                     : GST_CLOCK_STIME_NONE;
  piece->end = GST_CLOCK_TIME_IS_VALID (segment.end)
                   ? (GstDreamverseTime)segment.end
                   : GST_CLOCK_STIME_NONE;
  gst_structure_get_boolean (
      structure, GST_DREAMVERSE_FIELD_LAST, &piece->last);
  return piece;
}

void
gst_dreamverse_piece_free (GstDreamversePiece *piece)
{
  if (!piece)
    return;
  gst_structure_free (piece->structure);
  g_free (piece->stream_id);
  g_free (piece);
}

GstDreamverseTimeline *
gst_dreamverse_timeline_new (GstElement *bin, GstElement *mux)
{
  GstDreamverseTimeline *self = g_atomic_rc_box_new0 (GstDreamverseTimeline);

  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->announced);
  g_queue_init (&self->seen);
  g_queue_init (&self->aborts);
  self->bin = bin;
  self->mux = mux ? gst_object_ref (mux) : NULL;
  gst_dreamverse_timeline_clear (self);
  return self;
}

GstDreamverseTimeline *
gst_dreamverse_timeline_ref (GstDreamverseTimeline *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
timeline_free (gpointer data)
{
  GstDreamverseTimeline *self = data;

  gst_dreamverse_timeline_clear (self);
  gst_clear_object (&self->mux);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}

void
gst_dreamverse_timeline_unref (GstDreamverseTimeline *self)
{
  g_atomic_rc_box_release_full (self, timeline_free);
}

void
gst_dreamverse_timeline_next (GstDreamverseTimeline *self)
{
  guint i;

  g_clear_pointer (&self->piece, gst_dreamverse_piece_free);
  self->open = self->fed = self->begun = self->drained = FALSE;
  self->opened_at = self->open_end = self->tail_end = GST_CLOCK_STIME_NONE;
  self->first_in_us = self->last_in_us = 0;
  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++) {
    GstDreamverseTrackState *track = &self->track[i];

    track->cut = track->eos;
    track->eos_pushed = track->fed = FALSE;
  }
}

void
gst_dreamverse_timeline_clear_filling (GstDreamverseTimeline *self)
{
  gst_dreamverse_timeline_next (self);
  g_queue_clear_full (
      &self->announced, (GDestroyNotify)gst_dreamverse_piece_free);
  g_queue_clear_full (&self->aborts, (GDestroyNotify)gst_dreamverse_piece_free);
  g_clear_pointer (&self->last_id, g_free);
  self->last_end = GST_CLOCK_STIME_NONE;
  self->eos_sent = FALSE;
}

void
gst_dreamverse_timeline_clear (GstDreamverseTimeline *self)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++) {
    GstDreamverseTrackState *track = &self->track[i];
    gboolean present = track->present;

    gst_clear_structure (&self->latest[i]);
    memset (track, 0, sizeof *track);
    track->present = present;
    track->position = GST_CLOCK_STIME_NONE;
  }
  gst_dreamverse_timeline_clear_filling (self);
  g_queue_clear_full (&self->seen, g_free);
  g_clear_pointer (&self->named, g_free);
  self->flow = GST_FLOW_OK;
  self->flushing = 0;
  self->reset_us = 0;
}

/* ---- announcements ---- */

static gint
compare_id (gconstpointer a, gconstpointer b)
{
  return strcmp (((const GstDreamversePiece *)a)->stream_id, b);
}

static GstDreamversePiece *
take_abort (GstDreamverseTimeline *self, const gchar *stream_id)
{
  GList *link = g_queue_find_custom (&self->aborts, stream_id, compare_id);
  GstDreamversePiece *piece = link ? link->data : NULL;

  if (link)
    g_queue_delete_link (&self->aborts, link);
  return piece;
}

/* Announced where data already flows that no one announced: either that data
 * is the segment's, or the stretch ends where the segment begins. */
static void
settle_open_filling (GstDreamverseTimeline *self)
{
  GstDreamversePiece *next = g_queue_peek_head (&self->announced);

  if (!self->open || self->piece || self->drained || !next ||
      GST_CLOCK_STIME_IS_VALID (self->open_end))
    return;
  if (!self->begun &&
      self->opened_at + (GstDreamverseTime)EARLY >= next->start) {
    self->piece = g_queue_pop_head (&self->announced);
    self->tail_end = GST_CLOCK_STIME_NONE;
  } else {
    self->open_end = next->start;
  }
}

void
gst_dreamverse_timeline_announce (GstDreamverseTimeline *self,
    GstDreamverseTrack track, const GstStructure *structure)
{
  GstDreamversePiece *piece = gst_dreamverse_piece_new (structure);
  GstDreamversePiece *abort;

  if (!piece) {
    GST_WARNING_OBJECT (self->bin,
        "announcement names no segment: %" GST_PTR_FORMAT, structure);
    return;
  }
  g_mutex_lock (&self->lock);
  gst_clear_structure (&self->latest[track]);
  self->latest[track] = gst_structure_copy (structure);
  if (g_queue_find_custom (
          &self->seen, piece->stream_id, (GCompareFunc)strcmp)) {
    g_mutex_unlock (&self->lock);
    gst_dreamverse_piece_free (piece);
    return;
  }
  g_queue_push_tail (&self->seen, g_strdup (piece->stream_id));
  if (self->seen.length > MAX_SEEN)
    g_free (g_queue_pop_head (&self->seen));
  abort = take_abort (self, piece->stream_id);
  if (abort) {
    piece->end = abort->end;
    piece->aborted = TRUE;
    piece->last = FALSE;
    gst_dreamverse_piece_free (abort);
  }
  if (g_strcmp0 (self->last_id, piece->stream_id) == 0)
    piece->last = TRUE;
  GST_INFO_OBJECT (self->bin,
      "%s announced: %" GST_STIME_FORMAT " to %" GST_STIME_FORMAT,
      piece->stream_id, GST_STIME_ARGS (piece->start),
      GST_STIME_ARGS (piece->end));
  g_queue_push_tail (&self->announced, piece);
  settle_open_filling (self);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* The piece of this name that has not left the muxer, or NULL. */
static GstDreamversePiece *
find_piece (const GstDreamverseTimeline *self, const gchar *stream_id)
{
  GList *link =
      g_queue_find_custom ((GQueue *)&self->announced, stream_id, compare_id);

  if (link)
    return link->data;
  if (self->piece && !self->drained &&
      !strcmp (self->piece->stream_id, stream_id))
    return self->piece;
  return NULL;
}

void
gst_dreamverse_timeline_mark_last (
    GstDreamverseTimeline *self, const GstStructure *structure)
{
  const gchar *id =
      gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_STREAM_ID);
  GstDreamversePiece *piece;

  if (!id)
    return;
  g_mutex_lock (&self->lock);
  piece = find_piece (self, id);
  if (piece) {
    piece->last = TRUE;
  } else if (!g_queue_find_custom (&self->seen, id, (GCompareFunc)strcmp)) {
    g_free (self->last_id);
    self->last_id = g_strdup (id);
  }
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

void
gst_dreamverse_timeline_abort (
    GstDreamverseTimeline *self, const GstStructure *structure)
{
  GstDreamversePiece *abort = gst_dreamverse_piece_new (structure);
  GstDreamversePiece *piece;

  if (!abort || !GST_CLOCK_STIME_IS_VALID (abort->end)) {
    GST_WARNING_OBJECT (self->bin,
        "abort without a segment or an end: %" GST_PTR_FORMAT, structure);
    gst_dreamverse_piece_free (abort);
    return;
  }
  g_mutex_lock (&self->lock);
  piece = find_piece (self, abort->stream_id);
  if (piece) {
    piece->end = abort->end;
    piece->aborted = TRUE;
    /* After a reset a stream goes on; at its end it is marked once more. */
    piece->last = FALSE;
  } else if (!g_queue_find_custom (
                 &self->seen, abort->stream_id, (GCompareFunc)strcmp) &&
             !g_queue_find_custom (
                 &self->aborts, abort->stream_id, compare_id)) {
    /* It overtook the announcement. */
    g_queue_push_tail (&self->aborts, g_steal_pointer (&abort));
    if (self->aborts.length > MAX_ABORTS)
      gst_dreamverse_piece_free (g_queue_pop_head (&self->aborts));
  }
  if (piece)
    GST_INFO_OBJECT (self->bin, "%s aborted, ends at %" GST_STIME_FORMAT,
        piece->stream_id, GST_STIME_ARGS (piece->end));
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  gst_dreamverse_piece_free (abort);
}

/* ---- cutting ---- */

GstDreamverseTime
gst_dreamverse_timeline_end (const GstDreamverseTimeline *self)
{
  return self->piece ? self->piece->end : self->open_end;
}

static gboolean
track_gives (const GstDreamverseTimeline *self, GstDreamverseTrack track)
{
  return self->track[track].present && !self->track[track].eos;
}

gboolean
gst_dreamverse_timeline_open (GstDreamverseTimeline *self,
    GstDreamverseTrack track, GstDreamverseTime time, guint waiting,
    gboolean last)
{
  GstDreamversePiece *next = g_queue_peek_head (&self->announced);

  if (self->open)
    return TRUE;
  if (!next && track == GST_DREAMVERSE_AUDIO) {
    /* Video is told before its data; audio after its first frame. */
    if (track_gives (self, GST_DREAMVERSE_VIDEO))
      return FALSE;
    if (waiting < AUDIO_HOLD && !last)
      return FALSE;
    self->tail_end = self->last_end;
  }
  if (next && time + (GstDreamverseTime)EARLY >= next->start) {
    self->piece = g_queue_pop_head (&self->announced);
  } else {
    self->opened_at = time;
    if (next)
      self->open_end = next->start;
  }
  self->open = TRUE;
  g_cond_broadcast (&self->cond);
  return TRUE;
}

gboolean
gst_dreamverse_timeline_has_reached (
    const GstDreamverseTimeline *self, GstDreamverseTrack track)
{
  const GstDreamverseTrackState *state = &self->track[track];
  GstDreamverseTime end = gst_dreamverse_timeline_end (self);
  GstDreamverseTime duration = state->duration;

  if (!GST_CLOCK_STIME_IS_VALID (end) ||
      !GST_CLOCK_STIME_IS_VALID (state->position))
    return FALSE;
  if (track == GST_DREAMVERSE_VIDEO)
    return state->position + duration / 2 >= end;
  /* The frame that straddles the boundary is the next segment's, and so is
   * what the encoder will not give before it gets more. */
  return state->position + duration * (1 + state->held) +
             (GstDreamverseTime)AUDIO_SLACK >
         end;
}

gboolean
gst_dreamverse_timeline_is_final (const GstDreamverseTimeline *self)
{
  return self->piece && self->piece->last && !self->announced.length &&
         GST_CLOCK_STIME_IS_VALID (self->piece->end);
}

gboolean
gst_dreamverse_timeline_tail_is_known (
    const GstDreamverseTimeline *self, guint waiting, gboolean last)
{
  if (last)
    return TRUE;
  /* Video is told first if there is a segment after all. */
  return !track_gives (self, GST_DREAMVERSE_VIDEO) &&
         (self->track[GST_DREAMVERSE_VIDEO].present || waiting >= AUDIO_HOLD);
}

gboolean
gst_dreamverse_timeline_is_later (const GstDreamverseTimeline *self,
    GstDreamverseTrack track, GstDreamverseTime time, GstClockTime duration)
{
  GstDreamverseTime end = gst_dreamverse_timeline_end (self);

  return GST_CLOCK_STIME_IS_VALID (end) &&
         !gst_dreamverse_timeline_is_final (self) &&
         time + (GstDreamverseTime)duration / 2 >= end;
}

gboolean
gst_dreamverse_timeline_all_cut (const GstDreamverseTimeline *self)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++)
    if (self->track[i].present && !self->track[i].cut)
      return FALSE;
  return TRUE;
}

gboolean
gst_dreamverse_timeline_all_eos (const GstDreamverseTimeline *self)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++)
    if (self->track[i].present && !self->track[i].eos)
      return FALSE;
  return TRUE;
}

/* ---- telling ---- */

const GstStructure *
gst_dreamverse_timeline_concerned (
    const GstDreamverseTimeline *self, GstDreamverseTrack track)
{
  const GstDreamversePiece *piece = self->piece;
  GstDreamverseSegment segment;

  /* An encoder may be ahead of its sibling by a segment. */
  if (track < GST_DREAMVERSE_N_TRACKS && self->latest[track] &&
      gst_dreamverse_parse_segment (self->latest[track], &segment) &&
      (!GST_CLOCK_STIME_IS_VALID (self->last_end) ||
          (GstDreamverseTime)segment.start >= self->last_end))
    return self->latest[track];
  if ((!piece || self->drained) && self->announced.length)
    piece = g_queue_peek_head ((GQueue *)&self->announced);
  return piece ? piece->structure : NULL;
}

void
gst_dreamverse_timeline_post_error (GstDreamverseTimeline *self,
    const GstStructure *segment, const gchar *stage, const gchar *code,
    const gchar *text)
{
  GstStructure *s;
  const gchar *id =
      gst_structure_get_string (segment, GST_DREAMVERSE_FIELD_STREAM_ID);
  gboolean again;

  g_mutex_lock (&self->lock);
  again = g_strcmp0 (id, self->named) == 0;
  g_free (self->named);
  self->named = g_strdup (id);
  g_mutex_unlock (&self->lock);
  if (again)
    return;
  s = gst_structure_copy (segment);
  gst_structure_set_name (s, GST_DREAMVERSE_MESSAGE_MEDIA_ERROR);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_STAGE, G_TYPE_STRING, stage,
      GST_DREAMVERSE_FIELD_CODE, G_TYPE_STRING, code,
      GST_DREAMVERSE_FIELD_MESSAGE, G_TYPE_STRING, text, NULL);
  GST_INFO_OBJECT (self->bin, "%s: %s", code, text);
  gst_element_post_message (
      self->bin, gst_message_new_element (GST_OBJECT (self->bin), s));
}
