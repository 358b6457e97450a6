/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A viewer's place in the stream: see wsplace.h.
 */
#include "wsplace.h"

#include "wire.h"
#include "wsjson.h"
#include "wswait.h"

/* Texts without media must not add up either. */
#define RING_MAX_ITEMS 16384
#define DROP_PATIENCE G_USEC_PER_SEC

/* ---- how late a viewer is ---- */

/* Nanoseconds from @since to @now; none if @now was read before @since. */
static guint64
elapsed_ns (gint64 now, gint64 since)
{
  return now > since ? (guint64)(now - since) * 1000 : 0;
}

/* Nanoseconds of media that the viewer has yet to take. */
static guint64
client_behind (const WsEndpoint *endpoint, const WsClient *client)
{
  const WsItem *next = ws_ring_get (&endpoint->ring, client->seq);

  return next ? endpoint->ring.clock - (next->clock - next->duration) : 0;
}

void
ws_place_begin_lead (const WsEndpoint *endpoint, WsClient *client)
{
  client->lead = client_behind (endpoint, client);
  client->lead_clock = endpoint->ring.clock;
  client->lead_at = g_get_monotonic_time ();
}

/* A stream may run ahead of the clock, so who is behind is not late as long as
 * it gets in time what it plays: that much media came, and this time passed. */
static guint64
client_late (const WsEndpoint *endpoint, WsClient *client, gint64 now)
{
  guint64 behind = client_behind (endpoint, client);

  client->lead -= MIN (client->lead, elapsed_ns (now, client->lead_at));
  client->lead += endpoint->ring.clock - client->lead_clock;
  client->lead_clock = endpoint->ring.clock;
  client->lead_at = MAX (client->lead_at, now);
  return behind - MIN (behind, client->lead);
}

/* ---- where it starts ---- */

static void
push_if (WsClient *client, WsItem *item)
{
  if (item)
    ws_client_push (client, ws_item_ref (item));
}

void
ws_place_begin (WsEndpoint *endpoint, WsClient *client)
{
  WsRing *ring = &endpoint->ring;
  gboolean start_kept =
      endpoint->stream_start && endpoint->stream_start_seq >= ring->first;

  if (ring->has_key && (!endpoint->stream_start ||
                           ring->latest_key > endpoint->stream_start_seq)) {
    WsMedia *media = ws_ring_get (ring, ring->latest_key)->media;

    push_if (client, endpoint->stream_start);
    push_if (client, endpoint->paused);
    push_if (client, endpoint->segment_start);
    push_if (client, media->media_init);
    push_if (client, media->init);
    client->init = ws_item_ref (media->init);
    client->seq = ws_ring_start_at (ring, ring->latest_key);
    return;
  }
  client->awaiting_key = TRUE;
  if (start_kept) {
    client->seq = endpoint->stream_start_seq;
    return;
  }
  client->seq = ring->next;
  push_if (client, endpoint->stream_start);
  push_if (client, endpoint->paused);
  push_if (client, endpoint->segment_start);
  if (endpoint->media) {
    push_if (client, endpoint->media->media_init);
    push_if (client, endpoint->media->init);
    client->init = ws_item_ref (endpoint->media->init);
  }
}

/* ---- what comes next ---- */

static void
note_dropped (WsClient *client, const WsItem *item)
{
  if (client->skipping) {
    client->skip_from = MIN (client->skip_from, item->start);
    client->skip_bytes += item->size;
    client->skip_fragments++;
    client->stats.dropped_bytes += item->size;
    client->stats.dropped_fragments++;
  }
}

/* The viewer goes on at @key: tells it what it missed, and gives it the init
 * segment if it has not seen this one. */
