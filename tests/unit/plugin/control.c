/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What viewers say, and what strangers send instead.
 */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "control.h"

/* Without a NUL behind it, so that the sanitizers see a read past the end. */
static ControlStatus
parse_size (const gchar *text, gsize size, Control *control)
{
  gchar *copy = g_memdup2 (text, size);
  const gchar *message = NULL;
  ControlStatus status = control_parse (copy, size, control, &message);

  g_free (copy);
  fail_unless ((status == CONTROL_OK) == (message == NULL));
  fail_unless (
      (status == CONTROL_OK) == (control_status_code (status) == NULL));
  return status;
}

static ControlStatus
parse (const gchar *text, Control *control)
{
  return parse_size (text, strlen (text), control);
}

static void
assert_command (const gchar *text, ControlCommand command)
{
  Control control;

  fail_unless_equals_int (parse (text, &control), CONTROL_OK);
  fail_unless_equals_int (control.command, command);
  control_clear (&control);
}

static void
assert_fails (const gchar *text, ControlStatus expected)
{
  Control control;

  ck_assert_msg (parse (text, &control) == expected, "%s", text);
  fail_unless (control.type == NULL);
  fail_unless (control.prompt == NULL);
  fail_unless (control.prompt_id == NULL);
}

static void
assert_prompt (const gchar *text, const gchar *prompt, const gchar *prompt_id)
{
  Control control;

  ck_assert_msg (parse (text, &control) == CONTROL_OK, "%s", text);
  fail_unless_equals_int (control.command, CONTROL_PROMPT);
  fail_unless_equals_string (control.type, "append_prompt");
  fail_unless_equals_string (control.prompt, prompt);
  fail_unless_equals_string (control.prompt_id, prompt_id);
  control_clear (&control);
}

GST_START_TEST (test_commands)
{
  Control control;

  assert_command ("{\"type\":\"reset_to_seed_prompts\"}", CONTROL_RESET);
  assert_command (
      " {\t\"type\" : \"restart_generation\"\r\n}\n", CONTROL_RESTART);
  assert_command ("{\"type\":\"leave\"}", CONTROL_LEAVE);
  fail_unless_equals_int (
      parse ("{\"type\":\"set_generation_paused\",\"paused\":true}", &control),
      CONTROL_OK);
  fail_unless_equals_int (control.command, CONTROL_PAUSED);
  fail_unless (control.paused);
  control_clear (&control);
  fail_unless_equals_int (
      parse ("{\"paused\":false,\"type\":\"set_generation_paused\"}", &control),
      CONTROL_OK);
  fail_unless_equals_int (control.command, CONTROL_PAUSED);
  fail_if (control.paused);
  control_clear (&control);
  /* Clearing twice does no harm. */
  control_clear (&control);
}
GST_END_TEST;

GST_START_TEST (test_unknown_types_and_fields_are_ignored)
{
  Control control;

  fail_unless_equals_int (
      parse ("{\"type\":\"set_loop_generation\",\"prompt\":7,\"x\":[{}]}",
          &control),
      CONTROL_OK);
  fail_unless_equals_int (control.command, CONTROL_UNKNOWN);
  fail_unless_equals_string (control.type, "set_loop_generation");
  control_clear (&control);
  assert_command (
      "{\"a\":null,\"b\":[1,-2.5,0,3e9,1E-2,4e+1,[],{}, true , false],"
      "\"type\":\"leave\",\"c\":{\"type\":\"x\",\"type\":{\"d\":\"\\\"\"}},"
      "\"a\":2}",
      CONTROL_LEAVE);
}
GST_END_TEST;

GST_START_TEST (test_prompts)
{
  assert_prompt ("{\"type\":\"append_prompt\",\"prompt\":\"a red sea\"}",
      "a red sea", NULL);
  assert_prompt ("{\"type\":\"append_prompt\",\"prompt\":\" \\t\\n a  b \","
                 "\"prompt_id\":\"p-1\"}",
      "a  b", "p-1");
  /* no-break and ideographic space are space too */
  assert_prompt ("{\"type\":\"append_prompt\","
                 "\"prompt\":\"\\u00a0\xe3\x80\x80 \xc3\xa9 \\u3000\"}",
      "\xc3\xa9", NULL);
  assert_prompt ("{\"\\u0074ype\":\"append_prompt\",\"prompt\":"
                 "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E9\\ud83c\\udf0a\","
                 "\"prompt_id\":null}",
      "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x8c\x8a", NULL);
  assert_prompt ("{\"type\":\"append_prompt\",\"prompt\":\"x\","
                 "\"prompt_id\":\"\"}",
      "x", NULL);
}
GST_END_TEST;

