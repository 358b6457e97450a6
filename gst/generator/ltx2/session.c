/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session of LTX-2: one segment after another, each continuing the last.
 *
 * Threads: a session belongs to one thread at a time, but for what ahead.c
 * does; the model's device takes turns between sessions.
 */
#include <stdlib.h>
#include <string.h>

#include "../segment.h"
#include "ltx2-private.h"

typedef struct {
  DvSession parent;
  DvState state;    /* the continuation state */
  DvStream *stream; /* sized for measured */
  DvLtx2Sizes measured;
  uint64_t bytes;
  DvTextCache *texts; /* replaced while ahead is held only */
  int64_t text_len;   /* of what texts keeps */
  DvLtx2Ahead *ahead; /* NULL: no prompt is encoded ahead */
  DvDitCache *cache;
  uint64_t cached;    /* the weights' revision that the cache is of */
  DvFetcher *fetcher; /* NULL: every layer stays on the device */
  const DvProbe *probe;
} Session;

static const DvLtx2 *
model_of (const Session *session)
{
  return (const DvLtx2 *)session->parent.model;
}

/* A cache of contexts of so many rows. */
static DvStatus
keep_texts (
    Session *session, const DvLtx2 *model, int64_t text_len, DvError *error)
{
  DvTextConfig config = model->config->text;
  DvTextCache *texts;

  config.text_len = text_len;
  texts = dv_text_cache_new (model->device, &config, DV_LTX2_PROMPTS, error);
  if (!texts)
    return DV_ERROR_MEMORY;
  dv_ltx2_ahead_hold (session->ahead);
  dv_text_cache_free (session->texts);
  session->texts = texts;
  session->text_len = text_len;
  dv_ltx2_ahead_release (session->ahead);
  return DV_OK;
}

DvSession *
dv_ltx2_session_new (DvModel *parent, DvError *error)
{
  const DvLtx2 *model = (const DvLtx2 *)parent;
  Session *session;

  if (!model->parts.dit) {
    dv_fail (error, DV_ERROR_ARGUMENT, "session",
        "\"%.80s\" was opened for its memory plan: it has no weights",
        parent->info.name);
    return NULL;
  }
  session = calloc (1, sizeof *session);
  if (!session) {
    dv_fail (error, DV_ERROR_MEMORY, "session",
        "no memory for a session of %zu bytes", sizeof *session);
    return NULL;
  }
  if (parent->info.prepares)
    session->ahead = dv_ltx2_ahead_new (model, error);
  if ((parent->info.prepares && !session->ahead) ||
      keep_texts (session, model, model->config->text.text_len, error) !=
          DV_OK) {
    dv_ltx2_session_free (&session->parent);
    return NULL;
  }
  return &session->parent;
}

void
dv_ltx2_session_free (DvSession *parent)
{
  Session *session = (Session *)parent;

  dv_dit_cache_free (session->cache);
  dv_ltx2_ahead_free (session->ahead);
  dv_text_cache_free (session->texts);
  dv_stream_free (session->stream);
  dv_fetcher_free (session->fetcher);
  dv_state_clear (&session->state);
  free (session);
}

void
dv_ltx2_session_reset (DvSession *parent)
{
  dv_state_clear (&((Session *)parent)->state);
}

DvStatus
dv_ltx2_session_save (
    DvSession *parent, uint8_t **data, size_t *size, DvError *error)
{
  Session *session = (Session *)parent;

  return dv_state_save (
      &session->state, model_of (session)->fingerprint, data, size, error);
}

DvStatus
dv_ltx2_session_load (
    DvSession *parent, const uint8_t *data, size_t size, DvError *error)
{
  Session *session = (Session *)parent;
  const DvLtx2 *model = model_of (session);

  return dv_state_load (&session->state, model->fingerprint,
      (uint32_t)model->config->dit.audio.in, data, size, error);
}

void
dv_ltx2_session_probe (DvSession *parent, const DvProbe *probe)
{
  ((Session *)parent)->probe = probe;
}

/* ---- a step ---- */

/* The arena for a segment like this; kept from one to the next. */
static DvStatus
prepare_stream (Session *session, const DvLtx2Sizes *sizes, DvError *error)
{
  const DvLtx2 *model = model_of (session);
  uint64_t bytes;
  DvStatus status;

  if (session->stream &&
      memcmp (sizes, &session->measured, sizeof *sizes) == 0) {
    dv_stream_reset (session->stream);
    return DV_OK;
  }
  status = dv_ltx2_measure (model, &model->parts, sizes, &bytes, error);
  if (status != DV_OK ||
      (status = dv_ltx2_plan_allows (model, sizes, bytes, error)) != DV_OK)
    return status;
  if (!session->stream || bytes > session->bytes) {
    dv_stream_free (session->stream);
    session->stream = dv_stream_new (model->device, bytes, error);
    if (!session->stream)
      return DV_ERROR_MEMORY;
    session->bytes = bytes;
  } else {
    dv_stream_reset (session->stream);
  }
  session->measured = *sizes;
  return DV_OK;
}

static DvStatus
prepare_caches (Session *session, const DvLtx2Sizes *sizes, DvError *error)
{
  const DvLtx2 *model = model_of (session);
  const DvDit *dit = model->parts.dit;

  if (session->text_len != sizes->text_len &&
      keep_texts (session, model, sizes->text_len, error) != DV_OK)
    return DV_ERROR_MEMORY;
  if (session->cache && session->cached == model->revision)
    return DV_OK;
  dv_dit_cache_free (session->cache);
  if (session->fetcher)
    dv_fetcher_forget (session->fetcher);
  session->cache =
      dv_dit_cache_new (dit, dv_dit_cache_bytes (dit, sizes->text_len), error);
  session->cached = model->revision;
  return session->cache ? DV_OK : DV_ERROR_MEMORY;
}

