/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Texts on the wire: see wsjson.h.
 */
#include "wsjson.h"

#include <math.h>

#include "wire.h"

#define PROTOCOL_VERSION 1

JsonBuilder *
ws_json_begin (const gchar *type)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  if (type)
    ws_json_string (builder, "type", type);
  return builder;
}

void
ws_json_string (JsonBuilder *builder, const gchar *name, const gchar *value)
{
  gchar *valid = NULL;

  json_builder_set_member_name (builder, name);
  if (value && !g_utf8_validate (value, -1, NULL))
    value = valid = g_utf8_make_valid (value, -1);
  if (value)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
  g_free (valid);
}

void
ws_json_int (JsonBuilder *builder, const gchar *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

void
ws_json_double (JsonBuilder *builder, const gchar *name, gdouble value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_double_value (builder, isfinite (value) ? value : 0);
}

void
ws_json_bool (JsonBuilder *builder, const gchar *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

gchar *
ws_json_end (JsonBuilder *builder)
{
  JsonNode *root;
  gchar *text;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  json_node_unref (root);
  g_object_unref (builder);
  return text;
}

gchar *
ws_json_hello (guint64 client_id, gboolean control)
{
  JsonBuilder *builder = ws_json_begin (WIRE_HELLO);
  gchar id[24];

  ws_json_int (builder, "version", PROTOCOL_VERSION);
  ws_json_bool (builder, "control", control);
  g_snprintf (id, sizeof id, "%" G_GUINT64_FORMAT, client_id);
  ws_json_string (builder, "client_id", id);
  return ws_json_end (builder);
}

gchar *
ws_json_error (const gchar *code, const gchar *message, guint segment_idx,
    const gchar *stream_id)
{
  JsonBuilder *builder = ws_json_begin (WIRE_ERROR);

  ws_json_string (builder, "code", code);
  ws_json_string (builder, "message", message);
  if (stream_id) {
    ws_json_int (builder, "segment_idx", segment_idx);
    ws_json_string (builder, "stream_id", stream_id);
  }
  return ws_json_end (builder);
}
