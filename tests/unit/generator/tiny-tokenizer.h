/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small tokenizer.json of Gemma's form, for tests.
 */
#ifndef TINY_TOKENIZER_H
#define TINY_TOKENIZER_H

#include "ltx2/tokenizer-read.h"

typedef enum {
  TINY_PLAIN = 0,
  TINY_STRINGS = 1,     /* merges as "a b", not as ["a", "b"] */
  TINY_MERGES_FIRST = 2 /* before the vocabulary */
} TinyForm;

/* The text, to be freed: special tokens 0 to 5, the bytes from 6, letters, and
 * merges of "hello" and of runs of spaces. */
char *tiny_tokenizer_json (int form);
/* A copy of @text, which is freed, with the first @from replaced. */
char *tiny_replaced (char *text, const char *from, const char *to);
/* Reads @text in pieces of @piece bytes; NULL with @error. To be given back
 * with dv_tokenizer_free(). */
DvTokenizer *tiny_tokenizer_read (
    const char *text, size_t piece, DvError *error);

#endif
