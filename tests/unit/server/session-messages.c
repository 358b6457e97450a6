/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every message in every state, and what strangers send instead (session
 * protocol, sections 3 and 6).
 */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "session-private.h"
#include "session-rig.h"

#define TWO ",\"curated_prompts\":[\"a\",\"b\"]"
#define NO_PROJECT "Start a new project before sending prompts."
#define STILL                                                                  \
  "Current project is still ending. Wait for the reset to finish before "      \
  "starting another project."
#define REWRITE_ONLY "Use Rewrite to create or restart the rollout."

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

static gchar *
error_text (const gchar *message)
{
  return g_strdup_printf ("{\"type\":\"error\",\"message\":\"%s\"}", message);
}

static void
expect_error (const gchar *message)
{
  gchar *text = error_text (message);

  rig_expect (rig, text, NULL);
  g_free (text);
}

/* ---- the table ---- */

/* Brings a new session into a state. */
static void
reach (DvsState state)
{
  rig->settings.segment_cap = 6;
  rig->prompts.checks = FALSE;
  rig_begin (rig);
  switch (state) {
    case DVS_STATE_CONNECTED:
      break;
    case DVS_STATE_CHECKING:
      rig->prompts.checks = TRUE;
      rig_init (rig, TWO);
      rig->prompts.checks = FALSE;
      break;
    case DVS_STATE_QUEUED:
      rig_init (rig, TWO);
      break;
    case DVS_STATE_AWAIT_ROLLOUT:
      rig_start (rig, ",\"initial_rollout_prompt\":\"w\"");
      break;
    case DVS_STATE_STREAMING:
      rig_start (rig, TWO);
      break;
    case DVS_STATE_GENERATING:
      rig_start (rig, TWO);
      rig_ask (rig, 1, 1);
      break;
    case DVS_STATE_PAUSED:
      rig_start (rig, TWO);
      rig_say (rig, "{\"type\":\"set_generation_paused\",\"paused\":true}");
      break;
    case DVS_STATE_BLOCKED:
      rig_start (rig, ",\"curated_prompts\":[\"a\"]");
      rig_segment (rig, 1, 1);
      break;
    case DVS_STATE_CAP_WAIT:
      rig->settings.segment_cap = 1;
      rig_start (rig, TWO);
      rig_segment (rig, 1, 1);
      rig_run_ends (rig, NULL);
      break;
    case DVS_STATE_CLIP_IDLE:
      rig_start (rig, ",\"single_clip_mode\":true,\"curated_prompts\":[\"a\"]");
      rig_segment (rig, 1, 1);
      rig_run_ends (rig, NULL);
      break;
    case DVS_STATE_ENDING:
    case DVS_STATE_IDLE:
    case DVS_STATE_STARTING:
      rig_start (rig, TWO);
      rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
      if (state == DVS_STATE_ENDING)
        break;
      rig_ask (rig, 1, 1);
      rig_run_ends (rig, NULL);
      if (state == DVS_STATE_IDLE)
        break;
      rig->prompts.checks = TRUE;
      rig_say (rig, "{\"type\":\"project_init_v1\"" TWO "}");
      rig->prompts.checks = FALSE;
      break;
    default:
      rig_start (rig, TWO);
      dvs_session_gone (rig->session);
      break;
  }
  ck_assert_str_eq (dvs_session_state (rig->session), dvs_state_name (state));
  rig_skip (rig);
}

/* By message: what it answers where it is obeyed; NULL: it has no answer of
 * its own. */
