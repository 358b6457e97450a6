/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The streaming JSON reader: every token, wherever the buffer ends, and one
 * clear error for what is no JSON.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail-alloc.h"
#include "ltx2/json-stream.h"

/* Writes the tokens of @text into @out, a letter or a value each. */
static DvStatus
tokens_of (const char *text, size_t length, size_t piece, char *out,
    size_t size, DvError *error)
{
  static const char letters[] = "!.{}[]ks#tfn";
  DvJsonStream *json = dv_json_from_memory ("test", text, length, piece, error);
  DvJsonKind kind;
  DvStatus status;
  size_t n = 0;

  ck_assert_ptr_nonnull (json);
  do {
    size_t n_text = 0;
    int64_t integer = 0;

    kind = dv_json_next (json);
    n += (size_t)snprintf (out + n, size - n, "%c", letters[kind]);
    if (kind == DV_JSON_KEY || kind == DV_JSON_STRING)
      n += (size_t)snprintf (
          out + n, size - n, "%s ", dv_json_text (json, &n_text));
    if (kind == DV_JSON_NUMBER && dv_json_integer (json, &integer))
      n += (size_t)snprintf (out + n, size - n, "%lld ", (long long)integer);
    ck_assert_uint_lt (n + 1, size);
  } while (kind > DV_JSON_END);
  status = dv_json_status (json, error);
  dv_json_close (json);
  return status;
}

static const struct {
  const char *text, *tokens;
} valid[] = {
    {"{}", "{}."},
    {" [ ]\r\n\t", "[]."},
    {"\"a\"", "sa ."},
    {"null", "n."},
    {"-12", "#-12 ."},
    {"0", "#0 ."},
    {"[0.5,1e3,-0,1E-2,2.25e+10]", "[###0 ##]."},
    {"9223372036854775807", "#9223372036854775807 ."},
    {"-9223372036854775808", "#-9223372036854775808 ."},
    {"9223372036854775808", "#."},
    {"123456789012345678901234567890", "#."},
    {"{\"a\":[true,false,null],\"b\" : {\"c\":1}}", "{ka [tfn]kb {kc #1 }}."},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s\"\\/\b\f\n\r\t ."},
    {"\"\\u0041\\u00e9\\u20ac\\ud83e\\udd8a\"",
        "sA\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x8a ."},
    {"\"\xf0\x9f\xa6\x8a\"", "s\xf0\x9f\xa6\x8a ."},
};

START_TEST (valid_text_gives_its_tokens_wherever_the_buffer_ends)
{
  char out[256];

  for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
    for (size_t piece = 0; piece < 9; piece++) {
      DvError error = {0};
      DvStatus status = tokens_of (valid[i].text, strlen (valid[i].text), piece,
          out, sizeof out, &error);

      ck_assert_msg (status == DV_OK, "%s: %s", valid[i].text, error.detail);
      ck_assert_str_eq (out, valid[i].tokens);
    }
  }
}
END_TEST

static const struct {
  const char *text, *says;
} invalid[] = {
    {"", "ends where a value"},
    {" ", "ends where a value"},
    {"{", "ends too early"},
    {"[", "ends where a value"},
    {"[1", "ends too early"},
    {"[1,", "ends where a value"},
    {"{\"a\"", "colon"},
    {"{\"a\":", "ends where a value"},
    {"{\"a\":1", "ends too early"},
    {"{\"a\":1,", "ends too early"},
    {"{\"a\":1,}", "no key"},
    {"{1:2}", "no key"},
    {"[1 2]", "comma"},
    {"[1}", "comma"},
    {"[}", "no value"},
    {"{]", "no key"},
    {"[1,]", "no value"},
    {"]", "no value"},
    {"1 2", "behind the value"},
    {"01", "number"},
    {"-", "number"},
    {"1.", "number"},
    {"1e", "number"},
    {"1e+", "number"},
    {".5", "no value"},
    {"tru", "word"},
    {"nulk", "word"},
    {"falsy", "word"},
    {"\"abc", "within a string"},
    {"\"a\\", "escape"},
    {"\"\\x\"", "escape"},
    {"\"\\u12\"", "\\u"},
    {"\"\\u123g\"", "\\u"},
    {"\"\\ud800\"", "\\u"},
    {"\"\\ud800\\n\"", "\\u"},
    {"\"\\ud800\\u0041\"", "\\u"},
    {"\"\\udc00\"", "\\u"},
    {"\"a\nb\"", "control"},
    {"\"\xff\"", "UTF-8"},
    {"\"\xc0\x80\"", "UTF-8"},
    {"\"\xed\xa0\x80\"", "UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "UTF-8"},
    {"\"\xe2\x82\"", "UTF-8"},
    {"\"\x80\"", "UTF-8"},
    {"\"\xf8\x88\x80\x80\x80\"", "UTF-8"},
    {"\xef\xbb\xbf{}", "no value"},
};

START_TEST (what_is_no_json_has_one_clear_error)
{
  char out[256];

  for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
    for (size_t piece = 0; piece < 4; piece++) {
      DvError error = {0};
      DvStatus status = tokens_of (invalid[i].text, strlen (invalid[i].text),
          piece, out, sizeof out, &error);

      ck_assert_int_eq (status, DV_ERROR_FORMAT);
      ck_assert_msg (strstr (error.detail, invalid[i].says) &&
                         strstr (error.detail, "test, byte "),
          "%s: %s", invalid[i].text, error.detail);
    }
  }
}
END_TEST

