/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Loading weights: what is read and said, what a plan counts, and LoRAs
 * merged and gone again.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail-alloc.h"
#include "ltx2/loader.h"
#include "ltx2/lora.h"
#include "ltx2/make-random.h"
#include "ltx2/safetensors-write.h"
#include "ltx2/safetensors.h"
#include "test-folder.h"

static DvDevice *device;

static void
set_up (void)
{
  DvDeviceSpec device_spec = {.backend = "ref"};
  DvRandomSpec spec = {.config = "tiny", .seed = 1};
  DvError error;

  folder_make ();
  ck_assert_msg (dv_make_random (&spec, folder_path ("m"), &error) == DV_OK,
      "%s", error.detail);
  device = dv_device_open (&device_spec, &error);
  ck_assert_msg (device != NULL, "%s", error.detail);
}

static void
tear_down (void)
{
  dv_device_unref (device);
  folder_remove ();
}

static DvCheckpoint *
open_part (DvPart part)
{
  char name[64];
  DvError error = {DV_OK};
  DvCheckpoint *checkpoint;

  snprintf (name, sizeof name, "m/%s", dv_part_name (part));
  checkpoint = dv_checkpoint_open_part (part, folder_path (name), &error);
  ck_assert_msg (checkpoint != NULL, "%s", error.detail);
  return checkpoint;
}

static DvLoader
loader_of (const DvCheckpoint *checkpoint, DvPart part)
{
  return (DvLoader){.device = device,
      .checkpoint = checkpoint,
      .part = part,
      .compute = DV_F32};
}

static float
value (const DvTensor *t, int64_t i)
{
  if (t->dtype == DV_F32)
    return ((const float *)t->data)[i];
  return dv_f32_from_bf16 (((const uint16_t *)t->data)[i]);
}

/* ---- loading ---- */

static bool
remember (void *user, uint64_t done)
{
  uint64_t *last = user;

  ck_assert_uint_gt (done, *last);
  *last = done;
  return true;
}

static bool
stop_at_once (void *user, uint64_t done)
{
  return false;
}

START_TEST (loading_stops_when_it_is_told_to)
{
  DvCheckpoint *c = open_part (DV_PART_DIT);
  DvLoader loader = loader_of (c, DV_PART_DIT);
  DvLinear linear;
  DvError error;

  loader.progress = stop_at_once;
  ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_OK);
  linear = dv_load_linear (&loader, 32, 8, true, "proj_in");
  ck_assert_int_eq (dv_loader_finish (&loader, &error), DV_CANCELLED);
  ck_assert_ptr_null (strstr (error.detail, "proj_in"));
  dv_linear_clear (loader.device, &linear);
  dv_checkpoint_free (c);
}
END_TEST

