/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsorder.c: what is put on the wire, and in which order, whatever
 * the order in which media and bus tell it.
 */
#include <check.h>
#include <string.h>

#include "wsorder.h"

typedef struct {
  GMainContext *context; /* never runs: nothing is sent, nothing forgotten */
  WsEndpoint *endpoint;
  WsOrder order;
} Fixture;

static Fixture f;

static void
set_up (void)
{
  static const WsEndpointEvents none;
  static const WsLimits limits = {1 << 20, 1 << 20, 1000, 1000, 0, 0};

  f.context = g_main_context_new ();
  f.endpoint = ws_endpoint_new (f.context, &limits, &none, NULL);
  ws_order_init (&f.order, f.endpoint);
}

static void
tear_down (void)
{
  ws_order_clear (&f.order);
  ws_endpoint_dispose (f.endpoint);
  ws_endpoint_unref (f.endpoint);
  g_main_context_unref (f.context);
}

static const struct {
  const char *type, *word;
} words[] = {
    {"ltx2_stream_start", "("},
    {"ltx2_stream_complete", ")"},
    {"ltx2_segment_start", "start"},
    {"segment_progress", "progress"},
    {"step_complete", "step"},
    {"media_init", "["},
    {"media_segment_complete", "]"},
    {"ltx2_segment_complete", "done"},
    {"seed_prompts_reset_applied", "reset"},
    {"prompt_received", "prompt"},
    {"generation_paused_updated", "paused"},
    {"error", "error"},
};

static void
tell_text (GString *story, const WsItem *item)
{
  gchar *text = g_strndup ((const gchar *)item->data, item->size);
  gchar *type, *at;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (words); i++) {
    type = g_strdup_printf ("\"type\":\"%s\"", words[i].type);
    if (strstr (text, type))
      g_string_append (story, words[i].word);
    g_free (type);
  }
  at = strstr (text, "\"segment_idx\":");
  if (at)
    g_string_append_printf (story, "%d", atoi (at + 14));
  if (strstr (text, "\"aborted\":true"))
    g_string_append (story, "!");
  g_string_append_c (story, ' ');
  g_free (text);
}

/* All that was put on the wire, in words; to be compared as a whole. */
static void
expect (const char *wanted)
{
  GString *story = g_string_new (NULL);
  guint64 seq;

  for (seq = f.endpoint->ring.first; seq < f.endpoint->ring.next; seq++) {
    const WsItem *item = ws_ring_get (&f.endpoint->ring, seq);
    if (item->kind == WS_ITEM_TEXT)
      tell_text (story, item);
    else
      g_string_append (story, item->kind == WS_ITEM_INIT ? "i " : "f ");
  }
  if (story->len)
    g_string_truncate (story, story->len - 1);
  ck_assert_str_eq (story->str, wanted);
  g_string_free (story, TRUE);
}

static WsEvent *
event (WsEventType type, guint epoch, guint index)
{
  WsEvent *e = ws_event_new (type);

  e->epoch = epoch;
  e->index = index;
  e->stream_id = index ? g_strdup_printf ("seg%u-%u", index, epoch) : NULL;
  return e;
}

static void
tell (WsEventType type, guint epoch, guint index)
{
  ws_order_take (&f.order, event (type, epoch, index));
}

static void
bytes (WsEventType type, const char *what)
{
  WsEvent *e = ws_event_new (type);

  e->bytes = g_bytes_new_static (what, strlen (what));
  e->mime = type == WS_EVENT_INIT ? g_strdup ("video/mp4") : NULL;
  e->key = TRUE;
  ws_order_take (&f.order, e);
}

/* Bytes of a segment, not its end. */
static void
media (guint epoch, guint index)
{
  tell (WS_EVENT_SEGMENT, epoch, index);
  bytes (WS_EVENT_INIT, "init");
  bytes (WS_EVENT_FRAGMENT, "data");
}

static void
end (guint epoch, guint index, gboolean aborted)
{
  WsEvent *e = event (WS_EVENT_MEDIA_COMPLETE, epoch, index);

  e->aborted = aborted;
  ws_order_take (&f.order, e);
}

static void
stream_complete (guint epoch, guint segments, gboolean last)
{
  WsEvent *e = event (WS_EVENT_STREAM_COMPLETE, epoch, 0);

  e->segments = segments;
  e->last = last;
  ws_order_take (&f.order, e);
}

