/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading and checking what the server is told: see settings.h.
 *
 * Threads: the main thread alone.
 */
#include "settings-keys.h"

#include <errno.h>
#include <gio/gio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define FIELD(settings, key, type)                                             \
  ((type *)(gpointer)((gchar *)(settings) + (key)->offset))

static const DvsKey *
find_key (const gchar *name)
{
  guint i;

  for (i = 0; i < dvs_n_keys; i++)
    if (g_str_equal (dvs_keys[i].name, name))
      return &dvs_keys[i];
  return NULL;
}

static gboolean
is_string (const DvsKey *key)
{
  return key->type == DVS_KEY_STRING || key->type == DVS_KEY_FILE ||
         key->type == DVS_KEY_DIRECTORY;
}

static void
clear_field (DvsSettings *settings, const DvsKey *key)
{
  if (is_string (key))
    g_clear_pointer (FIELD (settings, key, gchar *), g_free);
  else if (key->type == DVS_KEY_LIST)
    g_clear_pointer (FIELD (settings, key, gchar **), g_strfreev);
}

/* ---- one value ---- */

/* Of "16M" 16777216. */
static gboolean
parse_size (const gchar *value, guint64 *size)
{
  gchar *end;

  if (!g_ascii_isdigit (*value))
    return FALSE;
  errno = 0;
  *size = g_ascii_strtoull (value, &end, 10);
  if (errno)
    return FALSE;
  if (*end) {
    static const gchar units[] = "KMG";
    const gchar *unit = strchr (units, g_ascii_toupper (*end));
    guint shift = unit ? 10 * (guint)(unit - units + 1) : 0;
    if (!unit || end[1] || *size > G_MAXUINT64 >> shift)
      return FALSE;
    *size <<= shift;
  }
  return TRUE;
}

static gboolean
parse_number (const gchar *value, guint64 *number)
{
  return g_ascii_isdigit (*value) &&
         g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT64, number, NULL);
}

static gboolean
parse_boolean (const gchar *value, gboolean *on)
{
  static const gchar *const yes[] = {"true", "yes", "on", "1"};
  static const gchar *const no[] = {"false", "no", "off", "0"};
  guint i;

  for (i = 0; i < G_N_ELEMENTS (yes); i++) {
    *on = g_ascii_strcasecmp (value, yes[i]) == 0;
    if (*on || g_ascii_strcasecmp (value, no[i]) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean
parse_rate (const DvsKey *key, const gchar *value, guint *rate)
{
  gchar **parts = g_strsplit (value, "/", 2);
  guint64 n, d = 1;
  gboolean good;

  good = parts[0] && parse_number (parts[0], &n) &&
         (!parts[1] || parse_number (parts[1], &d)) && n <= 1000000 && d >= 1 &&
         d <= 1000000 && (gdouble)n / d >= key->min &&
         (gdouble)n / d <= key->max;
  if (good) {
    rate[0] = (guint)n;
    rate[1] = (guint)d;
  }
  g_strfreev (parts);
  return good;
}

static gboolean
within (const DvsKey *key, gdouble value)
{
  return key->max <= 0 || (value >= key->min && value <= key->max);
}

/* FALSE: it is not allowed, and nothing has changed. */
static gboolean
set_number (DvsSettings *settings, const DvsKey *key, const gchar *value)
{
  guint64 number;
  gdouble real;
  gchar *end;

  switch (key->type) {
    case DVS_KEY_UINT:
      if (!parse_number (value, &number) || !within (key, (gdouble)number))
        return FALSE;
      *FIELD (settings, key, guint) = (guint)number;
      return TRUE;
    case DVS_KEY_UINT64:
      return parse_number (value, FIELD (settings, key, guint64));
    case DVS_KEY_SIZE:
      if (!parse_size (value, &number) || !within (key, (gdouble)number))
        return FALSE;
      *FIELD (settings, key, guint64) = number;
      return TRUE;
    case DVS_KEY_DOUBLE:
      real = g_ascii_strtod (value, &end);
      if (end == value || *end || !isfinite (real) || !within (key, real))
        return FALSE;
      *FIELD (settings, key, gdouble) = real;
      return TRUE;
    case DVS_KEY_BOOLEAN:
      return parse_boolean (value, FIELD (settings, key, gboolean));
    default:
      return parse_rate (key, value, FIELD (settings, key, guint));
  }
}

static void
append_item (gchar ***list, const gchar *value)
{
  guint n = *list ? g_strv_length (*list) : 0;

  *list = g_renew (gchar *, *list, n + 2);
  (*list)[n] = g_strdup (value);
  (*list)[n + 1] = NULL;
}

static gboolean
set_key (DvsSettings *settings, const DvsKey *key, const gchar *value,
    const gchar *source, GError **error)
{
  gchar *allowed;

  if (is_string (key)) {
    clear_field (settings, key);
    if (*value)
      *FIELD (settings, key, gchar *) = g_strdup (value);
    return TRUE;
  }
  if (key->type == DVS_KEY_LIST) {
    append_item (FIELD (settings, key, gchar **), value);
    return TRUE;
  }
  if (set_number (settings, key, value))
    return TRUE;
  allowed = dvs_key_allowed (key);
  g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
      "%s: %s wants %s, not '%s'.", source, key->name, allowed, value);
  g_free (allowed);
  return FALSE;
}

gboolean
dvs_settings_set (DvsSettings *settings, const gchar *name, const gchar *value,
    const gchar *source, GError **error)
{
  const DvsKey *key = find_key (name);

  if (key == NULL) {
    g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
        "%s: there is no such key; --help lists all.", source);
    return FALSE;
  }
  if (!g_utf8_validate (value, -1, NULL)) {
    g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
        "%s: %s is not UTF-8.", source, name);
    return FALSE;
  }
  return set_key (settings, key, value, source, error);
}

