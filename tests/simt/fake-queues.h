/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fake runtime's streams: what was queued on each, in order, and what waits
 * for what.  Nothing of it runs before somebody waits; then whatever may run
 * does, in the order that a test asked for (FakeCuda.order), until that one may
 * go on.  So what two streams were not told to do in order is done in the wrong
 * one.
 *
 * Threads: any, under fake_lock.
 */
#ifndef FAKE_QUEUES_H
#define FAKE_QUEUES_H

#include <pthread.h>

#include "fake-private.h"

extern pthread_mutex_t fake_lock;

/* A place in a stream's order. */
typedef struct {
  bool passed;
  unsigned refs;
} FakePoint;

typedef void (*FakeRun) (void *data);

cudaStream_t fake_stream_new (void);
/* What is queued on it still runs. */
void fake_stream_free (cudaStream_t stream);

/* Queues @run of a copy of @bytes of @data; @host: where of @host_bytes it
 * reads or writes host memory, or NULL. */
void fake_queue (cudaStream_t stream, FakeRun run, const void *data,
    size_t bytes, const void *host, size_t host_bytes);
/* The point behind what is queued now. */
FakePoint *fake_queue_point (cudaStream_t stream);
/* What is queued from now on waits for @point. */
void fake_queue_wait (cudaStream_t stream, FakePoint *point);

FakePoint *fake_point_ref (FakePoint *point);
/* @point may be NULL. */
void fake_point_unref (FakePoint *point);
/* Runs what may run until @point has passed. */
void fake_run_until (FakePoint *point);
/* Runs what may run until all of @stream has. */
void fake_run_all (cudaStream_t stream);

/* Whether anything that is queued uses host memory of there. */
bool fake_is_used (const void *host, size_t bytes);
/* A device that is lost runs nothing more; but what @kept would do. */
void fake_drop_all (FakeRun kept);

#endif
