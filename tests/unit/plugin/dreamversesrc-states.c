/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: states, stopping at any moment, the end by event, flushes,
 * pacing by the clock.
 */
#include <gst/check/gsttestclock.h>
#include <gst/video/video.h>

#include "dreamversesrc-common.h"

/* The time it takes to leave for @state, in microseconds. */
static gint64
time_stop (GstElement *src, GstState state)
{
  gint64 begin = g_get_monotonic_time ();

  fail_unless_equals_int (
      gst_element_set_state (src, state), GST_STATE_CHANGE_SUCCESS);
  return g_get_monotonic_time () - begin;
}

/* Under gcc 12's ThreadSanitizer the process crashes in its runtime, one time
 * in thirty, when a detached thread ends just before the test does; why is not
 * known. */
#ifdef __SANITIZE_THREAD__
#define DETACHED_MAY_END FALSE
#else
#define DETACHED_MAY_END TRUE
#endif

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

  gst_element_post_message (src, gst_message_new_element (GST_OBJECT (src),
                                     gst_structure_new_empty ("asked")));
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
  GstBus *bus = gst_bus_new ();
  GWeakRef weak;
  gint64 deadline;
  gpointer left;

  g_mutex_init (&held);
  g_mutex_lock (&held);
  g_weak_ref_init (&weak, src);
  gst_element_set_bus (src, bus);
  g_signal_connect (src, "need-prompt", G_CALLBACK (slow_prompt), &held);
  gst_element_set_state (src, GST_STATE_PLAYING);
  gst_message_unref (wait_message (bus, "asked"));
  /* It hangs for good: any bound tells. */
  fail_unless (time_stop (src, GST_STATE_NULL) < 10 * STOP_LIMIT);
  /* It can be started again meanwhile. */
  gst_element_set_state (src, GST_STATE_PAUSED);
  gst_element_set_state (src, GST_STATE_NULL);
  /* No message keeps the element. */
  gst_element_set_bus (src, NULL);
  gst_bus_set_flushing (bus, TRUE);
  gst_object_unref (bus);
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

/* Nor does it take what belongs to the next run. */
GST_START_TEST (test_a_thread_left_behind_takes_no_prompt)
{
  GMutex held;
  Fixture f;
  GstStructure *stats;
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  gboolean taken = FALSE;
  guint prompts, refs;
  GstMessage *message;

  g_mutex_init (&held);
  g_mutex_lock (&held);
  fixture_init (&f, source_new ("segments", 1, NULL));
  refs = G_OBJECT (f.src)->ref_count;
  g_signal_connect (f.src, "need-prompt", G_CALLBACK (slow_prompt), &held);
  fixture_play (&f);
  gst_message_unref (wait_message (f.bus, "asked"));
  gst_element_set_state (f.src, GST_STATE_NULL);
  g_signal_emit_by_name (f.src, "append-prompt", "mine", NULL, &taken);
  fail_unless (taken);
  g_mutex_unlock (&held);
  /* Until the thread, and each message, has let go of the element. */
  do {
    fail_if (poll_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START));
    while ((message = gst_bus_pop (f.bus)))
      gst_message_unref (message);
    fail_unless (g_get_monotonic_time () < deadline);
  } while (G_OBJECT (f.src)->ref_count > refs);
  g_object_get (f.src, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint (stats, "queued-prompts", &prompts));
  fail_unless_equals_int (prompts, 1);
  gst_structure_free (stats);
  fixture_clear (&f);
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

static void
count_progress (guint *count)
{
  (*count)++;
}

/* Opening the model begins and ends once a run. A step is no progress in this
 * sense: gst-launch would not play before it ends. */
