/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The test hook of a whole process: with DREAMVERSE_LTX2_TEST_INPUTS=FILE in
 * the environment when a model is opened, segments take token ids and noise
 * from that safetensors file instead of from their prompt and seed, as if the
 * request had brought them (generator.h, DvTestInput).
 *
 *   N.ids                  I64 or I32: segment N's token ids, without padding
 *   N.text_len             I64 or I32, one number: rows of the context; may be
 *                          missing
 *   N.video_noise, N.audio_noise, N.stage2.video_noise, N.stage2.audio_noise
 *                          F32 in token order; each may be missing
 *
 * Segments that have no ids in the file are made as ever.
 */
#ifndef DV_LTX2_TEST_INPUT_H
#define DV_LTX2_TEST_INPUT_H

#include "../generator.h"
#include "safetensors.h"

#define DV_TEST_INPUT_VARIABLE "DREAMVERSE_LTX2_TEST_INPUTS"

/* The file that the environment names; *out is NULL where it names none. */
DvStatus dv_test_file_open (DvSafetensors **out, DvError *error);

/* What @file has for segment @index. *ids is to be freed and stays NULL when
 * it has nothing; the noise lies in the file. */
DvStatus dv_test_file_read (const DvSafetensors *file, uint32_t index,
    DvTestInput *input, int32_t **ids, DvError *error);

#endif
