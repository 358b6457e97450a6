/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of what is configured: system prompts in their directory, the body of
 * /prompt-system-config and its change, and what --check prints.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "prompts.h"

static DvsSettings settings;
static DvsPrompts *prompts;

static void
set_up (void)
{
  g_unsetenv ("CEREBRAS_API_KEY");
  g_unsetenv ("GROQ_API_KEY");
  g_setenv ("DVS_TEST_KEY", "sk-very-secret", TRUE);
  memset (&settings, 0, sizeof settings);
  settings.rewrite_model = g_strdup ("usual");
  settings.rewrite_models = g_strsplit ("usual,other", ",", -1);
  settings.rewrite_temperature = 1;
  settings.providers = g_strsplit ("name=a,url=http://127.0.0.1:1/v1/,"
                                   "key-env=DVS_TEST_KEY,model=vendor/usual",
      ";", -1);
}

static void
tear_down (void)
{
  g_clear_pointer (&prompts, dvs_prompts_free);
  g_strfreev (settings.providers);
  g_strfreev (settings.rewrite_models);
  g_free (settings.rewrite_model);
  g_free (settings.prompt_directory);
}

static void
open_prompts (void)
{
  prompts = dvs_prompts_new (&settings, NULL);
  ck_assert_ptr_nonnull (prompts);
}

static JsonObject *
object (const gchar *text)
{
  JsonNode *node = json_from_string (text, NULL);
  JsonObject *parsed = json_node_dup_object (node);

  json_node_unref (node);
  return parsed;
}

/* The status; @detail must have @says. */
static guint
change (const gchar *text, const gchar *says)
{
  JsonObject *changes = object (text);
  gchar *detail = NULL;
  guint status = 0;
  gboolean done = dvs_prompts_set_config (prompts, changes, &status, &detail);

  ck_assert (done == (status == 200));
  ck_assert (done == (detail == NULL));
  if (says)
    ck_assert_msg (
        detail && strstr (detail, says), "'%s' lacks '%s'", detail, says);
  g_free (detail);
  json_object_unref (changes);
  return status;
}

static gchar *
configured (const gchar *name)
{
  JsonObject *config = dvs_prompts_config (prompts);
  JsonNode *node = json_object_get_member (config, name);
  gchar *text = json_to_string (node, FALSE);

  json_object_unref (config);
  return text;
}

static void
expect_configured (const gchar *name, const gchar *text)
{
  gchar *is = configured (name);

  ck_assert_str_eq (is, text);
  g_free (is);
}

static void
remove_directory (const gchar *path)
{
  GDir *directory = g_dir_open (path, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (directory))) {
    gchar *file = g_build_filename (path, name, NULL);

    g_unlink (file);
    g_free (file);
  }
  g_dir_close (directory);
  g_rmdir (path);
}

START_TEST (configuration_is_kept)
{
  gchar *path, *quoted;

  settings.prompt_directory = g_dir_make_tmp (NULL, NULL);
  open_prompts ();
  expect_configured ("rewrite_model", "\"usual\"");
  expect_configured ("rewrite_model_options", "[\"usual\",\"other\"]");
  path = g_build_filename (
      settings.prompt_directory, "auto_extension_system_prompt.txt", NULL);
  quoted = g_strdup_printf ("\"%s\"", path);
  expect_configured ("auto_extension_system_prompt_path", quoted);
  g_free (quoted);

  ck_assert_uint_eq (
      change ("{\"auto_extension_system_prompt\":\" go on \\u00e9 \","
              "\"rewrite_model\":\"other\",\"rewrite_temperature\":0.5,"
              "\"unknown\":[]}",
          NULL),
      200);
  expect_configured ("auto_extension_system_prompt", "\"go on é\"");
  expect_configured ("rewrite_model", "\"other\"");
  expect_configured ("rewrite_temperature", "0.5");
  ck_assert (g_file_test (path, G_FILE_TEST_IS_REGULAR));
  g_free (path);

  /* Others find it there. */
  dvs_prompts_free (prompts);
  prompts = dvs_prompts_new (&settings, NULL);
  expect_configured ("auto_extension_system_prompt", "\"go on é\"");
  expect_configured ("rewrite_model", "\"other\"");
  expect_configured ("rewrite_temperature", "0.5");
  ck_assert_str_eq (dvs_prompts_model (prompts, NULL), "other");
  ck_assert_str_eq (dvs_prompts_model (prompts, "usual"), "usual");
  ck_assert_str_eq (dvs_prompts_model (prompts, "nobody's"), "other");
  remove_directory (settings.prompt_directory);
}
END_TEST

