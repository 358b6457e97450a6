/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tensor names: the original checkpoint's and diffusers' (section 2.4 of
 * docs/ltx2-model.md), both ways.
 */
#ifndef DV_LTX2_NAMES_H
#define DV_LTX2_NAMES_H

#include "checkpoint.h"

#define DV_MAX_NAME 256

/* Whether a name below its component's prefix can only be an original one. */
bool dv_name_is_original (DvPart part, const char *name);
/* Whether it is a connector's tensor in any spelling, wherever it is kept. */
bool dv_name_is_connector (const char *name);
/* Between the two forms, below the component's prefix; false when the result
 * does not fit. */
bool dv_name_to_diffusers (
    DvPart part, const char *original, char *name, size_t size);
bool dv_name_to_original (
    DvPart part, const char *diffusers, char *name, size_t size);

/* Takes an original single file's name apart; false: it is of no part. Gemma's
 * names lose what stands before "model.". */
bool dv_name_split (const char *name, DvPart *part, const char **rest);
/* What stands before such a part's name in a single file. */
const char *dv_name_prefix (DvPart part, const char *diffusers);
/* The name of a tensor of Gemma's text model, from any of the spellings, as
 * "model.…"; false: it is of another part of the checkpoint. */
bool dv_name_gemma (const char *name, char *out, size_t size);

/* Whether a tensor (by its diffusers name) is one that nothing computes
 * with. */
bool dv_name_ignored (DvPart part, const char *name);

#endif
