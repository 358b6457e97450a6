/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a stream sends, kept once for all its viewers: a ring of items in the
 * order of the wire, media as shared bytes and texts between them. A viewer is
 * a position in it, so that a hundred slow ones cost no more than the ring.
 *
 * Threads: a ring belongs to the relay thread or who stands in for it. Items
 * may be made anywhere and are counted atomically.
 */
#ifndef WSRING_H
#define WSRING_H

#include <glib.h>

#include "wsframe.h"

typedef enum {
  WS_ITEM_TEXT,
  WS_ITEM_INIT,    /* an init segment */
  WS_ITEM_FRAGMENT /* whole moof and mdat */
} WsItemKind;

typedef struct WsItem WsItem;

/* The media segment that an item is of: what a viewer needs who starts in it.
 */
typedef struct {
  gatomicrefcount refs;
  guint index;
  WsItem *media_init; /* the text */
  WsItem *init;       /* the bytes */
} WsMedia;

struct WsItem {
  gatomicrefcount refs;
  WsItemKind kind;
  gboolean key;       /* a decoder may start here */
  gboolean companion; /* no video in it, though the stream has some */
  guint64 start, end; /* ns, as the fragment says */
  guint64 duration;   /* ns that it moves the stream on */
  guint64 clock;      /* ns of media pushed before and with it: the ring's */
  guint64 offset;     /* bytes pushed before it: the ring's */
  WsMedia *media;     /* of fragments */
  guint8 header[WS_HEADER_MAX];
  guint8 header_size;
  const guint8 *data;
  gsize size;
  GBytes *payload;
};

WsItem *ws_item_new (WsItemKind kind, GBytes *payload);
WsItem *ws_item_new_text (gchar *text); /* takes @text */
WsItem *ws_item_ref (WsItem *item);
void ws_item_unref (WsItem *item);
static inline gsize
ws_item_wire_size (const WsItem *item)
{
  return item->header_size + item->size;
}

WsMedia *ws_media_new (guint index, WsItem *media_init, WsItem *init);
WsMedia *ws_media_ref (WsMedia *media);
void ws_media_unref (WsMedia *media);

typedef struct {
  WsItem **items;
  guint room;          /* a power of two */
  guint64 first, next; /* sequence numbers: [first, next) is kept */
  gsize bytes;         /* on the wire */
  guint64 pushed;      /* bytes, ever */
  guint64 clock;
  guint64 latest_key; /* its sequence number, if has_key */
  gboolean has_key;
} WsRing;

void ws_ring_init (WsRing *ring);
void ws_ring_clear (WsRing *ring);
/* Takes @item. */
void ws_ring_push (WsRing *ring, WsItem *item);
WsItem *ws_ring_get (const WsRing *ring, guint64 seq);
/* Forgets everything before @seq. With @spent, an array that unrefs, it is put
 * there instead: to let go of bytes may call whoever made them. */
void ws_ring_trim (WsRing *ring, guint64 seq, GPtrArray *spent);
/* Where a viewer starts who starts at the keyframe @key: also the sound that
 * was sent before that picture and goes on beside it. */
guint64 ws_ring_start_at (const WsRing *ring, guint64 key);
/* The first keyframe at or after @from; FALSE if there is none. */
gboolean ws_ring_next_key (const WsRing *ring, guint64 from, guint64 *key);

#endif
