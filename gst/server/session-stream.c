/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the slot says, told to the client in the protocol's order (session
 * protocol, section 10).  What is of an older epoch, or of a segment that was
 * cancelled, counts for nothing; what is out of sequence ends the session.
 *
 * A segment is kept from its start until its media is complete.
 */
#include "session-private.h"

#include <string.h>

static void
segment_free (DvsSegment *segment)
{
  g_free (segment->stream_id);
  g_free (segment);
}

void
dvs_session_segments_clear (DvsSession *session)
{
  session->skipping |= session->open != NULL;
  session->step = session->open = NULL;
  g_queue_clear_full (&session->segments, (GDestroyNotify)segment_free);
}

gboolean
dvs_session_media_due (const DvsSession *session)
{
  for (GList *l = session->segments.head; l; l = l->next)
    if (!((DvsSegment *)l->data)->cancelled)
      return TRUE;
  return FALSE;
}

static DvsSegment *
find_segment (DvsSession *session, gint64 index)
{
  for (GList *l = session->segments.head; l; l = l->next)
    if (((DvsSegment *)l->data)->index == index)
      return l->data;
  return NULL;
}

/* ---- failures ---- */

/* The one error of a failed segment; then the end. */
static void
fail_segment (DvsSession *session, gint64 index, const gchar *stream_id,
    const gchar *reason)
{
  gchar *message = g_strdup_printf (
      "AV streaming failed for segment %" G_GINT64_FORMAT ": %s", index,
      reason);
  GString *text = dvs_text_begin ("error");

  dvs_text_string (text, "message", message);
  dvs_text_int (text, "segment_idx", index);
  dvs_text_string (text, "stream_id", stream_id);
  dvs_session_observe (session, DVS_COUNT_ERRORS, 1);
  dvs_tell (session, text);
  dvs_session_close (session, 1000, "");
  g_free (message);
}

static void
fail_step (DvsSession *session, const gchar *reason)
{
  gchar *whole = g_strdup_printf (
      "User step failed for %.8s: %s", session->client_id, reason);

  dvs_session_fail (session, whole);
  g_free (whole);
}

/* What failed is not said: the media that is under way, else the step. */
static void
fail_stream (DvsSession *session, const gchar *reason)
{
  const DvsSegment *segment = NULL;

  for (GList *l = session->segments.head; l && !segment; l = l->next)
    if (!((DvsSegment *)l->data)->cancelled)
      segment = l->data;
  if (segment && segment->stream_id && (segment->opened || segment->stepped))
    fail_segment (session, segment->index, segment->stream_id, reason);
  else if (session->step)
    fail_step (session, reason);
  else
    dvs_session_fail (session, reason);
}

static void
out_of_sequence (DvsSession *session, const gchar *type)
{
  gchar *reason = g_strdup_printf ("%s came out of sequence", type);

  fail_stream (session, reason);
  g_free (reason);
}

void
dvs_session_media_late (DvsSession *session)
{
  gchar *reason = g_strdup_printf (
      "no media came for %u seconds", session->settings->media_patience_s);

  fail_stream (session, reason);
  g_free (reason);
}

/* ---- fields ---- */

