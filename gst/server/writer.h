/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The writer that is built in: prompts without a language model. From the same
 * texts come the same prompts. The subject is kept in the user's words, in
 * whatever language; the sentences around it are English, and each prompt is a
 * shot of five seconds that follows the one before.
 *
 * Threads: no shared state.
 */
#ifndef DVS_WRITER_H
#define DVS_WRITER_H

#include <glib.h>

#define DVS_WRITER_SEGMENTS 6

/* All texts are UTF-8; what is returned has DVS_PROMPT_MAX bytes at most. */

/* Six prompts; @label: a title. */
gchar **dvs_writer_rollout (const gchar *text, gchar **label);
/* As many as @prompts has, changed as @instruction asks. */
gchar **dvs_writer_edit (const gchar *instruction, const gchar *const *prompts);
/* What follows @locked, which has one prompt at least. */
gchar *dvs_writer_extend (const gchar *const *locked);
/* What @text means after @locked (NULL or empty: nothing was shown), as segment
 * @next_index, 1-based. */
gchar *dvs_writer_enhance (
    const gchar *text, const gchar *const *locked, guint next_index);

#endif
