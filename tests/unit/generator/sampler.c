/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The denoise loop, guidance and conditioning beyond the golden cases.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "dit-rig.h"
#include "fail-alloc.h"
#include "ltx2/conditioning.h"
#include "ltx2/sampler.h"

static const float sigmas[] = {1, 0.9f, 0.6f, 0.2f, 0};

#define STEPS 4

typedef struct {
  DitRig *rig;
  DvTensor x[2], clean[2];
  DvSampling sampling;
  int done, stop_after;
} Loop;

static bool
progress (void *user, int done, int steps)
{
  Loop *loop = user;

  ck_assert_int_eq (steps, STEPS);
  ck_assert_int_eq (done, loop->done + 1);
  loop->done = done;
  return done != loop->stop_after;
}

static Loop *
loop_new (bool v23, bool masked)
{
  Loop *loop = calloc (1, sizeof *loop);
  DvSampleSide *side[2];

  ck_assert_ptr_nonnull (loop);
  loop->rig = dit_rig_new (NULL, 2, DV_F32, v23, 2, 3, 9);
  loop->sampling = (DvSampling){
      .sigmas = sigmas, .steps = STEPS, .progress = progress, .user = loop};
  side[0] = &loop->sampling.video;
  side[1] = &loop->sampling.audio;
  for (int i = 0; i < 2; i++) {
    DvTensor *latent = &loop->rig->latent[i];

    loop->x[i] = dv_tensor_new (DV_F32, 2, latent->shape);
    loop->clean[i] = dv_tensor_new (DV_F32, 2, latent->shape);
    made_numbers (loop->clean[i].data, (size_t)dv_tensor_count (latent),
        31 + (uint64_t)i, 1);
    *side[i] = (DvSampleSide){
        .latent = &loop->x[i],
        .context = &loop->rig->context[i],
        .mask = masked ? &loop->rig->mask[i] : NULL,
        .clean = masked ? &loop->clean[i] : NULL,
        .positions = &loop->rig->positions[i],
    };
  }
  return loop;
}

static void
loop_free (Loop *loop)
{
  for (int i = 0; i < 2; i++) {
    dv_tensor_clear (&loop->x[i]);
    dv_tensor_clear (&loop->clean[i]);
  }
  dit_rig_free (loop->rig);
  free (loop);
}

static float *
row (DvTensor *t, int64_t i)
{
  return (float *)t->data + i * t->shape[1];
}

/* From the rig's latents, given tokens clean, in just the planned memory. */
static DvStatus
loop_run (Loop *loop, const DvProbe *probe)
{
  DvStream *stream = dv_stream_new_dry (loop->rig->device, NULL);
  DvStatus status;
  size_t bytes;

  for (int i = 0; i < 2; i++) {
    memcpy (loop->x[i].data, loop->rig->latent[i].data,
        dv_tensor_bytes (&loop->x[i]));
    for (int64_t n = 0; n < loop->x[i].shape[0]; n++)
      if (((float *)loop->rig->mask[i].data)[n] == 0)
        memcpy (row (&loop->x[i], n), row (&loop->clean[i], n),
            sizeof (float) * RIG_CHANNELS);
  }
  loop->done = 0;
  dv_sample (loop->rig->dit, stream, &loop->sampling, NULL, probe);
  ck_assert_int_eq (loop->done, 0);
  bytes = stream->arena.peak;
  status = dv_stream_status (stream, NULL);
  dv_stream_free (stream);
  if (status != DV_OK)
    return status;
  stream = dv_stream_new (loop->rig->device, bytes, NULL);
  dv_sample (loop->rig->dit, stream, &loop->sampling, NULL, probe);
  status = dv_stream_status (stream, NULL);
  ck_assert_uint_eq (stream->arena.used, 0);
  ck_assert_uint_le (stream->arena.peak, bytes);
  dv_stream_free (stream);
  return status;
}

