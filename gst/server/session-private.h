/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of a session share.
 *
 *   session.c           its life: messages in, timers, the end
 *   session-state.c     the table of states and messages
 *   session-message.c   reading what the client says
 *   session-image.c     start images
 *   session-init.c      inits, projects, single clips, and their checks
 *   session-commands.c  the other messages
 *   session-prompts.c   where the next prompt comes from
 *   session-rewrite.c   the seed prompts, rewritten
 *   session-flow.c      what is done next, at each boundary
 *   session-stream.c    what the slot says
 *   session-tell.c      the texts for the client
 *   session-log.c       the session log
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_SESSION_PRIVATE_H
#define DVS_SESSION_PRIVATE_H

#include "json-text.h"
#include "metrics.h"
#include "session-message.h"
#include "session-state.h"
#include "session.h"

/* Prompts of a user that wait. */
#define DVS_MAX_LIVE_PROMPTS 64

typedef enum {
  DVS_TIMER_INIT,        /* the first message */
  DVS_TIMER_SESSION,     /* the slot's time */
  DVS_TIMER_MEDIA,       /* media that is waited for does not come */
  DVS_TIMER_UNSENT,      /* the client does not take what it is sent */
  DVS_TIMER_FIRST_MEDIA, /* the first media of a stream is held */
} DvsTimer;

/* Why a stream starts anew. */
typedef enum {
  DVS_RESET_NONE,
  DVS_RESET_INIT, /* the first stream of the session */
  DVS_RESET_MANUAL,
  DVS_RESET_CAP_RESTART,
  DVS_RESET_SIMPLE_GENERATE,
  DVS_RESET_PROJECT_INIT,
  DVS_RESET_INITIAL_REWRITE,
  DVS_RESET_REWRITE_ROLLOUT,
  DVS_RESET_REWRITE_RESTART,
  DVS_RESET_LOOP
} DvsReset;

typedef enum {
  DVS_RUN_NONE,
  DVS_RUN_GOING,
  DVS_RUN_ENDING /* told to end: run_ended is awaited */
} DvsRunState;

/* A user's prompt on its way into a segment, or any other that is chosen. */
typedef struct {
  gchar *prompt, *id; /* id NULL: none */
  const gchar *source;
  gint seed; /* -1: not a seed prompt */
} DvsPrompt;

DvsPrompt *dvs_prompt_new (
    const gchar *prompt, const gchar *id, const gchar *source, gint seed);
void dvs_prompt_free (DvsPrompt *prompt);

/* A segment from its start until its media is complete. */
typedef struct {
  guint index, total;
  gchar *stream_id;   /* NULL: not known yet */
  gint64 asked;       /* when it was, us */
  gint64 first;       /* when its first byte was there, us */
  gboolean stepped;   /* its generation is done */
  gboolean uncounted; /* not against the cap: it was begun anew meanwhile */
  gboolean held;      /* events of it may be late: the link was not read */
  gboolean opened, complete; /* media_init, media_segment_complete came */
  gboolean finished;  /* ltx2_segment_complete too, before step_complete */
  gboolean cancelled; /* nothing of it is told */
  guint chunks;
  guint64 bytes;
} DvsSegment;

/* A message whose checks go on; others wait meanwhile. */
typedef struct {
  DvsMessageType type; /* SESSION_INIT: whatever the first was called */
  DvsMessage *message; /* NULL: no init came */
  DvsInit init;
  DvsPrompt *prompt; /* append_prompt, simple_generate */
  gchar *picture_path;
  GCancellable *cancellable;
} DvsCheck;

struct DvsSession {
  gchar *client_id;
  const DvsSettings *settings;
  DvsPrompts *prompts;
  DvsSessionHost host;
  gpointer user;

  /* ---- life ---- */
  gboolean over;
  gboolean initialised; /* the init was accepted */
  gboolean has_slot;    /* or its place in the queue */
  gboolean assigned;
  gint64 since; /* want_slot, then assignment; us */
  GQueue inbox; /* DvsMessage that wait */
  gsize inbox_bytes;
  DvsCheck *check;

