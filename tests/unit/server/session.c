/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session's life: the order of everything, from the first frame to the last
 * (session protocol, sections 4.5 and 10).
 */
#include <check.h>
#include <string.h>

#include "session-private.h"
#include "session-rig.h"

#define TWO                                                                    \
  ",\"preset_id\":\"x\",\"preset_label\":\"X\",\"curated_prompts\":[\"a\","    \
  "\"b\"]"
#define CLIP ",\"single_clip_mode\":true,\"curated_prompts\":[\"a\"]"

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
  rig_free (rig);
}

/* Past the init, at the first question. */
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

static gdouble
counted (const gchar *metric)
{
  return dvs_metrics_value (rig->metrics, metric);
}

START_TEST (begins_in_order)
{
  DvsPlace place = {1, 1, 0};

  in_state ("connected");
  dvs_session_place (rig->session, &place);
  rig_expect (rig,
      "{\"type\":\"queue_status\",\"position\":0,\"total_gpus\":1,"
      "\"available_gpus\":1}",
      NULL);
  rig_init (rig, TWO);
  in_state ("queued");
  place.position = 3;
  place.available_slots = 0;
  dvs_session_place (rig->session, &place);
  rig->has_slot = TRUE;
  dvs_session_assigned (rig->session, 0);
  rig_expect (rig, "> want",
      "{\"type\":\"queue_status\",\"position\":3,\"total_gpus\":1,"
      "\"available_gpus\":0}",
      "{\"type\":\"gpu_assigned\",\"gpu_id\":0,\"session_timeout\":300}",
      "{\"type\":\"loop_generation_updated\",\"enabled\":false}",
      "{\"type\":\"generation_paused_updated\",\"paused\":false}",
      "{\"type\":\"ltx2_stream_start\",\"total_segments\":2,\"preset_id\":"
      "\"x\","
      "\"stream_mode\":\"av_fmp4\",\"live_mode\":true,"
      "\"loop_generation_enabled\":false,\"loop_iteration\":1,"
      "\"generation_segment_cap\":6}",
      "{\"type\":\"seed_prompts_updated\",\"prompts\":[\"a\",\"b\"],"
      "\"preset_id\":\"x\",\"preset_label\":\"X\",\"reason\":\"init\","
      "\"seed_prompt_count\":2}",
      "> start 6", NULL);
  in_state ("streaming");
}
END_TEST

START_TEST (a_segment_in_order)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  in_state ("generating");
  rig->now += 516680;
  rig_step_starts (rig, 1, 1);
  rig_event (
      rig, "{\"type\":\"segment_progress\",\"segment_idx\":1,\"epoch\":1}");
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 700);
  rig_step_done (rig, 1, 1);
  rig_bytes (rig, 50);
  rig_media_done (rig, 1, 1);
  rig_expect (rig,
      "{\"type\":\"segment_prompt_source\",\"segment_idx\":1,"
      "\"source\":\"curated\",\"prompt_id\":null,\"fallback_used\":false,"
      "\"seed_prompt_index\":0,\"loop_iteration\":1}",
      "{\"type\":\"ltx2_segment_start\",\"segment_idx\":1,\"total_segments\":2,"
      "\"prompt\":\"a\",\"source\":\"curated\",\"seed_prompt_index\":0,"
      "\"loop_iteration\":1}",
      "> generate 1 1 a",
      "{\"type\":\"media_init\",\"segment_idx\":1,\"mime\":\"video/mp4\","
      "\"stream_id\":\"seg001-00000001\",\"mode\":\"av_fmp4\"}",
      "bytes 700",
      "{\"type\":\"step_complete\",\"latency_ms\":{\"total\":516.68,"
      "\"worker_e2e\":200.5,\"main_user_step\":516.68,\"overhead\":316.18}}",
      "bytes 50",
      "{\"type\":\"media_segment_complete\",\"segment_idx\":1,"
      "\"stream_id\":\"seg001-00000001\",\"chunks\":2}",
      "{\"type\":\"ltx2_segment_complete\",\"segment_idx\":1,"
      "\"total_segments\":2}",
      NULL);
  ck_assert (rig_logged (rig, "segment_start"));
  ck_assert (rig_logged (rig, "segment_complete"));
  ck_assert (counted (DVS_COUNT_SEGMENTS) == 1);
  ck_assert (counted (DVS_TIME_GENERATION) == 1);
  ck_assert (counted (DVS_TIME_FIRST_FRAGMENT) == 1);
  ck_assert (counted (DVS_TIME_MEDIA) == 1);
  ck_assert (counted (DVS_TIME_STAGE ":draw") == 1);
}
END_TEST

