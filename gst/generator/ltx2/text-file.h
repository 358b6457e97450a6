/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small text file, whole, in memory.
 */
#ifndef DV_LTX2_TEXT_FILE_H
#define DV_LTX2_TEXT_FILE_H

#include <stddef.h>

#include "error.h"

/* Reads @path, of at most @max bytes; *@text, ended by a 0, is to be freed. */
DvStatus dv_text_file_read (
    const char *path, size_t max, char **text, size_t *size, DvError *error);

#endif
