/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of answer.c: what language models answer, as a table.
 */
#include <check.h>
#include <gio/gio.h>
#include <string.h>

#include "answer.h"
#include "prompts.h"

/* A content, and its prompt; NULL: none, and the error has @wrong. */
static const struct {
  const gchar *content, *prompt, *wrong;
} prompt_cases[] = {
    {"{\"next_prompt\":\"a\"}", "a", NULL},
    {"  {\"prompt\": \"a\"}\n", "a", NULL},
    {"{\"prompt\":\"b\",\"next_prompt\":\"a\"}", "a", NULL},
    {"```json\n{\"next_prompt\":\"a\"}\n```", "a", NULL},
    {"```\n{\"next_prompt\":\"a\"}\n```\nEnjoy!", "a", NULL},
    {"Here is it: {\"next_prompt\":\"a\"} and {\"next_prompt\":\"b\"}", "a",
        NULL},
    {"In {braces}, then {\"next_prompt\":\"a\"}", "a", NULL},
    {"{\"note\":1} {\"next_prompt\":\"a\"}", "a", NULL},
    {"{\"next_prompt\":\"\"} {\"next_prompt\":\"a\"}", "a", NULL},
    {"<think>{\"next_prompt\":\"no\"}</think>{\"next_prompt\":\"a\"}", "a",
        NULL},
    {"{\"next_prompt\":\" a\\n\\tb\\u00a0 c \"}", "a b c", NULL},
    {"{\"next_prompt\":\"a\nb\"}", "a b", NULL},
    {"{\"next_prompt\":\"a\\u0007b\"}", "a b", NULL},
    {"{\"next_prompt\":\"\\u00e9 \\ud83d\\udc33\"}", "é 🐳", NULL},
    {"{\"next_prompt\":\"{\\\"x\\\": \\\"}\\\"\"}", "{\"x\": \"}\"", NULL},
    {"{\"next_prompt\":\"a\",\"x\":[{\"y\":[1,-2.5e3,true,false,null]}]}", "a",
        NULL},
    {"{\"{\":\"{\",\"next_prompt\":\"a\"}", "a", NULL},
    {"", NULL, "holds no prompt"},
    {"Just a text.", NULL, "holds no prompt"},
    {"\"next_prompt\"", NULL, "holds no prompt"},
    {"[\"a\"]", NULL, "holds no prompt"},
    {"{}", NULL, "holds no prompt"},
    {"{\"next_prompt\":null}", NULL, "holds no prompt"},
    {"{\"next_prompt\":7}", NULL, "holds no prompt"},
    {"{\"next_prompt\":[\"a\"]}", NULL, "holds no prompt"},
    {"{\"next_prompt\":\"\"}", NULL, "prompt is empty"},
    {"{\"next_prompt\":\" \\n \"}", NULL, "prompt is empty"},
    {"{\"next_prompt\":\"a\"", NULL, "holds no prompt"},
    {"{\"next_prompt\":\"a", NULL, "holds no prompt"},
    {"{\"next_prompt\":\"a\\", NULL, "holds no prompt"},
    {"{\"next_prompt\" \"a\"}", NULL, "holds no prompt"},
    {"{/* \" */ \"next_prompt\":\"a\"}", NULL, "holds no prompt"},
    {"{'next_prompt':'a'}", NULL, "holds no prompt"},
};

