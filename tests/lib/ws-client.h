/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A WebSocket client for tests, on a plain blocking socket: it can stall,
 * trickle, send garbage and vanish. Every wait ends after WS_CLIENT_PATIENCE
 * at the latest.
 *
 * Threads: one at a time.
 */
#ifndef TEST_WS_CLIENT_H
#define TEST_WS_CLIENT_H

#include <glib.h>

#define TEST_WS_PATIENCE_MS 20000

typedef struct {
  int fd;
  guint status;      /* of the handshake */
  gchar *protocol;   /* that the server chose */
  GByteArray *bytes; /* received, not yet looked at */
} TestWs;

typedef struct {
  guint opcode; /* 0: the connection ended without a close frame */
  GByteArray *data;
} TestWsFrame;

/* A connected socket; @receive_buffer of 0 leaves the kernel's. -1: refused. */
int test_ws_socket (guint port, int receive_buffer);
/* An HTTP request; returns the answer, headers and all, or NULL. */
gchar *test_ws_http (guint port, const gchar *request);
/* The handshake; look at status. @headers: further lines with \r\n, or NULL */
TestWs *test_ws_connect (
    guint port, const gchar *target, const gchar *headers, int receive_buffer);
/* Of a handshake: its HTTP status, no more. */
guint test_ws_status (guint port, const gchar *target, const gchar *headers);
/* A socket on which the handshake is done already. */
TestWs *test_ws_new (int fd);
void test_ws_free (TestWs *ws);

gboolean test_ws_send_raw (TestWs *ws, gconstpointer data, gsize size);
gboolean test_ws_send (
    TestWs *ws, guint opcode, gconstpointer data, gsize size);
gboolean test_ws_send_text (TestWs *ws, const gchar *text);
/* The next frame; FALSE when none came in time. */
gboolean test_ws_receive (TestWs *ws, TestWsFrame *frame);
void test_ws_frame_clear (TestWsFrame *frame);
/* Takes at most @size bytes, whatever they are; 0 at the end. */
gssize test_ws_trickle (TestWs *ws, gsize size);
/* Receives until a text of this type comes and returns it; NULL if the
 * connection ended first. */
gchar *test_ws_wait_text (TestWs *ws, const gchar *type);
/* Receives until the close frame; its code, 0 without one. */
guint test_ws_wait_close (TestWs *ws);
/* "type" of a text, to be freed; and a field of it. */
gchar *test_ws_type (const gchar *text);

#endif
