/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Block lists: see blocklist.h.
 */
#include "blocklist.h"

#include <gio/gio.h>
#include <string.h>

#define MAX_FILE_BYTES (8 * 1024 * 1024)
#define MAX_WORDS 32 /* of an entry */
/* Of entries above any heading. */
#define USUAL_CATEGORY "not allowed here"

struct DvsBlockList {
  GHashTable *entries;   /* folded words with spaces between: a category */
  GPtrArray *categories; /* their names */
  guint longest;         /* entry, in words */
  gboolean has_length[MAX_WORDS + 1];
};

/* Scripts without spaces between words. */
static gboolean
is_unspaced (gunichar c)
{
  switch (g_unichar_get_script (c)) {
    case G_UNICODE_SCRIPT_HAN:
    case G_UNICODE_SCRIPT_HIRAGANA:
    case G_UNICODE_SCRIPT_KATAKANA:
    case G_UNICODE_SCRIPT_THAI:
    case G_UNICODE_SCRIPT_LAO:
    case G_UNICODE_SCRIPT_KHMER:
    case G_UNICODE_SCRIPT_MYANMAR:
      return TRUE;
    default:
      return FALSE;
  }
}

/* Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic. */
static gboolean
is_accent (gunichar c)
{
  return (c >= 0x300 && c <= 0x36f) || (c >= 0x591 && c <= 0x5c7) ||
         (c >= 0x64b && c <= 0x65f);
}

/* The words of @text, folded. */
static GPtrArray *
fold (const gchar *text)
{
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);
  gchar *apart = g_utf8_normalize (text, -1, G_NORMALIZE_ALL);
  gchar *folded = g_utf8_casefold (apart ? apart : "", -1);
  GString *word = g_string_new (NULL);

  for (const gchar *p = folded; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    gboolean alone = is_unspaced (c) && !g_unichar_ismark (c);

    if (is_accent (c) || g_unichar_type (c) == G_UNICODE_FORMAT)
      continue;
    if (word->len > 0 &&
        (alone || !(g_unichar_isalnum (c) || g_unichar_ismark (c)))) {
      g_ptr_array_add (words, g_strndup (word->str, word->len));
      g_string_truncate (word, 0);
    }
    if (!g_unichar_isalnum (c) && !g_unichar_ismark (c))
      continue;
    g_string_append_unichar (word, c);
    if (alone) {
      g_ptr_array_add (words, g_strndup (word->str, word->len));
      g_string_truncate (word, 0);
    }
  }
  if (word->len > 0)
    g_ptr_array_add (words, g_strndup (word->str, word->len));
  g_string_free (word, TRUE);
  g_free (folded);
  g_free (apart);
  return words;
}

static void
append_word (GString *phrase, const gchar *word)
{
  if (phrase->len > 0)
    g_string_append_c (phrase, ' ');
  g_string_append (phrase, word);
}

static const gchar *
add_category (DvsBlockList *list, const gchar *name)
{
  gchar *own = g_strstrip (g_strdup (name));

  if (!own[0]) {
    g_free (own);
    own = g_strdup (USUAL_CATEGORY);
  }
  g_ptr_array_add (list->categories, own);
  return own;
}

/* FALSE: the line is too long to be looked for. */
static gboolean
read_line (DvsBlockList *list, gchar *line, const gchar **category)
{
  gchar *comment = strchr (line, '#');
  GPtrArray *words;
  gboolean ok;
  gsize n;

  if (comment)
    *comment = '\0';
  g_strstrip (line);
  n = strlen (line);
  if (n > 1 && line[0] == '[' && line[n - 1] == ']') {
    line[n - 1] = '\0';
    *category = add_category (list, line + 1);
    return TRUE;
  }
  words = fold (line);
  ok = words->len <= MAX_WORDS;
  if (ok && words->len > 0) {
    GString *entry = g_string_new (NULL);

    for (guint i = 0; i < words->len; i++)
      append_word (entry, words->pdata[i]);
    list->longest = MAX (list->longest, words->len);
    list->has_length[words->len] = TRUE;
    g_hash_table_insert (
        list->entries, g_string_free (entry, FALSE), (gpointer)*category);
  }
  g_ptr_array_unref (words);
  return ok;
}

DvsBlockList *
dvs_block_list_load (const gchar *path, GError **error)
{
  DvsBlockList *list;
  const gchar *category;
  gchar *text, **lines, *from;
  GError *why = NULL;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, &why)) {
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_FAILED, "block list: %s", why->message);
    g_error_free (why);
    return NULL;
  }
  if (size > MAX_FILE_BYTES || !g_utf8_validate_len (text, size, NULL)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "block list %s: it must be UTF-8 text of %d MiB at most", path,
        MAX_FILE_BYTES / (1024 * 1024));
    g_free (text);
    return NULL;
  }
  list = g_new0 (DvsBlockList, 1);
  list->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  list->categories = g_ptr_array_new_with_free_func (g_free);
  category = add_category (list, "");
  from = g_str_has_prefix (text, "\xef\xbb\xbf") ? text + 3 : text;
  lines = g_strsplit (from, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (!read_line (list, lines[i], &category)) {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
          "block list %s: line %u has more than %d words", path, i + 1,
          MAX_WORDS);
      g_clear_pointer (&list, dvs_block_list_free);
      break;
    }
  g_strfreev (lines);
  g_free (text);
  return list;
}

void
dvs_block_list_free (DvsBlockList *list)
{
  g_hash_table_unref (list->entries);
  g_ptr_array_unref (list->categories);
  g_free (list);
}

guint
dvs_block_list_size (const DvsBlockList *list)
{
  return g_hash_table_size (list->entries);
}

const gchar *
dvs_block_list_find (const DvsBlockList *list, const gchar *text)
{
  GPtrArray *words = fold (text);
  GString *part = g_string_new (NULL);
  const gchar *category = NULL;

  for (guint i = 0; i < words->len && !category; i++) {
    guint n = 0;

    g_string_truncate (part, 0);
    while (n < list->longest && i + n < words->len && !category) {
      append_word (part, words->pdata[i + n++]);
      if (list->has_length[n])
        category = g_hash_table_lookup (list->entries, part->str);
    }
  }
  g_string_free (part, TRUE);
  g_ptr_array_unref (words);
  return category;
}
