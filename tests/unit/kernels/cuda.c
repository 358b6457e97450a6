/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The CUDA backend's host code on a runtime of the tests: which GPU is taken
 * and what is said where none can be, what happens when any call fails, when
 * memory runs out and when the device is lost, and who computes a product.
 *
 * DREAMVERSE_CUDA_MODULE names the backend built on the fake runtime,
 * TEST_WRONG_MODULE a module of another version, TEST_REAL_MODULE, if there is
 * one, what is installed.
 *
 * Threads: one.
 */
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake-cuda.h"
#include "module.h"

static FakeCuda *fake;
static char said[4][400];
static int n_said;

static void
say (void *user, const char *sentence)
{
  if (n_said < 4)
    snprintf (said[n_said], sizeof said[0], "%s", sentence);
  n_said++;
}

static void
set_up (void)
{
  void *module =
      dlopen (getenv (DV_CUDA_MODULE_VARIABLE), RTLD_LAZY | RTLD_LOCAL);

  ck_assert_msg (module != NULL, "%s", dlerror ());
  fake = dlsym (module, FAKE_CUDA);
  ck_assert_ptr_nonnull (fake);
  n_said = 0;
}

static DvDevice *
open_gpu (int index, DvError *error)
{
  memset (error, 0, sizeof *error);
  return dv_device_open (
      &(DvDeviceSpec){.backend = "cuda", .index = index, .say = say}, error);
}

static void
refused (int index, const char *words)
{
  DvError error;

  ck_assert_ptr_null (open_gpu (index, &error));
  ck_assert_int_eq (error.code, DV_ERROR_DEVICE);
  ck_assert_msg (strstr (error.detail, words) != NULL, "no \"%s\" in: %s",
      words, error.detail);
}

/* ---- which GPU ---- */

START_TEST (a_gpu_is_taken_by_number)
{
  DvError error;
  uint64_t available, total;
  DvDevice *device = open_gpu (1, &error);

  ck_assert_msg (device != NULL, "%s", error.detail);
  ck_assert_str_eq (device->name, "cuda:1");
  ck_assert (device->has_bf16 && device->discrete);
  ck_assert_ptr_nonnull (strstr (device->about, "8 GiB"));
  dv_device_memory (device, &available, &total);
  ck_assert_uint_eq (total, (uint64_t)8 << 30);
  ck_assert_uint_gt (available, total / 2);
  dv_device_unref (device);
  ck_assert_int_eq (fake->live, 0);
}
END_TEST

START_TEST (no_gpu_is_refused_in_words)
{
  refused (2, "there is no GPU 2: this program sees 2");
  refused (-1, "there is no GPU -1");
  fake->major = 7;
  refused (0, "capability 7.0, the kernels need 8.0");
  fake->devices = 0;
  refused (0, "shows no GPU");
  fake->driver = 12040;
  refused (0, "serves CUDA 12.4 and this build needs 13.0");
  fake->driver = 0;
  refused (0, "no NVIDIA driver");
  ck_assert_int_eq (n_said, 0);
}
END_TEST

/* Whatever is wrong, the processor serves and one sentence says why. */
static void
serves_with_the_processor (const char *words)
{
  DvError error = {0};
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.say = say}, &error);

  ck_assert_msg (device != NULL, "%s", error.detail);
  ck_assert_str_eq (device->name, "cpu");
  ck_assert_int_eq (n_said, 1);
  ck_assert_msg (
      strstr (said[0], words) != NULL, "no \"%s\" in: %s", words, said[0]);
  dv_device_unref (device);
  n_said = 0;
}

START_TEST (the_best_device_is_a_gpu_or_the_processor)
{
  DvDevice *device = dv_device_open (NULL, NULL);

  ck_assert_str_eq (device->name, "cuda:0");
  dv_device_unref (device);
  fake->driver = 0;
  serves_with_the_processor ("no GPU is used: there is no NVIDIA driver");
}
END_TEST

