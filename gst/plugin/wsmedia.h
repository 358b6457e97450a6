/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes of a fragmented MP4 stream in, whole init segments and fragments out,
 * with what the relay must know of them. Bytes that are one whole unit already
 * go through without a copy.
 *
 * Threads: a reader belongs to one thread at a time.
 */
#ifndef WSMEDIA_H
#define WSMEDIA_H

#include "fmp4.h"
#include "wsorder.h"

typedef struct {
  Fmp4Scanner *scanner;
  Fmp4Init init;
  gboolean has_init, has_video;
} WsMediaReader;

void ws_media_reader_init (WsMediaReader *reader);
void ws_media_reader_clear (WsMediaReader *reader);
/* Forgets what is not whole. */
void ws_media_reader_flush (WsMediaReader *reader);

/* Takes the event; FALSE stops. */
typedef gboolean (*WsMediaFunc) (WsEvent *event, gpointer user_data);
typedef enum { WS_MEDIA_OK, WS_MEDIA_STOPPED, WS_MEDIA_BAD } WsMediaResult;
WsMediaResult ws_media_reader_push (WsMediaReader *reader, GBytes *bytes,
    WsMediaFunc func, gpointer user_data, Fmp4Error *error);

#endif
