/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: settings that cannot be served, peers that refuse, pads that
 * fail: one clear error each.
 */
#include "dreamversesrc-common.h"

GST_START_TEST (test_unknown_model)
{
  expect_refused (source_new ("model", "/no/such/model", NULL),
      GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/no/such/model");
}
GST_END_TEST

GST_START_TEST (test_unknown_device)
{
  expect_refused (source_new ("device", "abacus:0", NULL), GST_LIBRARY_ERROR,
      GST_LIBRARY_ERROR_INIT, "abacus:0");
}
GST_END_TEST

GST_START_TEST (test_odd_size)
{
  expect_refused (source_new ("width", 65, NULL), GST_LIBRARY_ERROR,
      GST_LIBRARY_ERROR_SETTINGS, "65x64");
}
GST_END_TEST

GST_START_TEST (test_overlap_of_everything)
{
  expect_refused (source_new ("overlap-frames", FRAMES, NULL),
      GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, "overlap of 17 frames");
}
GST_END_TEST

GST_START_TEST (test_queue_too_small_says_how_much)
{
  /* 17 frames of 64 * 64 * 3 / 2 bytes and 17000 samples of 8. */
  expect_refused (
      source_new ("max-queued-bytes", G_GUINT64_CONSTANT (1000), NULL),
      GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "240448");
}
GST_END_TEST

GST_START_TEST (test_peer_refuses_size)
{
  Fixture f;

  fixture_init (&f, source_new ("segments", 1, NULL));
  gst_harness_set_sink_caps_str (
      f.video, "video/x-raw, format=I420, width=320, height=240");
  fixture_play (&f);
  expect_error (
      f.bus, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "width=(int)320");
  fixture_clear (&f);
}
GST_END_TEST

/* Without a size of its own the source takes the peer's. */
GST_START_TEST (test_peer_chooses_size)
{
  GstElement *src = gst_element_factory_make ("dreamversesrc", NULL);
  Fixture f;
  GstBuffer *buffer;

  gst_object_ref_sink (src);
  g_object_set (src, "frames-per-segment", FRAMES, "segments", 1, NULL);
  fixture_init (&f, src);
  gst_harness_set_sink_caps_str (f.video,
      "video/x-raw, format=I420, width=[16, 160], height=[16, 96], "
      "framerate=12/1");
  fixture_play (&f);
  buffer = gst_harness_pull (f.video);
  fail_unless_equals_int (gst_buffer_get_size (buffer), 160 * 96 * 3 / 2);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), GST_SECOND / 12);
  gst_buffer_unref (buffer);
  fixture_clear (&f);
}
GST_END_TEST

static gint caps_to_fail;
static GstPadEventFunction harness_event;

/* As a pad whose element is being stopped, or flushed, or cannot be set up. */
static gboolean
fail_caps (GstPad *pad, GstObject *parent, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS && caps_to_fail != 0) {
    caps_to_fail--;
    gst_event_unref (event);
    return FALSE;
  }
  return harness_event (pad, parent, event);
}

