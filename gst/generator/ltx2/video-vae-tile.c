/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The reference's tiled decode (section 9.4 of docs/ltx2-model.md): tiles of
 * rows, columns and frames are decoded alone and blended where they overlap.
 *
 * The tiles are a grid, so the weights of an axis can be divided by their sum
 * before they are multiplied.  Frames are handed out when no later tile adds
 * to them.
 */
#include <math.h>
#include <stdlib.h>

#include "video-vae-private.h"

/* The tiles of one axis, in latent cells; weights in pixels or frames. */
typedef struct {
  int64_t cells, scale;
  bool time;
  int n;
  int64_t size, overlap;
  float *share; /* [n][size in pixels]: owned */
  int64_t row;  /* of share */
} Axis;

typedef struct {
  DvTensor sum;   /* [frames of the longest tile, H, W, 3] */
  DvTensor plane; /* [H, W] of this tile */
  DvTensor part;  /* [H, W, 3] of this tile */
  const float *share;
  int64_t y, x, t; /* where the tile begins; t in the sum */
} Blend;

static int64_t
tile_start (const Axis *axis, int i)
{
  return i * (axis->size - axis->overlap) - (axis->time && i > 0);
}

static int64_t
tile_end (const Axis *axis, int i)
{
  return i + 1 == axis->n ? axis->cells
                          : i * (axis->size - axis->overlap) + axis->size;
}

/* In pixels or frames: the first frame stands alone in its cell. */
static int64_t
tile_length (const Axis *axis, int i)
{
  const int64_t cells = tile_end (axis, i) - tile_start (axis, i);

  return axis->time ? (cells - 1) * axis->scale + 1 : cells * axis->scale;
}

/* The weight of tile @i at place @p of the whole axis; 0 outside. */
static double
tile_weight (const Axis *axis, int i, int64_t p)
{
  const int64_t at = p - tile_start (axis, i) * axis->scale;
  const int64_t length = tile_length (axis, i);
  const int64_t right = i + 1 < axis->n ? axis->overlap * axis->scale : 0;
  int64_t left = i > 0 ? axis->overlap * axis->scale : 0;
  double weight = 1;

  if (at < 0 || at >= length)
    return 0;
  if (axis->time && i > 0)
    left++;
  if (at < left)
    weight *= axis->time ? (double)at / (double)left
                         : (double)(at + 1) / (double)(left + 1);
  if (at >= length - right)
    weight *= 1 - (double)(at - (length - right) + 1) / (double)(right + 1);
  return weight;
}

/* Cuts @axis; false when there is no memory. */
static bool
cut (Axis *axis)
{
  const int64_t step = axis->size - axis->overlap;

  axis->n =
      axis->cells <= axis->size
          ? 1
          : (int)((axis->cells + axis->size - 2 * axis->overlap - 1) / step);
  axis->row = 0;
  for (int i = 0; i < axis->n; i++)
    if (tile_length (axis, i) > axis->row)
      axis->row = tile_length (axis, i);
  axis->share =
      calloc ((size_t)axis->n * (size_t)axis->row, sizeof *axis->share);
  for (int i = 0; axis->share && i < axis->n; i++)
    for (int64_t at = 0; at < tile_length (axis, i); at++) {
      const int64_t p = tile_start (axis, i) * axis->scale + at;
      double sum = 0;

      for (int j = 0; j < axis->n; j++)
        sum += tile_weight (axis, j, p);
      axis->share[i * axis->row + at] =
          (float)(tile_weight (axis, i, p) / fmax (sum, 1e-8));
    }
  return axis->share != NULL;
}

/* Adds frame @n of a tile to the sum. */
static bool
blend_frame (void *user, DvStream *stream, int64_t n, const DvTensor *pixels)
{
  Blend *blend = user;
  const int64_t h = pixels->shape[0], w = pixels->shape[1];
  DvTensor weights = blend->plane, to;

  weights.n_dims = 3;
  weights.shape[2] = 3;
  weights.stride[2] = 0;
  dv_map (stream,
      &(DvMap){
          .out = &blend->part, .x = pixels, .y = &weights, .kind = DV_MAP_MUL});
  to = dv_index (&blend->sum, blend->t + n);
  to = dv_slice (&to, 0, blend->y, h);
  to = dv_slice (&to, 1, blend->x, w);
  dv_map (stream, &(DvMap){.out = &to,
                      .x = &to,
                      .y = &blend->part,
                      .kind = DV_MAP_AXPY,
                      .p = blend->share[n]});
  return true;
}

