/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where prompts come from: live ones, enhanced; automatic ones; rewritten
 * seeds (session protocol, sections 4.3, 4.4 and 6).
 */
#include <check.h>
#include <string.h>

#include "session-rig.h"

#define TWO                                                                    \
  ",\"preset_id\":\"x\",\"preset_label\":\"X\",\"curated_prompts\":[\"a\","    \
  "\"b\"]"
#define REWRITE                                                                \
  "{\"type\":\"rewrite_seed_prompts\",\"rewrite_instruction\":\"i\"}"

static const gchar *const three[] = {"1", "2", "3", NULL};

static Rig *rig;

static void
set_up (void)
{
  rig = rig_new ();
  rig_begin (rig);
}

static void
tear_down (void)
{
  ck_assert_uint_eq (rig->after_close, 0);
  ck_assert_uint_le (rig->closed, 1);
  rig_free (rig);
}

static void
start (const gchar *members)
{
  rig_start (rig, members);
  rig_skip (rig);
}

static void
in_state (const gchar *state)
{
  ck_assert_str_eq (dvs_session_state (rig->session), state);
}

/* ---- live prompts ---- */

START_TEST (a_prompt_is_enhanced)
{
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\" p \","
                "\"prompt_id\":\"u1\"}");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"q\"}");
  rig_expect (rig,
      "{\"type\":\"prompt_received\",\"prompt_id\":\"u1\",\"queue_depth\":1}",
      "{\"type\":\"prompt_enhancing\",\"prompt_id\":\"u1\"}", "prompt_received",
      NULL);
  ck_assert_str_eq (rig->prompts.enhance.text, "p");
  ck_assert_str_eq (rig->prompts.enhance.prompts[0], "a");
  ck_assert_str_eq (rig->prompts.enhance.prompts[1], "b");
  rig_answer (&rig->prompts.enhance, NULL, "better");
  rig_expect (rig,
      "{\"type\":\"prompt_ready\",\"prompt_id\":\"u1\",\"prompt\":\"better\","
      "\"source\":\"user_enhanced\",\"latency_ms\":151.36}",
      "prompt_enhancing", NULL);
  rig_step_done (rig, 1, 2);
  rig_ask (rig, 1, 3);
  rig_expect (rig, "step_complete",
      "{\"type\":\"segment_prompt_source\",\"segment_idx\":3,"
      "\"source\":\"user_enhanced\",\"prompt_id\":\"u1\","
      "\"fallback_used\":false,\"seed_prompt_index\":null,"
      "\"loop_iteration\":1}",
      "ltx2_segment_start", "> generate 1 3 better", NULL);
  ck_assert (rig_logged (rig, "append_prompt"));
  ck_assert (rig_logged (rig, "enhance_request"));
  ck_assert (rig_logged (rig, "rewrite_done"));
  ck_assert (
      dvs_metrics_value (rig->metrics, DVS_COUNT_PROMPTS ":enhance") == 1);
  ck_assert (dvs_metrics_value (rig->metrics, DVS_TIME_PROMPT ":enhance") == 1);
}
END_TEST

/* What the slot can prepare meanwhile. */
START_TEST (the_next_prompt_is_told_while_a_segment_is_made)
{
  start (TWO);
  ck_assert_ptr_null (rig->prepared);
  rig_ask (rig, 1, 1);
  ck_assert_str_eq (rig->generated, "a");
  ck_assert_str_eq (rig->prepared, "b");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  ck_assert_str_eq (rig->prepared, "b"); /* it is not known yet */
  rig_answer (&rig->prompts.enhance, NULL, "better");
  ck_assert_str_eq (rig->prepared, "better");
  rig_step_done (rig, 1, 1);
  rig_ask (rig, 1, 2);
  ck_assert_str_eq (rig->generated, "better");
  ck_assert_str_eq (rig->prepared, "b");
}
END_TEST

START_TEST (the_first_prompt_of_a_loop_is_told_at_its_end)
{
  start (TWO ",\"loop_generation_enabled\":true");
  rig_segment (rig, 1, 1);
  rig_ask (rig, 1, 2);
  ck_assert_str_eq (rig->generated, "b");
  ck_assert_str_eq (rig->prepared, "a");
}
END_TEST