static const gchar *
text_of (JsonObject *event, const gchar *name)
{
  JsonNode *node = json_object_get_member (event, name);

  return node && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

static gdouble
number_of (JsonObject *event, const gchar *name)
{
  JsonNode *node = json_object_get_member (event, name);

  return node && (json_node_get_value_type (node) == G_TYPE_INT64 ||
                     json_node_get_value_type (node) == G_TYPE_DOUBLE)
             ? json_node_get_double (node)
             : 0;
}

static JsonObject *
object_of (JsonObject *event, const gchar *name)
{
  JsonNode *node = json_object_get_member (event, name);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : NULL;
}

/* Of a segment that counts; NULL: of another, or none. */
static DvsSegment *
segment_of (DvsSession *session, JsonObject *event)
{
  DvsSegment *segment;

  if (number_of (event, "epoch") != session->epoch || session->epoch == 0)
    return NULL;
  segment = find_segment (session, (gint64)number_of (event, "segment_idx"));
  return segment && !segment->cancelled ? segment : NULL;
}

/* It belongs to this stream, as far as one can see. */
static gboolean
is_current (DvsSession *session, JsonObject *event)
{
  DvsSegment *segment;

  if (number_of (event, "epoch") != session->epoch || session->epoch == 0)
    return FALSE;
  segment = find_segment (session, (gint64)number_of (event, "segment_idx"));
  return !segment || !segment->cancelled;
}

static void
observe_stages (DvsSession *session, JsonObject *event)
{
  JsonObject *timings = object_of (event, "timings_ms");
  JsonObjectIter iter;
  const gchar *name;
  JsonNode *node;

  if (!timings)
    return;
  json_object_iter_init (&iter, timings);
  while (json_object_iter_next (&iter, &name, &node)) {
    gchar *metric = g_strconcat (DVS_TIME_STAGE ":", name, NULL);

    if (JSON_NODE_HOLDS_VALUE (node))
      dvs_session_observe (session, metric, json_node_get_double (node) / 1000);
    g_free (metric);
  }
}

/* ---- generation ---- */

static void
segment_started (DvsSession *session, JsonObject *event)
{
  DvsSegment *segment = segment_of (session, event);

  if (segment && !segment->stream_id)
    segment->stream_id = g_strdup (text_of (event, "stream_id"));
}

/* Takes @segment: all of it was relayed and reported. */
static void
finish_segment (DvsSession *session, DvsSegment *segment)
{
  JsonObject *fields = json_object_new ();
  GString *text = dvs_text_begin ("ltx2_segment_complete");

  dvs_text_int (text, "segment_idx", segment->index);
  dvs_text_int (text, "total_segments", segment->total);
  dvs_tell (session, text);
  json_object_set_int_member (fields, "segment_idx", segment->index);
  json_object_set_int_member (
      fields, "data_size_bytes", (gint64)segment->bytes);
  dvs_log (session, "segment_complete", fields);
  dvs_session_observe (session, DVS_COUNT_SEGMENTS, 1);
  g_queue_remove (&session->segments, segment);
  segment_free (segment);
}

void
dvs_session_count_anew (DvsSession *session)
{
  session->generated = 0;
  if (session->step)
    session->step->uncounted = TRUE;
}

/* The time is taken here, unless the link was not read in between: then it
 * would be the client's slowness. */
static void
step_complete (DvsSession *session, JsonObject *event)
{
  DvsSegment *segment = segment_of (session, event);
  JsonObject *latency = object_of (event, "latency_ms");
  gdouble worker = latency ? number_of (latency, "worker_e2e") : 0, total;

  if (!segment || segment != session->step) {
    if (is_current (session, event))
      out_of_sequence (session, "step_complete");
    return;
  }
  total = (gdouble)(session->host.now (session->user) - segment->asked) / 1000;
  if (segment->held || total < worker)
    total = worker;
  segment->stepped = TRUE;
  session->step = NULL;
  session->generated += !segment->uncounted;
  dvs_session_observe (session, DVS_TIME_GENERATION, worker / 1000);
  dvs_session_observe (session, DVS_TIME_STEP, total / 1000);
  observe_stages (session, event);
  dvs_tell_step_complete (session, total, worker);
  if (segment->finished)
    finish_segment (session, segment);
}

static void
failed (DvsSession *session, JsonObject *event)
{
  const gchar *message = text_of (event, "message");
  const gchar *stream_id = text_of (event, "stream_id");
  gint64 index = (gint64)number_of (event, "segment_idx");

  if (!message)
    message = "the stream failed";
  if (g_strcmp0 (text_of (event, "code"), "generation-failed") == 0)
    fail_step (session, message);
  else if (stream_id && index > 0)
    fail_segment (session, index, stream_id, message);
  else
    fail_stream (session, message);
}

/* ---- media ---- */

static void
media_init (DvsSession *session, JsonObject *event)
{
  DvsSegment *segment = segment_of (session, event);
  const gchar *stream_id = text_of (event, "stream_id");
  GString *text;

  if (session->open) {
    out_of_sequence (session, "media_init");
    return;
  }
  session->skipping = !segment;
  if (!segment) {
    if (is_current (session, event))
      out_of_sequence (session, "media_init");
    return;
  }
  if (segment->opened || segment != g_queue_peek_head (&session->segments) ||
      !stream_id ||
      (segment->stream_id && strcmp (segment->stream_id, stream_id) != 0)) {
    out_of_sequence (session, "media_init");
    return;
  }
  if (!segment->stream_id)
    segment->stream_id = g_strdup (stream_id);
  segment->opened = TRUE;
  session->open = segment;
  text = dvs_text_begin ("media_init");
  dvs_text_int (text, "segment_idx", segment->index);
  dvs_text_string (text, "mime", text_of (event, "mime"));
  dvs_text_string (text, "stream_id", stream_id);
  dvs_text_string (text, "mode", "av_fmp4");
  dvs_tell (session, text);
}

static void
media_bytes (DvsSession *session, GBytes *bytes)
{
  DvsSegment *segment = session->open;
  gint64 now;

  if (!segment) {
    if (!session->skipping)
      out_of_sequence (session, "media");
    return;
  }
  now = session->host.now (session->user);
  if (!segment->first)
    segment->first = now;
  if (session->stream_from)
    dvs_session_observe (session, DVS_TIME_FIRST_FRAGMENT,
        (gdouble)(now - session->stream_from) / G_USEC_PER_SEC);
  session->stream_from = 0;
  segment->chunks++;
  segment->bytes += g_bytes_get_size (bytes);
  session->host.send_media (session->user, bytes);
}

static void
media_complete (DvsSession *session, JsonObject *event)
{
  DvsSegment *segment = session->open;
  GString *text;

  if (!segment) {
    if (!session->skipping)
      out_of_sequence (session, "media_segment_complete");
    session->skipping = FALSE;
    return;
  }
  if (segment_of (session, event) != segment || segment->chunks == 0 ||
      json_object_get_boolean_member_with_default (event, "aborted", FALSE)) {
    out_of_sequence (session, "media_segment_complete");
    return;
  }
  session->open = NULL;
  segment->complete = TRUE;
  observe_stages (session, event);
  dvs_session_observe (session, DVS_TIME_MEDIA,
      (gdouble)(session->host.now (session->user) - segment->first) /
          G_USEC_PER_SEC);
  text = dvs_text_begin ("media_segment_complete");
  dvs_text_int (text, "segment_idx", segment->index);
  dvs_text_string (text, "stream_id", segment->stream_id);
  dvs_text_int (text, "chunks", segment->chunks);
  dvs_tell (session, text);
}

static void
segment_complete (DvsSession *session, JsonObject *event)
{
  DvsSegment *segment = segment_of (session, event);

  if (segment && segment->complete && !segment->finished) {
    /* A small segment's last byte may be here before the report of its step. */
    segment->finished = TRUE;
    if (segment->stepped)
      finish_segment (session, segment);
  } else if (segment || is_current (session, event)) {
    out_of_sequence (session, "ltx2_segment_complete");
  }
}

static void
stream_began (DvsSession *session, JsonObject *event)
{
  session->began = (guint)number_of (event, "epoch");
  if (session->began > session->epoch && session->epoch &&
      dvs_session_media_due (session))
    out_of_sequence (session, "ltx2_stream_start");
}

static void
run_ended (DvsSession *session)
{
  session->run_over = FALSE;
  if (dvs_session_media_due (session)) {
    fail_stream (session, "the stream ended before its media");
    return;
  }
  dvs_session_segments_clear (session);
  session->run = DVS_RUN_NONE;
  session->question = session->resetting = session->skipping = FALSE;
}

/* ---- in, and what waits ---- */

typedef void (*TakeFunc) (DvsSession *session, JsonObject *event);

static const struct {
  const gchar *type;
  TakeFunc take;
  gboolean media; /* keeps its place among the media */
} events[] = {
    {"ltx2_segment_start", segment_started, FALSE},
    {"step_complete", step_complete, FALSE},
    {"error", failed, FALSE},
    {"media_init", media_init, TRUE},
    {"media_segment_complete", media_complete, TRUE},
    {"ltx2_segment_complete", segment_complete, TRUE},
    {"ltx2_stream_start", stream_began, TRUE},
};

/* An event, or bytes. */
typedef struct {
  TakeFunc take;
  JsonObject *event;
  GBytes *bytes;
} Delayed;

static void
delayed_free (Delayed *delayed)
{
  g_clear_pointer (&delayed->event, json_object_unref);
  g_clear_pointer (&delayed->bytes, g_bytes_unref);
  g_free (delayed);
}

/* TRUE: it is too early for media. */
static gboolean
must_delay (DvsSession *session, TakeFunc take)
{
  gint64 left;

  if (session->delayed.length > 0)
    return TRUE;
  if (!session->first_media || take != media_init)
    return FALSE;
  left = session->first_media - session->host.now (session->user);
  session->first_media = 0;
  if (left <= 0)
    return FALSE;
  dvs_session_timer_set (
      session, DVS_TIMER_FIRST_MEDIA, (guint64)(left + 999) / 1000);
  return TRUE;
}

static void
delay (DvsSession *session, TakeFunc take, JsonObject *event, GBytes *bytes)
{
  Delayed *delayed = g_new0 (Delayed, 1);

  delayed->take = take;
  delayed->event = event ? json_object_ref (event) : NULL;
  delayed->bytes = bytes ? g_bytes_ref (bytes) : NULL;
  session->delayed_bytes += bytes ? g_bytes_get_size (bytes) : 0;
  g_queue_push_tail (&session->delayed, delayed);
  dvs_session_update_reading (session);
}

void
dvs_session_release_delayed (DvsSession *session)
{
  Delayed *delayed;

  while ((delayed = g_queue_pop_head (&session->delayed))) {
    if (!session->over && delayed->bytes)
      media_bytes (session, delayed->bytes);
    else if (!session->over)
      delayed->take (session, delayed->event);
    delayed_free (delayed);
  }
  session->delayed_bytes = 0;
  if (session->over)
    return;
  dvs_session_update_reading (session);
  if (session->run_over)
    run_ended (session);
}

void
dvs_session_event (DvsSession *session, JsonObject *event)
{
  const gchar *type = text_of (event, "type");

  if (session->over || session->run == DVS_RUN_NONE || !type)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (events); i++) {
    if (strcmp (type, events[i].type) != 0)
      continue;
    if (events[i].media && must_delay (session, events[i].take))
      delay (session, events[i].take, event, NULL);
    else
      events[i].take (session, event);
    break;
  }
  if (session->over)
    return;
  dvs_session_update_patience (session, TRUE);
  dvs_session_flow (session);
}

