/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is known of AAC encoders: how late their sound is and how much they
 * hold back.
 */
#ifndef GST_DREAMVERSE_ENCODER_H
#define GST_DREAMVERSE_ENCODER_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  const gchar *factory;
  guint delay; /* samples, at the encoder's rate, by which the decoded sound
                * comes later than its timestamps say */
  guint held;  /* whole frames that stay inside until more input comes */
} GstDreamverseEncoder;

/* Walks upstream from @sinkpad, through queues, parsers, tees and bins, to the
 * encoder that feeds it. Never NULL: where none is found, or one that is not
 * known, a cautious entry without a factory name is returned. */
const GstDreamverseEncoder *gst_dreamverse_encoder_find (GstPad *sinkpad);

G_END_DECLS

#endif
