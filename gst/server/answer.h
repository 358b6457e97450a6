/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading what a language model answered: leniently where the prompts may
 * stand, strictly about what a prompt is (session protocol, section 8).
 * Any bytes are fine.
 *
 * Threads: no shared state.
 */
#ifndef DVS_ANSWER_H
#define DVS_ANSWER_H

#include <json-glib/json-glib.h>

/* Prompts that an answer may have under keys with numbers. */
#define DVS_ROLLOUT_MAX 64

typedef struct {
  gchar *id, *label; /* NULL: the answer has none that is usable */
  gchar **prompts;
} DvsRollout;

/* The one JSON object that @text is, its values at most 32 deep; NULL: it is
 * something else. The caller's to unref. */
JsonObject *dvs_answer_object (const gchar *text, gsize size);

/* What the first choice of a chat completion says; NULL: @body is none.
 * The errors of this file are G_IO_ERROR_INVALID_DATA, half a sentence. */
gchar *dvs_answer_content (const gchar *body, gsize size, GError **error);

/* The one prompt of an answer, trimmed, without line breaks; NULL: it has
 * none. */
gchar *dvs_answer_prompt (const gchar *content, GError **error);

/* A rollout of exactly @count prompts; FALSE: it is not one. */
gboolean dvs_answer_rollout (
    const gchar *content, guint count, DvsRollout *rollout, GError **error);
void dvs_rollout_clear (DvsRollout *rollout);

/* @text as a prompt may be: white space of all kinds made single spaces,
 * control characters taken out. NULL: nothing is left, it is no UTF-8, or
 * longer than @max bytes. */
gchar *dvs_answer_clean (const gchar *text, gsize max);

#endif
