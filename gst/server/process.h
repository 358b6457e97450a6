/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Child processes of the server, all of them this program again in another
 * mode: a worker with its channel, started so that it keeps nothing open that
 * is the front's, says what it has to say into the front's log, is not outlived
 * by it, and is put down when it does not go.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_PROCESS_H
#define DVS_PROCESS_H

#include <json-glib/json-glib.h>

/* The modes of this program that are children: where a worker finds its
 * channel. */
#define DVS_WORKER_OPTION "--worker"
#define DVS_PICTURE_OPTION "--decode-picture"
#define DVS_WORKER_FD 3

typedef struct DvsProcess DvsProcess;

typedef struct {
  void (*message) (gpointer user, JsonObject *message);
  /* It is gone; @why is a sentence. */
  void (*died) (gpointer user, const gchar *why);
} DvsProcessEvents;

/* Starts the worker of slot @number. */
DvsProcess *dvs_process_new (guint number, const DvsProcessEvents *events,
    gpointer user, GError **error);
/* Ends it: by end of file on its channel, after a second by SIGKILL. Nothing is
 * told afterwards. May be called from within its events. */
void dvs_process_free (DvsProcess *process);
/* Kills it; died() tells @why. */
void dvs_process_kill (DvsProcess *process, const gchar *why);
/* Takes @message and @fd (-1: none). */
void dvs_process_send (DvsProcess *process, JsonObject *message, int fd);
GPid dvs_process_pid (const DvsProcess *process);

/* Runs what argv[1] says if that is one of the modes above: TRUE, and how the
 * process is to exit. To be called first in main(). */
gboolean dvs_child_run (int argc, char **argv, int *status);

#endif
