/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of slots as they should be: start, runs, reset, stop, back-pressure,
 * and nothing left behind.
 */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "fmp4.h"
#include "process.h"
#include "slot-rig.h"

#define RUNS 200
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static SlotRig *rig;

static void
set_up (void)
{
  rig = slot_rig_new ();
}

static void
tear_down (void)
{
  slot_rig_free (rig);
}

static void
start (void)
{
  slot_rig_start (rig);
  ck_assert_msg (
      slot_rig_wait (rig, slot_rig_is_ready, 60), "%s", rig->states->str);
}

/* The seconds of each track in what was received. */
static void
measure (gdouble *video, gdouble *audio, guint *keys)
{
  Fmp4Scanner *scanner = fmp4_scanner_new (0);
  Fmp4Init init = {0};
  Fmp4Error error = {""};
  Fmp4Unit unit;
  guint i, t;

  *video = *audio = 0;
  *keys = 0;
  ck_assert_msg (
      fmp4_scanner_push (scanner, rig->media->data, rig->media->len, &error),
      "%s", error.detail);
  while (fmp4_scanner_next (scanner, &unit)) {
    Fmp4Fragment fragment;

    if (unit.kind == FMP4_UNIT_INIT) {
      ck_assert (fmp4_parse_init (unit.data, unit.size, &init, &error));
      continue;
    }
    ck_assert (fmp4_parse_fragment (
        unit.data, unit.size, false, &init, &fragment, &error));
    for (i = 0; i < fragment.n_runs; i++)
      for (t = 0; t < init.n_tracks; t++) {
        const Fmp4Run *run = &fragment.run[i];
        gdouble end = (run->decode_time + run->duration) /
                      (gdouble)init.track[t].timescale;
        gboolean picture = strcmp (init.track[t].handler, "vide") == 0;

        if (init.track[t].id != run->track_id)
          continue;
        *keys += picture && run->key;
        if (picture)
          *video = MAX (*video, end);
        else
          *audio = MAX (*audio, end);
      }
  }
  ck_assert_uint_eq (fmp4_scanner_pending (scanner), 0);
  fmp4_scanner_free (scanner);
}

START_TEST (starts_and_warms_up)
{
  DvsSlotInfo info;

  start ();
  dvs_slot_info (rig->slot, &info);
  ck_assert_str_eq (rig->states->str, "loading warming ready ");
  ck_assert (info.alive && info.warm && info.procedural);
  ck_assert_str_eq (info.model, "procedural");
  ck_assert_ptr_null (info.error);
  ck_assert_ptr_nonnull (info.warmup_timings);
  ck_assert (
      json_object_has_member (info.warmup_timings, "warmup_segment1_ms") &&
      json_object_has_member (info.warmup_timings, "warmup_segment3_ms") &&
      json_object_has_member (info.warmup_timings, "warmup_total_ms"));
  ck_assert (info.start_ms > 0);
  g_print ("# ready after %.0f ms\n", info.start_ms);
}
END_TEST

START_TEST (starts_without_warming_up)
{
  DvsSlotInfo info;

  rig->settings->warmup = FALSE;
  start ();
  dvs_slot_info (rig->slot, &info);
  ck_assert_str_eq (rig->states->str, "loading ready ");
  ck_assert_str_eq (info.model, "procedural");
  ck_assert_ptr_null (info.warmup_timings);
}
END_TEST

/* Whether the source that the worker runs was told of @prompt. */
static gboolean
source_was_told (const gchar *log, const gchar *prompt)
{
  gchar *text = NULL;
  gboolean told;

  ck_assert (g_file_get_contents (log, &text, NULL, NULL));
  told = strstr (text, prompt) != NULL;
  g_free (text);
  return told;
}

START_TEST (the_source_is_told_what_comes_next)
{
  const DvsRun run = {.segments = 1};
  gchar *log = NULL;
  int fd = g_file_open_tmp ("dv-slot-XXXXXX.log", &log, NULL);

  ck_assert_int_ge (fd, 0);
  close (fd);
  ck_assert (g_setenv ("GST_DEBUG", "dreamversesrc:5", TRUE));
  ck_assert (g_setenv ("GST_DEBUG_FILE", log, TRUE));
  start ();
  rig->quiet = TRUE;
  dvs_slot_prepare (rig->slot, "of no run");
  slot_rig_run_as (rig, 1, &run);
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 60));
  dvs_slot_prepare (rig->slot, "a lake in the morning");
  dvs_slot_generate (rig->slot, 1, 1, "a lake", NULL);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
  ck_assert (source_was_told (log, "a lake in the morning"));
  ck_assert (!source_was_told (log, "of no run"));
  g_unsetenv ("GST_DEBUG");
  g_unsetenv ("GST_DEBUG_FILE");
  unlink (log);
  g_free (log);
}
END_TEST

