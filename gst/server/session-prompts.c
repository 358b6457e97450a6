/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the next prompt comes from: the user's, enhanced one after another;
 * then the seeds; then, where it is wanted, one that nobody asked for.
 */
#include "session-private.h"

DvsPrompt *
dvs_prompt_new (
    const gchar *prompt, const gchar *id, const gchar *source, gint seed)
{
  DvsPrompt *self = g_new0 (DvsPrompt, 1);

  self->prompt = dvs_text_stripped (prompt, DVS_PROMPT_MAX);
  self->id = g_strdup (id);
  self->source = source;
  self->seed = seed;
  return self;
}

void
dvs_prompt_free (DvsPrompt *prompt)
{
  g_free (prompt->prompt);
  g_free (prompt->id);
  g_free (prompt);
}

/* The prompts of the stream so far, ended by NULL. */
static const gchar *const *
locked_prompts (DvsSession *session)
{
  GPtrArray *locked = session->locked;

  /* Room for the NULL without a place of its own. */
  g_ptr_array_add (locked, NULL);
  g_ptr_array_remove_index (locked, locked->len - 1);
  return (const gchar *const *)locked->pdata;
}

static void
cancel (GCancellable **cancellable)
{
  if (*cancellable)
    g_cancellable_cancel (*cancellable);
  g_clear_object (cancellable);
}

/* ---- the user's ---- */

/* Told and ready to be shown. */
static void
take_ready (DvsSession *session, DvsPrompt *prompt, gdouble latency_ms)
{
  session->auto_failed = 0;
  dvs_tell_ready (session, prompt, latency_ms);
  g_queue_push_tail (&session->ready, prompt);
}

static void
enhancing_done (DvsSession *session)
{
  g_clear_pointer (&session->enhancing, dvs_prompt_free);
  g_clear_object (&session->enhance_cancellable);
}

static void
enhanced_checked (gpointer user, guint which, const gchar *reason)
{
  DvsSession *session = user;
  DvsPrompt *prompt = session->enhancing;
  JsonObject *fields;

  if (reason) {
    fields = json_object_new ();
    json_object_set_string_member (fields, "kind", "user_enhanced");
    json_object_set_string_member (fields, "prompt_id", prompt->id);
    dvs_log_text (session, fields, "output_prompt", prompt->prompt);
    json_object_set_double_member (fields, "latency_ms", session->enhance_ms);
    json_object_set_string_member (fields, "error", reason);
    dvs_log (session, "prompt_blocked", fields);
    dvs_session_observe (session, DVS_COUNT_BLOCKED, 1);
    dvs_tell_error (session, reason);
  } else {
    session->enhancing = NULL;
    prompt->source = "user_enhanced";
    take_ready (session, prompt, session->enhance_ms);
  }
  enhancing_done (session);
  dvs_session_enhance_next (session);
  dvs_session_flow (session);
}

static void
tell_fallback (DvsSession *session)
{
  GString *text = dvs_text_begin ("prompt_fallback_used");

  dvs_text_string (text, "prompt_id", session->enhancing->id);
  dvs_text_string (text, "prompt", "");
  dvs_text_string (text, "source", "user_enhancement_failed");
  dvs_text_double (text, "latency_ms", session->enhance_ms);
  dvs_text_string (text, "error", "Prompt extension failed for this request.");
  dvs_tell (session, text);
}

static void
log_enhanced (DvsSession *session, const gchar *response)
{
  JsonObject *fields = json_object_new ();

  json_object_set_string_member (fields, "kind", "enhance_prompt");
  json_object_set_double_member (fields, "latency_ms", session->enhance_ms);
  dvs_log_text (session, fields, "response", response);
  dvs_log (session, "rewrite_done", fields);
}

static gboolean
answer_is_good (DvsSession *session, const gchar *call, const DvsAnswer *answer)
{
  gboolean good = !answer->error && answer->prompt && *answer->prompt;

  dvs_session_observe_answer (session, call, answer->latency_ms, good);
  return good;
}

