/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session: one client and, from its assignment on, one slot.  The protocol's
 * state machine (session protocol, sections 3 to 7 and 10), the prompt policy,
 * the timers.  It knows neither sockets nor processes: what happens is told to
 * it, what it wants is asked of its *host*.
 *
 * Threads: the main thread alone. A host function may be called from within any
 * function here; the host must not call back into the session from it.
 */
#ifndef DVS_SESSION_H
#define DVS_SESSION_H

#include "picture-check.h"
#include "prompts.h"
#include "settings.h"
#include "slot.h"

typedef struct DvsSession DvsSession;

/* Timers of a session are numbered from 0. */
#define DVS_SESSION_TIMERS 5

/* What a session is told of the room it is in. */
typedef struct {
  guint total_slots, available_slots;
  guint position; /* in the queue, 1-based; 0: a slot is free */
} DvsPlace;

typedef struct {
  /* ---- the client's socket; texts and bytes keep their order ---- */
  void (*send_text) (gpointer host, gchar *text); /* takes @text */
  void (*send_media) (gpointer host, GBytes *bytes);
  /* After all that was sent; free_slot comes next. Nothing is sent
   * afterwards. */
  void (*close) (gpointer host, guint16 code, const gchar *reason);

  /* ---- the slot ---- */
  /* The init was accepted: a slot, please; dvs_session_assigned() follows,
   * maybe at once after this returned. */
  void (*want_slot) (gpointer host);
  /* The session is done with its slot (or its place in the queue). Whatever
   * runs is stopped; nothing of the slot is told any more. */
  void (*free_slot) (gpointer host);
  gboolean (*start_run) (gpointer host, const DvsRun *run);
  void (*generate) (gpointer host, guint epoch, guint index,
      const gchar *prompt, const gchar *prompt_id);
  /* What generate will probably be called with next, told while a segment is
   * made. Promises nothing. */
  void (*prepare) (gpointer host, const gchar *prompt);
  void (*end) (gpointer host, guint epoch, guint index);
  void (*reset) (gpointer host);
  void (*set_reading) (gpointer host, gboolean reading);
  void (*check_picture) (gpointer host, GBytes *text, GCancellable *cancellable,
      DvsPictureFunc done, gpointer user);

  /* ---- time: one-shot, ms from now; a second call moves it; 0 ends it.
   * dvs_session_timer() is told. ---- */
  void (*timer) (gpointer host, guint timer, guint ms);
  gint64 (*now) (gpointer host); /* monotonic us */

  /* ---- the session log: an event with its own fields; takes @fields ---- */
  void (*log) (gpointer host, const gchar *event, JsonObject *fields);
  /* ---- metrics: a stage's time, or a count, by name (metrics.h) ---- */
  void (*observe) (gpointer host, const gchar *metric, gdouble value);
} DvsSessionHost;

DvsSession *dvs_session_new (const gchar *client_id,
    const DvsSettings *settings, DvsPrompts *prompts,
    const DvsSessionHost *functions, gpointer host);
/* Cancels what is under way. Of the host's functions it calls timer (0), log
 * and, if it must, free_slot. */
void dvs_session_free (DvsSession *session);

/* The first frame, and every change while it waits. */
void dvs_session_place (DvsSession *session, const DvsPlace *place);
void dvs_session_assigned (DvsSession *session, guint slot);

void dvs_session_text (DvsSession *session, const gchar *text, gsize size);
void dvs_session_binary (DvsSession *session);
/* The client has gone: nothing more is sent. */
void dvs_session_gone (DvsSession *session);
/* Bytes that the client has not taken yet. */
void dvs_session_unsent (DvsSession *session, guint64 bytes);
/* The server goes down: an error, then the end. */
void dvs_session_shutdown (DvsSession *session);

void dvs_session_need_prompt (DvsSession *session, guint epoch, guint index);
void dvs_session_event (DvsSession *session, JsonObject *event);
void dvs_session_media (DvsSession *session, GBytes *bytes);
void dvs_session_run_ended (DvsSession *session, const gchar *error);
/* The slot's worker died while no run was on: @error is a sentence. */
void dvs_session_slot_lost (DvsSession *session, const gchar *error);
void dvs_session_timer (DvsSession *session, guint timer);

/* "queued", "streaming", …: for logs and tests. */
const gchar *dvs_session_state (const DvsSession *session);
/* close was called and the slot is free: the host may free it. */
gboolean dvs_session_over (const DvsSession *session);

#endif
