/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A probe shows a module's intermediate tensors, under the names that the
 * goldens use, to whoever compares them.  Never called on a dry stream.
 */
#ifndef DV_LTX2_PROBE_H
#define DV_LTX2_PROBE_H

#include "device.h"

typedef struct {
  void (*see) (
      void *user, DvStream *stream, const char *name, const DvTensor *tensor);
  void *user;
} DvProbe;

/* @probe may be NULL. */
static inline void
dv_probe (const DvProbe *probe, DvStream *stream, const char *name,
    const DvTensor *tensor)
{
  if (probe && probe->see && dv_stream_live (stream))
    probe->see (probe->user, stream, name, tensor);
}

#endif
