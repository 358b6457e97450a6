/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bus of the whole pipeline, and who is upstream: see the header.
 */
#include "gstdreamversebus.h"

/* The pad at the other end, whatever bins lie between; NULL if none. */
static GstPad *
real_peer (GstPad *pad)
{
  GstPad *peer = gst_pad_get_peer (pad);

  /* The inner end of a bin's ghost pad: go on outside the bin. */
  while (peer && GST_IS_PROXY_PAD (peer) && !GST_IS_GHOST_PAD (peer)) {
    GstProxyPad *ghost = gst_proxy_pad_get_internal (GST_PROXY_PAD (peer));
    gst_object_unref (peer);
    peer = ghost ? gst_pad_get_peer (GST_PAD (ghost)) : NULL;
    g_clear_object (&ghost);
  }
  return peer;
}

/* Collects the elements (bins as a whole) that feed @pad. */
static void
collect_upstream (GstPad *pad, GHashTable *seen)
{
  GstPad *peer = real_peer (pad);
  GstElement *element;
  GList *pads = NULL, *l;

  if (peer == NULL)
    return;
  element = gst_pad_get_parent_element (peer);
  gst_object_unref (peer);
  if (element == NULL)
    return;
  if (!g_hash_table_add (seen, element)) {
    gst_object_unref (element);
    return;
  }
  GST_OBJECT_LOCK (element);
  for (l = element->sinkpads; l; l = l->next)
    pads = g_list_prepend (pads, gst_object_ref (l->data));
  GST_OBJECT_UNLOCK (element);
  for (l = pads; l; l = l->next)
    collect_upstream (l->data, seen);
  g_list_free_full (pads, gst_object_unref);
  gst_object_unref (element);
}

gboolean
gst_dreamverse_is_upstream (GstElement *element, GstObject *object)
{
  GList *pads = NULL, *l;
  gboolean found = FALSE;

  GST_OBJECT_LOCK (element);
  for (l = element->sinkpads; l; l = l->next)
    pads = g_list_prepend (pads, gst_object_ref (l->data));
  GST_OBJECT_UNLOCK (element);
  for (l = pads; l && !found; l = l->next)
    found = gst_dreamverse_feeds_pad (l->data, object);
  g_list_free_full (pads, gst_object_unref);
  return found;
}

gboolean
gst_dreamverse_feeds_pad (GstPad *pad, GstObject *object)
{
  GHashTable *seen = g_hash_table_new (NULL, NULL);
  GstObject *parent;
  gboolean found = FALSE;

  collect_upstream (pad, seen);
  /* Only pointers are compared: nobody keeps those in the table alive. */
  for (object = gst_object_ref (object); object && !found; object = parent) {
    found = g_hash_table_contains (seen, object);
    parent = gst_object_get_parent (object);
    gst_object_unref (object);
  }
  gst_clear_object (&object);
  g_hash_table_unref (seen);
  return found;
}

GstBus *
gst_dreamverse_top_bus (GstElement *element)
{
  GstObject *top = gst_object_ref (GST_OBJECT (element)), *parent;
  GstBus *bus;

  while ((parent = gst_object_get_parent (top))) {
    gst_object_unref (top);
    top = parent;
  }
  bus = gst_element_get_bus (GST_ELEMENT (top));
  gst_object_unref (top);
  return bus;
}
