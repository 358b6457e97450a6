/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one thread pool of a CPU device.
 *
 * Work is cut by the caller into tiles whose size does not depend on the
 * number of threads, so that N threads compute what one does, bit for bit.
 *
 * Threads: dv_pool_run() may be called from any thread, several at a time
 * (they take turns), but not from inside a tile.
 */
#ifndef DV_POOL_H
#define DV_POOL_H

#include <stdint.h>

#include "error.h"

typedef struct DvPool DvPool;

/* @tile in [0, n_tiles); @thread in [0, dv_pool_threads()): the index of the
 * scratch memory that this call may use. */
typedef void (*DvTile) (void *user, int64_t tile, int thread);

/* @n_threads 0: as many as the process may run on. The caller of run counts
 * as one. NULL with @error filled when threads or memory are not to be had. */
DvPool *dv_pool_new (int n_threads, DvError *error);
void dv_pool_free (DvPool *pool);
int dv_pool_threads (const DvPool *pool);

/* Calls @tile for every index, on the pool's threads and this one; returns
 * when all are done. */
void dv_pool_run (DvPool *pool, int64_t n_tiles, DvTile tile, void *user);

#endif