/* A content, a count, and the prompts with "|" between; NULL: none. */
static const struct {
  const gchar *content;
  guint count;
  const gchar *prompts, *id, *label, *wrong;
} rollout_cases[] = {
    {"{\"id\":\"i\",\"label\":\"L\",\"segment_prompts\":[\"a\",\"b\"]}", 2,
        "a|b", "i", "L", NULL},
    {"{\"rewritten_prompts\":[\"a\",\"b\"]}", 2, "a|b", NULL, NULL, NULL},
    {"{\"prompts\":[\"a\",\"b\"]}", 2, "a|b", NULL, NULL, NULL},
    {"{\"segments\":[\"a\",\"b\"]}", 2, "a|b", NULL, NULL, NULL},
    {"{\"segments\":[{\"prompt\":\"a\"},{\"text\":\"b\"}]}", 2, "a|b", NULL,
        NULL, NULL},
    {"{\"segments\":{\"segment_1\":\"a\",\"segment_2\":\"b\"}}", 2, "a|b", NULL,
        NULL, NULL},
    {"{\"rollout\":{\"id\":\"i\",\"segment_prompts\":[\"a\"]}}", 1, "a", "i",
        NULL, NULL},
    {"{\"current_rollout\":{\"prompts\":[\"a\"]},\"label\":\"L\"}", 1, "a",
        NULL, "L", NULL},
    {"{\"rewritten_rollout\":{\"segments\":[\"a\"]},\"id\":\"i\"}", 1, "a", "i",
        NULL, NULL},
    {"{\"current_rollout\":{\"segment_prompts\":[\"old\"]},"
     "\"rewritten_rollout\":{\"segment_prompts\":[\"new\"]}}",
        1, "new", NULL, NULL, NULL},
    {"{\"segment_2\":\"b\",\"segment_1\":\"a\"}", 2, "a|b", NULL, NULL, NULL},
    {"{\"Segment 1\":\"a\",\"SEGMENT-02\":{\"prompt\":\"b\"}}", 2, "a|b", NULL,
        NULL, NULL},
    {"{\"prompt_0\":\"a\",\"prompt_1\":\"b\"}", 2, "a|b", NULL, NULL, NULL},
    {"{\"segment_prompts\":\"1. a\\n2. b\"}", 2, "a|b", NULL, NULL, NULL},
    {"1. a\n2) b", 2, "a|b", NULL, NULL, NULL},
    {"Here you are:\n\n**Segment 1:** a\n  and more\n\n**Segment 2:** b", 2,
        "a and more|b", NULL, NULL, NULL},
    {"- Prompt 1: a\n- Prompt 2: b", 2, "a|b", NULL, NULL, NULL},
    {"```json\n{\"prompts\":[\" a\\n\",\"b\"]}```", 2, "a|b", NULL, NULL, NULL},
    {"{\"id\":7,\"label\":\"\",\"prompts\":[\"a\"]}", 1, "a", NULL, NULL, NULL},
    {"{\"prompts\":[\"a\"],\"segments\":[\"a\",\"b\"]}", 2, "a|b", NULL, NULL,
        NULL},
    {"{\"prompts\":[\"a\",\"b\"]}", 6, NULL, NULL, NULL,
        "gave 2 prompts where 6"},
    {"{\"prompts\":[\"a\",\"b\",\"c\"]}", 2, NULL, NULL, NULL,
        "gave 3 prompts where 2"},
    {"{\"prompts\":[]}", 1, NULL, NULL, NULL, "gave 0 prompts where 1"},
    {"{\"prompts\":[\"a\",\" \"]}", 2, NULL, NULL, NULL, "is empty"},
    {"{\"prompts\":[\"a\",7]}", 2, NULL, NULL, NULL, "is empty"},
    {"{\"prompts\":[\"a\",{\"x\":\"b\"}]}", 2, NULL, NULL, NULL, "is empty"},
    {"{\"prompts\":[\"a\",null]}", 2, NULL, NULL, NULL, "is empty"},
    {"{\"segment_1\":\"a\",\"segment_3\":\"b\"}", 2, NULL, NULL, NULL,
        "gave 1 prompts where 2"},
    {"{\"prompts\":7}", 1, NULL, NULL, NULL, "holds no prompts"},
    {"{\"segment_1x\":\"a\",\"segment_1000\":\"a\",\"segment_\":\"a\"}", 1,
        NULL, NULL, NULL, "holds no prompts"},
    {"{}", 1, NULL, NULL, NULL, "holds no prompts"},
    {"", 1, NULL, NULL, NULL, "holds no prompts"},
    {"1. a\n3. b", 2, NULL, NULL, NULL, "gave 1 prompts where 2"},
    {"1. a\n2.", 2, NULL, NULL, NULL, "is empty"},
    {"1 a\n2 b", 2, NULL, NULL, NULL, "holds no prompts"},
};

static void
prompts_case (guint which)
{
  GError *error = NULL;
  gchar *prompt = dvs_answer_prompt (prompt_cases[which].content, &error);

  ck_assert_msg (g_strcmp0 (prompt, prompt_cases[which].prompt) == 0,
      "%s: '%s'", prompt_cases[which].content, prompt);
  ck_assert ((prompt == NULL) == (error != NULL));
  if (error)
    ck_assert_msg (strstr (error->message, prompt_cases[which].wrong) != NULL,
        "%s: '%s'", prompt_cases[which].content, error->message);
  g_clear_error (&error);
  g_free (prompt);
  g_free (dvs_answer_prompt (prompt_cases[which].content, NULL));
}

START_TEST (prompts)
{
  for (guint which = 0; which < G_N_ELEMENTS (prompt_cases); which++)
    prompts_case (which);
}
END_TEST

static void
rollouts_case (guint which)
{
  const gchar *content = rollout_cases[which].content;
  GError *error = NULL;
  DvsRollout rollout;
  gboolean ok = dvs_answer_rollout (
      content, rollout_cases[which].count, &rollout, &error);
  gchar *joined = ok ? g_strjoinv ("|", rollout.prompts) : NULL;

  ck_assert_msg (g_strcmp0 (joined, rollout_cases[which].prompts) == 0,
      "%s: '%s'", content, joined);
  ck_assert (ok == (error == NULL));
  ck_assert_msg (g_strcmp0 (rollout.id, rollout_cases[which].id) == 0,
      "%s: '%s'", content, rollout.id);
  ck_assert_msg (g_strcmp0 (rollout.label, rollout_cases[which].label) == 0,
      "%s: '%s'", content, rollout.label);
  if (error)
    ck_assert_msg (strstr (error->message, rollout_cases[which].wrong) != NULL,
        "%s: '%s'", content, error->message);
  g_clear_error (&error);
  g_free (joined);
  dvs_rollout_clear (&rollout);
  dvs_rollout_clear (&rollout);
}

