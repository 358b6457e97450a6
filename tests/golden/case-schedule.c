/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kind "schedule": noise levels, sizes and continuation against
 * schedule.json; guidance, noising, blending, Euler steps and image resizing
 * against expected.safetensors.
 */
#include "case-dit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json-path.h"
#include "ltx2/conditioning.h"
#include "ltx2/resize.h"
#include "ltx2/sampler.h"
#include "ltx2/schedule.h"

#define INPUTS "inputs.safetensors"
#define EXPECTED "expected.safetensors"

static const GoldenLimit exact = {1e-6, 1e-5, 0};

/* ---- schedule.json ---- */

/* Compares with the list of numbers at @path, which must be as long. */
static void
compare_list (Golden *golden, const cJSON *text, const char *path,
    const float *got, int64_t n)
{
  DvTensor expected = dv_tensor_new (DV_F64, 1, &n);
  DvTensor view = DV_TENSOR (got, DV_F32, n);
  double *out = expected.data, more;

  for (int64_t i = 0; i < n; i++)
    if (!json_number (text, &out[i], "%s[%d]", path, (int)i))
      golden_fail (golden, "%s is shorter than %d", path, (int)n);
  if (json_number (text, &more, "%s[%d]", path, (int)n))
    golden_fail (golden, "%s is longer than %d", path, (int)n);
  golden_compare (golden, path, &view, &expected, exact);
  dv_tensor_clear (&expected);
}

static void
compare_value (Golden *golden, const cJSON *text, const char *path, double got)
{
  DvTensor view = DV_TENSOR (&got, DV_F64, 1), expected;
  double wanted;

  if (!json_number (text, &wanted, "%s", path)) {
    golden_fail (golden, "%s is not in schedule.json", path);
    return;
  }
  expected = DV_TENSOR (&wanted, DV_F64, 1);
  golden_compare (golden, path, &view, &expected, exact);
}

static void
compare_sigmas (Golden *golden, const cJSON *text)
{
  float sigmas[DV_MAX_STEPS + 1];
  double steps, tokens;
  char path[64];

  dv_sigmas_distilled (DV_DISTILLED_STEPS, sigmas, NULL);
  compare_list (golden, text, "distilled_sigmas", sigmas, 9);
  dv_sigmas_stage2 (3, sigmas, NULL);
  compare_list (golden, text, "stage2_sigmas_3_steps", sigmas, 4);
  dv_sigmas_stage2 (2, sigmas, NULL);
  compare_list (golden, text, "stage2_sigmas_2_steps", sigmas, 3);
  for (int n = 1; n <= DV_DISTILLED_STEPS; n++) {
    dv_sigmas_distilled (n, sigmas, NULL);
    snprintf (path, sizeof path, "distilled_subsets.%d.sigmas", n);
    compare_list (golden, text, path, sigmas, n + 1);
  }
  for (int i = 0; json_number (text, &steps, "scheduler[%d].steps", i) &&
                  json_number (text, &tokens, "scheduler[%d].tokens", i);
       i++) {
    DvError error = {0};

    if (dv_sigmas_shifted ((int)steps, (int64_t)tokens, sigmas, &error) !=
        DV_OK)
      golden_fail (golden, "scheduler[%d]: %s", i, error.detail);
    snprintf (path, sizeof path, "scheduler[%d].sigmas", i);
    compare_list (golden, text, path, sigmas, (int64_t)steps + 1);
  }
}

static void
compare_shapes (Golden *golden, const cJSON *text)
{
  double width, height, frames, fps;
  DvError error = {0};
  DvShapes shapes;

  for (int i = 0; json_number (text, &width, "shapes[%d].width", i); i++) {
    struct {
      const char *name;
      int64_t *value;
    } field[] = {{"latent[2]", &shapes.f}, {"latent[3]", &shapes.h},
        {"latent[4]", &shapes.w}, {"tokens", &shapes.tokens},
        {"audio_latent[2]", &shapes.audio_latents},
        {"mel_frames", &shapes.mel_frames}};

    if (!json_number (text, &height, "shapes[%d].height", i) ||
        !json_number (text, &frames, "shapes[%d].frames", i) ||
        !json_number (text, &fps, "shapes[%d].fps", i) ||
        dv_shapes (&shapes, (int64_t)width, (int64_t)height, (int64_t)frames,
            fps, 1, &error) != DV_OK) {
      golden_fail (golden, "shapes[%d]: %s", i, error.detail);
      return;
    }
    for (size_t n = 0; n < sizeof field / sizeof *field; n++) {
      char path[64];

      snprintf (path, sizeof path, "shapes[%d].%s", i, field[n].name);
      compare_value (golden, text, path, (double)*field[n].value);
    }
  }
}

