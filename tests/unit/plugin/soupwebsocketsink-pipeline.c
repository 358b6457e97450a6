/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of soupwebsocketsink in a pipeline: what it hears on the bus and in
 * which order it tells it, errors, the end of the stream, steering, states.
 */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "gstdreamverse.h"
#include "fmp4-stream.h"
#include "sink-rig.h"
#include "ws-client.h"
#include "wsframe.h"

typedef struct {
  GstElement *pipeline, *source, *sink;
  GstBus *bus;
  guint port;
} Pipe;

static Pipe
pipe_new (const gchar *more)
{
  Pipe p;
  gchar *launch = g_strdup_printf (
      "appsrc name=source caps=video/quicktime format=bytes ! queue ! "
      "soupwebsocketsink name=sink port=0 %s",
      more);

  p.pipeline = gst_parse_launch (launch, NULL);
  g_free (launch);
  p.source = gst_bin_get_by_name (GST_BIN (p.pipeline), "source");
  p.sink = gst_bin_get_by_name (GST_BIN (p.pipeline), "sink");
  p.bus = gst_element_get_bus (p.pipeline);
  fail_if (gst_element_set_state (p.pipeline, GST_STATE_PLAYING) ==
           GST_STATE_CHANGE_FAILURE);
  g_object_get (p.sink, "port", &p.port, NULL);
  return p;
}

static void
pipe_free (Pipe *p)
{
  gst_element_set_state (p->pipeline, GST_STATE_NULL);
  gst_object_unref (p->source);
  gst_object_unref (p->sink);
  gst_object_unref (p->bus);
  gst_object_unref (p->pipeline);
}

static void
pipe_push (Pipe *p, GBytes *bytes)
{
  GstFlowReturn flow;
  GstBuffer *buffer = test_stream_buffer (bytes);

  g_signal_emit_by_name (p->source, "push-buffer", buffer, &flow);
  gst_buffer_unref (buffer);
  fail_unless_equals_int (flow, GST_FLOW_OK);
}

static void
pipe_end (Pipe *p)
{
  GstFlowReturn flow;

  g_signal_emit_by_name (p->source, "end-of-stream", &flow);
}

static void
pipe_push_stream (Pipe *p, const TestStream *stream, guint n)
{
  guint i;

  pipe_push (p, stream->init);
  for (i = 0; i < n; i++)
    pipe_push (p, test_stream_fragment (stream, i));
}

static TestWs *
watch (Pipe *p)
{
  TestWs *ws = test_ws_connect (p->port, "/ws", NULL, 0);
  gchar *text = test_ws_wait_text (ws, "dreamverse_hello");

  fail_unless (text != NULL);
  g_free (text);
  return ws;
}

static GstStructure *
segment_structure (const gchar *name, guint epoch, guint index)
{
  gchar *id = g_strdup_printf ("seg%03u-0000000%u", index, epoch);
  GstStructure *s = gst_structure_new (name, GST_DREAMVERSE_FIELD_EPOCH,
      G_TYPE_UINT, epoch, GST_DREAMVERSE_FIELD_INDEX, G_TYPE_UINT, index,
      GST_DREAMVERSE_FIELD_SEQUENCE, G_TYPE_UINT64, (guint64)index,
      GST_DREAMVERSE_FIELD_STREAM_ID, G_TYPE_STRING, id,
      GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, "a prompt", NULL);

  g_free (id);
  return s;
}

static void
say (Pipe *p, GstStructure *s)
{
  gst_element_post_message (
      p->source, gst_message_new_element (GST_OBJECT (p->source), s));
}

static void
mark (Pipe *p, const gchar *name, guint epoch, guint index)
{
  gst_element_send_event (
      p->source, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                     segment_structure (name, epoch, index)));
}

/* Types of the texts, and B for binaries, until one of type @last. */
static gchar *
story (TestWs *ws, const gchar *last)
{
  GString *types = g_string_new (NULL);
  TestWsFrame frame;
  gboolean over = FALSE;

  while (!over && test_ws_receive (ws, &frame)) {
    if (frame.opcode == WS_OP_TEXT) {
      gchar *text =
          g_strndup ((const gchar *)frame.data->data, frame.data->len);
      gchar *type = test_ws_type (text);
      g_string_append_printf (types, "%s ", type);
      over = g_str_equal (type, last);
      g_free (type);
      g_free (text);
    } else if (frame.opcode == WS_OP_BINARY) {
      g_string_append (types, "B ");
    } else {
      over = TRUE;
    }
    test_ws_frame_clear (&frame);
  }
  return g_string_free (types, FALSE);
}

