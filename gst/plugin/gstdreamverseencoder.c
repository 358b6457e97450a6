/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is known of AAC encoders. mp4mux writes no edit list into fragmented
 * output, so the priming of an encoder has to be known to be taken out; tests
 * measure these figures with an impulse.
 *
 * Threads: any; the walk only reads links, with references held.
 */
#include "gstdreamverseencoder.h"

#include <string.h>

/* Deeper than any sane chain between an encoder and its muxer. */
#define MAX_HOPS 64

static const GstDreamverseEncoder encoders[] = {
    {"voaacenc", 1600, 0},
    {"avenc_aac", 1024, 1},
};

static const GstDreamverseEncoder unknown = {NULL, 0, 1};

/* The sink pad through which @srcpad gets its data, or NULL. */
static GstPad *
upstream_of (GstPad *srcpad)
{
  GstIterator *it = gst_pad_iterate_internal_links (srcpad);
  GValue value = G_VALUE_INIT;
  GstPad *sink = NULL;

  if (!it)
    return NULL;
  if (gst_iterator_next (it, &value) == GST_ITERATOR_OK) {
    sink = g_value_dup_object (&value);
    g_value_unset (&value);
  }
  gst_iterator_free (it);
  return sink;
}

static const GstDreamverseEncoder *
look_up (GstPad *pad, gboolean *encodes)
{
  GstElement *element = gst_pad_get_parent_element (pad);
  GstElementFactory *factory =
      element ? gst_element_get_factory (element) : NULL;
  const GstDreamverseEncoder *found = &unknown;
  guint i;

  *encodes = factory && gst_element_factory_list_is_type (
                            factory, GST_ELEMENT_FACTORY_TYPE_AUDIO_ENCODER);
  for (i = 0; *encodes && i < G_N_ELEMENTS (encoders); i++)
    if (!strcmp (GST_OBJECT_NAME (factory), encoders[i].factory))
      found = &encoders[i];
  gst_clear_object (&element);
  return found;
}

const GstDreamverseEncoder *
gst_dreamverse_encoder_find (GstPad *sinkpad)
{
  const GstDreamverseEncoder *found = &unknown;
  GstPad *sink = gst_object_ref (sinkpad);
  gboolean encodes = FALSE;
  guint hop;

  for (hop = 0; sink && !encodes && hop < MAX_HOPS; hop++) {
    GstPad *src = gst_pad_get_peer (sink);

    gst_clear_object (&sink);
    if (!src)
      break;
    found = look_up (src, &encodes);
    if (!encodes)
      sink = upstream_of (src);
    gst_object_unref (src);
  }
  gst_clear_object (&sink);
  return found;
}
