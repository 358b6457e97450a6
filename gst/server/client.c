/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A client's WebSocket: see client.h.
 *
 * Threads: the main thread alone.
 */
#include "client.h"

#include <string.h>

#include "wsclosing.h"
#include "wsframe.h"
#include "wspoll.h"

#define TICK_MS 250
#define READ_TURN 8
#define READ_SIZE 16384
/* One client gets at most this in one go, so that it keeps no other waiting. */
#define WRITE_TURN (1024 * 1024)
/* Frames gathered into one write. */
#define GATHER (WS_WATCH_MAX_VECTORS / 2)
/* A closing client that takes nothing for so long, or takes so long, is cut. */
#define CLOSE_IDLE (5 * G_USEC_PER_SEC)
#define CLOSE_WHOLE (60 * G_USEC_PER_SEC)
/* What waits beyond that which a session bounds: it holds media back in time,
 * but not its replies. */
#define MAX_FRAMES 65536
#define MAX_BEYOND (G_GUINT64_CONSTANT (32) << 20)
/* A message that begins larger than this is counted against the room's bound
 * until it is whole. */
#define SMALL_MESSAGE 65536
#define MAX_READING (G_GUINT64_CONSTANT (256) << 20)

struct DvsRoom {
  const DvsSettings *settings;
  DvsMetrics *metrics;
  WsPoll *poll;
  WsClosing *closing;
  GQueue clients;
  guint tick;
  guint64 unsent;
  guint64 reading; /* memory of large messages that are not whole */
};

typedef struct {
  guint8 header[WS_HEADER_MAX];
  guint8 header_size;
  gboolean ping;
  GBytes *bytes;
} Frame;

struct DvsClient {
  DvsRoom *room;
  GList link;
  const DvsClientEvents *events; /* NULL: released */
  gpointer user;
  guint busy; /* in a callback: not to be freed */

  GIOStream *stream; /* NULL: dead */
  GPollableInputStream *in;
  WsWatch watch;
  WsReader reader;
  guint64 reading; /* its part of the room's */

  GQueue frames; /* the first may be written in part */
  gsize offset;
  guint64 unsent, told;
  guint pump;
  gboolean started, blocked;

  gint64 heard, pinged, ping_written, progress, close_since;
  gboolean closing, close_sent, close_received;
};

static void client_readable (gpointer user);
static void client_writable (gpointer user);
static void wake (DvsClient *client);

static gsize
frame_size (const Frame *frame)
{
  return frame->header_size + g_bytes_get_size (frame->bytes);
}

static void
frame_free (Frame *frame)
{
  g_bytes_unref (frame->bytes);
  g_free (frame);
}

static void
add_unsent (DvsClient *client, gint64 bytes)
{
  client->unsent = (guint64)((gint64)client->unsent + bytes);
  client->room->unsent = (guint64)((gint64)client->room->unsent + bytes);
}

/* ---- life and death ---- */

/* Lets go of everything but the structure. */
static void
client_shut (DvsClient *client)
{
  DvsRoom *room = client->room;

  if (client->stream == NULL)
    return;
  ws_watch_clear (&client->watch);
  g_clear_handle_id (&client->pump, g_source_remove);
  g_queue_clear_full (&client->frames, (GDestroyNotify)frame_free);
  add_unsent (client, -(gint64)client->unsent);
  ws_reader_clear (&client->reader);
  room->reading -= client->reading;
  client->reading = 0;
  g_queue_unlink (&room->clients, &client->link);
  /* Closing TLS may want to talk: never wait for that here. */
  ws_closing_add (room->closing, client->stream,
      G_IS_SOCKET_CONNECTION (client->stream) &&
          !G_IS_TCP_WRAPPER_CONNECTION (client->stream));
  g_clear_object (&client->stream);
}

static void
client_leave (DvsClient *client)
{
  if (--client->busy == 0 && client->events == NULL && client->stream == NULL)
    g_free (client);
}

/* Tells the owner, who may release. */
static void
client_tell_gone (DvsClient *client, const gchar *reason)
{
  const DvsClientEvents *events = client->events;

  if (events == NULL)
    return;
  client->events = NULL;
  events->gone (client->user, reason);
}

/* To be called while busy. */
static void
client_cut (DvsClient *client, const gchar *reason)
{
  if (client->stream == NULL)
    return;
  client_shut (client);
  client_tell_gone (client, reason);
}