  /* ---- the project ---- */
  gboolean project; /* one is active */
  gboolean ending;  /* it is to end */
  gchar *preset_id, *preset_label, *rollout_prompt;
  gchar **seeds;     /* what a reset starts from */
  gchar **playing;   /* the seeds of this stream */
  guint next_seed;   /* in them */
  gboolean seed_due; /* the first segment after a reset takes seed 0 */
  GPtrArray *locked; /* the prompts of the stream's segments */
  gchar *image;      /* path of a PNG; NULL: none */
  guint image_serial;
  gboolean single_clip, enhancement, auto_extension, loop, paused;
  guint generated;        /* segments, against the cap */
  guint iteration;        /* of the loop */
  gboolean await_rollout; /* the initial rewrite is not done */
  gboolean cap_wait;      /* the cap was reached */
  DvsReset reset;         /* due; NONE: none is */
  gboolean finishing;     /* the stream is to be completed */
  DvsPrompt *clip;        /* comes first after the reset; NULL */
  gboolean clip_ready;    /* and needs no enhancing */

  /* ---- prompts ---- */
  GQueue raw, ready;    /* DvsPrompt */
  DvsPrompt *enhancing; /* the one that is being enhanced */
  GCancellable *enhance_cancellable;
  gdouble enhance_ms;
  DvsPrompt *automatic; /* the next, by nobody */
  GCancellable *auto_cancellable;
  gdouble auto_ms;
  guint auto_failed;  /* the index it failed for; 0: none */
  gboolean dry;       /* prompt sources ran dry */
  gboolean told_dry;  /* and the client knows */
  gboolean rewriting; /* one goes on */
  gboolean rewrite_restart;
  gchar *rewrite_instruction, *rewrite_used_model, *rewrite_raw;
  gchar *rewrite_note;     /* why the writer answered; NULL */
  gchar **rewrite_window;  /* as it was sent */
  gchar **rewrite_prompts; /* the answer, while it is checked */
  gchar *rewrite_id, *rewrite_label;
  gdouble rewrite_ms;
  GCancellable *rewrite_cancellable;
  gchar *rewrite_model; /* resolved */
  gdouble temperature;
  gchar *window_system_prompt, *user_system_prompt;

  /* ---- the run ---- */
  DvsRunState run;
  guint run_image; /* serial of its start image */
  gboolean used;   /* something was made in its epoch */
  guint epoch;     /* of the run, whose events count; 0: the first is to come */
  guint began;     /* the epoch that the link began last */
  gboolean resetting; /* a new epoch was asked for */
  gboolean question;  /* need_prompt waits for its answer */
  gchar *told_next;   /* the prompt that was told last; NULL: none was */
  guint question_epoch, question_index;

  /* ---- the client's stream ---- */
  gboolean stream;    /* started and not completed */
  guint index;        /* of its latest segment */
  DvsSegment *step;   /* the one that is generated; in segments too */
  GQueue segments;    /* DvsSegment, oldest first */
  DvsSegment *open;   /* whose bytes come; in segments too */
  gboolean skipping;  /* bytes come that nobody is told of */
  gint64 stream_from; /* since when its first media is awaited; 0: it came */

  /* ---- media ---- */
  gint64 first_media; /* not before; 0: at once */
  GQueue delayed;     /* what waits for that */
  guint64 delayed_bytes;
  gboolean run_over; /* run_ended waits too */
  guint64 unsent;
  gboolean held;     /* the client is too slow: nothing is generated */
  gboolean reading;  /* the link is read */
  gboolean patience; /* the timer for media runs */
};

/* ---- session.c ---- */
DvsState dvs_session_now (const DvsSession *session);
/* The cap counts anew; what is being made is of what was before. */
void dvs_session_count_anew (DvsSession *session);
void dvs_session_timer_set (DvsSession *session, DvsTimer timer, guint64 ms);
void dvs_session_observe (
    DvsSession *session, const gchar *metric, gdouble value);
/* The end: whatever is under way is cancelled, the slot is free. */
void dvs_session_close (DvsSession *session, guint16 code, const gchar *reason);
/* What came of a call of the prompt services: "enhance", "extend", … */
void dvs_session_observe_answer (
    DvsSession *session, const gchar *call, gdouble latency_ms, gboolean good);
/* "AV streaming failed: @reason", then the end. */
void dvs_session_fail (DvsSession *session, const gchar *reason);
/* Messages that waited. */
void dvs_session_drain_inbox (DvsSession *session);

