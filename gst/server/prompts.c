/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The prompt services: see prompts.h.
 */
#include "prompts-private.h"

#include <math.h>
#include <string.h>

#include "provider.h"

#define PROMPT_TIMEOUT_MS 20000
#define EXTEND_TIMEOUT_MS 3000
#define USUAL_MODEL "gpt-oss-120b"
#define MAX_SYSTEM_BYTES 32768 /* of a client's own */

static void
parts_clear (DvsPromptParts *parts)
{
  g_clear_pointer (&parts->llm, dvs_llm_unref);
  g_clear_pointer (&parts->safety, dvs_safety_unref);
  g_clear_pointer (&parts->system, dvs_system_prompts_free);
  g_clear_pointer (&parts->models, g_strfreev);
  g_clear_pointer (&parts->model, g_free);
}

/* The models that a client may name: the usual one first. */
static gchar **
list_models (const DvsSettings *settings, const gchar *usual)
{
  GPtrArray *models = g_ptr_array_new ();

  g_ptr_array_add (models, g_strdup (usual));
  for (guint i = 0; settings->rewrite_models && settings->rewrite_models[i];
       i++)
    if (strcmp (settings->rewrite_models[i], usual) != 0)
      g_ptr_array_add (models, g_strdup (settings->rewrite_models[i]));
  g_ptr_array_add (models, NULL);
  return (gchar **)g_ptr_array_free (models, FALSE);
}

/* What was saved counts before the settings. */
static void
choose (DvsPromptParts *parts, const DvsSettings *settings)
{
  const DvsSystemPrompts *system = parts->system;

  g_free (parts->model);
  parts->model = g_strdup (
      system->model && g_strv_contains (
                           (const gchar *const *)parts->models, system->model)
          ? system->model
          : parts->models[0]);
  if (!isnan (system->temperature))
    parts->temperature = system->temperature;
  else if (settings)
    parts->temperature = settings->rewrite_temperature;
}

static gboolean
parts_read (DvsPromptParts *parts, const DvsSettings *settings, GError **error)
{
  const gchar *usual = settings->rewrite_model && settings->rewrite_model[0]
                           ? settings->rewrite_model
                           : USUAL_MODEL;
  GPtrArray *providers;

  memset (parts, 0, sizeof *parts);
  parts->prompt_timeout_ms = settings->prompt_timeout_ms
                                 ? settings->prompt_timeout_ms
                                 : PROMPT_TIMEOUT_MS;
  parts->extend_timeout_ms = settings->extend_timeout_ms
                                 ? settings->extend_timeout_ms
                                 : EXTEND_TIMEOUT_MS;
  providers = dvs_providers_parse (settings->providers, error);
  if (!providers)
    return FALSE;
  if (providers->len > 0) {
    parts->llm = dvs_llm_new (providers, usual);
    parts->models = list_models (settings, usual);
  } else {
    g_ptr_array_unref (providers);
    parts->models = g_strsplit (DVS_WRITER_MODEL, ",", 1);
  }
  parts->safety = dvs_safety_new (settings, error);
  if (parts->safety)
    parts->system = dvs_system_prompts_load (settings->prompt_directory, error);
  if (!parts->system) {
    parts_clear (parts);
    return FALSE;
  }
  choose (parts, settings);
  return TRUE;
}

DvsPrompts *
dvs_prompts_new (const DvsSettings *settings, GError **error)
{
  DvsPrompts *prompts;
  DvsPromptParts parts;

  if (!parts_read (&parts, settings, error))
    return NULL;
  prompts = g_new0 (DvsPrompts, 1);
  prompts->parts = parts;
  prompts->successes =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  prompts->calls = g_ptr_array_new ();
  return prompts;
}

void
dvs_prompts_free (DvsPrompts *prompts)
{
  while (prompts->calls->len > 0)
    dvs_call_free (prompts->calls->pdata[0]);
  g_ptr_array_unref (prompts->calls);
  dvs_safety_close (prompts->parts.safety);
  parts_clear (&prompts->parts);
  g_hash_table_unref (prompts->successes);
  g_free (prompts);
}

