/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the executor's files share: a launch that is being run.
 */
#ifndef SIMT_RUN_H
#define SIMT_RUN_H

#include "executor.h"
#include "fiber.h"

#define SIMT_STACK ((size_t)128 << 10)
#define SIMT_WARP 32
/* Of a block, static and dynamic together; what the largest GPU has. */
#define SIMT_SHARED ((size_t)227 << 10)
#define SIMT_SHARED_STATIC ((size_t)48 << 10)

typedef enum { SIMT_READY, SIMT_AT_BARRIER, SIMT_AT_WARP, SIMT_DONE } SimtState;

/* An asynchronous copy that nobody has waited for. */
typedef struct {
  void *to;
  const void *from;
  size_t bytes, valid;
  unsigned group;
} SimtCopy;

typedef struct {
  unsigned index, at[3]; /* in the block */
  SimtState state;
  SimtFiber fiber;
  uint8_t *stack;
  /* Where it waits, and for what. */
  const char *file;
  int line;
  SimtWarpOp op;
  unsigned mask;
  uint64_t value;
  int argument;
  void *given; /* simt_warp_together()'s arguments */
  void (*work) (void *const *all);
  uint32_t synced; /* the time of its latest warp function */
  SimtCopy *copies;
  unsigned n_copies, room_copies, group;
} SimtThread;

typedef struct {
  const SimtLaunch *launch;
  bool watched; /* its accesses are looked after */
  bool backwards, failed;
  unsigned block[3];
  unsigned n_threads;
  SimtThread *threads, *thread; /* all of the block; the one that runs */
  SimtFiber scheduler;
  /* Intervals between barriers are numbered, over all launches; so are warp
   * functions. */
  uint32_t epoch, block_epoch, clock;
} SimtRun;

/* Of the thread that runs a kernel; NULL outside of one. (Looked at for every
 * access of a kernel: in a module too it is to be found at once.) */
extern _Thread_local SimtRun *simt_run
    __attribute__ ((tls_model ("initial-exec")));

/* The stack of the thread of a kernel that runs; NULL outside of one. */
extern _Thread_local const uint8_t *simt_stack
    __attribute__ ((tls_model ("initial-exec")));

/* ---- touch.c: an access by the running thread ---- */

/* Not of its own stack. */
void simt_touch_far (const void *at, size_t bytes, bool write, bool aligned);

/* A kernel accesses @bytes at @at; @aligned: as one access. */
static inline void
simt_touch (const void *at, size_t bytes, bool write, bool aligned)
{
  if ((size_t)((const uint8_t *)at - simt_stack) >= SIMT_STACK && simt_run &&
      simt_run->watched)
    simt_touch_far (at, bytes, write, aligned);
}

/* ---- memory.c ---- */

/* Opens device memory to this thread, and closes it again. */
void simt_memory_open (void);
void simt_memory_close (void);
/* Whether [at, at + bytes) is inside an allocation; else @text says what is
 * wrong, and is empty if @at is no device address at all. Memory is open. */
bool simt_memory_check (
    const void *at, size_t bytes, char *text, size_t text_size);

/* ---- journal.c: what a run wrote ---- */

/* Remembers what stands in device memory before a write. */
void simt_journal_note (void *at, size_t bytes);
/* Forgets all. */
void simt_journal_clear (void);
/* Ends the first run: keeps its results, and puts back what was there. */
void simt_journal_turn (void);
/* Ends the second: NULL if it wrote the same, else an address where not. */
const void *simt_journal_differs (void);
/* Puts back what was there before the run that is being noted. */
void simt_journal_undo (void);

/* ---- shared.c: the shared memory of the block that runs ---- */

void simt_shared_begin (size_t dynamic_bytes);
bool simt_shared_has (const void *at);
/* An access by the running thread. */
void simt_shared_touch (const void *at, size_t bytes, bool write);
/* It starts an asynchronous copy to there. */
void simt_shared_pending (const void *at, size_t bytes);
/* It adds there atomically, as others may at the same time. */
void simt_shared_atomic (const void *at, size_t bytes);

#endif