START_TEST (enhancement_fails)
{
  start ("");
  rig_ask (rig, 1, 1);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\","
                "\"prompt_id\":\"u1\"}");
  rig_skip (rig);
  rig_answer (&rig->prompts.enhance, "timed out", NULL);
  rig_expect (rig,
      "{\"type\":\"prompt_fallback_used\",\"prompt_id\":\"u1\",\"prompt\":\"\","
      "\"source\":\"user_enhancement_failed\",\"latency_ms\":151.36,"
      "\"error\":\"Prompt extension failed for this request.\"}",
      NULL);
  in_state ("blocked");
}
END_TEST

START_TEST (an_enhanced_prompt_is_blocked)
{
  start ("");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig->prompts.checks = TRUE;
  rig_skip (rig);
  rig_answer (&rig->prompts.enhance, NULL, "worse");
  rig_expect (rig, NULL);
  rig_verdict (&rig->prompts.check, 1, "No.");
  rig_expect (rig, "{\"type\":\"error\",\"message\":\"No.\"}", NULL);
}
END_TEST

START_TEST (sources_run_dry_and_resume)
{
  start (",\"enhancement_enabled\":false");
  rig_ask (rig, 1, 1);
  rig_expect (rig, NULL); /* told at the start */
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\","
                "\"prompt_id\":\"u1\"}");
  rig_expect (rig, "prompt_received", "prompt_ready",
      "{\"type\":\"prompt_sources_resumed\",\"segment_idx\":1,"
      "\"source\":\"user_raw\",\"prompt_id\":\"u1\"}",
      "segment_prompt_source", "ltx2_segment_start", "> generate 1 1 p", NULL);
  rig_step_done (rig, 1, 1);
  rig_expect (rig, "step_complete",
      "{\"type\":\"prompt_sources_blocked\",\"segment_idx\":2}", NULL);
}
END_TEST

START_TEST (the_users_prompts_come_before_seeds_but_not_before_seed_0)
{
  start (",\"enhancement_enabled\":false,\"curated_prompts\":[\"a\",\"b\"]");
  rig_segment (rig, 1, 1);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig_ask (rig, 1, 2);
  ck_assert_str_eq (rig->generated, "p");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"q\"}");
  rig_say (rig, "{\"type\":\"reset_to_seed_prompts\"}");
  rig_next_epoch (rig, 1);
  rig_skip (rig);
  rig_ask (rig, 2, 1);
  rig_expect (rig, "ltx2_stream_start",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":\"manual_reset\","
      "\"loop_iteration\":2,\"seed_prompt_count\":2,"
      "\"dropped_user_raw_queue\":0,\"dropped_user_ready_queue\":1}",
      "segment_prompt_source", "ltx2_segment_start", "> generate 2 1 a", NULL);
}
END_TEST

START_TEST (a_project_end_drops_prompts)
{
  start ("");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"q\"}");
  rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
  rig_ask (rig, 1, 1);
  rig_skip (rig);
  rig_run_ends (rig, NULL);
  rig_expect (rig, "ltx2_stream_complete",
      "{\"type\":\"project_idle\",\"dropped_user_raw_queue\":2,"
      "\"dropped_user_ready_queue\":0}",
      NULL);
  rig_answer (&rig->prompts.enhance, NULL, "late");
  rig_expect (rig, NULL);
}
END_TEST

START_TEST (too_many_prompts)
{
  start (",\"enhancement_enabled\":false");
  for (guint i = 0; i < 64; i++)
    rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig_expect (rig,
      "{\"type\":\"error\",\"message\":\"append_prompt: too many prompts wait "
      "already\"}",
      NULL);
}
END_TEST

START_TEST (no_prompts_in_the_log_if_so_configured)
{
  rig->settings.log_prompts = FALSE;
  start (",\"initial_rollout_prompt\":\"secret\"");
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  ck_assert_ptr_nonnull (
      strstr (rig_logged (rig, "rewrite_done"), "All providers failed."));
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"secret\"}");
  rig_answer (&rig->prompts.enhance, NULL, "secret");
  rig_say (rig, "{\"type\":\"simple_generate\",\"prompt\":\"secret\"}");
  for (guint i = 0; i < rig->logs->len; i++)
    ck_assert (!strstr (g_ptr_array_index (rig->logs, i), "secret"));
  ck_assert (rig_logged (rig, "simple_generate"));
}
END_TEST

