/* SPDX-License-Identifier: MIT */
/**
 * client: who sends a request: the address of the client, which proxies between it and us tell in
 * X-Real-IP or X-Forwarded-For. They are believed from `trusted_proxies` and unix sockets only.
 */
#ifndef VISITCOUNTD_HTTP_CLIENT_H
#define VISITCOUNTD_HTTP_CLIENT_H

#include "config/config.h"
#include "http/request/headers.h"

#include <netinet/in.h>
#include <stdbool.h>

/** Where the address is from. */
enum client_source {
    CLIENT_UNKNOWN,       /* a unix socket, and no usable header */
    CLIENT_UNTRUSTED,     /* the peer, whose headers are not believed */
    CLIENT_SILENT,        /* the peer, which is trusted and has no usable header */
    CLIENT_REAL_IP,       /* X-Real-IP */
    CLIENT_FORWARDED_FOR, /* X-Forwarded-For: the last address in it that is not trusted */
    CLIENT_FIRST_HOP      /* X-Forwarded-For: all are trusted; the first */
};

/** What an address is found from. */
struct client_evidence {
    bool is_local; /* the peer is on a unix socket, and has no address */
    struct in6_addr peer;
    h2o_iovec_t real_ip;
    h2o_iovec_t forwarded_for;
};

/** A request's sender. */
struct client {
    struct request_headers headers;
    bool is_behind_proxy; /* the peer is one whose word is taken: trusted_proxies, or local */
    enum client_source source;
    struct in6_addr address; /* IPv4 as mapped IPv6; unset when CLIENT_UNKNOWN */
};

/**
 * The address, from X-Real-IP, else from the right of X-Forwarded-For, past what is trusted; an
 * element that is no address ends the search. A port behind an address is left away.
 */
enum client_source client_find(const struct config_networks *trusted,
                               const struct client_evidence *evidence,
                               struct in6_addr *ret_address);

/** What a source means, for people. */
const char *client_source_text(enum client_source source);

/** Writes the address as people write it. Returns `text`. */
char *client_format(const struct in6_addr *address, char text[INET6_ADDRSTRLEN]);

/** Takes the headers and finds the address; says so in the log at the level "debug". */
void client_take(const struct request *request, struct client *ret_client);

/** Whether `address` is in one of the networks. */
bool client_is_in(const struct config_networks *networks, const struct in6_addr *address);

#endif
