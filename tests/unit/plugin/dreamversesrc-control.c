/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: prompts, pause and resume, resets, commands from strangers.
 */
#include <string.h>

#include "dreamversesrc-common.h"

/* Prompts of the segments up to the end of the stream, with commas. */
static gchar *
prompts_until_eos (Fixture *f)
{
  GString *prompts = g_string_new (NULL);
  GstMessage *message;

  gst_harness_set_drop_buffers (f->video, TRUE);
  gst_harness_set_drop_buffers (f->audio, TRUE);
  g_object_set (f->src, "paused", FALSE, NULL);
  fixture_play (f);
  for (;;) {
    message = gst_bus_timed_pop_filtered (
        f->bus, PATIENCE, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);
    fail_unless (message != NULL);
    fail_if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR);
    if (gst_message_has_name (message, GST_DREAMVERSE_MESSAGE_SEGMENT_START)) {
      GstDreamverseSegment segment;

      fail_unless (gst_dreamverse_parse_segment (
          gst_message_get_structure (message), &segment));
      g_string_append_printf (
          prompts, "%s%s", prompts->len ? "," : "", segment.prompt);
    }
    if (gst_message_has_name (message, GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE))
      break;
    gst_message_unref (message);
  }
  gst_message_unref (message);
  return g_string_free (prompts, FALSE);
}

static void
expect_prompts (GstElement *src, const gchar *expected)
{
  Fixture f;
  gchar *prompts;

  fixture_init (&f, src);
  prompts = prompts_until_eos (&f);
  fail_unless_equals_string (prompts, expected);
  g_free (prompts);
  fixture_clear (&f);
}

static GstElement *
source_with_list (const gchar *list)
{
  GstElement *src = source_new ("segments", 0, NULL);

  gst_util_set_object_arg (G_OBJECT (src), "prompts", list);
  return src;
}

GST_START_TEST (test_list_then_end)
{
  expect_prompts (source_with_list ("<\"a\",\"b c\">"), "a,b c");
}
GST_END_TEST

GST_START_TEST (test_list_then_prompt)
{
  GstElement *src = source_with_list ("<a,b>");

  g_object_set (src, "prompt", "p", "segments", 5, NULL);
  expect_prompts (src, "a,b,p,p,p");
}
GST_END_TEST

GST_START_TEST (test_an_empty_list_loops_too)
{
  expect_prompts (
      source_new ("loop", TRUE, "segments", 2, "prompt", "p", NULL), "p,p");
}
GST_END_TEST

/* One warning, and the list that was set stays. */
GST_START_TEST (test_a_list_with_a_monster_is_not_used)
{
  GstElement *src = source_with_list ("<a>");
  gchar *big = g_strnfill (8193, 'x');
  gchar *list = g_strdup_printf ("<b,%s>", big);

  gst_util_set_object_arg (G_OBJECT (src), "prompts", list);
  expect_prompts (src, "a");
  g_free (list);
  g_free (big);
}
GST_END_TEST

GST_START_TEST (test_list_loops)
{
  GstElement *src = source_with_list ("<a,b>");

  g_object_set (src, "loop", TRUE, "segments", 5, NULL);
  expect_prompts (src, "a,b,a,b,a");
}
GST_END_TEST

GST_START_TEST (test_appended_prompts_come_first_and_stay)
{
  GstElement *src = source_new ("segments", 4, "prompt", "p", NULL);
  gboolean taken = FALSE;

  g_signal_emit_by_name (src, "append-prompt", "x", "1", &taken);
  fail_unless (taken);
  g_signal_emit_by_name (src, "append-prompt", "y", NULL, &taken);
  fail_unless (taken);
  expect_prompts (src, "x,y,y,y");
}
GST_END_TEST

static gchar *
need_prompt (GstElement *src, guint epoch, guint segment, gpointer data)
{
  if (segment == 2)
    g_object_set (src, "prompt", "set", NULL);
  return segment % 2 ? g_strdup_printf ("asked %u", segment) : NULL;
}

GST_START_TEST (test_need_prompt_decides)
{
  GstElement *src = source_new ("segments", 4, "prompt", "p", NULL);

  g_signal_connect (src, "need-prompt", G_CALLBACK (need_prompt), NULL);
  expect_prompts (src, "asked 1,set,asked 3,set");
}
GST_END_TEST

static void
send_command (
    GstHarness *h, const gchar *command, const gchar *id, const gchar *prompt)
{
  gst_harness_push_upstream_event (
      h, gst_dreamverse_control_event_new (command, id, prompt, "viewer-7"));
}

