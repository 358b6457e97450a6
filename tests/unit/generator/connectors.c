/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The feature extractor and the connectors: features of more rows than are
 * made at a time against the formula, registers, the memory plan, and what is
 * refused. The blocks' values are those of the goldens.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fail-alloc.h"
#include "text-rig.h"

#define L 5
#define D 24

static TextRig rig;

static void
teardown (void)
{
  text_rig_close (&rig);
}

static DvTensor
made_hidden (int64_t n)
{
  DvTensor hidden = dv_tensor_new (DV_F32, 3, (int64_t[]){L, n, D});
  float *h = hidden.data;

  made_numbers (h, (size_t)dv_tensor_count (&hidden), 3, 2);
  /* The layers are of quite different sizes. */
  for (int64_t i = 0; i < dv_tensor_count (&hidden); i++)
    h[i] = h[i] * (float)(1 + i / (n * D)) + (float)(i / (n * D));
  return hidden;
}

/* A tensor that the connectors were loaded with, as doubles. */
static double
made_value (const char *name, int64_t i, DvDtype dtype)
{
  for (int k = 0; k < rig.made[1]->n; k++)
    if (strcmp (rig.made[1]->name[k], name) == 0) {
      if (dtype == DV_BF16)
        return (double)dv_f32_from_bf16 (
            ((const uint16_t *)rig.made[1]->kept[k])[i]);
      return (double)((const float *)rig.made[1]->kept[k])[i];
    }
  ck_abort_msg ("%s was not loaded", name);
  return 0;
}

static double
state (const DvTensor *hidden, int64_t l, int64_t t, int64_t d)
{
  const float *h = hidden->data;

  return (double)h[(l * hidden->shape[1] + t) * D + d];
}

/* ---- the formulas of section 3.3, as they are written ---- */

static double
feature (const DvTensor *hidden, bool v23, int64_t l, int64_t t, int64_t d)
{
  double sum = 0, low = INFINITY, high = -INFINITY;
  int64_t n = hidden->shape[1];

  if (v23) {
    for (int64_t c = 0; c < D; c++)
      sum += state (hidden, l, t, c) * state (hidden, l, t, c);
    return state (hidden, l, t, d) / sqrt (sum / D + 1e-6);
  }
  for (int64_t r = 0; r < n; r++)
    for (int64_t c = 0; c < D; c++) {
      double h = state (hidden, l, r, c);

      sum += h;
      low = h < low ? h : low;
      high = h > high ? h : high;
    }
  return 8 * (state (hidden, l, t, d) - sum / (double)(D * n)) /
         (high - low + 1e-6);
}

/* e[t][column] */
static double
projected (const DvTensor *hidden, bool v23, const char *name, int64_t width,
    int64_t t, int64_t column)
{
  char weight[64], bias[64];
  double sum = 0;

  snprintf (weight, sizeof weight, "%s.weight", name);
  snprintf (bias, sizeof bias, "%s.bias", name);
  for (int64_t d = 0; d < D; d++)
    for (int64_t l = 0; l < L; l++)
      sum += feature (hidden, v23, l, t, d) *
             made_value (weight, column * D * L + d * L + l, DV_BF16);
  return v23 ? sum * sqrt ((double)width / D) +
                   made_value (bias, column, DV_F32)
             : sum;
}

typedef struct {
  DvTensor *video, *audio;
} Seen;

static void
see (void *user, DvStream *stream, const char *name, const DvTensor *tensor)
{
  Seen *seen = user;
  DvTensor *to = strcmp (name, "video_features") == 0   ? seen->video
                 : strcmp (name, "audio_features") == 0 ? seen->audio
                                                        : NULL;

  if (!to)
    return;
  *to = dv_tensor_new (DV_F32, 2, tensor->shape);
  dv_copy (stream, to, tensor);
}

static void
check_features (
    const DvTensor *got, const DvTensor *hidden, bool v23, const char *name)
{
  static const int64_t rows[] = {0, 1, 63, 64, 127, 128, 199, 255, 256, 299};
  const float *e = got->data;

  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (int64_t c = 0; c < got->shape[1]; c += 5) {
      double expected =
          projected (hidden, v23, name, got->shape[1], rows[i], c);

      ck_assert_double_eq_tol (
          (double)e[rows[i] * got->shape[1] + c], expected, 2e-5);
    }
}

