/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * --check: would a server with these settings run here?  Looks at elements and
 * encoders, devices, drivers and memory, the port; starts nothing.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_PREFLIGHT_H
#define DVS_PREFLIGHT_H

#include "settings.h"

/* Prints what would run and what was found. FALSE: it would not run. */
gboolean dvs_preflight (const DvsSettings *settings);
/* "all" or "0,2": "cuda:0", "cuda:2". NULL: there is no such GPU; to be
 * freed. */
gchar **dvs_gpus (const gchar *which, GError **error);

#endif