START_TEST (generation_runs_ahead_of_media)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_step_done (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_step_done (rig, 1, 2);
  rig_media (rig, 1, 1);
  rig_media (rig, 1, 2);
  rig_expect (rig, "segment_prompt_source", "ltx2_segment_start",
      "> generate 1 1 a", "step_complete", "segment_prompt_source",
      "ltx2_segment_start", "> generate 1 2 b", "step_complete",
      "prompt_sources_blocked", "media_init", "bytes 10", "bytes 20",
      "media_segment_complete", "ltx2_segment_complete", "media_init",
      "bytes 10", "bytes 20", "media_segment_complete", "ltx2_segment_complete",
      NULL);
}
END_TEST

START_TEST (the_next_starts_after_step_complete_was_told)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_skip (rig);
  rig_ask (rig, 1, 2);
  rig_expect (rig, NULL);
  rig_step_done (rig, 1, 1);
  rig_expect (rig, "step_complete", "segment_prompt_source",
      "ltx2_segment_start", "> generate 1 2 b", NULL);
}
END_TEST

START_TEST (the_cap_completes_the_stream_when_media_is_out)
{
  guint i;

  start (",\"loop_generation_enabled\":true,\"curated_prompts\":"
         "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\"]");
  for (i = 1; i < 6; i++)
    rig_segment (rig, 1, i);
  rig_ask (rig, 1, 6);
  rig_skip (rig);
  rig_step_done (rig, 1, 6);
  in_state ("cap-wait");
  rig_expect (rig, "step_complete",
      "{\"type\":\"loop_generation_updated\",\"enabled\":false}", NULL);
  rig_ask (rig, 1, 7);
  rig_expect (rig, "> end 1 7", NULL);
  rig_media (rig, 1, 6);
  rig_expect (rig, "media_init", "bytes 10", "bytes 20",
      "media_segment_complete", "ltx2_segment_complete", NULL);
  rig_run_ends (rig, NULL);
  rig_expect (rig, "{\"type\":\"ltx2_stream_complete\"}", NULL);
  in_state ("cap-wait");
  ck_assert (rig_logged (rig, "ws_stream_complete"));
  /* The source may end by itself, since it knows the cap. */
  rig_say (rig, "{\"type\":\"restart_generation\"}");
  rig_expect (rig,
      "{\"type\":\"generation_restarted\",\"reason\":\"cap_restart\","
      "\"segment_cap\":6}",
      "ltx2_stream_start",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":\"cap_restart\","
      "\"loop_iteration\":2,\"seed_prompt_count\":7,"
      "\"dropped_user_raw_queue\":0,\"dropped_user_ready_queue\":0}",
      "> start 6", NULL);
  for (i = 1; i <= 6; i++)
    rig_segment (rig, 1, i);
  rig_skip (rig);
  rig_run_ends (rig, NULL);
  rig_expect (rig, "ltx2_stream_complete", NULL);
}
END_TEST

START_TEST (a_manual_reset_at_the_cap_completes_at_once)
{
  rig->settings.segment_cap = 1;
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_run_ends (rig, NULL);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"reset_to_seed_prompts\"}");
  rig_expect (rig,
      "{\"type\":\"seed_prompts_reset_pending\",\"seed_prompt_count\":2}",
      "ltx2_stream_start", "seed_prompts_reset_applied", "ltx2_stream_complete",
      NULL);
  in_state ("cap-wait");
}
END_TEST

START_TEST (what_runs_at_a_restart_is_not_counted)
{
  rig->settings.segment_cap = 1;
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 5);
  rig_say (rig, "{\"type\":\"restart_generation\"}");
  rig_skip (rig);
  rig_step_done (rig, 1, 1);
  rig_media_done (rig, 1, 1);
  rig_next_epoch (rig, 1);
  rig_ask (rig, 2, 1);
  rig_expect (rig, "step_complete", "> reset", "media_segment_complete",
      "ltx2_segment_complete", "ltx2_stream_start",
      "seed_prompts_reset_applied", "segment_prompt_source",
      "ltx2_segment_start", "> generate 2 1 a", NULL);
}
END_TEST

