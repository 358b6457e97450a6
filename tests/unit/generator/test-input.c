/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The file of test inputs: what is in it, what is not, what cannot be used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "fail-alloc.h"
#include "ltx2/safetensors-write.h"
#include "ltx2/test-input.h"

static char path[64];

static void
set_up (void)
{
  int file;

  strcpy (path, "/tmp/dv-inputs-XXXXXX");
  file = mkstemp (path);
  ck_assert_int_ge (file, 0);
  close (file);
  setenv (DV_TEST_INPUT_VARIABLE, path, 1);
}

static void
tear_down (void)
{
  unlink (path);
  unsetenv (DV_TEST_INPUT_VARIABLE);
}

/* A file of one tensor of @n numbers, and "1.ids" before it if it is another;
 * open. */
static DvSafetensors *
file_of (const char *name, DvDtype dtype, int64_t n, const void *data)
{
  static const int32_t ids[] = {2, 3};
  bool with_ids = strcmp (name, "1.ids") != 0;
  DvSafetensorsWriter *writer = dv_safetensors_write (path, NULL);
  DvSafetensors *file;

  if (with_ids)
    dv_safetensors_write_tensor (writer, "1.ids", DV_I32, 1, &(int64_t){2});
  dv_safetensors_write_tensor (writer, name, dtype, 1, &n);
  if (with_ids)
    dv_safetensors_write_data (writer, ids, sizeof ids);
  dv_safetensors_write_data (writer, data, (size_t)n * dv_dtype_size (dtype));
  ck_assert_int_eq (dv_safetensors_write_end (writer, NULL), DV_OK);
  ck_assert_int_eq (dv_test_file_open (&file, NULL), DV_OK);
  ck_assert_ptr_nonnull (file);
  return file;
}

START_TEST (ids_of_either_size)
{
  static const int32_t small[] = {2, 7, -1};
  static const int64_t large[] = {2, 7, -1};

  for (int i = 0; i < 2; i++) {
    DvSafetensors *file = i == 0 ? file_of ("1.ids", DV_I32, 3, small)
                                 : file_of ("1.ids", DV_I64, 3, large);
    DvTestInput input;
    int32_t *ids;

    ck_assert_int_eq (dv_test_file_read (file, 1, &input, &ids, NULL), DV_OK);
    ck_assert_uint_eq (input.n_ids, 3);
    ck_assert_mem_eq (ids, small, sizeof small);
    ck_assert_ptr_eq (input.ids, ids);
    ck_assert_uint_eq (input.text_len, 0);
    free (ids);
    /* There is nothing for the next. */
    ck_assert_int_eq (dv_test_file_read (file, 2, &input, &ids, NULL), DV_OK);
    ck_assert_ptr_null (ids);
    ck_assert_ptr_null (input.ids);
    dv_safetensors_free (file);
  }
}
END_TEST

START_TEST (noise_has_its_place)
{
  static const char *const names[] = {"1.video_noise", "1.audio_noise",
      "1.stage2.video_noise", "1.stage2.audio_noise"};
  static const float noise[] = {1, -2, 3};

  for (int i = 0; i < 4; i++) {
    DvSafetensors *file = file_of (names[i], DV_F32, 3, noise);
    DvTestInput input;
    int32_t *ids;

    ck_assert_int_eq (dv_test_file_read (file, 1, &input, &ids, NULL), DV_OK);
    for (int j = 0; j < 4; j++) {
      ck_assert_uint_eq (input.n_noise[j], i == j ? 3 : 0);
      ck_assert_int_eq (input.noise[j] != NULL, i == j);
    }
    ck_assert_mem_eq (input.noise[i], noise, sizeof noise);
    free (ids);
    dv_safetensors_free (file);
  }
}
END_TEST

START_TEST (what_cannot_be_used)
{
  static const int64_t large[] = {1ll << 40, 0};
  static const float real[] = {1, 2};
  static const struct {
    const char *name;
    DvDtype dtype;
    int64_t n;
    const void *data;
  } wrong[] = {
      {"1.ids", DV_F32, 2, real},
      {"1.ids", DV_I64, 2, large},
      {"1.ids", DV_I64, 0, large},
      {"1.text_len", DV_I64, 2, large},
      {"1.text_len", DV_I64, 1, large},
      {"1.text_len", DV_I64, 1, large + 1},
      {"1.text_len", DV_F32, 1, real},
      {"1.audio_noise", DV_I64, 2, large},
  };

  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    DvSafetensors *file =
        file_of (wrong[i].name, wrong[i].dtype, wrong[i].n, wrong[i].data);
    DvError error = {0};
    DvTestInput input;
    int32_t *ids;

    ck_assert_int_eq (
        dv_test_file_read (file, 1, &input, &ids, &error), DV_ERROR_FORMAT);
    ck_assert_ptr_null (ids);
    ck_assert_msg (
        strstr (error.detail, wrong[i].name) != NULL, "%s", error.detail);
    dv_safetensors_free (file);
  }
}
END_TEST

START_TEST (no_file_and_no_memory)
{
  static const int32_t ids[] = {2};
  DvSafetensors *file = file_of ("1.ids", DV_I32, 1, ids);
  DvError error = {0};
  DvTestInput input;
  int32_t *read;

  fail_alloc_at (0);
  ck_assert_int_eq (
      dv_test_file_read (file, 1, &input, &read, &error), DV_ERROR_MEMORY);
  ck_assert (fail_alloc_hit ());
  ck_assert_ptr_null (read);
  dv_safetensors_free (file);

  setenv (DV_TEST_INPUT_VARIABLE, "/nowhere/x.safetensors", 1);
  ck_assert_int_ne (dv_test_file_open (&file, &error), DV_OK);
  ck_assert_ptr_null (file);
  unsetenv (DV_TEST_INPUT_VARIABLE);
  ck_assert_int_eq (dv_test_file_open (&file, &error), DV_OK);
  ck_assert_ptr_null (file);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("test-input");
  TCase *tcase = tcase_create ("all");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_test (tcase, ids_of_either_size);
  tcase_add_test (tcase, noise_has_its_place);
  tcase_add_test (tcase, what_cannot_be_used);
  tcase_add_test (tcase, no_file_and_no_memory);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed > 0;
}
