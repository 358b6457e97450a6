/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What words do to a scene, and that no bytes do harm.
 */
#include <check.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "procedural/scene.h"
#include "procedural/words.h"

#define N_FLOATS (offsetof (DvScene, seed) / sizeof (float))

static DvScene
read_prompt (const char *prompt)
{
  DvScene scene;

  dv_scene_read (&scene, prompt, 0);
  return scene;
}

static float
value_at (const DvScene *scene, size_t offset)
{
  float value;

  memcpy (&value, (const char *)scene + offset, sizeof value);
  return value;
}

/* Every word of every group does what its group says. */
START_TEST (each_word_moves_its_fields)
{
  size_t n;
  const DvWordGroup *groups = dv_words_groups (&n);
  unsigned words = 0;

  for (size_t i = 0; i < n; i++) {
    char list[1024], *rest = list, *word;

    ck_assert_uint_lt (strlen (groups[i].words), sizeof list);
    strcpy (list, groups[i].words);
    while ((word = strsep (&rest, " "))) {
      char prompt[128];
      DvScene scene;
      bool moved = false;

      words++;
      ck_assert_uint_le (strlen (word), DV_WORD_MAX);
      ck_assert_msg (dv_words_find (word) == &groups[i],
          "'%s' belongs to two groups", word);
      snprintf (prompt, sizeof prompt, "a hill, %s", word);
      for (char *p = prompt; *p; p++)
        *p = *p == '_' ? ' ' : *p;
      scene = read_prompt (prompt);
      for (int k = 0; k < DV_WORD_EFFECTS; k++) {
        const DvEffect *e = &groups[i].effect[k];
        float before, after = value_at (&scene, e->offset);
        DvScene plain = read_prompt ("a hill");

        before = value_at (&plain, e->offset);
        if (e->kind == DV_EFFECT_RAISE)
          moved |= after >= e->value * 0.19f && after > 0;
        else if (e->kind == DV_EFFECT_SET)
          moved |= fabsf (after - e->value) < 1e-6f;
        else if (e->kind == DV_EFFECT_ADD)
          moved |= e->value > 0 ? after > before : after < before;
      }
      ck_assert_msg (moved, "'%s' did nothing", prompt);
    }
  }
  ck_assert_uint_gt (words, 400);
}
END_TEST

static const struct {
  const char *prompt;
  size_t field;
  float low, high;
} directions[] = {
#define AT(field) offsetof (DvScene, field)
    {"mountains", AT (mountains), 0.8f, 1},
    {"MOUNTAINS", AT (mountains), 0.8f, 1},
    {"rolling hills", AT (hills), 0.8f, 1},
    {"cities of light", AT (city), 0.8f, 1},
    {"beaches", AT (sea), 0.8f, 1},
    {"a foggy morning", AT (fog), 0.6f, 1},
    {"fogged windows", AT (fog), 0.6f, 1},
    {"it is raining", AT (rain), 0.6f, 1},
    {"snowing softly", AT (snow), 0.5f, 1},
    {"starry", AT (stars), 0.8f, 1},
    {"starry", AT (sun_height), -1, -0.5f},
    {"golden hour", AT (sun_height), 0.05f, 0.2f},
    {"blue hour", AT (sun_height), -0.3f, -0.1f},
    {"noon", AT (sun_height), 0.8f, 1},
    {"northern lights", AT (aurora), 0.8f, 1},
    {"cherry blossoms", AT (blossom), 0.8f, 1},
    {"fireflies", AT (fireflies), 0.8f, 1},
    {"a forest, no rain", AT (rain), 0, 0},
    {"rain? without rain", AT (rain), 0, 0},
    {"a cloudless sky", AT (clouds), 0, 0.1f},
    {"treeless hills", AT (trees), 0, 0},
    {"no fog, rain", AT (rain), 0.6f, 1},
    {"light rain", AT (rain), 0.3f, 0.5f},
    {"very foggy", AT (fog), 0.95f, 1},
    {"a calm sea", AT (calm), 0.9f, 1},
    {"a storm at sea", AT (waves), 0.9f, 1},
    {"slow", AT (speed), 0, 0.2f},
    {"fast", AT (speed), 0.6f, 1},
    {"panning left", AT (camera_x), -1, -0.5f},
    {"zoom in", AT (camera_zoom), 0.5f, 1},
    {"zoom out", AT (camera_zoom), -1, -0.5f},
    {"teal", AT (hue), 0.45f, 0.53f},
    {"crimson", AT (hue), 0.97f, 1},
    {"film noir", AT (saturation), 0, 0.1f},
    {"church bells", AT (bells), 0.9f, 1},
#undef AT
};