/* A row of weights, uploaded. */
static DvTensor
upload (DvStream *stream, const Axis *axis, int i)
{
  const int64_t length = tile_length (axis, i);
  DvTensor row = DV_NEW (stream, DV_F32, length);
  DvTensor host = DV_TENSOR (axis->share + i * axis->row, DV_F32, length);

  dv_copy (stream, &row, &host);
  return row;
}

/* Decodes the tile (@ti, @yi, @xi) into the sum. */
static void
decode_tile (const DvVideoVae *vae, DvStream *stream, const DvTensor *latent,
    const Axis axis[3], const int i[3], Blend *blend)
{
  const size_t mark = dv_mark (stream);
  const DvVideoSink sink = {.frame = blend_frame, .user = blend};
  DvTensor part = *latent, whole, wy, wx;
  int64_t cells[3];

  for (int a = 0; a < 3; a++) {
    const int64_t start = tile_start (&axis[a], i[a]);

    cells[a] = tile_end (&axis[a], i[a]) - start;
    part = dv_slice (&part, a, start, cells[a]);
  }
  whole =
      DV_NEW (stream, DV_F32, cells[0], cells[1], cells[2], vae->config.latent);
  dv_map (stream, &(DvMap){.out = &whole, .x = &part, .kind = DV_MAP_COPY});
  wy = upload (stream, &axis[1], i[1]);
  wx = upload (stream, &axis[2], i[2]);
  blend->plane = DV_NEW (stream, DV_F32, wy.shape[0], wx.shape[0]);
  blend->part = DV_NEW (stream, DV_F32, wy.shape[0], wx.shape[0], 3);
  /* Both as planes, by strides of 0. */
  wy.n_dims = wx.n_dims = 2;
  wx.shape[1] = wx.shape[0];
  wx.stride[1] = wx.stride[0];
  wx.shape[0] = wy.shape[0];
  wx.stride[0] = 0;
  wy.shape[1] = wx.shape[1];
  wy.stride[1] = 0;
  dv_map (stream,
      &(DvMap){.out = &blend->plane, .x = &wy, .y = &wx, .kind = DV_MAP_MUL});
  blend->share = axis[0].share + i[0] * axis[0].row;
  blend->y = tile_start (&axis[1], i[1]) * axis[1].scale;
  blend->x = tile_start (&axis[2], i[2]) * axis[2].scale;
  dv_video_vae_decode (vae, stream, &whole, &sink, NULL);
  dv_release (stream, mark);
}

/* Frames [@start, @start + @n) of the sum begin as 0. */
static void
clear (DvStream *stream, const DvTensor *sum, int64_t start, int64_t n)
{
  static const float nothing;
  const size_t mark = dv_mark (stream);
  DvTensor zero = DV_NEW (stream, DV_F32, 1);
  DvTensor host = DV_TENSOR (&nothing, DV_F32, 1);
  DvTensor out = dv_slice (sum, 0, start, n), zeros = out;

  dv_copy (stream, &zero, &host);
  zeros.data = zero.data;
  for (int a = 0; a < zeros.n_dims; a++)
    zeros.stride[a] = 0;
  dv_map (stream, &(DvMap){.out = &out, .x = &zeros, .kind = DV_MAP_COPY});
  dv_release (stream, mark);
}

