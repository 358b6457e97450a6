/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The plugin: registers its elements, nothing else.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/gst.h>

#include "gstdreamversemux.h"
#include "gstdreamversesrc.h"
#ifdef HAVE_SOUP
#include "gstsoupwebsocketsink.h"
#endif

static gboolean
plugin_init (GstPlugin *plugin)
{
  gboolean ok = TRUE;

  ok &= GST_ELEMENT_REGISTER (dreamversesrc, plugin);
  ok &= GST_ELEMENT_REGISTER (dreamversemux, plugin);
#ifdef HAVE_SOUP
  ok &= GST_ELEMENT_REGISTER (soupwebsocketsink, plugin);
#endif
  return ok;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, dreamverse,
    "A neural generator as a live source, and what streams it to browsers",
    plugin_init, VERSION, "LGPL", PACKAGE, PACKAGE_ORIGIN)
