/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A slot: one worker process with its model open and warm, as the front sees
 * it.  The two are tied by one inherited socketpair, the *channel*: packets of
 * JSON both ways (channel.h); end of file on it is the worker's death.  A
 * *run* is one stream of the slot's pipeline, from the first segment to its
 * end.  Its media and events come over a *link*, a second socket that the front
 * makes and passes through the channel, and that the worker gives to its
 * soupwebsocketsink (`add-connection`): what arrives there is what
 * docs/protocol.md says of a viewer's WebSocket.
 *
 * A slot is never lost: a worker that dies, hangs or fails is replaced, after a
 * wait that doubles from 0.5 s to 60 s.
 *
 * Threads: the main thread alone. Callbacks are called from its main loop,
 * never from within a function of this file.
 */
#ifndef DVS_SLOT_H
#define DVS_SLOT_H

#include <json-glib/json-glib.h>

#include "settings.h"

typedef enum {
  DVS_SLOT_STARTING, /* the process is being started */
  DVS_SLOT_LOADING,  /* the model is being read */
  DVS_SLOT_WARMING,  /* the first segments, for nobody */
  DVS_SLOT_READY,    /* nothing runs */
  DVS_SLOT_BUSY,     /* a run goes on, or its end is awaited */
  DVS_SLOT_DEAD,     /* waits to be started again */
  DVS_SLOT_STOPPED   /* for good */
} DvsSlotState;

/* What a run is. The strings are copied. */
typedef struct {
  guint segments;           /* after which the stream ends; 0: when told */
  const gchar *start_image; /* a PNG file of the server's own; NULL */
} DvsRun;

typedef struct DvsSlot DvsSlot;

/* A slot's owner. @user is what dvs_slot_start_run() was given, except where
 * said. */
typedef struct {
  /* The state changed; @user of dvs_slot_new(). */
  void (*state) (DvsSlot *slot, gpointer user);
  /* The worker is about to make segment @index of @epoch and waits for
   * dvs_slot_generate(), dvs_slot_end() or dvs_slot_reset(). Asked again for
   * another epoch or index, the former question is void. */
  void (*need_prompt) (gpointer user, guint epoch, guint index);
  /* A text of the link: an object with a string "type". */
  void (*event) (gpointer user, JsonObject *event);
  /* A binary frame of the link. */
  void (*media) (gpointer user, GBytes *bytes);
  /* The run is over, everything of it was handed over before. @error NULL: it
   * ended as it was told to (end, cap or stop). Else a sentence: the model,
   * encoder, mux or relay failed, the worker died or hung. The slot is READY or
   * being replaced. */
  void (*run_ended) (gpointer user, const gchar *error);
} DvsSlotEvents;

/* Starts the worker of slot @number on @device. @settings must outlive it. */
DvsSlot *dvs_slot_new (guint number, const gchar *device,
    const DvsSettings *settings, const DvsSlotEvents *events, gpointer user);
/* Ends its worker: by SIGKILL if it does not go within a second. Nothing is
 * told afterwards. Not from within a callback of its. */
void dvs_slot_free (DvsSlot *slot);

guint dvs_slot_number (const DvsSlot *slot);
DvsSlotState dvs_slot_state (const DvsSlot *slot);
const gchar *dvs_slot_state_name (DvsSlotState state);
/* Taken by a session (atomically: one thread), from before its first run until
 * after its last. A READY slot that is taken counts as not available. */
gboolean dvs_slot_take (DvsSlot *slot);
void dvs_slot_give_back (DvsSlot *slot);
gboolean dvs_slot_taken (const DvsSlot *slot);

typedef struct {
  guint restarts;
  GPid pid; /* 0: none */
  gboolean alive, warm;
  gdouble load_fraction; /* 0 to 1 while LOADING */
  gdouble start_ms;      /* from start to READY, of the latest */
  const gchar *model;    /* NULL: not known yet */
  gboolean procedural;
  const gchar *error;         /* why it is DEAD, or failed to warm up; NULL */
  JsonObject *warmup_timings; /* ms by name; NULL */
  guint64 rss;                /* bytes resident, as the worker last said */
} DvsSlotInfo;
void dvs_slot_info (const DvsSlot *slot, DvsSlotInfo *info);

/* READY and taken only; FALSE: it is not, and nothing happens. */
gboolean dvs_slot_start_run (DvsSlot *slot, const DvsRun *run, gpointer user);
/* Answers need_prompt. */
void dvs_slot_generate (DvsSlot *slot, guint epoch, guint index,
    const gchar *prompt, const gchar *prompt_id);
/* What dvs_slot_generate() will probably be called with next, so that a model
 * on a GPU prepares it meanwhile; nothing depends on it. */
void dvs_slot_prepare (DvsSlot *slot, const gchar *prompt);
/* Answers need_prompt: there is no such segment; what was made is finished and
 * relayed, then run_ended comes. */
void dvs_slot_end (DvsSlot *slot, guint epoch, guint index);
/* A new scene in the same run: the step that runs is cancelled within one
 * denoise step, segments that are whole are relayed to their end, then the link
 * tells of the stream's completion and of the next, and need_prompt asks for
 * segment 1 of the next epoch. */
void dvs_slot_reset (DvsSlot *slot);
/* Gives the run up: nothing more of it is handed over, but run_ended, when the
 * slot is usable again; if that takes more than media_patience_s the worker is
 * replaced. */
void dvs_slot_stop_run (DvsSlot *slot);
/* Reads no more of the link until told; the worker's ring fills, then
 * generation is held. */
void dvs_slot_set_reading (DvsSlot *slot, gboolean reading);

#endif
