/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The contexts of the prompts that were used last, by their ids.  An entry
 * holds its ids too, so that prompts whose hashes are equal are told apart.
 *
 * Threads: a cache belongs to one thread at a time.
 */
#include "text-cache.h"

#include <stdlib.h>
#include <string.h>

#include "text-private.h"

typedef struct {
  DvTextContext context; /* key 0: free */
  void *memory;          /* both contexts' */
  int32_t *ids;
  size_t n;
  uint64_t hash;
  uint64_t used; /* when: the smallest goes first */
} Entry;

struct DvTextCache {
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

  if (most == 0)
    most = 1;
  if (most <= SIZE_MAX / 2 / sizeof (Entry))
    cache = calloc (1, sizeof *cache + most * sizeof (Entry));
  if (!cache) {
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "There is no memory left to keep the contexts of %zu prompts", most);
    return NULL;
  }
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

const DvTextContext *
dv_text_cache_find (DvTextCache *cache, const int32_t *ids, size_t n)
{
  uint64_t hash = hash_ids (ids, n);

  for (size_t i = 0; i < cache->most; i++) {
    Entry *entry = &cache->entry[i];

    if (entry->context.key && entry->hash == hash && entry->n == n &&
        memcmp (entry->ids, ids, n * sizeof *ids) == 0) {
      entry->used = ++cache->clock;
      return &entry->context;
    }
  }
  return NULL;
}

/* A free entry, or the one that was not used for longest. */
static Entry *
oldest (DvTextCache *cache)
{
  Entry *entry = &cache->entry[0];

  for (size_t i = 1; i < cache->most; i++)
    if (cache->entry[i].used < entry->used)
      entry = &cache->entry[i];
  return entry;
}

static DvTensor
context_view (const DvTextCache *cache, void *memory, int64_t columns)
{
  DvTensor t = DV_TENSOR (memory, DV_F32, cache->rows, columns);

  t.device = cache->device;
  return t;
}

/* Makes an entry for @ids, whose contexts are yet to be computed; NULL: no
 * memory. */
static Entry *
take (DvTextCache *cache, const int32_t *ids, size_t n)
{
  Entry *entry = oldest (cache);
  DvTextContext *context = &entry->context;

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
  entry->used = ++cache->clock;
  context->key = ++cache->last_key;
  context->video = context_view (cache, entry->memory, cache->video);
  context->audio = context_view (
      cache, (float *)entry->memory + cache->rows * cache->video, cache->audio);
  return entry;
}

const DvTextContext *
dv_text_cache_make (DvTextCache *cache, const DvGemma *gemma,
    const DvConnectors *connectors, DvStream *stream, const int32_t *ids,
    size_t n)
{
  Entry *entry;

  if (!dv_stream_live (stream))
    return NULL;
  entry = n > 0 ? take (cache, ids, n) : NULL;
  if (!entry) {
    dv_stream_fail (stream, n ? DV_ERROR_MEMORY : DV_ERROR_ARGUMENT, "text",
        "%s",
        n ? "There is no memory left to keep a prompt's contexts"
          : "A prompt without tokens has no context");
    return NULL;
  }
  dv_text_encode (gemma, connectors, stream, ids, (int64_t)n,
      &entry->context.video, &entry->context.audio);
  if (dv_stream_status (stream, NULL) == DV_OK)
    return &entry->context;
  forget (cache, entry);
  return NULL;
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
