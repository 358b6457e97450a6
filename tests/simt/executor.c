/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See executor.h: blocks and threads, and what they wait for.
 *
 * A thread runs until it ends, or waits at a barrier or a warp function; a
 * warp is run until all of its threads have ended or wait at a barrier, then
 * the next warp is.  The stack of a thread that never waited is the next
 * thread's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "run.h"

#define MAX_THREADS 1024

_Thread_local SimtRun *simt_run;
_Thread_local const uint8_t *simt_stack;

struct SimtPlace {
  unsigned thread[3], block[3], block_dim[3], grid_dim[3];
} simt_place;

/* All under the lock of device memory. */
static SimtThread threads[MAX_THREADS];
static uint8_t *stacks[MAX_THREADS];
static int n_stacks; /* that are free */
static uint32_t epoch, warp_clock;
static bool expected;
static char fault[700];
static unsigned long launches;

unsigned long
simt_launches (void)
{
  return launches;
}

/* ---- faults ---- */

void
simt_expect_fault (void)
{
  expected = true;
  fault[0] = '\0';
}

const char *
simt_take_fault (void)
{
  expected = false;
  return fault[0] ? fault : NULL;
}

void
simt_fault (const char *format, ...)
{
  SimtRun *run = simt_run;
  char text[400], where[200] = "";
  va_list args;

  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  if (run && run->thread)
    snprintf (where, sizeof where, ", block (%u, %u, %u), thread (%u, %u, %u)",
        run->block[0], run->block[1], run->block[2], run->thread->at[0],
        run->thread->at[1], run->thread->at[2]);
  if (run)
    snprintf (fault, sizeof fault, "%s (%s:%d)%s: %s", run->launch->kernel,
        run->launch->file, run->launch->line, where, text);
  else
    snprintf (fault, sizeof fault, "%s", text);
  if (!expected) {
    fprintf (stderr, "# kernel fault: %s\n", fault);
    abort ();
  }
  if (!run)
    return;
  run->failed = true;
  if (run->thread) /* for good */
    simt_fiber_switch (&run->thread->fiber, &run->scheduler);
}

/* ---- threads ---- */