static GstMessage *
wait_message (Pipe *p, GstMessageType types)
{
  GstMessage *message =
      gst_bus_timed_pop_filtered (p->bus, 20 * GST_SECOND, types);

  fail_unless (message != NULL);
  return message;
}

/* ---- what the bus says ---- */

GST_START_TEST (generation_is_told_in_order)
{
  TestStream *stream = test_stream_new (12, 64, FALSE);
  Pipe p = pipe_new ("");
  TestWs *ws = watch (&p);
  GstStructure *s, *timings;
  gchar *text;

  s = segment_structure (GST_DREAMVERSE_MESSAGE_SEGMENT_START, 1, 1);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_MODEL, G_TYPE_STRING, "procedural",
      GST_DREAMVERSE_FIELD_PROCEDURAL, G_TYPE_BOOLEAN, TRUE, NULL);
  say (&p, s);
  text = test_ws_wait_text (ws, "ltx2_segment_start");
  fail_unless (strstr (text, "\"prompt\":\"a prompt\"") != NULL);
  fail_unless (strstr (text, "\"model\":\"procedural\"") != NULL);
  g_free (text);

  s = segment_structure (GST_DREAMVERSE_MESSAGE_PROGRESS, 1, 1);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_STAGE, G_TYPE_STRING, "draw",
      GST_DREAMVERSE_FIELD_FRACTION, G_TYPE_DOUBLE, 0.5, NULL);
  say (&p, s);
  text = test_ws_wait_text (ws, "segment_progress");
  fail_unless (strstr (text, "\"fraction\":0.5") != NULL);
  g_free (text);

  s = segment_structure (GST_DREAMVERSE_MESSAGE_STEP_COMPLETE, 1, 1);
  timings = gst_structure_new ("timings", "draw", G_TYPE_DOUBLE, 12.5, NULL);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_GENERATION_MS, G_TYPE_DOUBLE, 20.5,
      GST_DREAMVERSE_FIELD_TIMINGS, GST_TYPE_STRUCTURE, timings, NULL);
  gst_structure_free (timings);
  say (&p, s);
  text = test_ws_wait_text (ws, "step_complete");
  fail_unless (
      strstr (text, "\"latency_ms\":{\"total\":20.5,\"worker_e2e\":"
                    "20.5,\"main_user_step\":20.5,\"overhead\":0") != NULL);
  fail_unless (strstr (text, "\"timings_ms\":{\"draw\":12.5}") != NULL);
  g_free (text);

  say (&p, gst_structure_new (GST_DREAMVERSE_MESSAGE_PAUSED,
               GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, "x",
               GST_DREAMVERSE_FIELD_PAUSED, G_TYPE_BOOLEAN, TRUE, NULL));
  text = test_ws_wait_text (ws, "generation_paused_updated");
  fail_unless (strstr (text, "\"paused\":true") != NULL);
  g_free (text);
  say (&p, gst_structure_new (GST_DREAMVERSE_MESSAGE_PROMPT_RECEIVED,
               GST_DREAMVERSE_FIELD_PROMPT_ID, G_TYPE_STRING, "p1",
               GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, "more",
               GST_DREAMVERSE_FIELD_QUEUE_DEPTH, G_TYPE_UINT, 2, NULL));
  text = test_ws_wait_text (ws, "prompt_received");
  fail_unless (strstr (text, "\"prompt_id\":\"p1\"") != NULL);
  fail_unless (strstr (text, "\"queue_depth\":2") != NULL);
  g_free (text);
  test_ws_free (ws);
  pipe_free (&p);
  test_stream_free (stream);
}
GST_END_TEST;

/* The stream of an epoch is completed when its media is out, and nothing of
 * the next is told before. */
