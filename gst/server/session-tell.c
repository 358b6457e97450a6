/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The texts for the client, field by field as the protocol has them (session
 * protocol, section 4).
 */
#include "session-private.h"

void
dvs_tell (DvsSession *session, GString *text)
{
  gchar *whole = dvs_text_end (text);

  if (session->over)
    g_free (whole);
  else
    session->host.send_text (session->user, whole);
}

void
dvs_tell_error (DvsSession *session, const gchar *message)
{
  GString *text = dvs_text_begin ("error");

  dvs_text_string (text, "message", message);
  dvs_tell (session, text);
}

void
dvs_tell_place (DvsSession *session, const DvsPlace *place)
{
  GString *text = dvs_text_begin ("queue_status");

  dvs_text_int (text, "position", place->position);
  dvs_text_int (text, "total_gpus", place->total_slots);
  dvs_text_int (text, "available_gpus", place->available_slots);
  dvs_tell (session, text);
}

void
dvs_tell_assigned (DvsSession *session, guint slot)
{
  GString *text = dvs_text_begin ("gpu_assigned");

  dvs_text_int (text, "gpu_id", slot);
  dvs_text_int (text, "session_timeout", session->settings->session_timeout_s);
  dvs_tell (session, text);
}

void
dvs_tell_switch (DvsSession *session, const gchar *type, gboolean on)
{
  GString *text = dvs_text_begin (type);

  dvs_text_bool (text, "enabled", on);
  dvs_tell (session, text);
}

void
dvs_tell_paused (DvsSession *session)
{
  GString *text = dvs_text_begin ("generation_paused_updated");

  dvs_text_bool (text, "paused", session->paused);
  dvs_tell (session, text);
}

/* ---- streams ---- */

void
dvs_tell_stream_start (DvsSession *session)
{
  GString *text = dvs_text_begin ("ltx2_stream_start");

  dvs_text_int (text, "total_segments", g_strv_length (session->playing));
  dvs_text_string (text, "preset_id", session->preset_id);
  dvs_text_string (text, "stream_mode", "av_fmp4");
  dvs_text_bool (text, "live_mode", TRUE);
  dvs_text_bool (text, "loop_generation_enabled", session->loop);
  dvs_text_int (text, "loop_iteration", session->iteration);
  dvs_text_int (text, "generation_segment_cap", dvs_session_cap (session));
  dvs_tell (session, text);
}

static const gchar *
reset_reason (DvsReset reason)
{
  switch (reason) {
    case DVS_RESET_CAP_RESTART:
      return "cap_restart";
    case DVS_RESET_SIMPLE_GENERATE:
      return "simple_generate";
    case DVS_RESET_PROJECT_INIT:
      return "project_init";
    case DVS_RESET_INITIAL_REWRITE:
      return "initial_rewrite";
    case DVS_RESET_REWRITE_ROLLOUT:
      return "rewrite_rollout";
    case DVS_RESET_REWRITE_RESTART:
      return "rewrite_during_generation";
    default:
      return "manual_reset";
  }
}

static void
tell_init_seeds (DvsSession *session)
{
  GString *text = dvs_text_begin ("seed_prompts_updated");

  dvs_text_strings (text, "prompts", (const gchar *const *)session->seeds);
  dvs_text_string (text, "preset_id", session->preset_id);
  dvs_text_string (text, "preset_label", session->preset_label);
  dvs_text_string (text, "reason", "init");
  dvs_text_int (text, "seed_prompt_count", g_strv_length (session->seeds));
  dvs_tell (session, text);
}

void
dvs_tell_reset (
    DvsSession *session, DvsReset reason, guint n_raw, guint n_ready)
{
  gboolean loop = reason == DVS_RESET_LOOP;
  GString *text;

  if (reason == DVS_RESET_INIT) {
    tell_init_seeds (session);
    return;
  }
  text =
      dvs_text_begin (loop ? "loop_restarted" : "seed_prompts_reset_applied");
  if (!loop)
    dvs_text_string (text, "reason", reset_reason (reason));
  dvs_text_int (text, "loop_iteration", session->iteration);
  dvs_text_int (text, "seed_prompt_count", g_strv_length (session->seeds));
  dvs_text_int (text, "dropped_user_raw_queue", n_raw);
  dvs_text_int (text, "dropped_user_ready_queue", n_ready);
  dvs_tell (session, text);
}

