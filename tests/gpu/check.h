/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * As much of Check as the tests of ops use, for machines that lack it: tests
 * run one after another in this process, and the first that fails ends it.
 *
 * Threads: one.
 */
#ifndef GPU_CHECK_H
#define GPU_CHECK_H

#include <stdio.h>
#include <stdlib.h>

typedef void (*TFun) (int i);

typedef struct {
  TFun function[512];
  int at[512], n;
} TCase;

typedef struct {
  TCase *tests;
} Suite;

typedef struct {
  Suite *suite;
} SRunner;

enum { CK_ENV };

#define START_TEST(name)                                                       \
  static void name (int _i)                                                    \
  {                                                                            \
    (void)_i;
#define END_TEST }

#define ck_assert_msg(condition, ...)                                          \
  do {                                                                         \
    if (!(condition)) {                                                        \
      printf ("%s:%d: %s: ", __FILE__, __LINE__, #condition);                  \
      printf (__VA_ARGS__);                                                    \
      printf ("\n");                                                           \
      exit (EXIT_FAILURE);                                                     \
    }                                                                          \
  } while (0)
#define ck_assert(condition) ck_assert_msg (condition, "does not hold")
#define ck_assert_int_eq(a, b) ck_assert ((a) == (b))
#define ck_assert_int_gt(a, b) ck_assert ((a) > (b))
#define ck_assert_ptr_nonnull(a) ck_assert ((a) != NULL)
#define ck_assert_ptr_null(a) ck_assert ((a) == NULL)

static inline Suite *
suite_create (const char *name)
{
  (void)name;
  return calloc (1, sizeof (Suite));
}

static inline TCase *
tcase_create (const char *name)
{
  (void)name;
  return calloc (1, sizeof (TCase));
}

static inline void
tcase_set_timeout (TCase *tests, double seconds)
{
  (void)tests;
  (void)seconds;
}

static inline void
tcase_add_loop_test (TCase *tests, TFun function, int from, int to)
{
  for (int i = from; i < to && tests->n < 512; i++) {
    tests->function[tests->n] = function;
    tests->at[tests->n++] = i;
  }
}

static inline void
tcase_add_test (TCase *tests, TFun function)
{
  tcase_add_loop_test (tests, function, 0, 1);
}

static inline void
suite_add_tcase (Suite *suite, TCase *tests)
{
  suite->tests = tests;
}

static inline SRunner *
srunner_create (Suite *suite)
{
  SRunner *runner = calloc (1, sizeof *runner);

  if (runner)
    runner->suite = suite;
  return runner;
}

static inline void
srunner_run_all (SRunner *runner, int how)
{
  TCase *tests = runner->suite->tests;

  (void)how;
  for (int i = 0; i < tests->n; i++)
    tests->function[i](tests->at[i]);
  printf ("ok: %d tests\n", tests->n);
}

static inline int
srunner_ntests_failed (SRunner *runner)
{
  (void)runner;
  return 0;
}

static inline void
srunner_free (SRunner *runner)
{
  free (runner->suite->tests);
  free (runner->suite);
  free (runner);
}

#endif
