/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What planted.cu offers to faults.c.
 */
#ifndef SIMT_PLANTED_H
#define SIMT_PLANTED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Launches the kernel called @name; 0 if there is none. @x, @y: @n numbers in
 * device memory. */
int planted (const char *name, float *x, float *y, int n, float *other);

void planted_convert (float x, uint16_t *bf16, uint16_t *f16);
float planted_half (uint16_t bits);

#ifdef __cplusplus
}
#endif

#endif