START_TEST (a_reset_finishes_what_was_seen)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 5);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"reset_to_seed_prompts\"}");
  rig_expect (rig, "seed_prompts_reset_pending", NULL);
  rig_step_done (rig, 1, 1);
  /* What waits for room is asked to go at once; media goes on. */
  rig_expect (rig, "step_complete", "> reset", NULL);
  rig_ask (rig, 2, 1);
  rig_expect (rig, NULL);
  rig_bytes (rig, 6);
  rig_media_done (rig, 1, 1);
  rig_expect (
      rig, "bytes 6", "media_segment_complete", "ltx2_segment_complete", NULL);
  rig_next_epoch (rig, 1);
  /* No ltx2_stream_complete: the stream was given up. */
  rig_expect (rig, "ltx2_stream_start",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":\"manual_reset\","
      "\"loop_iteration\":2,\"seed_prompt_count\":2,"
      "\"dropped_user_raw_queue\":0,\"dropped_user_ready_queue\":0}",
      "segment_prompt_source", "ltx2_segment_start", "> generate 2 1 a", NULL);
}
END_TEST

START_TEST (a_reset_cancels_what_nobody_saw)
{
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"reset_to_seed_prompts\"}");
  rig_expect (rig, "seed_prompts_reset_pending", "> reset", NULL);
  /* A few frames of it had been made. */
  rig_media_init (rig, 1, 2);
  rig_bytes (rig, 5);
  rig_event (rig,
      "{\"type\":\"media_segment_complete\",\"segment_idx\":2,\"epoch\":1,"
      "\"stream_id\":\"seg002-00000001\",\"chunks\":1,\"aborted\":true}");
  rig_next_epoch (rig, 1);
  rig_expect (rig, NULL);
  rig_ask (rig, 2, 1);
  rig_expect (rig, "ltx2_stream_start", "seed_prompts_reset_applied",
      "segment_prompt_source", "ltx2_segment_start", "> generate 2 1 a", NULL);
}
END_TEST

START_TEST (a_reset_that_comes_too_late_drops_the_whole_segment)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"reset_to_seed_prompts\"}");
  rig_step_done (rig, 1, 1);
  rig_media (rig, 1, 1);
  rig_next_epoch (rig, 1);
  rig_ask (rig, 2, 1);
  rig_expect (rig, "seed_prompts_reset_pending", "> reset", "ltx2_stream_start",
      "seed_prompts_reset_applied", "segment_prompt_source",
      "ltx2_segment_start", "> generate 2 1 a", NULL);
}
END_TEST

START_TEST (a_question_of_before_a_reset_is_void)
{
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_say (rig, "{\"type\":\"reset_to_seed_prompts\"}");
  rig_skip (rig);
  rig_ask (rig, 1, 2);
  rig_next_epoch (rig, 1);
  rig_expect (rig, NULL);
  rig_ask (rig, 2, 1);
  rig_expect (rig, "ltx2_stream_start", "seed_prompts_reset_applied",
      "segment_prompt_source", "ltx2_segment_start", "> generate 2 1 a", NULL);
}
END_TEST

START_TEST (events_of_an_old_epoch_count_for_nothing)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_say (rig, "{\"type\":\"restart_generation\"}");
  rig_next_epoch (rig, 1);
  rig_ask (rig, 2, 1);
  rig_skip (rig);
  rig_step_done (rig, 1, 1);
  rig_media (rig, 1, 1);
  rig_expect (rig, NULL);
  rig_step_done (rig, 2, 1);
  rig_media (rig, 2, 1);
  rig_expect (rig, "step_complete", "media_init", "bytes 10", "bytes 20",
      "media_segment_complete", "ltx2_segment_complete", NULL);
}
END_TEST

START_TEST (loops)
{
  start (",\"loop_generation_enabled\":true,\"curated_prompts\":[\"a\"]");
  rig_segment (rig, 1, 1);
  rig_skip (rig);
  rig_ask (rig, 1, 2);
  rig_next_epoch (rig, 1);
  rig_ask (rig, 2, 1);
  rig_expect (rig, "ltx2_stream_start",
      "{\"type\":\"loop_restarted\",\"loop_iteration\":2,"
      "\"seed_prompt_count\":1,\"dropped_user_raw_queue\":0,"
      "\"dropped_user_ready_queue\":0}",
      "segment_prompt_source",
      "{\"type\":\"ltx2_segment_start\",\"segment_idx\":1,\"total_segments\":1,"
      "\"prompt\":\"a\",\"source\":\"curated\",\"seed_prompt_index\":0,"
      "\"loop_iteration\":2}",
      "> generate 2 1 a", NULL);
}
END_TEST