GST_START_TEST (test_a_command_on_both_pads_counts_once)
{
  Fixture f;
  GstMessage *message;
  const GstStructure *s;
  guint depth;
  gchar *prompts;

  fixture_init (
      &f, source_new ("segments", 3, "prompt", "p", "paused", TRUE, NULL));
  fixture_play (&f);
  send_command (f.video, "prompt", "id-1", "once");
  send_command (f.audio, "prompt", "id-1", "once");
  send_command (f.audio, "prompt", "id-2", "twice");
  send_command (f.video, "prompt", "id-2", "twice");
  send_command (f.video, "prompt", "", "no id");
  send_command (f.video, "dance", "id-3", NULL);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PROMPT_RECEIVED);
  s = gst_message_get_structure (message);
  fail_unless_equals_string (gst_structure_get_string (s, "id"), "id-1");
  fail_unless_equals_string (gst_structure_get_string (s, "prompt"), "once");
  fail_unless_equals_string (
      gst_structure_get_string (s, "prompt-id"), "viewer-7");
  gst_message_unref (message);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PROMPT_RECEIVED);
  s = gst_message_get_structure (message);
  fail_unless (gst_structure_get_uint (s, "queue-depth", &depth));
  fail_unless_equals_int (depth, 2);
  gst_message_unref (message);
  fail_if (poll_message (f.bus, GST_DREAMVERSE_MESSAGE_PROMPT_RECEIVED));
  prompts = prompts_until_eos (&f);
  fail_unless_equals_string (prompts, "once,twice,twice");
  g_free (prompts);
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_prompts_of_strangers_are_bounded)
{
  Fixture f;
  GstMessage *message;
  gchar *big = g_strnfill (8193, 'x'), id[16];
  guint i;

  fixture_init (&f, source_new ("segments", 1, "paused", TRUE, NULL));
  fixture_play (&f);
  send_command (f.video, "prompt", "big", big);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PROMPT_REFUSED);
  fail_unless (strstr (gst_structure_get_string (
                           gst_message_get_structure (message), "message"),
                   "8193") != NULL);
  gst_message_unref (message);
  send_command (f.video, "prompt", "none", NULL);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PROMPT_REFUSED));
  for (i = 0; i < 64; i++) {
    g_snprintf (id, sizeof id, "%u", i);
    send_command (f.video, "prompt", id, "fine");
  }
  fail_if (poll_message (f.bus, GST_DREAMVERSE_MESSAGE_PROMPT_REFUSED));
  send_command (f.video, "prompt", "64", "one too many");
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PROMPT_REFUSED);
  gst_message_unref (message);
  g_free (big);
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_pause_holds_and_resume_goes_on)
{
  Fixture f;
  GstMessage *message;
  gboolean paused;
  GPtrArray *pulled;

  fixture_init (&f, source_new ("segments", 2, NULL));
  g_signal_emit_by_name (f.src, "pause");
  fixture_play (&f);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PAUSED);
  gst_message_unref (message);
  message = gst_bus_timed_pop_filtered (
      f.bus, 200 * GST_MSECOND, GST_MESSAGE_ELEMENT);
  fail_if (message != NULL, "%" GST_PTR_FORMAT, message);
  g_signal_emit_by_name (f.src, "resume");
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PAUSED);
  fail_unless (gst_structure_get_boolean (
      gst_message_get_structure (message), "paused", &paused));
  fail_if (paused);
  gst_message_unref (message);
  pulled = pull_all (f.video);
  fail_unless_equals_int (pulled->len, 2 * FRAMES - OVERLAP);
  g_ptr_array_unref (pulled);
  fixture_clear (&f);
}
GST_END_TEST

/* In the middle of a slow step, and while one waits to be made. */
GST_START_TEST (test_reset_gives_up_the_running_step)
{
  Fixture f;
  GstMessage *message;
  GstDreamverseSegment segment;
  guint epoch, segments, frames;
  gboolean last;
  GstEvent *event;
  gint64 asked;

  fixture_init (&f, source_new ("prompt", "p", "pace", 60.0, NULL));
  fixture_play (&f);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START);
  gst_message_unref (message);
  g_object_set (f.src, "pace", 0.0, "segments", 2, NULL);
  asked = g_get_monotonic_time ();
  send_command (f.video, "reset", "r1", NULL);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_ABORTED);
  fail_unless (g_get_monotonic_time () - asked < 2 * G_USEC_PER_SEC);
  fail_unless (gst_dreamverse_parse_segment (
      gst_message_get_structure (message), &segment));
  fail_unless_equals_int (segment.epoch, 1);
  fail_unless_equals_int (segment.index, 1);
  fail_unless (gst_structure_get_uint (
      gst_message_get_structure (message), "frames", &frames));
  fail_unless_equals_int (frames, 0);
  gst_message_unref (message);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE);
  fail_unless (gst_structure_get (gst_message_get_structure (message), "epoch",
      G_TYPE_UINT, &epoch, "segments", G_TYPE_UINT, &segments, "last",
      G_TYPE_BOOLEAN, &last, NULL));
  fail_unless (epoch == 1 && segments == 0 && !last);
  gst_message_unref (message);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_RESET);
  fail_unless_equals_string (
      gst_structure_get_string (gst_message_get_structure (message), "id"),
      "r1");
  gst_message_unref (message);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START);
  fail_unless (gst_dreamverse_parse_segment (
      gst_message_get_structure (message), &segment));
  fail_unless_equals_int (segment.epoch, 2);
  fail_unless_equals_int (segment.index, 1);
  fail_unless_equals_uint64 (segment.sequence, 2);
  fail_unless_equals_uint64 (segment.start, 0);
  gst_message_unref (message);
  /* A segment without media was never announced. */
  g_ptr_array_unref (pull_all (f.video));
  while ((event = gst_harness_try_pull_event (f.video))) {
    fail_if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT_ABORTED));
    gst_event_unref (event);
  }
  fixture_clear (&f);
}
GST_END_TEST

