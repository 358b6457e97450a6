/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages whose prompts and pictures are looked at before anything happens:
 * inits, projects, single clips, live prompts.  In order: prompt safety, then
 * the picture, then the effect; other messages wait meanwhile.
 */
#include "session-private.h"

#include <glib/gstdio.h>

#include "session-image.h"

#define INITIAL_IMAGE "initial_image"

static void
check_free (DvsCheck *check)
{
  g_cancellable_cancel (check->cancellable);
  g_object_unref (check->cancellable);
  g_clear_pointer (&check->message, dvs_message_free);
  dvs_init_clear (&check->init);
  g_clear_pointer (&check->prompt, dvs_prompt_free);
  if (check->picture_path)
    g_unlink (check->picture_path);
  g_free (check->picture_path);
  g_free (check);
}

void
dvs_session_check_cancel (DvsSession *session)
{
  g_clear_pointer (&session->check, check_free);
}

void
dvs_session_drop_image (DvsSession *session)
{
  if (session->image)
    g_unlink (session->image);
  g_clear_pointer (&session->image, g_free);
}

/* ---- effects ---- */

static void
replace_text (gchar **to, gchar **from)
{
  g_free (*to);
  *to = g_steal_pointer (from);
}

/* From when on the first media may be sent, after a Generate. */
static void
delay_media (DvsSession *session)
{
  guint ms = session->settings->first_media_delay_ms;

  session->first_media =
      ms ? session->host.now (session->user) + 1000 * (gint64)ms : 0;
}

static void
take_image (DvsSession *session, DvsCheck *check)
{
  if (session->image || check->picture_path)
    session->image_serial++;
  dvs_session_drop_image (session);
  session->image = g_steal_pointer (&check->picture_path);
}

/* A project begins: nothing of the one before is left but the names. */
static void
apply_init (DvsSession *session, DvsCheck *check)
{
  DvsInit *init = &check->init;
  gboolean first = !session->initialised;

  if (first || init->preset_id)
    replace_text (&session->preset_id, &init->preset_id);
  if (first || *init->preset_label)
    replace_text (&session->preset_label, &init->preset_label);
  replace_text (&session->rollout_prompt, &init->rollout_prompt);
  g_strfreev (session->seeds);
  session->seeds = g_steal_pointer (&init->prompts);
  session->single_clip = init->single_clip;
  session->enhancement = init->enhancement;
  session->auto_extension = init->auto_extension;
  session->loop = init->loop;
  g_free (session->rewrite_model);
  session->rewrite_model =
      g_strdup (dvs_prompts_model (session->prompts, init->rewrite_model));
  session->temperature = init->temperature;
  replace_text (&session->window_system_prompt, &init->window_system_prompt);
  replace_text (&session->user_system_prompt, &init->user_system_prompt);
  take_image (session, check);
  session->await_rollout =
      *session->rollout_prompt && !session->single_clip && !session->seeds[0];
  session->paused = session->await_rollout;
  session->iteration = first && !session->await_rollout ? 1 : 0;
  session->generated = 0;
  session->index = 0;
  session->cap_wait = session->finishing = FALSE;
  session->dry = session->told_dry = FALSE;
  session->auto_failed = 0;
  session->project = TRUE;
  dvs_session_observe (session, DVS_COUNT_PROJECTS, 1);
}

static void
accept_session (DvsSession *session, DvsCheck *check)
{
  apply_init (session, check);
  session->initialised = TRUE;
  session->has_slot = TRUE;
  session->since = session->host.now (session->user);
  session->host.want_slot (session->user);
}

static void
accept_project (DvsSession *session, DvsCheck *check)
{
  apply_init (session, check);
  if (session->await_rollout)
    dvs_session_rewrite_initial (session);
  else
    session->reset = DVS_RESET_PROJECT_INIT;
}

static void
log_simple (DvsSession *session, DvsCheck *check)
{
  JsonObject *fields = json_object_new ();

  json_object_set_string_member (fields, "prompt_id", check->prompt->id);
  dvs_log_text (session, fields, "prompt", check->prompt->prompt);
  json_object_set_string_member (
      fields, "preset_id", session->preset_id ? session->preset_id : "");
  json_object_set_boolean_member (
      fields, "enhancement_enabled", session->enhancement);
  json_object_set_boolean_member (
      fields, "has_initial_image", session->image != NULL);
  dvs_log (session, "simple_generate", fields);
}

/* Single clips for good. */
static void
accept_simple (DvsSession *session, DvsCheck *check)
{
  DvsInit *init = &check->init;
  gchar *seed = check->init.enhancement ? NULL : check->prompt->prompt;

  if (init->preset_id)
    replace_text (&session->preset_id, &init->preset_id);
  if (*init->preset_label)
    replace_text (&session->preset_label, &init->preset_label);
  take_image (session, check);
  dvs_session_rewrite_cancel (session);
  session->enhancement = init->enhancement;
  session->auto_extension = session->loop = FALSE;
  session->single_clip = TRUE;
  session->await_rollout = session->cap_wait = FALSE;
  session->reset = DVS_RESET_SIMPLE_GENERATE;
  g_strfreev (session->seeds);
  session->seeds = g_new0 (gchar *, 2);
  session->seeds[0] = g_strdup (seed);
  log_simple (session, check);
  g_clear_pointer (&session->clip, dvs_prompt_free);
  if (session->enhancement) {
    dvs_tell_received (session, check->prompt->id, 1);
    session->clip = g_steal_pointer (&check->prompt);
    session->clip_ready = FALSE;
  }
  dvs_session_set_paused (session, FALSE);
}

