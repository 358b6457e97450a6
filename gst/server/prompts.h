/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Prompts: enhanced, continued and rewritten by language models (OpenAI's chat
 * completions, several providers raced), or, where none is configured, by the
 * writer that is built in; and what must not be shown (session protocol,
 * section 8).
 *
 * Threads: the main thread alone. Every answer comes from its main loop, once,
 * within the call's time-out, and not after its cancellable was cancelled.
 */
#ifndef DVS_PROMPTS_H
#define DVS_PROMPTS_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "settings.h"

/* Bytes of UTF-8 of one prompt; what is longer is no valid answer. */
#define DVS_PROMPT_MAX 8192

/* The model's name where the writer that is built in answered. */
#define DVS_WRITER_MODEL "built-in writer"

typedef struct DvsPrompts DvsPrompts;

/* Keeps nothing of @settings. NULL: a provider, key, list or file of theirs is
 * wrong; @error says which in a sentence, and no key. */
DvsPrompts *dvs_prompts_new (const DvsSettings *settings, GError **error);
void dvs_prompts_free (DvsPrompts *prompts);
/* Takes other settings, for what is asked from now on; FALSE: nothing has
 * changed. */
gboolean dvs_prompts_reload (
    DvsPrompts *prompts, const DvsSettings *settings, GError **error);
/* What --check prints: a line each for who writes and what is checked. */
gchar *dvs_prompts_describe (const DvsPrompts *prompts);

/* What a rewrite may override; NULL or NaN: the server's. */
typedef struct {
  const gchar *model;
  gdouble temperature;
  const gchar *window_system_prompt, *user_system_prompt;
} DvsRewriteChoice;

/* One answer; strings are the callee's. */
typedef struct {
  const gchar *error;          /* NULL: it went well */
  const gchar *prompt;         /* enhance, extend */
  const gchar *id, *label;     /* rewrite */
  const gchar *const *prompts; /* rewrite */
  const gchar *raw;            /* what the model said; NULL: none did */
  const gchar *model;          /* which answered */
  const gchar *note;           /* why the writer answered in the place of the
                                * providers (a new rollout only); else NULL */
  gdouble latency_ms;
} DvsAnswer;
typedef void (*DvsAnswerFunc) (gpointer user, const DvsAnswer *answer);

/* The prompt that follows @locked (what was shown so far) as the user's @text
 * wants it. 20 s. */
void dvs_prompts_enhance (DvsPrompts *prompts, const gchar *text,
    const gchar *const *locked, guint next_index, gboolean single_clip,
    GCancellable *cancellable, DvsAnswerFunc done, gpointer user);
/* The prompt that follows @locked with nobody asking. 3 s. */
void dvs_prompts_extend (DvsPrompts *prompts, const gchar *const *locked,
    GCancellable *cancellable, DvsAnswerFunc done, gpointer user);
/* @window NULL or empty: six prompts from @instruction; the writer gives them
 * if every provider fails. Else as many as @window has, which may have 64
 * prompts and 65536 bytes. 20 s. */
void dvs_prompts_rewrite (DvsPrompts *prompts, const gchar *instruction,
    const gchar *const *window, const gchar *id, const gchar *label,
    const DvsRewriteChoice *choice, GCancellable *cancellable,
    DvsAnswerFunc done, gpointer user);

/* NULL: all may be shown. Else the number of the first that may not, 1-based,
 * and why, in a sentence. */
typedef void (*DvsSafetyFunc) (gpointer user, guint which, const gchar *reason);
/* Always answers from the main loop; with neither list nor classifier, at once
 * and yes. */
void dvs_prompts_check (DvsPrompts *prompts, const gchar *const *texts,
    GCancellable *cancellable, DvsSafetyFunc done, gpointer user);
/* Whether dvs_prompts_check() can say no. */
gboolean dvs_prompts_checks (const DvsPrompts *prompts);

/* The model that a client's choice comes to; never NULL. */
const gchar *dvs_prompts_model (const DvsPrompts *prompts, const gchar *wanted);
/* Section 2: the body of /prompt-system-config, and its change (400, 500). */
JsonObject *dvs_prompts_config (const DvsPrompts *prompts);
gboolean dvs_prompts_set_config (
    DvsPrompts *prompts, JsonObject *changes, guint *status, gchar **detail);
/* By provider: answers that won. */
JsonObject *dvs_prompts_successes (const DvsPrompts *prompts);

#endif
