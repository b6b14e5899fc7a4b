/* SPDX-License-Identifier: MIT */
#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* RFC 3720, appendix B.4; it shows the checksums in the byte order of the wire */
static void test_examples_of_rfc_3720(void **state)
{
    static const unsigned char read_command[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    unsigned char bytes[32];

    (void)state;
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x113fdb5c);
    assert_int_equal(crc32c(0, read_command, sizeof(read_command)), 0xd9963a56);
}

static void test_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void test_parts_make_the_whole(void **state)
{
    static const char text[] = "visits on this machine's disk while the store is away";
    size_t length = strlen(text);

    (void)state;
    for (size_t i = 0; i <= length; i++) {
        assert_int_equal(crc32c(crc32c(0, text, i), text + i, length - i), crc32c(0, text, length));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_rfc_3720),
        cmocka_unit_test(test_check_value),
        cmocka_unit_test(test_parts_make_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
