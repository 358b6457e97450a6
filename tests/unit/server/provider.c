/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of provider.c: descriptions of providers and where keys come from.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "provider.h"

#define URL "url=https://api.example/v1,"

static void
set_up (void)
{
  g_setenv ("DVS_TEST_KEY", " sk-secret ", TRUE);
  g_unsetenv ("CEREBRAS_API_KEY");
  g_unsetenv ("GROQ_API_KEY");
}

static gchar *
address (const DvsProvider *provider)
{
  return g_uri_to_string (provider->uri);
}

START_TEST (a_whole_description)
{
  DvsProvider *provider = dvs_provider_parse (
      "name=groq, url=https://api.groq.com/openai/v1, key-env=DVS_TEST_KEY, "
      "model=openai/gpt-oss-120b, max-completion-tokens=3000, "
      "model:small=openai/gpt-oss-20b,",
      NULL);
  gchar *url;

  ck_assert_ptr_nonnull (provider);
  url = address (provider);
  ck_assert_str_eq (url, "https://api.groq.com/openai/v1/chat/completions");
  g_free (url);
  ck_assert_str_eq (provider->name, "groq");
  ck_assert_str_eq (provider->key, "sk-secret");
  ck_assert_uint_eq (provider->max_completion_tokens, 3000);
  ck_assert_str_eq (
      dvs_provider_model (provider, "usual", "usual"), "openai/gpt-oss-120b");
  ck_assert_str_eq (
      dvs_provider_model (provider, NULL, "usual"), "openai/gpt-oss-120b");
  ck_assert_str_eq (
      dvs_provider_model (provider, "small", "usual"), "openai/gpt-oss-20b");
  ck_assert_str_eq (dvs_provider_model (provider, "new", "usual"), "new");
  dvs_provider_free (provider);
}
END_TEST

START_TEST (a_server_without_a_key)
{
  DvsProvider *provider =
      dvs_provider_parse ("name=local,url=http://[::1]:8000,model=m", NULL);
  gchar *url = address (provider);

  ck_assert_str_eq (url, "http://[::1]:8000/chat/completions");
  g_free (url);
  ck_assert_ptr_null (provider->key);
  dvs_provider_free (provider);
}
END_TEST

START_TEST (a_key_in_a_file)
{
  gchar *path = NULL, *text;
  gint fd = g_file_open_tmp (NULL, &path, NULL);
  DvsProvider *provider;
  GError *error = NULL;

  g_close (fd, NULL);
  text = g_strdup_printf ("name=a," URL "model=m,key-file=%s", path);
  ck_assert (g_file_set_contents (path, "sk-file\n", -1, NULL));
  provider = dvs_provider_parse (text, NULL);
  ck_assert_str_eq (provider->key, "sk-file");
  dvs_provider_free (provider);
  ck_assert (g_file_set_contents (path, "sk secret\n", -1, NULL));
  ck_assert_ptr_null (dvs_provider_parse (text, &error));
  ck_assert_ptr_nonnull (strstr (error->message, path));
  ck_assert_ptr_null (strstr (error->message, "secret"));
  g_clear_error (&error);
  g_unlink (path);
  ck_assert_ptr_null (dvs_provider_parse (text, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "provider a: key-file: "));
  g_clear_error (&error);
  g_free (text);
  g_free (path);
}
END_TEST