START_TEST (a_module_that_is_not_there)
{
  setenv (DV_CUDA_MODULE_VARIABLE, "/no/such/module.so", 1);
  refused (0, "is not installed: there is no /no/such/module.so");
  serves_with_the_processor ("not installed");
}
END_TEST

START_TEST (a_module_that_does_not_fit)
{
  setenv (DV_CUDA_MODULE_VARIABLE, getenv ("TEST_WRONG_MODULE"), 1);
  refused (0, "is of another version");
  serves_with_the_processor ("another version");
  setenv (DV_CUDA_MODULE_VARIABLE, "/proc/self/exe", 1);
  refused (0, "cannot be loaded");
  setenv (DV_CUDA_MODULE_VARIABLE, "/etc/passwd", 1);
  refused (0, "cannot be loaded");
}
END_TEST

/* What is installed, on this machine: with a driver it opens, without it says
 * so. */
START_TEST (the_real_module_loads)
{
  const char *real = getenv ("TEST_REAL_MODULE");
  DvError error;
  DvDevice *device;

  if (!real || !*real)
    return;
  setenv (DV_CUDA_MODULE_VARIABLE, real, 1);
  device = open_gpu (0, &error);
  if (!device) {
    ck_assert_int_eq (error.code, DV_ERROR_DEVICE);
    ck_assert_msg (strstr (error.detail, "driver") != NULL, "%s", error.detail);
    serves_with_the_processor ("driver");
  }
  dv_device_unref (device);
}
END_TEST

/* ---- a life ---- */

#define SIZE 16

/* [SIZE, SIZE] of twos on the diagonal and a row of sixes more, changed on the
 * device, as a weight. */
static DvStatus
merged_weight (DvStream *stream, const DvTensor *square, const DvTensor *rows,
    DvWeight *w, DvError *error)
{
  DvDevice *device = stream->device;
  DvTensor x = DV_NEW (stream, DV_F32, SIZE, SIZE);
  DvTensor b = DV_NEW (stream, DV_F32, SIZE, 1);
  DvTensor a = DV_NEW (stream, DV_F32, 1, SIZE), out = x;
  DvTensor from_b = DV_RESHAPE (rows, 2 * SIZE, 1);
  DvTensor from_a = dv_slice (rows, 0, 0, 1);
  DvStatus status;

  from_b = dv_slice (&from_b, 0, 0, SIZE);
  out.data = dv_device_alloc (device, SIZE * SIZE * sizeof (float));
  if (!out.data)
    return dv_fail (error, DV_ERROR_MEMORY, "test", "no device memory");
  dv_copy (stream, &x, square);
  dv_copy (stream, &b, &from_b);
  dv_copy (stream, &a, &from_a);
  dv_merge (
      stream, &(DvMerge){.out = &out,
                  .x = &x,
                  .changes = (const DvChange[]){{&b, &a, 0.5f}, {&b, &a, 1}},
                  .n_changes = 2});
  status = dv_stream_status (stream, error);
  if (status == DV_OK)
    status = dv_weight_adopt (device, w, &out, error);
  if (status != DV_OK)
    dv_device_free (device, out.data);
  return status;
}