/* A caps event that only got lost is sent again, and nobody has refused. */
GST_START_TEST (test_a_caps_event_that_gets_lost_is_no_refusal)
{
  Fixture f;
  GPtrArray *pulled;

  fixture_init (&f, source_new ("segments", 2, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  caps_to_fail = 1;
  harness_event = GST_PAD_EVENTFUNC (f.video->sinkpad);
  gst_pad_set_event_function (f.video->sinkpad, fail_caps);
  fixture_play (&f);
  pulled = pull_all (f.video);
  fail_unless_equals_int (pulled->len, 2 * FRAMES - OVERLAP);
  fail_if (gst_bus_pop_filtered (f.bus, GST_MESSAGE_ERROR));
  g_ptr_array_unref (pulled);
  fixture_clear (&f);
}
GST_END_TEST

/* It says that it would take them, and then does not. */
GST_START_TEST (test_peer_fails_to_take_what_it_accepts)
{
  Fixture f;

  fixture_init (&f, source_new ("segments", 2, NULL));
  caps_to_fail = -1;
  harness_event = GST_PAD_EVENTFUNC (f.video->sinkpad);
  gst_pad_set_event_function (f.video->sinkpad, fail_caps);
  fixture_play (&f);
  expect_error (
      f.bus, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "does not accept");
  g_ptr_array_unref (pull_all (f.audio));
  fixture_clear (&f);
}
GST_END_TEST

/* The peer changes its mind while the stream runs. */
GST_START_TEST (test_peer_refuses_later)
{
  Fixture f;

  fixture_init (&f, source_new ("segments", 0, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  gst_buffer_unref (gst_harness_pull (f.video));
  gst_harness_set_drop_buffers (f.video, TRUE);
  gst_harness_set_sink_caps_str (f.video, "video/x-raw, format=NV12");
  gst_harness_push_upstream_event (f.video, gst_event_new_reconfigure ());
  expect_error (f.bus, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "NV12");
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_same_caps_survive_a_reconfigure)
{
  Fixture f;
  guint caps = 0;
  GstEvent *event;
  GPtrArray *pulled;

  fixture_init (&f, source_new ("segments", 4, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  block (&f, TRUE);
  fixture_play (&f);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE));
  gst_harness_push_upstream_event (f.video, gst_event_new_reconfigure ());
  block (&f, FALSE);
  pulled = pull_all (f.video);
  fail_unless_equals_int (pulled->len, FRAMES + 3 * (FRAMES - OVERLAP));
  while ((event = gst_harness_try_pull_event (f.video))) {
    caps += GST_EVENT_TYPE (event) == GST_EVENT_CAPS;
    gst_event_unref (event);
  }
  fail_unless_equals_int (caps, 2);
  g_ptr_array_unref (pulled);
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_no_pad_linked)
{
  GstElement *src = source_new ("segments", 0, NULL);
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (src, bus);
  gst_element_set_state (src, GST_STATE_PLAYING);
  expect_error (bus, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "");
  gst_element_set_state (src, GST_STATE_NULL);
  gst_element_set_bus (src, NULL);
  gst_object_unref (bus);
  gst_object_unref (src);
}
GST_END_TEST

static GstPadProbeReturn
return_flow (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GPOINTER_TO_INT (data);
  gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_PAD_PROBE_INFO_DATA (info) = NULL;
  return GST_PAD_PROBE_HANDLED;
}

/* Makes what is pushed on the video pad come back with @flow. */
static void
video_returns (Fixture *f, GstFlowReturn flow)
{
  gst_pad_add_probe (f->video->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, return_flow,
      GINT_TO_POINTER (flow), NULL);
}

GST_START_TEST (test_a_failing_pad_ends_the_other)
{
  Fixture f;

  fixture_init (&f, source_new ("segments", 0, NULL));
  video_returns (&f, GST_FLOW_ERROR);
  fixture_play (&f);
  expect_error (f.bus, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "");
  g_ptr_array_unref (pull_all (f.audio));
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_a_pad_that_has_enough_leaves_the_other_alone)
{
  Fixture f;
  GPtrArray *audio;
  GstBuffer *end;

  fixture_init (&f, source_new ("segments", 5, NULL));
  video_returns (&f, GST_FLOW_EOS);
  fixture_play (&f);
  audio = pull_all (f.audio);
  end = g_ptr_array_index (audio, audio->len - 1);
  fail_unless_equals_uint64 (GST_BUFFER_OFFSET_END (end),
      samples_of (FRAMES + 4 * (FRAMES - OVERLAP)) + CLOSING_SILENCE);
  fail_if (gst_bus_pop_filtered (f.bus, GST_MESSAGE_ERROR));
  g_ptr_array_unref (audio);
  fixture_clear (&f);
}
GST_END_TEST

/* Nobody is left who takes anything: generation ends, too. */
GST_START_TEST (test_enough_on_the_only_pad_ends_generation)
{
  GstElement *src = source_new ("segments", 0, NULL);
  GstBus *bus = gst_bus_new ();
  GstHarness *h;

  gst_element_set_bus (src, bus);
  h = gst_harness_new_with_element (src, NULL, "video");
  gst_pad_add_probe (h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, return_flow,
      GINT_TO_POINTER (GST_FLOW_EOS), NULL);
  gst_harness_play (h);
  gst_message_unref (
      wait_message (bus, GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE));
  gst_element_set_state (src, GST_STATE_NULL);
  gst_harness_teardown (h);
  gst_element_set_bus (src, NULL);
  gst_object_unref (bus);
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (test_peer_refuses_rate)
{
  Fixture f;

  fixture_init (&f, source_new ("segments", 1, NULL));
  gst_harness_set_sink_caps_str (f.audio, "audio/x-raw, rate=44100");
  fixture_play (&f);
  expect_error (f.bus, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "44100");
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_audio_overlap_below_overlap)
{
  expect_refused (source_new ("audio-overlap-frames", OVERLAP - 1, NULL),
      GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, "audio overlap of 8 frames");
}
GST_END_TEST

GST_START_TEST (test_frame_rate_of_a_slide_show)
{
  expect_refused (source_new ("framerate", 1, 1000, "frames-per-segment", 2,
                      "overlap-frames", 1, NULL),
      GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, "frame rate 1/1000");
}
GST_END_TEST

static Suite *
dreamversesrc_errors_suite (void)
{
  Suite *s = suite_create ("dreamversesrc-errors");
  TCase *tc = tcase_create ("errors");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_unknown_model);
  tcase_add_test (tc, test_unknown_device);
  tcase_add_test (tc, test_odd_size);
  tcase_add_test (tc, test_overlap_of_everything);
  tcase_add_test (tc, test_queue_too_small_says_how_much);
  tcase_add_test (tc, test_peer_refuses_size);
  tcase_add_test (tc, test_peer_chooses_size);
  tcase_add_test (tc, test_peer_refuses_later);
  tcase_add_test (tc, test_a_caps_event_that_gets_lost_is_no_refusal);
  tcase_add_test (tc, test_peer_fails_to_take_what_it_accepts);
  tcase_add_test (tc, test_same_caps_survive_a_reconfigure);
  tcase_add_test (tc, test_peer_refuses_rate);
  tcase_add_test (tc, test_audio_overlap_below_overlap);
  tcase_add_test (tc, test_frame_rate_of_a_slide_show);
  tcase_add_test (tc, test_enough_on_the_only_pad_ends_generation);
  tcase_add_test (tc, test_no_pad_linked);
  tcase_add_test (tc, test_a_failing_pad_ends_the_other);
  tcase_add_test (tc, test_a_pad_that_has_enough_leaves_the_other_alone);
  return s;
}

GST_CHECK_MAIN (dreamversesrc_errors);
