/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An endpoint on a main context of its own, with viewers at the other ends of
 * pairs of sockets, and a stream of fragments. For tests of the relay.
 *
 * Threads: the one that called endpoint_rig_new().
 */
#ifndef TEST_ENDPOINT_RIG_H
#define TEST_ENDPOINT_RIG_H

#include "wsendpoint.h"

#define ITEM_MS 100
#define ITEM_SIZE 65536

typedef struct {
  GMainContext *context;
  WsEndpoint *endpoint;
  WsMedia *media;
  guint added, removed, messages;
  gchar *reason; /* of the latest that was removed */
} EndpointRig;

EndpointRig *endpoint_rig_new (void);
void endpoint_rig_free (EndpointRig *rig);
/* Fragments of ITEM_MS and ITEM_SIZE; every fifth is a keyframe. */
void endpoint_rig_push (EndpointRig *rig, guint count);
/* A viewer's end of its connection. */
int endpoint_rig_watch (EndpointRig *rig, guint64 *id);
/* Everything that is to be done now. */
void endpoint_rig_run (EndpointRig *rig);
/* Bytes that the viewer reads, meanwhile running, until none come. */
GByteArray *endpoint_rig_read (EndpointRig *rig, int viewer);

#endif
