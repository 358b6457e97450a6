/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tokenizer with a small vocabulary: what it joins, in which order, and
 * every way in which a tokenizer.json or a prompt can be wrong.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail-alloc.h"
#include "tiny-tokenizer.h"

#define GLYPH "\xe2\x96\x81"

static DvTokenizer *tokenizer;

static void
setup (void)
{
  char *json = tiny_tokenizer_json (false);
  DvError error = {0};

  tokenizer = tiny_tokenizer_read (json, 0, &error);
  ck_assert_msg (tokenizer != NULL, "%s", error.detail);
  free (json);
}

static void
teardown (void)
{
  dv_tokenizer_free (tokenizer);
}

/* "2 274" */
static void
check_ids (const char *text, size_t length, const char *expected)
{
  char got[512] = "";
  size_t n, at = 0;
  int32_t *ids;
  DvError error = {0};

  ck_assert_msg (
      dv_tokenizer_encode (tokenizer, text, length, &ids, &n, &error) == DV_OK,
      "%s", error.detail);
  for (size_t i = 0; i < n; i++)
    at += (size_t)snprintf (
        got + at, sizeof got - at, "%s%d", i ? " " : "", ids[i]);
  ck_assert_msg (
      strcmp (got, expected) == 0, "'%s': %s, not %s", text, got, expected);
  free (ids);
}

static const struct {
  const char *text, *ids;
} cases[] = {
    {"", "2"},
    {"hello", "2 274"},
    {"hello world", "2 274 282"},
    {"helo", "2 271 275"},
    {"lll", "2 272 265"}, /* leftmost first */
    {" ", "2 262"},       /* the glyph */
    {"    ", "2 277"},    /* rank 0 needs rank 1 first */
    {"       ", "2 277 276 262"},
    {GLYPH GLYPH, "2 276"},    /* the same as spaces */
    {"\xc3\xa9", "2 270"},     /* in the vocabulary */
    {"\xc3\xa8", "2 201 174"}, /* bytes C3 A8 */
    {"h\xf0\x9f\xa6\x8a", "2 263 246 165 172 144"},
    {"<bos>hello<eos><pad", "2 2 274 1 66 118 103 269"},
    {"\n", "2 4"},
    {"\n\n", "2 4 4"},
    {"\n\n\n", "2 5"},
    {"\n\n\n\n\n", "2 5 4 4"}, /* longest first, from the left */
    {"he\nllo", "2 271 4 273"},
};

START_TEST (texts_have_their_ids)
{
  check_ids (cases[_i].text, strlen (cases[_i].text), cases[_i].ids);
}
END_TEST

START_TEST (a_text_may_hold_a_nul)
{
  check_ids ("h\0e", 3, "2 263 6 264");
}
END_TEST

