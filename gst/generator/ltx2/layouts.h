/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What layouts.c, which finds a checkpoint's files, uses of checkpoint.c,
 * which takes their tensors.
 */
#ifndef DV_LTX2_LAYOUTS_H
#define DV_LTX2_LAYOUTS_H

#include "checkpoint-private.h"

DvCheckpoint *dv_checkpoint_new (const char *path, DvError *error);
/* Opens a file that the checkpoint then owns. */
DvSafetensors *dv_checkpoint_add_file (
    DvCheckpoint *checkpoint, const char *path, DvError *error);
/* Adds @file's tensors of that part. @whole: an original single file, with a
 * prefix a component; else everything in it is of the component. */
DvStatus dv_checkpoint_add_part (DvCheckpoint *checkpoint, DvPart part,
    const DvSafetensors *file, bool whole, DvError *error);
/* Reads the part's configuration (NULL: defaults) and compares it with the
 * part's tensors. */
DvStatus dv_checkpoint_configure (DvCheckpoint *checkpoint, DvPart part,
    const cJSON *json, const char *where, DvError *error);

#endif
