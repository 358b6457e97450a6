/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of soupwebsocketsink at the socket: what a viewer receives, in which
 * order, early, late and slow.
 */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "gstdreamverse.h"
#include "sink-rig.h"
#include "wsframe.h"

#define SEGMENT GST_DREAMVERSE_EVENT_SEGMENT
#define COMPLETE GST_DREAMVERSE_EVENT_MEDIA_COMPLETE

static void
expect_text (TestWs *ws, const gchar *type, const gchar *part)
{
  TestWsFrame frame;
  gchar *text, *found;

  fail_unless (test_ws_receive (ws, &frame), "nothing instead of %s", type);
  fail_unless_equals_int (frame.opcode, WS_OP_TEXT);
  text = g_strndup ((const gchar *)frame.data->data, frame.data->len);
  found = test_ws_type (text);
  fail_unless_equals_string (found, type);
  if (part)
    fail_unless (strstr (text, part) != NULL, "no %s in %s", part, text);
  g_free (found);
  g_free (text);
  test_ws_frame_clear (&frame);
}

static void
expect_bytes (TestWs *ws, GBytes *bytes)
{
  TestWsFrame frame;

  fail_unless (test_ws_receive (ws, &frame));
  fail_unless_equals_int (frame.opcode, WS_OP_BINARY);
  fail_unless_equals_int (frame.data->len, g_bytes_get_size (bytes));
  fail_unless (memcmp (frame.data->data, g_bytes_get_data (bytes, NULL),
                   frame.data->len) == 0);
  test_ws_frame_clear (&frame);
}

static void
expect_fragments (TestWs *ws, const TestStream *stream, guint from, guint to)
{
  for (; from < to; from++)
    expect_bytes (ws, test_stream_fragment (stream, from));
}

static guint
latest_key (const TestStream *stream, guint before)
{
  while (!test_stream_is_key (stream, --before))
    ;
  return before;
}

/* ---- order ---- */

