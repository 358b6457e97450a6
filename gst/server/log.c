/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The session log: see log.h.
 *
 * Threads: the main thread alone.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct DvsLog {
  const DvsSettings *settings;
  DvsMetrics *metrics;
  gchar *path;
  int fd; /* -1: closed, opened by the next event */
  guint64 size;
  gboolean torn; /* the last line was written in part */
  gboolean complained;
};

DvsLog *
dvs_log_new (const DvsSettings *settings, DvsMetrics *metrics)
{
  DvsLog *log = g_new0 (DvsLog, 1);

  log->settings = settings;
  log->metrics = metrics;
  log->path = g_strdup (settings->session_log);
  log->fd = -1;
  return log;
}

static void
log_close (DvsLog *log)
{
  if (log->fd >= 0)
    close (log->fd);
  log->fd = -1;
  log->torn = FALSE;
}

void
dvs_log_free (DvsLog *log)
{
  if (log == NULL)
    return;
  log_close (log);
  g_free (log->path);
  g_free (log);
}

void
dvs_log_reopen (DvsLog *log)
{
  log_close (log);
  log->complained = FALSE;
  g_free (log->path);
  log->path = g_strdup (log->settings->session_log);
}

/* The line is lost. */
static void
complain (DvsLog *log)
{
  if (!log->complained)
    g_warning ("The session log '%s' cannot be written: %s. Lines are lost "
               "until it can.",
        log->path, g_strerror (errno));
  log->complained = TRUE;
  dvs_metrics_observe (log->metrics, DVS_COUNT_LOG_LOST, 1);
}

static gboolean
log_open (DvsLog *log)
{
  struct stat info;

  if (log->fd >= 0)
    return TRUE;
  log->fd = open (
      log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (log->fd < 0)
    return FALSE;
  log->size = fstat (log->fd, &info) == 0 ? (guint64)info.st_size : 0;
  return TRUE;
}

/* file.4 goes, file.3 becomes file.4, …, file becomes file.1. */
static void
rotate (DvsLog *log)
{
  guint i;

  log_close (log);
  for (i = log->settings->session_log_files - 1; i > 0; i--) {
    gchar *to = g_strdup_printf ("%s.%u", log->path, i);
    gchar *from = i > 1 ? g_strdup_printf ("%s.%u", log->path, i - 1)
                        : g_strdup (log->path);
    if (rename (from, to) != 0 && errno != ENOENT)
      g_warning ("Cannot rotate '%s': %s.", from, g_strerror (errno));
    g_free (from);
    g_free (to);
  }
  if (log->settings->session_log_files == 1)
    unlink (log->path);
}

static void
write_line (DvsLog *log, const GString *line)
{
  gssize written;

  if (log_open (log) && log->size &&
      log->size + line->len > log->settings->session_log_bytes)
    rotate (log);
  if (!log_open (log)) {
    complain (log);
    return;
  }
  /* A torn line must not swallow the next. */
  if (log->torn && write (log->fd, "\n", 1) != 1) {
    complain (log);
    return;
  }
  log->torn = FALSE;
  do
    written = write (log->fd, line->str, line->len);
  while (written < 0 && errno == EINTR);
  if (written > 0)
    log->size += (guint64)written;
  if (written == (gssize)line->len) {
    log->complained = FALSE;
    return;
  }
  log->torn = written > 0;
  if (written >= 0)
    errno = ENOSPC;
  complain (log);
}

/* Whether a field holds what somebody wrote, or what was made of it. */
static gboolean
tells_prompts (const gchar *name)
{
  static const gchar *const endings[] = {
      "prompt", "prompts", "instruction", "output", "text", "label"};
  guint i;

  for (i = 0; i < G_N_ELEMENTS (endings); i++)
    if (g_str_has_suffix (name, endings[i]))
      return TRUE;
  return FALSE;
}

static void
drop_prompts (JsonObject *fields)
{
  GList *names = json_object_get_members (fields), *link;

  for (link = names; link; link = link->next)
    if (tells_prompts (link->data))
      json_object_remove_member (fields, link->data);
  g_list_free (names);
}

static gchar *
time_text (void)
{
  GDateTime *now = g_date_time_new_now_utc ();
  gchar *text = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");

  g_date_time_unref (now);
  return text;
}

void
dvs_log_event (
    DvsLog *log, const gchar *event, const gchar *client_id, JsonObject *fields)
{
  JsonNode *node;
  GString *line;
  gchar *text;

  if (log->path == NULL) {
    g_clear_pointer (&fields, json_object_unref);
    return;
  }
  if (fields == NULL)
    fields = json_object_new ();
  if (!log->settings->log_prompts)
    drop_prompts (fields);
  text = time_text ();
  json_object_set_string_member (fields, "ts", text);
  g_free (text);
  json_object_set_string_member (fields, "event", event);
  json_object_set_string_member (fields, "hostname", g_get_host_name ());
  if (client_id)
    json_object_set_string_member (fields, "client_id", client_id);
  node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, fields);
  text = json_to_string (node, FALSE);
  json_node_unref (node);
  line = g_string_new (text);
  g_string_append_c (line, '\n');
  g_free (text);
  write_line (log, line);
  g_string_free (line, TRUE);
}
