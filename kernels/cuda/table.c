/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The CUDA backend's table, and what its module shows.
 */
#include "context.h"

#include "../module.h"

static size_t
workspace (const DvDevice *device, DvOp op, const void *args)
{
  switch (op) {
    case DV_OP_MATMUL:
      return dv_cuda_matmul_workspace (device, args);
    case DV_OP_ATTENTION:
      return dv_cuda_attention_workspace (device, args);
    case DV_OP_CONV:
      return dv_cuda_conv_workspace (device, args);
    case DV_OP_CONV_UP1:
      return dv_cuda_conv_up1_workspace (device, args);
    case DV_OP_GROUP_NORM:
      return dv_cuda_group_norm_workspace (device, args);
    case DV_OP_SPREAD:
      return dv_cuda_spread_workspace (device, args);
    case DV_OP_GUIDE:
      return dv_cuda_guide_workspace (device, args);
    case DV_OP_MERGE:
      return dv_cuda_merge_workspace (device, args);
    default:
      return 0;
  }
}

static size_t
kept (const DvDevice *device, DvOp op, const void *args)
{
  return op == DV_OP_PIXELS ? dv_cuda_pixels_kept (device, args) : 0;
}

static const DvOps cuda_ops = {
    .name = "cuda",
    .apart = true,
    .workspace = workspace,
    .kept = kept,
    .op =
        {
            [DV_OP_MATMUL] = dv_cuda_matmul,
            [DV_OP_ATTENTION] = dv_cuda_attention,
            [DV_OP_NORM] = dv_cuda_norm,
            [DV_OP_QK_NORM] = dv_cuda_qk_norm,
            [DV_OP_CONV] = dv_cuda_conv,
            [DV_OP_CONV_UP1] = dv_cuda_conv_up1,
            [DV_OP_SHUFFLE] = dv_cuda_shuffle,
            [DV_OP_GROUP_NORM] = dv_cuda_group_norm,
            [DV_OP_MAP] = dv_cuda_map,
            [DV_OP_GATHER] = dv_cuda_gather,
            [DV_OP_SPREAD] = dv_cuda_spread,
            [DV_OP_EULER] = dv_cuda_euler,
            [DV_OP_NOISE] = dv_cuda_noise,
            [DV_OP_SNAKE] = dv_cuda_snake,
            [DV_OP_FIR_UP] = dv_cuda_fir_up,
            [DV_OP_PIXELS] = dv_cuda_pixels,
            [DV_OP_GUIDE] = dv_cuda_guide,
            [DV_OP_MERGE] = dv_cuda_merge,
        },
    .open = dv_cuda_open,
    .close = dv_cuda_close,
    .alloc = dv_cuda_alloc,
    .free = dv_cuda_free,
    .host_alloc = dv_cuda_host_alloc,
    .host_free = dv_cuda_host_free,
    .stream_open = dv_cuda_stream_open,
    .stream_close = dv_cuda_stream_close,
    .synchronize = dv_cuda_synchronize,
    .copy = dv_cuda_copy,
    .memory = dv_cuda_memory,
    .fence_open = dv_cuda_fence_open,
    .fence_close = dv_cuda_fence_close,
    .fence_record = dv_cuda_fence_record,
    .fence_await = dv_cuda_fence_await,
    .fence_passed = dv_cuda_fence_passed,
    .weight_bytes = dv_cuda_weight_bytes,
    .prepare = dv_cuda_prepare,
    .adopt = dv_cuda_adopt,
    .release = dv_cuda_release,
};

const DvModule *dv_module (void);

__attribute__ ((visibility ("default"))) const DvModule *
dv_module (void)
{
  static const DvModule module = {
      .abi = DV_MODULE_ABI, .table = sizeof (DvOps), .ops = &cuda_ops};

  return &module;
}
