/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pull parser for JSON over a buffer that is filled as it is read.
 *
 * Threads: a reader belongs to one thread at a time.
 */
#include "json-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

#define BUFFER 65536

/* What may come next. */
typedef enum {
  WANT_VALUE,
  WANT_VALUE_OR_END, /* after '[' */
  WANT_KEY,
  WANT_KEY_OR_END, /* after '{' */
  WANT_COMMA_OR_END,
  WANT_NOTHING
} Want;

struct DvJsonStream {
  int fd;              /* -1: memory */
  const uint8_t *rest; /* memory that was not taken yet */
  const uint8_t *memory;
  size_t n_rest, n_memory, piece;

  const uint8_t *at, *end; /* of the buffer: what was not looked at yet */
  uint64_t before;         /* bytes of the text before the buffer */
  Want want;
  int depth;
  uint64_t objects; /* bit i: the container at depth i is an object */
  bool skipping;    /* strings are passed over, not kept */

  size_t n_text;
  int64_t integer;
  bool is_integer;
  DvStatus status;
  DvError error;
  char name[192];
  char *text; /* own, or lent */
  size_t max_text;
  char own[DV_JSON_MAX_TEXT + 1];
  uint8_t buffer[BUFFER];
};

/* ---- opening ---- */

static DvJsonStream *
json_new (const char *name, DvError *error)
{
  DvJsonStream *json = malloc (sizeof *json);
  size_t n = strlen (name);

  if (!json) {
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "No memory for reading %s (%zu bytes)", name, sizeof *json);
    return NULL;
  }
  memset (json, 0, offsetof (DvJsonStream, own));
  dv_json_lend (json, NULL, 0);
  /* Of a long path the end tells more. */
  if (n >= sizeof json->name)
    snprintf (json->name, sizeof json->name, "…%s", name + n - 160);
  else
    memcpy (json->name, name, n + 1);
  json->fd = -1;
  return json;
}

DvJsonStream *
dv_json_open (const char *path, DvError *error)
{
  DvJsonStream *json = json_new (path, error);

  if (!json)
    return NULL;
  json->fd = open (path, O_RDONLY | O_CLOEXEC);
  if (json->fd < 0) {
    dv_fail (error, errno == ENOENT ? DV_ERROR_NOT_FOUND : DV_ERROR_FORMAT,
        "open", "Cannot open %s: %s", path, strerror (errno));
    free (json);
    return NULL;
  }
  dv_json_rewind (json);
  return json;
}

DvJsonStream *
dv_json_from_memory (const char *name, const void *bytes, size_t length,
    size_t piece, DvError *error)
{
  DvJsonStream *json = json_new (name, error);

  if (!json)
    return NULL;
  json->memory = bytes;
  json->n_memory = length;
  json->piece = piece && piece < BUFFER ? piece : BUFFER;
  dv_json_rewind (json);
  return json;
}

void
dv_json_close (DvJsonStream *json)
{
  if (!json)
    return;
  if (json->fd >= 0)
    close (json->fd);
  free (json);
}

void
dv_json_lend (DvJsonStream *json, char *text, size_t size)
{
  json->text = text && size ? text : json->own;
  json->max_text = text && size ? size - 1 : DV_JSON_MAX_TEXT;
  json->n_text = 0;
}

void
dv_json_rewind (DvJsonStream *json)
{
  json->at = json->end = json->buffer;
  json->before = 0;
  json->want = WANT_VALUE;
  json->depth = 0;
  json->rest = json->memory;
  json->n_rest = json->n_memory;
  if (json->fd >= 0 && lseek (json->fd, 0, SEEK_SET) != 0)
    dv_json_fail (json, DV_ERROR_FORMAT, "cannot be read from its beginning");
}

/* ---- errors ---- */

static uint64_t
offset (const DvJsonStream *json)
{
  return json->before + (uint64_t)(json->at - json->buffer);
}

