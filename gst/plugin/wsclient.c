/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One viewer: see wsclient.h. Frames are written by us, headers and shared
 * payloads gathered into one system call, so that relaying copies nothing in
 * user space.
 *
 * Threads: see wsclient.h.
 */
#include "wsclient.h"

#include <string.h>

/* Gathered into one write; a viewer gets at most WRITE_TURN in one go, so that
 * a fast one does not keep the others waiting. */
#define WRITE_GATHER (256 * 1024)
#define WRITE_TURN (1024 * 1024)
#define READ_TURN 8
/* Replies that a client does not read, before it is cut. */
#define FRONT_MAX_BYTES (4 * 1024 * 1024)
#define FRONT_MAX_ITEMS 16384
#define PING_AFTER (10 * G_USEC_PER_SEC)
#define PONG_WITHIN (20 * G_USEC_PER_SEC)

static void client_readable (gpointer user_data);
static void client_writable (gpointer user_data);

WsClient *
ws_client_new (WsEndpoint *endpoint, guint64 id, GIOStream *stream,
    const gchar *remote, gboolean control)
{
  GInputStream *in = g_io_stream_get_input_stream (stream);
  GOutputStream *out = g_io_stream_get_output_stream (stream);
  WsClient *client;

  if (!G_IS_POLLABLE_INPUT_STREAM (in) || !G_IS_POLLABLE_OUTPUT_STREAM (out) ||
      !g_pollable_input_stream_can_poll (G_POLLABLE_INPUT_STREAM (in)) ||
      !g_pollable_output_stream_can_poll (G_POLLABLE_OUTPUT_STREAM (out)))
    return NULL;
  client = g_new0 (WsClient, 1);
  client->endpoint = endpoint;
  client->id = id;
  client->stream = g_object_ref (stream);
  client->in = G_POLLABLE_INPUT_STREAM (in);
  client->remote = g_strdup (remote);
  client->control = control;
  client->joined = client->heard = client->progress = g_get_monotonic_time ();
  g_queue_init (&client->front);
  ws_reader_init (&client->reader, WS_CLIENT_MAX_MESSAGE);
  return client;
}

/* Lets go of everything but the structure. */
static void
client_release (WsClient *client)
{
  guint i;

  ws_watch_clear (&client->watch);
  for (i = 0; i < client->n_flight; i++)
    ws_item_unref (client->flight[i]);
  client->n_flight = 0;
  g_queue_clear_full (&client->front, (GDestroyNotify)ws_item_unref);
  client->front_bytes = 0;
  g_clear_pointer (&client->init, ws_item_unref);
  client->ping = NULL;
  ws_reader_clear (&client->reader);
  if (client->stream) {
    /* Closing TLS may want to talk: never wait for that here. */
    ws_endpoint_close_stream (client->endpoint, client->stream,
        G_IS_SOCKET_CONNECTION (client->stream) &&
            !G_IS_TCP_WRAPPER_CONNECTION (client->stream));
    g_clear_object (&client->stream);
  }
}

void
ws_client_free (WsClient *client)
{
  client_release (client);
  g_free (client->remote);
  g_free (client->reason);
  g_free (client->close_text);
  g_free (client);
}

void
ws_client_start (WsClient *client, WsPoll *poll)
{
  ws_watch_init (&client->watch, poll, client->stream, client_readable,
      client_writable, client);
  client->started = TRUE;
  ws_watch_read (&client->watch);
  ws_client_pump (client);
}

void
ws_client_fail (WsClient *client, const gchar *reason)
{
  if (client->dead)
    return;
  client->dead = TRUE;
  if (client->reason == NULL)
    client->reason = g_strdup (reason);
  client_release (client);
  ws_endpoint_gone (client->endpoint, client);
}

void
ws_client_push (WsClient *client, WsItem *item)
{
  if (client->dead || client->close_sent) {
    ws_item_unref (item);
    return;
  }
  g_queue_push_tail (&client->front, item);
  client->front_bytes += ws_item_wire_size (item);
  if (client->front_bytes > FRONT_MAX_BYTES ||
      client->front.length > FRONT_MAX_ITEMS)
    ws_client_fail (client, "unread-replies");
}

static WsItem *
frame_new (guint opcode, gconstpointer data, gsize size)
{
  GBytes *bytes = g_bytes_new (data, size);
  WsItem *item = ws_item_new (WS_ITEM_TEXT, bytes);

  item->header_size = (guint8)ws_frame_header (item->header, opcode, size);
  g_bytes_unref (bytes);
  return item;
}

gboolean
ws_client_blocked (const WsClient *client)
{
  return client->blocked;
}

