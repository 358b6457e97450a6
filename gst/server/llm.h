/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Asking language models: all providers at the same time, the first valid
 * answer wins, the others are given up.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_LLM_H
#define DVS_LLM_H

#include <gio/gio.h>

typedef struct DvsLlm DvsLlm;

/* Takes @providers (of DvsProvider), one at least. @usual_model: the name under
 * which clients know the providers' own model. */
DvsLlm *dvs_llm_new (GPtrArray *providers, const gchar *usual_model);
DvsLlm *dvs_llm_ref (DvsLlm *llm);
void dvs_llm_unref (DvsLlm *llm);

const GPtrArray *dvs_llm_providers (const DvsLlm *llm);

typedef struct {
  const gchar *system, *user; /* the two messages */
  const gchar *model;         /* as clients name it; NULL: the usual */
  gdouble temperature;
  guint timeout_ms; /* for all of it */
} DvsLlmRequest;

typedef struct {
  /* Whether @content is an answer. It is kept by the callee if so. */
  gboolean (*accept) (gpointer user, const gchar *content, GError **error);
  /* Once, from the main loop; the name of the provider that won, or why none
   * did, in a sentence. */
  void (*done) (gpointer user, const gchar *provider, const gchar *error);
} DvsLlmEvents;

/* All providers, asked at the same time. */
typedef struct DvsRace DvsRace;

/* The race is there until @done was called. */
DvsRace *dvs_llm_ask (DvsLlm *llm, const DvsLlmRequest *request,
    const DvsLlmEvents *events, gpointer user);
/* Ends it; nothing is called any more. */
void dvs_llm_cancel (DvsRace *race);

#endif
