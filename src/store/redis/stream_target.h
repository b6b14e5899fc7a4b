/* SPDX-License-Identifier: MIT */
/**
 * stream_target: where streams connect to, one after the other. A name with several addresses is
 * tried in turn: each stream begins with an address that was not tried before, until all were. The
 * name is looked up for each stream, so addresses may come and go.
 */
#ifndef VISITCOUNTD_STORE_STREAM_TARGET_H
#define VISITCOUNTD_STORE_STREAM_TARGET_H

#include "base/units.h"

#include <stddef.h>
#include <sys/socket.h>

struct ssl_ctx_st;

/** Addresses of one name that are tried, in the order of the resolver. */
#define STREAM_PEERS_MAX 8

/** Longest text of a numeric address and port, with the NUL. */
#define STREAM_PEER_TEXT_MAX 64

struct stream_peer {
    struct sockaddr_storage sockaddr;
    socklen_t length;
};

/** Embedded in whoever opens the streams; the first two fields are set, the rest is zero. */
struct stream_target {
    struct address address;
    struct ssl_ctx_st *tls; /* or NULL: no TLS */
    struct stream_peer tried[STREAM_PEERS_MAX];
    size_t tried_count;
    char peer[STREAM_PEER_TEXT_MAX]; /* tried last; empty: none yet, or a unix socket */
};

/** Notes that `peer` is tried now. */
void stream_target_note(struct stream_target *target, const struct stream_peer *peer);

/**
 * Puts what a name means now in the order in which it is to be tried: first what was not tried yet.
 * Where all were tried, a new round begins, with another address than the last one.
 */
void stream_target_order(struct stream_target *target, struct stream_peer *peers, size_t count);

/** The last address was good: the next stream begins with the first one again. */
void stream_target_settle(struct stream_target *target);

#endif