GST_START_TEST (next_epoch_waits_for_the_media)
{
  TestStream *stream = test_stream_new (6, 64, FALSE);
  Pipe p = pipe_new ("");
  TestWs *ws = watch (&p);
  gchar *told;

  say (&p, segment_structure (GST_DREAMVERSE_MESSAGE_SEGMENT_START, 1, 1));
  say (&p, segment_structure (GST_DREAMVERSE_MESSAGE_STEP_COMPLETE, 1, 1));
  say (&p, gst_structure_new (GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE,
               GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT, 1,
               GST_DREAMVERSE_FIELD_SEGMENTS, G_TYPE_UINT, 1,
               GST_DREAMVERSE_FIELD_LAST, G_TYPE_BOOLEAN, FALSE, NULL));
  say (&p, gst_structure_new (GST_DREAMVERSE_MESSAGE_RESET,
               GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT, 2,
               GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, "x", NULL));
  say (&p, segment_structure (GST_DREAMVERSE_MESSAGE_SEGMENT_START, 2, 1));
  mark (&p, GST_DREAMVERSE_EVENT_SEGMENT, 1, 1);
  pipe_push_stream (&p, stream, 1);
  mark (&p, GST_DREAMVERSE_EVENT_MEDIA_COMPLETE, 1, 1);
  told = story (ws, "seed_prompts_reset_applied");
  fail_unless_equals_string (told,
      "ltx2_stream_start ltx2_segment_start step_complete media_init B B "
      "media_segment_complete ltx2_segment_complete ltx2_stream_complete "
      "ltx2_stream_start seed_prompts_reset_applied ");
  g_free (told);
  told = story (ws, "ltx2_segment_start");
  fail_unless_equals_string (told, "ltx2_segment_start ");
  g_free (told);
  test_ws_free (ws);
  pipe_free (&p);
  test_stream_free (stream);
}
GST_END_TEST;

/* Messages of another branch of the pipeline are not ours. */
GST_START_TEST (only_what_is_upstream_is_told)
{
  Pipe p = pipe_new ("fakesrc num-buffers=1 name=other ! fakesink async=false");
  TestWs *ws = watch (&p);
  GstElement *other = gst_bin_get_by_name (GST_BIN (p.pipeline), "other");
  gchar *told;

  gst_element_post_message (other,
      gst_message_new_element (GST_OBJECT (other),
          segment_structure (GST_DREAMVERSE_MESSAGE_SEGMENT_START, 1, 7)));
  say (&p, segment_structure (GST_DREAMVERSE_MESSAGE_SEGMENT_START, 1, 1));
  told = story (ws, "ltx2_segment_start");
  fail_unless_equals_string (told, "ltx2_stream_start ltx2_segment_start ");
  g_free (told);
  say (&p, segment_structure (GST_DREAMVERSE_MESSAGE_PROGRESS, 1, 1));
  told = story (ws, "segment_progress");
  fail_unless_equals_string (told, "segment_progress ");
  g_free (told);
  gst_object_unref (other);
  test_ws_free (ws);
  pipe_free (&p);
}
GST_END_TEST;

/* ---- errors ---- */

GST_START_TEST (an_error_is_told_once_and_ends_it)
{
  TestStream *stream = test_stream_new (6, 64, FALSE);
  Pipe p = pipe_new ("");
  TestWs *ws = watch (&p);
  GstStructure *s;
  gchar *text;

  pipe_push_stream (&p, stream, 1);
  s = segment_structure (GST_DREAMVERSE_MESSAGE_MEDIA_ERROR, 1, 2);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_STAGE, G_TYPE_STRING, "encode",
      GST_DREAMVERSE_FIELD_CODE, G_TYPE_STRING, "encoder-failed",
      GST_DREAMVERSE_FIELD_MESSAGE, G_TYPE_STRING, "The encoder failed.", NULL);
  say (&p, s);
  GST_ELEMENT_ERROR (
      p.source, STREAM, FAILED, ("Streaming stopped."), ("on purpose"));
  gst_message_unref (wait_message (&p, GST_MESSAGE_ERROR));
  gst_element_set_state (p.pipeline, GST_STATE_NULL);
  text = test_ws_wait_text (ws, "error");
  fail_unless (strstr (text, "\"code\":\"encoder-failed\"") != NULL);
  fail_unless (strstr (text, "\"message\":\"The encoder failed.\"") != NULL);
  fail_unless (strstr (text, "\"segment_idx\":2") != NULL);
  fail_unless (strstr (text, "\"stream_id\":\"seg002-00000001\"") != NULL);
  g_free (text);
  {
    TestWsFrame frame;
    fail_unless (test_ws_receive (ws, &frame));
    fail_unless_equals_int (frame.opcode, WS_OP_CLOSE);
    fail_unless_equals_int (
        frame.data->data[0] << 8 | frame.data->data[1], 1000);
    test_ws_frame_clear (&frame);
  }
  test_ws_free (ws);
  pipe_free (&p);
  test_stream_free (stream);
}
GST_END_TEST;

