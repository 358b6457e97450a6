/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Allocations that fail on demand.
 *
 * Threads: any; which thread's allocation is the n-th is then chance.
 */
#include "fail-alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_long left = -1; /* until the one that fails; negative: none */
static atomic_bool hit;
static atomic_long live;

void *__real_malloc (size_t size);
void *__real_calloc (size_t n, size_t size);
void *__real_realloc (void *memory, size_t size);
void *__real_aligned_alloc (size_t alignment, size_t size);
int __real_posix_memalign (void **memory, size_t alignment, size_t size);
char *__real_strdup (const char *text);
void __real_free (void *memory);
void *__wrap_malloc (size_t size);
void *__wrap_calloc (size_t n, size_t size);
void *__wrap_realloc (void *memory, size_t size);
void *__wrap_aligned_alloc (size_t alignment, size_t size);
int __wrap_posix_memalign (void **memory, size_t alignment, size_t size);
char *__wrap_strdup (const char *text);
void __wrap_free (void *memory);

void
fail_alloc_at (size_t n)
{
  hit = false;
  left = (long)n;
}

bool
fail_alloc_hit (void)
{
  left = -1;
  return hit;
}

long
fail_alloc_live (void)
{
  return live;
}

static bool
fails (void)
{
  if (left < 0 || atomic_fetch_sub (&left, 1) != 0)
    return false;
  hit = true;
  errno = ENOMEM;
  return true;
}

static void *
counted (void *memory)
{
  live += memory != NULL;
  return memory;
}

void *
__wrap_malloc (size_t size)
{
  return fails () ? NULL : counted (__real_malloc (size));
}

void *
__wrap_calloc (size_t n, size_t size)
{
  return fails () ? NULL : counted (__real_calloc (n, size));
}

void *
__wrap_realloc (void *memory, size_t size)
{
  if (fails ())
    return NULL;
  if (!memory)
    return counted (__real_realloc (NULL, size));
  return __real_realloc (memory, size);
}

void *
__wrap_aligned_alloc (size_t alignment, size_t size)
{
  return fails () ? NULL : counted (__real_aligned_alloc (alignment, size));
}

int
__wrap_posix_memalign (void **memory, size_t alignment, size_t size)
{
  int result =
      fails () ? ENOMEM : __real_posix_memalign (memory, alignment, size);

  live += result == 0;
  return result;
}

char *
__wrap_strdup (const char *text)
{
  return fails () ? NULL : counted (__real_strdup (text));
}

void
__wrap_free (void *memory)
{
  live -= memory != NULL;
  __real_free (memory);
}