/* One of everything. True: all went well, and the products are right. */
static bool
live_once (DvError *error)
{
  float host[SIZE * SIZE], *pinned = NULL;
  DvTensor square = DV_TENSOR (host, DV_F32, SIZE, SIZE);
  DvTensor kernel = DV_TENSOR (host, DV_F32, SIZE, 4, 1, 2, 2);
  DvTensor rows = DV_TENSOR (host, DV_F32, 2, SIZE), a, out, more, result;
  DvTensor picture;
  DvDevice *device = open_gpu (0, error);
  DvStream *stream = NULL;
  DvFence *fence = NULL;
  DvWeight w = {0}, conv = {0}, table = {0}, merged = {0};
  bool good = false;

  if (!device)
    return false;
  for (int i = 0; i < SIZE * SIZE; i++)
    host[i] = i % SIZE == i / SIZE ? 2 : 0;
  stream = dv_stream_new (device, 64 << 20, error);
  if (stream)
    fence = dv_fence_new (device, error);
  if (!fence ||
      dv_weight_prepare (device, &w, DV_USE_MATMUL, DV_F32, &square, error) !=
          DV_OK ||
      dv_weight_prepare (device, &conv, DV_USE_CONV, DV_BF16, &kernel, error) !=
          DV_OK ||
      dv_weight_prepare (device, &table, DV_USE_PLAIN, DV_F32, &rows, error) !=
          DV_OK ||
      merged_weight (stream, &square, &rows, &merged, error) != DV_OK)
    goto done;
  pinned = dv_device_host_alloc (device, 5 * SIZE * sizeof *pinned);
  if (!pinned) {
    dv_fail (error, DV_ERROR_MEMORY, "test", "no pinned memory");
    goto done;
  }
  a = DV_NEW (stream, DV_F32, 2, SIZE);
  out = DV_NEW (stream, DV_F32, 2, SIZE);
  more = DV_NEW (stream, DV_F32, 2, SIZE);
  result = DV_TENSOR (pinned, DV_F32, 2, SIZE);
  dv_copy (stream, &a, &rows);
  dv_matmul (stream, &(DvMatmul){.out = &out, .a = &a, .w = &w});
  dv_fence_record (fence, stream);
  dv_fence_await (fence, stream);
  dv_copy (stream, &result, &out);
  dv_matmul (stream, &(DvMatmul){.out = &more, .a = &a, .w = &merged});
  result = DV_TENSOR (pinned + 2 * SIZE, DV_F32, 2, SIZE);
  dv_copy (stream, &result, &more);
  picture = DV_TENSOR (out.data, DV_F32, 2, 5, 3);
  dv_pixels (stream, &(DvPixels){.x = &picture,
                         .rgb = (uint8_t *)(pinned + 4 * SIZE),
                         .rgb_stride = 15});
  dv_fence_record (fence, stream);
  dv_fence_wait (fence, stream);
  if (dv_stream_status (stream, error) == DV_OK)
    good = pinned[0] == 4 && pinned[SIZE + 1] == 4 && pinned[1] == 0 &&
           pinned[2 * SIZE] == 16 && pinned[3 * SIZE] == 0 &&
           pinned[3 * SIZE + 1] == 4 &&
           ((uint8_t *)pinned)[4 * SIZE * sizeof *pinned] == 255;

done:
  /* What was queued before a failure may yet write there. */
  if (stream)
    dv_stream_reset (stream);
  dv_device_host_free (device, pinned);
  dv_weight_clear (device, &merged);
  dv_weight_clear (device, &table);
  dv_weight_clear (device, &conv);
  dv_weight_clear (device, &w);
  dv_fence_free (fence);
  dv_stream_free (stream);
  dv_device_unref (device);
  return good;
}

static const cudaError_t codes[] = {cudaErrorMemoryAllocation,
    cudaErrorInvalidValue, cudaErrorNoKernelImageForDevice,
    cudaErrorIllegalAddress};
#define N_CODES ((int)(sizeof codes / sizeof *codes))

/* Whichever call fails, and how: an error in words or no harm, nothing left
 * behind, and the next life is whole. */
START_TEST (any_call_fails)
{
  long n;

  for (n = 0;; n++) {
    DvError error = {0};
    bool good, failed;

    fake->failed = fake->lost = false;
    fake->code = codes[_i];
    fake->fail_at = n;
    good = live_once (&error);
    failed = fake->failed;
    fake->fail_at = -1;
    ck_assert_msg (fake->live == 0, "call %ld: %ld left", n, fake->live);
    if (!failed) {
      ck_assert (good);
      break;
    }
    if (!good)
      ck_assert_msg (error.code != DV_OK && error.detail[0],
          "call %ld failed, and no error says so", n);
  }
  ck_assert_int_gt (n, 60);
}
END_TEST

