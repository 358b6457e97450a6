/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wshub.c: who stands in for the relay thread sees everything done
 * that was posted before, and is alone while it does.
 */
#include <check.h>

#include "wshub.h"

static WsHub *hub;
static guint done; /* the relay thread's, or its stand-in's */

static void
set_up (void)
{
  GError *error = NULL;

  done = 0;
  hub = ws_hub_join ("127.0.0.1", 0, NULL, NULL, &error);
  ck_assert_ptr_nonnull (hub);
}

static void
tear_down (void)
{
  ws_hub_leave (hub);
}

static void
count (gpointer data)
{
  done++;
}

/* Until the relay thread sleeps. */
static void
stand_in (void)
{
  gint64 deadline = g_get_monotonic_time () + 30 * G_TIME_SPAN_SECOND;

  while (!ws_hub_stand_in (hub)) {
    ck_assert_int_lt (g_get_monotonic_time (), deadline);
    g_thread_yield ();
  }
}

START_TEST (what_was_posted_comes_first)
{
  guint n, alone = 0;

  for (n = 1; n <= 5000; n++) {
    ws_hub_post (hub, count, NULL, NULL);
    if (n % 10 == 0) {
      stand_in ();
      ck_assert_uint_eq (done, n);
      ws_hub_stand_down (hub);
      alone++;
    } else if (ws_hub_stand_in (hub)) {
      ck_assert_uint_eq (done, n);
      ws_hub_stand_down (hub);
    }
  }
  ck_assert_uint_eq (alone, 500);
}
END_TEST

START_TEST (what_is_posted_meanwhile_waits)
{
  guint n;

  for (n = 0; n < 500; n++) {
    guint before;

    stand_in ();
    before = done;
    ws_hub_post (hub, count, NULL, NULL);
    g_thread_yield ();
    ck_assert_uint_eq (done, before);
    ws_hub_stand_down (hub);
    ws_hub_call (hub, count, NULL);
    stand_in ();
    ck_assert_uint_eq (done, before + 2);
    ws_hub_stand_down (hub);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wshub");
  TCase *tests = tcase_create ("wshub");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_set_timeout (tests, 60);
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, what_was_posted_comes_first);
  tcase_add_test (tests, what_is_posted_meanwhile_waits);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
