/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the two halves of the safetensors reader share: safetensors.c maps
 * files, safetensors-header.c reads their headers.
 */
#ifndef DV_LTX2_SAFETENSORS_PRIVATE_H
#define DV_LTX2_SAFETENSORS_PRIVATE_H

#include "safetensors.h"

typedef struct {
  char *path;
  void *mapped;         /* NULL: the caller's memory */
  const uint8_t *bytes; /* of the whole file */
  size_t size;
  char *header; /* while it is read */
  size_t header_size;
  char *pool; /* names and metadata, each with its 0 */
} DvShard;

typedef struct {
  const char *name; /* in the shard's pool */
  DvTensor tensor;
  uint64_t begin, end; /* in the shard's data */
  size_t shard;
} DvEntry;

typedef struct {
  const char *key, *value;
} DvMeta;

struct DvSafetensors {
  char *path;
  DvShard *shard;
  size_t n_shards;
  DvEntry *entry; /* sorted by name once all shards are read */
  size_t n_entries, max_entries;
  DvMeta *meta;
  size_t n_meta, max_meta;
};

/* The header's length from the first 8 bytes, checked against the shard's
 * size. */
DvStatus dv_shard_header_size (const DvShard *shard, const uint8_t *length,
    uint64_t *size, DvError *error);
/* Adds what the header of @shard (one of @file's) says. */
DvStatus dv_shard_read (DvSafetensors *file, DvShard *shard, DvError *error);
/* Sorts by name; a name that comes twice is an error. */
DvStatus dv_entries_sort (DvSafetensors *file, DvError *error);
const DvEntry *dv_entry_find (const DvSafetensors *file, const char *name);

#endif