START_TEST (three_segments)
{
  const DvsRun run = {.segments = 3};
  gdouble video, audio;
  guint keys;

  start ();
  slot_rig_run_as (rig, 3, &run);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
  ck_assert_uint_eq (rig->questions, 3);
  ck_assert_uint_eq (slot_rig_count (rig, "ltx2_stream_start"), 1);
  ck_assert_uint_eq (slot_rig_count (rig, "media_init"), 3);
  ck_assert_uint_eq (slot_rig_count (rig, "step_complete"), 3);
  ck_assert_uint_eq (slot_rig_count (rig, "ltx2_segment_complete"), 3);
  ck_assert_uint_eq (slot_rig_count (rig, "ltx2_stream_complete"), 1);
  ck_assert_uint_eq (slot_rig_count (rig, "error"), 0);
  ck_assert (g_str_has_suffix (rig->heard->str, "ltx2_stream_complete end "));
  measure (&video, &audio, &keys);
  /* 9 + 8 + 8 frames; both end together within a frame of AAC. */
  ck_assert_double_eq_tol (video, 25 / 24.0, 0.0005);
  ck_assert_double_eq_tol (audio, video, 1024 / 48000.0 + 0.0005);
  ck_assert_uint_ge (keys, 3);
  ck_assert_int_eq (dvs_slot_state (rig->slot), DVS_SLOT_READY);
}
END_TEST

START_TEST (runs_follow_each_other_in_one_process)
{
  DvsSlotInfo info;
  GPid pid;
  guint i;

  start ();
  pid = slot_rig_pid (rig);
  for (i = 0; i < 3; i++) {
    slot_rig_run (rig, 1);
    ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
    ck_assert_ptr_null (rig->error);
    ck_assert_uint_eq (slot_rig_count (rig, "media_init"), 1);
  }
  ck_assert_int_eq (slot_rig_pid (rig), pid);
  dvs_slot_info (rig->slot, &info);
  ck_assert_uint_eq (info.restarts, 0);
}
END_TEST

START_TEST (end_before_the_first_segment)
{
  start ();
  slot_rig_run (rig, 0);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
  ck_assert_uint_eq (rig->bytes, 0);
}
END_TEST

static gboolean
second_epoch (SlotRig *r)
{
  return r->epoch == 2;
}

START_TEST (reset_in_the_middle_of_a_segment)
{
  rig->settings->pace = 2;
  rig->settings->warmup = FALSE;
  start ();
  slot_rig_run (rig, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_is_generating, 60));
  dvs_slot_reset (rig->slot);
  ck_assert (slot_rig_wait (rig, second_epoch, 10));
  ck_assert_uint_eq (rig->first_index, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
  ck_assert_uint_eq (slot_rig_count (rig, "seed_prompts_reset_applied"), 1);
  ck_assert_uint_eq (slot_rig_count (rig, "ltx2_stream_start"), 2);
  ck_assert_uint_eq (slot_rig_count (rig, "ltx2_stream_complete"), 2);
}
END_TEST

START_TEST (reset_while_a_prompt_is_asked_for)
{
  start ();
  rig->quiet = TRUE;
  slot_rig_run (rig, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 60));
  dvs_slot_reset (rig->slot);
  /* Answers to what is void count for nothing. */
  dvs_slot_generate (rig->slot, 1, 1, "void", NULL);
  dvs_slot_end (rig->slot, 1, 1);
  ck_assert (slot_rig_wait (rig, second_epoch, 10));
  dvs_slot_generate (rig->slot, 1, 1, "void", NULL);
  rig->quiet = FALSE;
  dvs_slot_generate (rig->slot, 2, 1, "a lake", NULL);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
  ck_assert_uint_eq (slot_rig_count (rig, "ltx2_segment_complete"), 1);
}
END_TEST

START_TEST (stop_in_the_middle_of_a_segment)
{
  gint64 stopped;
  guint64 bytes;

  rig->settings->pace = 30;
  rig->settings->warmup = FALSE;
  start ();
  slot_rig_run (rig, 9);
  ck_assert (slot_rig_wait (rig, slot_rig_is_generating, 60));
  stopped = g_get_monotonic_time ();
  dvs_slot_stop_run (rig->slot);
  bytes = rig->bytes;
  ck_assert (!rig->ended);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 10));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
  ck_assert_uint_eq (rig->bytes, bytes);
  ck_assert_int_eq (dvs_slot_state (rig->slot), DVS_SLOT_READY);
  g_print ("# stopped after %" G_GINT64_FORMAT " ms\n",
      (rig->ended_at - stopped) / 1000);
  /* The next run does not wait for what was left of the last. */
  rig->quiet = TRUE;
  slot_rig_run (rig, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 10));
}
END_TEST

START_TEST (stop_while_a_prompt_is_asked_for)
{
  start ();
  rig->quiet = TRUE;
  slot_rig_run (rig, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 60));
  dvs_slot_stop_run (rig->slot);
  dvs_slot_stop_run (rig->slot);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 10));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
}
END_TEST

