/* SPDX-License-Identifier: MIT */
/**
 * live_client: one client of a stream: what it was told, and the bytes under way to it.
 */
#ifndef VISITCOUNTD_HTTP_LIVE_CLIENT_H
#define VISITCOUNTD_HTTP_LIVE_CLIENT_H

#include "base/list.h"
#include "base/buf.h"
#include "http/request/request.h"

#include <stdbool.h>
#include <stdint.h>

/** What is sent to many; counted. */
struct live_message {
    size_t users;
    size_t length;
    char bytes[];
};

/** A copy of `body`, with one user. */
struct live_message *live_message_create(const struct buf *body);

/** One user less; the last one frees it. NULL is allowed. */
void live_message_release(struct live_message *message);

struct live_client {
    h2o_generator_t generator;
    struct request *request;
    struct list of_topic; /* its link there */
    struct list by_age;   /* its link in the order of the last sending */
    uint64_t told;        /* the number it knows; UINT64_MAX: none */
    uint64_t sent_at_ms;
    struct live_message *message;                 /* on its way; NULL: the client is ready */
    bool is_ending;                               /* nothing more is sent */
    void (*on_ready)(struct live_client *client); /* the message was taken */
    void (*on_gone)(struct live_client *client);  /* the request goes, or the client did */
};

/** Begins the answer. The client lives in the request's pool and its links are set by its owner. */
void live_client_start(struct live_client *client, struct request *request);

/** Sends a message, of which the client becomes a user; the client is ready. */
void live_client_send(struct live_client *client, struct live_message *message);

/** Ends the stream; at once, or when the message on its way was taken. on_gone is called. */
void live_client_end(struct live_client *client);

#endif
