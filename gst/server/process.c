/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Worker processes: see process.h.
 *
 * Threads: see process.h.
 */
#include "process.h"

#include <errno.h>
#include <gio/gfiledescriptorbased.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "wssource.h"

/* One that was asked to go, or closed its channel, has this long. */
#define GO_MS 1000
#define CLOSED_MS 200
/* A line of what a worker says; longer ones are cut into several. */
#define LINE_MAX_BYTES 1000
#define READ_BYTES 4096

struct DvsProcess {
  guint refs; /* the owner's, and the child's until it is reaped */
  guint number;
  const DvsProcessEvents *events; /* NULL: freed */
  gpointer user;
  GSubprocess *child;
  GPid pid;
  DvsChannel *channel; /* NULL: closed */
  gchar *why;          /* known before it died */
  guint64 oom_kills;   /* of the machine, when it started */
  guint kill_timer;
  gboolean reaped, told;

  GSource *errors; /* its standard error */
  int error_fd;
  GString *line;
};

static void
process_unref (DvsProcess *process)
{
  if (--process->refs)
    return;
  g_clear_object (&process->child);
  g_string_free (process->line, TRUE);
  g_free (process->why);
  g_free (process);
}

/* ---- what it says ---- */

static void
say_line (DvsProcess *process)
{
  gchar *valid;

  if (!process->line->len)
    return;
  valid = g_utf8_make_valid (process->line->str, (gssize)process->line->len);
  g_message ("slot %u: %s", process->number, valid);
  g_free (valid);
  g_string_truncate (process->line, 0);
}

static void
take_text (DvsProcess *process, const gchar *text, gsize size)
{
  gsize i;

  for (i = 0; i < size; i++) {
    if (text[i] == '\n' || process->line->len >= LINE_MAX_BYTES)
      say_line (process);
    if (text[i] != '\n')
      g_string_append_c (process->line, text[i]);
  }
}

/* Bytes read; at most 0: none now, or no more. */
static gssize
read_errors (DvsProcess *process)
{
  gchar text[READ_BYTES];
  gssize got = read (process->error_fd, text, sizeof text);

  if (got > 0) {
    take_text (process, text, (gsize)got);
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    say_line (process);
    ws_source_drop (&process->errors);
  }
  return got;
}

static gboolean
errors_readable (gint fd, GIOCondition condition, gpointer data)
{
  read_errors (data);
  return G_SOURCE_CONTINUE;
}

static void
listen_to_errors (DvsProcess *process)
{
  GInputStream *stream = g_subprocess_get_stderr_pipe (process->child);

  process->error_fd =
      g_file_descriptor_based_get_fd (G_FILE_DESCRIPTOR_BASED (stream));
  g_unix_set_fd_nonblocking (process->error_fd, TRUE, NULL);
  process->errors = ws_source_watch (
      NULL, process->error_fd, G_IO_IN | G_IO_HUP, errors_readable, process);
}

/* ---- how it died ---- */

/* Processes that this machine has killed because memory ran out, in whatever
 * control group. */
static guint64
oom_kills (void)
{
  gchar *text = NULL, *at;
  guint64 kills = 0;

  if (g_file_get_contents ("/proc/vmstat", &text, NULL, NULL) &&
      (at = strstr (text, "\noom_kill ")))
    kills = g_ascii_strtoull (at + strlen ("\noom_kill "), NULL, 10);
  g_free (text);
  return kills;
}

static gchar *
describe_death (DvsProcess *process)
{
  gint number;

  if (process->why)
    return g_strdup (process->why);
  if (g_subprocess_get_if_exited (process->child))
    return g_strdup_printf (
        "The worker of slot %u ended by itself (status %d).", process->number,
        g_subprocess_get_exit_status (process->child));
  number = g_subprocess_get_term_sig (process->child);
  if (number == SIGKILL && oom_kills () > process->oom_kills)
    return g_strdup_printf ("The worker of slot %u was killed because memory "
                            "ran out.",
        process->number);
  return g_strdup_printf ("The worker of slot %u was ended by signal %d (%s).",
      process->number, number, g_strsignal (number));
}

