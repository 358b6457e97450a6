/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a client says: see session-message.h.
 */
#include "session-message.h"

#include <math.h>
#include <string.h>

#include "strict-json.h"

/* System prompts of a client's own. */
#define MAX_SYSTEM_PROMPT_BYTES 65536

DvsMessage *
dvs_message_parse (const gchar *text, gsize size, const gchar **problem)
{
  JsonNode *node = dvs_strict_json_parse (text, size, problem), *type;
  DvsMessage *message;

  if (!node)
    return NULL;
  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    *problem = "it is no JSON object";
    json_node_unref (node);
    return NULL;
  }
  message = g_new0 (DvsMessage, 1);
  message->object = json_node_dup_object (node);
  message->size = size;
  json_node_unref (node);
  type = json_object_get_member (message->object, "type");
  message->type =
      dvs_message_type (type && json_node_get_value_type (type) == G_TYPE_STRING
                            ? json_node_get_string (type)
                            : NULL);
  return message;
}

void
dvs_message_free (DvsMessage *message)
{
  json_object_unref (message->object);
  g_free (message);
}

/* ---- fields ---- */

gchar *
dvs_text_or_null (gchar *text)
{
  if (text && !*text)
    g_clear_pointer (&text, g_free);
  return text;
}

gchar *
dvs_text_stripped (const gchar *text, gsize max)
{
  const gchar *end = text + strlen (text);

  while (*text && g_unichar_isspace (g_utf8_get_char (text)))
    text = g_utf8_next_char (text);
  if ((gsize)(end - text) > max) {
    /* A character that does not fit whole goes. */
    end = text + max;
    while (end > text && ((guchar)*end & 0xc0) == 0x80)
      end--;
  }
  while (end > text) {
    const gchar *last = g_utf8_prev_char (end);

    if (!g_unichar_isspace (g_utf8_get_char (last)))
      break;
    end = last;
  }
  return g_strndup (text, (gsize)(end - text));
}

gboolean
dvs_node_truth (JsonNode *node)
{
  GType type;

  switch (json_node_get_node_type (node)) {
    case JSON_NODE_OBJECT:
      return json_object_get_size (json_node_get_object (node)) > 0;
    case JSON_NODE_ARRAY:
      return json_array_get_length (json_node_get_array (node)) > 0;
    case JSON_NODE_NULL:
      return FALSE;
    default:
      break;
  }
  type = json_node_get_value_type (node);
  if (type == G_TYPE_STRING)
    return *json_node_get_string (node) != '\0';
  if (type == G_TYPE_BOOLEAN)
    return json_node_get_boolean (node);
  return json_node_get_double (node) != 0;
}

/* A value that is something, as a person would write it. */
static gchar *
stringified (JsonNode *node)
{
  if (JSON_NODE_HOLDS_VALUE (node)) {
    GType type = json_node_get_value_type (node);

    if (type == G_TYPE_STRING)
      return json_node_dup_string (node);
    if (type == G_TYPE_BOOLEAN)
      return g_strdup ("True");
  }
  return json_to_string (node, FALSE);
}

gchar *
dvs_field_text (JsonObject *object, const gchar *name, gsize max)
{
  JsonNode *node = json_object_get_member (object, name);
  gchar *whole, *text;

  if (!node || !dvs_node_truth (node))
    return g_strdup ("");
  whole = stringified (node);
  text = dvs_text_stripped (whole, max);
  g_free (whole);
  return text;
}

gboolean
dvs_field_bool (JsonObject *object, const gchar *name, gboolean fallback)
{
  JsonNode *node = json_object_get_member (object, name);

  return node ? dvs_node_truth (node) : fallback;
}

gchar **
dvs_field_texts (JsonObject *object, const gchar *name)
{
  GPtrArray *texts = g_ptr_array_new ();
  JsonNode *node = json_object_get_member (object, name);
  JsonArray *array =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; array && i < json_array_get_length (array); i++) {
    JsonNode *element = json_array_get_element (array, i);
    gchar *text;

    if (json_node_get_value_type (element) != G_TYPE_STRING)
      continue;
    text = dvs_text_stripped (json_node_get_string (element), DVS_PROMPT_MAX);
    if (*text)
      g_ptr_array_add (texts, text);
    else
      g_free (text);
  }
  g_ptr_array_add (texts, NULL);
  return (gchar **)g_ptr_array_free (texts, FALSE);
}

/* FALSE: it is no number, nor a text that is one. */
static gboolean
number (JsonNode *node, gdouble *value)
{
  const gchar *text;
  gchar *end;

  if (!JSON_NODE_HOLDS_VALUE (node))
    return FALSE;
  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN) {
    *value = json_node_get_boolean (node);
    return TRUE;
  }
  if (json_node_get_value_type (node) != G_TYPE_STRING) {
    *value = json_node_get_double (node);
    return TRUE;
  }
  text = json_node_get_string (node);
  *value = g_ascii_strtod (text, &end);
  while (g_ascii_isspace (*end))
    end++;
  return *text && *end == '\0';
}

gdouble
dvs_field_temperature (JsonObject *object, const gchar *name, gdouble fallback)
{
  JsonNode *node = json_object_get_member (object, name);
  gdouble value;

  if (!node || !number (node, &value) || isnan (value))
    return fallback;
  return CLAMP (value, 0, 2);
}

/* ---- inits ---- */

void
dvs_init_parse (const DvsMessage *message, gdouble temperature, DvsInit *init)
{
  JsonObject *object =
      message ? json_object_ref (message->object) : json_object_new ();
  gboolean curated = message && (message->type == DVS_MESSAGE_SESSION_INIT ||
                                    message->type == DVS_MESSAGE_PROJECT_INIT);

  init->preset_id = dvs_text_or_null (
      dvs_field_text (object, "preset_id", DVS_MAX_NAME_BYTES));
  init->preset_label =
      dvs_field_text (object, "preset_label", DVS_MAX_NAME_BYTES);
  init->rollout_prompt =
      dvs_field_text (object, "initial_rollout_prompt", DVS_PROMPT_MAX);
  init->prompts =
      dvs_field_texts (object, curated ? "curated_prompts" : "segment_prompts");
  init->single_clip = dvs_field_bool (object, "single_clip_mode", FALSE);
  init->enhancement = dvs_field_bool (object, "enhancement_enabled", TRUE);
  init->auto_extension =
      dvs_field_bool (object, "auto_extension_enabled", FALSE);
  init->loop = dvs_field_bool (object, "loop_generation_enabled", FALSE);
  init->rewrite_model = dvs_text_or_null (
      dvs_field_text (object, "rewrite_model", DVS_MAX_NAME_BYTES));
  init->temperature =
      dvs_field_temperature (object, "rewrite_temperature", temperature);
  init->window_system_prompt = dvs_text_or_null (dvs_field_text (
      object, "rewrite_window_system_prompt", MAX_SYSTEM_PROMPT_BYTES));
  init->user_system_prompt = dvs_text_or_null (dvs_field_text (
      object, "rewrite_user_system_prompt", MAX_SYSTEM_PROMPT_BYTES));
  json_object_unref (object);
}

void
dvs_init_clear (DvsInit *init)
{
  g_free (init->preset_id);
  g_free (init->preset_label);
  g_free (init->rollout_prompt);
  g_strfreev (init->prompts);
  g_free (init->rewrite_model);
  g_free (init->window_system_prompt);
  g_free (init->user_system_prompt);
  memset (init, 0, sizeof *init);
}
