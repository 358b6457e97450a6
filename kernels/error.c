/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Filling an error.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

DvStatus
dv_fail (
    DvError *error, DvStatus code, const char *stage, const char *format, ...)
{
  va_list args;

  if (!error)
    return code;
  error->code = code;
  snprintf (error->stage, sizeof error->stage, "%s", stage);
  va_start (args, format);
  vsnprintf (error->detail, sizeof error->detail, format, args);
  va_end (args);
  return code;
}
