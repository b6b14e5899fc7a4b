/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "config/option_type.h"

#include "config/option.h"
#include "config/origin.h"
#include "config/page_rule.h"

#include "base/zone.h"
#include "base/zone_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define MARKS  "._-"

/* --- any text --- */

static int parse_string(const struct option_row *row, const char *text, void *ret_value)
{
    size_t length = strlen(text);
    char *copy;

    if (length < row->min || length > row->max) {
        return -ERANGE;
    }
    copy = alloc_text(text);
    memcpy(ret_value, &copy, sizeof(copy));
    return 0;
}

static void expect_string(const struct option_row *row, int error, struct buf *out)
{
    (void)error;
    if (row->min == 0) {
        buf_printf(out, "text of at most %llu bytes", (unsigned long long)row->max);
    } else {
        buf_printf(out, "text of %llu to %llu bytes", (unsigned long long)row->min,
                   (unsigned long long)row->max);
    }
}

static bool equals_string(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b) == 0;
}

static void print_string(const struct option_row *row, const void *value, struct buf *out)
{
    (void)row;
    buf_puts(out, *(char *const *)value);
}

static void clear_string(void *value)
{
    free(*(char **)value);
    *(char **)value = NULL;
}

/* --- the name of an instance, which is part of paths --- */

static int parse_name(const struct option_row *row, const char *text, void *ret_value)
{
    if (text[0] == '.' || text[strspn(text, LOWER UPPER DIGITS MARKS)] != '\0') {
        return -EINVAL;
    }
    return parse_string(row, text, ret_value);
}

static void expect_name(const struct option_row *row, int error, struct buf *out)
{
    (void)error;
    buf_printf(out, "%llu to %llu letters, digits, '.', '_' or '-', not beginning with '.'",
               (unsigned long long)row->min, (unsigned long long)row->max);
}

/* --- a host without port --- */

static int parse_host(const struct option_row *row, const char *text, void *ret_value)
{
    char with_port[ADDRESS_TEXT_MAX];
    struct address address;

    if (strlen(text) > row->max) {
        return -ERANGE;
    }
    snprintf(with_port, sizeof(with_port), strchr(text, ':') != NULL ? "[%s]:1" : "%s:1", text);
    if (text[0] != '\0' && address_parse(with_port, &address) < 0) {
        return -EINVAL;
    }
    return parse_string(row, text, ret_value);
}

static void expect_host(const struct option_row *row, int error, struct buf *out)
{
    buf_puts(out, "a host name or an address without port");
    if (error == -ERANGE) {
        buf_printf(out, " of at most %llu bytes", (unsigned long long)row->max);
    }
}

/* --- a path with %i; loader_expand() checks its length once the instance is known --- */

static int parse_pattern(const struct option_row *row, const char *text, void *ret_value)
{
    struct option_row unbounded = {.min = row->min, .max = UINT64_MAX};

    if (!option_pattern_is_valid(text)) {
        return -EINVAL;
    }
    return parse_string(&unbounded, text, ret_value);
}

static void expect_pattern(const struct option_row *row, int error, struct buf *out)
{
    if (error == -ERANGE) {
        expect_string(row, error, out);
    } else {
        buf_puts(out, "a path in which each \"%\" begins \"%i\" or \"%%\"");
    }
}

/* --- a time zone --- */

static int parse_zone(const struct option_row *row, const char *text, void *ret_value)
{
    static const struct option_row bounds = {.min = 1, .max = ZONE_NAME_MAX};
    struct zone *zone = zone_open(text);

    (void)row;
    if (zone == NULL) {
        return -EINVAL;
    }
    zone_close(zone);
    return parse_string(&bounds, text, ret_value);
}

static void expect_zone(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "\"UTC\", or a time zone of this machine's tz database such as "
                  "\"Europe/Berlin\"");
}

/* --- the name of a site --- */

static int parse_site(const struct option_row *row, const char *text, void *ret_value)
{
    static const struct option_row bounds = {.min = 1, .max = 64};

    (void)row;
    if (strcmp(text, "*") != 0 && text[strspn(text, LOWER DIGITS MARKS)] != '\0') {
        return -EINVAL;
    }
    return parse_string(&bounds, text, ret_value);
}

