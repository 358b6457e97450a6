/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Byte-pair encoding of a text (section 3.1 of docs/ltx2-model.md): added
 * tokens are cut out, each piece between becomes a list of characters, and the
 * pair with the lowest rank is joined, leftmost first, until none is left.
 *
 * Threads: after opening, a tokenizer is only read and may be shared.
 */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "tokenizer-read.h"
#include "utf8.h"

#define NONE UINT32_MAX

/* Bytes of a text: no prompt is longer, and a symbol's number fits 32 bits. */
#define MAX_LENGTH ((size_t)1 << 26)

static const char space_glyph[] = "\xe2\x96\x81"; /* U+2581 */

/* A symbol of a piece; those that were joined into the one before are dead. */
typedef struct {
  int32_t id; /* -1: dead */
  uint32_t before, after;
} Symbol;

/* One text's encoding. */
typedef struct {
  const DvTokenizer *tokenizer;
  Symbol *symbol;
  uint32_t n_symbols;
  /* A heap of pairs that may be joined: rank << 32 | the left symbol, so that
   * the smallest is the lowest rank and the leftmost of equals. */
  uint64_t *heap;
  size_t n_heap;
  int32_t *ids;
  size_t n_ids;
} Encoding;

/* ---- opening ---- */

DvTokenizer *
dv_tokenizer_open (const char *path, DvError *error)
{
  DvTokenizer *tokenizer = calloc (1, sizeof *tokenizer);
  DvJsonStream *json = NULL;
  DvStatus status;

  if (!tokenizer) {
    dv_fail (
        error, DV_ERROR_MEMORY, "open", "No memory for the tokenizer %s", path);
    return NULL;
  }
  json = dv_json_open (path, error);
  if (!json)
    goto failed;
  dv_tokenizer_read (tokenizer, json);
  status = dv_json_status (json, error);
  dv_json_close (json);
  if (status == DV_OK)
    return tokenizer;

failed:
  dv_tokenizer_free (tokenizer);
  return NULL;
}

void
dv_tokenizer_free (DvTokenizer *tokenizer)
{
  if (!tokenizer)
    return;
  dv_tokenizer_clear (tokenizer);
  free (tokenizer);
}

/* ---- the heap ---- */

