/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One path of a port: the ring of a sink's stream and the viewers that watch
 * it. wsplace.h has where in the stream each of them is, wswait.h how the
 * sink's threads wait for them.
 *
 * Threads: the relay thread, or who stands in for it, except where a function
 * says otherwise.
 */
#ifndef WSENDPOINT_H
#define WSENDPOINT_H

#include "wsclient.h"
#include "wsclosing.h"
#include "wsring.h"

/* GstMultiHandleSink's words, and WAIT: no viewer is brought forward or
 * dropped, the pipeline waits. Every one but NONE and WAIT lands where a
 * decoder can start. */
typedef enum {
  WS_RECOVER_NONE,
  WS_RECOVER_LATEST,
  WS_RECOVER_SOFT_LIMIT,
  WS_RECOVER_KEYFRAME,
  WS_RECOVER_WAIT
} WsRecover;

typedef struct {
  guint64 soft_bytes, hard_bytes;
  guint64 soft_time, hard_time; /* ns */
  WsRecover recover;
  guint max_clients; /* 0: no limit */
} WsLimits;

/* What the owner is told, in the relay thread: it must not wait there. */
typedef struct {
  void (*client_added) (gpointer owner, guint64 id, const gchar *remote);
  void (*client_removed) (gpointer owner, guint64 id, const gchar *reason,
      const WsClientStats *stats);
  void (*message) (gpointer owner, guint64 id, gboolean control,
      const gchar *text, gsize size);
} WsEndpointEvents;

struct WsEndpoint {
  gatomicrefcount refs;
  GMainContext *context;
  WsRing ring;
  WsLimits limits;
  const WsEndpointEvents *events;
  gpointer owner; /* NULL once it left */
  GPtrArray *clients;
  WsPoll *poll;
  WsClosing *closing; /* connections of viewers that have gone */
  guint64 next_id;

  /* what a viewer gets who joins now */
  WsItem *stream_start; /* the epoch's */
  guint64 stream_start_seq;
  WsItem *segment_start; /* of the segment that is generated */
  WsItem *paused;
  WsMedia *media;     /* of the segment that is on its way */
  WsItem *error;      /* the stream has failed */
  gboolean completed; /* the latest stream was told to be complete */

  gboolean holding;
  GSource *wake, *reap, *tick, *drain;
  guint64 dropped_clients, total_clients, bytes_in;

  /* shared with the sink's threads */
  GMutex lock;
  GCond cond;
  gsize handed_over; /* bytes on their way to the relay thread */
  guint waiting;     /* for room in it */
  guint wait;        /* counts those that began, for all out or all gone */
  gboolean draining, emptying, drained, flushing;
  gboolean
      full; /* a viewer is waited for: the relay thread's, under the lock */
};

WsEndpoint *ws_endpoint_new (GMainContext *context, const WsLimits *limits,
    const WsEndpointEvents *events, gpointer owner);
WsEndpoint *ws_endpoint_ref (WsEndpoint *endpoint);
void ws_endpoint_unref (WsEndpoint *endpoint);
/* The owner leaves; all clients are closed or cut within @patience us. */
void ws_endpoint_close (WsEndpoint *endpoint, guint16 code, const gchar *reason,
    const gchar *text, gint64 patience);
/* No client, no timer: nothing refers to it any more. */
void ws_endpoint_dispose (WsEndpoint *endpoint);

/* Viewers that are there. */
guint ws_endpoint_alive (const WsEndpoint *endpoint);
/* Takes over the stream; 0 if it cannot be served. */
guint64 ws_endpoint_add (WsEndpoint *endpoint, GIOStream *stream,
    const gchar *remote, gboolean control);
WsClient *ws_endpoint_find (WsEndpoint *endpoint, guint64 id);

/* Adds to the stream; takes @item. */
void ws_endpoint_push (WsEndpoint *endpoint, WsItem *item);
void ws_endpoint_push_text (WsEndpoint *endpoint, gchar *text);
/* One viewer's text; takes it. */
void ws_endpoint_reply (WsEndpoint *endpoint, guint64 id, gchar *text);
/* The first error of the stream: for every viewer, then the end. */
void ws_endpoint_fail (WsEndpoint *endpoint, gchar *text);
/* A new start: forgets the stream, keeps the viewers. */
void ws_endpoint_restart (WsEndpoint *endpoint);

/* Writes what was pushed at once, instead of in the relay thread's next round,
 * each of which costs a look at every viewer's socket. */
void ws_endpoint_pump_now (WsEndpoint *endpoint);
/* Between these what is pushed waits; ws_endpoint_end_hold() writes it to the
 * viewers that need no more than a write, and leaves the others to the relay
 * thread, which it wakes. What nobody needs any more goes to @spent. For who
 * stands in for it (wshub.h). FALSE if there are too many viewers for that. */
gboolean ws_endpoint_begin_hold (WsEndpoint *endpoint);
void ws_endpoint_end_hold (WsEndpoint *endpoint, GPtrArray *spent);

#endif
