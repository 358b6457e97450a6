/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON from strangers: see strict-json.h.
 */
#include "strict-json.h"

#include <errno.h>
#include <string.h>

#define REPLACEMENT 0xfffd

typedef struct {
  const gchar *pos, *end;
  guint values;
  const gchar *problem; /* the first thing that was wrong */
} Reader;

static gboolean
wrong (Reader *reader, const gchar *problem)
{
  if (!reader->problem)
    reader->problem = problem;
  return FALSE;
}

static gboolean
no_json (Reader *reader)
{
  return wrong (reader, "it is not JSON");
}

static void
skip_space (Reader *reader)
{
  while (reader->pos < reader->end &&
         (*reader->pos == ' ' || *reader->pos == '\t' || *reader->pos == '\n' ||
             *reader->pos == '\r'))
    reader->pos++;
}

static gboolean
take (Reader *reader, gchar c)
{
  if (reader->pos == reader->end || *reader->pos != c)
    return FALSE;
  reader->pos++;
  return TRUE;
}

static gboolean
take_word (Reader *reader, const gchar *word)
{
  gsize size = strlen (word);

  if ((gsize)(reader->end - reader->pos) < size ||
      memcmp (reader->pos, word, size) != 0)
    return no_json (reader);
  reader->pos += size;
  return TRUE;
}

/* ---- strings ---- */

/* Four hexadecimal digits. */
static gboolean
read_unit (Reader *reader, gunichar *unit)
{
  *unit = 0;
  for (int i = 0; i < 4; i++) {
    gint digit =
        reader->pos < reader->end ? g_ascii_xdigit_value (*reader->pos) : -1;

    if (digit < 0)
      return no_json (reader);
    *unit = *unit << 4 | (gunichar)digit;
    reader->pos++;
  }
  return TRUE;
}

/* Behind "\u". Browsers cut texts between the halves of a pair. */
static gboolean
read_unicode (Reader *reader, GString *out)
{
  const gchar *behind;
  gunichar high, low;

  if (!read_unit (reader, &high))
    return FALSE;
  if (high >= 0xd800 && high < 0xdc00) {
    behind = reader->pos;
    if (take (reader, '\\') && take (reader, 'u')) {
      if (!read_unit (reader, &low))
        return FALSE;
      if (low >= 0xdc00 && low <= 0xdfff) {
        g_string_append_unichar (
            out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
        return TRUE;
      }
    }
    reader->pos = behind;
  }
  if (high == 0 || (high >= 0xd800 && high <= 0xdfff))
    high = REPLACEMENT;
  g_string_append_unichar (out, high);
  return TRUE;
}

static gboolean
read_escape (Reader *reader, GString *out)
{
  static const gchar names[] = "\"\\/bfnrt";
  static const gchar means[] = "\"\\/\b\f\n\r\t";
  const gchar *found;

  if (take (reader, 'u'))
    return read_unicode (reader, out);
  if (reader->pos == reader->end)
    return no_json (reader);
  found = memchr (names, *reader->pos, sizeof names - 1);
  if (!found)
    return no_json (reader);
  reader->pos++;
  g_string_append_c (out, means[found - names]);
  return TRUE;
}

/* To the next character that means something in a string. */
static void
skip_plain (Reader *reader)
{
  while (reader->pos < reader->end && *reader->pos != '"' &&
         *reader->pos != '\\' && (guchar)*reader->pos >= 0x20)
    reader->pos++;
}

/* The rest of a string whose beginning, @from, has no escapes. */
static gchar *
read_escaped (Reader *reader, const gchar *from)
{
  GString *out = g_string_new_len (from, reader->pos - from);

  for (;;) {
    if (take (reader, '"'))
      return g_string_free (out, FALSE);
    if (!take (reader, '\\')) {
      no_json (reader);
      break;
    }
    if (!read_escape (reader, out))
      break;
    from = reader->pos;
    skip_plain (reader);
    g_string_append_len (out, from, reader->pos - from);
  }
  g_string_free (out, TRUE);
  return NULL;
}

/* A string without its quotes and escapes, to be freed; NULL: it is none. Most
 * have no escapes, and some are pictures. */
static gchar *
read_string (Reader *reader)
{
  const gchar *from;

  if (!take (reader, '"')) {
    no_json (reader);
    return NULL;
  }
  from = reader->pos;
  skip_plain (reader);
  if (take (reader, '"'))
    return g_strndup (from, (gsize)(reader->pos - 1 - from));
  return read_escaped (reader, from);
}

/* ---- numbers ---- */

static gboolean
skip_digits (Reader *reader)
{
  const gchar *from = reader->pos;

  while (reader->pos < reader->end && g_ascii_isdigit (*reader->pos))
    reader->pos++;
  return reader->pos > from || no_json (reader);
}

/* FALSE: it is no number. */
static gboolean
skip_number (Reader *reader, gboolean *whole)
{
  *whole = TRUE;
  take (reader, '-');
  /* No digits behind a leading zero. */
  if (!take (reader, '0') && !skip_digits (reader))
    return FALSE;
  if (take (reader, '.')) {
    *whole = FALSE;
    if (!skip_digits (reader))
      return FALSE;
  }
  if (take (reader, 'e') || take (reader, 'E')) {
    *whole = FALSE;
    if (!take (reader, '-'))
      take (reader, '+');
    return skip_digits (reader);
  }
  return TRUE;
}

static JsonNode *
read_number (Reader *reader)
{
  const gchar *from = reader->pos;
  JsonNode *node;
  gboolean whole;
  gchar *digits;
  gint64 integer;

  if (!skip_number (reader, &whole))
    return NULL;
  node = json_node_alloc ();
  digits = g_strndup (from, (gsize)(reader->pos - from));
  errno = 0;
  integer = whole ? g_ascii_strtoll (digits, NULL, 10) : 0;
  if (whole && errno == 0)
    json_node_init_int (node, integer);
  else
    json_node_init_double (node, g_ascii_strtod (digits, NULL));
  g_free (digits);
  return node;
}

/* ---- values ---- */

static JsonNode *read_value (Reader *reader, guint depth);

static JsonNode *
read_array (Reader *reader, guint depth)
{
  JsonArray *array = json_array_new ();
  JsonNode *node = json_node_alloc (), *element;

  json_node_init_array (node, array);
  json_array_unref (array);
  take (reader, '[');
  skip_space (reader);
  if (take (reader, ']'))
    return node;
  while ((element = read_value (reader, depth))) {
    json_array_add_element (array, element);
    if (take (reader, ']'))
      return node;
    if (!take (reader, ',')) {
      no_json (reader);
      break;
    }
  }
  json_node_unref (node);
  return NULL;
}

/* A member, behind the space before it. */
static gboolean
read_member (Reader *reader, guint depth, JsonObject *object)
{
  gchar *name = read_string (reader);
  JsonNode *value = NULL;

  if (!name)
    return FALSE;
  skip_space (reader);
  if (take (reader, ':'))
    value = read_value (reader, depth);
  else
    no_json (reader);
  if (value)
    json_object_set_member (object, name, value);
  g_free (name);
  return value != NULL;
}

static JsonNode *
read_object (Reader *reader, guint depth)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_alloc ();

  json_node_init_object (node, object);
  json_object_unref (object);
  take (reader, '{');
  skip_space (reader);
  if (take (reader, '}'))
    return node;
  for (;;) {
    skip_space (reader);
    if (!read_member (reader, depth, object))
      break;
    if (take (reader, '}'))
      return node;
    if (!take (reader, ',')) {
      no_json (reader);
      break;
    }
  }
  json_node_unref (node);
  return NULL;
}

