/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kinds "dit-*", "denoise-trajectory" and "lora": forwards and loops of
 * the diffusion transformer.
 */
#include "case-dit.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json-path.h"
#include "ltx2/dit-private.h"
#include "ltx2/lora.h"
#include "ltx2/sampler.h"

#define MAX_STEPS 64

static const GoldenLimit module_limit = {2e-5, 2e-4, 1e-2};
static const GoldenLimit loop_limit = {2e-4, 2e-3, 5e-2};

static const char *const side_name[DV_N_SIDES] = {"video", "audio"};

/* ---- the model ---- */

typedef struct {
  DvCheckpoint *checkpoint;
  DvDit *dit;
} Model;

static void
model_close (Model *model)
{
  dv_dit_free (model->dit);
  dv_checkpoint_free (model->checkpoint);
  *model = (Model){0};
}

static bool
model_open (
    Model *model, Golden *golden, const char *directory, const DvLoras *loras)
{
  DvLoader loader = {.device = golden_device (golden),
      .part = DV_PART_DIT,
      .compute = golden_dtype (golden),
      .loras = loras};
  DvError error = {0};

  *model = (Model){0};
  model->checkpoint = dv_checkpoint_open_part (DV_PART_DIT, directory, &error);
  if (!model->checkpoint)
    goto failed;
  loader.checkpoint = model->checkpoint;
  if (dv_loader_begin (&loader, &error) != DV_OK)
    goto failed;
  model->dit =
      dv_dit_load (&loader, &dv_checkpoint_config (model->checkpoint)->dit);
  if (dv_loader_finish (&loader, &error) != DV_OK || !model->dit)
    goto failed;
  return true;

failed:
  golden_fail (golden, "%s: %s", directory, error.detail);
  model_close (model);
  return false;
}

/* The directory of the weights that weights.json names. */
static const char *
other_weights (Golden *golden)
{
  cJSON *root = json_read (golden, "weights.json");
  const char *word = json_word (root, "transformer"), *path = NULL;

  if (word)
    path = golden_path (golden, word);
  else
    golden_fail (golden, "weights.json names no transformer");
  cJSON_Delete (root);
  return path;
}

/* ---- one case's inputs, one row of its batch ---- */

typedef struct {
  Golden *golden;
  const char *file;
  int64_t row; /* of the batch */
  const DvTensor *latent[DV_N_SIDES];
  const DvTensor *context[DV_N_SIDES];
  DvTensor mask[DV_N_SIDES]; /* host, [M] */
  const DvTensor *clean[DV_N_SIDES];
  DvPositions positions[DV_N_SIDES];
  float sigma;
  float *bias; /* of the text, [S], or NULL */
} Inputs;

static void
inputs_close (Inputs *in)
{
  for (int side = 0; side < DV_N_SIDES; side++)
    dv_positions_clear (&in->positions[side]);
  free (in->bias);
  in->bias = NULL;
}

/* -inf where the text mask is 0. */
static bool
read_context_mask (Inputs *in, const DvTensor *mask)
{
  int64_t n = mask->shape[1];
  const int64_t *row = mask->data;

  in->bias = malloc (sizeof (float) * (size_t)n);
  if (!in->bias)
    return false;
  for (int64_t i = 0; i < n; i++)
    in->bias[i] = row[in->row * n + i] ? 0 : -INFINITY;
  return true;
}

static bool
inputs_open (Inputs *in, Golden *golden, const char *file, int64_t row)
{
  const DvTensor *sigma = golden_find (golden, file, "sigma"), *context_mask;
  DvError error = {0};

  *in = (Inputs){.golden = golden, .file = file, .row = row};
  for (int side = 0; side < DV_N_SIDES; side++) {
    const char *name = side_name[side];
    const DvTensor *bounds = golden_find (golden, file, "%s_positions", name);
    const DvTensor *mask = golden_find (golden, file, "%s_denoise_mask", name);
    DvTensor of_row;

    in->latent[side] = golden_find (golden, file, "%s_latent", name);
    in->context[side] = golden_find (golden, file, "%s_context", name);
    in->clean[side] = golden_find (golden, file, "%s_clean_tokens", name);
    if (!bounds || !mask || !in->latent[side] || !in->context[side]) {
      golden_fail (golden, "%s lacks an input of the %s side", file, name);
      return false;
    }
    in->mask[side] = dv_index (mask, row);
    of_row = dv_index (bounds, row);
    if (dv_positions_from_bounds (&in->positions[side], (int)of_row.shape[0],
            of_row.shape[1], of_row.data, &error) != DV_OK) {
      golden_fail (golden, "%s: %s", file, error.detail);
      return false;
    }
  }
  if (sigma)
    in->sigma = ((const float *)sigma->data)[row];
  context_mask = golden_find (golden, file, "context_mask");
  return !context_mask || read_context_mask (in, context_mask);
}

