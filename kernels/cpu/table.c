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
    case DV_OP_GROUP_NORM:
      return DV_CPU (group_norm_workspace) (args);
    default:
      return 0;
  }
}

static bool
is_fast (DvDtype dtype)
{
  return dtype == DV_F32 || dtype == DV_BF16;
}

/* What is copied once a request, and tables in F16, are left to ref. */
static bool
serves (const DvDevice *device, DvOp op, const void *args)
{
  const DvMap *map = args;

  if (op == DV_OP_GATHER)
    return is_fast (((const DvGather *)args)->table->dtype);
  if (op != DV_OP_MAP)
    return true;
  return is_fast (map->x->dtype) && is_fast (map->out->dtype) &&
         (!map->y || is_fast (map->y->dtype));
}

const DvOps DV_CPU (ops) = {
    .name = "cpu",
    .serves = serves,
    .workspace = workspace,
    .op =
        {
            [DV_OP_MATMUL] = DV_CPU (matmul),
            [DV_OP_ATTENTION] = DV_CPU (attention),
            [DV_OP_CONV] = DV_CPU (conv),
            [DV_OP_CONV_UP1] = DV_CPU (conv_up1),
            [DV_OP_SPREAD] = DV_CPU (spread),
            [DV_OP_PIXELS] = DV_CPU (pixels),
            [DV_OP_FIR_UP] = DV_CPU (fir_up),
            [DV_OP_SNAKE] = DV_CPU (snake),
            [DV_OP_NOISE] = DV_CPU (noise),
            [DV_OP_EULER] = DV_CPU (euler),
            [DV_OP_GATHER] = DV_CPU (gather),
            [DV_OP_MAP] = DV_CPU (map),
            [DV_OP_GROUP_NORM] = DV_CPU (group_norm),
            [DV_OP_SHUFFLE] = DV_CPU (shuffle),
            [DV_OP_QK_NORM] = DV_CPU (qk_norm),
            [DV_OP_NORM] = DV_CPU (norm),
            [DV_OP_MERGE] = DV_CPU (merge),
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
