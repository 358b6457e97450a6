/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Usage: test-tokenizer-gemma3 GOLDEN
 *
 * Gemma 3's own tokenizer.json, which DREAMVERSE_TOKENIZER names: the ids of
 * the golden (tests/goldens/tokenizer/README.md), how long opening and long
 * prompts take, and how much memory.  tests/run.sh installs the file.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "ltx2/json-stream.h"
#include "ltx2/tokenizer.h"

#define MAX_CASES 128
#define MAX_IDS 8192

typedef struct {
  int32_t *id;
  size_t n;
} Ids;

typedef struct {
  char *name, *text;
  size_t length;
  Ids ids, stripped;
} Case;

typedef struct {
  char *name;
  int64_t max;
  Ids ids, mask;
} Padded;

static const char *golden, *path;
static Case cases[MAX_CASES];
static Padded padded[MAX_CASES];
static int n_cases, n_padded;
static DvTokenizer *tokenizer;
static double opening; /* seconds */

/* The process's own time: the machine may be busy with something else. */
static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the golden ---- */

static char *
read_text (DvJsonStream *json, size_t *length)
{
  const char *text;
  char *copy;
  size_t n;

  ck_assert (dv_json_expect (json, DV_JSON_STRING, "a string"));
  text = dv_json_text (json, &n);
  copy = malloc (n + 1);
  ck_assert_ptr_nonnull (copy);
  memcpy (copy, text, n + 1);
  if (length)
    *length = n;
  return copy;
}

static int64_t
read_number (DvJsonStream *json)
{
  int64_t value;

  ck_assert (dv_json_expect (json, DV_JSON_NUMBER, "a number"));
  ck_assert (dv_json_integer (json, &value));
  return value;
}

static Ids
read_ids (DvJsonStream *json)
{
  Ids ids = {malloc (MAX_IDS * sizeof (int32_t)), 0};
  int64_t value;

  ck_assert_ptr_nonnull (ids.id);
  ck_assert (dv_json_expect (json, DV_JSON_ARRAY, "ids"));
  while (dv_json_next (json) == DV_JSON_NUMBER) {
    ck_assert (dv_json_integer (json, &value));
    ck_assert_uint_lt (ids.n, MAX_IDS);
    ids.id[ids.n++] = (int32_t)value;
  }
  return ids;
}

static void
read_case (DvJsonStream *json, Case *c, Padded *p)
{
  while (dv_json_next (json) == DV_JSON_KEY) {
    if (dv_json_text_is (json, "name"))
      c->name = p->name = read_text (json, NULL);
    else if (dv_json_text_is (json, "text"))
      c->text = read_text (json, &c->length);
    else if (dv_json_text_is (json, "ids"))
      c->ids = read_ids (json);
    else if (dv_json_text_is (json, "stripped_ids"))
      c->stripped = read_ids (json);
    else if (dv_json_text_is (json, "input_ids"))
      p->ids = read_ids (json);
    else if (dv_json_text_is (json, "attention_mask"))
      p->mask = read_ids (json);
    else if (dv_json_text_is (json, "max_length"))
      p->max = read_number (json);
    else
      ck_assert (dv_json_skip (json));
  }
}

static void
read_golden (void)
{
  DvError error = {0};
  DvJsonStream *json = dv_json_open (golden, &error);
  Case no_case;
  Padded not_padded;

  ck_assert_msg (json != NULL, "%s", error.detail);
  ck_assert (dv_json_expect (json, DV_JSON_OBJECT, "an object"));
  while (dv_json_next (json) == DV_JSON_KEY) {
    if (dv_json_text_is (json, "cases")) {
      ck_assert (dv_json_expect (json, DV_JSON_ARRAY, "cases"));
      while (dv_json_next (json) == DV_JSON_OBJECT)
        read_case (json, &cases[n_cases++], &not_padded);
    } else if (dv_json_text_is (json, "padded")) {
      ck_assert (dv_json_expect (json, DV_JSON_ARRAY, "rows"));
      while (dv_json_next (json) == DV_JSON_OBJECT)
        read_case (json, &no_case, &padded[n_padded++]);
    } else {
      ck_assert (dv_json_skip (json));
    }
  }
  ck_assert_msg (dv_json_status (json, &error) == DV_OK, "%s", error.detail);
  dv_json_close (json);
  ck_assert_int_eq (n_cases, 63);
  ck_assert_int_eq (n_padded, 3);
}

static void
setup (void)
{
  DvError error = {0};
  double start = now ();

  tokenizer = dv_tokenizer_open (path, &error);
  opening = now () - start;
  ck_assert_msg (tokenizer != NULL, "%s", error.detail);
  read_golden ();
}

static void
teardown (void)
{
  for (int i = 0; i < n_cases; i++) {
    free (cases[i].name);
    free (cases[i].text);
    free (cases[i].ids.id);
    free (cases[i].stripped.id);
  }
  for (int i = 0; i < n_padded; i++) {
    free (padded[i].name);
    free (padded[i].ids.id);
    free (padded[i].mask.id);
  }
  dv_tokenizer_free (tokenizer);
}

