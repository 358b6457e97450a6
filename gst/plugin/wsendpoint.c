/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One path of a port: see wsendpoint.h.
 */
#include "wsendpoint.h"

#include "wsjson.h"
#include "wsplace.h"
#include "wssource.h"
#include "wswait.h"

#define TICK_MS 250
/* Viewers that are written to in place of the relay thread: so many take less
 * than a millisecond of the pipeline's time. */
#define HOLD_MAX_CLIENTS 64
#define ERROR_PATIENCE (2 * G_USEC_PER_SEC)

static gboolean endpoint_tick (gpointer user_data);

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

  ws_source_drop (&endpoint->wake);
  ws_source_drop (&endpoint->tick);
  ws_source_drop (&endpoint->drain);
  for (i = 0; i < endpoint->clients->len; i++)
    ws_client_fail (g_ptr_array_index (endpoint->clients, i), "cut");
  endpoint->owner = NULL;
  ws_source_drop (&endpoint->reap);
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
    ws_client_push (client, ws_item_ref (endpoint->error));
    client->seq = endpoint->ring.next;
  } else {
    ws_place_begin (endpoint, client);
  }
  ws_place_begin_lead (endpoint, client);
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

/* ---- the clock ---- */

static gboolean
endpoint_tick (gpointer user_data)
{
  WsEndpoint *endpoint = user_data;
  gint64 now = g_get_monotonic_time ();
  guint i;

  for (i = 0; i < endpoint->clients->len; i++) {
    WsClient *client = g_ptr_array_index (endpoint->clients, i);
    ws_client_tick (client, now);
    ws_place_enforce (endpoint, client, now);
  }
  ws_closing_hurry (endpoint->closing, FALSE);
  ws_place_trim (endpoint, TRUE, NULL);
  ws_endpoint_check_full (endpoint);
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
    ws_place_enforce (endpoint, g_ptr_array_index (endpoint->clients, i), now);
  ws_place_trim (endpoint, behind, NULL);
  ws_endpoint_check_full (endpoint);
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

void
ws_endpoint_pump_now (WsEndpoint *endpoint)
{
  if (endpoint->wake) {
    ws_source_drop (&endpoint->wake);
    endpoint_pump (endpoint);
  }
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
    ws_place_trim (endpoint, FALSE, spent);
  ws_endpoint_check_full (endpoint);
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
