/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a forward need not compute again: rotary tables of a grid, a prompt's
 * projected contexts, and its text keys and values (sections 4.2 and 5.1 of
 * docs/ltx2-model.md).
 *
 * A dry stream never touches the cache: it plans as if there were none.
 */
#include <stdlib.h>
#include <string.h>

#include "dit-private.h"

typedef struct {
  void *memory; /* keys, then values */
  bool filled;
} TextSlot;

struct DvDitCache {
  DvDevice *device;
  uint64_t budget, used; /* of text keys and values */
  int64_t layers;

  bool any_grid;
  uint64_t grid; /* of the positions that the tables were made for */
  DvRopeTables tables[2 * DV_N_SIDES];

  uint64_t prompt;          /* context_key; 0: nothing is kept */
  int64_t rows[DV_N_SIDES]; /* of the contexts */
  void *context[DV_N_SIDES];
  bool context_filled[DV_N_SIDES];
  TextSlot *text; /* [layers][DV_N_SIDES] */
};

DvDitCache *
dv_dit_cache_new (const DvDit *dit, uint64_t budget, DvError *error)
{
  DvDitCache *cache = calloc (1, sizeof *cache);

  if (cache)
    cache->text =
        calloc ((size_t)dit->config.layers * DV_N_SIDES, sizeof *cache->text);
  if (!cache || !cache->text) {
    free (cache);
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "no memory for the transformer's cache");
    return NULL;
  }
  cache->device = dv_device_ref (dit->device);
  cache->layers = dit->config.layers;
  cache->budget = budget;
  return cache;
}

/* Frees what belongs to a prompt. */
static void
forget_prompt (DvDitCache *cache)
{
  for (int side = 0; side < DV_N_SIDES; side++) {
    if (cache->context[side])
      dv_device_free (cache->device, cache->context[side]);
    cache->context[side] = NULL;
    cache->context_filled[side] = false;
    cache->rows[side] = 0;
  }
  for (int64_t i = 0; i < cache->layers * DV_N_SIDES; i++) {
    if (cache->text[i].memory)
      dv_device_free (cache->device, cache->text[i].memory);
    cache->text[i] = (TextSlot){0};
  }
  cache->used = 0;
  cache->prompt = 0;
}

static void
forget_grid (DvDitCache *cache)
{
  for (int i = 0; i < 2 * DV_N_SIDES; i++)
    dv_rope_tables_clear (cache->device, &cache->tables[i]);
  cache->any_grid = false;
}

void
dv_dit_cache_free (DvDitCache *cache)
{
  if (!cache)
    return;
  forget_prompt (cache);
  forget_grid (cache);
  dv_device_unref (cache->device);
  free (cache->text);
  free (cache);
}

/* Bytes of a block's text keys and values on one side. */
static uint64_t
text_bytes (const DvDit *dit, int side, int64_t rows)
{
  return 2 * (uint64_t)rows * (uint64_t)dit->side[side].width *
         dv_dtype_size (dit->compute);
}

uint64_t
dv_dit_cache_bytes (const DvDit *dit, int64_t rows)
{
  if (dit->config.cross_mod)
    return 0;
  return (uint64_t)dit->config.layers *
         (text_bytes (dit, DV_VIDEO, rows) + text_bytes (dit, DV_AUDIO, rows));
}

static bool
usable (const DvDitRun *run)
{
  return run->cache && dv_stream_live (run->stream);
}

/* Before memory that queued ops may still read is freed or overwritten. */
static void
settle (DvDitRun *run)
{
  dv_stream_status (run->stream, NULL);
}

/* ---- prompts ---- */

void
dv_dit_cache_begin (DvDitRun *run)
{
  DvDitCache *cache = run->cache;
  const DvDitForward *forward = run->forward;
  int64_t rows[DV_N_SIDES] = {
      forward->video.context->shape[0], forward->audio.context->shape[0]};

  if (!usable (run))
    return;
  if (forward->context_key != 0 && cache->prompt == forward->context_key &&
      memcmp (rows, cache->rows, sizeof rows) == 0)
    return;
  settle (run);
  if (memcmp (rows, cache->rows, sizeof rows) != 0)
    forget_prompt (cache);
  memcpy (cache->rows, rows, sizeof rows);
  cache->prompt = forward->context_key;
  for (int side = 0; side < DV_N_SIDES; side++)
    cache->context_filled[side] = false;
  for (int64_t i = 0; i < cache->layers * DV_N_SIDES; i++)
    cache->text[i].filled = false;
}

