/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads a tokenizer.json of Gemma's kind: byte-pair encoding with byte
 * fallback, spaces replaced by U+2581, literal added tokens (section 3.1 of
 * docs/ltx2-model.md).  What would make another tokenizer of it is refused.
 */
#include "tokenizer-read.h"

#include <stdio.h>
#include <string.h>

#define MAX_TOKEN 1024 /* bytes; Gemma's longest has 93 */

/* Where a reader is, and what it read of the model so far. */
typedef struct {
  DvTokenizer *tokenizer;
  DvJsonStream *json;
  bool has_vocabulary, has_merges;
  bool late;      /* merges stood before the vocabulary: read them again */
  bool byte_back; /* byte_fallback */
} Reading;

static bool
refuse (DvJsonStream *json, const char *what)
{
  return dv_json_fail (
      json, DV_ERROR_FORMAT, "%s; a tokenizer.json of Gemma 3 is wanted", what);
}

static bool
added_to (DvJsonStream *json, DvTableResult result, const char *what)
{
  if (result == DV_TABLE_ADDED)
    return true;
  if (result == DV_TABLE_TWICE)
    return dv_json_fail (json, DV_ERROR_FORMAT, "%s is there twice", what);
  return dv_json_fail (
      json, DV_ERROR_MEMORY, "no memory left, or too many tokens");
}

/* ---- members ---- */

/* The next member of an object is a key; false at its end or on an error. */
static bool
next_key (DvJsonStream *json)
{
  return dv_json_next (json) == DV_JSON_KEY;
}

/* Reads an id into @id. */
static bool
read_id (DvJsonStream *json, int32_t *id)
{
  int64_t value;

  if (!dv_json_expect (json, DV_JSON_NUMBER, "a token's id"))
    return false;
  if (!dv_json_integer (json, &value) || value < 0 || value > INT32_MAX)
    return dv_json_fail (json, DV_ERROR_FORMAT,
        "a token's id is no number "
        "from 0 to %d",
        INT32_MAX);
  *id = (int32_t)value;
  return true;
}

/* Reads true or false, and refuses true. */
static bool
must_be_false (DvJsonStream *json, const char *what)
{
  DvJsonKind kind = dv_json_next (json);

  if (kind == DV_JSON_ERROR)
    return false;
  return kind == DV_JSON_FALSE || kind == DV_JSON_NULL || refuse (json, what);
}

/* Reads a string, and refuses any but @wanted. */
static bool
must_be (DvJsonStream *json, const char *wanted, const char *what)
{
  return dv_json_expect (json, DV_JSON_STRING, what) &&
         (dv_json_text_is (json, wanted) || refuse (json, what));
}

/* ---- added tokens ---- */

static bool
read_added_token (DvTokenizer *tokenizer, DvJsonStream *json)
{
  char text[MAX_TOKEN];
  size_t length = 0;
  int32_t id = -1;
  bool good = true;

  while (good && next_key (json)) {
    if (dv_json_text_is (json, "id")) {
      good = read_id (json, &id);
    } else if (dv_json_text_is (json, "content")) {
      const char *content;

      good = dv_json_expect (json, DV_JSON_STRING, "an added token's content");
      content = dv_json_text (json, &length);
      if (good && (length == 0 || length > sizeof text))
        good = dv_json_fail (json, DV_ERROR_FORMAT,
            "an added token is empty or longer than %d bytes", MAX_TOKEN);
      if (good)
        memcpy (text, content, length);
    } else if (dv_json_text_is (json, "lstrip") ||
               dv_json_text_is (json, "rstrip") ||
               dv_json_text_is (json, "single_word") ||
               dv_json_text_is (json, "normalized")) {
      good = must_be_false (json, "an added token that is not literal");
    } else {
      good = dv_json_skip (json);
    }
  }
  if (dv_json_status (json, NULL) != DV_OK)
    return false;
  if (id < 0 || length == 0)
    return dv_json_fail (
        json, DV_ERROR_FORMAT, "an added token lacks its id or content");
  return added_to (json,
      dv_token_table_add (&tokenizer->added, text, length, id),
      "an added token");
}

static bool
read_added (DvTokenizer *tokenizer, DvJsonStream *json)
{
  DvJsonKind kind;

  if (!dv_json_expect (json, DV_JSON_ARRAY, "the list of added tokens"))
    return false;
  while ((kind = dv_json_next (json)) == DV_JSON_OBJECT)
    if (!read_added_token (tokenizer, json))
      return false;
  return kind == DV_JSON_ARRAY_END ||
         dv_json_fail (json, DV_ERROR_FORMAT, "an added token is no object");
}

/* ---- the normalizer ---- */