/* A row of a batch of the file in the stream's arena. */
static DvTensor
upload (DvStream *stream, const DvTensor *batch, int64_t row)
{
  DvTensor host = dv_index (batch, row);
  DvTensor out = dv_new (stream, DV_F32, host.n_dims, host.shape);

  dv_copy (stream, &out, &host);
  return out;
}

/* Latents as tokens: video [C, F, h, w] -> [F h w, C], audio [C, T, mel] ->
 * [T, C mel]. */
static DvTensor
upload_tokens (DvStream *stream, const Inputs *in, int side)
{
  static const int video_order[] = {1, 0}, audio_order[] = {1, 0, 2};
  const DvTensor *batch = in->latent[side];
  int64_t c = batch->shape[1], tokens = in->positions[side].tokens;
  int64_t features = dv_tensor_count (batch) / batch->shape[0] / tokens;
  DvTensor out = DV_NEW (stream, DV_F32, tokens, features), view;
  size_t mark = dv_mark (stream);
  DvTensor from = upload (stream, batch, in->row);

  if (side == DV_VIDEO) {
    from = DV_RESHAPE (&from, c, tokens);
    from = dv_permute (&from, video_order);
    view = out;
  } else {
    from = dv_permute (&from, audio_order);
    view = DV_RESHAPE (&out, tokens, c, features / c);
  }
  dv_map (stream, &(DvMap){.out = &view, .x = &from, .kind = DV_MAP_COPY});
  dv_release (stream, mark);
  return out;
}

/* A device tensor against row @row of a batch of results. */
static void
compare (DvStream *stream, Golden *golden, const char *file, int64_t row,
    const char *name, const DvTensor *got, GoldenLimit limit)
{
  const DvTensor *batch = golden_find (golden, file, "%s", name);
  DvTensor host, expected;

  if (!dv_stream_live (stream))
    return;
  if (!batch || row >= batch->shape[0]) {
    golden_fail (golden, "%s is not in %s", name, file);
    return;
  }
  expected = dv_index (batch, row);
  host = dv_tensor_new (DV_F32, got->n_dims, got->shape);
  dv_copy (stream, &host, got);
  if (dv_stream_status (stream, NULL) == DV_OK)
    golden_compare (golden, name, &host, &expected, limit);
  dv_tensor_clear (&host);
}

/* ---- one forward ---- */

typedef struct {
  const DvDit *dit;
  Inputs in;
  const char *file;   /* of results */
  const char *prefix; /* of their names */
  bool x0;            /* they have x0 too */
  DvCrossRule rule;
  bool isolate;
  int skip_attention;
  const DvProbe *probe;
} Forward;

