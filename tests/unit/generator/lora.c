/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LoRAs merged on a device: in every type the bits of sums made here, as a
 * weight those of one that was merged before it was prepared, and nothing left
 * behind when they do not fit, or merging fails.
 *
 * lora BACKEND. Linked with apart.c (APART is 1) the device's memory is closed
 * to the host.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ltx2/loader.h"
#include "ltx2/lora.h"
#include "ltx2/make-random.h"
#include "ltx2/safetensors-write.h"
#include "test-folder.h"
#if APART
#include "apart.h"
#endif

#define MOST 3 /* LoRAs of a weight */

static const char *backend;
static DvDevice *device;

static void
set_up (void)
{
  DvDeviceSpec spec = {.backend = backend, .threads = 2};
  DvError error;

  folder_make ();
  device = dv_device_open (&spec, &error);
  ck_assert_msg (device != NULL, "%s", error.detail);
}

static void
tear_down (void)
{
  dv_device_unref (device);
  folder_remove ();
}

/* ---- numbers ---- */

static float
number (uint32_t *state)
{
  *state = *state * 1664525u + 1013904223u;
  return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

static float
get (const DvTensor *t, int64_t i)
{
  if (t->dtype == DV_F32)
    return ((const float *)t->data)[i];
  return t->dtype == DV_BF16 ? dv_f32_from_bf16 (((const uint16_t *)t->data)[i])
                             : dv_f32_from_f16 (((const uint16_t *)t->data)[i]);
}

static DvTensor
numbers (DvDtype dtype, int64_t rows, int64_t columns, uint32_t *state)
{
  DvTensor t = dv_tensor_new (dtype, 2, (const int64_t[]){rows, columns});

  for (int64_t i = 0; i < rows * columns; i++) {
    float v = number (state);

    if (dtype == DV_F32)
      ((float *)t.data)[i] = v;
    else
      ((uint16_t *)t.data)[i] =
          dtype == DV_BF16 ? dv_bf16_from_f32 (v) : dv_f16_from_f32 (v);
  }
  return t;
}

/* ---- LoRAs of proj_in ---- */

typedef struct {
  DvTensor b, a;
  float alpha; /* 0: none */
  double strength;
} Part;

static void
write_part (const char *file, const Part *part)
{
  DvError error;
  DvSafetensorsWriter *w = dv_safetensors_write (file, &error);

  dv_safetensors_write_tensor (
      w, "proj_in.lora_A.weight", part->a.dtype, 2, part->a.shape);
  dv_safetensors_write_tensor (
      w, "proj_in.lora_B.weight", part->b.dtype, 2, part->b.shape);
  if (part->alpha != 0)
    dv_safetensors_write_tensor (w, "proj_in.alpha", DV_F32, 0, NULL);
  dv_safetensors_write_data (w, part->a.data, dv_tensor_bytes (&part->a));
  dv_safetensors_write_data (w, part->b.data, dv_tensor_bytes (&part->b));
  if (part->alpha != 0)
    dv_safetensors_write_data (w, &part->alpha, sizeof part->alpha);
  ck_assert_int_eq (dv_safetensors_write_end (w, &error), DV_OK);
}

static DvLoras *
add_parts (const Part *parts, int n)
{
  DvError error;
  DvLoras *loras = dv_loras_new (&error);

  for (int i = 0; i < n; i++) {
    char name[8] = {(char)('a' + i), 0};

    write_part (folder_path (name), &parts[i]);
    ck_assert_msg (dv_loras_add (loras, folder_path (name), parts[i].strength,
                       &error) == DV_OK,
        "%s", error.detail);
  }
  return loras;
}

static void
clear_parts (Part *parts, int n)
{
  for (int i = 0; i < n; i++) {
    dv_tensor_clear (&parts[i].a);
    dv_tensor_clear (&parts[i].b);
  }
}

/* In F32, from the left, rounded once. */
static DvTensor
summed (const DvTensor *x, const Part *parts, int n, DvDtype compute)
{
  DvTensor sum = dv_tensor_new (compute, 2, x->shape);
  int64_t N = x->shape[0], K = x->shape[1];

  for (int64_t i = 0; i < N * K; i++) {
    float total = get (x, i);

    for (int j = 0; j < n; j++) {
      const Part *part = &parts[j];
      int64_t rank = part->a.shape[0];
      double scale = part->strength;
      float product = 0;

      if (part->alpha != 0)
        scale *= (double)part->alpha / (double)rank;
      for (int64_t r = 0; r < rank; r++)
        product +=
            get (&part->b, i / K * rank + r) * get (&part->a, r * K + i % K);
      total += (float)scale * product;
    }
    if (compute == DV_F32)
      ((float *)sum.data)[i] = total;
    else
      ((uint16_t *)sum.data)[i] = dv_bf16_from_f32 (total);
  }
  return sum;
}

/* ---- bits ---- */

/* What dv_loras_merge() makes of @x, in the host's memory. */
static DvTensor
merged (const DvLoras *loras, const DvTensor *x, DvDtype compute)
{
  DvError error = {0};
  DvStream *stream = dv_stream_new_dry (device, &error);
  DvTensor result = dv_tensor_new (compute, 2, x->shape), out = result;
  size_t scratch;

  ck_assert_ptr_nonnull (stream);
  out.data = NULL;
  ck_assert_msg (dv_loras_merge (
                     loras, stream, "proj_in.weight", x, &out, &error) == DV_OK,
      "%s", error.detail);
  scratch = stream->arena.peak;
  ck_assert_uint_ge (scratch, dv_tensor_bytes (x));
  ck_assert_uint_eq (stream->arena.used, 0);
  dv_stream_free (stream);
  stream = dv_stream_new (device, scratch, &error);
  ck_assert_msg (stream != NULL, "%s", error.detail);
  out.data = dv_device_alloc (device, dv_tensor_bytes (&out));
  ck_assert_msg (dv_loras_merge (
                     loras, stream, "proj_in.weight", x, &out, &error) == DV_OK,
      "%s", error.detail);
  ck_assert_uint_eq (stream->arena.peak, scratch);
  dv_copy (stream, &result, &out);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_OK);
  dv_device_free (device, out.data);
  dv_stream_free (stream);
  return result;
}