/* Which tokens are given stays as given, at every step, to the bit. */
static void
see_given_tokens (
    void *user, DvStream *stream, const char *name, const DvTensor *tensor)
{
  Loop *loop = user;
  int side = strstr (name, "audio") ? 1 : 0;
  DvTensor t = *tensor;

  for (int64_t n = 0; n < t.shape[0]; n++) {
    bool given = ((float *)loop->rig->mask[side].data)[n] == 0;
    int other = memcmp (row (&t, n), row (&loop->clean[side], n),
        sizeof (float) * RIG_CHANNELS);

    ck_assert (given ? other == 0 : other != 0);
  }
}

static DvGuidance
guidance_of (Loop *loop, float cfg, float stg, float mod, float rescale)
{
  return (DvGuidance){
      .video = {cfg, stg, mod, rescale},
      .audio = {cfg, stg, mod, rescale},
      .stg_block = 1,
      .video_context = &loop->rig->context[0],
      .audio_context = &loop->rig->context[1],
  };
}

/* _i: bit 0 the model, bit 1 with guidance. */
START_TEST (given_tokens_stay_as_they_are)
{
  Loop *loop = loop_new (_i & 1, true);
  DvGuidance guidance = guidance_of (loop, 3, 1, 3, 0.7f);
  DvProbe probe = {see_given_tokens, loop};

  if (_i & 2)
    loop->sampling.guidance = &guidance;
  ck_assert_int_eq (loop_run (loop, &probe), DV_OK);
  ck_assert_int_eq (loop->done, STEPS);
  loop_free (loop);
}
END_TEST

START_TEST (guidance_that_asks_for_nothing_changes_nothing)
{
  Loop *plain = loop_new (_i & 1, true), *guided = loop_new (_i & 1, true);
  DvGuidance nothing = guidance_of (guided, 1, 0, 1, 0.7f);

  guided->sampling.guidance = &nothing;
  ck_assert_int_eq (loop_run (plain, NULL), DV_OK);
  ck_assert_int_eq (loop_run (guided, NULL), DV_OK);
  for (int i = 0; i < 2; i++) {
    const float *a = plain->x[i].data, *b = guided->x[i].data;

    for (int64_t n = 0; n < dv_tensor_count (&plain->x[i]); n++)
      ck_assert_float_eq_tol (a[n], b[n], 1e-4f);
  }
  loop_free (plain);
  loop_free (guided);
}
END_TEST

/* Each term by itself moves the result. */
START_TEST (each_kind_of_guidance_has_an_effect)
{
  Loop *plain = loop_new (false, false), *guided = loop_new (false, false);
  DvGuidance guidance = guidance_of (
      guided, _i == 0 ? 4 : 1, _i == 1 ? 2 : 0, _i == 2 ? 3 : 1, 0);
  DvTensor negative = dv_tensor_new (DV_F32, 2, guided->rig->context[0].shape);

  guidance.video_context = &negative;
  guided->sampling.guidance = &guidance;
  ck_assert_int_eq (loop_run (plain, NULL), DV_OK);
  ck_assert_int_eq (loop_run (guided, NULL), DV_OK);
  ck_assert_mem_ne (
      plain->x[0].data, guided->x[0].data, dv_tensor_bytes (&plain->x[0]));
  dv_tensor_clear (&negative);
  loop_free (plain);
  loop_free (guided);
}
END_TEST

START_TEST (a_loop_ends_after_the_step_that_the_caller_ends_it_at)
{
  Loop *loop = loop_new (false, false);

  loop->stop_after = _i;
  ck_assert_int_eq (loop_run (loop, NULL), DV_CANCELLED);
  ck_assert_int_eq (loop->done, _i);
  loop->stop_after = 0;
  ck_assert_int_eq (loop_run (loop, NULL), DV_OK);
  ck_assert_int_eq (loop->done, STEPS);
  loop_free (loop);
}
END_TEST

START_TEST (a_loop_that_cannot_be_is_refused)
{
  static const float rising[] = {0.5f, 0.6f, 0.7f, 0.8f, 0};
  Loop *loop = loop_new (false, true);

  if (_i == 0)
    loop->sampling.sigmas = rising;
  else if (_i == 1)
    loop->sampling.steps = 0;
  else if (_i == 2)
    loop->sampling.video.clean = NULL;
  else
    loop->sampling.audio.context = NULL;
  ck_assert_int_eq (loop_run (loop, NULL), DV_ERROR_ARGUMENT);
  loop_free (loop);
}
END_TEST

