/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening the shared object of a backend.
 */
#include "module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static const char *
module_path (void)
{
  const char *path = secure_getenv (DV_CUDA_MODULE_VARIABLE);

  return path && *path ? path : DV_CUDA_MODULE;
}

/* The table of an open module, if it was built with this code. */
static const DvOps *
module_ops (void *handle, const char *path, DvError *error)
{
  DvModuleEntry entry = (DvModuleEntry)dlsym (handle, DV_MODULE_ENTRY);
  const DvModule *module = entry ? entry () : NULL;

  if (!module) {
    dv_fail (error, DV_ERROR_DEVICE, "open",
        "%.200s is no module of this program: it has no " DV_MODULE_ENTRY,
        path);
    return NULL;
  }
  if (module->abi != DV_MODULE_ABI || module->table != sizeof (DvOps)) {
    dv_fail (error, DV_ERROR_DEVICE, "open",
        "%.200s is of another version (its interface is %u, this program's "
        "%u): install both from one build",
        path, module->abi, DV_MODULE_ABI);
    return NULL;
  }
  return module->ops;
}

const DvOps *
dv_module_open_cuda (void **handle, DvError *error)
{
  const char *path = module_path ();
  const DvOps *ops;

  *handle = NULL;
  if (!*path || access (path, F_OK) != 0) {
    dv_fail (error, DV_ERROR_DEVICE, "open",
        "the CUDA backend is not installed: there is no %.200s",
        *path ? path : "module of it in this build");
    return NULL;
  }
  /* What it links to may not stand being unloaded. */
  *handle = dlopen (path, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
  if (!*handle) {
    dv_fail (error, DV_ERROR_DEVICE, "open",
        "the CUDA backend cannot be loaded: %.280s", dlerror ());
    return NULL;
  }
  ops = module_ops (*handle, path, error);
  if (!ops) {
    dlclose (*handle);
    *handle = NULL;
  }
  return ops;
}

void
dv_module_close (void *handle)
{
  if (handle)
    dlclose (handle);
}
