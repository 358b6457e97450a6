/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HTTP on a hub's port: who may come in, the WebSocket handshake, the viewer's
 * page, /healthz and /stats. Requests with a body are refused unread.
 *
 * Threads: the relay thread only.
 */
#ifndef WSHTTP_H
#define WSHTTP_H

#include "wshub.h"

/* Where the viewer's files are, if they were compiled in. */
#define WS_HTTP_VIEWER "/org/dreamverse/viewer"
/* The subprotocol, and what a token among the subprotocols begins with. */
#define WS_HTTP_PROTOCOL "dreamverse.v1"
#define WS_HTTP_TOKEN_PREFIX "tok."

void ws_http_attach (WsHub *hub, SoupServer *server);

/* Takes as long for every wrong token of the same length. */
gboolean ws_http_same_token (const gchar *given, const gchar *token);
/* Without a control token whoever watches may steer, if the port is a loopback
 * address and the page that connects is not somebody else's. */
gboolean ws_http_origin_is_local (const gchar *origin, const gchar *host);

#endif