/* No ERROR follows this one, and the pipeline goes on; the session of those
 * who watch does not. */
GST_START_TEST (a_short_segment_ends_the_session)
{
  TestStream *stream = test_stream_new (6, 64, FALSE);
  Pipe p = pipe_new ("");
  TestWs *ws = watch (&p);
  GstStructure *s;
  gchar *told;

  mark (&p, GST_DREAMVERSE_EVENT_SEGMENT, 1, 1);
  pipe_push_stream (&p, stream, 1);
  g_free (story (ws, "media_init"));
  s = segment_structure (GST_DREAMVERSE_MESSAGE_MEDIA_ERROR, 1, 1);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_STAGE, G_TYPE_STRING, "encode",
      GST_DREAMVERSE_FIELD_CODE, G_TYPE_STRING, "audio-short",
      GST_DREAMVERSE_FIELD_MESSAGE, G_TYPE_STRING, "It is short.", NULL);
  say (&p, s);
  mark (&p, GST_DREAMVERSE_EVENT_MEDIA_COMPLETE, 1, 1);
  mark (&p, GST_DREAMVERSE_EVENT_SEGMENT, 1, 2);
  pipe_push_stream (&p, stream, 1);
  told = story (ws, "ltx2_stream_complete");
  fail_unless (g_str_has_suffix (told, "error "), "%s", told);
  g_free (told);
  test_ws_free (ws);
  ws = watch (&p);
  told = story (ws, "ltx2_stream_complete");
  fail_unless_equals_string (told, "error ");
  g_free (told);
  test_ws_free (ws);
  gst_element_set_state (p.pipeline, GST_STATE_READY);
  gst_element_set_state (p.pipeline, GST_STATE_PLAYING);
  ws = watch (&p);
  pipe_push_stream (&p, stream, 1);
  told = story (ws, "media_init");
  fail_unless_equals_string (told, "ltx2_stream_start media_init ");
  g_free (told);
  test_ws_free (ws);
  pipe_free (&p);
  test_stream_free (stream);
}
GST_END_TEST;

GST_START_TEST (a_bus_error_is_told)
{
  Pipe p = pipe_new ("");
  TestWs *ws = watch (&p);
  gchar *text;

  GST_ELEMENT_ERROR (p.source, STREAM, FAILED, ("It broke."), ("on purpose"));
  text = test_ws_wait_text (ws, "error");
  fail_unless (strstr (text, "\"message\":\"It broke.\"") != NULL);
  fail_unless (strstr (text, "\"code\":\"pipeline-error\"") != NULL);
  g_free (text);
  fail_unless_equals_int (test_ws_wait_close (ws), 1000);
  test_ws_free (ws);
  /* Who comes now is told too. */
  ws = watch (&p);
  text = test_ws_wait_text (ws, "error");
  fail_unless (text != NULL);
  g_free (text);
  test_ws_free (ws);
  pipe_free (&p);
}
GST_END_TEST;

