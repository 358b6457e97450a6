/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: which prompts it has prepared, and that nothing depends on it.
 * The model is the procedural one, which says here that it prepares prompts;
 * what the real one does with them is tested with the generator.
 */
#include <string.h>

#include "dreamversesrc-common.h"
#include "generator.h"
#include "gstdreamversesrc.h"

static struct {
  GMutex lock;
  GCond cond;
  gboolean prepares;   /* what the model says of itself */
  gboolean stays;      /* until it is cancelled */
  DvStatus status;     /* how preparing ends */
  GPtrArray *prepared; /* prompts */
} model;

const DvModelInfo *__real_dv_model_info (const DvModel *model);
const DvModelInfo *__wrap_dv_model_info (const DvModel *model);
DvStatus __wrap_dv_session_prepare (DvSession *session, const char *prompt,
    bool (*cancelled) (void *user), void *user, DvError *error);

const DvModelInfo *
__wrap_dv_model_info (const DvModel *real)
{
  static DvModelInfo info;

  g_mutex_lock (&model.lock);
  info = *__real_dv_model_info (real);
  info.prepares = model.prepares;
  g_mutex_unlock (&model.lock);
  return &info;
}

DvStatus
__wrap_dv_session_prepare (DvSession *session, const char *prompt,
    bool (*cancelled) (void *user), void *user, DvError *error)
{
  DvStatus status;

  g_mutex_lock (&model.lock);
  g_ptr_array_add (model.prepared, g_strdup (prompt));
  g_cond_broadcast (&model.cond);
  while (model.stays && !cancelled (user))
    g_cond_wait_until (
        &model.cond, &model.lock, g_get_monotonic_time () + 10000);
  status = model.stays ? DV_CANCELLED : model.status;
  g_mutex_unlock (&model.lock);
  return status == DV_OK ? DV_OK
                         : dv_fail (error, status, "text", "as the test wants");
}

static void
set_up (void)
{
  gst_element_register (
      NULL, "dreamversesrc", GST_RANK_NONE, gst_dreamverse_src_get_type ());
  model.prepares = TRUE;
  model.stays = FALSE;
  model.status = DV_OK;
  model.prepared = g_ptr_array_new_with_free_func (g_free);
}

static void
tear_down (void)
{
  g_clear_pointer (&model.prepared, g_ptr_array_unref);
}

/* Waits until so many prompts were prepared; the latest. */
static gchar *
wait_prepared (guint n)
{
  gint64 end = g_get_monotonic_time () + PATIENCE / 1000;
  gchar *latest;

  g_mutex_lock (&model.lock);
  while (model.prepared->len < n)
    fail_unless (g_cond_wait_until (&model.cond, &model.lock, end));
  fail_unless_equals_int (model.prepared->len, n);
  latest = g_strdup (g_ptr_array_index (model.prepared, n - 1));
  g_mutex_unlock (&model.lock);
  return latest;
}

static void
expect_prepared (guint n, const gchar *prompt)
{
  gchar *latest = wait_prepared (n);

  fail_unless_equals_string (latest, prompt);
  g_free (latest);
}

/* Held before its first segment, with the list of prompts. */
static void
start_held (Fixture *f, const gchar *list)
{
  GstElement *src = source_new ("segments", 1, "paused", TRUE, NULL);

  gst_util_set_object_arg (G_OBJECT (src), "prompts", list);
  fixture_init (f, src);
  gst_harness_set_drop_buffers (f->video, TRUE);
  gst_harness_set_drop_buffers (f->audio, TRUE);
  fixture_play (f);
}

/* The only segment is made. */
static void
let_go (Fixture *f)
{
  gboolean complete = FALSE;

  g_object_set (f->src, "paused", FALSE, NULL);
  while (!complete) {
    GstMessage *message = gst_bus_timed_pop_filtered (
        f->bus, PATIENCE, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);

    fail_unless (message != NULL);
    fail_if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR);
    complete =
        gst_message_has_name (message, GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE);
    gst_message_unref (message);
  }
}

GST_START_TEST (the_next_prompt_is_prepared_once_it_is_known)
{
  gboolean taken;
  Fixture f;

  start_held (&f, "<\"dunes\", \"a lake\">");
  expect_prepared (1, "dunes");
  g_signal_emit_by_name (f.src, "prepare-prompt", "a storm");
  expect_prepared (2, "a storm");
  g_signal_emit_by_name (f.src, "append-prompt", "a fair", NULL, &taken);
  fail_unless (taken);
  expect_prepared (3, "a fair");
  /* What was appended comes first, whatever is told. */
  g_signal_emit_by_name (f.src, "prepare-prompt", "fog");
  g_signal_emit_by_name (f.src, "prepare-prompt", "\xff");
  let_go (&f);
  fixture_clear (&f);
  fail_if (g_ptr_array_find_with_equal_func (
      model.prepared, "fog", g_str_equal, NULL));
}
GST_END_TEST;

GST_START_TEST (what_cannot_be_prepared_is_made_all_the_same)
{
  Fixture f;

  model.status = DV_ERROR_MEMORY;
  start_held (&f, "<\"dunes\">");
  expect_prepared (1, "dunes");
  let_go (&f);
  fixture_clear (&f);
}
GST_END_TEST;

GST_START_TEST (stopping_ends_what_is_being_prepared)
{
  gint64 since;
  Fixture f;

  model.stays = TRUE;
  start_held (&f, "<\"dunes\">");
  expect_prepared (1, "dunes");
  since = g_get_monotonic_time ();
  gst_element_set_state (f.src, GST_STATE_NULL);
  fail_unless (g_get_monotonic_time () - since < G_TIME_SPAN_SECOND);
  fixture_clear (&f);
}
GST_END_TEST;

GST_START_TEST (a_stream_ends_beside_what_is_being_prepared)
{
  Fixture f;

  model.stays = TRUE;
  start_held (&f, "<\"dunes\">");
  expect_prepared (1, "dunes");
  let_go (&f);
  fixture_clear (&f);
}
GST_END_TEST;

GST_START_TEST (a_model_that_prepares_nothing_is_not_asked)
{
  Fixture f;

  model.prepares = FALSE;
  start_held (&f, "<\"dunes\">");
  g_signal_emit_by_name (f.src, "prepare-prompt", "a storm");
  let_go (&f);
  fail_unless_equals_int (model.prepared->len, 0);
  fixture_clear (&f);
}
GST_END_TEST;

static Suite *
dreamversesrc_ahead_suite (void)
{
  Suite *suite = suite_create ("dreamversesrc-ahead");
  TCase *tests = tcase_create ("ahead");

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, the_next_prompt_is_prepared_once_it_is_known);
  tcase_add_test (tests, what_cannot_be_prepared_is_made_all_the_same);
  tcase_add_test (tests, stopping_ends_what_is_being_prepared);
  tcase_add_test (tests, a_stream_ends_beside_what_is_being_prepared);
  tcase_add_test (tests, a_model_that_prepares_nothing_is_not_asked);
  suite_add_tcase (suite, tests);
  return suite;
}

GST_CHECK_MAIN (dreamversesrc_ahead);
