/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One path of a port: see wsendpoint.h.
 */
#include "wsendpoint.h"

#include "wire.h"
#include "wsjson.h"

#define TICK_MS 250
#define DRAIN_TICK_MS 5
/* While all waits for the viewers, one that took nothing for so long does not
 * hold up the others. */
#define HOPELESS (300 * 1000)
/* Bytes between the pipeline and the relay thread; beyond it the pipeline
 * waits, for at most HAND_OVER_WAIT at a time. */
#define HAND_OVER_MAX (32 * 1024 * 1024)
#define HAND_OVER_WAIT (2 * G_USEC_PER_SEC)
/* Viewers that are written to in place of the relay thread: so many take less
 * than a millisecond of the pipeline's time. */
#define HOLD_MAX_CLIENTS 64
/* Texts without media must not add up either. */
#define RING_MAX_ITEMS 16384
#define DROP_PATIENCE G_USEC_PER_SEC
#define ERROR_PATIENCE (2 * G_USEC_PER_SEC)

static gboolean endpoint_tick (gpointer user_data);
static gboolean client_is_beyond (
    const WsEndpoint *endpoint, const WsClient *client);
static void endpoint_check_full (WsEndpoint *endpoint);

WsEndpoint *
ws_endpoint_new (GMainContext *context, const WsLimits *limits,
    const WsEndpointEvents *events, gpointer owner)
{
  WsEndpoint *endpoint = g_new0 (WsEndpoint, 1);

  g_atomic_ref_count_init (&endpoint->refs);
  endpoint->context = g_main_context_ref (context);
  endpoint->limits = *limits;
  endpoint->events = events;
  endpoint->owner = owner;
  endpoint->clients = g_ptr_array_new ();
  endpoint->poll = ws_poll_new (context);
  endpoint->closing = ws_closing_new ();
  ws_ring_init (&endpoint->ring);
  g_mutex_init (&endpoint->lock);
  g_cond_init (&endpoint->cond);
  endpoint->tick = g_timeout_source_new (TICK_MS);
  g_source_set_callback (endpoint->tick, endpoint_tick, endpoint, NULL);
  g_source_attach (endpoint->tick, context);
  return endpoint;
}

WsEndpoint *
ws_endpoint_ref (WsEndpoint *endpoint)
{
  g_atomic_ref_count_inc (&endpoint->refs);
  return endpoint;
}

void
ws_endpoint_unref (WsEndpoint *endpoint)
{
  if (!g_atomic_ref_count_dec (&endpoint->refs))
    return;
  g_ptr_array_unref (endpoint->clients);
  ws_closing_unref (endpoint->closing);
  ws_ring_clear (&endpoint->ring);
  g_main_context_unref (endpoint->context);
  g_mutex_clear (&endpoint->lock);
  g_cond_clear (&endpoint->cond);
  g_free (endpoint);
}

static void
drop_source (GSource **source)
{
  if (*source) {
    g_source_destroy (*source);
    g_clear_pointer (source, g_source_unref);
  }
}

static void
endpoint_forget_stream (WsEndpoint *endpoint)
{
  g_clear_pointer (&endpoint->stream_start, ws_item_unref);
  g_clear_pointer (&endpoint->segment_start, ws_item_unref);
  g_clear_pointer (&endpoint->paused, ws_item_unref);
  g_clear_pointer (&endpoint->error, ws_item_unref);
  g_clear_pointer (&endpoint->media, ws_media_unref);
}

void
ws_endpoint_dispose (WsEndpoint *endpoint)
{
  guint i;

  drop_source (&endpoint->wake);
  drop_source (&endpoint->tick);
  drop_source (&endpoint->drain);
  for (i = 0; i < endpoint->clients->len; i++)
    ws_client_fail (g_ptr_array_index (endpoint->clients, i), "cut");
  endpoint->owner = NULL;
  drop_source (&endpoint->reap);
  for (i = 0; i < endpoint->clients->len; i++)
    ws_client_free (g_ptr_array_index (endpoint->clients, i));
  g_ptr_array_set_size (endpoint->clients, 0);
  g_clear_pointer (&endpoint->poll, ws_poll_free);
  ws_closing_hurry (endpoint->closing, TRUE);
  endpoint_forget_stream (endpoint);
}

