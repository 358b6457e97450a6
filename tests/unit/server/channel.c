/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of channel.c: messages, descriptors, bounds, and who does not keep to
 * them.
 */
#include "channel.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slot-rig.h"

static int far_end;
static DvsChannel *channel;
static guint messages, closings;
static gint64 latest;
static int descriptor;
static gchar *why_closed;
static gboolean free_at_message;

static void
on_message (gpointer user, JsonObject *message, int fd)
{
  ck_assert_uint_eq (closings, 0);
  messages++;
  latest = dvs_packet_int (message, "n");
  if (fd >= 0) {
    ck_assert_int_lt (descriptor, 0);
    descriptor = fd;
  }
  if (free_at_message)
    g_clear_pointer (&channel, dvs_channel_free);
}

static void
on_closed (gpointer user, const gchar *why)
{
  closings++;
  why_closed = g_strdup (why);
}

static const DvsChannelEvents events = {on_message, on_closed};

static void
set_up (void)
{
  int ends[2];

  ck_assert (dvs_channel_pair (ends, NULL));
  far_end = ends[1];
  channel = dvs_channel_new (ends[0], &events, NULL);
  messages = closings = 0;
  descriptor = -1;
  free_at_message = FALSE;
  why_closed = NULL;
}

static void
tear_down (void)
{
  if (channel)
    dvs_channel_free (channel);
  if (far_end >= 0)
    close (far_end);
  g_free (why_closed);
}

static guint wanted;

static gboolean
has_wanted (gpointer data)
{
  return messages >= wanted;
}

static gboolean
has_closed (gpointer data)
{
  return closings > 0;
}

static void
say (const void *data, gsize size)
{
  ck_assert_int_eq (send (far_end, data, size, MSG_NOSIGNAL), (gssize)size);
}

static JsonObject *
numbered (gint64 n)
{
  JsonObject *message = dvs_packet_new ("number");

  json_object_set_int_member (message, "n", n);
  return message;
}

START_TEST (messages_both_ways)
{
  gchar text[256];
  gssize size;

  say ("{\"type\":\"a\",\"n\":7}", 18);
  wanted = 1;
  ck_assert (wait_until (has_wanted, NULL, 5));
  ck_assert_int_eq (latest, 7);
  dvs_channel_send (channel, numbered (3), -1);
  size = recv (far_end, text, sizeof text, 0);
  ck_assert_int_gt (size, 0);
  text[size] = '\0';
  ck_assert_str_eq (text, "{\"type\":\"number\",\"n\":3}");
}
END_TEST

START_TEST (descriptor_goes_along)
{
  int pipe_ends[2], ends[2];
  gchar byte;
  DvsChannel *other;

  ck_assert_int_eq (pipe (pipe_ends), 0);
  ck_assert (dvs_channel_pair (ends, NULL));
  other = dvs_channel_new (ends[0], &events, NULL);
  dvs_channel_free (channel);
  channel = dvs_channel_new (ends[1], &events, NULL);
  dvs_channel_send (other, numbered (1), pipe_ends[0]);
  wanted = 1;
  ck_assert (wait_until (has_wanted, NULL, 5));
  ck_assert_int_ge (descriptor, 0);
  ck_assert_int_eq (write (pipe_ends[1], "x", 1), 1);
  ck_assert_int_eq (read (descriptor, &byte, 1), 1);
  close (descriptor);
  close (pipe_ends[1]);
  dvs_channel_free (other);
}
END_TEST

