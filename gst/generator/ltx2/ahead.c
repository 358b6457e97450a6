/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Encoding the next prompt while a segment is made: a stream beside the step's,
 * with an arena and, where layers of the text encoder do not stay on the
 * device, slots of its own.  What it makes goes into the session's cache of
 * contexts, where the step looks.
 *
 * Threads: the lock makes those who prepare wait for each other, and a step
 * that needs a cache of another size for them.
 */
#include <pthread.h>
#include <stdlib.h>

#include "ltx2-private.h"

struct DvLtx2Ahead {
  const DvLtx2 *model;
  pthread_mutex_t lock;
  DvStream *stream;   /* NULL until the first prompt */
  DvFetcher *fetcher; /* NULL: all layers stay, or the same */
};

DvLtx2Ahead *
dv_ltx2_ahead_new (const DvLtx2 *model, DvError *error)
{
  DvLtx2Ahead *ahead = calloc (1, sizeof *ahead);

  if (!ahead) {
    dv_fail (
        error, DV_ERROR_MEMORY, "session", "no memory to encode prompts ahead");
    return NULL;
  }
  ahead->model = model;
  pthread_mutex_init (&ahead->lock, NULL);
  return ahead;
}

void
dv_ltx2_ahead_free (DvLtx2Ahead *ahead)
{
  if (!ahead)
    return;
  dv_stream_free (ahead->stream);
  dv_fetcher_free (ahead->fetcher);
  pthread_mutex_destroy (&ahead->lock);
  free (ahead);
}

void
dv_ltx2_ahead_hold (DvLtx2Ahead *ahead)
{
  if (ahead)
    pthread_mutex_lock (&ahead->lock);
}

void
dv_ltx2_ahead_release (DvLtx2Ahead *ahead)
{
  if (ahead)
    pthread_mutex_unlock (&ahead->lock);
}

/* The stream, empty, with its slots. */
static DvStatus
open_stream (DvLtx2Ahead *ahead, DvError *error)
{
  const DvPlan *plan = &ahead->model->plan;
  DvDevice *device = ahead->model->device;

  if (!ahead->stream)
    ahead->stream = dv_stream_new (device, plan->ahead, error);
  else
    dv_stream_reset (ahead->stream);
  if (!ahead->stream)
    return DV_ERROR_MEMORY;
  if (plan->ahead_slots > 0 && !ahead->fetcher) {
    ahead->fetcher =
        dv_fetcher_new (device, (size_t)(plan->ahead_slots / 2), error);
    if (!ahead->fetcher)
      return DV_ERROR_MEMORY;
  }
  ahead->stream->fetcher = ahead->fetcher;
  return DV_OK;
}

static DvStatus
encode (DvLtx2Ahead *ahead, DvTextCache *texts, const int32_t *ids, size_t n,
    DvError *error)
{
  const DvLtx2Parts *parts = &ahead->model->parts;
  DvStream *stream = ahead->stream;
  const DvTextContext *context = dv_text_cache_take (
      texts, parts->gemma, parts->connectors, stream, ids, n);
  DvStatus status = dv_stream_status (stream, error);

  if (context)
    dv_text_cache_give_back (texts, context);
  else
    dv_stream_reset (stream);
  if (ahead->fetcher)
    dv_fetcher_settle (ahead->fetcher);
  return status;
}

DvStatus
dv_ltx2_ahead_encode (DvLtx2Ahead *ahead, DvTextCache *const *texts,
    const char *prompt, bool (*cancelled) (void *user), void *user,
    DvError *error)
{
  const DvLtx2 *model = ahead->model;
  int32_t *ids = NULL;
  size_t n = 0;
  DvStatus status;

  dv_ltx2_ahead_hold (ahead);
  status = dv_tokenizer_encode_prompt (model->tokenizer, prompt ? prompt : "",
      (size_t)model->config->text.text_len, &ids, &n, error);
  if (status == DV_OK && !dv_text_cache_knows (*texts, ids, n))
    status = open_stream (ahead, error);
  else
    n = 0;
  if (status == DV_OK && n > 0) {
    ahead->stream->cancelled = cancelled;
    ahead->stream->user = user;
    status = encode (ahead, *texts, ids, n, error);
    ahead->stream->cancelled = NULL;
  }
  dv_ltx2_ahead_release (ahead);
  free (ids);
  return status;
}
