/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UTF-8: every character there and back, and nothing else.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ltx2/utf8.h"

START_TEST (every_character_goes_there_and_back)
{
  for (uint32_t code = 0; code <= 0x10ffff; code++) {
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    char text[4];
    uint32_t back = 0;
    size_t n = dv_utf8_write (text, code);
    bool good = dv_utf8_read (text, n, &back) == (surrogate ? 0 : n) &&
                (surrogate || back == code);

    for (size_t cut = 0; cut < n; cut++)
      good = good && dv_utf8_read (text, cut, &back) == 0;
    if (!good)
      ck_abort_msg ("U+%04X", (unsigned)code);
  }
}
END_TEST

START_TEST (what_is_invalid_is_found)
{
  static const char *const invalid[] = {"ab\x80", "ab\xc0\x80", "ab\xc1\xbf",
      "ab\xe0\x9f\xbf", "ab\xf0\x8f\xbf\xbf", "ab\xed\xa0\x80",
      "ab\xf4\x90\x80\x80", "ab\xf5\x80\x80\x80", "ab\xff", "ab\xc3(",
      "ab\xe2\x82", "ab\xe2\x82(", "ab\xf0\x9f\xa6"};

  for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
    ck_assert_uint_eq (dv_utf8_check (invalid[i], strlen (invalid[i])), 2);
  ck_assert_uint_eq (dv_utf8_check ("a\xc3\xa9z", 4), 4);
  ck_assert_uint_eq (dv_utf8_check ("", 0), 0);
}
END_TEST

START_TEST (white_space_is_what_strip_removes)
{
  static const uint32_t space[] = {9, 10, 11, 12, 13, 0x1c, 0x1d, 0x1e, 0x1f,
      0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005,
      0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f,
      0x3000};
  size_t n = 0;

  for (uint32_t code = 0; code <= 0x10ffff; code++) {
    bool expected = n < sizeof space / sizeof *space && space[n] == code;

    n += expected;
    if (dv_utf8_is_space (code) != expected)
      ck_abort_msg ("U+%04X", (unsigned)code);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("utf8");
  TCase *test = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  tcase_add_test (test, every_character_goes_there_and_back);
  tcase_add_test (test, what_is_invalid_is_found);
  tcase_add_test (test, white_space_is_what_strip_removes);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
