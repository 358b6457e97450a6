/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A SoupWebsocketConnection as a viewer: see wsbridge.h.
 *
 * Threads: the one whose main context the connection belongs to.
 */
#include "wsbridge.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wsframe.h"
#include "wssource.h"

/* Of each end: more would only hide how far behind a viewer is. */
#define BUFFER (64 * 1024)
#define READ_SIZE 16384

typedef struct {
  guint refs; /* one until "closed", one for each callback that runs */
  SoupWebsocketConnection *connection;
  GMainContext *context;
  GSocket *socket; /* our end; NULL: the relay has gone */
  GSource *in;     /* what the relay sends */
  GSource *out;    /* libsoup has written all */
  GByteArray *got; /* from the relay, not sent on */
} Bridge;

/* No more to or from the relay. */
static void
bridge_leave_relay (Bridge *bridge)
{
  ws_source_drop (&bridge->in);
  ws_source_drop (&bridge->out);
  if (bridge->socket)
    g_socket_close (bridge->socket, NULL);
  g_clear_object (&bridge->socket);
}

static Bridge *
bridge_ref (Bridge *bridge)
{
  bridge->refs++;
  return bridge;
}

static void
bridge_unref (Bridge *bridge)
{
  if (--bridge->refs)
    return;
  bridge_leave_relay (bridge);
  g_object_unref (bridge->connection);
  g_main_context_unref (bridge->context);
  g_byte_array_unref (bridge->got);
  g_free (bridge);
}

static void
bridge_close (Bridge *bridge, gushort code, const gchar *why)
{
  bridge_leave_relay (bridge);
  /* "closed" follows. */
  if (soup_websocket_connection_get_state (bridge->connection) ==
      SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close (bridge->connection, code, why);
}

/* ---- to the relay ---- */

static void
bridge_tell (Bridge *bridge, guint opcode, gconstpointer data, gsize size)
{
  guint8 header[WS_HEADER_MAX + 4];
  gsize at;
  GOutputVector vectors[2];
  gssize sent;

  if (!bridge->socket)
    return;
  at = ws_frame_header (header, opcode, size);
  /* What comes from a viewer is masked; this mask changes nothing. */
  header[1] |= 0x80;
  memset (header + at, 0, 4);
  vectors[0].buffer = header;
  vectors[0].size = at + 4;
  vectors[1].buffer = data;
  vectors[1].size = size;
  sent = g_socket_send_message (
      bridge->socket, NULL, vectors, 2, NULL, 0, 0, NULL, NULL);
  /* The relay always reads: who sends faster than that is no viewer. */
  if (sent < 0 || (gsize)sent != at + 4 + size)
    bridge_close (bridge, WS_CLOSE_POLICY, "too many messages at once");
}

/* The peer leaves, in good order or not. */
static void
bridge_say_left (Bridge *bridge)
{
  static const guint8 code[2] = {WS_CLOSE_NORMAL >> 8, WS_CLOSE_NORMAL & 0xff};

  if (soup_websocket_connection_get_close_code (bridge->connection))
    bridge_tell (bridge, WS_OP_CLOSE, code, sizeof code);
  bridge_leave_relay (bridge);
}

static void
on_message (SoupWebsocketConnection *connection, gint type, GBytes *message,
    Bridge *bridge)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (message, &size);

  bridge_ref (bridge);
  bridge_tell (bridge,
      type == SOUP_WEBSOCKET_DATA_TEXT ? WS_OP_TEXT : WS_OP_BINARY, data, size);
  bridge_unref (bridge);
}

static void
on_closed (SoupWebsocketConnection *connection, Bridge *bridge)
{
  g_signal_handlers_disconnect_by_data (connection, bridge);
  bridge_say_left (bridge);
  bridge_unref (bridge);
}

/* ---- from the relay ---- */

static void bridge_listen (Bridge *bridge);

static gboolean
bridge_written (GObject *stream, gpointer user_data)
{
  Bridge *bridge = bridge_ref (user_data);

  ws_source_drop (&bridge->out);
  bridge_listen (bridge);
  bridge_unref (bridge);
  return G_SOURCE_REMOVE;
}

/* The connection's own source is ready whenever it has something to write and
 * the stream takes it, and goes before this one: when this one's turn comes
 * there is nothing left in its queue. */
static void
bridge_wait_written (Bridge *bridge)
{
  GIOStream *stream =
      soup_websocket_connection_get_io_stream (bridge->connection);

  ws_source_drop (&bridge->in);
  if (bridge->out)
    return;
  bridge->out = g_pollable_output_stream_create_source (
      G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (stream)), NULL);
  g_source_set_priority (bridge->out, G_PRIORITY_LOW);
  g_source_set_callback (
      bridge->out, (GSourceFunc)(void (*) (void))bridge_written, bridge, NULL);
  g_source_attach (bridge->out, bridge->context);
}

/* The size of the frame at the head of @got; 0: its header is not whole. */
static gsize
frame_size (const GByteArray *got, gsize *header)
{
  guint8 len = got->len > 1 ? got->data[1] & 0x7f : 0;
  guint64 size = len;
  guint i;

  *header = len == 126 ? 4 : len == 127 ? 10 : 2;
  if (got->len < *header)
    return 0;
  for (i = 2, size = len > 125 ? 0 : len; i < *header; i++)
    size = size << 8 | got->data[i];
  return *header + size;
}