void
dvs_settings_empty (DvsSettings *settings, const gchar *name)
{
  const DvsKey *key = find_key (name);

  if (key && key->type == DVS_KEY_LIST)
    clear_field (settings, key);
}

gboolean
dvs_settings_is_switch (const gchar *name)
{
  const DvsKey *key = find_key (name);

  return key && key->type == DVS_KEY_BOOLEAN;
}

/* ---- all of them ---- */

DvsSettings *
dvs_settings_new (void)
{
  DvsSettings *settings = g_new0 (DvsSettings, 1);
  guint i;

  for (i = 0; i < dvs_n_keys; i++)
    if (dvs_keys[i].initial)
      set_key (settings, &dvs_keys[i], dvs_keys[i].initial, "default", NULL);
  return settings;
}

void
dvs_settings_free (DvsSettings *settings)
{
  guint i;

  if (settings == NULL)
    return;
  for (i = 0; i < dvs_n_keys; i++)
    clear_field (settings, &dvs_keys[i]);
  g_free (settings);
}

/* The value of @key in the file; lists are read item by item. */
static gboolean
read_key (DvsSettings *settings, const DvsKey *key, GKeyFile *keys,
    const gchar *file, GError **error)
{
  gchar *source = g_strdup_printf ("%s: [%s]", file, key->group);
  GError *reason = NULL;
  gboolean good = FALSE;
  gchar **items = NULL, *value = NULL;
  guint i;

  if (key->type == DVS_KEY_LIST)
    items =
        g_key_file_get_string_list (keys, key->group, key->name, NULL, &reason);
  else
    value = g_key_file_get_string (keys, key->group, key->name, &reason);
  if (reason) {
    g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
        "%s %s: %s", source, key->name, reason->message);
    g_error_free (reason);
    goto done;
  }
  if (items)
    clear_field (settings, key);
  for (i = 0; items && items[i]; i++)
    append_item (FIELD (settings, key, gchar **), g_strstrip (items[i]));
  good = !value || set_key (settings, key, g_strstrip (value), source, error);
done:
  g_strfreev (items);
  g_free (value);
  g_free (source);
  return good;
}

static gboolean
read_group (DvsSettings *settings, GKeyFile *keys, const gchar *group,
    const gchar *file, GError **error)
{
  gchar **names = g_key_file_get_keys (keys, group, NULL, NULL);
  gboolean good = TRUE;
  guint i;

  for (i = 0; names && names[i] && good; i++) {
    const DvsKey *key = find_key (names[i]);
    if (key && g_str_equal (key->group, group)) {
      good = read_key (settings, key, keys, file, error);
      continue;
    }
    g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
        key ? "%s: '%s' does not belong into [%s] but into [%s]."
            : "%s: there is no key '%s' in [%s]; --help lists all.",
        file, names[i], group, key ? key->group : "");
    good = FALSE;
  }
  g_strfreev (names);
  return good;
}

