/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The thread pool: one job at a time, its tiles handed out by a counter.
 *
 * Threads: run() from any thread; callers take turns.
 */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  DvPool *pool;
  int index;
} Worker;

struct DvPool {
  int n_threads; /* the caller of run counts as number 0 */
  int n_started;
  pthread_t *threads;
  Worker *workers;

  pthread_mutex_t turn; /* held by the run that has the pool */
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t work, done;
  uint64_t job; /* counts runs */
  int busy;     /* workers that have not finished the job */
  bool quit;

  DvTile tile;
  void *user;
  int64_t n_tiles;
  atomic_int_fast64_t next;
};

static void
tiles (DvPool *pool, int thread)
{
  int64_t i;

  while ((i = atomic_fetch_add_explicit (
              &pool->next, 1, memory_order_relaxed)) < pool->n_tiles)
    pool->tile (pool->user, i, thread);
}

static void *
worker_run (void *data)
{
  Worker *worker = data;
  DvPool *pool = worker->pool;
  uint64_t seen = 0;

  pthread_mutex_lock (&pool->lock);
  while (true) {
    while (pool->job == seen && !pool->quit)
      pthread_cond_wait (&pool->work, &pool->lock);
    if (pool->quit)
      break;
    seen = pool->job;
    pthread_mutex_unlock (&pool->lock);
    tiles (pool, worker->index);
    pthread_mutex_lock (&pool->lock);
    if (--pool->busy == 0)
      pthread_cond_signal (&pool->done);
  }
  pthread_mutex_unlock (&pool->lock);
  return NULL;
}

static int
usable_processors (void)
{
  cpu_set_t set;

  if (sched_getaffinity (0, sizeof set, &set) != 0)
    return 1;
  return CPU_COUNT (&set) > 0 ? CPU_COUNT (&set) : 1;
}

DvPool *
dv_pool_new (int n_threads, DvError *error)
{
  DvPool *pool = calloc (1, sizeof *pool);
  int failed = 0;

  if (!pool)
    goto no_memory;
  pool->n_threads = n_threads > 0 ? n_threads : usable_processors ();
  pthread_mutex_init (&pool->turn, NULL);
  pthread_mutex_init (&pool->lock, NULL);
  pthread_cond_init (&pool->work, NULL);
  pthread_cond_init (&pool->done, NULL);
  pool->threads = calloc ((size_t)pool->n_threads, sizeof *pool->threads);
  pool->workers = calloc ((size_t)pool->n_threads, sizeof *pool->workers);
  if (!pool->threads || !pool->workers)
    goto no_memory;
  for (int i = 1; i < pool->n_threads; i++) {
    pool->workers[i] = (Worker){pool, i};
    failed =
        pthread_create (&pool->threads[i], NULL, worker_run, &pool->workers[i]);
    if (failed)
      goto no_thread;
    pool->n_started++;
  }
  return pool;

no_memory:
  dv_fail (error, DV_ERROR_MEMORY, "open", "no memory for a pool of threads");
  dv_pool_free (pool);
  return NULL;

no_thread:
  dv_fail (error, DV_ERROR_MEMORY, "open",
      "thread %d of %d could not be started: %s", pool->n_started + 2,
      pool->n_threads, strerror (failed));
  dv_pool_free (pool);
  return NULL;
}

void
dv_pool_free (DvPool *pool)
{
  if (!pool)
    return;
  pthread_mutex_lock (&pool->lock);
  pool->quit = true;
  pthread_cond_broadcast (&pool->work);
  pthread_mutex_unlock (&pool->lock);
  for (int i = 1; i <= pool->n_started; i++)
    pthread_join (pool->threads[i], NULL);
  pthread_cond_destroy (&pool->done);
  pthread_cond_destroy (&pool->work);
  pthread_mutex_destroy (&pool->lock);
  pthread_mutex_destroy (&pool->turn);
  free (pool->workers);
  free (pool->threads);
  free (pool);
}

int
dv_pool_threads (const DvPool *pool)
{
  return pool->n_threads;
}

void
dv_pool_run (DvPool *pool, int64_t n_tiles, DvTile tile, void *user)
{
  if (n_tiles <= 0)
    return;
  pthread_mutex_lock (&pool->turn);
  pool->tile = tile;
  pool->user = user;
  pool->n_tiles = n_tiles;
  atomic_store_explicit (&pool->next, 0, memory_order_relaxed);
  /* A single tile is not worth waking anyone for. */
  if (n_tiles == 1 || pool->n_started == 0) {
    tiles (pool, 0);
  } else {
    pthread_mutex_lock (&pool->lock);
    pool->job++;
    pool->busy = pool->n_started;
    pthread_cond_broadcast (&pool->work);
    pthread_mutex_unlock (&pool->lock);

    tiles (pool, 0);

    pthread_mutex_lock (&pool->lock);
    while (pool->busy > 0)
      pthread_cond_wait (&pool->done, &pool->lock);
    pthread_mutex_unlock (&pool->lock);
  }
  pthread_mutex_unlock (&pool->turn);
}