static JsonNode *
read_text (Reader *reader)
{
  JsonNode *node;
  gchar *string = read_string (reader);

  if (!string)
    return NULL;
  node = json_node_alloc ();
  json_node_init_string (node, string);
  g_free (string);
  return node;
}

static JsonNode *
read_word (Reader *reader)
{
  gboolean truth = *reader->pos == 't';
  JsonNode *node;

  if (!take_word (reader, truth ? "true" : "false"))
    return NULL;
  node = json_node_alloc ();
  json_node_init_boolean (node, truth);
  return node;
}

/* Any value inside @depth objects and arrays, and the space around it. */
static JsonNode *
read_value (Reader *reader, guint depth)
{
  JsonNode *node = NULL;

  skip_space (reader);
  if (++reader->values > DVS_JSON_MAX_VALUES) {
    wrong (reader, "it has too many values");
    return NULL;
  }
  switch (reader->pos < reader->end ? *reader->pos : '\0') {
    case '{':
    case '[':
      if (depth == DVS_JSON_MAX_DEPTH) {
        wrong (reader, "it is nested too deep");
        return NULL;
      }
      node = *reader->pos == '{' ? read_object (reader, depth + 1)
                                 : read_array (reader, depth + 1);
      break;
    case '"':
      node = read_text (reader);
      break;
    case 't':
    case 'f':
      node = read_word (reader);
      break;
    case 'n':
      if (take_word (reader, "null"))
        node = json_node_init_null (json_node_alloc ());
      break;
    default:
      node = read_number (reader);
  }
  if (node)
    skip_space (reader);
  return node;
}

JsonNode *
dvs_strict_json_parse (const gchar *text, gsize size, const gchar **problem)
{
  Reader reader = {.pos = text, .end = text + size};
  JsonNode *node;

  /* A NUL is refused by this too. */
  if (!g_utf8_validate_len (text, size, NULL)) {
    *problem = "it is not UTF-8";
    return NULL;
  }
  node = read_value (&reader, 0);
  if (node && reader.pos != reader.end) {
    no_json (&reader);
    g_clear_pointer (&node, json_node_unref);
  }
  *problem = reader.problem;
  return node;
}
