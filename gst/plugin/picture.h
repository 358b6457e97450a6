/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a picture file says of itself, before anything decodes it: a decoder
 * believes the size it reads and takes as much memory.
 *
 * Threads: pure.
 */
#ifndef DREAMVERSE_PICTURE_H
#define DREAMVERSE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The size that a PNG, JPEG or WebP file announces. FALSE: it is none of
 * these, or ends before it says. */
bool picture_size (
    const uint8_t *data, size_t size, uint32_t *width, uint32_t *height);

#endif