static void
count_drop (DvsClient *client, const gchar *reason)
{
  gchar *name = g_strconcat (DVS_COUNT_DROPS ":", reason, NULL);

  dvs_metrics_observe (client->room->metrics, name, 1);
  g_free (name);
  client_cut (client, reason);
}

void
dvs_client_release (DvsClient *client)
{
  client->events = NULL;
  client->busy++;
  if (!client->closing)
    client_shut (client);
  client_leave (client);
}

DvsClient *
dvs_client_new (DvsRoom *room, GIOStream *stream, const DvsClientEvents *events,
    gpointer user)
{
  GInputStream *in = g_io_stream_get_input_stream (stream);
  GOutputStream *out = g_io_stream_get_output_stream (stream);
  DvsClient *client;

  if (!G_IS_POLLABLE_INPUT_STREAM (in) || !G_IS_POLLABLE_OUTPUT_STREAM (out) ||
      !g_pollable_input_stream_can_poll (G_POLLABLE_INPUT_STREAM (in)) ||
      !g_pollable_output_stream_can_poll (G_POLLABLE_OUTPUT_STREAM (out)))
    return NULL;
  client = g_new0 (DvsClient, 1);
  client->room = room;
  client->link.data = client;
  client->events = events;
  client->user = user;
  client->stream = g_object_ref (stream);
  client->in = G_POLLABLE_INPUT_STREAM (in);
  client->heard = client->pinged = client->progress = g_get_monotonic_time ();
  g_queue_init (&client->frames);
  ws_reader_init (&client->reader, room->settings->max_message_bytes);
  ws_watch_init (&client->watch, room->poll, stream, client_readable,
      client_writable, client);
  g_queue_push_tail_link (&room->clients, &client->link);
  wake (client);
  return client;
}

/* ---- writing ---- */

static guint
gather (const DvsClient *client, GOutputVector *vectors)
{
  gsize skip = client->offset;
  GList *link = client->frames.head;
  guint n = 0, i;

  for (i = 0; link && i < GATHER; link = link->next, i++) {
    const Frame *frame = link->data;
    gsize size;
    const guint8 *data = g_bytes_get_data (frame->bytes, &size);

    if (skip < frame->header_size) {
      vectors[n].buffer = frame->header + skip;
      vectors[n++].size = frame->header_size - skip;
      skip = 0;
    } else {
      skip -= frame->header_size;
    }
    if (size > skip) {
      vectors[n].buffer = data + skip;
      vectors[n++].size = size - skip;
    }
    skip = 0;
  }
  return n;
}

static void
advance (DvsClient *client, gsize written)
{
  Frame *frame;

  dvs_metrics_observe (
      client->room->metrics, DVS_COUNT_SENT_BYTES, (gdouble)written);
  add_unsent (client, -(gint64)written);
  client->progress = g_get_monotonic_time ();
  written += client->offset;
  while ((frame = g_queue_peek_head (&client->frames)) != NULL &&
         written >= frame_size (frame)) {
    written -= frame_size (frame);
    if (frame->ping)
      client->ping_written = client->progress;
    frame_free (g_queue_pop_head (&client->frames));
  }
  client->offset = written;
}

static void
wait_writable (DvsClient *client)
{
  client->blocked = TRUE;
  ws_watch_write (&client->watch);
}

/* FALSE: the socket is of no more use. */
static gboolean
write_some (DvsClient *client)
{
  GOutputVector vectors[WS_WATCH_MAX_VECTORS];
  gsize turn = 0;

  while (client->frames.length) {
    gsize written = 0;
    GPollableReturn result;

    if (turn >= WRITE_TURN) {
      wait_writable (client);
      return TRUE;
    }
    result = ws_watch_send (
        &client->watch, vectors, gather (client, vectors), &written);
    if (result == G_POLLABLE_RETURN_FAILED)
      return FALSE;
    if (written)
      advance (client, written);
    turn += written;
    if (result == G_POLLABLE_RETURN_WOULD_BLOCK) {
      wait_writable (client);
      return TRUE;
    }
  }
  return TRUE;
}

/* What waits, also while it cannot be written: that is when it adds up. */
static void
client_tell_unsent (DvsClient *client)
{
  if (client->events && !client->closing && client->unsent != client->told) {
    client->told = client->unsent;
    client->events->unsent (client->user, client->told);
  }
}

/* To be called while busy. */
static void
client_write (DvsClient *client)
{
  if (client->stream == NULL)
    return;
  if (!client->blocked && !write_some (client)) {
    client_cut (client, "vanished");
    return;
  }
  if (!client->frames.length && client->close_sent && client->close_received) {
    client_cut (client, "closed");
    return;
  }
  client_tell_unsent (client);
}

