/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What must hold for every element of the plugin, whatever it does: states in
 * any order, properties that read back, descriptions for people, no leak.
 */
#include <gst/check/gstcheck.h>

static GList *
list_factories (void)
{
  return gst_registry_get_feature_list_by_plugin (
      gst_registry_get (), "dreamverse");
}

/* An element with nothing linked may refuse to start; it must come back from
 * wherever it got to. */
static void
set_state (GstElement *element, GstState state)
{
  GstStateChangeReturn ret = gst_element_set_state (element, state);

  if (ret == GST_STATE_CHANGE_ASYNC && state <= GST_STATE_READY)
    ret = gst_element_get_state (element, NULL, NULL, 5 * GST_SECOND);
  if (state == GST_STATE_NULL)
    fail_unless (ret == GST_STATE_CHANGE_SUCCESS, "%s does not reach NULL",
        GST_OBJECT_NAME (element));
}

/* Port 0 asks for any port that is free. */
static GstElement *
make (GstPluginFeature *feature)
{
  GstElement *element =
      gst_element_factory_create (GST_ELEMENT_FACTORY (feature), NULL);

  fail_unless (element != NULL);
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (element), "port"))
    g_object_set (element, "port", 0, NULL);
  return element;
}

GST_START_TEST (test_the_plugin_has_elements)
{
  GList *list = list_factories ();

  fail_unless (list != NULL, "the plugin registers no element");
  gst_plugin_feature_list_free (list);
}

GST_END_TEST;

GST_START_TEST (test_states_in_any_order)
{
  static const GstState order[][6] = {
      {GST_STATE_NULL},
      {GST_STATE_READY, GST_STATE_NULL},
      {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_READY, GST_STATE_NULL},
      {GST_STATE_PLAYING, GST_STATE_NULL},
      {GST_STATE_PLAYING, GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_NULL},
      {GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING,
          GST_STATE_NULL},
      {GST_STATE_READY, GST_STATE_NULL, GST_STATE_PLAYING, GST_STATE_PAUSED,
          GST_STATE_READY, GST_STATE_NULL},
  };
  GList *list = list_factories (), *l;
  guint i, k;

  for (l = list; l; l = l->next) {
    GstElement *element = make (l->data);
    GstBus *bus = gst_bus_new ();

    gst_element_set_bus (element, bus);
    for (i = 0; i < G_N_ELEMENTS (order); i++) {
      for (k = 0; k < 6; k++) {
        set_state (element, order[i][k]);
        if (order[i][k] == GST_STATE_NULL)
          break;
      }
    }
    gst_element_set_bus (element, NULL);
    gst_bus_set_flushing (bus, TRUE);
    gst_object_unref (bus);
    ASSERT_OBJECT_REFCOUNT (element, GST_OBJECT_NAME (element), 1);
    gst_object_unref (element);
  }
  gst_plugin_feature_list_free (list);
}

GST_END_TEST;

GST_START_TEST (test_properties_read_back_and_are_described)
{
  GList *list = list_factories (), *l;
  guint n, i;

  for (l = list; l; l = l->next) {
    GstElement *element = make (l->data);
    GParamSpec **spec =
        g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);

    for (i = 0; i < n; i++) {
      GValue value = G_VALUE_INIT;
      const gchar *blurb = g_param_spec_get_blurb (spec[i]);

      if (spec[i]->owner_type == G_OBJECT_TYPE (element))
        fail_unless (blurb && strlen (blurb) > 10, "%s.%s is not described",
            GST_OBJECT_NAME (element), spec[i]->name);
      g_value_init (&value, spec[i]->value_type);
      if (spec[i]->flags & G_PARAM_READABLE)
        g_object_get_property (G_OBJECT (element), spec[i]->name, &value);
      if ((spec[i]->flags & G_PARAM_WRITABLE) &&
          !(spec[i]->flags & G_PARAM_CONSTRUCT_ONLY) &&
          strcmp (spec[i]->name, "parent") != 0)
        g_object_set_property (G_OBJECT (element), spec[i]->name, &value);
      g_value_unset (&value);
    }
    g_free (spec);
    gst_object_unref (element);
  }
  gst_plugin_feature_list_free (list);
}

GST_END_TEST;

GST_START_TEST (test_elements_are_described)
{
  static const gchar *const key[] = {GST_ELEMENT_METADATA_LONGNAME,
      GST_ELEMENT_METADATA_KLASS, GST_ELEMENT_METADATA_DESCRIPTION,
      GST_ELEMENT_METADATA_AUTHOR};
  GList *list = list_factories (), *l;
  guint i;

  for (l = list; l; l = l->next) {
    for (i = 0; i < G_N_ELEMENTS (key); i++)
      fail_unless (gst_element_factory_get_metadata (l->data, key[i]) != NULL,
          "%s has no %s", GST_OBJECT_NAME (l->data), key[i]);
  }
  gst_plugin_feature_list_free (list);
}

GST_END_TEST;

static Suite *
generic_suite (void)
{
  Suite *s = suite_create ("generic");
  TCase *tc = tcase_create ("all elements");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_the_plugin_has_elements);
  tcase_add_test (tc, test_states_in_any_order);
  tcase_add_test (tc, test_properties_read_back_and_are_described);
  tcase_add_test (tc, test_elements_are_described);
  return s;
}

GST_CHECK_MAIN (generic);
