/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsframe.c: headers, masked frames in any slices, and everything
 * that must be refused.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wsframe.h"

#define MAX 16384

/* A client's frame; returns its size. */
static size_t
frame (uint8_t *out, unsigned first, const void *payload, size_t size)
{
  static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
  size_t n, i;

  n = ws_frame_header (out, 0, size);
  out[0] = (uint8_t)first;
  out[1] |= 0x80;
  memcpy (out + n, mask, 4);
  n += 4;
  for (i = 0; i < size; i++)
    out[n + i] = ((const uint8_t *)payload)[i] ^ mask[i & 3];
  return n + size;
}

static WsReadResult
feed (WsReader *reader, const uint8_t *data, size_t size, WsMessage *message)
{
  return ws_reader_next (reader, &data, &size, message);
}

START_TEST (headers_have_three_lengths)
{
  uint8_t h[WS_HEADER_MAX];

  ck_assert_uint_eq (ws_frame_header (h, WS_OP_TEXT, 125), 2);
  ck_assert_uint_eq (h[0], 0x81);
  ck_assert_uint_eq (h[1], 125);
  ck_assert_uint_eq (ws_frame_header (h, WS_OP_BINARY, 126), 4);
  ck_assert_uint_eq (h[0], 0x82);
  ck_assert_uint_eq (h[1], 126);
  ck_assert_uint_eq (h[3], 126);
  ck_assert_uint_eq (ws_frame_header (h, WS_OP_BINARY, 65535), 4);
  ck_assert_uint_eq (ws_frame_header (h, WS_OP_BINARY, 65536), 10);
  ck_assert_uint_eq (h[1], 127);
  ck_assert_uint_eq (h[7], 1);
  ck_assert_uint_eq (h[9], 0);
}
END_TEST

START_TEST (message_in_any_slices)
{
  uint8_t text[700], wire[2048];
  WsReader reader;
  WsMessage message;
  size_t n, at, step;

  memset (text, 'x', sizeof text);
  text[699] = '!';
  n = frame (wire, 0x01, text, 300);
  n += frame (wire + n, 0x89, "hi", 2); /* a ping between the fragments */
  n += frame (wire + n, 0x80, text + 300, 400);
  for (step = 1; step < n; step++) {
    unsigned pings = 0, texts = 0;

    ws_reader_init (&reader, MAX);
    for (at = 0; at < n; at += step) {
      const uint8_t *data = wire + at;
      size_t size = n - at < step ? n - at : step;
      WsReadResult result;

      while ((result = ws_reader_next (&reader, &data, &size, &message)) ==
             WS_READ_MESSAGE) {
        if (message.opcode == WS_OP_PING) {
          ck_assert_uint_eq (message.size, 2);
          pings++;
        } else {
          ck_assert_uint_eq (message.opcode, WS_OP_TEXT);
          ck_assert_uint_eq (message.size, 700);
          ck_assert_mem_eq (message.data, text, 700);
          texts++;
        }
      }
      ck_assert_int_eq (result, WS_READ_MORE);
    }
    ck_assert_uint_eq (pings, 1);
    ck_assert_uint_eq (texts, 1);
    ws_reader_clear (&reader);
  }
}
END_TEST

static void
refuses (const uint8_t *data, size_t size, unsigned code)
{
  WsReader reader;
  WsMessage message;
  WsReadResult result;

  ws_reader_init (&reader, MAX);
  do
    result = ws_reader_next (&reader, &data, &size, &message);
  while (result == WS_READ_MESSAGE);
  ck_assert_int_eq (result, WS_READ_ERROR);
  ck_assert_uint_eq (reader.close_code, code);
  ck_assert_ptr_null (reader.message);
  ck_assert_int_eq (feed (&reader, data, 0, &message), WS_READ_ERROR);
  ws_reader_clear (&reader);
}

START_TEST (refusals)
{
  static const uint8_t huge[] = {
      0x82, 0xff, 0, 0, 0, 0, 0x06, 0, 0, 0, 1, 2, 3, 4};
  static const uint8_t absurd[] = {
      0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4};
  static const uint8_t bare[] = {0x81, 2, 'h', 'i'};
  uint8_t wire[256];

  refuses (huge, sizeof huge, WS_CLOSE_TOO_BIG);
  refuses (absurd, sizeof absurd, WS_CLOSE_TOO_BIG);
  refuses (bare, sizeof bare, WS_CLOSE_PROTOCOL);
  refuses (wire, frame (wire, 0xc1, "x", 1), WS_CLOSE_PROTOCOL);
  refuses (wire, frame (wire, 0x83, "x", 1), WS_CLOSE_PROTOCOL);
  refuses (wire, frame (wire, 0x8b, "x", 1), WS_CLOSE_PROTOCOL);
  refuses (wire, frame (wire, 0x80, "x", 1), WS_CLOSE_PROTOCOL);
  refuses (wire, frame (wire, 0x09, "x", 1), WS_CLOSE_PROTOCOL);
  {
    size_t n = frame (wire, 0x01, "x", 1);
    refuses (wire, n + frame (wire + n, 0x01, "x", 1), WS_CLOSE_PROTOCOL);
  }
  memset (wire, 0, sizeof wire);
  refuses (wire, frame (wire, 0x89, wire + 128, 126), WS_CLOSE_PROTOCOL);
}
END_TEST

/* Fragments that never end are counted together. */
START_TEST (endless_fragments)
{
  uint8_t payload[1000] = {0}, wire[1100];
  WsReader reader;
  WsMessage message;
  size_t n;
  unsigned i;

  ws_reader_init (&reader, MAX);
  n = frame (wire, 0x01, payload, sizeof payload);
  ck_assert_int_eq (feed (&reader, wire, n, &message), WS_READ_MORE);
  n = frame (wire, 0x00, payload, sizeof payload);
  for (i = 0; i < 15; i++)
    ck_assert_int_eq (feed (&reader, wire, n, &message), WS_READ_MORE);
  ck_assert_int_eq (feed (&reader, wire, n, &message), WS_READ_ERROR);
  ck_assert_uint_eq (reader.close_code, WS_CLOSE_TOO_BIG);
  ws_reader_clear (&reader);
}
END_TEST

START_TEST (empty_message)
{
  uint8_t wire[16];
  WsReader reader;
  WsMessage message;

  ws_reader_init (&reader, MAX);
  ck_assert_int_eq (feed (&reader, wire, frame (wire, 0x81, "", 0), &message),
      WS_READ_MESSAGE);
  ck_assert_uint_eq (message.size, 0);
  ck_assert_ptr_nonnull (message.data);
  ws_reader_clear (&reader);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wsframe");
  TCase *tests = tcase_create ("wsframe");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_test (tests, headers_have_three_lengths);
  tcase_add_test (tests, message_in_any_slices);
  tcase_add_test (tests, refusals);
  tcase_add_test (tests, endless_fragments);
  tcase_add_test (tests, empty_message);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
