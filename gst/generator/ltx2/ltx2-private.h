/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An open LTX-2 model, its memory plan, and one segment while it is made.
 */
#ifndef DV_LTX2_PRIVATE_H
#define DV_LTX2_PRIVATE_H

#include "../model.h"
#include "audio-vae.h"
#include "checkpoint.h"
#include "dit.h"
#include "lora.h"
#include "ltx2.h"
#include "schedule.h"
#include "state.h"
#include "test-input.h"
#include "text-cache.h"
#include "tokenizer.h"
#include "upsampler.h"
#include "video-vae.h"
#include "vocoder.h"

#define DV_LTX2_CHANNELS 2
#define DV_LTX2_MIN_SIZE 64
#define DV_LTX2_MAX_SIZE 4096
#define DV_LTX2_MAX_FRAMES 1017
#define DV_LTX2_PROMPTS 8 /* whose contexts are kept */

/* The networks. Loaded by counting they serve only dry streams. */
typedef struct {
  DvGemma *gemma;
  DvConnectors *connectors;
  DvDit *dit;
  DvUpsampler *upsampler; /* NULL: one stage only */
  DvVideoVae *video_vae;
  DvAudioVae *audio_vae;
  DvVocoder *vocoder;
} DvLtx2Parts;

typedef struct {
  uint64_t mapped;   /* bytes of the weights in the files */
  uint64_t resident; /* bytes made beside them, all layers' */
  uint64_t scratch;  /* bytes taken while its LoRAs are merged */
  int64_t layers;    /* whose matrices can be kept in host memory */
  uint64_t layer;    /* bytes of those of one layer, at most */
  int64_t parked;    /* layers that are, and are brought when they run */
} DvPartBytes;

/* ---- one segment ---- */

/* Sizes and lists, decided before any work. */
typedef struct {
  uint32_t width, height, frames;
  double fps;
  bool continued;
  int stages;
  DvShapes shape[2];     /* of the stages; a single stage is [1] */
  int64_t audio_latents; /* T, of both stages */
  int64_t text_len, n_ids;
  DvContinuation continuation;
  int steps[2];
  float sigmas[2][DV_MAX_SIGMAS];
} DvLtx2Sizes;

typedef struct DvLtx2 DvLtx2;

/* One running step, or a dry run of one. */
typedef struct {
  const DvLtx2 *model;
  const DvLtx2Parts *parts;
  DvStream *stream;
  const DvLtx2Sizes *sizes;
  const DvRequest *request; /* NULL in a dry run, as what follows */
  const DvSink *sink;
  const int32_t *ids;
  DvTextCache *texts;
  DvDitCache *cache;
  const DvState *before; /* what this segment continues */
  DvState *after;        /* what it leaves */
  const DvProbe *probe;

  DvReport report;
  double handed_ms; /* spent in the sink */
  double since_ms;  /* when the running stage began */
  double handed_before;
  uint64_t samples;

  /* deliver.c's: what a discrete device still brings. */
  DvFence *fence;  /* of the frame; NULL: nothing is late here */
  int64_t pending; /* a frame that is not committed yet; -1: none */
  DvFence *sound_fence;
  float *sound; /* host memory of the device; NULL: none is pending */
  int64_t sound_have;
} DvMaking;

/* sizes.c: checks @request and decides. @before: what it would continue. */
DvStatus dv_ltx2_sizes (const DvLtx2 *model, const DvRequest *request,
    const DvState *before, DvLtx2Sizes *sizes, DvError *error);

/* making.c: text, both stages, sound, pictures. Fails through the stream. */
void dv_ltx2_make (DvMaking *making);
/* Ends the running stage under this name and begins the next. */
void dv_ltx2_stage_done (DvMaking *making, const char *name);
void dv_ltx2_tell (const DvMaking *making, const char *stage, double fraction);
double dv_ltx2_now_ms (void);

/* deliver.c: @audio [T, C * bins] tokens; @video [F, h, w, C], normalised. */
DvStatus dv_ltx2_deliver_begin (DvMaking *making, DvError *error);
void dv_ltx2_deliver_sound (DvMaking *making, const DvTensor *audio);
void dv_ltx2_deliver_pictures (DvMaking *making, const DvTensor *video);
/* When nothing is queued any more. */
void dv_ltx2_deliver_end (DvMaking *making);

/* ---- the model ---- */