static void
enhanced (gpointer user, const DvsAnswer *answer)
{
  DvsSession *session = user;
  DvsPrompt *prompt = session->enhancing;
  const gchar *texts[2] = {NULL, NULL};

  session->enhance_ms = answer->latency_ms;
  log_enhanced (session, answer->error ? "" : answer->prompt);
  if (!answer_is_good (session, "enhance", answer)) {
    tell_fallback (session);
    enhancing_done (session);
    dvs_session_enhance_next (session);
    dvs_session_flow (session);
    return;
  }
  g_free (prompt->prompt);
  prompt->prompt = dvs_text_stripped (answer->prompt, DVS_PROMPT_MAX);
  texts[0] = prompt->prompt;
  if (dvs_prompts_checks (session->prompts))
    dvs_prompts_check (session->prompts, texts, session->enhance_cancellable,
        enhanced_checked, session);
  else
    enhanced_checked (session, 0, NULL);
}

static void
log_request (DvsSession *session, const DvsPrompt *prompt)
{
  JsonObject *fields = json_object_new ();

  json_object_set_string_member (fields, "prompt_id", prompt->id);
  dvs_log_text (session, fields, "raw_prompt", prompt->prompt);
  json_object_set_boolean_member (
      fields, "enhancement_enabled", session->enhancement);
  json_object_set_string_member (
      fields, "rewrite_model", session->rewrite_model);
  dvs_log (session, "enhance_request", fields);
}

void
dvs_session_enhance_next (DvsSession *session)
{
  DvsPrompt *prompt;
  GString *text;

  while (!session->enhancing && (prompt = g_queue_pop_head (&session->raw))) {
    log_request (session, prompt);
    if (!session->enhancement) {
      take_ready (session, prompt, 0);
      continue;
    }
    session->enhancing = prompt;
    session->enhance_cancellable = g_cancellable_new ();
    text = dvs_text_begin ("prompt_enhancing");
    dvs_text_string (text, "prompt_id", prompt->id);
    dvs_tell (session, text);
    dvs_prompts_enhance (session->prompts, prompt->prompt,
        locked_prompts (session), session->locked->len + 1,
        session->single_clip, session->enhance_cancellable, enhanced, session);
  }
}

void
dvs_session_queue_raw (DvsSession *session, DvsPrompt *prompt)
{
  JsonObject *fields;

  if (session->raw.length + session->ready.length >= DVS_MAX_LIVE_PROMPTS) {
    dvs_tell_error (session, "append_prompt: too many prompts wait already");
    dvs_prompt_free (prompt);
    return;
  }
  fields = json_object_new ();
  dvs_log_text (session, fields, "prompt", prompt->prompt);
  dvs_log (session, "append_prompt", fields);
  g_queue_push_tail (&session->raw, prompt);
  dvs_tell_received (session, prompt->id, session->raw.length);
  dvs_session_enhance_next (session);
}

void
dvs_session_enhance_cancel (DvsSession *session)
{
  cancel (&session->enhance_cancellable);
  enhancing_done (session);
}

/* ---- nobody's ---- */

static void
auto_fail (DvsSession *session, const gchar *error)
{
  GString *text = dvs_text_begin ("auto_prompt_failed");

  session->auto_failed = session->index + 1;
  session->dry = TRUE;
  dvs_text_int (text, "segment_idx", session->auto_failed);
  dvs_text_double (text, "latency_ms", session->auto_ms);
  dvs_text_string (text, "error", error);
  dvs_tell (session, text);
  dvs_session_auto_cancel (session);
}