static void
client_land (WsClient *client, const WsItem *key)
{
  client->awaiting_key = FALSE;
  if (client->skipping && client->skip_fragments) {
    JsonBuilder *builder = ws_json_begin (WIRE_MEDIA_SKIPPED);

    ws_json_int (builder, "segment_idx", key->media->index);
    ws_json_double (builder, "from", client->skip_from / 1e9);
    ws_json_double (builder, "to", key->start / 1e9);
    ws_json_int (builder, "dropped_bytes", (gint64)client->skip_bytes);
    ws_json_int (builder, "dropped_fragments", (gint64)client->skip_fragments);
    ws_client_push (client, ws_item_new_text (ws_json_end (builder)));
  }
  client->skipping = FALSE;
  if (!client->dead && client->init != key->media->init) {
    g_clear_pointer (&client->init, ws_item_unref);
    client->init = ws_item_ref (key->media->init);
    ws_client_push (client, ws_item_ref (key->media->init));
  }
}

gboolean
ws_endpoint_has_next (WsEndpoint *endpoint, const WsClient *client)
{
  return client->seq < endpoint->ring.next;
}

WsItem *
ws_endpoint_next (WsEndpoint *endpoint, WsClient *client)
{
  WsItem *item;

  while ((item = ws_ring_get (&endpoint->ring, client->seq))) {
    if (item->kind == WS_ITEM_FRAGMENT && client->awaiting_key) {
      if (!item->key) {
        note_dropped (client, item);
        client->seq++;
        continue;
      }
      client_land (client, item);
      if (client->dead)
        return NULL;
      item = g_queue_pop_head (&client->front);
      if (item) {
        client->front_bytes -= ws_item_wire_size (item);
        return item;
      }
      continue;
    }
    client->seq++;
    if (endpoint->full && !ws_place_is_beyond (endpoint, client))
      ws_endpoint_check_full (endpoint);
    if (item->kind == WS_ITEM_INIT) {
      /* From here on it sees all of a segment, which begins with a keyframe. */
      client->awaiting_key &= client->skipping;
      g_clear_pointer (&client->init, ws_item_unref);
      client->init = ws_item_ref (item);
    }
    return ws_item_ref (item);
  }
  return NULL;
}

/* Moves the viewer forward to @to: texts are kept, media is dropped. */
static void
client_skip_to (WsEndpoint *endpoint, WsClient *client, guint64 to)
{
  if (!client->skipping) {
    client->skipping = TRUE;
    client->skip_from = G_MAXUINT64;
    client->skip_bytes = client->skip_fragments = 0;
    client->stats.skips++;
  }
  for (; client->seq < to && !client->dead; client->seq++) {
    WsItem *item = ws_ring_get (&endpoint->ring, client->seq);
    if (item->kind == WS_ITEM_TEXT)
      ws_client_push (client, ws_item_ref (item));
    else if (item->kind == WS_ITEM_FRAGMENT)
      note_dropped (client, item);
  }
}

/* ---- one that is slow ---- */

gboolean
ws_place_is_beyond (const WsEndpoint *endpoint, const WsClient *client)
{
  const WsRing *ring = &endpoint->ring;
  const WsItem *next = ws_ring_get (ring, client->seq);

  return next && !client->dead && !client->close_now &&
         (ring->clock - next->clock > endpoint->limits.hard_time ||
             ring->pushed - next->offset > endpoint->limits.hard_bytes);
}

/* TRUE if the viewer is further ahead afterwards. */
static gboolean
client_recover (WsEndpoint *endpoint, WsClient *client)
{
  const WsLimits *limits = &endpoint->limits;
  WsRing *ring = &endpoint->ring;
  guint64 key = 0, seq, to;

  switch (limits->recover) {
    case WS_RECOVER_NONE:
    case WS_RECOVER_WAIT:
      return FALSE;
    case WS_RECOVER_LATEST:
      if (client->seq == ring->next)
        return FALSE;
      client_skip_to (endpoint, client, ring->next);
      client->awaiting_key = TRUE;
      ws_place_begin_lead (endpoint, client);
      return TRUE;
    case WS_RECOVER_SOFT_LIMIT:
      for (seq = ring->first; seq < ring->next; seq++) {
        const WsItem *item = ws_ring_get (ring, seq);
        if (ring->clock - item->clock <= limits->soft_time &&
            ring->pushed - item->offset <= limits->soft_bytes)
          break;
      }
      if (!ws_ring_next_key (ring, seq, &key))
        return FALSE;
      break;
    case WS_RECOVER_KEYFRAME:
      if (!ring->has_key)
        return FALSE;
      key = ring->latest_key;
      break;
  }
  to = ws_ring_start_at (ring, key);
  if (to <= client->seq)
    return FALSE;
  client_skip_to (endpoint, client, to);
  if (!client->dead)
    client_land (client, ws_ring_get (ring, key));
  ws_place_begin_lead (endpoint, client);
  return TRUE;
}

