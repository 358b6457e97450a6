/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening an LTX-2 checkpoint for generating: device, files, plan, weights.
 *
 * Threads: generator.h's rules for models.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ltx2-private.h"

static bool
is_default (const char *name)
{
  return !name || !*name || strcmp (name, "auto") == 0;
}

/* A plan for a GPU of so much memory needs none. */
static bool
is_planned (const DvModelSpec *spec)
{
  return spec->plan_only && spec->memory_budget > 0 && spec->device &&
         strncmp (spec->device, "cuda", 4) == 0;
}

/* "cuda" or "cuda:N": the number, else -1. */
static int
gpu_index (const char *name)
{
  char *end;
  long index;

  if (strcmp (name, "cuda") == 0)
    return 0;
  if (strncmp (name, "cuda:", 5) != 0 || name[5] < '0' || name[5] > '9')
    return -1;
  index = strtol (name + 5, &end, 10);
  return *end || index > INT_MAX ? -1 : (int)index;
}

static DvStatus
open_device (DvLtx2 *self, const DvModelSpec *spec, DvError *error)
{
  DvDeviceSpec device = {
      .threads = spec->threads, .say = spec->say, .user = spec->user};
  char sentence[sizeof self->device->about + 32];

  if (is_planned (spec)) {
    device.planned_memory = spec->memory_budget;
  } else if (is_default (spec->device)) {
    device.backend = NULL;
  } else if (strcmp (spec->device, "cpu") == 0 ||
             strcmp (spec->device, "ref") == 0) {
    device.backend = spec->device;
  } else if (gpu_index (spec->device) >= 0) {
    device.backend = "cuda";
    device.index = gpu_index (spec->device);
  } else {
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "device \"%.80s\" is not known; name \"auto\", \"cpu\" or \"cuda:N\"",
        spec->device);
  }
  self->device = dv_device_open (&device, error);
  if (!self->device)
    return DV_ERROR_DEVICE;
  snprintf (self->device_name, sizeof self->device_name, "%s",
      is_planned (spec) ? spec->device : self->device->name);
  if (spec->say) {
    snprintf (sentence, sizeof sentence, "%s: %s", self->device->name,
        self->device->about);
    spec->say (spec->user, sentence);
  }
  return DV_OK;
}

static DvStatus
choose_dtype (DvLtx2 *self, const char *dtype, DvError *error)
{
  if (is_default (dtype))
    self->compute = self->device->has_bf16 ? DV_BF16 : DV_F32;
  else if (strcmp (dtype, "f32") == 0)
    self->compute = DV_F32;
  else if (strcmp (dtype, "bf16") == 0)
    self->compute = DV_BF16;
  else
    return dv_fail (error, DV_ERROR_ARGUMENT, "open",
        "number type \"%.80s\" is not known; name \"auto\", \"f32\" or "
        "\"bf16\"",
        dtype);
  return DV_OK;
}

DvStatus
dv_ltx2_no_tokenizer (DvError *error)
{
  return dv_fail (error, DV_ERROR_NOT_FOUND, "text",
      "the model has no tokenizer.json, so no prompt can be read: put "
      "Gemma 3's into the folder tokenizer beside its weights");
}

static DvStatus
open_files (DvLtx2 *self, const DvModelSpec *spec, DvError *error)
{
  struct stat file;

  if (stat (spec->model, &file) != 0)
    return dv_fail (error, DV_ERROR_NOT_FOUND, "open",
        "there is no model \"%.160s\" (%s): name \"procedural\", or a path "
        "that exists",
        spec->model, strerror (errno));
  self->checkpoint = dv_checkpoint_open (spec->model, error);
  if (!self->checkpoint)
    return DV_ERROR_FORMAT;
  self->config = dv_checkpoint_config (self->checkpoint);
  snprintf (self->name, sizeof self->name, "%s", self->config->name);
  if (dv_test_file_open (&self->test_inputs, error) != DV_OK)
    return DV_ERROR_FORMAT;
  if (!dv_checkpoint_tokenizer (self->checkpoint)) {
    if (spec->prompts && !self->test_inputs)
      return dv_ltx2_no_tokenizer (error);
    return DV_OK;
  }
  self->tokenizer =
      dv_tokenizer_open (dv_checkpoint_tokenizer (self->checkpoint), error);
  return self->tokenizer ? DV_OK : DV_ERROR_FORMAT;
}

