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

static size_t
padded (size_t bytes)
{
  return (bytes + DV_ARENA_ALIGN - 1) & ~(size_t)(DV_ARENA_ALIGN - 1);
}

static void
note_peak (DvArena *arena)
{
  if (arena->used + arena->kept > arena->peak)
    arena->peak = arena->used + arena->kept;
}

bool
dv_arena_take (DvArena *arena, size_t bytes, void **memory)
{
  size_t more = padded (bytes);

  *memory = NULL;
  if (more < bytes || arena->used + more < more)
    return false;
  if (!arena->measuring) {
    if (arena->used + more > arena->size - arena->kept)
      return false;
    *memory = arena->base + arena->used;
  }
  arena->used += more;
  note_peak (arena);
  return true;
}

bool
dv_arena_keep (DvArena *arena, size_t bytes, void **memory)
{
  /* The end of an arena of any size need not be aligned. */
  size_t odd = arena->measuring ? 0 : arena->size % DV_ARENA_ALIGN;
  size_t kept = padded (bytes) + odd;

  *memory = NULL;
  if (kept < bytes)
    return false;
  if (kept > arena->kept) {
    if (!arena->measuring &&
        (kept > arena->size || arena->used > arena->size - kept))
      return false;
    arena->kept = kept;
    note_peak (arena);
  }
  if (!arena->measuring)
    *memory = arena->base + (arena->size - arena->kept);
  return true;
}

void
dv_arena_clear (DvArena *arena)
{
  arena->used = arena->kept = 0;
}