GST_START_TEST (test_prompts_refused)
{
  const gchar *message;
  Control control;
  static const gchar text[] = "{\"type\":\"append_prompt\"}";

  fail_unless_equals_int (
      control_parse (text, strlen (text), &control, &message),
      CONTROL_EMPTY_PROMPT);
  fail_unless_equals_string (
      message, "append_prompt requires a non-empty prompt");
  fail_unless_equals_string (
      control_status_code (CONTROL_EMPTY_PROMPT), "empty-prompt");
  assert_fails (
      "{\"type\":\"append_prompt\",\"prompt\":null}", CONTROL_EMPTY_PROMPT);
  assert_fails ("{\"type\":\"append_prompt\",\"prompt\":\" \\n\\u3000\"}",
      CONTROL_EMPTY_PROMPT);
  assert_fails (
      "{\"type\":\"append_prompt\",\"prompt\":[\"x\"]}", CONTROL_BAD_FIELD);
  assert_fails ("{\"type\":\"append_prompt\",\"prompt\":\"x\",\"prompt_id\":7}",
      CONTROL_BAD_FIELD);
  assert_fails ("{\"type\":\"set_generation_paused\"}", CONTROL_BAD_FIELD);
  assert_fails ("{\"type\":\"set_generation_paused\",\"paused\":\"true\"}",
      CONTROL_BAD_FIELD);
  assert_fails (
      "{\"type\":\"set_generation_paused\",\"paused\":1}", CONTROL_BAD_FIELD);
}
GST_END_TEST;

/* A message of exactly this many bytes around a prompt of @prompt bytes. */
static ControlStatus
parse_long (gsize prompt, gsize id, gsize total)
{
  GString *text = g_string_new ("{\"type\":\"append_prompt\",\"prompt\":\"");
  ControlStatus status;
  Control control;

  while (prompt--)
    g_string_append_c (text, 'x');
  g_string_append (text, "\",\"prompt_id\":\"");
  while (id--)
    g_string_append_c (text, 'y');
  g_string_append (text, "\"}");
  while (text->len < total)
    g_string_append_c (text, ' ');
  status = parse_size (text->str, text->len, &control);
  control_clear (&control);
  g_string_free (text, TRUE);
  return status;
}

GST_START_TEST (test_lengths)
{
  Control control;
  gchar *large;

  fail_unless_equals_int (parse_long (8192, 128, 0), CONTROL_OK);
  fail_unless_equals_int (parse_long (8193, 128, 0), CONTROL_PROMPT_TOO_LONG);
  fail_unless_equals_int (parse_long (1, 129, 0), CONTROL_BAD_FIELD);
  fail_unless_equals_int (parse_long (1, 1, 16384), CONTROL_OK);
  fail_unless_equals_int (parse_long (1, 1, 16385), CONTROL_TOO_LONG);
  /* Nothing of a huge one is looked at. */
  large = g_malloc0 (64 << 20);
  fail_unless_equals_int (
      control_parse (large, 64 << 20, &control, NULL), CONTROL_TOO_LONG);
  g_free (large);
}
GST_END_TEST;

static ControlStatus
parse_deep (guint depth, const gchar *open, gchar close)
{
  GString *text = g_string_new ("{\"type\":\"leave\",\"x\":");
  ControlStatus status;
  Control control;

  for (guint i = 1; i < depth; i++)
    g_string_append (text, open);
  g_string_append (text, close ? "1" : "");
  for (guint i = 1; close && i < depth; i++)
    g_string_append_c (text, close);
  g_string_append (text, close ? "}" : "");
  status = parse_size (text->str, text->len, &control);
  control_clear (&control);
  g_string_free (text, TRUE);
  return status;
}

GST_START_TEST (test_depth)
{
  fail_unless_equals_int (parse_deep (16, "[", ']'), CONTROL_OK);
  fail_unless_equals_int (parse_deep (17, "[", ']'), CONTROL_TOO_DEEP);
  fail_unless_equals_int (parse_deep (16, "{\"a\":", '}'), CONTROL_OK);
  fail_unless_equals_int (parse_deep (17, "{\"a\":", '}'), CONTROL_TOO_DEEP);
  fail_unless_equals_int (parse_deep (16000, "[", 0), CONTROL_TOO_DEEP);
  fail_unless_equals_int (parse_deep (3000, "{\"\":", 0), CONTROL_TOO_DEEP);
}
GST_END_TEST;