/* Rules 1 to 3. */
START_TEST (generation_ahead_of_media)
{
  tell (WS_EVENT_STEP_START, 1, 1);
  tell (WS_EVENT_STEP_COMPLETE, 1, 1);
  tell (WS_EVENT_STEP_START, 1, 2);
  media (1, 1);
  tell (WS_EVENT_STEP_COMPLETE, 1, 2);
  stream_complete (1, 2, TRUE);
  end (1, 1, FALSE);
  expect ("( start1 step1 start2 [1 i f step2 ]1 done1");
  media (1, 2);
  end (1, 2, FALSE);
  expect ("( start1 step1 start2 [1 i f step2 ]1 done1 [2 i f ]2 done2 )");
  ws_order_take (&f.order, ws_event_new (WS_EVENT_EOS));
  expect ("( start1 step1 start2 [1 i f step2 ]1 done1 [2 i f ]2 done2 )");
}
END_TEST

/* Complete once, also when the word of it comes last. */
START_TEST (media_ahead_of_the_report)
{
  tell (WS_EVENT_STEP_START, 1, 1);
  media (1, 1);
  end (1, 1, FALSE);
  expect ("( start1 [1 i f ]1 done1");
  stream_complete (1, 1, TRUE);
  stream_complete (1, 1, TRUE);
  ws_order_take (&f.order, ws_event_new (WS_EVENT_EOS));
  expect ("( start1 [1 i f ]1 done1 )");
}
END_TEST

/* Rule 5, and the gate between epochs: what is told of the new one waits. */
START_TEST (a_reset_waits_for_the_media)
{
  tell (WS_EVENT_STEP_START, 1, 1);
  tell (WS_EVENT_STEP_START, 1, 2);
  media (1, 1);
  {
    WsEvent *e = event (WS_EVENT_STEP_ABORTED, 1, 2);
    e->frames = 3;
    ws_order_take (&f.order, e);
  }
  stream_complete (1, 1, FALSE);
  tell (WS_EVENT_RESET, 2, 0);
  tell (WS_EVENT_STEP_START, 2, 1);
  tell (WS_EVENT_PROGRESS, 2, 1);
  expect ("( start1 start2 [1 i f");
  end (1, 1, FALSE);
  expect ("( start1 start2 [1 i f ]1 done1");
  media (1, 2);
  end (1, 2, TRUE);
  expect ("( start1 start2 [1 i f ]1 done1 [2 i f ]2! ) ( reset start1 "
          "progress1");
}
END_TEST

/* A segment without a frame has no media: nothing is waited for. */
START_TEST (an_aborted_step_without_media)
{
  tell (WS_EVENT_STEP_START, 1, 1);
  tell (WS_EVENT_STEP_ABORTED, 1, 1);
  stream_complete (1, 0, FALSE);
  tell (WS_EVENT_STEP_START, 2, 1);
  expect ("( start1 ) ( start1");
}
END_TEST

/* Its media may end before the bus tells that it was given up. */
START_TEST (an_abort_that_is_told_late)
{
  tell (WS_EVENT_STEP_START, 1, 1);
  media (1, 1);
  end (1, 1, TRUE);
  {
    WsEvent *e = event (WS_EVENT_STEP_ABORTED, 1, 1);
    e->frames = 3;
    ws_order_take (&f.order, e);
  }
  stream_complete (1, 0, FALSE);
  tell (WS_EVENT_STEP_START, 2, 1);
  expect ("( start1 [1 i f ]1! ) ( start1");
}
END_TEST

/* Rule 11. */
START_TEST (late_words_of_an_older_epoch)
{
  tell (WS_EVENT_STEP_START, 1, 1);
  stream_complete (1, 0, FALSE);
  tell (WS_EVENT_STEP_START, 2, 1);
  expect ("( start1 ) ( start1");
  tell (WS_EVENT_PROGRESS, 1, 1);
  tell (WS_EVENT_STEP_COMPLETE, 1, 1);
  stream_complete (1, 0, TRUE);
  end (1, 1, FALSE);
  expect ("( start1 ) ( start1");
}
END_TEST

/* Media of a new epoch that overtakes every word of it. */
START_TEST (media_of_a_new_epoch)
{
  media (1, 1);
  end (1, 1, FALSE);
  media (2, 1);
  end (2, 1, FALSE);
  tell (WS_EVENT_STEP_COMPLETE, 2, 1);
  expect ("( [1 i f ]1 done1 ) ( [1 i f ]1 done1 step1");
}
END_TEST