/* ---- conditioning ---- */

START_TEST (given_latents_are_written_and_masked)
{
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  DvStream *stream = dv_stream_new (device, 4096, NULL);
  float clean_values[6 * 2], given_values[2 * 2] = {1, 2, 3, 4};
  float noise_values[6 * 2], x_values[6 * 2];
  DvTensor clean = DV_TENSOR (clean_values, DV_F32, 6, 2);
  DvTensor given = DV_TENSOR (given_values, DV_F32, 2, 2);
  DvTensor noise = DV_TENSOR (noise_values, DV_F32, 6, 2);
  DvTensor x = DV_TENSOR (x_values, DV_F32, 6, 2);
  DvCondition condition;
  const float *mask;

  for (int i = 0; i < 12; i++) {
    clean_values[i] = NAN;
    noise_values[i] = 10;
    x_values[i] = 5;
  }
  ck_assert_int_eq (dv_condition_init (&condition, &clean, NULL), DV_OK);
  dv_zero (stream, &clean);
  ck_assert_ptr_null (dv_condition_mask (&condition));
  dv_condition_write (&condition, stream, &given, 1, 0.75f);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  ck_assert_ptr_nonnull (dv_condition_mask (&condition));
  mask = condition.mask.data;
  for (int i = 0; i < 6; i++) {
    bool is = i == 1 || i == 2;

    ck_assert (mask[i] == (is ? 0.25f : 1));
    ck_assert (clean_values[2 * i] == (is ? given_values[2 * (i - 1)] : 0));
  }
  dv_condition_noise (&condition, stream, &noise, &noise, 0.5f);
  dv_condition_mix (&condition, stream, &x);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  ck_assert (noise_values[0] == 5); /* 10 * 0.5 */
  ck_assert (noise_values[2] == 10 * 0.125f + 1 * 0.875f);
  ck_assert (x_values[0] == 5);
  ck_assert (x_values[5] == 5 * 0.25f + 4 * 0.75f);
  /* Beyond the tokens, and nonsense. */
  dv_condition_write (&condition, stream, &given, 5, 1);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_ARGUMENT);
  dv_stream_reset (stream);
  dv_condition_write (&condition, stream, &given, -1, 1);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_ARGUMENT);
  dv_stream_reset (stream);
  dv_condition_write (&condition, stream, &given, 0, 1.5f);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_ARGUMENT);
  dv_condition_clear (&condition);
  dv_stream_free (stream);
  dv_device_unref (device);
}
END_TEST

/* All tokens alike, with and without a mask of ones. */
START_TEST (noising_without_conditions_is_plain)
{
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  DvStream *stream = dv_stream_new (device, 4096, NULL);
  float clean_values[4] = {1, 2, 3, 4}, noise_values[4] = {4, 3, 2, 1};
  DvTensor clean = DV_TENSOR (clean_values, DV_F32, 2, 2);
  DvTensor noise = DV_TENSOR (noise_values, DV_F32, 2, 2);
  DvCondition condition;

  ck_assert_int_eq (dv_condition_init (&condition, &clean, NULL), DV_OK);
  dv_condition_noise (&condition, stream, &noise, &noise, 0.25f);
  for (int i = 0; i < 4; i++)
    ck_assert (
        noise_values[i] == (float)(4 - i) * 0.25f + clean_values[i] * 0.75f);
  dv_condition_clear (&condition);
  dv_stream_free (stream);
  dv_device_unref (device);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("sampler");
  TCase *tc = tcase_create ("sampler");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_loop_test (tc, given_tokens_stay_as_they_are, 0, 4);
  tcase_add_loop_test (
      tc, guidance_that_asks_for_nothing_changes_nothing, 0, 2);
  tcase_add_loop_test (tc, each_kind_of_guidance_has_an_effect, 0, 3);
  tcase_add_loop_test (
      tc, a_loop_ends_after_the_step_that_the_caller_ends_it_at, 1, STEPS + 1);
  tcase_add_loop_test (tc, a_loop_that_cannot_be_is_refused, 0, 4);
  tcase_add_test (tc, given_latents_are_written_and_masked);
  tcase_add_test (tc, noising_without_conditions_is_plain);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