START_TEST (memory_that_runs_out)
{
  DvError error;
  DvDevice *device = open_gpu (0, &error);
  DvStream *stream;
  float host[64] = {0};
  DvTensor square = DV_TENSOR (host, DV_F32, 8, 8);
  DvWeight w;

  fake->limit (64 << 20);
  ck_assert_ptr_null (dv_stream_new (device, 1 << 30, &error));
  ck_assert_int_eq (error.code, DV_ERROR_MEMORY);
  ck_assert_ptr_nonnull (strstr (error.detail, "1073741824"));
  fake->limit (16);
  ck_assert_int_eq (
      dv_weight_prepare (device, &w, DV_USE_MATMUL, DV_F32, &square, &error),
      DV_ERROR_MEMORY);
  ck_assert_msg (strstr (error.detail, "256 bytes, f32 [8, 8]") != NULL, "%s",
      error.detail);
  ck_assert_ptr_nonnull (strstr (error.detail, "MiB are free"));
  ck_assert_ptr_null (dv_device_host_alloc (device, SIZE_MAX));
  fake->limit ((size_t)1 << 30);
  stream = dv_stream_new (device, 64 << 20, &error);
  ck_assert_msg (stream != NULL, "%s", error.detail);
  dv_stream_free (stream);
  dv_device_unref (device);
  ck_assert_int_eq (fake->live, 0);
}
END_TEST

START_TEST (a_device_that_is_lost)
{
  DvError error;
  DvDevice *device = open_gpu (0, &error);
  DvStream *stream = dv_stream_new (device, 64 << 20, &error);
  float host[4] = {0};
  DvTensor from = DV_TENSOR (host, DV_F32, 4), to = DV_NEW (stream, DV_F32, 4);

  fake->code = cudaErrorIllegalAddress;
  fake->fail_at = 1; /* the copy; before it the thread takes the device */
  dv_copy (stream, &to, &from);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_DEVICE);
  ck_assert_msg (strstr (error.detail, "cuda:0 failed at copying 16 bytes") &&
                     strstr (error.detail, "lost to this program"),
      "%s", error.detail);
  dv_stream_reset (stream);
  dv_copy (stream, &to, &from);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_DEVICE);
  ck_assert_ptr_nonnull (strstr (error.detail, "failed before and is lost"));
  ck_assert_ptr_null (dv_device_alloc (device, 1));
  dv_stream_free (stream);
  dv_device_unref (device);
}
END_TEST

/* ---- ops ---- */

START_TEST (an_op_that_is_missing_is_an_error)
{
  DvError error;
  DvDevice *device = open_gpu (0, &error);
  DvStream *stream = dv_stream_new (device, 64 << 20, &error);
  DvTensor x = DV_NEW (stream, DV_F32, 4, 4);
  DvOps less = *device->ops;
  const DvOps *whole = device->ops;

  less.op[DV_OP_NORM] = NULL;
  device->ops = &less;
  dv_norm (stream, &(DvNorm){.out = &x, .x = &x});
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_DEVICE);
  ck_assert_str_eq (error.detail, "cuda:0 has no \"norm\" for this case");
  device->ops = whole;
  dv_stream_free (stream);
  dv_device_unref (device);
}
END_TEST

START_TEST (products_are_looked_up_once)
{
  DvError error = {0};

  ck_assert_msg (live_once (&error), "%s", error.detail);
  ck_assert_int_eq (fake->products, 2);
  ck_assert_int_eq (fake->searches, 1);
  fake->no_product = true;
  ck_assert_msg (live_once (&error), "%s", error.detail);
  ck_assert_int_eq (fake->products, 2);
}
END_TEST

