/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LoRAs: low-rank changes to a transformer's weights, merged while they are
 * loaded (section 13 of docs/ltx2-model.md):
 *
 *   W += strength * (alpha / rank, where there is an alpha) * B A
 *
 * in float32, rounded once, where the transformer computes: on a GPU the files'
 * numbers are brought to it, and the sums have the bits that a processor gives
 * (ops.h, DvMerge).  The checkpoint stays as it is, so that removing a LoRA is
 * loading without it: exact.
 *
 *   DvLoras *loras = dv_loras_new (&error);
 *   dv_loras_add (loras, "style.safetensors", 0.8, &error);
 *   loader.loras = loras;   // dv_loader_begin () checks them, and so on
 *
 * Threads: while loaders use it, it is only read and may be shared.
 */
#ifndef DV_LTX2_LORA_H
#define DV_LTX2_LORA_H

#include "ops.h"

typedef struct DvLoras DvLoras;

DvLoras *dv_loras_new (DvError *error);
void dv_loras_free (DvLoras *loras);

/* Adds a file; names may be the original's or diffusers', with the prefix
 * diffusion_model., model.diffusion_model., transformer. or none. What is no
 * pair of lora_A and lora_B (or lora_down and lora_up) is refused by name. */
DvStatus dv_loras_add (
    DvLoras *loras, const char *path, double strength, DvError *error);
size_t dv_loras_count (const DvLoras *loras); /* files */

/* The i-th weight of any file that is changed, by its diffusers name
 * ("transformer_blocks.0.attn1.to_q.weight"), and the file; NULL past the
 * last. */
const char *dv_loras_target (const DvLoras *loras, size_t i, const char **path);
bool dv_loras_touch (const DvLoras *loras, const char *weight);
/* @out [out, in] on the stream's device, F32 or BF16: @from, the weight in host
 * memory as a file has it, with every change of @weight; shapes must fit. What
 * the op reads is copied into the arena, so that a dry stream says what it
 * takes; it is done when this returns. */
DvStatus dv_loras_merge (const DvLoras *loras, DvStream *stream,
    const char *weight, const DvTensor *from, const DvTensor *out,
    DvError *error);

#endif
