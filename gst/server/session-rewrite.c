/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The seed prompts, rewritten at the user's word; the initial rollout is a
 * rewrite of nothing (session protocol, section 4.4).
 *
 * A rewrite that fails leaves the seeds as they are.
 */
#include "session-private.h"

static void
rewrite_clear (DvsSession *session)
{
  session->rewriting = FALSE;
  g_clear_object (&session->rewrite_cancellable);
  g_clear_pointer (&session->rewrite_instruction, g_free);
  g_clear_pointer (&session->rewrite_used_model, g_free);
  g_clear_pointer (&session->rewrite_raw, g_free);
  g_clear_pointer (&session->rewrite_note, g_free);
  g_clear_pointer (&session->rewrite_window, g_strfreev);
  g_clear_pointer (&session->rewrite_prompts, g_strfreev);
  g_clear_pointer (&session->rewrite_id, g_free);
  g_clear_pointer (&session->rewrite_label, g_free);
}

static JsonObject *
log_fields (DvsSession *session)
{
  JsonObject *fields = json_object_new ();

  json_object_set_string_member (fields, "kind", "seed_rewrite");
  dvs_log_text (
      session, fields, "rewrite_instruction", session->rewrite_instruction);
  return fields;
}

void
dvs_session_rewrite_cancel (DvsSession *session)
{
  JsonObject *fields;

  session->rewrite_restart = FALSE;
  if (!session->rewriting)
    return;
  g_cancellable_cancel (session->rewrite_cancellable);
  fields = log_fields (session);
  json_object_set_string_member (
      fields, "rewrite_model", session->rewrite_model);
  dvs_log (session, "rewrite_cancelled", fields);
  rewrite_clear (session);
}

/* ---- what came of it ---- */

static void
tell_seeds (DvsSession *session, const gchar *error)
{
  GString *text = dvs_text_begin ("seed_prompts_updated");

  dvs_text_strings (text, "prompts",
      (const gchar *const *)(error ? session->rewrite_window : session->seeds));
  dvs_text_string (text, "preset_id", session->preset_id);
  dvs_text_string (text, "preset_label", session->preset_label);
  dvs_text_string (text, "reason", "rewrite");
  dvs_text_bool (text, "fallback_used", error != NULL);
  dvs_text_string (text, "error", error);
  dvs_text_string (text, "model", session->rewrite_used_model);
  dvs_text_double (text, "latency_ms", session->rewrite_ms);
  dvs_text_string (text, "raw_llm_output", session->rewrite_raw);
  dvs_text_string (text, "rewrite_instruction", session->rewrite_instruction);
  dvs_tell (session, text);
}

static void
tell_complete (DvsSession *session, const gchar *error)
{
  GString *text = dvs_text_begin ("rewrite_seed_prompts_complete");

  dvs_text_bool (text, "fallback_used", error != NULL);
  dvs_text_string (text, "error", error);
  dvs_text_string (text, "preset_id", session->preset_id);
  dvs_text_string (text, "preset_label", session->preset_label);
  dvs_text_string (text, "model", session->rewrite_used_model);
  dvs_text_double (text, "latency_ms", session->rewrite_ms);
  dvs_tell (session, text);
}

static void
tell_blocked (DvsSession *session, const gchar *error)
{
  GString *text = dvs_text_begin ("rewrite_seed_prompts_complete");

  dvs_text_bool (text, "fallback_used", TRUE);
  dvs_text_string (text, "error", error);
  dvs_text_string (text, "model", session->rewrite_used_model);
  dvs_text_double (text, "latency_ms", session->rewrite_ms);
  dvs_tell (session, text);
}

/* What a new list of seeds means for the stream. */
static void
apply_seeds (DvsSession *session)
{
  g_strfreev (session->seeds);
  session->seeds = g_steal_pointer (&session->rewrite_prompts);
  if (session->rewrite_id) {
    g_free (session->preset_id);
    session->preset_id = g_steal_pointer (&session->rewrite_id);
  }
  if (session->rewrite_label) {
    g_free (session->preset_label);
    session->preset_label = g_steal_pointer (&session->rewrite_label);
  }
  if (session->await_rollout) {
    session->await_rollout = session->paused = FALSE;
    session->reset = DVS_RESET_INITIAL_REWRITE;
    dvs_tell_paused (session);
  } else if (session->cap_wait || session->rewrite_restart) {
    session->reset = session->cap_wait ? DVS_RESET_REWRITE_ROLLOUT
                                       : DVS_RESET_REWRITE_RESTART;
    dvs_session_count_anew (session);
    dvs_session_set_paused (session, FALSE);
  } else {
    /* Nothing is generated: it goes on where it is, in the new list. */
    g_strfreev (session->playing);
    session->playing = g_strdupv (session->seeds);
    session->next_seed =
        MIN (session->next_seed, g_strv_length (session->playing));
  }
}

static void
finish (DvsSession *session, const gchar *error)
{
  JsonObject *fields = log_fields (session);

  if (!error)
    apply_seeds (session);
  session->rewrite_restart = FALSE;
  json_object_set_double_member (fields, "latency_ms", session->rewrite_ms);
  dvs_log_text (session, fields, "response",
      session->rewrite_raw ? session->rewrite_raw : "");
  json_object_set_string_member (fields, "model", session->rewrite_used_model);
  if (session->rewrite_note)
    json_object_set_string_member (fields, "note", session->rewrite_note);
  dvs_log (session, "rewrite_done", fields);
  tell_seeds (session, error);
  tell_complete (session, error);
  rewrite_clear (session);
  dvs_session_flow (session);
}