GST_START_TEST (what_is_no_fragmented_mp4_is_an_error)
{
  Pipe p = pipe_new ("");
  GBytes *bytes = g_bytes_new_static (
      "\0\0\0\x10this is no MP4 at all, nor will it be", 40);
  GstMessage *message;
  GError *error;

  pipe_push (&p, bytes);
  g_bytes_unref (bytes);
  pipe_end (&p);
  message = wait_message (&p, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (strstr (error->message, "fragmented MP4") != NULL);
  g_error_free (error);
  gst_message_unref (message);
  pipe_free (&p);
}
GST_END_TEST;

/* ---- the end ---- */

/* A viewer that reads only when all is over still gets everything. */
GST_START_TEST (everything_is_flushed_at_the_end)
{
  TestStream *stream = test_stream_new (48, 64, FALSE);
  Pipe p = pipe_new ("");
  TestWs *ws = watch (&p);
  gchar *told;
  guint i, binaries = 0;

  pipe_push_stream (&p, stream, stream->fragments->len);
  pipe_end (&p);
  gst_message_unref (wait_message (&p, GST_MESSAGE_EOS));
  gst_element_set_state (p.pipeline, GST_STATE_NULL);
  told = story (ws, "ltx2_stream_complete");
  for (i = 0; told[i]; i++)
    binaries += told[i] == 'B';
  fail_unless_equals_int (binaries, stream->fragments->len + 1);
  fail_unless (g_str_has_suffix (told, "media_segment_complete "
                                       "ltx2_segment_complete "
                                       "ltx2_stream_complete "));
  g_free (told);
  fail_unless_equals_int (test_ws_wait_close (ws), 1000);
  test_ws_free (ws);
  pipe_free (&p);
  test_stream_free (stream);
}
GST_END_TEST;

/* Viewers that read nothing hold up neither the end nor the state change. */
GST_START_TEST (stalled_viewers_do_not_hold_up_the_end)
{
  TestStream *stream = test_stream_new (48, 320, FALSE);
  Pipe p = pipe_new ("");
  TestWs *ws = test_ws_connect (p.port, "/ws", NULL, 4096);
  gint64 start;
  guint i;

  for (i = 0; i < 4; i++)
    pipe_push_stream (&p, stream, stream->fragments->len);
  start = g_get_monotonic_time ();
  pipe_end (&p);
  gst_message_unref (wait_message (&p, GST_MESSAGE_EOS));
  fail_unless (g_get_monotonic_time () - start < 4 * G_USEC_PER_SEC);
  start = g_get_monotonic_time ();
  gst_element_set_state (p.pipeline, GST_STATE_NULL);
  fail_unless (g_get_monotonic_time () - start < 3 * G_USEC_PER_SEC);
  test_ws_free (ws);
  pipe_free (&p);
  test_stream_free (stream);
}
GST_END_TEST;

/* READY keeps the viewers; what comes then is a new stream. */
GST_START_TEST (a_restart_keeps_the_viewers)
{
  TestStream *stream = test_stream_new (6, 64, FALSE);
  Pipe p = pipe_new ("");
  TestWs *ws = watch (&p);
  gchar *told;

  pipe_push_stream (&p, stream, 1);
  told = story (ws, "media_init");
  g_free (told);
  gst_element_set_state (p.pipeline, GST_STATE_READY);
  gst_element_set_state (p.pipeline, GST_STATE_PLAYING);
  pipe_push_stream (&p, stream, 1);
  told = story (ws, "media_init");
  fail_unless (g_str_has_suffix (told, "B ltx2_stream_start media_init "));
  g_free (told);
  test_ws_free (ws);
  pipe_free (&p);
  test_stream_free (stream);
}
GST_END_TEST;

GST_START_TEST (states_back_and_forth)
{
  TestStream *stream = test_stream_new (6, 64, FALSE);
  GRand *random = g_rand_new_with_seed (7);
  Pipe p = pipe_new ("");
  guint i;

  for (i = 0; i < 60; i++) {
    GstState state =
        g_rand_int_range (random, GST_STATE_NULL, GST_STATE_PLAYING + 1);
    TestWs *ws;

    fail_if (
        gst_element_set_state (p.pipeline, state) == GST_STATE_CHANGE_FAILURE);
    if (state == GST_STATE_NULL)
      continue;
    g_object_get (p.sink, "port", &p.port, NULL);
    ws = test_ws_connect (p.port, "/ws", NULL, 0);
    fail_unless_equals_int (ws->status, 101);
    if (state == GST_STATE_PLAYING)
      pipe_push_stream (&p, stream, 2);
    test_ws_free (ws);
  }
  g_rand_free (random);
  pipe_free (&p);
  test_stream_free (stream);
}
GST_END_TEST;

/* ---- steering ---- */

static GstPadProbeReturn
note_control (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  const GstStructure *s = gst_event_get_structure (event);

  if (s && gst_structure_has_name (s, GST_DREAMVERSE_EVENT_CONTROL))
    g_async_queue_push (user_data, gst_structure_copy (s));
  return GST_PAD_PROBE_OK;
}

static GstStructure *
wait_control (GAsyncQueue *events)
{
  GstStructure *s = g_async_queue_timeout_pop (events, 20 * G_USEC_PER_SEC);

  fail_unless (s != NULL, "no command came");
  return s;
}

GST_START_TEST (steering_goes_upstream)
{
  GAsyncQueue *events = g_async_queue_new ();
  Pipe p = pipe_new ("");
  TestWs *ws = watch (&p);
  GstPad *pad = gst_element_get_static_pad (p.source, "src");
  GstStructure *s;
  gchar *id;

  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, note_control, events, NULL);
  test_ws_send_text (ws,
      "{\"type\":\"append_prompt\",\"prompt\":\"a red sea\",\"prompt_id\":"
      "\"p1\"}");
  s = wait_control (events);
  fail_unless_equals_string (
      gst_structure_get_string (s, GST_DREAMVERSE_FIELD_COMMAND), "prompt");
  fail_unless_equals_string (
      gst_structure_get_string (s, GST_DREAMVERSE_FIELD_PROMPT), "a red sea");
  fail_unless_equals_string (
      gst_structure_get_string (s, GST_DREAMVERSE_FIELD_PROMPT_ID), "p1");
  id = g_strdup (gst_structure_get_string (s, GST_DREAMVERSE_FIELD_ID));
  gst_structure_free (s);
  test_ws_send_text (
      ws, "{\"type\":\"set_generation_paused\",\"paused\":true}");
  s = wait_control (events);
  fail_unless_equals_string (
      gst_structure_get_string (s, GST_DREAMVERSE_FIELD_COMMAND), "pause");
  fail_if (
      g_str_equal (id, gst_structure_get_string (s, GST_DREAMVERSE_FIELD_ID)));
  gst_structure_free (s);
  test_ws_send_text (ws, "{\"type\":\"restart_generation\"}");
  s = wait_control (events);
  fail_unless_equals_string (
      gst_structure_get_string (s, GST_DREAMVERSE_FIELD_COMMAND), "reset");
  gst_structure_free (s);
  s = wait_control (events);
  fail_unless_equals_string (
      gst_structure_get_string (s, GST_DREAMVERSE_FIELD_COMMAND), "resume");
  gst_structure_free (s);
  g_free (id);
  gst_object_unref (pad);
  test_ws_free (ws);
  pipe_free (&p);
  g_async_queue_unref (events);
}
GST_END_TEST;

