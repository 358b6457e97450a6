/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What goes wrong around a session: failures at every step, media out of
 * sequence, slow clients, slow media (session protocol, section 10).
 */
#include <check.h>
#include <string.h>

#include "session-rig.h"

#define TWO ",\"curated_prompts\":[\"a\",\"b\"]"

static Rig *rig;

static void
set_up (void)
{
  rig = rig_new ();
  rig_begin (rig);
}

static void
tear_down (void)
{
  ck_assert_uint_eq (rig->after_close, 0);
  ck_assert_uint_le (rig->closed, 1);
  rig_free (rig);
}

static void
start (void)
{
  rig_start (rig, TWO);
  rig_skip (rig);
}

/* The last three: the error, the close, the slot. */
static void
ended_with (const gchar *error)
{
  guint n = rig->trace->len;

  ck_assert (dvs_session_over (rig->session));
  ck_assert_uint_eq (rig->freed, 1);
  ck_assert_str_eq (g_ptr_array_index (rig->trace, n - 3), error);
  ck_assert_str_eq (g_ptr_array_index (rig->trace, n - 2), "close 1000 ");
  ck_assert_str_eq (g_ptr_array_index (rig->trace, n - 1), "> free");
  /* Nothing of what still comes is told. */
  rig_media (rig, 1, 1);
  rig_ask (rig, 1, 2);
  dvs_session_run_ended (rig->session, "again");
  dvs_session_unsent (rig->session, 1 << 20);
  ck_assert_uint_eq (rig->trace->len, n);
}

/* ---- failures ---- */

START_TEST (a_media_error_is_one_error)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 5);
  rig_event (rig,
      "{\"type\":\"error\",\"code\":\"mux-failed\",\"message\":\"no space\","
      "\"segment_idx\":1,\"stream_id\":\"seg001-00000001\"}");
  ended_with ("{\"type\":\"error\",\"message\":\"AV streaming failed for "
              "segment 1: no space\",\"segment_idx\":1,"
              "\"stream_id\":\"seg001-00000001\"}");
}
END_TEST

START_TEST (a_failed_step_is_named)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_step_starts (rig, 1, 1);
  rig_event (rig,
      "{\"type\":\"error\",\"code\":\"generation-failed\",\"message\":\"out of "
      "memory\",\"segment_idx\":1,\"stream_id\":\"seg001-00000001\"}");
  ended_with (
      "{\"type\":\"error\",\"message\":\"AV streaming failed: User step "
      "failed for 12345678: out of memory\"}");
}
END_TEST

START_TEST (an_error_of_no_segment)
{
  start ();
  rig_event (rig, "{\"type\":\"error\"}");
  ended_with (
      "{\"type\":\"error\",\"message\":\"AV streaming failed: the stream "
      "failed\"}");
}
END_TEST

START_TEST (a_worker_dies_while_it_generates)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_step_starts (rig, 1, 1);
  rig_run_ends (rig, "the worker died");
  ended_with (
      "{\"type\":\"error\",\"message\":\"AV streaming failed: User step "
      "failed for 12345678: the worker died\"}");
}
END_TEST

START_TEST (a_worker_dies_amid_a_fragment)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 5);
  rig_run_ends (rig, "the worker died");
  ended_with ("{\"type\":\"error\",\"message\":\"AV streaming failed for "
              "segment 1: the worker died\",\"segment_idx\":1,"
              "\"stream_id\":\"seg001-00000001\"}");
}
END_TEST

START_TEST (a_worker_dies_while_nothing_runs_in_it)
{
  start ();
  rig_run_ends (rig, "the worker died");
  ended_with (
      "{\"type\":\"error\",\"message\":\"AV streaming failed: the worker "
      "died\"}");
}
END_TEST

START_TEST (a_worker_dies_between_projects)
{
  start ();
  dvs_session_slot_lost (rig->session, "of this the run's end tells");
  ck_assert (!dvs_session_over (rig->session));
  rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
  rig_ask (rig, 1, 1);
  rig_run_ends (rig, NULL);
  ck_assert_str_eq (dvs_session_state (rig->session), "idle");
  dvs_session_slot_lost (rig->session, "the worker died");
  ended_with (
      "{\"type\":\"error\",\"message\":\"AV streaming failed: the worker "
      "died\"}");
  dvs_session_slot_lost (rig->session, "again");
}
END_TEST

