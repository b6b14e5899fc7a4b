/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_bytes(struct redis_command *command, const char *expected, size_t length)
{
    size_t written;
    const char *bytes = redis_command_bytes(command, &written);

    assert_int_equal(written, length);
    assert_memory_equal(bytes, expected, length);
}

static void test_arguments_are_bytes(void **state)
{
    static const char expected[] = "*5\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$0\r\n\r\n$2\r\n\r\n\r\n"
                                   "$20\r\n18446744073709551615\r\n";
    struct redis_command command = REDIS_COMMAND_EMPTY;

    (void)state;
    redis_command_begin(&command, "SET");
    redis_command_add(&command, "a\0b", 3);
    redis_command_add_text(&command, "");
    redis_command_add_text(&command, "\r\n");
    redis_command_add_u64(&command, UINT64_MAX);
    assert_bytes(&command, expected, sizeof(expected) - 1);
    assert_bytes(&command, expected, sizeof(expected) - 1); /* reading the bytes changes nothing */
    redis_command_finish(&command);
}

static void test_the_next_command_begins_anew(void **state)
{
    static const char expected[] = "*2\r\n$3\r\nGET\r\n$1\r\n0\r\n";
    struct redis_command command = REDIS_COMMAND_EMPTY;

    (void)state;
    redis_command_begin(&command, "MGET");
    for (int i = 0; i < 1234; i++) {
        redis_command_add_text(&command, "key");
    }
    assert_memory_equal(redis_command_bytes(&command, &(size_t){0}), "*1235\r\n$4\r\nMGET\r\n", 17);
    redis_command_begin(&command, "GET");
    redis_command_add_u64(&command, 0);
    assert_bytes(&command, expected, sizeof(expected) - 1);
    redis_command_finish(&command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments_are_bytes),
        cmocka_unit_test(test_the_next_command_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