/* What a model needs, part by part. */
typedef struct {
  DvPartBytes part[DV_N_PARTS];
  uint64_t activations; /* the most at a time while a segment is made */
  uint64_t cache;       /* contexts of prompts, text keys and values */
  uint64_t state;       /* what one segment leaves to the next, twice */
  uint64_t slots;       /* where parked layers are brought to */
  uint64_t ahead;       /* activations of a prompt that is encoded beside a
                         * step; 0: none is */
  uint64_t ahead_slots; /* where its parked layers are brought to */
  uint64_t scratch;     /* where LoRAs are merged */
  uint64_t reserve;     /* discrete devices: of the driver, and for pieces */
  uint64_t needed;      /* weights that stay and all of the above, but the
                         * state where the device is discrete */
  uint64_t budget;      /* what there is */
  uint64_t host;        /* host memory that parked layers take */
  uint64_t host_budget; /* 0: unknown */
  bool discrete;
  uint32_t width, height, frames;
} DvPlan;

struct DvLtx2 {
  DvModel parent;
  DvDevice *device;
  DvCheckpoint *checkpoint;
  const DvLtx2Config *config;
  DvDtype compute;
  DvTokenizer *tokenizer;     /* NULL: there is none */
  DvSafetensors *test_inputs; /* NULL: none */
  DvLoras *loras;             /* NULL: none */
  DvLtx2Parts parts;
  DvPlan plan;
  uint64_t revision;    /* of the transformer's weights: LoRAs make another */
  uint64_t fingerprint; /* of the shape: whose states may be loaded */
  char name[96], device_name[32];
  void (*say) (void *user, const char *sentence);
  void *user;
};

/* model.c: fails with what is missing and where it belongs. */
DvStatus dv_ltx2_no_tokenizer (DvError *error);

/* parts.c: loads one part as planned, or counts it. */
DvStatus dv_ltx2_load_part (const DvLtx2 *model, DvPart part, bool counting,
    const DvLoras *loras, bool (*progress) (void *user, uint64_t done),
    void *user, DvLtx2Parts *parts, DvPartBytes *bytes, DvError *error);
void dv_ltx2_parts_clear (DvLtx2Parts *parts);

/* plan.c: by headers and a dry run alone. */
DvStatus dv_ltx2_plan (
    const DvLtx2 *model, const DvModelSpec *spec, DvPlan *plan, DvError *error);
/* Refuses, with numbers, what does not fit. */
DvStatus dv_ltx2_plan_check (const DvPlan *plan, DvError *error);
/* The same for a segment of @sizes, which may be another than what the plan was
 * made for, with @bytes of activations. */
DvStatus dv_ltx2_plan_allows (const DvLtx2 *model, const DvLtx2Sizes *sizes,
    uint64_t bytes, DvError *error);
void dv_ltx2_plan_say (const DvLtx2 *model, const DvPlan *plan);
/* Bytes of activations that a segment of @sizes takes at the most. */
DvStatus dv_ltx2_measure (const DvLtx2 *model, const DvLtx2Parts *parts,
    const DvLtx2Sizes *sizes, uint64_t *bytes, DvError *error);

/* ahead.c: the next prompt, encoded beside a step. */
typedef struct DvLtx2Ahead DvLtx2Ahead;

/* For one session of @model. */
DvLtx2Ahead *dv_ltx2_ahead_new (const DvLtx2 *model, DvError *error);
/* NULL is nothing, here and below. */
void dv_ltx2_ahead_free (DvLtx2Ahead *ahead);
/* Between these two nobody encodes ahead, and the cache may be replaced. */
void dv_ltx2_ahead_hold (DvLtx2Ahead *ahead);
void dv_ltx2_ahead_release (DvLtx2Ahead *ahead);
/* The contexts of @prompt into *@texts, unless they are there. */
DvStatus dv_ltx2_ahead_encode (DvLtx2Ahead *ahead, DvTextCache *const *texts,
    const char *prompt, bool (*cancelled) (void *user), void *user,
    DvError *error);

/* session.c */
DvSession *dv_ltx2_session_new (DvModel *model, DvError *error);
void dv_ltx2_session_free (DvSession *session);
void dv_ltx2_session_reset (DvSession *session);
DvStatus dv_ltx2_session_save (
    DvSession *session, uint8_t **data, size_t *size, DvError *error);
DvStatus dv_ltx2_session_load (
    DvSession *session, const uint8_t *data, size_t size, DvError *error);
DvStatus dv_ltx2_session_prepare (DvSession *session, const char *prompt,
    bool (*cancelled) (void *user), void *user, DvError *error);
DvStatus dv_ltx2_session_step (DvSession *session, const DvRequest *request,
    const DvSink *sink, DvReport *report, DvError *error);

#endif