/* ---- tests ---- */

static void
check_ids (const char *name, const int32_t *ids, size_t n, const Ids *expected)
{
  ck_assert_msg (
      n == expected->n, "%s: %zu ids, not %zu", name, n, expected->n);
  for (size_t i = 0; i < n; i++)
    ck_assert_msg (ids[i] == expected->id[i], "%s: id %zu is %d, not %d", name,
        i, ids[i], expected->id[i]);
}

START_TEST (every_string_has_the_goldens_ids)
{
  for (int i = 0; i < n_cases; i++) {
    const Case *c = &cases[i];
    const Ids *stripped = c->stripped.id ? &c->stripped : &c->ids;
    int32_t *ids;
    size_t n;

    ck_assert_int_eq (
        dv_tokenizer_encode (tokenizer, c->text, c->length, &ids, &n, NULL),
        DV_OK);
    check_ids (c->name, ids, n, &c->ids);
    free (ids);
    ck_assert_int_eq (dv_tokenizer_encode_prompt (
                          tokenizer, c->text, MAX_IDS, &ids, &n, NULL),
        DV_OK);
    check_ids (c->name, ids, n, stripped);
    free (ids);
  }
}
END_TEST

/* The model computes real tokens only; the padding is what is left. */
START_TEST (padded_rows_are_cut_as_the_golden)
{
  for (int i = 0; i < n_padded; i++) {
    const Padded *p = &padded[i];
    const char *text = NULL;
    size_t n, n_pad = 0;
    int32_t *ids;
    Ids real;

    for (int k = 0; k < n_cases; k++)
      if (strcmp (cases[k].name, p->name) == 0)
        text = cases[k].text;
    ck_assert_ptr_nonnull (text);
    ck_assert_int_eq (dv_tokenizer_encode_prompt (
                          tokenizer, text, (size_t)p->max, &ids, &n, NULL),
        DV_OK);
    while (n_pad < p->mask.n && p->mask.id[n_pad] == 0) {
      ck_assert_int_eq (p->ids.id[n_pad], DV_TOKEN_PAD);
      n_pad++;
    }
    real = (Ids){p->ids.id + n_pad, p->ids.n - n_pad};
    check_ids (p->name, ids, n, &real);
    free (ids);
  }
}
END_TEST

START_TEST (opening_takes_little_time_and_memory)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  printf ("# opened in %.3f s, %ld kB resident at most\n", opening,
      usage.ru_maxrss);
  if (TIMES) {
    ck_assert_double_lt (opening, 1.0);
    ck_assert_int_lt (usage.ru_maxrss, 100000);
  }
}
END_TEST

static const struct {
  const char *unit;
} long_prompts[] = {{"a red fox runs through deep snow, "}, {" "}, {"\n"},
    {"a"}, {"<"}, {"ab"}, {"\xe5\x9f\x8e"}, {"\xf0\xa0\xae\xb7"},
    {"\xe2\x96\x81"}, {"<unused1"}};

START_TEST (a_prompt_of_100000_characters_takes_well_under_a_second)
{
  size_t unit = strlen (long_prompts[_i].unit), length = 100000 / unit * unit;
  char *text = malloc (length + 1);
  double start;
  int32_t *ids;
  size_t n;

  ck_assert_ptr_nonnull (text);
  for (size_t i = 0; i < length; i++)
    text[i] = long_prompts[_i].unit[i % unit];
  text[length] = '\0';
  start = now ();
  ck_assert_int_eq (
      dv_tokenizer_encode (tokenizer, text, length, &ids, &n, NULL), DV_OK);
  if (TIMES)
    ck_assert_double_lt (now () - start, 0.5);
  ck_assert_uint_gt (n, 1);
  free (ids);
  free (text);
}
END_TEST

int
main (int argc, char **argv)
{
  Suite *suite;
  TCase *test;
  SRunner *runner;
  int failed;

  path = getenv ("DREAMVERSE_TOKENIZER");
  golden = argc > 1 ? argv[1] : NULL;
  if (!golden || !path || !*path) {
    printf ("1..0 # SKIP DREAMVERSE_TOKENIZER names no tokenizer.json\n");
    return EXIT_SUCCESS;
  }
  suite = suite_create ("tokenizer-gemma3");
  test = tcase_create ("all");
  runner = srunner_create (suite);
  suite_add_tcase (suite, test);
  /* Once for all: opening is what takes the time. */
  tcase_add_unchecked_fixture (test, setup, teardown);
  tcase_add_test (test, every_string_has_the_goldens_ids);
  tcase_add_test (test, padded_rows_are_cut_as_the_golden);
  tcase_add_test (test, opening_takes_little_time_and_memory);
  tcase_add_loop_test (test,
      a_prompt_of_100000_characters_takes_well_under_a_second, 0,
      sizeof long_prompts / sizeof *long_prompts);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
