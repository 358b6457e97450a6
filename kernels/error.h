/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How the kernels and the generator say what went wrong: a status is returned
 * and, where the caller passed one, an error is filled.  Nothing here prints
 * or exits.
 */
#ifndef DV_ERROR_H
#define DV_ERROR_H

typedef enum {
  DV_OK = 0,
  DV_CANCELLED,       /* the caller's sink asked to stop: not a failure */
  DV_ERROR_ARGUMENT,  /* a request that no generator could serve */
  DV_ERROR_NOT_FOUND, /* a model, file or device that is not there */
  DV_ERROR_FORMAT,    /* a file or saved state that cannot be read */
  DV_ERROR_MEMORY,    /* the plan does not fit, or an allocation failed */
  DV_ERROR_DEVICE,    /* the device failed or was lost */
  DV_ERROR_SINK       /* the caller's sink refused a frame or samples */
} DvStatus;

typedef struct {
  DvStatus code;
  char stage[32];   /* "open", "step", "decode", …: where it happened */
  char detail[384]; /* one sentence: what, which, and what to do */
} DvError;

/* Fills @error (may be NULL) printf-like and returns @code, so that a failing
 * function can end in `return dv_fail (error, …);`. */
DvStatus dv_fail (DvError *error, DvStatus code, const char *stage,
    const char *format, ...) __attribute__ ((format (printf, 4, 5)));

#endif
