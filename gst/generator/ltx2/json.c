/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pull reader for JSON (json.h).
 */
#include "json.h"

#include <string.h>

void
dv_json_init (DvJson *json, const char *text, size_t size)
{
  *json = (DvJson){.text = text, .size = size};
}

const char *
dv_json_why (const DvJson *json)
{
  return json->why ? json->why : "nothing is wrong";
}

static bool
wrong (DvJson *json, const char *why)
{
  if (!json->why)
    json->why = why;
  return false;
}

static void
skip_space (DvJson *json)
{
  while (json->at < json->size &&
         (json->text[json->at] == ' ' || json->text[json->at] == '\n' ||
             json->text[json->at] == '\r' || json->text[json->at] == '\t'))
    json->at++;
}

/* The next character after white space, or 0. */
static char
next (DvJson *json)
{
  if (json->why)
    return 0;
  skip_space (json);
  return json->at < json->size ? json->text[json->at] : 0;
}

DvJsonType
dv_json_peek (DvJson *json)
{
  char c = next (json);

  switch (c) {
    case '{':
      return DV_JSON_OBJECT;
    case '[':
      return DV_JSON_ARRAY;
    case '"':
      return DV_JSON_STRING;
    case 't':
    case 'f':
    case 'n':
      return DV_JSON_WORD;
    default:
      return c == '-' || (c >= '0' && c <= '9') ? DV_JSON_NUMBER
                                                : DV_JSON_NOTHING;
  }
}

bool
dv_json_enter (DvJson *json, DvJsonType type)
{
  char open = type == DV_JSON_ARRAY ? '[' : '{';

  if (next (json) != open)
    return wrong (
        json, open == '[' ? "a list is expected" : "an object is expected");
  if (json->depth == DV_JSON_DEPTH)
    return wrong (json, "it is nested too deep");
  json->array[json->depth++] = open == '[';
  json->first = true;
  json->at++;
  return true;
}

bool
dv_json_more (DvJson *json, DvJsonString *key)
{
  bool array;
  char c = next (json);

  if (json->why || json->depth == 0)
    return false;
  array = json->array[json->depth - 1];
  if (c == (array ? ']' : '}')) {
    json->at++;
    json->depth--;
    json->first = false;
    return false;
  }
  if (!json->first) {
    if (c != ',')
      return wrong (json,
          array ? "a comma or ] is expected" : "a comma or } is expected");
    json->at++;
  }
  json->first = false;
  if (array)
    return true;
  if (next (json) != '"' || !dv_json_string (json, key))
    return wrong (json, "a key is expected");
  if (next (json) != ':')
    return wrong (json, "a colon is expected");
  json->at++;
  return true;
}

static bool
is_hex (char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
         (c >= 'A' && c <= 'F');
}

/* The length of the escape at @at, behind the backslash; 0: none. */
static size_t
escape_length (const DvJson *json, size_t at)
{
  if (at >= json->size)
    return 0;
  if (json->text[at] != 'u')
    return json->text[at] && strchr ("\"\\/bfnrt", json->text[at]) ? 1 : 0;
  for (size_t i = 1; i <= 4; i++)
    if (at + i >= json->size || !is_hex (json->text[at + i]))
      return 0;
  return 5;
}

bool
dv_json_string (DvJson *json, DvJsonString *string)
{
  size_t start, length;

  if (next (json) != '"')
    return wrong (json, "a string is expected");
  start = ++json->at;
  while (json->at < json->size && json->text[json->at] != '"') {
    if ((unsigned char)json->text[json->at] < 0x20)
      return wrong (json, "a string holds a control character");
    if (json->text[json->at++] != '\\')
      continue;
    length = escape_length (json, json->at);
    if (length == 0)
      return wrong (json, "an escape is not one of JSON's");
    json->at += length;
  }
  if (json->at >= json->size)
    return wrong (json, "a string does not end");
  *string = (DvJsonString){json->text + start, json->at - start};
  json->at++;
  return true;
}

static size_t
digits (DvJson *json)
{
  size_t start = json->at;

  while (json->at < json->size && json->text[json->at] >= '0' &&
         json->text[json->at] <= '9')
    json->at++;
  return json->at - start;
}

static bool
at_char (const DvJson *json, const char *chars)
{
  return json->at < json->size && json->text[json->at] &&
         strchr (chars, json->text[json->at]);
}

static bool
number (DvJson *json)
{
  size_t start;

  if (at_char (json, "-"))
    json->at++;
  start = json->at;
  if (digits (json) == 0 || (json->text[start] == '0' && json->at - start > 1))
    return wrong (json, "a number is not well formed");
  if (at_char (json, ".")) {
    json->at++;
    if (digits (json) == 0)
      return wrong (json, "a number is not well formed");
  }
  if (at_char (json, "eE")) {
    json->at++;
    if (at_char (json, "+-"))
      json->at++;
    if (digits (json) == 0)
      return wrong (json, "a number is not well formed");
  }
  return true;
}

