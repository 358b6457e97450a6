/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The question for a prompt, and resets that come at any moment of it: asked
 * before, the question is void; asked after, it stays, however early it was.
 */
#include <check.h>
#include <string.h>

#include "ask.h"
#include "gstdreamverse.h"

/* A source that asks when the test says so. */
typedef GstElement TestSource;
typedef GstElementClass TestSourceClass;
GType test_source_get_type (void);
G_DEFINE_TYPE (TestSource, test_source, GST_TYPE_ELEMENT)

static void
test_source_class_init (TestSourceClass *klass)
{
  g_signal_new ("need-prompt", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
      NULL, NULL, NULL, G_TYPE_STRING, 2, G_TYPE_UINT, G_TYPE_UINT);
}

static void
test_source_init (TestSource *source)
{
}

static GstElement *source;
static GstBus *bus;
static DvsAsk *ask;
static GThread *thread;
static guint told, told_resets; /* questions; resets of the latest */

static void
take_question (gpointer user, guint epoch, guint index, guint resets)
{
  told++;
  told_resets = resets;
}

static void
set_up (void)
{
  gst_init (NULL, NULL);
  source = gst_object_ref_sink (g_object_new (test_source_get_type (), NULL));
  bus = gst_bus_new ();
  ask = dvs_ask_new (source, take_question, NULL);
  dvs_ask_watch (ask, bus);
  dvs_ask_open (ask);
  told = told_resets = 0;
}

static void
tear_down (void)
{
  dvs_ask_free (ask);
  gst_object_unref (bus);
  gst_object_unref (source);
}

/* ---- the source ---- */

static gpointer
ask_in_thread (gpointer data)
{
  gchar *prompt = NULL;

  g_signal_emit_by_name (source, "need-prompt", 1, 1, &prompt);
  return prompt;
}

static void
source_asks (void)
{
  thread = g_thread_new ("source", ask_in_thread, NULL);
}

/* What it was answered. */
static void
expect_answer (const gchar *expected)
{
  gchar *prompt = g_thread_join (thread);

  ck_assert_msg (g_strcmp0 (prompt, expected) == 0, "%s, not %s", prompt,
      expected ? expected : "nothing");
  g_free (prompt);
}

/* It has begun the epoch of a reset. */
static void
source_resets (void)
{
  gst_bus_post (
      bus, gst_message_new_element (GST_OBJECT (source),
               gst_structure_new_empty (GST_DREAMVERSE_MESSAGE_RESET)));
}

static void
wait_told (guint n)
{
  gint64 end = g_get_monotonic_time () + 20 * G_TIME_SPAN_SECOND;

  while (told < n && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, FALSE);
  ck_assert_uint_eq (told, n);
}

START_TEST (a_question_is_answered)
{
  source_asks ();
  wait_told (1);
  ck_assert (dvs_ask_is (ask, 1, 1));
  dvs_ask_answer (ask, "dunes");
  expect_answer ("dunes");
  ck_assert (!dvs_ask_is (ask, 1, 1));
}
END_TEST

START_TEST (a_question_from_before_a_reset_is_void)
{
  source_asks ();
  wait_told (1);
  dvs_ask_reset_requested (ask);
  expect_answer (NULL);
  ck_assert (!dvs_ask_is (ask, 1, 1));
}
END_TEST

START_TEST (nothing_is_asked_while_a_reset_is_under_way)
{
  dvs_ask_reset_requested (ask);
  source_asks ();
  expect_answer (NULL);
  source_resets ();
  source_asks ();
  wait_told (1);
  ck_assert_uint_eq (told_resets, 1);
  dvs_ask_answer (ask, "a lake");
  expect_answer ("a lake");
}
END_TEST

/* It had the reset, and asks for the new epoch, before that was noted here. */
START_TEST (the_source_may_be_faster_than_who_resets_it)
{
  source_resets ();
  source_asks ();
  wait_told (1);
  ck_assert_uint_eq (told_resets, 1);
  dvs_ask_reset_requested (ask);
  ck_assert (dvs_ask_is (ask, 1, 1));
  dvs_ask_answer (ask, "a storm");
  expect_answer ("a storm");
}
END_TEST

START_TEST (closing_ends_the_wait)
{
  source_asks ();
  wait_told (1);
  dvs_ask_close (ask);
  expect_answer (NULL);
  source_asks ();
  expect_answer (NULL);
  ck_assert_uint_eq (told, 1);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ask");
  TCase *tests = tcase_create ("ask");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, a_question_is_answered);
  tcase_add_test (tests, a_question_from_before_a_reset_is_void);
  tcase_add_test (tests, nothing_is_asked_while_a_reset_is_under_way);
  tcase_add_test (tests, the_source_may_be_faster_than_who_resets_it);
  tcase_add_test (tests, closing_ends_the_wait);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
