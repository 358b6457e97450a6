/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who gets a slot: first come, first served.  A slot is taken in the same
 * moment in which it is found free, so that no two are given the same.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_QUEUE_H
#define DVS_QUEUE_H

#include "connection.h"

/* @connection gets a slot, from the main loop, or a place in the queue. */
void dvs_queue_join (DvsConnection *connection);
/* It gives up its slot or its place, if it has one. */
void dvs_queue_leave (DvsConnection *connection);
/* A slot may have become free. */
void dvs_queue_serve (DvsServer *server);
/* What a client is told that comes now. */
void dvs_queue_place (const DvsServer *server, DvsPlace *place);

#endif
