/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one seam between maths and media.
 *
 * A *model* is opened once a process and device and shared by reference
 * count.  A *session* holds the continuation state of one stream.  A *step*
 * makes one segment and hands it to the caller's *sink* while it is made.
 *
 * Threads: a model may be used by any number of threads; a session belongs to
 * one thread at a time, but for dv_session_prepare().  Sink callbacks are
 * called on the thread that called dv_session_step().
 */
#ifndef DV_GENERATOR_H
#define DV_GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* ---- model ---- */

typedef struct DvModel DvModel;
typedef struct DvSession DvSession;

/* A low-rank change of a model's weights, from a safetensors file. */
typedef struct {
  const char *path;
  float strength; /* 1: as it was made */
} DvLoraSpec;

typedef struct {
  const char *model;      /* path, or "procedural"; NULL: "procedural" */
  const char *device;     /* "auto", "cpu", "cuda:N"; NULL: "auto" */
  const char *dtype;      /* "auto", "f32", "bf16"; NULL: "auto" */
  uint64_t memory_budget; /* bytes; 0: what the device has */
  /* Loading progress in bytes; may be NULL. Called on the opening thread. */
  void (*progress) (void *user, uint64_t done, uint64_t total);
  /* What a person would like to know, a sentence a time: the memory plan, what
   * is used of the processor, what is slower than it could be. May be NULL.
   * Called on the opening thread and on those of steps. */
  void (*say) (void *user, const char *sentence);
  /* Looked at while weights are read: true ends opening with DV_CANCELLED. May
   * be NULL. */
  bool (*cancelled) (void *user);
  void *user;
  /* What the plan is made for; 0: 1920x1088, 121 frames. */
  uint32_t width, height, frames;
  const DvLoraSpec *loras;
  size_t n_loras;
  int threads; /* of a CPU device; 0: all this process may run on */
  /* Say the memory plan and load nothing: what is opened has no sessions. */
  bool plan_only;
  /* Prompts will be given: a model that cannot read them is refused now, and
   * not at the first segment. */
  bool prompts;
} DvModelSpec;

typedef struct {
  const char *name;   /* "procedural", "LTX-2 …": shown wherever one looks */
  const char *device; /* the device in use, "cpu" or "cuda:N" */
  bool procedural;    /* a drawing: nobody may take it for a neural model */
  uint32_t size_step; /* width and height must be multiples of this */
  uint32_t min_size;  /* smallest width and height, pixels */
  uint32_t max_size;  /* largest width and height, pixels */
  uint32_t sample_rate; /* Hz, of the samples handed to commit_audio */
  uint32_t channels;    /* interleaved */
  bool prepares;        /* dv_session_prepare() works beside a step: whoever
                         * knows a prompt early does well to tell it */
} DvModelInfo;

/* Opens (or refuses, with numbers, what memory cannot hold). Returns a new
 * reference, or NULL with @error filled. */
DvModel *dv_model_open (const DvModelSpec *spec, DvError *error);
DvModel *dv_model_ref (DvModel *model);
void dv_model_unref (DvModel *model);
const DvModelInfo *dv_model_info (const DvModel *model);

/* Replaces the LoRAs that are merged into the weights; with @n 0 they are again
 * what the files hold, exactly. No step may be running, and nothing be
 * prepared. On failure the weights are as they were. */
DvStatus dv_model_set_loras (
    DvModel *model, const DvLoraSpec *loras, size_t n, DvError *error);

/* Memory that the device copies to fast, at least 64-byte aligned. NULL when
 * there is none left. Freed with the same model. */
void *dv_model_host_alloc (DvModel *model, size_t size);
void dv_model_host_free (DvModel *model, void *memory);

/* ---- one segment ---- */

/* A destination for one I420 frame, the caller's memory. */
typedef struct {
  uint8_t *plane[3];  /* Y, U, V */
  uint32_t stride[3]; /* bytes, at least the plane's width */
} DvFrame;

/* A start image, RGB, 8 bits a channel, sRGB. */
typedef struct {
  const uint8_t *pixels;
  uint32_t width, height;
  size_t stride; /* bytes a row, at least 3 * width */
} DvImage;

/* What a test gives a neural model instead of a prompt and a seed. Token
 * order: [tokens, channels]; lengths are in floats and checked. Requests
 * without get it from the file that DREAMVERSE_LTX2_TEST_INPUTS names in the
 * environment, if it does (ltx2/test-input.h). */
typedef struct {
  const int32_t *ids; /* without padding */
  size_t n_ids;
  size_t text_len;       /* rows of the context; 0: the model's */
  const float *noise[4]; /* video, audio; second stage: video, audio */
  size_t n_noise[4];
} DvTestInput;

#define DV_MAX_SIGMAS 64

/* Noise levels of both stages, falling to 0. */
typedef struct {
  float sigmas[2][DV_MAX_SIGMAS];
  unsigned n[2]; /* levels, the 0 included; 0: the model's own */
} DvSteps;

