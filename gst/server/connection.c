/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A client with its session: see connection.h.
 *
 * Threads: the main thread alone.
 */
#include "connection.h"

#include <string.h>

#include "queue.h"

static gboolean connection_settle (gpointer user);

/* From the main loop: the session is not called from within itself. */
static void
settle_soon (DvsConnection *connection)
{
  if (!connection->ticket)
    connection->ticket = g_idle_add_full (
        G_PRIORITY_DEFAULT, connection_settle, connection, NULL);
}

/* ---- what a session asks: its socket ---- */

static void
host_send_text (gpointer host, gchar *text)
{
  DvsConnection *connection = host;

  if (connection->client)
    dvs_client_send_text (connection->client, text);
  else
    g_free (text);
}

static void
host_send_media (gpointer host, GBytes *bytes)
{
  DvsConnection *connection = host;

  if (connection->client)
    dvs_client_send_media (connection->client, bytes);
}

static void
host_close (gpointer host, guint16 code, const gchar *reason)
{
  DvsConnection *connection = host;
  DvsClient *client = g_steal_pointer (&connection->client);

  if (client == NULL)
    return;
  dvs_client_close (client, code, reason);
  dvs_client_release (client);
  if (connection->end == NULL)
    connection->end = code == 1000   ? "closed"
                      : code == 1001 ? "shutdown"
                                     : "rejected";
  settle_soon (connection);
}

/* ---- its slot ---- */

static void
host_want_slot (gpointer host)
{
  DvsConnection *connection = host;
  const DvsServer *server = connection->server;
  guint sessions, most = server->settings->max_sessions_per_address;

  dvs_connections_of (server, connection->address, &sessions);
  connection->wants = TRUE;
  if (most && sessions >= most)
    connection->refusal =
        g_strdup ("Too many sessions of your address. Try again later.");
  else if (server->draining)
    connection->refusal = g_strdup ("The server is shutting down.");
  if (connection->refusal)
    settle_soon (connection);
  else
    dvs_queue_join (connection);
}

static void
host_free_slot (gpointer host)
{
  DvsConnection *connection = host;

  if (connection->delivered)
    dvs_metrics_observe (connection->server->metrics, DVS_TIME_SESSION,
        (gdouble)(g_get_monotonic_time () - connection->assigned_at) /
            G_USEC_PER_SEC);
  connection->delivered = FALSE;
  dvs_queue_leave (connection);
  settle_soon (connection);
}

static gboolean
host_start_run (gpointer host, const DvsRun *run)
{
  DvsConnection *connection = host;
  DvsSeat *seat = connection->seat;

  if (seat == NULL || !dvs_slot_start_run (seat->slot, run, seat))
    return FALSE;
  seat->runner = connection;
  return TRUE;
}

static void
host_generate (gpointer host, guint epoch, guint index, const gchar *prompt,
    const gchar *prompt_id)
{
  DvsConnection *connection = host;

  if (connection->seat)
    dvs_slot_generate (connection->seat->slot, epoch, index, prompt, prompt_id);
}

static void
host_prepare (gpointer host, const gchar *prompt)
{
  DvsConnection *connection = host;

  if (connection->seat)
    dvs_slot_prepare (connection->seat->slot, prompt);
}

static void
host_end (gpointer host, guint epoch, guint index)
{
  DvsConnection *connection = host;

  if (connection->seat)
    dvs_slot_end (connection->seat->slot, epoch, index);
}

static void
host_reset (gpointer host)
{
  DvsConnection *connection = host;

  if (connection->seat)
    dvs_slot_reset (connection->seat->slot);
}

static void
host_set_reading (gpointer host, gboolean reading)
{
  DvsConnection *connection = host;

  if (connection->seat)
    dvs_slot_set_reading (connection->seat->slot, reading);
}

static void
host_check_picture (gpointer host, GBytes *text, GCancellable *cancellable,
    DvsPictureFunc done, gpointer user)
{
  DvsConnection *connection = host;

  dvs_picture_check (
      connection->server->pictures, text, cancellable, done, user);
}

/* ---- time, log, metrics ---- */

typedef struct {
  DvsConnection *connection;
  guint timer;
} Alarm;

static gboolean
alarm_rings (gpointer user)
{
  Alarm *alarm = user;

  alarm->connection->timers[alarm->timer] = 0;
  dvs_session_timer (alarm->connection->session, alarm->timer);
  return G_SOURCE_REMOVE;
}

static void
host_timer (gpointer host, guint timer, guint ms)
{
  DvsConnection *connection = host;
  Alarm *alarm;

  g_return_if_fail (timer < DVS_SESSION_TIMERS);
  g_clear_handle_id (&connection->timers[timer], g_source_remove);
  if (!ms)
    return;
  alarm = g_new (Alarm, 1);
  *alarm = (Alarm){connection, timer};
  connection->timers[timer] =
      g_timeout_add_full (G_PRIORITY_DEFAULT, ms, alarm_rings, alarm, g_free);
}

static gint64
host_now (gpointer host)
{
  return g_get_monotonic_time ();
}

static void
host_log (gpointer host, const gchar *event, JsonObject *fields)
{
  DvsConnection *connection = host;

  dvs_log_event (connection->server->log, event, connection->id, fields);
}

static void
host_observe (gpointer host, const gchar *metric, gdouble value)
{
  DvsConnection *connection = host;

  dvs_metrics_observe (connection->server->metrics, metric, value);
}