void
ws_endpoint_close (WsEndpoint *endpoint, guint16 code, const gchar *reason,
    const gchar *text, gint64 patience)
{
  guint i;

  for (i = 0; i < endpoint->clients->len; i++)
    ws_client_close (g_ptr_array_index (endpoint->clients, i), code, reason,
        text, FALSE, patience);
}

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

/* The viewer plays from its new place on. */
static void
client_begin_lead (const WsEndpoint *endpoint, WsClient *client)
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

/* ---- coming and going ---- */

guint
ws_endpoint_alive (const WsEndpoint *endpoint)
{
  guint i, alive = 0;

  for (i = 0; i < endpoint->clients->len; i++)
    alive += !((WsClient *)g_ptr_array_index (endpoint->clients, i))->dead;
  return alive;
}

WsClient *
ws_endpoint_find (WsEndpoint *endpoint, guint64 id)
{
  guint i;

  for (i = 0; i < endpoint->clients->len; i++) {
    WsClient *client = g_ptr_array_index (endpoint->clients, i);
    if (client->id == id && !client->dead)
      return client;
  }
  return NULL;
}

static void
push_if (WsClient *client, WsItem *item)
{
  if (item)
    ws_client_push (client, ws_item_ref (item));
}

/* Puts the viewer at the latest keyframe, or where one is to come, with what
 * it must know in front. */
static void
endpoint_place (WsEndpoint *endpoint, WsClient *client)
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

guint64
ws_endpoint_add (WsEndpoint *endpoint, GIOStream *stream, const gchar *remote,
    gboolean control)
{
  WsClient *client;

  client =
      ws_client_new (endpoint, ++endpoint->next_id, stream, remote, control);
  if (client == NULL)
    return 0;
  endpoint->total_clients++;
  g_ptr_array_add (endpoint->clients, client);
  ws_client_push (
      client, ws_item_new_text (ws_json_hello (client->id, control)));
  if (endpoint->error) {
    /* After an error comes nothing, not even what the ring still has. */
    push_if (client, endpoint->error);
    client->seq = endpoint->ring.next;
  } else {
    endpoint_place (endpoint, client);
  }
  client_begin_lead (endpoint, client);
  if (endpoint->owner)
    endpoint->events->client_added (
        endpoint->owner, client->id, client->remote);
  ws_client_start (client, endpoint->poll);
  if (endpoint->error)
    ws_client_close (client, WS_CLOSE_NORMAL, "error", "the stream has failed",
        FALSE, ERROR_PATIENCE);
  return client->id;
}

void
ws_endpoint_close_stream (
    WsEndpoint *endpoint, GIOStream *stream, gboolean plain)
{
  ws_closing_add (endpoint->closing, stream, plain);
}

static gboolean
endpoint_reap (gpointer user_data)
{
  WsEndpoint *endpoint = user_data;
  guint i = 0;

  g_clear_pointer (&endpoint->reap, g_source_unref);
  while (i < endpoint->clients->len) {
    WsClient *client = g_ptr_array_index (endpoint->clients, i);
    if (client->dead) {
      g_ptr_array_remove_index_fast (endpoint->clients, i);
      ws_client_free (client);
    } else {
      i++;
    }
  }
  return G_SOURCE_REMOVE;
}

void
ws_endpoint_gone (WsEndpoint *endpoint, WsClient *client)
{
  if (endpoint->owner)
    endpoint->events->client_removed (
        endpoint->owner, client->id, client->reason, &client->stats);
  if (endpoint->reap)
    return;
  endpoint->reap = g_idle_source_new ();
  g_source_set_priority (endpoint->reap, G_PRIORITY_DEFAULT);
  g_source_set_callback (endpoint->reap, endpoint_reap, endpoint, NULL);
  g_source_attach (endpoint->reap, endpoint->context);
}

