/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The shared memory of the block that runs.  For every byte it is known who
 * wrote and who read it last and when, by the number of the interval between
 * two barriers, and inside a warp by the time of its last warp function.
 *
 * Words are looked after as one until a part of one is touched: for the rest of
 * the block its bytes then are one by one.
 *
 * Two accesses of different threads in one interval, one of them a write,
 * collide, unless both are of one warp and the later thread has met the
 * earlier in a warp function since.  (That it met someone since is taken for
 * that: of warp functions over parts of a warp some collisions are missed.)
 *
 * Threads: under the lock of device memory (memory.c).
 */
#include <string.h>

#include "run.h"

#define FENCE 64 /* bytes between two arrays */
#define MAX_ARRAYS 32
/* Fences are no part of what a GPU has. */
#define ARENA (SIMT_SHARED + MAX_ARRAYS * (FENCE + 16))
#define WORD 4

/* Readers of a byte or word: one, several of a warp, several of the block. */
#define SEVERAL 0x8000
#define EVERYONE 0xffff

typedef struct {
  uint32_t written, write_clock; /* the interval; the writer's warp's time */
  uint32_t read, read_clock;
  uint16_t writer, reader;
  bool pending; /* an asynchronous copy's, not waited for */
} Shadow;

typedef struct {
  Shadow whole;
  uint32_t apart; /* the block in which its bytes are looked after instead */
} Word;

typedef struct {
  const void *key;
  const char *name;
  size_t start, bytes;
} Array;

static _Alignas(256) uint8_t arena[ARENA];
static Word words[ARENA / WORD];
static Shadow shadow[ARENA];     /* of each byte */
static Array arrays[MAX_ARRAYS]; /* the first is the dynamic one */
static const Array *recent;      /* that was touched */
static int n_arrays;
static size_t top, held;

void
simt_shared_begin (size_t dynamic_bytes)
{
  arrays[0] = (Array){&arena, "dynamic shared memory", 0, dynamic_bytes};
  recent = arrays;
  n_arrays = 1;
  top = dynamic_bytes + FENCE;
  held = dynamic_bytes;
}

void *
simt_dynamic (void)
{
  return arena;
}

void *
simt_shared (const void *key, size_t bytes, const char *name)
{
  for (int i = 1; i < n_arrays; i++)
    if (arrays[i].key == key)
      return arena + arrays[i].start;
  held += bytes;
  if (n_arrays == MAX_ARRAYS || held - arrays[0].bytes > SIMT_SHARED_STATIC ||
      held > SIMT_SHARED)
    simt_fault (
        "\"%s\" of %zu bytes does not fit into shared memory", name, bytes);
  top = (top + 15) / 16 * 16;
  arrays[n_arrays] = (Array){key, name, top, bytes};
  top += bytes + FENCE;
  return arena + arrays[n_arrays++].start;
}

bool
simt_shared_has (const void *at)
{
  return (size_t)((const uint8_t *)at - arena) < ARENA;
}

static const Array *
array_at (size_t offset, size_t bytes)
{
  for (int i = 0; i < n_arrays; i++)
    if (offset - arrays[i].start < arrays[i].bytes) {
      if (offset - arrays[i].start + bytes > arrays[i].bytes)
        break;
      return &arrays[i];
    }
  return NULL;
}

static void
collision (const Array *array, size_t offset, const char *mine,
    const char *theirs, unsigned other)
{
  simt_fault ("%s byte %zu of \"%s\", which thread %u of the block %s without "
              "a barrier in between",
      mine, offset - array->start, array->name, other, theirs);
}

/* Whether the running thread comes after what @other did when its warp's time
 * was @clock. */
static inline bool
after (const SimtThread *t, unsigned other, uint32_t clock)
{
  return other == t->index ||
         (other / SIMT_WARP == t->index / SIMT_WARP && t->synced > clock);
}

