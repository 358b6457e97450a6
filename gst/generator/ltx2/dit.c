/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One forward of the diffusion transformer: tokens in, velocities out
 * (sections 5.1 and 5.5 of docs/ltx2-model.md).
 */
#include <stdarg.h>
#include <stdio.h>

#include "dit-private.h"

static const char *const side_name[DV_N_SIDES] = {"video", "audio"};

/* ---- probes ---- */

void
dv_dit_show (DvDitRun *run, const DvTensor *tensor, const char *format, ...)
{
  char name[96];
  va_list args;

  if (!dv_dit_probed (run))
    return;
  va_start (args, format);
  vsnprintf (name, sizeof name, format, args);
  va_end (args);
  dv_probe (run->probe, run->stream, name, tensor);
}

void
dv_dit_show_rows (DvDitRun *run, const DvTensor *table, const DvTensor *index,
    int64_t tokens, const char *format, ...)
{
  size_t mark = dv_mark (run->stream);
  DvTensor all = DV_NEW (run->stream, DV_F32, tokens, table->shape[1]);
  DvTensor same = *table;
  char name[96];
  va_list args;

  if (index) {
    dv_gather (run->stream,
        &(DvGather){.out = &all, .table = table, .id = index, .scale = 1});
  } else {
    same.shape[0] = tokens;
    same.stride[0] = 0;
    dv_map (
        run->stream, &(DvMap){.out = &all, .x = &same, .kind = DV_MAP_COPY});
  }
  va_start (args, format);
  vsnprintf (name, sizeof name, format, args);
  va_end (args);
  dv_probe (run->probe, run->stream, name, &all);
  dv_release (run->stream, mark);
}

/* ---- what the caller gave ---- */

static bool
is_matrix (const DvTensor *t, int64_t rows, int64_t columns)
{
  return t && t->n_dims == 2 && t->dtype == DV_F32 && t->shape[0] == rows &&
         t->shape[1] == columns;
}

static bool
side_sound (const DvDitRun *run, int side)
{
  const DvDitSide *io = run->lane[side].io;
  const DvDitModal *w = &run->dit->side[side];
  const DvDitConfig *config = &run->dit->config;
  int64_t m, channels = config->caption_projection ? config->caption : w->width;

  if (!io->latent || io->latent->n_dims != 2 || !io->positions)
    return false;
  m = io->latent->shape[0];
  return m >= 1 && is_matrix (io->latent, m, w->in) &&
         is_matrix (io->velocity, m, w->out) && io->positions->tokens == m &&
         io->positions->n_axes == (side == DV_VIDEO ? 3 : 1) && io->context &&
         io->context->n_dims == 2 && io->context->shape[0] >= 1 &&
         is_matrix (io->context, io->context->shape[0], channels) &&
         (!io->mask || (io->mask->n_dims == 1 && io->mask->dtype == DV_F32 &&
                           io->mask->shape[0] == m &&
                           (io->mask->data || run->stream->dry)));
}

static bool
check_sides (DvDitRun *run)
{
  for (int side = 0; side < DV_N_SIDES; side++) {
    const DvTensor *bias = run->forward->context_bias;
    const DvDitSide *io = run->lane[side].io;

    if (!side_sound (run, side) ||
        (bias && (bias->n_dims != 1 || bias->dtype != DV_F32 ||
                     bias->shape[0] != io->context->shape[0]))) {
      dv_stream_fail (run->stream, DV_ERROR_ARGUMENT, "denoise",
          "the %s side's latent, context, mask, positions and velocity do not "
          "fit each other or the transformer",
          side_name[side]);
      return false;
    }
  }
  return true;
}

/* ---- before and after the blocks ---- */

/* x = proj_in (latent) */
static void
embed_tokens (DvDitRun *run, int side)
{
  DvStream *stream = run->stream;
  DvDitLane *lane = &run->lane[side];
  size_t mark;
  DvTensor latent;

  lane->x = DV_NEW (stream, DV_F32, lane->m, lane->w->width);
  mark = dv_mark (stream);
  latent = DV_NEW (stream, run->dit->compute, lane->m, lane->w->in);
  dv_map (stream,
      &(DvMap){.out = &latent, .x = lane->io->latent, .kind = DV_MAP_COPY});
  dv_dit_linear (stream, &lane->x, &latent, &lane->w->proj_in, DV_ACT_NONE);
  dv_release (stream, mark);
  dv_dit_show (run, &lane->x, "%s.proj_in", side_name[side]);
}

