/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Paths into a JSON text. Each look-up reads from the start: cases are small.
 */
#include "json-path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ltx2/json.h"
#include "ltx2/text-file.h"

#define MAX_TEXT (1 << 20)

char *
json_text (Golden *golden, const char *name)
{
  const char *path = golden_path (golden, name);
  char *text = NULL;
  size_t size;
  DvError error = {0};

  if (!path ||
      dv_text_file_read (path, MAX_TEXT, &text, &size, &error) != DV_OK)
    golden_fail (golden, "%s: %s", name, error.detail);
  return text;
}

/* Goes to element @i of an array. */
static bool
go_to_element (DvJson *json, long i)
{
  DvJsonString key;

  if (!dv_json_enter (json, DV_JSON_ARRAY))
    return false;
  for (long n = 0; dv_json_more (json, &key); n++) {
    if (n == i)
      return true;
    if (!dv_json_skip (json))
      return false;
  }
  return false;
}

/* Goes to the member of that name. */
static bool
go_to_member (DvJson *json, const char *name, size_t length)
{
  char wanted[64];
  DvJsonString key;

  snprintf (wanted, sizeof wanted, "%.*s", (int)length, name);
  if (!dv_json_enter (json, DV_JSON_OBJECT))
    return false;
  while (dv_json_more (json, &key)) {
    if (dv_json_equals (key, wanted))
      return true;
    if (!dv_json_skip (json))
      return false;
  }
  return false;
}

static bool
go_to (DvJson *json, const char *text, const char *path)
{
  dv_json_init (json, text, strlen (text));
  while (*path) {
    if (*path == '[') {
      char *end;

      if (!go_to_element (json, strtol (path + 1, &end, 10)))
        return false;
      path = end + 1;
    } else {
      size_t length = strcspn (path, ".[");

      if (!go_to_member (json, path, length))
        return false;
      path += length;
    }
    if (*path == '.')
      path++;
  }
  return true;
}

bool
json_number (const char *text, double *value, const char *path, ...)
{
  DvJson json;
  char full[128];
  va_list args;

  va_start (args, path);
  vsnprintf (full, sizeof full, path, args);
  va_end (args);
  if (!go_to (&json, text, full) || dv_json_peek (&json) != DV_JSON_NUMBER)
    return false;
  *value = strtod (json.text + json.at, NULL);
  return true;
}

bool
json_word (const char *text, char *value, size_t size, const char *path, ...)
{
  DvJson json;
  DvJsonString found;
  char full[128];
  va_list args;

  va_start (args, path);
  vsnprintf (full, sizeof full, path, args);
  va_end (args);
  if (!go_to (&json, text, full) || dv_json_peek (&json) != DV_JSON_STRING ||
      !dv_json_string (&json, &found) || found.size >= size)
    return false;
  dv_json_unescape (found, value);
  return true;
}

bool
json_key (const char *text, int i, char *key, size_t size)
{
  DvJson json;
  DvJsonString found;

  dv_json_init (&json, text, strlen (text));
  if (!dv_json_enter (&json, DV_JSON_OBJECT))
    return false;
  for (int n = 0; dv_json_more (&json, &found); n++) {
    if (n == i && found.size < size) {
      dv_json_unescape (found, key);
      return true;
    }
    if (!dv_json_skip (&json))
      return false;
  }
  return false;
}
