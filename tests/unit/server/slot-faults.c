/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of slots whose worker is killed, hangs, fails to load, or whose encoder
 * fails or never ends: the client's error, and the slot's next life.
 */
#include <check.h>
#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "slot-rig.h"

#define ENCODER                                                                \
  "x264enc tune=zerolatency speed-preset=ultrafast bframes=0 pass=qual "       \
  "byte-stream=false key-int-max=48 "
/* Mode of this program: a front that waits to be killed. */
#define FRONT_OPTION "--front"

static SlotRig *rig;

static void
set_up (void)
{
  rig = slot_rig_new ();
  rig->settings->warmup = FALSE;
}

static void
tear_down (void)
{
  slot_rig_free (rig);
}

static void
set_encoder (const gchar *line)
{
  g_free (rig->settings->video_encoder);
  rig->settings->video_encoder = g_strdup (line);
}

static void
start (void)
{
  slot_rig_start (rig);
  ck_assert_msg (
      slot_rig_wait (rig, slot_rig_is_ready, 60), "%s", rig->states->str);
}

static gboolean
is_ready_again (SlotRig *r)
{
  return slot_rig_is_ready (r) && r->ready_at > r->died_at && r->died_at > 0;
}

/* The slot works as if nothing had been. */
static void
works (void)
{
  rig->quiet = FALSE;
  slot_rig_run (rig, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
  ck_assert_uint_eq (slot_rig_count (rig, "ltx2_segment_complete"), 1);
}

/* The error within a second, and the slot again. */
static void
kill_and_expect (const gchar *part)
{
  gint64 killed = g_get_monotonic_time ();

  kill (slot_rig_pid (rig), SIGKILL);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 5));
  ck_assert_ptr_nonnull (rig->error);
  ck_assert_msg (strstr (rig->error, part) != NULL, "%s", rig->error);
  ck_assert_int_le (rig->ended_at - killed, G_USEC_PER_SEC);
  ck_assert_int_eq (dvs_slot_state (rig->slot), DVS_SLOT_DEAD);
  ck_assert (slot_rig_wait (rig, is_ready_again, 60));
  g_print ("# error %.1f ms after the kill, ready after %.1f ms\n",
      (rig->ended_at - killed) / 1000.0, (rig->ready_at - killed) / 1000.0);
  rig->settings->pace = 0;
}

/* ---- killed ---- */

START_TEST (killed_in_the_middle_of_a_segment)
{
  rig->settings->pace = 30;
  start ();
  slot_rig_run (rig, 9);
  ck_assert (slot_rig_wait (rig, slot_rig_is_generating, 60));
  kill_and_expect ("signal 9");
}
END_TEST

START_TEST (killed_in_the_middle_of_a_fragment)
{
  /* More than the socket takes. */
  set_encoder (ENCODER "quantizer=1");
  rig->settings->width = 640;
  rig->settings->height = 352;
  rig->settings->frames = 49;
  start ();
  rig->quiet = TRUE;
  slot_rig_run (rig, 9);
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 60));
  dvs_slot_set_reading (rig->slot, FALSE);
  dvs_slot_generate (rig->slot, 1, 1, "a forest in the wind", NULL);
  rig->questions = 0;
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 60));
  ck_assert_uint_eq (rig->bytes, 0);
  dvs_slot_set_reading (rig->slot, TRUE);
  kill_and_expect ("signal 9");
  ck_assert (rig->bytes > 0);
}
END_TEST

START_TEST (killed_while_nothing_runs)
{
  gint64 killed;
  DvsSlotInfo info;

  start ();
  killed = g_get_monotonic_time ();
  kill (slot_rig_pid (rig), SIGKILL);
  ck_assert (slot_rig_wait (rig, slot_rig_is_dead, 5));
  ck_assert_int_le (rig->died_at - killed, G_USEC_PER_SEC);
  ck_assert (slot_rig_wait (rig, is_ready_again, 60));
  dvs_slot_info (rig->slot, &info);
  ck_assert_uint_eq (info.restarts, 1);
  ck_assert_ptr_null (info.error);
  works ();
}
END_TEST

START_TEST (killed_while_stopping)
{
  rig->settings->pace = 30;
  start ();
  slot_rig_run (rig, 9);
  ck_assert (slot_rig_wait (rig, slot_rig_is_generating, 60));
  kill (slot_rig_pid (rig), SIGSTOP);
  dvs_slot_stop_run (rig->slot);
  kill (slot_rig_pid (rig), SIGKILL);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 5));
  ck_assert_ptr_null (rig->error);
  ck_assert (slot_rig_wait (rig, is_ready_again, 60));
}
END_TEST

START_TEST (killed_while_nobody_reads)
{
  rig->settings->pace = 30;
  start ();
  slot_rig_run (rig, 9);
  ck_assert (slot_rig_wait (rig, slot_rig_is_generating, 60));
  dvs_slot_set_reading (rig->slot, FALSE);
  kill_and_expect ("signal 9");
}
END_TEST