bool
dv_json_uint (DvJson *json, uint64_t *value)
{
  size_t start;
  uint64_t v = 0;

  if (dv_json_peek (json) != DV_JSON_NUMBER)
    return wrong (json, "a number is expected");
  start = json->at;
  if (!number (json))
    return false;
  for (size_t i = start; i < json->at; i++) {
    int digit = json->text[i] - '0';

    if (digit < 0 || digit > 9)
      return wrong (json, "a whole number of 0 or more is expected");
    if (v > (UINT64_MAX - (uint64_t)digit) / 10)
      return wrong (json, "a number is too large");
    v = 10 * v + (uint64_t)digit;
  }
  *value = v;
  return true;
}

static bool
word (DvJson *json)
{
  static const char *const words[] = {"true", "false", "null"};

  for (int i = 0; i < 3; i++) {
    size_t n = strlen (words[i]);

    if (json->size - json->at >= n &&
        memcmp (json->text + json->at, words[i], n) == 0) {
      json->at += n;
      return true;
    }
  }
  return wrong (json, "a word is none of true, false, null");
}

/* A value that is no container. */
static bool
skip_scalar (DvJson *json)
{
  DvJsonString string;

  switch (dv_json_peek (json)) {
    case DV_JSON_STRING:
      return dv_json_string (json, &string);
    case DV_JSON_NUMBER:
      return number (json);
    case DV_JSON_WORD:
      return word (json);
    default:
      return wrong (json, "a value is expected");
  }
}

bool
dv_json_skip (DvJson *json)
{
  int depth = json->depth;
  DvJsonString key;

  do {
    DvJsonType type = dv_json_peek (json);

    if (type == DV_JSON_OBJECT || type == DV_JSON_ARRAY) {
      if (!dv_json_enter (json, type))
        return false;
    } else if (!skip_scalar (json)) {
      return false;
    }
    /* On to the next value, out of every container that ends here. */
    while (json->depth > depth && !dv_json_more (json, &key))
      if (json->why)
        return false;
  } while (json->depth > depth);
  return true;
}

bool
dv_json_end (DvJson *json)
{
  if (json->why)
    return false;
  skip_space (json);
  if (json->at < json->size)
    return wrong (json, "something follows the end");
  return true;
}

bool
dv_json_valid (DvJson *json, const char *text, size_t size)
{
  dv_json_init (json, text, size);
  return dv_json_skip (json) && dv_json_end (json);
}

static unsigned
hex4 (const char *text)
{
  unsigned v = 0;

  for (int i = 0; i < 4; i++) {
    char c = text[i];

    v = 16 * v + (unsigned)(c <= '9'   ? c - '0'
                            : c <= 'F' ? c - 'A' + 10
                                       : c - 'a' + 10);
  }
  return v;
}

static char *
put_utf8 (char *out, unsigned c)
{
  if (c < 0x80) {
    *out++ = (char)c;
  } else if (c < 0x800) {
    *out++ = (char)(0xc0 | c >> 6);
    *out++ = (char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *out++ = (char)(0xe0 | c >> 12);
    *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    *out++ = (char)(0x80 | (c & 0x3f));
  } else {
    *out++ = (char)(0xf0 | c >> 18);
    *out++ = (char)(0x80 | (c >> 12 & 0x3f));
    *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    *out++ = (char)(0x80 | (c & 0x3f));
  }
  return out;
}

/* The character of \uXXXX, and of the low surrogate after it, at *@at, which
 * moves on. */
static unsigned
unicode_escape (DvJsonString string, size_t *at)
{
  const char *s = string.text + *at; /* behind the u */
  unsigned c = hex4 (s), low;

  *at += 4;
  if (c < 0xd800 || c > 0xdfff)
    return c;
  if (c > 0xdbff || string.size - *at < 6 || s[4] != '\\' || s[5] != 'u')
    return 0xfffd;
  low = hex4 (s + 6);
  if (low < 0xdc00 || low > 0xdfff)
    return 0xfffd;
  *at += 6;
  return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

size_t
dv_json_unescape (DvJsonString string, char *out)
{
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  char *start = out;

  for (size_t i = 0; i < string.size;) {
    char c = string.text[i++];
    const char *named;

    if (c != '\\') {
      *out++ = c;
      continue;
    }
    c = string.text[i++];
    if (c == 'u')
      out = put_utf8 (out, unicode_escape (string, &i));
    else if ((named = strchr (from, c)))
      *out++ = to[named - from];
    else
      *out++ = c;
  }
  *out = 0;
  return (size_t)(out - start);
}

bool
dv_json_equals (DvJsonString string, const char *text)
{
  return strlen (text) == string.size &&
         memcmp (string.text, text, string.size) == 0;
}
