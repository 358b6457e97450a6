/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What soupwebsocketsink hears on the bus of the top pipeline: generation of
 * segments, and the first error. By sync emission, since the bus of a sink
 * shows none of it and nobody may run a main loop.
 *
 * Threads: watching starts and ends in state changes; messages are heard in
 * the thread that posts them, which is never kept waiting.
 */
#include "gstsoupwebsocketsink.h"

#include "gstdreamverse.h"
#include "gstdreamversebus.h"

static gboolean
add_timing (GQuark field, const GValue *value, gpointer user_data)
{
  if (G_VALUE_HOLDS_DOUBLE (value))
    json_object_set_double_member (
        user_data, g_quark_to_string (field), g_value_get_double (value));
  return TRUE;
}

static JsonNode *
read_timings (const GstStructure *s)
{
  const GValue *value =
      gst_structure_get_value (s, GST_DREAMVERSE_FIELD_TIMINGS);
  JsonObject *object;
  JsonNode *node;

  if (!value || !GST_VALUE_HOLDS_STRUCTURE (value) ||
      !gst_value_get_structure (value))
    return NULL;
  object = json_object_new ();
  gst_structure_foreach (gst_value_get_structure (value), add_timing, object);
  node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  return node;
}

static gchar *
dup_string (const GstStructure *s, const gchar *field)
{
  return g_strdup (gst_structure_get_string (s, field));
}

WsEvent *
gst_soup_websocket_event_new (WsEventType type, const GstStructure *s)
{
  WsEvent *event = ws_event_new (type);
  GstDreamverseSegment segment = {
      0,
  };

  gst_dreamverse_parse_segment (s, &segment);
  gst_structure_get_uint (s, GST_DREAMVERSE_FIELD_EPOCH, &event->epoch);
  event->index = segment.index;
  event->stream_id = g_strdup (segment.stream_id);
  event->prompt = g_strdup (segment.prompt);
  event->start = segment.start;
  event->end = segment.end;
  event->model = dup_string (s, GST_DREAMVERSE_FIELD_MODEL);
  gst_structure_get_boolean (
      s, GST_DREAMVERSE_FIELD_PROCEDURAL, &event->procedural);
  gst_structure_get_boolean (s, GST_DREAMVERSE_FIELD_ABORTED, &event->aborted);
  gst_structure_get_boolean (s, GST_DREAMVERSE_FIELD_LAST, &event->last);
  gst_structure_get_boolean (s, GST_DREAMVERSE_FIELD_PAUSED, &event->paused);
  gst_structure_get_uint (s, GST_DREAMVERSE_FIELD_FRAMES, &event->frames);
  gst_structure_get_uint (s, GST_DREAMVERSE_FIELD_SEGMENTS, &event->segments);
  gst_structure_get_uint (
      s, GST_DREAMVERSE_FIELD_QUEUE_DEPTH, &event->queue_depth);
  gst_structure_get_double (s, GST_DREAMVERSE_FIELD_FRACTION, &event->fraction);
  gst_structure_get_double (
      s, GST_DREAMVERSE_FIELD_GENERATION_MS, &event->generation_ms);
  event->stage = dup_string (s, GST_DREAMVERSE_FIELD_STAGE);
  event->code = dup_string (s, GST_DREAMVERSE_FIELD_CODE);
  event->message = dup_string (s, GST_DREAMVERSE_FIELD_MESSAGE);
  event->prompt_id = dup_string (s, GST_DREAMVERSE_FIELD_PROMPT_ID);
  event->timings = read_timings (s);
  return event;
}

/* ---- what is said ---- */

static void
hear_error (GstSoupWebsocketSink *self, GstMessage *message)
{
  WsEvent *event = ws_event_new (WS_EVENT_ERROR);
  GError *error = NULL;
  gchar *debug = NULL;

  gst_message_parse_error (message, &error, &debug);
  event->code = g_strdup ("pipeline-error");
  event->message = g_strdup (error ? error->message : "The pipeline failed.");
  GST_INFO_OBJECT (self, "telling viewers: %s", event->message);
  gst_soup_websocket_sink_post (self, event, FALSE);
  g_clear_error (&error);
  g_free (debug);
}

static const struct {
  const gchar *name;
  WsEventType type;
} heard[] = {
    {GST_DREAMVERSE_MESSAGE_SEGMENT_START, WS_EVENT_STEP_START},
    {GST_DREAMVERSE_MESSAGE_PROGRESS, WS_EVENT_PROGRESS},
    {GST_DREAMVERSE_MESSAGE_STEP_COMPLETE, WS_EVENT_STEP_COMPLETE},
    {GST_DREAMVERSE_MESSAGE_STEP_ABORTED, WS_EVENT_STEP_ABORTED},
    {GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE, WS_EVENT_STREAM_COMPLETE},
    {GST_DREAMVERSE_MESSAGE_PROMPT_RECEIVED, WS_EVENT_PROMPT_RECEIVED},
    {GST_DREAMVERSE_MESSAGE_PAUSED, WS_EVENT_PAUSED},
    {GST_DREAMVERSE_MESSAGE_RESET, WS_EVENT_RESET},
    {GST_DREAMVERSE_MESSAGE_MEDIA_ERROR, WS_EVENT_ERROR},
};

static void
hear_element (GstSoupWebsocketSink *self, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);
  guint i;

  for (i = 0; s && i < G_N_ELEMENTS (heard); i++)
    if (gst_structure_has_name (s, heard[i].name))
      break;
  if (!s || i == G_N_ELEMENTS (heard) ||
      !gst_dreamverse_is_upstream (
          GST_ELEMENT (self), GST_MESSAGE_SRC (message)))
    return;
  gst_soup_websocket_sink_post (
      self, gst_soup_websocket_event_new (heard[i].type, s), FALSE);
}

static void
hear (GstBus *bus, GstMessage *message, GstSoupWebsocketSink *self)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    hear_error (self, message);
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT &&
           GST_MESSAGE_SRC (message))
    hear_element (self, message);
}

void
gst_soup_websocket_sink_watch_bus (GstSoupWebsocketSink *self)
{
  self->bus = gst_dreamverse_top_bus (GST_ELEMENT (self));
  if (self->bus == NULL)
    return;
  gst_bus_enable_sync_message_emission (self->bus);
  /* After dreamversemux, which hears the same error and names its segment. */
  self->bus_handler = g_signal_connect_object (
      self->bus, "sync-message", G_CALLBACK (hear), self, G_CONNECT_AFTER);
}

void
gst_soup_websocket_sink_unwatch_bus (GstSoupWebsocketSink *self)
{
  if (self->bus == NULL)
    return;
  g_signal_handler_disconnect (self->bus, self->bus_handler);
  gst_bus_disable_sync_message_emission (self->bus);
  gst_clear_object (&self->bus);
}
