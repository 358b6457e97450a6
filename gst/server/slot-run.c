/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A run of a slot: what is asked of the worker, what comes back over channel
 * and link, and when it is over.
 *
 * Threads: the main thread alone.
 */
#include "channel.h"
#include "slot-private.h"

/* What of a dead worker's link is still in the socket is read within this. */
#define LOST_MS 300

static guint finish_later (DvsSlot *slot, guint ms);

static JsonObject *
run_message_new (const DvsSlot *slot, const gchar *type)
{
  JsonObject *message = dvs_packet_new (type);

  json_object_set_int_member (message, "run", slot->run.serial);
  return message;
}

static gint64
in_seconds (guint seconds)
{
  return g_get_monotonic_time () + (gint64)seconds * G_USEC_PER_SEC;
}

/* ---- the end ---- */

void
dvs_slot_run_clear (DvsSlot *slot)
{
  DvsSlotRun *run = &slot->run;
  guint serial = run->serial;

  g_clear_handle_id (&slot->told, g_source_remove);
  g_clear_handle_id (&run->finish, g_source_remove);
  g_clear_pointer (&run->link, dvs_link_free);
  g_free (run->error);
  g_free (run->link_error);
  *run = (DvsSlotRun){.serial = serial};
}

/* From the main loop. */
static void
run_finish (DvsSlot *slot)
{
  gpointer user = slot->run.user;
  gchar *error = g_steal_pointer (&slot->run.error);

  if (!error)
    error = g_steal_pointer (&slot->run.link_error);
  dvs_slot_run_clear (slot);
  if (slot->state == DVS_SLOT_BUSY)
    dvs_slot_set_state (slot, DVS_SLOT_READY);
  slot->events->run_ended (user, error);
  g_free (error);
}

static gboolean
finish_now (gpointer data)
{
  DvsSlot *slot = data;

  slot->run.finish = 0;
  run_finish (slot);
  return G_SOURCE_REMOVE;
}

static guint
finish_later (DvsSlot *slot, guint ms)
{
  return g_timeout_add (ms, finish_now, slot);
}

static void
run_fail (DvsSlot *slot, const gchar *why)
{
  if (!slot->run.error)
    slot->run.error = g_strdup (why);
}

/* It is over when the worker has none of it any more and all of it was handed
 * over. */
static void
run_check (DvsSlot *slot)
{
  if (slot->run.ended && !slot->run.link)
    run_finish (slot);
}

void
dvs_slot_run_lost (DvsSlot *slot, const gchar *why)
{
  DvsSlotRun *run = &slot->run;

  if (!run->active)
    return;
  /* One that had ended, or was given up, has lost nothing. */
  if (!run->ended && !run->stopped)
    run_fail (slot, why);
  run->ended = TRUE;
  run->asked = FALSE;
  run->step_deadline = run->deadline = 0;
  if (run->link && !dvs_link_is_reading (run->link))
    g_clear_pointer (&run->link, dvs_link_free);
  if (run->link && !run->finish)
    run->finish = finish_later (slot, LOST_MS);
  else
    run_check (slot);
}

gchar *
dvs_slot_run_fault (DvsSlot *slot, gint64 now)
{
  const DvsSlotRun *run = &slot->run;

  if (run->deadline && now > run->deadline)
    return g_strdup_printf ("The worker of slot %u did not let go of a stream "
                            "within %u s.",
        slot->number, slot->settings->media_patience_s);
  if (run->step_deadline && now > run->step_deadline)
    return g_strdup_printf ("Slot %u has not finished a segment within %u s.",
        slot->number, slot->settings->step_timeout_s);
  return NULL;
}

/* ---- the link ---- */

static void
link_event (gpointer user, JsonObject *event)
{
  DvsSlot *slot = user;

  slot->events->event (slot->run.user, event);
}

static void
link_media (gpointer user, GBytes *bytes)
{
  DvsSlot *slot = user;

  slot->events->media (slot->run.user, bytes);
}

static void
link_ended (gpointer user, const gchar *why)
{
  DvsSlot *slot = user;
  DvsSlotRun *run = &slot->run;

  g_clear_pointer (&run->link, dvs_link_free);
  /* If it is the worker that has died, that is what is to be told. */
  run->link_error = g_strdup (why);
  /* One that was closed is of a run that ends by itself, and says how. */
  if (!run->ended && !run->deadline) {
    run->deadline = in_seconds (slot->settings->media_patience_s);
    if (why)
      dvs_process_send (slot->process, run_message_new (slot, "stop"), -1);
  }
  run_check (slot);
}

static const DvsLinkEvents link_events = {link_event, link_media, link_ended};

/* ---- what the worker says ---- */

static void
take_question (DvsSlot *slot, JsonObject *message)
{
  DvsSlotRun *run = &slot->run;

  /* One that was asked before the latest reset is void. */
  if (run->stopped || dvs_packet_uint (message, "resets") != run->resets)
    return;
  run->asked = TRUE;
  run->epoch = dvs_packet_uint (message, "epoch");
  run->index = dvs_packet_uint (message, "index");
  run->step_deadline = 0;
  slot->events->need_prompt (run->user, run->epoch, run->index);
}

