/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See fake-queues.h.
 */
#include "fake-queues.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Work {
  FakeRun run;      /* NULL: a point, or a wait for one */
  FakePoint *point; /* a reference */
  bool waits;
  const uint8_t *host;
  size_t host_bytes;
  struct Work *next;
  max_align_t data[];
} Work;

struct CUstream_st {
  Work *first, **end;
  bool freed;
  struct CUstream_st *next;
};

pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static cudaStream_t streams; /* oldest first */

/* ---- points ---- */

static FakePoint *
point_new (void)
{
  FakePoint *point = calloc (1, sizeof *point);

  if (!point)
    abort ();
  point->refs = 1;
  return point;
}

FakePoint *
fake_point_ref (FakePoint *point)
{
  point->refs++;
  return point;
}

void
fake_point_unref (FakePoint *point)
{
  if (point && --point->refs == 0)
    free (point);
}

/* ---- streams ---- */

cudaStream_t
fake_stream_new (void)
{
  cudaStream_t stream = calloc (1, sizeof *stream), *at = &streams;

  if (!stream)
    abort ();
  stream->end = &stream->first;
  while (*at)
    at = &(*at)->next;
  *at = stream;
  return stream;
}

/* Frees streams that nobody has and on which nothing is queued. */
static void
sweep (void)
{
  for (cudaStream_t *at = &streams; *at;) {
    cudaStream_t stream = *at;

    if (!stream->freed || stream->first) {
      at = &stream->next;
      continue;
    }
    *at = stream->next;
    free (stream);
  }
}

void
fake_stream_free (cudaStream_t stream)
{
  stream->freed = true;
  sweep ();
}

static Work *
append (cudaStream_t stream, const void *data, size_t bytes)
{
  Work *work = calloc (1, sizeof *work + bytes);

  if (!work)
    abort ();
  if (bytes > 0)
    memcpy (work->data, data, bytes);
  *stream->end = work;
  stream->end = &work->next;
  return work;
}

void
fake_queue (cudaStream_t stream, FakeRun run, const void *data, size_t bytes,
    const void *host, size_t host_bytes)
{
  Work *work = append (stream, data, bytes);

  work->run = run;
  work->host = host;
  work->host_bytes = host_bytes;
}

FakePoint *
fake_queue_point (cudaStream_t stream)
{
  Work *work = append (stream, NULL, 0);

  work->point = point_new ();
  return fake_point_ref (work->point);
}

void
fake_queue_wait (cudaStream_t stream, FakePoint *point)
{
  Work *work = append (stream, NULL, 0);

  work->point = fake_point_ref (point);
  work->waits = true;
}

/* ---- running ---- */

static bool
is_ready (cudaStream_t stream)
{
  const Work *work = stream->first;

  return work && !(work->waits && !work->point->passed);
}

static unsigned
draw (unsigned n)
{
  fake_cuda.order = fake_cuda.order * 1664525u + 1013904223u;
  /* Stays what it is: drawn. */
  if (fake_cuda.order < FAKE_DRAWN)
    fake_cuda.order += FAKE_DRAWN;
  return (fake_cuda.order >> 8) % n;
}

/* Whose turn it is; NULL: nobody can go on. */
static cudaStream_t
choose (void)
{
  unsigned n = 0, which;
  cudaStream_t stream;

  for (stream = streams; stream; stream = stream->next)
    n += is_ready (stream);
  if (n == 0)
    return NULL;
  which = fake_cuda.order == FAKE_OLDEST_FIRST   ? 0
          : fake_cuda.order == FAKE_NEWEST_FIRST ? n - 1
                                                 : draw (n);
  for (stream = streams;; stream = stream->next)
    if (is_ready (stream) && which-- == 0)
      return stream;
}

static Work *
take (cudaStream_t stream)
{
  Work *work = stream->first;

  stream->first = work->next;
  if (!stream->first)
    stream->end = &stream->first;
  return work;
}

static void
work_free (Work *work)
{
  fake_point_unref (work->point);
  free (work);
}

static void
step (cudaStream_t stream)
{
  Work *work = take (stream);

  if (work->run)
    work->run (work->data);
  else if (!work->waits)
    work->point->passed = true;
  work_free (work);
}

void
fake_run_until (FakePoint *point)
{
  while (!point->passed) {
    cudaStream_t stream = choose ();

    if (!stream) {
      fprintf (stderr, "# streams wait for one another, for ever\n");
      abort ();
    }
    step (stream);
  }
  sweep ();
}

void
fake_run_all (cudaStream_t stream)
{
  FakePoint *point = fake_queue_point (stream);

  fake_run_until (point);
  fake_point_unref (point);
}

bool
fake_is_used (const void *host, size_t bytes)
{
  const uint8_t *at = host;

  for (cudaStream_t stream = streams; stream; stream = stream->next)
    for (const Work *work = stream->first; work; work = work->next)
      if (work->host && work->host < at + bytes &&
          at < work->host + work->host_bytes)
        return true;
  return false;
}

void
fake_drop_all (FakeRun kept)
{
  for (cudaStream_t stream = streams; stream; stream = stream->next)
    while (stream->first) {
      Work *work = take (stream);

      if (work->run == kept)
        work->run (work->data);
      else if (work->point)
        work->point->passed = true;
      work_free (work);
    }
  sweep ();
}