/* More than one is nobody's: none may be left open. */
START_TEST (descriptors_too_many)
{
  guint before = open_descriptors (), i;
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE (3 * sizeof (int))];
  } control = {0};
  struct iovec vector = {(void *)"{\"type\":\"a\"}", 12};
  struct msghdr header = {.msg_iov = &vector,
      .msg_iovlen = 1,
      .msg_control = &control,
      .msg_controllen = sizeof control};
  int fds[3] = {0, 0, 0};

  control.align.cmsg_level = SOL_SOCKET;
  control.align.cmsg_type = SCM_RIGHTS;
  control.align.cmsg_len = CMSG_LEN (sizeof fds);
  memcpy (CMSG_DATA (&control.align), fds, sizeof fds);
  for (i = 0; i < 3; i++) {
    ck_assert_int_eq (sendmsg (far_end, &header, 0), 12);
    wanted = i + 1;
    ck_assert (wait_until (has_wanted, NULL, 5));
    ck_assert_int_ge (descriptor, 0);
    close (descriptor);
    descriptor = -1;
  }
  ck_assert_uint_le (open_descriptors (), before + 1); /* the main context's */
}
END_TEST

START_TEST (the_other_side_goes)
{
  say ("{\"type\":\"a\",\"n\":1}", 18);
  say ("{\"type\":\"a\",\"n\":2}", 18);
  close (far_end);
  far_end = -1;
  /* Not told from here, and what it said comes first. */
  dvs_channel_send (channel, numbered (1), -1);
  ck_assert_uint_eq (closings, 0);
  ck_assert (wait_until (has_closed, NULL, 5));
  ck_assert_uint_eq (messages, 2);
  ck_assert_uint_eq (closings, 1);
  ck_assert_ptr_null (why_closed);
  dvs_channel_send (channel, numbered (2), -1);
}
END_TEST

static const struct {
  const gchar *text;
  gsize size;
} nonsense[] = {
    {"x", 1},
    {"[]", 2},
    {"{}", 2},
    {"{\"type\":1}", 10},
    {"{\"type\":\"a\"", 11},
    {"\xff\xfe", 2},
    {"{\"type\":\"\xff\"}", 12},
    {"{\"type\":\"a\0b\"}", 14},
};

START_TEST (nonsense_ends_it)
{
  say (nonsense[_i].text, nonsense[_i].size);
  ck_assert (wait_until (has_closed, NULL, 5));
  ck_assert_uint_eq (messages, 0);
  ck_assert_ptr_nonnull (why_closed);
}
END_TEST

START_TEST (longest_and_too_long)
{
  gsize size = DVS_CHANNEL_MAX_MESSAGE;
  gchar *text = g_strnfill (size + 1, ' ');

  memcpy (text, "{\"type\":\"a\",\"n\":9}", 18);
  say (text, size);
  wanted = 1;
  ck_assert (wait_until (has_wanted, NULL, 5));
  ck_assert_int_eq (latest, 9);
  say (text, size + 1);
  ck_assert (wait_until (has_closed, NULL, 5));
  ck_assert_uint_eq (messages, 1);
  ck_assert_ptr_nonnull (why_closed);
  g_free (text);
}
END_TEST

START_TEST (what_is_sent_is_bounded)
{
  gchar *text = g_strnfill (DVS_CHANNEL_MAX_MESSAGE, 'x');
  JsonObject *message = numbered (1);

  json_object_set_string_member (message, "text", text);
  dvs_channel_send (channel, message, -1);
  ck_assert_uint_eq (closings, 0);
  ck_assert (wait_until (has_closed, NULL, 5));
  ck_assert_ptr_nonnull (why_closed);
  g_free (text);
}
END_TEST

/* Whoever does not read is not waited for, and costs a bound. */
START_TEST (one_that_does_not_read)
{
  gint64 started = g_get_monotonic_time ();
  guint i;

  for (i = 0; i < 10000; i++)
    dvs_channel_send (channel, numbered (i), -1);
  ck_assert_int_le (g_get_monotonic_time () - started, 20 * G_USEC_PER_SEC);
  ck_assert (wait_until (has_closed, NULL, 5));
  ck_assert_ptr_nonnull (why_closed);
}
END_TEST

START_TEST (what_waits_is_sent_in_order)
{
  gchar text[256];
  guint sent = 900, got;
  gssize size;

  for (got = 0; got < sent; got++)
    dvs_channel_send (channel, numbered (got), -1);
  for (got = 0; got < sent; got++) {
    JsonObject *message;

    while ((size = recv (far_end, text, sizeof text, MSG_DONTWAIT)) < 0)
      g_main_context_iteration (NULL, TRUE);
    message = dvs_packet_parse (text, (gsize)size);
    ck_assert_ptr_nonnull (message);
    ck_assert_int_eq (dvs_packet_int (message, "n"), got);
    json_object_unref (message);
  }
  ck_assert_uint_eq (closings, 0);
}
END_TEST

