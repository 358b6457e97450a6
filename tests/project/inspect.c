/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Usage: inspect ELEMENT...
 *
 * Prints what the elements say of themselves (own properties, signals, pads)
 * as the tables that docs/elements.md must hold, one row a line after the
 * element's name and a tab.
 */
#include <gst/gst.h>

#include <stdio.h>

/* GLib's types as one says them. */
static const gchar *
plain_name (GType type)
{
  const gchar *name = g_type_name (type);

  if (type == G_TYPE_STRING)
    return "string";
  if (type == G_TYPE_NONE)
    return "nothing";
  if (G_TYPE_IS_FUNDAMENTAL (type) && name[0] == 'g')
    return name + 1;
  return name;
}

static const gchar *
property_type (const GParamSpec *spec)
{
  GType type = spec->value_type;

  if (type == GST_TYPE_FRACTION)
    return "fraction";
  if (type == GST_TYPE_ARRAY)
    return "array";
  if (type == GST_TYPE_STRUCTURE)
    return "structure";
  if (type == G_TYPE_STRV)
    return "strings";
  if (G_TYPE_IS_ENUM (type))
    return "enum";
  return plain_name (type);
}

static gchar *
default_text (GParamSpec *spec)
{
  const GValue *value = g_param_spec_get_default_value (spec);
  gchar *text, *result;

  if (!(spec->flags & G_PARAM_WRITABLE))
    return g_strdup ("read only");
  if (G_VALUE_HOLDS_STRING (value))
    return g_value_get_string (value)
               ? g_strdup_printf ("`%s`", g_value_get_string (value))
               : g_strdup ("none");
  if (G_VALUE_HOLDS_ENUM (value)) {
    GEnumValue *e = g_enum_get_value (
        G_PARAM_SPEC_ENUM (spec)->enum_class, g_value_get_enum (value));
    return g_strdup_printf ("`%s`", e ? e->value_nick : "?");
  }
  if (G_VALUE_HOLDS_BOXED (value) || GST_VALUE_HOLDS_ARRAY (value))
    return g_strdup ("none");
  text = gst_value_serialize (value);
  result = text ? g_strdup_printf ("`%s`", text) : g_strdup ("none");
  g_free (text);
  return result;
}

static void
print_properties (const gchar *name, GstElement *element)
{
  guint n, i;
  GParamSpec **spec =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);

  for (i = 0; i < n; i++) {
    gchar *text;

    if (spec[i]->owner_type != G_OBJECT_TYPE (element))
      continue;
    text = default_text (spec[i]);
    printf ("%s\t| `%s` | %s | %s | %s |\n", name, spec[i]->name,
        property_type (spec[i]), text, g_param_spec_get_blurb (spec[i]));
    g_free (text);
  }
  g_free (spec);
}

static void
print_signals (const gchar *name, GstElement *element)
{
  guint n, i, k;
  guint *id = g_signal_list_ids (G_OBJECT_TYPE (element), &n);

  for (i = 0; i < n; i++) {
    GSignalQuery query;

    g_signal_query (id[i], &query);
    printf ("%s\t| `%s` | %s | (", name, query.signal_name,
        query.signal_flags & G_SIGNAL_ACTION ? "action" : "signal");
    for (k = 0; k < query.n_params; k++)
      printf ("%s%s", k ? ", " : "", plain_name (query.param_types[k]));
    printf (") → %s |\n", plain_name (query.return_type));
  }
  g_free (id);
}

static void
print_pads (const gchar *name, GstElement *element)
{
  GList *l =
      gst_element_class_get_pad_template_list (GST_ELEMENT_GET_CLASS (element));

  for (; l; l = l->next) {
    GstPadTemplate *template = l->data;

    printf ("%s\t| `%s` | %s | %s |\n", name, template->name_template,
        template->direction == GST_PAD_SRC ? "source" : "sink",
        template->presence == GST_PAD_ALWAYS    ? "always"
        : template->presence == GST_PAD_REQUEST ? "request"
                                                : "sometimes");
  }
}

int
main (int argc, char **argv)
{
  int i;

  gst_init (&argc, &argv);
  for (i = 1; i < argc; i++) {
    GstElement *element = gst_element_factory_make (argv[i], NULL);

    if (!element) {
      fprintf (stderr, "no element is called %s\n", argv[i]);
      return 1;
    }
    print_pads (argv[i], element);
    print_properties (argv[i], element);
    print_signals (argv[i], element);
    gst_object_unref (element);
  }
  gst_deinit ();
  return 0;
}
