/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session: see session.h.
 */
#include "session-private.h"

#include <string.h>

/* Messages that wait for a slot or for a check. */
#define MAX_WAITING 64

DvsSession *
dvs_session_new (const gchar *client_id, const DvsSettings *settings,
    DvsPrompts *prompts, const DvsSessionHost *functions, gpointer host)
{
  DvsSession *session = g_new0 (DvsSession, 1);

  session->client_id = g_strdup (client_id);
  session->settings = settings;
  session->prompts = prompts;
  session->host = *functions;
  session->user = host;
  session->seeds = g_new0 (gchar *, 1);
  session->playing = g_new0 (gchar *, 1);
  session->preset_label = g_strdup ("");
  session->rollout_prompt = g_strdup ("");
  session->locked = g_ptr_array_new_with_free_func (g_free);
  session->enhancement = TRUE;
  session->temperature = settings->rewrite_temperature;
  session->rewrite_model = g_strdup (dvs_prompts_model (prompts, NULL));
  session->reading = TRUE;
  g_queue_init (&session->inbox);
  g_queue_init (&session->raw);
  g_queue_init (&session->ready);
  g_queue_init (&session->segments);
  g_queue_init (&session->delayed);
  dvs_log (session, "ws_session_start", json_object_new ());
  dvs_session_timer_set (
      session, DVS_TIMER_INIT, 1000 * (guint64)settings->init_timeout_s);
  return session;
}

/* Everything that could still call, tell or hold something. */
static void
stop (DvsSession *session)
{
  guint i;

  if (session->over)
    return;
  session->over = TRUE;
  dvs_session_check_cancel (session);
  dvs_session_rewrite_cancel (session);
  dvs_session_enhance_cancel (session);
  dvs_session_auto_cancel (session);
  dvs_session_drop_prompts (session, &i, &i);
  g_queue_clear_full (&session->inbox, (GDestroyNotify)dvs_message_free);
  session->inbox_bytes = 0;
  dvs_session_release_delayed (session);
  dvs_session_segments_clear (session);
  dvs_session_drop_image (session);
  session->question = FALSE;
  session->run = DVS_RUN_NONE;
  for (i = 0; i < DVS_SESSION_TIMERS; i++)
    session->host.timer (session->user, i, 0);
  if (session->has_slot) {
    session->has_slot = FALSE;
    session->host.free_slot (session->user);
  }
}

void
dvs_session_free (DvsSession *session)
{
  stop (session);
  g_free (session->client_id);
  g_free (session->preset_id);
  g_free (session->preset_label);
  g_free (session->rollout_prompt);
  g_free (session->told_next);
  g_strfreev (session->seeds);
  g_strfreev (session->playing);
  g_ptr_array_unref (session->locked);
  g_clear_pointer (&session->clip, dvs_prompt_free);
  g_free (session->rewrite_model);
  g_free (session->window_system_prompt);
  g_free (session->user_system_prompt);
  g_free (session);
}

/* ---- the end ---- */

void
dvs_session_close (DvsSession *session, guint16 code, const gchar *reason)
{
  if (session->over)
    return;
  session->host.close (session->user, code, reason);
  stop (session);
}

void
dvs_session_fail (DvsSession *session, const gchar *reason)
{
  gchar *message;

  if (session->over)
    return;
  message = g_strdup_printf ("AV streaming failed: %s", reason);
  dvs_session_observe (session, DVS_COUNT_ERRORS, 1);
  dvs_tell_error (session, message);
  dvs_session_close (session, 1000, "");
  g_free (message);
}

void
dvs_session_gone (DvsSession *session)
{
  stop (session);
}

void
dvs_session_shutdown (DvsSession *session)
{
  if (session->over)
    return;
  dvs_tell_error (session, "The server is shutting down.");
  dvs_session_close (session, 1001, "Server shutdown");
}

gboolean
dvs_session_over (const DvsSession *session)
{
  return session->over;
}

/* ---- state ---- */

DvsState
dvs_session_now (const DvsSession *session)
{
  if (session->over)
    return DVS_STATE_CLOSED;
  if (!session->initialised)
    return session->check ? DVS_STATE_CHECKING : DVS_STATE_CONNECTED;
  if (!session->assigned)
    return DVS_STATE_QUEUED;
  if (session->ending)
    return DVS_STATE_ENDING;
  if (!session->project)
    return session->check ? DVS_STATE_STARTING : DVS_STATE_IDLE;
  if (session->await_rollout)
    return DVS_STATE_AWAIT_ROLLOUT;
  if (session->cap_wait)
    return DVS_STATE_CAP_WAIT;
  if (session->step)
    return DVS_STATE_GENERATING;
  if (dvs_session_clip_done (session))
    return DVS_STATE_CLIP_IDLE;
  if (session->paused)
    return DVS_STATE_PAUSED;
  return session->told_dry ? DVS_STATE_BLOCKED : DVS_STATE_STREAMING;
}

const gchar *
dvs_session_state (const DvsSession *session)
{
  return dvs_state_name (dvs_session_now (session));
}

/* ---- the queue and the slot ---- */

void
dvs_session_place (DvsSession *session, const DvsPlace *place)
{
  if (!session->over && !session->assigned)
    dvs_tell_place (session, place);
}

