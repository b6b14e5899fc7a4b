/* SPDX-License-Identifier: MIT */
#include "config/option_type.h"

#include "config/option.h"

#include <errno.h>
#include <string.h>

/* --- an address to listen on or to connect to --- */

static int parse_address_item(const struct option_row *row, const char *text, void *ret_value)
{
    struct address address;
    int rc = address_parse(text, &address);

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
    switch (error) {
    case -ENAMETOOLONG:
        buf_printf(out, "the path of a unix socket in at most %zu bytes",
                   sizeof(((struct address *)0)->path) - 1);
        break;
    case -EBADMSG:
        option_type_PATTERN.expect(row, error, out);
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
    buf_puts(out, address_format(value, text));
}

/* --- a network --- */

static int parse_network_item(const struct option_row *row, const char *text, void *ret_value)
{
    (void)row;
    return network_parse(text, ret_value);
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
    buf_puts(out, network_format(value, text));
}

OPTION_TYPE(ADDRESSES, sizeof(struct address), QUOTED, parse_address_item, expect_address,
            equals_address, print_address, NULL);
OPTION_TYPE(NETWORKS, sizeof(struct network), QUOTED, parse_network_item, expect_network,
            equals_network, print_network, NULL);
