/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of settings.c: defaults, key files, flags, and errors that name file,
 * key, value and what is allowed.
 */
#include <check.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "settings.h"

static DvsSettings *settings;
static gchar *file;
static GError *error;

static void
set_up (void)
{
  gint fd = g_file_open_tmp (NULL, &file, NULL);

  ck_assert_int_ge (fd, 0);
  g_close (fd, NULL);
  settings = dvs_settings_new ();
  error = NULL;
}

static void
tear_down (void)
{
  g_unlink (file);
  g_free (file);
  g_clear_error (&error);
  dvs_settings_free (settings);
}

static gboolean
reads (const gchar *text)
{
  ck_assert (g_file_set_contents (file, text, -1, NULL));
  return dvs_settings_read (settings, file, &error);
}

/* It is refused in a sentence that has all of these. */
static void
refused (const gchar *text, const gchar *first, const gchar *second)
{
  ck_assert (!reads (text));
  ck_assert_msg (strstr (error->message, file) &&
                     strstr (error->message, first) &&
                     strstr (error->message, second),
      "'%s' lacks '%s' or '%s'", error->message, first, second);
  g_clear_error (&error);
}

START_TEST (defaults)
{
  ck_assert_str_eq (settings->address, "127.0.0.1");
  ck_assert_uint_eq (settings->port, 8009);
  ck_assert_uint_eq (settings->max_message_bytes, 21 << 20);
  ck_assert_uint_eq (settings->fps_n, 24);
  ck_assert_uint_eq (settings->fps_d, 1);
  ck_assert_uint_eq (settings->session_timeout_s, 300);
  ck_assert_uint_eq (settings->segment_cap, 6);
  ck_assert_uint_eq (settings->seed, 10);
  ck_assert (settings->warmup && settings->log_prompts);
  ck_assert_ptr_null (settings->model);
  ck_assert_str_eq (dvs_settings_device (settings, 3), "auto");
  ck_assert (dvs_settings_check (settings, &error));
}
END_TEST

START_TEST (a_key_file)
{
  ck_assert_msg (
      reads ("[server]\nport = 9000\nallowed_origins=https://a.example; "
             "https://b.example\n\n[slots]\nslots=3\ndevices=cuda:0;cuda:1\n"
             "fps=24000/1001\nwarmup=no\npace=0.5\nmemory_budget=2G\n"
             "[prompts]\nproviders=name=x,url=http://x/v1,model=y\n"),
      "%s", error ? error->message : "");
  ck_assert_uint_eq (settings->port, 9000);
  ck_assert_str_eq (settings->allowed_origins[1], "https://b.example");
  ck_assert_str_eq (dvs_settings_device (settings, 2), "cuda:0");
  ck_assert_uint_eq (settings->fps_d, 1001);
  ck_assert (!settings->warmup);
  ck_assert (settings->pace == 0.5);
  ck_assert_uint_eq (settings->memory_budget, 2ull << 30);
  ck_assert_str_eq (settings->providers[0], "name=x,url=http://x/v1,model=y");
}
END_TEST

START_TEST (wrong_files)
{
  refused ("[server]\nport=70000\n", "port", "from 0 to 65535, not '70000'");
  refused ("[server]\nport=-1\n", "port", "'-1'");
  refused ("[server]\nport=\n", "port", "''");
  refused ("[server]\nprot=1\n", "'prot'", "[server]");
  refused ("[server]\nslots=1\n", "'slots'", "[slots]");
  refused ("[severs]\nport=1\n", "[severs]", "[sessions]");
  refused ("port=1\n", "cannot be read", "");
  refused ("[slots]\nfps=1/0\n", "fps", "24000/1001");
  refused ("[slots]\nfps=1/2/3\n", "fps", "'1/2/3'");
  refused ("[slots]\nwarmup=perhaps\n", "warmup", "true or false");
  refused ("[slots]\npace=nan\n", "pace", "'nan'");
  refused ("[slots]\nmemory_budget=99999999999999999999\n", "memory_budget",
      "K, M or G");
  refused ("[slots]\nmemory_budget=99999999999999G\n", "memory_budget", "'");
  refused ("[server]\naddress=\xff\n", "address", "");
  g_unlink (file);
  ck_assert (!dvs_settings_read (settings, file, &error));
  ck_assert_ptr_nonnull (strstr (error->message, file));
}
END_TEST

