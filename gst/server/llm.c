/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The race of providers: see llm.h.
 */
#include "llm.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "answer.h"
#include "post.h"
#include "provider.h"

#define MAX_ANSWER_BYTES (1024 * 1024)

struct DvsLlm {
  gint ref_count;
  SoupSession *session;
  GPtrArray *providers;
  gchar *usual_model;
};

/* One provider in a race. */
typedef struct {
  DvsRace *race;
  const DvsProvider *provider;
  DvsPost *post; /* NULL: it is out */
} Runner;

struct DvsRace {
  DvsLlm *llm;
  DvsLlmEvents events;
  gpointer user;
  GString *errors; /* why those that are out are */
  guint running;
  Runner runner[];
};

DvsLlm *
dvs_llm_new (GPtrArray *providers, const gchar *usual_model)
{
  DvsLlm *llm = g_new0 (DvsLlm, 1);

  llm->ref_count = 1;
  llm->session = dvs_post_session ();
  llm->providers = providers;
  llm->usual_model = g_strdup (usual_model);
  return llm;
}

DvsLlm *
dvs_llm_ref (DvsLlm *llm)
{
  llm->ref_count++;
  return llm;
}

void
dvs_llm_unref (DvsLlm *llm)
{
  if (--llm->ref_count > 0)
    return;
  g_object_unref (llm->session);
  g_ptr_array_unref (llm->providers);
  g_free (llm->usual_model);
  g_free (llm);
}

const GPtrArray *
dvs_llm_providers (const DvsLlm *llm)
{
  return llm->providers;
}

static void
add_message (JsonBuilder *builder, const gchar *role, const gchar *content)
{
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "role");
  json_builder_add_string_value (builder, role);
  json_builder_set_member_name (builder, "content");
  json_builder_add_string_value (builder, content);
  json_builder_end_object (builder);
}

static gchar *
write_request (const DvsLlm *llm, const DvsProvider *provider,
    const DvsLlmRequest *request)
{
  JsonBuilder *builder = json_builder_new ();
  JsonNode *root;
  gchar *text;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "model");
  json_builder_add_string_value (
      builder, dvs_provider_model (provider, request->model, llm->usual_model));
  json_builder_set_member_name (builder, "messages");
  json_builder_begin_array (builder);
  add_message (builder, "system", request->system);
  add_message (builder, "user", request->user);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "temperature");
  json_builder_add_double_value (builder, request->temperature);
  if (provider->max_completion_tokens > 0) {
    json_builder_set_member_name (builder, "max_completion_tokens");
    json_builder_add_int_value (builder, provider->max_completion_tokens);
  }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  json_node_unref (root);
  g_object_unref (builder);
  return text;
}

void
dvs_llm_cancel (DvsRace *race)
{
  for (guint i = 0; i < race->llm->providers->len; i++)
    if (race->runner[i].post)
      dvs_post_cancel (race->runner[i].post);
  g_string_free (race->errors, TRUE);
  dvs_llm_unref (race->llm);
  g_free (race);
}

/* Whether @answer is taken; else why not is noted. */
static gboolean
judge (Runner *runner, GBytes *answer, const GError *error)
{
  DvsRace *race = runner->race;
  GError *why = NULL;
  gchar *content = NULL;
  gboolean taken;

  if (answer) {
    gsize size;
    const gchar *body = g_bytes_get_data (answer, &size);

    content = dvs_answer_content (body, size, &why);
  }
  taken = content && race->events.accept (race->user, content, &why);
  if (!taken)
    g_string_append_printf (race->errors, "%s%s: %s",
        race->errors->len > 0 ? "; " : "", runner->provider->name,
        why ? why->message : error->message);
  g_clear_error (&why);
  g_free (content);
  return taken;
}

static void
on_answer (gpointer user, GBytes *answer, const GError *error)
{
  Runner *runner = user;
  DvsRace *race = runner->race;

  runner->post = NULL;
  race->running--;
  if (judge (runner, answer, error))
    race->events.done (race->user, runner->provider->name, NULL);
  else if (race->running == 0)
    race->events.done (race->user, NULL, race->errors->str);
  else
    return;
  dvs_llm_cancel (race);
}

DvsRace *
dvs_llm_ask (DvsLlm *llm, const DvsLlmRequest *request,
    const DvsLlmEvents *events, gpointer user)
{
  guint n = llm->providers->len;
  DvsRace *race = g_malloc0 (sizeof (DvsRace) + n * sizeof (Runner));

  race->llm = dvs_llm_ref (llm);
  race->events = *events;
  race->user = user;
  race->errors = g_string_new (NULL);
  race->running = n;
  for (guint i = 0; i < n; i++) {
    Runner *runner = &race->runner[i];
    DvsPostRequest post = {
        .max_bytes = MAX_ANSWER_BYTES, .timeout_ms = request->timeout_ms};
    gchar *body;

    runner->race = race;
    runner->provider = g_ptr_array_index (llm->providers, i);
    body = write_request (llm, runner->provider, request);
    post.uri = runner->provider->uri;
    post.key = runner->provider->key;
    post.body = body;
    runner->post = dvs_post (llm->session, &post, on_answer, runner);
    g_free (body);
  }
  return race;
}
