/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The server as a whole: its start, its end, and what changes in between.
 *
 * Threads: the main thread alone.
 */
#include "server.h"

#include <glib-unix.h>
#include <string.h>

#include "agent.h"
#include "connection.h"
#include "http.h"
#include "notify.h"
#include "queue.h"

#define DRAIN_TICK_MS 50
/* For closing handshakes, after the last session is over. */
#define FAREWELL (3 * G_USEC_PER_SEC)
#define SETTLE (1 * G_USEC_PER_SEC)

/* ---- what slots tell ---- */

static void
slot_state (DvsSlot *slot, gpointer user)
{
  DvsServer *server = user;
  DvsSeat *seat = &server->seats[dvs_slot_number (slot)];
  DvsSlotInfo info;

  dvs_slot_info (slot, &info);
  if (info.restarts > seat->restarts) {
    gchar *metric =
        g_strdup_printf (DVS_COUNT_RESTARTS ":%u", dvs_slot_number (slot));
    dvs_metrics_observe (
        server->metrics, metric, info.restarts - seat->restarts);
    g_free (metric);
    seat->restarts = info.restarts;
    seat->warm = FALSE;
  }
  if (info.warm && !seat->warm) {
    dvs_metrics_observe (server->metrics, DVS_TIME_START, info.start_ms / 1000);
    g_message ("slot %u: ready after %.1f s.", dvs_slot_number (slot),
        info.start_ms / 1000);
  }
  seat->warm = info.warm;
  /* Of a run the session is told by its end. */
  if (dvs_slot_state (slot) == DVS_SLOT_DEAD && seat->owner && !seat->runner)
    dvs_session_slot_lost (seat->owner->session, info.error);
  dvs_queue_serve (server);
}

static void
slot_need_prompt (gpointer user, guint epoch, guint index)
{
  DvsSeat *seat = user;

  if (seat->runner)
    dvs_session_need_prompt (seat->runner->session, epoch, index);
}

static void
slot_event (gpointer user, JsonObject *event)
{
  DvsSeat *seat = user;

  if (seat->runner)
    dvs_session_event (seat->runner->session, event);
}

static void
slot_media (gpointer user, GBytes *bytes)
{
  DvsSeat *seat = user;

  if (seat->runner)
    dvs_session_media (seat->runner->session, bytes);
}

static void
slot_run_ended (gpointer user, const gchar *error)
{
  DvsSeat *seat = user;
  DvsConnection *runner = g_steal_pointer (&seat->runner);

  if (runner)
    dvs_session_run_ended (runner->session, error);
}

static const DvsSlotEvents slot_events = {
    slot_state, slot_need_prompt, slot_event, slot_media, slot_run_ended};

static void
start_slots (DvsServer *server)
{
  guint n = server->settings->slots, i;

  server->seats = g_new0 (DvsSeat, n);
  for (i = 0; i < n; i++) {
    server->seats[i].server = server;
    server->seats[i].slot =
        dvs_slot_new (i, dvs_settings_device (server->settings, i),
            server->settings, &slot_events, server);
  }
}

/* ---- how it is ---- */

void
dvs_server_count (const DvsServer *server, DvsCounts *counts)
{
  guint i;

  *counts = (DvsCounts){0};
  for (i = 0; i < server->settings->slots; i++) {
    const DvsSlot *slot = server->seats[i].slot;
    DvsSlotState state = dvs_slot_state (slot);

    counts->ready += state == DVS_SLOT_READY || state == DVS_SLOT_BUSY;
    counts->free += state == DVS_SLOT_READY && !dvs_slot_taken (slot);
    counts->loading += state == DVS_SLOT_LOADING;
    counts->warming += state == DVS_SLOT_WARMING;
  }
  /* Who waits comes first. */
  counts->free -= MIN (counts->free, server->waiting.length);
}

const gchar *
dvs_server_unready (const DvsServer *server)
{
  DvsCounts counts;

  if (server->draining)
    return "The server is shutting down.";
  dvs_server_count (server, &counts);
  if (counts.ready)
    return NULL;
  if (counts.warming)
    return "The first segments are being made, for nobody, to warm up.";
  if (counts.loading)
    return "The model is being loaded.";
  return "No ready GPU worker processes.";
}

guint
dvs_server_port (const DvsServer *server)
{
  return server->listener.port;
}

/* ---- tokens ---- */

