/* SPDX-License-Identifier: MIT */
#include "http/server/acceptor.h"

#include "base/alloc.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* limit per turn, so that open connections get their turn too */
#define ACCEPTS_PER_TURN 16

/* pause without file descriptors; a closed connection ends it sooner */
#define REST_MS 100

/* minimum time between two log messages about missing descriptors */
#define COMPLAINT_MS 10000

struct listener {
    struct list link;
    struct acceptor *acceptor;
    enum listener_kind kind;
    struct listener_socket socket; /* without its descriptor, which `h2o` owns */
    h2o_socket_t *h2o;
};

static void list_views(struct acceptor *acceptor)
{
    size_t count = 0;

    list_for_each(link, &acceptor->listeners) {
        count++;
    }
    acceptor->views = alloc_grow(acceptor->views, (count + 1) * sizeof(acceptor->views[0]));
    acceptor->view_count = 0;
    list_for_each(link, &acceptor->listeners) {
        const struct listener *listener = container_of(link, struct listener, link);

        acceptor->views[acceptor->view_count++] = (struct listener_view){
            .kind = listener->kind,
            .address = listener->socket.address,
            .is_inherited = listener->socket.is_inherited,
        };
    }
}

/* Accepting */

static bool is_full(const struct acceptor *acceptor, enum listener_kind kind)
{
    return acceptor->connections->open[kind] >= acceptor->max_connections[kind];
}

/* Whether so many connections are open that a new one takes the place of the oldest idle one. */
static bool is_in_reserve(const struct acceptor *acceptor, enum listener_kind kind)
{
    return acceptor->reserve[kind] != 0 &&
           acceptor->connections->open[kind] + acceptor->reserve[kind] >=
               acceptor->max_connections[kind];
}

static void on_readable(h2o_socket_t *socket, const char *error);

/**
 * Reads only from listeners with room for a connection. Other connections wait in the kernel's
 * queue.
 */
static void update_reading(struct acceptor *acceptor)
{
    bool is_resting = loop_timer_is_active(&acceptor->rest);

    list_for_each(link, &acceptor->listeners) {
        struct listener *listener = container_of(link, struct listener, link);
        bool wants = !is_resting && !is_full(acceptor, listener->kind);

        if (wants && !h2o_socket_is_reading(listener->h2o)) {
            h2o_socket_read_start(listener->h2o, on_readable);
        } else if (!wants && h2o_socket_is_reading(listener->h2o)) {
            h2o_socket_read_stop(listener->h2o);
        }
    }
}

static void on_rested(struct loop_timer *timer)
{
    update_reading(container_of(timer, struct acceptor, rest));
}

static void rest(struct acceptor *acceptor, int error)
{
    uint64_t now_ms = loop_now_ms(acceptor->loop);

    if (acceptor->complained_at_ms == 0 || now_ms - acceptor->complained_at_ms >= COMPLAINT_MS) {
        acceptor->complained_at_ms = now_ms;
        log_warning("http: cannot accept connections: %s; %zu are open, further ones wait",
                    strerror(error), acceptor->connections->open[LISTENER_VISITORS]);
    }
    loop_timer_start(acceptor->loop, &acceptor->rest, REST_MS);
}

static bool admits(const struct listener *listener, h2o_socket_t *socket)
{
    uid_t uid = (uid_t)-1;
    pid_t pid = 0;

    if (listener->kind != LISTENER_ADMIN ||
        listener_admits(&listener->socket, h2o_socket_get_fd(socket), &uid, &pid)) {
        return true;
    }
    log_warning("admin.socket: uid %ld (pid %ld) is not root, the daemon's user or in the socket's "
                "group; closed",
                (long)(int)uid, (long)pid);
    return false;
}

/**
 * Accepts one connection. Returns false if the caller should stop: the queue is empty, or there are
 * no descriptors.
 */
static bool accept_one(struct listener *listener)
{
    struct acceptor *acceptor = listener->acceptor;
    h2o_socket_t *socket = h2o_evloop_socket_accept(listener->h2o);

    if (socket == NULL) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(acceptor, errno);
        }
        /* other errors concern one connection that is already closed (accept(2)) */
        return errno != EAGAIN && !loop_timer_is_active(&acceptor->rest);
    }
    if (!admits(listener, socket)) {
        h2o_socket_close(socket);
        return true;
    }
    if (is_in_reserve(acceptor, listener->kind)) {
        connections_make_room(acceptor->connections, listener->kind);
    }
    connections_add(acceptor->connections, socket, listener->kind);
    h2o_accept(acceptor->contexts[listener->kind], socket);
    return true;
}

static void on_readable(h2o_socket_t *socket, const char *error)
{
    struct listener *listener = socket->data;

    (void)error;
    for (int i = 0; i < ACCEPTS_PER_TURN && !is_full(listener->acceptor, listener->kind); i++) {
        if (!accept_one(listener)) {
            break;
        }
    }
    update_reading(listener->acceptor);
}

/* Listeners */

void acceptor_init(struct acceptor *acceptor, struct loop *loop, struct connections *connections)
{
    memset(acceptor, 0, sizeof(*acceptor));
    acceptor->loop = loop;
    acceptor->connections = connections;
    list_init(&acceptor->listeners);
    loop_timer_init(&acceptor->rest, on_rested);
    list_views(acceptor);
}

void acceptor_add(struct acceptor *acceptor, enum listener_kind kind,
                  const struct listener_socket *socket)
{
    struct listener *listener = alloc_zero(1, sizeof(*listener));
    char address[ADDRESS_TEXT_MAX];

    listener->acceptor = acceptor;
    listener->kind = kind;
    listener->socket = *socket;
    listener->h2o =
        h2o_evloop_socket_create(loop_h2o(acceptor->loop), socket->fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->h2o->data = listener;
    listener->socket.fd = -1;
    list_append(&acceptor->listeners, &listener->link);
    list_views(acceptor);
    update_reading(acceptor);
    log_debug("http: listens on %s", address_format(&socket->address, address));
}

static void close_listener(struct listener *listener)
{
    h2o_socket_close(listener->h2o);
    listener_close(&listener->socket);
    list_remove(&listener->link);
    free(listener);
}

void acceptor_finish(struct acceptor *acceptor)
{
    loop_timer_stop(&acceptor->rest);
    while (!list_is_empty(&acceptor->listeners)) {
        close_listener(container_of(acceptor->listeners.next, struct listener, link));
    }
    free(acceptor->views);
}

void acceptor_on_close(struct acceptor *acceptor)
{
    loop_timer_stop(&acceptor->rest);
    update_reading(acceptor);
}

void acceptor_drain(struct acceptor *acceptor, enum listener_kind kind)
{
    struct list *link = acceptor->listeners.next;

    while (link != &acceptor->listeners) {
        struct listener *listener = container_of(link, struct listener, link);

        link = link->next;
        if (listener->kind != kind) {
            continue;
        }
        listener_unlink(&listener->socket);
        while (!listener->socket.is_inherited && accept_one(listener)) {
        }
        close_listener(listener);
    }
    list_views(acceptor);
}
