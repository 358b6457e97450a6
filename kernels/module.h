/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A backend in a shared object of its own, so that one build serves machines
 * with and without what that backend links to.
 *
 * Threads: any.
 */
#ifndef DV_MODULE_H
#define DV_MODULE_H

#include "ops.h"

/* Changes with every change to what both sides read: ops.h, device.h,
 * tensor.h, arena.h, error.h. */
#define DV_MODULE_ABI 3

typedef struct {
  unsigned abi;
  size_t table; /* sizeof (DvOps): an op more is another ABI too */
  const DvOps *ops;
} DvModule;

/* The one symbol that a module exports, of this type. */
#define DV_MODULE_ENTRY "dv_module"
typedef const DvModule *(*DvModuleEntry) (void);

/* Where the CUDA backend's module is looked for, and there only, when the
 * environment names a place; else where this build installs it. */
#define DV_CUDA_MODULE_VARIABLE "DREAMVERSE_CUDA_MODULE"

/* Opens the module of the CUDA backend. NULL: there is none here, or it does
 * not fit; @error says which and what to do. *@handle keeps it open until
 * dv_module_close(). */
const DvOps *dv_module_open_cuda (void **handle, DvError *error);
/* @handle may be NULL. */
void dv_module_close (void *handle);

#endif
