/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A WebSocket client for tests: see ws-client.h.
 */
#include "ws-client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wsframe.h"

int
test_ws_socket (guint port, int receive_buffer)
{
  struct sockaddr_in at = {.sin_family = AF_INET};
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0)
    return -1;
  if (receive_buffer)
    setsockopt (
        fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  at.sin_port = htons ((guint16)port);
  at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  if (connect (fd, (struct sockaddr *)&at, sizeof at) != 0) {
    close (fd);
    return -1;
  }
  return fd;
}

static gboolean
send_all (int fd, gconstpointer data, gsize size)
{
  const guint8 *at = data;

  while (size) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    gssize sent;

    if (poll (&poll_fd, 1, TEST_WS_PATIENCE_MS) <= 0)
      return FALSE;
    sent = send (fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
      return FALSE;
    if (sent > 0) {
      at += sent;
      size -= (gsize)sent;
    }
  }
  return TRUE;
}

/* Appends what comes; 0 at the end, -1 if nothing came in time. */
static gssize
receive_some (int fd, GByteArray *bytes, gsize size)
{
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  guint8 data[65536];
  gssize got;

  if (poll (&poll_fd, 1, TEST_WS_PATIENCE_MS) <= 0)
    return -1;
  got = recv (fd, data, MIN (size, sizeof data), 0);
  if (got > 0)
    g_byte_array_append (bytes, data, (guint)got);
  return got < 0 ? 0 : got;
}

gchar *
test_ws_http (guint port, const gchar *request)
{
  GByteArray *answer;
  int fd = test_ws_socket (port, 0);

  if (fd < 0)
    return NULL;
  answer = g_byte_array_new ();
  send_all (fd, request, strlen (request));
  while (receive_some (fd, answer, 65536) > 0)
    ;
  close (fd);
  g_byte_array_append (answer, (const guint8 *)"", 1);
  return (gchar *)g_byte_array_free (answer, FALSE);
}

TestWs *
test_ws_new (int fd)
{
  TestWs *ws = g_new0 (TestWs, 1);

  ws->fd = fd;
  ws->status = 101;
  ws->bytes = g_byte_array_new ();
  return ws;
}

/* Reads the answer to the handshake and leaves what follows it. */
static void
read_answer (TestWs *ws)
{
  const gchar *end = NULL, *line;

  do {
    if (receive_some (ws->fd, ws->bytes, 65536) <= 0)
      return;
    end = g_strstr_len (
        (const gchar *)ws->bytes->data, ws->bytes->len, "\r\n\r\n");
  } while (end == NULL);
  /* The scans below want a string. */
  ws->bytes->data[end - (const gchar *)ws->bytes->data] = '\0';
  sscanf ((const gchar *)ws->bytes->data, "HTTP/1.1 %u", &ws->status);
  line = g_strstr_len ((const gchar *)ws->bytes->data,
      end - (const gchar *)ws->bytes->data, "Sec-WebSocket-Protocol: ");
  if (line) {
    line += strlen ("Sec-WebSocket-Protocol: ");
    ws->protocol = g_strndup (line, strcspn (line, "\r"));
  }
  g_byte_array_remove_range (
      ws->bytes, 0, (guint)(end + 4 - (const gchar *)ws->bytes->data));
}

TestWs *
test_ws_connect (
    guint port, const gchar *target, const gchar *headers, int receive_buffer)
{
  TestWs *ws = test_ws_new (test_ws_socket (port, receive_buffer));
  gchar *request;

  ws->status = 0;
  if (ws->fd < 0)
    return ws;
  request = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                             "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             "%s\r\n",
      target, port, headers ? headers : "");
  if (send_all (ws->fd, request, strlen (request)))
    read_answer (ws);
  g_free (request);
  return ws;
}

void
test_ws_free (TestWs *ws)
{
  if (ws->fd >= 0)
    close (ws->fd);
  g_byte_array_unref (ws->bytes);
  g_free (ws->protocol);
  g_free (ws);
}

gboolean
test_ws_send_raw (TestWs *ws, gconstpointer data, gsize size)
{
  return send_all (ws->fd, data, size);
}