static void
client_drop (WsEndpoint *endpoint, WsClient *client, const gchar *reason)
{
  endpoint->dropped_clients++;
  client->seq = endpoint->ring.next;
  client->awaiting_key = TRUE;
  ws_client_close (client, WS_CLOSE_POLICY, reason,
      "this viewer reads too slowly for the stream", TRUE, DROP_PATIENCE);
}

void
ws_place_enforce (WsEndpoint *endpoint, WsClient *client, gint64 now)
{
  const WsLimits *limits = &endpoint->limits;
  WsRing *ring = &endpoint->ring;
  WsItem *next = ws_ring_get (ring, client->seq);
  const WsItem *first = client->n_flight ? client->flight[0] : next;
  guint64 late, bytes;

  if (client->dead || client->close_now || limits->recover == WS_RECOVER_WAIT)
    return;
  late = client_late (endpoint, client, now);
  if (!first)
    return;
  if (client->n_flight &&
      elapsed_ns (now, client->flight_since) > limits->hard_time) {
    client_drop (endpoint, client,
        elapsed_ns (now, client->progress) > limits->hard_time ? "stalled"
                                                               : "too-slow");
    return;
  }
  if (!next)
    return;
  bytes = ring->pushed - next->offset;
  if (late <= limits->soft_time && bytes <= limits->soft_bytes)
    return;
  if (client_recover (endpoint, client)) {
    ws_client_pump (client);
    return;
  }
  if (ring->clock - next->clock > limits->hard_time ||
      bytes > limits->hard_bytes)
    client_drop (endpoint, client, "too-slow");
}

void
ws_place_trim (WsEndpoint *endpoint, gboolean behind, GPtrArray *spent)
{
  const WsLimits *limits = &endpoint->limits;
  WsRing *ring = &endpoint->ring;
  guint64 keep = ring->next, floor = ring->first;
  guint i;

  if (ring->has_key)
    keep = ws_ring_start_at (ring, ring->latest_key);
  if (endpoint->stream_start && endpoint->stream_start_seq >= ring->first &&
      !(ring->has_key && ring->latest_key > endpoint->stream_start_seq))
    keep = MIN (keep, endpoint->stream_start_seq);
  for (i = 0; i < endpoint->clients->len && behind; i++) {
    const WsClient *client = g_ptr_array_index (endpoint->clients, i);
    if (!client->dead && !client->close_now)
      keep = MIN (keep, client->seq);
  }
  while (floor < ring->next) {
    const WsItem *item = ws_ring_get (ring, floor);
    gboolean fits = ring->clock - item->clock <= limits->hard_time &&
                    ring->pushed - item->offset <= limits->hard_bytes;
    if ((fits || limits->recover == WS_RECOVER_WAIT) &&
        ring->next - floor <= RING_MAX_ITEMS)
      break;
    floor++;
  }
  for (i = 0; i < endpoint->clients->len && behind && floor > keep; i++) {
    WsClient *client = g_ptr_array_index (endpoint->clients, i);
    if (!client->dead && !client->close_now && client->seq < floor &&
        (client->closing || !client_recover (endpoint, client) ||
            client->seq < floor))
      client_drop (endpoint, client, "too-slow");
  }
  ws_ring_trim (ring, MAX (keep, floor), spent);
}
