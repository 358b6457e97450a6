/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LTX-2 behind generator.h: a model of any of the three layouts, opened for
 * generating.
 */
#ifndef DV_LTX2_H
#define DV_LTX2_H

#include "../generator.h"
#include "probe.h"

DvModel *dv_ltx2_open (const DvModelSpec *spec, DvError *error);

/* Shows the next steps of a session of such a model to @probe, which must
 * outlive them; NULL: no more. Latents are channels-last, "frame" is a decoded
 * picture in [-1, 1]. */
void dv_ltx2_session_probe (DvSession *session, const DvProbe *probe);

#endif