START_TEST (a_project_ends_when_its_media_is_out)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_media_init (rig, 1, 1);
  rig_bytes (rig, 5);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
  in_state ("ending");
  rig_say (rig, "{\"type\":\"project_init_v1\"}");
  rig_expect (rig,
      "{\"type\":\"error\",\"message\":\"Current project is still ending. Wait "
      "for the reset to finish before starting another project.\"}",
      NULL);
  rig_step_done (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_expect (rig, "step_complete", "> end 1 2", NULL);
  rig_media_done (rig, 1, 1);
  rig_run_ends (rig, NULL);
  rig_expect (rig, "media_segment_complete", "ltx2_segment_complete",
      "ltx2_stream_complete",
      "{\"type\":\"project_idle\",\"dropped_user_raw_queue\":0,"
      "\"dropped_user_ready_queue\":0}",
      NULL);
  in_state ("idle");
  rig_say (rig, "{\"type\":\"project_init_v1\",\"curated_prompts\":[\"c\"]}");
  rig_expect (rig,
      "{\"type\":\"ltx2_stream_start\",\"total_segments\":1,\"preset_id\":"
      "\"x\","
      "\"stream_mode\":\"av_fmp4\",\"live_mode\":true,"
      "\"loop_generation_enabled\":false,\"loop_iteration\":1,"
      "\"generation_segment_cap\":6}",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":\"project_init\","
      "\"loop_iteration\":1,\"seed_prompt_count\":1,"
      "\"dropped_user_raw_queue\":0,\"dropped_user_ready_queue\":0}",
      "> start 6", NULL);
  rig_segment (rig, 1, 1);
}
END_TEST

START_TEST (a_project_end_cancels_what_nobody_saw)
{
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
  rig_next_epoch (rig, 1);
  rig_ask (rig, 2, 1);
  rig_run_ends (rig, NULL);
  rig_expect (rig, "> reset", "> end 2 1", "ltx2_stream_complete",
      "project_idle", NULL);
}
END_TEST

START_TEST (a_single_clip_is_a_stream)
{
  start (CLIP);
  rig_segment (rig, 1, 1);
  rig_skip (rig);
  in_state ("clip-idle");
  rig_run_ends (rig, NULL);
  rig_expect (rig, "ltx2_stream_complete", NULL);
  rig_say (rig, "{\"type\":\"simple_generate\",\"prompt\":\"c\","
                "\"enhancement_enabled\":false}");
  rig_expect (rig,
      "{\"type\":\"ltx2_stream_start\",\"total_segments\":1,"
      "\"preset_id\":null,\"stream_mode\":\"av_fmp4\",\"live_mode\":true,"
      "\"loop_generation_enabled\":false,\"loop_iteration\":2,"
      "\"generation_segment_cap\":0}",
      "{\"type\":\"seed_prompts_reset_applied\",\"reason\":\"simple_generate\","
      "\"loop_iteration\":2,\"seed_prompt_count\":1,"
      "\"dropped_user_raw_queue\":0,\"dropped_user_ready_queue\":0}",
      "> start 1", NULL);
  rig_segment (rig, 1, 1);
  rig_skip (rig);
  /* A source that does not know that it is the last. */
  rig_ask (rig, 1, 2);
  rig_run_ends (rig, NULL);
  rig_expect (rig, "> end 1 2", "ltx2_stream_complete", NULL);
  /* A live prompt is another clip. */
  rig_say (rig, "{\"type\":\"set_enhancement\",\"enabled\":false}");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"d\"}");
  rig_expect (rig, "enhancement_updated", "prompt_received", "prompt_ready",
      "ltx2_stream_start", "seed_prompts_reset_applied", "> start 1", NULL);
  rig_ask (rig, 1, 1);
  rig_expect (rig, "segment_prompt_source", "ltx2_segment_start",
      "> generate 1 1 d", NULL);
}
END_TEST

