/* SPDX-License-Identifier: MIT */
#include "http/routes/live_client.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "http/server/connection.h"
#include "http/request/response.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* the kernel's buffer for a client that does not read: some hundred events */
#define SEND_BUFFER_BYTES 16384

struct live_message *live_message_create(const struct buf *body)
{
    struct live_message *message = alloc_bytes(sizeof(*message) + body->length);

    message->users = 1;
    message->length = body->length;
    memcpy(message->bytes, body->bytes, body->length);
    return message;
}

void live_message_release(struct live_message *message)
{
    if (message != NULL && --message->users == 0) {
        free(message);
    }
}

static void let_message_go(struct live_client *client)
{
    live_message_release(client->message);
    client->message = NULL;
}

static void send_end(struct live_client *client)
{
    h2o_req_t *req = client->request->h2o;
    h2o_iovec_t nothing = {"", 0};

    connection_end_stream(req);
    req->http1_is_persistent = 0; /* input was discarded, so the connection cannot be reused */
    h2o_send(req, &nothing, 0, H2O_SEND_STATE_FINAL);
}

/** libh2o has written the message. */
static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct live_client *client = container_of(generator, struct live_client, generator);

    (void)req;
    let_message_go(client);
    if (client->is_ending) {
        send_end(client);
    } else {
        client->on_ready(client);
    }
}

static void leave(struct live_client *client)
{
    if (!client->is_ending) {
        client->is_ending = true;
        client->on_gone(client);
    }
}

/** The connection broke, or the server closes the stream. */
static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
    struct live_client *client = container_of(generator, struct live_client, generator);

    (void)req;
    let_message_go(client);
    leave(client);
}

/** The client closed its side. */
static void on_input_end(void *data)
{
    live_client_end(data);
}

void live_client_start(struct live_client *client, struct request *request)
{
    static const struct response_header headers[] = {
        {NULL, "x-accel-buffering", {H2O_STRLIT("no")}}, /* disables nginx's buffering */
    };
    h2o_req_t *req = request->h2o;
    int size = SEND_BUFFER_BYTES;

    client->generator = (h2o_generator_t){on_proceed, on_stop};
    client->request = request;
    /* a failure only means that the kernel buffers more for a slow client */
    (void)setsockopt(h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn)), SOL_SOCKET,
                     SO_SNDBUF, &size, sizeof(size));
    response_send_stream(request,
                         &(struct response){
                             .status = 200,
                             .content_type = "text/event-stream; charset=utf-8",
                             .headers = headers,
                             .header_count = 1,
                         },
                         &client->generator);
    connection_begin_stream(req, on_input_end, client);
}

void live_client_send(struct live_client *client, struct live_message *message)
{
    h2o_iovec_t bytes = h2o_iovec_init(message->bytes, message->length);

    message->users++;
    client->message = message;
    h2o_send(client->request->h2o, &bytes, 1, H2O_SEND_STATE_IN_PROGRESS);
}

void live_client_end(struct live_client *client)
{
    bool is_ready = client->message == NULL;

    if (!client->is_ending) {
        leave(client);
        if (is_ready) {
            send_end(client);
        }
    }
}