static void
push (Encoding *e, uint64_t item)
{
  size_t at = e->n_heap++;

  while (at > 0 && e->heap[(at - 1) / 2] > item) {
    e->heap[at] = e->heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  e->heap[at] = item;
}

static uint64_t
pop (Encoding *e)
{
  uint64_t top = e->heap[0], last = e->heap[--e->n_heap];
  size_t at = 0, child;

  for (; (child = 2 * at + 1) < e->n_heap; at = child) {
    if (child + 1 < e->n_heap && e->heap[child + 1] < e->heap[child])
      child++;
    if (e->heap[child] >= last)
      break;
    e->heap[at] = e->heap[child];
  }
  e->heap[at] = last;
  return top;
}

/* ---- joining ---- */

/* How @left and what follows it are joined, or NULL. */
static const DvMerge *
merge_at (const Encoding *e, uint32_t left)
{
  uint32_t right = e->symbol[left].after;

  if (right == NONE)
    return NULL;
  return dv_merge_table_find (
      &e->tokenizer->merges, e->symbol[left].id, e->symbol[right].id);
}

static void
push_pair (Encoding *e, uint32_t left)
{
  const DvMerge *merge = left == NONE ? NULL : merge_at (e, left);

  if (merge)
    push (e, (uint64_t)merge->rank << 32 | left);
}

static void
join (Encoding *e, uint32_t left, int32_t joined)
{
  Symbol *a = &e->symbol[left], *b = &e->symbol[a->after];

  a->id = joined;
  a->after = b->after;
  b->id = -1;
  if (a->after != NONE)
    e->symbol[a->after].before = left;
  push_pair (e, a->before);
  push_pair (e, left);
}

/* Joins what can be. A pair is pushed when it comes into being: at first one a
 * symbol, then two for each join, which took one out, so twice the symbols is
 * room enough. One that changed meanwhile has another rank or none. */
static void
join_all (Encoding *e)
{
  e->n_heap = 0;
  for (uint32_t i = 0; i < e->n_symbols; i++)
    push_pair (e, i);
  while (e->n_heap > 0) {
    uint64_t item = pop (e);
    uint32_t left = (uint32_t)item;
    const DvMerge *merge = e->symbol[left].id < 0 ? NULL : merge_at (e, left);

    if (merge && merge->rank == item >> 32)
      join (e, left, merge->joined);
  }
}

/* ---- pieces ---- */

static void
add_symbol (Encoding *e, int32_t id)
{
  e->symbol[e->n_symbols] =
      (Symbol){id, e->n_symbols ? e->n_symbols - 1 : NONE, NONE};
  if (e->n_symbols)
    e->symbol[e->n_symbols - 1].after = e->n_symbols;
  e->n_symbols++;
}

/* A character: its own token, else one for each of its bytes. */
static void
add_character (Encoding *e, const char *text, size_t n)
{
  int32_t id =
      dv_token_table_find (&e->tokenizer->vocabulary, text, n, NULL, 0);

  if (id >= 0)
    add_symbol (e, id);
  else
    for (size_t i = 0; i < n; i++)
      add_symbol (e, e->tokenizer->byte[(uint8_t)text[i]]);
}

/* Encodes text without added tokens. */
static void
encode_piece (Encoding *e, const char *text, size_t length)
{
  e->n_symbols = 0;
  for (size_t at = 0, n; at < length; at += n) {
    uint32_t code;

    n = dv_utf8_read (text + at, length - at, &code);
    if (code == ' ')
      add_character (e, space_glyph, sizeof space_glyph - 1);
    else
      add_character (e, text + at, n);
  }
  join_all (e);
  for (uint32_t i = e->n_symbols ? 0 : NONE; i != NONE; i = e->symbol[i].after)
    e->ids[e->n_ids++] = e->symbol[i].id;
}

static void
encode_text (Encoding *e, const char *text, size_t length)
{
  size_t piece = 0, at = 0;

  e->ids[e->n_ids++] = DV_TOKEN_BOS;
  while (at < length) {
    const DvLiteral *literal =
        dv_literals_match (&e->tokenizer->literals, text + at, length - at);

    if (!literal) {
      at++;
      continue;
    }
    encode_piece (e, text + piece, at - piece);
    e->ids[e->n_ids++] = literal->id;
    at += literal->length;
    piece = at;
  }
  encode_piece (e, text + piece, length - piece);
}

/* ---- what users call ---- */

static DvStatus
check_text (const char *text, size_t length, DvError *error)
{
  size_t bad;

  if (length > MAX_LENGTH)
    return dv_fail (error, DV_ERROR_ARGUMENT, "text",
        "A prompt of %zu bytes is longer than %zu", length, MAX_LENGTH);
  bad = dv_utf8_check (text, length);
  if (bad < length)
    return dv_fail (error, DV_ERROR_ARGUMENT, "text",
        "The prompt is not valid UTF-8: byte 0x%02X at offset %zu",
        (uint8_t)text[bad], bad);
  return DV_OK;
}

DvStatus
dv_tokenizer_encode (const DvTokenizer *tokenizer, const char *text,
    size_t length, int32_t **ids, size_t *n, DvError *error)
{
  Encoding e = {.tokenizer = tokenizer};
  DvStatus status;
  int32_t *less;

  *ids = NULL;
  *n = 0;
  status = check_text (text, length, error);
  if (status != DV_OK)
    return status;
  /* A byte gives one symbol at most (a space, too), a symbol or an added
   * token one id at most. */
  e.symbol = malloc ((length + 1) * sizeof *e.symbol);
  e.heap = malloc ((length + 1) * 2 * sizeof *e.heap);
  e.ids = malloc ((length + 1) * sizeof *e.ids);
  if (!e.symbol || !e.heap || !e.ids) {
    free (e.ids);
    status = dv_fail (error, DV_ERROR_MEMORY, "text",
        "No memory to tokenize a prompt of %zu bytes", length);
    goto done;
  }
  encode_text (&e, text, length);
  less = realloc (e.ids, e.n_ids * sizeof *e.ids);
  *ids = less ? less : e.ids;
  *n = e.n_ids;

done:
  free (e.symbol);
  free (e.heap);
  return status;
}

/* Bytes of white space at the end of valid @text. */
static size_t
space_at_end (const char *text, size_t length)
{
  size_t end = length;

  while (end > 0) {
    size_t start = end - 1;
    uint32_t code;

    while (start > 0 && ((uint8_t)text[start] & 0xc0) == 0x80)
      start--;
    if (dv_utf8_read (text + start, end - start, &code) != end - start ||
        !dv_utf8_is_space (code))
      break;
    end = start;
  }
  return length - end;
}

DvStatus
dv_tokenizer_encode_prompt (const DvTokenizer *tokenizer, const char *text,
    size_t max, int32_t **ids, size_t *n, DvError *error)
{
  size_t length = strlen (text), at = 0, bytes;
  uint32_t code;
  DvStatus status = check_text (text, length, error);

  *ids = NULL;
  *n = 0;
  if (status != DV_OK)
    return status;
  while ((bytes = dv_utf8_read (text + at, length - at, &code)) > 0 &&
         dv_utf8_is_space (code))
    at += bytes;
  length -= at + space_at_end (text + at, length - at);
  status = dv_tokenizer_encode (tokenizer, text + at, length, ids, n, error);
  if (*n > max)
    *n = max;
  return status;
}
