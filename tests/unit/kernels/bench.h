/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The speed of the ops on every backend. It never fails.
 */
#ifndef DV_TEST_BENCH_H
#define DV_TEST_BENCH_H

/* @only: benches whose name has this in it; NULL: all. Returns 0. */
int bench (const char *only);

#endif