GST_START_TEST (segments_in_order)
{
  TestStream *stream = test_stream_new (24, 64, TRUE);
  SinkRig *rig = sink_rig_new (NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  guint i;

  fail_unless_equals_int (ws->status, 101);
  expect_text (ws, "dreamverse_hello", "\"control\":true");
  for (i = 1; i <= 2; i++) {
    gchar *chunks =
        g_strdup_printf ("\"chunks\":%u", stream->fragments->len + 1);

    sink_rig_mark (rig, SEGMENT, 1, i, FALSE);
    fail_unless_equals_int (sink_rig_push (rig, stream->init), GST_FLOW_OK);
    sink_rig_push_stream (rig, stream, 0, stream->fragments->len);
    sink_rig_mark (rig, COMPLETE, 1, i, FALSE);
    if (i == 1)
      expect_text (ws, "ltx2_stream_start", "\"epoch\":1");
    expect_text (
        ws, "media_init", "\"mime\":\"video/mp4; codecs=\\\"avc1.42c0");
    expect_bytes (ws, stream->init);
    expect_fragments (ws, stream, 0, stream->fragments->len);
    expect_text (ws, "media_segment_complete", chunks);
    expect_text (ws, "ltx2_segment_complete",
        i == 1 ? "\"segment_idx\":1" : "\"segment_idx\":2");
    g_free (chunks);
  }
  sink_rig_event (rig, gst_event_new_eos ());
  expect_text (ws, "ltx2_stream_complete", "\"segments\":2");
  test_ws_free (ws);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

GST_START_TEST (media_init_names_the_model)
{
  TestStream *stream = test_stream_new (12, 64, FALSE);
  SinkRig *rig = sink_rig_new (NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  gchar *text;

  sink_rig_mark (rig, SEGMENT, 1, 1, FALSE);
  sink_rig_push (rig, stream->init);
  text = test_ws_wait_text (ws, "media_init");
  fail_unless (strstr (text, "\"model\":\"procedural\""));
  fail_unless (strstr (text, "\"procedural\":true"));
  fail_unless (strstr (text, "\"prompt\":\"a prompt\""));
  fail_unless (strstr (text, "\"stream_id\":\"seg001-00000001\""));
  fail_unless (strstr (text, "\"width\":64,\"height\":64"));
  g_free (text);
  test_ws_free (ws);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

GST_START_TEST (aborted_segment_and_new_epoch)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  SinkRig *rig = sink_rig_new (NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);

  expect_text (ws, "dreamverse_hello", NULL);
  sink_rig_mark (rig, SEGMENT, 1, 1, FALSE);
  sink_rig_push (rig, stream->init);
  sink_rig_push_stream (rig, stream, 0, 2);
  sink_rig_mark (rig, COMPLETE, 1, 1, TRUE);
  sink_rig_mark (rig, SEGMENT, 2, 1, FALSE);
  sink_rig_push (rig, stream->init);
  expect_text (ws, "ltx2_stream_start", "\"epoch\":1");
  expect_text (ws, "media_init", "\"epoch\":1");
  expect_bytes (ws, stream->init);
  expect_fragments (ws, stream, 0, 2);
  expect_text (ws, "media_segment_complete", "\"aborted\":true");
  expect_text (ws, "ltx2_stream_complete", "\"segments\":0");
  expect_text (ws, "ltx2_stream_start", "\"epoch\":2");
  expect_text (ws, "media_init", "\"epoch\":2");
  test_ws_free (ws);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* A plain muxer's buffers are pieces of boxes: the same units come out. */
GST_START_TEST (bytes_in_any_slices)
{
  TestStream *stream = test_stream_new (24, 64, TRUE);
  SinkRig *rig = sink_rig_new (NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  GByteArray *all = g_byte_array_new ();
  guint i, at;

  expect_text (ws, "dreamverse_hello", NULL);
  g_byte_array_append (all, g_bytes_get_data (stream->init, NULL),
      (guint)g_bytes_get_size (stream->init));
  for (i = 0; i < stream->fragments->len; i++)
    g_byte_array_append (all,
        g_bytes_get_data (test_stream_fragment (stream, i), NULL),
        (guint)g_bytes_get_size (test_stream_fragment (stream, i)));
  for (at = 0; at < all->len; at += 777) {
    GBytes *slice = g_bytes_new (all->data + at, MIN (777, all->len - at));
    fail_unless_equals_int (sink_rig_push (rig, slice), GST_FLOW_OK);
    g_bytes_unref (slice);
  }
  expect_text (ws, "ltx2_stream_start", NULL);
  expect_text (ws, "media_init", NULL);
  expect_bytes (ws, stream->init);
  expect_fragments (ws, stream, 0, stream->fragments->len);
  sink_rig_event (rig, gst_event_new_eos ());
  expect_text (ws, "media_segment_complete", NULL);
  expect_text (ws, "ltx2_segment_complete", NULL);
  expect_text (ws, "ltx2_stream_complete", NULL);
  g_byte_array_unref (all);
  test_ws_free (ws);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* ---- late and slow ---- */

GST_START_TEST (late_joiner_starts_at_a_keyframe)
{
  TestStream *stream = test_stream_new (48, 64, FALSE);
  SinkRig *rig = sink_rig_new (NULL);
  guint n = stream->fragments->len - 1, key = latest_key (stream, n);
  TestWs *ws;

  fail_unless (key > 0);
  sink_rig_mark (rig, SEGMENT, 1, 1, FALSE);
  sink_rig_push (rig, stream->init);
  sink_rig_push_stream (rig, stream, 0, n);
  sink_rig_sync (rig);
  ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  expect_text (ws, "dreamverse_hello", NULL);
  expect_text (ws, "ltx2_stream_start", NULL);
  expect_text (ws, "media_init", "\"segment_idx\":1");
  expect_bytes (ws, stream->init);
  expect_fragments (ws, stream, key, n);
  sink_rig_push_stream (rig, stream, n, n + 1);
  expect_fragments (ws, stream, n, n + 1);
  test_ws_free (ws);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* The sound that was sent before the picture and goes on beside it comes too,
 * so that no hole is at the start. */
GST_START_TEST (late_joiner_gets_the_sound_beside_the_picture)
{
  TestStream *stream = test_stream_new (48, 64, TRUE);
  SinkRig *rig = sink_rig_new (NULL);
  guint n = stream->fragments->len - 1, key = latest_key (stream, n);
  TestWs *ws;
  TestWsFrame frame;

  sink_rig_push (rig, stream->init);
  sink_rig_push_stream (rig, stream, 0, n);
  sink_rig_sync (rig);
  ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  g_free (test_ws_wait_text (ws, "media_init"));
  expect_bytes (ws, stream->init);
  fail_unless (test_ws_receive (ws, &frame));
  fail_if (frame.data->len ==
               g_bytes_get_size (test_stream_fragment (stream, key)) &&
           memcmp (frame.data->data,
               g_bytes_get_data (test_stream_fragment (stream, key), NULL),
               frame.data->len) == 0);
  test_ws_frame_clear (&frame);
  test_ws_free (ws);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* Reads nothing, then everything: is brought forward, told so, and goes on at
 * a keyframe; another viewer misses nothing. */
static void
slow_viewer (const gchar *policy)
{
  TestStream *stream = test_stream_new (96, 320, FALSE);
  SinkRig *rig = sink_rig_new ("soft-limit-bytes", "1000000",
      "hard-limit-bytes", "100000000", "hard-limit-time", "3600000000000",
      "recover-policy", policy, NULL);
  TestWs *slow = test_ws_connect (rig->port, "/ws", NULL, 4096);
  TestWs *quick = test_ws_connect (rig->port, "/ws", NULL, 0);
  guint n = 1200, i, binaries = 0;
  gboolean skipped = FALSE, key_next = FALSE;
  TestWsFrame frame;

  fail_unless (sink_rig_wait_clients (rig, 2));
  sink_rig_push (rig, stream->init);
  g_free (test_ws_wait_text (quick, "media_init"));
  expect_bytes (quick, stream->init);
  for (i = 0; i < n; i++) {
    sink_rig_push_stream (rig, stream, i, i + 1);
    expect_bytes (quick, test_stream_fragment (stream, i));
  }
  fail_unless (sink_rig_stat (rig, "ring-bytes") < 3000000);
  for (;;) {
    fail_unless (test_ws_receive (slow, &frame));
    if (frame.opcode == WS_OP_TEXT) {
      gchar *text =
          g_strndup ((const gchar *)frame.data->data, frame.data->len);
      if (strstr (text, "media_skipped")) {
        fail_unless (strstr (text, "\"dropped_fragments\":"));
        skipped = key_next = TRUE;
      }
      g_free (text);
    } else {
      fail_unless_equals_int (frame.opcode, WS_OP_BINARY);
      binaries++;
      if (key_next) {
        gboolean is_key = FALSE;
        for (i = 0; i < stream->fragments->len; i++)
          is_key |=
              test_stream_is_key (stream, i) &&
              g_bytes_get_size (test_stream_fragment (stream, i)) ==
                  frame.data->len &&
              memcmp (g_bytes_get_data (test_stream_fragment (stream, i), NULL),
                  frame.data->data, frame.data->len) == 0;
        fail_unless (is_key, "goes on in the middle");
        key_next = FALSE;
      }
    }
    test_ws_frame_clear (&frame);
    if (skipped && !key_next)
      break;
    if (g_str_equal (policy, "latest") && !key_next)
      sink_rig_push_stream (rig, stream, binaries, binaries + 1);
  }
  fail_unless (binaries < n);
  test_ws_free (slow);
  test_ws_free (quick);
  sink_rig_free (rig);
  test_stream_free (stream);
}

GST_START_TEST (slow_viewer_goes_on_at_the_keyframe)
{
  slow_viewer ("keyframe");
}
GST_END_TEST;

GST_START_TEST (slow_viewer_goes_on_within_the_soft_limit)
{
  slow_viewer ("soft-limit");
}
GST_END_TEST;

GST_START_TEST (slow_viewer_goes_on_at_the_latest)
{
  slow_viewer ("latest");
}
GST_END_TEST;

static void
note_removed (
    GstElement *sink, guint64 id, const gchar *reason, GAsyncQueue *reasons)
{
  g_async_queue_push (reasons, g_strdup (reason));
}

static gchar *
wait_reason (GAsyncQueue *reasons)
{
  gchar *reason = g_async_queue_timeout_pop (reasons, 20 * G_USEC_PER_SEC);

  fail_unless (reason != NULL, "nobody was removed");
  return reason;
}

GST_START_TEST (stalled_viewer_is_dropped)
{
  TestStream *stream = test_stream_new (48, 320, FALSE);
  SinkRig *rig = sink_rig_new (
      "soft-limit-time", "100000000", "hard-limit-time", "500000000", NULL);
  GAsyncQueue *reasons = g_async_queue_new_full (g_free);
  TestWs *stalled = test_ws_connect (rig->port, "/ws", NULL, 4096);
  TestWs *trickles = test_ws_connect (rig->port, "/ws", NULL, 4096);
  gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  gchar *reason;
  guint i, dropped = 0;

  g_signal_connect (
      rig->sink, "client-removed", G_CALLBACK (note_removed), reasons);
  fail_unless (sink_rig_wait_clients (rig, 2));
  sink_rig_push (rig, stream->init);
  for (i = 0; dropped < 2 && g_get_monotonic_time () < deadline; i++) {
    sink_rig_push_stream (rig, stream, i, i + 1);
    if (i % 4 == 0) {
      test_ws_trickle (trickles, 50);
      reason = g_async_queue_timeout_pop (reasons, 1000);
      if (reason) {
        fail_unless (
            g_str_equal (reason, "stalled") || g_str_equal (reason, "too-slow"),
            "%s", reason);
        dropped++;
        g_free (reason);
      }
    }
  }
  fail_unless_equals_int (dropped, 2);
  fail_unless_equals_uint64 (sink_rig_stat (rig, "clients-dropped"), 2);
  test_ws_free (stalled);
  test_ws_free (trickles);
  sink_rig_free (rig);
  g_async_queue_unref (reasons);
  test_stream_free (stream);
}
GST_END_TEST;

/* A hundred that read nothing cost no more than one. */
GST_START_TEST (a_hundred_stalled_cost_the_ring)
{
  TestStream *stream = test_stream_new (48, 320, FALSE);
  SinkRig *rig = sink_rig_new ("hard-limit-bytes", "4000000",
      "soft-limit-bytes", "4000000", "recover-policy", "none", NULL);
  TestWs *stalled[100], *quick;
  guint i;

  for (i = 0; i < 100; i++)
    stalled[i] = test_ws_connect (rig->port, "/ws", NULL, 4096);
  quick = test_ws_connect (rig->port, "/ws", NULL, 0);
  fail_unless (sink_rig_wait_clients (rig, 101));
  sink_rig_push (rig, stream->init);
  g_free (test_ws_wait_text (quick, "media_init"));
  expect_bytes (quick, stream->init);
  for (i = 0; i < 900; i++) {
    sink_rig_push_stream (rig, stream, i, i + 1);
    expect_bytes (quick, test_stream_fragment (stream, i));
    if (i % 50 == 0)
      fail_unless (sink_rig_stat (rig, "ring-bytes") <= 4200000);
  }
  for (i = 0; i < 100; i++)
    test_ws_free (stalled[i]);
  test_ws_free (quick);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* ---- leaving ---- */

GST_START_TEST (viewers_come_and_go_with_a_reason)
{
  SinkRig *rig = sink_rig_new (NULL);
  GAsyncQueue *reasons = g_async_queue_new_full (g_free);
  TestWs *ws;
  gchar *reason;

  g_signal_connect (
      rig->sink, "client-removed", G_CALLBACK (note_removed), reasons);
  ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  fail_unless (sink_rig_wait_clients (rig, 1));
  test_ws_send (ws, WS_OP_CLOSE, "\x03\xe8", 2);
  fail_unless_equals_int (test_ws_wait_close (ws), 1000);
  reason = wait_reason (reasons);
  fail_unless_equals_string (reason, "left");
  g_free (reason);
  test_ws_free (ws);

  ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  fail_unless (sink_rig_wait_clients (rig, 1));
  test_ws_free (ws);
  reason = wait_reason (reasons);
  fail_unless_equals_string (reason, "vanished");
  g_free (reason);

  ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  fail_unless (sink_rig_wait_clients (rig, 1));
  sink_rig_free (rig);
  fail_unless_equals_int (test_ws_wait_close (ws), 1001);
  reason = wait_reason (reasons);
  fail_unless_equals_string (reason, "shutdown");
  g_free (reason);
  test_ws_free (ws);
  g_async_queue_unref (reasons);
}
GST_END_TEST;

/* ---- what is told of viewers ---- */

static void
note_added (
    GstElement *sink, guint64 id, const gchar *remote, GAsyncQueue *notes)
{
  g_async_queue_push (
      notes, g_strdup_printf ("added %" G_GUINT64_FORMAT " %s", id, remote));
}

static void
note_message (
    GstElement *sink, guint64 id, const gchar *text, GAsyncQueue *notes)
{
  g_async_queue_push (
      notes, g_strdup_printf ("message %" G_GUINT64_FORMAT " %s", id, text));
}

static void
note_gone (
    GstElement *sink, guint64 id, const gchar *reason, GAsyncQueue *notes)
{
  g_async_queue_push (
      notes, g_strdup_printf ("removed %" G_GUINT64_FORMAT " %s", id, reason));
}

static void
expect_note (GAsyncQueue *notes, const gchar *wanted)
{
  gchar *note = wait_reason (notes);

  fail_unless_equals_string (note, wanted);
  g_free (note);
}

GST_START_TEST (signals_in_order)
{
  SinkRig *rig = sink_rig_new (NULL);
  GAsyncQueue *notes = g_async_queue_new_full (g_free);
  TestWs *ws;

  g_signal_connect (rig->sink, "client-added", G_CALLBACK (note_added), notes);
  g_signal_connect (rig->sink, "message", G_CALLBACK (note_message), notes);
  g_signal_connect (rig->sink, "client-removed", G_CALLBACK (note_gone), notes);
  ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  test_ws_send_text (ws, "{\"type\":\"mine\"}");
  test_ws_send_text (ws, "{\"type\":\"leave\"}");
  fail_unless_equals_int (test_ws_wait_close (ws), 1000);
  test_ws_free (ws);
  ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  expect_note (notes, "added 1 127.0.0.1");
  expect_note (notes, "message 1 {\"type\":\"mine\"}");
  expect_note (notes, "message 1 {\"type\":\"leave\"}");
  expect_note (notes, "removed 1 left");
  expect_note (notes, "added 2 127.0.0.1");
  test_ws_free (ws);
  expect_note (notes, "removed 2 vanished");
  sink_rig_free (rig);
  g_async_queue_unref (notes);
}
GST_END_TEST;

static guint64
number (const GstStructure *s, const gchar *name)
{
  guint64 value = G_MAXUINT64;

  fail_unless (gst_structure_get_uint64 (s, name, &value), "no %s", name);
  return value;
}

GST_START_TEST (statistics_of_each_viewer)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  SinkRig *rig = sink_rig_new (NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  gsize size = g_bytes_get_size (stream->init);
  TestWsFrame frame;
  GstStructure *s;
  gboolean flag;

  sink_rig_push (rig, stream->init);
  expect_text (ws, "dreamverse_hello", NULL);
  expect_text (ws, "ltx2_stream_start", NULL);
  expect_text (ws, "media_init", NULL);
  expect_bytes (ws, stream->init);
  test_ws_send_text (ws, "{\"type\":\"mine\"}");
  test_ws_send (ws, WS_OP_PING, "x", 1);
  fail_unless (test_ws_receive (ws, &frame));
  fail_unless_equals_int (frame.opcode, WS_OP_PONG);
  test_ws_frame_clear (&frame);
  s = sink_rig_client (rig, 0);
  fail_unless (s != NULL);
  fail_unless_equals_uint64 (number (s, "id"), 1);
  fail_unless_equals_string (
      gst_structure_get_string (s, "remote"), "127.0.0.1");
  fail_unless (gst_structure_get_boolean (s, "control", &flag) && flag);
  fail_unless (gst_structure_get_boolean (s, "blocked", &flag) && !flag);
  fail_unless (number (s, "connected") > 0);
  fail_unless (number (s, "bytes-sent") > size);
  fail_unless (number (s, "messages-sent") >= 4);
  fail_unless (number (s, "bytes-received") > 15);
  fail_unless_equals_uint64 (number (s, "messages-received"), 1);
  fail_unless_equals_uint64 (number (s, "skips"), 0);
  fail_unless_equals_uint64 (number (s, "dropped-bytes"), 0);
  fail_unless_equals_uint64 (number (s, "dropped-fragments"), 0);
  gst_structure_free (s);
  fail_unless_equals_uint64 (sink_rig_stat (rig, "bytes-in"), size);
  fail_unless_equals_uint64 (sink_rig_stat (rig, "clients-total"), 1);
  test_ws_free (ws);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

static Suite *
soupwebsocketsink_suite (void)
{
  Suite *suite = suite_create ("soupwebsocketsink");
  TCase *tests = tcase_create ("stream");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, segments_in_order);
  tcase_add_test (tests, media_init_names_the_model);
  tcase_add_test (tests, aborted_segment_and_new_epoch);
  tcase_add_test (tests, bytes_in_any_slices);
  tcase_add_test (tests, late_joiner_starts_at_a_keyframe);
  tcase_add_test (tests, late_joiner_gets_the_sound_beside_the_picture);
  tcase_add_test (tests, slow_viewer_goes_on_at_the_keyframe);
  tcase_add_test (tests, slow_viewer_goes_on_within_the_soft_limit);
  tcase_add_test (tests, slow_viewer_goes_on_at_the_latest);
  tcase_add_test (tests, stalled_viewer_is_dropped);
  tcase_add_test (tests, a_hundred_stalled_cost_the_ring);
  tcase_add_test (tests, viewers_come_and_go_with_a_reason);
  tcase_add_test (tests, signals_in_order);
  tcase_add_test (tests, statistics_of_each_viewer);
  return suite;
}

GST_CHECK_MAIN (soupwebsocketsink);