void
dvs_session_assigned (DvsSession *session, guint slot)
{
  JsonObject *fields;
  gint64 now = session->host.now (session->user);

  if (session->over || session->assigned || !session->has_slot)
    return;
  session->assigned = TRUE;
  dvs_session_observe (session, DVS_TIME_QUEUE,
      (gdouble)(now - session->since) / G_USEC_PER_SEC);
  session->since = now;
  dvs_session_timer_set (session, DVS_TIMER_SESSION,
      1000 * (guint64)session->settings->session_timeout_s);
  fields = json_object_new ();
  json_object_set_int_member (fields, "gpu_id", slot);
  dvs_log (session, "gpu_assigned", fields);
  dvs_tell_assigned (session, slot);
  dvs_tell_switch (session, "loop_generation_updated", session->loop);
  dvs_tell_paused (session);
  if (session->await_rollout)
    dvs_session_rewrite_initial (session);
  else
    session->reset = DVS_RESET_INIT;
  dvs_session_flow (session);
  dvs_session_drain_inbox (session);
}

/* ---- messages ---- */

static void
reply (DvsSession *session, DvsMessage *message)
{
  switch (dvs_state_reply (dvs_session_now (session), message->type)) {
    case DVS_REPLY_IGNORE:
      break;
    case DVS_REPLY_INIT:
      dvs_session_init (session, message);
      return;
    case DVS_REPLY_LATER:
      g_warn_if_reached ();
      break;
    case DVS_REPLY_DO:
      dvs_session_command (session, message);
      return;
    case DVS_REPLY_NO_PROJECT:
      dvs_tell_error (session, "Start a new project before sending prompts.");
      break;
    case DVS_REPLY_STILL_ENDING:
      dvs_tell_error (session,
          "Current project is still ending. Wait for the reset to "
          "finish before starting another project.");
      break;
    case DVS_REPLY_REWRITE_ONLY:
      dvs_tell_error (session, "Use Rewrite to create or restart the rollout.");
      break;
    case DVS_REPLY_IDLE_AGAIN:
      dvs_tell_project_idle (session, 0, 0);
      break;
    case DVS_REPLY_LEAVE:
      dvs_session_close (session, 1000, "");
      break;
  }
  dvs_message_free (message);
}

/* While a check goes on the state is what it was before. */
static gboolean
must_wait (const DvsSession *session, const DvsMessage *message)
{
  if (message->type == DVS_MESSAGE_OTHER || message->type == DVS_MESSAGE_LEAVE)
    return FALSE;
  return session->check || !g_queue_is_empty ((GQueue *)&session->inbox) ||
         dvs_state_reply (dvs_session_now (session), message->type) ==
             DVS_REPLY_LATER;
}

void
dvs_session_drain_inbox (DvsSession *session)
{
  while (!session->over && session->assigned && !session->check &&
         !g_queue_is_empty (&session->inbox)) {
    DvsMessage *message = g_queue_pop_head (&session->inbox);

    session->inbox_bytes -= message->size;
    reply (session, message);
  }
}

static void
malformed (DvsSession *session, const gchar *problem)
{
  gchar *reason = g_strdup_printf ("a message was not understood: %s", problem);

  dvs_session_fail (session, reason);
  g_free (reason);
}

void
dvs_session_text (DvsSession *session, const gchar *text, gsize size)
{
  const gchar *problem = NULL;
  DvsMessage *message;

  if (session->over)
    return;
  if (size > session->settings->max_message_bytes) {
    malformed (session, "it is too long");
    return;
  }
  message = dvs_message_parse (text, size, &problem);
  if (!message) {
    malformed (session, problem);
    return;
  }
  if (!must_wait (session, message)) {
    reply (session, message);
    return;
  }
  session->inbox_bytes += size;
  g_queue_push_tail (&session->inbox, message);
  if (session->inbox.length > MAX_WAITING ||
      session->inbox_bytes > session->settings->max_message_bytes)
    dvs_session_fail (session, "too many messages wait");
}

void
dvs_session_binary (DvsSession *session)
{
  if (!session->over)
    malformed (session, "it is binary");
}

/* ---- time ---- */

void
dvs_session_timer_set (DvsSession *session, DvsTimer timer, guint64 ms)
{
  session->host.timer (session->user, timer, (guint)MIN (ms, G_MAXINT));
}

static void
session_expired (DvsSession *session)
{
  GString *text = dvs_text_begin ("session_timeout");
  gchar *message = g_strdup_printf (
      "Session expired after %u seconds", session->settings->session_timeout_s);

  dvs_text_string (text, "message", message);
  dvs_tell (session, text);
  dvs_session_close (session, 1000, "Session timeout");
  g_free (message);
}

void
dvs_session_timer (DvsSession *session, guint timer)
{
  if (session->over)
    return;
  switch (timer) {
    case DVS_TIMER_INIT:
      if (dvs_session_now (session) == DVS_STATE_CONNECTED)
        dvs_session_init (session, NULL);
      break;
    case DVS_TIMER_SESSION:
      session_expired (session);
      break;
    case DVS_TIMER_MEDIA:
      dvs_session_media_late (session);
      break;
    case DVS_TIMER_UNSENT:
      if (session->held)
        dvs_session_fail (session, "the client is too slow for the stream");
      break;
    case DVS_TIMER_FIRST_MEDIA:
      dvs_session_release_delayed (session);
      dvs_session_flow (session);
      break;
    default:
      break;
  }
}

void
dvs_session_observe (DvsSession *session, const gchar *metric, gdouble value)
{
  session->host.observe (session->user, metric, value);
}

void
dvs_session_observe_answer (
    DvsSession *session, const gchar *call, gdouble latency_ms, gboolean good)
{
  gchar *count = g_strconcat (
      good ? DVS_COUNT_PROMPTS ":" : DVS_COUNT_PROMPT_FAILURES ":", call, NULL);
  gchar *time = g_strconcat (DVS_TIME_PROMPT ":", call, NULL);

  dvs_session_observe (session, count, 1);
  dvs_session_observe (session, time, latency_ms / 1000);
  g_free (time);
  g_free (count);
}
