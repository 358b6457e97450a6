/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Taking from an arena.
 */
#include "arena.h"

void
dv_arena_init (DvArena *arena, void *base, size_t size)
{
  *arena = (DvArena){.base = base, .size = size, .measuring = !base};
}

bool
dv_arena_take (DvArena *arena, size_t bytes, void **memory)
{
  size_t padded = (bytes + DV_ARENA_ALIGN - 1) & ~(size_t)(DV_ARENA_ALIGN - 1);

  *memory = NULL;
  if (padded < bytes || arena->used + padded < padded)
    return false;
  if (!arena->measuring) {
    if (arena->used + padded > arena->size)
      return false;
    *memory = arena->base + arena->used;
  }
  arena->used += padded;
  if (arena->used > arena->peak)
    arena->peak = arena->used;
  return true;
}
