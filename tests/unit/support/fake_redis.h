/* SPDX-License-Identifier: MIT */
/**
 * fake_redis: a server that the test plays. It listens on a unix socket or on a port of 127.0.0.1,
 * reads commands and writes any bytes that the test chooses. It runs in the test's own thread,
 * between turns of the loop, and never waits.
 */
#ifndef VISITCOUNTD_TESTS_FAKE_REDIS_H
#define VISITCOUNTD_TESTS_FAKE_REDIS_H

#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>

#define FAKE_REDIS_SHA "0123456789abcdef0123456789abcdef01234567"

/** A server's answers to the handshake of redis_link, each a whole reply. */
#define FAKE_REDIS_INFO   "$37\r\n# Server\r\nredis_version:7.0.15\r\nx:y\r\n\r\n"
#define FAKE_REDIS_SCRIPT "$40\r\n" FAKE_REDIS_SHA "\r\n"
#define FAKE_REDIS_MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"

struct fake_redis {
    char directory[64]; /* empty: a port */
    struct address address;
    int listener;          /* or -1 */
    int peer;              /* or -1 */
    char *input;           /* the start of a command that is not complete yet */
    size_t length;         /* of `input` */
    char *command;         /* the last whole command */
    size_t argument_count; /* of `command`, with its name */
};

/** Listens on a unix socket in a directory of its own, and fills `address`. */
void fake_redis_open(struct fake_redis *redis);

/** Listens on a port of `host`, an IPv4 address; `port` 0: any. */
void fake_redis_open_port(struct fake_redis *redis, const char *host, unsigned port);

/** Closes all sockets and removes the directory. */
void fake_redis_close(struct fake_redis *redis);

/** Refuses connections from here on, and accepts them again, at the same address. */
void fake_redis_stop_listening(struct fake_redis *redis);
void fake_redis_listen_again(struct fake_redis *redis);

/** Accepts a waiting connection. Returns whether there was one. */
bool fake_redis_accept(struct fake_redis *redis);

/** Whether the client has closed the connection; drops what it wrote before. */
bool fake_redis_was_left(struct fake_redis *redis);

/** The next whole command, with its arguments joined by spaces; NULL if there is none. */
const char *fake_redis_command(struct fake_redis *redis);

/** Reads up to `size` raw bytes that have arrived, and returns their number. */
size_t fake_redis_read(struct fake_redis *redis, char *ret_bytes, size_t size);

/** Writes all bytes. They must fit into the socket's buffer. */
void fake_redis_write(struct fake_redis *redis, const char *bytes, size_t length);
void fake_redis_send(struct fake_redis *redis, const char *text);

/** Closes the connection. fake_redis_reset() closes it with an RST, which only a port can do. */
void fake_redis_hang_up(struct fake_redis *redis);
void fake_redis_reset(struct fake_redis *redis);

#endif
