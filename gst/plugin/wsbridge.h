/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between a SoupWebsocketConnection of the application's and the relay, which
 * speaks to sockets only: a pair of sockets, the far end of which is served
 * here. Never more than one message is in libsoup's queue, which has no bound
 * of its own; the rest waits in the relay, where it is counted.
 *
 * Threads: the one whose main context the connection belongs to.
 */
#ifndef WSBRIDGE_H
#define WSBRIDGE_H

#include <libsoup/soup.h>

/* The relay's end, to be served as a viewer's socket; NULL and why not. To be
 * called with the connection's context as the thread's default. The bridge
 * keeps a reference to @connection until either side closes. */
GIOStream *ws_bridge_new (SoupWebsocketConnection *connection, GError **error);

#endif