static const gchar *const obeyed[DVS_N_MESSAGES] = {
    [DVS_MESSAGE_APPEND] = "prompt_received",
    [DVS_MESSAGE_REWRITE] = "rewrite_seed_prompts_started",
    [DVS_MESSAGE_RESET] = "seed_prompts_reset_pending",
    [DVS_MESSAGE_RESTART] = "generation_restarted",
    [DVS_MESSAGE_SET_PAUSED] = "generation_paused_updated",
    [DVS_MESSAGE_SET_LOOP] = "loop_generation_updated",
    [DVS_MESSAGE_SET_AUTO] = "auto_extension_updated",
    [DVS_MESSAGE_SET_ENHANCEMENT] = "enhancement_updated",
    [DVS_MESSAGE_SET_MODEL] = "rewrite_model_updated",
    [DVS_MESSAGE_SET_TEMPERATURE] = "rewrite_temperature_updated",
    [DVS_MESSAGE_SIMPLE_GENERATE] = "prompt_received",
};

static gboolean
answered (guint from, const gchar *type)
{
  return rig_count (rig, from, type) > 0;
}

static gboolean
refused (guint from, const gchar *message)
{
  gchar *text = error_text (message);
  gboolean found = answered (from, text);

  g_free (text);
  return found;
}

static void
check_reply (DvsState state, DvsMessageType type, DvsReply reply, guint from)
{
  switch (reply) {
    case DVS_REPLY_IGNORE:
    case DVS_REPLY_LATER:
      ck_assert_uint_eq (rig->trace->len, from);
      break;
    case DVS_REPLY_INIT:
      ck_assert (answered (from, "> want"));
      break;
    case DVS_REPLY_DO:
      if (state == DVS_STATE_AWAIT_ROLLOUT && type == DVS_MESSAGE_REWRITE)
        ck_assert (refused (from, "rewrite_seed_prompts already in progress."));
      else if (type == DVS_MESSAGE_PROJECT_INIT)
        ck_assert (answered (from, "ltx2_stream_start"));
      else if (type == DVS_MESSAGE_END_PROJECT)
        ck_assert (answered (from, "project_idle") ||
                   !strcmp (dvs_session_state (rig->session), "ending"));
      else
        ck_assert (answered (from, obeyed[type]));
      break;
    case DVS_REPLY_NO_PROJECT:
      ck_assert (refused (from, NO_PROJECT));
      break;
    case DVS_REPLY_STILL_ENDING:
      ck_assert (refused (from, STILL));
      break;
    case DVS_REPLY_REWRITE_ONLY:
      ck_assert (refused (from, REWRITE_ONLY));
      break;
    case DVS_REPLY_IDLE_AGAIN:
      ck_assert (answered (from, "project_idle"));
      break;
    case DVS_REPLY_LEAVE:
      ck_assert (answered (from, "close 1000 "));
      ck_assert (answered (from, "> free") || !rig->wanted);
      break;
  }
}

START_TEST (every_message_in_every_state)
{
  DvsState state = _i;

  for (guint type = 0; type < DVS_N_MESSAGES; type++) {
    const gchar *name = dvs_message_name (type);
    DvsReply reply = dvs_state_reply (state, type);
    gchar *text = g_strdup_printf (
        "{\"type\":\"%s\",\"prompt\":\"p\",\"rewrite_instruction\":\"r\"" TWO
        ",\"enabled\":true,\"paused\":true}",
        name ? name : "nothing_known");
    guint from;

    reach (state);
    from = rig->trace->len;
    rig_say (rig, text);
    check_reply (state, type, reply, from);
    g_free (text);
  }
}
END_TEST

START_TEST (hostile_messages_in_every_state)
{
  for (guint i = 0; i < 3; i++) {
    gboolean closed = _i == DVS_STATE_CLOSED;

    reach (_i);
    if (i == 0)
      rig_say (rig, "{\"type\":");
    else if (i == 1)
      rig_say (rig, "[]");
    else
      dvs_session_binary (rig->session);
    ck_assert_uint_eq (rig->closed, !closed);
    ck_assert_uint_eq (rig->freed, rig->wanted);
    ck_assert (dvs_session_over (rig->session));
    if (closed)
      continue;
    ck_assert_uint_eq (rig_count (rig, rig->seen, "error"), 1);
    ck_assert_uint_eq (rig_count (rig, rig->seen, "close 1000 "), 1);
  }
}
END_TEST

