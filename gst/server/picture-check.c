/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Has a picture decoded: see slot.h and picture-decode.h.
 *
 * Threads: the main thread alone.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"
#include "slot.h"

#define PATIENCE_S 10

typedef struct {
  GSubprocess *child;
  GCancellable *cancellable;
  gulong cancel_handler;
  guint timer;
  gchar *path; /* NULL: there is none */
  DvsPictureFunc done;
  gpointer user;
} Check;

/* The bytes as a file without a name: who reads it finds its end. */
static int
as_file (GBytes *bytes)
{
  gsize size, at = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  int fd = memfd_create ("picture", MFD_CLOEXEC);

  while (fd >= 0 && at < size) {
    gssize got = write (fd, data + at, size - at);

    if (got > 0) {
      at += (gsize)got;
    } else if (errno != EINTR) {
      close (fd);
      return -1;
    }
  }
  if (fd >= 0)
    lseek (fd, 0, SEEK_SET);
  return fd;
}

static void
check_free (Check *check)
{
  g_clear_handle_id (&check->timer, g_source_remove);
  if (check->cancellable)
    g_cancellable_disconnect (check->cancellable, check->cancel_handler);
  g_clear_object (&check->cancellable);
  g_clear_object (&check->child);
  if (check->path)
    g_unlink (check->path);
  g_free (check->path);
  g_free (check);
}

static void
check_end (Check *check, gboolean good)
{
  if (!check->cancellable || !g_cancellable_is_cancelled (check->cancellable))
    check->done (check->user, good ? g_steal_pointer (&check->path) : NULL);
  check_free (check);
}

static void
child_gone (GObject *object, GAsyncResult *result, gpointer data)
{
  GSubprocess *child = G_SUBPROCESS (object);

  g_subprocess_wait_finish (child, result, NULL);
  check_end (data, g_subprocess_get_if_exited (child) &&
                       g_subprocess_get_exit_status (child) == 0);
}

static gboolean
too_late (gpointer data)
{
  Check *check = data;

  check->timer = 0;
  g_subprocess_force_exit (check->child);
  return G_SOURCE_REMOVE;
}

static void
cancelled (GCancellable *cancellable, Check *check)
{
  if (check->child)
    g_subprocess_force_exit (check->child);
}

static gboolean
not_started (gpointer data)
{
  check_end (data, FALSE);
  return G_SOURCE_REMOVE;
}

static GSubprocess *
spawn (int picture, int output)
{
  GSubprocessLauncher *launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  GSubprocess *child;

  g_subprocess_launcher_take_stdin_fd (launcher, picture);
  g_subprocess_launcher_take_stdout_fd (launcher, output);
  child = g_subprocess_launcher_spawn (
      launcher, NULL, "/proc/self/exe", DVS_PICTURE_OPTION, NULL);
  g_object_unref (launcher);
  return child;
}

void
dvs_picture_check (GBytes *bytes, GCancellable *cancellable,
    DvsPictureFunc done, gpointer user)
{
  Check *check = g_new0 (Check, 1);
  int picture = as_file (bytes), output;

  check->done = done;
  check->user = user;
  output = g_file_open_tmp ("dreamverse-XXXXXX.png", &check->path, NULL);
  if (picture >= 0 && output >= 0) {
    check->child = spawn (picture, output);
  } else {
    if (picture >= 0)
      close (picture);
    if (output >= 0)
      close (output);
  }
  if (cancellable) {
    check->cancellable = g_object_ref (cancellable);
    check->cancel_handler = g_cancellable_connect (
        cancellable, G_CALLBACK (cancelled), check, NULL);
  }
  if (!check->child) {
    g_idle_add (not_started, check);
    return;
  }
  check->timer = g_timeout_add_seconds (PATIENCE_S, too_late, check);
  g_subprocess_wait_async (check->child, NULL, child_gone, check);
}