START_TEST (flags)
{
  ck_assert (dvs_settings_set (settings, "loras", "a", "--loras", &error));
  ck_assert (dvs_settings_set (settings, "loras", "b,c", "--loras", &error));
  ck_assert_str_eq (settings->loras[1], "b,c");
  ck_assert_ptr_null (settings->loras[2]);
  dvs_settings_empty (settings, "loras");
  ck_assert_ptr_null (settings->loras);
  ck_assert (dvs_settings_set (settings, "token", "x", "--token", &error));
  ck_assert (dvs_settings_set (settings, "token", "", "--token", &error));
  ck_assert_ptr_null (settings->token);
  ck_assert (!dvs_settings_set (settings, "port", "x", "--port", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "--port"));
  g_clear_error (&error);
  ck_assert (!dvs_settings_set (settings, "nothing", "x", "--nothing", &error));
  ck_assert (dvs_settings_is_switch ("warmup"));
  ck_assert (!dvs_settings_is_switch ("port"));
}
END_TEST

/* What no single key is wrong about. */
START_TEST (checks)
{
  static const gchar *const wrong[][3] = {
      {"tls_key", "/dev/null", "tls_certificate"},
      {"overlap", "121", "overlap"},
      {"width", "101", "even"},
      {"block_list", "/nowhere/at/all", "/nowhere/at/all"},
      {"client_directory", "/dev/null", "not a directory"},
      {"block_list", "/", "is a directory"},
      {"trusted_proxies", "example.org", "IP addresses"},
      {"agent_port", "8009", "differ"},
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (wrong); i++) {
    DvsSettings *other = dvs_settings_new ();
    ck_assert (
        dvs_settings_set (other, wrong[i][0], wrong[i][1], "--flag", &error));
    ck_assert (!dvs_settings_check (other, &error));
    ck_assert_msg (
        strstr (error->message, wrong[i][2]) != NULL, "%s", error->message);
    g_clear_error (&error);
    dvs_settings_free (other);
  }
}
END_TEST

START_TEST (a_reload)
{
  DvsSettings *fresh = dvs_settings_new ();
  gchar *ignored;

  dvs_settings_set (fresh, "allowed_origins", "https://x", "", NULL);
  dvs_settings_set (fresh, "max_unsent_bytes", "1M", "", NULL);
  dvs_settings_set (fresh, "rewrite_temperature", "0.5", "", NULL);
  dvs_settings_set (fresh, "log_prompts", "false", "", NULL);
  ignored = dvs_settings_reload (settings, fresh);
  ck_assert_ptr_null (ignored);
  ck_assert_str_eq (settings->allowed_origins[0], "https://x");
  ck_assert_uint_eq (settings->max_unsent_bytes, 1 << 20);
  ck_assert (settings->rewrite_temperature == 0.5);
  ck_assert (!settings->log_prompts);
  dvs_settings_set (fresh, "port", "1", "", NULL);
  dvs_settings_set (fresh, "slots", "9", "", NULL);
  ignored = dvs_settings_reload (settings, fresh);
  ck_assert_str_eq (ignored, "port, slots");
  ck_assert_uint_eq (settings->port, 8009);
  g_free (ignored);
  dvs_settings_free (fresh);
}
END_TEST

/* What is written is read back; no token is shown; every key is explained. */
START_TEST (texts)
{
  DvsSettings *other = dvs_settings_new ();
  gchar *text, *again, *help = dvs_settings_help (), *kept = NULL;

  dvs_settings_set (settings, "fps", "30000/1001", "", NULL);
  dvs_settings_set (settings, "devices", "cpu", "", NULL);
  dvs_settings_set (settings, "devices", "cuda:1", "", NULL);
  dvs_settings_set (settings, "max_message_bytes", "1048577", "", NULL);
  text = dvs_settings_text (settings, FALSE);
  ck_assert (g_file_set_contents (file, text, -1, NULL));
  ck_assert (dvs_settings_read (other, file, &error));
  again = dvs_settings_text (other, FALSE);
  ck_assert_str_eq (text, again);
  dvs_settings_set (settings, "token", "hush", "", NULL);
  g_free (again);
  again = dvs_settings_text (settings, FALSE);
  ck_assert_ptr_null (strstr (again, "hush"));
  ck_assert_ptr_nonnull (strstr (help, "--max-queue N"));
  ck_assert_ptr_nonnull (strstr (help, "--tls-key FILE"));
  dvs_settings_free (other);
  other = dvs_settings_new ();
  g_free (again);
  again = dvs_settings_text (other, TRUE);
  ck_assert (g_file_get_contents (EXAMPLE, &kept, NULL, NULL));
  ck_assert_msg (strstr (kept, again) != NULL,
      "%s is not what dreamverse-server --print-config prints", EXAMPLE);
  dvs_settings_free (other);
  g_free (kept);
  g_free (text);
  g_free (again);
  g_free (help);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("settings");
  TCase *tests = tcase_create ("settings");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, defaults);
  tcase_add_test (tests, a_key_file);
  tcase_add_test (tests, wrong_files);
  tcase_add_test (tests, flags);
  tcase_add_test (tests, checks);
  tcase_add_test (tests, a_reload);
  tcase_add_test (tests, texts);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
