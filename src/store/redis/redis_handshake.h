/* SPDX-License-Identifier: MIT */
/**
 * redis_handshake: the commands that a link sends on its own, and the checks of their replies. The
 * handshake authenticates, selects the database, sets the client name, reads the version, loads the
 * script and verifies that the server is a master.
 *
 * Managed servers and proxies lack some of these commands. Errors of CLIENT SETNAME and INFO are
 * ignored. If the script cannot be loaded, the first batch carries it. Without ROLE, the link reads
 * INFO replication. Without that either, it assumes a master; a replica then shows itself by the
 * error READONLY.
 *
 * This module only builds commands and checks replies. The link sends and receives them.
 */
#ifndef VISITCOUNTD_STORE_REDIS_HANDSHAKE_H
#define VISITCOUNTD_STORE_REDIS_HANDSHAKE_H

#include "store/redis/redis_command.h"
#include "store/redis/redis_link_options.h"
#include "store/redis/redis_replicas.h"

#include <stdbool.h>

#define REDIS_SHA_LENGTH 40

/** In the order of sending. The steps up to REDIS_ROLE are pipelined. */
enum redis_step {
    REDIS_AUTH,
    REDIS_SELECT,
    REDIS_NAME,
    REDIS_INFO,
    REDIS_SCRIPT,
    REDIS_ROLE,
    REDIS_REPLICATION, /* INFO replication: if ROLE is missing */
    REDIS_PING,        /* the heartbeat when no role can be read */
    REDIS_STEPS
};

/** The command that reads the server's role. */
enum redis_role_source { REDIS_BY_ROLE, REDIS_BY_INFO, REDIS_BY_NOBODY };

struct redis_handshake {
    const struct redis_link_options *options;
    struct store_health *health;    /* receives version and role */
    char db[24];                    /* as text */
    char sha[REDIS_SHA_LENGTH + 1]; /* of the script, in hexadecimal */
    enum redis_role_source role_source;
    uint64_t asked_at_ms;            /* when the step that is being checked was sent */
    struct redis_replicas *replicas; /* receive the replicas that replies name */
    char ignored[256];               /* the last ignored error; empty: none */
    char error[256];                 /* the error text of the last reply */
};

/** Initialises a handshake. `options`, `health` and `replicas` must outlive it. */
void redis_handshake_init(struct redis_handshake *handshake,
                          const struct redis_link_options *options, struct store_health *health,
                          struct redis_replicas *replicas);

/** Resets the handshake for a new connection. */
void redis_handshake_begin(struct redis_handshake *handshake);

/** Returns the name of a step's command, for messages. */
const char *redis_handshake_name(enum redis_step step);

/** Writes the command of a step. Returns false if this step sends nothing. */
bool redis_handshake_build(const struct redis_handshake *handshake, enum redis_step step,
                           struct redis_command *command);

/**
 * Checks the reply to a step that was sent at `asked_at_ms` (loop time). Returns NULL, or the error
 * in words; the text is valid until the next reply. If the server lacks ROLE, `role_source` changes
 * to the next source.
 */
const char *redis_handshake_check(struct redis_handshake *handshake, enum redis_step step,
                                  uint64_t asked_at_ms, const struct redisReply *reply);

/**
 * Returns whether an error means that the server rejected the user or password, or requires one.
 */
bool redis_handshake_is_denied(const char *error);

#endif
