/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The procedural generator as a model: there is nothing to load.
 */
#include "../model.h"

#include <stdlib.h>
#include <string.h>

#include "procedural.h"

#define HOST_ALIGN 64

static bool
is_default (const char *name)
{
  return !name || !*name || strcmp (name, "auto") == 0;
}

static DvStatus
check_device (const char *device, DvError *error)
{
  if (is_default (device) || strcmp (device, "cpu") == 0)
    return DV_OK;
  if (strcmp (device, "cuda") == 0 || strncmp (device, "cuda:", 5) == 0)
    return dv_fail (error, DV_ERROR_DEVICE, "open",
        "device \"%.80s\" cannot be used: the procedural generator draws on "
        "the processor; name \"cpu\" or \"auto\"",
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

static void
model_free (DvModel *model)
{
  free (model);
}

static void *
host_alloc (DvModel *model, size_t size)
{
  if (size > SIZE_MAX - HOST_ALIGN)
    return NULL;
  size = (size + HOST_ALIGN - 1) / HOST_ALIGN * HOST_ALIGN;
  return aligned_alloc (HOST_ALIGN, size ? size : HOST_ALIGN);
}

static void
host_free (DvModel *model, void *memory)
{
  free (memory);
}

DvModel *
dv_procedural_open (const DvModelSpec *spec, DvError *error)
{
  static const DvGenerator generator = {
      .free = model_free,
      .host_alloc = host_alloc,
      .host_free = host_free,
      .session_new = dv_procedural_session_new,
      .session_free = dv_procedural_session_free,
      .session_reset = dv_procedural_session_reset,
      .session_save = dv_procedural_session_save,
      .session_load = dv_procedural_session_load,
      .session_step = dv_procedural_session_step,
  };
  DvModel *model;

  if (check_device (spec->device, error) != DV_OK ||
      check_dtype (spec->dtype, error) != DV_OK)
    return NULL;
  if (spec->n_loras > 0) {
    dv_fail (error, DV_ERROR_ARGUMENT, "open",
        "\"procedural\" has no weights that a LoRA could change");
    return NULL;
  }
  model = calloc (1, sizeof *model);
  if (!model) {
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "no memory for a model of %zu bytes", sizeof *model);
    return NULL;
  }
  model->generator = &generator;
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
  if (spec->plan_only && spec->say)
    spec->say (spec->user,
        "\"procedural\" has no weights: it takes a few pictures' worth of "
        "memory");
  /* Nothing is read from disk: whoever waits for the end of loading gets it. */
  if (spec->progress)
    spec->progress (spec->user, 0, 0);
  return model;
}
