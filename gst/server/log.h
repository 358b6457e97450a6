/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The session log: a file of JSON lines, one an event, with "ts", "event",
 * "hostname" and "client_id"; rotated by size.  A line that cannot be written
 * (a full disk) is lost and counted; the server goes on.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_LOG_H
#define DVS_LOG_H

#include <json-glib/json-glib.h>

#include "metrics.h"
#include "settings.h"

typedef struct DvsLog DvsLog;

/* Both must outlive the log. Of @settings the file may change: it is opened
 * anew by dvs_log_reopen(), the rest counts at once. */
DvsLog *dvs_log_new (const DvsSettings *settings, DvsMetrics *metrics);
void dvs_log_free (DvsLog *log);
/* After somebody else moved the file away, or the settings changed. */
void dvs_log_reopen (DvsLog *log);
/* Takes @fields (NULL: none); @client_id may be NULL. */
void dvs_log_event (DvsLog *log, const gchar *event, const gchar *client_id,
    JsonObject *fields);

#endif