GST_START_TEST (test_a_slow_step_holds_up_nobody)
{
  Fixture f;
  GstMessage *message;
  guint i, starts = 0, ends = 0;

  fixture_init (&f, source_new ("pace", 60.0, NULL));
  for (i = 0; i < 2; i++) {
    fixture_play (&f);
    gst_message_unref (
        wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START));
    gst_element_set_state (f.src, GST_STATE_READY);
  }
  fixture_clear (&f);

  fixture_init (&f, source_new ("segments", 3, NULL));
  gst_bus_enable_sync_message_emission (f.bus);
  g_signal_connect_swapped (
      f.bus, "sync-message::progress", G_CALLBACK (count_progress), &starts);
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  g_ptr_array_unref (pull_all (f.video));
  while ((message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_PROGRESS))) {
    GstProgressType type;
    gchar *code;

    gst_message_parse_progress (message, &type, &code, NULL);
    fail_unless_equals_string (code, "open");
    ends += type == GST_PROGRESS_TYPE_COMPLETE;
    g_free (code);
    gst_message_unref (message);
  }
  fail_unless_equals_int (starts, 2); /* a start and an end */
  fail_unless_equals_int (ends, 1);
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

/* After the end a flush is followed by the end again; a stop without a start
 * is refused and holds up nobody. */
GST_START_TEST (test_the_end_survives_a_flush)
{
  Fixture f;
  GstEvent *event;

  fixture_init (&f, source_new ("segments", 1, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  fail_if (gst_element_send_event (f.src, gst_event_new_flush_stop (TRUE)));
  g_ptr_array_unref (pull_all (f.video));
  while ((event = gst_harness_try_pull_event (f.video)))
    gst_event_unref (event);
  fail_unless (gst_element_send_event (f.src, gst_event_new_flush_start ()));
  fail_unless (gst_element_send_event (f.src, gst_event_new_flush_stop (TRUE)));
  for (;;) {
    GstEventType type;

    event = gst_harness_pull_event (f.video);
    fail_unless (event != NULL, "no end after the flush");
    type = GST_EVENT_TYPE (event);
    gst_event_unref (event);
    if (type == GST_EVENT_EOS)
      break;
  }
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

/* Pulls frames up to the one before @end, while the clock stands. */
static void
pull_frames (Fixture *f, guint *frame, guint end)
{
  for (; *frame < end; (*frame)++) {
    GstBuffer *buffer = gst_harness_pull (f->video);

    fail_unless (buffer != NULL);
    fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer), *frame);
    gst_buffer_unref (buffer);
  }
}

/* Running time begins anew with the frame that comes next: what is announced
 * after the flush is in the new one. */
GST_START_TEST (test_a_flush_that_resets_time_moves_what_was_announced)
{
  Fixture f;
  GstTestClock *clock = GST_TEST_CLOCK (gst_test_clock_new ());
  GstSegment segment;
  GstClockTime announced = GST_CLOCK_TIME_NONE, key = GST_CLOCK_TIME_NONE;
  GstEvent *event;
  guint frame = 0;

  fixture_init (&f, source_new ("max-lead", GST_SECOND / 2, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  gst_element_set_clock (f.src, GST_CLOCK (clock));
  gst_element_set_base_time (f.src, 0);
  fixture_play (&f);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE));
  pull_frames (&f, &frame, 13);
  gst_test_clock_wait_for_multiple_pending_ids (clock, 2, NULL);
  while ((event = gst_harness_try_pull_event (f.video)))
    gst_event_unref (event);
  gst_element_send_event (f.src, gst_event_new_flush_start ());
  gst_element_send_event (f.src, gst_event_new_flush_stop (TRUE));
  frame++; /* the one that waited */
  pull_frames (&f, &frame, FRAMES + 1);
  while ((event = gst_harness_try_pull_event (f.video))) {
    GstDreamverseSegment names;

    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
      gst_event_copy_segment (event, &segment);
    else if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT)) {
      gst_dreamverse_parse_segment (gst_event_get_structure (event), &names);
      if (names.index == 2)
        announced = names.start;
    } else if (gst_video_event_is_force_key_unit (event) &&
               !GST_CLOCK_TIME_IS_VALID (key))
      gst_video_event_parse_downstream_force_key_unit (
          event, NULL, NULL, &key, NULL, NULL);
    gst_event_unref (event);
  }
  fail_unless (segment.start > 0);
  fail_unless_equals_uint64 (
      announced, gst_segment_to_running_time (&segment, GST_FORMAT_TIME,
                     gst_util_uint64_scale (FRAMES, GST_SECOND, 24)));
  fail_unless_equals_uint64 (key, announced);
  fixture_clear (&f);
  gst_object_unref (clock);
}
GST_END_TEST

