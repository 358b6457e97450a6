/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of metrics.c: what was observed is in the text, in Prometheus' format.
 */
#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

static DvsMetrics *metrics;
static gchar *text;

static void
set_up (void)
{
  metrics = dvs_metrics_new ();
  text = NULL;
}

static void
tear_down (void)
{
  dvs_metrics_free (metrics);
  g_free (text);
}

static void
has (const gchar *line)
{
  gchar *whole = g_strdup_printf ("\n%s\n", line);

  g_free (text);
  text = dvs_metrics_text (metrics);
  ck_assert_msg (
      strstr (text, whole) != NULL, "no '%s' in\n%.2000s", line, text);
  g_free (whole);
}

START_TEST (counters_add_up)
{
  dvs_metrics_observe (metrics, DVS_COUNT_SENT_BYTES, 9007199254740000.0);
  dvs_metrics_observe (metrics, DVS_COUNT_SENT_BYTES, 1);
  dvs_metrics_observe (metrics, DVS_COUNT_SENT_BYTES, -5);
  dvs_metrics_observe (metrics, DVS_COUNT_SENT_BYTES, NAN);
  has ("dreamverse_sent_bytes_total 9007199254740001");
  dvs_metrics_observe (metrics, DVS_COUNT_SEGMENTS, 123456789);
  has ("dreamverse_segments_total 123456789");
  has ("# TYPE dreamverse_segments_total counter");
}
END_TEST

START_TEST (gauges_are_set)
{
  dvs_metrics_observe (metrics, DVS_NOW_QUEUE, 5);
  dvs_metrics_observe (metrics, DVS_NOW_QUEUE, 3);
  has ("dreamverse_queue_length 3");
  has ("# TYPE dreamverse_queue_length gauge");
}
END_TEST

START_TEST (histograms_count_up_to_a_bound)
{
  setlocale (LC_ALL, "");
  dvs_metrics_observe (metrics, DVS_TIME_QUEUE, 0.25);
  dvs_metrics_observe (metrics, DVS_TIME_QUEUE, 0.3);
  dvs_metrics_observe (metrics, DVS_TIME_QUEUE, 9999);
  has ("dreamverse_queue_wait_seconds_bucket{le=\"0.1\"} 0");
  has ("dreamverse_queue_wait_seconds_bucket{le=\"0.25\"} 1");
  has ("dreamverse_queue_wait_seconds_bucket{le=\"0.5\"} 2");
  has ("dreamverse_queue_wait_seconds_bucket{le=\"1800\"} 2");
  has ("dreamverse_queue_wait_seconds_bucket{le=\"+Inf\"} 3");
  has ("dreamverse_queue_wait_seconds_count 3");
  ck_assert (
      fabs (strtod (strstr (text, "queue_wait_seconds_sum ") + 23, NULL) -
            9999.55) < 1e-6);
  ck_assert (dvs_metrics_value (metrics, DVS_TIME_QUEUE) == 3);
}
END_TEST

START_TEST (labels_are_escaped)
{
  dvs_metrics_observe (metrics, DVS_TIME_STAGE ":a\"b\\c\nd", 1);
  has ("dreamverse_stage_seconds_count{stage=\"a\\\"b\\\\c\\nd\"} 1");
  dvs_metrics_observe (metrics, DVS_COUNT_RESTARTS ":0", 2);
  has ("dreamverse_worker_restarts_total{slot=\"0\"} 2");
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_RESTARTS ":0") == 2);
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_RESTARTS ":1") == 0);
}
END_TEST

START_TEST (values_of_a_label_are_bounded)
{
  guint i;

  for (i = 0; i < 1000; i++) {
    gchar *name = g_strdup_printf (DVS_COUNT_DROPS ":%u", i);
    dvs_metrics_observe (metrics, name, 1);
    g_free (name);
  }
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_DROPS ":63") == 1);
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_DROPS ":64") == 0);
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_DROPS ":other") == 936);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("metrics");
  TCase *tests = tcase_create ("metrics");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, counters_add_up);
  tcase_add_test (tests, gauges_are_set);
  tcase_add_test (tests, histograms_count_up_to_a_bound);
  tcase_add_test (tests, labels_are_escaped);
  tcase_add_test (tests, values_of_a_label_are_bounded);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
