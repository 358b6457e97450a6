/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The functions that a compiler calls before every load and store with
 * -fsanitize=thread, here in place of a sanitizer's library.
 *
 * Threads: any; outside of a kernel they do nothing.
 */
#include "run.h"

#define HOOK(name, bytes, write, aligned)                                      \
  void name (void *at);                                                        \
  void name (void *at)                                                         \
  {                                                                            \
    simt_touch (at, bytes, write, aligned);                                    \
  }

#define HOOKS(bytes)                                                           \
  HOOK (__tsan_read##bytes, bytes, false, true)                                \
  HOOK (__tsan_write##bytes, bytes, true, true)                                \
  HOOK (__tsan_unaligned_read##bytes, bytes, false, false)                     \
  HOOK (__tsan_unaligned_write##bytes, bytes, true, false)

HOOKS (1)
HOOKS (2)
HOOKS (4)
HOOKS (8)
HOOKS (16)

void __tsan_init (void);
void __tsan_read_range (void *at, unsigned long bytes);
void __tsan_write_range (void *at, unsigned long bytes);
void __tsan_func_entry (void *pc);
void __tsan_func_exit (void);

void
__tsan_init (void)
{
}

void
__tsan_read_range (void *at, unsigned long bytes)
{
  simt_touch (at, bytes, false, false);
}

void
__tsan_write_range (void *at, unsigned long bytes)
{
  simt_touch (at, bytes, true, false);
}

void
__tsan_func_entry (void *pc)
{
}

void
__tsan_func_exit (void)
{
}
