/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One listening port and its relay thread: see wshub.h.
 */
#include "wshub.h"

#include "wshttp.h"
#include "wslisten.h"
#include "wswait.h"

#define CLOSING_PATIENCE G_USEC_PER_SEC

struct WsHub {
  guint users; /* the registry's lock */
  gchar *address, *certificate, *key;
  WsListener listener; /* port, tls and loopback never change */
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GMutex turn; /* held by the relay thread except while it sleeps */
  gint posted; /* atomic: that did not run yet */

  /* the relay thread's */
  SoupServer *server;
  GPtrArray *routes;
};

/* The one thing that all sinks of a process share. */
static GMutex registry_lock;
static GList *registry; /* of WsHub */

void
ws_route_free (WsRoute *route)
{
  g_free (route->path);
  g_free (route->token);
  g_free (route->control_token);
  g_strfreev (route->origins);
  g_clear_pointer (&route->endpoint, ws_endpoint_unref);
  g_free (route);
}

guint
ws_hub_port (const WsHub *hub)
{
  return hub->listener.port;
}

GMainContext *
ws_hub_context (WsHub *hub)
{
  return hub->context;
}

gboolean
ws_hub_is_loopback (const WsHub *hub)
{
  return hub->listener.loopback;
}

gboolean
ws_hub_is_tls (const WsHub *hub)
{
  return hub->listener.tls != NULL;
}

GPtrArray *
ws_hub_routes (WsHub *hub)
{
  return hub->routes;
}

/* ---- the relay thread ---- */

/* A poll function is given no data: which hub's thread this is. */
static GPrivate thread_hub;

static gint
hub_poll (GPollFD *fds, guint n_fds, gint timeout)
{
  WsHub *hub = g_private_get (&thread_hub);
  gint ready;

  if (timeout == 0)
    return g_poll (fds, n_fds, 0);
  g_mutex_unlock (&hub->turn);
  ready = g_poll (fds, n_fds, timeout);
  g_mutex_lock (&hub->turn);
  return ready;
}

gboolean
ws_hub_stand_in (WsHub *hub)
{
  if (!g_mutex_trylock (&hub->turn))
    return FALSE;
  if (g_atomic_int_get (&hub->posted) == 0)
    return TRUE;
  g_mutex_unlock (&hub->turn);
  return FALSE;
}

void
ws_hub_stand_down (WsHub *hub)
{
  g_mutex_unlock (&hub->turn);
}

static gpointer
hub_thread (gpointer data)
{
  WsHub *hub = data;

  g_private_set (&thread_hub, hub);
  g_mutex_lock (&hub->turn);
  g_main_context_set_poll_func (hub->context, hub_poll);
  g_main_context_push_thread_default (hub->context);
  hub->server = soup_server_new (NULL, NULL);
  ws_http_attach (hub, hub->server);
  g_main_loop_run (hub->loop);

  ws_listener_close (&hub->listener);
  /* Before the server lets go of them: a TLS stream that is closed in the
   * middle of its handshake refers to itself for ever. */
  ws_listener_settle (&hub->listener, CLOSING_PATIENCE);
  soup_server_disconnect (hub->server);
  g_clear_object (&hub->server);
  while (g_main_context_iteration (hub->context, FALSE))
    ;
  g_main_context_pop_thread_default (hub->context);
  g_mutex_unlock (&hub->turn);
  return NULL;
}

typedef struct {
  WsHub *hub;
  WsHubFunc func;
  gpointer data;
  GDestroyNotify destroy;
  /* of a call that is waited for */
  GMutex lock;
  GCond cond;
  gboolean done;
} Task;

static gboolean
task_run (gpointer data)
{
  Task *task = data;

  task->func (task->data);
  return G_SOURCE_REMOVE;
}

static void
task_free (gpointer data)
{
  Task *task = data;

  if (task->destroy)
    task->destroy (task->data);
  g_atomic_int_add (&task->hub->posted, -1);
  g_free (task);
}

void
ws_hub_post (WsHub *hub, WsHubFunc func, gpointer data, GDestroyNotify destroy)
{
  Task *task = g_new0 (Task, 1);
  GSource *source = g_idle_source_new ();

  task->hub = hub;
  task->func = func;
  task->data = data;
  task->destroy = destroy;
  g_atomic_int_inc (&hub->posted);
  /* Never in the caller's own thread, even when that is the relay's: the
   * order of what is posted is the order in which it runs. */
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, task_run, task, task_free);
  g_source_attach (source, hub->context);
  g_source_unref (source);
}

static gboolean
task_run_and_tell (gpointer data)
{
  Task *task = data;

  task->func (task->data);
  g_mutex_lock (&task->lock);
  task->done = TRUE;
  g_cond_signal (&task->cond);
  g_mutex_unlock (&task->lock);
  return G_SOURCE_REMOVE;
}

void
ws_hub_call (WsHub *hub, WsHubFunc func, gpointer data)
{
  Task task = {.func = func, .data = data};
  GSource *source;

  if (g_thread_self () == hub->thread) {
    func (data);
    return;
  }
  g_mutex_init (&task.lock);
  g_cond_init (&task.cond);
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, task_run_and_tell, &task, NULL);
  g_source_attach (source, hub->context);
  g_source_unref (source);
  /* The relay thread waits for nobody, and lives as long as there is a user:
   * this ends with its current round. */
  g_mutex_lock (&task.lock);
  while (!task.done)
    g_cond_wait (&task.cond, &task.lock);
  g_mutex_unlock (&task.lock);
  g_mutex_clear (&task.lock);
  g_cond_clear (&task.cond);
}