START_TEST (features_of_many_rows_are_the_formulas)
{
  bool v23 = _i;
  DvTensor hidden = made_hidden (300), video, audio, seen_video, seen_audio;
  Seen seen = {&seen_video, &seen_audio};
  DvProbe probe = {see, &seen};
  DvStream *stream;

  text_rig_open (&rig, "ref", 1, v23);
  rig.text_config.video.layers = rig.text_config.audio.layers = 0;
  text_rig_load (&rig, DV_F32);
  text_rig_contexts (&rig, &hidden, 304, &video, &audio);
  stream = dv_stream_new (rig.device, rig.planned, NULL);
  dv_connectors_run (rig.connectors, stream, &hidden, &video, &audio, &probe);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  dv_stream_free (stream);
  check_features (
      &seen_video, &hidden, v23, v23 ? "video_text_proj_in" : "text_proj_in");
  check_features (
      &seen_audio, &hidden, v23, v23 ? "audio_text_proj_in" : "text_proj_in");
  dv_tensor_clear (&hidden);
  dv_tensor_clear (&video);
  dv_tensor_clear (&audio);
  dv_tensor_clear (&seen_video);
  dv_tensor_clear (&seen_audio);
}
END_TEST

/* Without blocks the context is rms of the features and, in row i behind
 * them, of register i % 8: whatever the number of tokens. */
START_TEST (registers_are_taken_by_the_absolute_row)
{
  int64_t n = 1 + _i;
  DvTensor hidden = made_hidden (n), video, audio;

  text_rig_open (&rig, "ref", 1, false);
  rig.text_config.video.layers = rig.text_config.audio.layers = 0;
  text_rig_load (&rig, DV_F32);
  text_rig_contexts (&rig, &hidden, 20, &video, &audio);
  for (int64_t row = n; row < 20; row++) {
    double squares = 0;

    for (int64_t c = 0; c < D; c++)
      squares += pow (made_value ("audio_connector.learnable_registers",
                          row % 8 * D + c, DV_F32),
          2);
    for (int64_t c = 0; c < D; c++)
      ck_assert_double_eq_tol ((double)((float *)audio.data)[row * D + c],
          made_value (
              "audio_connector.learnable_registers", row % 8 * D + c, DV_F32) /
              sqrt (squares / D + 1e-6),
          1e-5);
  }
  dv_tensor_clear (&hidden);
  dv_tensor_clear (&video);
  dv_tensor_clear (&audio);
}
END_TEST

START_TEST (every_row_sees_every_other)
{
  DvTensor hidden = made_hidden (7), video[2], audio[2];

  text_rig_open (&rig, "ref", 1, _i);
  text_rig_load (&rig, DV_F32);
  text_rig_contexts (&rig, &hidden, 32, &video[0], &audio[0]);
  ((float *)hidden.data)[6 * D + 5] += 1; /* the last token, layer 0 */
  text_rig_contexts (&rig, &hidden, 32, &video[1], &audio[1]);
  for (int64_t row = 0; row < 32; row++) {
    size_t bytes = (size_t)video[0].shape[1] * sizeof (float);

    ck_assert (memcmp (dv_tensor_at (&video[0], 1, &row),
                   dv_tensor_at (&video[1], 1, &row), bytes) != 0);
  }
  for (int i = 0; i < 2; i++) {
    dv_tensor_clear (&video[i]);
    dv_tensor_clear (&audio[i]);
  }
  dv_tensor_clear (&hidden);
}
END_TEST

START_TEST (bf16_and_threads)
{
  DvTensor hidden = made_hidden (150), video[3], audio[3];
  TextRig other;

  for (int i = 0; i < 3; i++) {
    text_rig_open (&other, i ? NULL : "ref", i ? i : 1, _i);
    text_rig_load (&other, i ? DV_BF16 : DV_F32);
    text_rig_contexts (&other, &hidden, 160, &video[i], &audio[i]);
    text_rig_close (&other);
  }
  text_rig_open (&rig, "ref", 1, _i);
  ck_assert_double_lt (text_rig_difference (&video[1], &video[0]), 1e-2);
  ck_assert_double_lt (text_rig_difference (&audio[1], &audio[0]), 1e-2);
  ck_assert_mem_eq (video[1].data, video[2].data, dv_tensor_bytes (&video[1]));
  ck_assert_mem_eq (audio[1].data, audio[2].data, dv_tensor_bytes (&audio[1]));
  for (int i = 0; i < 3; i++) {
    dv_tensor_clear (&video[i]);
    dv_tensor_clear (&audio[i]);
  }
  dv_tensor_clear (&hidden);
}
END_TEST