START_TEST (a_slot_that_starts_nothing)
{
  rig->refuses_run = TRUE;
  start ();
  ended_with ("{\"type\":\"error\",\"message\":\"AV streaming failed: the slot "
              "is not ready\"}");
}
END_TEST

START_TEST (a_stream_that_ends_before_its_media)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_step_starts (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_run_ends (rig, NULL);
  ended_with ("{\"type\":\"error\",\"message\":\"AV streaming failed for "
              "segment 1: the stream ended before its media\","
              "\"segment_idx\":1,\"stream_id\":\"seg001-00000001\"}");
}
END_TEST

START_TEST (a_question_for_another_segment)
{
  start ();
  rig_ask (rig, 1, 3);
  ended_with ("{\"type\":\"error\",\"message\":\"AV streaming failed: the "
              "generator is at another segment\"}");
}
END_TEST

/* ---- sequence ---- */

#define ID(n)                                                                  \
  "\"segment_idx\":" #n ",\"stream_id\":\"seg00" #n "-00000001\",\"epoch\":1"

/* After generation of segment 1, and its media_init where @opened. */
static const struct {
  gboolean opened;
  const gchar *event, *type;
} sequences[] = {
    {FALSE, "{\"type\":\"media_init\"," ID (2) "}", "media_init"},
    {TRUE, "{\"type\":\"media_init\"," ID (1) "}", "media_init"},
    {TRUE, "{\"type\":\"media_init\"," ID (2) "}", "media_init"},
    {FALSE, "{\"type\":\"media_init\",\"segment_idx\":1,\"epoch\":1}",
        "media_init"},
    {FALSE,
        "{\"type\":\"media_init\",\"segment_idx\":1,\"epoch\":1,"
        "\"stream_id\":\"other\"}",
        "media_init"},
    {FALSE, "bytes", "media"},
    {FALSE, "{\"type\":\"media_segment_complete\"," ID (1) "}",
        "media_segment_complete"},
    {TRUE, "{\"type\":\"media_segment_complete\"," ID (2) "}",
        "media_segment_complete"},
    /* No bytes in it. */
    {TRUE, "{\"type\":\"media_segment_complete\"," ID (1) "}",
        "media_segment_complete"},
    {FALSE, "{\"type\":\"ltx2_segment_complete\"," ID (1) "}",
        "ltx2_segment_complete"},
    {TRUE, "{\"type\":\"ltx2_segment_complete\"," ID (1) "}",
        "ltx2_segment_complete"},
    {FALSE, "{\"type\":\"ltx2_segment_complete\"," ID (7) "}",
        "ltx2_segment_complete"},
    {FALSE, "{\"type\":\"step_complete\"," ID (1) "}", "step_complete"},
    {FALSE, "{\"type\":\"step_complete\"," ID (7) "}", "step_complete"},
    {FALSE, "{\"type\":\"ltx2_stream_start\",\"epoch\":2}",
        "ltx2_stream_start"},
};

START_TEST (out_of_sequence_is_an_error)
{
  gchar *error = g_strdup_printf (
      "{\"type\":\"error\",\"message\":\"AV streaming failed for segment 1: %s "
      "came out of sequence\",\"segment_idx\":1,"
      "\"stream_id\":\"seg001-00000001\"}",
      sequences[_i].type);

  start ();
  rig_ask (rig, 1, 1);
  rig_step_starts (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  if (sequences[_i].opened)
    rig_media_init (rig, 1, 1);
  if (strcmp (sequences[_i].event, "bytes") == 0)
    rig_bytes (rig, 3);
  else
    rig_event (rig, "%s", sequences[_i].event);
  ended_with (error);
  g_free (error);
}
END_TEST

START_TEST (media_cut_short_is_an_error)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 3);
  rig_event (
      rig, "{\"type\":\"media_segment_complete\"," ID (1) ",\"aborted\":true}");
  ck_assert (dvs_session_over (rig->session));
}
END_TEST