START_TEST (configuration_is_checked)
{
  static const gchar *const wrong[][2] = {
      {"{\"next_segment_system_prompt\":\"\"}", "must not be empty"},
      {"{\"next_segment_system_prompt\":\" \\n\\t\"}", "must not be empty"},
      {"{\"rewrite_user_system_prompt\":7}", "must be a string"},
      {"{\"rewrite_window_system_prompt\":{}}", "must be a string"},
      {"{\"rewrite_model\":\"gpt-9\"}", "Unsupported rewrite model: gpt-9."},
      {"{\"rewrite_model\":9}", "Unsupported rewrite model"},
      {"{\"rewrite_temperature\":\"hot\"}", "must be a number"},
      {"{\"rewrite_temperature\":3}", "from 0 to 2"},
      {"{\"rewrite_temperature\":1,\"rewrite_model\":\"x\"}", "Unsupported"}};
  gchar *before;

  settings.prompt_directory = g_dir_make_tmp (NULL, NULL);
  open_prompts ();
  before = configured ("next_segment_system_prompt");
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    ck_assert_uint_eq (change (wrong[i][0], wrong[i][1]), 400);
  expect_configured ("next_segment_system_prompt", before);
  expect_configured ("rewrite_temperature", "1.0");
  ck_assert_uint_eq (change ("{}", NULL), 200);
  ck_assert_uint_eq (change ("{\"rewrite_model\":null}", NULL), 200);
  g_free (before);
  /* It cannot be written there any more. */
  remove_directory (settings.prompt_directory);
  ck_assert_uint_eq (change ("{\"rewrite_temperature\":2}", "saved"), 500);
}
END_TEST

START_TEST (configuration_needs_a_place)
{
  open_prompts ();
  expect_configured ("rewrite_user_system_prompt_path", "\"built in\"");
  ck_assert_uint_eq (
      change ("{\"rewrite_temperature\":2}", "prompt_directory"), 500);
}
END_TEST

START_TEST (a_directory_with_a_wrong_file)
{
  static const struct {
    const gchar *name, *text, *says;
  } cases[] = {{"rewrite_user_system_prompt.txt", "", "must not be empty"},
      {"single_clip_system_prompt.txt", "\xff", "UTF-8"},
      {"rewrite.conf", "model", "rewrite.conf"}};
  GError *error = NULL;

  settings.prompt_directory = g_dir_make_tmp (NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *path =
        g_build_filename (settings.prompt_directory, cases[i].name, NULL);

    ck_assert (g_file_set_contents (path, cases[i].text, -1, NULL));
    ck_assert_ptr_null (dvs_prompts_new (&settings, &error));
    ck_assert_ptr_nonnull (strstr (error->message, cases[i].says));
    g_clear_error (&error);
    g_unlink (path);
    g_free (path);
  }
  remove_directory (settings.prompt_directory);
}
END_TEST

START_TEST (a_description_without_secrets)
{
  gchar *text;

  open_prompts ();
  text = dvs_prompts_describe (prompts);
  ck_assert_ptr_nonnull (strstr (text, "prompts: a, model vendor/usual, at "));
  ck_assert_ptr_nonnull (strstr (text, "with a key\n"));
  ck_assert_ptr_nonnull (strstr (text, "prompt safety: off\n"));
  ck_assert_ptr_null (strstr (text, "secret"));
  g_free (text);
}
END_TEST

START_TEST (counts_that_monitors_look_for)
{
  gchar *text;
  JsonNode *node = json_node_alloc ();

  open_prompts ();
  json_node_init_object (node, dvs_prompts_successes (prompts));
  text = json_to_string (node, FALSE);
  ck_assert_str_eq (text, "{\"cerebras\":0,\"groq\":0}");
  g_free (text);
  json_object_unref (json_node_get_object (node));
  json_node_unref (node);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("prompts-config");
  TCase *tests = tcase_create ("prompts-config");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, configuration_is_kept);
  tcase_add_test (tests, configuration_is_checked);
  tcase_add_test (tests, configuration_needs_a_place);
  tcase_add_test (tests, a_directory_with_a_wrong_file);
  tcase_add_test (tests, a_description_without_secrets);
  tcase_add_test (tests, counts_that_monitors_look_for);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
