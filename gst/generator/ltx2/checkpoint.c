/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A checkpoint, of whichever layout, and its parts (checkpoint.h).  Where the
 * files are is found in layouts.c; here are the tensors of each part, under
 * their diffusers names, and what configuration goes with them.
 */
#include "checkpoint-private.h"
#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layouts.h"

const char *
dv_part_name (DvPart part)
{
  static const char *const names[DV_N_PARTS] = {"text_encoder", "connectors",
      "transformer", "vae", "audio_vae", "vocoder", "latent_upsampler"};

  return part < DV_N_PARTS ? names[part] : "nothing";
}

void
dv_checkpoint_free (DvCheckpoint *checkpoint)
{
  if (!checkpoint)
    return;
  for (int i = 0; i < DV_N_PARTS; i++) {
    DvPartTensors *part = &checkpoint->part[i];

    for (size_t j = 0; j < part->count; j++)
      free (part->named[j].name);
    free (part->named);
    free (part->where);
  }
  for (int i = 0; i < checkpoint->n_files; i++)
    dv_safetensors_free (checkpoint->file[i]);
  free (checkpoint->tokenizer);
  free (checkpoint->path);
  free (checkpoint);
}

static DvStatus
no_memory (const DvCheckpoint *checkpoint, DvError *error)
{
  return dv_fail (error, DV_ERROR_MEMORY, "open",
      "There is no memory left to open %s.", checkpoint->path);
}

DvCheckpoint *
dv_checkpoint_new (const char *path, DvError *error)
{
  DvCheckpoint *checkpoint = calloc (1, sizeof *checkpoint);

  if (checkpoint)
    checkpoint->path = strdup (path);
  if (!checkpoint || !checkpoint->path) {
    free (checkpoint);
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "There is no memory left to open a model.");
    return NULL;
  }
  return checkpoint;
}

/* ---- tensors of a part ---- */

static DvStatus
add_tensor (DvCheckpoint *checkpoint, DvPart p, const char *name,
    const DvTensor *tensor, const DvSafetensors *file, DvError *error)
{
  DvPartTensors *part = &checkpoint->part[p];
  char *copy;

  if (part->count == part->max) {
    size_t max = part->max ? 2 * part->max : 64;
    DvNamed *grown = realloc (part->named, max * sizeof *grown);

    if (!grown)
      return no_memory (checkpoint, error);
    part->named = grown;
    part->max = max;
  }
  copy = strdup (name);
  if (!copy)
    return no_memory (checkpoint, error);
  part->named[part->count++] = (DvNamed){copy, tensor, file};
  return DV_OK;
}

static int
by_name (const void *a, const void *b)
{
  const DvNamed *x = a, *y = b;

  return strcmp (x->name, y->name);
}

/* Sorts the part's tensors; two of one diffusers name cannot both be meant. */
static DvStatus
sort_part (DvCheckpoint *checkpoint, DvPart p, DvError *error)
{
  DvPartTensors *part = &checkpoint->part[p];

  if (part->count > 1)
    qsort (part->named, part->count, sizeof *part->named, by_name);
  for (size_t i = 1; i < part->count; i++)
    if (strcmp (part->named[i - 1].name, part->named[i].name) == 0)
      return dv_fail (error, DV_ERROR_FORMAT, "open",
          "%s holds two tensors that mean %.128s of the %s.", part->where,
          part->named[i].name, dv_part_name (p));
  return DV_OK;
}

/* What of @file's i-th tensor belongs to part @p: its name below the prefix,
 * or NULL. */
static const char *
name_in_part (const DvSafetensors *file, size_t i, DvPart p, bool whole,
    char *buffer, const DvTensor **tensor)
{
  const char *name, *rest;
  DvPart of;

  *tensor = dv_safetensors_nth (file, i, &name);
  if (p == DV_PART_GEMMA)
    return dv_name_gemma (name, buffer, DV_MAX_NAME) ? buffer : NULL;
  if (!whole)
    return dv_name_is_connector (name) == (p == DV_PART_CONNECTORS) ? name
                                                                    : NULL;
  return dv_name_split (name, &of, &rest) && of == p ? rest : NULL;
}

