/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HAProxy's agent-check: see agent.h.
 *
 * Threads: the main thread alone.
 */
#include "agent.h"

#include <string.h>

gchar *
dvs_agent_text (const DvsServer *server)
{
  DvsCounts counts;

  if (server->draining)
    return g_strdup ("drain\n");
  if (dvs_server_unready (server))
    return g_strdup ("down #no slot is ready\n");
  dvs_server_count (server, &counts);
  /* What there is, not what is free: HAProxy counts connections itself, and at
   * once; of half a second ago it would only count them twice. */
  return g_strdup_printf (
      "up ready %u%%\n", MAX (1, 100 * counts.ready / server->settings->slots));
}

static gboolean
incoming (GSocketService *agent, GSocketConnection *connection, GObject *source,
    gpointer user)
{
  gchar *text = dvs_agent_text (user);
  GSocket *socket = g_socket_connection_get_socket (connection);

  g_socket_set_blocking (socket, FALSE);
  /* A new socket takes a line at once, or the peer is no HAProxy. */
  g_socket_send (socket, text, strlen (text), NULL, NULL);
  g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  g_free (text);
  return TRUE;
}

GSocketService *
dvs_agent_new (DvsServer *server, GError **error)
{
  const DvsSettings *settings = server->settings;
  GSocketService *agent = g_socket_service_new ();
  GSocketAddress *address = g_inet_socket_address_new_from_string (
      settings->address, settings->agent_port);
  GError *reason = NULL;
  gboolean bound;

  bound = address &&
          g_socket_listener_add_address (G_SOCKET_LISTENER (agent), address,
              G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, NULL, &reason);
  g_clear_object (&address);
  if (bound) {
    g_signal_connect (agent, "incoming", G_CALLBACK (incoming), server);
    g_socket_service_start (agent);
    return agent;
  }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
      "agent_port: cannot listen on %s port %u: %s.", settings->address,
      settings->agent_port, reason ? reason->message : "it is no IP address");
  g_clear_error (&reason);
  g_object_unref (agent);
  return NULL;
}

void
dvs_agent_free (GSocketService *agent)
{
  if (agent == NULL)
    return;
  g_socket_service_stop (agent);
  g_socket_listener_close (G_SOCKET_LISTENER (agent));
  g_object_unref (agent);
}
