/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* a string literal, which may contain NUL bytes, and its length */
#define BYTES(literal) literal, sizeof(literal) - 1

/* buf */

static void a_buffer_grows_and_stays_terminated(void **state)
{
    struct buf buf = BUF_EMPTY;

    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        buf_putc(&buf, (char)('a' + i % 26));
        assert_int_equal(buf.length, i + 1);
        assert_int_equal(buf.bytes[buf.length], '\0');
    }
    for (size_t i = 0; i < buf.length; i++) {
        assert_int_equal(buf.bytes[i], 'a' + i % 26);
    }
    buf_finish(&buf);
    assert_null(buf.bytes);
    assert_int_equal(buf.length, 0);
}

static void writers_of_a_buffer(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf);
    buf_puts(&buf, "a");
    buf_append(&buf, BYTES("b\0c"));
    buf_append(&buf, NULL, 0);
    buf_put_u64(&buf, 0);
    buf_put_u64(&buf, UINT64_MAX);
    buf_printf(&buf, "%s-%03d", "x", 7);
    assert_int_equal(buf.length, 4 + 1 + 20 + 5);
    assert_memory_equal(buf.bytes, "ab\0c018446744073709551615x-007", 31);
    buf_clear(&buf);
    assert_int_equal(buf.length, 0);
    assert_string_equal(buf.bytes, "");
    buf_finish(&buf);
}

static void a_long_text_is_printed_whole(void **state)
{
    struct buf buf = BUF_EMPTY;

    (void)state;
    buf_printf(&buf, "%5000d", 1);
    assert_int_equal(buf.length, 5000);
    assert_int_equal(strlen(buf.bytes), 5000);
    buf_finish(&buf);
}

static void stolen_bytes_are_terminated_and_the_callers(void **state)
{
    struct buf buf = BUF_EMPTY;
    char *bytes = buf_steal(&buf);

    (void)state;
    assert_string_equal(bytes, "");
    free(bytes);
    buf_puts(&buf, "text");
    bytes = buf_steal(&buf);
    assert_string_equal(bytes, "text");
    assert_null(buf.bytes);
    assert_int_equal(buf.length, 0);
    free(bytes);
    buf_finish(&buf);
}

struct escape_row {
    const char *bytes;
    size_t length;
    const char *escaped;
};

static void check_escapes(const struct escape_row *rows, size_t count,
                          void (*put)(struct buf *buf, const char *bytes, size_t length))
{
    for (size_t i = 0; i < count; i++) {
        struct buf buf = BUF_EMPTY;

        put(&buf, rows[i].bytes, rows[i].length);
        buf_puts(&buf, "");
        assert_string_equal(buf.bytes, rows[i].escaped);
        buf_finish(&buf);
    }
}

