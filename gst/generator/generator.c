/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Models and sessions: which generator a name means, sharing, and the way to
 * that generator's own functions.
 *
 * Threads: everything about models may be called from any thread.
 */
#include "generator.h"

#include <string.h>

#include "ltx2/ltx2.h"
#include "model.h"

DvModel *
dv_model_open (const DvModelSpec *spec, DvError *error)
{
  static const DvModelSpec defaults;
  const char *name;

  if (!spec)
    spec = &defaults;
  name = spec->model;
  if (!name || !*name || strcmp (name, "procedural") == 0)
    return dv_procedural_open (spec, error);
  return dv_ltx2_open (spec, error);
}

DvModel *
dv_model_ref (DvModel *model)
{
  atomic_fetch_add_explicit (&model->refs, 1, memory_order_relaxed);
  return model;
}

void
dv_model_unref (DvModel *model)
{
  if (model &&
      atomic_fetch_sub_explicit (&model->refs, 1, memory_order_acq_rel) == 1)
    model->generator->free (model);
}

const DvModelInfo *
dv_model_info (const DvModel *model)
{
  return &model->info;
}

DvStatus
dv_model_set_loras (
    DvModel *model, const DvLoraSpec *loras, size_t n, DvError *error)
{
  if (!model->generator->set_loras)
    return n == 0 ? DV_OK
                  : dv_fail (error, DV_ERROR_ARGUMENT, "open",
                        "\"%.80s\" has no weights that a LoRA could change",
                        model->info.name);
  return model->generator->set_loras (model, loras, n, error);
}

void *
dv_model_host_alloc (DvModel *model, size_t size)
{
  return model->generator->host_alloc (model, size);
}

void
dv_model_host_free (DvModel *model, void *memory)
{
  model->generator->host_free (model, memory);
}

DvSession *
dv_session_new (DvModel *model, DvError *error)
{
  DvSession *session = model->generator->session_new (model, error);

  if (session)
    session->model = dv_model_ref (model);
  return session;
}

void
dv_session_free (DvSession *session)
{
  DvModel *model;

  if (!session)
    return;
  model = session->model;
  model->generator->session_free (session);
  dv_model_unref (model);
}

void
dv_session_reset (DvSession *session)
{
  session->model->generator->session_reset (session);
}

DvStatus
dv_session_save (
    DvSession *session, uint8_t **data, size_t *size, DvError *error)
{
  return session->model->generator->session_save (session, data, size, error);
}

DvStatus
dv_session_load (
    DvSession *session, const uint8_t *data, size_t size, DvError *error)
{
  return session->model->generator->session_load (session, data, size, error);
}

DvStatus
dv_session_prepare (DvSession *session, const char *prompt,
    bool (*cancelled) (void *user), void *user, DvError *error)
{
  const DvGenerator *generator = session->model->generator;

  if (!session->model->info.prepares)
    return DV_OK;
  return generator->session_prepare (session, prompt, cancelled, user, error);
}

DvStatus
dv_session_step (DvSession *session, const DvRequest *request,
    const DvSink *sink, DvReport *report, DvError *error)
{
  return session->model->generator->session_step (
      session, request, sink, report, error);
}