START_TEST (weights_are_loaded_and_counted)
{
  DvCheckpoint *c = open_part (DV_PART_DIT);
  DvLoader loader = loader_of (c, DV_PART_DIT), plan = loader;
  const DvTensor *mapped =
      dv_checkpoint_find (c, DV_PART_DIT, "proj_in.weight");
  const DvTensor *bias = dv_checkpoint_find (c, DV_PART_DIT, "proj_in.bias");
  uint64_t last = 0;
  DvLinear linear, counted;
  DvTensor table;
  DvError error;

  loader.progress = remember;
  loader.user = &last;
  ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_OK);
  linear = dv_load_linear (&loader, 32, 8, true, "proj_%s", "in");
  table = dv_load_plain (
      &loader, DV_SHAPE (6, 32), "transformer_blocks.%d.scale_shift_table", 1);
  ck_assert (
      dv_loader_has (&loader, "transformer_blocks.%d.attn1.to_q.bias", 0));
  ck_assert (!dv_loader_has (&loader, "nothing"));
  dv_loader_ignore (&loader, "proj_out.weight");
  dv_loader_ignore (&loader, "nothing");
  ck_assert_int_eq (dv_loader_finish (&loader, &error), DV_OK);
  ck_assert_uint_eq (last, 32 * 8 * 2 + 32 * 2 + 6 * 32 * 2);
  ck_assert_uint_eq (loader.bytes_read, last);
  /* What nothing asked for is named, and no failure. */
  ck_assert_uint_gt (loader.n_extra, 100);
  ck_assert_str_eq (loader.extra, "audio_caption_projection.linear_1.bias");

  ck_assert_int_eq (linear.w.n_dims, 2);
  ck_assert_ptr_eq (linear.w.data.data, mapped->data);
  ck_assert_int_eq (linear.bias.dtype, DV_F32);
  ck_assert_int_eq (table.shape[0], 6);
  for (int64_t i = 0; i < 32; i++)
    ck_assert_float_eq (value (&linear.bias, i), value (bias, i));

  plan.counting = true;
  ck_assert_int_eq (dv_loader_begin (&plan, &error), DV_OK);
  counted = dv_load_linear (&plan, 32, 8, true, "proj_in");
  ck_assert_ptr_null (counted.w.data.data);
  ck_assert_int_eq (counted.w.shape[1], 8);
  ck_assert_int_eq (counted.bias.dtype, DV_F32);
  dv_load_plain (
      &plan, DV_SHAPE (6, 32), "transformer_blocks.1.scale_shift_table");
  ck_assert_int_eq (dv_loader_finish (&plan, &error), DV_OK);
  ck_assert_uint_eq (plan.bytes_read, loader.bytes_read);
  ck_assert_uint_eq (plan.bytes_resident, loader.bytes_resident);
  ck_assert_uint_eq (plan.bytes_resident, 32 * 4 + 6 * 32 * 4);

  dv_linear_clear (device, &counted);
  dv_linear_clear (device, &linear);
  dv_plain_clear (device, &table);
  dv_checkpoint_free (c);
}
END_TEST

