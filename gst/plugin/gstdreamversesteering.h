/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What steers a source: the prompt, the list of prompts, prompts appended
 * while it runs, commands and their ids.
 *
 * Which prompt a segment gets, first that applies: one appended (it stays in
 * force when no list is set), what a need-prompt handler returned, the next of
 * the list, and then the prompt property, or the end when a list was set and
 * the property is empty. What a handler will return can be told before, so that
 * it is prepared; that promises nothing. Everything a stranger may send is
 * bounded.
 *
 * Threads: has no lock of its own; callers hold the source's.
 */
#ifndef GST_DREAMVERSE_STEERING_H
#define GST_DREAMVERSE_STEERING_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_DREAMVERSE_MAX_PROMPT_BYTES 8192
#define GST_DREAMVERSE_MAX_QUEUED_PROMPTS 64
#define GST_DREAMVERSE_MAX_ID_BYTES 128
#define GST_DREAMVERSE_RECENT_IDS 256
#define GST_DREAMVERSE_MAX_PENDING_RESETS 16

typedef struct {
  gchar *prompt;   /* property; may be NULL */
  GPtrArray *list; /* property: strings */
  guint next;      /* position in the list */
  gchar *steered;  /* the appended prompt in force, NULL if none */
  GQueue appended; /* of Appended */
  gchar *expected; /* what a handler will probably return; NULL: unknown */
  gboolean paused;
  GQueue resets; /* ids of resets that wait for the generation thread */
  gchar *recent[GST_DREAMVERSE_RECENT_IDS];
  guint next_recent;
} GstDreamverseSteering;

void gst_dreamverse_steering_init (GstDreamverseSteering *steering);
void gst_dreamverse_steering_clear (GstDreamverseSteering *steering);

/* TRUE the first time an id is seen, as far back as is remembered. */
gboolean gst_dreamverse_steering_take_id (
    GstDreamverseSteering *steering, const gchar *id);

/* NULL if @prompt is fit to be used, else a sentence that says why not. */
gchar *gst_dreamverse_steering_check_prompt (const gchar *prompt);

void gst_dreamverse_steering_set_prompt (
    GstDreamverseSteering *steering, const gchar *prompt);
/* Takes @list, strings. */
void gst_dreamverse_steering_set_list (
    GstDreamverseSteering *steering, GPtrArray *list);

/* Queues a prompt that was found fit. NULL, or a sentence that says why
 * not. */
gchar *gst_dreamverse_steering_append (GstDreamverseSteering *steering,
    const gchar *prompt, const gchar *prompt_id);
guint gst_dreamverse_steering_depth (const GstDreamverseSteering *steering);

/* Asks for a new stream: back to the first prompt, appended ones forgotten. */
void gst_dreamverse_steering_reset (
    GstDreamverseSteering *steering, const gchar *id);
/* The next reset's id that waits, to be freed; NULL if there is none. */
gchar *gst_dreamverse_steering_take_reset (GstDreamverseSteering *steering);
/* Back to the first prompt, for a source that starts. */
void gst_dreamverse_steering_rewind (GstDreamverseSteering *steering);

/* Tells what a need-prompt handler will probably return for the next segment: a
 * prompt that was found fit, or NULL. */
void gst_dreamverse_steering_expect (
    GstDreamverseSteering *steering, const gchar *prompt);
/* What the prompt of the next segment would be now; NULL: nobody can tell. */
const gchar *gst_dreamverse_steering_peek (
    const GstDreamverseSteering *steering, gboolean loop);

/* The prompt of the next segment and what its sender calls it (both to be
 * freed, the second may be NULL). @offered is what need-prompt returned, or
 * NULL. FALSE: the prompts have run out. */
gboolean gst_dreamverse_steering_next (GstDreamverseSteering *steering,
    const gchar *offered, gboolean loop, gchar **prompt, gchar **prompt_id);

G_END_DECLS

#endif
