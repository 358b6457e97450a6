/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Values of options.
 */
#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIDE 65536

/* A number at the head of @text; NULL when there is none, else its end. */
static const char *
read_number (const char *text, uint64_t *out)
{
  char *end;

  /* strtoull takes signs and blanks. */
  if (!isdigit ((unsigned char)*text))
    return NULL;
  errno = 0;
  *out = strtoull (text, &end, 10);
  return errno ? NULL : end;
}

static const char *
read_real (const char *text, double *out)
{
  char *end;

  if (!*text || isspace ((unsigned char)*text))
    return NULL;
  *out = strtod (text, &end);
  return end == text || !isfinite (*out) ? NULL : end;
}

DvStatus
value_number (const char *option, const char *text, uint64_t low, uint64_t high,
    uint64_t *out, DvError *error)
{
  const char *end = read_number (text, out);

  if (!end || *end || *out < low || *out > high)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "%s \"%.60s\" is no number from %" PRIu64 " to %" PRIu64, option, text,
        low, high);
  return DV_OK;
}

DvStatus
value_count (const char *option, const char *text, uint32_t low, uint32_t high,
    uint32_t *out, DvError *error)
{
  uint64_t value;
  DvStatus status = value_number (option, text, low, high, &value, error);

  if (status == DV_OK)
    *out = (uint32_t)value;
  return status;
}

DvStatus
value_real (const char *option, const char *text, double low, double high,
    float *out, DvError *error)
{
  double value = 0;
  const char *end = read_real (text, &value);

  if (!end || *end || !(value >= low && value <= high))
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "%s \"%.60s\" is no number from %g to %g", option, text, low, high);
  *out = (float)value;
  return DV_OK;
}

DvStatus
value_bytes (
    const char *option, const char *text, uint64_t *out, DvError *error)
{
  static const char units[] = "KMGT";
  uint64_t value;
  const char *end = read_number (text, &value);
  const char *unit = end && *end ? strchr (units, toupper (*end)) : NULL;
  unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

  if (!end || (*end && (!unit || end[1])) || value == 0 ||
      value > UINT64_MAX >> shift)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "%s \"%.60s\" is no number of bytes; say 24G or 900M", option, text);
  *out = value << shift;
  return DV_OK;
}

DvStatus
value_size (const char *text, uint32_t *width, uint32_t *height, DvError *error)
{
  uint64_t columns, rows;
  const char *end = read_number (text, &columns);

  if (!end || *end != 'x' || !(end = read_number (end + 1, &rows)) || *end ||
      columns < 1 || columns > MAX_SIDE || rows < 1 || rows > MAX_SIDE)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "--size \"%.60s\" is no size; say 960x544", text);
  *width = (uint32_t)columns;
  *height = (uint32_t)rows;
  return DV_OK;
}

DvStatus
value_rate (const char *text, uint32_t *numerator, uint32_t *denominator,
    DvError *error)
{
  uint64_t n, d = 1;
  const char *end = read_number (text, &n);

  if (end && *end == '/')
    end = read_number (end + 1, &d);
  if (!end || *end || n < 1 || n > INT32_MAX || d < 1 || d > INT32_MAX)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "--fps \"%.60s\" is no frame rate; say 24 or 30000/1001", text);
  *numerator = (uint32_t)n;
  *denominator = (uint32_t)d;
  return DV_OK;
}

DvStatus
value_steps (const char *text, DvSteps *steps, DvError *error)
{
  DvError why = {0};
  DvStatus status = dv_steps_parse (text, steps, &why);

  if (!*text)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "--steps: stage 1 has no number of steps; say 5+2 or 8+3");
  return status == DV_OK
             ? DV_OK
             : dv_fail (error, status, "options", "--steps: %s", why.detail);
}

DvStatus
value_lora (const char *text, DvLoraSpec *lora, DvError *error)
{
  DvError why = {0};
  DvStatus status = dv_lora_parse (text, lora, &why);

  return status == DV_OK
             ? DV_OK
             : dv_fail (error, status, "options", "--lora: %s", why.detail);
}
