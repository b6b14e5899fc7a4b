/* SPDX-License-Identifier: MIT */
/**
 * redis_scripts: the names of the keys and arguments of each script, in order. The sender of a
 * script names each one; the process ends if one is not at its place. A test compares the lists
 * with the headers of the scripts and with their `local` lines
 * (tests/e2e/test_script_arguments.py).
 *
 * The lists have the fixed keys and arguments only. Others may follow; the script's header
 * describes them.
 */
#ifndef VISITCOUNTD_STORE_REDIS_SCRIPTS_H
#define VISITCOUNTD_STORE_REDIS_SCRIPTS_H

#include "base/require.h"
#include "store/redis/redis_command.h"

#include <stddef.h>

/* clang-format off */

#define REDIS_APPLY_KEYS(X) \
    X(apply, hits_key) X(apply, day_key) X(apply, hour_key) X(apply, ledger_key)
#define REDIS_APPLY_ARGUMENTS(X) \
    X(apply, epoch) X(apply, sequence) X(apply, follows) X(apply, visits) X(apply, made_at) \
    X(apply, lifetimes) X(apply, pages_max) X(apply, channel) X(apply, page_count) \
    X(apply, token_groups) X(apply, stamp_groups) X(apply, visited_count)

#define REDIS_EDIT_KEYS(X) X(edit, hits_key) X(edit, ledger_key)
#define REDIS_EDIT_ARGUMENTS(X) \
    X(edit, operation) X(edit, page) X(edit, operand) X(edit, day_count) X(edit, hour_count) \
    X(edit, day_ttl) X(edit, largest) X(edit, channel) X(edit, is_part) X(edit, expects_mark)

#define REDIS_LEDGER_KEYS(X)      X(ledger, hits_key) X(ledger, ledger_key)
#define REDIS_LEDGER_ARGUMENTS(X) X(ledger, epoch)

#define REDIS_READ_KEYS(X)
#define REDIS_READ_ARGUMENTS(X) X(read, kind)

#define REDIS_REPAIR_KEYS(X) X(repair, hits_key) X(repair, ledger_key)
#define REDIS_REPAIR_ARGUMENTS(X) \
    X(repair, trust) X(repair, number) X(repair, is_forced) X(repair, known) \
    X(repair, expects_mark) X(repair, channel)

#define REDIS_ADMIT_KEYS(X)      X(admit, sites_key)
#define REDIS_ADMIT_ARGUMENTS(X) X(admit, site) X(admit, limit)

#define REDIS_SALT_KEYS(X)      X(salt, salt_key)
#define REDIS_SALT_ARGUMENTS(X) X(salt, new_salt) X(salt, lifetime)

#define REDIS_LOCK_KEYS(X) X(lock, lock_key)
#define REDIS_LOCK_ARGUMENTS(X)

/* clang-format on */

/* the enumerators of keys and arguments: redis_key_SCRIPT_NAME, redis_argument_SCRIPT_NAME */
#define REDIS_KEY_OF(script, name)      redis_key_##script##_##name,
#define REDIS_ARGUMENT_OF(script, name) redis_argument_##script##_##name,

enum { REDIS_APPLY_KEYS(REDIS_KEY_OF) REDIS_APPLY_KEY_COUNT };
enum { REDIS_APPLY_ARGUMENTS(REDIS_ARGUMENT_OF) REDIS_APPLY_ARGUMENT_COUNT };
enum { REDIS_EDIT_KEYS(REDIS_KEY_OF) REDIS_EDIT_KEY_COUNT };
enum { REDIS_EDIT_ARGUMENTS(REDIS_ARGUMENT_OF) REDIS_EDIT_ARGUMENT_COUNT };
enum { REDIS_LEDGER_KEYS(REDIS_KEY_OF) REDIS_LEDGER_KEY_COUNT };
enum { REDIS_LEDGER_ARGUMENTS(REDIS_ARGUMENT_OF) REDIS_LEDGER_ARGUMENT_COUNT };
enum { REDIS_READ_KEYS(REDIS_KEY_OF) REDIS_READ_KEY_COUNT };
enum { REDIS_READ_ARGUMENTS(REDIS_ARGUMENT_OF) REDIS_READ_ARGUMENT_COUNT };
enum { REDIS_REPAIR_KEYS(REDIS_KEY_OF) REDIS_REPAIR_KEY_COUNT };
enum { REDIS_REPAIR_ARGUMENTS(REDIS_ARGUMENT_OF) REDIS_REPAIR_ARGUMENT_COUNT };
enum { REDIS_ADMIT_KEYS(REDIS_KEY_OF) REDIS_ADMIT_KEY_COUNT };
enum { REDIS_ADMIT_ARGUMENTS(REDIS_ARGUMENT_OF) REDIS_ADMIT_ARGUMENT_COUNT };
enum { REDIS_SALT_KEYS(REDIS_KEY_OF) REDIS_SALT_KEY_COUNT };
enum { REDIS_SALT_ARGUMENTS(REDIS_ARGUMENT_OF) REDIS_SALT_ARGUMENT_COUNT };
enum { REDIS_LOCK_KEYS(REDIS_KEY_OF) REDIS_LOCK_KEY_COUNT };
enum { REDIS_LOCK_ARGUMENTS(REDIS_ARGUMENT_OF) REDIS_LOCK_ARGUMENT_COUNT };

/** Words of EVAL before the first key: the name, the script and the number of keys. */
#define REDIS_SCRIPT_WORDS 3

/**
 * Returns `command`, whose next word must be number `at`, from 0, after its first `before` words.
 * With the number of a list, as `at`: the list must be complete.
 */
static inline struct redis_command *redis_scripts_next(struct redis_command *command, size_t before,
                                                       size_t at)
{
    require(command->count == before + at);
    return command;
}

/** `command`, to add the key or the argument of that name; `before`: the words before the list. */
#define REDIS_NEXT_KEY(command, script, name) \
    redis_scripts_next(command, REDIS_SCRIPT_WORDS, redis_key_##script##_##name)
#define REDIS_NEXT_ARGUMENT(command, before, script, name) \
    redis_scripts_next(command, before, redis_argument_##script##_##name)

#endif