START_TEST (a_taken_slot_is_taken_once)
{
  DvsRun run = {0};

  slot_rig_start (rig);
  ck_assert (!dvs_slot_take (rig->slot));
  ck_assert (slot_rig_wait (rig, slot_rig_is_ready, 60));
  ck_assert (!dvs_slot_start_run (rig->slot, &run, rig));
  ck_assert (dvs_slot_take (rig->slot));
  ck_assert (!dvs_slot_take (rig->slot));
  rig->quiet = TRUE;
  slot_rig_run (rig, 1);
  ck_assert_int_eq (dvs_slot_state (rig->slot), DVS_SLOT_BUSY);
  ck_assert (!dvs_slot_start_run (rig->slot, &run, rig));
  dvs_slot_give_back (rig->slot);
  ck_assert (!dvs_slot_take (rig->slot));
}
END_TEST

/* ---- who does not read ---- */

static guint64 seen;

static gboolean
went_on (SlotRig *r)
{
  return r->bytes > seen;
}

START_TEST (nothing_is_handed_over_that_is_not_read)
{
  guint complete;

  start ();
  rig->quiet = TRUE;
  slot_rig_run (rig, 2);
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 60));
  dvs_slot_set_reading (rig->slot, FALSE);
  rig->quiet = FALSE;
  dvs_slot_generate (rig->slot, 1, 1, "a lake", NULL);
  /* Generation goes on to its end, and so does the run for the worker. */
  ck_assert (!slot_rig_wait (rig, slot_rig_has_ended, 4));
  ck_assert_uint_eq (rig->questions, 3);
  ck_assert_uint_eq (rig->bytes, 0);
  ck_assert_uint_eq (slot_rig_count (rig, "step_complete"), 0);
  seen = 0;
  dvs_slot_set_reading (rig->slot, TRUE);
  ck_assert (slot_rig_wait (rig, went_on, 10));
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 20));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
  complete = slot_rig_count (rig, "ltx2_segment_complete");
  ck_assert_uint_eq (complete, 2);
}
END_TEST

/* ---- nothing is left ---- */

START_TEST (many_runs_leave_nothing)
{
  guint64 rss_before = 0, rss_after;
  DvsSlotInfo info;
  guint before = 0, i;
  gchar *path, *text;
  guint worker_before = 0, worker_after;
  GDir *dir;

  start ();
  for (i = 0; i < RUNS; i++) {
    slot_rig_run (rig, 1);
    ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
    ck_assert_msg (rig->error == NULL, "%s", rig->error);
    if (i != RUNS / 4 && i != RUNS - 1)
      continue;
    path = g_strdup_printf ("/proc/%d/fd", (int)slot_rig_pid (rig));
    dir = g_dir_open (path, 0, NULL);
    for (worker_after = 0; g_dir_read_name (dir);)
      worker_after++;
    g_dir_close (dir);
    g_free (path);
    path = g_strdup_printf ("/proc/%d/statm", (int)slot_rig_pid (rig));
    ck_assert (g_file_get_contents (path, &text, NULL, NULL));
    rss_after =
        g_ascii_strtoull (strchr (text, ' '), NULL, 10) * 4096 / 1024 / 1024;
    g_free (text);
    g_free (path);
    if (i == RUNS / 4) {
      before = open_descriptors ();
      worker_before = worker_after;
      rss_before = rss_after;
    } else {
      g_print ("# worker: %" G_GUINT64_FORMAT
               " MiB after %u runs, %" G_GUINT64_FORMAT " after %u\n",
          rss_before, RUNS / 4, rss_after, RUNS);
      ck_assert_uint_eq (open_descriptors (), before);
      ck_assert_uint_eq (worker_after, worker_before);
      /* A sanitizer keeps what was freed. */
      if (!SANITIZED)
        ck_assert_uint_le (rss_after, rss_before + 4);
    }
  }
  dvs_slot_info (rig->slot, &info);
  ck_assert_uint_eq (info.restarts, 0);
}
END_TEST

int
main (int argc, char **argv)
{
  Suite *suite;
  TCase *tcase;
  SRunner *runner;
  int failed;

  if (dvs_child_run (argc, argv, &failed))
    return failed;
  suite = suite_create ("slot");
  tcase = tcase_create ("slot");
  runner = srunner_create (suite);
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_set_timeout (tcase, 300);
  tcase_add_test (tcase, starts_and_warms_up);
  tcase_add_test (tcase, starts_without_warming_up);
  tcase_add_test (tcase, the_source_is_told_what_comes_next);
  tcase_add_test (tcase, three_segments);
  tcase_add_test (tcase, runs_follow_each_other_in_one_process);
  tcase_add_test (tcase, end_before_the_first_segment);
  tcase_add_test (tcase, reset_in_the_middle_of_a_segment);
  tcase_add_test (tcase, reset_while_a_prompt_is_asked_for);
  tcase_add_test (tcase, stop_in_the_middle_of_a_segment);
  tcase_add_test (tcase, stop_while_a_prompt_is_asked_for);
  tcase_add_test (tcase, a_taken_slot_is_taken_once);
  tcase_add_test (tcase, nothing_is_handed_over_that_is_not_read);
  tcase_add_test (tcase, many_runs_leave_nothing);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
