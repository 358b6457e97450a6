/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Inside the prompt services: the parts, and a call that is under way.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_PROMPTS_PRIVATE_H
#define DVS_PROMPTS_PRIVATE_H

#include "answer.h"
#include "llm.h"
#include "prompts.h"
#include "safety.h"
#include "system-prompts.h"

/* What settings come to; replaced as a whole by a reload. */
typedef struct {
  DvsLlm *llm; /* NULL: the writer */
  DvsSafety *safety;
  DvsSystemPrompts *system;
  gchar **models; /* those that a client may name; the first: the usual */
  gchar *model;   /* the server's own choice */
  gdouble temperature;
  guint prompt_timeout_ms, extend_timeout_ms;
} DvsPromptParts;

struct DvsPrompts {
  DvsPromptParts parts;
  GHashTable *successes; /* provider to a count */
  GPtrArray *calls;      /* under way */
};

/* What is wanted of a model, or of the writer. */
typedef enum {
  DVS_CALL_ENHANCE,
  DVS_CALL_SINGLE_CLIP,
  DVS_CALL_EXTEND,
  DVS_CALL_ROLLOUT,
  DVS_CALL_EDIT
} DvsCallKind;

/* All copied. */
typedef struct {
  DvsCallKind kind;
  gchar *text;     /* the user's */
  gchar **prompts; /* shown so far, or the window */
  guint next_index;
  gchar *id, *label;
  gchar *model, *system; /* NULL: the server's */
  gdouble temperature;   /* NaN: the server's */
} DvsCallSpec;

/* Takes what @spec points to. */
void dvs_call_start (DvsPrompts *prompts, const DvsCallSpec *spec,
    GCancellable *cancellable, DvsAnswerFunc done, gpointer user);
/* Ends it without an answer. */
void dvs_call_free (gpointer call);

/* The user message for @spec, JSON. */
gchar *dvs_call_message (const DvsCallSpec *spec);

#endif