/* ---- automatic ones ---- */

START_TEST (extends_by_itself)
{
  start (",\"auto_extension_enabled\":true,\"curated_prompts\":[\"a\"]");
  rig_segment (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_skip (rig);
  ck_assert_str_eq (rig->prompts.extend.prompts[0], "a");
  rig_answer (&rig->prompts.extend, NULL, "more");
  rig_expect (rig,
      "{\"type\":\"segment_prompt_source\",\"segment_idx\":2,"
      "\"source\":\"auto_llm\",\"prompt_id\":null,\"fallback_used\":false,"
      "\"seed_prompt_index\":null,\"loop_iteration\":1}",
      "ltx2_segment_start", "> generate 1 2 more", NULL);
}
END_TEST

START_TEST (extension_fails_once)
{
  start (",\"auto_extension_enabled\":true,\"enhancement_enabled\":false");
  rig_ask (rig, 1, 1);
  rig_answer (&rig->prompts.extend, "too late", NULL);
  rig_expect (rig,
      "{\"type\":\"auto_prompt_failed\",\"segment_idx\":1,"
      "\"latency_ms\":151.36,\"error\":\"too late\"}",
      NULL);
  ck_assert (!rig->prompts.extend.pending);
  rig_say (rig, "{\"type\":\"set_auto_extension\",\"enabled\":true}");
  ck_assert (rig->prompts.extend.pending);
  rig_answer (&rig->prompts.extend, NULL, "");
  rig_expect (rig, "auto_extension_updated",
      "{\"type\":\"auto_prompt_failed\",\"segment_idx\":1,"
      "\"latency_ms\":151.36,\"error\":\"Auto prompt generation returned no "
      "prompt.\"}",
      NULL);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig_expect (rig, "prompt_received", "prompt_ready", "prompt_sources_resumed",
      "segment_prompt_source", "ltx2_segment_start", "> generate 1 1 p", NULL);
  rig_step_done (rig, 1, 1);
  ck_assert (rig->prompts.extend.pending);
}
END_TEST

START_TEST (an_automatic_prompt_is_blocked)
{
  start (",\"auto_extension_enabled\":true");
  rig_ask (rig, 1, 1);
  rig->prompts.checks = TRUE;
  rig_answer (&rig->prompts.extend, NULL, "bad");
  rig_expect (rig, NULL);
  rig_verdict (&rig->prompts.check, 1, "No.");
  rig_expect (rig,
      "{\"type\":\"auto_prompt_failed\",\"segment_idx\":1,"
      "\"latency_ms\":151.36,\"error\":\"No.\"}",
      NULL);
  ck_assert (rig_logged (rig, "auto_prompt_blocked"));
  rig_say (rig, "{\"type\":\"set_auto_extension\",\"enabled\":false}");
  rig_expect (rig, "auto_extension_updated", "prompt_sources_blocked", NULL);
}
END_TEST

START_TEST (a_user_is_faster_than_the_extension)
{
  start (",\"auto_extension_enabled\":true,\"enhancement_enabled\":false");
  rig_ask (rig, 1, 1);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  ck_assert_str_eq (rig->generated, "p");
  rig_skip (rig);
  rig_answer (&rig->prompts.extend, NULL, "late");
  rig_expect (rig, NULL);
}
END_TEST

/* ---- rewrites ---- */

START_TEST (the_initial_rollout)
{
  rig_start (rig, ",\"initial_rollout_prompt\":\"a whale\"");
  in_state ("await-rollout");
  rig_expect (rig, "> want", "gpu_assigned", "loop_generation_updated",
      "{\"type\":\"generation_paused_updated\",\"paused\":true}",
      "{\"type\":\"rewrite_seed_prompts_started\","
      "\"model\":\"gpt-oss-120b\"}",
      "> start 6", NULL);
  ck_assert_str_eq (rig->prompts.rewrite.text, "a whale");
  ck_assert (rig->prompts.rewrite.prompts[0] == NULL);
  rig_ask (rig, 1, 1);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_expect (rig, "{\"type\":\"generation_paused_updated\",\"paused\":false}",
      "{\"type\":\"seed_prompts_updated\",\"prompts\":[\"1\",\"2\",\"3\"],"
      "\"preset_id\":\"r\",\"preset_label\":\"R\",\"reason\":\"rewrite\","
      "\"fallback_used\":false,\"error\":null,\"model\":\"m\","
      "\"latency_ms\":151.5,\"raw_llm_output\":\"{}\","
      "\"rewrite_instruction\":\"a whale\"}",
      "{\"type\":\"rewrite_seed_prompts_complete\",\"fallback_used\":false,"
      "\"error\":null,\"preset_id\":\"r\",\"preset_label\":\"R\","
      "\"model\":\"m\",\"latency_ms\":151.5}",
      "{\"type\":\"ltx2_stream_start\",\"total_segments\":3,\"preset_id\":"
      "\"r\","
      "\"stream_mode\":\"av_fmp4\",\"live_mode\":true,"
      "\"loop_generation_enabled\":false,\"loop_iteration\":1,"
      "\"generation_segment_cap\":6}",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":\"initial_rewrite\","
      "\"loop_iteration\":1,\"seed_prompt_count\":3,"
      "\"dropped_user_raw_queue\":0,\"dropped_user_ready_queue\":0}",
      "segment_prompt_source", "ltx2_segment_start", "> generate 1 1 1", NULL);
}
END_TEST

START_TEST (the_initial_rollout_fails)
{
  start (",\"initial_rollout_prompt\":\"a whale\"");
  rig_answer (&rig->prompts.rewrite, "no provider", NULL);
  rig_expect (rig,
      "{\"type\":\"seed_prompts_updated\",\"prompts\":[],\"preset_id\":null,"
      "\"preset_label\":\"\",\"reason\":\"rewrite\",\"fallback_used\":true,"
      "\"error\":\"no provider\",\"model\":\"m\",\"latency_ms\":151.36,"
      "\"raw_llm_output\":null,\"rewrite_instruction\":\"a whale\"}",
      "{\"type\":\"rewrite_seed_prompts_complete\",\"fallback_used\":true,"
      "\"error\":\"no provider\",\"preset_id\":null,\"preset_label\":\"\","
      "\"model\":\"m\",\"latency_ms\":151.36}",
      NULL);
  in_state ("await-rollout");
  /* It can be asked for again, by an instruction or by a restart. */
  rig_say (rig, REWRITE);
  rig_expect (rig, "rewrite_seed_prompts_started", NULL);
  rig_answer (&rig->prompts.rewrite, "no provider", NULL);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"restart_generation\"}");
  rig_say (rig, "{\"type\":\"reset_to_seed_prompts\"}");
  rig_expect (rig, "generation_restarted", "rewrite_seed_prompts_started",
      "seed_prompts_reset_pending", NULL);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  in_state ("streaming");
}
END_TEST