static const DvsSessionHost host_functions = {
    .send_text = host_send_text,
    .send_media = host_send_media,
    .close = host_close,
    .want_slot = host_want_slot,
    .free_slot = host_free_slot,
    .start_run = host_start_run,
    .generate = host_generate,
    .prepare = host_prepare,
    .end = host_end,
    .reset = host_reset,
    .set_reading = host_set_reading,
    .check_picture = host_check_picture,
    .timer = host_timer,
    .now = host_now,
    .log = host_log,
    .observe = host_observe,
};

/* ---- what a client tells ---- */

static void
client_text (gpointer user, const gchar *text, gsize size)
{
  DvsConnection *connection = user;

  dvs_session_text (connection->session, text, size);
}

static void
client_binary (gpointer user)
{
  DvsConnection *connection = user;

  dvs_session_binary (connection->session);
}

static void
client_unsent (gpointer user, guint64 bytes)
{
  DvsConnection *connection = user;

  dvs_session_unsent (connection->session, bytes);
}

static void
client_gone (gpointer user, const gchar *reason)
{
  DvsConnection *connection = user;

  connection->client = NULL;
  if (connection->end == NULL)
    connection->end = reason;
  dvs_session_gone (connection->session);
  settle_soon (connection);
}

static const DvsClientEvents client_events = {
    client_text, client_binary, client_unsent, client_gone};

/* ---- life ---- */

/* Not a session's words: it knows nothing of addresses. */
static void
refuse (DvsConnection *connection)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_object_set_string_member (object, "type", "error");
  json_object_set_string_member (object, "message", connection->refusal);
  json_node_take_object (node, object);
  host_send_text (connection, json_to_string (node, FALSE));
  json_node_unref (node);
  connection->end = "refused";
  host_close (connection, 1013, "Try again later");
  dvs_session_gone (connection->session);
}

/* What the session asked for and must not be done from within it. */
static gboolean
connection_settle (gpointer user)
{
  DvsConnection *connection = user;

  connection->ticket = 0;
  if (dvs_session_over (connection->session)) {
    dvs_connection_free (connection);
    return G_SOURCE_REMOVE;
  }
  if (connection->refusal) {
    refuse (connection);
  } else if (connection->seat && !connection->delivered) {
    connection->delivered = TRUE;
    connection->assigned_at = g_get_monotonic_time ();
    dvs_metrics_observe (connection->server->metrics, DVS_COUNT_SESSIONS, 1);
    dvs_session_assigned (
        connection->session, dvs_slot_number (connection->seat->slot));
  }
  return G_SOURCE_REMOVE;
}

void
dvs_connection_assign (DvsConnection *connection, DvsSeat *seat)
{
  connection->seat = seat;
  seat->owner = connection;
  settle_soon (connection);
}

void
dvs_connection_new (DvsServer *server, GIOStream *stream, const gchar *address)
{
  DvsConnection *connection = g_new0 (DvsConnection, 1);
  DvsPlace place;

  connection->client =
      dvs_client_new (server->room, stream, &client_events, connection);
  if (connection->client == NULL) {
    g_free (connection);
    return;
  }
  connection->server = server;
  connection->link.data = connection->waiting_link.data = connection;
  connection->id = g_uuid_string_random ();
  connection->address = g_strdup (address);
  connection->since = g_get_monotonic_time ();
  g_queue_push_tail_link (&server->connections, &connection->link);
  dvs_metrics_observe (server->metrics, DVS_COUNT_CONNECTIONS, 1);
  connection->session = dvs_session_new (connection->id, server->settings,
      server->prompts, &host_functions, connection);
  dvs_queue_place (server, &place);
  dvs_session_place (connection->session, &place);
}

static void
log_end (DvsConnection *connection)
{
  JsonObject *fields = json_object_new ();
  gchar *metric = g_strconcat (DVS_COUNT_SESSION_ENDS ":",
      connection->end ? connection->end : "shutdown", NULL);

  dvs_metrics_observe (connection->server->metrics, metric, 1);
  g_free (metric);
  json_object_set_string_member (
      fields, "reason", connection->end ? connection->end : "shutdown");
  json_object_set_double_member (fields, "seconds",
      (gdouble)(g_get_monotonic_time () - connection->since) / G_USEC_PER_SEC);
  dvs_log_event (
      connection->server->log, "ws_session_end", connection->id, fields);
}

void
dvs_connection_free (DvsConnection *connection)
{
  guint i;

  if (connection->client) {
    dvs_client_release (connection->client);
    connection->client = NULL;
  }
  dvs_session_free (connection->session);
  dvs_queue_leave (connection);
  log_end (connection);
  g_queue_unlink (&connection->server->connections, &connection->link);
  g_clear_handle_id (&connection->ticket, g_source_remove);
  for (i = 0; i < DVS_SESSION_TIMERS; i++)
    g_clear_handle_id (&connection->timers[i], g_source_remove);
  g_free (connection->refusal);
  g_free (connection->address);
  g_free (connection->id);
  g_free (connection);
}

guint
dvs_connections_of (
    const DvsServer *server, const gchar *address, guint *sessions)
{
  const GList *link;
  guint connections = 0;

  *sessions = 0;
  for (link = server->connections.head; link; link = link->next) {
    const DvsConnection *connection = link->data;
    if (!g_str_equal (connection->address, address))
      continue;
    connections++;
    *sessions += connection->wants && !connection->refusal;
  }
  return connections;
}

void
dvs_connections_shutdown (DvsServer *server, gboolean waiting_only)
{
  GList *link, *next;

  for (link = server->connections.head; link; link = next) {
    DvsConnection *connection = link->data;
    next = link->next;
    if (!waiting_only || !connection->seat)
      dvs_session_shutdown (connection->session);
  }
}
