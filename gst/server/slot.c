/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A slot, as the front sees it: the worker's life, from the start of a process
 * to the start of the next.  slot-run.c has what is asked of it.
 *
 * Threads: the main thread alone.
 */
#include "slot-private.h"

#include "channel.h"
#include "setup.h"

#define TICK_MS 1000
/* A worker's main loop waits for nobody; so many pings without an answer mean
 * that it hangs. Counted and not timed: the front itself may have slept. */
#define MAX_UNANSWERED 10
#define FIRST_BACKOFF_MS 500
#define LAST_BACKOFF_MS 60000
#define HEALTHY_US (60 * G_USEC_PER_SEC)

static void slot_start (DvsSlot *slot);

const gchar *
dvs_slot_state_name (DvsSlotState state)
{
  static const gchar *const names[] = {
      "starting", "loading", "warming", "ready", "busy", "dead", "stopped"};

  return (guint)state < G_N_ELEMENTS (names) ? names[state] : "unknown";
}

void
dvs_slot_set_state (DvsSlot *slot, DvsSlotState state)
{
  if (slot->state == state)
    return;
  slot->state = state;
  slot->since = g_get_monotonic_time ();
  if (state == DVS_SLOT_READY && !slot->warm) {
    slot->warm_since = slot->since;
    slot->warm = TRUE;
    slot->start_ms = (slot->since - slot->started) / 1000.0;
  }
  slot->events->state (slot, slot->user);
}

/* ---- death and the next life ---- */

static gboolean
respawn (gpointer data)
{
  DvsSlot *slot = data;

  slot->respawn = 0;
  slot->restarts++;
  slot_start (slot);
  return G_SOURCE_REMOVE;
}

static void
slot_dead (DvsSlot *slot, const gchar *why)
{
  gchar *error =
      slot->failure ? g_steal_pointer (&slot->failure) : g_strdup (why);

  g_free (slot->error);
  slot->error = error;
  slot->alive = slot->warm = FALSE;
  slot->rss = 0;
  slot->respawn = g_timeout_add (slot->backoff_ms, respawn, slot);
  g_message ("slot %u: %s Starting it again in %.1f s.", slot->number, error,
      slot->backoff_ms / 1000.0);
  slot->backoff_ms = MIN (2 * slot->backoff_ms, LAST_BACKOFF_MS);
  dvs_slot_set_state (slot, DVS_SLOT_DEAD);
  dvs_slot_run_lost (slot, error);
}

static void
process_died (gpointer user, const gchar *why)
{
  DvsSlot *slot = user;

  g_clear_pointer (&slot->process, dvs_process_free);
  slot_dead (slot, why);
}

void
dvs_slot_replace (DvsSlot *slot, const gchar *why)
{
  g_clear_pointer (&slot->process, dvs_process_free);
  slot_dead (slot, why);
}

/* ---- what the worker says ---- */

static void
take_open (DvsSlot *slot, JsonObject *message)
{
  g_free (slot->model);
  slot->model = g_strdup (dvs_packet_string (message, "model"));
  slot->procedural = dvs_packet_boolean (message, "procedural");
  slot->load_fraction = 1;
}

static void
take_ready (DvsSlot *slot, JsonObject *message)
{
  JsonNode *timings = json_object_get_member (message, "timings");

  g_clear_pointer (&slot->timings, json_object_unref);
  if (timings && JSON_NODE_HOLDS_OBJECT (timings))
    slot->timings = json_object_ref (json_node_get_object (timings));
  g_clear_pointer (&slot->error, g_free);
  dvs_slot_set_state (slot, DVS_SLOT_READY);
}

static void
process_message (gpointer user, JsonObject *message)
{
  DvsSlot *slot = user;
  const gchar *type = dvs_packet_string (message, "type");

  slot->unanswered = 0;
  slot->alive = TRUE;
  if (g_str_equal (type, "pong")) {
    slot->rss = (guint64)dvs_packet_int (message, "rss");
  } else if (g_str_equal (type, "loading")) {
    slot->load_fraction = dvs_packet_double (message, "fraction");
    dvs_slot_set_state (slot, DVS_SLOT_LOADING);
  } else if (g_str_equal (type, "open")) {
    take_open (slot, message);
  } else if (g_str_equal (type, "warming")) {
    dvs_slot_set_state (slot, DVS_SLOT_WARMING);
  } else if (g_str_equal (type, "ready")) {
    take_ready (slot, message);
  } else if (g_str_equal (type, "failed")) {
    g_free (slot->failure);
    slot->failure = g_strdup (dvs_packet_string (message, "message"));
  } else {
    dvs_slot_run_message (slot, type, message);
  }
}

static const DvsProcessEvents process_events = {process_message, process_died};

/* ---- the watchdog ---- */

