/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The contexts of the prompts that were used last, by their ids.  An entry
 * holds its ids too, so that prompts whose hashes are equal are told apart.
 *
 * Threads: the lock guards everything but the contexts themselves; an entry
 * that is being made or is held stays where it is.
 */
#include "text-cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text-private.h"

typedef struct {
  DvTextContext context; /* key 0: free */
  void *memory;          /* both contexts' */
  int32_t *ids;
  size_t n;
  uint64_t hash;
  uint64_t used; /* when: the smallest goes first */
  unsigned held;
  bool making;
} Entry;

/* Between two looks at whether the caller still wants what is waited for. */
#define LOOK_NS 20000000L

struct DvTextCache {
  pthread_mutex_t lock;
  pthread_cond_t made; /* or given up */
  DvDevice *device;
  int64_t rows, video, audio;
  size_t most;
  uint64_t clock, last_key;
  Entry entry[];
};

/* ---- the cache ---- */

DvTextCache *
dv_text_cache_new (
    DvDevice *device, const DvTextConfig *config, size_t most, DvError *error)
{
  DvTextCache *cache = NULL;
  pthread_condattr_t monotonic;

  if (most == 0)
    most = 1;
  if (most <= SIZE_MAX / 2 / sizeof (Entry))
    cache = calloc (1, sizeof *cache + most * sizeof (Entry));
  if (!cache) {
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "There is no memory left to keep the contexts of %zu prompts", most);
    return NULL;
  }
  pthread_mutex_init (&cache->lock, NULL);
  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init (&cache->made, &monotonic);
  pthread_condattr_destroy (&monotonic);
  cache->device = dv_device_ref (device);
  cache->rows = config->text_len;
  cache->video = config->video.heads * config->video.head_dim;
  cache->audio = config->audio.heads * config->audio.head_dim;
  cache->most = most;
  return cache;
}

static void
forget (DvTextCache *cache, Entry *entry)
{
  dv_device_free (cache->device, entry->memory);
  free (entry->ids);
  memset (entry, 0, sizeof *entry);
}

void
dv_text_cache_clear (DvTextCache *cache)
{
  for (size_t i = 0; i < cache->most; i++)
    forget (cache, &cache->entry[i]);
}

void
dv_text_cache_free (DvTextCache *cache)
{
  if (!cache)
    return;
  dv_text_cache_clear (cache);
  pthread_cond_destroy (&cache->made);
  pthread_mutex_destroy (&cache->lock);
  dv_device_unref (cache->device);
  free (cache);
}

static size_t
entry_bytes (const DvTextCache *cache)
{
  return (size_t)(cache->rows * (cache->video + cache->audio)) * sizeof (float);
}

uint64_t
dv_text_cache_bytes (const DvTextCache *cache)
{
  return (uint64_t)cache->most * entry_bytes (cache);
}

static uint64_t
hash_ids (const int32_t *ids, size_t n)
{
  uint64_t hash = 0xcbf29ce484222325ull;

  for (size_t i = 0; i < n; i++)
    hash = (hash ^ (uint32_t)ids[i]) * 0x100000001b3ull;
  return hash;
}

/* The entry of @ids, whole or being made, or NULL. */
static Entry *
find (DvTextCache *cache, const int32_t *ids, size_t n)
{
  uint64_t hash = hash_ids (ids, n);

  for (size_t i = 0; i < cache->most; i++) {
    Entry *entry = &cache->entry[i];

    if (entry->context.key && entry->hash == hash && entry->n == n &&
        memcmp (entry->ids, ids, n * sizeof *ids) == 0)
      return entry;
  }
  return NULL;
}

bool
dv_text_cache_knows (DvTextCache *cache, const int32_t *ids, size_t n)
{
  bool known;

  pthread_mutex_lock (&cache->lock);
  known = find (cache, ids, n) != NULL;
  pthread_mutex_unlock (&cache->lock);
  return known;
}

/* Of those that nobody needs a free entry, or the one that was not used for
 * longest; NULL: there is none. */
static Entry *
oldest (DvTextCache *cache)
{
  Entry *oldest = NULL;

  for (size_t i = 0; i < cache->most; i++) {
    Entry *entry = &cache->entry[i];

    if (entry->held == 0 && !entry->making &&
        (!oldest || entry->used < oldest->used))
      oldest = entry;
  }
  return oldest;
}

static DvTensor
context_view (const DvTextCache *cache, void *memory, int64_t columns)
{
  DvTensor t = DV_TENSOR (memory, DV_F32, cache->rows, columns);

  t.device = cache->device;
  return t;
}