START_TEST (a_project_with_a_rollout)
{
  start (TWO);
  rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
  rig_ask (rig, 1, 1);
  rig_run_ends (rig, NULL);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"project_init_v1\","
                "\"initial_rollout_prompt\":\"w\"}");
  rig_expect (rig, "rewrite_seed_prompts_started", "> start 6", NULL);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_expect (rig, "generation_paused_updated", "seed_prompts_updated",
      "rewrite_seed_prompts_complete", "ltx2_stream_start",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":\"initial_rewrite\","
      "\"loop_iteration\":1,\"seed_prompt_count\":3,"
      "\"dropped_user_raw_queue\":0,\"dropped_user_ready_queue\":0}",
      NULL);
}
END_TEST

START_TEST (a_rewrite_during_generation)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 3);
  rig_skip (rig);
  rig_say (rig,
      "{\"type\":\"rewrite_seed_prompts\",\"rewrite_instruction\":\"i\","
      "\"prompt_window_prompts\":[\"w1\",\"w2\"],"
      "\"rewrite_model\":\"other-model\",\"rewrite_temperature\":0.5}");
  rig_expect (rig,
      "{\"type\":\"rewrite_seed_prompts_started\",\"model\":\"other-model\"}",
      NULL);
  ck_assert_str_eq (rig->prompts.rewrite.prompts[1], "w2");
  ck_assert_str_eq (rig->prompts.rewrite.id, "x");
  ck_assert (rig->prompts.rewrite.temperature == 0.5);
  /* The next segment waits for the answer. */
  rig_step_done (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_media_done (rig, 1, 1);
  rig_expect (rig, "step_complete", "media_segment_complete",
      "ltx2_segment_complete", NULL);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_expect (rig, "seed_prompts_updated", "rewrite_seed_prompts_complete",
      "> reset", NULL);
  rig_next_epoch (rig, 1);
  rig_ask (rig, 2, 1);
  rig_expect (rig,
      "{\"type\":\"ltx2_stream_start\",\"total_segments\":3,\"preset_id\":"
      "\"r\","
      "\"stream_mode\":\"av_fmp4\",\"live_mode\":true,"
      "\"loop_generation_enabled\":false,\"loop_iteration\":2,"
      "\"generation_segment_cap\":6}",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":"
      "\"rewrite_during_generation\",\"loop_iteration\":2,"
      "\"seed_prompt_count\":3,\"dropped_user_raw_queue\":0,"
      "\"dropped_user_ready_queue\":0}",
      "segment_prompt_source", "ltx2_segment_start", "> generate 2 1 1", NULL);
}
END_TEST

