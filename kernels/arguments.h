/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The check of an op's arguments, made before any backend sees them.
 *
 * Threads: pure.
 */
#ifndef DV_ARGUMENTS_H
#define DV_ARGUMENTS_H

#include "ops.h"

/* Whether @args, the structure of @op, fit together: what is needed is there,
 * dtypes, shapes, strides, limits, and no output over an input where that is
 * not allowed. The error names op, argument and shapes. Memory is not looked
 * at, so it may be absent. */
DvStatus dv_check (DvOp op, const void *args, DvError *error);

/* After dv_check(): the output has no elements, so there is nothing to do. */
bool dv_check_empty (DvOp op, const void *args);

#endif