/* ---- errors ---- */

START_TEST (errors_of_append_prompt)
{
  start (TWO);
  rig_say (rig, "{\"type\":\"append_prompt\"}");
  expect_error ("append_prompt requires a non-empty prompt");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\" \\n\\u00a0 \"}");
  expect_error ("append_prompt requires a non-empty prompt");
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":[]}");
  expect_error ("append_prompt requires a non-empty prompt");
  rig_say (rig, "{\"type\":\"simple_generate\",\"prompt\":null}");
  expect_error ("simple_generate requires a non-empty prompt");
  rig->prompts.checks = TRUE;
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"bad\"}");
  rig_say (rig, "{\"type\":\"set_enhancement\",\"enabled\":false}");
  rig_expect (rig, NULL);
  ck_assert_str_eq (rig->prompts.check.prompts[0], "bad");
  rig_verdict (&rig->prompts.check, 1, "This is bad.");
  rig_expect (rig, "{\"type\":\"error\",\"message\":\"This is bad.\"}",
      "enhancement_updated", NULL);
  ck_assert (rig_logged (rig, "prompt_blocked"));
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"good\"}");
  rig_verdict (&rig->prompts.check, 0, NULL);
  rig_expect (rig, "prompt_received", "prompt_ready", NULL);
  rig_say (rig, "{\"type\":\"simple_generate\",\"prompt\":\"bad\"}");
  rig_verdict (&rig->prompts.check, 1, "This is bad.");
  expect_error ("This is bad.");
}
END_TEST

START_TEST (errors_of_rewrite)
{
  start ("");
  rig_say (rig, "{\"type\":\"rewrite_seed_prompts\","
                "\"rewrite_instruction\":\"x\"}");
  expect_error ("No seed prompts available to rewrite.");
  rig_begin (rig);
  start (TWO);
  rig_say (rig, "{\"type\":\"rewrite_seed_prompts\"}");
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"rewrite_seed_prompts\"}");
  expect_error ("rewrite_seed_prompts already in progress.");
  rig_begin (rig);
  start (",\"initial_rollout_prompt\":\"w\"");
  rig_answer (&rig->prompts.rewrite, "no", NULL);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"rewrite_seed_prompts\"}");
  expect_error ("No seed prompts available to rewrite.");
}
END_TEST

START_TEST (a_blocked_init)
{
  rig->prompts.checks = TRUE;
  rig_init (rig, TWO);
  ck_assert_str_eq (dvs_session_state (rig->session), "checking");
  ck_assert_str_eq (rig->prompts.check.prompts[1], "b");
  rig_verdict (&rig->prompts.check, 2, "Why not.");
  rig_expect (rig,
      "{\"type\":\"error\",\"message\":\"Prompt safety filter blocked initial "
      "prompt 2. Why not.\"}",
      "close 1008 Prompt blocked", NULL);
  ck_assert_uint_eq (rig->freed, 0);
}
END_TEST

START_TEST (a_blocked_project)
{
  reach (DVS_STATE_IDLE);
  rig->prompts.checks = TRUE;
  rig_say (rig, "{\"type\":\"project_init_v1\"" TWO "}");
  rig_verdict (&rig->prompts.check, 1, "Why not.");
  expect_error ("Prompt safety filter blocked initial prompt 1. Why not.");
  ck_assert_str_eq (dvs_session_state (rig->session), "idle");
  rig_say (rig, "{\"type\":\"project_init_v1\"" TWO "}");
  rig_verdict (&rig->prompts.check, 0, NULL);
  rig_expect (rig, "ltx2_stream_start", "seed_prompts_reset_applied",
      "> start 6", NULL);
}
END_TEST

