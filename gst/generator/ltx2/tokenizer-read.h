/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a tokenizer holds, and reading it from tokenizer.json.
 */
#ifndef DV_LTX2_TOKENIZER_READ_H
#define DV_LTX2_TOKENIZER_READ_H

#include "json-stream.h"
#include "token-table.h"
#include "tokenizer.h"

struct DvTokenizer {
  DvTokenTable vocabulary;
  DvMergeTable merges;
  DvTokenTable added; /* matched literally, before anything else */
  DvLiterals literals;
  int32_t byte[256]; /* <0x00> to <0xFF> */
};

/* Fills @tokenizer, which must be zeroed; dv_json_status() says how it went. */
bool dv_tokenizer_read (DvTokenizer *tokenizer, DvJsonStream *json);
/* Frees what it holds. */
void dv_tokenizer_clear (DvTokenizer *tokenizer);

#endif
