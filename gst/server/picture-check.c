/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Has pictures decoded: see picture-check.h.
 *
 * Threads: see picture-check.h; what a thread does is said there.
 */
#include "picture-check.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"
#include "session-image.h"

#define PATIENCE_S 10
/* Each may take a processor, and half a gigabyte of disk. */
#define AT_ONCE 4

struct DvsPictures {
  guint refs; /* the owner's, and that of each that is looked at */
  guint running;
  GQueue waiting; /* of Check */
};

typedef struct {
  DvsPictures *pictures;
  GList link; /* of those that wait */
  GBytes *text;
  gboolean waiting;
  GSubprocess *child;
  GCancellable *cancellable;
  gulong cancel_handler;
  guint timer;
  gchar *path; /* NULL: there is none */
  DvsPictureFunc done;
  gpointer user;
} Check;

static void
pictures_unref (DvsPictures *pictures)
{
  if (--pictures->refs == 0)
    g_free (pictures);
}

/* ---- in a thread ---- */

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

typedef struct {
  GBytes *text;
  const gchar *problem;
  int file;
} Decoding;

static void
decoding_free (gpointer data)
{
  Decoding *decoding = data;

  if (decoding->file >= 0)
    close (decoding->file);
  g_clear_pointer (&decoding->text, g_bytes_unref);
  g_free (decoding);
}

static void
decode (GTask *task, gpointer object, gpointer data, GCancellable *cancellable)
{
  Decoding *decoding = data;
  GBytes *bytes;

  if (g_task_return_error_if_cancelled (task))
    return;
  decoding->problem = dvs_image_decode (decoding->text, &bytes);
  g_clear_pointer (&decoding->text, g_bytes_unref);
  if (bytes) {
    decoding->file = as_file (bytes);
    g_bytes_unref (bytes);
  }
  g_task_return_boolean (task, TRUE);
}

/* ---- in the main thread ---- */

static void check_begin (Check *check);

static void
check_free (Check *check)
{
  g_clear_handle_id (&check->timer, g_source_remove);
  if (check->cancellable)
    g_cancellable_disconnect (check->cancellable, check->cancel_handler);
  g_clear_object (&check->cancellable);
  g_clear_object (&check->child);
  g_clear_pointer (&check->text, g_bytes_unref);
  if (check->path)
    g_unlink (check->path);
  g_free (check->path);
  pictures_unref (check->pictures);
  g_free (check);
}

static gboolean
is_cancelled (const Check *check)
{
  return check->cancellable && g_cancellable_is_cancelled (check->cancellable);
}

/* @problem NULL: it is good. */
static void
check_end (Check *check, const gchar *problem)
{
  DvsPictures *pictures = check->pictures;
  GList *next;

  pictures->running--;
  next = g_queue_pop_head_link (&pictures->waiting);
  if (next)
    check_begin (next->data);
  if (!is_cancelled (check))
    check->done (
        check->user, problem ? NULL : g_steal_pointer (&check->path), problem);
  check_free (check);
}

static void
child_gone (GObject *object, GAsyncResult *result, gpointer data)
{
  GSubprocess *child = G_SUBPROCESS (object);

  g_subprocess_wait_finish (child, result, NULL);
  check_end (data, g_subprocess_get_if_exited (child) &&
                           g_subprocess_get_exit_status (child) == 0
                       ? NULL
                       : DVS_IMAGE_UNDECODABLE);
}

static gboolean
too_late (gpointer data)
{
  Check *check = data;

  check->timer = 0;
  g_subprocess_force_exit (check->child);
  return G_SOURCE_REMOVE;
}

static gboolean
free_later (gpointer data)
{
  check_free (data);
  return G_SOURCE_REMOVE;
}

static void
cancelled (GCancellable *cancellable, Check *check)
{
  if (check->child) {
    g_subprocess_force_exit (check->child);
  } else if (check->waiting) {
    check->waiting = FALSE;
    g_queue_unlink (&check->pictures->waiting, &check->link);
    g_idle_add (free_later, check);
  }
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

/* The thread is done. */
static void
decoded (GObject *object, GAsyncResult *result, gpointer data)
{
  Check *check = data;
  Decoding *decoding = g_task_get_task_data (G_TASK (result));
  int output;

  if (decoding->problem || decoding->file < 0 || is_cancelled (check)) {
    check_end (
        check, decoding->problem ? decoding->problem : DVS_IMAGE_UNDECODABLE);
    return;
  }
  output = g_file_open_tmp ("dreamverse-XXXXXX.png", &check->path, NULL);
  if (output >= 0) {
    check->child = spawn (decoding->file, output);
    decoding->file = -1;
  }
  if (!check->child) {
    check_end (check, DVS_IMAGE_UNDECODABLE);
    return;
  }
  check->timer = g_timeout_add_seconds (PATIENCE_S, too_late, check);
  g_subprocess_wait_async (check->child, NULL, child_gone, check);
}

static void
check_begin (Check *check)
{
  Decoding *decoding = g_new0 (Decoding, 1);
  GTask *task = g_task_new (NULL, check->cancellable, decoded, check);

  check->waiting = FALSE;
  check->pictures->running++;
  decoding->text = g_steal_pointer (&check->text);
  decoding->file = -1;
  g_task_set_task_data (task, decoding, decoding_free);
  g_task_run_in_thread (task, decode);
  g_object_unref (task);
}

void
dvs_picture_check (DvsPictures *pictures, GBytes *text,
    GCancellable *cancellable, DvsPictureFunc done, gpointer user)
{
  Check *check = g_new0 (Check, 1);

  check->pictures = pictures;
  pictures->refs++;
  check->link.data = check;
  check->text = g_bytes_ref (text);
  check->done = done;
  check->user = user;
  if (pictures->running < AT_ONCE) {
    check_begin (check);
  } else {
    check->waiting = TRUE;
    g_queue_push_tail_link (&pictures->waiting, &check->link);
  }
  if (cancellable) {
    check->cancellable = g_object_ref (cancellable);
    check->cancel_handler = g_cancellable_connect (
        cancellable, G_CALLBACK (cancelled), check, NULL);
  }
}

/* ---- life ---- */

DvsPictures *
dvs_pictures_new (void)
{
  DvsPictures *pictures = g_new0 (DvsPictures, 1);

  pictures->refs = 1;
  g_queue_init (&pictures->waiting);
  return pictures;
}

void
dvs_pictures_free (DvsPictures *pictures)
{
  pictures_unref (pictures);
}