gboolean
dvs_prompts_reload (
    DvsPrompts *prompts, const DvsSettings *settings, GError **error)
{
  DvsPromptParts parts;

  if (!parts_read (&parts, settings, error))
    return FALSE;
  parts_clear (&prompts->parts);
  prompts->parts = parts;
  return TRUE;
}

gchar *
dvs_prompts_describe (const DvsPrompts *prompts)
{
  const DvsPromptParts *parts = &prompts->parts;
  const GPtrArray *providers =
      parts->llm ? dvs_llm_providers (parts->llm) : NULL;
  GString *lines = g_string_new (NULL);
  gchar *safety = dvs_safety_describe (parts->safety);

  if (!providers)
    g_string_append (lines, "prompts: the built-in writer\n");
  for (guint i = 0; providers && i < providers->len; i++) {
    const DvsProvider *provider = providers->pdata[i];
    gchar *address =
        g_uri_to_string_partial (provider->uri, G_URI_HIDE_USERINFO);

    g_string_append_printf (lines, "prompts: %s, model %s, at %s, %s key\n",
        provider->name, provider->model, address,
        provider->key ? "with a" : "without a");
    g_free (address);
  }
  for (guint i = 0; i < DVS_N_SYSTEM; i++)
    if (parts->system->from_file[i]) {
      gchar *path = dvs_system_prompts_path (parts->system, i);

      g_string_append_printf (lines, "prompts: %s\n", path);
      g_free (path);
    }
  g_string_append_printf (lines, "%s\n", safety);
  g_free (safety);
  return g_string_free (lines, FALSE);
}

/* ---- calls ---- */

/* What goes into JSON must be UTF-8. */
static gchar *
valid (const gchar *text)
{
  return g_utf8_make_valid (text ? text : "", -1);
}

static gchar **
valid_list (const gchar *const *texts)
{
  guint n = texts ? g_strv_length ((gchar **)texts) : 0;
  gchar **copy = g_new0 (gchar *, n + 1);

  for (guint i = 0; i < n; i++)
    copy[i] = valid (texts[i]);
  return copy;
}

/* A text that may be left out. */
static gchar *
optional (const gchar *text, gsize max)
{
  return text && text[0] && strlen (text) <= max ? valid (text) : NULL;
}

void
dvs_prompts_enhance (DvsPrompts *prompts, const gchar *text,
    const gchar *const *locked, guint next_index, gboolean single_clip,
    GCancellable *cancellable, DvsAnswerFunc done, gpointer user)
{
  DvsCallSpec spec = {
      .kind = single_clip ? DVS_CALL_SINGLE_CLIP : DVS_CALL_ENHANCE,
      .text = valid (text),
      .prompts = valid_list (locked),
      .next_index = next_index,
      .temperature = NAN};

  dvs_call_start (prompts, &spec, cancellable, done, user);
}

void
dvs_prompts_extend (DvsPrompts *prompts, const gchar *const *locked,
    GCancellable *cancellable, DvsAnswerFunc done, gpointer user)
{
  DvsCallSpec spec = {.kind = DVS_CALL_EXTEND,
      .text = g_strdup (""),
      .prompts = valid_list (locked),
      .temperature = NAN};

  dvs_call_start (prompts, &spec, cancellable, done, user);
}

void
dvs_prompts_rewrite (DvsPrompts *prompts, const gchar *instruction,
    const gchar *const *window, const gchar *id, const gchar *label,
    const DvsRewriteChoice *choice, GCancellable *cancellable,
    DvsAnswerFunc done, gpointer user)
{
  gboolean edit = window && window[0];
  const gchar *system = !choice ? NULL
                        : edit  ? choice->window_system_prompt
                                : choice->user_system_prompt;
  DvsCallSpec spec = {.kind = edit ? DVS_CALL_EDIT : DVS_CALL_ROLLOUT,
      .text = valid (instruction),
      .prompts = valid_list (window),
      .id = optional (id, DVS_PROMPT_MAX),
      .label = optional (label, DVS_PROMPT_MAX),
      .model = choice ? g_strdup (choice->model) : NULL,
      .system = optional (system, MAX_SYSTEM_BYTES),
      .temperature = choice ? choice->temperature : NAN};

  dvs_call_start (prompts, &spec, cancellable, done, user);
}