/* ---- hanging ---- */

START_TEST (one_that_hangs_is_replaced)
{
  gint64 stopped;

  start ();
  rig->quiet = TRUE;
  slot_rig_run (rig, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 60));
  stopped = g_get_monotonic_time ();
  kill (slot_rig_pid (rig), SIGSTOP);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 20));
  ck_assert_msg (
      strstr (rig->error, "does not answer") != NULL, "%s", rig->error);
  ck_assert_int_ge (rig->ended_at - stopped, 5 * G_USEC_PER_SEC);
  ck_assert (slot_rig_wait (rig, is_ready_again, 60));
  works ();
}
END_TEST

START_TEST (step_that_takes_too_long)
{
  rig->settings->pace = 60;
  rig->settings->step_timeout_s = 1;
  start ();
  slot_rig_run (rig, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 20));
  ck_assert_msg (strstr (rig->error, "within 1 s") != NULL, "%s", rig->error);
  ck_assert (slot_rig_wait (rig, is_ready_again, 60));
}
END_TEST

START_TEST (encoder_that_never_ends)
{
  GPid pid;
  gint64 stopped;

  set_encoder (ENCODER "! identity sleep-time=600000000");
  rig->settings->media_patience_s = 1;
  start ();
  pid = slot_rig_pid (rig);
  rig->quiet = TRUE;
  slot_rig_run (rig, 1);
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 60));
  dvs_slot_generate (rig->slot, 1, 1, "a lake", NULL);
  rig->questions = 0;
  /* The step ends, whatever the encoder does. */
  ck_assert (slot_rig_wait (rig, slot_rig_is_asked, 20));
  ck_assert_uint_eq (rig->index, 2);
  stopped = g_get_monotonic_time ();
  dvs_slot_stop_run (rig->slot);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 10));
  ck_assert_msg (rig->error == NULL, "%s", rig->error);
  ck_assert_int_le (rig->ended_at - stopped, 4 * G_USEC_PER_SEC);
  ck_assert (slot_rig_wait (rig, is_ready_again, 60));
  ck_assert_int_ne (slot_rig_pid (rig), pid);
}
END_TEST

/* ---- failing ---- */

START_TEST (encoder_that_fails)
{
  GPid pid;

  set_encoder (ENCODER "! identity error-after=12");
  start ();
  pid = slot_rig_pid (rig);
  slot_rig_run (rig, 9);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
  ck_assert_ptr_nonnull (rig->error);
  ck_assert_msg (
      g_str_has_suffix (rig->heard->str, "error end "), "%s", rig->heard->str);
  ck_assert_uint_eq (slot_rig_count (rig, "error"), 1);
  ck_assert_uint_eq (slot_rig_count (rig, "ltx2_stream_complete"), 0);
  /* The model is as good as it was. */
  ck_assert_int_eq (dvs_slot_state (rig->slot), DVS_SLOT_READY);
  ck_assert_int_eq (slot_rig_pid (rig), pid);
  works ();
}
END_TEST

START_TEST (start_image_that_is_none)
{
  const DvsRun run = {.start_image = "/nonexistent/picture.png"};
  GPid pid;

  start ();
  pid = slot_rig_pid (rig);
  slot_rig_run_as (rig, 1, &run);
  ck_assert (slot_rig_wait (rig, slot_rig_has_ended, 60));
  ck_assert_ptr_nonnull (rig->error);
  ck_assert_msg (strstr (rig->error, "start image") != NULL, "%s", rig->error);
  ck_assert_int_eq (slot_rig_pid (rig), pid);
  works ();
}
END_TEST

static guint deaths;

static gboolean
died_again (SlotRig *r)
{
  return r->deaths >= deaths;
}

START_TEST (model_that_is_not_there)
{
  gint64 first, second;
  DvsSlotInfo info;

  g_free (rig->settings->model);
  rig->settings->model = g_strdup ("/nonexistent/model");
  slot_rig_start (rig);
  deaths = 1;
  ck_assert (slot_rig_wait (rig, died_again, 60));
  dvs_slot_info (rig->slot, &info);
  ck_assert_msg (
      strstr (info.error, "/nonexistent/model") != NULL, "%s", info.error);
  ck_assert (!info.alive && !info.warm);
  first = rig->died_at;
  deaths = 2;
  ck_assert (slot_rig_wait (rig, died_again, 60));
  second = rig->died_at;
  ck_assert_int_ge (second - first, 500 * 1000);
  deaths = 3;
  ck_assert (slot_rig_wait (rig, died_again, 60));
  ck_assert_int_ge (rig->died_at - second, 1000 * 1000);
  dvs_slot_info (rig->slot, &info);
  ck_assert_uint_eq (info.restarts, 2);
}
END_TEST

