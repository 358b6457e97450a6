/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who gets a slot: see queue.h.
 *
 * Threads: the main thread alone.
 */
#include "queue.h"

static DvsSeat *
take_free (DvsServer *server)
{
  guint i;

  for (i = 0; i < server->settings->slots; i++) {
    DvsSeat *seat = &server->seats[i];
    if (seat->slot && !seat->owner && dvs_slot_take (seat->slot))
      return seat;
  }
  return NULL;
}

/* ---- positions ---- */

static gboolean
broadcast (gpointer user)
{
  DvsServer *server = user;
  DvsPlace place = {.total_slots = server->settings->slots};
  GList *link;

  server->broadcast = 0;
  for (link = server->waiting.head; link; link = link->next) {
    DvsConnection *connection = link->data;
    place.position++;
    dvs_session_place (connection->session, &place);
  }
  return G_SOURCE_REMOVE;
}

/* All that happens in one turn of the main loop is told once. */
static void
changed (DvsServer *server)
{
  if (!server->broadcast)
    server->broadcast =
        g_idle_add_full (G_PRIORITY_DEFAULT, broadcast, server, NULL);
}

void
dvs_queue_place (const DvsServer *server, DvsPlace *place)
{
  DvsCounts counts;

  dvs_server_count (server, &counts);
  place->total_slots = server->settings->slots;
  place->available_slots = counts.free;
  place->position = counts.free ? 0 : server->waiting.length + 1;
}

/* ---- coming, going ---- */

void
dvs_queue_serve (DvsServer *server)
{
  while (server->waiting.length && !server->draining) {
    DvsSeat *seat = take_free (server);
    DvsConnection *connection;

    if (seat == NULL)
      break;
    connection = server->waiting.head->data;
    g_queue_unlink (&server->waiting, &connection->waiting_link);
    connection->waiting = FALSE;
    dvs_connection_assign (connection, seat);
    changed (server);
  }
}

void
dvs_queue_join (DvsConnection *connection)
{
  DvsServer *server = connection->server;

  connection->waiting = TRUE;
  g_queue_push_tail_link (&server->waiting, &connection->waiting_link);
  dvs_queue_serve (server);
  if (connection->waiting)
    changed (server);
}

void
dvs_queue_leave (DvsConnection *connection)
{
  DvsServer *server = connection->server;
  DvsSeat *seat = connection->seat;

  if (connection->waiting) {
    g_queue_unlink (&server->waiting, &connection->waiting_link);
    connection->waiting = FALSE;
    changed (server);
  }
  if (seat == NULL)
    return;
  connection->seat = NULL;
  seat->owner = NULL;
  if (seat->runner) {
    seat->runner = NULL;
    dvs_slot_stop_run (seat->slot);
  }
  dvs_slot_give_back (seat->slot);
  dvs_queue_serve (server);
}