void
ws_endpoint_message (
    WsEndpoint *endpoint, WsClient *client, const gchar *text, gsize size)
{
  if (endpoint->owner)
    endpoint->events->message (
        endpoint->owner, client->id, client->control, text, size);
}

/* ---- a viewer's place in the stream ---- */

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
    if (endpoint->full && !client_is_beyond (endpoint, client))
      endpoint_check_full (endpoint);
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

/* ---- viewers that are waited for ---- */

/* Whether the viewer is behind the hard limit. */
static gboolean
client_is_beyond (const WsEndpoint *endpoint, const WsClient *client)
{
  const WsRing *ring = &endpoint->ring;
  const WsItem *next = ws_ring_get (ring, client->seq);

  return next && !client->dead && !client->close_now &&
         (ring->clock - next->clock > endpoint->limits.hard_time ||
             ring->pushed - next->offset > endpoint->limits.hard_bytes);
}

static void
endpoint_check_full (WsEndpoint *endpoint)
{
  gboolean full = FALSE;
  guint i;

  if (endpoint->limits.recover != WS_RECOVER_WAIT)
    return;
  for (i = 0; i < endpoint->clients->len && !full; i++)
    full =
        client_is_beyond (endpoint, g_ptr_array_index (endpoint->clients, i));
  if (full == endpoint->full)
    return;
  g_mutex_lock (&endpoint->lock);
  endpoint->full = full;
  g_cond_broadcast (&endpoint->cond);
  g_mutex_unlock (&endpoint->lock);
}

/* ---- viewers that are not ---- */

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
      client_begin_lead (endpoint, client);
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
  client_begin_lead (endpoint, client);
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

/* What becomes of a viewer that does not keep up. */
static void
client_enforce (WsEndpoint *endpoint, WsClient *client, gint64 now)
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

/* Forgets what no viewer needs, and, beyond the hard limit, what one does.
 * Without any @behind no viewer needs anything. */
static void
endpoint_trim (WsEndpoint *endpoint, gboolean behind, GPtrArray *spent)
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

static void
endpoint_check_drained (WsEndpoint *endpoint)
{
  gint64 now = g_get_monotonic_time ();
  guint i;

  if (endpoint->emptying && !ws_closing_is_empty (endpoint->closing))
    return;
  for (i = 0; i < endpoint->clients->len; i++) {
    const WsClient *client = g_ptr_array_index (endpoint->clients, i);
    if (endpoint->emptying ? !client->dead
                           : !ws_client_drained (client) &&
                                 (endpoint->limits.recover == WS_RECOVER_WAIT ||
                                     !ws_client_blocked (client) ||
                                     now - client->progress < HOPELESS))
      return;
  }
  g_mutex_lock (&endpoint->lock);
  endpoint->drained = TRUE;
  g_cond_broadcast (&endpoint->cond);
  g_mutex_unlock (&endpoint->lock);
}

static gboolean
endpoint_tick (gpointer user_data)
{
  WsEndpoint *endpoint = user_data;
  gint64 now = g_get_monotonic_time ();
  guint i;

  for (i = 0; i < endpoint->clients->len; i++) {
    WsClient *client = g_ptr_array_index (endpoint->clients, i);
    ws_client_tick (client, now);
    client_enforce (endpoint, client, now);
  }
  ws_closing_hurry (endpoint->closing, FALSE);
  endpoint_trim (endpoint, TRUE, NULL);
  endpoint_check_full (endpoint);
  return G_SOURCE_CONTINUE;
}

/* ---- the stream ---- */

/* Gives every viewer what is new. With hundreds of them even to look at each
 * again costs: that is for when one has not got everything. */
