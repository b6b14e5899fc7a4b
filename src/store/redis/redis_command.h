/* SPDX-License-Identifier: MIT */
/**
 * redis_command: one command in the form in which it is sent (RESP: the number of arguments, then
 * each one behind its length), written once and in place.
 *
 * The memory is kept from one command to the next.
 */
#ifndef VISITCOUNTD_STORE_REDIS_COMMAND_H
#define VISITCOUNTD_STORE_REDIS_COMMAND_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/** No command has more arguments: managed servers allow some 4,000. Who may need more sends parts.
 */
#define REDIS_ARGUMENTS_MAX 3900

struct redis_command {
    struct buf bytes;
    size_t count;
};

#define REDIS_COMMAND_EMPTY ((struct redis_command){BUF_EMPTY, 0})

/** Frees the memory. */
void redis_command_finish(struct redis_command *command);

/** Begins a new command, called `name`. */
void redis_command_begin(struct redis_command *command, const char *name);

/** Adds an argument of `length` bytes. */
void redis_command_add(struct redis_command *command, const void *bytes, size_t length);

/** Adds a NUL-terminated argument. */
void redis_command_add_text(struct redis_command *command, const char *text);

/** Adds a number in decimal. */
void redis_command_add_u64(struct redis_command *command, uint64_t number);

/** What is to be sent; valid until the command is changed. */
const char *redis_command_bytes(struct redis_command *command, size_t *ret_length);

#endif
