/* SPDX-License-Identifier: MIT */
#include "config/option_type.h"

#include "config/option.h"

#include <errno.h>
#include <string.h>

/* --- one of several words --- */

static int find_word(const char *const *words, const char *text)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            return i;
        }
    }
    return -EINVAL;
}

static int parse_bool(const struct option_row *row, const char *text, void *ret_value)
{
    /* words at odd indexes mean true */
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1", NULL};
    int index = find_word(words, text);

    (void)row;
    if (index < 0) {
        return index;
    }
    *(bool *)ret_value = index % 2 == 1;
    return 0;
}

static void expect_bool(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "true or false");
}

static bool equals_bool(const void *a, const void *b)
{
    return *(const bool *)a == *(const bool *)b;
}

static void print_bool(const struct option_row *row, const void *value, struct buf *out)
{
    (void)row;
    buf_puts(out, *(const bool *)value ? "true" : "false");
}

static int parse_choice(const struct option_row *row, const char *text, void *ret_value)
{
    int index = find_word(row->names, text);

    if (index < 0) {
        return index;
    }
    *(int *)ret_value = index;
    return 0;
}

static void expect_choice(const struct option_row *row, int error, struct buf *out)
{
    (void)error;
    for (size_t i = 0; row->names[i] != NULL; i++) {
        const char *separator = row->names[i + 1] != NULL ? ", " : " or ";

        buf_printf(out, "%s\"%s\"", i != 0 ? separator : "", row->names[i]);
    }
}

static bool equals_choice(const void *a, const void *b)
{
    return *(const int *)a == *(const int *)b;
}

static void print_choice(const struct option_row *row, const void *value, struct buf *out)
{
    buf_puts(out, row->names[*(const int *)value]);
}

/* --- a number --- */

/* parses the text with `read`, and checks the bounds */
static int parse_number(const struct option_row *row, const char *text,
                        int (*read)(const char *text, uint64_t *ret_number), void *ret_value)
{
    uint64_t number;
    int rc = read(text, &number);

    if (rc < 0) {
        return rc;
    }
    if (number < row->min || number > row->max) {
        return -ERANGE;
    }
    *(uint64_t *)ret_value = number;
    return 0;
}

static int parse_count(const struct option_row *row, const char *text, void *ret_value)
{
    return parse_number(row, text, units_parse_u64, ret_value);
}

static void expect_count(const struct option_row *row, int error, struct buf *out)
{
    (void)error;
    buf_printf(out, "a whole number from %llu to %llu", (unsigned long long)row->min,
               (unsigned long long)row->max);
}

static bool equals_number(const void *a, const void *b)
{
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

static void print_count(const struct option_row *row, const void *value, struct buf *out)
{
    (void)row;
    buf_put_u64(out, *(const uint64_t *)value);
}

/* --- a duration --- */

static int parse_milliseconds(const struct option_row *row, const char *text, void *ret_value)
{
    return parse_number(row, text, units_parse_duration, ret_value);
}

static void expect_duration(const struct option_row *row, int error, struct buf *out)
{
    char min[UNITS_TEXT_MAX];
    char max[UNITS_TEXT_MAX];

    if (error == -ERANGE) {
        buf_printf(out, "a duration from \"%s\" to \"%s\"", units_format_duration(row->min, min),
                   units_format_duration(row->max, max));
    } else {
        buf_puts(out, "a duration with a unit, such as \"250ms\" or \"5s\"");
    }
}

static void print_duration(const struct option_row *row, const void *value, struct buf *out)
{
    char text[UNITS_TEXT_MAX];

    (void)row;
    buf_puts(out, units_format_duration(*(const uint64_t *)value, text));
}

/* --- a size --- */

static int parse_bytes(const struct option_row *row, const char *text, void *ret_value)
{
    return parse_number(row, text, units_parse_size, ret_value);
}

static void expect_size(const struct option_row *row, int error, struct buf *out)
{
    char min[UNITS_TEXT_MAX];
    char max[UNITS_TEXT_MAX];

    if (error == -ERANGE) {
        buf_printf(out, "a size from \"%s\" to \"%s\"", units_format_size(row->min, min),
                   units_format_size(row->max, max));
    } else {
        buf_puts(out, "a size with a unit, such as \"512KiB\" or \"64MiB\"");
    }
}

static void print_size(const struct option_row *row, const void *value, struct buf *out)
{
    char text[UNITS_TEXT_MAX];

    (void)row;
    buf_puts(out, units_format_size(*(const uint64_t *)value, text));
}

/* --- a rate --- */

static int parse_rate_or_none(const struct option_row *row, const char *text, void *ret_value)
{
    (void)row;
    return text[0] == '\0' ? 0 : rate_parse(text, ret_value);
}

static void expect_rate(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "a rate such as \"30/1m\", both above 0, or \"\" for none");
}

static bool equals_rate(const void *a, const void *b)
{
    const struct rate *one = a;
    const struct rate *other = b;

    return one->count == other->count && one->per_ms == other->per_ms;
}

static void print_rate(const struct option_row *row, const void *value, struct buf *out)
{
    char text[2 * UNITS_TEXT_MAX];

    (void)row;
    buf_puts(out, rate_format(value, text));
}

OPTION_TYPE(BOOL, 0, BARE, parse_bool, expect_bool, equals_bool, print_bool, NULL);
OPTION_TYPE(CHOICE, 0, QUOTED, parse_choice, expect_choice, equals_choice, print_choice, NULL);
OPTION_TYPE(COUNT, 0, BARE, parse_count, expect_count, equals_number, print_count, NULL);
OPTION_TYPE(DURATION, 0, PLAIN, parse_milliseconds, expect_duration, equals_number, print_duration,
            NULL);
OPTION_TYPE(SIZE, 0, PLAIN, parse_bytes, expect_size, equals_number, print_size, NULL);
OPTION_TYPE(RATE, 0, QUOTED, parse_rate_or_none, expect_rate, equals_rate, print_rate, NULL);
