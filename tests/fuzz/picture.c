/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes what reads a start image's size from its header: no byte beyond the
 * end is read, and what is said of a file is said of any that begins with it.
 */
#include "picture.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  uint32_t width = 7, height = 7, w = 7, h = 7;
  bool found = picture_size (data, size, &width, &height);
  uint8_t *longer = malloc (size + 64);

  memcpy (longer, data, size);
  memset (longer + size, (int)(size % 251), 64);
  if (found) {
    EXPECT (picture_size (longer, size + 64, &w, &h));
    EXPECT (w == width && h == height);
  }
  free (longer);
  return 0;
}