static void
refuse (DvsSession *session, guint which, const gchar *reason)
{
  gchar *message = g_strdup_printf (
      "Prompt safety filter blocked rewritten prompt %u. %s", which, reason);
  JsonObject *fields = log_fields (session);

  json_object_set_string_member (fields, "model", session->rewrite_used_model);
  dvs_log_texts (session, fields, "prompt_window_prompts",
      (const gchar *const *)session->rewrite_window);
  dvs_log_texts (session, fields, "rewritten_prompts",
      (const gchar *const *)session->rewrite_prompts);
  json_object_set_int_member (
      fields, "blocked_prompt_index", (gint64)which - 1);
  json_object_set_string_member (fields, "error", message);
  dvs_log (session, "rewrite_blocked", fields);
  dvs_session_observe (session, DVS_COUNT_BLOCKED, 1);
  tell_blocked (session, message);
  g_free (message);
  session->rewrite_restart = FALSE;
  rewrite_clear (session);
  dvs_session_flow (session);
}

static void
checked (gpointer user, guint which, const gchar *reason)
{
  DvsSession *session = user;

  if (reason)
    refuse (session, which, reason);
  else
    finish (session, NULL);
}

/* ---- asking ---- */

static gchar **
stripped_prompts (const gchar *const *prompts)
{
  guint n = g_strv_length ((gchar **)prompts);
  gchar **copy = g_new0 (gchar *, n + 1);

  for (guint i = 0; i < n; i++)
    copy[i] = dvs_text_stripped (prompts[i], DVS_PROMPT_MAX);
  return copy;
}

static void
rewritten (gpointer user, const DvsAnswer *answer)
{
  DvsSession *session = user;
  gboolean good = !answer->error && answer->prompts && answer->prompts[0];

  dvs_session_observe_answer (session, "rewrite", answer->latency_ms, good);
  session->rewrite_ms = answer->latency_ms;
  session->rewrite_raw = g_strdup (answer->raw);
  session->rewrite_note = g_strdup (answer->note);
  session->rewrite_used_model =
      g_strdup (answer->model ? answer->model : session->rewrite_model);
  if (!good) {
    finish (session, answer->error ? answer->error : "It has no prompts.");
    return;
  }
  session->rewrite_prompts = stripped_prompts (answer->prompts);
  session->rewrite_id = g_strdup (answer->id);
  session->rewrite_label = g_strdup (answer->label);
  if (dvs_prompts_checks (session->prompts))
    dvs_prompts_check (session->prompts,
        (const gchar *const *)session->rewrite_prompts,
        session->rewrite_cancellable, checked, session);
  else
    finish (session, NULL);
}

/* Takes @instruction and @window. */
static void
begin (DvsSession *session, gchar *instruction, gchar **window)
{
  GString *text = dvs_text_begin ("rewrite_seed_prompts_started");
  DvsRewriteChoice choice = {session->rewrite_model, session->temperature,
      session->window_system_prompt, session->user_system_prompt};

  dvs_text_string (text, "model", session->rewrite_model);
  dvs_tell (session, text);
  session->rewriting = TRUE;
  session->rewrite_instruction = instruction;
  session->rewrite_window = window;
  session->rewrite_cancellable = g_cancellable_new ();
  dvs_prompts_rewrite (session->prompts, instruction,
      (const gchar *const *)window, session->preset_id, session->preset_label,
      &choice, session->rewrite_cancellable, rewritten, session);
}

void
dvs_session_rewrite_initial (DvsSession *session)
{
  begin (session, g_strdup (session->rollout_prompt), g_new0 (gchar *, 1));
}

static void
take_choice (DvsSession *session, JsonObject *object)
{
  DvsMessage message = {.type = DVS_MESSAGE_REWRITE, .object = object};
  DvsInit init;

  dvs_init_parse (&message, session->settings->rewrite_temperature, &init);
  g_free (session->rewrite_model);
  session->rewrite_model =
      g_strdup (dvs_prompts_model (session->prompts, init.rewrite_model));
  session->temperature = init.temperature;
  g_free (session->window_system_prompt);
  session->window_system_prompt = g_steal_pointer (&init.window_system_prompt);
  g_free (session->user_system_prompt);
  session->user_system_prompt = g_steal_pointer (&init.user_system_prompt);
  dvs_init_clear (&init);
}

void
dvs_session_rewrite_request (DvsSession *session, JsonObject *object)
{
  gchar *instruction =
      dvs_field_text (object, "rewrite_instruction", DVS_PROMPT_MAX);
  gchar **window;

  if (!session->rewriting)
    take_choice (session, object);
  if (!session->seeds[0] && !(session->await_rollout && *instruction)) {
    dvs_tell_error (session, "No seed prompts available to rewrite.");
    g_free (instruction);
    return;
  }
  if (session->rewriting) {
    dvs_tell_error (session, "rewrite_seed_prompts already in progress.");
    g_free (instruction);
    return;
  }
  session->rewrite_restart = session->step && !session->single_clip &&
                             !session->cap_wait && !session->await_rollout;
  window = dvs_field_texts (object, "prompt_window_prompts");
  if (!window[0]) {
    g_strfreev (window);
    window = g_strdupv (session->seeds);
  }
  begin (session, instruction, window);
}
