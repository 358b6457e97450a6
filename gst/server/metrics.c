/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Figures of the server: see metrics.h.
 *
 * Threads: the main thread alone.
 */
#include "metrics.h"

#include <math.h>
#include <string.h>

#define PREFIX "dreamverse_"
#define MAX_VALUES 64 /* of a label: they may come from outside */

typedef enum { COUNTER, HISTOGRAM, GAUGE } Kind;

typedef struct {
  const gchar *name;
  Kind kind;
  const gchar *label; /* NULL: none */
  const gchar *help;
} Family;

static const Family families[] = {
    {DVS_COUNT_CONNECTIONS, COUNTER, NULL, "WebSockets accepted."},
    {DVS_COUNT_REFUSED, COUNTER, "reason", "WebSockets refused."},
    {DVS_COUNT_REQUESTS, COUNTER, "status", "HTTP requests answered."},
    {DVS_COUNT_SESSIONS, COUNTER, NULL, "Sessions that got a slot."},
    {DVS_COUNT_SESSION_ENDS, COUNTER, "reason", "Sessions that ended."},
    {DVS_COUNT_PROJECTS, COUNTER, NULL, "Projects begun."},
    {DVS_COUNT_STREAMS, COUNTER, NULL, "Streams told complete."},
    {DVS_COUNT_SEGMENTS, COUNTER, NULL, "Segments relayed whole."},
    {DVS_COUNT_ABORTED, COUNTER, NULL, "Segments cancelled."},
    {DVS_COUNT_ERRORS, COUNTER, NULL, "Sessions ended by an error."},
    {DVS_COUNT_BLOCKED, COUNTER, NULL, "Prompts that may not be shown."},
    {DVS_COUNT_PROMPTS, COUNTER, "call", "Prompts written."},
    {DVS_COUNT_PROMPT_FAILURES, COUNTER, "call", "Prompts not written."},
    {DVS_COUNT_RESTARTS, COUNTER, "slot", "Workers started again."},
    {DVS_COUNT_MEDIA_BYTES, COUNTER, NULL, "Media handed to clients."},
    {DVS_COUNT_SENT_BYTES, COUNTER, NULL, "Bytes taken by clients' sockets."},
    {DVS_COUNT_RECEIVED_BYTES, COUNTER, NULL, "Bytes that clients sent."},
    {DVS_COUNT_DROPS, COUNTER, "reason", "Clients cut by the server."},
    {DVS_COUNT_LOG_LOST, COUNTER, NULL, "Lines the session log lost."},
    {DVS_TIME_QUEUE, HISTOGRAM, NULL, "Wait for a slot."},
    {DVS_TIME_FIRST_FRAGMENT, HISTOGRAM, NULL,
        "From a stream's start to its first media."},
    {DVS_TIME_GENERATION, HISTOGRAM, NULL, "A segment's generation."},
    {DVS_TIME_STEP, HISTOGRAM, NULL, "A segment from request to report."},
    {DVS_TIME_MEDIA, HISTOGRAM, NULL, "A segment's first to last byte."},
    {DVS_TIME_STAGE, HISTOGRAM, "stage", "Stages of a segment's generation."},
    {DVS_TIME_PROMPT, HISTOGRAM, "call", "Writing of prompts."},
    {DVS_TIME_SESSION, HISTOGRAM, NULL, "How long sessions held a slot."},
    {DVS_TIME_START, HISTOGRAM, NULL, "A worker's start until it is ready."},
    {DVS_NOW_CONNECTIONS, GAUGE, NULL, "WebSockets that are open."},
    {DVS_NOW_QUEUE, GAUGE, NULL, "Clients that wait for a slot."},
    {DVS_NOW_SESSIONS, GAUGE, NULL, "Sessions that have a slot."},
    {DVS_NOW_SLOTS, GAUGE, "state", "Slots by state."},
    {DVS_NOW_FREE, GAUGE, NULL, "Slots that a session could have now."},
    {DVS_NOW_UNSENT, GAUGE, NULL, "Bytes that clients have yet to take."},
    {DVS_NOW_MEMORY, GAUGE, "process", "Memory resident."},
    {DVS_NOW_DESCRIPTORS, GAUGE, NULL, "File descriptors of the front."},
    {DVS_NOW_DRAINING, GAUGE, NULL, "1: no new sessions are taken."},
};

static const gdouble bounds[] = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800};
#define N_BOUNDS G_N_ELEMENTS (bounds)

typedef struct {
  gdouble value; /* of a histogram the sum */
  guint64 count, buckets[N_BOUNDS];
} Figure;

/* One a family, each a table of figures by the label's value ("": no label). */
struct DvsMetrics {
  GHashTable *figures[G_N_ELEMENTS (families)];
};

DvsMetrics *
dvs_metrics_new (void)
{
  DvsMetrics *metrics = g_new0 (DvsMetrics, 1);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (families); i++) {
    metrics->figures[i] =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    if (!families[i].label)
      g_hash_table_insert (
          metrics->figures[i], g_strdup (""), g_new0 (Figure, 1));
  }
  return metrics;
}

void
dvs_metrics_free (DvsMetrics *metrics)
{
  guint i;

  if (metrics == NULL)
    return;
  for (i = 0; i < G_N_ELEMENTS (families); i++)
    g_hash_table_unref (metrics->figures[i]);
  g_free (metrics);
}