START_TEST (encoder_that_is_not_there)
{
  DvsSlotInfo info;

  set_encoder ("noencoder");
  slot_rig_start (rig);
  ck_assert (slot_rig_wait (rig, slot_rig_is_dead, 60));
  dvs_slot_info (rig->slot, &info);
  ck_assert_msg (strstr (info.error, "noencoder") != NULL, "%s", info.error);
}
END_TEST

START_TEST (load_that_takes_too_long)
{
  DvsSlotInfo info;

  rig->settings->warmup = TRUE;
  set_encoder (ENCODER "! identity sleep-time=600000000");
  rig->settings->warmup_timeout_s = 1;
  slot_rig_start (rig);
  ck_assert (slot_rig_wait (rig, slot_rig_is_dead, 60));
  dvs_slot_info (rig->slot, &info);
  ck_assert_msg (
      strstr (info.error, "still warming") != NULL, "%s", info.error);
}
END_TEST

/* ---- who is left ---- */

static gboolean
is_gone (gpointer data)
{
  return kill (GPOINTER_TO_INT (data), 0) != 0 && errno == ESRCH;
}

static guint descriptors_before;

static gboolean
no_more_descriptors (gpointer data)
{
  return open_descriptors () <= descriptors_before;
}

START_TEST (freed_slot_takes_its_worker_along)
{
  GPid pid;
  guint i;

  rig->settings->pace = 30;
  /* The first time GLib opens some of its own. */
  for (i = 0; i < 4; i++) {
    start ();
    slot_rig_run (rig, 9);
    ck_assert (slot_rig_wait (rig, slot_rig_is_generating, 60));
    pid = slot_rig_pid (rig);
    dvs_slot_free (g_steal_pointer (&rig->slot));
    ck_assert (wait_until (is_gone, GINT_TO_POINTER (pid), 5));
    if (i == 0)
      descriptors_before = open_descriptors ();
  }
  ck_assert (wait_until (no_more_descriptors, NULL, 5));
}
END_TEST

START_TEST (signals_for_the_group_are_the_fronts)
{
  start ();
  kill (slot_rig_pid (rig), SIGTERM);
  kill (slot_rig_pid (rig), SIGINT);
  works ();
  ck_assert_int_eq (rig->died_at, 0);
}
END_TEST

static int
be_front (void)
{
  SlotRig *front = slot_rig_new ();

  front->settings->warmup = FALSE;
  slot_rig_start (front);
  if (!slot_rig_wait (front, slot_rig_is_ready, 60))
    return 1;
  g_print ("%d\n", (int)slot_rig_pid (front));
  slot_rig_wait (front, slot_rig_is_dead, 120);
  return 1;
}

START_TEST (no_worker_outlives_its_front)
{
  GSubprocess *front = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL,
      "/proc/self/exe", FRONT_OPTION, NULL);
  GDataInputStream *lines =
      g_data_input_stream_new (g_subprocess_get_stdout_pipe (front));
  gchar *line = g_data_input_stream_read_line (lines, NULL, NULL, NULL);
  GPid pid;

  ck_assert_ptr_nonnull (line);
  pid = atoi (line);
  ck_assert_int_gt (pid, 1);
  ck_assert_int_eq (kill (pid, 0), 0);
  g_subprocess_force_exit (front);
  g_subprocess_wait (front, NULL, NULL);
  /* It is another's child now, who may take its time to reap it. */
  ck_assert (wait_until (is_gone, GINT_TO_POINTER (pid), 10));
  g_free (line);
  g_object_unref (lines);
  g_object_unref (front);
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
  if (argc > 1 && strcmp (argv[1], FRONT_OPTION) == 0)
    return be_front ();
  suite = suite_create ("slot-faults");
  tcase = tcase_create ("slot-faults");
  runner = srunner_create (suite);
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_set_timeout (tcase, 300);
  tcase_add_test (tcase, killed_in_the_middle_of_a_segment);
  tcase_add_test (tcase, killed_in_the_middle_of_a_fragment);
  tcase_add_test (tcase, killed_while_nothing_runs);
  tcase_add_test (tcase, killed_while_stopping);
  tcase_add_test (tcase, killed_while_nobody_reads);
  tcase_add_test (tcase, one_that_hangs_is_replaced);
  tcase_add_test (tcase, step_that_takes_too_long);
  tcase_add_test (tcase, encoder_that_never_ends);
  tcase_add_test (tcase, encoder_that_fails);
  tcase_add_test (tcase, start_image_that_is_none);
  tcase_add_test (tcase, model_that_is_not_there);
  tcase_add_test (tcase, encoder_that_is_not_there);
  tcase_add_test (tcase, load_that_takes_too_long);
  tcase_add_test (tcase, freed_slot_takes_its_worker_along);
  tcase_add_test (tcase, signals_for_the_group_are_the_fronts);
  tcase_add_test (tcase, no_worker_outlives_its_front);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