static void
expect_reset (GstBus *bus, const gchar *id, guint epoch)
{
  GstMessage *message = wait_message (bus, GST_DREAMVERSE_MESSAGE_RESET);
  const GstStructure *s = gst_message_get_structure (message);
  guint told;

  fail_unless_equals_string (gst_structure_get_string (s, "id"), id);
  fail_unless (gst_structure_get_uint (s, "epoch", &told));
  fail_unless_equals_int (told, epoch);
  gst_message_unref (message);
}

/* Each is confirmed: two that come together make one new stream, one that
 * comes before the start finds it new anyway, one that comes too late finds
 * nobody. */
GST_START_TEST (test_each_reset_in_time_is_confirmed)
{
  Fixture f;
  GPtrArray *video;
  GstMessage *message;

  fixture_init (&f, source_new ("segments", 1, "paused", TRUE, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  gst_element_set_state (f.src, GST_STATE_READY);
  gst_element_send_event (
      f.src, gst_dreamverse_control_event_new ("reset", "idle", NULL, NULL));
  expect_reset (f.bus, "idle", 1);
  fixture_play (&f);
  g_object_set (f.src, "paused", TRUE, NULL);
  send_command (f.video, "reset", "one", NULL);
  expect_reset (f.bus, "one", 2);
  g_object_set (f.src, "pace", 60.0, "paused", FALSE, NULL);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START));
  g_object_set (f.src, "pace", 0.0, NULL);
  send_command (f.video, "reset", "two", NULL);
  send_command (f.audio, "reset", "three", NULL);
  expect_reset (f.bus, "two", 3);
  video = pull_all (f.video);
  fail_unless (video->len >= FRAMES);
  g_ptr_array_unref (video);
  while ((message = poll_message (f.bus, GST_DREAMVERSE_MESSAGE_RESET)))
    gst_message_unref (message);
  send_command (f.video, "reset", "late", NULL);
  fail_if (poll_message (f.bus, GST_DREAMVERSE_MESSAGE_RESET));
  fixture_clear (&f);
}
GST_END_TEST

static gchar *
pause_once (GstElement *src, guint epoch, guint segment, gpointer data)
{
  if (segment == 2)
    g_signal_emit_by_name (src, "pause");
  return g_strdup_printf ("asked %u", segment);
}

/* A handler of need-prompt that pauses means the segment it was asked for. */
GST_START_TEST (test_a_pause_from_need_prompt_holds_its_segment)
{
  Fixture f;
  GstMessage *message;
  GstDreamverseSegment segment;

  fixture_init (&f, source_new ("segments", 2, NULL));
  g_signal_connect (f.src, "need-prompt", G_CALLBACK (pause_once), NULL);
  fixture_play (&f);
  gst_message_unref (wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PAUSED));
  message = gst_bus_timed_pop_filtered (
      f.bus, 200 * GST_MSECOND, GST_MESSAGE_ELEMENT);
  fail_if (message != NULL, "%" GST_PTR_FORMAT, message);
  g_signal_emit_by_name (f.src, "resume");
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START);
  fail_unless (gst_dreamverse_parse_segment (
      gst_message_get_structure (message), &segment));
  fail_unless_equals_string (segment.prompt, "asked 2");
  gst_message_unref (message);
  fixture_clear (&f);
}
GST_END_TEST

/* Resets at any moment: what is sent has no gap, and the sound of each segment
 * that was cut ends with its last frame. */
