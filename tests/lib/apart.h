/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A device whose memory is not the host's, made of the one that is opened:
 * what it hands out can only be touched while one of its ops or copies runs,
 * its weights live there, and what goes out to the host arrives no sooner than
 * somebody waits for it.  So code that would fail on a GPU fails here.
 *
 * Programs that link it (-Wl,--wrap=dv_device_open) get every device so.
 *
 * Threads: one device of a process, from any thread; its limits and counts from
 * one.
 */
#ifndef APART_H
#define APART_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of memory that the next devices have; the default is 2 GiB. What does
 * not fit is not to be had. */
void apart_limit (uint64_t bytes);
/* Whether devices that are opened from now on are so; they are at first. */
void apart_enable (bool enabled);
/* Leaves the memory open to the host, which is faster; for tests that look for
 * something else. */
void apart_unlock (void);
/* Bytes in use, and the most that ever were since apart_limit(). */
uint64_t apart_used (void);
uint64_t apart_peak (void);
/* Changes that the device merged; and the @n-th from now on (0: the next one)
 * fails. */
unsigned apart_merges (void);
void apart_fail_merge (unsigned n);
/* Copies to the host that waited until they were asked for. */
unsigned apart_late (void);

#endif
