/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session with a host, a slot, a clock and prompt services made for tests:
 * everything that it does is kept in one trace, everything that happens to it
 * is said by the test.
 *
 * The trace has, in order, the texts for the client as they are, "bytes N",
 * "close CODE REASON", and what was asked of the host behind "> ": "> want",
 * "> free", "> start SEGMENTS IMAGE", "> generate EPOCH INDEX PROMPT",
 * "> end EPOCH INDEX", "> reset", "> reading 0", "> picture BYTES".
 */
#ifndef SESSION_RIG_H
#define SESSION_RIG_H

#include "metrics.h"
#include "session.h"

/* A call of the prompt services that has no answer yet. */
typedef struct {
  gboolean pending;
  gchar *text, *id, *label, *model;
  gchar **prompts; /* locked, or the window, or what is checked */
  gdouble temperature;
  gboolean single_clip;
  GCancellable *cancellable;
  DvsAnswerFunc answer;
  DvsSafetyFunc verdict;
  gpointer user;
} RigCall;

struct DvsPrompts {
  gboolean checks;
  RigCall enhance, extend, rewrite, check;
  RigCall more_checks[3]; /* while @check has no answer */
};

typedef struct {
  DvsSettings settings;
  DvsPrompts prompts;
  DvsSession *session;
  DvsMetrics *metrics;
  GPtrArray *trace;
  guint seen;      /* of the trace, by rig_expect() */
  GPtrArray *logs; /* event, then its fields as JSON */
  gint64 now;
  gint64 timer[DVS_SESSION_TIMERS]; /* us; 0: does not run */
  gboolean has_slot, refuses_run;
  guint wanted, freed, closed;
  guint after_close; /* sends behind it: never any */

  /* ---- the slot ---- */
  gboolean running, reading;
  guint epoch, index, runs; /* of the last question; runs so far */
  guint media_sequence;
  gchar *generated; /* the latest prompt */
  gchar *prepared;  /* the latest that was told ahead */

  /* ---- a picture that is looked at ---- */
  DvsPictureFunc picture;
  const gchar *picture_problem; /* of its base64 */
  GCancellable *picture_cancellable;
  gpointer picture_user;
} Rig;

Rig *rig_new (void);
/* New settings count for sessions that begin after. */
void rig_begin (Rig *rig);
void rig_free (Rig *rig);

/* ---- what the client does ---- */
void rig_say (Rig *rig, const gchar *text);
/* An init, with these members beside the type ("" or ",…"). */
void rig_init (Rig *rig, const gchar *members);
/* The init, and slot 0 at once. */
void rig_start (Rig *rig, const gchar *members);

/* ---- what the slot does ---- */
void rig_ask (Rig *rig, guint epoch, guint index);
/* Events of segment @index: generation's, media's beginning, end, all. */
void rig_event (Rig *rig, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
void rig_step_starts (Rig *rig, guint epoch, guint index);
void rig_step_done (Rig *rig, guint epoch, guint index);
void rig_media_init (Rig *rig, guint epoch, guint index);
void rig_bytes (Rig *rig, gsize size);
void rig_media_done (Rig *rig, guint epoch, guint index);
void rig_media (Rig *rig, guint epoch, guint index);
/* The question, generation and media of one segment. */
void rig_segment (Rig *rig, guint epoch, guint index);
/* The stream of @epoch is over, the next begins. */
void rig_next_epoch (Rig *rig, guint epoch);
void rig_run_ends (Rig *rig, const gchar *error);

/* ---- what others do ---- */
void rig_sleep (Rig *rig, guint ms); /* timers fire in order */
void rig_picture (Rig *rig, const gchar *path);
/* NULL: it failed with @error. */
void rig_answer (RigCall *call, const gchar *error, const gchar *prompt);
void rig_answer_rewrite (RigCall *call, const gchar *const *prompts);
/* @reason NULL: all may be shown. */
void rig_verdict (RigCall *call, guint which, const gchar *reason);

/* The type of a trace line that is a text, else the line; to be freed. */
gchar *rig_type (const gchar *line);
/* Everything since the last call, to the end of the arguments with NULL: a
 * line that begins with '{' must be equal, others by type. */
void rig_expect (Rig *rig, ...) G_GNUC_NULL_TERMINATED;
/* Forgets what there is. */
void rig_skip (Rig *rig);
/* How often a line of this type is in the trace from @from on. */
guint rig_count (Rig *rig, guint from, const gchar *type);
/* The fields of the first such line of the log, as JSON; NULL: there is none.
 */
const gchar *rig_logged (Rig *rig, const gchar *event);
gchar *rig_last (Rig *rig); /* the last line, the trace's */

#endif