/* What counts beyond 2^30 on an axis does not reach a kernel. */
START_TEST (axes_of_more_than_2_to_the_30_are_refused)
{
  static const int64_t least = (int64_t)1 << 30;
  DvError error;
  DvDevice *device = open_gpu (0, &error);
  DvStream *stream = dv_stream_new (device, 64, &error);
  float host[4] = {1};
  DvTensor kernel = DV_TENSOR (host, DV_F32, 1, 1, 1), x, out;
  DvWeight conv, up;

  ck_assert_int_eq (
      dv_weight_prepare (device, &conv, DV_USE_CONV, DV_F32, &kernel, &error),
      DV_OK);
  ck_assert_int_eq (
      dv_weight_prepare (device, &up, DV_USE_CONV_UP1, DV_F32, &kernel, &error),
      DV_OK);
  /* Nobody reads so much: a window in all of it, or all of it around one. */
  for (int axis = 0; axis < 3; axis++)
    for (int padded = 0; padded < 2; padded++) {
      DvConv args = {.out = &out, .x = &x, .w = &conv};
      int64_t shape[4] = {1, 1, 1, 1}, many[4] = {1, 1, 1, 1};

      many[axis] = least;
      x = dv_tensor (host + !padded, DV_F32, 4, padded ? shape : many);
      out = dv_tensor (host + padded, DV_F32, 4, padded ? many : shape);
      if (padded)
        args.pad_hi[axis] = (int)(least - 1);
      else
        args.stride[axis] = INT32_MAX;
      dv_conv (stream, &args);
      ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_ARGUMENT);
      ck_assert_str_eq (error.detail,
          "convolution: a GPU has no axis of more than 2^30 cells");
      dv_stream_reset (stream);
    }
  x = DV_TENSOR (host + 2, DV_F32, least, 1);
  out = DV_TENSOR (host, DV_F32, 2, 1);
  dv_conv_up1 (stream, &(DvConvUp1){.out = &out,
                           .x = &x,
                           .w = &up,
                           .stride = 1,
                           .pad = (int)(least / 2) - 1});
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_ARGUMENT);
  ck_assert_str_eq (error.detail,
      "transposed convolution: a GPU has no axis of more than 2^30 cells");
  dv_weight_clear (device, &up);
  dv_weight_clear (device, &conv);
  dv_stream_reset (stream);
  dv_stream_free (stream);
  dv_device_unref (device);
}
END_TEST

START_TEST (quantised_weights_are_refused)
{
  DvError error;
  DvDevice *device = open_gpu (0, &error);
  uint8_t host[16] = {0};
  DvTensor square = DV_TENSOR (host, DV_F8_E4M3, 4, 4);
  DvWeight w;

  ck_assert_int_eq (
      dv_weight_prepare (device, &w, DV_USE_MATMUL, DV_BF16, &square, &error),
      DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "f8_e4m3 [4, 4]"));
  ck_assert_ptr_nonnull (strstr (error.detail, "take the model's BF16"));
  dv_device_unref (device);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("cuda");
  TCase *tests = tcase_create ("cuda");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tests);
  tcase_add_checked_fixture (tests, set_up, NULL);
  tcase_add_test (tests, a_gpu_is_taken_by_number);
  tcase_add_test (tests, no_gpu_is_refused_in_words);
  tcase_add_test (tests, the_best_device_is_a_gpu_or_the_processor);
  tcase_add_test (tests, a_module_that_is_not_there);
  tcase_add_test (tests, a_module_that_does_not_fit);
  tcase_add_test (tests, the_real_module_loads);
  tcase_add_loop_test (tests, any_call_fails, 0, N_CODES);
  tcase_add_test (tests, memory_that_runs_out);
  tcase_add_test (tests, a_device_that_is_lost);
  tcase_add_test (tests, an_op_that_is_missing_is_an_error);
  tcase_add_test (tests, products_are_looked_up_once);
  tcase_add_test (tests, axes_of_more_than_2_to_the_30_are_refused);
  tcase_add_test (tests, quantised_weights_are_refused);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
