/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A provider: a server that answers chat completions as OpenAI's does, as a
 * line of settings describes it:
 *
 *   name=groq,url=https://api.groq.com/openai/v1,key-env=GROQ_API_KEY,
 *   model=openai/gpt-oss-120b,max-completion-tokens=3000
 *
 * `name`, `url` (to which /chat/completions is added) and `model` must be
 * there. The key is in the environment variable `key-env` or the file
 * `key-file`; with neither, none is sent. `model:NAME` is what this provider
 * calls the model that clients choose as NAME.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_PROVIDER_H
#define DVS_PROVIDER_H

#include <gio/gio.h>

typedef struct {
  gchar *name;
  GUri *uri;
  gchar *model;
  GHashTable *models;          /* a client's name to the provider's */
  gchar *key;                  /* NULL: none. Never printed */
  guint max_completion_tokens; /* 0: none are named */
} DvsProvider;

/* NULL: @text is wrong or the key is missing (G_IO_ERROR_INVALID_ARGUMENT, a
 * sentence that begins with the provider's name). */
DvsProvider *dvs_provider_parse (const gchar *text, GError **error);
void dvs_provider_free (DvsProvider *provider);

/* What it calls @model; NULL, or @usual: the model of its own. */
const gchar *dvs_provider_model (
    const DvsProvider *provider, const gchar *model, const gchar *usual);

/* All of @texts. NULL or empty @texts: those of Cerebras and Groq whose keys
 * are in the environment; a single "none": none. NULL: @error. */
GPtrArray *dvs_providers_parse (gchar *const *texts, GError **error);

/* An address for POST: http or https, a host, no user, password, query or
 * fragment. NULL: @error. */
GUri *dvs_provider_uri (
    const gchar *url, const gchar *further_path, GError **error);

#endif
