/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gemma 3's tokenizer: byte-pair encoding with byte fallback (section 3.1 of
 * docs/ltx2-model.md), from a tokenizer.json read as a stream.
 *
 * Threads: after opening, a tokenizer is only read and may be shared.
 */
#ifndef DV_LTX2_TOKENIZER_H
#define DV_LTX2_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define DV_TOKEN_PAD 0
#define DV_TOKEN_BOS 2

typedef struct DvTokenizer DvTokenizer;

/* @path: byte-pair encoding with byte fallback (model.type "BPE", vocab, merges
 * as pairs or as "a b"), all of <0x00> to <0xFF>, <bos> 2 and <pad> 0, spaces
 * replaced by U+2581, literal added_tokens; anything else is refused in one
 * sentence. */
DvTokenizer *dv_tokenizer_open (const char *path, DvError *error);
void dv_tokenizer_free (DvTokenizer *tokenizer);

/* Encodes @text (length bytes; invalid UTF-8 is refused, naming the offset)
 * with <bos> in front, as given: nothing is stripped. *@ids is to be freed
 * with free(). */
DvStatus dv_tokenizer_encode (const DvTokenizer *tokenizer, const char *text,
    size_t length, int32_t **ids, size_t *n, DvError *error);
/* As a prompt goes to the model: stripped of white space at both ends, at
 * most @max ids (cut at the end). */
DvStatus dv_tokenizer_encode_prompt (const DvTokenizer *tokenizer,
    const char *text, size_t max, int32_t **ids, size_t *n, DvError *error);

#endif
