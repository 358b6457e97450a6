/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: states, stopping at any moment, the end by event, flushes,
 * pacing by the clock.
 */
#include <gst/check/gsttestclock.h>

#include "dreamversesrc-common.h"

/* What stopping may take; instrumented builds are slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STOP_LIMIT (500 * G_TIME_SPAN_MILLISECOND)
#else
#define STOP_LIMIT (100 * G_TIME_SPAN_MILLISECOND)
#endif

/* The time it takes to leave for @state, in microseconds. */
static gint64
time_stop (GstElement *src, GstState state)
{
  gint64 begin = g_get_monotonic_time ();

  fail_unless_equals_int (
      gst_element_set_state (src, state), GST_STATE_CHANGE_SUCCESS);
  return g_get_monotonic_time () - begin;
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

  return x < y ? -1 : x > y;
}

/* A busy machine may hold up one try in ten; more than that is the source. */
static void
check_times (GArray *times)
{
  g_array_sort (times, compare_times);
  fail_unless (
      g_array_index (times, gint64, times->len * 9 / 10 - 1) < STOP_LIMIT,
      "stopping took %" G_GINT64_FORMAT " us",
      g_array_index (times, gint64, times->len * 9 / 10 - 1));
}

/* In the middle of a step that would take a minute, and with pads that are
 * held up. */
GST_START_TEST (test_stops_within_100_ms_at_random_moments)
{
  GArray *times = g_array_new (FALSE, FALSE, sizeof (gint64));
  GRand *rand = g_rand_new_with_seed (42);
  guint i;

  for (i = 0; i < 30; i++) {
    Fixture f;
    GstMessage *message;
    gint64 took;

    fixture_init (&f, source_new ("pace", i % 2 ? 60.0 : 0.0, "width", 640,
                          "height", 352, NULL));
    block (&f, TRUE);
    fixture_play (&f);
    if (i % 3) {
      message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START);
      gst_message_unref (message);
    }
    g_usleep (g_rand_int_range (rand, 0, 20000));
    took = time_stop (f.src, GST_STATE_NULL);
    g_array_append_val (times, took);
    fixture_clear (&f);
  }
  check_times (times);
  g_array_unref (times);
  g_rand_free (rand);
}
GST_END_TEST

static gchar *
slow_prompt (GstElement *src, guint epoch, guint segment, gpointer data)
{
  GMutex *held = data;

  g_mutex_lock (held);
  g_mutex_unlock (held);
  return NULL;
}

/* A generation thread that does not come back is left behind and harms
 * nobody, also when the element is gone before it is. */
GST_START_TEST (test_a_thread_that_hangs_is_left_behind)
{
  GMutex held;
  GstElement *src = source_new ("segments", 1, NULL);
  GWeakRef weak;
  gint64 deadline;
  gpointer left;

  g_mutex_init (&held);
  g_mutex_lock (&held);
  g_weak_ref_init (&weak, src);
  g_signal_connect (src, "need-prompt", G_CALLBACK (slow_prompt), &held);
  gst_element_set_state (src, GST_STATE_PLAYING);
  g_usleep (20000);
  fail_unless (time_stop (src, GST_STATE_NULL) < 2 * STOP_LIMIT);
  /* It can be started again meanwhile. */
  gst_element_set_state (src, GST_STATE_PAUSED);
  gst_element_set_state (src, GST_STATE_NULL);
  gst_object_unref (src);
  g_mutex_unlock (&held);
  deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  while (
      (left = g_weak_ref_get (&weak)) && g_get_monotonic_time () < deadline) {
    gst_object_unref (left);
    g_thread_yield ();
  }
  fail_if (left != NULL);
  g_weak_ref_clear (&weak);
  g_mutex_clear (&held);
}
GST_END_TEST

GST_START_TEST (test_states_come_and_go)
{
  Fixture f;
  guint i;

  fixture_init (&f, source_new ("segments", 0, NULL));
  gst_harness_set_drop_buffers (f.video, TRUE);
  gst_harness_set_drop_buffers (f.audio, TRUE);
  for (i = 0; i < 50; i++) {
    static const GstState states[] = {GST_STATE_PLAYING, GST_STATE_PAUSED,
        GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_NULL};

    fail_unless (
        gst_element_set_state (f.src, states[i % G_N_ELEMENTS (states)]) !=
        GST_STATE_CHANGE_FAILURE);
    if (states[i % G_N_ELEMENTS (states)] == GST_STATE_PLAYING && i % 4 == 0)
      gst_message_unref (
          wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START));
  }
  fixture_clear (&f);
}
GST_END_TEST