static guint ticks;

static gboolean
count_tick (gpointer data)
{
  ticks++;
  return G_SOURCE_CONTINUE;
}

static gpointer
flood (gpointer data)
{
  gint *over = data;

  while (!g_atomic_int_get (over) &&
         send (far_end, "{\"type\":\"a\"}", 12, MSG_NOSIGNAL) == 12)
    ;
  return NULL;
}

/* One who floods does not keep the others out. */
START_TEST (a_flood)
{
  gint over = 0;
  GThread *thread = g_thread_new ("flood", flood, &over);
  guint timer = g_timeout_add (5, count_tick, NULL);

  wanted = 20000;
  ticks = 0;
  ck_assert (wait_until (has_wanted, NULL, 60));
  ck_assert_uint_gt (ticks, 3);
  g_atomic_int_set (&over, 1);
  g_clear_pointer (&channel, dvs_channel_free);
  g_thread_join (thread);
  g_source_remove (timer);
}
END_TEST

START_TEST (freed_by_its_own_message)
{
  free_at_message = TRUE;
  say ("{\"type\":\"a\",\"n\":1}", 18);
  say ("{\"type\":\"a\",\"n\":2}", 18);
  wanted = 1;
  ck_assert (wait_until (has_wanted, NULL, 5));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  ck_assert_uint_eq (messages, 1);
  ck_assert_uint_eq (closings, 0);
}
END_TEST

START_TEST (values_of_the_wrong_type)
{
  static const gchar text[] =
      "{\"type\":\"a\",\"s\":\"x\",\"i\":-3,\"d\":1.5,\"b\":true,\"o\":{},"
      "\"z\":null,\"l\":4294967296}";
  JsonObject *message = dvs_packet_parse (text, sizeof text - 1);

  ck_assert_ptr_nonnull (message);
  ck_assert_int_eq (dvs_packet_int (message, "s"), 0);
  ck_assert_int_eq (dvs_packet_int (message, "i"), -3);
  ck_assert_uint_eq (dvs_packet_uint (message, "i"), 0);
  ck_assert_uint_eq (dvs_packet_uint (message, "l"), 0);
  ck_assert (dvs_packet_double (message, "d") == 1.5);
  ck_assert (dvs_packet_double (message, "i") == -3);
  ck_assert (dvs_packet_double (message, "b") == 0);
  ck_assert (dvs_packet_boolean (message, "b"));
  ck_assert (!dvs_packet_boolean (message, "i"));
  ck_assert_str_eq (dvs_packet_string (message, "s"), "x");
  ck_assert_ptr_null (dvs_packet_string (message, "o"));
  ck_assert_ptr_null (dvs_packet_string (message, "z"));
  ck_assert_ptr_null (dvs_packet_string (message, "none"));
  json_object_unref (message);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("channel");
  TCase *tcase = tcase_create ("channel");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_set_timeout (tcase, 120);
  tcase_add_test (tcase, messages_both_ways);
  tcase_add_test (tcase, descriptor_goes_along);
  tcase_add_test (tcase, descriptors_too_many);
  tcase_add_test (tcase, the_other_side_goes);
  tcase_add_loop_test (tcase, nonsense_ends_it, 0, G_N_ELEMENTS (nonsense));
  tcase_add_test (tcase, longest_and_too_long);
  tcase_add_test (tcase, what_is_sent_is_bounded);
  tcase_add_test (tcase, one_that_does_not_read);
  tcase_add_test (tcase, what_waits_is_sent_in_order);
  tcase_add_test (tcase, a_flood);
  tcase_add_test (tcase, freed_by_its_own_message);
  tcase_add_test (tcase, values_of_the_wrong_type);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
