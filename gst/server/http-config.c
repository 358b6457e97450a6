/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HTTP: system prompts, curated presets, adapters.  The latter two only with
 * the setting `devtools`.
 *
 * Threads: the main thread alone.
 */
#include <string.h>

#include "http.h"
#include "strict-json.h"

#define MAX_PRESETS 1000

/* ---- system prompts ---- */

void
dvs_http_prompts (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  dvs_http_json (message, SOUP_STATUS_OK, dvs_prompts_config (server->prompts));
}

void
dvs_http_prompts_post (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  JsonObject *changes = dvs_http_posted (message);
  gchar *detail = NULL;
  guint status = SOUP_STATUS_INTERNAL_SERVER_ERROR;

  if (changes == NULL)
    return;
  if (dvs_prompts_set_config (server->prompts, changes, &status, &detail))
    dvs_http_prompts (server, message, query);
  else
    dvs_http_error (message, status, detail ? detail : "It was not saved.");
  g_free (detail);
  json_object_unref (changes);
}

/* ---- presets ---- */

/* FALSE: there are none for this server, which was answered. */
static gboolean
devtools (const DvsServer *server, SoupServerMessage *message)
{
  if (!server->settings->devtools)
    dvs_http_error (message, SOUP_STATUS_NOT_FOUND, "Not Found");
  return server->settings->devtools;
}

/* The array in the file; an empty one if there is no file. NULL: it cannot be
 * read, which was answered. */
static JsonArray *
read_presets (const DvsServer *server, SoupServerMessage *message)
{
  const gchar *path = server->settings->presets, *problem;
  JsonArray *presets = NULL;
  JsonNode *node = NULL;
  GError *error = NULL;
  gchar *text = NULL;
  gsize size = 0;

  if (!path || (!g_file_get_contents (path, &text, &size, &error) &&
                   g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))) {
    g_clear_error (&error);
    return json_array_new ();
  }
  if (text)
    node = dvs_strict_json_parse (text, size, &problem);
  if (node && JSON_NODE_HOLDS_ARRAY (node))
    presets = json_array_ref (json_node_get_array (node));
  else
    dvs_http_error (message, SOUP_STATUS_INTERNAL_SERVER_ERROR,
        "The file of presets cannot be read: it should be a JSON array.");
  g_clear_pointer (&node, json_node_unref);
  g_clear_error (&error);
  g_free (text);
  return presets;
}

static void
add_paths (const DvsServer *server, JsonObject *object)
{
  if (server->settings->presets)
    json_object_set_string_member (
        object, "file_path", server->settings->presets);
  else
    json_object_set_null_member (object, "file_path");
  json_object_set_null_member (object, "fallback_file_path");
}

void
dvs_http_presets (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  JsonArray *presets;
  JsonObject *object;

  if (!devtools (server, message))
    return;
  presets = read_presets (server, message);
  if (presets == NULL)
    return;
  object = json_object_new ();
  json_object_set_int_member (object, "count", json_array_get_length (presets));
  json_object_set_array_member (object, "presets", presets);
  add_paths (server, object);
  dvs_http_json (message, SOUP_STATUS_OK, object);
}

/* A member that is a string with something in it, without its white space; to
 * be freed. */
