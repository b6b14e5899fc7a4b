/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* smallest first; results are in the first unit */
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};
static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {NULL, 0},
};

/* bits of the mapped prefix ::ffff:0:0/96 */
#define MAPPED_BITS 96

/** Parses the digits at `*text` and moves `*text` past them. */
static int parse_digits(const char **text, uint64_t *ret_value)
{
    const char *at = *text;
    uint64_t value = 0;

    if (*at < '0' || *at > '9') {
        return -EINVAL;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
            return -ERANGE;
        }
    }
    *text = at;
    *ret_value = value;
    return 0;
}

int units_parse_u64(const char *text, uint64_t *ret_value)
{
    uint64_t value;
    int rc;

    if (text[strspn(text, "0123456789")] != '\0') {
        return -EINVAL;
    }
    rc = parse_digits(&text, &value);
    if (rc == 0) {
        *ret_value = value;
    }
    return rc;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, name) == 0) {
            return units;
        }
    }
    return NULL;
}

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *ret_value)
{
    const struct unit *unit = find_unit(units, text + strspn(text, "0123456789"));
    uint64_t value;
    int rc;

    if (strcmp(text, "0") == 0) {
        *ret_value = 0;
        return 0;
    }
    if (unit == NULL) {
        return -EINVAL;
    }
    rc = parse_digits(&text, &value);
    if (rc < 0) {
        return rc;
    }
    if (__builtin_mul_overflow(value, unit->factor, &value)) {
        return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

static char *format_with_unit(uint64_t value, const struct unit *units, char *text)
{
    const struct unit *best = units;

    if (value == 0) {
        return strcpy(text, "0");
    }
    for (; units->name != NULL; units++) {
        if (value % units->factor == 0) {
            best = units;
        }
    }
    snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 "%s", value / best->factor, best->name);
    return text;
}

int units_parse_duration(const char *text, uint64_t *ret_ms)
{
    return parse_with_unit(text, duration_units, ret_ms);
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse_with_unit(text, size_units, ret_bytes);
}

char *units_format_duration(uint64_t ms, char text[UNITS_TEXT_MAX])
{
    return format_with_unit(ms, duration_units, text);
}

char *units_format_size(uint64_t bytes, char text[UNITS_TEXT_MAX])
{
    return format_with_unit(bytes, size_units, text);
}

int rate_parse(const char *text, struct rate *ret_rate)
{
    struct rate rate;
    int rc = parse_digits(&text, &rate.count);

    if (rc < 0 || *text != '/') {
        return rc < 0 ? rc : -EINVAL;
    }
    rc = units_parse_duration(text + 1, &rate.per_ms);
    if (rc < 0) {
        return rc;
    }
    if (rate.count == 0 || rate.per_ms == 0) {
        return -ERANGE;
    }
    *ret_rate = rate;
    return 0;
}

char *rate_format(const struct rate *rate, char text[2 * UNITS_TEXT_MAX])
{
    char per[UNITS_TEXT_MAX];

    text[0] = '\0';
    if (rate->count != 0) {
        snprintf(text, 2 * UNITS_TEXT_MAX, "%" PRIu64 "/%s", rate->count,
                 units_format_duration(rate->per_ms, per));
    }
    return text;
}

static bool is_name_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
}

/** A name or an IPv4 address. Text that looks like an address ("256.1") must be a valid one. */
static bool is_host_name(const char *host)
{
    struct in_addr ipv4;

    for (const char *at = host; *at != '\0'; at++) {
        if (!is_name_byte(*at)) {
            return false;
        }
    }
    if (host[strspn(host, "0123456789.")] == '\0') {
        return inet_pton(AF_INET, host, &ipv4) == 1;
    }
    return true;
}

/** An IPv6 address. A link-local one may have a zone ("fe80::1%eth0"). */
static bool is_ipv6(const char *host)
{
    const char *zone = strchr(host, '%');
    struct in6_addr address;

    if (zone != NULL) {
        return zone[1] != '\0' && is_host_name(zone + 1) &&
               units_parse_ip(host, (size_t)(zone - host), &address) == 0;
    }
    return strchr(host, ':') != NULL && inet_pton(AF_INET6, host, &address) == 1;
}

static int parse_unix(const char *path, struct address *ret_address)
{
    size_t length = strlen(path);

    if (length == 0) {
        return -EINVAL;
    }
    if (length >= sizeof(ret_address->path)) {
        return -ENAMETOOLONG;
    }
    *ret_address = (struct address){.is_unix = true};
    memcpy(ret_address->path, path, length);
    return 0;
}