static void
auto_checked (gpointer user, guint which, const gchar *reason)
{
  DvsSession *session = user;
  JsonObject *fields;

  g_clear_object (&session->auto_cancellable);
  if (reason) {
    fields = json_object_new ();
    json_object_set_int_member (fields, "next_segment_idx", session->index + 1);
    dvs_log_text (session, fields, "output_prompt", session->automatic->prompt);
    json_object_set_string_member (fields, "error", reason);
    json_object_set_double_member (fields, "latency_ms", session->auto_ms);
    dvs_log (session, "auto_prompt_blocked", fields);
    dvs_session_observe (session, DVS_COUNT_BLOCKED, 1);
    auto_fail (session, reason);
  }
  dvs_session_flow (session);
}

static void
extended (gpointer user, const DvsAnswer *answer)
{
  DvsSession *session = user;
  const gchar *texts[2] = {NULL, NULL};

  session->auto_ms = answer->latency_ms;
  if (!answer_is_good (session, "extend", answer)) {
    auto_fail (session, answer->error
                            ? answer->error
                            : "Auto prompt generation returned no prompt.");
    dvs_session_flow (session);
    return;
  }
  session->automatic = dvs_prompt_new (answer->prompt, NULL, "auto_llm", -1);
  texts[0] = session->automatic->prompt;
  if (dvs_prompts_checks (session->prompts))
    dvs_prompts_check (session->prompts, texts, session->auto_cancellable,
        auto_checked, session);
  else
    auto_checked (session, 0, NULL);
}

void
dvs_session_extend (DvsSession *session)
{
  if (session->auto_cancellable || session->auto_failed == session->index + 1)
    return;
  session->auto_cancellable = g_cancellable_new ();
  dvs_prompts_extend (session->prompts, locked_prompts (session),
      session->auto_cancellable, extended, session);
}

void
dvs_session_auto_cancel (DvsSession *session)
{
  cancel (&session->auto_cancellable);
  g_clear_pointer (&session->automatic, dvs_prompt_free);
}

/* ---- choosing ---- */

static gboolean
seeds_left (const DvsSession *session)
{
  return session->playing[session->next_seed] != NULL;
}

static DvsPrompt *
take_seed (DvsSession *session)
{
  guint seed = session->next_seed++;

  return dvs_prompt_new (session->playing[seed], NULL, "curated", (gint)seed);
}

gboolean
dvs_session_has_prompt (const DvsSession *session)
{
  return session->ready.length > 0 || seeds_left (session) ||
         (session->automatic && !session->auto_cancellable);
}

gchar *
dvs_session_next_prompt (const DvsSession *session)
{
  const DvsPrompt *ready = g_queue_peek_head ((GQueue *)&session->ready);

  if (ready && !(session->seed_due && seeds_left (session)))
    return g_strdup (ready->prompt);
  if (seeds_left (session))
    return dvs_text_stripped (
        session->playing[session->next_seed], DVS_PROMPT_MAX);
  if (session->automatic && !session->auto_cancellable)
    return g_strdup (session->automatic->prompt);
  if (session->loop && session->seeds[0])
    return dvs_text_stripped (session->seeds[0], DVS_PROMPT_MAX);
  return NULL;
}

DvsPrompt *
dvs_session_take_prompt (DvsSession *session)
{
  gboolean seed_first = session->seed_due && seeds_left (session);
  DvsPrompt *prompt = NULL;

  session->seed_due = FALSE;
  if (!seed_first)
    prompt = g_queue_pop_head (&session->ready);
  if (!prompt && seeds_left (session))
    prompt = take_seed (session);
  if (!prompt && !session->auto_cancellable)
    prompt = g_steal_pointer (&session->automatic);
  /* What was made up for the end of what is known now comes too late. */
  dvs_session_auto_cancel (session);
  return prompt;
}

void
dvs_session_drop_prompts (DvsSession *session, guint *n_raw, guint *n_ready)
{
  *n_raw = session->raw.length;
  *n_ready = session->ready.length;
  g_queue_clear_full (&session->raw, (GDestroyNotify)dvs_prompt_free);
  g_queue_clear_full (&session->ready, (GDestroyNotify)dvs_prompt_free);
}