static gboolean
client_pump (gpointer user)
{
  DvsClient *client = user;

  client->busy++;
  client->pump = 0;
  if (!client->started) {
    client->started = TRUE;
    ws_watch_read (&client->watch);
  }
  client_write (client);
  client_leave (client);
  return G_SOURCE_REMOVE;
}

static void
wake (DvsClient *client)
{
  if (!client->pump)
    client->pump =
        g_idle_add_full (G_PRIORITY_DEFAULT, client_pump, client, NULL);
}

static void
client_writable (gpointer user)
{
  DvsClient *client = user;

  client->busy++;
  client->blocked = FALSE;
  client_write (client);
  client_leave (client);
}

/* Takes @bytes. What is @urgent goes before the frames that wait, but not into
 * the middle of one. */
static void
push (DvsClient *client, guint opcode, GBytes *bytes, gboolean urgent)
{
  Frame *frame = g_new0 (Frame, 1);

  frame->bytes = bytes;
  frame->ping = opcode == WS_OP_PING;
  frame->header_size =
      (guint8)ws_frame_header (frame->header, opcode, g_bytes_get_size (bytes));
  g_queue_push_nth (&client->frames, frame, urgent ? client->offset > 0 : -1);
  add_unsent (client, (gint64)frame_size (frame));
  wake (client);
}

void
dvs_client_send_text (DvsClient *client, gchar *text)
{
  if (client->stream == NULL || client->closing)
    g_free (text);
  else
    push (client, WS_OP_TEXT, g_bytes_new_take (text, strlen (text)), FALSE);
}

void
dvs_client_send_media (DvsClient *client, GBytes *bytes)
{
  if (client->stream == NULL || client->closing)
    return;
  dvs_metrics_observe (client->room->metrics, DVS_COUNT_MEDIA_BYTES,
      (gdouble)g_bytes_get_size (bytes));
  push (client, WS_OP_BINARY, g_bytes_ref (bytes), FALSE);
}

/* ---- closing ---- */

static void
send_close (DvsClient *client, guint16 code, const gchar *reason)
{
  guint8 body[125];
  gsize size = reason ? MIN (strlen (reason), sizeof body - 2) : 0;

  if (client->stream == NULL || client->closing)
    return;
  client->closing = client->close_sent = TRUE;
  client->close_since = client->progress = g_get_monotonic_time ();
  body[0] = (guint8)(code >> 8);
  body[1] = (guint8)code;
  if (size)
    memcpy (body + 2, reason, size);
  push (client, WS_OP_CLOSE, g_bytes_new (body, size + 2), FALSE);
}

void
dvs_client_close (DvsClient *client, guint16 code, const gchar *reason)
{
  send_close (client, code, reason);
}

/* What was wrong is the client's: nothing that waits is worth sending first. */
static void
client_reject (DvsClient *client, guint16 code, const gchar *reason)
{
  send_close (client, code, reason);
  client_tell_gone (client, "rejected");
}

/* ---- reading ---- */

static void
client_received (DvsClient *client, const WsMessage *message)
{
  switch (message->opcode) {
    case WS_OP_PING:
      if (!client->closing)
        push (client, WS_OP_PONG, g_bytes_new (message->data, message->size),
            TRUE);
      break;
    case WS_OP_PONG:
      break;
    case WS_OP_CLOSE:
      client->close_received = TRUE;
      send_close (client, WS_CLOSE_NORMAL, NULL);
      client_tell_gone (client, "left");
      break;
    case WS_OP_TEXT:
      if (!g_utf8_validate_len (
              (const gchar *)message->data, message->size, NULL))
        client_reject (client, WS_CLOSE_BAD_DATA, "text is not UTF-8");
      else if (client->events)
        client->events->text (
            client->user, (const gchar *)message->data, message->size);
      break;
    default:
      if (client->events)
        client->events->binary (client->user);
      break;
  }
}

/* Of a large message that is not whole the memory counts; afterwards it is
 * given back. FALSE: there is none left. */
static gboolean
account_reading (DvsClient *client)
{
  DvsRoom *room = client->room;
  guint64 now = 0;

  if (client->reader.message_opcode == 0 &&
      client->reader.message_room > SMALL_MESSAGE)
    ws_reader_clear (&client->reader);
  if (client->reader.message_room > SMALL_MESSAGE)
    now = client->reader.message_room;
  room->reading = room->reading - client->reading + now;
  client->reading = now;
  return room->reading <= MAX_READING;
}

