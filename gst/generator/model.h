/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a generator is behind generator.h: the functions of its models and
 * sessions.  generator.c looks nothing up but these.
 */
#ifndef DV_MODEL_H
#define DV_MODEL_H

#include <stdatomic.h>

#include "generator.h"

typedef struct {
  void (*free) (DvModel *model);
  void *(*host_alloc) (DvModel *model, size_t size);
  void (*host_free) (DvModel *model, void *memory);
  DvStatus (*set_loras) (
      DvModel *model, const DvLoraSpec *loras, size_t n, DvError *error);
  /* The session's model field is set by the caller, who holds the reference. */
  DvSession *(*session_new) (DvModel *model, DvError *error);
  void (*session_free) (DvSession *session);
  void (*session_reset) (DvSession *session);
  DvStatus (*session_save) (
      DvSession *session, uint8_t **data, size_t *size, DvError *error);
  DvStatus (*session_load) (
      DvSession *session, const uint8_t *data, size_t size, DvError *error);
  /* NULL: nothing is prepared. */
  DvStatus (*session_prepare) (DvSession *session, const char *prompt,
      bool (*cancelled) (void *user), void *user, DvError *error);
  DvStatus (*session_step) (DvSession *session, const DvRequest *request,
      const DvSink *sink, DvReport *report, DvError *error);
} DvGenerator;

/* First in every generator's own. */
struct DvModel {
  const DvGenerator *generator;
  atomic_uint refs;
  DvModelInfo info;
};

struct DvSession {
  DvModel *model;
};

DvModel *dv_procedural_open (const DvModelSpec *spec, DvError *error);

#endif
