/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people write for steps and LoRAs.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "generator.h"

START_TEST (counts_are_the_models_own_levels)
{
  static const float five[] = {1, 0.975f, 0.909375f, 0.725f, 0.421875f, 0};
  static const float two[] = {0.909375f, 0.421875f, 0};
  DvSteps steps;

  ck_assert_int_eq (dv_steps_parse ("5+2", &steps, NULL), DV_OK);
  ck_assert_uint_eq (steps.n[0], 6);
  ck_assert_uint_eq (steps.n[1], 3);
  ck_assert_mem_eq (steps.sigmas[0], five, sizeof five);
  ck_assert_mem_eq (steps.sigmas[1], two, sizeof two);
  ck_assert_int_eq (dv_steps_parse ("8", &steps, NULL), DV_OK);
  ck_assert_uint_eq (steps.n[0], 9);
  ck_assert_uint_eq (steps.n[1], 0);
  ck_assert_int_eq (dv_steps_parse ("", &steps, NULL), DV_OK);
  ck_assert_uint_eq (steps.n[0], 0);
  ck_assert_int_eq (dv_steps_parse (NULL, &steps, NULL), DV_OK);
}
END_TEST

/* Whatever the locale writes for a point. */
START_TEST (levels_are_taken_as_they_are)
{
  DvSteps steps;

  setlocale (LC_ALL, "de_DE.UTF-8");
  ck_assert_int_eq (dv_steps_parse ("1,0.975,.5,0+2", &steps, NULL), DV_OK);
  ck_assert_uint_eq (steps.n[0], 4);
  ck_assert_float_eq (steps.sigmas[0][1], 0.975f);
  ck_assert_float_eq (steps.sigmas[0][2], 0.5f);
  ck_assert_uint_eq (steps.n[1], 3);
  ck_assert_int_eq (
      dv_steps_parse ("3+0.909375,0.421875,0", &steps, NULL), DV_OK);
  ck_assert_float_eq (steps.sigmas[1][0], 0.909375f);
  setlocale (LC_ALL, "C");
}
END_TEST

START_TEST (nonsense_is_refused_in_words)
{
  static const char *const wrong[] = {"0", "9+2", "5+4", "5+", "+2", "five",
      " 5", "5 ", "-5", "5+2+1", "1,2,0", "0.5,0.9,0", "1,0.5", "1,,0", "1,0,",
      ",", "1;0", "nan,0", "inf,0", "1e999,0", "99999999999999999999", "0x5+2",
      "5+0.9"};
  char many[400] = "";
  DvSteps steps;

  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    DvError error = {0};

    ck_assert_msg (
        dv_steps_parse (wrong[i], &steps, &error) == DV_ERROR_ARGUMENT,
        "\"%s\" was taken", wrong[i]);
    ck_assert_uint_gt (strlen (error.detail), 10);
  }
  for (int i = 99; i > 10; i--)
    sprintf (many + strlen (many), ".%d,", i);
  strcat (many, "0");
  ck_assert_int_eq (dv_steps_parse (many, &steps, NULL), DV_ERROR_ARGUMENT);
}
END_TEST

static void
is_lora (const char *text, const char *path, float strength)
{
  DvLoraSpec lora;

  ck_assert_int_eq (dv_lora_parse (text, &lora, NULL), DV_OK);
  ck_assert_str_eq (lora.path, path);
  ck_assert_float_eq (lora.strength, strength);
  free ((char *)lora.path);
}

START_TEST (loras_have_a_path_and_a_strength)
{
  DvLoraSpec lora;

  is_lora ("a.safetensors", "a.safetensors", 1);
  is_lora ("a.safetensors:0.6", "a.safetensors", 0.6f);
  is_lora ("a:b.safetensors", "a:b.safetensors", 1);
  is_lora ("a:b:-2", "a:b", -2);
  is_lora ("a:", "a:", 1);
  is_lora ("a:nan", "a:nan", 1);
  ck_assert_int_eq (dv_lora_parse ("", &lora, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_lora_parse (":1", &lora, NULL), DV_ERROR_ARGUMENT);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("choices");
  TCase *tcase = tcase_create ("all");
  SRunner *runner;
  int failed;

  tcase_add_test (tcase, counts_are_the_models_own_levels);
  tcase_add_test (tcase, levels_are_taken_as_they_are);
  tcase_add_test (tcase, nonsense_is_refused_in_words);
  tcase_add_test (tcase, loras_have_a_path_and_a_strength);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed > 0;
}