static void
accept (DvsSession *session)
{
  DvsCheck *check = g_steal_pointer (&session->check);

  switch (check->type) {
    case DVS_MESSAGE_APPEND:
      dvs_session_queue_raw (session, g_steal_pointer (&check->prompt));
      break;
    case DVS_MESSAGE_SIMPLE_GENERATE:
      /* What it meant for may have ended while it was looked at. */
      if (session->project && !session->ending)
        accept_simple (session, check);
      break;
    case DVS_MESSAGE_PROJECT_INIT:
      accept_project (session, check);
      break;
    default:
      accept_session (session, check);
      break;
  }
  check_free (check);
  dvs_session_flow (session);
  dvs_session_drain_inbox (session);
}

/* ---- refusals ---- */

/* @message goes to the client; a session that did not begin yet ends. */
static void
refuse (DvsSession *session, const gchar *message, guint16 code,
    const gchar *reason)
{
  dvs_tell_error (session, message);
  dvs_session_check_cancel (session);
  if (!session->initialised)
    dvs_session_close (session, code, reason);
  dvs_session_flow (session);
  dvs_session_drain_inbox (session);
}

static void
refuse_prompt (DvsSession *session, guint which, const gchar *reason)
{
  DvsCheck *check = session->check;
  JsonObject *fields = json_object_new ();
  gchar *message;

  json_object_set_string_member (
      fields, "kind", check->prompt ? "user_raw" : "init");
  if (check->prompt) {
    json_object_set_string_member (fields, "prompt_id", check->prompt->id);
    dvs_log_text (session, fields, "raw_prompt", check->prompt->prompt);
  }
  json_object_set_string_member (fields, "error", reason);
  dvs_log (session, "prompt_blocked", fields);
  dvs_session_observe (session, DVS_COUNT_BLOCKED, 1);
  message = check->prompt
                ? g_strdup (reason)
                : g_strdup_printf (
                      "Prompt safety filter blocked initial prompt %u. %s",
                      which, reason);
  refuse (session, message, 1008, "Prompt blocked");
  g_free (message);
}

static void
refuse_image (DvsSession *session, const gchar *message)
{
  refuse (session, message, 1003, "Invalid initial image");
}

/* ---- checks ---- */

static void
picture_checked (gpointer user, gchar *path, const gchar *problem)
{
  DvsSession *session = user;

  if (!path) {
    refuse_image (session, problem);
    return;
  }
  session->check->picture_path = path;
  accept (session);
}

static void
check_picture (DvsSession *session)
{
  DvsCheck *check = session->check;
  JsonNode *node = NULL;
  GBytes *text = NULL;
  const gchar *problem;

  if (check->message && check->type != DVS_MESSAGE_APPEND)
    node = json_object_get_member (check->message->object, INITIAL_IMAGE);
  problem = dvs_image_read (node, &text);
  if (problem) {
    refuse_image (session, problem);
  } else if (text) {
    /* It is large, and goes when it was decoded. */
    json_object_remove_member (check->message->object, INITIAL_IMAGE);
    session->host.check_picture (
        session->user, text, check->cancellable, picture_checked, session);
    g_bytes_unref (text);
  } else {
    accept (session);
  }
}

static void
prompts_checked (gpointer user, guint which, const gchar *reason)
{
  DvsSession *session = user;

  if (reason)
    refuse_prompt (session, which, reason);
  else
    check_picture (session);
}

static void
check_prompts (DvsSession *session)
{
  DvsCheck *check = session->check;
  const gchar *one[2] = {check->prompt ? check->prompt->prompt : NULL, NULL};
  const gchar *const *texts =
      check->prompt ? one : (const gchar *const *)check->init.prompts;

  if (texts[0] && dvs_prompts_checks (session->prompts))
    dvs_prompts_check (
        session->prompts, texts, check->cancellable, prompts_checked, session);
  else
    check_picture (session);
}

/* Takes @message. */
static DvsCheck *
check_new (DvsSession *session, DvsMessage *message)
{
  DvsCheck *check = g_new0 (DvsCheck, 1);

  check->type = session->initialised ? message->type : DVS_MESSAGE_SESSION_INIT;
  check->message = message;
  check->cancellable = g_cancellable_new ();
  dvs_init_parse (
      message, session->settings->rewrite_temperature, &check->init);
  return check;
}

void
dvs_session_init (DvsSession *session, DvsMessage *message)
{
  dvs_session_timer_set (session, DVS_TIMER_INIT, 0);
  delay_media (session);
  session->check = check_new (session, message);
  check_prompts (session);
}

void
dvs_session_project_init (DvsSession *session, DvsMessage *message)
{
  delay_media (session);
  session->check = check_new (session, message);
  check_prompts (session);
}

/* A check of a message with one prompt, which must not be empty. */
static void
check_one (DvsSession *session, DvsMessage *message)
{
  gchar *text = dvs_field_text (message->object, "prompt", DVS_PROMPT_MAX);
  gchar *id, *complaint;

  if (!*text) {
    complaint = g_strdup_printf (
        "%s requires a non-empty prompt", dvs_message_name (message->type));
    dvs_tell_error (session, complaint);
    g_free (complaint);
    g_free (text);
    dvs_message_free (message);
    return;
  }
  id = dvs_text_or_null (
      dvs_field_text (message->object, "prompt_id", DVS_MAX_NAME_BYTES));
  if (!id)
    id = g_uuid_string_random ();
  session->check = check_new (session, message);
  session->check->prompt = dvs_prompt_new (text, id, "user_raw", -1);
  g_free (id);
  g_free (text);
  check_prompts (session);
}

void
dvs_session_simple_generate (DvsSession *session, DvsMessage *message)
{
  delay_media (session);
  check_one (session, message);
}

void
dvs_session_append (DvsSession *session, DvsMessage *message)
{
  check_one (session, message);
}