static void
compare_continuations (Golden *golden, const cJSON *text)
{
  double frames, fps, video, audio;
  DvError error = {0};
  DvContinuation c;

  for (int i = 0; json_number (text, &frames, "continuation[%d].num_frames", i);
       i++) {
    char path[64];

    if (!json_number (text, &fps, "continuation[%d].fps", i) ||
        !json_number (
            text, &video, "continuation[%d].video_condition_frames", i) ||
        !json_number (
            text, &audio, "continuation[%d].audio_condition_frames", i) ||
        dv_continuation (&c, (int64_t)frames, fps, (int64_t)video,
            (int64_t)audio, 1000, &error) != DV_OK) {
      golden_fail (golden, "continuation[%d]: %s", i, error.detail);
      return;
    }
    {
      struct {
        const char *name;
        double value;
      } field[] = {{"audio_cond_latents", (double)c.audio_latents},
          {"audio_num_frames", (double)c.audio_frames},
          {"audio_total_latents", (double)c.audio_total},
          {"video_position_offset_sec", c.position_offset},
          {"video_condition_latent_frames", (double)c.video_latents}};

      for (size_t n = 0; n < sizeof field / sizeof *field; n++) {
        snprintf (path, sizeof path, "continuation[%d].%s", i, field[n].name);
        compare_value (golden, text, path, field[n].value);
      }
    }
  }
}

/* ---- arithmetic on tensors ---- */

typedef struct {
  Golden *golden;
  const cJSON *guidance; /* guidance_params.json */
  const char *name;      /* of its set of scales */
} Arithmetic;

/* An input as rows in the arena. */
static DvTensor
input (DvStream *stream, Golden *golden, const char *name)
{
  const DvTensor *host = golden_find (golden, INPUTS, "%s", name);
  int64_t columns;
  DvTensor out;

  if (!host) {
    golden_fail (golden, "there is no input %s", name);
    return DV_NEW (stream, DV_F32, INT64_C (1), INT64_C (1));
  }
  columns = host->shape[host->n_dims - 1];
  out = DV_NEW (stream, DV_F32, dv_tensor_count (host) / columns, columns);
  dv_copy (stream, &out, host);
  return out;
}

/* The last of a stream's work, compared on the host. */
static void
compare_rows (
    DvStream *stream, Golden *golden, const char *name, const DvTensor *got)
{
  const DvTensor *expected = golden_find (golden, EXPECTED, "%s", name);
  DvTensor host, view;

  if (!dv_stream_live (stream))
    return;
  host = dv_tensor_new (DV_F32, got->n_dims, got->shape);
  dv_copy (stream, &host, got);
  dv_stream_status (stream, NULL);
  view = host;
  if (expected && dv_tensor_count (expected) == dv_tensor_count (&host))
    view = dv_reshape (&host, expected->n_dims, expected->shape);
  golden_compare (golden, name, &view, expected, exact);
  dv_tensor_clear (&host);
}

static void
run_guidance (DvStream *stream, void *user)
{
  Arithmetic *self = user;
  Golden *golden = self->golden;
  size_t mark = dv_mark (stream);
  DvTensor cond = input (stream, golden, "cond");
  DvTensor uncond = input (stream, golden, "uncond");
  DvTensor perturbed = input (stream, golden, "perturbed");
  DvTensor modality = input (stream, golden, "modality");
  double cfg = 1, stg = 0, mod = 1, rescale = 0;

  if (!json_number (self->guidance, &cfg, "%s.cfg_scale", self->name) ||
      !json_number (self->guidance, &stg, "%s.stg_scale", self->name) ||
      !json_number (self->guidance, &mod, "%s.modality_scale", self->name) ||
      !json_number (self->guidance, &rescale, "%s.rescale_scale", self->name))
    golden_fail (golden, "guidance_params.json: %s lacks a scale", self->name);
  dv_guide (stream, &(DvGuide){
                        .out = &cond,
                        .cond = &cond,
                        .uncond = &uncond,
                        .perturbed = &perturbed,
                        .modality = &modality,
                        .cfg = (float)cfg,
                        .stg = (float)stg,
                        .mod = (float)mod,
                        .rescale = (float)rescale,
                    });
  compare_rows (stream, golden, self->name, &cond);
  dv_release (stream, mark);
}

/* The inputs' mask, on the host. */
static DvTensor
host_mask (Golden *golden)
{
  const DvTensor *mask = golden_find (golden, INPUTS, "mask");
  DvTensor none = {0};

  return mask ? DV_RESHAPE (mask, dv_tensor_count (mask)) : none;
}

