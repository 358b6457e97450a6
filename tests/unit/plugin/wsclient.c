/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsclient.c on one end of a pair of sockets: pings, what becomes of
 * who does not answer them or does not close, and what who stands in for the
 * relay thread does and leaves. Time is given, not waited for.
 */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wsendpoint.h"

#define SECOND G_USEC_PER_SEC

static GMainContext *context;
static WsEndpoint *endpoint;
static WsClient *client;
static int far_end; /* the viewer's */
static gchar *removed;
static gint owner;
static GPtrArray *spent;

static void
added (gpointer o, guint64 id, const gchar *remote)
{
}

static void
gone (gpointer o, guint64 id, const gchar *reason, const WsClientStats *stats)
{
  removed = g_strdup (reason);
}

static void
message (gpointer o, guint64 id, gboolean control, const gchar *text, gsize n)
{
}

static void
set_up (void)
{
  static const WsEndpointEvents events = {added, gone, message};
  static const WsLimits limits = {1 << 20, 1 << 20, 1000, 1000, 0, 0};
  GSocketConnection *stream;
  GSocket *socket;
  int ends[2];

  removed = NULL;
  spent = g_ptr_array_new_with_free_func ((GDestroyNotify)ws_item_unref);
  context = g_main_context_new ();
  g_main_context_push_thread_default (context);
  endpoint = ws_endpoint_new (context, &limits, &events, &owner);
  ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, ends), 0);
  far_end = ends[1];
  socket = g_socket_new_from_fd (ends[0], NULL);
  stream = g_socket_connection_factory_create_connection (socket);
  ck_assert_uint_ne (
      ws_endpoint_add (endpoint, G_IO_STREAM (stream), "", FALSE), 0);
  client = g_ptr_array_index (endpoint->clients, 0);
  g_object_unref (stream);
  g_object_unref (socket);
}

static void
tear_down (void)
{
  g_ptr_array_unref (spent);
  ws_endpoint_dispose (endpoint);
  ws_endpoint_unref (endpoint);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  close (far_end);
  g_free (removed);
}

static void
iterate (void)
{
  while (g_main_context_iteration (context, FALSE))
    ;
}

/* Everything that has been sent; how many bytes. */
static gsize
receive (guint8 *data, gsize size)
{
  gssize got = recv (far_end, data, size, MSG_DONTWAIT);

  return got < 0 ? 0 : (gsize)got;
}

START_TEST (who_answers_pings_stays)
{
  static const guint8 pong[] = {0x8a, 0x80, 0, 0, 0, 0};
  gint64 now = g_get_monotonic_time ();
  guint8 data[1024];
  gsize size;

  receive (data, sizeof data); /* hello */
  ws_client_tick (client, now + 9 * SECOND);
  ck_assert_uint_eq (receive (data, sizeof data), 0);
  ws_client_tick (client, now + 11 * SECOND);
  size = receive (data, sizeof data);
  ck_assert_uint_ge (size, 2);
  ck_assert_uint_eq (data[0], 0x89);
  ck_assert_int_eq (send (far_end, pong, sizeof pong, 0), sizeof pong);
  iterate ();
  ws_client_tick (client, now + 32 * SECOND);
  ck_assert_ptr_null (removed);
}
END_TEST

START_TEST (who_does_not_is_cut)
{
  gint64 now = g_get_monotonic_time ();

  ws_client_tick (client, now + 11 * SECOND);
  ws_client_tick (client, now + 19 * SECOND);
  ck_assert_ptr_null (removed);
  ws_client_tick (client, now + 32 * SECOND);
  ck_assert_ptr_nonnull (removed);
  ck_assert_str_eq (removed, "no-pong");
}
END_TEST

/* A close frame that is not answered. */
START_TEST (who_does_not_close_is_cut)
{
  gint64 now = g_get_monotonic_time ();
  guint8 data[1024];

  receive (data, sizeof data);
  ws_client_close (client, WS_CLOSE_NORMAL, "shutdown", "over", TRUE, SECOND);
  ck_assert_uint_ge (receive (data, sizeof data), 4);
  ck_assert_uint_eq (data[0], 0x88);
  ck_assert_uint_eq (data[2] << 8 | data[3], 1000);
  ws_client_tick (client, now);
  ck_assert_ptr_null (removed);
  ws_client_tick (client, now + 3 * SECOND);
  ck_assert_str_eq (removed, "shutdown");
}
END_TEST

/* What came first as the reason stays it. */
START_TEST (who_vanishes)
{
  close (far_end);
  iterate ();
  ck_assert_str_eq (removed, "vanished");
  far_end = -1;
}
END_TEST

static void
push_held (const gchar *text)
{
  ck_assert (ws_endpoint_begin_hold (endpoint));
  ws_endpoint_push_text (endpoint, g_strdup (text));
}

START_TEST (what_is_held_is_written_at_once)
{
  guint8 data[1024];

  receive (data, sizeof data); /* hello */
  client->awaiting_key = FALSE;
  push_held ("a");
  ck_assert_uint_eq (receive (data, sizeof data), 0);
  ws_endpoint_end_hold (endpoint, spent);
  ck_assert_uint_eq (receive (data, sizeof data), 3);
  ck_assert_uint_eq (data[2], 'a');
  /* The relay thread sleeps on, and nothing is kept. */
  ck_assert_ptr_null (endpoint->wake);
  ck_assert_uint_eq (endpoint->ring.bytes, 0);
  ck_assert_uint_eq (spent->len, 1);
}
END_TEST

/* To wait for a keyframe, to fail and to close are the relay thread's. */
START_TEST (what_needs_more_is_left)
{
  guint8 data[1024];

  receive (data, sizeof data);
  ck_assert (client->awaiting_key);
  push_held ("a");
  ws_endpoint_end_hold (endpoint, spent);
  ck_assert_uint_eq (receive (data, sizeof data), 0);
  iterate ();
  ck_assert_uint_eq (receive (data, sizeof data), 3);

  client->awaiting_key = FALSE;
  close (far_end);
  far_end = -1;
  push_held ("b");
  ws_endpoint_end_hold (endpoint, spent);
  ck_assert_ptr_null (removed);
  iterate ();
  ck_assert_str_eq (removed, "vanished");
}
END_TEST

/* One that does not read keeps nobody waiting. */
START_TEST (who_is_blocked_is_left)
{
  gchar text[4096];
  guint n;

  memset (text, 'a', sizeof text - 1);
  text[sizeof text - 1] = 0;
  client->awaiting_key = FALSE;
  for (n = 0; n < 1000 && !ws_client_blocked (client); n++) {
    push_held (text);
    ws_endpoint_end_hold (endpoint, spent);
  }
  ck_assert (ws_client_blocked (client));
  ck_assert_ptr_nonnull (endpoint->wake);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wsclient");
  TCase *tests = tcase_create ("wsclient");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, who_answers_pings_stays);
  tcase_add_test (tests, who_does_not_is_cut);
  tcase_add_test (tests, who_does_not_close_is_cut);
  tcase_add_test (tests, who_vanishes);
  tcase_add_test (tests, what_is_held_is_written_at_once);
  tcase_add_test (tests, what_needs_more_is_left);
  tcase_add_test (tests, who_is_blocked_is_left);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
