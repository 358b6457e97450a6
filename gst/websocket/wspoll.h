/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Waits for many sockets at once. A GMainContext asks the kernel about every
 * one of its descriptors at each turn, which with hundreds of viewers costs
 * more than writing to them; so all plain sockets stand behind one descriptor
 * of epoll. What is no plain socket (TLS, an application's own stream) gets
 * sources of its own.
 *
 * Threads: the thread of the main context; ws_watch_write() and
 * ws_watch_send() on a plain socket also of who stands in for it.
 */
#ifndef WSPOLL_H
#define WSPOLL_H

#include <gio/gio.h>

/* Written in one go; what is beyond is left for the next. */
#define WS_WATCH_MAX_VECTORS 64

typedef struct WsPoll WsPoll;

/* One stream that is waited for. @readable and @writable may clear any watch,
 * their own too. */
typedef struct {
  WsPoll *poll;
  gint fd; /* -1: not a plain socket */
  gboolean reading, writing;
  GPollableInputStream *in;
  GPollableOutputStream *out;
  GSource *in_source, *out_source;
  void (*readable) (gpointer owner);
  void (*writable) (gpointer owner); /* once for each ws_watch_write() */
  gpointer owner;
} WsWatch;

/* Where the system has no descriptor left for epoll, every stream gets sources
 * of its own. */
WsPoll *ws_poll_new (GMainContext *context);
/* After the last of its watches was cleared. */
void ws_poll_free (WsPoll *poll);

/* @stream must be pollable in both directions and outlive the watch. */
void ws_watch_init (WsWatch *watch, WsPoll *poll, GIOStream *stream,
    void (*readable) (gpointer owner), void (*writable) (gpointer owner),
    gpointer owner);
/* Calls @readable whenever there is something to read, from now on. */
void ws_watch_read (WsWatch *watch);
/* Calls @writable once, when the stream takes more. */
void ws_watch_write (WsWatch *watch);
/* Writes as much as the stream takes now. */
GPollableReturn ws_watch_send (WsWatch *watch, const GOutputVector *vectors,
    gsize n_vectors, gsize *written);
void ws_watch_clear (WsWatch *watch);

#endif
