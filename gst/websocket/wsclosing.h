/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Closes streams that may have something to say first, as TLS does, which
 * takes a thread and comes back to the main context. Counted, so that whoever
 * runs that context can see them through before it ends; and bounded, so that
 * a peer who takes nothing holds no thread.
 *
 * Threads: that of the main context, except for the references.
 */
#ifndef WSCLOSING_H
#define WSCLOSING_H

#include <gio/gio.h>

typedef struct {
  GQueue pending;
} WsClosing;

WsClosing *ws_closing_new (void);
/* Any thread; streams that are not closed yet hold references too. */
void ws_closing_unref (WsClosing *closing);
/* @plain: closing it only closes a descriptor. */
void ws_closing_add (WsClosing *closing, GIOStream *stream, gboolean plain);
/* Gives up on what takes too long, or, if @all, on everything. */
void ws_closing_hurry (WsClosing *closing, gboolean all);
gboolean ws_closing_is_empty (const WsClosing *closing);

#endif
