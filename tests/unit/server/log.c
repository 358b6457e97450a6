/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of log.c: lines, rotation, disks that are full, prompts left out.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "log.h"

static gchar *directory;
static DvsSettings *settings;
static DvsMetrics *metrics;
static DvsLog *session_log;

static void
set_up (void)
{
  directory = g_dir_make_tmp (NULL, NULL);
  settings = dvs_settings_new ();
  metrics = dvs_metrics_new ();
  settings->session_log = g_build_filename (directory, "log", NULL);
  session_log = dvs_log_new (settings, metrics);
}

static void
tear_down (void)
{
  const gchar *name;
  GDir *dir = g_dir_open (directory, 0, NULL);

  while ((name = g_dir_read_name (dir)) != NULL) {
    gchar *path = g_build_filename (directory, name, NULL);
    g_unlink (path);
    g_free (path);
  }
  g_dir_close (dir);
  g_rmdir (directory);
  g_free (directory);
  dvs_log_free (session_log);
  dvs_metrics_free (metrics);
  dvs_settings_free (settings);
}

/* The whole of log, log.1, …; NULL: there is none. */
static gchar *
contents (const gchar *ending)
{
  gchar *path = g_strconcat (settings->session_log, ending, NULL), *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  g_free (path);
  return text;
}

static JsonObject *
one_field (const gchar *name, const gchar *value)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, name, value);
  return object;
}

START_TEST (a_line_an_event)
{
  gchar *text;
  gchar **lines;
  JsonNode *node;
  JsonObject *object;

  dvs_log_event (session_log, "ws_session_start", "abc", NULL);
  dvs_log_event (
      session_log, "append_prompt", "abc", one_field ("prompt", "a\n\"b\""));
  text = contents ("");
  lines = g_strsplit (text, "\n", -1);
  ck_assert_uint_eq (g_strv_length (lines), 3);
  node = json_from_string (lines[1], NULL);
  object = json_node_get_object (node);
  ck_assert_str_eq (
      json_object_get_string_member (object, "event"), "append_prompt");
  ck_assert_str_eq (json_object_get_string_member (object, "client_id"), "abc");
  ck_assert_str_eq (
      json_object_get_string_member (object, "prompt"), "a\n\"b\"");
  ck_assert (json_object_has_member (object, "hostname"));
  ck_assert (json_object_has_member (object, "ts"));
  json_node_unref (node);
  g_strfreev (lines);
  g_free (text);
}
END_TEST

START_TEST (no_prompts_if_so_configured)
{
  gchar *text;

  settings->log_prompts = FALSE;
  dvs_log_event (session_log, "x", "abc", one_field ("prompt", "secret"));
  dvs_log_event (
      session_log, "x", "abc", one_field ("rewrite_instruction", "secret"));
  dvs_log_event (
      session_log, "x", "abc", one_field ("raw_llm_output", "secret"));
  dvs_log_event (session_log, "x", "abc", one_field ("prompt_id", "kept"));
  text = contents ("");
  ck_assert_ptr_null (strstr (text, "secret"));
  ck_assert_ptr_nonnull (strstr (text, "kept"));
  g_free (text);
}
END_TEST

/* No more files than said, none larger than said, the newest lines kept. */
START_TEST (rotation)
{
  gchar *text, *last;
  guint i, total = 0;

  settings->session_log_bytes = 4096;
  settings->session_log_files = 3;
  for (i = 0; i < 1000; i++)
    dvs_log_event (session_log, "x", "abc", NULL);
  for (i = 0; i < 3; i++) {
    gchar *ending = i ? g_strdup_printf (".%u", i) : g_strdup ("");
    text = contents (ending);
    ck_assert_ptr_nonnull (text);
    ck_assert_uint_le (strlen (text), 4096);
    total += (guint)strlen (text);
    g_free (text);
    g_free (ending);
  }
  ck_assert_uint_gt (total, 8192);
  last = contents (".3");
  ck_assert_ptr_null (last);
}
END_TEST

START_TEST (a_full_disk_costs_lines_alone)
{
  gchar *text;

  g_free (settings->session_log);
  settings->session_log = g_strdup ("/dev/full");
  dvs_log_reopen (session_log);
  dvs_log_event (session_log, "lost", "abc", NULL);
  dvs_log_event (session_log, "lost", "abc", NULL);
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_LOG_LOST) == 2);
  g_free (settings->session_log);
  settings->session_log = g_build_filename (directory, "log", NULL);
  dvs_log_reopen (session_log);
  dvs_log_event (session_log, "kept", "abc", NULL);
  text = contents ("");
  ck_assert_ptr_nonnull (strstr (text, "kept"));
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_LOG_LOST) == 2);
  g_free (text);
}
END_TEST

START_TEST (a_directory_that_is_not_there)
{
  g_free (settings->session_log);
  settings->session_log = g_build_filename (directory, "no", "log", NULL);
  dvs_log_reopen (session_log);
  dvs_log_event (session_log, "lost", NULL, NULL);
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_LOG_LOST) == 1);
}
END_TEST

START_TEST (reopened_after_it_was_moved)
{
  gchar *moved = g_build_filename (directory, "moved", NULL), *text;

  dvs_log_event (session_log, "first", "abc", NULL);
  ck_assert_int_eq (g_rename (settings->session_log, moved), 0);
  dvs_log_reopen (session_log);
  dvs_log_event (session_log, "second", "abc", NULL);
  text = contents ("");
  ck_assert_ptr_nonnull (strstr (text, "second"));
  ck_assert_ptr_null (strstr (text, "first"));
  g_free (text);
  g_free (moved);
}
END_TEST

START_TEST (none_if_none_is_wanted)
{
  g_clear_pointer (&settings->session_log, g_free);
  dvs_log_reopen (session_log);
  dvs_log_event (session_log, "x", "abc", one_field ("a", "b"));
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_LOG_LOST) == 0);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("log");
  TCase *tests = tcase_create ("log");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, a_line_an_event);
  tcase_add_test (tests, no_prompts_if_so_configured);
  tcase_add_test (tests, rotation);
  tcase_add_test (tests, a_full_disk_costs_lines_alone);
  tcase_add_test (tests, a_directory_that_is_not_there);
  tcase_add_test (tests, reopened_after_it_was_moved);
  tcase_add_test (tests, none_if_none_is_wanted);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
