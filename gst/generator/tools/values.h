/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads the values of options: whole words, within bounds, or a sentence that
 * names the option and what it takes.
 */
#ifndef VALUES_H
#define VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "generator.h"

DvStatus value_number (const char *option, const char *text, uint64_t low,
    uint64_t high, uint64_t *out, DvError *error);
DvStatus value_count (const char *option, const char *text, uint32_t low,
    uint32_t high, uint32_t *out, DvError *error);
DvStatus value_real (const char *option, const char *text, double low,
    double high, float *out, DvError *error);
/* Bytes, with K, M, G or T behind them for powers of 1024. */
DvStatus value_bytes (
    const char *option, const char *text, uint64_t *out, DvError *error);
/* "1920x1088" */
DvStatus value_size (
    const char *text, uint32_t *width, uint32_t *height, DvError *error);
/* "24" or "30000/1001" */
DvStatus value_rate (
    const char *text, uint32_t *numerator, uint32_t *denominator, DvError *);
/* "5+2", "8" or lists of levels: "1,0.9,0.5,0+0.9,0.5,0" */
DvStatus value_steps (const char *text, DvSteps *steps, DvError *error);
/* "FILE" or "FILE:STRENGTH"; the path is to be freed. */
DvStatus value_lora (const char *text, DvLoraSpec *lora, DvError *error);

#endif
