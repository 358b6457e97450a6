/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ring of what a stream sends: see wsring.h.
 */
#include "wsring.h"

#include <string.h>

#define FIRST_ROOM 64

WsItem *
ws_item_new (WsItemKind kind, GBytes *payload)
{
  WsItem *item = g_new0 (WsItem, 1);

  g_atomic_ref_count_init (&item->refs);
  item->kind = kind;
  item->payload = g_bytes_ref (payload);
  item->data = g_bytes_get_data (payload, &item->size);
  item->header_size = (guint8)ws_frame_header (item->header,
      kind == WS_ITEM_TEXT ? WS_OP_TEXT : WS_OP_BINARY, item->size);
  return item;
}

WsItem *
ws_item_new_text (gchar *text)
{
  GBytes *bytes = g_bytes_new_take (text, strlen (text));
  WsItem *item = ws_item_new (WS_ITEM_TEXT, bytes);

  g_bytes_unref (bytes);
  return item;
}

WsItem *
ws_item_ref (WsItem *item)
{
  g_atomic_ref_count_inc (&item->refs);
  return item;
}

void
ws_item_unref (WsItem *item)
{
  if (!g_atomic_ref_count_dec (&item->refs))
    return;
  g_clear_pointer (&item->media, ws_media_unref);
  g_bytes_unref (item->payload);
  g_free (item);
}

WsMedia *
ws_media_new (guint index, WsItem *media_init, WsItem *init)
{
  WsMedia *media = g_new0 (WsMedia, 1);

  g_atomic_ref_count_init (&media->refs);
  media->index = index;
  media->media_init = ws_item_ref (media_init);
  media->init = ws_item_ref (init);
  return media;
}

WsMedia *
ws_media_ref (WsMedia *media)
{
  g_atomic_ref_count_inc (&media->refs);
  return media;
}

void
ws_media_unref (WsMedia *media)
{
  if (!g_atomic_ref_count_dec (&media->refs))
    return;
  ws_item_unref (media->media_init);
  ws_item_unref (media->init);
  g_free (media);
}

void
ws_ring_init (WsRing *ring)
{
  memset (ring, 0, sizeof *ring);
  ring->room = FIRST_ROOM;
  ring->items = g_new0 (WsItem *, ring->room);
}

void
ws_ring_clear (WsRing *ring)
{
  ws_ring_trim (ring, ring->next, NULL);
  g_clear_pointer (&ring->items, g_free);
  ring->room = 0;
}

static void
ws_ring_grow (WsRing *ring)
{
  guint room = ring->room * 2;
  WsItem **items = g_new0 (WsItem *, room);
  guint64 seq;

  for (seq = ring->first; seq < ring->next; seq++)
    items[seq & (room - 1)] = ring->items[seq & (ring->room - 1)];
  g_free (ring->items);
  ring->items = items;
  ring->room = room;
}

void
ws_ring_push (WsRing *ring, WsItem *item)
{
  if (ring->next - ring->first == ring->room)
    ws_ring_grow (ring);
  ring->clock += item->duration;
  item->clock = ring->clock;
  ring->items[ring->next & (ring->room - 1)] = item;
  ring->bytes += ws_item_wire_size (item);
  item->offset = ring->pushed;
  ring->pushed += ws_item_wire_size (item);
  if (item->key) {
    ring->latest_key = ring->next;
    ring->has_key = TRUE;
  }
  ring->next++;
}

WsItem *
ws_ring_get (const WsRing *ring, guint64 seq)
{
  if (seq < ring->first || seq >= ring->next)
    return NULL;
  return ring->items[seq & (ring->room - 1)];
}

void
ws_ring_trim (WsRing *ring, guint64 seq, GPtrArray *spent)
{
  for (; ring->first < seq && ring->first < ring->next; ring->first++) {
    WsItem **slot = &ring->items[ring->first & (ring->room - 1)];
    ring->bytes -= ws_item_wire_size (*slot);
    if (spent)
      g_ptr_array_add (spent, *slot);
    else
      ws_item_unref (*slot);
    *slot = NULL;
  }
  if (ring->has_key && ring->latest_key < ring->first)
    ring->has_key = FALSE;
}

guint64
ws_ring_start_at (const WsRing *ring, guint64 key)
{
  const WsItem *picture = ws_ring_get (ring, key);
  guint64 seq = key, start = key;

  while (picture && seq > ring->first) {
    const WsItem *item = ws_ring_get (ring, --seq);
    if (item->kind == WS_ITEM_TEXT)
      continue;
    if (!item->companion || item->end <= picture->start ||
        item->media != picture->media)
      break;
    start = seq;
  }
  return start;
}

gboolean
ws_ring_next_key (const WsRing *ring, guint64 from, guint64 *key)
{
  guint64 seq;

  for (seq = MAX (from, ring->first); seq < ring->next; seq++) {
    if (ws_ring_get (ring, seq)->key) {
      *key = seq;
      return TRUE;
    }
  }
  return FALSE;
}