static uint8_t *
new_stack (void)
{
  uint8_t *stack = mmap (NULL, SIMT_STACK + 4096, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  if (stack == MAP_FAILED || mprotect (stack, 4096, PROT_NONE) != 0) {
    perror ("a kernel's stack");
    abort ();
  }
  return stack + 4096;
}

static void
run_thread (void)
{
  SimtRun *run = simt_run;

  run->launch->call (run->launch->args);
  run->thread->state = SIMT_DONE;
  simt_fiber_switch (&run->thread->fiber, &run->scheduler);
}

static void
set_place (const SimtThread *t)
{
  memcpy (simt_place.thread, t->at, sizeof t->at);
}

/* Lets @t run until it waits or ends. */
static void
go_on (SimtRun *run, SimtThread *t)
{
  if (!t->stack) {
    t->stack = n_stacks > 0 ? stacks[--n_stacks] : new_stack ();
    simt_fiber_init (&t->fiber, t->stack, SIMT_STACK, run_thread);
  }
  run->thread = t;
  set_place (t);
  simt_run = run;
  simt_stack = t->stack;
  simt_fiber_switch (&run->scheduler, &t->fiber);
  simt_stack = NULL;
  simt_run = NULL;
  run->thread = NULL;
  if (t->state == SIMT_DONE) {
    stacks[n_stacks++] = t->stack;
    t->stack = NULL;
  }
}

/* The running thread waits. */
static void
wait_as (SimtState state, const char *file, int line)
{
  SimtRun *run = simt_run;
  SimtThread *t = run->thread;

  t->state = state;
  t->file = file;
  t->line = line;
  simt_fiber_switch (&t->fiber, &run->scheduler);
}

/* ---- warps ---- */

int
simt_lane (void)
{
  return (int)(simt_run->thread->index % SIMT_WARP);
}

uint64_t
simt_warp (SimtWarpOp op, unsigned mask, uint64_t value, int argument,
    const char *file, int line)
{
  SimtThread *t = simt_run->thread;

  if (!(mask >> simt_lane () & 1))
    simt_fault ("%s:%d: a warp function is called by a lane that its mask "
                "%08x does not name",
        file, line, mask);
  t->op = op;
  t->mask = mask;
  t->value = value;
  t->argument = argument;
  wait_as (SIMT_AT_WARP, file, line);
  return t->value;
}

void
simt_warp_together (
    void *mine, void (*work) (void *const *all), const char *file, int line)
{
  SimtThread *t = simt_run->thread;

  t->given = mine;
  t->work = work;
  simt_warp (SIMT_TOGETHER, 0xffffffffu, 0, 0, file, line);
}

/* A fault of @t, which waits. */
static void
blame (SimtRun *run, SimtThread *t, const char *text)
{
  run->thread = t;
  simt_run = run;
  if (expected) { /* there is no thread to leave */
    run->thread = NULL;
    simt_fault (
        "thread %u waits at %s:%d: %s", t->index, t->file, t->line, text);
  } else {
    simt_fault ("waits at %s:%d: %s", t->file, t->line, text);
  }
  simt_run = NULL;
}

/* All lanes of @mask wait at the same function: they get their results. */
static bool
finish (SimtRun *run, SimtThread *warp, unsigned lanes, unsigned mask)
{
  uint64_t values[SIMT_WARP], ballot = 0;

  for (unsigned i = 0; i < lanes; i++) {
    values[i] = warp[i].value;
    if (mask >> i & 1)
      ballot |= (values[i] & 1) << i;
  }
  warp_clock++;
  if (warp->op == SIMT_TOGETHER && mask == 0xffffffffu) {
    void *all[SIMT_WARP];

    for (unsigned i = 0; i < SIMT_WARP; i++)
      all[i] = warp[i].given;
    warp->work (all);
  }
  for (unsigned i = 0; i < lanes; i++) {
    if (!(mask >> i & 1))
      continue;
    if (warp[i].op == SIMT_BALLOT)
      warp[i].value = ballot;
    if (warp[i].op == SIMT_SHUFFLE) {
      if (!(mask >> warp[i].argument & 1)) {
        blame (run, &warp[i], "it reads a lane that its mask does not name");
        return false;
      }
      warp[i].value = values[warp[i].argument];
    }
    warp[i].synced = warp_clock;
    warp[i].state = SIMT_READY;
  }
  return true;
}

/* Finishes what warp functions can be; false if none. */
static bool
resolve (SimtRun *run, SimtThread *warp, unsigned lanes)
{
  bool any = false;

  for (unsigned i = 0; i < lanes && !run->failed; i++) {
    SimtThread *t = &warp[i];
    unsigned here = 0;

    if (t->state != SIMT_AT_WARP)
      continue;
    for (unsigned j = 0; j < lanes; j++)
      if (warp[j].state == SIMT_AT_WARP && warp[j].op == t->op &&
          warp[j].mask == t->mask && warp[j].line == t->line &&
          warp[j].file == t->file)
        here |= 1u << j;
    if ((here & t->mask) == t->mask)
      any = finish (run, warp, lanes, t->mask);
  }
  return any;
}

/* Runs a warp until its threads have ended or wait at barriers. */
static void
run_warp (SimtRun *run, SimtThread *warp, unsigned lanes)
{
  do {
    for (unsigned i = 0; i < lanes; i++) {
      SimtThread *t = &warp[run->backwards ? lanes - 1 - i : i];

      if (t->state == SIMT_READY)
        go_on (run, t);
      if (run->failed)
        return;
    }
  } while (resolve (run, warp, lanes));
  for (unsigned i = 0; i < lanes && !run->failed; i++)
    if (warp[i].state == SIMT_AT_WARP)
      blame (run, &warp[i],
          "not all lanes of its mask come to this warp function");
}

/* ---- blocks ---- */

void
simt_barrier (const char *file, int line)
{
  wait_as (SIMT_AT_BARRIER, file, line);
}

/* All threads of the block have ended or wait: whether they go on. */
static bool
pass_barrier (SimtRun *run)
{
  SimtThread *first = NULL;
  bool ended = false;

  for (unsigned i = 0; i < run->n_threads; i++) {
    SimtThread *t = &run->threads[i];

    if (t->state == SIMT_DONE) {
      ended = true;
    } else if (!first) {
      first = t;
    } else if (t->line != first->line || t->file != first->file) {
      blame (run, t, "others of the block wait at another barrier");
      return false;
    }
  }
  if (!first)
    return false;
  if (ended) {
    blame (run, first, "others of the block ended without this barrier");
    return false;
  }
  run->epoch = ++epoch;
  for (unsigned i = 0; i < run->n_threads; i++)
    run->threads[i].state = SIMT_READY;
  return true;
}

static void
begin_block (SimtRun *run, unsigned number)
{
  const SimtLaunch *launch = run->launch;

  for (int i = 0; i < 3; i++) {
    run->block[i] = number % launch->grid[i];
    number /= launch->grid[i];
  }
  memcpy (simt_place.block, run->block, sizeof run->block);
  run->epoch = run->block_epoch = ++epoch;
  simt_shared_begin (launch->shared_bytes);
  for (unsigned i = 0; i < run->n_threads; i++) {
    SimtThread *t = &run->threads[i];
    unsigned rest = i;

    t->index = i;
    for (int d = 0; d < 3; d++) {
      t->at[d] = rest % launch->block[d];
      rest /= launch->block[d];
    }
    t->state = SIMT_READY;
    t->synced = 0;
    t->n_copies = t->group = 0;
  }
}

static void
run_block (SimtRun *run, unsigned number)
{
  unsigned warps = (run->n_threads + SIMT_WARP - 1) / SIMT_WARP;

  begin_block (run, number);
  do {
    for (unsigned i = 0; i < warps && !run->failed; i++) {
      unsigned warp = run->backwards ? warps - 1 - i : i;
      unsigned left = run->n_threads - warp * SIMT_WARP;

      run_warp (run, run->threads + warp * SIMT_WARP,
          left < SIMT_WARP ? left : SIMT_WARP);
    }
  } while (!run->failed && pass_barrier (run));
  /* The stacks of threads that a fault left behind. */
  for (unsigned i = 0; i < run->n_threads; i++)
    if (run->threads[i].stack) {
      stacks[n_stacks++] = run->threads[i].stack;
      run->threads[i].stack = NULL;
    }
}

/* ---- launches ---- */

static bool
possible (const SimtLaunch *launch, size_t n_threads, size_t n_blocks)
{
  if (n_threads == 0 || n_threads > MAX_THREADS || launch->block[2] > 64)
    simt_fault ("a block of %zu threads", n_threads);
  else if (n_threads % SIMT_WARP != 0)
    simt_fault ("a block of %zu threads, which are no whole warps", n_threads);
  else if (n_blocks == 0 || launch->grid[0] > INT32_MAX ||
           launch->grid[1] > 65535 || launch->grid[2] > 65535)
    simt_fault ("a grid of %u x %u x %u blocks", launch->grid[0],
        launch->grid[1], launch->grid[2]);
  else if (launch->shared_bytes > SIMT_SHARED)
    simt_fault ("%zu bytes of shared memory", launch->shared_bytes);
  else
    return true;
  return false;
}

static bool
run_grid (SimtRun *run, size_t n_blocks, bool backwards)
{
  run->backwards = backwards;
  for (size_t i = 0; i < n_blocks && !run->failed; i++)
    run_block (run, (unsigned)(backwards ? n_blocks - 1 - i : i));
  return !run->failed;
}

void
simt_launch (const SimtLaunch *launch)
{
  SimtRun run = {.launch = launch,
      .threads = threads,
      .watched = !getenv (SIMT_UNWATCHED)};
  size_t n_blocks = (size_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
  const void *at;

  run.n_threads = launch->block[0] * launch->block[1] * launch->block[2];
  simt_memory_open ();
  launches++;
  simt_run = &run;
  if (!possible (launch, run.n_threads, n_blocks))
    goto done;
  simt_run = NULL;
  memcpy (simt_place.block_dim, launch->block, sizeof launch->block);
  memcpy (simt_place.grid_dim, launch->grid, sizeof launch->grid);
  simt_journal_clear ();
  if (!run.watched) {
    run_grid (&run, n_blocks, false);
    goto done;
  }
  if (!run_grid (&run, n_blocks, false)) {
    simt_journal_undo ();
    goto done;
  }
  simt_journal_turn ();
  if (!run_grid (&run, n_blocks, true)) {
    simt_journal_undo ();
    goto done;
  }
  at = simt_journal_differs ();
  simt_run = &run;
  if (at)
    simt_fault ("what it writes at %p depends on the order of threads", at);

done:
  simt_run = NULL;
  simt_memory_close ();
}

void (*simt_queue_launch) (void *queue, const SimtLaunch *launch);

void
simt_launch_on (void *queue, const SimtLaunch *launch)
{
  if (queue && simt_queue_launch)
    simt_queue_launch (queue, launch);
  else
    simt_launch (launch);
}
