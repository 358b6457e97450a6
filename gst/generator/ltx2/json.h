/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pull reader for JSON in memory: it allocates nothing, never recurses, and
 * takes whole numbers exactly.  For texts that are large or that strangers
 * wrote; it accepts what RFC 8259 does, nested at most DV_JSON_DEPTH deep.
 *
 * Sticky: after the first mistake every call returns false, and dv_json_why()
 * says what is wrong where.
 */
#ifndef DV_LTX2_JSON_H
#define DV_LTX2_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DV_JSON_DEPTH 64

typedef enum {
  DV_JSON_NOTHING, /* the end of the text, or a mistake */
  DV_JSON_OBJECT,
  DV_JSON_ARRAY,
  DV_JSON_STRING,
  DV_JSON_NUMBER,
  DV_JSON_WORD /* true, false, null */
} DvJsonType;

typedef struct {
  const char *text;
  size_t size, at;
  const char *why; /* NULL: no mistake so far */
  int depth;
  bool first;                /* nothing of the innermost container was read */
  bool array[DV_JSON_DEPTH]; /* the container is an array, else an object */
} DvJson;

/* A string as it stands between its quotes. */
typedef struct {
  const char *text;
  size_t size;
} DvJsonString;

void dv_json_init (DvJson *json, const char *text, size_t size);
/* What the next value is. */
DvJsonType dv_json_peek (DvJson *json);
/* Goes into an object or array. */
bool dv_json_enter (DvJson *json, DvJsonType type);
/* Whether the innermost container has another element; if not, leaves it. In
 * an object the key is read too. */
bool dv_json_more (DvJson *json, DvJsonString *key);
bool dv_json_string (DvJson *json, DvJsonString *string);
/* A whole number from 0 to 2^64 - 1. */
bool dv_json_uint (DvJson *json, uint64_t *value);
bool dv_json_skip (DvJson *json);
/* Nothing but white space is left, and nothing was wrong. */
bool dv_json_end (DvJson *json);
/* What is wrong, for people; json->at says where. */
const char *dv_json_why (const DvJson *json);
/* A whole text, checked. */
bool dv_json_valid (DvJson *json, const char *text, size_t size);

/* Writes the string, its escapes resolved, and a 0 to @out (size + 1 bytes
 * always suffice); returns the length. A lone surrogate becomes U+FFFD. */
size_t dv_json_unescape (DvJsonString string, char *out);
bool dv_json_equals (DvJsonString string, const char *text);

#endif