START_TEST (simple_generate_in_a_running_stream)
{
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"simple_generate\",\"prompt\":\"c\","
                "\"prompt_id\":\"p\",\"preset_label\":\"L\"}");
  rig_expect (rig,
      "{\"type\":\"prompt_received\",\"prompt_id\":\"p\",\"queue_depth\":1}",
      "> reset", NULL);
  rig_next_epoch (rig, 1);
  rig_ask (rig, 2, 1);
  rig_expect (rig, "ltx2_stream_start", "seed_prompts_reset_applied",
      "{\"type\":\"prompt_enhancing\",\"prompt_id\":\"p\"}", NULL);
  ck_assert (rig->prompts.enhance.single_clip);
  rig_answer (&rig->prompts.enhance, NULL, "better");
  rig_expect (rig, "prompt_ready", "segment_prompt_source",
      "{\"type\":\"ltx2_segment_start\",\"segment_idx\":1,\"total_segments\":1,"
      "\"prompt\":\"better\",\"source\":\"user_enhanced\","
      "\"seed_prompt_index\":null,\"loop_iteration\":2}",
      "> generate 2 1 better", NULL);
}
END_TEST

START_TEST (pauses_between_segments)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"set_generation_paused\",\"paused\":true}");
  rig_step_done (rig, 1, 1);
  in_state ("paused");
  rig_media (rig, 1, 1);
  rig_ask (rig, 1, 2);
  rig_expect (rig, "{\"type\":\"generation_paused_updated\",\"paused\":true}",
      "step_complete", "media_init", "bytes 10", "bytes 20",
      "media_segment_complete", "ltx2_segment_complete", NULL);
  rig_say (rig, "{\"type\":\"set_generation_paused\",\"paused\":false}");
  rig_expect (rig, "generation_paused_updated", "segment_prompt_source",
      "ltx2_segment_start", "> generate 1 2 b", NULL);
}
END_TEST

START_TEST (leaves)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"leave\"}");
  rig_expect (rig, "close 1000 ", "> free", NULL);
  ck_assert (dvs_session_over (rig->session));
  in_state ("closed");
  rig_say (rig, "{\"type\":\"append_prompt\"}");
  rig_media (rig, 1, 1);
  dvs_session_gone (rig->session);
  rig_expect (rig, NULL);
}
END_TEST

START_TEST (a_client_that_has_gone_gets_nothing)
{
  start (TWO);
  rig_ask (rig, 1, 1);
  rig_skip (rig);
  dvs_session_gone (rig->session);
  rig_expect (rig, "> free", NULL);
  ck_assert (dvs_session_over (rig->session));
}
END_TEST

START_TEST (goes_from_the_queue)
{
  rig_init (rig, TWO);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig_expect (rig, NULL);
  rig_say (rig, "{\"type\":\"leave\"}");
  rig_expect (rig, "close 1000 ", "> free", NULL);
}
END_TEST

START_TEST (what_was_said_in_the_queue_is_done_in_order)
{
  rig_init (rig, TWO ",\"enhancement_enabled\":false");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\","
                "\"prompt_id\":\"i\"}");
  rig_say (rig, "{\"type\":\"set_loop_generation\",\"enabled\":1}");
  rig_skip (rig);
  rig->has_slot = TRUE;
  dvs_session_assigned (rig->session, 0);
  rig_expect (rig, "gpu_assigned", "loop_generation_updated",
      "generation_paused_updated", "ltx2_stream_start", "seed_prompts_updated",
      "> start 6", "prompt_received",
      "{\"type\":\"prompt_ready\",\"prompt_id\":\"i\",\"prompt\":\"p\","
      "\"source\":\"user_raw\",\"latency_ms\":0.0}",
      "{\"type\":\"loop_generation_updated\",\"enabled\":true}", NULL);
  rig_ask (rig, 1, 1);
  ck_assert_str_eq (rig->generated, "p");
}
END_TEST

START_TEST (too_many_messages_in_the_queue)
{
  rig_init (rig, TWO);
  rig_skip (rig);
  for (guint i = 0; i < 65; i++)
    rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"p\"}");
  rig_expect (rig,
      "{\"type\":\"error\",\"message\":\"AV streaming failed: too many "
      "messages "
      "wait\"}",
      "close 1000 ", "> free", NULL);
}
END_TEST