gboolean
test_ws_send (TestWs *ws, guint opcode, gconstpointer data, gsize size)
{
  static const guint8 mask[4] = {1, 2, 3, 4};
  GByteArray *frame = g_byte_array_new ();
  guint8 header[WS_HEADER_MAX];
  gsize n = ws_frame_header (header, opcode, size), i;
  gboolean ok;

  header[1] |= 0x80;
  g_byte_array_append (frame, header, (guint)n);
  g_byte_array_append (frame, mask, 4);
  if (size)
    g_byte_array_append (frame, data, (guint)size);
  for (i = 0; i < size; i++)
    frame->data[n + 4 + i] ^= mask[i & 3];
  ok = send_all (ws->fd, frame->data, frame->len);
  g_byte_array_unref (frame);
  return ok;
}

gboolean
test_ws_send_text (TestWs *ws, const gchar *text)
{
  return test_ws_send (ws, WS_OP_TEXT, text, strlen (text));
}

/* The size of the whole frame at the front; 0 if it is not there yet. */
static gsize
whole_frame (const GByteArray *bytes, gsize *header)
{
  guint64 size;
  guint i;

  if (bytes->len < 2)
    return 0;
  *header = 2;
  size = bytes->data[1] & 0x7f;
  if (size == 126) {
    *header = 4;
    if (bytes->len < 4)
      return 0;
    size = (guint64)bytes->data[2] << 8 | bytes->data[3];
  } else if (size == 127) {
    *header = 10;
    if (bytes->len < 10)
      return 0;
    for (size = 0, i = 0; i < 8; i++)
      size = size << 8 | bytes->data[2 + i];
  }
  return bytes->len >= *header + size ? *header + size : 0;
}

gboolean
test_ws_receive (TestWs *ws, TestWsFrame *frame)
{
  gsize size, header = 0;

  while ((size = whole_frame (ws->bytes, &header)) == 0) {
    gssize got = receive_some (ws->fd, ws->bytes, 65536);
    if (got < 0)
      return FALSE;
    if (got == 0) {
      frame->opcode = 0;
      frame->data = g_byte_array_new ();
      return TRUE;
    }
  }
  frame->opcode = ws->bytes->data[0] & 0x0f;
  frame->data = g_byte_array_new ();
  g_byte_array_append (
      frame->data, ws->bytes->data + header, (guint)(size - header));
  g_byte_array_remove_range (ws->bytes, 0, (guint)size);
  return TRUE;
}

void
test_ws_frame_clear (TestWsFrame *frame)
{
  g_clear_pointer (&frame->data, g_byte_array_unref);
}

gssize
test_ws_trickle (TestWs *ws, gsize size)
{
  return receive_some (ws->fd, ws->bytes, size);
}

gchar *
test_ws_type (const gchar *text)
{
  const gchar *at = strstr (text, "\"type\":\"");

  if (at == NULL)
    return g_strdup ("");
  at += strlen ("\"type\":\"");
  return g_strndup (at, strcspn (at, "\""));
}

gchar *
test_ws_wait_text (TestWs *ws, const gchar *type)
{
  TestWsFrame frame;

  while (test_ws_receive (ws, &frame)) {
    gchar *text = NULL, *found = NULL;
    guint opcode = frame.opcode;

    if (opcode == WS_OP_TEXT) {
      text = g_strndup ((const gchar *)frame.data->data, frame.data->len);
      found = test_ws_type (text);
    }
    test_ws_frame_clear (&frame);
    if (found && g_str_equal (found, type)) {
      g_free (found);
      return text;
    }
    g_free (found);
    g_free (text);
    if (opcode == 0 || opcode == WS_OP_CLOSE)
      break;
  }
  return NULL;
}

guint
test_ws_wait_close (TestWs *ws)
{
  TestWsFrame frame;
  guint code = 0, opcode;

  while (test_ws_receive (ws, &frame)) {
    opcode = frame.opcode;
    if (opcode == WS_OP_CLOSE && frame.data->len >= 2)
      code = (guint)(frame.data->data[0] << 8 | frame.data->data[1]);
    test_ws_frame_clear (&frame);
    if (opcode == 0 || opcode == WS_OP_CLOSE)
      break;
  }
  return code;
}

guint
test_ws_status (guint port, const gchar *target, const gchar *headers)
{
  TestWs *ws = test_ws_connect (port, target, headers, 0);
  guint status = ws->status;

  test_ws_free (ws);
  return status;
}
