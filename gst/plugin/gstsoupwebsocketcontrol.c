/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What viewers of a soupwebsocketsink send, and word of their coming and
 * going: signals to the application, commands upstream.
 *
 * Threads: the relay thread hands over, and never waits; one notifier thread a
 * sink emits signals and sends events, so that an application may take its
 * time, and in order.
 */
#include "gstsoupwebsocketsink.h"

#include "control.h"
#include "gstdreamverse.h"
#include "wsjson.h"

GST_DEBUG_CATEGORY_EXTERN (gst_soup_websocket_sink_debug);
#define GST_CAT_DEFAULT gst_soup_websocket_sink_debug

/* Messages that wait for the application or the pipeline. */
#define NOTES_MAX 256
/* Messages that make no sense, before a viewer is sent away. */
#define NONSENSE_MAX 8

typedef enum { NOTE_ADDED, NOTE_REMOVED, NOTE_MESSAGE } NoteType;

typedef struct {
  NoteType type;
  GstSoupWebsocketSink *self; /* a reference */
  guint64 id;
  gboolean control;
  gchar *text; /* remote, reason or message */
  gsize size;
} Note;

static void
note_free (Note *note)
{
  g_free (note->text);
  gst_object_unref (note->self);
  g_free (note);
}

/* ---- the relay thread ---- */

static void
hand_on (GstSoupWebsocketSink *self, NoteType type, guint64 id,
    gboolean control, const gchar *text, gsize size)
{
  Note *note = g_new0 (Note, 1);

  note->type = type;
  note->self = gst_object_ref (self);
  note->id = id;
  note->control = control;
  note->text = g_strndup (text, size);
  note->size = size;
  g_thread_pool_push (self->notifier, note, NULL);
}

static void
client_added (gpointer owner, guint64 id, const gchar *remote)
{
  hand_on (owner, NOTE_ADDED, id, FALSE, remote ? remote : "",
      remote ? strlen (remote) : 0);
}

static void
client_removed (
    gpointer owner, guint64 id, const gchar *reason, const WsClientStats *stats)
{
  GST_INFO_OBJECT (owner,
      "viewer %" G_GUINT64_FORMAT " goes: %s, %" G_GUINT64_FORMAT " bytes sent",
      id, reason, stats->bytes_sent);
  hand_on (owner, NOTE_REMOVED, id, FALSE, reason, strlen (reason));
}

static void
message_received (
    gpointer owner, guint64 id, gboolean control, const gchar *text, gsize size)
{
  GstSoupWebsocketSink *self = owner;

  if (g_thread_pool_unprocessed (self->notifier) >= NOTES_MAX)
    ws_endpoint_reply (self->route->endpoint, id,
        ws_json_error (
            "busy", "Too many messages at once: try again.", 0, NULL));
  else
    hand_on (self, NOTE_MESSAGE, id, control, text, size);
}

const WsEndpointEvents gst_soup_websocket_endpoint_events = {
    client_added,
    client_removed,
    message_received,
};

/* ---- the notifier thread ---- */

typedef struct {
  GstSoupWebsocketSink *self;
  guint64 id;
  gchar *text; /* NULL: it is sent away */
  gboolean nonsense;
} Reply;

static void
reply_send (gpointer data)
{
  Reply *reply = data;
  WsEndpoint *endpoint = reply->self->route->endpoint;
  WsClient *client = ws_endpoint_find (endpoint, reply->id);

  if (client == NULL)
    return;
  if (reply->text == NULL) {
    ws_client_close (
        client, WS_CLOSE_NORMAL, "left", NULL, TRUE, 2 * G_USEC_PER_SEC);
    return;
  }
  ws_endpoint_reply (endpoint, reply->id, g_steal_pointer (&reply->text));
  if (reply->nonsense && ++client->nonsense >= NONSENSE_MAX)
    ws_client_close (client, WS_CLOSE_UNSUPPORTED, "bad-data",
        "messages make no sense", FALSE, 2 * G_USEC_PER_SEC);
}

static void
reply_free (gpointer data)
{
  Reply *reply = data;

  g_free (reply->text);
  g_free (reply);
}