/* How long the state may last, in seconds; 0: for ever. */
static guint
state_patience (const DvsSlot *slot)
{
  switch (slot->state) {
    case DVS_SLOT_STARTING:
    case DVS_SLOT_LOADING:
      return slot->settings->start_timeout_s;
    case DVS_SLOT_WARMING:
      return slot->settings->warmup_timeout_s;
    default:
      return 0;
  }
}

/* What it is killed for; NULL: nothing. */
static gchar *
find_fault (DvsSlot *slot, gint64 now)
{
  guint patience = state_patience (slot);

  if (patience && now - slot->since > (gint64)patience * G_USEC_PER_SEC)
    return g_strdup_printf ("The worker of slot %u was still %s after %u s.",
        slot->number, dvs_slot_state_name (slot->state), patience);
  if (slot->alive && slot->unanswered > MAX_UNANSWERED)
    return g_strdup_printf (
        "The worker of slot %u does not answer any more.", slot->number);
  return dvs_slot_run_fault (slot, now);
}

static gboolean
tick (gpointer data)
{
  DvsSlot *slot = data;
  gint64 now = g_get_monotonic_time ();
  gchar *fault;

  if (!slot->process)
    return G_SOURCE_CONTINUE;
  if (slot->warm && now - slot->warm_since > HEALTHY_US)
    slot->backoff_ms = FIRST_BACKOFF_MS;
  fault = find_fault (slot, now);
  if (fault) {
    dvs_process_kill (slot->process, fault);
    g_free (fault);
    return G_SOURCE_CONTINUE;
  }
  slot->unanswered++;
  dvs_process_send (slot->process, dvs_packet_new ("ping"), -1);
  return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

static gboolean
start_failed (gpointer data)
{
  DvsSlot *slot = data;

  slot->respawn = 0;
  slot_dead (slot, "There is no process for a worker.");
  return G_SOURCE_REMOVE;
}

static void
slot_start (DvsSlot *slot)
{
  GError *error = NULL;

  slot->started = g_get_monotonic_time ();
  slot->unanswered = 0;
  slot->load_fraction = 0;
  slot->process = dvs_process_new (slot->number, &process_events, slot, &error);
  if (!slot->process) {
    g_free (slot->failure);
    slot->failure =
        g_strdup_printf ("The worker of slot %u cannot be started: %s",
            slot->number, error->message);
    g_error_free (error);
    slot->respawn = g_idle_add (start_failed, slot);
    return;
  }
  dvs_process_send (
      slot->process, dvs_setup_new (slot->settings, slot->device), -1);
  if (slot->state != DVS_SLOT_STARTING)
    dvs_slot_set_state (slot, DVS_SLOT_STARTING);
}

DvsSlot *
dvs_slot_new (guint number, const gchar *device, const DvsSettings *settings,
    const DvsSlotEvents *events, gpointer user)
{
  DvsSlot *slot = g_new0 (DvsSlot, 1);

  slot->number = number;
  slot->device = g_strdup (device);
  slot->settings = settings;
  slot->events = events;
  slot->user = user;
  slot->backoff_ms = FIRST_BACKOFF_MS;
  slot->state = DVS_SLOT_STARTING;
  slot->since = g_get_monotonic_time ();
  slot->tick = g_timeout_add (TICK_MS, tick, slot);
  slot_start (slot);
  return slot;
}

void
dvs_slot_free (DvsSlot *slot)
{
  slot->state = DVS_SLOT_STOPPED;
  g_clear_handle_id (&slot->tick, g_source_remove);
  g_clear_handle_id (&slot->respawn, g_source_remove);
  dvs_slot_run_clear (slot);
  g_clear_pointer (&slot->process, dvs_process_free);
  g_clear_pointer (&slot->timings, json_object_unref);
  g_free (slot->device);
  g_free (slot->model);
  g_free (slot->error);
  g_free (slot->failure);
  g_free (slot);
}

/* ---- what is asked ---- */

guint
dvs_slot_number (const DvsSlot *slot)
{
  return slot->number;
}

DvsSlotState
dvs_slot_state (const DvsSlot *slot)
{
  return slot->state;
}

gboolean
dvs_slot_take (DvsSlot *slot)
{
  if (slot->taken || slot->state != DVS_SLOT_READY)
    return FALSE;
  slot->taken = TRUE;
  return TRUE;
}

void
dvs_slot_give_back (DvsSlot *slot)
{
  slot->taken = FALSE;
}

gboolean
dvs_slot_taken (const DvsSlot *slot)
{
  return slot->taken;
}

void
dvs_slot_info (const DvsSlot *slot, DvsSlotInfo *info)
{
  *info = (DvsSlotInfo){.restarts = slot->restarts,
      .pid = slot->process ? dvs_process_pid (slot->process) : 0,
      .alive = slot->alive,
      .warm = slot->warm,
      .load_fraction = slot->load_fraction,
      .start_ms = slot->start_ms,
      .model = slot->model,
      .procedural = slot->procedural,
      .error = slot->error,
      .warmup_timings = slot->timings,
      .rss = slot->rss};
}