START_TEST (nesting_has_a_limit)
{
  char text[200], out[256];
  DvError error = {0};

  memset (text, '[', 65);
  ck_assert_int_eq (
      tokens_of (text, 65, 0, out, sizeof out, &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "64"));
  memset (text, '[', 64);
  memset (text + 64, ']', 64);
  ck_assert_int_eq (tokens_of (text, 128, 0, out, sizeof out, &error), DV_OK);
}
END_TEST

/* A long string is refused where it is wanted, and passed over elsewhere. */
START_TEST (a_long_string_is_only_skipped)
{
  size_t n = DV_JSON_MAX_TEXT + 1;
  char *text = malloc (n + 8);
  DvJsonStream *json;
  int64_t value;

  ck_assert_ptr_nonnull (text);
  memset (text, 'a', n + 8);
  memcpy (text, "[\"", 2);
  memcpy (text + 2 + n, "\",1]", 5);
  json = dv_json_from_memory ("test", text, n + 6, 0, NULL);
  ck_assert_ptr_nonnull (json);
  ck_assert_int_eq (dv_json_next (json), DV_JSON_ARRAY);
  ck_assert_int_eq (dv_json_next (json), DV_JSON_ERROR);
  ck_assert_int_eq (dv_json_status (json, NULL), DV_ERROR_FORMAT);
  dv_json_close (json);

  json = dv_json_from_memory ("test", text, n + 6, 0, NULL);
  ck_assert_ptr_nonnull (json);
  ck_assert_int_eq (dv_json_next (json), DV_JSON_ARRAY);
  ck_assert (dv_json_skip (json));
  ck_assert (dv_json_expect (json, DV_JSON_NUMBER, "a number"));
  ck_assert (dv_json_integer (json, &value));
  ck_assert_int_eq (value, 1);
  dv_json_close (json);
  free (text);
}
END_TEST

START_TEST (skipping_passes_over_whole_values)
{
  static const char text[] =
      "{\"a\": {\"b\": [1, {\"c\": \"\\u00e9\"}]}, \"d\": 7}";
  DvJsonStream *json =
      dv_json_from_memory ("test", text, sizeof text - 1, 3, NULL);

  ck_assert_ptr_nonnull (json);
  ck_assert_int_eq (dv_json_next (json), DV_JSON_OBJECT);
  ck_assert_int_eq (dv_json_next (json), DV_JSON_KEY);
  ck_assert (dv_json_skip (json));
  ck_assert_int_eq (dv_json_next (json), DV_JSON_KEY);
  ck_assert (dv_json_text_is (json, "d"));
  ck_assert (!dv_json_expect (json, DV_JSON_STRING, "a name"));
  ck_assert_int_eq (dv_json_next (json), DV_JSON_ERROR);
  ck_assert (!dv_json_skip (json));
  dv_json_close (json);
}
END_TEST

START_TEST (a_file_is_read_twice_by_rewinding)
{
  char path[] = "/tmp/dv-json-XXXXXX";
  int fd = mkstemp (path);
  DvJsonStream *json;

  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (write (fd, "[1]", 3), 3);
  close (fd);
  json = dv_json_open (path, NULL);
  ck_assert_ptr_nonnull (json);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq (dv_json_next (json), DV_JSON_ARRAY);
    ck_assert_int_eq (dv_json_next (json), DV_JSON_NUMBER);
    ck_assert_int_eq (dv_json_next (json), DV_JSON_ARRAY_END);
    ck_assert_int_eq (dv_json_next (json), DV_JSON_END);
    dv_json_rewind (json);
  }
  dv_json_close (json);
  unlink (path);
}
END_TEST

START_TEST (what_cannot_be_opened_or_read_says_so)
{
  DvError error = {0};
  DvJsonStream *json;

  ck_assert_ptr_null (dv_json_open ("/nowhere/tokenizer.json", &error));
  ck_assert_int_eq (error.code, DV_ERROR_NOT_FOUND);
  ck_assert_ptr_nonnull (strstr (error.detail, "/nowhere/tokenizer.json"));

  json = dv_json_open ("/", &error);
  ck_assert_ptr_nonnull (json);
  ck_assert_int_eq (dv_json_next (json), DV_JSON_ERROR);
  ck_assert_int_eq (dv_json_status (json, &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "cannot be read"));
  dv_json_close (json);
}
END_TEST

START_TEST (no_memory_is_an_error)
{
  DvError error = {0};

  fail_alloc_at (0);
  ck_assert_ptr_null (dv_json_from_memory ("test", "1", 1, 0, &error));
  ck_assert (fail_alloc_hit ());
  ck_assert_int_eq (error.code, DV_ERROR_MEMORY);
  fail_alloc_at (0);
  ck_assert_ptr_null (dv_json_open ("/", &error));
  ck_assert (fail_alloc_hit ());
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("json-stream");
  TCase *tc = tcase_create ("json-stream");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_test (tc, valid_text_gives_its_tokens_wherever_the_buffer_ends);
  tcase_add_test (tc, what_is_no_json_has_one_clear_error);
  tcase_add_test (tc, nesting_has_a_limit);
  tcase_add_test (tc, a_long_string_is_only_skipped);
  tcase_add_test (tc, skipping_passes_over_whole_values);
  tcase_add_test (tc, a_file_is_read_twice_by_rewinding);
  tcase_add_test (tc, what_cannot_be_opened_or_read_says_so);
  tcase_add_test (tc, no_memory_is_an_error);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