/* All tiles, a time tile after the other. */
static void
decode_tiles (const DvVideoVae *vae, DvStream *stream, const DvTensor *latent,
    const Axis axis[3], const DvVideoSink *sink)
{
  const size_t mark = dv_mark (stream);
  int64_t shown = 0, held = 0;
  Blend blend = {0};
  int i[3];

  blend.sum = DV_NEW (stream, DV_F32, axis[0].row,
      axis[1].cells * axis[1].scale, axis[2].cells * axis[2].scale, 3);
  for (i[0] = 0; i[0] < axis[0].n && stream->status == DV_OK; i[0]++) {
    const int64_t length = tile_length (&axis[0], i[0]);
    int64_t ready = length;

    if (length > held)
      clear (stream, &blend.sum, held, length - held);
    for (i[1] = 0; i[1] < axis[1].n; i[1]++)
      for (i[2] = 0; i[2] < axis[2].n && stream->status == DV_OK; i[2]++)
        decode_tile (vae, stream, latent, axis, i, &blend);
    if (i[0] + 1 < axis[0].n)
      ready = (tile_start (&axis[0], i[0] + 1) - tile_start (&axis[0], i[0])) *
              axis[0].scale;
    for (int64_t f = 0; f < ready && stream->status == DV_OK; f++) {
      DvTensor frame = dv_index (&blend.sum, f);

      if (!sink->frame (sink->user, stream, shown, &frame))
        dv_stream_fail (stream, DV_ERROR_SINK, "decode",
            "frame %lld of the video was refused", (long long)shown);
      shown++;
    }
    /* What the next time tile also adds to comes to the front. */
    held = length - ready;
    for (int64_t f = 0; f < held; f++) {
      DvTensor to = dv_slice (&blend.sum, 0, f, 1);
      DvTensor from = dv_slice (&blend.sum, 0, f + ready, 1);

      dv_copy (stream, &to, &from);
    }
  }
  dv_release (stream, mark);
}

void
dv_video_vae_decode_tiled (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *latent, const DvTiling *tiling, const DvVideoSink *sink)
{
  const int64_t px = vae->decoder.scale[1] * vae->config.patch;
  const int64_t py = vae->decoder.scale[2] * vae->config.patch;
  const int64_t frames = vae->decoder.scale[0];
  Axis axis[3] = {
      {.time = true, .scale = frames}, {.scale = px}, {.scale = py}};
  bool memory = true;

  if (stream->status != DV_OK)
    return;
  if (latent->n_dims != 4 || latent->shape[0] < 1 || latent->shape[1] < 1 ||
      latent->shape[2] < 1) {
    dv_video_vae_decode (vae, stream, latent, sink, NULL); /* says why not */
    return;
  }
  for (int a = 0; a < 3; a++) {
    const int64_t h = latent->shape[1], w = latent->shape[2];

    axis[a].cells = latent->shape[a];
    if (a == 0) {
      axis[a].size = frames > 0 ? tiling->tile_frames / frames : 0;
      axis[a].overlap = frames > 0 ? tiling->overlap_frames / frames : 0;
    } else {
      const int64_t size = px > 0 ? tiling->tile / px : 0;

      axis[a].overlap = px > 0 ? tiling->overlap / px : 0;
      axis[a].size =
          llrint ((double)(size * axis[a].cells) / (double)(h > w ? h : w));
      if (axis[a].size < axis[a].overlap + 1)
        axis[a].size = axis[a].overlap + 1;
      if (axis[a].size < 2)
        axis[a].size = 2;
    }
    if (axis[a].overlap < 0 || axis[a].size <= axis[a].overlap) {
      dv_stream_fail (stream, DV_ERROR_ARGUMENT, "decode",
          "tiles of %lld pixels and %lld frames that overlap by %lld and %lld "
          "cannot cover a video",
          (long long)tiling->tile, (long long)tiling->tile_frames,
          (long long)tiling->overlap, (long long)tiling->overlap_frames);
      return;
    }
  }
  for (int a = 0; a < 3; a++)
    memory = cut (&axis[a]) && memory;
  if (memory)
    decode_tiles (vae, stream, latent, axis, sink);
  else
    dv_stream_fail (stream, DV_ERROR_MEMORY, "decode",
        "no memory is left for the weights of a tiled decode");
  /* The copies from them may still be queued. */
  dv_stream_status (stream, NULL);
  for (int a = 0; a < 3; a++)
    free (axis[a].share);
}
