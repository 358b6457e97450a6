/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Models: which one a name means, opening, sharing, memory.
 *
 * Threads: everything here may be called from any thread.
 */
#include "generator.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "procedural/procedural.h"

#define HOST_ALIGN 64

struct DvModel {
  atomic_uint refs;
  DvModelInfo info;
};

static bool
is_default (const char *name)
{
  return !name || !*name || strcmp (name, "auto") == 0;
}

/* There is one generator so far; anything else is refused with the reason. */
static DvStatus
check_model (const char *name, DvError *error)
{
  struct stat file;

  if (!name || !*name || strcmp (name, "procedural") == 0)
    return DV_OK;
  if (stat (name, &file) == 0)
    return dv_fail (error, DV_ERROR_NOT_FOUND, "open",
        "model \"%.160s\" is a %s of no layout that this version knows: only "
        "\"procedural\" runs here; a neural model needs a version with its "
        "network built in, and its weights as safetensors",
        name, S_ISDIR (file.st_mode) ? "folder" : "file");
  return dv_fail (error, DV_ERROR_NOT_FOUND, "open",
      "there is no model \"%.160s\" (%s): name \"procedural\", or a path that "
      "exists",
      name, strerror (errno));
}

static DvStatus
check_device (const char *device, DvError *error)
{
  if (is_default (device) || strcmp (device, "cpu") == 0)
    return DV_OK;
  if (strcmp (device, "cuda") == 0 || strncmp (device, "cuda:", 5) == 0)
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "device \"%.80s\" cannot be used: this version has no CUDA backend; "
        "name \"cpu\" or \"auto\"",
        device);
  return dv_fail (error, DV_ERROR_DEVICE, "open",
      "device \"%.80s\" is not known; name \"cpu\" or \"auto\"", device);
}

static DvStatus
check_dtype (const char *dtype, DvError *error)
{
  if (is_default (dtype) || strcmp (dtype, "f32") == 0 ||
      strcmp (dtype, "bf16") == 0)
    return DV_OK;
  return dv_fail (error, DV_ERROR_ARGUMENT, "open",
      "number type \"%.80s\" is not known; name \"auto\", \"f32\" or \"bf16\"",
      dtype);
}

DvModel *
dv_model_open (const DvModelSpec *spec, DvError *error)
{
  static const DvModelSpec defaults;
  DvModel *model;

  if (!spec)
    spec = &defaults;
  if (check_model (spec->model, error) != DV_OK ||
      check_device (spec->device, error) != DV_OK ||
      check_dtype (spec->dtype, error) != DV_OK)
    return NULL;

  model = calloc (1, sizeof *model);
  if (!model) {
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "no memory for a model of %zu bytes", sizeof *model);
    return NULL;
  }
  atomic_init (&model->refs, 1);
  model->info = (DvModelInfo){
      .name = "procedural",
      .device = "cpu",
      .procedural = true,
      .size_step = DV_PROCEDURAL_SIZE_STEP,
      .min_size = DV_PROCEDURAL_MIN_SIZE,
      .max_size = DV_PROCEDURAL_MAX_SIZE,
      .sample_rate = DV_PROCEDURAL_RATE,
      .channels = DV_PROCEDURAL_CHANNELS,
  };
  /* Nothing is read from disk: whoever waits for the end of loading gets it. */
  if (spec->progress)
    spec->progress (spec->user, 0, 0);
  return model;
}

DvModel *
dv_model_ref (DvModel *model)
{
  atomic_fetch_add_explicit (&model->refs, 1, memory_order_relaxed);
  return model;
}

void
dv_model_unref (DvModel *model)
{
  if (model &&
      atomic_fetch_sub_explicit (&model->refs, 1, memory_order_acq_rel) == 1)
    free (model);
}

const DvModelInfo *
dv_model_info (const DvModel *model)
{
  return &model->info;
}

void *
dv_model_host_alloc (DvModel *model, size_t size)
{
  if (size > SIZE_MAX - HOST_ALIGN)
    return NULL;
  size = (size + HOST_ALIGN - 1) / HOST_ALIGN * HOST_ALIGN;
  return aligned_alloc (HOST_ALIGN, size ? size : HOST_ALIGN);
}

void
dv_model_host_free (DvModel *model, void *memory)
{
  free (memory);
}
