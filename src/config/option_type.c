/* SPDX-License-Identifier: MIT */
#include "config/option_type.h"

#include "base/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define UPPER   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"
#define MARKS   "._-"
#define PATTERN "a path in which each \"%\" begins \"%i\" or \"%%\""

/* text */

static int parse_string(const struct option_row *row, const char *text, void *ret_value)
{
    size_t length = strlen(text);
    char *copy;

    if (length < row->min || length > row->max) {
        return -ERANGE;
    }
    copy = strdup(text);
    if (copy == NULL) {
        abort();
    }
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

/* the name of an instance, which becomes part of paths */

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

/* a host without port */

static int parse_host(const struct option_row *row, const char *text, void *ret_value)
{
    char with_port[ADDRESS_TEXT_MAX];
    struct address address;

    if (strlen(text) > row->max) {
        return -ERANGE;
    }
    snprintf(with_port, sizeof(with_port), strchr(text, ':') != NULL ? "[%s]:1" : "%s:1", text);
    if (text[0] != '\0' && parse_address(with_port, &address) < 0) {
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

/* a path with %i; what it expands to is measured when the instance is known */

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
        buf_puts(out, PATTERN);
    }
}

/* one of several words */

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
    /* the odd ones are true */
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

/* numbers */

/** Has `read` parse the text, and keeps what is within the bounds. */
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
    return parse_number(row, text, parse_u64, ret_value);
}

static int parse_milliseconds(const struct option_row *row, const char *text, void *ret_value)
{
    return parse_number(row, text, parse_duration, ret_value);
}

static int parse_bytes(const struct option_row *row, const char *text, void *ret_value)
{
    return parse_number(row, text, parse_size, ret_value);
}

static void expect_count(const struct option_row *row, int error, struct buf *out)
{
    (void)error;
    buf_printf(out, "a whole number from %llu to %llu", (unsigned long long)row->min,
               (unsigned long long)row->max);
}

static void expect_duration(const struct option_row *row, int error, struct buf *out)
{
    char min[UNITS_TEXT_MAX];
    char max[UNITS_TEXT_MAX];

    if (error == -ERANGE) {
        buf_printf(out, "a duration from \"%s\" to \"%s\"", format_duration(row->min, min),
                   format_duration(row->max, max));
    } else {
        buf_puts(out, "a duration with a unit, such as \"250ms\" or \"5s\"");
    }
}