/* FALSE: the file cannot be read. */
static gboolean
load_tokens (DvsServer *server, GError **error)
{
  const DvsSettings *settings = server->settings;
  GStrvBuilder *builder = g_strv_builder_new ();
  gchar *text = NULL, **lines = NULL;
  guint i, n = 0;

  if (settings->token_file &&
      !g_file_get_contents (settings->token_file, &text, NULL, error)) {
    g_strv_builder_unref (builder);
    return FALSE;
  }
  if (settings->token) {
    g_strv_builder_add (builder, settings->token);
    n++;
  }
  lines = g_strsplit (text ? text : "", "\n", -1);
  for (i = 0; lines[i]; i++) {
    if (!*g_strstrip (lines[i]))
      continue;
    g_strv_builder_add (builder, lines[i]);
    n++;
  }
  g_strfreev (server->tokens);
  /* An empty file lets nobody in; no file everybody. */
  server->tokens =
      n || settings->token_file ? g_strv_builder_end (builder) : NULL;
  g_strv_builder_unref (builder);
  g_strfreev (lines);
  g_free (text);
  return TRUE;
}

/* ---- reload ---- */

DvsSettings *
dvs_server_settings (const gchar *config_file, gchar **flags, GError **error)
{
  DvsSettings *settings = dvs_settings_new ();
  guint i;

  if (config_file && !dvs_settings_read (settings, config_file, error))
    goto failed;
  for (i = 0; flags && flags[i]; i += 2)
    dvs_settings_empty (settings, flags[i]);
  for (i = 0; flags && flags[i]; i += 2) {
    gchar *source = g_strdup_printf ("--%s", flags[i]);
    gboolean good =
        dvs_settings_set (settings, flags[i], flags[i + 1], source, error);
    g_free (source);
    if (!good)
      goto failed;
  }
  if (dvs_settings_check (settings, error))
    return settings;
failed:
  dvs_settings_free (settings);
  return NULL;
}

static void
warn_and_clear (const gchar *what, GError **error)
{
  g_warning ("%s: %s", what, (*error)->message);
  g_clear_error (error);
}

/* The files may hold another certificate now. */
static void
reload_certificate (DvsServer *server)
{
  GTlsCertificate *fresh;
  GError *error = NULL;

  if (!server->settings->tls_certificate)
    return;
  fresh = g_tls_certificate_new_from_files (
      server->settings->tls_certificate, server->settings->tls_key, &error);
  if (fresh == NULL) {
    warn_and_clear ("The old certificate stays", &error);
    return;
  }
  g_object_unref (server->listener.tls);
  server->listener.tls = fresh;
}

void
dvs_server_reload (DvsServer *server)
{
  GError *error = NULL;
  DvsSettings *fresh =
      dvs_server_settings (server->config_file, server->flags, &error);
  gchar *ignored;

  dvs_notify_reloading ();
  if (fresh == NULL) {
    warn_and_clear ("Nothing is reloaded", &error);
    goto done;
  }
  ignored = dvs_settings_reload (server->settings, fresh);
  dvs_settings_free (fresh);
  if (ignored)
    g_warning ("These take a restart and stay as they were: %s", ignored);
  g_free (ignored);
  if (!load_tokens (server, &error))
    warn_and_clear ("The old tokens stay", &error);
  if (!dvs_prompts_reload (server->prompts, server->settings, &error))
    warn_and_clear ("The old prompts stay", &error);
  reload_certificate (server);
  dvs_log_reopen (server->log);
  g_message ("reloaded.");
done:
  dvs_notify ("READY=1");
}

/* ---- the end ---- */

static gboolean
drain_tick (gpointer user)
{
  DvsServer *server = user;
  gint64 now = g_get_monotonic_time ();

  if (server->connections.length && now >= server->drain_deadline)
    dvs_connections_shutdown (server, FALSE);
  if (server->connections.length)
    return G_SOURCE_CONTINUE;
  if (dvs_room_size (server->room) && now < server->drain_deadline + FAREWELL)
    return G_SOURCE_CONTINUE;
  server->drain_tick = 0;
  g_main_loop_quit (server->loop);
  return G_SOURCE_REMOVE;
}

static void
drain_within (DvsServer *server, guint seconds)
{
  server->draining = TRUE;
  server->drain_deadline =
      g_get_monotonic_time () + (gint64)seconds * G_USEC_PER_SEC;
  if (!server->drain_tick)
    server->drain_tick = g_timeout_add (DRAIN_TICK_MS, drain_tick, server);
}

