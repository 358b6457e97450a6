/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Paths into a JSON text.
 */
#include "json-path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ltx2/text-file.h"

#define MAX_TEXT (1 << 20)

cJSON *
json_read (Golden *golden, const char *name)
{
  const char *path = golden_path (golden, name);
  char *text = NULL;
  size_t size;
  DvError error = {0};
  cJSON *root;

  if (!path ||
      dv_text_file_read (path, MAX_TEXT, &text, &size, &error) != DV_OK) {
    golden_fail (golden, "%s: %s", name, error.detail);
    return NULL;
  }
  root = cJSON_Parse (text);
  if (!root)
    golden_fail (golden, "%s is no JSON", name);
  free (text);
  return root;
}

static const cJSON *
find (const cJSON *at, const char *path)
{
  while (at && *path) {
    if (*path == '[') {
      char *end;

      at = cJSON_GetArrayItem (at, (int)strtol (path + 1, &end, 10));
      path = *end == ']' ? end + 1 : end;
    } else {
      size_t length = strcspn (path, ".[");
      char name[64];

      snprintf (name, sizeof name, "%.*s", (int)length, path);
      at = cJSON_GetObjectItemCaseSensitive (at, name);
      path += length;
    }
    if (*path == '.')
      path++;
  }
  return at;
}

bool
json_number (const cJSON *root, double *value, const char *path, ...)
{
  const cJSON *found;
  char full[128];
  va_list args;

  va_start (args, path);
  vsnprintf (full, sizeof full, path, args);
  va_end (args);
  found = find (root, full);
  if (!cJSON_IsNumber (found))
    return false;
  *value = cJSON_GetNumberValue (found);
  return true;
}

const char *
json_word (const cJSON *root, const char *path, ...)
{
  char full[128];
  va_list args;

  va_start (args, path);
  vsnprintf (full, sizeof full, path, args);
  va_end (args);
  return cJSON_GetStringValue (find (root, full));
}
