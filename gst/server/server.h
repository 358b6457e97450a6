/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The server: what its parts share.  One main loop in one thread has all of
 * it: sockets, HTTP, the queue, slots, sessions.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_SERVER_H
#define DVS_SERVER_H

#include <libsoup/soup.h>

#include "client.h"
#include "log.h"
#include "metrics.h"
#include "picture-check.h"
#include "prompts.h"
#include "settings.h"
#include "slot.h"
#include "wslisten.h"

typedef struct DvsServer DvsServer;
typedef struct DvsConnection DvsConnection;

/* A slot and who has it. */
typedef struct {
  DvsServer *server;
  DvsSlot *slot;
  DvsConnection *owner;  /* NULL: nobody */
  DvsConnection *runner; /* who is told of the run; NULL: nobody */
  guint restarts;        /* that were counted */
  gboolean warm;         /* that it is was seen */
} DvsSeat;

struct DvsServer {
  DvsSettings *settings;
  DvsMetrics *metrics;
  DvsLog *log;
  DvsPrompts *prompts;
  DvsRoom *room;
  DvsPictures *pictures;
  gchar **tokens; /* of the settings and their file; NULL: none is needed */

  DvsSeat *seats; /* settings->slots of them */
  GQueue connections, waiting;
  guint broadcast; /* a source */

  SoupServer *http;
  WsListener listener;
  GSocketService *agent;

  GMainLoop *loop;
  guint signals[3]; /* sources */
  gboolean draining;
  gint64 drain_deadline;
  guint drain_tick;
  gchar *config_file; /* NULL: none */
  gchar **flags;      /* name and value in turn */
};

/* Defaults, then the file, then the flags; checked. NULL: @error says what is
 * wrong. */
DvsSettings *dvs_server_settings (
    const gchar *config_file, gchar **flags, GError **error);
/* Takes @settings; what they were made from is read again by a reload. NULL:
 * @error says what failed. Slots are started. */
DvsServer *dvs_server_new (DvsSettings *settings, const gchar *config_file,
    gchar **flags, GError **error);
/* Until it was told to end. */
void dvs_server_run (DvsServer *server);
void dvs_server_free (DvsServer *server);
guint dvs_server_port (const DvsServer *server);

/* SIGTERM: no new sessions; the end when those that run are over. */
void dvs_server_drain (DvsServer *server);
/* SIGHUP. */
void dvs_server_reload (DvsServer *server);

/* What HTTP and the agent tell, NULL: ready. */
const gchar *dvs_server_unready (const DvsServer *server);

typedef struct {
  guint ready; /* READY or BUSY */
  guint free;  /* a session could have now */
  guint loading, warming;
} DvsCounts;
void dvs_server_count (const DvsServer *server, DvsCounts *counts);

#endif
