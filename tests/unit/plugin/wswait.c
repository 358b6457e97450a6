/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wswait.c: what the pipeline waits for, and what ends the waiting.
 */
#include <check.h>
#include <unistd.h>

#include "endpoint-rig.h"
#include "wswait.h"

static EndpointRig *rig;

static void
set_up (void)
{
  rig = endpoint_rig_new ();
}

static void
tear_down (void)
{
  endpoint_rig_free (rig);
}

typedef struct {
  gsize size;
  gint done;
  gboolean result;
} Waiter;

static gpointer
hand_over (gpointer data)
{
  Waiter *waiter = data;

  waiter->result = ws_endpoint_hand_over (rig->endpoint, waiter->size);
  g_atomic_int_set (&waiter->done, 1);
  return NULL;
}

static gpointer
drain (gpointer data)
{
  Waiter *waiter = data;

  waiter->result = ws_endpoint_drain (rig->endpoint, (gint64)waiter->size);
  g_atomic_int_set (&waiter->done, 1);
  return NULL;
}

static gpointer
wait_empty (gpointer data)
{
  Waiter *waiter = data;

  waiter->result = ws_endpoint_wait_empty (rig->endpoint, (gint64)waiter->size);
  g_atomic_int_set (&waiter->done, 1);
  return NULL;
}

/* Until somebody waits for room. */
static void
until_waiting (void)
{
  gboolean waiting;

  do {
    g_thread_yield ();
    g_mutex_lock (&rig->endpoint->lock);
    waiting = rig->endpoint->waiting > 0;
    g_mutex_unlock (&rig->endpoint->lock);
  } while (!waiting);
}

/* Runs until the waiter is done. */
static gboolean
finish (GThread *thread, Waiter *waiter)
{
  while (!g_atomic_int_get (&waiter->done))
    g_main_context_iteration (rig->context, FALSE);
  g_thread_join (thread);
  return waiter->result;
}

/* However large, one is let in; the next waits until that was taken. */
START_TEST (room_for_what_is_on_its_way)
{
  const gsize large = 64 * 1024 * 1024;
  Waiter waiter = {.size = 1};
  GThread *thread;

  ck_assert (ws_endpoint_hand_over (rig->endpoint, large));
  thread = g_thread_new ("waiter", hand_over, &waiter);
  until_waiting ();
  ck_assert (!g_atomic_int_get (&waiter.done));
  ck_assert (ws_endpoint_taken (rig->endpoint, large));
  ck_assert (finish (thread, &waiter));
  ck_assert (ws_endpoint_taken (rig->endpoint, 1));
}
END_TEST

START_TEST (flushing_ends_it)
{
  const gsize large = 64 * 1024 * 1024;
  Waiter waiter = {.size = 1};
  GThread *thread;

  ck_assert (ws_endpoint_hand_over (rig->endpoint, large));
  thread = g_thread_new ("waiter", hand_over, &waiter);
  until_waiting ();
  ws_endpoint_set_flushing (rig->endpoint, TRUE);
  ck_assert (!finish (thread, &waiter));
  ck_assert (!ws_endpoint_hand_over (rig->endpoint, 1));
  ws_endpoint_set_flushing (rig->endpoint, FALSE);
  ck_assert (ws_endpoint_taken (rig->endpoint, large));
  ck_assert (ws_endpoint_hand_over (rig->endpoint, 1));
}
END_TEST

/* With WAIT: one that reads nothing holds all up, until it reads. */
START_TEST (a_viewer_that_is_waited_for)
{
  Waiter waiter = {.size = 1};
  GThread *thread;
  guint64 id;
  int end = endpoint_rig_watch (rig, &id);

  rig->endpoint->limits.recover = WS_RECOVER_WAIT;
  rig->endpoint->limits.hard_bytes = 5 * ITEM_SIZE;
  endpoint_rig_push (rig, 30);
  endpoint_rig_run (rig);
  ck_assert (rig->endpoint->full);
  thread = g_thread_new ("waiter", hand_over, &waiter);
  until_waiting ();
  ck_assert (!g_atomic_int_get (&waiter.done));
  g_byte_array_unref (endpoint_rig_read (rig, end));
  ck_assert (!rig->endpoint->full);
  ck_assert (finish (thread, &waiter));
  ck_assert_uint_eq (rig->endpoint->dropped_clients, 0);
  close (end);
}
END_TEST

START_TEST (all_is_out)
{
  Waiter waiter = {.size = 30 * G_USEC_PER_SEC};
  GThread *thread;
  guint64 id;
  int end = endpoint_rig_watch (rig, &id);

  /* Little enough for a socket. */
  endpoint_rig_push (rig, 1);
  thread = g_thread_new ("waiter", drain, &waiter);
  ck_assert (finish (thread, &waiter));
  close (end);
}
END_TEST

/* One that takes nothing is not waited for longer than was said. */
START_TEST (not_all_is_out)
{
  Waiter waiter = {.size = 50 * 1000};
  GThread *thread;
  guint64 id;
  int end = endpoint_rig_watch (rig, &id);

  rig->endpoint->limits.recover = WS_RECOVER_WAIT;
  endpoint_rig_push (rig, 30);
  endpoint_rig_run (rig);
  thread = g_thread_new ("waiter", drain, &waiter);
  ck_assert (!finish (thread, &waiter));
  g_byte_array_unref (endpoint_rig_read (rig, end));
  waiter = (Waiter){.size = 30 * G_USEC_PER_SEC};
  thread = g_thread_new ("waiter", drain, &waiter);
  ck_assert (finish (thread, &waiter));
  close (end);
}
END_TEST

/* Out is not gone. */
START_TEST (all_have_gone)
{
  Waiter waiter = {.size = 50 * 1000};
  GThread *thread;
  guint64 id;
  int end = endpoint_rig_watch (rig, &id);

  thread = g_thread_new ("waiter", wait_empty, &waiter);
  ck_assert (!finish (thread, &waiter));
  close (end);
  waiter = (Waiter){.size = 30 * G_USEC_PER_SEC};
  thread = g_thread_new ("waiter", wait_empty, &waiter);
  ck_assert (finish (thread, &waiter));
  ck_assert_uint_eq (rig->removed, 1);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wswait");
  TCase *tests = tcase_create ("wswait");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, room_for_what_is_on_its_way);
  tcase_add_test (tests, flushing_ends_it);
  tcase_add_test (tests, a_viewer_that_is_waited_for);
  tcase_add_test (tests, all_is_out);
  tcase_add_test (tests, not_all_is_out);
  tcase_add_test (tests, all_have_gone);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