/* Each start of a progress has one end. */
static void
note_progress (GHashTable *open, guint *started, GstMessage *message)
{
  GstProgressType type;
  gchar *code;

  gst_message_parse_progress (message, &type, &code, NULL);
  if (type == GST_PROGRESS_TYPE_START) {
    (*started)++;
    fail_unless (g_hash_table_add (open, g_strdup (code)), "%s", code);
  } else if (type != GST_PROGRESS_TYPE_CONTINUE)
    fail_unless (g_hash_table_remove (open, code), "%s", code);
  g_free (code);
  gst_message_unref (message);
}

GST_START_TEST (test_progress_is_paired)
{
  Fixture f;
  GstMessage *message;
  GHashTable *open =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint started = 0;

  fixture_init (&f, source_new ("pace", 60.0, NULL));
  fixture_play (&f);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START));
  fixture_clear (&f);

  fixture_init (&f, source_new ("segments", 3, NULL));
  gst_harness_set_drop_buffers (f.video, TRUE);
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  g_ptr_array_unref (pull_all (f.video));
  g_object_set (f.src, "pace", 60.0, NULL);
  gst_element_set_state (f.src, GST_STATE_READY);
  gst_element_set_state (f.src, GST_STATE_PLAYING);
  /* Until something of the second run has begun. */
  while (started < 5) {
    message = gst_bus_timed_pop_filtered (
        f.bus, 20 * GST_SECOND, GST_MESSAGE_PROGRESS);
    fail_unless (message != NULL, "%u", started);
    note_progress (open, &started, message);
  }
  gst_element_set_state (f.src, GST_STATE_READY);
  while ((message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_PROGRESS)))
    note_progress (open, &started, message);
  fail_unless_equals_int (g_hash_table_size (open), 0);
  g_hash_table_unref (open);
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_eos_event_ends_both_pads_together)
{
  Fixture f;
  GPtrArray *video, *audio;
  GstBuffer *end;
  GstMessage *message;
  gboolean last;

  fixture_init (&f, source_new ("prompt", "p", NULL));
  fixture_play (&f);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE));
  fail_unless (gst_element_send_event (f.src, gst_event_new_eos ()));
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE);
  fail_unless (gst_structure_get_boolean (
      gst_message_get_structure (message), "last", &last));
  fail_unless (last);
  gst_message_unref (message);
  video = pull_all (f.video);
  audio = pull_all (f.audio);
  fail_unless (video->len >= FRAMES);
  end = g_ptr_array_index (audio, audio->len - 1);
  fail_unless_equals_uint64 (
      GST_BUFFER_OFFSET_END (end), samples_of (video->len) + CLOSING_SILENCE);
  g_ptr_array_unref (video);
  g_ptr_array_unref (audio);
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_eos_event_ends_a_slow_step_and_a_paused_source)
{
  guint i;

  for (i = 0; i < 2; i++) {
    Fixture f;

    fixture_init (&f, source_new ("pace", 60.0, "paused", i == 1, NULL));
    fixture_play (&f);
    fail_unless (gst_element_send_event (f.src, gst_event_new_eos ()));
    g_ptr_array_unref (pull_all (f.video));
    g_ptr_array_unref (pull_all (f.audio));
    fixture_clear (&f);
  }
}
GST_END_TEST