START_TEST (leaves_amid_a_check)
{
  rig->prompts.checks = TRUE;
  rig_init (rig, TWO);
  rig_say (rig, "{\"type\":\"leave\"}");
  rig_expect (rig, "close 1000 ", NULL);
  rig_verdict (&rig->prompts.check, 1, "late");
  rig_expect (rig, NULL);
}
END_TEST

/* ---- fields ---- */

START_TEST (fields_of_an_init)
{
  static const struct {
    const gchar *members, *told;
  } cases[] = {
      {",\"preset_id\":7,\"preset_label\":\"  L \",\"curated_prompts\":"
       "[1,\" a \",null,\"\",\"  \",[\"b\"]]",
          "{\"type\":\"seed_prompts_updated\",\"prompts\":[\"a\"],"
          "\"preset_id\":\"7\",\"preset_label\":\"L\",\"reason\":\"init\","
          "\"seed_prompt_count\":1}"},
      {",\"preset_id\":true,\"preset_label\":false,"
       "\"curated_prompts\":\"a\"",
          "{\"type\":\"seed_prompts_updated\",\"prompts\":[],"
          "\"preset_id\":\"True\",\"preset_label\":\"\",\"reason\":\"init\","
          "\"seed_prompt_count\":0}"},
      /* Of a name that comes twice the last counts. */
      {",\"preset_id\":\"1\",\"preset_id\":\"2\",\"preset_label\":[1],"
       "\"segment_prompts\":[\"x\"]",
          "{\"type\":\"seed_prompts_updated\",\"prompts\":[],"
          "\"preset_id\":\"2\",\"preset_label\":\"[1]\",\"reason\":\"init\","
          "\"seed_prompt_count\":0}"},
      /* Half a surrogate pair and a NUL are no characters. */
      {",\"preset_id\":\"\\ud83d\",\"preset_label\":\"a\\u0000b\"",
          "{\"type\":\"seed_prompts_updated\",\"prompts\":[],"
          "\"preset_id\":\"\357\277\275\",\"preset_label\":\"a\357\277\275b\","
          "\"reason\":\"init\",\"seed_prompt_count\":0}"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    rig_begin (rig);
    rig_start (rig, cases[i].members);
    ck_assert_msg (
        rig_count (rig, 0, cases[i].told) == 1, "%s", cases[i].members);
  }
}
END_TEST

START_TEST (an_init_of_another_type)
{
  rig_say (rig, "{\"segment_prompts\":[\"s\"],\"curated_prompts\":[\"c\"]}");
  rig->has_slot = TRUE;
  dvs_session_assigned (rig->session, 0);
  rig_ask (rig, 1, 1);
  ck_assert_str_eq (rig->generated, "s");
}
END_TEST

START_TEST (a_project_keeps_names_that_it_does_not_give)
{
  rig_start (rig, TWO ",\"preset_id\":\"x\",\"preset_label\":\"X\"");
  rig_say (rig, "{\"type\":\"end_project_keep_session\"}");
  rig_ask (rig, 1, 1);
  rig_run_ends (rig, NULL);
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"project_init_v1\",\"preset_id\":\"\","
                "\"preset_label\":\"Y\",\"loop_generation_enabled\":1}");
  rig_expect (rig,
      "{\"type\":\"ltx2_stream_start\",\"total_segments\":0,\"preset_id\":"
      "\"x\","
      "\"stream_mode\":\"av_fmp4\",\"live_mode\":true,"
      "\"loop_generation_enabled\":true,\"loop_iteration\":1,"
      "\"generation_segment_cap\":6}",
      "seed_prompts_reset_applied", "> start 6", "prompt_sources_blocked",
      NULL);
  ck_assert_str_eq (rig->session->preset_label, "Y");
}
END_TEST