static gchar *
pause_at_second (GstElement *src, guint epoch, guint segment, gpointer data)
{
  static gboolean paused;

  if (segment == 2 && !paused) {
    paused = TRUE;
    g_signal_emit_by_name (src, "pause");
  }
  return NULL;
}

/* A long pause is not followed by as much media at once: the lead counts from
 * where the stream stood. */
GST_START_TEST (test_a_pause_is_not_caught_up)
{
  Fixture f;
  GstTestClock *clock = GST_TEST_CLOCK (gst_test_clock_new ());
  guint frame = 0;

  fixture_init (&f, source_new ("max-lead", GST_SECOND, "segments", 20, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  gst_element_set_clock (f.src, GST_CLOCK (clock));
  gst_element_set_base_time (f.src, 0);
  g_signal_connect (f.src, "need-prompt", G_CALLBACK (pause_at_second), NULL);
  fixture_play (&f);
  pull_frames (&f, &frame, FRAMES);
  gst_message_unref (wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PAUSED));
  fail_if (gst_bus_timed_pop_filtered (
      f.bus, 200 * GST_MSECOND, GST_MESSAGE_ELEMENT));
  gst_test_clock_set_time (clock, 100 * GST_SECOND);
  g_signal_emit_by_name (f.src, "resume");
  /* Segment 2 is due at once; frames up to a second after its first follow,
   * and then both pads wait for a clock that stands. */
  pull_frames (&f, &frame, FRAMES + 25);
  gst_test_clock_wait_for_multiple_pending_ids (clock, 2, NULL);
  fail_if (gst_harness_try_pull (f.video));
  fixture_clear (&f);
  gst_object_unref (clock);
}
GST_END_TEST

GST_START_TEST (test_a_lead_of_centuries)
{
  Fixture f;
  GPtrArray *video;

  fixture_init (&f, source_new ("segments", 2, "max-lead",
                        G_GUINT64_CONSTANT (10000000000000000000), NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  video = pull_all (f.video);
  fail_unless_equals_int (video->len, 2 * FRAMES - OVERLAP);
  g_ptr_array_unref (video);
  fixture_clear (&f);
}
GST_END_TEST

/* The latency of a live source grows with a pace, and everybody is told. */
GST_START_TEST (test_a_live_source_tells_its_new_latency)
{
  GstElement *src = source_new ("is-live", TRUE, "segments", 1, NULL);
  GstQuery *query = gst_query_new_latency ();
  GstMessage *message;
  GstClockTime min;
  Fixture f;

  fixture_init (&f, src);
  gst_element_set_state (src, GST_STATE_PAUSED);
  g_object_set (src, "pace", 0.01, NULL);
  message = gst_bus_timed_pop_filtered (f.bus, 0, GST_MESSAGE_LATENCY);
  fail_unless (message != NULL);
  gst_message_unref (message);
  fail_unless (gst_pad_peer_query (f.video->sinkpad, query));
  gst_query_parse_latency (query, NULL, &min, NULL);
  fail_unless_equals_uint64 (min, FRAMES * GST_SECOND / 24);
  gst_query_unref (query);
  fixture_clear (&f);
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
  if (DETACHED_MAY_END)
    tcase_add_test (tc, test_a_thread_left_behind_takes_no_prompt);
  tcase_add_test (tc, test_states_come_and_go);
  tcase_add_test (tc, test_a_slow_step_holds_up_nobody);
  tcase_add_test (tc, test_eos_event_ends_both_pads_together);
  tcase_add_test (tc, test_eos_event_ends_a_slow_step_and_a_paused_source);
  tcase_add_test (tc, test_flush_and_go_on);
  tcase_add_test (tc, test_the_end_survives_a_flush);
  tcase_add_test (tc, test_a_flush_that_resets_time_moves_what_was_announced);
  tcase_add_test (tc, test_no_seeks);
  tcase_add_test (tc, test_live_has_no_preroll_and_latency);
  tcase_add_test (tc, test_a_live_source_tells_its_new_latency);
  tcase_add_test (tc, test_max_lead_holds_back);
  tcase_add_test (tc, test_a_lead_of_centuries);
  tcase_add_test (tc, test_a_pause_is_not_caught_up);
  return s;
}

GST_CHECK_MAIN (dreamversesrc_states);