static void
endpoint_pump (WsEndpoint *endpoint)
{
  gboolean behind = FALSE;
  gint64 now;
  guint i;

  for (i = 0; i < endpoint->clients->len; i++) {
    WsClient *client = g_ptr_array_index (endpoint->clients, i);
    ws_client_pump (client);
    behind |= !ws_client_idle (client);
  }
  /* After writing: a write that begins now has waited for nothing yet. */
  now = g_get_monotonic_time ();
  for (i = 0; i < endpoint->clients->len && behind; i++)
    client_enforce (endpoint, g_ptr_array_index (endpoint->clients, i), now);
  endpoint_trim (endpoint, behind, NULL);
  endpoint_check_full (endpoint);
}

static gboolean
endpoint_wake_run (gpointer user_data)
{
  WsEndpoint *endpoint = user_data;

  g_clear_pointer (&endpoint->wake, g_source_unref);
  endpoint_pump (endpoint);
  return G_SOURCE_REMOVE;
}

/* The relay thread writes what was pushed, in its next round. */
static void
endpoint_wake (WsEndpoint *endpoint)
{
  if (endpoint->wake)
    return;
  endpoint->wake = g_idle_source_new ();
  g_source_set_priority (endpoint->wake, G_PRIORITY_DEFAULT);
  g_source_set_callback (endpoint->wake, endpoint_wake_run, endpoint, NULL);
  g_source_attach (endpoint->wake, endpoint->context);
}

void
ws_endpoint_push (WsEndpoint *endpoint, WsItem *item)
{
  if (endpoint->error) {
    ws_item_unref (item);
    return;
  }
  endpoint->bytes_in += item->kind == WS_ITEM_TEXT ? 0 : item->size;
  ws_ring_push (&endpoint->ring, item);
  if (!endpoint->holding)
    endpoint_wake (endpoint);
}

gboolean
ws_endpoint_begin_hold (WsEndpoint *endpoint)
{
  endpoint->holding =
      endpoint->clients->len <= HOLD_MAX_CLIENTS && !endpoint->full;
  return endpoint->holding;
}

void
ws_endpoint_end_hold (WsEndpoint *endpoint, GPtrArray *spent)
{
  gboolean behind = FALSE;
  guint i;

  endpoint->holding = FALSE;
  for (i = 0; i < endpoint->clients->len; i++)
    behind |=
        !ws_client_pump_standing_in (g_ptr_array_index (endpoint->clients, i));
  if (behind)
    endpoint_wake (endpoint);
  else
    endpoint_trim (endpoint, FALSE, spent);
  endpoint_check_full (endpoint);
}

void
ws_endpoint_push_text (WsEndpoint *endpoint, gchar *text)
{
  ws_endpoint_push (endpoint, ws_item_new_text (text));
}

void
ws_endpoint_reply (WsEndpoint *endpoint, guint64 id, gchar *text)
{
  WsClient *client = ws_endpoint_find (endpoint, id);

  if (client == NULL) {
    g_free (text);
    return;
  }
  ws_client_push (client, ws_item_new_text (text));
  ws_client_pump (client);
}

void
ws_endpoint_fail (WsEndpoint *endpoint, gchar *text)
{
  WsItem *item = ws_item_new_text (text);

  if (!endpoint->error) {
    ws_endpoint_push (endpoint, ws_item_ref (item));
    endpoint->error = ws_item_ref (item);
    ws_endpoint_close (endpoint, WS_CLOSE_NORMAL, "error",
        "the stream has failed", ERROR_PATIENCE);
  }
  ws_item_unref (item);
}

void
ws_endpoint_restart (WsEndpoint *endpoint)
{
  endpoint_forget_stream (endpoint);
  endpoint->ring.has_key = FALSE;
}

/* ---- the sink's threads ---- */