START_TEST (switches)
{
  start (TWO);
  rig_say (rig, "{\"type\":\"set_enhancement\"}");
  rig_expect (rig, "{\"type\":\"enhancement_updated\",\"enabled\":true}", NULL);
  rig_say (rig, "{\"type\":\"set_enhancement\",\"enabled\":{}}");
  rig_expect (
      rig, "{\"type\":\"enhancement_updated\",\"enabled\":false}", NULL);
  rig_say (rig, "{\"type\":\"set_auto_extension\",\"enabled\":\"no\"}");
  rig_expect (
      rig, "{\"type\":\"auto_extension_updated\",\"enabled\":true}", NULL);
  rig_say (rig, "{\"type\":\"set_generation_paused\"}");
  rig_expect (
      rig, "{\"type\":\"generation_paused_updated\",\"paused\":false}", NULL);
  rig_say (rig, "{\"type\":\"set_rewrite_model\",\"rewrite_model\":"
                "\"other-model\"}");
  rig_expect (rig,
      "{\"type\":\"rewrite_model_updated\",\"rewrite_model\":\"other-model\"}",
      NULL);
  rig_say (rig, "{\"type\":\"set_rewrite_model\",\"rewrite_model\":[1]}");
  rig_expect (rig,
      "{\"type\":\"rewrite_model_updated\",\"rewrite_model\":"
      "\"gpt-oss-120b\"}",
      NULL);
}
END_TEST

START_TEST (temperatures)
{
  static const struct {
    const gchar *said, *told;
  } cases[] = {{"0.7", "0.7"}, {"3", "2.0"}, {"-1", "0.0"},
      {"\"1.25\"", "1.25"}, {"\" 0.5 \"", "0.5"}, {"\"hot\"", "1.0"},
      {"\"\"", "1.0"}, {"null", "1.0"}, {"{}", "1.0"}, {"true", "1.0"},
      {"false", "0.0"}, {"1e999", "2.0"}, {"\"nan\"", "1.0"},
      {"\"1x\"", "1.0"}};

  start (TWO);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *text = g_strdup_printf ("{\"type\":\"set_rewrite_temperature\","
                                   "\"rewrite_temperature\":%s}",
        cases[i].said);
    gchar *told = g_strdup_printf ("{\"type\":\"rewrite_temperature_updated\","
                                   "\"rewrite_temperature\":%s}",
        cases[i].told);

    rig_say (rig, text);
    rig_expect (rig, told, NULL);
    g_free (told);
    g_free (text);
  }
}
END_TEST

START_TEST (long_prompts_are_cut_at_a_character)
{
  GString *text = g_string_new ("{\"type\":\"append_prompt\",\"prompt\":\"");

  start (",\"enhancement_enabled\":false");
  g_string_append (text, "x");
  for (guint i = 0; i < 5000; i++)
    g_string_append (text, "\303\244");
  g_string_append (text, "\"}");
  rig_say (rig, text->str);
  rig_ask (rig, 1, 1);
  ck_assert_uint_eq (strlen (rig->generated), 8191);
  ck_assert (g_utf8_validate (rig->generated, -1, NULL));
  g_string_free (text, TRUE);
}
END_TEST

START_TEST (a_message_that_is_too_long)
{
  rig->settings.max_message_bytes = 100;
  start (TWO);
  rig_say (rig, "{\"type\":\"append_prompt\",\"prompt\":\"000000000000000000000"
                "00000000000000000000000000000000000000000000000000000000\"}");
  rig_expect (rig,
      "{\"type\":\"error\",\"message\":\"AV streaming failed: a message was "
      "not "
      "understood: it is too long\"}",
      "close 1000 ", "> free", NULL);
}
END_TEST

/* ---- start images ---- */

#define IMAGE(object)                                                          \
  "{\"type\":\"project_init_v1\"" TWO ",\"initial_image\":" object "}"
#define PNG "data:image/png;base64,"