START_TEST (every_type_has_the_bits_of_the_formula)
{
  static const DvDtype types[] = {DV_F32, DV_BF16, DV_F16};
  uint32_t state = 7;

  for (int combo = 0; combo < 18; combo++) {
    Part parts[MOST];
    int n = 1 + combo % MOST;
    DvTensor x = numbers (types[combo / 2 % 3], 37, 141, &state);
    DvDtype compute = types[combo % 2];
    DvTensor expected, got;
    DvLoras *loras;

    for (int i = 0; i < n; i++) {
      int64_t rank = i == 1 ? 1 : 3 + 7 * combo;

      parts[i] = (Part){numbers (types[(combo / 3 + i) % 3], 37, rank, &state),
          numbers (types[(combo / 6 + i) % 3], rank, 141, &state),
          i == 1 ? 5 : 0, combo == 5 ? 0 : 0.7 - i};
    }
    loras = add_parts (parts, n);
    expected = summed (&x, parts, n, compute);
    got = merged (loras, &x, compute);
    ck_assert_msg (
        memcmp (got.data, expected.data, dv_tensor_bytes (&expected)) == 0,
        "%d LoRAs in %s, combination %d, have other bits", n,
        dv_dtype_name (compute), combo);
    dv_loras_free (loras);
    dv_tensor_clear (&got);
    dv_tensor_clear (&expected);
    dv_tensor_clear (&x);
    clear_parts (parts, n);
  }
}
END_TEST

/* ---- as a weight ---- */