/* The rule as it is written, without a heap. */
static size_t
join_plainly (int32_t *ids, size_t n)
{
  for (;;) {
    const DvMerge *best = NULL;
    size_t at = 0;

    for (size_t i = 0; i + 1 < n; i++) {
      const DvMerge *merge =
          dv_merge_table_find (&tokenizer->merges, ids[i], ids[i + 1]);

      if (merge && (!best || merge->rank < best->rank)) {
        best = merge;
        at = i;
      }
    }
    if (!best)
      return n;
    ids[at] = best->joined;
    memmove (ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
    n--;
  }
}

START_TEST (random_texts_are_joined_as_the_rule_says)
{
  unsigned state = 1;

  for (int round = 0; round < 2000; round++) {
    char text[64];
    int32_t plain[64], *ids;
    size_t length = (size_t)round % sizeof text, n, n_plain;

    for (size_t i = 0; i < length; i++) {
      state = state * 1103515245u + 12345u;
      text[i] = "helowrd    ll"[(state >> 16) % 13];
      plain[i] = dv_token_table_find (&tokenizer->vocabulary,
          text[i] == ' ' ? GLYPH : &text[i], text[i] == ' ' ? 3 : 1, NULL, 0);
    }
    n_plain = join_plainly (plain, length);
    ck_assert_int_eq (
        dv_tokenizer_encode (tokenizer, text, length, &ids, &n, NULL), DV_OK);
    ck_assert_uint_eq (n, n_plain + 1);
    ck_assert_mem_eq (ids + 1, plain, n_plain * sizeof *plain);
    free (ids);
  }
}
END_TEST

START_TEST (a_prompt_is_stripped_and_cut)
{
  static const char prompt[] = " \t\n\xe3\x80\x80hello\xc2\xa0\x1c ";
  int32_t *ids;
  size_t n;

  ck_assert_int_eq (
      dv_tokenizer_encode_prompt (tokenizer, prompt, 8, &ids, &n, NULL), DV_OK);
  ck_assert_uint_eq (n, 2);
  ck_assert_int_eq (ids[1], 274);
  free (ids);
  ck_assert_int_eq (
      dv_tokenizer_encode_prompt (tokenizer, prompt, 1, &ids, &n, NULL), DV_OK);
  ck_assert_uint_eq (n, 1);
  ck_assert_int_eq (ids[0], DV_TOKEN_BOS);
  free (ids);
  ck_assert_int_eq (
      dv_tokenizer_encode_prompt (tokenizer, " \n ", 8, &ids, &n, NULL), DV_OK);
  ck_assert_uint_eq (n, 1);
  free (ids);
}
END_TEST

START_TEST (invalid_utf8_is_refused_with_its_place)
{
  DvError error = {0};
  int32_t *ids = NULL;
  size_t n;

  ck_assert_int_eq (dv_tokenizer_encode_prompt (
                        tokenizer, "  hello \xed\xa0\x80", 8, &ids, &n, &error),
      DV_ERROR_ARGUMENT);
  ck_assert_ptr_null (ids);
  ck_assert_uint_eq (n, 0);
  ck_assert_ptr_nonnull (strstr (error.detail, "0xED at offset 8"));
}
END_TEST

START_TEST (a_text_without_end_is_refused)
{
  DvError error = {0};
  int32_t *ids;
  size_t n;

  ck_assert_int_eq (dv_tokenizer_encode (
                        tokenizer, "", ((size_t)1 << 26) + 1, &ids, &n, &error),
      DV_ERROR_ARGUMENT);
}
END_TEST

START_TEST (an_encoding_without_memory_leaves_nothing)
{
  for (size_t at = 0;; at++) {
    DvError error = {0};
    long before = fail_alloc_live ();
    int32_t *ids;
    size_t n;
    DvStatus status;

    fail_alloc_at (at);
    status =
        dv_tokenizer_encode_prompt (tokenizer, " hello ", 8, &ids, &n, &error);
    if (!fail_alloc_hit ()) {
      ck_assert_int_eq (status, DV_OK);
      free (ids);
      ck_assert_int_eq (fail_alloc_live (), before);
      break;
    }
    /* That the result could not be made smaller is no error. */
    if (status == DV_OK) {
      ck_assert_uint_eq (n, 2);
      free (ids);
    } else {
      ck_assert_int_eq (status, DV_ERROR_MEMORY);
      ck_assert_ptr_null (ids);
    }
    ck_assert_int_eq (fail_alloc_live (), before);
  }
  check_ids ("hello", 5, "2 274");
}
END_TEST

/* ---- reading ---- */

START_TEST (every_form_of_the_file_reads_the_same)
{
  for (int form = 0; form < 4; form++) {
    char *json = tiny_tokenizer_json (form);
    DvError error = {0};

    for (size_t piece = 0; piece < 4; piece++) {
      dv_tokenizer_free (tokenizer);
      tokenizer = tiny_tokenizer_read (json, piece, &error);
      ck_assert_msg (tokenizer != NULL, "%s", error.detail);
      check_ids ("hello world", 11, "2 274 282");
    }
    free (json);
  }
}
END_TEST

static const struct {
  const char *from, *to, *says;
} wrong[] = {
    {"{", "[", "an object is missing"},
    {"{", "3 {", "an object"},
    {"\"id\": 3", "\"id\": -3", "id is no number"},
    {"\"id\": 3", "\"id\": 3.5", "id is no number"},
    {"\"id\": 3", "\"id\": 2147483648", "id is no number"},
    {"\"id\": 3", "\"id\": \"3\"", "id is missing"},
    {"\"id\": 3,", "", "lacks its id"},
    {"\"content\": \"<unk>\",", "", "lacks its id or content"},
    {"\"content\": \"<unk>\"", "\"content\": \"\"", "empty"},
    {"\"content\": \"<unk>\"", "\"content\": 5", "content is missing"},
    {"\"content\": \"<unk>\"", "\"content\": \"<bos>\"", "twice"},
    {"\"lstrip\": false", "\"lstrip\": true", "not literal"},
    {"\"added_tokens\": [", "\"added_tokens\": [4,", "no object"},
    {"\"added_tokens\": [", "\"added_tokens\": 4, \"a\": [", "list of added"},
    {"\"Replace\"", "\"NFC\"", "normalizer"},
    {"\"String\": \" \"", "\"Regex\": \"x\"", "normalizer"},
    {"\"pattern\": {", "\"pattern\": \" \", \"a\": {", "normalizer"},
    {"\"content\": \"" GLYPH "\"}", "\"content\": \"_\"}", "normalizer"},
    {"\"normalizer\": {", "\"normalizer\": 4, \"a\": {", "normalizer"},
    {"\"BPE\"", "\"Unigram\"", "byte-pair"},
    {"\"model\": {", "\"model\": 1, \"a\": {", "model is missing"},
    {"\"model\":", "\"other\":", "are missing"},
    {"\"byte_fallback\": true", "\"byte_fallback\": false", "byte fallback"},
    {"\"byte_fallback\": true,", "", "byte fallback"},
    {"\"ignore_merges\": false", "\"ignore_merges\": true", "dropout"},
    {"\"dropout\": null", "\"dropout\": 0.1", "dropout"},
    {"\"vocab\": {", "\"vocab\": 4, \"a\": {", "vocabulary is missing"},
    {"\"vocab\": {", "\"vocab\": {}, \"vocab\": {", "vocab twice"},
    {"\"merges\": [", "\"merges\": [], \"merges\": [", "merges twice"},
    {"\"merges\": [", "\"merges\": 4, \"a\": [", "merges is missing"},
    {"\"merges\":", "\"other\":", "are missing"},
    {"\"merges\": [", "\"merges\": [7,", "no pair"},
    {"\"merges\": [", "\"merges\": [\"he\",", "no pair"},
    {"\"merges\": [", "\"merges\": [\"h e l\",", "no pair"},
    {"\"merges\": [", "\"merges\": [\"h x\",", "not in the vocabulary"},
    {"\"merges\": [", "\"merges\": [\"h h\",", "not in the vocabulary"},
    {"\"merges\": [", "\"merges\": [[\"h\"],", "right half"},
    {"\"merges\": [", "\"merges\": [[],", "left half"},
    {"\"merges\": [", "\"merges\": [[\"h\",\"e\",\"l\"],", "end of a merge"},
    {"\"merges\": [", "\"merges\": [\"h e\",", "twice"},
    {"\"d\": 269", "\"h\": 269", "twice"},
    {"\"d\": 269", "\"d\": true", "id is missing"},
    {"\"<0x00>\"", "\"<0x100>\"", "<0x00> is not in"},
    {"\"id\": 2, \"content\": \"<bos>\"", "\"id\": 7, \"content\": \"<bos>\"",
        "<bos> is not token 2"},
};

START_TEST (a_file_that_is_not_gemmas_is_refused_in_words)
{
  char *json = tiny_replaced (
      tiny_tokenizer_json (TINY_PLAIN), wrong[_i].from, wrong[_i].to);
  DvError error = {0};

  ck_assert_ptr_null (tiny_tokenizer_read (json, 0, &error));
  ck_assert_int_eq (error.code, DV_ERROR_FORMAT);
  ck_assert_msg (strstr (error.detail, wrong[_i].says) &&
                     strstr (error.detail, "tiny.json, byte "),
      "%s", error.detail);
  free (json);
}
END_TEST

START_TEST (a_token_of_a_kilobyte_is_refused)
{
  static const char *const places[] = {"\"<unk>\"", "\"world", "[\"l\""};
  char longest[1100] = "\"";

  memset (longest + 1, 'x', 1025);
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    const char *head = i == 2 ? "[" : "";
    char *json = tiny_tokenizer_json (TINY_PLAIN), with[1200];
    DvError error = {0};

    if (i == 1)
      json = tiny_replaced (json, "\"vocab\": {", "\"vocab\": {\"world\": 9,");
    snprintf (with, sizeof with, "%s%s%s", head, longest, i == 1 ? "" : "\"");
    json = tiny_replaced (json, places[i], with);
    ck_assert_ptr_null (tiny_tokenizer_read (json, 0, &error));
    ck_assert_msg (
        strstr (error.detail, "1024 bytes") != NULL, "%s", error.detail);
    free (json);
  }
}
END_TEST

