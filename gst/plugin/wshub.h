/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One listening port, shared by all sinks of the process that name it, each
 * under a path of its own. Accepts connections itself, so that their number
 * and the time of a handshake are bounded; libsoup does HTTP. One thread, the
 * relay thread, owns all of it.
 *
 * Threads: ws_hub_join(), ws_hub_leave(), ws_hub_call(), ws_hub_post(),
 * ws_hub_stand_in(), ws_hub_add() and ws_hub_remove() from any thread; the
 * rest in the relay thread. The registry of hubs is the one thing that the
 * sinks of a process share, and has a lock.
 */
#ifndef WSHUB_H
#define WSHUB_H

#include <libsoup/soup.h>

#include "wsendpoint.h"

typedef struct WsHub WsHub;

/* A path, who may use it, and the stream behind it. */
typedef struct {
  gchar *path;
  gchar *token;         /* NULL: anybody may watch */
  gchar *control_token; /* NULL: see ws_http_may_control() */
  gchar **origins;      /* NULL: any */
  gboolean serve_viewer;
  guint upgrading; /* handshakes under way */
  WsEndpoint *endpoint;
} WsRoute;

void ws_route_free (WsRoute *route);

/* @certificate and @key are names of files; both NULL: no TLS. @address NULL:
 * a hub of one's own that does not listen. */
WsHub *ws_hub_join (const gchar *address, guint port, const gchar *certificate,
    const gchar *key, GError **error);
/* Another user, who leaves too. */
WsHub *ws_hub_ref (WsHub *hub);
void ws_hub_leave (WsHub *hub);
guint ws_hub_port (const WsHub *hub);
GMainContext *ws_hub_context (WsHub *hub);
gboolean ws_hub_is_loopback (const WsHub *hub);
gboolean ws_hub_is_tls (const WsHub *hub);

/* Runs @func in the relay thread and waits for it. Nothing waits there, so
 * this is short. */
typedef void (*WsHubFunc) (gpointer data);
void ws_hub_call (WsHub *hub, WsHubFunc func, gpointer data);
void ws_hub_post (
    WsHub *hub, WsHubFunc func, gpointer data, GDestroyNotify destroy);

/* Waking the relay thread costs more than one viewer's write: while it sleeps,
 * another thread may do in its place what ends soon and calls nobody. TRUE if
 * the relay thread sleeps and all that was posted is done: it is kept asleep
 * until ws_hub_stand_down(). Never waits. */
gboolean ws_hub_stand_in (WsHub *hub);
void ws_hub_stand_down (WsHub *hub);

/* Takes @route; FALSE if another sink has the path. */
gboolean ws_hub_add (WsHub *hub, WsRoute *route, GError **error);
/* Says good-bye to the viewers, for at most @patience us; @route is freed. */
void ws_hub_remove (WsHub *hub, WsRoute *route, gint64 patience);

/* ---- in the relay thread ---- */

GPtrArray *ws_hub_routes (WsHub *hub); /* of WsRoute */

#endif