static void expect_size(const struct option_row *row, int error, struct buf *out)
{
    char min[UNITS_TEXT_MAX];
    char max[UNITS_TEXT_MAX];

    if (error == -ERANGE) {
        buf_printf(out, "a size from \"%s\" to \"%s\"", format_size(row->min, min),
                   format_size(row->max, max));
    } else {
        buf_puts(out, "a size with a unit, such as \"512KiB\" or \"64MiB\"");
    }
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

static void print_duration(const struct option_row *row, const void *value, struct buf *out)
{
    char text[UNITS_TEXT_MAX];

    (void)row;
    buf_puts(out, format_duration(*(const uint64_t *)value, text));
}

static void print_size(const struct option_row *row, const void *value, struct buf *out)
{
    char text[UNITS_TEXT_MAX];

    (void)row;
    buf_puts(out, format_size(*(const uint64_t *)value, text));
}

/* rates, time zones */

static int parse_rate_or_none(const struct option_row *row, const char *text, void *ret_value)
{
    (void)row;
    return text[0] == '\0' ? 0 : parse_rate(text, ret_value);
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
    buf_puts(out, format_rate(value, text));
}

static int parse_zone(const struct option_row *row, const char *text, void *ret_value)
{
    static const struct option_row bounds = {.min = 1, .max = 64};
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

/* items of lists */

int option_type_parse_site(const struct option_row *row, const char *text, void *ret_value)
{
    static const struct option_row bounds = {.min = 1, .max = 64};

    (void)row;
    if (text[strspn(text, LOWER DIGITS MARKS)] != '\0') {
        return -EINVAL;
    }
    return parse_string(&bounds, text, ret_value);
}

void option_type_expect_site(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a site");
}

/** "https://blog.example", as a browser writes it in Origin (RFC 6454, section 6.2). */
static int parse_origin(const struct option_row *row, const char *text, void *ret_value)
{
    static const struct option_row bounds = {.min = 1, .max = 255};
    const char *host = strstr(text, "://");
    size_t scheme = host != NULL ? (size_t)(host - text) : 0;
    struct address address;
    struct buf with_port = BUF_EMPTY;
    int rc;

    (void)row;
    if (!(scheme == 4 && strncmp(text, "http", 4) == 0) &&
        !(scheme == 5 && strncmp(text, "https", 5) == 0)) {
        return -EINVAL;
    }
    host += 3;
    if (host[0] == '\0' || host[strspn(host, LOWER DIGITS "-._[]:")] != '\0') {
        return -EINVAL;
    }
    /* a port follows the last colon, unless that is one of an IPv6 address */
    buf_printf(&with_port, strchr(host, ']') == NULL && strchr(host, ':') != NULL ? "%s" : "%s:1",
               host);
    rc = strstr(host, "]:") != NULL ? parse_address(host, &address)
                                    : parse_address(with_port.bytes, &address);
    buf_finish(&with_port);
    if (rc < 0 || address.is_unix || address.port == 0) {
        return -EINVAL;
    }
    return parse_string(&bounds, text, ret_value);
}

static void expect_origin(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    (void)error;
    buf_puts(out, "an origin in lower case and without path, such as \"https://blog.example\" or "
                  "\"http://localhost:8000\"");
}

static int parse_address_item(const struct option_row *row, const char *text, void *ret_value)
{
    struct address address;
    int rc = parse_address(text, &address);

    (void)row;
    if (rc == 0 && address.is_unix && !option_pattern_is_valid(address.path)) {
        rc = -EBADMSG;
    }
    if (rc == 0) {
        *(struct address *)ret_value = address;
    }
    return rc;
}

static void expect_address(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    switch (error) {
    case -ENAMETOOLONG:
        buf_printf(out, "the path of a unix socket in at most %zu bytes",
                   sizeof(((struct address *)0)->path) - 1);
        break;
    case -EBADMSG:
        buf_puts(out, PATTERN);
        break;
    case -ERANGE:
        buf_puts(out, "a host of at most 255 bytes and a port from 0 to 65535");
        break;
    default:
        buf_puts(out, "\"HOST:PORT\", \"[IPV6]:PORT\" or \"unix:PATH\"");
    }
}

static bool equals_address(const void *a, const void *b)
{
    const struct address *one = a;
    const struct address *other = b;

    return one->is_unix == other->is_unix && one->port == other->port &&
           strcmp(one->host, other->host) == 0 && strcmp(one->path, other->path) == 0;
}

static void print_address(const struct option_row *row, const void *value, struct buf *out)
{
    char text[ADDRESS_TEXT_MAX];

    (void)row;
    buf_puts(out, format_address(value, text));
}

static int parse_network_item(const struct option_row *row, const char *text, void *ret_value)
{
    (void)row;
    return parse_network(text, ret_value);
}

static void expect_network(const struct option_row *row, int error, struct buf *out)
{
    (void)row;
    if (error == -ERANGE) {
        buf_puts(out, "a network with zero bits behind the prefix, which is at most 32, "
                      "or 128 for IPv6");
    } else {
        buf_puts(out, "a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or an address");
    }
}

static bool equals_network(const void *a, const void *b)
{
    const struct network *one = a;
    const struct network *other = b;

    return one->prefix == other->prefix &&
           memcmp(&one->address, &other->address, sizeof(one->address)) == 0;
}

static void print_network(const struct option_row *row, const void *value, struct buf *out)
{
    char text[64];

    (void)row;
    buf_puts(out, format_network(value, text));
}

/* One row per type: size of a list's item, form in the file, functions. */
#define TYPE(type, item, form, parse, expect, equals, print, clear)            \
    const struct option_type option_type_##type = {sizeof(OPTION_TYPE_##type), \
                                                   item,                       \
                                                   OPTION_FORM_##form,         \
                                                   parse,                      \
                                                   expect,                     \
                                                   equals,                     \
                                                   print,                      \
                                                   clear,                      \
                                                   NULL}

TYPE(STRING, 0, QUOTED, parse_string, expect_string, equals_string, print_string, clear_string);
TYPE(NAME, 0, QUOTED, parse_name, expect_name, equals_string, print_string, clear_string);
TYPE(HOST, 0, QUOTED, parse_host, expect_host, equals_string, print_string, clear_string);
TYPE(PATTERN, 0, QUOTED, parse_pattern, expect_pattern, equals_string, print_string, clear_string);
TYPE(BOOL, 0, BARE, parse_bool, expect_bool, equals_bool, print_bool, NULL);
TYPE(CHOICE, 0, QUOTED, parse_choice, expect_choice, equals_choice, print_choice, NULL);
TYPE(COUNT, 0, BARE, parse_count, expect_count, equals_number, print_count, NULL);
TYPE(DURATION, 0, PLAIN, parse_milliseconds, expect_duration, equals_number, print_duration, NULL);
TYPE(SIZE, 0, PLAIN, parse_bytes, expect_size, equals_number, print_size, NULL);
TYPE(RATE, 0, QUOTED, parse_rate_or_none, expect_rate, equals_rate, print_rate, NULL);
TYPE(ZONE, 0, QUOTED, parse_zone, expect_zone, equals_string, print_string, clear_string);
TYPE(SITE, 0, QUOTED, option_type_parse_site, option_type_expect_site, equals_string, print_string,
     clear_string);
TYPE(ALIASES, sizeof(char *), QUOTED, option_type_parse_site, option_type_expect_site,
     equals_string, print_string, clear_string);
TYPE(ORIGINS, sizeof(char *), QUOTED, parse_origin, expect_origin, equals_string, print_string,
     clear_string);
TYPE(ADDRESSES, sizeof(struct address), QUOTED, parse_address_item, expect_address, equals_address,
     print_address, NULL);
TYPE(NETWORKS, sizeof(struct network), QUOTED, parse_network_item, expect_network, equals_network,
     print_network, NULL);