static void
take_step (DvsSlot *slot, JsonObject *message)
{
  slot->run.step_deadline =
      dvs_packet_boolean (message, "running") && !slot->run.stopped
          ? in_seconds (slot->settings->step_timeout_s)
          : 0;
}

static void
take_end (DvsSlot *slot, JsonObject *message)
{
  DvsSlotRun *run = &slot->run;
  const gchar *error = dvs_packet_string (message, "error");

  run->ended = TRUE;
  run->asked = FALSE;
  run->step_deadline = run->deadline = 0;
  if (error && !run->stopped)
    run_fail (slot, error);
  if (dvs_packet_boolean (message, "broken"))
    dvs_slot_replace (slot, error ? error : "The model has failed.");
  else
    run_check (slot);
}

void
dvs_slot_run_message (DvsSlot *slot, const gchar *type, JsonObject *message)
{
  /* What is late is of a run that is over. */
  if (!slot->run.active || slot->run.ended ||
      dvs_packet_uint (message, "run") != slot->run.serial)
    return;
  if (g_str_equal (type, "need-prompt"))
    take_question (slot, message);
  else if (g_str_equal (type, "step"))
    take_step (slot, message);
  else if (g_str_equal (type, "ended"))
    take_end (slot, message);
}

/* ---- what is asked of it ---- */

static gboolean
tell_busy (gpointer data)
{
  DvsSlot *slot = data;

  slot->told = 0;
  slot->events->state (slot, slot->user);
  return G_SOURCE_REMOVE;
}

gboolean
dvs_slot_start_run (DvsSlot *slot, const DvsRun *wanted, gpointer user)
{
  DvsSlotRun *run = &slot->run;
  JsonObject *message;
  GError *error = NULL;
  int peer;

  if (slot->state != DVS_SLOT_READY || !slot->taken || run->active)
    return FALSE;
  run->link = dvs_link_new (&link_events, slot, &peer, &error);
  if (!run->link) {
    g_message ("slot %u: %s", slot->number, error->message);
    g_error_free (error);
    return FALSE;
  }
  run->active = TRUE;
  run->serial++;
  run->user = user;
  message = run_message_new (slot, "run");
  json_object_set_int_member (message, "segments", wanted->segments);
  if (wanted->start_image)
    json_object_set_string_member (message, "start-image", wanted->start_image);
  dvs_process_send (slot->process, message, peer);
  slot->state = DVS_SLOT_BUSY;
  slot->since = g_get_monotonic_time ();
  slot->told = g_idle_add (tell_busy, slot);
  return TRUE;
}

/* The question that this answers, if it is the one that is asked. */
static JsonObject *
answer_new (DvsSlot *slot, const gchar *type, guint epoch, guint index)
{
  DvsSlotRun *run = &slot->run;
  JsonObject *message;

  if (!run->active || !run->asked || run->epoch != epoch || run->index != index)
    return NULL;
  run->asked = FALSE;
  message = run_message_new (slot, type);
  json_object_set_int_member (message, "epoch", epoch);
  json_object_set_int_member (message, "index", index);
  return message;
}

void
dvs_slot_generate (DvsSlot *slot, guint epoch, guint index, const gchar *prompt,
    const gchar *prompt_id)
{
  JsonObject *message = answer_new (slot, "generate", epoch, index);

  if (!message)
    return;
  json_object_set_string_member (message, "prompt", prompt);
  if (prompt_id)
    json_object_set_string_member (message, "prompt-id", prompt_id);
  slot->run.step_deadline = in_seconds (slot->settings->step_timeout_s);
  dvs_process_send (slot->process, message, -1);
}

void
dvs_slot_prepare (DvsSlot *slot, const gchar *prompt)
{
  DvsSlotRun *run = &slot->run;
  JsonObject *message;

  if (!run->active || run->stopped || run->ended)
    return;
  message = run_message_new (slot, "prepare");
  json_object_set_string_member (message, "prompt", prompt);
  dvs_process_send (slot->process, message, -1);
}

void
dvs_slot_end (DvsSlot *slot, guint epoch, guint index)
{
  JsonObject *message = answer_new (slot, "end", epoch, index);

  if (message)
    dvs_process_send (slot->process, message, -1);
}

void
dvs_slot_reset (DvsSlot *slot)
{
  DvsSlotRun *run = &slot->run;

  if (!run->active || run->stopped || run->ended)
    return;
  run->resets++;
  run->asked = FALSE;
  dvs_process_send (slot->process, run_message_new (slot, "reset"), -1);
}

void
dvs_slot_stop_run (DvsSlot *slot)
{
  DvsSlotRun *run = &slot->run;

  if (!run->active || run->stopped)
    return;
  run->stopped = TRUE;
  run->asked = FALSE;
  run->step_deadline = 0;
  g_clear_pointer (&run->error, g_free);
  g_clear_pointer (&run->link_error, g_free);
  g_clear_pointer (&run->link, dvs_link_free);
  if (run->ended) {
    g_clear_handle_id (&run->finish, g_source_remove);
    run->finish = finish_later (slot, 0);
  } else {
    run->deadline = in_seconds (slot->settings->media_patience_s);
    dvs_process_send (slot->process, run_message_new (slot, "stop"), -1);
  }
}

void
dvs_slot_set_reading (DvsSlot *slot, gboolean reading)
{
  if (slot->run.link)
    dvs_link_set_reading (slot->run.link, reading);
}
