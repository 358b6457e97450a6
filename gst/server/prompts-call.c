/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One call of the prompt services, from its beginning to its one answer: by
 * language models, or by the writer where there are none.
 */
#include "prompts-private.h"

#include <math.h>
#include <string.h>

#include "writer.h"

#define MAX_RAW_BYTES 32768 /* of what a model said, for the client */
#define MAX_WINDOW 64       /* prompts of a rollout that is edited */
#define MAX_WINDOW_BYTES 65536
#define USUAL_ID "current_rollout"
#define USUAL_LABEL "Current rollout"

typedef struct {
  DvsPrompts *prompts;
  DvsCallSpec spec;
  DvsAnswerFunc done;
  gpointer user;
  gint64 began;
  GSource *cancelled, *idle;
  DvsRace *race;
  gchar *model_name; /* which answers */
  /* the answer */
  gchar *raw, *prompt, *note;
  DvsRollout rollout;
} Call;

void
dvs_call_free (gpointer user)
{
  Call *call = user;
  GSource *sources[] = {call->cancelled, call->idle};

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    if (sources[i]) {
      g_source_destroy (sources[i]);
      g_source_unref (sources[i]);
    }
  if (call->race)
    dvs_llm_cancel (call->race);
  g_ptr_array_remove_fast (call->prompts->calls, call);
  g_free (call->spec.text);
  g_strfreev (call->spec.prompts);
  g_free (call->spec.id);
  g_free (call->spec.label);
  g_free (call->spec.model);
  g_free (call->spec.system);
  g_free (call->model_name);
  g_free (call->raw);
  g_free (call->prompt);
  g_free (call->note);
  dvs_rollout_clear (&call->rollout);
  g_free (call);
}

static gboolean
is_rewrite (const Call *call)
{
  return call->spec.kind == DVS_CALL_ROLLOUT ||
         call->spec.kind == DVS_CALL_EDIT;
}

/* Tells what it has come to and ends. */
static void
answer (Call *call, const gchar *error)
{
  DvsAnswer said = {.error = error,
      .raw = call->raw,
      .model = call->model_name,
      .note = call->note,
      .latency_ms = (g_get_monotonic_time () - call->began) / 1000.0};

  if (!error) {
    said.prompt = call->prompt;
    said.prompts = (const gchar *const *)call->rollout.prompts;
  }
  if (is_rewrite (call)) {
    said.id = !error && call->rollout.id ? call->rollout.id : call->spec.id;
    said.label =
        !error && call->rollout.label ? call->rollout.label : call->spec.label;
  }
  call->done (call->user, &said);
  dvs_call_free (call);
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer user)
{
  dvs_call_free (user);
  return G_SOURCE_REMOVE;
}

static GSource *
attach (GSource *source, GSourceFunc func, Call *call)
{
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, call, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
  return source;
}

static void
count_success (Call *call, const gchar *name)
{
  GHashTable *counts = call->prompts->successes;
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (counts, name));

  g_hash_table_replace (counts, g_strdup (name), GUINT_TO_POINTER (n + 1));
}

/* ---- the writer ---- */

/* Its answer as a model would have put it. */
static gchar *
write_raw (const Call *call)
{
  JsonBuilder *builder = json_builder_new ();
  JsonNode *root;
  gchar *text;

  json_builder_begin_object (builder);
  if (call->prompt) {
    json_builder_set_member_name (builder,
        call->spec.kind == DVS_CALL_SINGLE_CLIP ? "prompt" : "next_prompt");
    json_builder_add_string_value (builder, call->prompt);
  } else {
    json_builder_set_member_name (builder, "id");
    json_builder_add_string_value (
        builder, call->rollout.id ? call->rollout.id : call->spec.id);
    json_builder_set_member_name (builder, "label");
    json_builder_add_string_value (
        builder, call->rollout.label ? call->rollout.label : call->spec.label);
    json_builder_set_member_name (builder, "segment_prompts");
    json_builder_begin_array (builder);
    for (guint i = 0; call->rollout.prompts[i]; i++)
      json_builder_add_string_value (builder, call->rollout.prompts[i]);
    json_builder_end_array (builder);
  }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  json_node_unref (root);
  g_object_unref (builder);
  return text;
}

static void
write_here (Call *call)
{
  const DvsCallSpec *spec = &call->spec;
  const gchar *const *prompts = (const gchar *const *)spec->prompts;

  switch (spec->kind) {
    case DVS_CALL_ENHANCE:
      call->prompt = dvs_writer_enhance (spec->text, prompts, spec->next_index);
      break;
    case DVS_CALL_SINGLE_CLIP:
      call->prompt = dvs_writer_enhance (spec->text, NULL, 1);
      break;
    case DVS_CALL_EXTEND:
      call->prompt = prompts[0] ? dvs_writer_extend (prompts)
                                : dvs_writer_enhance ("", NULL, 1);
      break;
    case DVS_CALL_ROLLOUT:
      call->rollout.prompts =
          dvs_writer_rollout (spec->text, &call->rollout.label);
      break;
    case DVS_CALL_EDIT:
      call->rollout.prompts = dvs_writer_edit (spec->text, prompts);
      break;
  }
  g_free (call->raw);
  call->raw = write_raw (call);
  g_free (call->model_name);
  call->model_name = g_strdup (DVS_WRITER_MODEL);
  answer (call, NULL);
}

