/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makes one allocation fail, for tests: link with fail_alloc_dep, which
 * puts these in the place of malloc(), calloc(), realloc(), aligned_alloc(),
 * posix_memalign(), strdup() and free() in everything linked statically.
 *
 *   for (size_t n = 0;; n++) {
 *     fail_alloc_at (n);
 *     ... what is tested ...
 *     if (!fail_alloc_hit ())
 *       break;
 *     ... it must have failed, and left nothing behind ...
 *   }
 */
#ifndef FAIL_ALLOC_H
#define FAIL_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* The @n-th allocation from now on fails (0: the next), once. */
void fail_alloc_at (size_t n);
/* Whether it did; none fails any more. */
bool fail_alloc_hit (void);
/* Allocations less what was freed, since the program began. */
long fail_alloc_live (void);

#endif
