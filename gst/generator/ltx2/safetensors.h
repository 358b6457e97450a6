/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * safetensors files, mapped: one file, or the shards that an index names.
 *
 * Opening reads headers only.  Nothing in a header is believed: lengths,
 * offsets, shapes and names are checked against each other and against the
 * file before a tensor is handed out, and what is wrong is said with the
 * file's and the tensor's name.
 *
 * A tensor's data lies where the file has it, which may be off its type's
 * alignment: dv_safetensors_aligned() says so.  The file must not be made
 * shorter while it is mapped.
 *
 * Threads: after opening, it is only read and may be shared.
 */
#ifndef DV_LTX2_SAFETENSORS_H
#define DV_LTX2_SAFETENSORS_H

#include "tensor.h"

typedef struct DvSafetensors DvSafetensors;

/* @path: a .safetensors file, or an index (….index.json), whose shards lie
 * beside it. */
DvSafetensors *dv_safetensors_open (const char *path, DvError *error);
/* From memory, which must outlive it; @name is for messages. */
DvSafetensors *dv_safetensors_parse (
    const void *bytes, size_t size, const char *name, DvError *error);
void dv_safetensors_free (DvSafetensors *file);

size_t dv_safetensors_count (const DvSafetensors *file);
/* NULL when there is none of that name. */
const DvTensor *dv_safetensors_find (
    const DvSafetensors *file, const char *name);
/* The i-th tensor by name, and its name; NULL past the last. */
const DvTensor *dv_safetensors_nth (
    const DvSafetensors *file, size_t i, const char **name);
/* A string of the header's __metadata__ (of any shard), or NULL. */
const char *dv_safetensors_metadata (
    const DvSafetensors *file, const char *key);
const char *dv_safetensors_path (const DvSafetensors *file);
/* Bytes of all tensors. */
uint64_t dv_safetensors_bytes (const DvSafetensors *file);

static inline bool
dv_safetensors_aligned (const DvTensor *tensor)
{
  return (uintptr_t)tensor->data % dv_dtype_size (tensor->dtype) == 0;
}

/* Hints for the pages of a tensor of this file: it will be read now, from
 * front to back; it was read, and will be used where it is (@stays) or not any
 * more: then the pages leave this process, though not the system's cache. */
void dv_safetensors_will_read (
    const DvSafetensors *file, const DvTensor *tensor);
void dv_safetensors_was_read (
    const DvSafetensors *file, const DvTensor *tensor, bool stays);

#endif
