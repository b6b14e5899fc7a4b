/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *error, enum store_scope scope)
{
    if (redis_error_scope(error) != scope) {
        fail_msg("not an error of the %s: %s", scope == STORE_SCOPE_SERVER ? "server" : "site",
                 error);
    }
}

/* errors of Redis 7.0 and Valkey 8, with the text that a script appends */
static void test_errors_that_every_site_gets(void **state)
{
    static const char *const errors[] = {
        "READONLY You can't write against a read only replica. script: 5f1c, on @user_script:43.",
        "NOREPLICAS Not enough good replicas to write.",
        "OOM command not allowed when used memory > 'maxmemory'. script: 5f1c, on @user_script:9.",
        "LOADING Redis is loading the dataset in memory",
        "LOADING",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "CLUSTERDOWN Hash slot not served",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOAUTH Authentication required.",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "NOPERM this user has no permissions to run the 'evalsha' command",
        "NOPERM User default has no permissions to run the 'eval' command",
        "ERR The user executing the script can't run this command or subcommand script: 5f1c",
        "ERR max number of clients reached",
        "ERR unknown command 'EVALSHA', with args beginning with: 'x' ",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        check(errors[i], STORE_SCOPE_SERVER);
    }
}

/* before version 7, the error follows the place of the call */
static void test_errors_inside_of_an_error_of_a_script(void **state)
{
#define IN_SCRIPT "ERR Error running script (call to f_5f1c0b): @user_script:43: "
    (void)state;
    check(IN_SCRIPT "@user_script: 43: -MISCONF Redis is configured to save", STORE_SCOPE_SERVER);
    check(IN_SCRIPT "@user_script: 43: -OOM command not allowed", STORE_SCOPE_SERVER);
    check(IN_SCRIPT "@user_script: 43: -NOREPLICAS Not enough good replicas", STORE_SCOPE_SERVER);
    check(IN_SCRIPT "@user_script: 43: -READONLY You can't write", STORE_SCOPE_SERVER);
    check(IN_SCRIPT "READONLY You can't write", STORE_SCOPE_SERVER);
    check(IN_SCRIPT "WRONGTYPE Operation against a key", STORE_SCOPE_SITE);
    check(IN_SCRIPT "attempt to index a nil value", STORE_SCOPE_SITE);
    check(IN_SCRIPT, STORE_SCOPE_SITE);
    check("ERR Error running script", STORE_SCOPE_SITE);
#undef IN_SCRIPT
}

static void test_errors_of_the_sites_own_keys(void **state)
{
    static const char *const errors[] = {
        "WRONGTYPE Operation against a key holding the wrong kind of value script: 5f1c, on "
        "@user_script:43.",
        "ERR vc:{b}:ledger: unreadable field 0123",
        "ERR vc:{OOM}:ledger: unreadable field 0123",
        "NOPERM this user has no permissions to access one of the keys used as arguments",
        "NOPERM User a has no permissions to access the 'vc:{command}:hits' key",
        "NOPERM this user has no permissions to access one of the channels used as arguments",
        "ERR The user executing the script can't access at least one of the keys mentioned in the "
        "command arguments",
        "MOVED 3999 127.0.0.1:6381",
        "ASK 3999 127.0.0.1:6381",
        "CROSSSLOT Keys in request don't hash to the same slot",
        "BUSYKEY Target key name already exists.",
        "ERR value is not an integer or out of range",
        "SOMETHING new",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        check(errors[i], STORE_SCOPE_SITE);
    }
}

static void test_memory_that_is_full(void **state)
{
    (void)state;
    assert_true(redis_error_is_full("OOM command not allowed when used memory > 'maxmemory'."));
    assert_true(redis_error_is_full("ERR Error running script (call to f_0123): @user_script:43: "
                                    "@user_script: 43: -OOM command not allowed when used memory "
                                    "> 'maxmemory'."));
    assert_false(redis_error_is_full("OOMX"));
    assert_false(redis_error_is_full("ERR OOM"));
    assert_false(redis_error_is_full("READONLY You can't write against a read only replica."));
    assert_false(redis_error_is_full(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_that_every_site_gets),
        cmocka_unit_test(test_errors_inside_of_an_error_of_a_script),
        cmocka_unit_test(test_errors_of_the_sites_own_keys),
        cmocka_unit_test(test_memory_that_is_full),
    };

    return cmocka_run_group_tests_name("redis_error", tests, NULL, NULL);
}
