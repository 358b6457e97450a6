/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the procedural generator can do, and the check of a request.
 */
#ifndef DV_PROCEDURAL_H
#define DV_PROCEDURAL_H

#include "../generator.h"

#define DV_PROCEDURAL_SIZE_STEP 2
#define DV_PROCEDURAL_MIN_SIZE 16
#define DV_PROCEDURAL_MAX_SIZE 8192
#define DV_PROCEDURAL_MAX_FPS 1000  /* frames a second */
#define DV_PROCEDURAL_MIN_FPS 0.01  /* frames a second */
#define DV_PROCEDURAL_MAX_PACE 3600 /* seconds */
#define DV_PROCEDURAL_RATE 24000    /* Hz, as the real model's */
#define DV_PROCEDURAL_CHANNELS 2

/* generator.h's functions for sessions of this generator. */
DvSession *dv_procedural_session_new (DvModel *model, DvError *error);
void dv_procedural_session_free (DvSession *session);
void dv_procedural_session_reset (DvSession *session);
DvStatus dv_procedural_session_save (
    DvSession *session, uint8_t **data, size_t *size, DvError *error);
DvStatus dv_procedural_session_load (
    DvSession *session, const uint8_t *data, size_t size, DvError *error);
DvStatus dv_procedural_session_step (DvSession *session,
    const DvRequest *request, const DvSink *sink, DvReport *report,
    DvError *error);

/* Refuses what could not be drawn, in a sentence that names the number. */
DvStatus dv_procedural_check (const DvRequest *request, DvError *error);

#endif