static void
bring_down (GstElement *sink, guint64 id, const gchar *text, gint *done)
{
  gst_element_set_state (sink, GST_STATE_NULL);
  g_atomic_int_set (done, TRUE);
}

/* A signal's handler that ends it all does not wait for itself. */
GST_START_TEST (a_handler_brings_it_down)
{
  SinkRig *rig = sink_rig_new (NULL);
  TestWs *ws = test_ws_connect (rig->port, "/ws", NULL, 0);
  gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  gint done = FALSE;

  g_signal_connect (rig->sink, "message", G_CALLBACK (bring_down), &done);
  fail_unless (test_ws_send_text (ws, "{\"type\":\"anything\"}"));
  while (!g_atomic_int_get (&done) && g_get_monotonic_time () < until)
    g_usleep (1000);
  fail_unless (g_atomic_int_get (&done));
  test_ws_free (ws);
  sink_rig_free (rig);
}
GST_END_TEST;

static Suite *
soupwebsocketsink_pipeline_suite (void)
{
  Suite *suite = suite_create ("soupwebsocketsink-pipeline");
  TCase *tests = tcase_create ("pipeline");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, generation_is_told_in_order);
  tcase_add_test (tests, next_epoch_waits_for_the_media);
  tcase_add_test (tests, only_what_is_upstream_is_told);
  tcase_add_test (tests, an_error_is_told_once_and_ends_it);
  tcase_add_test (tests, a_short_segment_ends_the_session);
  tcase_add_test (tests, a_bus_error_is_told);
  tcase_add_test (tests, what_is_no_fragmented_mp4_is_an_error);
  tcase_add_test (tests, everything_is_flushed_at_the_end);
  tcase_add_test (tests, stalled_viewers_do_not_hold_up_the_end);
  tcase_add_test (tests, a_restart_keeps_the_viewers);
  tcase_add_test (tests, states_back_and_forth);
  tcase_add_test (tests, steering_goes_upstream);
  tcase_add_test (tests, a_handler_brings_it_down);
  return suite;
}

GST_CHECK_MAIN (soupwebsocketsink_pipeline);