/* The family of @metric and, in @value, its label's; -1: there is none. */
static gint
find_family (const gchar *metric, const gchar **value)
{
  const gchar *colon = strchr (metric, ':');
  gsize size = colon ? (gsize)(colon - metric) : strlen (metric);
  guint i;

  *value = colon ? colon + 1 : "";
  for (i = 0; i < G_N_ELEMENTS (families); i++)
    if (strlen (families[i].name) == size &&
        memcmp (families[i].name, metric, size) == 0 &&
        (families[i].label != NULL) == (colon != NULL))
      return (gint)i;
  return -1;
}

static Figure *
take_figure (GHashTable *figures, const gchar *value)
{
  Figure *figure = g_hash_table_lookup (figures, value);

  if (figure == NULL && g_hash_table_size (figures) >= MAX_VALUES)
    figure = g_hash_table_lookup (figures, value = "other");
  if (figure == NULL) {
    figure = g_new0 (Figure, 1);
    g_hash_table_insert (figures, g_strdup (value), figure);
  }
  return figure;
}

void
dvs_metrics_observe (DvsMetrics *metrics, const gchar *metric, gdouble value)
{
  const gchar *label;
  gint i = find_family (metric, &label);
  Figure *figure;
  guint bucket;

  g_return_if_fail (i >= 0);
  if (!isfinite (value))
    return;
  figure = take_figure (metrics->figures[i], label);
  switch (families[i].kind) {
    case COUNTER:
      figure->value += MAX (value, 0);
      break;
    case GAUGE:
      figure->value = value;
      break;
    case HISTOGRAM:
      figure->value += value;
      figure->count++;
      for (bucket = 0; bucket < N_BOUNDS; bucket++)
        figure->buckets[bucket] += value <= bounds[bucket];
      break;
  }
}

gdouble
dvs_metrics_value (const DvsMetrics *metrics, const gchar *metric)
{
  const gchar *label;
  gint i = find_family (metric, &label);
  const Figure *figure;

  g_return_val_if_fail (i >= 0, 0);
  figure = g_hash_table_lookup (metrics->figures[i], label);
  if (figure == NULL)
    return 0;
  return families[i].kind == HISTOGRAM ? (gdouble)figure->count : figure->value;
}

/* ---- text ---- */

/* Counters of bytes must not be rounded; no locale's comma. */
static void
append_number (GString *text, gdouble value)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  if (value == floor (value) && fabs (value) < 9e15)
    g_string_append_printf (text, "%" G_GINT64_FORMAT, (gint64)value);
  else
    g_string_append (text, g_ascii_dtostr (number, sizeof number, value));
  g_string_append_c (text, '\n');
}

static void
append_escaped (GString *text, const gchar *value)
{
  for (; *value; value++) {
    if (*value == '\n') {
      g_string_append (text, "\\n");
      continue;
    }
    if (*value == '"' || *value == '\\')
      g_string_append_c (text, '\\');
    g_string_append_c (text, *value);
  }
}

/* One sample's name: with its family's label and, for a bucket, its bound. */
static void
append_name (GString *text, const Family *family, const gchar *ending,
    const gchar *value, const gchar *bound)
{
  g_string_append_printf (text, PREFIX "%s%s", family->name, ending);
  if (family->label || bound)
    g_string_append_c (text, '{');
  if (family->label) {
    g_string_append_printf (text, "%s=\"", family->label);
    append_escaped (text, value);
    g_string_append (text, bound ? "\"," : "\"");
  }
  if (bound)
    g_string_append_printf (text, "le=\"%s\"", bound);
  if (family->label || bound)
    g_string_append_c (text, '}');
  g_string_append_c (text, ' ');
}

static void
append_histogram (GString *text, const Family *family, const gchar *value,
    const Figure *figure)
{
  gchar bound[G_ASCII_DTOSTR_BUF_SIZE];
  guint i;

  for (i = 0; i < N_BOUNDS; i++) {
    g_ascii_formatd (bound, sizeof bound, "%g", bounds[i]);
    append_name (text, family, "_bucket", value, bound);
    append_number (text, (gdouble)figure->buckets[i]);
  }
  append_name (text, family, "_bucket", value, "+Inf");
  append_number (text, (gdouble)figure->count);
  append_name (text, family, "_sum", value, NULL);
  append_number (text, figure->value);
  append_name (text, family, "_count", value, NULL);
  append_number (text, (gdouble)figure->count);
}

gchar *
dvs_metrics_text (const DvsMetrics *metrics)
{
  static const gchar *const kinds[] = {"counter", "histogram", "gauge"};
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (families); i++) {
    const Family *family = &families[i];
    GList *values = g_list_sort (
        g_hash_table_get_keys (metrics->figures[i]), (GCompareFunc)strcmp);
    GList *link;

    g_string_append_printf (text,
        "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", family->name,
        family->help, family->name, kinds[family->kind]);
    for (link = values; link; link = link->next) {
      const Figure *figure =
          g_hash_table_lookup (metrics->figures[i], link->data);
      if (family->kind == HISTOGRAM) {
        append_histogram (text, family, link->data, figure);
        continue;
      }
      append_name (text, family, "", link->data, NULL);
      append_number (text, figure->value);
    }
    g_list_free (values);
  }
  return g_string_free (text, FALSE);
}