/* {"type": "Replace", "pattern": {"String": " "}, "content": "▁"} */
static bool
read_normalizer (DvJsonStream *json)
{
  static const char other[] = "a normalizer that is not the replacement of "
                              "spaces";
  DvJsonKind kind = dv_json_next (json);
  bool good = true;

  if (kind != DV_JSON_OBJECT)
    return kind == DV_JSON_NULL || refuse (json, other);
  while (good && next_key (json)) {
    if (dv_json_text_is (json, "type")) {
      good = must_be (json, "Replace", other);
    } else if (dv_json_text_is (json, "content")) {
      good = must_be (json, "\xe2\x96\x81", other);
    } else if (dv_json_text_is (json, "pattern")) {
      good = dv_json_expect (json, DV_JSON_OBJECT, other);
      while (good && next_key (json))
        good = must_be (json, " ", other);
    } else {
      good = dv_json_skip (json);
    }
  }
  return dv_json_status (json, NULL) == DV_OK;
}

/* ---- the model ---- */

static bool
read_vocabulary (DvTokenizer *tokenizer, DvJsonStream *json)
{
  if (!dv_json_expect (json, DV_JSON_OBJECT, "the vocabulary"))
    return false;
  while (next_key (json)) {
    size_t length;
    const char *key = dv_json_text (json, &length);
    int32_t id = -1;

    if (length > MAX_TOKEN)
      return dv_json_fail (
          json, DV_ERROR_FORMAT, "a token of more than %d bytes", MAX_TOKEN);
    /* The key stays where it is while a number is read. */
    if (!read_id (json, &id) ||
        !added_to (json,
            dv_token_table_add (&tokenizer->vocabulary, key, length, id),
            "an entry of the vocabulary"))
      return false;
  }
  return dv_json_status (json, NULL) == DV_OK;
}

static bool
add_merge (DvTokenizer *tokenizer, DvJsonStream *json, const char *left,
    size_t n_left, const char *right, size_t n_right)
{
  const DvTokenTable *words = &tokenizer->vocabulary;
  int32_t a = dv_token_table_find (words, left, n_left, NULL, 0);
  int32_t b = dv_token_table_find (words, right, n_right, NULL, 0);
  int32_t joined = dv_token_table_find (words, left, n_left, right, n_right);

  if (a < 0 || b < 0 || joined < 0)
    return dv_json_fail (json, DV_ERROR_FORMAT,
        "merge %zu, of \"%.*s\" and \"%.*s\", is not in the vocabulary",
        tokenizer->merges.n, (int)(n_left < 60 ? n_left : 60), left,
        (int)(n_right < 60 ? n_right : 60), right);
  return added_to (
      json, dv_merge_table_add (&tokenizer->merges, a, b, joined), "a merge");
}

/* "left right" */
static bool
read_merge_string (DvTokenizer *tokenizer, DvJsonStream *json)
{
  size_t length;
  const char *text = dv_json_text (json, &length);
  const char *space = memchr (text, ' ', length);

  if (!space || memchr (space + 1, ' ', length - (size_t)(space - text) - 1))
    return dv_json_fail (
        json, DV_ERROR_FORMAT, "merge %zu is no pair", tokenizer->merges.n);
  return add_merge (tokenizer, json, text, (size_t)(space - text), space + 1,
      length - (size_t)(space - text) - 1);
}

/* ["left", "right"], whose bracket was read. */
static bool
read_merge_pair (DvTokenizer *tokenizer, DvJsonStream *json)
{
  char left[MAX_TOKEN];
  size_t n_left, n_right;
  const char *text;

  if (!dv_json_expect (json, DV_JSON_STRING, "the left half of a merge"))
    return false;
  text = dv_json_text (json, &n_left);
  if (n_left > sizeof left)
    return dv_json_fail (
        json, DV_ERROR_FORMAT, "a token of more than %d bytes", MAX_TOKEN);
  memcpy (left, text, n_left);
  if (!dv_json_expect (json, DV_JSON_STRING, "the right half of a merge"))
    return false;
  text = dv_json_text (json, &n_right);
  return add_merge (tokenizer, json, left, n_left, text, n_right) &&
         dv_json_expect (json, DV_JSON_ARRAY_END, "the end of a merge");
}

static bool
read_merges (DvTokenizer *tokenizer, DvJsonStream *json)
{
  DvJsonKind kind;
  bool good = true;

  if (!dv_json_expect (json, DV_JSON_ARRAY, "the list of merges"))
    return false;
  while (good && (kind = dv_json_next (json)) != DV_JSON_ARRAY_END) {
    if (kind == DV_JSON_ARRAY)
      good = read_merge_pair (tokenizer, json);
    else if (kind == DV_JSON_STRING)
      good = read_merge_string (tokenizer, json);
    else
      good = dv_json_fail (json, DV_ERROR_FORMAT, "a merge is no pair");
  }
  return good;
}

static bool
read_merges_when_possible (Reading *reading)
{
  if (reading->has_merges)
    return dv_json_fail (reading->json, DV_ERROR_FORMAT, "merges twice");
  if (!reading->has_vocabulary) {
    reading->late = true;
    return dv_json_skip (reading->json);
  }
  reading->has_merges = true;
  return read_merges (reading->tokenizer, reading->json);
}

