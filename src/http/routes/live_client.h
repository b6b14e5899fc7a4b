/* SPDX-License-Identifier: MIT */
/**
 * live_client: one client of a live stream: the last number sent to it, and the message being
 * written.
 */
#ifndef VISITCOUNTD_HTTP_LIVE_CLIENT_H
#define VISITCOUNTD_HTTP_LIVE_CLIENT_H

#include "base/list.h"
#include "base/buf.h"
#include "http/request/request.h"

#include <stdbool.h>
#include <stdint.h>

/** A reference-counted message that many clients share. */
struct live_message {
    size_t users;
    size_t length;
    char bytes[];
};

/** Returns a copy of `body` with one user. */
struct live_message *live_message_create(const struct buf *body);

/** Removes one user. Frees the message with the last one. NULL is allowed. */
void live_message_release(struct live_message *message);

struct live_client {
    h2o_generator_t generator;
    struct request *request;
    struct list of_topic; /* link in the list of its topic */
    struct list by_age;   /* link in the list ordered by the time of the last message */
    uint64_t told;        /* the last number sent; UINT64_MAX: none */
    uint64_t sent_at_ms;
    struct live_message *message;                 /* being written; NULL: the client is ready */
    bool is_ending;                               /* nothing more is sent */
    void (*on_ready)(struct live_client *client); /* the message was written */
    void (*on_gone)(struct live_client *client);  /* the request ends or the client left */
};

/** Begins the stream. The client is in the request's pool. The caller sets its list links. */
void live_client_start(struct live_client *client, struct request *request);

/** Sends a message and adds a user to it. The client must be ready. */
void live_client_send(struct live_client *client, struct live_message *message);

/** Ends the stream: at once, or after the message that is being written. Calls on_gone. */
void live_client_end(struct live_client *client);

#endif
