/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The machine that walks time through a half of the video VAE (section 9 of
 * docs/ltx2-model.md).
 *
 * Every convolution reads three frames and keeps the last two that it was
 * given, so that its next window goes on where the last one ended.  Not
 * causal, it runs one frame late: copies of the first and the last frame stand
 * for the ones beyond them.  A residual block is two of them, and what it adds
 * is what its first one kept.
 *
 * The blocks of one frame size are a level.  A level hands its result on in
 * pieces as small as its frames are large, and waits while the next level
 * works: so memory is a few frames of each level, whatever the number of
 * frames.  No result depends on how time was cut, because every window holds
 * what the whole segment would have held there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "video-vae-private.h"

#define PIXEL_NORM_EPS 1e-8f
/* What a level's buffer should not exceed if one frame does not. */
#define PIECE_BYTES (6 << 20)

static inline int64_t
smaller (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

static inline int64_t
larger (int64_t a, int64_t b)
{
  return a > b ? a : b;
}

/* ---- one convolution ---- */

static void
walk_init (DvVaeRun *run, DvVaeWalk *walk, DvDtype dtype, int64_t h, int64_t w,
    int64_t c, int lead)
{
  *walk = (DvVaeWalk){.lead = lead, .tail = run->half->causal ? 0 : 1};
  walk->kept = DV_NEW (run->stream, dtype, 2, h, w, c);
}

static void
copy_frames (DvVaeRun *run, const DvTensor *to, int64_t at,
    const DvTensor *from, int64_t start, int64_t n)
{
  DvTensor out = dv_slice (to, 0, at, n), in = dv_slice (from, 0, start, n);

  if (n > 0)
    dv_copy (run->stream, &out, &in);
}

/* The window of a convolution over the @n new frames of @buffer: what was
 * kept of the earlier ones, they, and the copies at the ends. Keeps its last
 * two frames. */
static DvTensor
walk_window (
    DvVaeRun *run, DvVaeWalk *walk, const DvTensor *buffer, int64_t n, bool end)
{
  int64_t start, length;

  if (!walk->started) {
    for (int i = 0; i < walk->lead; i++)
      copy_frames (run, buffer, run->head - 1 - i, buffer, run->head, 1);
    walk->have = walk->lead;
    walk->started = true;
  } else {
    copy_frames (run, buffer, run->head - walk->have, &walk->kept,
        2 - walk->have, walk->have);
  }
  start = run->head - walk->have;
  length = walk->have + n;
  if (end && walk->tail) {
    copy_frames (
        run, buffer, start + length, buffer, start + length - 1, walk->tail);
    length += walk->tail;
  }
  walk->have = smaller (length, 2);
  copy_frames (run, &walk->kept, 2 - walk->have, buffer,
      start + length - walk->have, walk->have);
  return dv_slice (buffer, 0, start, length);
}

/* @out = @residual + conv (@window), two frames fewer than the window. */
static void
convolve (DvVaeRun *run, const DvVaeConv *conv, const DvTensor *out,
    const DvTensor *window, const DvTensor *residual)
{
  const DvPad pad = run->half->pad;

  dv_conv (run->stream, &(DvConv){.out = out,
                            .x = window,
                            .w = &conv->w,
                            .bias = &conv->bias,
                            .pad_lo = {0, 1, 1},
                            .pad_hi = {0, 1, 1},
                            .pad_mode = {DV_PAD_ZERO, pad, pad},
                            .residual = residual});
}

/* @out = silu (PN (@x)). */
static void
normalise (DvVaeRun *run, const DvTensor *out, const DvTensor *x)
{
  const int64_t rows = x->shape[0] * x->shape[1] * x->shape[2];
  DvTensor o = DV_RESHAPE (out, rows, x->shape[3]);
  DvTensor i = DV_RESHAPE (x, rows, x->shape[3]);

  dv_norm (run->stream, &(DvNorm){.out = &o,
                            .x = &i,
                            .kind = DV_NORM_RMS,
                            .eps = PIXEL_NORM_EPS,
                            .act = DV_ACT_SILU});
}

/* Collects @n frames for the probe. */
static void
see (DvVaeRun *run, int which, const DvTensor *frames)
{
  DvVaeSeen *seen = &run->seen[which];
  const int64_t n = frames->shape[0];
  DvTensor out;

  if (!run->probe || seen->whole.n_dims == 0)
    return;
  out = dv_slice (&seen->whole, 0, seen->frames, n);
  dv_map (run->stream, &(DvMap){.out = &out, .x = frames, .kind = DV_MAP_COPY});
  seen->frames += n;
}

/* ---- a level ---- */

/* A buffer for @level's tensors between its blocks. */
static DvTensor
level_buffer (DvVaeRun *run, const DvVaeLevel *level, DvDtype dtype)
{
  return DV_NEW (run->stream, dtype, level->cap + run->head + 1, level->h,
      level->w, level->c);
}

/* One residual block over the @n new frames of @x; its result are the new
 * frames of @y, whose number it returns. @t holds what convolutions read. */
static int64_t
run_unit (DvVaeRun *run, DvVaeUnit *unit, const DvTensor *x, const DvTensor *y,
    const DvTensor *t, int64_t n, bool end)
{
  DvTensor window = walk_window (run, &unit->walk1, x, n, end), read, out, skip;
  int64_t middle = window.shape[0] - 2, ready, before;

  if (middle <= 0)
    return 0;
  read = dv_slice (t, 0, 0, window.shape[0]);
  normalise (run, &read, &window);
  out = dv_slice (y, 0, run->head, middle);
  convolve (run, &unit->res->conv1, &out, &read, NULL);
  read = dv_slice (t, 0, run->head, middle);
  normalise (run, &read, &out);
  before = unit->walk2.started ? unit->walk2.have : unit->walk2.lead;
  read = walk_window (run, &unit->walk2, t, middle, end);
  ready = read.shape[0] - 2;
  if (ready <= 0)
    return 0;
  /* The frame of the first window that the first result belongs to. */
  skip = dv_slice (
      &window, 0, unit->walk1.lead + unit->walk2.lead - before, ready);
  out = dv_slice (y, 0, run->head, ready);
  convolve (run, &unit->res->conv2, &out, &read, &skip);
  if (unit->stage >= 0)
    see (run, unit->stage + 1, &out);
  return ready;
}

static void level_push (
    DvVaeRun *run, int l, const DvTensor *x, int64_t n, bool end);
static void level_flush (DvVaeRun *run, int l);

/* Frames that a window of @n gives to the next level at a time. */
static int64_t
piece_of (const DvVaeLevel *level, const DvVaeLevel *next, int64_t n)
{
  return level->tail->block.kind == DV_VAE_UP
             ? next->cap / level->tail->block.factor[0]
             : n;
}

/* @out = resize (conv (@window)) of one piece; @first: of the segment. */
static void
resize (DvVaeRun *run, const DvVaeLevel *level, const DvTensor *out,
    const DvTensor *window, bool first)
{
  const DvVaeBlock *block = &level->tail->block;
  const bool up = block->kind == DV_VAE_UP;
  const int64_t n = window->shape[0] - 2;
  const int64_t cells = block->factor[0] * block->factor[1] * block->factor[2];
  const size_t mark = dv_mark (run->stream);
  DvTensor wide = DV_NEW (
      run->stream, run->state, n, level->h, level->w, level->tail->conv.out);
  DvTensor skip = dv_slice (window, 0, run->half->causal ? 2 : 1, n);
  DvTensor read = *window;
  DvShuffle shuffle = {.out = out,
      .x = &wide,
      .kind = up ? DV_DEPTH_TO_SPACE : DV_SPACE_TO_DEPTH,
      .factor = {block->factor[0], block->factor[1], block->factor[2]},
      .drop = up && first ? block->factor[0] - 1 : 0};

  if (run->state != run->vae->compute) {
    read = dv_new (run->stream, run->vae->compute, 4, window->shape);
    dv_map (
        run->stream, &(DvMap){.out = &read, .x = window, .kind = DV_MAP_COPY});
  }
  convolve (run, &level->tail->conv, &wide, &read, NULL);
  dv_shuffle (run->stream, &shuffle);
  if (!up || block->residual) {
    shuffle.x = &skip;
    shuffle.add = true;
    if (up)
      shuffle.tile = (int)(block->channels * cells / level->c);
    else
      shuffle.group = (int)(level->c * cells / block->channels);
    dv_shuffle (run->stream, &shuffle);
  }
  dv_release (run->stream, mark);
}

/* The level's last convolution, and onwards. */
static void
level_tail (DvVaeRun *run, int l, const DvTensor *x, int64_t n, bool end)
{
  DvVaeLevel *level = &run->level[l], *next = level + 1;
  DvTensor window = walk_window (run, &level->walk, x, n, end);
  const int64_t ready = window.shape[0] - 2;
  const size_t mark = dv_mark (run->stream);

  if (ready > 0 && !level->tail) {
    DvTensor read = DV_NEW (run->stream, run->vae->compute, window.shape[0],
        level->h, level->w, level->c);
    DvTensor out = DV_NEW (
        run->stream, DV_F32, ready, level->h, level->w, run->half->out.out);

    normalise (run, &read, &window);
    convolve (run, &run->half->out, &out, &read, NULL);
    see (run, run->half->n_stages + 1, &out);
    run->emit (run, &out);
  } else if (ready > 0) {
    const int64_t piece = piece_of (level, next, ready);
    const int *factor = level->tail->block.factor;
    const bool up = level->tail->block.kind == DV_VAE_UP;

    for (int64_t i = 0; i < ready && run->stream->status == DV_OK; i += piece) {
      const int64_t m = smaller (piece, ready - i);
      const bool first = !next->begun;
      const int64_t made =
          up ? m * factor[0] - (first ? factor[0] - 1 : 0) : m / factor[0];
      /* All of the level at once: nothing need be held back. */
      const bool whole = end && first && i + m == ready;
      const size_t piece_mark = dv_mark (run->stream);
      DvTensor buffer = level_buffer (run, next, run->state);
      DvTensor out = dv_slice (&buffer, 0, run->head, made);
      DvTensor part = dv_slice (&window, 0, i, m + 2);

      resize (run, level, &out, &part, first);
      see (run, level->stage + 1, &out);
      level_push (run, l + 1, &buffer, made, whole);
      dv_release (run->stream, piece_mark);
      if (whole)
        end = false;
    }
  }
  dv_release (run->stream, mark);
  if (end && level->tail)
    level_flush (run, l + 1);
}

/* The blocks from @first on over @n new frames of @x, and the tail. @end:
 * they are the level's last, for the blocks from @first to @until alone. */
static void
level_blocks (DvVaeRun *run, int l, const DvTensor *x, int64_t n, int first,
    int until, bool end, bool end_tail)
{
  DvVaeLevel *level = &run->level[l];
  const size_t mark = dv_mark (run->stream);
  DvTensor in = *x, out = level_buffer (run, level, run->state), t;

  t = level_buffer (run, level, run->vae->compute);
  for (int i = first; i < level->n_units; i++) {
    DvVaeUnit *unit = &run->units[level->first_unit + i];
    const bool last = end && i < until;
    DvTensor swap = in;

    if (n == 0 && !last)
      break;
    n = run_unit (run, unit, &in, &out, &t, n, last);
    in = out;
    out = swap;
  }
  if (n > 0 && in.data != x->data)
    copy_frames (run, x, run->head, &in, run->head, n);
  dv_release (run->stream, mark);
  if (n > 0 || end_tail)
    level_tail (run, l, x, n, end_tail);
}

/* @n new frames of @x come into level @l; @end: all that it ever gets. */
static void
level_push (DvVaeRun *run, int l, const DvTensor *x, int64_t n, bool end)
{
  run->level[l].begun = true;
  level_blocks (run, l, x, n, 0, run->level[l].n_units, end, end);
}

/* The level gets no more: what each of its blocks still holds goes through
 * those behind it, few frames at a time. */
static void
level_flush (DvVaeRun *run, int l)
{
  DvVaeLevel *level = &run->level[l];
  const size_t mark = dv_mark (run->stream);
  DvTensor x;

  if (run->stream->status != DV_OK)
    return;
  x = level_buffer (run, level, run->state);
  for (int i = 0; !run->half->causal && i < level->n_units; i++)
    level_blocks (run, l, &x, 0, i, i + 1, true, false);
  level_tail (run, l, &x, 0, true);
  dv_release (run->stream, mark);
}

/* ---- the whole half ---- */

DvTensor
dv_vae_run_buffer (DvVaeRun *run, int64_t chunk)
{
  const DvVaeLevel *level = &run->level[0];

  return DV_NEW (run->stream, run->vae->compute, chunk + run->head + 1,
      level->h, level->w, run->half->in.in);
}

/* The first convolution over @n new frames. */
static void
push_in (DvVaeRun *run, const DvTensor *buffer, int64_t n, bool end, bool whole)
{
  DvTensor window = walk_window (run, &run->walk_in, buffer, n, end);
  const int64_t ready = window.shape[0] - 2;
  const size_t mark = dv_mark (run->stream);

  if (ready > 0) {
    DvTensor x = level_buffer (run, &run->level[0], run->state);
    DvTensor out = dv_slice (&x, 0, run->head, ready);

    convolve (run, &run->half->in, &out, &window, NULL);
    see (run, 0, &out);
    level_push (run, 0, &x, ready, whole);
  }
  dv_release (run->stream, mark);
  if (end && !whole)
    level_flush (run, 0);
}

void
dv_vae_run_push (DvVaeRun *run, const DvTensor *buffer, int64_t n, bool end)
{
  const bool whole = end && !run->walk_in.started;

  if (run->stream->status != DV_OK)
    return;
  if (!end || whole) {
    push_in (run, buffer, n, end, whole);
    return;
  }
  push_in (run, buffer, n, false, false);
  push_in (run, buffer, 0, true, false);
}

/* Takes the memory of what @run's convolutions keep. */
static void
begin_walks (DvVaeRun *run)
{
  const int lead = run->half->causal ? 2 : 1;
  DvVaeLevel *level = &run->level[0];

  walk_init (run, &run->walk_in, run->vae->compute, level->h, level->w,
      run->half->in.in, lead);
  for (int l = 0; l < run->n_levels; l++, level++) {
    const DvVaeBlock *tail = level->tail ? &level->tail->block : NULL;

    for (int i = 0; i < level->n_units; i++) {
      DvVaeUnit *unit = &run->units[level->first_unit + i];

      walk_init (
          run, &unit->walk1, run->state, level->h, level->w, level->c, lead);
      walk_init (run, &unit->walk2, run->vae->compute, level->h, level->w,
          level->c, lead);
    }
    /* Halving time pairs the first frame with a copy of it. */
    walk_init (run, &level->walk, run->state, level->h, level->w, level->c,
        lead + (tail && tail->kind == DV_VAE_DOWN && tail->factor[0] == 2));
  }
}

/* The level behind @level's tail. */
static void
next_level (const DvVaeRun *run, DvVaeLevel *next, const DvVaeLevel *level)
{
  const DvVaeBlock *block = &level->tail->block;
  const int *f = block->factor;

  next->c = block->channels;
  if (block->kind == DV_VAE_UP) {
    size_t bytes;
    int64_t piece;

    next->h = level->h * f[1];
    next->w = level->w * f[2];
    bytes = (size_t)(next->h * next->w * next->c * f[0]) *
            dv_dtype_size (run->state);
    piece = larger (1, PIECE_BYTES / (int64_t)larger (1, (int64_t)bytes));
    next->cap = larger (2, smaller (piece, level->cap) * f[0]);
  } else {
    next->h = level->h / f[1];
    next->w = level->w / f[2];
    next->cap = larger (1, level->cap / f[0]);
  }
}

/* Sorts the blocks into levels. */
static void
lay_out (DvVaeRun *run, int64_t h, int64_t w, int64_t chunk)
{
  const DvVaeHalf *half = run->half;
  DvVaeLevel *level = &run->level[0];
  int unit = 0;

  /* A level that runs late may get two frames when the last have come. */
  *level =
      (DvVaeLevel){.h = h, .w = w, .c = half->in.out, .cap = larger (2, chunk)};
  run->n_levels = 1;
  for (int s = 0; s < half->n_stages; s++) {
    const DvVaeStage *stage = &half->stage[s];

    if (stage->block.kind == DV_VAE_RES) {
      for (int i = 0; i < stage->block.layers; i++, unit++)
        run->units[unit] = (DvVaeUnit){.res = &stage->res[i],
            .stage = i + 1 == stage->block.layers ? s : -1};
      level->n_units += stage->block.layers;
    } else {
      level->tail = stage;
      level->stage = s;
      level[1] = (DvVaeLevel){.first_unit = unit};
      next_level (run, level + 1, level);
      level++;
      run->n_levels++;
    }
  }
}

/* Memory for the intermediate tensors of @frames that the probe is to see. */
static void
begin_seeing (DvVaeRun *run, int64_t frames)
{
  const DvVaeHalf *half = run->half;
  int64_t n = frames, h = run->level[0].h, w = run->level[0].w;

  run->seen[0].whole = DV_NEW (run->stream, DV_F32, n, h, w, half->in.out);
  for (int s = 0; s < half->n_stages; s++) {
    const DvVaeBlock *block = &half->stage[s].block;

    if (block->kind == DV_VAE_UP) {
      n = n * block->factor[0] - (block->factor[0] - 1);
      h *= block->factor[1];
      w *= block->factor[2];
    } else if (block->kind == DV_VAE_DOWN) {
      n = (n - 1) / block->factor[0] + 1;
      h /= block->factor[1];
      w /= block->factor[2];
    }
    run->seen[s + 1].whole =
        DV_NEW (run->stream, DV_F32, n, h, w, block->channels);
  }
  run->seen[half->n_stages + 1].whole =
      DV_NEW (run->stream, DV_F32, n, h, w, half->out.out);
}

void
dv_vae_run_begin (DvVaeRun *run, const DvVideoVae *vae, const DvVaeHalf *half,
    DvStream *stream, int64_t h, int64_t w, int64_t chunk, int64_t frames,
    const DvProbe *probe)
{
  size_t units = 0;

  run->vae = vae;
  run->half = half;
  run->stream = stream;
  /* In BF16 the sums of many blocks would lose too much. */
  run->state = DV_F32;
  /* Halving time begins with three copies of the first frame. */
  run->head = half->causal ? 3 : 2;
  run->probe = probe && probe->see ? probe : NULL;
  for (int s = 0; s < half->n_stages; s++)
    if (half->stage[s].block.kind == DV_VAE_RES)
      units += (size_t)half->stage[s].block.layers;
  run->units = calloc (units ? units : 1, sizeof *run->units);
  if (!run->units) {
    dv_stream_fail (stream, DV_ERROR_MEMORY, "decode",
        "no memory is left to walk through the video VAE's %s", half->what);
    return;
  }
  lay_out (run, h, w, chunk);
  if (run->probe)
    begin_seeing (run, frames);
  begin_walks (run);
}

void
dv_vae_run_end (DvVaeRun *run)
{
  for (int i = 0; run->probe && i < run->half->n_stages + 2; i++) {
    char name[24];

    if (i == 0)
      snprintf (name, sizeof name, "conv_in");
    else if (i == run->half->n_stages + 1)
      snprintf (name, sizeof name, "conv_out");
    else
      snprintf (name, sizeof name, "block%d", i - 1);
    dv_probe (run->probe, run->stream, name, &run->seen[i].whole);
  }
  free (run->units);
  run->units = NULL;
}
