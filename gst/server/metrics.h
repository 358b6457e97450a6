/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Figures of the server, in Prometheus' text format.  A metric is named by its
 * family or, where the family has a label, by "family:value".
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_METRICS_H
#define DVS_METRICS_H

#include <glib.h>

/* Counters: the value is added. */
#define DVS_COUNT_CONNECTIONS "connections_total"
#define DVS_COUNT_REFUSED "connections_refused_total"     /* :reason */
#define DVS_COUNT_REQUESTS "http_requests_total"          /* :status */
#define DVS_COUNT_SESSIONS "sessions_total"               /* got a slot */
#define DVS_COUNT_SESSION_ENDS "sessions_ended_total"     /* :reason */
#define DVS_COUNT_PROJECTS "projects_total"               /* begun */
#define DVS_COUNT_STREAMS "streams_completed_total"       /* told complete */
#define DVS_COUNT_SEGMENTS "segments_total"               /* relayed whole */
#define DVS_COUNT_ABORTED "segments_aborted_total"        /* cancelled */
#define DVS_COUNT_ERRORS "session_errors_total"           /* fatal ones */
#define DVS_COUNT_BLOCKED "prompts_blocked_total"         /* by safety */
#define DVS_COUNT_PROMPTS "prompt_answers_total"          /* :call, good ones */
#define DVS_COUNT_PROMPT_FAILURES "prompt_failures_total" /* :call */
#define DVS_COUNT_RESTARTS "worker_restarts_total"        /* :slot */
#define DVS_COUNT_MEDIA_BYTES "media_bytes_total"         /* to clients */
#define DVS_COUNT_SENT_BYTES "sent_bytes_total"           /* on WebSockets */
#define DVS_COUNT_RECEIVED_BYTES "received_bytes_total"
#define DVS_COUNT_DROPS "clients_dropped_total"     /* :reason */
#define DVS_COUNT_LOG_LOST "session_log_lost_total" /* lines */

/* Histograms: the value is observed, in seconds. */
#define DVS_TIME_QUEUE "queue_wait_seconds"
/* Of a stream, from its init or reset. */
#define DVS_TIME_FIRST_FRAGMENT "first_fragment_seconds"
#define DVS_TIME_GENERATION "generation_seconds" /* a step, at the worker */
#define DVS_TIME_STEP "step_seconds"             /* a step, asked to told */
#define DVS_TIME_MEDIA "media_seconds"     /* first to last byte of a segment */
#define DVS_TIME_STAGE "stage_seconds"     /* :stage of a step's timings */
#define DVS_TIME_PROMPT "prompt_seconds"   /* :call, "enhance", … */
#define DVS_TIME_SESSION "session_seconds" /* slot held */
#define DVS_TIME_START "worker_start_seconds" /* until ready */

/* Gauges: the value is set. */
#define DVS_NOW_CONNECTIONS "connections"
#define DVS_NOW_QUEUE "queue_length"
#define DVS_NOW_SESSIONS "sessions" /* with a slot */
#define DVS_NOW_SLOTS "slots"       /* :state */
#define DVS_NOW_FREE "slots_free"
#define DVS_NOW_UNSENT "unsent_bytes"
#define DVS_NOW_MEMORY "resident_bytes" /* :process, "front" or a slot */
#define DVS_NOW_DESCRIPTORS "open_descriptors"
#define DVS_NOW_DRAINING "draining"

typedef struct DvsMetrics DvsMetrics;

DvsMetrics *dvs_metrics_new (void);
void dvs_metrics_free (DvsMetrics *metrics);
/* A name that is not above is a programming error; values of a label beyond
 * the first 64 count as "other". */
void dvs_metrics_observe (
    DvsMetrics *metrics, const gchar *metric, gdouble value);
/* What was counted or set so far, 0: nothing; of a histogram the count. */
gdouble dvs_metrics_value (const DvsMetrics *metrics, const gchar *metric);
/* To be freed. */
gchar *dvs_metrics_text (const DvsMetrics *metrics);

#endif
