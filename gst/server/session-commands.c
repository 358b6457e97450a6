/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The messages of a running session, one function each (session protocol,
 * section 3.2).
 */
#include "session-private.h"

void
dvs_session_set_paused (DvsSession *session, gboolean paused)
{
  if (session->paused == paused)
    return;
  session->paused = paused;
  dvs_tell_paused (session);
}

static void
set_paused (DvsSession *session, JsonObject *object)
{
  session->paused = dvs_field_bool (object, "paused", session->paused);
  dvs_tell_paused (session);
}

static void
set_loop (DvsSession *session, JsonObject *object)
{
  session->loop = dvs_field_bool (object, "enabled", session->loop);
  dvs_tell_switch (session, "loop_generation_updated", session->loop);
}

static void
set_auto (DvsSession *session, JsonObject *object)
{
  session->auto_extension =
      dvs_field_bool (object, "enabled", session->auto_extension);
  session->auto_failed = 0;
  if (!session->auto_extension)
    dvs_session_auto_cancel (session);
  dvs_tell_switch (session, "auto_extension_updated", session->auto_extension);
}

static void
set_enhancement (DvsSession *session, JsonObject *object)
{
  session->enhancement =
      dvs_field_bool (object, "enabled", session->enhancement);
  dvs_tell_switch (session, "enhancement_updated", session->enhancement);
}

static void
set_model (DvsSession *session, JsonObject *object)
{
  gchar *wanted = dvs_text_or_null (
      dvs_field_text (object, "rewrite_model", DVS_MAX_NAME_BYTES));
  GString *text = dvs_text_begin ("rewrite_model_updated");

  g_free (session->rewrite_model);
  session->rewrite_model =
      g_strdup (dvs_prompts_model (session->prompts, wanted));
  dvs_text_string (text, "rewrite_model", session->rewrite_model);
  dvs_tell (session, text);
  g_free (wanted);
}

static void
set_temperature (DvsSession *session, JsonObject *object)
{
  GString *text = dvs_text_begin ("rewrite_temperature_updated");

  session->temperature = dvs_field_temperature (
      object, "rewrite_temperature", session->settings->rewrite_temperature);
  dvs_text_double (text, "rewrite_temperature", session->temperature);
  dvs_tell (session, text);
}

/* The rollout that never came is asked for once more. */
static void
retry_rollout (DvsSession *session)
{
  if (!session->rewriting)
    dvs_session_rewrite_initial (session);
}

static void
reset_to_seeds (DvsSession *session)
{
  GString *text = dvs_text_begin ("seed_prompts_reset_pending");

  dvs_text_int (text, "seed_prompt_count", g_strv_length (session->seeds));
  dvs_tell (session, text);
  if (session->await_rollout)
    retry_rollout (session);
  else
    session->reset = DVS_RESET_MANUAL;
}

static void
restart (DvsSession *session)
{
  GString *text = dvs_text_begin ("generation_restarted");

  dvs_text_string (text, "reason", "cap_restart");
  dvs_text_int (text, "segment_cap", dvs_session_cap (session));
  dvs_tell (session, text);
  if (session->await_rollout) {
    retry_rollout (session);
    return;
  }
  dvs_session_count_anew (session);
  session->cap_wait = FALSE;
  session->reset = DVS_RESET_CAP_RESTART;
  dvs_session_set_paused (session, FALSE);
}

static void
end_project (DvsSession *session)
{
  dvs_session_rewrite_cancel (session);
  dvs_session_auto_cancel (session);
  session->loop = session->paused = FALSE;
  session->await_rollout = session->cap_wait = FALSE;
  session->reset = DVS_RESET_NONE;
  session->ending = TRUE;
}

/* Those that do all in one go. */
static void
obey (DvsSession *session, DvsMessageType type, JsonObject *object)
{
  switch (type) {
    case DVS_MESSAGE_REWRITE:
      dvs_session_rewrite_request (session, object);
      break;
    case DVS_MESSAGE_RESET:
      reset_to_seeds (session);
      break;
    case DVS_MESSAGE_RESTART:
      restart (session);
      break;
    case DVS_MESSAGE_SET_PAUSED:
      set_paused (session, object);
      break;
    case DVS_MESSAGE_SET_LOOP:
      set_loop (session, object);
      break;
    case DVS_MESSAGE_SET_AUTO:
      set_auto (session, object);
      break;
    case DVS_MESSAGE_SET_ENHANCEMENT:
      set_enhancement (session, object);
      break;
    case DVS_MESSAGE_SET_MODEL:
      set_model (session, object);
      break;
    case DVS_MESSAGE_SET_TEMPERATURE:
      set_temperature (session, object);
      break;
    case DVS_MESSAGE_END_PROJECT:
      end_project (session);
      break;
    default:
      break;
  }
}

void
dvs_session_command (DvsSession *session, DvsMessage *message)
{
  switch (message->type) {
    case DVS_MESSAGE_PROJECT_INIT:
      dvs_session_project_init (session, message);
      break;
    case DVS_MESSAGE_APPEND:
      dvs_session_append (session, message);
      break;
    case DVS_MESSAGE_SIMPLE_GENERATE:
      dvs_session_simple_generate (session, message);
      break;
    default:
      obey (session, message->type, message->object);
      dvs_message_free (message);
      dvs_session_flow (session);
      break;
  }
}