static const struct {
  const gchar *message, *error;
} images[] = {
    {IMAGE ("5"), "initial_image must be an object."},
    {IMAGE ("[]"), "initial_image must be an object."},
    {IMAGE ("\"" PNG "AAAA\""), "initial_image must be an object."},
    {IMAGE ("{\"data_url\":\"http://x/y.png\"}"),
        "initial_image.data_url must be a base64 data URL."},
    {IMAGE ("{\"data_url\":\"data:image/png,AAAA\"}"),
        "initial_image.data_url must be a base64 data URL."},
    {IMAGE ("{\"data_url\":\"data:;base64,AAAA\"}"),
        "initial_image.data_url must be a base64 data URL."},
    {IMAGE ("{\"data_url\":\"data:image/<b>;base64,AAAA\"}"),
        "initial_image.data_url must be a base64 data URL."},
    {IMAGE ("{\"data_url\":7}"),
        "initial_image.data_url must be a base64 data URL."},
    {IMAGE ("{\"mime_type\":\"image/jpeg\",\"data_url\":\"" PNG "AAAA\"}"),
        "initial_image.mime_type must match the data URL mime type."},
    {IMAGE ("{\"data_url\":\"data:image/gif;base64,AAAA\"}"),
        "initial_image must be a PNG, JPEG, or WebP image."},
    {IMAGE ("{\"data_url\":\"data:text/html;base64,!\"}"),
        "initial_image must be a PNG, JPEG, or WebP image."},
    {IMAGE ("{\"data_url\":\"" PNG "AAA\"}"),
        "initial_image.data_url is not valid base64 data."},
    {IMAGE ("{\"data_url\":\"" PNG "A===\"}"),
        "initial_image.data_url is not valid base64 data."},
    {IMAGE ("{\"data_url\":\"" PNG "AA=A\"}"),
        "initial_image.data_url is not valid base64 data."},
    {IMAGE ("{\"data_url\":\"" PNG "AA==AAAA\"}"),
        "initial_image.data_url is not valid base64 data."},
    {IMAGE ("{\"data_url\":\"" PNG "AA*A\"}"),
        "initial_image.data_url is not valid base64 data."},
    {IMAGE ("{\"data_url\":\"" PNG "\"}"),
        "initial_image.data_url did not contain image bytes."},
};

START_TEST (images_that_are_none)
{
  reach (DVS_STATE_IDLE);
  rig_say (rig, images[_i].message);
  expect_error (images[_i].error);
  ck_assert_str_eq (dvs_session_state (rig->session), "idle");
}
END_TEST

static gchar *
large_image (gsize size)
{
  gchar *bytes = g_malloc0 (size), *data, *text;

  data = g_base64_encode ((guchar *)bytes, size);
  text = g_strdup_printf (IMAGE ("{\"data_url\":\"" PNG "%s\"}"), data);
  g_free (data);
  g_free (bytes);
  return text;
}

START_TEST (large_images)
{
  gchar *text = large_image (15 * 1024 * 1024 + 1);

  reach (DVS_STATE_IDLE);
  rig_say (rig, text);
  expect_error ("initial_image must be 15 MB or smaller.");
  g_free (text);
  text = large_image (15 * 1024 * 1024);
  rig_say (rig, text);
  rig_expect (rig, "> picture 15728640", NULL);
  g_free (text);
}
END_TEST

START_TEST (an_image_that_does_not_decode)
{
  rig_init (rig, TWO ",\"initial_image\":{\"name\":\"n\",\"mime_type\":"
                     "\"image/PNG\",\"data_url\":\" data:IMAGE/png;base64,AA"
                     "\\nAA AA== \"}");
  rig_expect (rig, "> picture 4", NULL);
  rig_picture (rig, NULL);
  rig_expect (rig,
      "{\"type\":\"error\",\"message\":\"initial_image must decode as a valid "
      "image.\"}",
      "close 1003 Invalid initial image", NULL);
  rig_begin (rig);
  rig_init (rig, ",\"initial_image\":7");
  rig_expect (rig,
      "{\"type\":\"error\",\"message\":\"initial_image must be an object.\"}",
      "close 1003 Invalid initial image", NULL);
}
END_TEST