void
dvs_session_media (DvsSession *session, GBytes *bytes)
{
  if (session->over || session->run == DVS_RUN_NONE)
    return;
  if (session->delayed.length > 0)
    delay (session, NULL, NULL, bytes);
  else
    media_bytes (session, bytes);
  if (!session->over)
    dvs_session_update_patience (session, TRUE);
}

void
dvs_session_run_ended (DvsSession *session, const gchar *error)
{
  if (session->over || session->run == DVS_RUN_NONE)
    return;
  if (error) {
    fail_stream (session, error);
    return;
  }
  if (session->delayed.length > 0) {
    session->run_over = TRUE;
    return;
  }
  run_ended (session);
  dvs_session_flow (session);
}

void
dvs_session_slot_lost (DvsSession *session, const gchar *error)
{
  if (session->assigned && session->run == DVS_RUN_NONE)
    dvs_session_fail (session, error);
}

/* ---- holding ---- */

void
dvs_session_update_reading (DvsSession *session)
{
  guint64 most = session->settings->max_unsent_bytes;
  gboolean reading = !session->held && session->delayed_bytes <= most;

  if (session->run == DVS_RUN_NONE || session->run_over ||
      reading == session->reading)
    return;
  session->reading = reading;
  session->host.set_reading (session->user, reading);
}