gboolean
ws_client_idle (const WsClient *client)
{
  return client->dead || (client->n_flight == 0 && client->front.length == 0 &&
                             !ws_endpoint_has_next (client->endpoint, client));
}

gboolean
ws_client_drained (const WsClient *client)
{
  return client->dead ||
         (client->n_flight == 0 && client->front.length == 0 &&
             (client->close_sent ||
                 !ws_endpoint_has_next (client->endpoint, client)));
}

/* ---- writing ---- */

/* The close frame, once everything before it is in flight. */
static WsItem *
client_close_frame (WsClient *client)
{
  guint8 body[125];
  gsize size = client->close_text ? strlen (client->close_text) : 0;

  size = MIN (size, sizeof body - 2);
  body[0] = (guint8)(client->close_code >> 8);
  body[1] = (guint8)client->close_code;
  if (size)
    memcpy (body + 2, client->close_text, size);
  client->close_sent = TRUE;
  return frame_new (WS_OP_CLOSE, body, size + 2);
}

static WsItem *
client_next (WsClient *client)
{
  WsItem *item;

  if (client->close_sent)
    return NULL;
  if (client->closing && client->close_now)
    return client_close_frame (client);
  item = g_queue_pop_head (&client->front);
  if (item) {
    client->front_bytes -= ws_item_wire_size (item);
    return item;
  }
  item = ws_endpoint_next (client->endpoint, client);
  if (item == NULL && client->closing)
    return client_close_frame (client);
  return item;
}

static void
client_fill (WsClient *client)
{
  gsize bytes = 0;
  guint i;

  for (i = 0; i < client->n_flight; i++)
    bytes += ws_item_wire_size (client->flight[i]);
  if (client->n_flight == 0)
    client->flight_since = g_get_monotonic_time ();
  while (client->n_flight < WS_CLIENT_FLIGHT && bytes < WRITE_GATHER) {
    WsItem *item = client_next (client);
    if (item == NULL)
      break;
    client->flight[client->n_flight++] = item;
    bytes += ws_item_wire_size (item);
  }
}

/* Moves past @written bytes of what is in flight. */
static void
client_advance (WsClient *client, gsize written)
{
  guint done = 0, i;

  client->stats.bytes_sent += written;
  written += client->flight_offset;
  while (done < client->n_flight &&
         written >= ws_item_wire_size (client->flight[done])) {
    WsItem *item = client->flight[done++];
    written -= ws_item_wire_size (item);
    client->stats.messages_sent++;
    if (item == client->ping) {
      client->ping = NULL;
      client->ping_sent = client->progress;
    }
    ws_item_unref (item);
  }
  client->flight_offset = written;
  if (done)
    client->flight_since = client->progress;
  client->n_flight -= done;
  for (i = 0; i < client->n_flight; i++)
    client->flight[i] = client->flight[i + done];
}

static guint
client_vectors (const WsClient *client, GOutputVector *vectors)
{
  gsize skip = client->flight_offset;
  guint n = 0, i;

  for (i = 0; i < client->n_flight; i++) {
    const WsItem *item = client->flight[i];
    if (skip < item->header_size) {
      vectors[n].buffer = item->header + skip;
      vectors[n++].size = item->header_size - skip;
      skip = 0;
    } else {
      skip -= item->header_size;
    }
    if (item->size > skip) {
      vectors[n].buffer = item->data + skip;
      vectors[n++].size = item->size - skip;
    }
    skip = 0;
  }
  return n;
}

/* Calls us again when the socket takes more, or, if it took its turn, after
 * the others had theirs. */
static void
client_wait (WsClient *client)
{
  client->blocked = TRUE;
  ws_watch_write (&client->watch);
}

/* TRUE if the socket is of no more use. */
static gboolean
client_write (WsClient *client)
{
  GOutputVector vectors[2 * WS_CLIENT_FLIGHT];
  gsize turn = 0;

  for (;;) {
    GPollableReturn result;
    gsize written = 0;
    guint n;

    client_fill (client);
    if (client->dead || client->n_flight == 0)
      return FALSE;
    if (turn >= WRITE_TURN) {
      client_wait (client);
      return FALSE;
    }
    n = client_vectors (client, vectors);
    result = ws_watch_send (&client->watch, vectors, n, &written);
    if (result == G_POLLABLE_RETURN_FAILED)
      return TRUE;
    if (written) {
      client->progress = g_get_monotonic_time ();
      client_advance (client, written);
      turn += written;
    }
    if (result == G_POLLABLE_RETURN_WOULD_BLOCK) {
      client_wait (client);
      return FALSE;
    }
  }
}