static DvCheckpoint *
open_dit (void)
{
  DvRandomSpec spec = {.config = "tiny", .seed = 1};
  DvError error;
  DvCheckpoint *checkpoint;

  ck_assert_msg (dv_make_random (&spec, folder_path ("m"), &error) == DV_OK,
      "%s", error.detail);
  checkpoint = dv_checkpoint_open_part (
      DV_PART_DIT, folder_path ("m/transformer"), &error);
  ck_assert_msg (checkpoint != NULL, "%s", error.detail);
  return checkpoint;
}

static DvStatus
load (const DvCheckpoint *checkpoint, const DvLoras *loras, DvDtype compute,
    DvWeight *w, DvError *error)
{
  DvLoader loader = {.device = device,
      .checkpoint = checkpoint,
      .part = DV_PART_DIT,
      .compute = compute,
      .loras = loras};
  DvLoader plan = loader;
  DvStatus status;

  plan.counting = true;
  status = dv_loader_begin (&plan, error);
  if (status != DV_OK)
    return status;
  dv_load (&plan, DV_USE_MATMUL, DV_SHAPE (32, 8), "proj_in.weight");
  ck_assert_int_eq (dv_loader_finish (&plan, error), DV_OK);
  ck_assert_ptr_null (plan.merging);
  status = dv_loader_begin (&loader, error);
  if (status != DV_OK)
    return status;
  *w = dv_load (&loader, DV_USE_MATMUL, DV_SHAPE (32, 8), "proj_in.weight");
  status = dv_loader_finish (&loader, error);
  ck_assert_uint_eq (plan.bytes_resident, loader.bytes_resident);
  ck_assert_uint_eq (plan.bytes_scratch, loader.bytes_scratch);
  ck_assert_uint_eq (loader.bytes_scratch > 0, loras != NULL);
  return status;
}

/* Both weights' memory holds the same. */
static void
same_weights (const DvWeight *a, const DvWeight *b)
{
  const DvWeight *weights[] = {a, b};
  size_t bytes = a->packed ? a->packed_bytes : dv_tensor_bytes (&a->data);
  DvTensor host[2];
  DvError error = {0};
  DvStream *stream = dv_stream_new (device, 0, &error);

  ck_assert_uint_eq (a->packed_bytes, b->packed_bytes);
  ck_assert_int_eq (a->compute, b->compute);
  ck_assert_int_eq (a->use, b->use);
  for (int i = 0; i < 2; i++) {
    const DvWeight *w = weights[i];
    DvTensor from =
        DV_TENSOR (w->packed ? w->packed : w->data.data, DV_U8, (int64_t)bytes);

    host[i] = dv_tensor_new (DV_U8, 1, (const int64_t[]){(int64_t)bytes});
    dv_copy (stream, &host[i], &from);
  }
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_OK);
  ck_assert_mem_eq (host[0].data, host[1].data, bytes);
  dv_stream_free (stream);
  dv_tensor_clear (&host[0]);
  dv_tensor_clear (&host[1]);
}

START_TEST (a_loaded_weight_is_one_that_was_merged_before)
{
  DvCheckpoint *checkpoint = open_dit ();
  const DvTensor *plain =
      dv_checkpoint_find (checkpoint, DV_PART_DIT, "proj_in.weight");
  uint32_t state = 3;
  Part parts[2] = {{numbers (DV_BF16, 32, 5, &state),
                       numbers (DV_BF16, 5, 8, &state), 0, 0.5},
      {numbers (DV_F32, 32, 2, &state), numbers (DV_F16, 2, 8, &state), 3,
          -1.25}};
  DvLoras *loras = add_parts (parts, 2);

  for (int i = 0; i < 4; i++) {
    DvDtype compute = i % 2 ? DV_BF16 : DV_F32;
    const DvLoras *now = i < 2 ? loras : NULL; /* they go again */
    DvTensor host = summed (plain, parts, i < 2 ? 2 : 0, compute);
    DvWeight w = {0}, expected;
    DvError error = {0};
#if APART
    unsigned before = apart_merges ();
#endif

    ck_assert_msg (load (checkpoint, now, compute, &w, &error) == DV_OK, "%s",
        error.detail);
#if APART
    ck_assert_uint_eq (apart_merges () - before, now ? 1 : 0);
#endif
    ck_assert_int_eq (dv_weight_prepare (device, &expected, DV_USE_MATMUL,
                          compute, &host, &error),
        DV_OK);
    if (now || w.packed) /* ref has the file's memory as it is */
      same_weights (&w, &expected);
    dv_weight_clear (device, &expected);
    dv_weight_clear (device, &w);
    dv_tensor_clear (&host);
  }
#if APART
  ck_assert_uint_eq (apart_used (), 0);
#endif
  dv_loras_free (loras);
  clear_parts (parts, 2);
  dv_checkpoint_free (checkpoint);
}
END_TEST

