/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A slot with its worker: see slot-rig.h.
 */
#include "slot-rig.h"

#include <check.h>
#include <string.h>

/* ---- waiting ---- */

static gboolean
look_again (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

gboolean
wait_until (gboolean (*done) (gpointer), gpointer data, guint seconds)
{
  gint64 deadline = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
  guint tick = g_timeout_add (10, look_again, NULL);

  while (!done (data) && g_get_monotonic_time () < deadline)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
  return done (data);
}

gboolean
slot_rig_wait (SlotRig *rig, SlotRigFunc done, guint seconds)
{
  return wait_until (
      (gboolean (*) (gpointer)) (void (*) (void))done, rig, seconds);
}

gboolean
slot_rig_is_ready (SlotRig *rig)
{
  return dvs_slot_state (rig->slot) == DVS_SLOT_READY;
}

gboolean
slot_rig_is_dead (SlotRig *rig)
{
  return dvs_slot_state (rig->slot) == DVS_SLOT_DEAD;
}

gboolean
slot_rig_has_ended (SlotRig *rig)
{
  return rig->ended;
}

gboolean
slot_rig_is_asked (SlotRig *rig)
{
  return rig->questions > 0;
}

gboolean
slot_rig_has_media (SlotRig *rig)
{
  return rig->bytes > 0;
}

gboolean
slot_rig_is_generating (SlotRig *rig)
{
  return slot_rig_count (rig, "ltx2_segment_start") > 0;
}

guint
slot_rig_count (const SlotRig *rig, const gchar *word)
{
  gchar **words = g_strsplit (rig->heard->str, " ", -1);
  guint count = 0, i;

  for (i = 0; words[i]; i++)
    count += g_str_equal (words[i], word);
  g_strfreev (words);
  return count;
}

GPid
slot_rig_pid (const SlotRig *rig)
{
  DvsSlotInfo info;

  dvs_slot_info (rig->slot, &info);
  return info.pid;
}

guint
open_descriptors (void)
{
  GDir *dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint count = 0;

  while (g_dir_read_name (dir))
    count++;
  g_dir_close (dir);
  return count;
}

/* ---- what is told ---- */

static void
on_state (DvsSlot *slot, gpointer user)
{
  SlotRig *rig = user;

  rig->state = dvs_slot_state (slot);
  g_string_append_printf (rig->states, "%s ", dvs_slot_state_name (rig->state));
  if (rig->state == DVS_SLOT_READY)
    rig->ready_at = g_get_monotonic_time ();
  if (rig->state == DVS_SLOT_DEAD) {
    rig->died_at = g_get_monotonic_time ();
    rig->deaths++;
  }
}

static void
on_need_prompt (gpointer user, guint epoch, guint index)
{
  SlotRig *rig = user;

  ck_assert (!rig->ended);
  rig->questions++;
  if (epoch != rig->epoch)
    rig->first_index = index;
  rig->epoch = epoch;
  rig->index = index;
  if (rig->quiet)
    return;
  if (index <= rig->answers)
    dvs_slot_generate (rig->slot, epoch, index, "a lake at night", "p1");
  else
    dvs_slot_end (rig->slot, epoch, index);
}

static void
on_event (gpointer user, JsonObject *event)
{
  SlotRig *rig = user;

  ck_assert (!rig->ended);
  g_string_append_printf (
      rig->heard, "%s ", json_object_get_string_member (event, "type"));
}

static void
on_media (gpointer user, GBytes *bytes)
{
  SlotRig *rig = user;
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  ck_assert (!rig->ended);
  rig->bytes += size;
  g_byte_array_append (rig->media, data, (guint)size);
  g_string_append (rig->heard, "media ");
}

static void
on_run_ended (gpointer user, const gchar *error)
{
  SlotRig *rig = user;

  ck_assert (!rig->ended);
  rig->ended = TRUE;
  rig->ended_at = g_get_monotonic_time ();
  rig->error = g_strdup (error);
  g_string_append (rig->heard, "end ");
}

static const DvsSlotEvents events = {
    on_state, on_need_prompt, on_event, on_media, on_run_ended};

/* ---- life ---- */

SlotRig *
slot_rig_new (void)
{
  SlotRig *rig = g_new0 (SlotRig, 1);
  DvsSettings *settings = dvs_settings_new ();

  settings->width = settings->height = 128;
  settings->frames = 9;
  settings->overlap = settings->audio_overlap = 1;
  settings->threads = 1;
  settings->pace = 0;
  rig->settings = settings;
  rig->states = g_string_new (NULL);
  rig->heard = g_string_new (NULL);
  rig->media = g_byte_array_new ();
  return rig;
}

void
slot_rig_start (SlotRig *rig)
{
  rig->slot = dvs_slot_new (0, "cpu", rig->settings, &events, rig);
}

static void
forget_run (SlotRig *rig)
{
  rig->questions = rig->epoch = rig->index = 0;
  g_string_truncate (rig->heard, 0);
  g_byte_array_set_size (rig->media, 0);
  rig->bytes = 0;
  rig->ended = FALSE;
  g_clear_pointer (&rig->error, g_free);
}

void
slot_rig_run_as (SlotRig *rig, guint answers, const DvsRun *run)
{
  forget_run (rig);
  rig->answers = answers;
  ck_assert (dvs_slot_taken (rig->slot) || dvs_slot_take (rig->slot));
  ck_assert (dvs_slot_start_run (rig->slot, run, rig));
}

void
slot_rig_run (SlotRig *rig, guint answers)
{
  const DvsRun run = {0};

  slot_rig_run_as (rig, answers, &run);
}

void
slot_rig_free (SlotRig *rig)
{
  if (rig->slot)
    dvs_slot_free (rig->slot);
  dvs_settings_free (rig->settings);
  g_string_free (rig->states, TRUE);
  g_string_free (rig->heard, TRUE);
  g_byte_array_unref (rig->media);
  g_free (rig->error);
  g_free (rig);
}
