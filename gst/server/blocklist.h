/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A block list: words and phrases, one a line, that a prompt must not have.
 *
 * `#` begins a comment, `[nsfw]`, `[hate speech]` or any other name in brackets
 * a category. Case, accents and what stands between words make no difference; a
 * word is found as a whole only. In scripts that put no spaces between words
 * each character counts as one.
 *
 * Threads: no shared state.
 */
#ifndef DVS_BLOCKLIST_H
#define DVS_BLOCKLIST_H

#include <glib.h>

typedef struct DvsBlockList DvsBlockList;

/* NULL: it cannot be read, or is no UTF-8; @error is a sentence. */
DvsBlockList *dvs_block_list_load (const gchar *path, GError **error);
void dvs_block_list_free (DvsBlockList *list);
guint dvs_block_list_size (const DvsBlockList *list);

/* The category of the first entry that @text (UTF-8) has; NULL: none. */
const gchar *dvs_block_list_find (const DvsBlockList *list, const gchar *text);

#endif