START_TEST (words_go_the_right_way)
{
  DvScene scene = read_prompt (directions[_i].prompt);
  float value = value_at (&scene, directions[_i].field);

  ck_assert_msg (value >= directions[_i].low && value <= directions[_i].high,
      "'%s': %g", directions[_i].prompt, (double)value);
}
END_TEST

START_TEST (unknown_words_are_a_stable_seed)
{
  DvScene a = read_prompt ("zorgle the blip"), b = read_prompt ("Zorgle blip");
  DvScene c = read_prompt ("zorgle the blop"), d;

  ck_assert_uint_eq (a.seed, b.seed);
  ck_assert_uint_ne (a.seed, c.seed);
  dv_scene_read (&d, "zorgle the blip", 1);
  ck_assert_uint_ne (a.seed, d.seed);
  /* Light and weather keep the shapes of a place. */
  a = read_prompt ("a lake at dawn");
  b = read_prompt ("lakes in the rain at night");
  ck_assert_uint_eq (a.seed, b.seed);
  c = read_prompt ("a mountain at dawn");
  ck_assert_uint_ne (a.seed, c.seed);
}
END_TEST

static void
check_limits (const DvScene *scene)
{
  float value[N_FLOATS];

  memcpy (value, scene, sizeof value);
  for (size_t i = 0; i < N_FLOATS; i++)
    ck_assert_msg (
        value[i] >= -1 && value[i] <= 1, "field %zu: %g", i, (double)value[i]);
  ck_assert (scene->hue >= 0 && scene->hue < 1);
}

START_TEST (an_empty_prompt_is_a_scene)
{
  DvScene a, b;

  dv_scene_read (&a, NULL, 7);
  dv_scene_read (&b, " ,. !", 7);
  check_limits (&a);
  ck_assert_mem_eq (&a, &b, sizeof a);
}
END_TEST

START_TEST (garbage_does_no_harm)
{
  uint32_t state = 1;

  for (int round = 0; round < 2000; round++) {
    size_t size = (size_t)(round % 300);
    /* Exactly as long as it says, so that a sanitizer sees the end. */
    char *bytes = malloc (size + 1);
    DvScene scene;

    for (size_t i = 0; i < size; i++) {
      state = state * 1664525u + 1013904223u;
      bytes[i] = (char)(state >> 24);
      if (bytes[i] == 0)
        bytes[i] = ' ';
    }
    bytes[size] = 0;
    dv_scene_read (&scene, bytes, state);
    check_limits (&scene);
    free (bytes);
  }
}
END_TEST

START_TEST (broken_utf8_is_letters)
{
  DvScene a = read_prompt ("\xff\xfe\xc0\x80 lake \xe2\x82"), b;

  check_limits (&a);
  ck_assert_float_gt (a.lake, 0.8f);
  a = read_prompt ("\xe6\xa1\x9c");
  b = read_prompt ("\xe6\xa1\x9b");
  ck_assert_uint_ne (a.seed, b.seed);
}
END_TEST

START_TEST (a_megabyte_is_read_quickly)
{
  size_t size = 1 << 20;
  char *prompt = malloc (size + 1);
  DvScene scene;

  /* One endless word, then many short ones. */
  memset (prompt, 'a', size);
  prompt[size] = 0;
  dv_scene_read (&scene, prompt, 0);
  check_limits (&scene);
  for (size_t i = 0; i < size; i++)
    prompt[i] = "no very rain storm "[i % 19];
  for (int i = 0; i < 20; i++)
    dv_scene_read (&scene, prompt, 0);
  check_limits (&scene);
  free (prompt);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("words");
  TCase *test = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  tcase_add_test (test, each_word_moves_its_fields);
  tcase_add_loop_test (
      test, words_go_the_right_way, 0, sizeof directions / sizeof *directions);
  tcase_add_test (test, unknown_words_are_a_stable_seed);
  tcase_add_test (test, an_empty_prompt_is_a_scene);
  tcase_add_test (test, garbage_does_no_harm);
  tcase_add_test (test, broken_utf8_is_letters);
  tcase_add_test (test, a_megabyte_is_read_quickly);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