/* One whole frame: FALSE, the bridge is left. */
static gboolean
bridge_send (Bridge *bridge, guint opcode, const guint8 *data, gsize size)
{
  if (opcode == WS_OP_CLOSE) {
    gushort code =
        size > 1 ? (gushort)(data[0] << 8 | data[1]) : WS_CLOSE_NORMAL;
    gchar *why =
        size > 2 ? g_strndup ((const gchar *)data + 2, size - 2) : NULL;

    bridge_close (bridge, code, why);
    g_free (why);
    return FALSE;
  }
  if (opcode == WS_OP_PING) {
    /* Whether the peer lives is the connection's business: keepalive-interval.
     */
    bridge_tell (bridge, WS_OP_PONG, data, size);
    return bridge->socket != NULL;
  }
  if (opcode == WS_OP_TEXT || opcode == WS_OP_BINARY) {
    GBytes *bytes = g_bytes_new (data, size);

    soup_websocket_connection_send_message (bridge->connection,
        opcode == WS_OP_TEXT ? SOUP_WEBSOCKET_DATA_TEXT
                             : SOUP_WEBSOCKET_DATA_BINARY,
        bytes);
    g_bytes_unref (bytes);
    if (bridge->socket)
      bridge_wait_written (bridge);
  }
  return bridge->socket != NULL;
}

/* Sends on what is whole, as long as libsoup has nothing to write. */
static void
bridge_forward (Bridge *bridge)
{
  gsize header, size;

  while (!bridge->out && (size = frame_size (bridge->got, &header)) &&
         bridge->got->len >= size) {
    gboolean on;

    if (soup_websocket_connection_get_state (bridge->connection) !=
        SOUP_WEBSOCKET_STATE_OPEN) {
      bridge_say_left (bridge);
      return;
    }
    on = bridge_send (bridge, bridge->got->data[0] & 0x0f,
        bridge->got->data + header, size - header);
    if (!on)
      return;
    g_byte_array_remove_range (bridge->got, 0, size);
  }
}

static gboolean
bridge_readable (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Bridge *bridge = bridge_ref (user_data);
  guint8 data[READ_SIZE];
  GError *error = NULL;
  gssize size =
      g_socket_receive (socket, (gchar *)data, sizeof data, NULL, &error);
  gboolean later = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);

  g_clear_error (&error);
  if (size > 0) {
    g_byte_array_append (bridge->got, data, size);
    bridge_forward (bridge);
  } else if (!later) {
    bridge_close (bridge, WS_CLOSE_GOING_AWAY, "the stream was taken down");
  }
  bridge_unref (bridge);
  return G_SOURCE_CONTINUE;
}

/* Reads on, once everything before is written. */
static void
bridge_listen (Bridge *bridge)
{
  bridge_forward (bridge);
  if (bridge->in || bridge->out || !bridge->socket)
    return;
  bridge->in = g_socket_create_source (bridge->socket, G_IO_IN, NULL);
  g_source_set_callback (
      bridge->in, (GSourceFunc)(void (*) (void))bridge_readable, bridge, NULL);
  g_source_attach (bridge->in, bridge->context);
}

GIOStream *
ws_bridge_new (SoupWebsocketConnection *connection, GError **error)
{
  GIOStream *stream = soup_websocket_connection_get_io_stream (connection);
  GOutputStream *out = stream ? g_io_stream_get_output_stream (stream) : NULL;
  GSocket *ends[2] = {NULL, NULL};
  GSocketConnection *relay;
  Bridge *bridge;
  int fds[2];
  guint i;

  if (soup_websocket_connection_get_state (connection) !=
          SOUP_WEBSOCKET_STATE_OPEN ||
      !G_IS_POLLABLE_OUTPUT_STREAM (out) ||
      !g_pollable_output_stream_can_poll (G_POLLABLE_OUTPUT_STREAM (out))) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
        "the WebSocket is not open, or its stream cannot be polled");
    return NULL;
  }
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
        "no pair of sockets: %s", g_strerror (errno));
    return NULL;
  }
  for (i = 0; i < 2; i++) {
    ends[i] = g_socket_new_from_fd (fds[i], error);
    if (ends[i] == NULL)
      goto no_socket;
    g_socket_set_blocking (ends[i], FALSE);
    g_socket_set_option (ends[i], SOL_SOCKET, SO_SNDBUF, BUFFER, NULL);
  }
  bridge = g_new0 (Bridge, 1);
  bridge->refs = 1;
  bridge->connection = g_object_ref (connection);
  bridge->context = g_main_context_ref_thread_default ();
  bridge->socket = g_steal_pointer (&ends[1]);
  bridge->got = g_byte_array_new ();
  g_signal_connect (connection, "message", G_CALLBACK (on_message), bridge);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), bridge);
  bridge_listen (bridge);
  relay = g_socket_connection_factory_create_connection (ends[0]);
  g_object_unref (ends[0]);
  return G_IO_STREAM (relay);

no_socket:
  /* A GSocket closes its own descriptor. */
  for (i = 0; i < 2; i++) {
    if (ends[i])
      g_object_unref (ends[i]);
    else
      close (fds[i]);
  }
  return NULL;
}
