/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pictures of strangers: decoded in a process of its own, which has limits and
 * nothing open but the picture and the file it writes.  picture-check.h has who
 * asks for it.
 *
 * Threads: the main thread of that process.
 */
#ifndef DVS_PICTURE_DECODE_H
#define DVS_PICTURE_DECODE_H

/* Reads a PNG, JPEG or WebP from standard input, which is a file, and writes it
 * as PNG to standard output. Returns the exit status: 0, or it is no picture.
 */
int dvs_picture_decode (void);

#endif