/* ---- the registry ---- */

static void
hub_free (WsHub *hub)
{
  g_clear_pointer (&hub->loop, g_main_loop_unref);
  g_clear_pointer (&hub->context, g_main_context_unref);
  g_clear_pointer (&hub->routes, g_ptr_array_unref);
  g_mutex_clear (&hub->turn);
  g_free (hub->address);
  g_free (hub->certificate);
  g_free (hub->key);
  g_free (hub);
}

static WsHub *
hub_new (const gchar *address, guint port, const gchar *certificate,
    const gchar *key, GError **error)
{
  WsHub *hub = g_new0 (WsHub, 1);

  hub->users = 1;
  g_mutex_init (&hub->turn);
  hub->address = g_strdup (address);
  hub->certificate = g_strdup (certificate);
  hub->key = g_strdup (key);
  hub->routes = g_ptr_array_new ();
  ws_listener_init (&hub->listener);
  if (address && !ws_listener_open (
                     &hub->listener, address, port, certificate, key, error)) {
    hub_free (hub);
    return NULL;
  }
  hub->context = g_main_context_new ();
  hub->loop = g_main_loop_new (hub->context, FALSE);
  hub->thread = g_thread_new ("ws-relay", hub_thread, hub);
  return hub;
}

WsHub *
ws_hub_join (const gchar *address, guint port, const gchar *certificate,
    const gchar *key, GError **error)
{
  WsHub *hub = NULL;
  GList *l;

  g_mutex_lock (&registry_lock);
  for (l = address && port ? registry : NULL; l && !hub; l = l->next) {
    WsHub *other = l->data;
    if (other->listener.port == port && g_str_equal (other->address, address))
      hub = other;
  }
  if (hub == NULL) {
    hub = hub_new (address, port, certificate, key, error);
    if (hub)
      registry = g_list_prepend (registry, hub);
  } else if (g_strcmp0 (hub->certificate, certificate) != 0 ||
             g_strcmp0 (hub->key, key) != 0) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS,
        "Another sink of this process serves %s port %u with other TLS "
        "settings. Give both the same, or use another port.",
        address, port);
    hub = NULL;
  } else {
    hub->users++;
  }
  g_mutex_unlock (&registry_lock);
  return hub;
}

WsHub *
ws_hub_ref (WsHub *hub)
{
  g_mutex_lock (&registry_lock);
  hub->users++;
  g_mutex_unlock (&registry_lock);
  return hub;
}

static void
quit (gpointer data)
{
  g_main_loop_quit (data);
}

void
ws_hub_leave (WsHub *hub)
{
  g_mutex_lock (&registry_lock);
  if (--hub->users == 0) {
    registry = g_list_remove (registry, hub);
    /* Under the lock, so that whoever takes the port next finds it free; the
     * relay thread waits for nobody but TLS, and not for long. */
    ws_hub_post (hub, quit, hub->loop, NULL);
    g_thread_join (hub->thread);
    hub_free (hub);
  }
  g_mutex_unlock (&registry_lock);
}

/* ---- routes ---- */

typedef struct {
  WsHub *hub;
  WsRoute *route;
  gboolean clash;
} RouteCall;

static void
add_route (gpointer data)
{
  RouteCall *call = data;
  guint i;

  for (i = 0; i < call->hub->routes->len && !call->clash; i++) {
    WsRoute *other = g_ptr_array_index (call->hub->routes, i);
    call->clash = g_str_equal (other->path, call->route->path);
  }
  if (call->clash)
    return;
  g_ptr_array_add (call->hub->routes, call->route);
  /* Whoever connects before there is a path to find waits for it. */
  if (call->hub->listener.socket && !call->hub->listener.incoming)
    ws_listener_start (
        &call->hub->listener, call->hub->server, call->hub->context);
}

gboolean
ws_hub_add (WsHub *hub, WsRoute *route, GError **error)
{
  RouteCall call = {.hub = hub, .route = route};

  ws_hub_call (hub, add_route, &call);
  if (call.clash)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS,
        "Another sink of this process has the path '%s' on port %u. Give each "
        "sink a path of its own.",
        route->path, ws_hub_port (hub));
  return !call.clash;
}

static void
say_good_bye (gpointer data)
{
  RouteCall *call = data;

  g_ptr_array_remove (call->hub->routes, call->route);
  if (call->route->endpoint->completed)
    ws_endpoint_close (call->route->endpoint, WS_CLOSE_NORMAL, "shutdown",
        "the stream has ended", 10 * G_USEC_PER_SEC);
  else
    ws_endpoint_close (call->route->endpoint, WS_CLOSE_GOING_AWAY, "shutdown",
        "the stream was taken down", 10 * G_USEC_PER_SEC);
}

static void
dispose_route (gpointer data)
{
  RouteCall *call = data;

  ws_endpoint_dispose (call->route->endpoint);
}

void
ws_hub_remove (WsHub *hub, WsRoute *route, gint64 patience)
{
  RouteCall call = {.hub = hub, .route = route};

  ws_hub_call (hub, say_good_bye, &call);
  ws_endpoint_wait_empty (route->endpoint, patience);
  ws_hub_call (hub, dispose_route, &call);
  /* What is still closing comes back to the relay thread, which may end with
   * this sink: it would never be freed, nor would the main context. */
  ws_endpoint_wait_empty (route->endpoint, CLOSING_PATIENCE);
  ws_hub_call (hub, dispose_route, &call);
  ws_route_free (route);
}