START_TEST (no_init_is_an_empty_one)
{
  rig_sleep (rig, 9999);
  in_state ("connected");
  rig_sleep (rig, 1);
  rig_expect (rig, "> want", NULL);
  rig->has_slot = TRUE;
  dvs_session_assigned (rig->session, 3);
  rig_expect (rig,
      "{\"type\":\"gpu_assigned\",\"gpu_id\":3,\"session_timeout\":300}",
      "loop_generation_updated", "generation_paused_updated",
      "ltx2_stream_start", "seed_prompts_updated", "> start 6",
      "{\"type\":\"prompt_sources_blocked\",\"segment_idx\":1}", NULL);
  in_state ("blocked");
  rig_init (rig, TWO);
  rig_expect (rig, NULL);
}
END_TEST

START_TEST (the_session_has_its_time)
{
  start (TWO);
  rig_segment (rig, 1, 1);
  rig_skip (rig);
  rig_sleep (rig, 299999);
  rig_expect (rig, NULL);
  rig_sleep (rig, 1);
  rig_expect (rig,
      "{\"type\":\"session_timeout\",\"message\":\"Session expired after 300 "
      "seconds\"}",
      "close 1000 Session timeout", "> free", NULL);
}
END_TEST

START_TEST (the_server_goes_down)
{
  start (TWO);
  dvs_session_shutdown (rig->session);
  rig_expect (rig,
      "{\"type\":\"error\",\"message\":\"The server is shutting down.\"}",
      "close 1001 Server shutdown", "> free", NULL);
}
END_TEST

START_TEST (memory_does_not_grow_with_the_session)
{
  rig->settings.segment_cap = 0;
  start (",\"loop_generation_enabled\":true,\"curated_prompts\":[\"a\"]");
  for (guint i = 1; i <= 10000; i++) {
    rig_segment (rig, i, 1);
    rig_ask (rig, i, 2);
    rig_next_epoch (rig, i);
    g_ptr_array_set_size (rig->trace, 0);
    g_ptr_array_set_size (rig->logs, 0);
    ck_assert (rig->session->segments.length <= 1);
    ck_assert (rig->session->locked->len <= 1);
  }
  ck_assert_uint_eq (rig->session->iteration, 10000);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("session");
  TCase *c = tcase_create ("life");

  suite_add_tcase (s, c);
  tcase_add_checked_fixture (c, set_up, tear_down);
  tcase_add_test (c, begins_in_order);
  tcase_add_test (c, a_segment_in_order);
  tcase_add_test (c, generation_runs_ahead_of_media);
  tcase_add_test (c, the_next_starts_after_step_complete_was_told);
  tcase_add_test (c, the_cap_completes_the_stream_when_media_is_out);
  tcase_add_test (c, a_manual_reset_at_the_cap_completes_at_once);
  tcase_add_test (c, what_runs_at_a_restart_is_not_counted);
  tcase_add_test (c, a_reset_finishes_what_was_seen);
  tcase_add_test (c, a_reset_cancels_what_nobody_saw);
  tcase_add_test (c, a_reset_that_comes_too_late_drops_the_whole_segment);
  tcase_add_test (c, a_question_of_before_a_reset_is_void);
  tcase_add_test (c, events_of_an_old_epoch_count_for_nothing);
  tcase_add_test (c, loops);
  tcase_add_test (c, a_project_ends_when_its_media_is_out);
  tcase_add_test (c, a_project_end_cancels_what_nobody_saw);
  tcase_add_test (c, a_single_clip_is_a_stream);
  tcase_add_test (c, simple_generate_in_a_running_stream);
  tcase_add_test (c, pauses_between_segments);
  tcase_add_test (c, leaves);
  tcase_add_test (c, a_client_that_has_gone_gets_nothing);
  tcase_add_test (c, goes_from_the_queue);
  tcase_add_test (c, what_was_said_in_the_queue_is_done_in_order);
  tcase_add_test (c, too_many_messages_in_the_queue);
  tcase_add_test (c, no_init_is_an_empty_one);
  tcase_add_test (c, the_session_has_its_time);
  tcase_add_test (c, the_server_goes_down);
  tcase_add_test (c, memory_does_not_grow_with_the_session);
  return s;
}

int
main (void)
{
  SRunner *runner = srunner_create (suite ());
  int failed;

  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