GST_START_TEST (test_no_json)
{
  static const gchar *const texts[] = {"", " ", "{", "}", "{]", "[", "[1",
      "[1,", "[1,]", "[1 2]", "{\"type\"}", "{\"type\":}",
      "{\"type\":\"leave\"", "{\"type\":\"leave\",}", "{\"type\":\"leave\"}}",
      "{\"type\":\"leave\"} x", "{'type':'leave'}", "{type:\"leave\"}",
      "/* */{\"type\":\"leave\"}", "var x = {\"type\":\"leave\"};",
      "{\"type\":\"le\nave\"}", "{\"type\":\"leave\\\"}",
      "{\"type\":\"\\x41\"}", "{\"type\":\"\\u12g4\"}", "{\"type\":\"\\u12",
      "{\"type\":\"\\", "{\"a\" 1}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}",
      "{\"a\":1.}", "{\"a\":-}", "{\"a\":1e}", "{\"a\":0x1}", "{\"a\":NaN}",
      "{\"a\":tru}", "{\"a\":fals", "{\"a\":nul}", "{\"a\":1,,\"b\":2}",
      "\xef\xbb\xbf{\"type\":\"leave\"}", "{\"type\":\"\\ud800\\u12"};

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_fails (texts[i], CONTROL_BAD_JSON);
}
GST_END_TEST;

GST_START_TEST (test_no_text)
{
  static const gchar *const texts[] = {"{\"type\":\"\xff\"}",
      "{\"type\":\"\xc0\x80\"}", "{\"type\":\"\xed\xa0\x80\"}",
      "{\"type\":\"\xf4\x90\x80\x80\"}", "{\"type\":\"\xe3\x80",
      "{\"type\":\"\\u0000\"}", "{\"type\":\"\\ud83c\"}",
      "{\"type\":\"\\ud83c\\n\"}", "{\"type\":\"\\ud83c\\u0041\"}",
      "{\"type\":\"\\udf0a\"}"};
  static const gchar nul[] = "{\"type\":\"leave\"}\0";
  Control control;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_fails (texts[i], CONTROL_BAD_TEXT);
  fail_unless_equals_int (
      parse_size (nul, sizeof nul, &control), CONTROL_BAD_TEXT);
}
GST_END_TEST;

GST_START_TEST (test_no_command)
{
  static const gchar *const texts[] = {"{}", "[]", "1", "\"leave\"", "null",
      "true", "[{\"type\":\"leave\"}]", "{\"type\":null}", "{\"type\":3}",
      "{\"type\":\"\"}", "{\"type\":[\"leave\"]}", "{\"Type\":\"leave\"}",
      "{\"x\":{\"type\":\"leave\"}}"};

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_fails (texts[i], CONTROL_NO_TYPE);
  /* Two readers must not see two commands. */
  assert_fails (
      "{\"type\":\"leave\",\"type\":\"append_prompt\"}", CONTROL_DUPLICATE);
  assert_fails ("{\"type\":\"append_prompt\",\"prompt\":\"a\","
                "\"\\u0070rompt\":\"b\"}",
      CONTROL_DUPLICATE);
  assert_fails ("{\"type\":null,\"type\":\"leave\"}", CONTROL_DUPLICATE);
}
GST_END_TEST;

/* Every beginning of a real message, and every byte of it changed. */
GST_START_TEST (test_cut_and_flipped_bytes)
{
  static const gchar text[] =
      "{\"type\":\"append_prompt\",\"prompt\":\"a\\ud83c\\udf0a\xc3\xa9\","
      "\"prompt_id\":\"p\",\"n\":[-1.5e3,{\"a\":null}]}";
  gsize size = strlen (text);
  Control control;

  for (gsize n = 0; n < size; n++)
    fail_if (parse_size (text, n, &control) == CONTROL_OK, "%zu", n);
  for (gsize at = 0; at < size; at++)
    for (guint c = 0; c < 256; c++) {
      gchar *copy = g_strdup (text);

      copy[at] = (gchar)c;
      parse_size (copy, size, &control);
      control_clear (&control);
      g_free (copy);
    }
}
GST_END_TEST;

static Suite *
control_suite (void)
{
  Suite *suite = suite_create ("control");
  TCase *tc = tcase_create ("control");

  suite_add_tcase (suite, tc);
  tcase_add_test (tc, test_commands);
  tcase_add_test (tc, test_unknown_types_and_fields_are_ignored);
  tcase_add_test (tc, test_prompts);
  tcase_add_test (tc, test_prompts_refused);
  tcase_add_test (tc, test_lengths);
  tcase_add_test (tc, test_depth);
  tcase_add_test (tc, test_no_json);
  tcase_add_test (tc, test_no_text);
  tcase_add_test (tc, test_no_command);
  tcase_add_test (tc, test_cut_and_flipped_bytes);
  return suite;
}

GST_CHECK_MAIN (control);