START_TEST (unknown_events_are_ignored)
{
  start ();
  rig_event (rig, "{\"type\":\"dreamverse_hello\"}");
  rig_event (rig, "{\"type\":\"media_skipped\"}");
  rig_event (rig, "{\"type\":5}");
  rig_event (rig, "{\"no\":1}");
  rig_event (rig, "{\"type\":\"step_complete\",\"epoch\":\"1\"}");
  rig_event (rig, "{\"type\":\"media_init\",\"epoch\":9}");
  rig_bytes (rig, 3);
  rig_event (rig, "{\"type\":\"media_segment_complete\",\"epoch\":9}");
  rig_expect (rig, NULL);
}
END_TEST

/* ---- time ---- */

START_TEST (media_that_does_not_come)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_sleep (rig, 60000); /* generation may take long */
  rig_step_starts (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_sleep (rig, 14000);
  rig_media_init (rig, 1, 1);
  rig_sleep (rig, 14000);
  rig_bytes (rig, 5);
  rig_sleep (rig, 14999);
  ck_assert (!dvs_session_over (rig->session));
  rig_sleep (rig, 1);
  ended_with ("{\"type\":\"error\",\"message\":\"AV streaming failed for "
              "segment 1: no media came for 15 seconds\",\"segment_idx\":1,"
              "\"stream_id\":\"seg001-00000001\"}");
}
END_TEST

START_TEST (a_project_end_has_its_time)
{
  start ();
  rig_segment (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_step_done (rig, 1, 2);
  rig_media (rig, 1, 2);
  rig_ask (rig, 1, 3);
  rig_sleep (rig, 60000); /* blocked: nobody waits */
  rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
  rig_sleep (rig, 15000);
  ended_with ("{\"type\":\"error\",\"message\":\"AV streaming failed: no media "
              "came for 15 seconds\"}");
}
END_TEST

START_TEST (a_step_is_cancelled_in_its_own_time)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_say (rig, "{\"type\":\"reset_to_seed_prompts\"}");
  rig_sleep (rig, 60000);
  rig_ask (rig, 2, 1);
  ck_assert (!dvs_session_over (rig->session));
  /* But then the old stream's end must come. */
  rig_sleep (rig, 15000);
  ck_assert (dvs_session_over (rig->session));
}
END_TEST

START_TEST (a_slow_client_holds_generation)
{
  start ();
  rig_ask (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_skip (rig);
  dvs_session_unsent (rig->session, 1000);
  rig_expect (rig, NULL);
  dvs_session_unsent (rig->session, 1001);
  rig_expect (rig, "> reading 0", NULL);
  rig_ask (rig, 1, 2);
  rig_expect (rig, NULL);
  rig_sleep (rig, 14000);
  dvs_session_unsent (rig->session, 900);
  rig_expect (rig, NULL);
  dvs_session_unsent (rig->session, 500);
  rig_expect (rig, "> reading 1", "segment_prompt_source", "ltx2_segment_start",
      "> generate 1 2 b", NULL);
  rig_sleep (rig, 1000);
  ck_assert (!dvs_session_over (rig->session));
}
END_TEST

START_TEST (too_slow_for_too_long)
{
  start ();
  rig_ask (rig, 1, 1);
  dvs_session_unsent (rig->session, 5000);
  rig_sleep (rig, 15000);
  ended_with (
      "{\"type\":\"error\",\"message\":\"AV streaming failed: the client "
      "is too slow for the stream\"}");
}
END_TEST

START_TEST (a_slow_client_is_no_slow_generation)
{
  start ();
  rig_ask (rig, 1, 1);
  dvs_session_unsent (rig->session, 5000);
  rig_sleep (rig, 14000);
  dvs_session_unsent (rig->session, 0);
  rig_skip (rig);
  rig_step_done (rig, 1, 1);
  rig_expect (rig,
      "{\"type\":\"step_complete\",\"latency_ms\":{\"total\":200.5,"
      "\"worker_e2e\":200.5,\"main_user_step\":200.5,\"overhead\":0.0}}",
      NULL);
}
END_TEST

START_TEST (the_first_media_may_have_to_wait)
{
  rig->settings.first_media_delay_ms = 300;
  rig->settings.max_unsent_bytes = 20;
  start ();
  rig_ask (rig, 1, 1);
  rig_skip (rig);
  rig_sleep (rig, 100);
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 10);
  rig_bytes (rig, 20);
  rig_step_done (rig, 1, 1);
  rig_media_done (rig, 1, 1);
  /* The report of a finished step waits for nobody. */
  rig_expect (rig, "> reading 0", "step_complete", NULL);
  rig_ask (rig, 1, 2);
  rig_expect (rig, "segment_prompt_source", "ltx2_segment_start",
      "> generate 1 2 b", NULL);
  rig_sleep (rig, 199);
  rig_expect (rig, NULL);
  rig_sleep (rig, 1);
  rig_expect (rig, "media_init", "bytes 10", "bytes 20",
      "media_segment_complete", "ltx2_segment_complete", "> reading 1", NULL);
  /* Only once. */
  rig_step_done (rig, 1, 2);
  rig_media (rig, 1, 2);
  rig_expect (rig, "step_complete", "prompt_sources_blocked", "media_init",
      "bytes 10", "bytes 20", "media_segment_complete", "ltx2_segment_complete",
      NULL);
}
END_TEST