bool
dv_json_fail (DvJsonStream *json, DvStatus code, const char *format, ...)
{
  char what[288];
  va_list args;

  if (json->status != DV_OK)
    return false;
  va_start (args, format);
  vsnprintf (what, sizeof what, format, args);
  va_end (args);
  json->status = dv_fail (&json->error, code, "open", "%.160s, byte %llu: %s",
      json->name, (unsigned long long)offset (json), what);
  return false;
}

static DvJsonKind
wrong (DvJsonStream *json, const char *what)
{
  dv_json_fail (json, DV_ERROR_FORMAT, "%s", what);
  return DV_JSON_ERROR;
}

DvStatus
dv_json_status (const DvJsonStream *json, DvError *error)
{
  if (json->status != DV_OK && error)
    *error = json->error;
  return json->status;
}

/* ---- bytes ---- */

/* Gets more bytes into the empty buffer; false at the end or on an error. */
static bool
refill (DvJsonStream *json)
{
  size_t n = json->piece;

  json->before += (uint64_t)(json->end - json->buffer);
  json->at = json->end = json->buffer;
  if (json->fd >= 0) {
    ssize_t got;

    do
      got = read (json->fd, json->buffer, BUFFER);
    while (got < 0 && errno == EINTR);
    if (got < 0)
      return dv_json_fail (
          json, DV_ERROR_FORMAT, "cannot be read: %s", strerror (errno));
    n = (size_t)got;
  } else {
    n = n < json->n_rest ? n : json->n_rest;
    if (n)
      memcpy (json->buffer, json->rest, n);
    json->rest += n;
    json->n_rest -= n;
  }
  json->end = json->buffer + n;
  return n > 0;
}

/* The next byte without taking it; -1 at the end. */
static inline int
peek (DvJsonStream *json)
{
  if (json->at == json->end && !refill (json))
    return -1;
  return *json->at;
}

/* The next byte, taken. */
static inline int
take (DvJsonStream *json)
{
  int c = peek (json);

  json->at += c >= 0;
  return c;
}

