/* SPDX-License-Identifier: MIT */
/**
 * redis_greeting: what a link says to a server of its own accord, and what is wrong with the
 * answers. It authenticates, chooses the database, says its name, asks for the version, loads the
 * script and makes sure that the server is a master. The last of that is asked again as a
 * heartbeat; PING is that of a subscriber, who may ask for nothing else.
 *
 * Commands and replies only; the link sends and receives them.
 */
#ifndef VISITCOUNTD_STORE_REDIS_GREETING_H
#define VISITCOUNTD_STORE_REDIS_GREETING_H

#include "store/redis_link.h"

#include <stdbool.h>

#define REDIS_SHA_LENGTH 40

/** In the order in which they are sent; the greeting ends with REDIS_ROLE. */
enum redis_step {
    REDIS_AUTH,
    REDIS_SELECT,
    REDIS_NAME,
    REDIS_INFO,
    REDIS_SCRIPT,
    REDIS_ROLE,
    REDIS_PING,
    REDIS_STEPS
};

struct redis_greeting {
    const struct redis_link_options *options;
    struct store_health *health;    /* its version and role are what the server said */
    char db[24];                    /* as text */
    char sha[REDIS_SHA_LENGTH + 1]; /* of the loaded script, in hexadecimal */
    char error[256];                /* what a reply said */
};

/** Prepares a greeting; `options` and `health` outlive it. */
void redis_greeting_init(struct redis_greeting *greeting, const struct redis_link_options *options,
                         struct store_health *health);

/** Writes the command of a step; false when there is nothing to say. */
bool redis_greeting_build(const struct redis_greeting *greeting, enum redis_step step,
                          struct redis_command *command);

/** What is wrong with the reply to a step, or NULL; valid until the next reply. */
const char *redis_greeting_check(struct redis_greeting *greeting, enum redis_step step,
                                 const struct redisReply *reply);

#endif