/* LTX-2: c = linear_2 (gelu (linear_1 (context))); [2.3] as it comes. */
static void
embed_context (DvDitRun *run, int side)
{
  DvStream *stream = run->stream;
  DvDitLane *lane = &run->lane[side];
  const DvTensor *context = lane->io->context;
  int64_t rows = context->shape[0], width = lane->w->width;
  bool filled = false;
  size_t mark;
  DvTensor in, hidden;

  if (!run->dit->config.caption_projection) {
    lane->context = *context;
    dv_dit_show (run, &lane->context, "%s.context", side_name[side]);
    return;
  }
  lane->context = dv_dit_cache_context (run, side, &filled);
  if (!lane->context.data)
    lane->context = DV_NEW (stream, run->dit->compute, rows, width);
  if (!filled) {
    mark = dv_mark (stream);
    in = DV_NEW (stream, run->dit->compute, rows, context->shape[1]);
    hidden = DV_NEW (stream, run->dit->compute, rows, width);
    dv_map (stream, &(DvMap){.out = &in, .x = context, .kind = DV_MAP_COPY});
    dv_dit_linear (stream, &hidden, &in, &lane->w->caption1, DV_ACT_GELU);
    dv_dit_linear (
        stream, &lane->context, &hidden, &lane->w->caption2, DV_ACT_NONE);
    dv_release (stream, mark);
  }
  dv_dit_show (run, &lane->context, "%s.context", side_name[side]);
}

/* velocity = proj_out (LayerNorm (x) (1 + scale) + shift) */
static void
read_out (DvDitRun *run, int side)
{
  DvStream *stream = run->stream;
  DvDitLane *lane = &run->lane[side];
  size_t mark = dv_mark (stream);
  int64_t width = lane->w->width;
  DvTensor y = DV_NEW (stream, run->dit->compute, lane->m, width);
  DvTensor first = dv_slice (&lane->w->table, 0, 0, 1);
  DvTensor second = dv_slice (&lane->w->table, 0, 1, 1);
  DvDitMod shift =
      dv_dit_modulation (stream, &lane->e, &first, 1, lane->row_index);
  DvDitMod scale =
      dv_dit_modulation (stream, &lane->e, &second, 1, lane->row_index);

  dv_norm (stream, &(DvNorm){
                       .out = &y,
                       .x = &lane->x,
                       .kind = DV_NORM_LAYER,
                       .eps = run->dit->config.eps,
                       .scale = {&scale.row[0], scale.index},
                       .shift = {&shift.row[0], shift.index},
                   });
  dv_dit_linear (
      stream, lane->io->velocity, &y, &lane->w->proj_out, DV_ACT_NONE);
  dv_release (stream, mark);
}

/* The next block behind @number that has to be brought, from the end back to
 * the first: the next step begins there. */
static const DvParcel *
next_parcel (const DvDit *dit, int64_t number)
{
  for (int64_t i = 1; i <= dit->config.layers; i++) {
    const DvDitBlock *block = &dit->block[(number + i) % dit->config.layers];

    if (block->parcel.host)
      return &block->parcel;
  }
  return NULL;
}

/* Block @number, brought to the device if it does not stay there, while the
 * one before still runs. */
static void
run_block (DvDitRun *run, int64_t number)
{
  const DvDitBlock *block = &run->dit->block[number];
  DvWeight *matrices[DV_DIT_MATRICES];
  DvDitBlock here = *block;
  void *slot;

  run->block = block;
  if (!block->parcel.host || run->stream->dry) {
    dv_dit_block (run, number);
    return;
  }
  slot = dv_fetch_take (run->stream, &block->parcel);
  if (!slot)
    return;
  dv_fetch_ahead (run->stream, next_parcel (run->dit, number));
  dv_parcel_lay (matrices, dv_dit_matrices (&here, matrices), slot);
  run->block = &here;
  dv_dit_block (run, number);
  run->block = NULL;
  dv_fetch_done (run->stream);
}

void
dv_dit_run (const DvDit *dit, DvStream *stream, const DvDitForward *forward,
    DvDitCache *cache, const DvProbe *probe)
{
  size_t mark = dv_mark (stream);
  DvDitRun run = {
      .dit = dit,
      .stream = stream,
      .forward = forward,
      .cache = cache,
      .probe = probe,
  };

  if (stream->status != DV_OK)
    return;
  run.lane[DV_VIDEO].io = &forward->video;
  run.lane[DV_AUDIO].io = &forward->audio;
  if (!check_sides (&run))
    return;
  for (int side = 0; side < DV_N_SIDES; side++) {
    run.lane[side].w = &dit->side[side];
    run.lane[side].m = run.lane[side].io->latent->shape[0];
  }
  if (next_parcel (dit, -1))
    dv_fetch_ahead (stream, next_parcel (dit, -1));
  dv_dit_cache_begin (&run);
  dv_dit_cache_grid (&run);
  dv_dit_time (&run);
  for (int side = 0; side < DV_N_SIDES; side++) {
    embed_context (&run, side);
    embed_tokens (&run, side);
  }
  for (int64_t i = 0; i < dit->config.layers && stream->status == DV_OK; i++)
    run_block (&run, i);
  for (int side = 0; side < DV_N_SIDES; side++)
    read_out (&run, side);
  dv_dit_cache_end (&run);
  dv_release (stream, mark);
}
