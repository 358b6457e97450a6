/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people write for steps and LoRAs, as values.  Numbers have a point
 * whatever the locale says.
 */
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generator.h"
#include "ltx2/schedule.h"

/* The number at the head of @text into @out; where it ends, or NULL. */
static const char *
read_real (const char *text, double *out)
{
  locale_t plain;
  char *end;

  /* strtod() skips blanks, and reads "inf" and "nan". */
  if (!isdigit ((unsigned char)*text) && *text != '.' && *text != '-')
    return NULL;
  plain = newlocale (LC_ALL_MASK, "C", NULL);
  if (!plain)
    return NULL;
  *out = strtod_l (text, &end, plain);
  freelocale (plain);
  return end == text || !isfinite (*out) ? NULL : end;
}

/* A list of noise levels up to @end. */
static DvStatus
read_levels (const char *text, const char *end, int stage, DvSteps *steps,
    DvError *error)
{
  float *sigmas = steps->sigmas[stage];
  unsigned n = 0;
  double value;

  while (n < DV_MAX_SIGMAS && (text = read_real (text, &value))) {
    sigmas[n++] = (float)value;
    if (text == end) {
      steps->n[stage] = n;
      return dv_sigmas_check (sigmas, (int)n - 1, error);
    }
    if (*text++ != ',')
      break;
  }
  return dv_fail (error, DV_ERROR_ARGUMENT, "steps",
      "the steps of stage %d are no list of at most %d noise levels; say "
      "1,0.9,0.5,0",
      stage + 1, DV_MAX_SIGMAS);
}

static DvStatus
read_count (const char *text, const char *end, int stage, DvSteps *steps,
    DvError *error)
{
  char *stop = NULL;
  long count = 0;

  errno = 0;
  if (isdigit ((unsigned char)*text))
    count = strtol (text, &stop, 10);
  if (stop != end || errno || count < 1 || count >= DV_MAX_SIGMAS)
    return dv_fail (error, DV_ERROR_ARGUMENT, "steps",
        "stage %d has no number of steps; say 5+2, 8+3, or lists of noise "
        "levels",
        stage + 1);
  steps->n[stage] = (unsigned)count + 1;
  return stage == 0 ? dv_sigmas_distilled ((int)count, steps->sigmas[0], error)
                    : dv_sigmas_stage2 ((int)count, steps->sigmas[1], error);
}

DvStatus
dv_steps_parse (const char *text, DvSteps *steps, DvError *error)
{
  const char *end;
  DvStatus status = DV_OK;

  memset (steps, 0, sizeof *steps);
  if (!text || !*text)
    return DV_OK;
  for (int stage = 0; stage < 2 && status == DV_OK; stage++) {
    end = stage == 0 ? strchrnul (text, '+') : text + strlen (text);
    if (memchr (text, ',', (size_t)(end - text)))
      status = read_levels (text, end, stage, steps, error);
    else
      status = read_count (text, end, stage, steps, error);
    if (!*end)
      break;
    text = end + 1;
  }
  return status;
}

DvStatus
dv_lora_parse (const char *text, DvLoraSpec *lora, DvError *error)
{
  const char *colon = strrchr (text, ':');
  double strength = 1;
  const char *end = colon ? read_real (colon + 1, &strength) : NULL;
  size_t length = strlen (text);
  char *path;

  /* What follows the colon of a path that has one is no number. */
  if (end && !*end)
    length = (size_t)(colon - text);
  else
    strength = 1;
  if (length == 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "lora",
        "LoRA \"%.80s\" names no file; say FILE or FILE:STRENGTH", text);
  path = malloc (length + 1);
  if (!path)
    return dv_fail (error, DV_ERROR_MEMORY, "lora",
        "no memory for a path of %zu bytes", length);
  memcpy (path, text, length);
  path[length] = '\0';
  *lora = (DvLoraSpec){.path = path, .strength = (float)strength};
  return DV_OK;
}