static gboolean
on_idle (gpointer user)
{
  write_here (user);
  return G_SOURCE_REMOVE;
}

static gboolean
on_refused (gpointer user)
{
  answer (user, "A rollout to be edited may have 64 prompts and 65536 bytes.");
  return G_SOURCE_REMOVE;
}

/* Neither a model nor the writer is given whatever a client cares to send. */
static gboolean
is_too_large (const DvsCallSpec *spec)
{
  gsize bytes = 0;
  guint n;

  if (spec->kind != DVS_CALL_EDIT)
    return FALSE;
  for (n = 0; spec->prompts[n]; n++)
    bytes += strlen (spec->prompts[n]);
  return n > MAX_WINDOW || bytes > MAX_WINDOW_BYTES;
}

/* ---- language models ---- */

static gboolean
on_content (gpointer user, const gchar *content, GError **error)
{
  Call *call = user;
  gsize size = strlen (content);

  g_free (call->raw);
  if (size > MAX_RAW_BYTES)
    size = g_utf8_find_prev_char (content, content + MAX_RAW_BYTES) - content;
  call->raw = g_strndup (content, size);
  if (call->spec.kind == DVS_CALL_EDIT)
    return dvs_answer_rollout (
        content, g_strv_length (call->spec.prompts), &call->rollout, error);
  if (call->spec.kind == DVS_CALL_ROLLOUT)
    return dvs_answer_rollout (
        content, DVS_WRITER_SEGMENTS, &call->rollout, error);
  call->prompt = dvs_answer_prompt (content, error);
  return call->prompt != NULL;
}

static void
on_done (gpointer user, const gchar *provider, const gchar *error)
{
  Call *call = user;

  call->race = NULL;
  if (provider) {
    count_success (call, provider);
    answer (call, NULL);
    return;
  }
  g_warning ("no language model gave a prompt: %s", error);
  if (call->spec.kind != DVS_CALL_ROLLOUT) {
    answer (call, error);
    return;
  }
  /* Without a rollout its user would wait for ever. */
  call->note = g_strdup_printf ("The built-in writer answered: %s", error);
  write_here (call);
}

static const gchar *
system_prompt (const Call *call)
{
  static const DvsSystemKind kinds[] = {
      [DVS_CALL_ENHANCE] = DVS_SYSTEM_NEXT_SEGMENT,
      [DVS_CALL_SINGLE_CLIP] = DVS_SYSTEM_SINGLE_CLIP,
      [DVS_CALL_EXTEND] = DVS_SYSTEM_AUTO_EXTENSION,
      [DVS_CALL_ROLLOUT] = DVS_SYSTEM_REWRITE_USER,
      [DVS_CALL_EDIT] = DVS_SYSTEM_REWRITE_WINDOW};

  return call->spec.system
             ? call->spec.system
             : call->prompts->parts.system->text[kinds[call->spec.kind]];
}

static void
ask (Call *call)
{
  static const DvsLlmEvents events = {on_content, on_done};
  const DvsPromptParts *parts = &call->prompts->parts;
  gchar *message = dvs_call_message (&call->spec);
  DvsLlmRequest request = {.system = system_prompt (call),
      .user = message,
      .model = call->model_name,
      .temperature = isnan (call->spec.temperature) ? parts->temperature
                                                    : call->spec.temperature,
      .timeout_ms = call->spec.kind == DVS_CALL_EXTEND
                        ? parts->extend_timeout_ms
                        : parts->prompt_timeout_ms};

  call->race = dvs_llm_ask (parts->llm, &request, &events, call);
  g_free (message);
}

void
dvs_call_start (DvsPrompts *prompts, const DvsCallSpec *spec,
    GCancellable *cancellable, DvsAnswerFunc done, gpointer user)
{
  Call *call = g_new0 (Call, 1);

  call->prompts = prompts;
  call->spec = *spec;
  call->done = done;
  call->user = user;
  call->began = g_get_monotonic_time ();
  if (!call->spec.id)
    call->spec.id = g_strdup (USUAL_ID);
  if (!call->spec.label)
    call->spec.label = g_strdup (USUAL_LABEL);
  call->model_name = g_strdup (dvs_prompts_model (prompts, spec->model));
  g_ptr_array_add (prompts->calls, call);
  if (cancellable)
    call->cancelled = attach (g_cancellable_source_new (cancellable),
        G_SOURCE_FUNC (on_cancelled), call);
  if (is_too_large (spec))
    call->idle = attach (g_idle_source_new (), on_refused, call);
  else if (prompts->parts.llm)
    ask (call);
  else
    call->idle = attach (g_idle_source_new (), on_idle, call);
}
