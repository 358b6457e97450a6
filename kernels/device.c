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
#include "ops.h"

static const DvOps *const backends[] = {&dv_cpu_ops, &dv_ref_ops};

static const DvOps *
find_backend (const char *name)
{
  if (!name)
    return backends[0];
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
    if (strcmp (backends[i]->name, name) == 0)
      return backends[i];
  return NULL;
}

static void
say (void *user, const char *sentence)
{
}

DvDevice *
dv_device_open (const DvDeviceSpec *spec, DvError *error)
{
  static const DvDeviceSpec defaults;
  const DvOps *ops;
  Device *self = NULL;

  if (!spec)
    spec = &defaults;
  ops =
      spec->planned_memory > 0 ? &dv_planned_ops : find_backend (spec->backend);
  if (!ops) {
    dv_fail (error, DV_ERROR_DEVICE, "open",
        "there is no backend \"%.40s\" in this build", spec->backend);
    return NULL;
  }
  self = calloc (1, sizeof *self);
  if (!self) {
    dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a device");
    return NULL;
  }
  atomic_init (&self->refs, 1);
  self->device.ops = ops;
  self->device.name = ops->name;
  self->say = spec->say ? spec->say : say;
  self->user = spec->user;
  if (ops->open && ops->open (&self->device, spec, error) != DV_OK) {
    free (self);
    return NULL;
  }
  return &self->device;
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
  if (!device || atomic_fetch_sub (&((Device *)device)->refs, 1) > 1)
    return;
  if (device->ops->close)
    device->ops->close (device);
  free (device);
}

const DvOps *
dv_device_serves (DvDevice *device, DvOp op, const void *args)
{
  const DvOps *ops = device->ops;
  Device *self = (Device *)device;
  char sentence[120];

  if (ops->op[op] && (!ops->serves || ops->serves (device, op, args)))
    return ops;
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
