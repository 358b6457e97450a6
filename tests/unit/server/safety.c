/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of prompt safety: block lists, and a classifier that answers well,
 * badly and never.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "blocklist.h"
#include "http-answers.h"
#include "prompts.h"

#define NSFW                                                                   \
  "This prompt was flagged as NSFW. You can't generate a video with this "     \
  "specified prompt."
#define HATE                                                                   \
  "This prompt was flagged as hate speech. You can't generate a video with "   \
  "this specified prompt."

static HttpAnswers *server;
static DvsSettings settings;
static DvsPrompts *prompts;
static gchar *file;
static struct {
  guint n, which;
  gchar *reason;
} said;

static void
on_checked (gpointer user, guint which, const gchar *reason)
{
  ck_assert_ptr_eq (user, &said);
  said.n++;
  said.which = which;
  g_free (said.reason);
  said.reason = g_strdup (reason);
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user)
{
  return G_LOG_WRITER_HANDLED;
}

static void
set_up (void)
{
  gint fd = g_file_open_tmp (NULL, &file, NULL);

  g_close (fd, NULL);
  memset (&settings, 0, sizeof settings);
  settings.providers = g_strsplit ("none", ",", 1);
  settings.safety_timeout_ms = 5000;
  server = http_answers_new ();
}

static void
tear_down (void)
{
  g_clear_pointer (&prompts, dvs_prompts_free);
  http_answers_free (server);
  g_strfreev (settings.providers);
  g_free (settings.safety_url);
  g_unlink (file);
  g_free (file);
  g_free (said.reason);
  memset (&said, 0, sizeof said);
}

static void
open_list (const gchar *list)
{
  ck_assert (g_file_set_contents (file, list, -1, NULL));
  settings.block_list = file;
  prompts = dvs_prompts_new (&settings, NULL);
  ck_assert_ptr_nonnull (prompts);
}

static void
open_classifier (void)
{
  settings.safety_url =
      g_strdup_printf ("http://127.0.0.1:%u/classify", server->port);
  prompts = dvs_prompts_new (&settings, NULL);
  ck_assert_ptr_nonnull (prompts);
}

/* Texts with "|" between; @which 0: all may be shown. */
static void
expect (const gchar *texts, guint which, const gchar *reason)
{
  gchar **list = g_strsplit (texts, "|", -1);

  g_free (said.reason);
  memset (&said, 0, sizeof said);
  dvs_prompts_check (
      prompts, (const gchar *const *)list, NULL, on_checked, &said);
  ck_assert_uint_eq (said.n, 0);
  ck_assert (http_wait (&said.n));
  http_run (10);
  ck_assert_uint_eq (said.n, 1);
  ck_assert_msg (
      said.which == which, "'%s': %u, %s", texts, said.which, said.reason);
  if (reason)
    ck_assert_str_eq (said.reason, reason);
  else
    ck_assert_ptr_null (said.reason);
  g_strfreev (list);
}

START_TEST (off)
{
  prompts = dvs_prompts_new (&settings, NULL);
  ck_assert (!dvs_prompts_checks (prompts));
  expect ("anything", 0, NULL);
  expect ("", 0, NULL);
}
END_TEST

START_TEST (a_list)
{
  open_list ("# what must not be\n"
             "[NSFW]\n naked \nBad Thing # a phrase\n\n"
             "[hate speech]\nvillain\nnaïve\n"
             "[a brand]\nAcme\n裸体\nСлово\n");
  ck_assert (dvs_prompts_checks (prompts));
  expect ("a whale|a quiet lake", 0, NULL);
  expect ("a whale|the NAKED truth", 2, NSFW);
  expect ("naked|villain", 1, NSFW);
  expect ("bad thing", 1, NSFW);
  expect ("a bad,  THING!", 1, NSFW);
  expect ("bad-thing", 1, NSFW);
  expect ("bad old thing", 0, NULL);
  expect ("snaked nakedness", 0, NULL);
  expect ("Villain.", 1, HATE);
  expect ("NAIVE", 1, HATE);
  expect ("na\xcc\x88ive naive", 1, HATE);
  expect ("ｎａｋｅｄ", 1, NSFW);
  expect ("na\xe2\x80\x8bked", 1, NSFW);
  expect ("a 裸体 b", 1,
      "This prompt was flagged as a brand. You can't generate "
      "a video with this specified prompt.");
  expect ("画中裸体人", 1,
      "This prompt was flagged as a brand. You can't "
      "generate a video with this specified prompt.");
  expect ("слово", 1,
      "This prompt was flagged as a brand. You can't generate a "
      "video with this specified prompt.");
  expect ("a\xff", 1,
      "This prompt was flagged as text that is no UTF-8. You "
      "can't generate a video with this specified prompt.");
}
END_TEST

