/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the server was told, in words: --help, --check and the example file.
 *
 * Threads: the main thread alone.
 */
#include "settings-keys.h"

#include <string.h>

#define FIELD(settings, key, type)                                             \
  ((type *)(gpointer)((gchar *)(gpointer)(settings) + (key)->offset))
#define COLUMN 34

gchar *
dvs_key_allowed (const DvsKey *key)
{
  switch (key->type) {
    case DVS_KEY_UINT:
      return g_strdup_printf ("a number from %.0f to %.0f", key->min, key->max);
    case DVS_KEY_UINT64:
      return g_strdup ("a number from 0 to 18446744073709551615");
    case DVS_KEY_SIZE:
      return g_strdup_printf (
          "bytes from %.0f to %.0f, or with K, M or G", key->min, key->max);
    case DVS_KEY_DOUBLE:
      return g_strdup_printf (
          "a decimal number from %.0f to %.0f", key->min, key->max);
    case DVS_KEY_BOOLEAN:
      return g_strdup ("true or false");
    case DVS_KEY_RATE:
      return g_strdup_printf ("a number or a fraction from %.0f to %.0f, "
                              "24000/1001",
          key->min, key->max);
    default:
      return g_strdup ("text");
  }
}

static gchar *
size_text (guint64 size)
{
  static const gchar units[] = "KMG";
  guint unit = 0;

  while (size && size % 1024 == 0 && unit < 3) {
    size /= 1024;
    unit++;
  }
  return unit ? g_strdup_printf (
                    "%" G_GUINT64_FORMAT "%c", size, units[unit - 1])
              : g_strdup_printf ("%" G_GUINT64_FORMAT, size);
}

gchar *
dvs_key_value (const DvsKey *key, const DvsSettings *settings)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];
  const guint *rate;

  switch (key->type) {
    case DVS_KEY_LIST:
      return *FIELD (settings, key, gchar **)
                 ? g_strjoinv (";", *FIELD (settings, key, gchar **))
                 : NULL;
    case DVS_KEY_UINT:
      return g_strdup_printf ("%u", *FIELD (settings, key, guint));
    case DVS_KEY_UINT64:
      return g_strdup_printf (
          "%" G_GUINT64_FORMAT, *FIELD (settings, key, guint64));
    case DVS_KEY_SIZE:
      return size_text (*FIELD (settings, key, guint64));
    case DVS_KEY_DOUBLE:
      g_ascii_formatd (
          number, sizeof number, "%g", *FIELD (settings, key, gdouble));
      return g_strdup (number);
    case DVS_KEY_BOOLEAN:
      return g_strdup (*FIELD (settings, key, gboolean) ? "true" : "false");
    case DVS_KEY_RATE:
      rate = FIELD (settings, key, guint);
      return rate[1] == 1 ? g_strdup_printf ("%u", rate[0])
                          : g_strdup_printf ("%u/%u", rate[0], rate[1]);
    default:
      return g_strdup (*FIELD (settings, key, gchar *));
  }
}

static const gchar *
placeholder (const DvsKey *key)
{
  switch (key->type) {
    case DVS_KEY_FILE:
      return " FILE";
    case DVS_KEY_DIRECTORY:
      return " DIRECTORY";
    case DVS_KEY_BOOLEAN:
      return "";
    case DVS_KEY_SIZE:
      return " BYTES";
    case DVS_KEY_STRING:
      return " TEXT";
    case DVS_KEY_LIST:
      return " ITEM";
    default:
      return " N";
  }
}

gchar *
dvs_settings_help (void)
{
  GString *text = g_string_new (NULL);
  const gchar *group = "";
  guint i;

  for (i = 0; i < dvs_n_keys; i++) {
    const DvsKey *key = &dvs_keys[i];
    gchar *flag = g_strdup_printf ("  --%s%s", key->name, placeholder (key));

    if (!g_str_equal (group, key->group))
      g_string_append_printf (text, "\n[%s]\n", key->group);
    group = key->group;
    g_strdelimit (flag, "_", '-');
    if (strlen (flag) < COLUMN)
      g_string_append_printf (text, "%-*s%s", COLUMN, flag, key->help);
    else
      g_string_append_printf (text, "%s\n%*s%s", flag, COLUMN, "", key->help);
    if (key->initial)
      g_string_append_printf (text, " (%s)", key->initial);
    g_string_append_c (text, '\n');
    g_free (flag);
  }
  return g_string_free (text, FALSE);
}

gchar *
dvs_settings_text (const DvsSettings *settings, gboolean explained)
{
  GString *text = g_string_new (NULL);
  const gchar *group = "";
  guint i;

  for (i = 0; i < dvs_n_keys; i++) {
    const DvsKey *key = &dvs_keys[i];
    gchar *value = dvs_key_value (key, settings);

    if (!g_str_equal (group, key->group))
      g_string_append_printf (text, "%s[%s]\n", *group ? "\n" : "", key->group);
    group = key->group;
    if (explained)
      g_string_append_printf (text, "# %s%s\n#%s=%s\n", key->help,
          key->reloads ? " (SIGHUP)" : "", key->name, value ? value : "");
    else if (value)
      g_string_append_printf (text, "%s=%s\n", key->name,
          g_str_equal (key->name, "token") ? "(secret)" : value);
    g_free (value);
  }
  return g_string_free (text, FALSE);
}