static const struct {
  const gchar *text, *says;
} wrong[] = {
    {"", "a provider is described as name=NAME"},
    {"groq", "a provider is described as name=NAME"},
    {"name=", "a provider is described as name=NAME"},
    {"name=A b," URL "model=m", "a provider is described as name=NAME"},
    {"name=a,model=m", "provider a: url is missing"},
    {"name=a," URL, "provider a: model is missing"},
    {"name=a," URL "model=", "provider a: part 3 of its description"},
    {"name=a," URL "model=m,sk-secret", "provider a: part 4 of"},
    {"name=a," URL "model=m,key=sk-secret", "provider a: there is no \"key\""},
    {"name=a,url=ftp://x/,model=m", "provider a: url: the address must be"},
    {"name=a,url=api.example/v1,model=m", "provider a: url: "},
    {"name=a,url=https:///v1,model=m", "provider a: url: "},
    {"name=a,url=https://u:sk-secret@x/v1,model=m", "provider a: url: "},
    {"name=a,url=https://x/v1?key=sk-secret,model=m", "provider a: url: "},
    {"name=a,url=https://x/#y,model=m", "provider a: url: "},
    {"name=a," URL "model=m,max-completion-tokens=0", "from 1 to 1000000"},
    {"name=a," URL "model=m,max-completion-tokens=many", "from 1 to"},
    {"name=a," URL "model=m,key-env=DVS_NO_SUCH",
        "the environment variable DVS_NO_SUCH, which key-env names, is not "
        "set"},
    {"name=a," URL "model=m,key-env=DVS_TEST_KEY,key-file=/x",
        "exclude each other"},
    {"name=a," URL "model=m,model:=x", "there is no \"model:\""},
};

static void
wrong_descriptions_case (guint which)
{
  GError *error = NULL;

  ck_assert_ptr_null (dvs_provider_parse (wrong[which].text, &error));
  ck_assert_msg (strstr (error->message, wrong[which].says) != NULL, "%s: '%s'",
      wrong[which].text, error->message);
  ck_assert_ptr_null (strstr (error->message, "secret"));
  g_clear_error (&error);
}

START_TEST (wrong_descriptions)
{
  for (guint which = 0; which < G_N_ELEMENTS (wrong); which++)
    wrong_descriptions_case (which);
}
END_TEST

START_TEST (an_empty_key)
{
  GError *error = NULL;

  g_setenv ("DVS_TEST_KEY", "", TRUE);
  ck_assert_ptr_null (dvs_provider_parse (
      "name=a," URL "model=m,key-env=DVS_TEST_KEY", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "DVS_TEST_KEY is empty"));
  g_clear_error (&error);
}
END_TEST

/* The names, with spaces between. */
static void
expect_names (const gchar *texts, const gchar *names)
{
  gchar **list = texts ? g_strsplit (texts, ";", -1) : NULL;
  GPtrArray *providers = dvs_providers_parse (list, NULL);
  GString *found = g_string_new (NULL);

  ck_assert_ptr_nonnull (providers);
  for (guint i = 0; i < providers->len; i++)
    g_string_append_printf (found, "%s%s", i ? " " : "",
        ((DvsProvider *)providers->pdata[i])->name);
  ck_assert_str_eq (found->str, names);
  g_string_free (found, TRUE);
  g_ptr_array_unref (providers);
  g_strfreev (list);
}

START_TEST (which_there_are)
{
  gchar **twice =
      g_strsplit ("name=a," URL "model=m;name=a," URL "model=n", ";", -1);
  GError *error = NULL;

  expect_names (NULL, "");
  expect_names ("none", "");
  expect_names ("name=a," URL "model=m;name=b," URL "model=m", "a b");
  g_setenv ("GROQ_API_KEY", "sk-x", TRUE);
  expect_names (NULL, "groq");
  g_setenv ("CEREBRAS_API_KEY", "sk-y", TRUE);
  expect_names (NULL, "cerebras groq");
  expect_names ("none", "");
  expect_names ("name=a," URL "model=m", "a");
  ck_assert_ptr_null (dvs_providers_parse (twice, &error));
  ck_assert_str_eq (error->message, "provider a: two have this name");
  g_clear_error (&error);
  g_strfreev (twice);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("provider");
  TCase *tests = tcase_create ("provider");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, NULL);
  tcase_add_test (tests, a_whole_description);
  tcase_add_test (tests, a_server_without_a_key);
  tcase_add_test (tests, a_key_in_a_file);
  tcase_add_test (tests, wrong_descriptions);
  tcase_add_test (tests, an_empty_key);
  tcase_add_test (tests, which_there_are);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