gboolean
dvs_settings_read (DvsSettings *settings, const gchar *file, GError **error)
{
  static const gchar *const known[] = {
      "server", "slots", "sessions", "prompts", "logs", NULL};
  GKeyFile *keys = g_key_file_new ();
  gchar **groups = NULL;
  GError *reason = NULL;
  gboolean good;
  guint i;

  good = g_key_file_load_from_file (keys, file, G_KEY_FILE_NONE, &reason);
  if (!good) {
    g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE,
        "%s: cannot be read: %s", file, reason->message);
    g_error_free (reason);
    goto done;
  }
  groups = g_key_file_get_groups (keys, NULL);
  for (i = 0; groups[i] && good; i++) {
    good = g_strv_contains (known, groups[i]);
    if (!good)
      g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_GROUP_NOT_FOUND,
          "%s: there is no group [%s]: there are [server], [slots], "
          "[sessions], [prompts] and [logs].",
          file, groups[i]);
    else
      good = read_group (settings, keys, groups[i], file, error);
  }
done:
  g_strfreev (groups);
  g_key_file_free (keys);
  return good;
}

/* ---- checks ---- */

static gboolean
check_files (const DvsSettings *settings, GError **error)
{
  guint i;

  for (i = 0; i < dvs_n_keys; i++) {
    const DvsKey *key = &dvs_keys[i];
    const gchar *path;
    gboolean directory = key->type == DVS_KEY_DIRECTORY;

    if (key->type != DVS_KEY_FILE && !directory)
      continue;
    path = *FIELD (settings, key, gchar *);
    if (path == NULL)
      continue;
    if (access (path, R_OK) != 0) {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ACCES,
          "%s: '%s' cannot be read: %s.", key->name, path, g_strerror (errno));
      return FALSE;
    }
    if (g_file_test (path, G_FILE_TEST_IS_DIR) != directory) {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR,
          directory ? "%s: '%s' is not a directory."
                    : "%s: '%s' is a directory, a file is wanted.",
          key->name, path);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_addresses (const DvsSettings *settings, GError **error)
{
  guint i;

  for (i = 0; settings->trusted_proxies && settings->trusted_proxies[i]; i++) {
    if (g_hostname_is_ip_address (settings->trusted_proxies[i]))
      continue;
    g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
        "trusted_proxies wants IP addresses, not '%s'.",
        settings->trusted_proxies[i]);
    return FALSE;
  }
  return TRUE;
}

static const gchar *
combination (const DvsSettings *settings)
{
  if (!settings->tls_certificate != !settings->tls_key)
    return "tls_certificate and tls_key: give both or none.";
  if (settings->overlap >= settings->frames)
    return "overlap must be less than frames.";
  if (settings->width % 2 || settings->height % 2)
    return "width and height must be even.";
  if (settings->agent_port && settings->agent_port == settings->port)
    return "agent_port and port must differ.";
  return NULL;
}

gboolean
dvs_settings_check (const DvsSettings *settings, GError **error)
{
  const gchar *wrong = combination (settings);

  if (wrong) {
    g_set_error_literal (
        error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, wrong);
    return FALSE;
  }
  return check_files (settings, error) && check_addresses (settings, error);
}

const gchar *
dvs_settings_device (const DvsSettings *settings, guint slot)
{
  guint n = settings->devices ? g_strv_length (settings->devices) : 0;

  return n ? settings->devices[slot % n] : "auto";
}

/* ---- reload ---- */

/* Both have what the other had. */
static void
swap_field (DvsSettings *a, DvsSettings *b, const DvsKey *key)
{
  gsize size = sizeof (guint);
  guchar kept[2 * sizeof (gpointer)];

  if (is_string (key) || key->type == DVS_KEY_LIST)
    size = sizeof (gpointer);
  else if (key->type == DVS_KEY_SIZE || key->type == DVS_KEY_UINT64)
    size = sizeof (guint64);
  else if (key->type == DVS_KEY_DOUBLE)
    size = sizeof (gdouble);
  memcpy (kept, FIELD (a, key, guchar), size);
  memcpy (FIELD (a, key, guchar), FIELD (b, key, guchar), size);
  memcpy (FIELD (b, key, guchar), kept, size);
}

gchar *
dvs_settings_reload (DvsSettings *settings, DvsSettings *fresh)
{
  GString *ignored = g_string_new (NULL);
  guint i;

  for (i = 0; i < dvs_n_keys; i++) {
    const DvsKey *key = &dvs_keys[i];
    gchar *now, *then;

    if (key->reloads) {
      swap_field (settings, fresh, key);
      continue;
    }
    now = dvs_key_value (key, settings);
    then = dvs_key_value (key, fresh);
    if (g_strcmp0 (now, then) != 0)
      g_string_append_printf (
          ignored, "%s%s", ignored->len ? ", " : "", key->name);
    g_free (now);
    g_free (then);
  }
  return g_string_free (ignored, ignored->len == 0);
}
