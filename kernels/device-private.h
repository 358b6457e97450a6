/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What devices keep for themselves, and how the ops' front finds a backend.
 */
#ifndef DV_DEVICE_PRIVATE_H
#define DV_DEVICE_PRIVATE_H

#include <stdatomic.h>

#include "ops.h"

typedef struct {
  DvDevice device; /* first: a DvDevice is a Device */
  atomic_uint refs;
  atomic_uint said; /* a bit an op: that it falls back was told */
  void *module;     /* of the backend, to be closed; NULL: it is linked */
  void (*say) (void *user, const char *sentence);
  void *user;
  uint64_t planned_memory; /* of a device that only plans */
} Device;

extern const DvOps dv_planned_ops; /* planned.c */

/* The table that serves @op here: the device's own, or ref's; NULL: neither,
 * because ref cannot reach the device's memory. */
const DvOps *dv_device_serves (DvDevice *device, DvOp op, const void *args);

const char *dv_op_name (DvOp op);

#endif
