/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Mixing scenes, and colours taken from an image.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "procedural/painter.h"

static void
close_to (float a, float b)
{
  ck_assert_msg (fabsf (a - b) < 1e-4f, "%g is not %g", (double)a, (double)b);
}

START_TEST (the_ends_of_a_mix_are_its_scenes)
{
  DvScene a, b, out;

  dv_scene_read (&a, "a stormy sea at night", 1);
  dv_scene_read (&b, "a meadow of red flowers at noon", 2);
  dv_scene_mix (&out, &a, &b, 0);
  ck_assert_mem_eq (&out, &a, sizeof a);
  dv_scene_mix (&out, &a, &b, 1);
  ck_assert_mem_eq (&out, &b, sizeof b);
  dv_scene_mix (&out, &a, &b, -3);
  ck_assert_mem_eq (&out, &a, sizeof a);
  dv_scene_mix (&out, &a, &b, 7);
  ck_assert_mem_eq (&out, &b, sizeof b);
  dv_scene_mix (&out, &a, &b, 0.5f);
  close_to (out.sea, a.sea / 2 + b.sea / 2);
  close_to (out.sun_height, a.sun_height / 2 + b.sun_height / 2);
  ck_assert_uint_eq (out.seed, b.seed);
  dv_scene_mix (&out, &a, &b, 0.49f);
  ck_assert_uint_eq (out.seed, a.seed);
}
END_TEST

START_TEST (a_mix_may_overwrite_its_scenes)
{
  DvScene a, b, out, copy;

  dv_scene_read (&a, "a canyon", 1);
  dv_scene_read (&b, "a blue lake", 2);
  dv_scene_mix (&out, &a, &b, 0.3f);
  copy = a;
  dv_scene_mix (&copy, &copy, &b, 0.3f);
  ck_assert_mem_eq (&copy, &out, sizeof out);
  copy = b;
  dv_scene_mix (&copy, &a, &copy, 0.3f);
  ck_assert_mem_eq (&copy, &out, sizeof out);
}
END_TEST

START_TEST (hues_mix_the_short_way_round)
{
  DvScene a, b, out;

  dv_scene_default (&a);
  dv_scene_default (&b);
  a.hue = 0.95f;
  b.hue = 0.15f;
  dv_scene_mix (&out, &a, &b, 0.5f);
  close_to (out.hue, 0.05f);
  dv_scene_mix (&out, &b, &a, 0.25f);
  close_to (out.hue, 0.1f);
  dv_scene_mix (&out, &b, &a, 0.9f);
  close_to (out.hue, 0.97f);
  ck_assert (out.hue >= 0 && out.hue < 1);
}
END_TEST

static DvScene
coloured (int r, int g, int b)
{
  uint8_t pixels[9 * 40];
  DvImage image = {pixels, 12, 9, 40};
  DvScene scene;

  memset (pixels, 0xee, sizeof pixels);
  for (int y = 0; y < 9; y++)
    for (int x = 0; x < 12; x++) {
      pixels[40 * y + 3 * x] = (uint8_t)r;
      pixels[40 * y + 3 * x + 1] = (uint8_t)g;
      pixels[40 * y + 3 * x + 2] = (uint8_t)b;
    }
  dv_scene_default (&scene);
  dv_scene_colour (&scene, &image);
  return scene;
}

START_TEST (an_image_gives_its_colours)
{
  DvScene red = coloured (220, 20, 20), blue = coloured (20, 30, 220);
  DvScene grey = coloured (128, 128, 128), white = coloured (250, 250, 250);
  DvScene black = coloured (4, 4, 4);

  ck_assert (red.hue < 0.04f || red.hue > 0.96f);
  ck_assert (blue.hue > 0.6f && blue.hue < 0.72f);
  ck_assert_float_gt (red.tint, grey.tint);
  ck_assert_float_gt (red.saturation, grey.saturation);
  ck_assert_float_gt (white.brightness, black.brightness);
  ck_assert_float_gt (white.sun_height, 0.5f);
  ck_assert_float_lt (black.sun_height, -0.4f);
  ck_assert_float_gt (black.stars, white.stars);
}
END_TEST

START_TEST (no_image_changes_nothing)
{
  DvScene scene, before;
  DvImage none = {NULL, 0, 0, 0};

  dv_scene_read (&scene, "a lake", 0);
  before = scene;
  dv_scene_colour (&scene, NULL);
  dv_scene_colour (&scene, &none);
  ck_assert_mem_eq (&scene, &before, sizeof scene);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("scene");
  TCase *test = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  tcase_add_test (test, the_ends_of_a_mix_are_its_scenes);
  tcase_add_test (test, a_mix_may_overwrite_its_scenes);
  tcase_add_test (test, hues_mix_the_short_way_round);
  tcase_add_test (test, an_image_gives_its_colours);
  tcase_add_test (test, no_image_changes_nothing);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
