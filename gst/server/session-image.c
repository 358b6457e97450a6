/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The start image of an init: see session-image.h.
 */
#include "session-image.h"

#include <string.h>

#include "session-message.h"

#define NOT_DATA_URL "initial_image.data_url must be a base64 data URL."
#define NOT_BASE64 "initial_image.data_url is not valid base64 data."

/* Splits "data:<mime>;base64,<data>"; the type to be freed, in lower case. */
static const gchar *
split_url (const gchar *url, gchar **mime)
{
  gsize size;

  if (!g_str_has_prefix (url, "data:"))
    return NULL;
  url += strlen ("data:");
  for (size = 0; url[size]; size++)
    if (!g_ascii_isalnum (url[size]) && !strchr ("-_.+/", url[size]))
      break;
  if (size == 0 || !g_str_has_prefix (url + size, ";base64,"))
    return NULL;
  *mime = g_ascii_strdown (url, (gssize)size);
  return url + size + strlen (";base64,");
}

static gboolean
mime_known (const gchar *mime)
{
  return strcmp (mime, "image/png") == 0 || strcmp (mime, "image/jpeg") == 0 ||
         strcmp (mime, "image/webp") == 0;
}

/* @data is of the string that @node holds. */
static GBytes *
part_of (JsonNode *node, const gchar *data)
{
  return g_bytes_new_with_free_func (data, strlen (data),
      (GDestroyNotify)json_node_unref, json_node_ref (node));
}

static const gchar *
read_url (JsonNode *node, const gchar *url, const gchar *said, GBytes **text)
{
  gchar *mime = NULL, *claim = g_ascii_strdown (said, -1);
  const gchar *data = split_url (url, &mime), *problem = NULL;

  if (!data)
    problem = NOT_DATA_URL;
  else if (*claim && strcmp (claim, mime) != 0)
    problem = "initial_image.mime_type must match the data URL mime type.";
  else if (!mime_known (mime))
    problem = "initial_image must be a PNG, JPEG, or WebP image.";
  else
    *text = part_of (node, data);
  g_free (claim);
  g_free (mime);
  return problem;
}

const gchar *
dvs_image_read (JsonNode *node, GBytes **text)
{
  const gchar *url, *problem;
  JsonNode *data_url;
  gchar *said;

  *text = NULL;
  if (!node || JSON_NODE_HOLDS_NULL (node))
    return NULL;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return "initial_image must be an object.";
  data_url = json_object_get_member (json_node_get_object (node), "data_url");
  if (!data_url || !dvs_node_truth (data_url))
    return NULL;
  if (json_node_get_value_type (data_url) != G_TYPE_STRING)
    return NOT_DATA_URL;
  /* Large: not copied. */
  url = json_node_get_string (data_url);
  while (g_ascii_isspace (*url))
    url++;
  if (!*url)
    return NULL;
  said = dvs_field_text (
      json_node_get_object (node), "mime_type", DVS_MAX_NAME_BYTES);
  problem = read_url (data_url, url, said, text);
  g_free (said);
  return problem;
}

/* ---- base64 ---- */

/* How many bytes @text stands for, white space in it or not; -1: it is no
 * base64. GLib overlooks much. */
static gssize
decoded_size (const gchar *text, gsize size)
{
  gsize digits = 0, padding = 0;

  for (gsize i = 0; i < size; i++) {
    if (g_ascii_isalnum (text[i]) || text[i] == '+' || text[i] == '/') {
      if (padding)
        return -1;
      digits++;
    } else if (text[i] == '=') {
      padding++;
    } else if (!g_ascii_isspace (text[i])) {
      return -1;
    }
  }
  if (padding > 2 || (digits + padding) % 4)
    return -1;
  return (gssize)((digits + padding) / 4 * 3 - padding);
}

const gchar *
dvs_image_decode (GBytes *text, GBytes **bytes)
{
  gint state = 0;
  guint save = 0;
  gsize size, got;
  const gchar *data = g_bytes_get_data (text, &size);
  gssize expected = decoded_size (data, size);
  guchar *decoded;

  *bytes = NULL;
  if (expected < 0)
    return NOT_BASE64;
  if (expected == 0)
    return "initial_image.data_url did not contain image bytes.";
  if (expected > DVS_MAX_IMAGE_BYTES)
    return "initial_image must be 15 MB or smaller.";
  /* What padding stands for is written first, then taken back. */
  decoded = g_malloc ((gsize)expected + 3);
  got = g_base64_decode_step (data, size, decoded, &state, &save);
  *bytes = g_bytes_new_take (decoded, got);
  return NULL;
}
