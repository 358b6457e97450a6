/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UTF-8, read strictly: no overlong forms, no surrogates, nothing past
 * U+10FFFF.
 */
#ifndef DV_LTX2_UTF8_H
#define DV_LTX2_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at @text and its code; 0 if it is none or cut. */
size_t dv_utf8_read (const char *text, size_t length, uint32_t *code);
/* Writes a character; returns its bytes, at most 4. */
size_t dv_utf8_write (char text[4], uint32_t code);
/* The offset of the first byte that is not valid; @length when all is. */
size_t dv_utf8_check (const char *text, size_t length);
/* White space as Python's str.strip() takes it: Unicode's, and U+001C to
 * U+001F. */
bool dv_utf8_is_space (uint32_t code);

#endif
