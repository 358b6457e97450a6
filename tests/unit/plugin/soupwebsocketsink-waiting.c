/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of a soupwebsocketsink that serves an application's own connection: no
 * port, and a viewer that is waited for.
 */
#include <gst/check/gstcheck.h>
#include <gio/gio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink-rig.h"
#include "wsframe.h"

/* ---- without a port ---- */

static GSocketConnection *
add_socket (SinkRig *rig, int fd)
{
  GSocket *socket = g_socket_new_from_fd (fd, NULL);
  GSocketConnection *connection =
      g_socket_connection_factory_create_connection (socket);
  guint64 id = 0;

  g_object_unref (socket);
  g_signal_emit_by_name (rig->sink, "add-connection", connection, &id);
  fail_unless (id != 0);
  return connection;
}

/* Two may have one path then: nobody asks for it. */
GST_START_TEST (sinks_that_do_not_listen)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  SinkRig *rig = sink_rig_new ("listen", "false", NULL);
  SinkRig *other = sink_rig_new ("listen", "false", NULL);
  GSocketConnection *connection;
  TestWs *ws;
  gchar *text;
  int ends[2];

  fail_unless_equals_int (rig->port, 0);
  fail_unless_equals_int (other->port, 0);
  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  connection = add_socket (rig, ends[0]);
  ws = test_ws_new (ends[1]);
  sink_rig_push (rig, stream->init);
  text = test_ws_wait_text (ws, "media_init");
  fail_unless (text != NULL);
  g_free (text);
  sink_rig_free (rig);
  fail_unless_equals_int (test_ws_wait_close (ws), 1001);
  g_object_unref (connection);
  test_ws_free (ws);
  sink_rig_free (other);
  test_stream_free (stream);
}
GST_END_TEST

/* ---- viewers that are waited for ---- */

#define WAIT_FRAGMENTS 3000

typedef struct {
  SinkRig *rig;
  const TestStream *stream;
  gint pushed, ended; /* atomic */
  GstFlowReturn flow;
} Pusher;

static gpointer
push_all (gpointer data)
{
  Pusher *pusher = data;
  guint i;

  for (i = 0; i < WAIT_FRAGMENTS && pusher->flow == GST_FLOW_OK; i++) {
    pusher->flow =
        sink_rig_push (pusher->rig, test_stream_fragment (pusher->stream, i));
    g_atomic_int_inc (&pusher->pushed);
  }
  if (pusher->flow == GST_FLOW_OK)
    sink_rig_event (pusher->rig, gst_event_new_eos ());
  g_atomic_int_set (&pusher->ended, TRUE);
  return NULL;
}

/* Until nothing moves for half a second. */
static gint
wait_for_standstill (Pusher *pusher)
{
  gint64 deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
  gint64 since = g_get_monotonic_time ();
  gint pushed = 0;

  while (g_get_monotonic_time () < deadline &&
         g_get_monotonic_time () - since < 500 * 1000) {
    gint now = g_atomic_int_get (&pusher->pushed);

    if (now != pushed)
      since = g_get_monotonic_time ();
    pushed = now;
    g_usleep (1000);
  }
  fail_unless (g_get_monotonic_time () < deadline);
  return pushed;
}

static SinkRig *
waiting_rig (void)
{
  return sink_rig_new ("listen", "false", "recover-policy", "wait",
      "hard-limit-bytes", "1000000", "hard-limit-time", "18446744073709551615",
      NULL);
}

/* The pipeline stands still, and the end of the stream waits too; nothing is
 * lost. */
GST_START_TEST (viewer_that_is_waited_for)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  SinkRig *rig = waiting_rig ();
  Pusher pusher = {rig, stream, 0, FALSE, GST_FLOW_OK};
  guint64 expected = g_bytes_get_size (stream->init), received = 0;
  GSocketConnection *connection;
  TestWsFrame frame;
  GThread *thread;
  TestWs *ws;
  int ends[2];
  guint i;

  for (i = 0; i < WAIT_FRAGMENTS; i++)
    expected += g_bytes_get_size (test_stream_fragment (stream, i));
  fail_unless (expected > 4 * 1000 * 1000);
  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  connection = add_socket (rig, ends[0]);
  ws = test_ws_new (ends[1]);
  sink_rig_push (rig, stream->init);
  thread = g_thread_new ("pusher", push_all, &pusher);
  fail_unless (wait_for_standstill (&pusher) < WAIT_FRAGMENTS);
  fail_unless (!g_atomic_int_get (&pusher.ended));
  fail_unless_equals_uint64 (sink_rig_stat (rig, "clients-dropped"), 0);
  fail_unless (sink_rig_stat (rig, "ring-bytes") < 3 * 1000 * 1000);
  while (received < expected) {
    fail_unless (test_ws_receive (ws, &frame));
    if (frame.opcode == WS_OP_BINARY)
      received += frame.data->len;
    fail_unless (frame.opcode != 0);
    test_ws_frame_clear (&frame);
  }
  g_thread_join (thread);
  fail_unless_equals_int (pusher.flow, GST_FLOW_OK);
  fail_unless_equals_uint64 (received, expected);
  g_object_unref (connection);
  test_ws_free (ws);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST

/* Who waits is woken when the sink goes down. */
GST_START_TEST (waiting_ends_with_the_state)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  SinkRig *rig = waiting_rig ();
  Pusher pusher = {rig, stream, 0, FALSE, GST_FLOW_OK};
  GSocketConnection *connection;
  GThread *thread;
  gint64 begin;
  int ends[2];

  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  connection = add_socket (rig, ends[0]);
  sink_rig_push (rig, stream->init);
  thread = g_thread_new ("pusher", push_all, &pusher);
  wait_for_standstill (&pusher);
  begin = g_get_monotonic_time ();
  gst_element_set_state (rig->sink, GST_STATE_READY);
  g_thread_join (thread);
  fail_unless_equals_int (pusher.flow, GST_FLOW_FLUSHING);
  fail_unless (g_get_monotonic_time () - begin < 5 * G_USEC_PER_SEC);
  g_object_unref (connection);
  close (ends[1]);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST

/* One that goes is waited for no more. */
GST_START_TEST (waiting_ends_with_the_viewer)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  SinkRig *rig = waiting_rig ();
  Pusher pusher = {rig, stream, 0, FALSE, GST_FLOW_OK};
  GSocketConnection *connection;
  GThread *thread;
  int ends[2];

  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  connection = add_socket (rig, ends[0]);
  sink_rig_push (rig, stream->init);
  thread = g_thread_new ("pusher", push_all, &pusher);
  wait_for_standstill (&pusher);
  close (ends[1]);
  g_thread_join (thread);
  fail_unless_equals_int (pusher.flow, GST_FLOW_OK);
  fail_unless_equals_int (pusher.pushed, WAIT_FRAGMENTS);
  g_object_unref (connection);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST

static Suite *
soupwebsocketsink_waiting_suite (void)
{
  Suite *suite = suite_create ("soupwebsocketsink-waiting");
  TCase *tests = tcase_create ("waiting");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, sinks_that_do_not_listen);
  tcase_add_test (tests, viewer_that_is_waited_for);
  tcase_add_test (tests, waiting_ends_with_the_state);
  tcase_add_test (tests, waiting_ends_with_the_viewer);
  return suite;
}

GST_CHECK_MAIN (soupwebsocketsink_waiting);