/* ---- what is refused ---- */

static DvStatus
try_run (size_t bytes, const int64_t *hidden_shape, int64_t video_rows,
    int64_t audio_rows, DvError *error)
{
  DvTensor hidden = dv_tensor_new (DV_F32, 3, hidden_shape);
  DvTensor video = dv_tensor_new (DV_F32, 2, (int64_t[]){video_rows, 24});
  DvTensor audio = dv_tensor_new (DV_F32, 2, (int64_t[]){audio_rows, 24});
  DvStream *stream = NULL;
  DvStatus status = DV_ERROR_MEMORY;

  if (hidden.data && video.data && audio.data)
    stream = dv_stream_new (rig.device, bytes, error);
  if (stream) {
    dv_connectors_run (rig.connectors, stream, &hidden, &video, &audio, NULL);
    status = dv_stream_status (stream, error);
  }
  dv_stream_free (stream);
  dv_tensor_clear (&hidden);
  dv_tensor_clear (&video);
  dv_tensor_clear (&audio);
  return status;
}

START_TEST (shapes_that_do_not_fit_are_refused)
{
  static const struct {
    int64_t hidden[3], video, audio;
  } wrong[] = {{{L + 1, 3, D}, 32, 32}, {{L, 3, D + 1}, 32, 32},
      {{L, 33, D}, 32, 32}, {{L, 0, D}, 32, 32}, {{L, 3, D}, 32, 31}};
  static const int64_t right[] = {L, 3, D};
  DvError error = {0};

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_int_eq (try_run (1 << 22, wrong[i].hidden, wrong[i].video,
                          wrong[i].audio, &error),
        DV_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull (strstr (error.detail, "contexts"));
  }
  ck_assert_int_eq (try_run (1 << 22, right, 32, 32, &error), DV_OK);
  ck_assert_int_eq (try_run (1 << 10, right, 32, 32, &error), DV_ERROR_MEMORY);
}
END_TEST

START_TEST (no_memory_leaves_nothing)
{
  static const int64_t shape[] = {L, 3, D};

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  for (size_t n = 0;; n++) {
    long before = fail_alloc_live ();
    DvError error = {0};
    DvStatus status;

    fail_alloc_at (n);
    status = try_run (1 << 22, shape, 32, 32, &error);
    if (!fail_alloc_hit ()) {
      ck_assert_int_eq (status, DV_OK);
      ck_assert_uint_gt (n, 8);
      break;
    }
    ck_assert_int_eq (status, DV_ERROR_MEMORY);
    ck_assert_int_eq (fail_alloc_live (), before);
  }
}
END_TEST

START_TEST (loading_without_memory_leaves_nothing)
{
  text_rig_open (&rig, "ref", 1, true);
  for (size_t n = 0;; n++) {
    long before = fail_alloc_live ();
    MadeLoader *made = made_loader_new (rig.device, DV_F32);
    DvConnectors *connectors;
    bool hit;

    fail_alloc_at (n);
    connectors = dv_connectors_load (&made->loader, &rig.text_config);
    hit = fail_alloc_hit ();
    ck_assert_int_eq (hit, connectors == NULL);
    ck_assert_int_eq (made->loader.status, hit ? DV_ERROR_MEMORY : DV_OK);
    dv_connectors_free (connectors);
    made_loader_free (made);
    ck_assert_int_eq (fail_alloc_live (), before);
    if (!hit)
      break;
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("connectors");
  TCase *test = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  tcase_add_checked_fixture (test, NULL, teardown);
  tcase_add_loop_test (test, features_of_many_rows_are_the_formulas, 0, 2);
  tcase_add_loop_test (test, registers_are_taken_by_the_absolute_row, 0, 12);
  tcase_add_loop_test (test, every_row_sees_every_other, 0, 2);
  tcase_add_loop_test (test, bf16_and_threads, 0, 2);
  tcase_add_test (test, shapes_that_do_not_fit_are_refused);
  tcase_add_test (test, no_memory_leaves_nothing);
  tcase_add_test (test, loading_without_memory_leaves_nothing);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
