/* SPDX-License-Identifier: MIT */
/**
 * redis_greeting: what a link says to a server of its own accord, and what is wrong with the
 * answers. It authenticates, chooses the database, says its name, asks for the version, loads the
 * script and makes sure that the server is a master.
 *
 * Managed servers and proxies lack some of these commands. An error to CLIENT SETNAME and INFO is
 * ignored. A script that is not loaded is sent with the first batch. Where ROLE is missing, the
 * role is asked of INFO replication; where that is missing as well, the server is taken for a
 * master, and a replica is noticed by READONLY.
 *
 * Commands and replies only; the link sends and receives them.
 */
#ifndef VISITCOUNTD_STORE_REDIS_GREETING_H
#define VISITCOUNTD_STORE_REDIS_GREETING_H

#include "store/redis/redis_command.h"
#include "store/redis/redis_link_options.h"
#include "store/redis/redis_replicas.h"

#include <stdbool.h>

#define REDIS_SHA_LENGTH 40

/** In the order in which they are sent; up to REDIS_ROLE they are sent at once. */
enum redis_step {
    REDIS_AUTH,
    REDIS_SELECT,
    REDIS_NAME,
    REDIS_INFO,
    REDIS_SCRIPT,
    REDIS_ROLE,
    REDIS_REPLICATION, /* INFO replication: where ROLE is missing */
    REDIS_PING,        /* a heartbeat where there is nothing to ask */
    REDIS_STEPS
};

/** How the server's role is asked. */
enum redis_role_source { REDIS_BY_ROLE, REDIS_BY_INFO, REDIS_BY_NOBODY };

struct redis_greeting {
    const struct redis_link_options *options;
    struct store_health *health;    /* its version and role are what the server said */
    char db[24];                    /* as text */
    char sha[REDIS_SHA_LENGTH + 1]; /* of the script, in hexadecimal */
    enum redis_role_source role_source;
    uint64_t asked_at_ms;            /* when the step that is checked was sent */
    struct redis_replicas *replicas; /* are told what the replies say of them */
    char ignored[256];               /* the last error that did not matter; empty: none */
    char error[256];                 /* what a reply said */
};

/** Prepares a greeting; `options`, `health` and `replicas` outlive it. */
void redis_greeting_init(struct redis_greeting *greeting, const struct redis_link_options *options,
                         struct store_health *health, struct redis_replicas *replicas);

/** A connection begins. */
void redis_greeting_begin(struct redis_greeting *greeting);

/** The command of a step in words, for messages. */
const char *redis_greeting_name(enum redis_step step);

/** Writes the command of a step; false when there is nothing to say. */
bool redis_greeting_build(const struct redis_greeting *greeting, enum redis_step step,
                          struct redis_command *command);

/**
 * What is wrong with the reply to a step that was sent at `asked_at_ms` (loop time), or NULL; valid
 * until the next reply. Where ROLE turns out to be missing, `role_source` is another one then.
 */
const char *redis_greeting_check(struct redis_greeting *greeting, enum redis_step step,
                                 uint64_t asked_at_ms, const struct redisReply *reply);

/** Whether an error means that a user or password was not accepted, or is missing. */
bool redis_greeting_is_denied(const char *error);

#endif