static inline void
note_read (const SimtRun *run, const Array *array, size_t offset, Shadow *s)
{
  unsigned me = run->thread->index;

  if (s->written < run->block_epoch)
    simt_fault ("reads byte %zu of \"%s\", which nobody has written",
        offset - array->start, array->name);
  if (s->pending)
    simt_fault ("reads byte %zu of \"%s\", to which a copy is still under way",
        offset - array->start, array->name);
  if (s->written == run->epoch &&
      !after (run->thread, s->writer, s->write_clock))
    collision (array, offset, "reads", "writes", s->writer);
  if (s->read != run->epoch)
    s->reader = (uint16_t)me;
  else if (s->reader != me && s->reader != EVERYONE) {
    unsigned warp = (s->reader & ~SEVERAL) / SIMT_WARP;

    s->reader = warp == me / SIMT_WARP ? (uint16_t)(me | SEVERAL) : EVERYONE;
  }
  s->read = run->epoch;
  s->read_clock = run->thread->synced;
}

static inline void
note_write (const SimtRun *run, const Array *array, size_t offset, Shadow *s,
    bool pending)
{
  if (s->written == run->epoch &&
      !after (run->thread, s->writer, s->write_clock))
    collision (array, offset, "writes", "writes", s->writer);
  if (s->read == run->epoch &&
      (s->reader == EVERYONE ||
          !after (run->thread, s->reader & ~SEVERAL, s->read_clock) ||
          (s->reader & SEVERAL && run->thread->synced <= s->read_clock)))
    collision (array, offset, "writes", "reads",
        s->reader == EVERYONE ? 0 : s->reader & ~SEVERAL);
  s->written = run->epoch;
  s->writer = (uint16_t)run->thread->index;
  s->write_clock = run->thread->synced;
  s->pending = pending;
}

static const Array *
checked (const void *at, size_t bytes, const char *what)
{
  size_t offset = (size_t)((const uint8_t *)at - arena);
  const Array *array = recent;

  if (offset - array->start < array->bytes &&
      offset - array->start + bytes <= array->bytes)
    return array;
  array = array_at (offset, bytes);
  if (!array)
    simt_fault ("%s %zu bytes of shared memory beyond its arrays", what, bytes);
  recent = array;
  return array;
}

/* What stands for the byte at @offset, or for *@bytes of a whole word. */
static inline Shadow *
shadow_of (const SimtRun *run, size_t offset, size_t *bytes)
{
  Word *word = &words[offset / WORD];

  if (word->apart != run->block_epoch) {
    if (offset % WORD == 0 && *bytes >= WORD) {
      *bytes = WORD;
      return &word->whole;
    }
    for (size_t i = 0; i < WORD; i++)
      shadow[offset / WORD * WORD + i] = word->whole;
    word->apart = run->block_epoch;
  }
  *bytes = 1;
  return &shadow[offset];
}

void
simt_shared_touch (const void *at, size_t bytes, bool write)
{
  const SimtRun *run = simt_run;
  size_t offset = (size_t)((const uint8_t *)at - arena), n;
  const Array *array = checked (at, bytes, write ? "writes" : "reads");

  for (; bytes > 0; offset += n, bytes -= n) {
    Shadow *s;

    n = bytes;
    s = shadow_of (run, offset, &n);
    if (write)
      note_write (run, array, offset, s, false);
    else
      note_read (run, array, offset, s);
  }
}

void
simt_shared_pending (const void *at, size_t bytes)
{
  const SimtRun *run = simt_run;
  size_t offset = (size_t)((const uint8_t *)at - arena), n;
  const Array *array = checked (at, bytes, "copies to");

  for (; bytes > 0; offset += n, bytes -= n) {
    Shadow *s;

    n = bytes;
    s = shadow_of (run, offset, &n);
    note_write (run, array, offset, s, true);
  }
}

void
simt_shared_atomic (const void *at, size_t bytes)
{
  const SimtRun *run = simt_run;
  size_t offset = (size_t)((const uint8_t *)at - arena), n;
  const Array *array = checked (at, bytes, "changes");

  for (; bytes > 0; offset += n, bytes -= n) {
    Shadow *s;

    n = bytes;
    s = shadow_of (run, offset, &n);
    if (s->written < run->block_epoch)
      simt_fault ("adds to byte %zu of \"%s\", which nobody has written",
          offset - array->start, array->name);
  }
}