GST_START_TEST (test_resets_leave_no_gap)
{
  Fixture f;
  GstMessage *message;
  GPtrArray *video, *audio;
  guint64 samples = 0;
  guint i, resets = 12;

  fixture_init (&f, source_new ("segments", 3, "prompt", "p", "width", 640,
                        "height", 352, "frames-per-segment", 33, NULL));
  fixture_play (&f);
  for (i = 0; i < resets; i++) {
    message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START);
    gst_message_unref (message);
    /* Some before the first frame, some in the middle. */
    if (i % 3) {
      message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_PROGRESS);
      gst_message_unref (message);
    }
    g_signal_emit_by_name (f.src, "reset");
    message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_RESET);
    gst_message_unref (message);
  }
  video = pull_all (f.video);
  audio = pull_all (f.audio);
  fail_unless (video->len >= 33 + 2 * 24);
  for (i = 0; i < video->len; i++)
    fail_unless_equals_uint64 (
        GST_BUFFER_OFFSET (g_ptr_array_index (video, i)), i);
  for (i = 0; i < audio->len; i++) {
    fail_unless_equals_uint64 (
        GST_BUFFER_OFFSET (g_ptr_array_index (audio, i)), samples);
    samples = GST_BUFFER_OFFSET_END (g_ptr_array_index (audio, i));
  }
  fail_unless_equals_uint64 (
      samples, samples_of (video->len) + CLOSING_SILENCE);
  g_ptr_array_unref (video);
  g_ptr_array_unref (audio);
  fixture_clear (&f);
}
GST_END_TEST

/* In the middle of a segment's frames: those that are there are sent, and both
 * pads hear where the segment ends now. */
GST_START_TEST (test_reset_tells_the_new_end)
{
  Fixture f;
  GstMessage *message;
  GstDreamverseSegment segment, told;
  GstHarness *pads[2];
  GPtrArray *pulled;
  guint i, frames = 0;

  fixture_init (&f, source_new ("segments", 1, "prompt", "p", "width", 640,
                        "height", 352, "frames-per-segment", 2000, NULL));
  pads[0] = f.video;
  pads[1] = f.audio;
  fixture_play (&f);
  gst_buffer_unref (gst_harness_pull (f.video));
  g_object_set (f.src, "paused", TRUE, NULL);
  g_signal_emit_by_name (f.src, "reset");
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_ABORTED);
  fail_unless (gst_dreamverse_parse_segment (
      gst_message_get_structure (message), &segment));
  fail_unless (gst_structure_get_uint (
      gst_message_get_structure (message), "frames", &frames));
  fail_unless (frames > 0 && frames < 2000);
  fail_unless_equals_uint64 (
      segment.end, gst_util_uint64_scale (frames, GST_SECOND, 24));
  gst_element_send_event (f.src, gst_event_new_eos ());
  for (i = 0; i < 2; i++) {
    GstEvent *event;
    guint heard = 0;

    pulled = pull_all (pads[i]);
    if (i == 0) {
      fail_unless_equals_int (pulled->len + 1, frames);
    } else
      fail_unless_equals_uint64 (
          GST_BUFFER_OFFSET (g_ptr_array_index (pulled, pulled->len - 1)),
          samples_of (frames));
    g_ptr_array_unref (pulled);
    while ((event = gst_harness_try_pull_event (pads[i]))) {
      if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT_ABORTED)) {
        fail_unless (gst_dreamverse_parse_segment (
            gst_event_get_structure (event), &told));
        fail_unless_equals_string (told.stream_id, segment.stream_id);
        fail_unless_equals_uint64 (told.end, segment.end);
        heard++;
      }
      gst_event_unref (event);
    }
    fail_unless_equals_int (heard, 1);
  }
  gst_message_unref (message);
  fixture_clear (&f);
}
GST_END_TEST

static Suite *
dreamversesrc_control_suite (void)
{
  Suite *s = suite_create ("dreamversesrc-control");
  TCase *tc = tcase_create ("control");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_list_then_end);
  tcase_add_test (tc, test_list_then_prompt);
  tcase_add_test (tc, test_list_loops);
  tcase_add_test (tc, test_an_empty_list_loops_too);
  tcase_add_test (tc, test_a_list_with_a_monster_is_not_used);
  tcase_add_test (tc, test_appended_prompts_come_first_and_stay);
  tcase_add_test (tc, test_need_prompt_decides);
  tcase_add_test (tc, test_a_command_on_both_pads_counts_once);
  tcase_add_test (tc, test_prompts_of_strangers_are_bounded);
  tcase_add_test (tc, test_pause_holds_and_resume_goes_on);
  tcase_add_test (tc, test_reset_gives_up_the_running_step);
  tcase_add_test (tc, test_each_reset_in_time_is_confirmed);
  tcase_add_test (tc, test_a_pause_from_need_prompt_holds_its_segment);
  tcase_add_test (tc, test_resets_leave_no_gap);
  tcase_add_test (tc, test_reset_tells_the_new_end);
  return s;
}

GST_CHECK_MAIN (dreamversesrc_control);