static DvLoras *
read_loras (const DvLoraSpec *specs, size_t n, DvError *error)
{
  DvLoras *loras = dv_loras_new (error);

  for (size_t i = 0; i < n && loras; i++)
    if (dv_loras_add (loras, specs[i].path, (double)specs[i].strength, error) !=
        DV_OK) {
      dv_loras_free (loras);
      return NULL;
    }
  return loras;
}

/* Tells apart whose states fit: FNV-1a over the sizes that matter. */
static uint64_t
fingerprint (const DvLtx2Config *config)
{
  const int64_t numbers[] = {config->v23, config->dit.video.in,
      config->dit.audio.in, config->dit.layers,
      config->dit.video.heads * config->dit.video.head_dim,
      config->video_vae.latent, config->audio_vae.latent,
      config->audio_vae.mel_bins};
  uint64_t sum = 0xcbf29ce484222325u;

  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    for (int shift = 0; shift < 64; shift += 8)
      sum = (sum ^ (((uint64_t)numbers[i] >> shift) & 0xff)) * 0x100000001b3u;
  return sum;
}

/* ---- loading, with its progress ---- */

typedef struct {
  const DvModelSpec *spec;
  uint64_t before, total;
} Progress;

static bool
tell_progress (void *user, uint64_t done)
{
  Progress *progress = user;

  if (progress->spec->progress)
    progress->spec->progress (
        progress->spec->user, progress->before + done, progress->total);
  return !progress->spec->cancelled ||
         !progress->spec->cancelled (progress->spec->user);
}

static DvStatus
load_all (DvLtx2 *self, const DvModelSpec *spec, DvError *error)
{
  Progress progress = {.spec = spec};
  DvPartBytes bytes;
  DvStatus status;

  for (int i = 0; i < DV_N_PARTS; i++)
    progress.total += self->plan.part[i].mapped;
  tell_progress (&progress, 0);
  for (int i = 0; i < DV_N_PARTS; i++) {
    status = dv_ltx2_load_part (self, (DvPart)i, false, self->loras,
        tell_progress, &progress, &self->parts, &bytes, error);
    if (status != DV_OK)
      return status;
    progress.before += self->plan.part[i].mapped;
  }
  return DV_OK;
}

/* ---- the model's functions ---- */

static void
model_free (DvModel *model)
{
  DvLtx2 *self = (DvLtx2 *)model;

  dv_ltx2_parts_clear (&self->parts);
  dv_loras_free (self->loras);
  dv_tokenizer_free (self->tokenizer);
  dv_safetensors_free (self->test_inputs);
  dv_checkpoint_free (self->checkpoint);
  dv_device_unref (self->device);
  free (self);
}

static void *
host_alloc (DvModel *model, size_t size)
{
  return dv_device_host_alloc (((DvLtx2 *)model)->device, size);
}

static void
host_free (DvModel *model, void *memory)
{
  dv_device_host_free (((DvLtx2 *)model)->device, memory);
}

/* The transformer once more from its files, with @loras or none: what was
 * merged leaves no trace. */
static DvDit *
load_transformer (DvLtx2 *self, const DvLoras *loras, DvError *error)
{
  DvLtx2Parts parts = {0};
  DvPartBytes bytes;

  if (dv_ltx2_load_part (self, DV_PART_DIT, false, loras, NULL, NULL, &parts,
          &bytes, error) != DV_OK)
    dv_ltx2_parts_clear (&parts);
  return parts.dit;
}

/* Whether the transformer could be loaded with them, before the one that there
 * is goes: the files fit, and where they are merged there is room. */
