/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A slot with its worker, this program again, and what was told of it.
 */
#ifndef SLOT_RIG_H
#define SLOT_RIG_H

#include "slot.h"

typedef struct {
  DvsSettings *settings;
  DvsSlot *slot;
  DvsSlotState state; /* that was told last */
  GString *states;    /* "loading warming ready " */
  guint deaths;

  /* of a run */
  guint answers;  /* segments of an epoch that are prompted; then the end */
  gboolean quiet; /* questions are left unanswered */
  guint questions, epoch, index;
  guint first_index; /* of the epoch */
  GString *heard; /* types of events, "media" and "end", with spaces between */
  GByteArray *media;
  guint64 bytes;
  gboolean ended;
  gchar *error;
  gint64 ended_at, ready_at, died_at; /* monotonic us */
} SlotRig;

/* Small and fast; a test may change them before slot_rig_start(). */
SlotRig *slot_rig_new (void);
void slot_rig_free (SlotRig *rig);
void slot_rig_start (SlotRig *rig);
/* Starts a run and forgets what was heard of the last. */
void slot_rig_run (SlotRig *rig, guint answers);
void slot_rig_run_as (SlotRig *rig, guint answers, const DvsRun *run);

typedef gboolean (*SlotRigFunc) (SlotRig *rig);
/* Whether it came to that within @seconds. */
gboolean slot_rig_wait (SlotRig *rig, SlotRigFunc done, guint seconds);
gboolean slot_rig_is_ready (SlotRig *rig);
gboolean slot_rig_is_dead (SlotRig *rig);
gboolean slot_rig_has_ended (SlotRig *rig);
gboolean slot_rig_is_asked (SlotRig *rig);
gboolean slot_rig_has_media (SlotRig *rig);
gboolean slot_rig_is_generating (SlotRig *rig);
/* How often a word was heard. */
guint slot_rig_count (const SlotRig *rig, const gchar *word);
GPid slot_rig_pid (const SlotRig *rig);

/* Runs the main loop until @done, for at most @seconds. */
gboolean wait_until (gboolean (*done) (gpointer), gpointer data, guint seconds);
guint open_descriptors (void);

#endif