/* Rule 4: the first error wins, nothing follows. */
START_TEST (the_first_error_is_the_last_word)
{
  WsEvent *e;

  media (1, 2);
  e = event (WS_EVENT_ERROR, 1, 2);
  e->code = g_strdup ("encoder-failed");
  e->message = g_strdup ("The encoder failed.");
  ws_order_take (&f.order, e);
  tell (WS_EVENT_ERROR, 0, 0);
  end (1, 2, FALSE);
  media (1, 3);
  tell (WS_EVENT_STEP_START, 1, 4);
  tell (WS_EVENT_PAUSED, 0, 0);
  stream_complete (1, 3, TRUE);
  ws_order_take (&f.order, ws_event_new (WS_EVENT_EOS));
  expect ("( [2 i f error2");
}
END_TEST

/* Closing silence after an end that nobody foresaw has no place. */
START_TEST (bytes_outside_of_segments)
{
  media (1, 1);
  end (1, 1, FALSE);
  bytes (WS_EVENT_FRAGMENT, "silence");
  ws_order_take (&f.order, ws_event_new (WS_EVENT_EOS));
  expect ("( [1 i f ]1 done1 )");
}
END_TEST

/* A plain muxer announces nothing: all of it is one segment. */
START_TEST (a_plain_stream)
{
  bytes (WS_EVENT_INIT, "init");
  bytes (WS_EVENT_FRAGMENT, "data");
  bytes (WS_EVENT_INIT, "init");
  bytes (WS_EVENT_FRAGMENT, "data");
  expect ("( [1 i f f");
  /* another format is another segment */
  bytes (WS_EVENT_INIT, "other");
  bytes (WS_EVENT_FRAGMENT, "data");
  ws_order_take (&f.order, ws_event_new (WS_EVENT_EOS));
  expect ("( [1 i f f ]1 done1 [2 i f ]2 done2 )");
}
END_TEST

START_TEST (a_flush_cuts_the_segment)
{
  media (1, 1);
  ws_order_take (&f.order, ws_event_new (WS_EVENT_FLUSH));
  ws_order_take (&f.order, ws_event_new (WS_EVENT_FLUSH));
  media (1, 2);
  end (1, 2, FALSE);
  expect ("( [1 i f ]1! [2 i f ]2 done2");
}
END_TEST

/* The pad tells of it once, a plain muxer once a track. */
START_TEST (a_segment_told_twice)
{
  tell (WS_EVENT_SEGMENT, 1, 1);
  media (1, 1);
  end (1, 1, FALSE);
  expect ("( [1 i f ]1 done1");
}
END_TEST

START_TEST (a_pipeline_that_starts_again)
{
  media (1, 1);
  tell (WS_EVENT_ERROR, 1, 1);
  ws_order_restart (&f.order);
  media (1, 1);
  end (1, 1, FALSE);
  expect ("( [1 i f error1 ( [1 i f ]1 done1");
}
END_TEST

/* However much is told of epochs to come, it does not add up. */
START_TEST (what_waits_is_bounded)
{
  guint i;

  media (1, 1);
  for (i = 0; i < 5000; i++)
    tell (WS_EVENT_PROGRESS, 2, 1);
  ck_assert_uint_le (f.order.held.length, 1024);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wsorder");
  TCase *tests = tcase_create ("wsorder");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, generation_ahead_of_media);
  tcase_add_test (tests, media_ahead_of_the_report);
  tcase_add_test (tests, a_reset_waits_for_the_media);
  tcase_add_test (tests, an_aborted_step_without_media);
  tcase_add_test (tests, an_abort_that_is_told_late);
  tcase_add_test (tests, late_words_of_an_older_epoch);
  tcase_add_test (tests, media_of_a_new_epoch);
  tcase_add_test (tests, the_first_error_is_the_last_word);
  tcase_add_test (tests, bytes_outside_of_segments);
  tcase_add_test (tests, a_plain_stream);
  tcase_add_test (tests, a_flush_cuts_the_segment);
  tcase_add_test (tests, a_segment_told_twice);
  tcase_add_test (tests, a_pipeline_that_starts_again);
  tcase_add_test (tests, what_waits_is_bounded);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