static int parse_alias(const struct option_row *row, const char *text, void *ret_value)
{
    return strcmp(text, "*") == 0 ? -EINVAL : parse_site(row, text, ret_value);
}

static void expect_site(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a site");
}

/* --- an origin: "https://blog.example", see origin.h --- */

static int parse_origin(const struct option_row *row, const char *text, void *ret_value)
{
    static const struct option_row bounds = {.min = 1, .max = 255};

    (void)row;
    return origin_is_valid(text) ? parse_string(&bounds, text, ret_value) : -EINVAL;
}

static void expect_origin(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "an origin in lower case and without path, such as \"https://blog.example\" or "
                  "\"http://localhost:8000\"");
}

/* --- a word of User-Agent --- */

static int parse_word(const struct option_row *row, const char *text, void *ret_value)
{
    static const struct option_row bounds = {.min = 3, .max = 64};
    size_t length = strlen(text);

    (void)row;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return -EINVAL;
        }
    }
    if (length > 0 && (text[0] == ' ' || text[length - 1] == ' ')) {
        return -EINVAL;
    }
    return parse_string(&bounds, text, ret_value);
}

static void expect_word(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "3 to 64 visible ASCII characters, and spaces between them");
}

/* --- a rule for pages, see page_rule.h --- */

static int parse_page_rule(const struct option_row *row, const char *text, void *ret_value)
{
    static const struct option_row bounds = {.min = 1, .max = 3 * PAGE_RULE_MAX};
    struct page_rule rule;

    (void)row;
    if (page_rule_parse(text, &rule) != NULL) {
        return -EINVAL;
    }
    page_rule_clear(&rule);
    return parse_string(&bounds, text, ret_value);
}

static void expect_page_rule(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "a page such as \"/about\", \"/blog/**\" or \"/*/comments\"");
}

static void help_page_rule(const char *text, struct buf *out)
{
    struct page_rule rule;
    const char *wrong = page_rule_parse(text, &rule);

    if (wrong != NULL) {
        buf_printf(out, "; %s", wrong);
    }
    page_rule_clear(&rule);
}

OPTION_TYPE(STRING, 0, QUOTED, parse_string, expect_string, equals_string, print_string,
            clear_string);
OPTION_TYPE(NAME, 0, QUOTED, parse_name, expect_name, equals_string, print_string, clear_string);
OPTION_TYPE(HOST, 0, QUOTED, parse_host, expect_host, equals_string, print_string, clear_string);
OPTION_TYPE(PATTERN, 0, QUOTED, parse_pattern, expect_pattern, equals_string, print_string,
            clear_string);
const struct option_type option_type_ZONE = {
    .field_size = sizeof(OPTION_TYPE_ZONE),
    .form = OPTION_FORM_QUOTED,
    .parse = parse_zone,
    .expect = expect_zone,
    .help = zone_name_explain,
    .equals = equals_string,
    .print = print_string,
    .clear = clear_string,
};
OPTION_TYPE(SITE, 0, QUOTED, parse_site, expect_site, equals_string, print_string, clear_string);
OPTION_TYPE(ALIASES, sizeof(char *), QUOTED, parse_alias, expect_site, equals_string, print_string,
            clear_string);
const struct option_type option_type_ORIGINS = {
    .field_size = sizeof(OPTION_TYPE_ORIGINS),
    .item_size = sizeof(char *),
    .form = OPTION_FORM_QUOTED,
    .parse = parse_origin,
    .expect = expect_origin,
    .help = origin_explain,
    .equals = equals_string,
    .print = print_string,
    .clear = clear_string,
};
OPTION_TYPE(WORDS, sizeof(char *), QUOTED, parse_word, expect_word, equals_string, print_string,
            clear_string);
const struct option_type option_type_PAGE_RULES = {
    .field_size = sizeof(OPTION_TYPE_PAGE_RULES),
    .item_size = sizeof(char *),
    .form = OPTION_FORM_QUOTED,
    .parse = parse_page_rule,
    .expect = expect_page_rule,
    .help = help_page_rule,
    .equals = equals_string,
    .print = print_string,
    .clear = clear_string,
};