/* An entry for @ids, whose contexts are yet to be computed; NULL: no memory. */
static Entry *
begin (DvTextCache *cache, const int32_t *ids, size_t n)
{
  Entry *entry = oldest (cache);
  DvTextContext *context;

  if (!entry)
    return NULL;
  forget (cache, entry);
  entry->ids = malloc (n * sizeof *ids);
  entry->memory = dv_device_alloc (cache->device, entry_bytes (cache));
  if (!entry->ids || !entry->memory) {
    forget (cache, entry);
    return NULL;
  }
  memcpy (entry->ids, ids, n * sizeof *ids);
  entry->n = n;
  entry->hash = hash_ids (ids, n);
  entry->making = true;
  context = &entry->context;
  context->key = ++cache->last_key;
  context->video = context_view (cache, entry->memory, cache->video);
  context->audio = context_view (
      cache, (float *)entry->memory + cache->rows * cache->video, cache->audio);
  return entry;
}

/* Waits a while for what another thread makes. Lock held. */
static void
wait_made (DvTextCache *cache, DvStream *stream)
{
  struct timespec until;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_nsec += LOOK_NS;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_cond_timedwait (&cache->made, &cache->lock, &until);
  if (stream->cancelled && stream->cancelled (stream->user))
    dv_stream_fail (stream, DV_CANCELLED, "text", "cancelled");
}

/* The contexts if they are kept, held; else NULL, and *@entry is the place to
 * make them in, NULL where the stream failed. */
static const DvTextContext *
look_up (DvTextCache *cache, DvStream *stream, const int32_t *ids, size_t n,
    Entry **entry)
{
  Entry *found;
  bool whole;

  pthread_mutex_lock (&cache->lock);
  while ((found = find (cache, ids, n)) && found->making &&
         dv_stream_live (stream))
    wait_made (cache, stream);
  whole = found && !found->making;
  if (whole) {
    found->held++;
    found->used = ++cache->clock;
  } else if (dv_stream_live (stream)) {
    *entry = begin (cache, ids, n);
    if (!*entry)
      dv_stream_fail (stream, DV_ERROR_MEMORY, "text",
          "There is no memory left to keep a prompt's contexts");
  }
  pthread_mutex_unlock (&cache->lock);
  return whole ? &found->context : NULL;
}

/* What was begun is whole and held, or given up. */
static void
end (DvTextCache *cache, Entry *entry, bool whole)
{
  pthread_mutex_lock (&cache->lock);
  if (whole) {
    entry->making = false;
    entry->held = 1;
    entry->used = ++cache->clock;
  } else {
    forget (cache, entry);
  }
  pthread_cond_broadcast (&cache->made);
  pthread_mutex_unlock (&cache->lock);
}

const DvTextContext *
dv_text_cache_take (DvTextCache *cache, const DvGemma *gemma,
    const DvConnectors *connectors, DvStream *stream, const int32_t *ids,
    size_t n)
{
  const DvTextContext *kept;
  Entry *entry = NULL;
  bool whole;

  if (!dv_stream_live (stream))
    return NULL;
  if (n == 0) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "text",
        "A prompt without tokens has no context");
    return NULL;
  }
  kept = look_up (cache, stream, ids, n, &entry);
  if (kept || !entry)
    return kept;
  dv_text_encode (gemma, connectors, stream, ids, (int64_t)n,
      &entry->context.video, &entry->context.audio);
  whole = dv_stream_status (stream, NULL) == DV_OK;
  end (cache, entry, whole);
  return whole ? &entry->context : NULL;
}

void
dv_text_cache_give_back (DvTextCache *cache, const DvTextContext *context)
{
  pthread_mutex_lock (&cache->lock);
  for (size_t i = 0; i < cache->most; i++)
    if (&cache->entry[i].context == context)
      cache->entry[i].held--;
  pthread_mutex_unlock (&cache->lock);
}

/* ---- without a cache ---- */

void
dv_text_encode (const DvGemma *gemma, const DvConnectors *connectors,
    DvStream *stream, const int32_t *ids, int64_t n, const DvTensor *video,
    const DvTensor *audio)
{
  size_t mark = dv_mark (stream);
  DvTensor hidden = dv_gemma_hidden (gemma, stream, n);

  dv_gemma_run (gemma, stream, ids, n, &hidden, NULL);
  dv_connectors_run (connectors, stream, &hidden, video, audio, NULL);
  dv_release (stream, mark);
}