START_TEST (a_missing_or_misshapen_tensor_is_named)
{
  DvCheckpoint *c = open_part (DV_PART_VOCODER);
  DvLoader loader = loader_of (c, DV_PART_VOCODER);
  DvWeight w;
  DvError error;

  ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_OK);
  w = dv_load (
      &loader, DV_USE_CONV, DV_SHAPE (64, 128, 5), "conv_in.%s", "weight");
  ck_assert_ptr_null (w.data.data);
  /* Sticky: the first is told. */
  w = dv_load (&loader, DV_USE_CONV, DV_SHAPE (1), "nothing");
  ck_assert_ptr_null (w.data.data);
  ck_assert_int_eq (dv_loader_finish (&loader, &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "vocoder"));
  ck_assert_ptr_nonnull (strstr (error.detail,
      "conv_in.weight is bf16 [64, 128, 7] and should be bf16 [64, 128, 5]"));

  loader = loader_of (c, DV_PART_VOCODER);
  ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_OK);
  dv_load_linear (&loader, 1, 1, true, "nothing");
  ck_assert_int_eq (dv_loader_finish (&loader, &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (
      strstr (error.detail, "the tensor nothing.weight is missing"));
  /* Without a beginning there is nothing to load. */
  dv_load_plain (&loader, DV_SHAPE (64), "conv_in.bias");
  loader = loader_of (c, DV_PART_VOCODER);
  dv_load_plain (&loader, DV_SHAPE (64), "conv_in.bias");
  ck_assert_int_eq (dv_loader_finish (&loader, &error), DV_ERROR_ARGUMENT);
  dv_checkpoint_free (c);
}
END_TEST

/* An upsampler that is nothing but what a test needs: its first convolution's
 * bias has another type, values, or place. */
static DvCheckpoint *
upsampler_with (DvDtype dtype, const void *bias, bool shifted)
{
  static const struct {
    const char *name;
    int n_dims;
    int64_t shape[5];
  } tensors[] = {{"initial_conv.weight", 5, {32, 4, 3, 3, 3}},
      {"upsampler.0.weight", 4, {128, 32, 3, 3}},
      {"final_conv.weight", 5, {4, 32, 3, 3, 3}}};
  static const uint16_t zeros[128 * 32 * 9];
  DvError error = {DV_OK};
  DvSafetensorsWriter *w =
      dv_safetensors_write (folder_path ("u.safetensors"), &error);
  DvCheckpoint *c;

  if (shifted)
    dv_safetensors_write_tensor (w, "a", DV_U8, 1, (int64_t[]){1});
  dv_safetensors_write_tensor (
      w, "initial_conv.bias", dtype, 1, (int64_t[]){4});
  for (int i = 0; i < 3; i++)
    dv_safetensors_write_tensor (
        w, tensors[i].name, DV_BF16, tensors[i].n_dims, tensors[i].shape);
  dv_safetensors_write_data (w, "x", shifted);
  dv_safetensors_write_data (w, bias, 4 * dv_dtype_size (dtype));
  for (int i = 0; i < 3; i++) {
    size_t n = 2;

    for (int j = 0; j < tensors[i].n_dims; j++)
      n *= (size_t)tensors[i].shape[j];
    dv_safetensors_write_data (w, zeros, n);
  }
  ck_assert_msg (
      dv_safetensors_write_end (w, &error) == DV_OK, "%s", error.detail);
  c = dv_checkpoint_open_part (
      DV_PART_UPSAMPLER, folder_path ("u.safetensors"), &error);
  ck_assert_msg (c != NULL, "%s", error.detail);
  return c;
}

static void
not_finite (DvDtype dtype, const void *bias)
{
  DvCheckpoint *c = upsampler_with (dtype, bias, false);
  DvLoader loader = loader_of (c, DV_PART_UPSAMPLER);
  DvTensor t;
  DvError error;

  ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_OK);
  t = dv_load_plain (&loader, DV_SHAPE (4), "initial_conv.bias");
  ck_assert_ptr_null (t.data);
  ck_assert_int_eq (dv_loader_finish (&loader, &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (
      strstr (error.detail, "initial_conv.bias holds NaN or infinity"));
  dv_checkpoint_free (c);
}

START_TEST (nan_and_infinity_are_named)
{
  static const uint16_t bf16[2][4] = {{0, 0, 0x7fc0, 0}, {0, 0, 0, 0xff80}};
  static const uint16_t f16[4] = {0, 0x7c01, 0, 0};
  static const float f32[2][4] = {{1, 2, 3, NAN}, {-INFINITY, 0, 0, 0}};
  static const double f64[4] = {0, NAN, 0, 0};

  not_finite (DV_BF16, bf16[0]);
  not_finite (DV_BF16, bf16[1]);
  not_finite (DV_F16, f16);
  not_finite (DV_F32, f32[0]);
  not_finite (DV_F32, f32[1]);
  not_finite (DV_F64, f64);
}
END_TEST

START_TEST (every_float_type_at_any_address)
{
  static const float f32[4] = {1, 2, -0.5f, 65504};
  static const double f64[4] = {1, 2, -0.5, 65504};
  static const uint16_t f16[4] = {0x3c00, 0x4000, 0xb800, 0x7bff};
  static const struct {
    DvDtype dtype;
    const void *data;
  } cases[] = {{DV_F32, f32}, {DV_F64, f64}, {DV_F16, f16}};

  for (int shifted = 0; shifted < 2; shifted++)
    for (int i = 0; i < 3; i++) {
      DvCheckpoint *c = upsampler_with (cases[i].dtype, cases[i].data, shifted);
      const DvTensor *mapped =
          dv_checkpoint_find (c, DV_PART_UPSAMPLER, "initial_conv.bias");
      DvLoader loader = loader_of (c, DV_PART_UPSAMPLER), plan = loader;
      DvTensor t;
      DvError error;

      ck_assert_int_eq (dv_safetensors_aligned (mapped), !shifted);
      ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_OK);
      t = dv_load_plain (&loader, DV_SHAPE (4), "initial_conv.bias");
      ck_assert_int_eq (dv_loader_finish (&loader, &error), DV_OK);
      ck_assert_int_eq (t.dtype, DV_F32);
      ck_assert_mem_eq (t.data, f32, sizeof f32);
      plan.counting = true;
      ck_assert_int_eq (dv_loader_begin (&plan, &error), DV_OK);
      dv_load_plain (&plan, DV_SHAPE (4), "initial_conv.bias");
      ck_assert_int_eq (dv_loader_finish (&plan, &error), DV_OK);
      ck_assert_uint_eq (plan.bytes_resident, loader.bytes_resident);
      ck_assert_uint_eq (
          plan.bytes_resident, t.data == mapped->data ? 0 : sizeof f32);
      dv_plain_clear (device, &t);
      dv_checkpoint_free (c);
    }
}
END_TEST

START_TEST (a_quantised_weight_is_refused_in_words)
{
  static const uint8_t packed[4] = {1, 2, 3, 4};
  DvCheckpoint *c = upsampler_with (DV_U8, packed, false);
  DvLoader loader = loader_of (c, DV_PART_UPSAMPLER);
  DvError error;

  ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_OK);
  dv_load (&loader, DV_USE_MATMUL, DV_SHAPE (4), "initial_conv.bias");
  ck_assert_int_eq (dv_loader_finish (&loader, &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "quantised"));
  dv_checkpoint_free (c);
}
END_TEST

