/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What slot.c (the worker's life) and slot-run.c (a run) share.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_SLOT_PRIVATE_H
#define DVS_SLOT_PRIVATE_H

#include "link.h"
#include "process.h"
#include "slot.h"

typedef struct {
  gboolean active;
  guint serial; /* of this worker's runs and those before: never restarts */
  gpointer user;
  DvsLink *link;    /* NULL: nothing more comes of it */
  gboolean stopped; /* given up: nothing is handed over */
  gboolean ended;   /* the worker has none of it any more */
  gchar *error;
  gchar *link_error; /* counts if there is no other */
  guint resets;
  gboolean asked;
  guint epoch, index;             /* that is asked for */
  gint64 step_deadline, deadline; /* monotonic us; 0: none */
  guint finish;                   /* source */
} DvsSlotRun;

struct DvsSlot {
  guint number;
  gchar *device;
  const DvsSettings *settings;
  const DvsSlotEvents *events;
  gpointer user;
  DvsSlotState state;
  gboolean taken;
  DvsSlotRun run;

  DvsProcess *process;       /* NULL: DEAD */
  guint unanswered;          /* pings */
  guint tick, respawn, told; /* sources */
  guint backoff_ms;
  gint64 started, since, warm_since; /* monotonic us: process, state, READY */
  gchar *failure;                    /* what the worker said before it went */

  guint restarts;
  gboolean alive, warm;
  gdouble load_fraction, start_ms;
  gchar *model, *error;
  gboolean procedural;
  JsonObject *timings;
  guint64 rss;
};

/* ---- slot.c ---- */

void dvs_slot_set_state (DvsSlot *slot, DvsSlotState state);
/* Ends the worker and has another started. From the main loop. */
void dvs_slot_replace (DvsSlot *slot, const gchar *why);

/* ---- slot-run.c ---- */

/* What a worker says of its run. */
void dvs_slot_run_message (
    DvsSlot *slot, const gchar *type, JsonObject *message);
/* The worker is gone. */
void dvs_slot_run_lost (DvsSlot *slot, const gchar *why);
/* What the worker is to be killed for; NULL: nothing. */
gchar *dvs_slot_run_fault (DvsSlot *slot, gint64 now);
void dvs_slot_run_clear (DvsSlot *slot);

#endif
