/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening devices: which backend, and what ref does in its stead.
 */
#include "device.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-private.h"
#include "module.h"
#include "ops.h"

static const DvOps *
find_backend (const char *name, bool planned, void **module, DvError *error)
{
  static const DvOps *const backends[] = {&dv_cpu_ops, &dv_ref_ops};

  *module = NULL;
  if (planned)
    return &dv_planned_ops;
  if (strcmp (name, "cuda") == 0)
    return dv_module_open_cuda (module, error);
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
    if (strcmp (backends[i]->name, name) == 0)
      return backends[i];
  dv_fail (error, DV_ERROR_DEVICE, "open",
      "there is no backend \"%.40s\" in this build", name);
  return NULL;
}

static void
say (void *user, const char *sentence)
{
}

static DvDevice *
open_backend (const char *name, const DvDeviceSpec *spec, DvError *error)
{
  void *module;
  const DvOps *ops =
      find_backend (name, spec->planned_memory > 0, &module, error);
  Device *self;

  if (!ops)
    return NULL;
  self = calloc (1, sizeof *self);
  if (!self) {
    dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a device");
    goto failed;
  }
  atomic_init (&self->refs, 1);
  self->device.ops = ops;
  self->device.name = ops->name;
  self->module = module;
  self->say = spec->say ? spec->say : say;
  self->user = spec->user;
  if (ops->open && ops->open (&self->device, spec, error) != DV_OK)
    goto failed;
  return &self->device;

failed:
  free (self);
  dv_module_close (module);
  return NULL;
}

/* A GPU if there is one that can be used; else why not, in a sentence. */
static DvDevice *
open_best (const DvDeviceSpec *spec, DvError *error)
{
  DvError why = {0};
  DvDevice *device = open_backend ("cuda", spec, &why);
  char sentence[sizeof why.detail + 32];

  if (device)
    return device;
  if (spec->say) {
    snprintf (sentence, sizeof sentence, "no GPU is used: %s", why.detail);
    spec->say (spec->user, sentence);
  }
  return open_backend ("cpu", spec, error);
}

DvDevice *
dv_device_open (const DvDeviceSpec *spec, DvError *error)
{
  static const DvDeviceSpec defaults;

  if (!spec)
    spec = &defaults;
  return spec->backend ? open_backend (spec->backend, spec, error)
                       : open_best (spec, error);
}

DvDevice *
dv_device_ref (DvDevice *device)
{
  atomic_fetch_add (&((Device *)device)->refs, 1);
  return device;
}

void
dv_device_unref (DvDevice *device)
{
  void *module;

  if (!device || atomic_fetch_sub (&((Device *)device)->refs, 1) > 1)
    return;
  module = ((Device *)device)->module;
  if (device->ops->close)
    device->ops->close (device);
  free (device);
  dv_module_close (module);
}

const DvOps *
dv_device_serves (DvDevice *device, DvOp op, const void *args)
{
  const DvOps *ops = device->ops;
  Device *self = (Device *)device;
  char sentence[120];

  if (ops->op[op] && (!ops->serves || ops->serves (device, op, args)))
    return ops;
  if (ops->apart)
    return NULL;
  if (ops != &dv_ref_ops &&
      !(atomic_fetch_or (&self->said, 1u << op) >> op & 1)) {
    snprintf (sentence, sizeof sentence,
        "%s: \"%s\" has no fast version for this case, the reference runs",
        device->name, dv_op_name (op));
    self->say (self->user, sentence);
  }
  return &dv_ref_ops;
}

void *
dv_device_alloc (DvDevice *device, size_t bytes)
{
  return device->ops->alloc (device, bytes ? bytes : 1);
}

void
dv_device_free (DvDevice *device, void *memory)
{
  if (memory)
    device->ops->free (device, memory);
}

void *
dv_device_host_alloc (DvDevice *device, size_t bytes)
{
  return device->ops->host_alloc (device, bytes ? bytes : 1);
}

void
dv_device_host_free (DvDevice *device, void *memory)
{
  if (memory)
    device->ops->host_free (device, memory);
}

void
dv_device_memory (DvDevice *device, uint64_t *available, uint64_t *total)
{
  *available = *total = 0;
  if (device->ops->memory)
    device->ops->memory (device, available, total);
}