/* ---- LoRAs ---- */

#define RANK 2

static float
a_value (int i)
{
  return (float)(i % 7 - 3) / 4.0f;
}

static float
b_value (int i)
{
  return (float)(i % 5 - 2) / 8.0f;
}

/* A LoRA of proj_in [32, 8] under this layer name; @alpha 0: none. */
static const char *
write_lora (const char *file, const char *layer, const char *down,
    const char *up, float alpha)
{
  float a[RANK * 8], b[32 * RANK];
  char name[160];
  DvError error;
  DvSafetensorsWriter *w = dv_safetensors_write (folder_path (file), &error);

  for (int i = 0; i < RANK * 8; i++)
    a[i] = a_value (i);
  for (int i = 0; i < 32 * RANK; i++)
    b[i] = b_value (i);
  snprintf (name, sizeof name, "%s.%s", layer, down);
  dv_safetensors_write_tensor (w, name, DV_F32, 2, (int64_t[]){RANK, 8});
  snprintf (name, sizeof name, "%s.%s", layer, up);
  dv_safetensors_write_tensor (w, name, DV_F32, 2, (int64_t[]){32, RANK});
  snprintf (name, sizeof name, "%s.alpha", layer);
  if (alpha != 0.0f)
    dv_safetensors_write_tensor (w, name, DV_F32, 0, NULL);
  dv_safetensors_write_data (w, a, sizeof a);
  dv_safetensors_write_data (w, b, sizeof b);
  if (alpha != 0.0f)
    dv_safetensors_write_data (w, &alpha, sizeof alpha);
  ck_assert_int_eq (dv_safetensors_write_end (w, &error), DV_OK);
  return folder_path (file);
}

static DvWeight
load_proj_in (const DvCheckpoint *c, const DvLoras *loras, DvDtype compute)
{
  DvLoader loader = loader_of (c, DV_PART_DIT), plan;
  DvWeight w;
  DvError error;

  loader.loras = loras;
  loader.compute = compute;
  plan = loader;
  plan.counting = true;
  ck_assert_msg (
      dv_loader_begin (&loader, &error) == DV_OK, "%s", error.detail);
  w = dv_load (&loader, DV_USE_MATMUL, DV_SHAPE (32, 8), "proj_in.weight");
  ck_assert_msg (
      dv_loader_finish (&loader, &error) == DV_OK, "%s", error.detail);
  ck_assert_int_eq (dv_loader_begin (&plan, &error), DV_OK);
  dv_load (&plan, DV_USE_MATMUL, DV_SHAPE (32, 8), "proj_in.weight");
  ck_assert_int_eq (dv_loader_finish (&plan, &error), DV_OK);
  ck_assert_uint_eq (plan.bytes_resident, loader.bytes_resident);
  ck_assert_uint_eq (
      plan.bytes_resident, loras ? 32 * 8 * dv_dtype_size (compute) : 0);
  return w;
}

static double
expected (const DvTensor *mapped, int n, int k, double scale)
{
  double sum = 0.0;

  for (int r = 0; r < RANK; r++)
    sum += (double)b_value (n * RANK + r) * (double)a_value (r * 8 + k);
  return (double)value (mapped, n * 8 + k) + scale * sum;
}

static void
is_merged (const DvWeight *w, const DvTensor *mapped, double scale, double eps)
{
  for (int n = 0; n < 32; n++)
    for (int k = 0; k < 8; k++)
      ck_assert_double_eq_tol ((double)value (&w->data, n * 8 + k),
          expected (mapped, n, k, scale), eps);
}

