/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HTTP: how the server is.
 *
 * Threads: the main thread alone.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "http.h"

void
dvs_http_healthz (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  JsonObject *object = json_object_new ();
  gchar *ts = dvs_http_time ();

  json_object_set_string_member (object, "status", "ok");
  json_object_set_string_member (
      object, "service", server->settings->service_name);
  json_object_set_string_member (object, "ts", ts);
  dvs_http_json (message, SOUP_STATUS_OK, object);
  g_free (ts);
}

/* Members that /readyz and /status share. */
static void
add_counts (const DvsServer *server, JsonObject *object)
{
  DvsCounts counts;
  guint i, warm = 0, failed = 0;

  dvs_server_count (server, &counts);
  for (i = 0; i < server->settings->slots; i++) {
    DvsSlotInfo info;
    dvs_slot_info (server->seats[i].slot, &info);
    warm += server->settings->warmup && info.warm;
    failed += info.error != NULL && !info.warm;
  }
  json_object_set_int_member (object, "total_gpus", server->settings->slots);
  json_object_set_int_member (object, "available_gpus", counts.free);
  json_object_set_int_member (object, "warmup_successful_gpus", warm);
  json_object_set_int_member (object, "warmup_failed_gpus", failed);
  json_object_set_int_member (object, "queue_size", server->waiting.length);
}

void
dvs_http_readyz (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  const gchar *unready = dvs_server_unready (server);
  JsonObject *object = json_object_new ();
  gchar *ts = dvs_http_time ();
  DvsCounts counts;

  dvs_server_count (server, &counts);
  if (unready)
    json_object_set_string_member (object, "detail", unready);
  json_object_set_string_member (
      object, "status", unready ? "warming" : "ready");
  json_object_set_string_member (
      object, "service", server->settings->service_name);
  json_object_set_int_member (object, "ready_gpu_workers", counts.ready);
  add_counts (server, object);
  json_object_set_string_member (object, "ts", ts);
  dvs_http_json (message,
      unready ? SOUP_STATUS_SERVICE_UNAVAILABLE : SOUP_STATUS_OK, object);
  g_free (ts);
}

static JsonObject *
describe_slot (const DvsServer *server, const DvsSeat *seat)
{
  DvsSlotState state = dvs_slot_state (seat->slot);
  JsonObject *object = json_object_new ();
  DvsSlotInfo info;

  dvs_slot_info (seat->slot, &info);
  json_object_set_boolean_member (
      object, "ready", state == DVS_SLOT_READY || state == DVS_SLOT_BUSY);
  json_object_set_boolean_member (object, "available",
      state == DVS_SLOT_READY && !dvs_slot_taken (seat->slot));
  json_object_set_int_member (object, "client_count", seat->owner != NULL);
  if (info.model)
    json_object_set_string_member (object, "current_model_id", info.model);
  else
    json_object_set_null_member (object, "current_model_id");
  json_object_set_boolean_member (object, "process_alive", info.alive);
  json_object_set_boolean_member (
      object, "warmup_enabled", server->settings->warmup);
  json_object_set_boolean_member (
      object, "warmup_success", server->settings->warmup && info.warm);
  if (info.error)
    json_object_set_string_member (object, "warmup_error", info.error);
  else
    json_object_set_null_member (object, "warmup_error");
  json_object_set_object_member (object, "warmup_timings",
      info.warmup_timings ? json_object_ref (info.warmup_timings)
                          : json_object_new ());
  /* what upstream does not tell */
  json_object_set_string_member (object, "state", dvs_slot_state_name (state));
  json_object_set_string_member (object, "device",
      dvs_settings_device (server->settings, dvs_slot_number (seat->slot)));
  json_object_set_boolean_member (object, "procedural", info.procedural);
  json_object_set_double_member (object, "load_fraction", info.load_fraction);
  json_object_set_double_member (object, "start_ms", info.start_ms);
  json_object_set_int_member (object, "restarts", info.restarts);
  json_object_set_int_member (object, "pid", info.pid);
  json_object_set_int_member (object, "resident_bytes", (gint64)info.rss);
  return object;
}