START_TEST (a_rewrite_that_fails_during_generation)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_say (rig, "{\"type\":\"rewrite_seed_prompts\","
                "\"prompt_window_prompts\":[\"w1\",\"w2\"]}");
  rig_step_done (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_skip (rig);
  rig_answer (&rig->prompts.rewrite, "timed out", NULL);
  /* It goes on with the seeds that it had. */
  rig_expect (rig,
      "{\"type\":\"seed_prompts_updated\",\"prompts\":[\"w1\",\"w2\"],"
      "\"preset_id\":\"x\",\"preset_label\":\"X\",\"reason\":\"rewrite\","
      "\"fallback_used\":true,\"error\":\"timed out\",\"model\":\"m\","
      "\"latency_ms\":151.36,\"raw_llm_output\":null,"
      "\"rewrite_instruction\":\"\"}",
      "rewrite_seed_prompts_complete", "segment_prompt_source",
      "ltx2_segment_start", "> generate 1 2 b", NULL);
}
END_TEST

START_TEST (a_rewrite_between_segments_goes_on_in_the_list)
{
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_segment (rig, 1, 2);
  rig_ask (rig, 1, 3);
  in_state ("blocked");
  rig_skip (rig);
  rig_say (rig, REWRITE);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_expect (rig, "rewrite_seed_prompts_started", "seed_prompts_updated",
      "rewrite_seed_prompts_complete", "prompt_sources_resumed",
      "{\"type\":\"segment_prompt_source\",\"segment_idx\":3,"
      "\"source\":\"curated\",\"prompt_id\":null,\"fallback_used\":false,"
      "\"seed_prompt_index\":2,\"loop_iteration\":1}",
      "ltx2_segment_start", "> generate 1 3 3", NULL);
}
END_TEST

START_TEST (a_rewrite_while_only_media_goes_on_does_not_restart)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_say (rig, REWRITE);
  rig_ask (rig, 1, 2);
  ck_assert_str_eq (rig->generated, "b");
}
END_TEST

START_TEST (a_rewrite_at_the_cap)
{
  rig->settings.segment_cap = 1;
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_run_ends (rig, NULL);
  rig_skip (rig);
  rig_say (rig, REWRITE);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_expect (rig, "rewrite_seed_prompts_started", "seed_prompts_updated",
      "rewrite_seed_prompts_complete", "ltx2_stream_start",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":\"rewrite_rollout\","
      "\"loop_iteration\":2,\"seed_prompt_count\":3,"
      "\"dropped_user_raw_queue\":0,\"dropped_user_ready_queue\":0}",
      "> start 1", NULL);
  rig_segment (rig, 1, 1);
  in_state ("cap-wait");
}
END_TEST

