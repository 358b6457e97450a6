/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Waiting for viewers: the sink's threads wait for room, and for what was
 * promised to be out.
 */
#ifndef WSWAIT_H
#define WSWAIT_H

#include "wsendpoint.h"

/* ---- the relay thread ---- */

/* TRUE if that was all that is on its way. */
gboolean ws_endpoint_taken (WsEndpoint *endpoint, gsize size);
/* With WAIT: looks whether there is a viewer that has to be waited for. */
void ws_endpoint_check_full (WsEndpoint *endpoint);

/* ---- the sink's threads ---- */

/* Waits for room in the hand-over, and for viewers that are to be waited for;
 * FALSE when flushing. */
gboolean ws_endpoint_hand_over (WsEndpoint *endpoint, gsize size);
void ws_endpoint_set_flushing (WsEndpoint *endpoint, gboolean flushing);
/* Waits until every viewer that still reads has everything, for at most
 * @patience us; with WAIT for all, and, with @patience < 0, until flushing. */
gboolean ws_endpoint_drain (WsEndpoint *endpoint, gint64 patience);
/* The same until every viewer has gone and its connection is closed. */
gboolean ws_endpoint_wait_empty (WsEndpoint *endpoint, gint64 patience);

#endif