void
dvs_http_status (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  JsonObject *object = json_object_new (), *slots = json_object_new ();
  guint i;

  add_counts (server, object);
  json_object_set_boolean_member (
      object, "warmup_enabled", server->settings->warmup);
  for (i = 0; i < server->settings->slots; i++) {
    gchar *name = g_strdup_printf ("%u", i);
    json_object_set_object_member (
        slots, name, describe_slot (server, &server->seats[i]));
    g_free (name);
  }
  json_object_set_object_member (object, "gpu_status", slots);
  json_object_set_boolean_member (object, "draining", server->draining);
  json_object_set_int_member (
      object, "connections", server->connections.length);
  dvs_http_json (message, SOUP_STATUS_OK, object);
}

void
dvs_http_sessions (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  JsonObject *object = json_object_new ();
  gchar *ts = dvs_http_time ();

  json_object_set_string_member (
      object, "service", server->settings->service_name);
  json_object_set_int_member (
      object, "pending_sessions", server->waiting.length);
  json_object_set_int_member (
      object, "max_available_sessions", server->settings->slots);
  json_object_set_object_member (object, "prompt_provider_success_counts",
      dvs_prompts_successes (server->prompts));
  json_object_set_string_member (object, "ts", ts);
  dvs_http_json (message, SOUP_STATUS_OK, object);
  g_free (ts);
}

/* ---- metrics ---- */

static guint64
resident_bytes (void)
{
  FILE *file = fopen ("/proc/self/statm", "re");
  unsigned long size, resident = 0;

  if (file && fscanf (file, "%lu %lu", &size, &resident) != 2)
    resident = 0;
  if (file)
    fclose (file);
  return (guint64)resident * (guint64)sysconf (_SC_PAGESIZE);
}

static guint
open_descriptors (void)
{
  DIR *directory = opendir ("/proc/self/fd");
  guint n = 0;

  if (directory == NULL)
    return 0;
  while (readdir (directory))
    n++;
  closedir (directory);
  return n > 3 ? n - 3 : 0; /* ".", "..", and the directory's own */
}

static void
set_label (
    DvsServer *server, const gchar *family, const gchar *label, gdouble value)
{
  gchar *name = g_strconcat (family, ":", label, NULL);

  dvs_metrics_observe (server->metrics, name, value);
  g_free (name);
}

static void
set_slots (DvsServer *server)
{
  guint states[DVS_SLOT_STOPPED + 1] = {0}, i;

  for (i = 0; i < server->settings->slots; i++) {
    gchar name[16];
    DvsSlotInfo info;

    dvs_slot_info (server->seats[i].slot, &info);
    states[dvs_slot_state (server->seats[i].slot)]++;
    g_snprintf (name, sizeof name, "slot%u", i);
    set_label (server, DVS_NOW_MEMORY, name, (gdouble)info.rss);
  }
  for (i = 0; i <= DVS_SLOT_STOPPED; i++)
    set_label (server, DVS_NOW_SLOTS, dvs_slot_state_name (i), states[i]);
}

void
dvs_http_metrics (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  DvsMetrics *metrics = server->metrics;
  DvsCounts counts;
  const GList *link;
  guint sessions = 0;
  gchar *text;

  dvs_server_count (server, &counts);
  for (link = server->connections.head; link; link = link->next)
    sessions += ((const DvsConnection *)link->data)->seat != NULL;
  dvs_metrics_observe (
      metrics, DVS_NOW_CONNECTIONS, dvs_room_size (server->room));
  dvs_metrics_observe (metrics, DVS_NOW_QUEUE, server->waiting.length);
  dvs_metrics_observe (metrics, DVS_NOW_SESSIONS, sessions);
  dvs_metrics_observe (metrics, DVS_NOW_FREE, counts.free);
  dvs_metrics_observe (
      metrics, DVS_NOW_UNSENT, (gdouble)dvs_room_unsent (server->room));
  dvs_metrics_observe (metrics, DVS_NOW_DRAINING, server->draining);
  dvs_metrics_observe (metrics, DVS_NOW_DESCRIPTORS, open_descriptors ());
  set_label (server, DVS_NOW_MEMORY, "front", (gdouble)resident_bytes ());
  set_slots (server);
  text = dvs_metrics_text (metrics);
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message,
      "text/plain; version=0.0.4; charset=utf-8", SOUP_MEMORY_COPY, text,
      strlen (text));
  g_free (text);
}