/* Passes white space; the byte after it, not taken. */
static int
skip_space (DvJsonStream *json)
{
  do {
    const uint8_t *at = json->at, *end = json->end;

    while (
        at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
      at++;
    json->at = at;
    if (at < end)
      return *at;
  } while (refill (json));
  return -1;
}

/* ---- strings ---- */

static bool
keep (DvJsonStream *json, const void *bytes, size_t n)
{
  if (json->skipping)
    return true;
  if (n > json->max_text - json->n_text)
    return dv_json_fail (json, DV_ERROR_FORMAT,
        "a string of more than %zu bytes", json->max_text);
  memcpy (json->text + json->n_text, bytes, n);
  json->n_text += n;
  return true;
}

/* Four hexadecimal digits; -1 if they are none. */
static int
hex4 (DvJsonStream *json)
{
  int value = 0;

  for (int i = 0; i < 4; i++) {
    int c = take (json);

    if (c >= '0' && c <= '9')
      c -= '0';
    else if ((c | 32) >= 'a' && (c | 32) <= 'f')
      c = (c | 32) - 'a' + 10;
    else
      return -1;
    value = value << 4 | c;
  }
  return value;
}

/* What follows \u, with the second half of a pair. */
static bool
unicode_escape (DvJsonStream *json)
{
  int code = hex4 (json);
  char bytes[4];

  if (code >= 0xd800 && code <= 0xdbff) {
    int low = take (json) == '\\' && take (json) == 'u' ? hex4 (json) : -1;

    if (low < 0xdc00 || low > 0xdfff)
      code = -1;
    else
      code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
  } else if (code >= 0xdc00 && code <= 0xdfff) {
    code = -1;
  }
  if (code < 0)
    return dv_json_fail (
        json, DV_ERROR_FORMAT, "\\u without the digits of a character");
  return keep (json, bytes, dv_utf8_write (bytes, (uint32_t)code));
}

static bool
escape (DvJsonStream *json)
{
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  int c = take (json);
  const char *found;

  if (c == 'u')
    return unicode_escape (json);
  found = c > 0 ? strchr (from, c) : NULL;
  if (!found)
    return dv_json_fail (json, DV_ERROR_FORMAT, "no such escape in a string");
  return keep (json, to + (found - from), 1);
}

/* A string's bytes up to a quote, a backslash or the buffer's end. */
static bool
plain_run (DvJsonStream *json)
{
  const uint8_t *at = json->at;

  while (at < json->end && *at != '"' && *at != '\\' && *at >= 0x20)
    at++;
  if (!keep (json, json->at, (size_t)(at - json->at)))
    return false;
  json->at = at;
  return true;
}

/* Reads a string, whose opening quote is the next byte. */
static bool
read_string (DvJsonStream *json)
{
  json->at++;
  json->n_text = 0;
  for (;;) {
    int c;

    if (!plain_run (json))
      return false;
    c = peek (json);
    if (c >= 0x20 && c != '"' && c != '\\')
      continue;
    json->at += c >= 0;
    if (c == '"')
      break;
    if (c < 0)
      return dv_json_fail (json, DV_ERROR_FORMAT, "ends within a string");
    if (c != '\\')
      return dv_json_fail (
          json, DV_ERROR_FORMAT, "a control character in a string");
    if (!escape (json))
      return false;
  }
  json->text[json->n_text] = '\0';
  if (!json->skipping &&
      dv_utf8_check (json->text, json->n_text) != json->n_text)
    return dv_json_fail (
        json, DV_ERROR_FORMAT, "a string that is not valid UTF-8");
  return true;
}

/* ---- other values ---- */

/* Digits, at least one; into json->integer while they fit. */
static bool
digits (DvJsonStream *json, bool whole, bool negative)
{
  int c = peek (json);

  if (c < '0' || c > '9')
    return false;
  for (; c >= '0' && c <= '9'; c = peek (json)) {
    int digit = negative ? '0' - c : c - '0';

    json->at++;
    if (whole &&
        (__builtin_mul_overflow (json->integer, 10, &json->integer) ||
            __builtin_add_overflow (json->integer, digit, &json->integer)))
      json->is_integer = false;
  }
  return true;
}

static DvJsonKind
read_number (DvJsonStream *json)
{
  bool negative = peek (json) == '-', zero, good;
  int c;

  json->integer = 0;
  json->is_integer = true;
  json->at += negative;
  zero = peek (json) == '0';
  if (zero)
    json->at++;
  good = zero || digits (json, true, negative);
  c = peek (json);
  if (zero && c >= '0' && c <= '9')
    good = false;
  if (good && c == '.') {
    json->is_integer = false;
    json->at++;
    good = digits (json, false, false);
    c = peek (json);
  }
  if (good && (c == 'e' || c == 'E')) {
    json->is_integer = false;
    json->at++;
    c = peek (json);
    json->at += c == '+' || c == '-';
    good = digits (json, false, false);
  }
  return good ? DV_JSON_NUMBER : wrong (json, "a number that is none");
}

static DvJsonKind
read_word (DvJsonStream *json, const char *word, DvJsonKind kind)
{
  for (; *word; word++)
    if (take (json) != *word)
      return wrong (json, "a word that is not true, false or null");
  return kind;
}

static DvJsonKind
begin (DvJsonStream *json, bool object)
{
  uint64_t bit;

  if (json->depth == DV_JSON_MAX_DEPTH)
    return wrong (json, "nested deeper than 64 levels");
  bit = 1ull << json->depth++;
  json->at++;
  if (object)
    json->objects |= bit;
  else
    json->objects &= ~bit;
  json->want = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
  return object ? DV_JSON_OBJECT : DV_JSON_ARRAY;
}

static bool
in_object (const DvJsonStream *json)
{
  return json->objects >> (json->depth - 1) & 1;
}

static DvJsonKind
finish (DvJsonStream *json)
{
  bool object = in_object (json);

  json->at++;
  json->depth--;
  json->want = json->depth ? WANT_COMMA_OR_END : WANT_NOTHING;
  return object ? DV_JSON_OBJECT_END : DV_JSON_ARRAY_END;
}

static DvJsonKind
read_key (DvJsonStream *json)
{
  if (!read_string (json))
    return DV_JSON_ERROR;
  if (skip_space (json) != ':')
    return wrong (json, "a key without a colon behind it");
  json->at++;
  json->want = WANT_VALUE;
  return DV_JSON_KEY;
}

static DvJsonKind
read_value (DvJsonStream *json, int c)
{
  if (c == '{' || c == '[')
    return begin (json, c == '{');
  json->want = json->depth ? WANT_COMMA_OR_END : WANT_NOTHING;
  switch (c) {
    case '"':
      return read_string (json) ? DV_JSON_STRING : DV_JSON_ERROR;
    case 't':
      return read_word (json, "true", DV_JSON_TRUE);
    case 'f':
      return read_word (json, "false", DV_JSON_FALSE);
    case 'n':
      return read_word (json, "null", DV_JSON_NULL);
    case -1:
      return wrong (json, "ends where a value should be");
    default:
      if (c == '-' || (c >= '0' && c <= '9'))
        return read_number (json);
      return wrong (json, "something that is no value");
  }
}

static DvJsonKind
next (DvJsonStream *json)
{
  int c = skip_space (json), closing;

  if (json->want == WANT_NOTHING)
    return c < 0 ? DV_JSON_END : wrong (json, "something behind the value");
  closing = json->depth && in_object (json) ? '}' : ']';
  if (json->want == WANT_COMMA_OR_END) {
    if (c == closing)
      return finish (json);
    if (c != ',')
      return wrong (json, c < 0 ? "ends too early" : "a comma is missing");
    json->at++;
    c = skip_space (json);
    json->want = closing == '}' ? WANT_KEY : WANT_VALUE;
  } else if ((json->want == WANT_KEY_OR_END ||
                 json->want == WANT_VALUE_OR_END) &&
             c == closing) {
    return finish (json);
  }
  if (json->want == WANT_KEY || json->want == WANT_KEY_OR_END)
    return c == '"' ? read_key (json)
                    : wrong (json, c < 0 ? "ends too early" : "no key");
  return read_value (json, c);
}

/* ---- what users call ---- */

DvJsonKind
dv_json_next (DvJsonStream *json)
{
  DvJsonKind kind = DV_JSON_ERROR;

  if (json->status == DV_OK)
    kind = next (json);
  /* A file that cannot be read looks as if it ended. */
  return json->status == DV_OK ? kind : DV_JSON_ERROR;
}

bool
dv_json_skip (DvJsonStream *json)
{
  int depth = json->depth;

  json->skipping = true;
  do {
    if (dv_json_next (json) <= DV_JSON_END)
      break;
  } while (json->depth > depth);
  json->skipping = false;
  return json->status == DV_OK;
}

bool
dv_json_expect (DvJsonStream *json, DvJsonKind kind, const char *what)
{
  DvJsonKind got = dv_json_next (json);

  if (got == DV_JSON_ERROR)
    return false;
  return got == kind ||
         dv_json_fail (json, DV_ERROR_FORMAT, "%s is missing", what);
}

const char *
dv_json_text (const DvJsonStream *json, size_t *length)
{
  *length = json->n_text;
  return json->text;
}

bool
dv_json_text_is (const DvJsonStream *json, const char *text)
{
  return json->n_text == strlen (text) &&
         memcmp (json->text, text, json->n_text) == 0;
}

bool
dv_json_integer (const DvJsonStream *json, int64_t *value)
{
  *value = json->integer;
  return json->is_integer;
}