static void
reply_to (
    GstSoupWebsocketSink *self, guint64 id, gchar *text, gboolean nonsense)
{
  Reply *reply = g_new0 (Reply, 1);

  reply->self = self;
  reply->id = id;
  reply->text = text;
  reply->nonsense = nonsense;
  gst_soup_websocket_sink_post_call (self, reply_send, reply, reply_free);
}

static void
send_command (GstSoupWebsocketSink *self, guint64 client, const gchar *command,
    const gchar *prompt, const gchar *prompt_id)
{
  gchar *id = g_strdup_printf ("ws-%08x-%" G_GUINT64_FORMAT "-%d",
      (guint)g_atomic_int_get (&self->session), client,
      g_atomic_int_add (&self->commands, 1));

  GST_INFO_OBJECT (
      self, "viewer %" G_GUINT64_FORMAT " sends %s as %s", client, command, id);
  gst_pad_push_event (GST_BASE_SINK_PAD (self),
      gst_dreamverse_control_event_new (
          command, id, prompt, prompt_id ? prompt_id : (prompt ? id : NULL)));
  g_free (id);
}

static void
act (GstSoupWebsocketSink *self, guint64 id, const Control *control)
{
  switch (control->command) {
    case CONTROL_PROMPT:
      send_command (self, id, GST_DREAMVERSE_COMMAND_PROMPT, control->prompt,
          control->prompt_id);
      break;
    case CONTROL_PAUSED:
      send_command (self, id,
          control->paused ? GST_DREAMVERSE_COMMAND_PAUSE
                          : GST_DREAMVERSE_COMMAND_RESUME,
          NULL, NULL);
      break;
    case CONTROL_RESET:
      send_command (self, id, GST_DREAMVERSE_COMMAND_RESET, NULL, NULL);
      break;
    case CONTROL_RESTART:
      send_command (self, id, GST_DREAMVERSE_COMMAND_RESET, NULL, NULL);
      send_command (self, id, GST_DREAMVERSE_COMMAND_RESUME, NULL, NULL);
      break;
    default:
      break;
  }
}

static void
read_message (GstSoupWebsocketSink *self, const Note *note)
{
  const gchar *why = NULL;
  Control control;
  ControlStatus status = control_parse (note->text, note->size, &control, &why);

  gst_soup_websocket_sink_emit_message (self, note->id, note->text);
  if (status != CONTROL_OK) {
    reply_to (self, note->id,
        ws_json_error (control_status_code (status), why, 0, NULL), TRUE);
    return;
  }
  if (control.command == CONTROL_LEAVE) {
    reply_to (self, note->id, NULL, FALSE);
  } else if (control.command != CONTROL_UNKNOWN && !note->control) {
    reply_to (self, note->id,
        ws_json_error ("forbidden",
            "This viewer may watch, but not steer: a control token is needed.",
            0, NULL),
        FALSE);
  } else {
    act (self, note->id, &control);
  }
  control_clear (&control);
}

static void
notify (gpointer data, gpointer user_data)
{
  Note *note = data;
  GstSoupWebsocketSink *self = note->self;

  g_atomic_pointer_set (&self->notifying, g_thread_self ());
  switch (note->type) {
    case NOTE_ADDED:
      gst_soup_websocket_sink_emit_added (self, note->id, note->text);
      break;
    case NOTE_REMOVED:
      gst_soup_websocket_sink_emit_removed (self, note->id, note->text);
      break;
    case NOTE_MESSAGE:
      read_message (self, note);
      break;
  }
  g_atomic_pointer_set (&self->notifying, NULL);
  note_free (note);
}

void
gst_soup_websocket_sink_start_notifier (GstSoupWebsocketSink *self)
{
  g_atomic_int_set (&self->session, (gint)g_random_int ());
  self->notifier = g_thread_pool_new (notify, NULL, 1, FALSE, NULL);
}

void
gst_soup_websocket_sink_stop_notifier (GstSoupWebsocketSink *self)
{
  gboolean own = g_atomic_pointer_get (&self->notifying) == g_thread_self ();

  /* What was handed on is emitted, so that who came also goes. A handler that
   * brings the sink down must not wait for itself. */
  g_thread_pool_free (self->notifier, FALSE, !own);
  self->notifier = NULL;
}
