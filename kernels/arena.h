/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An arena: memory for activations, taken and given back like a stack; from its
 * other end, what is kept until the arena is cleared.
 *
 * It is sized before use by a dry run of the same code: a measuring arena
 * hands out nothing and remembers the most that was asked for at a time.
 *
 * Threads: an arena belongs to one stream, and so to one thread at a time.
 */
#ifndef DV_ARENA_H
#define DV_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DV_ARENA_ALIGN 64

typedef struct {
  uint8_t *base; /* NULL while measuring */
  size_t size;   /* bytes there are */
  size_t used;   /* bytes taken now */
  size_t kept;   /* bytes kept, at the end */
  size_t peak;   /* the most taken and kept at a time since dv_arena_init() */
  bool measuring;
} DvArena;

/* @base NULL: measures. */
void dv_arena_init (DvArena *arena, void *base, size_t size);
/* @bytes, aligned; false when there is no room. While measuring *@memory is
 * NULL and there is always room. */
bool dv_arena_take (DvArena *arena, size_t bytes, void **memory);
/* Likewise, but at the end and the same for all who ask: as many bytes as were
 * ever asked for since the arena was cleared. */
bool dv_arena_keep (DvArena *arena, size_t bytes, void **memory);
/* Nothing is taken or kept any more. */
void dv_arena_clear (DvArena *arena);

#endif
