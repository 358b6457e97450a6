/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsplace.c: where a viewer starts, who is late in a stream that runs
 * ahead of the clock, and who is not.
 */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint-rig.h"

#define BURST 30 /* items that come at once: three seconds of media */

static EndpointRig *rig;

static void
set_up (void)
{
  rig = endpoint_rig_new ();
}

static void
tear_down (void)
{
  endpoint_rig_free (rig);
}

static guint64
skips (guint64 id)
{
  WsClient *client = ws_endpoint_find (rig->endpoint, id);

  ck_assert_ptr_nonnull (client);
  return client->stats.skips;
}

/* A stream begins with a burst. A viewer whose link is hardly faster than the
 * stream plays is seconds behind it, and plays without a fault; one that takes
 * nothing is late as soon as it has nothing to play. */
START_TEST (a_stream_that_runs_ahead)
{
  guint8 data[ITEM_SIZE];
  guint64 steady, stalled;
  int reads = endpoint_rig_watch (rig, &steady);
  int rests = endpoint_rig_watch (rig, &stalled);
  gint64 start = g_get_monotonic_time (), ms;
  gsize got = 0;

  endpoint_rig_push (rig, BURST);
  do {
    endpoint_rig_run (rig);
    ms = (g_get_monotonic_time () - start) / 1000;
    while (got < (gsize)ms * ITEM_SIZE * 5 / 4 / ITEM_MS) {
      gssize size = recv (reads, data, sizeof data, MSG_DONTWAIT);
      if (size <= 0)
        break;
      got += (gsize)size;
      endpoint_rig_run (rig);
    }
    g_usleep (5000);
  } while (ms < BURST * ITEM_MS);
  ck_assert_uint_eq (skips (steady), 0);
  ck_assert_uint_eq (skips (stalled), 1);
  close (reads);
  close (rests);
}
END_TEST

/* Who is dropped is told why, as soon as it reads on. */
START_TEST (a_viewer_that_is_dropped)
{
  static const char why[] = "this viewer reads too slowly for the stream";
  const guint8 *close_frame;
  GByteArray *got;
  guint64 id;
  int end = endpoint_rig_watch (rig, &id);

  rig->endpoint->limits.recover = WS_RECOVER_NONE;
  rig->endpoint->limits.soft_bytes = rig->endpoint->limits.hard_bytes =
      5 * ITEM_SIZE;
  endpoint_rig_push (rig, BURST);
  endpoint_rig_run (rig);
  ck_assert_uint_eq (rig->endpoint->dropped_clients, 1);
  got = endpoint_rig_read (rig, end);
  ck_assert_uint_lt (got->len, BURST * ITEM_SIZE);
  ck_assert_uint_gt (got->len, 4 + sizeof why - 1);
  close_frame = got->data + got->len - (4 + sizeof why - 1);
  ck_assert_uint_eq (close_frame[0], 0x88);
  ck_assert_uint_eq (close_frame[2] << 8 | close_frame[3], WS_CLOSE_POLICY);
  ck_assert_int_eq (memcmp (close_frame + 4, why, sizeof why - 1), 0);
  g_byte_array_unref (got);
  close (end);
}
END_TEST

/* Who comes late starts at the latest keyframe, not at the beginning. */
START_TEST (one_that_joins_late)
{
  GByteArray *first, *late;
  guint64 id;
  int early = endpoint_rig_watch (rig, &id), end;

  endpoint_rig_push (rig, 9);
  first = endpoint_rig_read (rig, early);
  ck_assert_uint_gt (first->len, 9 * ITEM_SIZE);
  end = endpoint_rig_watch (rig, &id);
  late = endpoint_rig_read (rig, end);
  ck_assert_uint_gt (late->len, 4 * ITEM_SIZE);
  ck_assert_uint_lt (late->len, 5 * ITEM_SIZE);
  g_byte_array_unref (first);
  g_byte_array_unref (late);
  close (early);
  close (end);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wsplace");
  TCase *tests = tcase_create ("wsplace");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, a_stream_that_runs_ahead);
  tcase_add_test (tests, a_viewer_that_is_dropped);
  tcase_add_test (tests, one_that_joins_late);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