static void json_strings(void **state)
{
    static const struct escape_row rows[] = {
        {BYTES(""), "\"\""},
        {BYTES("plain /text"), "\"plain /text\""},
        {BYTES("\"\\"), "\"\\\"\\\\\""},
        {BYTES("\n\r\t\b\x1f\x7f"), "\"\\n\\r\\t\\u0008\\u001f\\u007f\""},
        {BYTES("a\0b"), "\"a\\u0000b\""},
        {BYTES("</script>"), "\"\\u003c/script>\""},
        {BYTES("\xc2\x9b[2J \xe2\x80\xae \xe2\x81\xa6 \xe2\x80\xa9"),
         "\"\\u009b[2J \\u202e \\u2066 \\u2029\""},
        {BYTES("\xe2\x80\x8d \xe2\x80\x8f \xe2\x80\xaf \xe2\x81\xaa"),
         "\"\xe2\x80\x8d \xe2\x80\x8f \xe2\x80\xaf \xe2\x81\xaa\""},
        {BYTES("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
         "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {BYTES("a\xff"
               "b"),
         "\"a\\ufffdb\""},
        {BYTES("\xe2\x82"), "\"\\ufffd\\ufffd\""},
        {BYTES("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
    };

    (void)state;
    check_escapes(rows, LENGTH(rows), buf_put_json);
}

static void xml_text(void **state)
{
    static const struct escape_row rows[] = {
        {BYTES(""), ""},
        {BYTES("plain"), "plain"},
        {BYTES("<a href=\"x\" b='y'>&amp;"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;"},
        {BYTES("a\tb\nc\rd"), "a\tb\nc\rd"},
        {BYTES("a\0b\x01\x08\x1f"
               "c"),
         "abc"},
        {BYTES("\xc3\xa4"), "\xc3\xa4"},
    };

    (void)state;
    check_escapes(rows, LENGTH(rows), buf_put_xml);
}

static void sequences_of_utf8(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        size_t sequence;
    } rows[] = {
        {BYTES(""), 0},
        {BYTES("\0"), 1},
        {BYTES("a\xff"), 1},
        {BYTES("\x7f"), 1},
        {BYTES("\x80"), 0},     /* only a continuation byte */
        {BYTES("\xc0\x80"), 0}, /* overlong NUL */
        {BYTES("\xc1\xbf"), 0}, /* overlong */
        {BYTES("\xc2\x80"), 2}, /* U+0080 */
        {BYTES("\xc2\x7f"), 0},
        {BYTES("\xc2\xc0"), 0},
        {BYTES("\xc2"), 0},         /* cut */
        {BYTES("\xdf\xbf"), 2},     /* U+07FF */
        {BYTES("\xe0\x9f\xbf"), 0}, /* overlong */
        {BYTES("\xe0\xa0\x80"), 3}, /* U+0800 */
        {BYTES("\xe2\x82\xac"), 3},
        {BYTES("\xe2\x82"), 0},
        {BYTES("\xe2\x82\x2c"), 0},
        {BYTES("\xed\x9f\xbf"), 3}, /* U+D7FF */
        {BYTES("\xed\xa0\x80"), 0}, /* a surrogate */
        {BYTES("\xed\xbf\xbf"), 0},
        {BYTES("\xee\x80\x80"), 3}, /* U+E000 */
        {BYTES("\xef\xbf\xbf"), 3},
        {BYTES("\xf0\x8f\xbf\xbf"), 0}, /* overlong */
        {BYTES("\xf0\x90\x80\x80"), 4}, /* U+10000 */
        {BYTES("\xf0\x9f\x98\x80"), 4},
        {BYTES("\xf0\x9f\x98"), 0},
        {BYTES("\xf0\x9f\x28\x80"), 0},
        {BYTES("\xf4\x8f\xbf\xbf"), 4}, /* U+10FFFF */
        {BYTES("\xf4\x90\x80\x80"), 0}, /* above */
        {BYTES("\xf5\x80\x80\x80"), 0},
        {BYTES("\xff"), 0},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        if (utf8_sequence_length(rows[i].bytes, rows[i].length) != rows[i].sequence) {
            fail_msg("row %zu gives %zu", i, utf8_sequence_length(rows[i].bytes, rows[i].length));
        }
    }
}

/* list */

struct member {
    int number;
    struct list link;
};

/** Writes the members' numbers in order, forwards and then backwards. */
static const char *describe_list(const struct list *anchor)
{
    static char text[64];
    size_t length = 0;

    list_for_each(it, anchor) {
        length +=
            (size_t)sprintf(text + length, "%d", container_of(it, struct member, link)->number);
    }
    text[length++] = '|';
    for (const struct list *it = anchor->prev; it != anchor; it = it->prev) {
        const struct member *member = container_of(it, struct member, link);

        length += (size_t)sprintf(text + length, "%d", member->number);
    }
    text[length] = '\0';
    return text;
}

static void members_of_a_list(void **state)
{
    struct member members[4];
    struct list list;

    (void)state;
    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_pop_first(&list));
    for (int i = 0; i < 4; i++) {
        members[i].number = i + 1;
        list_init(&members[i].link);
    }
    list_append(&list, &members[0].link);
    list_append(&list, &members[1].link);
    list_insert_before(&members[1].link, &members[2].link);
    list_insert_before(list.next, &members[3].link);
    assert_string_equal(describe_list(&list), "4132|2314");

    list_remove(&members[2].link);
    list_remove(&members[2].link);
    assert_true(list_is_empty(&members[2].link));
    assert_string_equal(describe_list(&list), "412|214");

    assert_ptr_equal(list_pop_first(&list), &members[3].link);
    assert_true(list_is_empty(&members[3].link));
    assert_string_equal(describe_list(&list), "12|21");
}

static void all_members_move_behind_those_of_another_list(void **state)
{
    struct member members[4];
    struct list one;
    struct list other;

    (void)state;
    list_init(&one);
    list_init(&other);
    list_move_all(&one, &other);
    assert_true(list_is_empty(&one));
    for (int i = 0; i < 4; i++) {
        members[i].number = i + 1;
        list_append(i < 2 ? &one : &other, &members[i].link);
    }
    list_move_all(&one, &other);
    assert_string_equal(describe_list(&one), "1234|4321");
    assert_true(list_is_empty(&other));
    list_move_all(&other, &one);
    assert_string_equal(describe_list(&other), "1234|4321");
    assert_true(list_is_empty(&one));
}

/* log */

/** The output of `write` on standard error. The caller frees it. */
static char *capture(void (*write)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    char *text = calloc(1, 8192);

    assert_non_null(file);
    assert_non_null(text);
    dup2(fileno(file), STDERR_FILENO);
    write();
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    assert_true(fread(text, 1, 8191, file) < 8191);
    fclose(file);
    return text;
}

static void write_control_bytes(void)
{
    log_info("a\nb\x1b[31m\x7f %s", "\xc3\xa4\r\n");
}

static void write_long_line(void)
{
    log_error("%5000d", 1);
}

static void write_all_levels(void)
{
    log_error("e");
    log_warning("w");
    log_info("i");
    log_debug("d");
}

static void a_line_of_the_log_is_one_line(void **state)
{
    char *line;

    (void)state;
    setenv("JOURNAL_STREAM", "8:1", 1);
    line = capture(write_control_bytes);
    assert_string_equal(line, "<6>a?b?[31m? \xc3\xa4??\n");
    free(line);
    line = capture(write_long_line);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_in_range(strlen(line), 2000, 2048);
    free(line);
}

static void a_line_outside_the_journal_has_time_and_level(void **state)
{
    char *line;
    int length = 0;

    (void)state;
    unsetenv("JOURNAL_STREAM");
    line = capture(write_control_bytes);
    sscanf(line, "%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ info    a?b%n", &length);
    assert_int_not_equal(length, 0);
    free(line);
}

static void levels_choose_what_is_logged(void **state)
{
    static const char *const expected[] = {
        [LOG_LEVEL_ERROR] = "<3>e\n",
        [LOG_LEVEL_WARNING] = "<3>e\n<4>w\n",
        [LOG_LEVEL_INFO] = "<3>e\n<4>w\n<6>i\n",
        [LOG_LEVEL_DEBUG] = "<3>e\n<4>w\n<6>i\n<7>d\n",
    };

    (void)state;
    setenv("JOURNAL_STREAM", "8:1", 1);
    assert_int_equal(log_get_level(), LOG_LEVEL_INFO);
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        char *lines;

        log_set_level((enum log_level)level);
        assert_int_equal(log_get_level(), level);
        assert_true(log_wants((enum log_level)level));
        lines = capture(write_all_levels);
        assert_string_equal(lines, expected[level]);
        free(lines);
    }
    log_set_level(LOG_LEVEL_INFO);
    assert_false(log_wants(LOG_LEVEL_DEBUG));
}

/* clock */

static void clocks_agree_on_their_units(void **state)
{
    uint64_t us = clock_monotonic_us();
    uint64_t ms = clock_monotonic_ms();

    (void)state;
    assert_in_range(ms, us / 1000, us / 1000 + 60000);
    assert_true(clock_monotonic_us() >= us);
    assert_true(clock_wall_ms() > UINT64_C(1700000000000)); /* a time in 2023 */
    assert_true(clock_wall_ms() < UINT64_C(10000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_and_stays_terminated),
        cmocka_unit_test(writers_of_a_buffer),
        cmocka_unit_test(a_long_text_is_printed_whole),
        cmocka_unit_test(stolen_bytes_are_terminated_and_the_callers),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(xml_text),
        cmocka_unit_test(sequences_of_utf8),
        cmocka_unit_test(members_of_a_list),
        cmocka_unit_test(all_members_move_behind_those_of_another_list),
        cmocka_unit_test(a_line_of_the_log_is_one_line),
        cmocka_unit_test(a_line_outside_the_journal_has_time_and_level),
        cmocka_unit_test(levels_choose_what_is_logged),
        cmocka_unit_test(clocks_agree_on_their_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