static void
run_forward (DvStream *stream, void *user)
{
  Forward *self = user;
  const Inputs *in = &self->in;
  size_t mark = dv_mark (stream);
  DvTensor latent[DV_N_SIDES], context[DV_N_SIDES], velocity[DV_N_SIDES], bias;
  DvTensor x0, taus, host;
  DvDitForward forward = {
      .sigma = in->sigma,
      .rule = self->rule,
      .isolate = self->isolate,
      .skip_attention = self->skip_attention,
  };
  DvDitSide *side_of[DV_N_SIDES] = {&forward.video, &forward.audio};
  char name[64];

  for (int side = 0; side < DV_N_SIDES; side++) {
    latent[side] = upload_tokens (stream, in, side);
    context[side] = upload (stream, in->context[side], in->row);
    velocity[side] =
        DV_NEW (stream, DV_F32, latent[side].shape[0], latent[side].shape[1]);
    *side_of[side] = (DvDitSide){
        .latent = &latent[side],
        .context = &context[side],
        .mask = &in->mask[side],
        .positions = &in->positions[side],
        .velocity = &velocity[side],
    };
  }
  if (in->bias) {
    host = DV_TENSOR (in->bias, DV_F32, context[0].shape[0]);
    bias = DV_NEW (stream, DV_F32, context[0].shape[0]);
    dv_copy (stream, &bias, &host);
    forward.context_bias = &bias;
  }
  dv_dit_run (self->dit, stream, &forward, NULL, self->probe);
  for (int side = 0; side < DV_N_SIDES; side++) {
    snprintf (
        name, sizeof name, "%s%s_velocity", self->prefix, side_name[side]);
    compare (stream, in->golden, self->file, in->row, name, &velocity[side],
        module_limit);
    if (!self->x0)
      continue;
    taus = DV_NEW (stream, DV_F32, latent[side].shape[0]);
    dv_copy (stream, &taus, &in->mask[side]);
    x0 = DV_NEW (stream, DV_F32, latent[side].shape[0], latent[side].shape[1]);
    dv_x0_from_velocity (
        stream, &x0, &latent[side], &velocity[side], &taus, in->sigma);
    snprintf (name, sizeof name, "%s%s_x0", self->prefix, side_name[side]);
    compare (stream, in->golden, self->file, in->row, name, &x0, module_limit);
  }
  dv_release (stream, mark);
}

/* The rotary tables that a forward uses, where the results have them. */
static void
compare_rotations (const Forward *forward)
{
  Golden *golden = forward->in.golden;

  for (int i = 0; i < 2 * DV_N_SIDES; i++) {
    int side = i / 2;
    const char *kind = i % 2 ? "cross_rope" : "rope";
    char cosines[64], sines[64];
    Spread spread;
    DvRopeSpec spec;
    DvError error = {0};

    snprintf (cosines, sizeof cosines, "%s.%s_cos", side_name[side], kind);
    snprintf (sines, sizeof sines, "%s.%s_sin", side_name[side], kind);
    if (!golden_find (golden, forward->file, "%s", cosines))
      continue;
    dv_dit_rope_spec (forward->dit, side, i % 2 == 1, &spec);
    if (!spread_open (&spread, golden_device (golden), &spec,
            &forward->in.positions[side], &error)) {
      golden_fail (golden, "%s: %s", cosines, error.detail);
      continue;
    }
    spread_compare (golden, forward->file, cosines, sines, &spread, NULL, NULL);
    spread_close (&spread);
  }
}

static void
run_variants (
    Golden *golden, const DvDit *dit, const char *inputs, const char *expected)
{
  static const struct {
    const char *prefix;
    DvCrossRule rule;
    bool isolate;
    int skip;
  } variants[] = {{"", DV_CROSS_OWN, false, -1},
      {"other.", DV_CROSS_OTHER, false, -1},
      {"isolate.", DV_CROSS_OWN, true, -1}, {"stg.", DV_CROSS_OWN, false, 1}};
  const DvTensor *sigma = golden_find (golden, inputs, "sigma");

  if (!sigma) {
    golden_fail (golden, "%s has no sigma", inputs);
    return;
  }
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
    if (!golden_find (golden, expected, "%svideo_velocity", variants[i].prefix))
      continue;
    for (int64_t row = 0; row < sigma->shape[0]; row++) {
      Forward forward = {
          .dit = dit,
          .file = expected,
          .prefix = variants[i].prefix,
          .x0 = true,
          .rule = variants[i].rule,
          .isolate = variants[i].isolate,
          .skip_attention = variants[i].skip,
      };

      if (i == 0 && sigma->shape[0] == 1)
        forward.probe =
            golden_probe (golden, expected, "", false, module_limit);
      if (inputs_open (&forward.in, golden, inputs, row)) {
        dv_stream_free (golden_stream (golden, run_forward, &forward));
        if (forward.probe)
          compare_rotations (&forward);
      }
      inputs_close (&forward.in);
    }
  }
}

