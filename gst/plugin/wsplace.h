/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A viewer's place in the stream: where it starts, what it gets next, how late
 * it is, and what becomes of one that does not keep up. wsclient.h has what a
 * viewer asks for.
 *
 * Threads: the relay thread, or who stands in for it.
 */
#ifndef WSPLACE_H
#define WSPLACE_H

#include "wsendpoint.h"

/* Puts the viewer at the latest keyframe, or where one is to come, with what
 * it must know in front. */
void ws_place_begin (WsEndpoint *endpoint, WsClient *client);
/* It plays from where it is now on. */
void ws_place_begin_lead (const WsEndpoint *endpoint, WsClient *client);
/* Whether the viewer is behind the hard limit. */
gboolean ws_place_is_beyond (
    const WsEndpoint *endpoint, const WsClient *client);
/* Brings a viewer forward that does not keep up, or drops it. */
void ws_place_enforce (WsEndpoint *endpoint, WsClient *client, gint64 now);
/* Forgets what no viewer needs, and, beyond the hard limit, what one does.
 * Without any @behind no viewer needs anything. What is forgotten goes to
 * @spent, if that is not NULL. */
void ws_place_trim (WsEndpoint *endpoint, gboolean behind, GPtrArray *spent);

#endif
