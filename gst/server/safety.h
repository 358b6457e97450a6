/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether prompts may be shown: a block list, then a classifier that is asked
 * over HTTP. docs/prompts.md has the classifier's request and answer.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_SAFETY_H
#define DVS_SAFETY_H

#include "prompts.h"

typedef struct DvsSafety DvsSafety;

DvsSafety *dvs_safety_new (const DvsSettings *settings, GError **error);
DvsSafety *dvs_safety_ref (DvsSafety *safety);
void dvs_safety_unref (DvsSafety *safety);

gboolean dvs_safety_checks (const DvsSafety *safety);
/* A line for people. */
gchar *dvs_safety_describe (const DvsSafety *safety);

/* As dvs_prompts_check(). */
void dvs_safety_check (DvsSafety *safety, const gchar *const *texts,
    GCancellable *cancellable, DvsSafetyFunc done, gpointer user);
/* Nothing is answered any more. */
void dvs_safety_close (DvsSafety *safety);

#endif