/* ---- safety ---- */

void
dvs_prompts_check (DvsPrompts *prompts, const gchar *const *texts,
    GCancellable *cancellable, DvsSafetyFunc done, gpointer user)
{
  dvs_safety_check (prompts->parts.safety, texts, cancellable, done, user);
}

gboolean
dvs_prompts_checks (const DvsPrompts *prompts)
{
  return dvs_safety_checks (prompts->parts.safety);
}

/* ---- configuration ---- */

const gchar *
dvs_prompts_model (const DvsPrompts *prompts, const gchar *wanted)
{
  const DvsPromptParts *parts = &prompts->parts;

  for (guint i = 0; wanted && parts->models[i]; i++)
    if (strcmp (parts->models[i], wanted) == 0)
      return parts->models[i];
  return parts->model;
}

JsonObject *
dvs_prompts_config (const DvsPrompts *prompts)
{
  const DvsPromptParts *parts = &prompts->parts;
  JsonObject *config = json_object_new ();
  JsonArray *models = json_array_new ();

  for (guint i = 0; i < DVS_N_SYSTEM_WIRE; i++) {
    gchar *path = dvs_system_prompts_path (parts->system, i);
    gchar *name = g_strconcat (dvs_system_name (i), "_path", NULL);

    json_object_set_string_member (
        config, dvs_system_name (i), parts->system->text[i]);
    json_object_set_string_member (config, name, path);
    g_free (name);
    g_free (path);
  }
  for (guint i = 0; parts->models[i]; i++)
    json_array_add_string_element (models, parts->models[i]);
  json_object_set_string_member (config, "rewrite_model", parts->model);
  json_object_set_array_member (config, "rewrite_model_options", models);
  json_object_set_double_member (
      config, "rewrite_temperature", parts->temperature);
  return config;
}

/* Reads again what is in the directory: what counts is what was saved. */
static gboolean
read_again (DvsPromptParts *parts, GError **error)
{
  DvsSystemPrompts *system =
      dvs_system_prompts_load (parts->system->directory, error);

  if (!system)
    return FALSE;
  dvs_system_prompts_free (parts->system);
  parts->system = system;
  choose (parts, NULL);
  return TRUE;
}

gboolean
dvs_prompts_set_config (
    DvsPrompts *prompts, JsonObject *changes, guint *status, gchar **detail)
{
  DvsPromptParts *parts = &prompts->parts;
  DvsSystemChange change;
  GError *error = NULL;
  gboolean saved;

  *status = 400;
  if (!dvs_system_change_read (
          &change, changes, (const gchar *const *)parts->models, detail))
    return FALSE;
  saved = dvs_system_change_save (&change, parts->system, &error);
  if (parts->system->directory)
    saved = read_again (parts, error ? NULL : &error) && saved;
  if (saved) {
    *status = 200;
    return TRUE;
  }
  *status = 500;
  *detail =
      g_strdup_printf ("The prompts could not be saved: %s.", error->message);
  g_error_free (error);
  return FALSE;
}

JsonObject *
dvs_prompts_successes (const DvsPrompts *prompts)
{
  JsonObject *counts = json_object_new ();
  GHashTableIter iter;
  gpointer name, count;

  /* Those that monitors look for are there in any case. */
  json_object_set_int_member (counts, "cerebras", 0);
  json_object_set_int_member (counts, "groq", 0);
  g_hash_table_iter_init (&iter, prompts->successes);
  while (g_hash_table_iter_next (&iter, &name, &count))
    json_object_set_int_member (counts, name, GPOINTER_TO_UINT (count));
  return counts;
}
