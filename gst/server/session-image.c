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
is_base64 (gchar c)
{
  return g_ascii_isalnum (c) || c == '+' || c == '/' || c == '=';
}

/* Base64 without the white space in it, to be freed; NULL: something else is
 * in it. */
static gchar *
squeeze (const gchar *data, gsize *size)
{
  gchar *squeezed = g_malloc (strlen (data) + 1);

  for (*size = 0; *data; data++) {
    if (is_base64 (*data)) {
      squeezed[(*size)++] = *data;
    } else if (!g_ascii_isspace (*data)) {
      g_free (squeezed);
      return NULL;
    }
  }
  squeezed[*size] = '\0';
  return squeezed;
}

/* Whether GLib, which overlooks much, decodes all of it. */
static gboolean
well_formed (const gchar *data, gsize size)
{
  const gchar *padding = strchr (data, '=');

  if (size % 4)
    return FALSE;
  return !padding || (padding >= data + size - 2 &&
                         (padding[1] == '\0' || padding[1] == '='));
}

static const gchar *
decode (const gchar *data, GBytes **bytes)
{
  const gchar *problem = NULL;
  gsize size;
  gchar *squeezed = squeeze (data, &size);
  guchar *decoded;

  if (!squeezed)
    return NOT_BASE64;
  if (!well_formed (squeezed, size)) {
    problem = NOT_BASE64;
  } else if (size == 0) {
    problem = "initial_image.data_url did not contain image bytes.";
  } else {
    decoded = g_base64_decode_inplace (squeezed, &size);
    if (size > DVS_MAX_IMAGE_BYTES) {
      problem = "initial_image must be 15 MB or smaller.";
    } else {
      *bytes = g_bytes_new_take (decoded, size);
      squeezed = NULL;
    }
  }
  g_free (squeezed);
  return problem;
}

static gboolean
mime_known (const gchar *mime)
{
  return strcmp (mime, "image/png") == 0 || strcmp (mime, "image/jpeg") == 0 ||
         strcmp (mime, "image/webp") == 0;
}

static const gchar *
read_url (const gchar *url, const gchar *said, GBytes **bytes)
{
  gchar *mime = NULL, *claim = g_ascii_strdown (said, -1);
  const gchar *data = split_url (url, &mime), *problem;

  if (!data)
    problem = NOT_DATA_URL;
  else if (*claim && strcmp (claim, mime) != 0)
    problem = "initial_image.mime_type must match the data URL mime type.";
  else if (!mime_known (mime))
    problem = "initial_image must be a PNG, JPEG, or WebP image.";
  else
    problem = decode (data, bytes);
  g_free (claim);
  g_free (mime);
  return problem;
}

const gchar *
dvs_image_read (JsonNode *node, GBytes **bytes)
{
  const gchar *url, *problem;
  JsonNode *data_url;
  gchar *said;

  *bytes = NULL;
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
  problem = read_url (url, said, bytes);
  g_free (said);
  return problem;
}