DvTensor
dv_dit_cache_context (DvDitRun *run, int side, bool *filled)
{
  DvDitCache *cache = run->cache;
  const DvDit *dit = run->dit;
  DvTensor context = {0};
  int64_t rows, width = dit->side[side].width;

  *filled = false;
  if (!usable (run) || cache->prompt == 0)
    return context;
  rows = cache->rows[side];
  if (!cache->context[side])
    cache->context[side] = dv_device_alloc (cache->device,
        (size_t)rows * (size_t)width * dv_dtype_size (dit->compute));
  if (!cache->context[side])
    return context;
  context = DV_TENSOR (cache->context[side], dit->compute, rows, width);
  context.device = cache->device;
  *filled = cache->context_filled[side];
  cache->context_filled[side] = true;
  return context;
}

bool
dv_dit_cache_text (DvDitRun *run, int64_t block, int side, DvTensor *k,
    DvTensor *v, bool *filled)
{
  DvDitCache *cache = run->cache;
  const DvDit *dit = run->dit;
  TextSlot *slot;
  uint64_t bytes;
  int64_t rows, width = dit->side[side].width;

  *filled = false;
  if (!usable (run) || cache->prompt == 0)
    return false;
  rows = cache->rows[side];
  bytes = text_bytes (dit, side, rows);
  slot = &cache->text[block * DV_N_SIDES + side];
  if (!slot->memory && cache->used + bytes <= cache->budget) {
    slot->memory = dv_device_alloc (cache->device, (size_t)bytes);
    if (slot->memory)
      cache->used += bytes;
  }
  if (!slot->memory)
    return false;
  *k = DV_TENSOR (slot->memory, dit->compute, rows, width);
  *v = DV_TENSOR ((char *)slot->memory + bytes / 2, dit->compute, rows, width);
  k->device = v->device = cache->device;
  *filled = slot->filled;
  slot->filled = true;
  return true;
}

void
dv_dit_cache_end (DvDitRun *run)
{
  if (run->cache && run->stream->status != DV_OK)
    forget_prompt (run->cache);
}

/* ---- rotary tables ---- */

static uint64_t
hash_bytes (uint64_t hash, const void *bytes, size_t n)
{
  const uint8_t *at = bytes;

  for (size_t i = 0; i < n; i++)
    hash = (hash ^ at[i]) * UINT64_C (0x100000001b3);
  return hash;
}

static uint64_t
hash_positions (uint64_t hash, const DvPositions *p)
{
  hash = hash_bytes (hash, &p->n_axes, sizeof p->n_axes);
  hash = hash_bytes (hash, p->count, sizeof p->count);
  for (int a = 0; a < p->n_axes; a++) {
    size_t bytes = sizeof (float) * (size_t)p->count[a];

    hash = hash_bytes (hash, p->start[a], bytes);
    hash = hash_bytes (hash, p->end[a], bytes);
  }
  return hash_bytes (
      hash, p->index, sizeof (int32_t) * (size_t)p->tokens * (size_t)p->n_axes);
}

/* A side's table number @i: its own, then the cross-modal one. */
static void
make_table (DvDitRun *run, int i, DvRopeTables *table, bool keep)
{
  int side = i / 2;
  DvRopeSpec spec;
  DvError error = {0};
  const DvPositions *positions = run->lane[side].io->positions;

  dv_dit_rope_spec (run->dit, side, i % 2 == 1, &spec);
  if (!keep)
    dv_rope_tables_take (table, run->stream, &spec, positions);
  else if (dv_rope_tables_new (
               table, run->dit->device, &spec, positions, &error) != DV_OK)
    dv_stream_fail (run->stream, error.code, error.stage, "%s", error.detail);
}

void
dv_dit_cache_grid (DvDitRun *run)
{
  DvDitCache *cache = run->cache;
  bool keep = usable (run);
  DvRopeTables *tables = keep ? cache->tables : run->tables;
  uint64_t grid;

  if (keep) {
    grid = hash_positions (
        UINT64_C (0xcbf29ce484222325), run->lane[DV_VIDEO].io->positions);
    grid = hash_positions (grid, run->lane[DV_AUDIO].io->positions);
    if (!cache->any_grid || cache->grid != grid) {
      settle (run);
      forget_grid (cache);
      for (int i = 0; i < 2 * DV_N_SIDES; i++)
        make_table (run, i, &tables[i], true);
      if (!dv_stream_live (run->stream))
        forget_grid (cache);
      else
        cache->any_grid = true;
      cache->grid = grid;
    }
  } else {
    for (int i = 0; i < 2 * DV_N_SIDES; i++)
      make_table (run, i, &tables[i], false);
  }
  for (int side = 0; side < DV_N_SIDES; side++) {
    run->lane[side].self_rope = &tables[2 * side].rope;
    run->lane[side].cross_rope = &tables[2 * side + 1].rope;
  }
}
