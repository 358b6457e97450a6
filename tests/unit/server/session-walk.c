/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random walks through sessions: the rules hold at every step of them.
 */
#include <check.h>

#include "session-walk.h"

/* Each allocation is looked after where there are sanitizers. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WALKS 400
#else
#define WALKS 2000
#endif
#define STEPS 600

START_TEST (random_walks)
{
  GRand *rand = g_rand_new_with_seed (20260821 + (guint32)_i);
  guint8 bytes[STEPS];
  WalkSum sum, all = {0, 0, 0, 0, 0};

  for (guint i = 0; i < WALKS; i++) {
    for (guint j = 0; j < STEPS; j++)
      bytes[j] = (guint8)g_rand_int (rand);
    session_walk (bytes, sizeof bytes, &sum);
    all.segments += sum.segments;
    all.streams += sum.streams;
    all.completes += sum.completes;
    all.idles += sum.idles;
  }
  g_rand_free (rand);
  /* They lead somewhere. */
  ck_assert_uint_gt (all.segments, WALKS);
  ck_assert_uint_gt (all.streams, WALKS);
  ck_assert_uint_gt (all.completes, WALKS / 10);
  ck_assert_uint_gt (all.idles, WALKS / 10);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("session-walk");
  TCase *tests = tcase_create ("walks");
  SRunner *runner;
  int failed;

  tcase_add_loop_test (tests, random_walks, 0, 4);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
