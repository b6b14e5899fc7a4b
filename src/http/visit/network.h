/* SPDX-License-Identifier: MIT */
/**
 * network: the networks that a client belongs to. Limits that a client could go round with further
 * addresses of its own are per network.
 *
 * An IPv4 client belongs to a /24. An IPv6 client belongs to a /64, the network of one subscriber,
 * and to a /48, the network of one site. A network is only a keyed hash, under a random secret of
 * the process. No address is kept.
 */
#ifndef VISITCOUNTD_HTTP_NETWORK_H
#define VISITCOUNTD_HTTP_NETWORK_H

#include "http/request/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The most networks of one client. */
#define NETWORKS_MAX 2

/** A wide network, an IPv6 /48, may do this many times as much as a narrow one. */
#define NETWORK_WIDE_FACTOR 4

/** The hashes of a client's networks. The second one, if any, is wide. */
struct networks {
    size_t count; /* 0: the client's network is not known */
    uint64_t hashes[NETWORKS_MAX];
};

/**
 * Whether the client has a network. A client without an address of its own has none: one on a unix
 * socket, or a trusted peer that forwards no address. Such a peer is this machine or a proxy, and
 * all visitors of the proxy would share its network. This machine has none either, unless it is not
 * trusted.
 */
static inline bool networks_are_known(const struct client *client)
{
    const struct in6_addr *address = &client->address;
    bool is_here = IN6_IS_ADDR_LOOPBACK(address) ||
                   (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == IN_LOOPBACKNET);

    return client->source == CLIENT_UNTRUSTED ||
           (client->source != CLIENT_UNKNOWN && client->source != CLIENT_SILENT && !is_here);
}

/** Sets the networks of a client. */
void networks_of(const struct client *client, struct networks *ret_networks);

#endif
