/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UTF-8: characters read, written and told apart.
 */
#include "utf8.h"

size_t
dv_utf8_read (const char *text, size_t length, uint32_t *code)
{
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  uint8_t first;
  size_t n;

  if (length == 0)
    return 0;
  first = (uint8_t)text[0];
  if (first < 0x80) {
    *code = first;
    return 1;
  }
  n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  if (n == 0 || first >= 0xf8 || n > length)
    return 0;
  *code = first & (0x7fu >> n);
  for (size_t i = 1; i < n; i++) {
    uint8_t byte = (uint8_t)text[i];

    if ((byte & 0xc0) != 0x80)
      return 0;
    *code = *code << 6 | (byte & 0x3f);
  }
  if (*code < least[n] || *code > 0x10ffff ||
      (*code >= 0xd800 && *code <= 0xdfff))
    return 0;
  return n;
}

size_t
dv_utf8_write (char text[4], uint32_t code)
{
  size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

  if (n == 1) {
    text[0] = (char)code;
    return 1;
  }
  for (size_t i = n - 1; i > 0; i--, code >>= 6)
    text[i] = (char)(0x80 | (code & 0x3f));
  text[0] = (char)((0xf00u >> n) | code);
  return n;
}

size_t
dv_utf8_check (const char *text, size_t length)
{
  size_t at = 0;

  while (at < length) {
    uint32_t code;
    size_t n = dv_utf8_read (text + at, length - at, &code);

    if (n == 0)
      return at;
    at += n;
  }
  return length;
}

bool
dv_utf8_is_space (uint32_t code)
{
  return (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) ||
         code == 0x85 || code == 0xa0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
         code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}