int address_parse(const char *text, struct address *ret_address)
{
    const char *colon = strrchr(text, ':');
    struct address address = {.is_unix = false};
    bool bracketed;
    size_t length;
    uint64_t port;
    int rc;

    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(text + 5, ret_address);
    }
    if (colon == NULL || colon == text) {
        return -EINVAL;
    }
    length = (size_t)(colon - text);
    bracketed = length > 2 && text[0] == '[' && colon[-1] == ']';
    if (bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof(address.host)) {
        return -ERANGE;
    }
    memcpy(address.host, text, length);
    if (bracketed ? !is_ipv6(address.host) : !is_host_name(address.host)) {
        return -EINVAL;
    }
    rc = units_parse_u64(colon + 1, &port);
    if (rc < 0) {
        return rc;
    }
    if (port > UINT16_MAX) {
        return -ERANGE;
    }
    address.port = (uint16_t)port;
    *ret_address = address;
    return 0;
}

char *address_format(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    if (address->is_unix) {
        snprintf(text, ADDRESS_TEXT_MAX, "unix:%s", address->path);
    } else if (strchr(address->host, ':') != NULL) {
        snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", address->host, address->port);
    } else {
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", address->host, address->port);
    }
    return text;
}

static void map_ipv4(const void *ipv4, struct in6_addr *ret_address)
{
    *ret_address = (struct in6_addr){{{[10] = 0xff, [11] = 0xff}}};
    memcpy(&ret_address->s6_addr[12], ipv4, 4);
}

int units_parse_ip(const char *text, size_t length, struct in6_addr *ret_address)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr ipv4;

    if (length >= sizeof(copy) || memchr(text, '\0', length) != NULL) {
        return -EINVAL;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET, copy, &ipv4) == 1) {
        map_ipv4(&ipv4, ret_address);
        return 0;
    }
    return inet_pton(AF_INET6, copy, ret_address) == 1 ? 0 : -EINVAL;
}

static bool has_bits_behind(const struct in6_addr *address, unsigned prefix)
{
    for (unsigned bit = prefix; bit < 128; bit++) {
        if ((address->s6_addr[bit / 8] & (0x80 >> (bit % 8))) != 0) {
            return true;
        }
    }
    return false;
}

int network_parse(const char *text, struct network *ret_network)
{
    size_t length = strcspn(text, "/");
    bool is_ipv4 = memchr(text, ':', length) == NULL;
    uint64_t prefix = is_ipv4 ? 32 : 128;
    struct in6_addr address;
    int rc = units_parse_ip(text, length, &address);

    if (rc == 0 && text[length] == '/') {
        rc = units_parse_u64(text + length + 1, &prefix);
    }
    if (rc < 0) {
        return rc;
    }
    if (prefix > (is_ipv4 ? 32 : 128)) {
        return -ERANGE;
    }
    prefix += is_ipv4 ? MAPPED_BITS : 0;
    if (has_bits_behind(&address, (unsigned)prefix)) {
        return -ERANGE;
    }
    ret_network->address = address;
    ret_network->prefix = (uint8_t)prefix;
    return 0;
}

char *network_format(const struct network *network, char text[64])
{
    bool is_ipv4 = network->prefix >= MAPPED_BITS && IN6_IS_ADDR_V4MAPPED(&network->address);
    unsigned prefix = is_ipv4 ? network->prefix - MAPPED_BITS : network->prefix;
    size_t length;

    if (is_ipv4) {
        inet_ntop(AF_INET, &network->address.s6_addr[12], text, 64);
    } else {
        inet_ntop(AF_INET6, &network->address, text, 64);
    }
    length = strlen(text);
    if (network->prefix != 128) {
        snprintf(text + length, 64 - length, "/%u", prefix);
    }
    return text;
}

int units_sockaddr_ip(const struct sockaddr *sockaddr, struct in6_addr *ret_address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;

    switch (sockaddr->sa_family) {
    case AF_INET:
        memcpy(&ipv4, sockaddr, sizeof(ipv4));
        map_ipv4(&ipv4.sin_addr, ret_address);
        return 0;
    case AF_INET6:
        memcpy(&ipv6, sockaddr, sizeof(ipv6));
        *ret_address = ipv6.sin6_addr;
        return 0;
    default:
        return -EAFNOSUPPORT;
    }
}

bool network_contains(const struct network *network, const struct in6_addr *address)
{
    size_t bytes = network->prefix / 8u;
    unsigned rest = network->prefix % 8u;

    if (memcmp(&network->address, address, bytes) != 0) {
        return false;
    }
    if (rest == 0) {
        return true;
    }
    return ((network->address.s6_addr[bytes] ^ address->s6_addr[bytes]) >> (8 - rest)) == 0;
}
