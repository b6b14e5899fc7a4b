/* SPDX-License-Identifier: MIT */
/**
 * served: the real server with all its routes, engine and loop in this process, on a store in
 * memory whose answers the test decides, and on clocks that the test moves.
 *
 * A client of it is a socket: bytes are sent as they are, and the answers are collected.
 */
#ifndef VISITCOUNTD_TESTS_SERVED_H
#define VISITCOUNTD_TESTS_SERVED_H

#include "base/buf.h"
#include "count/stats.h"
#include "support/fake_store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Connections that are open at once. */
#define SERVED_CLIENTS_MAX 16

struct config;
struct served;

/** The configuration of all servers, which ends with the process. */
const struct config *served_config(void);

/** Starts a server. Clocks and random numbers begin anew, and go the same way each time. */
struct served *served_create(void);

/**
 * Closes all connections and ends the server. Aborts if a descriptor of the server stays open. What
 * clients had received stays valid until then.
 */
void served_destroy(struct served *served);

/** Connects a client, to the admin socket or as a visitor. Returns false if there are too many. */
bool served_connect(struct served *served, bool is_admin);

/** Chooses the client of the functions below. Returns false if there is none of this number. */
bool served_choose(struct served *served, size_t client);

/** Sends bytes and lets the server answer them, as far as the store does. */
void served_send(struct served *served, const uint8_t *bytes, size_t length);

/** The client closes its side of the connection, or all of it. */
void served_close(struct served *served, bool only_sending);

/** How the store ends calls from now on, FAKE_DONE at first. */
void served_set_fate(struct served *served, enum fake_fate fate);

/** The store goes away or comes back. Does nothing if it is so already. */
void served_set_available(struct served *served, bool is_available);

/** Lets time pass. */
void served_wait(struct served *served, uint64_t ms);

/** The engine's statistics. */
const struct stats *served_stats(const struct served *served);

/** The visits in the store. */
uint64_t served_visits(const struct served *served);

/** All that a client has received; also one that is closed. */
const struct buf *served_received(const struct served *served, size_t client);

/** How many clients there were. */
size_t served_client_count(const struct served *served);

#endif