gboolean
ws_endpoint_hand_over (WsEndpoint *endpoint, gsize size)
{
  gint64 deadline = g_get_monotonic_time () + HAND_OVER_WAIT;
  guint64 most = HAND_OVER_MAX;
  gboolean flushing;

  /* What is on its way counts against the same limit. */
  if (endpoint->limits.recover == WS_RECOVER_WAIT)
    most = MIN (most, endpoint->limits.hard_bytes);
  g_mutex_lock (&endpoint->lock);
  endpoint->waiting++;
  while (!endpoint->flushing &&
         (endpoint->full ||
             (endpoint->handed_over && endpoint->handed_over + size > most)))
    if (!g_cond_wait_until (&endpoint->cond, &endpoint->lock, deadline))
      deadline = g_get_monotonic_time () + HAND_OVER_WAIT;
  endpoint->waiting--;
  flushing = endpoint->flushing;
  if (!flushing)
    endpoint->handed_over += size;
  g_mutex_unlock (&endpoint->lock);
  return !flushing;
}

gboolean
ws_endpoint_taken (WsEndpoint *endpoint, gsize size)
{
  gboolean last;

  g_mutex_lock (&endpoint->lock);
  endpoint->handed_over -= size;
  last = endpoint->handed_over == 0;
  if (endpoint->waiting)
    g_cond_broadcast (&endpoint->cond);
  g_mutex_unlock (&endpoint->lock);
  return last;
}

void
ws_endpoint_pump_now (WsEndpoint *endpoint)
{
  if (endpoint->wake) {
    drop_source (&endpoint->wake);
    endpoint_pump (endpoint);
  }
}

void
ws_endpoint_set_flushing (WsEndpoint *endpoint, gboolean flushing)
{
  g_mutex_lock (&endpoint->lock);
  endpoint->flushing = flushing;
  g_cond_broadcast (&endpoint->cond);
  g_mutex_unlock (&endpoint->lock);
}

/* Looks again every few ms for as long as somebody waits. */
static gboolean
endpoint_drain_tick (gpointer user_data)
{
  WsEndpoint *endpoint = user_data;
  gboolean again;

  endpoint_check_drained (endpoint);
  g_mutex_lock (&endpoint->lock);
  again = endpoint->draining && !endpoint->drained;
  g_mutex_unlock (&endpoint->lock);
  if (!again)
    drop_source (&endpoint->drain);
  return again ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
endpoint_drain_start (gpointer user_data)
{
  WsEndpoint *endpoint = user_data;

  if (endpoint->drain)
    return G_SOURCE_REMOVE;
  endpoint->drain = g_timeout_source_new (DRAIN_TICK_MS);
  g_source_set_callback (endpoint->drain, endpoint_drain_tick, endpoint, NULL);
  g_source_attach (endpoint->drain, endpoint->context);
  endpoint_drain_tick (endpoint);
  return G_SOURCE_REMOVE;
}

static gboolean
endpoint_wait (WsEndpoint *endpoint, gboolean emptying, gint64 patience)
{
  gint64 deadline =
      patience < 0 ? G_MAXINT64 : g_get_monotonic_time () + patience;
  gboolean drained;

  g_mutex_lock (&endpoint->lock);
  endpoint->draining = TRUE;
  endpoint->emptying = emptying;
  endpoint->drained = FALSE;
  g_mutex_unlock (&endpoint->lock);
  g_main_context_invoke_full (endpoint->context, G_PRIORITY_DEFAULT,
      endpoint_drain_start, ws_endpoint_ref (endpoint),
      (GDestroyNotify)ws_endpoint_unref);
  g_mutex_lock (&endpoint->lock);
  while (!endpoint->drained && (emptying || !endpoint->flushing))
    if (!g_cond_wait_until (&endpoint->cond, &endpoint->lock, deadline))
      break;
  drained = endpoint->drained;
  endpoint->draining = FALSE;
  g_mutex_unlock (&endpoint->lock);
  return drained;
}

gboolean
ws_endpoint_drain (WsEndpoint *endpoint, gint64 patience)
{
  return endpoint_wait (endpoint, FALSE, patience);
}

gboolean
ws_endpoint_wait_empty (WsEndpoint *endpoint, gint64 patience)
{
  return endpoint_wait (endpoint, TRUE, patience);
}
