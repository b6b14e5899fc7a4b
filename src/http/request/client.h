/* SPDX-License-Identifier: MIT */
/**
 * client: finds the address of the client that sent a request. Proxies report it in X-Real-IP or
 * X-Forwarded-For. These headers count only if the peer is in `trusted_proxies` or on a unix
 * socket.
 */
#ifndef VISITCOUNTD_HTTP_CLIENT_H
#define VISITCOUNTD_HTTP_CLIENT_H

#include "config/config.h"
#include "http/request/request.h"

#include <netinet/in.h>
#include <stdbool.h>

/**
 * The headers that counting needs, collected in one pass: that is cheaper than one search per
 * header. The values are in the request's memory. A missing header is empty with a NULL base.
 */
struct request_headers {
    h2o_iovec_t user_agent;
    h2o_iovec_t origin;
    h2o_iovec_t referer;
    h2o_iovec_t purpose;     /* prefetches: Purpose, Sec-Purpose, X-Purpose, X-Moz */
    h2o_iovec_t sec_purpose; /* https://wicg.github.io/nav-speculation/prefetch.html */
    h2o_iovec_t x_purpose;
    h2o_iovec_t moz;
    h2o_iovec_t dnt; /* https://www.w3.org/TR/tracking-dnt/ */
    h2o_iovec_t gpc; /* Sec-GPC: https://www.w3.org/TR/gpc/ */
    h2o_iovec_t real_ip;
    h2o_iovec_t forwarded_for; /* repeated headers are joined by commas */
    h2o_iovec_t request_id;
    h2o_iovec_t idempotency_key;
};

/** Where the address comes from. */
enum client_source {
    CLIENT_UNKNOWN,       /* a unix socket without a usable header */
    CLIENT_UNTRUSTED,     /* the peer; it is not trusted, so its headers are ignored */
    CLIENT_SILENT,        /* the peer; it is trusted but sent no usable header */
    CLIENT_REAL_IP,       /* X-Real-IP */
    CLIENT_FORWARDED_FOR, /* X-Forwarded-For: its last untrusted address */
    CLIENT_FIRST_HOP      /* X-Forwarded-For: all addresses are trusted; the first one */
};

/** The facts from which client_find() derives the address. */
struct client_evidence {
    bool is_local; /* the peer is on a unix socket and has no address */
    struct in6_addr peer;
    h2o_iovec_t real_ip;
    h2o_iovec_t forwarded_for;
};

/** The sender of a request. */
struct client {
    struct request_headers headers;
    bool is_behind_proxy; /* the peer is trusted: in trusted_proxies, or local */
    enum client_source source;
    struct in6_addr address; /* IPv4 as mapped IPv6; "::" when CLIENT_UNKNOWN */
};

/**
 * Finds the client's address. X-Real-IP comes first. Without it, X-Forwarded-For is searched from
 * the right for the first untrusted address. Empty elements are skipped. Another element that is
 * not an address ends the search. A port after an address and double quotes around it are ignored.
 * An unknown address is set to "::". Returns the source of the address.
 */
enum client_source client_find(const struct config_networks *trusted,
                               const struct client_evidence *evidence,
                               struct in6_addr *ret_address);

/** Returns a readable description of a source. */
const char *client_source_text(enum client_source source);

/** Formats the address into `text`, IPv4 in dotted form. Returns `text`. */
char *client_format(const struct in6_addr *address, char text[INET6_ADDRSTRLEN]);

/** Reads the request's headers and finds the address. Logs the result at level "debug". */
void client_read(const struct request *request, struct client *ret_client);

/** Whether `address` is in one of the networks. */
bool client_is_in(const struct config_networks *networks, const struct in6_addr *address);

/**
 * Collects the headers. If a header is repeated, the first one counts; X-Forwarded-For is joined.
 */
void client_read_headers(const struct request *request, struct request_headers *ret_headers);

#endif
