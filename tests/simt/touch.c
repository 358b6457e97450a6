/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See executor.h: the accesses of a kernel, and whether they may be.
 *
 * Threads: what a kernel calls runs under the lock of device memory.
 */
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

typedef struct {
  uintptr_t low, high;
} Range;

/* Where the program's own memory was found last. */
static Range image;

static int
look_for (struct dl_phdr_info *info, size_t size, void *user)
{
  uintptr_t at = *(uintptr_t *)user;

  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW (Phdr) *header = &info->dlpi_phdr[i];
    uintptr_t low = info->dlpi_addr + header->p_vaddr;

    if (header->p_type == PT_LOAD && at - low < header->p_memsz) {
      image = (Range){low, low + header->p_memsz};
      return 1;
    }
  }
  return 0;
}

/* Constants and tables that the compiler put into the program. */
static bool
in_image (uintptr_t at)
{
  return at - image.low < image.high - image.low ||
         dl_iterate_phdr (look_for, &at) == 1;
}

static void
touch_device (SimtRun *run, const void *at, size_t bytes, bool write)
{
  const char *verb = write ? "writes" : "reads";
  char text[100];

  if (simt_memory_check (at, bytes, text, sizeof text)) {
    if (write)
      simt_journal_note ((void *)at, bytes);
    return;
  }
  if (text[0])
    simt_fault ("%s %zu bytes at %s", verb, bytes, text);
  if (!write) {
    uintptr_t a = (uintptr_t)at, args = (uintptr_t)run->launch->args;

    if (a - args < run->launch->args_bytes || in_image (a))
      return;
  }
  simt_fault ("%s %zu bytes at %p, which is no device memory", verb, bytes, at);
}

void
simt_touch_far (const void *at, size_t bytes, bool write, bool aligned)
{
  if (aligned && (uintptr_t)at % bytes != 0)
    simt_fault ("%s %zu bytes at %p, which is not aligned to them",
        write ? "writes" : "reads", bytes, at);
  if (simt_shared_has (at))
    simt_shared_touch (at, bytes, write);
  else
    touch_device (simt_run, at, bytes, write);
}

void
simt_load16 (uint32_t to[4], const void *from)
{
  simt_touch (from, 16, false, true);
  memcpy (to, from, 16);
}

void
simt_store16 (void *to, const uint32_t from[4])
{
  simt_touch (to, 16, true, true);
  memcpy (to, from, 16);
}

void
simt_atomic (void *at, size_t bytes)
{
  SimtRun *run = simt_run;

  if (!run->watched)
    return;
  if ((uintptr_t)at % bytes != 0)
    simt_fault (
        "changes %zu bytes at %p, which is not aligned to them", bytes, at);
  if (simt_shared_has (at))
    simt_shared_atomic (at, bytes);
  else
    touch_device (run, at, bytes, true);
}

/* ---- asynchronous copies ---- */

void
simt_copy_async (void *to, const void *from, size_t bytes, size_t valid)
{
  SimtThread *t = simt_run->thread;

  if ((bytes != 4 && bytes != 8 && bytes != 16) || valid > bytes ||
      (uintptr_t)to % bytes != 0 || (uintptr_t)from % bytes != 0)
    simt_fault (
        "copies %zu bytes of %zu from %p to %p", valid, bytes, from, to);
  if (valid > 0)
    simt_touch (from, valid, false, false);
  if (simt_run->watched)
    simt_shared_pending (to, bytes);
  if (t->n_copies == t->room_copies) {
    t->room_copies = t->room_copies ? 2 * t->room_copies : 16;
    t->copies = realloc (t->copies, t->room_copies * sizeof *t->copies);
    if (!t->copies)
      abort ();
  }
  t->copies[t->n_copies++] = (SimtCopy){to, from, bytes, valid, t->group};
}

void
simt_copy_commit (void)
{
  simt_run->thread->group++;
}

void
simt_copy_wait (unsigned pending)
{
  SimtThread *t = simt_run->thread;
  unsigned kept = 0;

  for (unsigned i = 0; i < t->n_copies; i++) {
    SimtCopy *copy = &t->copies[i];

    if (copy->group + pending >= t->group) {
      t->copies[kept++] = *copy;
      continue;
    }
    if (simt_run->watched)
      simt_shared_touch (copy->to, copy->bytes, true);
    memset (copy->to, 0, copy->bytes);
    memcpy (copy->to, copy->from, copy->valid);
  }
  t->n_copies = kept;
}
