/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Single numbers and strings of a JSON text by their path, as in
 * "continuation[2].fps".
 */
#ifndef DV_JSON_PATH_H
#define DV_JSON_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "golden.h"

/* DIRECTORY/@name, to be freed with cJSON_Delete(); NULL after a failure,
 * which is told. */
cJSON *json_read (Golden *golden, const char *name);
/* False when there is no number there. */
bool json_number (const cJSON *root, double *value, const char *path, ...)
    __attribute__ ((format (printf, 3, 4)));
/* NULL when there is no string there. */
const char *json_word (const cJSON *root, const char *path, ...)
    __attribute__ ((format (printf, 2, 3)));

#endif