void
dvs_tell_stream_complete (DvsSession *session)
{
  dvs_tell (session, dvs_text_begin ("ltx2_stream_complete"));
  dvs_log (session, "ws_stream_complete", json_object_new ());
  dvs_session_observe (session, DVS_COUNT_STREAMS, 1);
}

void
dvs_tell_project_idle (DvsSession *session, guint n_raw, guint n_ready)
{
  GString *text = dvs_text_begin ("project_idle");

  dvs_text_int (text, "dropped_user_raw_queue", n_raw);
  dvs_text_int (text, "dropped_user_ready_queue", n_ready);
  dvs_tell (session, text);
}

/* ---- segments ---- */

static void
text_seed (GString *text, const DvsPrompt *prompt)
{
  if (prompt->seed >= 0)
    dvs_text_int (text, "seed_prompt_index", prompt->seed);
  else
    dvs_text_null (text, "seed_prompt_index");
}

void
dvs_tell_segment (
    DvsSession *session, const DvsSegment *segment, const DvsPrompt *prompt)
{
  GString *text = dvs_text_begin ("segment_prompt_source");

  dvs_text_int (text, "segment_idx", segment->index);
  dvs_text_string (text, "source", prompt->source);
  dvs_text_string (text, "prompt_id", prompt->id);
  dvs_text_bool (text, "fallback_used", FALSE);
  text_seed (text, prompt);
  dvs_text_int (text, "loop_iteration", session->iteration);
  dvs_tell (session, text);

  text = dvs_text_begin ("ltx2_segment_start");
  dvs_text_int (text, "segment_idx", segment->index);
  dvs_text_int (text, "total_segments", segment->total);
  dvs_text_string (text, "prompt", prompt->prompt);
  dvs_text_string (text, "source", prompt->source);
  text_seed (text, prompt);
  dvs_text_int (text, "loop_iteration", session->iteration);
  dvs_tell (session, text);
}

void
dvs_tell_resumed (DvsSession *session, const DvsPrompt *prompt)
{
  GString *text = dvs_text_begin ("prompt_sources_resumed");

  dvs_text_int (text, "segment_idx", session->index + 1);
  dvs_text_string (text, "source", prompt->source);
  dvs_text_string (text, "prompt_id", prompt->id);
  dvs_tell (session, text);
}

void
dvs_tell_step_complete (DvsSession *session, gdouble total, gdouble worker)
{
  GString *text = dvs_text_begin ("step_complete");

  dvs_text_open (text, "latency_ms");
  dvs_text_double (text, "total", total);
  dvs_text_double (text, "worker_e2e", worker);
  dvs_text_double (text, "main_user_step", total);
  dvs_text_double (text, "overhead", total - worker);
  dvs_text_close (text);
  dvs_tell (session, text);
}

/* ---- prompts ---- */

void
dvs_tell_received (DvsSession *session, const gchar *id, guint depth)
{
  GString *text = dvs_text_begin ("prompt_received");

  dvs_text_string (text, "prompt_id", id);
  dvs_text_int (text, "queue_depth", depth);
  dvs_tell (session, text);
}

void
dvs_tell_ready (
    DvsSession *session, const DvsPrompt *prompt, gdouble latency_ms)
{
  GString *text = dvs_text_begin ("prompt_ready");

  dvs_text_string (text, "prompt_id", prompt->id);
  dvs_text_string (text, "prompt", prompt->prompt);
  dvs_text_string (text, "source", prompt->source);
  dvs_text_double (text, "latency_ms", latency_ms);
  dvs_tell (session, text);
}
