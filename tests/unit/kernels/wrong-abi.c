/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A module of another version, for the test of the CUDA backend.
 */
#include "module.h"

const DvModule *dv_module (void);

__attribute__ ((visibility ("default"))) const DvModule *
dv_module (void)
{
  static const DvModule module = {
      .abi = DV_MODULE_ABI + 1, .table = sizeof (DvOps)};

  return &module;
}
