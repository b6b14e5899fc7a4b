/* SPDX-License-Identifier: MIT */
/**
 * units: parses and prints durations, sizes, whole numbers, addresses and networks. No other code
 * does.
 *
 * All parsers take a NUL-terminated string and accept nothing before or after the value. They
 * return 0, -EINVAL (wrong form) or -ERANGE (does not fit), and set their output only on success.
 */
#ifndef VISITCOUNTD_BASE_UNITS_H
#define VISITCOUNTD_BASE_UNITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/** Parses a whole number of decimal digits only. */
int units_parse_u64(const char *text, uint64_t *ret_value);

/** Parses a whole number with one unit: ms, s, m, h, d ("250ms", "5s"). "0" needs no unit. */
int units_parse_duration(const char *text, uint64_t *ret_ms);

/** Parses a whole number with one unit: B, KiB, MiB, GiB ("64KiB"). "0" needs no unit. */
int units_parse_size(const char *text, uint64_t *ret_bytes);

/** Longest text of the two printers below, including the NUL. */
#define UNITS_TEXT_MAX 32

/** Writes `ms` in the largest unit that divides it: 90000 -> "90s". Returns `text`. */
char *units_format_duration(uint64_t ms, char text[UNITS_TEXT_MAX]);

/** Writes `bytes` in the largest unit that divides it: 65536 -> "64KiB". Returns `text`. */
char *units_format_size(uint64_t bytes, char text[UNITS_TEXT_MAX]);

/** `count` events per `per_ms`. */
struct rate {
    uint64_t count; /* 0: no limit */
    uint64_t per_ms;
};

/** Parses "30/1m": a whole number above 0 and a duration above 0. */
int rate_parse(const char *text, struct rate *ret_rate);

/** Writes the form that rate_parse() reads, or "" if there is no limit. Returns `text`. */
char *rate_format(const struct rate *rate, char text[2 * UNITS_TEXT_MAX]);

/** Longest text of a `struct address`, including the NUL. */
#define ADDRESS_TEXT_MAX 288

/** Where to listen or connect: a host and port, or the path of a unix socket. */
struct address {
    bool is_unix;
    char host[256]; /* name or number, IPv6 without brackets; empty for unix */
    uint16_t port;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* empty unless unix */
};

/**
 * Parses "HOST:PORT", "[IPV6]:PORT" or "unix:PATH". Returns -ENAMETOOLONG if the path does not fit
 * into a sockaddr_un (107 bytes on Linux, unix(7)).
 */
int address_parse(const char *text, struct address *ret_address);

/** Writes the form that address_parse() reads. Returns `text`. */
char *address_format(const struct address *address, char text[ADDRESS_TEXT_MAX]);

/** An IPv4 or IPv6 network. IPv4 is stored as IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2). */
struct network {
    struct in6_addr address;
    uint8_t prefix; /* bits, of 128 */
};

/** Parses "10.0.0.0/8", "2001:db8::/32", or one address. Bits after the prefix must be zero. */
int network_parse(const char *text, struct network *ret_network);

/** Writes the form that network_parse() reads. Returns `text` (of at least 64 bytes). */
char *network_format(const struct network *network, char text[64]);

/** Parses a numeric IPv4 or IPv6 address of `length` bytes (no NUL needed) as (mapped) IPv6. */
int units_parse_ip(const char *text, size_t length, struct in6_addr *ret_address);

/** Gets the IP address of `sockaddr` as (mapped) IPv6. Returns 0, or -EAFNOSUPPORT if none. */
int units_sockaddr_ip(const struct sockaddr *sockaddr, struct in6_addr *ret_address);

/** Whether `address` is inside `network`. */
bool network_contains(const struct network *network, const struct in6_addr *address);

#endif