START_TEST (images_that_are_not_there)
{
  rig_start (rig, ",\"initial_image\":null");
  rig_begin (rig);
  rig_start (rig, ",\"initial_image\":{}");
  rig_begin (rig);
  rig_start (rig, ",\"initial_image\":{\"data_url\":null}");
  rig_begin (rig);
  rig_start (rig, ",\"initial_image\":{\"data_url\":\"  \"}");
  ck_assert (!dvs_session_over (rig->session));
}
END_TEST

static gchar *
picture_file (void)
{
  gchar *path = NULL;
  gint fd = g_file_open_tmp ("picture-XXXXXX.png", &path, NULL);

  ck_assert_int_ge (fd, 0);
  g_close (fd, NULL);
  return path;
}

START_TEST (an_image_goes_into_segment_1_and_away)
{
  gchar *path = picture_file (), *begun;

  rig_init (rig, TWO ",\"initial_image\":{\"data_url\":\"" PNG "AAAA\"}");
  rig_picture (rig, path);
  rig->has_slot = TRUE;
  dvs_session_assigned (rig->session, 0);
  begun = g_strdup_printf ("> start 6 %s", path);
  ck_assert_str_eq (rig_last (rig), begun);
  rig_segment (rig, 1, 1);
  /* A clip without it: in a run of its own. */
  rig_skip (rig);
  rig_say (rig, "{\"type\":\"simple_generate\",\"prompt\":\"c\","
                "\"enhancement_enabled\":false}");
  ck_assert (!g_file_test (path, G_FILE_TEST_EXISTS));
  rig_ask (rig, 1, 2);
  rig_run_ends (rig, NULL);
  rig_expect (rig, "> end 1 2", "ltx2_stream_start",
      "seed_prompts_reset_applied", "> start 1", NULL);
  g_free (begun);
  g_free (path);
}
END_TEST

START_TEST (an_image_goes_with_the_session)
{
  gchar *path = picture_file ();

  rig_init (rig, TWO ",\"initial_image\":{\"data_url\":\"" PNG "AAAA\"}");
  rig_picture (rig, path);
  ck_assert (g_file_test (path, G_FILE_TEST_EXISTS));
  dvs_session_gone (rig->session);
  ck_assert (!g_file_test (path, G_FILE_TEST_EXISTS));
  g_free (path);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("session-messages");
  TCase *tests = tcase_create ("messages");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_loop_test (tests, every_message_in_every_state, 0, DVS_N_STATES);
  tcase_add_loop_test (tests, hostile_messages_in_every_state, 0, DVS_N_STATES);
  tcase_add_test (tests, errors_of_append_prompt);
  tcase_add_test (tests, errors_of_rewrite);
  tcase_add_test (tests, a_blocked_init);
  tcase_add_test (tests, a_blocked_project);
  tcase_add_test (tests, leaves_amid_a_check);
  tcase_add_test (tests, fields_of_an_init);
  tcase_add_test (tests, an_init_of_another_type);
  tcase_add_test (tests, a_project_keeps_names_that_it_does_not_give);
  tcase_add_test (tests, switches);
  tcase_add_test (tests, temperatures);
  tcase_add_test (tests, long_prompts_are_cut_at_a_character);
  tcase_add_test (tests, a_message_that_is_too_long);
  tcase_add_loop_test (
      tests, images_that_are_none, 0, sizeof images / sizeof *images);
  tcase_add_test (tests, large_images);
  tcase_add_test (tests, an_image_that_does_not_decode);
  tcase_add_test (tests, images_that_are_not_there);
  tcase_add_test (tests, an_image_goes_into_segment_1_and_away);
  tcase_add_test (tests, an_image_goes_with_the_session);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