void
dvs_server_drain (DvsServer *server)
{
  if (server->draining) { /* somebody is in a hurry */
    drain_within (server, 0);
    return;
  }
  g_message ("going down: %u sessions have %u s to end.",
      server->connections.length, server->settings->drain_timeout_s);
  dvs_notify ("STOPPING=1");
  drain_within (server, server->settings->drain_timeout_s);
  dvs_connections_shutdown (server, TRUE);
}

static gboolean
on_terminate (gpointer user)
{
  dvs_server_drain (user);
  return G_SOURCE_CONTINUE;
}

/* Ctrl-C: nobody wants to wait a minute. */
static gboolean
on_interrupt (gpointer user)
{
  DvsServer *server = user;

  server->draining = TRUE;
  drain_within (server, 0);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_hangup (gpointer user)
{
  dvs_server_reload (user);
  return G_SOURCE_CONTINUE;
}

/* From the beginning on: who ends a server that has only just said where it
 * listens must not end it like any program. */
static void
heed_signals (DvsServer *server)
{
  server->signals[0] = g_unix_signal_add (SIGTERM, on_terminate, server);
  server->signals[1] = g_unix_signal_add (SIGINT, on_interrupt, server);
  server->signals[2] = g_unix_signal_add (SIGHUP, on_hangup, server);
}

/* ---- life ---- */

DvsServer *
dvs_server_new (DvsSettings *settings, const gchar *config_file, gchar **flags,
    GError **error)
{
  DvsServer *server = g_new0 (DvsServer, 1);

  server->settings = settings;
  server->config_file = g_strdup (config_file);
  server->flags = g_strdupv (flags);
  server->listener.spare = -1;
  server->loop = g_main_loop_new (NULL, FALSE);
  heed_signals (server);
  g_queue_init (&server->connections);
  g_queue_init (&server->waiting);
  server->metrics = dvs_metrics_new ();
  server->pictures = dvs_pictures_new ();
  server->log = dvs_log_new (settings, server->metrics);
  if (!load_tokens (server, error))
    goto failed;
  server->prompts = dvs_prompts_new (settings, error);
  if (server->prompts == NULL)
    goto failed;
  if (!ws_listener_open (&server->listener, settings->address, settings->port,
          settings->tls_certificate, settings->tls_key, error))
    goto failed;
  if (settings->agent_port) {
    server->agent = dvs_agent_new (server, error);
    if (server->agent == NULL)
      goto failed;
  }
  server->room = dvs_room_new (settings, server->metrics);
  server->http = soup_server_new (NULL, NULL);
  dvs_http_attach (server);
  start_slots (server);
  ws_listener_start (
      &server->listener, server->http, g_main_context_default ());
  return server;

failed:
  dvs_server_free (server);
  return NULL;
}

void
dvs_server_run (DvsServer *server)
{
  guint watchdog = dvs_notify_watchdog ();

  dvs_notify ("READY=1");
  g_main_loop_run (server->loop);
  g_clear_handle_id (&watchdog, g_source_remove);
}

void
dvs_server_free (DvsServer *server)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (server->signals); i++)
    g_clear_handle_id (&server->signals[i], g_source_remove);
  server->draining = TRUE; /* nobody gets a slot any more */
  while (server->connections.head)
    dvs_connection_free (server->connections.head->data);
  for (i = 0; server->seats && i < server->settings->slots; i++)
    dvs_slot_free (server->seats[i].slot);
  g_clear_handle_id (&server->broadcast, g_source_remove);
  g_clear_handle_id (&server->drain_tick, g_source_remove);
  if (server->http)
    soup_server_disconnect (server->http);
  dvs_pictures_free (server->pictures);
  g_clear_pointer (&server->room, dvs_room_free);
  ws_listener_close (&server->listener);
  if (server->http) {
    ws_listener_settle (&server->listener, SETTLE);
    g_clear_object (&server->http);
  }
  dvs_agent_free (server->agent);
  g_clear_pointer (&server->prompts, dvs_prompts_free);
  dvs_log_free (server->log);
  dvs_metrics_free (server->metrics);
  g_strfreev (server->tokens);
  g_strfreev (server->flags);
  g_free (server->config_file);
  g_free (server->seats);
  g_main_loop_unref (server->loop);
  dvs_settings_free (server->settings);
  g_free (server);
}