START_TEST (rollouts)
{
  for (guint which = 0; which < G_N_ELEMENTS (rollout_cases); which++)
    rollouts_case (which);
}
END_TEST

/* Bodies, and the content of their first choice. */
static const struct {
  const gchar *body, *content;
} body_cases[] = {
#define MESSAGE(content)                                                       \
  "{\"choices\":[{\"message\":{\"content\":" content "}}]}"
    {MESSAGE ("\"a\""), "a"},
    {" " MESSAGE ("\"a\"") "\r\n", "a"},
    {MESSAGE ("[{\"type\":\"text\",\"text\":\"a\"},\"b\",7,{\"x\":1}]"), "ab"},
    {"{\"choices\":[{\"message\":{\"content\":\"a\"}},7]}", "a"},
    {MESSAGE ("[]"), NULL},
    {MESSAGE ("7"), NULL},
    {MESSAGE ("null"), NULL},
    {MESSAGE ("{\"text\":\"a\"}"), NULL},
    {MESSAGE ("\"\\ud800\""), NULL},
    {MESSAGE ("\"a\"") "x", NULL},
    {"x" MESSAGE ("\"a\""), NULL},
    {"", NULL},
};

static void
bodies_case (guint which)
{
  GError *error = NULL;
  gsize size = strlen (body_cases[which].body);
  /* Without a NUL behind it. */
  gchar *copy = g_memdup2 (body_cases[which].body, size);
  gchar *content = dvs_answer_content (copy, size, &error);

  ck_assert_msg (g_strcmp0 (content, body_cases[which].content) == 0,
      "%s: '%s'", body_cases[which].body, content);
  ck_assert ((content == NULL) == (error != NULL));
  g_clear_error (&error);
  g_free (content);
  g_free (copy);
}

START_TEST (bodies)
{
  for (guint which = 0; which < G_N_ELEMENTS (body_cases); which++)
    bodies_case (which);
}
END_TEST

START_TEST (long_ones)
{
  gchar *text = g_strnfill (DVS_PROMPT_MAX, 'x');
  gchar *good = g_strdup_printf ("{\"next_prompt\":\" %s \"}", text);
  gchar *bad = g_strdup_printf ("{\"next_prompt\":\"%sx\"}", text);
  gchar *list = g_strdup_printf ("{\"prompts\":[\"%sx\"]}", text);
  GError *error = NULL;
  DvsRollout rollout;
  gchar *prompt = dvs_answer_prompt (good, NULL);

  ck_assert_str_eq (prompt, text);
  ck_assert_ptr_null (dvs_answer_prompt (bad, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "too long"));
  g_clear_error (&error);
  ck_assert (!dvs_answer_rollout (list, 1, &rollout, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "too long"));
  g_clear_error (&error);
  g_free (prompt);
  g_free (list);
  g_free (bad);
  g_free (good);
  g_free (text);
}
END_TEST

/* Nothing that is sent costs a stack or seconds. */
START_TEST (hostile)
{
  static const gchar *const parts[] = {"{", "[", "{\"", "{\"a\":", "{\"a\":[",
      "\\", "\"", "{}", "1. ", "</think>", "{\"prompts\":[\"a\"]}"};
  gint64 began = g_get_monotonic_time ();

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    GString *text = g_string_new (NULL);
    DvsRollout rollout;

    while (text->len < 1000000)
      g_string_append (text, parts[i]);
    ck_assert_ptr_null (dvs_answer_prompt (text->str, NULL));
    ck_assert (!dvs_answer_rollout (text->str, 6, &rollout, NULL));
    ck_assert_ptr_null (dvs_answer_content (text->str, text->len, NULL));
    g_string_free (text, TRUE);
  }
  ck_assert_int_lt (
      g_get_monotonic_time () - began, 30 * (gint64)G_USEC_PER_SEC);
}
END_TEST

START_TEST (cleaning)
{
  gchar *text = dvs_answer_clean ("\n a\r\n\tb\xc2\x85"
                                  "c\x7f ",
      100);

  ck_assert_str_eq (text, "a b c");
  g_free (text);
  ck_assert_ptr_null (dvs_answer_clean (NULL, 100));
  ck_assert_ptr_null (dvs_answer_clean ("\xff", 100));
  ck_assert_ptr_null (dvs_answer_clean ("abc", 2));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("answer");
  TCase *tests = tcase_create ("answer");
  SRunner *runner;
  int failed;

  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, prompts);
  tcase_add_test (tests, rollouts);
  tcase_add_test (tests, bodies);
  tcase_add_test (tests, long_ones);
  tcase_add_test (tests, hostile);
  tcase_add_test (tests, cleaning);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
