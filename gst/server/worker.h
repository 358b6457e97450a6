/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The worker of a slot: what runs in the process that process.h starts.
 *
 * Threads: the main thread of that process.
 */
#ifndef DVS_WORKER_H
#define DVS_WORKER_H

/* Serves the channel at DVS_WORKER_FD until the front closes it, or the process
 * @parent is not its parent any more. Returns the exit status. */
int dvs_worker_run (int parent);

#endif
