/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Single numbers and strings of a small JSON text by their path, as in
 * "continuation[2].fps".
 */
#ifndef DV_JSON_PATH_H
#define DV_JSON_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "golden.h"

/* DIRECTORY/@name whole, into the golden's memory; NULL after a failure, which
 * is told. */
char *json_text (Golden *golden, const char *name);
/* False when there is no number there. */
bool json_number (const char *text, double *value, const char *path, ...)
    __attribute__ ((format (printf, 3, 4)));
/* Copies a string of fewer than @size bytes; false when there is none. */
bool json_word (const char *text, char *value, size_t size, const char *path,
    ...) __attribute__ ((format (printf, 4, 5)));
/* The i-th key of the object at the top; false past the last. */
bool json_key (const char *text, int i, char *key, size_t size);

#endif
