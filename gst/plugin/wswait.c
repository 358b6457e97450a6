/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Waiting for viewers: see wswait.h.
 */
#include "wswait.h"

#include "wsplace.h"
#include "wssource.h"

#define DRAIN_TICK_MS 5
/* While all waits for the viewers, one that took nothing for so long does not
 * hold up the others. */
#define HOPELESS (300 * 1000)
/* Bytes between the pipeline and the relay thread; beyond it the pipeline
 * waits, for at most HAND_OVER_WAIT at a time. */
#define HAND_OVER_MAX (32 * 1024 * 1024)
#define HAND_OVER_WAIT (2 * G_USEC_PER_SEC)

/* ---- room for what is to come ---- */

void
ws_endpoint_check_full (WsEndpoint *endpoint)
{
  gboolean full = FALSE;
  guint i;

  if (endpoint->limits.recover != WS_RECOVER_WAIT)
    return;
  for (i = 0; i < endpoint->clients->len && !full; i++)
    full =
        ws_place_is_beyond (endpoint, g_ptr_array_index (endpoint->clients, i));
  if (full == endpoint->full)
    return;
  g_mutex_lock (&endpoint->lock);
  endpoint->full = full;
  g_cond_broadcast (&endpoint->cond);
  g_mutex_unlock (&endpoint->lock);
}

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
ws_endpoint_set_flushing (WsEndpoint *endpoint, gboolean flushing)
{
  g_mutex_lock (&endpoint->lock);
  endpoint->flushing = flushing;
  g_cond_broadcast (&endpoint->cond);
  g_mutex_unlock (&endpoint->lock);
}

/* ---- until all is out ---- */

/* That all viewers have gone, or that they have all that was pushed. */
static gboolean
endpoint_is_drained (WsEndpoint *endpoint, gboolean emptying)
{
  gint64 now = g_get_monotonic_time ();
  guint i;

  if (emptying && !ws_closing_is_empty (endpoint->closing))
    return FALSE;
  for (i = 0; i < endpoint->clients->len; i++) {
    const WsClient *client = g_ptr_array_index (endpoint->clients, i);
    if (emptying ? !client->dead
                 : !ws_client_drained (client) &&
                       (endpoint->limits.recover == WS_RECOVER_WAIT ||
                           !ws_client_blocked (client) ||
                           now - client->progress < HOPELESS))
      return FALSE;
  }
  return TRUE;
}

/* Looks again every few ms for as long as somebody waits. Whoever gave up may
 * wait again, for something else, while this looks: @wait tells them apart. */
static gboolean
endpoint_drain_tick (gpointer user_data)
{
  WsEndpoint *endpoint = user_data;
  gboolean again, emptying, drained;
  guint wait;

  g_mutex_lock (&endpoint->lock);
  emptying = endpoint->emptying;
  wait = endpoint->wait;
  g_mutex_unlock (&endpoint->lock);
  drained = endpoint_is_drained (endpoint, emptying);
  g_mutex_lock (&endpoint->lock);
  if (drained && wait == endpoint->wait) {
    endpoint->drained = TRUE;
    g_cond_broadcast (&endpoint->cond);
  }
  again = endpoint->draining && !endpoint->drained;
  g_mutex_unlock (&endpoint->lock);
  if (!again)
    ws_source_drop (&endpoint->drain);
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
  endpoint->wait++;
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
