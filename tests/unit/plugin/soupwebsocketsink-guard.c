/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of soupwebsocketsink against what it must refuse: tokens and origins,
 * bodies, garbage, too much of everything; and of what it answers over HTTP.
 */
#include <gst/check/gstcheck.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink-rig.h"
#include "wsframe.h"
#include "wshttp.h"

static gboolean
may_steer (guint port, const gchar *target, const gchar *headers)
{
  TestWs *ws = test_ws_connect (port, target, headers, 0);
  gchar *text = test_ws_wait_text (ws, "dreamverse_hello");
  gboolean control = strstr (text, "\"control\":true") != NULL;

  g_free (text);
  test_ws_free (ws);
  return control;
}

/* ---- who may ---- */

GST_START_TEST (tokens)
{
  SinkRig *rig =
      sink_rig_new ("token", "watch", "control-token", "steer", NULL);
  TestWs *ws;

  fail_unless_equals_int (test_ws_status (rig->port, "/ws", NULL), 401);
  fail_unless_equals_int (
      test_ws_status (rig->port, "/ws?token=wrong", NULL), 401);
  fail_unless_equals_int (test_ws_status (rig->port, "/ws?token=", NULL), 401);
  fail_unless_equals_int (
      test_ws_status (rig->port, "/ws?token=watch", NULL), 101);
  fail_if (may_steer (rig->port, "/ws?token=watch", NULL));
  fail_unless (may_steer (rig->port, "/ws?token=steer", NULL));
  ws = test_ws_connect (rig->port, "/ws",
      "Sec-WebSocket-Protocol: dreamverse.v1, tok.steer\r\n", 0);
  fail_unless_equals_int (ws->status, 101);
  fail_unless_equals_string (ws->protocol, "dreamverse.v1");
  test_ws_free (ws);
  fail_unless_equals_int (
      test_ws_status (rig->port, "/ws",
          "Sec-WebSocket-Protocol: dreamverse.v1, tok.wrong\r\n"),
      401);
  sink_rig_free (rig);
}
GST_END_TEST;

GST_START_TEST (tokens_are_compared_whole)
{
  fail_unless (ws_http_same_token ("secret", "secret"));
  fail_if (ws_http_same_token ("secre", "secret"));
  fail_if (ws_http_same_token ("secrets", "secret"));
  fail_if (ws_http_same_token ("secretsecret", "secret"));
  fail_if (ws_http_same_token ("", "secret"));
  fail_if (ws_http_same_token (NULL, "secret"));
}
GST_END_TEST;

/* Without tokens a local page may steer, a page of somebody else's not. */
GST_START_TEST (control_by_default)
{
  SinkRig *rig = sink_rig_new (NULL);

  fail_unless (may_steer (rig->port, "/ws", NULL));
  fail_unless (
      may_steer (rig->port, "/ws", "Origin: http://localhost:3000\r\n"));
  fail_if (may_steer (rig->port, "/ws", "Origin: https://evil.example\r\n"));
  fail_if (may_steer (rig->port, "/ws", "Origin: null\r\n"));
  sink_rig_free (rig);
  rig = sink_rig_new ("address", "0.0.0.0", NULL);
  fail_if (may_steer (rig->port, "/ws", NULL));
  sink_rig_free (rig);
}
GST_END_TEST;

GST_START_TEST (origins)
{
  SinkRig *rig = sink_rig_new (
      "allowed-origins", "https://a.example, https://b.example", NULL);

  fail_unless_equals_int (test_ws_status (rig->port, "/ws", NULL), 101);
  fail_unless_equals_int (
      test_ws_status (rig->port, "/ws", "Origin: https://b.example\r\n"), 101);
  fail_unless_equals_int (
      test_ws_status (rig->port, "/ws", "Origin: https://c.example\r\n"), 403);
  sink_rig_free (rig);
}
GST_END_TEST;

