/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON objects as text: see json-text.h.
 */
#include "json-text.h"

#include <math.h>
#include <string.h>

static void
append_quoted (GString *text, const gchar *value)
{
  gchar *valid = NULL;

  if (!g_utf8_validate (value, -1, NULL))
    value = valid = g_utf8_make_valid (value, -1);
  g_string_append_c (text, '"');
  for (; *value; value++) {
    switch (*value) {
      case '"':
      case '\\':
        g_string_append_c (text, '\\');
        g_string_append_c (text, *value);
        break;
      case '\n':
        g_string_append (text, "\\n");
        break;
      default:
        if ((guchar)*value < 0x20)
          g_string_append_printf (text, "\\u%04x", (guint)*value);
        else
          g_string_append_c (text, *value);
    }
  }
  g_string_append_c (text, '"');
  g_free (valid);
}

static void
begin_member (GString *text, const gchar *name)
{
  if (text->str[text->len - 1] != '{')
    g_string_append_c (text, ',');
  append_quoted (text, name);
  g_string_append_c (text, ':');
}

GString *
dvs_text_begin (const gchar *type)
{
  GString *text = g_string_new ("{");

  dvs_text_string (text, "type", type);
  return text;
}

void
dvs_text_string (GString *text, const gchar *name, const gchar *value)
{
  begin_member (text, name);
  if (value)
    append_quoted (text, value);
  else
    g_string_append (text, "null");
}

void
dvs_text_int (GString *text, const gchar *name, gint64 value)
{
  begin_member (text, name);
  g_string_append_printf (text, "%" G_GINT64_FORMAT, value);
}

void
dvs_text_double (GString *text, const gchar *name, gdouble value)
{
  gchar digits[G_ASCII_DTOSTR_BUF_SIZE + 330];
  gsize size;

  begin_member (text, name);
  g_ascii_formatd (digits, sizeof digits, "%.2f", isfinite (value) ? value : 0);
  size = strlen (digits);
  /* 300.0 rather than 300.00. */
  if (digits[size - 1] == '0')
    size--;
  g_string_append_len (text, digits, (gssize)size);
}

void
dvs_text_bool (GString *text, const gchar *name, gboolean value)
{
  begin_member (text, name);
  g_string_append (text, value ? "true" : "false");
}

void
dvs_text_null (GString *text, const gchar *name)
{
  begin_member (text, name);
  g_string_append (text, "null");
}

void
dvs_text_strings (GString *text, const gchar *name, const gchar *const *values)
{
  begin_member (text, name);
  g_string_append_c (text, '[');
  for (guint i = 0; values && values[i]; i++) {
    if (i)
      g_string_append_c (text, ',');
    append_quoted (text, values[i]);
  }
  g_string_append_c (text, ']');
}

void
dvs_text_open (GString *text, const gchar *name)
{
  begin_member (text, name);
  g_string_append_c (text, '{');
}

void
dvs_text_close (GString *text)
{
  g_string_append_c (text, '}');
}

gchar *
dvs_text_end (GString *text)
{
  g_string_append_c (text, '}');
  return g_string_free (text, FALSE);
}