START_TEST (a_run_may_end_while_its_media_waits)
{
  rig->settings.first_media_delay_ms = 300;
  rig->settings.segment_cap = 1;
  start ();
  rig_segment (rig, 1, 1);
  rig_run_ends (rig, NULL);
  rig_skip (rig);
  rig_sleep (rig, 300);
  rig_expect (rig, "media_init", "bytes 10", "bytes 20",
      "media_segment_complete", "ltx2_segment_complete", "ltx2_stream_complete",
      NULL);
}
END_TEST

START_TEST (late_media_does_not_wait)
{
  rig->settings.first_media_delay_ms = 300;
  start ();
  rig_ask (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_sleep (rig, 300);
  rig_skip (rig);
  rig_media_init (rig, 1, 1);
  rig_expect (rig, "media_init", NULL);
}
END_TEST

START_TEST (goes_while_media_waits)
{
  rig->settings.first_media_delay_ms = 300;
  start ();
  rig_segment (rig, 1, 1);
  dvs_session_gone (rig->session);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("session-faults");
  TCase *tests = tcase_create ("faults");
  SRunner *runner;
  int failed;

  suite_add_tcase (suite, tests);
  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, a_media_error_is_one_error);
  tcase_add_test (tests, a_failed_step_is_named);
  tcase_add_test (tests, an_error_of_no_segment);
  tcase_add_test (tests, a_worker_dies_while_it_generates);
  tcase_add_test (tests, a_worker_dies_amid_a_fragment);
  tcase_add_test (tests, a_worker_dies_while_nothing_runs_in_it);
  tcase_add_test (tests, a_worker_dies_between_projects);
  tcase_add_test (tests, a_slot_that_starts_nothing);
  tcase_add_test (tests, a_stream_that_ends_before_its_media);
  tcase_add_test (tests, a_question_for_another_segment);
  tcase_add_loop_test (tests, out_of_sequence_is_an_error, 0,
      sizeof sequences / sizeof *sequences);
  tcase_add_test (tests, media_cut_short_is_an_error);
  tcase_add_test (tests, unknown_events_are_ignored);
  tcase_add_test (tests, media_that_does_not_come);
  tcase_add_test (tests, a_project_end_has_its_time);
  tcase_add_test (tests, a_step_is_cancelled_in_its_own_time);
  tcase_add_test (tests, a_slow_client_holds_generation);
  tcase_add_test (tests, too_slow_for_too_long);
  tcase_add_test (tests, a_slow_client_is_no_slow_generation);
  tcase_add_test (tests, the_first_media_may_have_to_wait);
  tcase_add_test (tests, a_run_may_end_while_its_media_waits);
  tcase_add_test (tests, late_media_does_not_wait);
  tcase_add_test (tests, goes_while_media_waits);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