/* A member of the model whose key was read. */
static bool
read_model_member (Reading *reading)
{
  DvJsonStream *json = reading->json;

  if (dv_json_text_is (json, "type"))
    return must_be (json, "BPE", "a model that is not byte-pair encoding");
  if (dv_json_text_is (json, "byte_fallback")) {
    reading->byte_back = dv_json_next (json) == DV_JSON_TRUE;
    return reading->byte_back || refuse (json, "a model without byte fallback");
  }
  if (dv_json_text_is (json, "ignore_merges") ||
      dv_json_text_is (json, "dropout") ||
      dv_json_text_is (json, "continuing_subword_prefix") ||
      dv_json_text_is (json, "end_of_word_suffix"))
    return must_be_false (json, "a model with dropout, prefixes or suffixes");
  if (dv_json_text_is (json, "vocab")) {
    if (reading->has_vocabulary)
      return dv_json_fail (json, DV_ERROR_FORMAT, "vocab twice");
    reading->has_vocabulary = true;
    return read_vocabulary (reading->tokenizer, json);
  }
  if (dv_json_text_is (json, "merges"))
    return read_merges_when_possible (reading);
  return dv_json_skip (json);
}

static bool
read_model (Reading *reading)
{
  bool good =
      dv_json_expect (reading->json, DV_JSON_OBJECT, "the object model");

  while (good && next_key (reading->json))
    good = read_model_member (reading);
  return dv_json_status (reading->json, NULL) == DV_OK;
}

/* ---- the whole ---- */

static bool
read_top (Reading *reading)
{
  DvJsonStream *json = reading->json;
  bool good = dv_json_expect (json, DV_JSON_OBJECT, "an object");

  while (good && next_key (json)) {
    if (dv_json_text_is (json, "added_tokens"))
      good = read_added (reading->tokenizer, json);
    else if (dv_json_text_is (json, "normalizer"))
      good = read_normalizer (json);
    else if (dv_json_text_is (json, "model"))
      good = read_model (reading);
    else
      good = dv_json_skip (json);
  }
  return good && dv_json_expect (json, DV_JSON_END, "the end");
}

/* Once more from the beginning, for merges that stood before the vocabulary. */
static bool
read_late_merges (Reading *reading)
{
  DvJsonStream *json = reading->json;
  int depth = 0;

  dv_json_rewind (json);
  dv_json_expect (json, DV_JSON_OBJECT, "an object");
  while (!reading->has_merges && next_key (json)) {
    const char *wanted = depth ? "merges" : "model";

    if (!dv_json_text_is (json, wanted))
      dv_json_skip (json);
    else if (depth++)
      read_merges_when_possible (reading);
    else
      dv_json_expect (json, DV_JSON_OBJECT, "the object model");
  }
  return dv_json_status (json, NULL) == DV_OK;
}

/* The id of a token, added or in the vocabulary. */
static int32_t
id_of (const DvTokenizer *tokenizer, const char *text)
{
  size_t n = strlen (text);
  int32_t id = dv_token_table_find (&tokenizer->added, text, n, NULL, 0);

  return id >= 0
             ? id
             : dv_token_table_find (&tokenizer->vocabulary, text, n, NULL, 0);
}

static bool
find_special (DvTokenizer *tokenizer, DvJsonStream *json)
{
  char name[8];

  if (id_of (tokenizer, "<bos>") != DV_TOKEN_BOS ||
      id_of (tokenizer, "<pad>") != DV_TOKEN_PAD)
    return refuse (json, "<bos> is not token 2 or <pad> not token 0");
  for (int i = 0; i < 256; i++) {
    snprintf (name, sizeof name, "<0x%02X>", i);
    tokenizer->byte[i] = id_of (tokenizer, name);
    if (tokenizer->byte[i] < 0)
      return dv_json_fail (
          json, DV_ERROR_FORMAT, "%s is not in the vocabulary", name);
  }
  return true;
}

bool
dv_tokenizer_read (DvTokenizer *tokenizer, DvJsonStream *json)
{
  Reading reading = {.tokenizer = tokenizer, .json = json};

  if (!read_top (&reading))
    return false;
  if (reading.late && !read_late_merges (&reading))
    return false;
  if (!reading.has_vocabulary || !reading.has_merges)
    return refuse (json, "vocab or merges are missing");
  if (!reading.byte_back)
    return refuse (json, "a model without byte fallback");
  if (!find_special (tokenizer, json))
    return false;
  return dv_literals_build (&tokenizer->literals, &tokenizer->added) ||
         dv_json_fail (json, DV_ERROR_MEMORY, "no memory for the added tokens");
}

void
dv_tokenizer_clear (DvTokenizer *tokenizer)
{
  dv_token_table_clear (&tokenizer->vocabulary);
  dv_merge_table_clear (&tokenizer->merges);
  dv_token_table_clear (&tokenizer->added);
  dv_literals_clear (&tokenizer->literals);
}