static void
tell_death (DvsProcess *process)
{
  gchar *why;

  if (process->told || !process->events)
    return;
  process->told = TRUE;
  why = describe_death (process);
  process->events->died (process->user, why);
  g_free (why);
}

static void
child_gone (GObject *object, GAsyncResult *result, gpointer data)
{
  DvsProcess *process = data;

  g_subprocess_wait_finish (G_SUBPROCESS (object), result, NULL);
  process->reaped = TRUE;
  g_clear_handle_id (&process->kill_timer, g_source_remove);
  /* What it said last is read before it is told dead. */
  while (process->errors && read_errors (process) > 0)
    ;
  say_line (process);
  ws_source_drop (&process->errors);
  /* What it said before it died comes first. */
  if (process->channel == NULL)
    tell_death (process);
  process_unref (process);
}

static gboolean
kill_now (gpointer data)
{
  DvsProcess *process = data;

  process->kill_timer = 0;
  if (!process->reaped)
    g_subprocess_force_exit (process->child);
  return G_SOURCE_REMOVE;
}

static void
kill_within (DvsProcess *process, guint ms)
{
  g_clear_handle_id (&process->kill_timer, g_source_remove);
  if (!process->reaped)
    process->kill_timer = g_timeout_add (ms, kill_now, process);
}

/* ---- the channel ---- */

static void
channel_message (gpointer user, JsonObject *message, int fd)
{
  DvsProcess *process = user;

  if (fd >= 0) /* a worker has none to give */
    close (fd);
  process->events->message (process->user, message);
}

static void
channel_closed (gpointer user, const gchar *why)
{
  DvsProcess *process = user;

  g_clear_pointer (&process->channel, dvs_channel_free);
  if (why && !process->why)
    process->why = g_strdup (why);
  if (process->reaped)
    tell_death (process);
  else
    kill_within (process, CLOSED_MS);
}

static const DvsChannelEvents channel_events = {
    channel_message, channel_closed};

void
dvs_process_send (DvsProcess *process, JsonObject *message, int fd)
{
  if (process->channel) {
    dvs_channel_send (process->channel, message, fd);
    return;
  }
  json_object_unref (message);
  if (fd >= 0)
    close (fd);
}

/* ---- life ---- */

static GSubprocess *
spawn (guint number, int fd, GError **error)
{
  GSubprocessLauncher *launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  gchar *parent = g_strdup_printf ("%d", (int)getpid ());
  gchar *name = g_strdup_printf ("%u", number);
  GSubprocess *child;

  /* All other descriptors are closed in the child. */
  g_subprocess_launcher_take_fd (launcher, fd, DVS_WORKER_FD);
  child = g_subprocess_launcher_spawn (
      launcher, error, "/proc/self/exe", DVS_WORKER_OPTION, parent, name, NULL);
  g_object_unref (launcher);
  g_free (parent);
  g_free (name);
  return child;
}

DvsProcess *
dvs_process_new (
    guint number, const DvsProcessEvents *events, gpointer user, GError **error)
{
  guint64 kills = oom_kills ();
  DvsProcess *process;
  GSubprocess *child;
  int ends[2];

  if (!dvs_channel_pair (ends, error))
    return NULL;
  child = spawn (number, ends[1], error);
  if (!child) {
    close (ends[0]);
    return NULL;
  }
  process = g_new0 (DvsProcess, 1);
  process->refs = 2;
  process->number = number;
  process->events = events;
  process->user = user;
  process->child = child;
  process->pid =
      (GPid)g_ascii_strtoll (g_subprocess_get_identifier (child), NULL, 10);
  process->oom_kills = kills;
  process->line = g_string_new (NULL);
  process->channel = dvs_channel_new (ends[0], &channel_events, process);
  listen_to_errors (process);
  g_subprocess_wait_async (child, NULL, child_gone, process);
  return process;
}

void
dvs_process_free (DvsProcess *process)
{
  process->events = NULL;
  g_clear_pointer (&process->channel, dvs_channel_free);
  kill_within (process, GO_MS);
  process_unref (process);
}

void
dvs_process_kill (DvsProcess *process, const gchar *why)
{
  if (!process->why)
    process->why = g_strdup (why);
  kill_within (process, 0);
}

GPid
dvs_process_pid (const DvsProcess *process)
{
  return process->pid;
}
