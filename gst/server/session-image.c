/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The start image of an init: see session-image.h.
 */
#include "session-image.h"

#include <string.h>

#include "session-message.h"

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

/* Base64 without the white space in it, to be freed; NULL: something else is
 * in it. */
static gchar *
squeeze (const gchar *data, gsize *size)
{
  gchar *squeezed = g_malloc (strlen (data) + 1);

  for (*size = 0; *data; data++) {
    if (g_ascii_isspace (*data))
      continue;
    if (!g_ascii_isalnum (*data) && !strchr ("+/=", *data)) {
      g_free (squeezed);
      return NULL;
    }
    squeezed[(*size)++] = *data;
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

const gchar *
dvs_image_read (JsonNode *node, GBytes **bytes)
{
  const gchar *data, *problem = NULL;
  gchar *url, *mime = NULL, *said, *claim;

  *bytes = NULL;
  if (!node || JSON_NODE_HOLDS_NULL (node))
    return NULL;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return "initial_image must be an object.";
  url = dvs_field_text (json_node_get_object (node), "data_url", G_MAXSIZE);
  said = dvs_field_text (
      json_node_get_object (node), "mime_type", DVS_MAX_NAME_BYTES);
  claim = g_ascii_strdown (said, -1);
  data = *url ? split_url (url, &mime) : NULL;
  if (*url && !data)
    problem = "initial_image.data_url must be a base64 data URL.";
  else if (data && *claim && strcmp (claim, mime) != 0)
    problem = "initial_image.mime_type must match the data URL mime type.";
  else if (data && !mime_known (mime))
    problem = "initial_image must be a PNG, JPEG, or WebP image.";
  else if (data)
    problem = decode (data, bytes);
  g_free (claim);
  g_free (said);
  g_free (mime);
  g_free (url);
  return problem;
}