START_TEST (more_than_can_be_checked)
{
  gchar *word = g_strnfill (300, '|'), *text = g_strnfill (262145, 'x');

  open_list ("bad\n");
  expect (word, 257,
      "This prompt was flagged as too much text at a time. You can't generate "
      "a video with this specified prompt.");
  expect (text, 1,
      "This prompt was flagged as too much text at a time. You can't generate "
      "a video with this specified prompt.");
  text[262144] = '\0';
  expect (text, 0, NULL);
  g_free (text);
  g_free (word);
}
END_TEST

START_TEST (a_list_without_headings)
{
  open_list ("\xef\xbb\xbf"
             "first\r\nstraße\r\n");
  expect ("a FIRST one", 1,
      "This prompt was flagged as not allowed here. You can't generate a video "
      "with this specified prompt.");
  expect ("STRASSE", 1,
      "This prompt was flagged as not allowed here. You can't generate a video "
      "with this specified prompt.");
}
END_TEST

START_TEST (a_list_is_read_again)
{
  open_list ("one\n");
  expect ("two", 0, NULL);
  ck_assert (g_file_set_contents (file, "[nsfw]\ntwo\n", -1, NULL));
  ck_assert (dvs_prompts_reload (prompts, &settings, NULL));
  expect ("two", 1, NSFW);
  expect ("one", 0, NULL);
  ck_assert (g_file_set_contents (file, "\xff", -1, NULL));
  ck_assert (!dvs_prompts_reload (prompts, &settings, NULL));
  expect ("two", 1, NSFW);
}
END_TEST

START_TEST (lists_that_cannot_be_read)
{
  GString *line = g_string_new (NULL);
  GError *error = NULL;

  settings.block_list = (gchar *)"/nowhere/at/all";
  ck_assert_ptr_null (dvs_prompts_new (&settings, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "/nowhere/at/all"));
  g_clear_error (&error);
  for (guint i = 0; i < 33; i++)
    g_string_append (line, "word ");
  ck_assert (g_file_set_contents (file, line->str, -1, NULL));
  ck_assert_ptr_null (dvs_block_list_load (file, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "line 1 has more than 32"));
  g_clear_error (&error);
  g_string_free (line, TRUE);
}
END_TEST

START_TEST (a_classifier)
{
  const gchar *body;

  open_classifier ();
  ck_assert (dvs_prompts_checks (prompts));
  http_answers_say (server, 200, "{\"flagged\":[]}");
  expect ("a \"whale\"|é", 0, NULL);
  body = server->bodies->pdata[0];
  ck_assert_str_eq (body, "{\"texts\":[\"a \\\"whale\\\"\",\"é\"]}");
  ck_assert (
      g_str_has_prefix (server->heads->pdata[0], "POST /classify HTTP/1.1"));
  http_answers_say (server, 200,
      "{\"flagged\":[{\"index\":2,\"category\":\"nsfw\"},"
      "{\"index\":1,\"category\":\"hate\",\"score\":0.9}],\"model\":\"x\"}");
  expect ("a|b|c", 2, HATE);
  http_answers_say (
      server, 200, "{\"flagged\":[{\"index\":0,\"category\":\"NSFW\"}]}");
  expect ("a", 1, NSFW);
  http_answers_say (server, 200, "{\"flagged\":[{\"index\":0}]}");
  expect ("a", 1,
      "This prompt was flagged as not allowed here. You can't "
      "generate a video with this specified prompt.");
}
END_TEST