START_TEST (a_file_cut_anywhere_is_refused)
{
  char *json = tiny_tokenizer_json (TINY_MERGES_FIRST);
  size_t length = strlen (json);

  while (json[length - 1] == '\n')
    length--;
  while (length-- > 0) {
    DvError error = {0};

    json[length] = '\0';
    ck_assert_ptr_null (tiny_tokenizer_read (json, 0, &error));
    ck_assert_int_eq (error.code, DV_ERROR_FORMAT);
    ck_assert_str_ne (error.detail, "");
  }
  free (json);
}
END_TEST

START_TEST (opening_without_memory_leaves_nothing)
{
  char *json = tiny_tokenizer_json (TINY_PLAIN);
  char path[] = "/tmp/dv-tokenizer-XXXXXX";
  int fd = mkstemp (path);

  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (write (fd, json, strlen (json)), (ssize_t)strlen (json));
  close (fd);
  free (json);
  for (size_t n = 0;; n++) {
    DvError error = {0};
    long before = fail_alloc_live ();
    DvTokenizer *opened;
    bool hit;

    fail_alloc_at (n);
    opened = dv_tokenizer_open (path, &error);
    hit = fail_alloc_hit ();
    ck_assert_int_eq (hit, opened == NULL);
    if (hit)
      ck_assert_int_eq (error.code, DV_ERROR_MEMORY);
    dv_tokenizer_free (opened);
    ck_assert_int_eq (fail_alloc_live (), before);
    if (!hit) {
      ck_assert_uint_gt (n, 10);
      break;
    }
  }
  unlink (path);
}
END_TEST

