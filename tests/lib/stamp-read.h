/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads the stamps of the procedural generator back, after whatever a coder
 * did to them.
 */
#ifndef STAMP_READ_H
#define STAMP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the strip of a Y plane; false when there is none, or it is damaged. */
bool stamp_read_strip (const uint8_t *luma, size_t stride, uint32_t width,
    uint32_t height, uint32_t *segment, uint32_t *frame);

/* Finds the clicks in interleaved samples: writes the sample numbers of the
 * first @room of them and returns how many there are. */
size_t stamp_find_clicks (const float *samples, size_t count, unsigned channels,
    unsigned rate, uint64_t *clicks, size_t room);

#endif