static const gchar *const no_answers[] = {"", "no", "[]", "{}",
    "{\"flagged\":null}", "{\"flagged\":{}}", "{\"flagged\":[0]}",
    "{\"flagged\":[{}]}", "{\"flagged\":[{\"index\":1}]}",
    "{\"flagged\":[{\"index\":-1}]}", "{\"flagged\":[{\"index\":\"0\"}]}",
    "{\"flagged\":[]} more"};

#define UNCHECKED "The prompt could not be checked. Try again later."

START_TEST (a_classifier_that_fails_refuses)
{
  open_classifier ();
  for (guint i = 0; i < G_N_ELEMENTS (no_answers); i++) {
    http_answers_say (server, 200, no_answers[i]);
    expect ("a", 1, UNCHECKED);
  }
  http_answers_say (server, 500, "{\"flagged\":[]}");
  expect ("a", 1, UNCHECKED);
  server->manner = HTTP_DROP;
  expect ("a", 1, UNCHECKED);
  server->manner = HTTP_HUGE;
  expect ("a", 1, UNCHECKED);
}
END_TEST

START_TEST (a_classifier_that_is_silent)
{
  settings.safety_timeout_ms = 100;
  open_classifier ();
  server->manner = HTTP_NEVER;
  expect ("a", 1, UNCHECKED);
}
END_TEST

START_TEST (a_classifier_that_fails_may_allow)
{
  settings.safety_allow = TRUE;
  open_classifier ();
  http_answers_say (server, 200, "{\"flagged\":[{\"index\":0},{}]}");
  expect ("a", 0, NULL);
  http_answers_say (server, 200, "{\"flagged\":[{\"index\":0}]}");
  expect ("a", 1,
      "This prompt was flagged as not allowed here. You can't "
      "generate a video with this specified prompt.");
}
END_TEST

START_TEST (the_list_comes_first)
{
  ck_assert (g_file_set_contents (file, "[nsfw]\nbad\n", -1, NULL));
  settings.block_list = file;
  open_classifier ();
  server->manner = HTTP_NEVER;
  expect ("bad", 1, NSFW);
  ck_assert_uint_eq (server->connections, 0);
}
END_TEST

START_TEST (nothing_after_cancelling)
{
  static const gchar *const texts[] = {"a", NULL};
  GCancellable *cancellable = g_cancellable_new ();

  open_classifier ();
  server->manner = HTTP_NEVER;
  dvs_prompts_check (prompts, texts, cancellable, on_checked, &said);
  while (server->heads->len == 0)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (cancellable);
  ck_assert (http_wait (&server->gone));
  ck_assert_uint_eq (said.n, 0);
  g_object_unref (cancellable);
}
END_TEST

START_TEST (a_wrong_address)
{
  GError *error = NULL;

  settings.safety_url = g_strdup ("http://u:secret@x/");
  ck_assert_ptr_null (dvs_prompts_new (&settings, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "prompt classifier: "));
  ck_assert_ptr_null (strstr (error->message, "secret"));
  g_clear_error (&error);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("safety");
  TCase *tests = tcase_create ("safety");
  SRunner *runner;
  int failed;

  g_log_set_writer_func (on_log, NULL, NULL);
  tcase_set_timeout (tests, 60);
  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, off);
  tcase_add_test (tests, a_list);
  tcase_add_test (tests, more_than_can_be_checked);
  tcase_add_test (tests, a_list_without_headings);
  tcase_add_test (tests, a_list_is_read_again);
  tcase_add_test (tests, lists_that_cannot_be_read);
  tcase_add_test (tests, a_classifier);
  tcase_add_test (tests, a_classifier_that_fails_refuses);
  tcase_add_test (tests, a_classifier_that_is_silent);
  tcase_add_test (tests, a_classifier_that_fails_may_allow);
  tcase_add_test (tests, the_list_comes_first);
  tcase_add_test (tests, nothing_after_cancelling);
  tcase_add_test (tests, a_wrong_address);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
