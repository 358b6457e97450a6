/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsring.c: what is kept, what is forgotten, and where a viewer may
 * start.
 */
#include <check.h>

#include "wsring.h"

static WsItem *
fragment (WsMedia *media, gboolean key, gboolean companion, guint64 start)
{
  GBytes *bytes = g_bytes_new_static ("0123456789", 10);
  WsItem *item = ws_item_new (WS_ITEM_FRAGMENT, bytes);

  g_bytes_unref (bytes);
  item->key = key;
  item->companion = companion;
  item->start = start;
  item->end = start + 100;
  item->duration = companion ? 0 : 100;
  item->media = ws_media_ref (media);
  return item;
}

static WsMedia *
new_media (guint index)
{
  WsItem *text = ws_item_new_text (g_strdup ("{}"));
  WsItem *init = ws_item_new_text (g_strdup ("init"));
  WsMedia *media = ws_media_new (index, text, init);

  ws_item_unref (text);
  ws_item_unref (init);
  return media;
}

/* However many go through it, what is there is what was asked to be kept. */
START_TEST (it_keeps_what_it_is_told)
{
  WsMedia *media = new_media (1);
  WsRing ring;
  guint64 i;

  ws_ring_init (&ring);
  for (i = 0; i < 5000; i++) {
    ws_ring_push (&ring, fragment (media, i % 10 == 0, FALSE, i * 100));
    if (i % 1000 == 999)
      ws_ring_trim (&ring, i - 100, NULL);
    ck_assert_ptr_nonnull (ws_ring_get (&ring, i));
    ck_assert_uint_eq (ws_ring_get (&ring, i)->start, i * 100);
  }
  ck_assert_uint_eq (ring.first, 4899);
  ck_assert_uint_eq (ring.next, 5000);
  ck_assert_uint_eq (ring.bytes, 101 * 12);
  ck_assert_uint_eq (ring.pushed, 5000 * 12);
  ck_assert_uint_eq (ring.clock, 5000 * 100);
  ck_assert_uint_eq (ring.latest_key, 4990);
  ck_assert_ptr_null (ws_ring_get (&ring, 4898));
  ck_assert_ptr_null (ws_ring_get (&ring, 5000));
  for (i = 4899; i < 5000; i++)
    ck_assert_uint_eq (ws_ring_get (&ring, i)->start, i * 100);
  /* Room is what it ever needed, and not what went through. */
  ck_assert_uint_le (ring.room, 2048);
  ws_ring_clear (&ring);
  ck_assert_uint_eq (ring.bytes, 0);
  ck_assert_uint_eq (g_atomic_ref_count_compare (&media->refs, 1), TRUE);
  ws_media_unref (media);
}
END_TEST

START_TEST (keyframes_are_found_and_forgotten)
{
  WsMedia *media = new_media (1);
  WsRing ring;
  guint64 key, i;

  ws_ring_init (&ring);
  ck_assert (!ws_ring_next_key (&ring, 0, &key));
  for (i = 0; i < 10; i++)
    ws_ring_push (&ring, fragment (media, i % 4 == 0, FALSE, i * 100));
  ck_assert (ws_ring_next_key (&ring, 0, &key));
  ck_assert_uint_eq (key, 0);
  ck_assert (ws_ring_next_key (&ring, 1, &key));
  ck_assert_uint_eq (key, 4);
  ck_assert (!ws_ring_next_key (&ring, 9, &key));
  ws_ring_trim (&ring, 2, NULL);
  ck_assert (ws_ring_next_key (&ring, 0, &key));
  ck_assert_uint_eq (key, 4);
  ck_assert (ring.has_key);
  ws_ring_trim (&ring, 9, NULL);
  ck_assert (!ring.has_key);
  /* beyond the end: nothing is left, nothing breaks */
  ws_ring_trim (&ring, 99, NULL);
  ck_assert_uint_eq (ring.first, 10);
  ws_ring_clear (&ring);
  ws_media_unref (media);
}
END_TEST

/* Sound that was sent before the picture and goes on beside it belongs to the
 * start; what ended before it, and another segment's, does not. */
START_TEST (a_start_takes_the_sound_along)
{
  WsMedia *old = new_media (1), *media = new_media (2);
  WsRing ring;

  ws_ring_init (&ring);
  ws_ring_push (&ring, fragment (old, FALSE, TRUE, 950));    /* 0 */
  ws_ring_push (&ring, fragment (media, FALSE, TRUE, 880));  /* 1: ended */
  ws_ring_push (&ring, fragment (media, FALSE, TRUE, 930));  /* 2 */
  ws_ring_push (&ring, ws_item_new_text (g_strdup ("{}")));  /* 3 */
  ws_ring_push (&ring, fragment (media, FALSE, TRUE, 990));  /* 4 */
  ws_ring_push (&ring, fragment (media, TRUE, FALSE, 1000)); /* 5 */
  ck_assert_uint_eq (ws_ring_start_at (&ring, 5), 2);
  ws_ring_trim (&ring, 4, NULL);
  ck_assert_uint_eq (ws_ring_start_at (&ring, 5), 4);
  ws_ring_clear (&ring);

  ws_ring_init (&ring);
  ws_ring_push (&ring, fragment (old, FALSE, TRUE, 990));
  ws_ring_push (&ring, fragment (media, TRUE, FALSE, 1000));
  ck_assert_uint_eq (ws_ring_start_at (&ring, 1), 1);
  ws_ring_clear (&ring);
  ws_media_unref (old);
  ws_media_unref (media);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wsring");
  TCase *tests = tcase_create ("wsring");
  SRunner *runner;
  int failed;

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, it_keeps_what_it_is_told);
  tcase_add_test (tests, keyframes_are_found_and_forgotten);
  tcase_add_test (tests, a_start_takes_the_sound_along);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