/* Before anything is read, by file and weight. */
START_TEST (a_change_of_another_shape_is_refused_at_once)
{
  DvCheckpoint *checkpoint = open_dit ();
  uint32_t state = 3;
  Part part = {
      numbers (DV_F32, 48, 2, &state), numbers (DV_F32, 2, 8, &state), 0, 1};
  DvLoras *loras = add_parts (&part, 1);
  DvLoader loader = {.device = device,
      .checkpoint = checkpoint,
      .part = DV_PART_DIT,
      .compute = DV_BF16,
      .loras = loras};
  DvError error = {0};

  ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, folder_path ("a")));
  ck_assert_ptr_nonnull (strstr (error.detail, "another model"));
  ck_assert_ptr_nonnull (strstr (
      error.detail, "proj_in.weight is [48, 8], the weight is [32, 8]"));
  ck_assert_ptr_null (loader.merging);
  dv_loras_free (loras);
  clear_parts (&part, 1);
  dv_checkpoint_free (checkpoint);
}
END_TEST

#if APART
/* Too little memory for what is beside the weight, then for the weight; and an
 * op that fails: an error, and all of it is given back. */
START_TEST (what_fails_leaves_nothing_on_the_device)
{
  DvCheckpoint *checkpoint = open_dit ();
  uint32_t state = 3;
  Part part = {
      numbers (DV_F32, 32, 2, &state), numbers (DV_F32, 2, 8, &state), 0, 1};
  DvLoras *loras = add_parts (&part, 1);
  DvWeight w = {0};
  DvError error = {0};

  apart_limit (512);
  ck_assert_int_eq (
      load (checkpoint, loras, DV_F32, &w, &error), DV_ERROR_MEMORY);
  ck_assert_uint_eq (apart_used (), 0);
  apart_limit (1024);
  ck_assert_int_eq (
      load (checkpoint, loras, DV_F32, &w, &error), DV_ERROR_MEMORY);
  ck_assert_msg (strstr (error.detail, "a LoRA into proj_in.weight") != NULL,
      "%s", error.detail);
  ck_assert_uint_eq (apart_used (), 0);
  apart_limit (UINT64_MAX);
  apart_fail_merge (0);
  ck_assert_int_eq (
      load (checkpoint, loras, DV_F32, &w, &error), DV_ERROR_DEVICE);
  ck_assert_uint_eq (apart_used (), 0);
  ck_assert_int_eq (load (checkpoint, loras, DV_F32, &w, &error), DV_OK);
  dv_weight_clear (device, &w);
  ck_assert_uint_eq (apart_used (), 0);
  dv_loras_free (loras);
  clear_parts (&part, 1);
  dv_checkpoint_free (checkpoint);
}
END_TEST
#endif

int
main (int argc, char **argv)
{
  Suite *suite = suite_create ("lora");
  TCase *tests = tcase_create ("lora");
  SRunner *runner;
  int failed;

  backend = argc > 1 ? argv[1] : "cpu";
  suite_add_tcase (suite, tests);
  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, every_type_has_the_bits_of_the_formula);
  tcase_add_test (tests, a_loaded_weight_is_one_that_was_merged_before);
  tcase_add_test (tests, a_change_of_another_shape_is_refused_at_once);
#if APART
  tcase_add_test (tests, what_fails_leaves_nothing_on_the_device);
#endif
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
