/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files that open a checkpoint share: its parts' tensors by diffusers
 * name, and the readers of its configurations.
 */
#ifndef DV_LTX2_CHECKPOINT_PRIVATE_H
#define DV_LTX2_CHECKPOINT_PRIVATE_H

#include "checkpoint.h"
#include "safetensors.h"

#include <cjson/cJSON.h>

#define DV_MAX_FILES 16

typedef struct {
  char *name; /* diffusers */
  const DvTensor *tensor;
  const DvSafetensors *file;
} DvNamed;

/* The tensors of one part, sorted by name. */
typedef struct {
  DvNamed *named;
  size_t count, max;
  bool original; /* they came under original names */
  char *where;   /* file or directory, for messages; NULL: no such part */
} DvPartTensors;

struct DvCheckpoint {
  char *path, *tokenizer;
  DvSafetensors *file[DV_MAX_FILES];
  int n_files;
  DvPartTensors part[DV_N_PARTS];
  DvLtx2Config config;
};

const DvNamed *dv_part_find (const DvPartTensors *part, const char *name);

/* ---- reading configurations ---- */

/* A configuration, with the tensors that it speaks of. Sticky: after the
 * first mistake the rest is read as its defaults and status stays. */
typedef struct {
  const cJSON *json;            /* NULL: all defaults */
  const char *where;            /* for messages */
  const DvPartTensors *tensors; /* NULL: there are none to compare with */
  DvStatus status;
  DvError *error;
} DvConfigReader;

/* A value by any of its keys (", " between them), in the range; @fallback
 * where no key is there or its value is null. */
int64_t dv_config_int (DvConfigReader *reader, const char *keys,
    int64_t fallback, int64_t low, int64_t high);
double dv_config_number (DvConfigReader *reader, const char *keys,
    double fallback, double low, double high);
bool dv_config_bool (DvConfigReader *reader, const char *keys, bool fallback);
/* NULL when there is none. */
const char *dv_config_string (DvConfigReader *reader, const char *keys);
/* A list of whole numbers into @out (at most @max): how many; 0 when there is
 * none. A single number counts as a list of one. */
int dv_config_list (DvConfigReader *reader, const char *keys, int64_t *out,
    int max, int64_t low, int64_t high);
const cJSON *dv_config_find (const cJSON *json, const char *keys);
void dv_config_fail (DvConfigReader *reader, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
/* Demands that a value of the configuration be this one. */
void dv_config_demand (
    DvConfigReader *reader, bool holds, const char *keys, const char *instead);

/* ---- what the tensors say ---- */

const DvTensor *dv_config_tensor (const DvConfigReader *reader,
    const char *format, ...) __attribute__ ((format (printf, 2, 3)));
bool dv_config_has (const DvConfigReader *reader, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
/* A switch that both the configuration and a tensor tell, which must agree
 * where the key is there; the tensor decides where there are tensors. */
bool dv_config_switch (DvConfigReader *reader, const char *keys, bool fallback,
    const char *format, ...) __attribute__ ((format (printf, 4, 5)));
/* Size of a tensor's dimension, 0 when there is no such tensor. */
int64_t dv_config_dim (const DvConfigReader *reader, int dim,
    const char *format, ...) __attribute__ ((format (printf, 3, 4)));
/* The tensor must be there and have this shape. */
void dv_config_expect (DvConfigReader *reader, int n_dims, const int64_t *shape,
    const char *format, ...) __attribute__ ((format (printf, 4, 5)));
/* How many i from 0 on have a tensor whose name begins with PREFIX i ".". */
int64_t dv_config_counted (const DvConfigReader *reader, const char *format,
    ...) __attribute__ ((format (printf, 2, 3)));

#define DV_CONFIG_SHAPE(...)                                                   \
  (int)(sizeof ((int64_t[]){__VA_ARGS__}) / sizeof (int64_t)), (int64_t[])     \
  {                                                                            \
    __VA_ARGS__                                                                \
  }

/* One reader a part; each takes diffusers' keys and the original's. */
void dv_config_gemma (DvConfigReader *reader, DvGemmaConfig *config);
void dv_config_connectors (DvConfigReader *reader, DvTextConfig *config);
void dv_config_dit (DvConfigReader *reader, DvDitConfig *config);
void dv_config_video_vae (DvConfigReader *reader, DvVideoVaeConfig *config);
void dv_config_audio_vae (DvConfigReader *reader, DvAudioVaeConfig *config);
void dv_config_vocoder (DvConfigReader *reader, DvVocoderConfig *config);
void dv_config_upsampler (DvConfigReader *reader, DvUpsamplerConfig *config);

/* Whether the parts fit together. */
DvStatus dv_config_check_joints (
    const DvLtx2Config *config, const char *where, DvError *error);

/* A JSON file or text as cJSON has it, checked first by our own reader, so
 * that what cJSON then refuses is for want of memory. NULL and @error. */
cJSON *dv_config_parse (
    const char *text, size_t size, const char *where, DvError *error);
cJSON *dv_config_load (const char *path, DvError *error);

#endif