/* Where layers are brought that do not stay on the device. */
static DvStatus
prepare_fetcher (Session *session, DvError *error)
{
  const DvLtx2 *model = model_of (session);

  if (model->plan.slots > 0 && !session->fetcher) {
    session->fetcher =
        dv_fetcher_new (model->device, (size_t)(model->plan.slots / 2), error);
    if (!session->fetcher)
      return DV_ERROR_MEMORY;
  }
  session->stream->fetcher = session->fetcher;
  return DV_OK;
}

static DvStatus
encode_prompt (const DvLtx2 *model, const DvRequest *request,
    DvLtx2Sizes *sizes, int32_t **ids, DvError *error)
{
  size_t n = 0;
  DvStatus status = DV_OK;

  if (request->test && request->test->ids) {
    n = request->test->n_ids;
    if (n == 0 || n > (size_t)sizes->text_len)
      return dv_fail (error, DV_ERROR_ARGUMENT, "text",
          "%zu tokens were given for a context of %lld", n,
          (long long)sizes->text_len);
    *ids = malloc (n * sizeof **ids);
    if (!*ids)
      return dv_fail (
          error, DV_ERROR_MEMORY, "text", "no memory for %zu tokens", n);
    memcpy (*ids, request->test->ids, n * sizeof **ids);
  } else if (!model->tokenizer) {
    return dv_ltx2_no_tokenizer (error);
  } else {
    status = dv_tokenizer_encode_prompt (model->tokenizer,
        request->prompt ? request->prompt : "", (size_t)sizes->text_len, ids,
        &n, error);
  }
  sizes->n_ids = (int64_t)n;
  return status;
}

/* What this segment will leave: its last pictures and all of its sound. */
static DvStatus
prepare_after (const DvLtx2 *model, const DvRequest *request,
    const DvLtx2Sizes *sizes, DvState *after, DvError *error)
{
  uint32_t keep = request->next_overlap ? request->next_overlap
                  : request->overlap    ? request->overlap
                                        : DV_DEFAULT_OVERLAP;

  if (keep > sizes->frames)
    keep = sizes->frames;
  return dv_state_size (after, sizes->width, sizes->height, keep,
      (uint32_t)sizes->audio_latents, (uint32_t)model->config->dit.audio.in,
      error);
}

static DvStatus
make_segment (Session *session, const DvRequest *request, const DvSink *sink,
    DvReport *report, DvError *error)
{
  const DvLtx2 *model = model_of (session);
  double begun = dv_ltx2_now_ms ();
  DvState after = {0};
  DvLtx2Sizes sizes;
  int32_t *ids = NULL;
  DvMaking making;
  DvStatus status;

  if (!model->parts.dit)
    return dv_fail (error, DV_ERROR_DEVICE, "step",
        "the transformer's weights were lost when LoRAs were replaced: open "
        "the model again");
  status = dv_ltx2_sizes (model, request, &session->state, &sizes, error);
  if (status != DV_OK ||
      (status = encode_prompt (model, request, &sizes, &ids, error)) != DV_OK ||
      (status = prepare_stream (session, &sizes, error)) != DV_OK ||
      (status = prepare_fetcher (session, error)) != DV_OK ||
      (status = prepare_caches (session, &sizes, error)) != DV_OK ||
      (status = prepare_after (model, request, &sizes, &after, error)) != DV_OK)
    goto out;
  making = (DvMaking){.model = model,
      .parts = &model->parts,
      .stream = session->stream,
      .sizes = &sizes,
      .request = request,
      .sink = sink,
      .ids = ids,
      .texts = session->texts,
      .cache = session->cache,
      .before = sizes.continued ? &session->state : NULL,
      .after = &after,
      .probe = session->probe,
      .report = {.index = request->index}};
  session->stream->cancelled = sink->cancelled;
  session->stream->user = sink->user;
  status = dv_ltx2_deliver_begin (&making, error);
  if (status == DV_OK) {
    dv_ltx2_make (&making);
    status = dv_stream_status (session->stream, error);
  }
  /* What was queued before a failure may yet write to the caller's memory. */
  if (status != DV_OK)
    dv_stream_reset (session->stream);
  dv_ltx2_deliver_end (&making);
  if (session->fetcher)
    dv_fetcher_settle (session->fetcher);
  session->stream->cancelled = NULL;
  if (status != DV_OK)
    goto out;

  dv_state_clear (&session->state);
  session->state = after;
  memset (&after, 0, sizeof after);
  making.report.samples = making.samples;
  making.report.total_ms = dv_ltx2_now_ms () - begun - making.handed_ms;
  if (report)
    *report = making.report;

out:
  dv_state_clear (&after);
  free (ids);
  return status;
}

DvStatus
dv_ltx2_session_prepare (DvSession *parent, const char *prompt,
    bool (*cancelled) (void *user), void *user, DvError *error)
{
  Session *session = (Session *)parent;

  return dv_ltx2_ahead_encode (
      session->ahead, &session->texts, prompt, cancelled, user, error);
}

DvStatus
dv_ltx2_session_step (DvSession *parent, const DvRequest *request,
    const DvSink *sink, DvReport *report, DvError *error)
{
  Session *session = (Session *)parent;
  const DvLtx2 *model = model_of (session);
  DvRequest with = *request;
  DvTestInput input;
  int32_t *ids = NULL;
  DvStatus status = DV_OK;

  if (model->test_inputs && !with.test) {
    status =
        dv_test_file_read (model->test_inputs, with.index, &input, &ids, error);
    if (ids)
      with.test = &input;
  }
  if (status == DV_OK)
    status = make_segment (session, &with, sink, report, error);
  free (ids);
  return status;
}