/* ---- session-init.c ---- */
void dvs_session_init (DvsSession *session, DvsMessage *message);
void dvs_session_project_init (DvsSession *session, DvsMessage *message);
void dvs_session_simple_generate (DvsSession *session, DvsMessage *message);
void dvs_session_append (DvsSession *session, DvsMessage *message);
void dvs_session_check_cancel (DvsSession *session);
void dvs_session_drop_image (DvsSession *session);

/* ---- session-commands.c ---- */
/* Takes @message. */
void dvs_session_command (DvsSession *session, DvsMessage *message);
void dvs_session_set_paused (DvsSession *session, gboolean paused);

/* ---- session-prompts.c ---- */
/* Takes @prompt, which was checked. */
void dvs_session_queue_raw (DvsSession *session, DvsPrompt *prompt);
void dvs_session_enhance_next (DvsSession *session);
gboolean dvs_session_has_prompt (const DvsSession *session);
/* What it would be now, to be freed; NULL: nobody can tell. */
gchar *dvs_session_next_prompt (const DvsSession *session);
/* The next prompt; NULL: there is none. */
DvsPrompt *dvs_session_take_prompt (DvsSession *session);
/* Asks for one by nobody, unless that goes on or failed before. */
void dvs_session_extend (DvsSession *session);
void dvs_session_drop_prompts (
    DvsSession *session, guint *n_raw, guint *n_ready);
void dvs_session_auto_cancel (DvsSession *session);
void dvs_session_enhance_cancel (DvsSession *session);

/* ---- session-rewrite.c ---- */
void dvs_session_rewrite_request (DvsSession *session, JsonObject *object);
void dvs_session_rewrite_initial (DvsSession *session);
void dvs_session_rewrite_cancel (DvsSession *session);

/* ---- session-flow.c ---- */
/* Does what is to be done now; after anything has changed. */
void dvs_session_flow (DvsSession *session);
guint dvs_session_cap (const DvsSession *session);
gboolean dvs_session_clip_done (const DvsSession *session);

/* ---- session-stream.c ---- */
/* What waited for the first media's time; of a session that is over it is
 * dropped. */
void dvs_session_release_delayed (DvsSession *session);
/* Segments that count are not complete yet. */
gboolean dvs_session_media_due (const DvsSession *session);
void dvs_session_segments_clear (DvsSession *session);
void dvs_session_update_reading (DvsSession *session);
void dvs_session_media_late (DvsSession *session);
/* While media is waited for, its patience runs. */
void dvs_session_update_patience (DvsSession *session, gboolean came);

/* ---- session-tell.c ---- */
/* Takes @text. */
void dvs_tell (DvsSession *session, GString *text);
void dvs_tell_error (DvsSession *session, const gchar *message);
void dvs_tell_place (DvsSession *session, const DvsPlace *place);
void dvs_tell_assigned (DvsSession *session, guint slot);
void dvs_tell_switch (DvsSession *session, const gchar *type, gboolean on);
void dvs_tell_paused (DvsSession *session);
void dvs_tell_stream_start (DvsSession *session);
void dvs_tell_reset (
    DvsSession *session, DvsReset reason, guint n_raw, guint n_ready);
void dvs_tell_stream_complete (DvsSession *session);
void dvs_tell_project_idle (DvsSession *session, guint n_raw, guint n_ready);
void dvs_tell_segment (
    DvsSession *session, const DvsSegment *segment, const DvsPrompt *prompt);
void dvs_tell_resumed (DvsSession *session, const DvsPrompt *prompt);
void dvs_tell_step_complete (
    DvsSession *session, gdouble total, gdouble worker);
/* Of a prompt: "prompt_received" with the queue's depth, "prompt_enhancing". */
void dvs_tell_received (DvsSession *session, const gchar *id, guint depth);
void dvs_tell_ready (
    DvsSession *session, const DvsPrompt *prompt, gdouble latency_ms);

/* ---- session-log.c ---- */
void dvs_log (DvsSession *session, const gchar *event, JsonObject *fields);
/* Texts that a person wrote or saw: left out where the settings say so. */
void dvs_log_text (DvsSession *session, JsonObject *fields, const gchar *name,
    const gchar *text);
void dvs_log_texts (DvsSession *session, JsonObject *fields, const gchar *name,
    const gchar *const *texts);

#endif