void
dvs_session_unsent (DvsSession *session, guint64 bytes)
{
  guint64 most = session->settings->max_unsent_bytes;
  gboolean held;

  if (session->over)
    return;
  session->unsent = bytes;
  /* Not on and off at every frame. */
  held = bytes > (session->held ? most / 2 : most);
  if (held == session->held)
    return;
  session->held = held;
  dvs_session_timer_set (session, DVS_TIMER_UNSENT,
      held ? 1000 * (guint64)session->settings->unsent_patience_s : 0);
  for (GList *l = held ? session->segments.head : NULL; l; l = l->next)
    ((DvsSegment *)l->data)->held = TRUE;
  dvs_session_update_reading (session);
  dvs_session_flow (session);
}

/* Media is waited for while nothing is generated that it could be of. */
void
dvs_session_update_patience (DvsSession *session, gboolean came)
{
  gboolean due = session->reading && session->delayed.length == 0 &&
                 !session->step &&
                 (session->run == DVS_RUN_ENDING ||
                     (session->resetting && session->question) ||
                     (!session->resetting && dvs_session_media_due (session)));

  if (due == session->patience && !(due && came))
    return;
  session->patience = due;
  dvs_session_timer_set (session, DVS_TIMER_MEDIA,
      due ? 1000 * (guint64)session->settings->media_patience_s : 0);
}