static gchar *
text_member (JsonObject *object, const gchar *name)
{
  JsonNode *node = json_object_get_member (object, name);
  gchar *text;

  if (!node || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  text = g_strstrip (json_node_dup_string (node));
  if (!*text)
    g_clear_pointer (&text, g_free);
  return text;
}

/* Its strings that are not blank; NULL: fewer than two. */
static JsonArray *
prompts_member (JsonObject *object)
{
  JsonNode *node = json_object_get_member (object, "segment_prompts");
  JsonArray *from, *prompts;
  guint i;

  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return NULL;
  from = json_node_get_array (node);
  prompts = json_array_new ();
  for (i = 0; i < json_array_get_length (from); i++) {
    JsonNode *item = json_array_get_element (from, i);
    gchar *text;

    if (json_node_get_value_type (item) != G_TYPE_STRING)
      continue;
    text = g_strstrip (json_node_dup_string (item));
    if (*text)
      json_array_add_string_element (prompts, text);
    g_free (text);
  }
  if (json_array_get_length (prompts) >= 2)
    return prompts;
  json_array_unref (prompts);
  return NULL;
}

static gboolean
has_preset (JsonArray *presets, const gchar *id)
{
  guint i;

  for (i = 0; i < json_array_get_length (presets); i++) {
    JsonNode *node = json_array_get_element (presets, i);
    gchar *other = JSON_NODE_HOLDS_OBJECT (node)
                       ? text_member (json_node_get_object (node), "id")
                       : NULL;
    gboolean same = g_strcmp0 (other, id) == 0;

    g_free (other);
    if (same)
      return TRUE;
  }
  return FALSE;
}

/* What is wrong with it; NULL: nothing. */
static const gchar *
refuse_preset (const DvsServer *server, JsonArray *presets, const gchar *id,
    const gchar *label, JsonArray *prompts, guint *status)
{
  *status = SOUP_STATUS_BAD_REQUEST;
  if (!id || !label)
    return "A preset needs an id and a label.";
  if (!prompts)
    return "A preset needs at least two prompts.";
  if (json_array_get_length (presets) >= MAX_PRESETS)
    return "There are too many presets.";
  *status = SOUP_STATUS_CONFLICT;
  if (has_preset (presets, id))
    return "A preset of this id exists already.";
  *status = SOUP_STATUS_INTERNAL_SERVER_ERROR;
  if (!server->settings->presets)
    return "The server has no file for presets.";
  return NULL;
}

static gboolean
write_presets (const DvsServer *server, JsonArray *presets)
{
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);
  GError *error = NULL;
  gboolean written;
  gchar *text;

  json_node_set_array (node, presets);
  text = json_to_string (node, TRUE);
  json_node_unref (node);
  written = g_file_set_contents (server->settings->presets, text, -1, &error);
  if (!written)
    g_warning ("Presets cannot be saved: %s", error->message);
  g_clear_error (&error);
  g_free (text);
  return written;
}

static void
append_preset (DvsServer *server, SoupServerMessage *message,
    JsonArray *presets, JsonObject *posted)
{
  gchar *id = text_member (posted, "id"),
        *label = text_member (posted, "label");
  JsonArray *prompts = prompts_member (posted);
  JsonObject *preset, *object;
  const gchar *wrong;
  guint status;

  wrong = refuse_preset (server, presets, id, label, prompts, &status);
  if (wrong) {
    dvs_http_error (message, status, wrong);
    g_clear_pointer (&prompts, json_array_unref);
    goto done;
  }
  preset = json_object_new ();
  json_object_set_string_member (preset, "id", id);
  json_object_set_string_member (preset, "label", label);
  json_object_set_array_member (preset, "segment_prompts", prompts);
  json_array_add_object_element (presets, json_object_ref (preset));
  if (!write_presets (server, presets)) {
    dvs_http_error (message, SOUP_STATUS_INTERNAL_SERVER_ERROR,
        "The preset could not be saved.");
    json_object_unref (preset);
    goto done;
  }
  object = json_object_new ();
  json_object_set_string_member (object, "type", "curated_preset_appended");
  json_object_set_object_member (object, "preset", preset);
  json_object_set_int_member (object, "count", json_array_get_length (presets));
  add_paths (server, object);
  dvs_http_json (message, SOUP_STATUS_OK, object);
done:
  g_free (id);
  g_free (label);
}

void
dvs_http_presets_post (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  JsonObject *posted;
  JsonArray *presets;

  if (!devtools (server, message))
    return;
  posted = dvs_http_posted (message);
  if (posted == NULL)
    return;
  presets = read_presets (server, message);
  if (presets) {
    append_preset (server, message, presets, posted);
    json_array_unref (presets);
  }
  json_object_unref (posted);
}

/* ---- adapters ---- */

void
dvs_http_adapters (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  gchar **loras = server->settings->loras;
  JsonObject *object;
  JsonArray *names;
  guint i;

  if (!devtools (server, message))
    return;
  object = json_object_new ();
  names = json_array_new ();
  for (i = 0; loras && loras[i]; i++) {
    gchar *name = g_path_get_basename (loras[i]);
    json_array_add_string_element (names, name);
    g_free (name);
  }
  json_object_set_array_member (object, "options", names);
  dvs_http_json (message, SOUP_STATUS_OK, object);
}

void
dvs_http_adapters_post (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  if (devtools (server, message))
    dvs_http_error (message, SOUP_STATUS_BAD_REQUEST,
        "Adapters are chosen when the server starts: see its setting loras.");
}