START_TEST (a_rewrite_ends_before_the_media_of_the_last)
{
  rig->settings.segment_cap = 1;
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_say (rig, REWRITE);
  rig_skip (rig);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_media (rig, 1, 1);
  rig_run_ends (rig, NULL);
  /* The capped stream is completed, then the next begins. */
  rig_expect (rig, "seed_prompts_updated", "rewrite_seed_prompts_complete",
      "media_init", "bytes 10", "bytes 20", "media_segment_complete",
      "ltx2_segment_complete", "ltx2_stream_complete", "ltx2_stream_start",
      "seed_prompts_reset_applied", "> start 1", NULL);
}
END_TEST

START_TEST (a_rewrite_that_must_not_be_shown)
{
  start (TWO);
  rig_say (rig, REWRITE);
  rig->prompts.checks = TRUE;
  rig_skip (rig);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  ck_assert_str_eq (rig->prompts.check.prompts[2], "3");
  rig_verdict (&rig->prompts.check, 3, "No.");
  rig_expect (rig,
      "{\"type\":\"rewrite_seed_prompts_complete\",\"fallback_used\":true,"
      "\"error\":\"Prompt safety filter blocked rewritten prompt 3. No.\","
      "\"model\":\"m\",\"latency_ms\":151.5}",
      NULL);
  ck_assert (rig_logged (rig, "rewrite_blocked"));
  rig_say (rig, REWRITE);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_verdict (&rig->prompts.check, 0, NULL);
  rig_expect (rig, "rewrite_seed_prompts_started", "seed_prompts_updated",
      "rewrite_seed_prompts_complete", NULL);
}
END_TEST

START_TEST (a_rewrite_is_cancelled_with_its_project)
{
  start (TWO);
  rig_say (rig, REWRITE);
  rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
  ck_assert (rig_logged (rig, "rewrite_cancelled"));
  rig_skip (rig);
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_expect (rig, NULL);
}
END_TEST

START_TEST (goes_while_everything_is_asked)
{
  start (",\"auto_extension_enabled\":true,\"curated_prompts\":[\"a\"]");
  rig_segment (rig, 1, 1);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig_say (rig, REWRITE);
  ck_assert (rig->prompts.extend.pending && rig->prompts.enhance.pending &&
             rig->prompts.rewrite.pending);
  dvs_session_gone (rig->session);
  rig_skip (rig);
  rig_answer (&rig->prompts.extend, NULL, "x");
  rig_answer (&rig->prompts.enhance, NULL, "x");
  rig_answer_rewrite (&rig->prompts.rewrite, three);
  rig_expect (rig, NULL);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("session-prompts");
  TCase *tests = tcase_create ("prompts");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, a_prompt_is_enhanced);
  tcase_add_test (tests, the_next_prompt_is_told_while_a_segment_is_made);
  tcase_add_test (tests, the_first_prompt_of_a_loop_is_told_at_its_end);
  tcase_add_test (tests, enhancement_fails);
  tcase_add_test (tests, an_enhanced_prompt_is_blocked);
  tcase_add_test (tests, sources_run_dry_and_resume);
  tcase_add_test (
      tests, the_users_prompts_come_before_seeds_but_not_before_seed_0);
  tcase_add_test (tests, a_project_end_drops_prompts);
  tcase_add_test (tests, too_many_prompts);
  tcase_add_test (tests, no_prompts_in_the_log_if_so_configured);
  tcase_add_test (tests, extends_by_itself);
  tcase_add_test (tests, extension_fails_once);
  tcase_add_test (tests, an_automatic_prompt_is_blocked);
  tcase_add_test (tests, a_user_is_faster_than_the_extension);
  tcase_add_test (tests, the_initial_rollout);
  tcase_add_test (tests, the_initial_rollout_fails);
  tcase_add_test (tests, a_project_with_a_rollout);
  tcase_add_test (tests, a_rewrite_during_generation);
  tcase_add_test (tests, a_rewrite_that_fails_during_generation);
  tcase_add_test (tests, a_rewrite_between_segments_goes_on_in_the_list);
  tcase_add_test (tests, a_rewrite_while_only_media_goes_on_does_not_restart);
  tcase_add_test (tests, a_rewrite_at_the_cap);
  tcase_add_test (tests, a_rewrite_ends_before_the_media_of_the_last);
  tcase_add_test (tests, a_rewrite_that_must_not_be_shown);
  tcase_add_test (tests, a_rewrite_is_cancelled_with_its_project);
  tcase_add_test (tests, goes_while_everything_is_asked);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