START_TEST (loras_are_merged_and_go_again)
{
  static const struct {
    const char *layer, *down, *up;
    float alpha;
    double scale;
  } cases[] = {
      {"diffusion_model.patchify_proj", "lora_A.weight", "lora_B.weight", 0, 1},
      {"transformer.patchify_proj", "lora_A.weight", "lora_B.weight", 4, 2},
      {"patchify_proj", "lora_down.weight", "lora_up.weight", 1, 0.5},
      {"transformer.proj_in", "lora_A.weight", "lora_B.weight", 0, 1},
      {"model.diffusion_model.patchify_proj", "lora_A.default.weight",
          "lora_B.default.weight", 0, 1},
  };
  DvCheckpoint *c = open_part (DV_PART_DIT);
  const DvTensor *mapped =
      dv_checkpoint_find (c, DV_PART_DIT, "proj_in.weight");
  DvError error;
  DvWeight w;

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    DvLoras *loras = dv_loras_new (&error);

    ck_assert_int_eq (dv_loras_add (loras,
                          write_lora ("l", cases[i].layer, cases[i].down,
                              cases[i].up, cases[i].alpha),
                          0.75, &error),
        DV_OK);
    ck_assert (dv_loras_touch (loras, "proj_in.weight"));
    w = load_proj_in (c, loras, DV_F32);
    ck_assert_int_eq (w.data.dtype, DV_F32);
    is_merged (&w, mapped, 0.75 * cases[i].scale, 1e-7);
    dv_weight_clear (device, &w);
    w = load_proj_in (c, loras, DV_BF16);
    ck_assert_int_eq (w.data.dtype, DV_BF16);
    is_merged (&w, mapped, 0.75 * cases[i].scale, 4e-3);
    dv_weight_clear (device, &w);
    dv_loras_free (loras);
  }
  /* Without them it is what is in the file. */
  w = load_proj_in (c, NULL, DV_F32);
  ck_assert_ptr_eq (w.data.data, mapped->data);
  dv_weight_clear (device, &w);
  dv_checkpoint_free (c);
}
END_TEST

START_TEST (loras_add_up)
{
  DvCheckpoint *c = open_part (DV_PART_DIT);
  const DvTensor *mapped =
      dv_checkpoint_find (c, DV_PART_DIT, "proj_in.weight");
  DvLoras *loras;
  DvError error;
  DvWeight w;

  loras = dv_loras_new (&error);
  write_lora ("l", "patchify_proj", "lora_A.weight", "lora_B.weight", 0);
  write_lora ("k", "patchify_proj", "lora_A.weight", "lora_B.weight", 6);
  ck_assert_int_eq (
      dv_loras_add (loras, folder_path ("l"), 0.5, &error), DV_OK);
  ck_assert_int_eq (
      dv_loras_add (loras, folder_path ("k"), -0.25, &error), DV_OK);
  ck_assert_uint_eq (dv_loras_count (loras), 2);
  w = load_proj_in (c, loras, DV_F32);
  is_merged (&w, mapped, 0.5 - 0.25 * 3, 1e-7);
  dv_weight_clear (device, &w);
  dv_loras_free (loras);
  dv_checkpoint_free (c);
}
END_TEST

static void
no_lora (const char *file, const char *why)
{
  DvError error = {DV_OK};
  DvLoras *loras = dv_loras_new (&error);

  ck_assert_int_ne (
      dv_loras_add (loras, folder_path (file), 1.0, &error), DV_OK);
  ck_assert_msg (strstr (error.detail, why) != NULL, "%s", error.detail);
  ck_assert_uint_eq (dv_loras_count (loras), 0);
  ck_assert_ptr_null (dv_loras_target (loras, 0, NULL));
  dv_loras_free (loras);
}

static void
one_tensor (const char *name, int n_dims, const int64_t *shape, float first)
{
  float data[64] = {first};
  size_t n = 1;
  DvError error;
  DvSafetensorsWriter *w = dv_safetensors_write (folder_path ("l"), &error);

  for (int i = 0; i < n_dims; i++)
    n *= (size_t)shape[i];
  dv_safetensors_write_tensor (w, name, DV_F32, n_dims, shape);
  dv_safetensors_write_data (w, data, 4 * n);
  ck_assert_int_eq (dv_safetensors_write_end (w, &error), DV_OK);
}