/* Calls @run for each NAME.inputs.safetensors of the case. */
static void
each_subcase (Golden *golden, const DvDit *dit,
    void (*run) (Golden *golden, const DvDit *dit, const char *inputs,
        const char *expected))
{
  static const char suffix[] = ".inputs.safetensors";
  struct dirent **entries;
  int n = scandir (golden_directory (golden), &entries, NULL, alphasort);
  int found = 0;

  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    size_t length = strlen (name);
    char expected[300];

    if (length >= sizeof suffix &&
        strcmp (name + length - sizeof suffix + 1, suffix) == 0) {
      snprintf (expected, sizeof expected, "%.*s.expected.safetensors",
          (int)(length - sizeof suffix + 1), name);
      run (golden, dit, name, expected);
      found++;
    }
    free (entries[i]);
  }
  if (n >= 0)
    free (entries);
  if (found == 0)
    golden_fail (golden, "there is no *%s", suffix);
}

static void
run_dit (Golden *golden)
{
  Model model;

  if (!model_open (&model, golden, golden_directory (golden), NULL))
    return;
  each_subcase (golden, model.dit, run_variants);
  model_close (&model);
}

/* ---- denoise loops ---- */

typedef struct {
  const DvDit *dit;
  Inputs in;
  const float *sigmas;
  int steps;
  const DvProbe *probe;
} Loop;

static void
run_loop (DvStream *stream, void *user)
{
  Loop *self = user;
  const Inputs *in = &self->in;
  size_t mark = dv_mark (stream);
  DvTensor latent[DV_N_SIDES], context[DV_N_SIDES], clean[DV_N_SIDES];
  DvSampling sampling = {.sigmas = self->sigmas, .steps = self->steps};
  DvSampleSide *side_of[DV_N_SIDES] = {&sampling.video, &sampling.audio};

  for (int side = 0; side < DV_N_SIDES; side++) {
    latent[side] = upload_tokens (stream, in, side);
    context[side] = upload (stream, in->context[side], 0);
    if (in->clean[side])
      clean[side] = upload (stream, in->clean[side], 0);
    *side_of[side] = (DvSampleSide){
        .latent = &latent[side],
        .context = &context[side],
        .mask = in->clean[side] ? &in->mask[side] : NULL,
        .clean = in->clean[side] ? &clean[side] : NULL,
        .positions = &in->positions[side],
    };
  }
  dv_sample (self->dit, stream, &sampling, NULL, self->probe);
  if (self->probe) {
    dv_probe (self->probe, stream, "final.video", &latent[DV_VIDEO]);
    dv_probe (self->probe, stream, "final.audio", &latent[DV_AUDIO]);
  }
  dv_release (stream, mark);
}

static void
run_trajectory (
    Golden *golden, const DvDit *dit, const char *inputs, const char *expected)
{
  const DvTensor *sigmas = golden_find (golden, inputs, "sigmas");
  Loop loop = {.dit = dit,
      .probe = golden_probe (golden, expected, "", false, loop_limit)};

  if (!sigmas) {
    golden_fail (golden, "%s has no sigmas", inputs);
    return;
  }
  loop.sigmas = sigmas->data;
  loop.steps = (int)sigmas->shape[0] - 1;
  if (inputs_open (&loop.in, golden, inputs, 0))
    dv_stream_free (golden_stream (golden, run_loop, &loop));
  inputs_close (&loop.in);
}

static void
run_denoise (Golden *golden)
{
  const char *weights = other_weights (golden);
  Model model;

  if (!weights || !model_open (&model, golden, weights, NULL))
    return;
  each_subcase (golden, model.dit, run_trajectory);
  model_close (&model);
}

/* ---- LoRAs ---- */

typedef struct {
  const DvLoras *loras;
  const DvTensor *plain;
  DvTensor got; /* on the host */
  DvError error;
} Merging;

