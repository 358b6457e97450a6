/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The latent upsampler: names of both models, sizes, the memory plan, threads,
 * and what it refuses.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fail-alloc.h"
#include "ltx2/upsampler.h"
#include "made-weights.h"

#define IN 6

static const DvUpsamplerConfig config = {.in = IN, .mid = 32, .blocks = 2};

/* Runs over @frames of @h x @w, in just the planned memory. */
static DvTensor
run (const char *backend, int threads, DvDtype compute, int64_t frames,
    int64_t h, int64_t w)
{
  DvDeviceSpec spec = {.backend = backend, .threads = threads};
  DvDevice *device = dv_device_open (&spec, NULL);
  MadeLoader *made = made_loader_new (device, compute);
  DvUpsampler *up = dv_upsampler_load (&made->loader, &config);
  int64_t from[] = {frames, h, w, IN}, to[] = {frames, 2 * h, 2 * w, IN};
  DvTensor latent = dv_tensor_new (DV_F32, 4, from);
  DvTensor out = dv_tensor_new (DV_F32, 4, to);
  DvStream *stream = dv_stream_new_dry (device, NULL);
  DvError error;
  size_t bytes;

  ck_assert_ptr_nonnull (up);
  made_numbers (latent.data, (size_t)dv_tensor_count (&latent), 5, 1);
  dv_upsampler_run (up, stream, &out, &latent);
  bytes = stream->arena.peak;
  dv_stream_free (stream);
  stream = dv_stream_new (device, bytes, NULL);
  dv_upsampler_run (up, stream, &out, &latent);
  ck_assert_msg (
      dv_stream_status (stream, &error) == DV_OK, "%s", error.detail);
  ck_assert_uint_eq (stream->arena.peak, bytes);
  dv_stream_free (stream);
  dv_tensor_clear (&latent);
  dv_upsampler_free (up);
  made_loader_free (made);
  dv_device_unref (device);
  return out;
}

START_TEST (threads_change_nothing)
{
  const DvDtype compute = _i ? DV_BF16 : DV_F32;
  DvTensor one = run (NULL, 1, compute, 2, 3, 5);

  for (int threads = 2; threads <= 4; threads++) {
    DvTensor many = run (NULL, threads, compute, 2, 3, 5);

    ck_assert_int_eq (memcmp (one.data, many.data, dv_tensor_bytes (&one)), 0);
    dv_tensor_clear (&many);
  }
  dv_tensor_clear (&one);
}
END_TEST

START_TEST (the_smallest_latent_is_upsampled)
{
  DvTensor out = run ("ref", 1, DV_F32, 1, 1, 1);
  const float *x = out.data;

  ck_assert_int_eq (dv_tensor_count (&out), 4 * IN);
  for (int i = 0; i < 4 * IN; i++)
    ck_assert (x[i] == x[i]);
  dv_tensor_clear (&out);
}
END_TEST

START_TEST (both_models_names_are_known)
{
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  MadeLoader *made = made_loader_new (device, DV_F32);
  DvUpsamplerConfig named = config;
  DvUpsampler *up;

  named.rational = _i;
  up = dv_upsampler_load (&made->loader, &named);
  ck_assert_ptr_nonnull (up);
  ck_assert_int_eq (made_loader_asked (made, "upsampler.conv.weight"), _i);
  ck_assert_int_eq (made_loader_asked (made, "upsampler.0.weight"), !_i);
  ck_assert (made_loader_asked (made, "post_upsample_res_blocks.1.norm2.bias"));
  dv_upsampler_free (up);
  made_loader_free (made);
  dv_device_unref (device);
}
END_TEST

START_TEST (sizes_that_do_not_fit_are_refused)
{
  static const int64_t shapes[][2][4] = {
      {{2, 3, 3, IN}, {2, 6, 5, IN}},
      {{2, 3, 3, IN}, {1, 6, 6, IN}},
      {{2, 3, 3, IN + 1}, {2, 6, 6, IN + 1}},
      {{0, 3, 3, IN}, {0, 6, 6, IN}},
  };
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  MadeLoader *made = made_loader_new (device, DV_F32);
  DvUpsampler *up = dv_upsampler_load (&made->loader, &config);
  DvTensor latent = dv_tensor_new (DV_F32, 4, shapes[_i][0]);
  DvTensor out = dv_tensor_new (DV_F32, 4, shapes[_i][1]);
  DvStream *stream = dv_stream_new_dry (device, NULL);

  dv_upsampler_run (up, stream, &out, &latent);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_ARGUMENT);
  dv_stream_free (stream);
  dv_tensor_clear (&latent);
  dv_tensor_clear (&out);
  dv_upsampler_free (up);
  made_loader_free (made);
  dv_device_unref (device);
}
END_TEST

START_TEST (a_configuration_that_cannot_be_is_refused)
{
  static const DvUpsamplerConfig bad[] = {{0, 32, 1, false}, {4, 33, 1, false},
      {4, 0, 1, false}, {4, 32, 1 << 30, false}, {4, INT64_MAX - 31, 1, true}};
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  MadeLoader *made = made_loader_new (device, DV_F32);

  ck_assert_ptr_null (dv_upsampler_load (&made->loader, &bad[_i]));
  ck_assert_int_eq (dv_loader_finish (&made->loader, NULL), DV_ERROR_FORMAT);
  made_loader_free (made);
  dv_device_unref (device);
}
END_TEST

START_TEST (no_memory_is_an_error)
{
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  MadeLoader *made = made_loader_new (device, DV_F32);
  const long before = fail_alloc_live ();

  fail_alloc_at ((size_t)_i);
  ck_assert_ptr_null (dv_upsampler_load (&made->loader, &config));
  ck_assert (fail_alloc_hit ());
  ck_assert_int_eq (dv_loader_finish (&made->loader, NULL), DV_ERROR_MEMORY);
  ck_assert_int_eq (fail_alloc_live (), before);
  made_loader_free (made);
  dv_device_unref (device);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("upsampler");
  TCase *tc = tcase_create ("upsampler");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_loop_test (tc, threads_change_nothing, 0, 2);
  tcase_add_test (tc, the_smallest_latent_is_upsampled);
  tcase_add_loop_test (tc, both_models_names_are_known, 0, 2);
  tcase_add_loop_test (tc, sizes_that_do_not_fit_are_refused, 0, 4);
  tcase_add_loop_test (tc, a_configuration_that_cannot_be_is_refused, 0, 5);
  tcase_add_loop_test (tc, no_memory_is_an_error, 0, 2);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
