/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamverse-server: what it is called with.
 *
 * Threads: the main thread.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "preflight.h"
#include "process.h"
#include "server.h"

#define STATUS_FAILED 1
#define STATUS_USAGE 2

typedef struct {
  gchar *config_file;
  GPtrArray *flags; /* name and value in turn */
  gboolean demo, check, print, help, version;
} Options;

/* What --demo stands for. */
static const gchar *const demo[] = {"address", "127.0.0.1", "port", "8009",
    "slots", "2", "width", "832", "height", "480", "pace", "3", "devtools",
    "true", "providers", "none", NULL};

static void
print_help (void)
{
  gchar *keys = dvs_settings_help ();

  printf ("Usage: dreamverse-server [--config FILE] [--KEY VALUE]...\n"
          "       dreamverse-server --demo [--port N]\n"
          "\n"
          "Streams of video with sound, each steered by its viewer: sessions, "
          "a queue,\nworkers, over Dreamverse's protocol (/ws).\n"
          "\n"
          "  --config FILE                   read keys from FILE; flags count "
          "more\n"
          "  --demo                          drawn streams on 127.0.0.1, "
          "without a model\n"
          "  --gpus all|0,1                  a slot on each of these\n"
          "  --check                         print what would run, and whether "
          "it would\n"
          "  --print-config                  print an example of FILE\n"
          "  --version, --help\n"
          "\n"
          "SIGTERM ends it when the sessions that run are over, SIGHUP reads "
          "FILE again.\n%s",
      keys);
  g_free (keys);
}

/* @name is the key's, as a flag or in the file. */
static void
add_flag (Options *options, const gchar *name, const gchar *value)
{
  gchar *key = g_strdelimit (g_strdup (name), "-", '_');

  g_ptr_array_add (options->flags, key);
  g_ptr_array_add (options->flags, g_strdup (value));
}

static gboolean
add_gpus (Options *options, const gchar *which, GError **error)
{
  gchar **devices = dvs_gpus (which, error), *n;
  guint i;

  if (devices == NULL)
    return FALSE;
  for (i = 0; devices[i]; i++)
    add_flag (options, "devices", devices[i]);
  n = g_strdup_printf ("%u", i);
  add_flag (options, "slots", n);
  g_free (n);
  g_strfreev (devices);
  return TRUE;
}

static gboolean
has_flag (const Options *options, const gchar *key)
{
  guint i;

  for (i = 0; i < options->flags->len; i += 2)
    if (g_str_equal (options->flags->pdata[i], key))
      return TRUE;
  return FALSE;
}

/* What nobody said otherwise. */
static void
add_demo (Options *options)
{
  guint i;

  for (i = 0; demo[i]; i += 2)
    if (!has_flag (options, demo[i]))
      add_flag (options, demo[i], demo[i + 1]);
}

/* TRUE: it stands alone, and was taken. */
static gboolean
take_word (Options *options, const gchar *name)
{
  if (g_str_equal (name, "--help") || g_str_equal (name, "-h"))
    options->help = TRUE;
  else if (g_str_equal (name, "--version"))
    options->version = TRUE;
  else if (g_str_equal (name, "--check"))
    options->check = TRUE;
  else if (g_str_equal (name, "--print-config"))
    options->print = TRUE;
  else if (g_str_equal (name, "--demo"))
    options->demo = TRUE;
  else
    return FALSE;
  return TRUE;
}

static gboolean
is_truth (const gchar *text)
{
  return text && (g_str_equal (text, "true") || g_str_equal (text, "false"));
}

static gboolean
parse (Options *options, int argc, char **argv, GError **error)
{
  int i;

  for (i = 1; i < argc; i++) {
    gchar **parts, *key;
    const gchar *value;
    gboolean is_switch, good = TRUE;

    if (take_word (options, argv[i]))
      continue;
    if (!g_str_has_prefix (argv[i], "--")) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "'%s' is no option; --help lists all.", argv[i]);
      return FALSE;
    }
    parts = g_strsplit (argv[i] + 2, "=", 2);
    key = g_strdelimit (g_strdup (parts[0]), "-", '_');
    is_switch = dvs_settings_is_switch (key);
    value = parts[1];
    if (value == NULL && i + 1 < argc && (!is_switch || is_truth (argv[i + 1])))
      value = argv[++i];
    else if (value == NULL && is_switch)
      value = "true";
    if (value == NULL) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "--%s wants a value, or is not known.", parts[0]);
      good = FALSE;
    } else if (g_str_equal (key, "config")) {
      g_free (options->config_file);
      options->config_file = g_strdup (value);
    } else if (g_str_equal (key, "gpus")) {
      good = add_gpus (options, value, error);
    } else {
      add_flag (options, key, value);
    }
    g_free (key);
    g_strfreev (parts);
    if (!good)
      return FALSE;
  }
  return TRUE;
}

static void
print_example (void)
{
  DvsSettings *settings = dvs_settings_new ();
  gchar *text = dvs_settings_text (settings, TRUE);

  fputs (text, stdout);
  g_free (text);
  dvs_settings_free (settings);
}

/* Takes @settings. */
static int
serve (DvsSettings *settings, const Options *options, GError **error)
{
  gboolean tls = settings->tls_certificate != NULL;
  gchar *address = g_strdup (settings->address);
  DvsServer *server = dvs_server_new (
      settings, options->config_file, (gchar **)options->flags->pdata, error);

  if (server == NULL) {
    g_free (address);
    return STATUS_FAILED;
  }
  printf ("Listening at %s://%s:%u/\n", tls ? "https" : "http", address,
      dvs_server_port (server));
  fflush (stdout);
  dvs_server_run (server);
  dvs_server_free (server);
  g_free (address);
  return 0;
}

static int
act (Options *options, GError **error)
{
  DvsSettings *settings;
  gboolean good;

  if (options->help || options->version || options->print) {
    if (options->help)
      print_help ();
    else if (options->version)
      printf ("dreamverse-server %s\n", VERSION);
    else
      print_example ();
    return 0;
  }
  settings = dvs_server_settings (
      options->config_file, (gchar **)options->flags->pdata, error);
  if (settings == NULL)
    return STATUS_USAGE;
  if (!options->check)
    return serve (settings, options, error);
  good = dvs_preflight (settings);
  dvs_settings_free (settings);
  return good ? 0 : STATUS_FAILED;
}

int
main (int argc, char **argv)
{
  Options options = {0};
  GError *error = NULL;
  int status = STATUS_USAGE;

  if (dvs_child_run (argc, argv, &status))
    return status;
  options.flags = g_ptr_array_new_with_free_func (g_free);
  setlocale (LC_ALL, "");
  signal (SIGPIPE, SIG_IGN);
  if (parse (&options, argc, argv, &error)) {
    if (options.demo)
      add_demo (&options);
    g_ptr_array_add (options.flags, NULL);
    status = act (&options, &error);
  }
  if (error)
    fprintf (stderr, "dreamverse-server: %s\n", error->message);
  g_clear_error (&error);
  g_ptr_array_unref (options.flags);
  g_free (options.config_file);
  return status;
}
