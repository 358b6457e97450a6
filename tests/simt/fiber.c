/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See fiber.h.  On x86-64 a switch saves what the ABI says a call preserves,
 * on the stack; elsewhere ucontext does it, more slowly.
 */
#include "fiber.h"

#include <stdint.h>

#if defined __x86_64__ && !defined SIMT_UCONTEXT

void simt_fiber_jump (void **save, void *to);

__asm__(".text\n"
        ".globl simt_fiber_jump\n"
        ".hidden simt_fiber_jump\n"
        ".type simt_fiber_jump, @function\n"
        "simt_fiber_jump:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size simt_fiber_jump, . - simt_fiber_jump\n");

void
simt_fiber_init (
    SimtFiber *fiber, void *stack, size_t bytes, void (*entry) (void))
{
  uint64_t *top = (uint64_t *)((uint8_t *)stack + bytes);

  /* The entry finds the stack as after a call: off by one word. */
  *--top = 0;
  *--top = (uint64_t)(uintptr_t)entry;
  for (int i = 0; i < 6; i++)
    *--top = 0;
  fiber->sp = top;
}

void
simt_fiber_switch (SimtFiber *from, SimtFiber *to)
{
  simt_fiber_jump (&from->sp, to->sp);
}

#else

void
simt_fiber_init (
    SimtFiber *fiber, void *stack, size_t bytes, void (*entry) (void))
{
  getcontext (&fiber->context);
  fiber->context.uc_stack.ss_sp = stack;
  fiber->context.uc_stack.ss_size = bytes;
  fiber->context.uc_link = NULL;
  makecontext (&fiber->context, entry, 0);
}

void
simt_fiber_switch (SimtFiber *from, SimtFiber *to)
{
  swapcontext (&from->context, &to->context);
}

#endif
