/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON from strangers: see strict-json.h.
 */
#include "strict-json.h"

#include <errno.h>

#include "wsscan.h"

typedef struct {
  WsScan scan;
  guint values;
  const gchar *problem; /* beyond what is wrong with its words */
} Reader;

static JsonNode *read_value (Reader *reader, guint depth);

static JsonNode *
read_number (WsScan *scan)
{
  const gchar *from = scan->pos;
  JsonNode *node;
  gboolean whole;
  gchar *digits;
  gint64 integer;

  if (!ws_scan_number (scan, &whole))
    return NULL;
  node = json_node_alloc ();
  digits = g_strndup (from, (gsize)(scan->pos - from));
  errno = 0;
  integer = whole ? g_ascii_strtoll (digits, NULL, 10) : 0;
  if (whole && errno == 0)
    json_node_init_int (node, integer);
  else
    json_node_init_double (node, g_ascii_strtod (digits, NULL));
  g_free (digits);
  return node;
}

static JsonNode *
read_array (Reader *reader, guint depth)
{
  WsScan *scan = &reader->scan;
  JsonArray *array = json_array_new ();
  JsonNode *node = json_node_alloc (), *element;

  json_node_init_array (node, array);
  json_array_unref (array);
  ws_scan_take (scan, '[');
  ws_scan_space (scan);
  if (ws_scan_take (scan, ']'))
    return node;
  while ((element = read_value (reader, depth))) {
    json_array_add_element (array, element);
    if (ws_scan_take (scan, ']'))
      return node;
    if (!ws_scan_word (scan, ","))
      break;
  }
  json_node_unref (node);
  return NULL;
}

/* A member, behind the space before it. */
static gboolean
read_member (Reader *reader, guint depth, JsonObject *object)
{
  gchar *name = ws_scan_string (&reader->scan);
  JsonNode *value = NULL;

  if (!name)
    return FALSE;
  ws_scan_space (&reader->scan);
  if (ws_scan_word (&reader->scan, ":"))
    value = read_value (reader, depth);
  if (value)
    json_object_set_member (object, name, value);
  g_free (name);
  return value != NULL;
}

static JsonNode *
read_object (Reader *reader, guint depth)
{
  WsScan *scan = &reader->scan;
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_alloc ();

  json_node_init_object (node, object);
  json_object_unref (object);
  ws_scan_take (scan, '{');
  ws_scan_space (scan);
  if (ws_scan_take (scan, '}'))
    return node;
  for (;;) {
    ws_scan_space (scan);
    if (!read_member (reader, depth, object))
      break;
    if (ws_scan_take (scan, '}'))
      return node;
    if (!ws_scan_word (scan, ","))
      break;
  }
  json_node_unref (node);
  return NULL;
}

static JsonNode *
read_text (WsScan *scan)
{
  JsonNode *node;
  gchar *string = ws_scan_string (scan);

  if (!string)
    return NULL;
  node = json_node_alloc ();
  json_node_init_string (node, string);
  g_free (string);
  return node;
}

static JsonNode *
read_word (WsScan *scan)
{
  gboolean truth = *scan->pos == 't';
  JsonNode *node;

  if (!ws_scan_word (scan, truth ? "true" : "false"))
    return NULL;
  node = json_node_alloc ();
  json_node_init_boolean (node, truth);
  return node;
}

/* Always NULL. */
static JsonNode *
too_large (Reader *reader, const gchar *problem)
{
  if (!reader->problem)
    reader->problem = problem;
  return NULL;
}

/* Any value inside @depth objects and arrays, and the space around it. */
static JsonNode *
read_value (Reader *reader, guint depth)
{
  WsScan *scan = &reader->scan;
  JsonNode *node = NULL;

  ws_scan_space (scan);
  if (++reader->values > DVS_JSON_MAX_VALUES)
    return too_large (reader, "it has too many values");
  switch (ws_scan_peek (scan)) {
    case '{':
    case '[':
      if (depth == DVS_JSON_MAX_DEPTH)
        return too_large (reader, "it is nested too deep");
      node = *scan->pos == '{' ? read_object (reader, depth + 1)
                               : read_array (reader, depth + 1);
      break;
    case '"':
      node = read_text (scan);
      break;
    case 't':
    case 'f':
      node = read_word (scan);
      break;
    case 'n':
      if (ws_scan_word (scan, "null"))
        node = json_node_init_null (json_node_alloc ());
      break;
    default:
      node = read_number (scan);
  }
  if (node)
    ws_scan_space (scan);
  return node;
}

JsonNode *
dvs_strict_json_parse (const gchar *text, gsize size, const gchar **problem)
{
  Reader reader = {.scan = {.pos = text, .end = text + size, .replace = TRUE}};
  JsonNode *node;

  /* A NUL is refused by this too. */
  if (!g_utf8_validate_len (text, size, NULL)) {
    *problem = "it is not UTF-8";
    return NULL;
  }
  node = read_value (&reader, 0);
  if (node && reader.scan.pos != reader.scan.end)
    g_clear_pointer (&node, json_node_unref);
  *problem = node ? NULL : reader.problem ? reader.problem : "it is not JSON";
  return node;
}
