/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tokenizer's tables: strings, pairs, and the longest literal at a place.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail-alloc.h"
#include "ltx2/token-table.h"

#define MANY 5000

static DvTokenTable
numbers (void)
{
  DvTokenTable table = {0};
  char text[16];

  for (int i = 0; i < MANY; i++) {
    int n = snprintf (text, sizeof text, "%d", i);

    ck_assert_int_eq (
        dv_token_table_add (&table, text, (size_t)n, 3 * i), DV_TABLE_ADDED);
  }
  return table;
}

START_TEST (strings_are_found_whole_and_in_two_parts)
{
  DvTokenTable table = numbers ();
  char text[16];

  for (int i = 0; i < 2 * MANY; i++) {
    size_t n = (size_t)snprintf (text, sizeof text, "%d", i);
    int expected = i < MANY ? 3 * i : -1;

    for (size_t cut = 0; cut <= n; cut++)
      ck_assert_int_eq (
          dv_token_table_find (&table, text, cut, text + cut, n - cut),
          expected);
  }
  ck_assert_int_eq (dv_token_table_find (&table, "", 0, NULL, 0), -1);
  ck_assert_int_eq (dv_token_table_add (&table, "77", 2, 1), DV_TABLE_TWICE);
  ck_assert_int_eq (dv_token_table_find (&table, "77", 2, NULL, 0), 231);
  ck_assert_int_eq (dv_token_table_add (&table, "", 0, 8), DV_TABLE_ADDED);
  ck_assert_int_eq (dv_token_table_find (&table, "", 0, NULL, 0), 8);
  dv_token_table_clear (&table);
  ck_assert_int_eq (dv_token_table_find (&table, "77", 2, NULL, 0), -1);
}
END_TEST

START_TEST (pairs_have_their_ranks)
{
  DvMergeTable table = {0};

  ck_assert_ptr_null (dv_merge_table_find (&table, 0, 0));
  for (int i = 0; i < MANY; i++)
    ck_assert_int_eq (
        dv_merge_table_add (&table, i % 71, i, i + 1), DV_TABLE_ADDED);
  ck_assert_int_eq (dv_merge_table_add (&table, 1, 72, 5), DV_TABLE_TWICE);
  for (int i = 0; i < MANY; i++) {
    const DvMerge *merge = dv_merge_table_find (&table, i % 71, i);

    ck_assert_ptr_nonnull (merge);
    ck_assert_uint_eq (merge->rank, (unsigned)i);
    ck_assert_int_eq (merge->joined, i + 1);
    ck_assert_ptr_null (dv_merge_table_find (&table, i % 71 + 1, i));
  }
  dv_merge_table_clear (&table);
}
END_TEST

static int32_t
match (const DvLiterals *literals, const char *text)
{
  const DvLiteral *found = dv_literals_match (literals, text, strlen (text));

  return found ? found->id : -1;
}

START_TEST (the_longest_literal_wins)
{
  static const char *const texts[] = {
      "a", "ab", "abcd", "b\xff", "b\xff\xff", "\x80", "<one>", "<on", "\n"};
  DvTokenTable table = {0};
  DvLiterals literals;

  for (int i = 0; i < (int)(sizeof texts / sizeof *texts); i++)
    dv_token_table_add (&table, texts[i], strlen (texts[i]), i);
  dv_token_table_add (&table, "", 0, 99);
  ck_assert (dv_literals_build (&literals, &table));
  ck_assert_int_eq (match (&literals, "a"), 0);
  ck_assert_int_eq (match (&literals, "axx"), 0);
  ck_assert_int_eq (match (&literals, "abc"), 1);
  ck_assert_int_eq (match (&literals, "abcd"), 2);
  ck_assert_int_eq (match (&literals, "abcde"), 2);
  ck_assert_int_eq (match (&literals, "b"), -1);
  ck_assert_int_eq (match (&literals, "b\xff\xfe"), 3);
  ck_assert_int_eq (match (&literals, "b\xff\xff\xff"), 4);
  ck_assert_int_eq (match (&literals, "\x80"), 5);
  ck_assert_int_eq (match (&literals, "<one"), 7);
  ck_assert_int_eq (match (&literals, "<one>"), 6);
  ck_assert_int_eq (match (&literals, "\n\n"), 8);
  ck_assert_int_eq (match (&literals, "c"), -1);
  ck_assert_int_eq (match (&literals, ""), -1);
  dv_literals_clear (&literals);
  dv_token_table_clear (&table);
}
END_TEST

START_TEST (no_memory_changes_nothing)
{
  for (size_t n = 0;; n++) {
    DvTokenTable table = {0};
    DvLiterals literals = {0};
    long before = fail_alloc_live ();
    bool good = true;
    char text[16];

    fail_alloc_at (n);
    for (int i = 0; good && i < 600; i++)
      good = dv_token_table_add (&table, text,
                 (size_t)snprintf (text, sizeof text, "%d", i),
                 i) == DV_TABLE_ADDED;
    good = good && dv_literals_build (&literals, &table);
    if (!fail_alloc_hit ())
      ck_assert (good);
    else
      ck_assert (!good);
    for (size_t i = 0; i < table.n; i++)
      ck_assert_int_eq (
          dv_token_table_find (&table, table.text + table.entry[i].text,
              table.entry[i].length, NULL, 0),
          (int)i);
    dv_literals_clear (&literals);
    dv_token_table_clear (&table);
    ck_assert_int_eq (fail_alloc_live (), before);
    if (good)
      break;
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("token-table");
  TCase *test = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  tcase_add_test (test, strings_are_found_whole_and_in_two_parts);
  tcase_add_test (test, pairs_have_their_ranks);
  tcase_add_test (test, the_longest_literal_wins);
  tcase_add_test (test, no_memory_changes_nothing);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