static void
run_noising (DvStream *stream, void *user)
{
  Golden *golden = user;
  size_t mark = dv_mark (stream);
  DvTensor noise = input (stream, golden, "noise");
  DvTensor clean = input (stream, golden, "clean");
  DvTensor denoised = input (stream, golden, "denoised");
  DvCondition condition = {
      .clean = clean, .mask = host_mask (golden), .any = true};

  dv_condition_noise (&condition, stream, &noise, &noise, 0.909375f);
  compare_rows (stream, golden, "noised_scale_0.909375", &noise);
  dv_condition_mix (&condition, stream, &denoised);
  compare_rows (stream, golden, "blended", &denoised);
  dv_release (stream, mark);
}

/* EXPECTED's euler_A_to_B: two ways, from x0 and from a velocity that gives
 * the same x0. */
static void
run_step (
    DvStream *stream, Golden *golden, const char *name, float from, float to)
{
  size_t mark = dv_mark (stream);
  DvTensor x = input (stream, golden, "x"), again = input (stream, golden, "x");
  DvTensor x0 = input (stream, golden, "denoised");
  DvTensor velocity = DV_NEW (stream, DV_F32, x.shape[0], x.shape[1]);

  dv_map (stream,
      &(DvMap){
          .out = &velocity, .x = &x, .y = &x0, .kind = DV_MAP_AXPY, .p = -1});
  dv_map (stream, &(DvMap){.out = &velocity,
                      .x = &velocity,
                      .kind = DV_MAP_SCALE,
                      .p = 1 / from});
  dv_step_to (stream, &x, &x0, from, to);
  compare_rows (stream, golden, name, &x);
  dv_euler (stream,
      &(DvEuler){
          .x = &again, .velocity = &velocity, .sigma = from, .next = to});
  compare_rows (stream, golden, name, &again);
  dv_release (stream, mark);
}

static void
run_steps (DvStream *stream, void *user)
{
  Golden *golden = user;
  size_t mark = dv_mark (stream);
  DvTensor x = input (stream, golden, "x");
  DvTensor velocity = input (stream, golden, "velocity");
  DvTensor x0 = DV_NEW (stream, DV_F32, x.shape[0], x.shape[1]);
  DvTensor mask = host_mask (golden);

  mask = dv_mask_on_device (stream, &mask, 1);
  run_step (stream, golden, "euler_0.725_to_0.421875", 0.725f, 0.421875f);
  run_step (stream, golden, "euler_0.421875_to_0", 0.421875f, 0);
  dv_x0_from_velocity (stream, &x0, &x, &velocity, &mask, 0.725f);
  compare_rows (stream, golden, "x0_from_velocity", &x0);
  dv_release (stream, mark);
}

/* ---- pictures ---- */

static void
compare_image (Golden *golden, const char *expected_name)
{
  static const int order[] = {2, 0, 1};
  const DvTensor *image,
      *expected = golden_find (golden, EXPECTED, "%s", expected_name);
  char input_name[32];
  int64_t rows, columns;
  DvError error = {0};
  DvTensor got, view;

  snprintf (input_name, sizeof input_name, "%.*s",
      (int)strcspn (expected_name, "_"), expected_name);
  image = golden_find (golden, INPUTS, "%s", input_name);
  if (!image || !expected || image->n_dims != 3 || expected->n_dims != 3) {
    golden_fail (golden, "%s: no such picture", expected_name);
    return;
  }
  rows = expected->shape[1];
  columns = expected->shape[2];
  got = dv_tensor_new (DV_F32, 3, (int64_t[]){rows, columns, 3});
  if (dv_resize_crop (image->data, 3 * (size_t)image->shape[1], image->shape[1],
          image->shape[0], got.data, columns, rows, &error) != DV_OK)
    golden_fail (golden, "%s: %s", expected_name, error.detail);
  view = dv_permute (&got, order);
  golden_compare (golden, expected_name, &view, expected, exact);
  dv_tensor_clear (&got);
}

void
golden_run_schedule (Golden *golden)
{
  cJSON *text = json_read (golden, "schedule.json");
  cJSON *guidance = json_read (golden, "guidance_params.json"), *scales;
  const char *tensor;

  if (text) {
    compare_sigmas (golden, text);
    compare_shapes (golden, text);
    compare_continuations (golden, text);
  }
  cJSON_ArrayForEach (scales, guidance)
  {
    Arithmetic arithmetic = {golden, guidance, scales->string};

    dv_stream_free (golden_stream (golden, run_guidance, &arithmetic));
  }
  dv_stream_free (golden_stream (golden, run_noising, golden));
  dv_stream_free (golden_stream (golden, run_steps, golden));
  for (size_t i = 0; (tensor = golden_nth (golden, EXPECTED, i)) != NULL; i++)
    if (strncmp (tensor, "image", 5) == 0)
      compare_image (golden, tensor);
  cJSON_Delete (text);
  cJSON_Delete (guidance);
}