static void
run_merge (DvStream *stream, void *user)
{
  Merging *merging = user;
  size_t mark = dv_mark (stream);
  DvTensor out = dv_new (stream, DV_F32, 2, merging->plain->shape);

  if (dv_loras_merge (merging->loras, stream, "proj_in.weight", merging->plain,
          &out, &merging->error) != DV_OK)
    dv_stream_fail (stream, merging->error.code, merging->error.stage, "%s",
        merging->error.detail);
  dv_copy (stream, &merging->got, &out);
  dv_release (stream, mark);
}

/* A merged weight that the results show. */
static void
compare_merged (Golden *golden, const char *prefix, const DvLoras *loras)
{
  const char *weights = other_weights (golden);
  DvError error = {0};
  DvCheckpoint *checkpoint =
      weights ? dv_checkpoint_open_part (DV_PART_DIT, weights, &error) : NULL;
  const DvTensor *expected = golden_find (
      golden, "expected.safetensors", "%s.merged.patchify_proj.weight", prefix);
  Merging merging = {.loras = loras,
      .plain = checkpoint ? dv_checkpoint_find (
                                checkpoint, DV_PART_DIT, "proj_in.weight")
                          : NULL};
  DvStream *stream;
  char name[64];

  snprintf (name, sizeof name, "%s.merged.patchify_proj.weight", prefix);
  if (!merging.plain || !expected || merging.plain->dtype != DV_BF16) {
    golden_fail (golden, "%s: nothing to merge or compare", name);
    dv_checkpoint_free (checkpoint);
    return;
  }
  merging.got = dv_tensor_new (DV_F32, 2, merging.plain->shape);
  stream = golden_stream (golden, run_merge, &merging);
  if (stream)
    golden_compare (golden, name, &merging.got, expected, module_limit);
  dv_stream_free (stream);
  dv_tensor_clear (&merging.got);
  dv_checkpoint_free (checkpoint);
}

static void
run_strength (Golden *golden, const char *prefix, const char *file,
    double strength, const char *inputs)
{
  const char *weights = other_weights (golden);
  const char *path = golden_path (golden, file);
  DvError error = {0};
  DvLoras *loras = dv_loras_new (&error);
  Forward forward = {
      .file = "expected.safetensors", .prefix = prefix, .skip_attention = -1};
  char dotted[64];
  Model model = {0};

  snprintf (dotted, sizeof dotted, "%s.", prefix);
  forward.prefix = dotted;
  if (!loras || !path || !weights ||
      dv_loras_add (loras, path, strength, &error) != DV_OK) {
    golden_fail (golden, "%s: %s", file, error.detail);
    goto out;
  }
  compare_merged (golden, prefix, loras);
  if (!model_open (&model, golden, weights, loras))
    goto out;
  forward.dit = model.dit;
  if (inputs_open (&forward.in, golden, inputs, 0))
    dv_stream_free (golden_stream (golden, run_forward, &forward));
  inputs_close (&forward.in);

out:
  model_close (&model);
  dv_loras_free (loras);
}

/* Each set of results is named by its file and strength. */
static void
run_lora (Golden *golden)
{
  static const char expected[] = "expected.safetensors";
  static const char end[] = ".video_velocity";
  cJSON *root = json_read (golden, "weights.json");
  const char *inputs = json_word (root, "inputs"), *name;

  if (!inputs) {
    golden_fail (golden, "weights.json names no inputs");
    cJSON_Delete (root);
    return;
  }
  for (size_t i = 0; (name = golden_nth (golden, expected, i)) != NULL; i++) {
    const char *at = strstr (name, end), *strength = strstr (name, "strength_");
    char prefix[48];

    if (!at || !strength || (size_t)(at - name) >= sizeof prefix)
      continue;
    snprintf (prefix, sizeof prefix, "%.*s", (int)(at - name), name);
    run_strength (golden, prefix,
        strncmp (name, "alpha_", 6) == 0 ? "lora_with_alpha.safetensors"
                                         : "lora.safetensors",
        atof (strength + strlen ("strength_")), inputs);
  }
  cJSON_Delete (root);
}

const GoldenKind golden_dit_kinds[] = {
    {"rope", golden_run_rope},
    {"schedule", golden_run_schedule},
    {"dit-", run_dit},
    {"denoise-trajectory", run_denoise},
    {"lora", run_lora},
    {0},
};
