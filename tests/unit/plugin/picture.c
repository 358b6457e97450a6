/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The size that a picture file announces: each format, cut off anywhere, and
 * what is none.
 */
#include "picture.h"

#include <string.h>

#include <gst/check/gstcheck.h>

typedef struct {
  const gchar *name;
  guint32 width, height;
  gsize needed; /* bytes until the size is known */
  gsize size;
  guint8 data[48];
} Sample;

/* clang-format off */
static const Sample samples[] = {
    {"PNG", 0x10203, 0x405, 24, 24,
        {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
         'I', 'H', 'D', 'R', 0, 1, 2, 3, 0, 0, 4, 5}},
    {"JPEG, other segments and a fill byte first", 0x304, 0x102, 25, 26,
        {0xff, 0xd8, 0xff, 0xe0, 0, 5, 1, 2, 3, 0xff, 0xc4, 0, 4, 9, 9,
         0xff, 0xff, 0xc2, 0, 17, 8, 1, 2, 3, 4, 3}},
    {"WebP, lossy", 0x2345, 0x1234, 30, 30,
        {'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8',
         ' ', 0, 0, 0, 0, 0, 0, 0, 0x9d, 1, 0x2a, 0x45, 0x63, 0x34, 0x12}},
    {"WebP, lossless", 16, 16, 25, 25,
        {'R', 'I', 'F', 'F', 28, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8',
         'L', 15, 0, 0, 0, 0x2f, 0x0f, 0xc0, 3, 0}},
    {"WebP, extended", 0x030202, 0x060505, 30, 30,
        {'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8',
         'X', 10, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6}},
};

static const Sample strangers[] = {
    {"nothing", 0, 0, 0, 0, {0}},
    {"JPEG whose data comes before its size", 0, 0, 0, 24,
        {0xff, 0xd8, 0xff, 0xda, 0, 4, 1, 2, 0xff, 0xc0, 0, 17, 8, 1, 2, 3, 4,
         3, 0, 0, 0, 0, 0, 0}},
    {"JPEG with a segment of no length", 0, 0, 0, 24,
        {0xff, 0xd8, 0xff, 0xe0, 0, 0, 0xff, 0xc0, 0, 17, 8, 1, 2, 3, 4, 3, 0,
         0, 0, 0, 0, 0, 0, 0}},
    {"JPEG with a segment beyond the end", 0, 0, 0, 12,
        {0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff, 0xff, 0xc0, 0, 17, 8, 1}},
    {"JPEG of fill bytes", 0, 0, 0, 12,
        {0xff, 0xd8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff}},
    {"JPEG that forgets its markers", 0, 0, 0, 12,
        {0xff, 0xd8, 0xff, 0xe0, 0, 2, 0, 0xc0, 0, 17, 8, 1}},
    {"RIFF that is sound", 0, 0, 0, 30,
        {'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'A', 'V', 'E', 'f', 'm', 't',
         ' '}},
    {"WebP of another kind", 0, 0, 0, 30,
        {'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '9',
         ' '}},
    {"lossless WebP without its signature", 0, 0, 0, 30,
        {'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8',
         'L', 15, 0, 0, 0, 0x2e, 0x0f, 0xc0, 3}},
    {"PNG that begins with something else", 0, 0, 0, 24,
        {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
         'C', 'g', 'B', 'I', 0, 1, 2, 3, 0, 0, 4, 5}},
};
/* clang-format on */

/* From memory that ends where the data does. */
static bool
read_size (const guint8 *data, gsize size, guint32 *width, guint32 *height)
{
  guint8 *copy = g_memdup2 (data, size);
  bool found = picture_size (copy, size, width, height);

  g_free (copy);
  return found;
}

GST_START_TEST (test_each_format_says_its_size)
{
  const Sample *sample = &samples[__i__];
  guint32 width = 0, height = 0;
  gsize size;

  fail_unless (read_size (sample->data, sample->size, &width, &height), "%s",
      sample->name);
  fail_unless_equals_int (width, sample->width);
  fail_unless_equals_int (height, sample->height);
  for (size = 0; size < sample->needed; size++)
    fail_if (read_size (sample->data, size, &width, &height),
        "%s: known after %" G_GSIZE_FORMAT " bytes", sample->name, size);
}
GST_END_TEST

GST_START_TEST (test_what_is_no_picture_has_no_size)
{
  const Sample *sample = &strangers[__i__];
  guint32 width, height;
  gsize size;

  for (size = 0; size <= sample->size; size++)
    fail_if (read_size (sample->data, size, &width, &height), "%s: %ux%u",
        sample->name, width, height);
}
GST_END_TEST

static Suite *
picture_suite (void)
{
  Suite *s = suite_create ("picture");
  TCase *tc = tcase_create ("sizes");

  suite_add_tcase (s, tc);
  tcase_add_loop_test (
      tc, test_each_format_says_its_size, 0, G_N_ELEMENTS (samples));
  tcase_add_loop_test (
      tc, test_what_is_no_picture_has_no_size, 0, G_N_ELEMENTS (strangers));
  return s;
}

GST_CHECK_MAIN (picture);
