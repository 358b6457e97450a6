/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The front of every op: cancelled? failed? do the arguments fit? dry?  Then
 * the workspace is taken and the backend's entry called.
 */
#include "ops.h"

#include <string.h>

#include "arguments.h"
#include "device-private.h"

const char *
dv_op_name (DvOp op)
{
  static const char *const names[DV_N_OPS] = {
      [DV_OP_MATMUL] = "matmul",
      [DV_OP_ATTENTION] = "attention",
      [DV_OP_NORM] = "norm",
      [DV_OP_QK_NORM] = "qk-norm",
      [DV_OP_CONV] = "convolution",
      [DV_OP_CONV_UP1] = "transposed convolution",
      [DV_OP_SHUFFLE] = "pixel shuffle",
      [DV_OP_GROUP_NORM] = "group norm",
      [DV_OP_MAP] = "elementwise",
      [DV_OP_GATHER] = "gather",
      [DV_OP_SPREAD] = "spread",
      [DV_OP_EULER] = "Euler step",
      [DV_OP_NOISE] = "noise",
      [DV_OP_SNAKE] = "snake",
      [DV_OP_FIR_UP] = "resampling",
      [DV_OP_PIXELS] = "pixels",
      [DV_OP_GUIDE] = "guidance",
      [DV_OP_MERGE] = "merging",
  };

  return names[op];
}

/* What @op is to have beside its arguments. */
static bool
take_workspace (DvStream *stream, const DvOps *ops, DvOp op, const void *args,
    void **workspace)
{
  DvArena *arena = &stream->arena;
  size_t kept = ops->kept ? ops->kept (stream->device, op, args) : 0;
  size_t bytes = ops->workspace && kept == 0
                     ? ops->workspace (stream->device, op, args)
                     : 0;

  *workspace = NULL;
  if ((kept == 0 || dv_arena_keep (arena, kept, workspace)) &&
      (bytes == 0 || dv_arena_take (arena, bytes, workspace)))
    return true;
  dv_stream_fail (stream, DV_ERROR_MEMORY, dv_op_name (op),
      "a workspace of %zu bytes does not fit: %zu of the %zu planned for "
      "activations are taken",
      bytes + kept, arena->used + arena->kept, arena->size);
  return false;
}

static void
run (DvStream *stream, DvOp op, const void *args)
{
  const DvOps *ops;
  size_t mark = dv_mark (stream);
  void *workspace;
  DvError error = {0};
  DvStatus status;

  if (stream->status != DV_OK)
    return;
  if (stream->cancelled && stream->cancelled (stream->user)) {
    dv_stream_fail (stream, DV_CANCELLED, dv_op_name (op), "cancelled");
    return;
  }
  status = dv_check (op, args, &error);
  if (status != DV_OK) {
    dv_stream_fail (stream, status, error.stage, "%s", error.detail);
    return;
  }
  if (dv_check_empty (op, args))
    return;
  ops = dv_device_serves (stream->device, op, args);
  if (!ops) {
    dv_stream_fail (stream, DV_ERROR_DEVICE, dv_op_name (op),
        "%s has no \"%s\" for this case", stream->device->name,
        dv_op_name (op));
    return;
  }
  if (!take_workspace (stream, ops, op, args, &workspace))
    return;
  if (!stream->dry) {
    status = ops->op[op](stream, args, workspace, &error);
    if (status != DV_OK)
      dv_stream_fail (stream, status, error.stage, "%s", error.detail);
  }
  dv_release (stream, mark);
}

#define FRONT(function, Args, op)                                              \
  void function (DvStream *stream, const Args *args)                           \
  {                                                                            \
    run (stream, op, args);                                                    \
  }

FRONT (dv_matmul, DvMatmul, DV_OP_MATMUL)
FRONT (dv_attention, DvAttention, DV_OP_ATTENTION)
FRONT (dv_norm, DvNorm, DV_OP_NORM)
FRONT (dv_qk_norm, DvQkNorm, DV_OP_QK_NORM)
FRONT (dv_conv, DvConv, DV_OP_CONV)
FRONT (dv_conv_up1, DvConvUp1, DV_OP_CONV_UP1)
FRONT (dv_shuffle, DvShuffle, DV_OP_SHUFFLE)
FRONT (dv_group_norm, DvGroupNorm, DV_OP_GROUP_NORM)
FRONT (dv_map, DvMap, DV_OP_MAP)
FRONT (dv_gather, DvGather, DV_OP_GATHER)
FRONT (dv_spread, DvSpread, DV_OP_SPREAD)
FRONT (dv_euler, DvEuler, DV_OP_EULER)
FRONT (dv_noise, DvNoise, DV_OP_NOISE)
FRONT (dv_snake, DvSnake, DV_OP_SNAKE)
FRONT (dv_fir_up, DvFirUp, DV_OP_FIR_UP)
FRONT (dv_pixels, DvPixels, DV_OP_PIXELS)
FRONT (dv_guide, DvGuide, DV_OP_GUIDE)
FRONT (dv_merge, DvMerge, DV_OP_MERGE)

void
dv_copy (DvStream *stream, const DvTensor *out, const DvTensor *in)
{
  DvError error = {0};
  DvStatus status;

  if (stream->status != DV_OK)
    return;
  if (out->dtype != in->dtype || !dv_tensor_dense (out) ||
      !dv_tensor_dense (in) || dv_tensor_count (out) != dv_tensor_count (in)) {
    char to[96], from[96];
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "copy",
        "%s cannot be copied to %s: both must be dense and alike",
        dv_tensor_describe (in, from, sizeof from),
        dv_tensor_describe (out, to, sizeof to));
    return;
  }
  if (stream->dry)
    return;
  status = stream->device->ops->copy (
      stream, out->data, in->data, dv_tensor_bytes (out), &error);
  if (status != DV_OK)
    dv_stream_fail (stream, status, error.stage, "%s", error.detail);
}
