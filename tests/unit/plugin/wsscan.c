/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsscan.c: where words end, at whatever place that is, and what is
 * none. control.c and the server's session-messages.c have what they make up.
 */
#include <check.h>
#include <string.h>

#include "wsscan.h"

/* In memory of just its size, for sanitizers. */
static gchar *text;

static WsScan
scan_of (const gchar *string, gsize size)
{
  g_free (text);
  text = g_memdup2 (string, size);
  return (WsScan){.pos = text, .end = text + size};
}

static void
expect_string (WsScan scan, const gchar *expected, gsize left)
{
  gchar *got = ws_scan_string (&scan);

  ck_assert_msg (g_strcmp0 (got, expected) == 0, "%s, not %s", got, expected);
  ck_assert_int_eq (scan.end - scan.pos, (gssize)left);
  ck_assert_int_eq (scan.fault, WS_SCAN_GOOD);
  g_free (got);
}

static void
expect_fault (WsScan scan, WsScanFault fault)
{
  ck_assert_ptr_null (ws_scan_string (&scan));
  ck_assert_int_eq (scan.fault, fault);
}

/* Plain bytes of which some look like an end when eight are looked at together:
 * those next to quotes and controls, and those beyond ASCII. */
static gchar *
plain (gsize size)
{
  static const gchar bytes[] = "#![] !\x7f\xc2\xa2\xc2\xa0\xc2\x9f]\xc3\xbf~Z";
  gchar *string = g_malloc (size + 1);
  gsize i;

  for (i = 0; i < size; i++)
    string[i] = bytes[i % (sizeof bytes - 1)];
  string[size] = '\0';
  return string;
}

START_TEST (ends_everywhere)
{
  gsize size;

  for (size = 0; size < 80; size++) {
    gchar *string = plain (size);
    gchar *quoted = g_strdup_printf ("\"%s\",1", string);
    gchar *escaped = g_strdup_printf ("\"%s\\n%s\"", string, string);
    gchar *both = g_strdup_printf ("%s\n%s", string, string);

    expect_string (scan_of (quoted, strlen (quoted)), string, 2);
    expect_string (scan_of (escaped, strlen (escaped)), both, 0);
    /* Without its end, and with what ends it amiss. */
    expect_fault (scan_of (quoted, size + 1), WS_SCAN_NO_JSON);
    quoted[size + 1] = '\x1f';
    expect_fault (scan_of (quoted, strlen (quoted)), WS_SCAN_NO_JSON);
    g_free (string);
    g_free (quoted);
    g_free (escaped);
    g_free (both);
  }
}
END_TEST

static const struct {
  const gchar *json, *strict, *replaced;
} characters[] = {
    {"\"\\u0041\\u00e4\"", "A\xc3\xa4", "A\xc3\xa4"},
    {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    {"\"\\u0000\"", NULL, "\xef\xbf\xbd"},
    {"\"\\ud83d\"", NULL, "\xef\xbf\xbd"},
    {"\"\\ude00x\"", NULL, "\xef\xbf\xbdx"},
    {"\"\\ud83d\\u0041\"", NULL,
        "\xef\xbf\xbd"
        "A"},
    {"\"\\ud83d\\n\"", NULL, "\xef\xbf\xbd\n"},
};

START_TEST (characters_and_none)
{
  const gchar *json = characters[_i].json;
  WsScan scan = scan_of (json, strlen (json));

  if (characters[_i].strict)
    expect_string (scan, characters[_i].strict, 0);
  else
    expect_fault (scan, WS_SCAN_NO_CHARACTER);
  scan = scan_of (json, strlen (json));
  scan.replace = TRUE;
  expect_string (scan, characters[_i].replaced, 0);
}
END_TEST

static const gchar *const no_strings[] = {"", "x", "\"", "\"\\", "\"\\x\"",
    "\"\\u12", "\"\\u12g4\"", "\"\\ud83d\\u12x4\""};

START_TEST (no_string)
{
  const gchar *json = no_strings[_i];

  expect_fault (scan_of (json, strlen (json)), WS_SCAN_NO_JSON);
}
END_TEST

static const struct {
  const gchar *json;
  gboolean good, whole;
  gsize left;
} numbers[] = {
    {"0", TRUE, TRUE, 0},
    {"-12,", TRUE, TRUE, 1},
    {"01", TRUE, TRUE, 1}, /* the rest is wrong */
    {"0.5", TRUE, FALSE, 0},
    {"1e-7", TRUE, FALSE, 0},
    {"1E+7", TRUE, FALSE, 0},
    {"", FALSE, FALSE, 0},
    {"-", FALSE, FALSE, 0},
    {"+1", FALSE, FALSE, 0},
    {".5", FALSE, FALSE, 0},
    {"1.", FALSE, FALSE, 0},
    {"1e", FALSE, FALSE, 0},
    {"NaN", FALSE, FALSE, 0},
};

START_TEST (what_is_a_number)
{
  WsScan scan = scan_of (numbers[_i].json, strlen (numbers[_i].json));
  gboolean whole;

  ck_assert_int_eq (ws_scan_number (&scan, &whole), numbers[_i].good);
  ck_assert_int_eq (
      scan.fault, numbers[_i].good ? WS_SCAN_GOOD : WS_SCAN_NO_JSON);
  if (!numbers[_i].good)
    return;
  ck_assert_int_eq (whole, numbers[_i].whole);
  ck_assert_int_eq (scan.end - scan.pos, (gssize)numbers[_i].left);
}
END_TEST

static void
tear_down (void)
{
  g_clear_pointer (&text, g_free);
}

int
main (void)
{
  Suite *suite = suite_create ("wsscan");
  TCase *tests = tcase_create ("wsscan");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, NULL, tear_down);
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, ends_everywhere);
  tcase_add_loop_test (
      tests, characters_and_none, 0, (int)G_N_ELEMENTS (characters));
  tcase_add_loop_test (tests, no_string, 0, (int)G_N_ELEMENTS (no_strings));
  tcase_add_loop_test (tests, what_is_a_number, 0, (int)G_N_ELEMENTS (numbers));
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