START_TEST (what_is_no_lora)
{
  DvCheckpoint *c = open_part (DV_PART_DIT);
  DvLoader loader = loader_of (c, DV_PART_DIT);
  DvLoras *loras;
  DvError error;

  no_lora ("missing", "cannot be opened");
  one_tensor ("x.weight", 2, (int64_t[]){2, 2}, 0);
  no_lora ("l", "x.weight is neither lora_A");
  one_tensor ("proj_in.lora_A.weight", 2, (int64_t[]){2, 2}, 0);
  no_lora ("l", "proj_in.weight lacks its lora_B");
  one_tensor ("proj_in.lora_A.weight", 3, (int64_t[]){2, 2, 2}, 0);
  no_lora ("l", "is no matrix");
  one_tensor ("proj_in.alpha", 1, (int64_t[]){2}, 0);
  no_lora ("l", "is no matrix");
  one_tensor ("proj_in.alpha", 0, NULL, NAN);
  no_lora ("l", "no number to scale by");
  write_lora ("l", "patchify_proj", "lora_A.weight", "lora_down.weight", 0);
  no_lora ("l", "changes proj_in.weight twice");

  loras = dv_loras_new (&error);
  write_lora ("l", "other_layer", "lora_A.weight", "lora_B.weight", 0);
  ck_assert_int_eq (
      dv_loras_add (loras, folder_path ("l"), NAN, &error), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_loras_add (loras, folder_path ("l"), 1.0, &error), DV_OK);
  loader.loras = loras;
  ck_assert_int_eq (dv_loader_begin (&loader, &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "changes other_layer.weight"));
  dv_loras_free (loras);
  dv_checkpoint_free (c);
}
END_TEST

/* ---- no memory ---- */

static DvStatus
load_some (const DvCheckpoint *c, const DvLoras *loras, DvLinear *linear,
    DvError *error)
{
  DvLoader loader = loader_of (c, DV_PART_DIT);
  DvStatus status;

  loader.loras = loras;
  loader.compute = DV_BF16;
  status = dv_loader_begin (&loader, error);
  if (status != DV_OK)
    return status;
  *linear = dv_load_linear (&loader, 32, 8, true, "proj_in");
  return dv_loader_finish (&loader, error);
}

START_TEST (no_memory_at_any_allocation)
{
  DvCheckpoint *c = open_part (DV_PART_DIT);
  size_t n;

  write_lora ("l", "patchify_proj", "lora_A.weight", "lora_B.weight", 4);
  for (n = 0;; n++) {
    long live = fail_alloc_live ();
    DvError error = {DV_OK};
    DvLinear linear = {{0}};
    DvLoras *loras;
    DvStatus status;

    fail_alloc_at (n);
    loras = dv_loras_new (&error);
    status = loras ? dv_loras_add (loras, folder_path ("l"), 1.0, &error)
                   : DV_ERROR_MEMORY;
    if (status == DV_OK)
      status = load_some (c, loras, &linear, &error);
    if (!fail_alloc_hit ()) {
      ck_assert_int_eq (status, DV_OK);
      dv_linear_clear (device, &linear);
      dv_loras_free (loras);
      break;
    }
    ck_assert_int_eq (status, DV_ERROR_MEMORY);
    ck_assert_int_eq (error.code, DV_ERROR_MEMORY);
    dv_linear_clear (device, &linear);
    dv_loras_free (loras);
    ck_assert_int_eq (fail_alloc_live (), live);
  }
  ck_assert_uint_ge (n, 10);
  dv_checkpoint_free (c);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("loader");
  TCase *tcase = tcase_create ("all");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_test (tcase, loading_stops_when_it_is_told_to);
  tcase_add_test (tcase, weights_are_loaded_and_counted);
  tcase_add_test (tcase, a_missing_or_misshapen_tensor_is_named);
  tcase_add_test (tcase, nan_and_infinity_are_named);
  tcase_add_test (tcase, every_float_type_at_any_address);
  tcase_add_test (tcase, a_quantised_weight_is_refused_in_words);
  tcase_add_test (tcase, loras_are_merged_and_go_again);
  tcase_add_test (tcase, loras_add_up);
  tcase_add_test (tcase, what_is_no_lora);
  tcase_add_test (tcase, no_memory_at_any_allocation);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed == 0 ? 0 : 1;
}