static DvStatus
check_loras (const DvLtx2 *self, const DvLoras *loras, DvError *error)
{
  DvLtx2Parts parts = {0};
  DvPartBytes bytes = {0};
  uint64_t available, total;
  DvStatus status = dv_ltx2_load_part (
      self, DV_PART_DIT, true, loras, NULL, NULL, &parts, &bytes, error);

  dv_ltx2_parts_clear (&parts);
  if (status != DV_OK)
    return status;
  dv_device_memory (self->device, &available, &total);
  if (bytes.scratch <= available)
    return DV_OK;
  return dv_fail (error, DV_ERROR_MEMORY, "load",
      "merging these LoRAs takes %.0f MiB of %s, and %.0f are free: open the "
      "model with them, so that it is planned for, or end other sessions",
      (double)bytes.scratch / 1048576, self->device_name,
      (double)available / 1048576);
}

/* Where there is no room for both, the old one goes first, and comes back when
 * the new one cannot be loaded. */
static DvDit *
replace_transformer (DvLtx2 *self, const DvLoras *loras, DvError *error)
{
  DvDit *dit;

  if (loras && check_loras (self, loras, error) != DV_OK)
    return NULL;
  self->revision++;
  dv_dit_free (self->parts.dit);
  self->parts.dit = NULL;
  dit = load_transformer (self, loras, error);
  if (!dit)
    self->parts.dit = load_transformer (self, self->loras, NULL);
  return dit;
}

static DvStatus
set_loras (DvModel *model, const DvLoraSpec *specs, size_t n, DvError *error)
{
  DvLtx2 *self = (DvLtx2 *)model;
  DvError why = {0};
  DvLoras *loras = NULL;
  DvDit *dit;

  if (n > 0) {
    loras = read_loras (specs, n, &why);
    if (!loras)
      goto failed;
  }
  dit = self->device->discrete ? replace_transformer (self, loras, &why)
                               : load_transformer (self, loras, &why);
  if (!dit)
    goto failed;
  dv_dit_free (self->parts.dit);
  dv_loras_free (self->loras);
  self->parts.dit = dit;
  self->loras = loras;
  self->revision++;
  return DV_OK;

failed:
  dv_loras_free (loras);
  if (error)
    *error = why;
  return why.code;
}

static const DvGenerator generator = {
    .free = model_free,
    .host_alloc = host_alloc,
    .host_free = host_free,
    .set_loras = set_loras,
    .session_new = dv_ltx2_session_new,
    .session_free = dv_ltx2_session_free,
    .session_reset = dv_ltx2_session_reset,
    .session_save = dv_ltx2_session_save,
    .session_load = dv_ltx2_session_load,
    .session_prepare = dv_ltx2_session_prepare,
    .session_step = dv_ltx2_session_step,
};

static void
fill_info (DvLtx2 *self)
{
  self->fingerprint = fingerprint (self->config);
  self->parent.info = (DvModelInfo){
      .name = self->name,
      .device = self->device_name,
      .size_step = self->config->has_upsampler ? 64 : 32,
      .min_size = DV_LTX2_MIN_SIZE,
      .max_size = DV_LTX2_MAX_SIZE,
      .sample_rate = (uint32_t)self->config->vocoder.output_rate,
      .channels = DV_LTX2_CHANNELS,
  };
}

DvModel *
dv_ltx2_open (const DvModelSpec *spec, DvError *error)
{
  DvLtx2 *self = calloc (1, sizeof *self);

  if (!self) {
    dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a model");
    return NULL;
  }
  self->parent.generator = &generator;
  atomic_init (&self->parent.refs, 1);
  self->say = spec->say;
  self->user = spec->user;
  if (open_device (self, spec, error) != DV_OK ||
      choose_dtype (self, spec->dtype, error) != DV_OK ||
      open_files (self, spec, error) != DV_OK)
    goto failed;
  if (spec->n_loras > 0) {
    self->loras = read_loras (spec->loras, spec->n_loras, error);
    if (!self->loras)
      goto failed;
  }
  fill_info (self);
  if (dv_ltx2_plan (self, spec, &self->plan, error) != DV_OK)
    goto failed;
  self->parent.info.prepares =
      self->plan.ahead > 0 && self->tokenizer && !self->test_inputs;
  dv_ltx2_plan_say (self, &self->plan);
  if (dv_ltx2_plan_check (&self->plan, error) != DV_OK ||
      (!spec->plan_only && load_all (self, spec, error) != DV_OK))
    goto failed;
  return &self->parent;

failed:
  dv_model_unref (&self->parent);
  return NULL;
}
