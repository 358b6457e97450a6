/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writing a safetensors file front to back: the tensors are announced, then
 * their data follows in the same order, so that a file of any size needs no
 * memory to speak of.
 *
 * Sticky: after the first failure every call does nothing, and
 * dv_safetensors_write_end() says what failed; nothing is left at the path.
 */
#ifndef DV_LTX2_SAFETENSORS_WRITE_H
#define DV_LTX2_SAFETENSORS_WRITE_H

#include "tensor.h"

typedef struct DvSafetensorsWriter DvSafetensorsWriter;

DvSafetensorsWriter *dv_safetensors_write (const char *path, DvError *error);
void dv_safetensors_write_metadata (
    DvSafetensorsWriter *writer, const char *key, const char *value);
void dv_safetensors_write_tensor (DvSafetensorsWriter *writer, const char *name,
    DvDtype dtype, int n_dims, const int64_t *shape);
/* Bytes of the tensors, in pieces of any size. */
void dv_safetensors_write_data (
    DvSafetensorsWriter *writer, const void *data, size_t bytes);
/* So many bytes of zeros that take no room on disk. */
void dv_safetensors_write_hole (DvSafetensorsWriter *writer, uint64_t bytes);
/* Frees the writer. */
DvStatus dv_safetensors_write_end (DvSafetensorsWriter *writer, DvError *error);

#endif