GST_START_TEST (test_flush_and_go_on)
{
  Fixture f;
  GPtrArray *pulled;
  GstBuffer *first;
  guint segments = 0;
  GstEvent *event;

  fixture_init (&f, source_new ("segments", 6, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  block (&f, TRUE);
  fixture_play (&f);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE));
  fail_unless (gst_element_send_event (f.src, gst_event_new_flush_start ()));
  fail_unless (
      gst_element_send_event (f.src, gst_event_new_flush_stop (FALSE)));
  block (&f, FALSE);
  pulled = pull_all (f.video);
  /* The one that was held up may have been lost, no more. */
  fail_unless (pulled->len >= FRAMES + 5 * (FRAMES - OVERLAP) - 1);
  first = g_ptr_array_index (pulled, 0);
  fail_unless (GST_BUFFER_FLAG_IS_SET (first, GST_BUFFER_FLAG_DISCONT));
  while ((event = gst_harness_try_pull_event (f.video))) {
    segments += GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT;
    gst_event_unref (event);
  }
  fail_unless (segments >= 1);
  g_ptr_array_unref (pulled);
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_no_seeks)
{
  Fixture f;
  GstQuery *query = gst_query_new_seeking (GST_FORMAT_TIME);
  gboolean seekable = TRUE;

  fixture_init (&f, source_new ("segments", 1, NULL));
  fixture_play (&f);
  fail_unless (gst_pad_peer_query (f.video->sinkpad, query));
  gst_query_parse_seeking (query, NULL, &seekable, NULL, NULL);
  fail_if (seekable);
  gst_query_unref (query);
  fail_if (gst_element_seek_simple (
      f.src, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SECOND));
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_live_has_no_preroll_and_latency)
{
  GstElement *src = source_new ("is-live", TRUE, NULL);
  GstHarness *h = gst_harness_new_with_element (src, NULL, "video");
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min, max;
  gboolean live;

  fail_unless_equals_int (gst_element_set_state (src, GST_STATE_PAUSED),
      GST_STATE_CHANGE_NO_PREROLL);
  fail_unless (gst_pad_peer_query (h->sinkpad, query));
  gst_query_parse_latency (query, &live, &min, &max);
  fail_unless (live);
  fail_unless_equals_uint64 (min, GST_SECOND / 24);
  gst_query_unref (query);
  fail_if (gst_harness_try_pull (h));
  gst_element_set_state (src, GST_STATE_PLAYING);
  gst_buffer_unref (gst_harness_pull (h));
  fail_unless_equals_int (gst_element_set_state (src, GST_STATE_PAUSED),
      GST_STATE_CHANGE_NO_PREROLL);
  gst_element_set_state (src, GST_STATE_NULL);
  gst_harness_teardown (h);
  gst_object_unref (src);
}
GST_END_TEST

/* With a clock that stands still exactly the frames of the lead come, and the
 * next one when the clock says so. */
GST_START_TEST (test_max_lead_holds_back)
{
  Fixture f;
  GstTestClock *clock = GST_TEST_CLOCK (gst_test_clock_new ());
  const GstClockTime lead = GST_SECOND / 2;
  gint64 deadline;
  guint i;

  fixture_init (&f, source_new ("max-lead", lead, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  gst_element_set_clock (f.src, GST_CLOCK (clock));
  gst_element_set_base_time (f.src, 0);
  fixture_play (&f);
  /* Frames 0 to 12 begin within half a second. */
  for (i = 0; i <= 12; i++) {
    GstBuffer *buffer = gst_harness_pull (f.video);

    fail_unless (buffer != NULL && GST_BUFFER_PTS (buffer) <= lead);
    gst_buffer_unref (buffer);
  }
  /* Both pads wait for the clock. */
  gst_test_clock_wait_for_multiple_pending_ids (clock, 2, NULL);
  fail_if (gst_harness_try_pull (f.video));
  gst_test_clock_set_time (clock, GST_SECOND / 24 + 1);
  for (deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;;) {
    GstBuffer *buffer = gst_harness_try_pull (f.video);
    GstClockID id;

    fail_unless (g_get_monotonic_time () < deadline);

    if (buffer) {
      fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer), 13);
      gst_buffer_unref (buffer);
      break;
    }
    if ((id = gst_test_clock_process_next_clock_id (clock)))
      gst_clock_id_unref (id);
    g_thread_yield ();
  }
  fixture_clear (&f);
  gst_object_unref (clock);
}
GST_END_TEST

static Suite *
dreamversesrc_states_suite (void)
{
  Suite *s = suite_create ("dreamversesrc-states");
  TCase *tc = tcase_create ("states");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_stops_within_100_ms_at_random_moments);
  tcase_add_test (tc, test_a_thread_that_hangs_is_left_behind);
  tcase_add_test (tc, test_states_come_and_go);
  tcase_add_test (tc, test_progress_is_paired);
  tcase_add_test (tc, test_eos_event_ends_both_pads_together);
  tcase_add_test (tc, test_eos_event_ends_a_slow_step_and_a_paused_source);
  tcase_add_test (tc, test_flush_and_go_on);
  tcase_add_test (tc, test_no_seeks);
  tcase_add_test (tc, test_live_has_no_preroll_and_latency);
  tcase_add_test (tc, test_max_lead_holds_back);
  return s;
}

GST_CHECK_MAIN (dreamversesrc_states);