typedef struct {
  const char *prompt; /* UTF-8; NULL or "" is a prompt too */
  uint32_t index;     /* 1-based within the stream since the last reset */
  bool reset;         /* forget the continuation before this segment */
  uint64_t seed;

  uint32_t width, height;
  uint32_t fps_n, fps_d;

  /* The segment's arithmetic; dv_segment_plan() fills these. */
  uint32_t frames;       /* F: frames the model makes, overlap included */
  uint32_t overlap;      /* V: frames that repeat the end of the last segment;
                          * 0 on a segment that starts clean */
  uint32_t first_frame;  /* frames below this one are made but not committed:
                          * V after head trim, 0 to see the overlap too */
  uint64_t first_sample; /* samples since reset of the first one committed */
  uint64_t samples;      /* samples (a channel) wanted; the caller pads or cuts
                          * what differs */

  uint32_t audio_overlap; /* A, in video frames: sound that the model repeats */
  uint32_t next_overlap;  /* V of the segment after this one; 0: the usual */

  const DvImage *start_image; /* NULL; looked at on a clean start only */

  /* Neural models only. */
  const float *sigmas[2]; /* noise levels of both stages, falling to 0; NULL:
                           * the model's own */
  unsigned n_sigmas[2];   /* levels, the 0 included */
  bool one_stage;         /* denoise at full size at once */
  float image_strength;   /* of the start image; 0 means 1 */
  const DvTestInput *test;

  /* Procedural generator only. */
  double pace; /* seconds a step takes at least; 0: as fast as it can */
  bool stamp;  /* draw the strip of blocks, put a click on each second */
} DvRequest;

/* Owned by the caller, valid during the step. A callback that returns false
 * ends the step: DV_CANCELLED if cancelled() says so, else DV_ERROR_SINK. */
typedef struct {
  void *user;
  /* A destination for frame @n of the segment (first_frame <= n < frames);
   * asked for in order, at most one at a time. */
  bool (*acquire_frame) (void *user, uint32_t n, DvFrame *frame);
  /* Frame @n is whole; the generator will not touch its memory again. */
  bool (*commit_frame) (void *user, uint32_t n);
  /* @count samples (a channel) of interleaved float in [-1, 1], in order. */
  bool (*commit_audio) (void *user, const float *samples, size_t count);
  /* May be NULL. @fraction in [0, 1] of the whole step. */
  void (*progress) (void *user, const char *stage, double fraction);
  /* Looked at between denoise steps, decode chunks and frames, and at least
   * every 20 ms while waiting. */
  bool (*cancelled) (void *user);
} DvSink;

#define DV_REPORT_STAGES 16

typedef struct {
  char name[24];
  double ms;
} DvStageTime;

/* Generation only: it never holds a time of the media side. */
typedef struct {
  uint32_t index;
  uint32_t frames;  /* committed */
  uint64_t samples; /* committed, a channel */
  double total_ms;  /* generation and saving of the continuation state */
  DvStageTime stage[DV_REPORT_STAGES];
  unsigned n_stages;
} DvReport;

/* ---- choices in words, as people write them ---- */

/* Steps of both stages, "5+2", or their noise levels, "1,0.9,0.5,0+0.9,0.5,0";
 * what is not said is the model's own. */
DvStatus dv_steps_parse (const char *text, DvSteps *steps, DvError *error);
/* "FILE" or "FILE:STRENGTH"; the path is to be freed. */
DvStatus dv_lora_parse (const char *text, DvLoraSpec *lora, DvError *error);

/* ---- session ---- */

DvSession *dv_session_new (DvModel *model, DvError *error);
void dv_session_free (DvSession *session);
/* Forgets the continuation state: the next segment starts clean. */
void dv_session_reset (DvSession *session);

/* Continuation state as bytes, to be freed with free(). Loading refuses what
 * is not a state of this model and version, and then leaves the session as it
 * was. */
DvStatus dv_session_save (
    DvSession *session, uint8_t **data, size_t *size, DvError *error);
DvStatus dv_session_load (
    DvSession *session, const uint8_t *data, size_t size, DvError *error);

/* Computes what a segment of @prompt will need of it, so that the step which is
 * given it finds that ready: a neural model's text contexts. May be called from
 * any thread, also while a step of the session runs, beside which it then
 * computes; calls wait for each other. What steps make is the same with it and
 * without. Does nothing where the model's info says that it does not prepare.
 * @cancelled (may be NULL) is looked at as in a step: true ends it with
 * DV_CANCELLED. After a failure the step computes for itself, and says why if
 * it fails too. The session must not be freed meanwhile, nor its model's LoRAs
 * be replaced. */
DvStatus dv_session_prepare (DvSession *session, const char *prompt,
    bool (*cancelled) (void *user), void *user, DvError *error);

/* Makes one segment. When it returns DV_OK the continuation state is saved in
 * the session and @report (may be NULL) holds the timings. After anything
 * else the continuation state is what it was before the step. */
DvStatus dv_session_step (DvSession *session, const DvRequest *request,
    const DvSink *sink, DvReport *report, DvError *error);

#endif