DvStatus
dv_checkpoint_add_part (DvCheckpoint *checkpoint, DvPart p,
    const DvSafetensors *file, bool whole, DvError *error)
{
  DvPartTensors *part = &checkpoint->part[p];
  char buffer[DV_MAX_NAME], renamed[DV_MAX_NAME];
  const DvTensor *tensor;
  const char *name;
  DvStatus status;

  if (!part->where)
    part->where = strdup (dv_safetensors_path (file));
  if (!part->where)
    return no_memory (checkpoint, error);
  for (size_t i = 0; i < dv_safetensors_count (file) && !part->original; i++) {
    name = name_in_part (file, i, p, whole, buffer, &tensor);
    part->original = name && dv_name_is_original (p, name);
  }
  for (size_t i = 0; i < dv_safetensors_count (file); i++) {
    name = name_in_part (file, i, p, whole, buffer, &tensor);
    if (!name)
      continue;
    if (part->original) {
      if (!dv_name_to_diffusers (p, name, renamed, sizeof renamed))
        return dv_fail (error, DV_ERROR_FORMAT, "open",
            "%s: a tensor's name is longer than %d bytes: %.128s…", part->where,
            DV_MAX_NAME - 1, name);
      name = renamed;
    }
    if (dv_name_ignored (p, name))
      continue;
    status = add_tensor (checkpoint, p, name, tensor, file, error);
    if (status != DV_OK)
      return status;
  }
  return sort_part (checkpoint, p, error);
}

DvSafetensors *
dv_checkpoint_add_file (
    DvCheckpoint *checkpoint, const char *path, DvError *error)
{
  DvSafetensors *file;

  if (checkpoint->n_files == DV_MAX_FILES) {
    dv_fail (error, DV_ERROR_FORMAT, "open", "%s has more than %d files.",
        checkpoint->path, DV_MAX_FILES);
    return NULL;
  }
  file = dv_safetensors_open (path, error);
  if (file)
    checkpoint->file[checkpoint->n_files++] = file;
  return file;
}

/* ---- configurations ---- */

DvStatus
dv_checkpoint_configure (DvCheckpoint *checkpoint, DvPart p, const cJSON *json,
    const char *where, DvError *error)
{
  DvLtx2Config *config = &checkpoint->config;
  DvConfigReader reader = {.json = json,
      .where = where,
      .tensors = &checkpoint->part[p],
      .error = error};

  switch (p) {
    case DV_PART_GEMMA:
      dv_config_gemma (&reader, &config->gemma);
      config->has_gemma = reader.status == DV_OK;
      break;
    case DV_PART_CONNECTORS:
      config->text.caption = config->gemma.hidden;
      dv_config_connectors (&reader, &config->text);
      break;
    case DV_PART_DIT:
      dv_config_dit (&reader, &config->dit);
      break;
    case DV_PART_VIDEO_VAE:
      dv_config_video_vae (&reader, &config->video_vae);
      break;
    case DV_PART_AUDIO_VAE:
      dv_config_audio_vae (&reader, &config->audio_vae);
      break;
    case DV_PART_VOCODER:
      dv_config_vocoder (&reader, &config->vocoder);
      break;
    default:
      dv_config_upsampler (&reader, &config->upsampler);
      config->has_upsampler = reader.status == DV_OK;
      break;
  }
  return reader.status;
}

/* ---- look-up ---- */

const DvLtx2Config *
dv_checkpoint_config (const DvCheckpoint *checkpoint)
{
  return &checkpoint->config;
}

const char *
dv_checkpoint_tokenizer (const DvCheckpoint *checkpoint)
{
  return checkpoint->tokenizer;
}

const char *
dv_checkpoint_path (const DvCheckpoint *checkpoint)
{
  return checkpoint->path;
}

const DvTensor *
dv_checkpoint_find (
    const DvCheckpoint *checkpoint, DvPart part, const char *name)
{
  const DvNamed *named = dv_part_find (&checkpoint->part[part], name);

  return named ? named->tensor : NULL;
}

const DvTensor *
dv_checkpoint_nth (
    const DvCheckpoint *checkpoint, DvPart part, size_t i, const char **name)
{
  const DvPartTensors *p = &checkpoint->part[part];

  if (i >= p->count)
    return NULL;
  if (name)
    *name = p->named[i].name;
  return p->named[i].tensor;
}

uint64_t
dv_checkpoint_bytes (const DvCheckpoint *checkpoint, DvPart part)
{
  const DvPartTensors *p = &checkpoint->part[part];
  uint64_t bytes = 0;

  for (size_t i = 0; i < p->count; i++)
    bytes += dv_tensor_bytes (p->named[i].tensor);
  return bytes;
}