void
ws_client_pump (WsClient *client)
{
  if (client->dead || !client->started || client->blocked)
    return;
  if (client_write (client))
    ws_client_fail (client, "vanished");
  else if (!client->dead && client->n_flight == 0 && client->close_sent &&
           client->close_received)
    ws_client_fail (client, "left");
}

gboolean
ws_client_pump_standing_in (WsClient *client)
{
  if (client->dead)
    return TRUE;
  if (!client->started || client->blocked || client->closing ||
      client->awaiting_key || client->front.length || client->watch.fd < 0)
    return FALSE;
  /* A socket that failed wakes the relay thread, which sees it fail again. */
  if (client_write (client))
    client_wait (client);
  return ws_client_idle (client);
}

static void
client_writable (gpointer user_data)
{
  WsClient *client = user_data;

  client->blocked = FALSE;
  ws_client_pump (client);
}

/* ---- closing ---- */

void
ws_client_close (WsClient *client, guint16 code, const gchar *reason,
    const gchar *text, gboolean now, gint64 patience)
{
  gint64 deadline = g_get_monotonic_time () + patience;

  if (client->dead)
    return;
  if (client->closing) {
    client->deadline = MIN (client->deadline, deadline);
    client->close_now |= now;
  } else {
    client->closing = TRUE;
    client->close_now = now;
    client->close_code = code;
    client->reason = g_strdup (reason);
    client->close_text = g_strdup (text);
    client->deadline = deadline;
  }
  ws_client_pump (client);
}

void
ws_client_tick (WsClient *client, gint64 now)
{
  if (client->dead)
    return;
  if (client->closing) {
    if (now >= client->deadline)
      ws_client_fail (client, "cut");
    return;
  }
  if (client->ping_sent && now - client->ping_sent > PONG_WITHIN) {
    ws_client_fail (client, "no-pong");
    return;
  }
  if (client->ping == NULL && !client->ping_sent &&
      now - client->heard > PING_AFTER) {
    client->ping = frame_new (WS_OP_PING, "dv", 2);
    ws_client_push (client, client->ping);
    ws_client_pump (client);
  }
}

/* ---- reading ---- */

static void
client_received (WsClient *client, const WsMessage *message)
{
  switch (message->opcode) {
    case WS_OP_PING:
      ws_client_push (
          client, frame_new (WS_OP_PONG, message->data, message->size));
      ws_client_pump (client);
      break;
    case WS_OP_PONG:
      break;
    case WS_OP_CLOSE:
      client->close_received = TRUE;
      if (client->close_sent && client->n_flight == 0)
        ws_client_fail (client, "left");
      else
        ws_client_close (
            client, WS_CLOSE_NORMAL, "left", NULL, TRUE, 2 * G_USEC_PER_SEC);
      break;
    case WS_OP_TEXT:
      client->stats.messages_received++;
      if (!g_utf8_validate_len (
              (const gchar *)message->data, message->size, NULL))
        ws_client_close (client, WS_CLOSE_BAD_DATA, "bad-data",
            "text is not UTF-8", TRUE, 2 * G_USEC_PER_SEC);
      else
        ws_endpoint_message (client->endpoint, client,
            (const gchar *)message->data, message->size);
      break;
    default:
      ws_client_close (client, WS_CLOSE_UNSUPPORTED, "bad-data",
          "binary messages are not taken", TRUE, 2 * G_USEC_PER_SEC);
      break;
  }
}

/* After our close frame, or an error, only a close frame is looked for. */
static void
client_take (WsClient *client, const guint8 *data, gsize size)
{
  WsMessage message;
  WsReadResult result;

  client->stats.bytes_received += size;
  while (!client->dead) {
    result = ws_reader_next (&client->reader, &data, &size, &message);
    if (result == WS_READ_MORE)
      return;
    if (result == WS_READ_ERROR) {
      ws_client_close (client, client->reader.close_code, "bad-data",
          client->reader.reason, TRUE, 2 * G_USEC_PER_SEC);
      return;
    }
    if (!client->closing || message.opcode == WS_OP_CLOSE)
      client_received (client, &message);
  }
}

static void
client_readable (gpointer user_data)
{
  WsClient *client = user_data;
  guint8 data[4096];
  guint turn;

  for (turn = 0; turn < READ_TURN && !client->dead; turn++) {
    GError *error = NULL;
    gssize size = g_pollable_input_stream_read_nonblocking (
        client->in, data, sizeof data, NULL, &error);

    if (size > 0) {
      client->heard = g_get_monotonic_time ();
      client->ping_sent = 0;
      client_take (client, data, size);
      continue;
    }
    if (size < 0 &&
        g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
      g_clear_error (&error);
      break;
    }
    g_clear_error (&error);
    ws_client_fail (client, client->close_sent ? "left" : "vanished");
  }
}
