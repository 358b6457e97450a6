/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of one copy of the cpu backend.
 */
#include "gemm.h"

static size_t
workspace (const DvDevice *device, DvOp op, const void *args)
{
  switch (op) {
    case DV_OP_MATMUL:
    case DV_OP_CONV:
    case DV_OP_CONV_UP1:
      return DV_CPU (gemm_workspace) (device);
    case DV_OP_ATTENTION:
      return DV_CPU (attention_workspace) (device, args);
    default:
      return 0;
  }
}

const DvOps DV_CPU (ops) = {
    .name = "cpu",
    .workspace = workspace,
    .op =
        {
            [DV_OP_MATMUL] = DV_CPU (matmul),
            [DV_OP_ATTENTION] = DV_CPU (attention),
            [DV_OP_CONV] = DV_CPU (conv),
            [DV_OP_CONV_UP1] = DV_CPU (conv_up1),
            [DV_OP_SPREAD] = DV_CPU (spread),
        },
    .open = dv_cpu_open,
    .close = dv_cpu_close,
    .alloc = dv_cpu_alloc,
    .free = dv_cpu_free,
    .host_alloc = dv_cpu_alloc,
    .host_free = dv_cpu_free,
    .copy = dv_cpu_copy,
    .weight_bytes = DV_CPU (weight_bytes),
    .prepare = DV_CPU (prepare),
    .release = DV_CPU (release),
};
