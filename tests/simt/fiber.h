/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fibers: a stack each, switched by hand.
 *
 * Threads: a fiber belongs to the thread that made it.
 */
#ifndef SIMT_FIBER_H
#define SIMT_FIBER_H

#include <stddef.h>

#if !defined __x86_64__ || defined SIMT_UCONTEXT
#include <ucontext.h>
#endif

typedef struct {
#if defined __x86_64__ && !defined SIMT_UCONTEXT
  void *sp;
#else
  ucontext_t context;
#endif
} SimtFiber;

/* Makes @fiber ready to run @entry, which must not return, on @stack. */
void simt_fiber_init (
    SimtFiber *fiber, void *stack, size_t bytes, void (*entry) (void));
/* Goes on in @to; comes back when someone goes on in @from. */
void simt_fiber_switch (SimtFiber *from, SimtFiber *to);

#endif
