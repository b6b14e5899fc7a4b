/* SPDX-License-Identifier: MIT */
/**
 * redis_command: builds one command in the wire format (RESP: the number of arguments, then the
 * length and bytes of each). The bytes are written in place, without a second copy.
 *
 * The next command reuses the memory.
 */
#ifndef VISITCOUNTD_STORE_REDIS_COMMAND_H
#define VISITCOUNTD_STORE_REDIS_COMMAND_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/**
 * The most arguments of a command, since managed servers allow about 4,000. Longer commands must be
 * split.
 */
#define REDIS_ARGUMENTS_MAX 3900

/** The key of a day's salt, for format_time(). */
#define REDIS_SALT_KEY "vc:salt:%Y%m%d"

/** The key of the set of admitted sites. */
#define REDIS_SITES_KEY "vc:sites"

/** Kinds of the keys of clients' tokens: of this version, and of version 0.2 and before. */
#define REDIS_CLIENT_TOKENS     "seen:client:"
#define REDIS_OLD_CLIENT_TOKENS "seen:3600:"

struct redis_command {
    struct buf bytes;
    size_t count;
};

#define REDIS_COMMAND_EMPTY ((struct redis_command){BUF_EMPTY, 0})

/** Frees the memory. */
void redis_command_finish(struct redis_command *command);

/** Begins the command `name`. Drops the previous one. */
void redis_command_begin(struct redis_command *command, const char *name);

/** Adds an argument of `length` bytes. */
void redis_command_add(struct redis_command *command, const void *bytes, size_t length);

/** Adds a NUL-terminated argument. */
void redis_command_add_text(struct redis_command *command, const char *text);

/** Adds a number in decimal. */
void redis_command_add_u64(struct redis_command *command, uint64_t number);

/** Returns the bytes to send. They stay valid until the command changes. */
const char *redis_command_bytes(struct redis_command *command, size_t *ret_length);

#endif