static void
client_take (DvsClient *client, const guint8 *data, gsize size)
{
  WsReadResult result = WS_READ_MESSAGE;

  while (client->stream && result == WS_READ_MESSAGE) {
    WsMessage message;

    result = ws_reader_next (&client->reader, &data, &size, &message);
    if (result == WS_READ_ERROR) {
      client_reject (client, client->reader.close_code, client->reader.reason);
      return;
    }
    if (result == WS_READ_MESSAGE &&
        (!client->closing || message.opcode == WS_OP_CLOSE))
      client_received (client, &message);
    if (client->stream && !account_reading (client)) {
      count_drop (client, "memory");
      return;
    }
  }
}

/* One piece; FALSE: there is no more now. */
static gboolean
read_some (DvsClient *client)
{
  guint8 data[READ_SIZE];
  GError *error = NULL;
  gssize size = g_pollable_input_stream_read_nonblocking (
      client->in, data, sizeof data, NULL, &error);
  gboolean blocks;

  if (size > 0) {
    client->heard = g_get_monotonic_time ();
    client->ping_written = 0;
    dvs_metrics_observe (
        client->room->metrics, DVS_COUNT_RECEIVED_BYTES, (gdouble)size);
    client_take (client, data, (gsize)size);
    return TRUE;
  }
  blocks =
      size < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  if (!blocks)
    client_cut (client, client->close_sent ? "closed" : "vanished");
  return FALSE;
}

static void
client_readable (gpointer user)
{
  DvsClient *client = user;
  guint turn;

  client->busy++;
  for (turn = 0; turn < READ_TURN && client->stream; turn++)
    if (!read_some (client))
      break;
  if (client->stream && client->close_received)
    client_write (client);
  client_leave (client);
}

/* ---- the clock ---- */

static void
client_tick (DvsClient *client, gint64 now)
{
  const DvsSettings *settings = client->room->settings;

  if (client->closing) {
    if (now - client->progress > CLOSE_IDLE ||
        now - client->close_since > CLOSE_WHOLE)
      client_cut (client, "closed");
    return;
  }
  if (client->ping_written &&
      now - client->ping_written > settings->pong_timeout_s * G_USEC_PER_SEC) {
    count_drop (client, "no-pong");
    return;
  }
  if (now - client->pinged > settings->ping_interval_s * G_USEC_PER_SEC) {
    client->pinged = now;
    push (client, WS_OP_PING, g_bytes_new_static ("dv", 2), TRUE);
  }
  if (client->frames.length > MAX_FRAMES ||
      client->unsent > 2 * settings->max_unsent_bytes + MAX_BEYOND)
    count_drop (client, "unread");
}

static gboolean
room_tick (gpointer user)
{
  DvsRoom *room = user;
  gint64 now = g_get_monotonic_time ();
  GList *link, *next;

  for (link = room->clients.head; link; link = next) {
    DvsClient *client = link->data;

    next = link->next;
    client->busy++;
    client_tick (client, now);
    client_leave (client);
  }
  ws_closing_hurry (room->closing, FALSE);
  return G_SOURCE_CONTINUE;
}

/* ---- the room ---- */

DvsRoom *
dvs_room_new (const DvsSettings *settings, DvsMetrics *metrics)
{
  DvsRoom *room = g_new0 (DvsRoom, 1);

  room->settings = settings;
  room->metrics = metrics;
  room->poll = ws_poll_new (g_main_context_get_thread_default ()
                                ? g_main_context_get_thread_default ()
                                : g_main_context_default ());
  room->closing = ws_closing_new ();
  g_queue_init (&room->clients);
  room->tick = g_timeout_add (TICK_MS, room_tick, room);
  return room;
}

void
dvs_room_free (DvsRoom *room)
{
  GList *link;

  if (room == NULL)
    return;
  g_source_remove (room->tick);
  while ((link = room->clients.head) != NULL) {
    DvsClient *client = link->data;
    client->busy++;
    client_cut (client, "closed");
    client_leave (client);
  }
  ws_closing_hurry (room->closing, TRUE);
  ws_closing_unref (room->closing);
  ws_poll_free (room->poll);
  g_free (room);
}

guint
dvs_room_size (const DvsRoom *room)
{
  return room->clients.length;
}

guint64
dvs_room_unsent (const DvsRoom *room)
{
  return room->unsent;
}
