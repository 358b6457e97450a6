/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From a prompt's ids to the contexts of the transformer, kept for the prompts
 * that were used last: the contexts depend on the prompt alone.
 *
 * Threads: contexts may be taken, and so made, by several threads, each with a
 * stream of its own; two that want the same prompt make it once. Clearing and
 * freeing want nobody else there.
 */
#ifndef DV_LTX2_TEXT_CACHE_H
#define DV_LTX2_TEXT_CACHE_H

#include "text.h"

typedef struct {
  DvTensor video; /* [text_len, Dv] F32, on the device */
  DvTensor audio; /* [text_len, Da] F32 */
  uint64_t key;   /* not 0, never the same for two prompts: for
                   * DvDitForward.context_key */
} DvTextContext;

typedef struct DvTextCache DvTextCache;

/* Keeps the contexts of at most @most prompts, 1 or more, of @config's
 * connectors. */
DvTextCache *dv_text_cache_new (
    DvDevice *device, const DvTextConfig *config, size_t most, DvError *error);
void dv_text_cache_free (DvTextCache *cache);
/* Bytes of device memory when it is full. */
uint64_t dv_text_cache_bytes (const DvTextCache *cache);
/* Forgets every prompt: where the text encoder's weights change. */
void dv_text_cache_clear (DvTextCache *cache);

/* Whether the contexts of @ids, n real tokens without padding, are kept or
 * being made. */
bool dv_text_cache_knows (DvTextCache *cache, const int32_t *ids, size_t n);
/* The contexts of @ids, whole: computed and kept if they are not yet, or waited
 * for where another thread makes them. The prompt that was not used for longest
 * goes where there is no room. They stay until they are given back. NULL when
 * the stream failed or was cancelled (it says why). */
const DvTextContext *dv_text_cache_take (DvTextCache *cache,
    const DvGemma *gemma, const DvConnectors *connectors, DvStream *stream,
    const int32_t *ids, size_t n);
/* Gives back what was taken. */
void dv_text_cache_give_back (DvTextCache *cache, const DvTextContext *context);

/* Ids to contexts without a cache; also for a dry stream, where @ids may be
 * NULL: the most that a prompt takes is that of text_len ids. */
void dv_text_encode (const DvGemma *gemma, const DvConnectors *connectors,
    DvStream *stream, const int32_t *ids, int64_t n, const DvTensor *video,
    const DvTensor *audio);

#endif