START_TEST (a_missing_file_is_named)
{
  DvError error = {0};

  ck_assert_ptr_null (dv_tokenizer_open ("/nowhere/tokenizer.json", &error));
  ck_assert_int_eq (error.code, DV_ERROR_NOT_FOUND);
  ck_assert_ptr_nonnull (strstr (error.detail, "/nowhere/tokenizer.json"));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tokenizer");
  TCase *test = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  tcase_add_checked_fixture (test, setup, teardown);
  tcase_add_loop_test (
      test, texts_have_their_ids, 0, sizeof cases / sizeof *cases);
  tcase_add_test (test, a_text_may_hold_a_nul);
  tcase_add_test (test, random_texts_are_joined_as_the_rule_says);
  tcase_add_test (test, a_prompt_is_stripped_and_cut);
  tcase_add_test (test, invalid_utf8_is_refused_with_its_place);
  tcase_add_test (test, a_text_without_end_is_refused);
  tcase_add_test (test, an_encoding_without_memory_leaves_nothing);
  tcase_add_test (test, every_form_of_the_file_reads_the_same);
  tcase_add_loop_test (test, a_file_that_is_not_gemmas_is_refused_in_words, 0,
      sizeof wrong / sizeof *wrong);
  tcase_add_test (test, a_token_of_a_kilobyte_is_refused);
  tcase_add_test (test, a_file_cut_anywhere_is_refused);
  tcase_add_test (test, opening_without_memory_leaves_nothing);
  tcase_add_test (test, a_missing_file_is_named);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