GST_START_TEST (steering_is_refused_without_control)
{
  SinkRig *rig = sink_rig_new ("control-token", "steer", NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  gchar *text;

  test_ws_send_text (ws, "{\"type\":\"reset_to_seed_prompts\"}");
  text = test_ws_wait_text (ws, "error");
  fail_unless (strstr (text, "\"code\":\"forbidden\"") != NULL);
  g_free (text);
  /* The socket stays. */
  test_ws_send (ws, WS_OP_PING, "x", 1);
  {
    TestWsFrame frame;
    fail_unless (test_ws_receive (ws, &frame));
    fail_unless_equals_int (frame.opcode, WS_OP_PONG);
    test_ws_frame_clear (&frame);
  }
  test_ws_free (ws);
  sink_rig_free (rig);
}
GST_END_TEST;

/* ---- HTTP ---- */

static void
expect_answer (
    guint port, const gchar *request, const gchar *status, const gchar *part)
{
  gchar *answer = test_ws_http (port, request);

  fail_unless (answer != NULL);
  fail_unless (strstr (answer, status) == answer, "%s", answer);
  if (part)
    fail_unless (strstr (answer, part) != NULL, "no %s in %s", part, answer);
  g_free (answer);
}

#define GET(path)                                                              \
  "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

GST_START_TEST (http_answers)
{
  SinkRig *rig = sink_rig_new ("token", "watch", NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws?token=watch", NULL, 0);
  gchar *answer;

  expect_answer (
      rig->port, GET ("/healthz"), "HTTP/1.1 200", "\"status\":\"ok\"");
  expect_answer (rig->port,
      "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      "HTTP/1.1 200", NULL);
  expect_answer (rig->port, GET ("/ws"), "HTTP/1.1 400", "Cache-Control: no-");
  expect_answer (rig->port,
      "GET /ws?token=watch HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
      "Connection: close, Upgrade\r\nSec-WebSocket-Version: 7\r\n\r\n",
      "HTTP/1.1 400", NULL);
  expect_answer (rig->port, GET ("/nothing"), "HTTP/1.1 404", NULL);
  expect_answer (rig->port, GET ("/stats"), "HTTP/1.1 401", NULL);
  answer = test_ws_http (rig->port, GET ("/stats?token=watch"));
  {
    JsonNode *node = json_from_string (strstr (answer, "\r\n\r\n") + 4, NULL);
    fail_unless (node != NULL);
    json_node_unref (node);
  }
  fail_unless (strstr (answer, "\"path\":\"/ws\"") != NULL);
  fail_unless (strstr (answer, "\"client_id\":\"1\"") != NULL);
  fail_unless (strstr (answer, "\"bytes_sent\":") != NULL);
  g_free (answer);
  test_ws_free (ws);
  expect_answer (rig->port,
      "POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
      "Connection: close\r\n\r\nabc",
      "HTTP/1.1 405", "Allow: GET, HEAD");
  expect_answer (rig->port,
      "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
      "Connection: close\r\n\r\nabc",
      "HTTP/1.1 413", NULL);
  sink_rig_free (rig);
}
GST_END_TEST;

#ifdef HAVE_VIEWER
GST_START_TEST (the_viewer_is_served_when_wanted)
{
  SinkRig *rig = sink_rig_new (NULL);

  expect_answer (rig->port, GET ("/"), "HTTP/1.1 200", "text/html");
  expect_answer (
      rig->port, GET ("/viewer.js"), "HTTP/1.1 200", "text/javascript");
  sink_rig_free (rig);
  rig = sink_rig_new ("serve-viewer", "false", NULL);
  expect_answer (rig->port, GET ("/"), "HTTP/1.1 404", NULL);
  sink_rig_free (rig);
}
GST_END_TEST;
#endif

/* ---- bad input ---- */

static guint
closes_with (SinkRig *rig, void (*misbehave) (TestWs *ws))
{
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  guint code;

  fail_unless_equals_int (ws->status, 101);
  misbehave (ws);
  code = test_ws_wait_close (ws);
  test_ws_free (ws);
  return code;
}

static void
send_garbage (TestWs *ws)
{
  guint8 garbage[4096];
  guint i;

  for (i = 0; i < sizeof garbage; i++)
    garbage[i] = (guint8)(i * 37 + 0x70);
  test_ws_send_raw (ws, garbage, sizeof garbage);
}

/* The header says 100 MB; a little of it follows. */
static void
send_hundred_megabytes (TestWs *ws)
{
  static const guint8 head[] = {
      0x82, 0xff, 0, 0, 0, 0, 0x06, 0x40, 0, 0, 1, 2, 3, 4};
  gchar *data = g_malloc0 (100000);

  test_ws_send_raw (ws, head, sizeof head);
  test_ws_send_raw (ws, data, 100000);
  g_free (data);
}

static void
send_fragments_without_end (TestWs *ws)
{
  static const guint8 first[] = {0x01, 0x80, 1, 2, 3, 4};
  guint8 more[1008] = {0x00, 0xfe, 0x03, 0xe8, 0, 0, 0, 0};
  guint i;

  test_ws_send_raw (ws, first, sizeof first);
  for (i = 0; i < 40; i++)
    if (!test_ws_send_raw (ws, more, sizeof more))
      break;
}

static void
send_bad_utf8 (TestWs *ws)
{
  test_ws_send (ws, WS_OP_TEXT, "\xff\xfe", 2);
}

static void
send_binary (TestWs *ws)
{
  test_ws_send (ws, WS_OP_BINARY, "x", 1);
}

static void
send_nonsense (TestWs *ws)
{
  guint i;

  for (i = 0; i < 20; i++)
    if (!test_ws_send_text (ws, "this is not JSON"))
      break;
}

static void
send_nothing (TestWs *ws)
{
  guint i;

  for (i = 0; i < 20; i++)
    if (!test_ws_send_text (ws, ""))
      break;
}

static void
send_leave (TestWs *ws)
{
  test_ws_send_text (ws, "{\"type\":\"leave\"}");
}

GST_START_TEST (bad_messages)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  SinkRig *rig = sink_rig_new (NULL);
  TestWs *other = test_ws_connect (rig->port, "/ws", NULL, 0);

  fail_unless_equals_int (closes_with (rig, send_garbage), WS_CLOSE_PROTOCOL);
  fail_unless_equals_int (
      closes_with (rig, send_hundred_megabytes), WS_CLOSE_TOO_BIG);
  fail_unless_equals_int (
      closes_with (rig, send_fragments_without_end), WS_CLOSE_TOO_BIG);
  fail_unless_equals_int (closes_with (rig, send_bad_utf8), WS_CLOSE_BAD_DATA);
  fail_unless_equals_int (closes_with (rig, send_binary), WS_CLOSE_UNSUPPORTED);
  fail_unless_equals_int (
      closes_with (rig, send_nonsense), WS_CLOSE_UNSUPPORTED);
  fail_unless_equals_int (
      closes_with (rig, send_nothing), WS_CLOSE_UNSUPPORTED);
  fail_unless_equals_int (closes_with (rig, send_leave), WS_CLOSE_NORMAL);
  /* The other viewer noticed nothing. */
  sink_rig_push (rig, stream->init);
  {
    gchar *text = test_ws_wait_text (other, "media_init");
    fail_unless (text != NULL);
    g_free (text);
  }
  test_ws_free (other);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* Pings whose answers are not read do not add up for ever. */
GST_START_TEST (unread_pongs)
{
  SinkRig *rig = sink_rig_new (NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 4096);
  gchar payload[125] = {0};
  GByteArray *many = g_byte_array_new ();
  guint i;

  for (i = 0; i < 1000; i++) {
    static const guint8 head[] = {0x89, 0xfd, 0, 0, 0, 0};
    g_byte_array_append (many, head, sizeof head);
    g_byte_array_append (many, (const guint8 *)payload, sizeof payload);
  }
  for (i = 0; i < 400; i++)
    if (!test_ws_send_raw (ws, many->data, many->len))
      break;
  fail_unless (sink_rig_wait_clients (rig, 0));
  g_byte_array_unref (many);
  test_ws_free (ws);
  sink_rig_free (rig);
}
GST_END_TEST;

/* A request that never ends is cut; in between others are served. */
GST_START_TEST (half_open_handshake_is_cut)
{
  SinkRig *rig = sink_rig_new (NULL);
  int silent = test_ws_socket (rig->port, 0);
  int half = test_ws_socket (rig->port, 0);
  gint64 start = g_get_monotonic_time ();
  gchar byte;

  fail_unless (send (half, "GET /ws HTTP/1.1\r\n", 18, 0) == 18);
  fail_unless_equals_int (test_ws_status (rig->port, "/ws", NULL), 101);
  fail_unless_equals_int ((int)recv (silent, &byte, 1, 0), 0);
  while (recv (half, &byte, 1, 0) > 0)
    ;
  fail_unless (g_get_monotonic_time () - start < 20 * G_USEC_PER_SEC);
  close (silent);
  close (half);
  sink_rig_free (rig);
}
GST_END_TEST;

GST_START_TEST (too_many_viewers_are_refused)
{
  SinkRig *rig = sink_rig_new ("max-clients", "3", NULL);
  TestWs *ws[3];
  guint i;

  for (i = 0; i < 3; i++) {
    ws[i] = test_ws_connect (rig->port, "/ws", NULL, 0);
    fail_unless_equals_int (ws[i]->status, 101);
  }
  expect_answer (rig->port,
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
      "Connection: close, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      "HTTP/1.1 503", "Retry-After: 2");
  test_ws_free (ws[0]);
  fail_unless (sink_rig_wait_clients (rig, 2));
  fail_unless_equals_int (test_ws_status (rig->port, "/ws", NULL), 101);
  test_ws_free (ws[1]);
  test_ws_free (ws[2]);
  sink_rig_free (rig);
}
GST_END_TEST;

#define FLOOD 2000

/* Sets the limit of descriptors; FALSE if it cannot be that high. */
static gboolean
limit_descriptors (rlim_t wanted)
{
  struct rlimit limit;

  fail_unless (getrlimit (RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted)
    return FALSE;
  limit.rlim_cur = wanted;
  return setrlimit (RLIMIT_NOFILE, &limit) == 0;
}

/* So many at once, or as many as there can be. */
static GArray *
flood (guint port)
{
  GArray *sockets = g_array_new (FALSE, FALSE, sizeof (int));
  guint i;

  for (i = 0; i < FLOOD; i++) {
    int fd = test_ws_socket (port, 0);
    if (fd < 0)
      break;
    g_array_append_val (sockets, fd);
  }
  return sockets;
}

/* They go, and the port serves on. */
static void
ebb (guint port, GArray *sockets)
{
  guint i;

  for (i = 0; i < sockets->len; i++)
    close (g_array_index (sockets, int, i));
  for (i = 0; i < 400 && test_ws_status (port, "/ws", NULL) != 101; i++)
    g_usleep (50000);
  fail_unless (i < 400, "the port serves no more");
  g_array_unref (sockets);
}

/* The HTTP status that one of them gets, 0 if it is only cut. */
static guint
flood_status (int fd)
{
  static const gchar request[] =
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  struct timeval patience = {.tv_sec = 20};
  gchar answer[64] = "";
  guint status = 0;
  gssize size;

  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (send (fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
    return 0;
  size = recv (fd, answer, sizeof answer - 1, 0);
  fail_if (size < 0 && errno == EAGAIN, "neither answered nor cut");
  sscanf (answer, "HTTP/1.1 %u", &status);
  return status;
}

/* Each of 2,000 at once is served, refused or cut; who was there before
 * notices nothing. */
GST_START_TEST (a_flood_of_connections)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  guint served = 0, refused = 0, cut = 0, i;
  TestWs *before;
  GArray *sockets;
  SinkRig *rig;
  gchar *text;

  /* Both ends are ours. */
  if (!limit_descriptors (2 * FLOOD + 500)) {
    g_printerr ("skipped: this needs %d descriptors\n", 2 * FLOOD + 500);
    return;
  }
  rig = sink_rig_new ("max-clients", "50", NULL);
  before = test_ws_connect (rig->port, "/ws", NULL, 0);
  sockets = flood (rig->port);
  fail_unless_equals_int (sockets->len, FLOOD);
  sink_rig_push (rig, stream->init);
  text = test_ws_wait_text (before, "media_init");
  fail_unless (text != NULL);
  g_free (text);
  for (i = 0; i < sockets->len; i++) {
    guint status = flood_status (g_array_index (sockets, int, i));

    served += status == 101;
    refused += status == 503;
    cut += status == 0;
  }
  fail_unless_equals_int (served, 49);
  fail_unless_equals_int (served + refused + cut, FLOOD);
  fail_unless (refused > FLOOD / 5, "%u refused, %u only cut", refused, cut);
  ebb (rig->port, sockets);
  test_ws_free (before);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* The same when there are not that many descriptors. */
GST_START_TEST (a_flood_beyond_the_descriptors)
{
  GArray *sockets;
  SinkRig *rig;

  fail_unless (limit_descriptors (1000));
  rig = sink_rig_new ("max-clients", "50", NULL);
  sockets = flood (rig->port);
  fail_unless (sockets->len > 300 && sockets->len < 1000);
  ebb (rig->port, sockets);
  sink_rig_free (rig);
}
GST_END_TEST;

GST_START_TEST (nothing_is_left_behind)
{
  static const gchar keep_alive[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
  guint descriptors = 0, threads = 0, i;

  for (i = 0; i < 4; i++) {
    SinkRig *rig = sink_rig_new (NULL);
    TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);
    TestWs *gone = test_ws_connect (rig->port, "/ws", NULL, 0);
    int silent = test_ws_socket (rig->port, 0);
    int idle = test_ws_socket (rig->port, 0);
    gchar byte;

    fail_unless (sink_rig_wait_clients (rig, 2));
    fail_unless (send (idle, keep_alive, sizeof keep_alive - 1, 0) > 0);
    fail_unless_equals_int ((int)recv (idle, &byte, 1, 0), 1);
    test_ws_free (gone);
    sink_rig_free (rig);
    test_ws_free (ws);
    close (silent);
    close (idle);
    if (i == 1) {
      descriptors = test_count_in ("/proc/self/fd");
      threads = test_count_in ("/proc/self/task");
    }
  }
  fail_unless (test_count_in ("/proc/self/fd") <= descriptors);
  fail_unless (test_count_in ("/proc/self/task") <= threads);
}
GST_END_TEST;

static Suite *
soupwebsocketsink_guard_suite (void)
{
  Suite *suite = suite_create ("soupwebsocketsink-guard");
  TCase *tests = tcase_create ("guard");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, tokens);
  tcase_add_test (tests, tokens_are_compared_whole);
  tcase_add_test (tests, control_by_default);
  tcase_add_test (tests, origins);
  tcase_add_test (tests, steering_is_refused_without_control);
  tcase_add_test (tests, http_answers);
#ifdef HAVE_VIEWER
  tcase_add_test (tests, the_viewer_is_served_when_wanted);
#endif
  tcase_add_test (tests, bad_messages);
  tcase_add_test (tests, unread_pongs);
  tcase_add_test (tests, half_open_handshake_is_cut);
  tcase_add_test (tests, too_many_viewers_are_refused);
  tcase_add_test (tests, a_flood_of_connections);
  tcase_add_test (tests, a_flood_beyond_the_descriptors);
  tcase_add_test (tests, nothing_is_left_behind);
  return suite;
}

GST_CHECK_MAIN (soupwebsocketsink_guard);
