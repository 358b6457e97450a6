/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON read as a stream: one token at a time, from a file or memory, with a
 * bounded amount of memory however long the text is.  (Small configurations
 * are read as trees, elsewhere.)
 *
 * Sticky: after the first error every token is DV_JSON_ERROR, and
 * dv_json_status() says what was wrong and at which byte.
 *
 * Threads: a reader belongs to one thread at a time.
 */
#ifndef DV_LTX2_JSON_STREAM_H
#define DV_LTX2_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define DV_JSON_MAX_DEPTH 64
#define DV_JSON_MAX_TEXT 65536 /* bytes of a string, unless it is skipped */

typedef enum {
  DV_JSON_ERROR,
  DV_JSON_END, /* of the text, after its one value */
  DV_JSON_OBJECT,
  DV_JSON_OBJECT_END,
  DV_JSON_ARRAY,
  DV_JSON_ARRAY_END,
  DV_JSON_KEY,
  DV_JSON_STRING,
  DV_JSON_NUMBER,
  DV_JSON_TRUE,
  DV_JSON_FALSE,
  DV_JSON_NULL
} DvJsonKind;

typedef struct DvJsonStream DvJsonStream;

DvJsonStream *dv_json_open (const char *path, DvError *error);
/* @bytes stays the caller's and must outlive the reader. It is taken in pieces
 * of @piece bytes (0: as a file's), as tests want it; @name stands in
 * messages. */
DvJsonStream *dv_json_from_memory (const char *name, const void *bytes,
    size_t length, size_t piece, DvError *error);
void dv_json_close (DvJsonStream *json);
/* The next KEYs and STRINGs go to the caller's memory of @size bytes, NUL and
 * all, so that one can stay where it was read; NULL: to the reader's own. */
void dv_json_lend (DvJsonStream *json, char *text, size_t size);
/* Starts again at the beginning. */
void dv_json_rewind (DvJsonStream *json);

DvJsonKind dv_json_next (DvJsonStream *json);
/* Passes over the value that comes next, whatever it is. False: an error. */
bool dv_json_skip (DvJsonStream *json);
/* The next token must be @kind, which @what names in the message. */
bool dv_json_expect (DvJsonStream *json, DvJsonKind kind, const char *what);

/* The last KEY or STRING, unescaped, valid UTF-8, ended by a NUL that is not
 * counted, until the next call. */
const char *dv_json_text (const DvJsonStream *json, size_t *length);
bool dv_json_text_is (const DvJsonStream *json, const char *text);
/* The last NUMBER, if it is a whole one that fits. */
bool dv_json_integer (const DvJsonStream *json, int64_t *value);

/* The reader's user found something wrong with the last token. Returns false,
 * so that a reading function may end in it. */
bool dv_json_fail (DvJsonStream *json, DvStatus code, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
DvStatus dv_json_status (const DvJsonStream *json, DvError *error);

#endif
