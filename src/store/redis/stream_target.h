/* SPDX-License-Identifier: MIT */
/**
 * stream_target: the target of successive streams. If the name has several addresses, streams try
 * them in turn: each stream begins with an untried address until all were tried. Each stream
 * resolves the name again, so addresses may come and go.
 */
#ifndef VISITCOUNTD_STORE_STREAM_TARGET_H
#define VISITCOUNTD_STORE_STREAM_TARGET_H

#include "base/units.h"

#include <stddef.h>
#include <sys/socket.h>

struct ssl_ctx_st;

/** The most addresses of a name that are tried, in the order of the resolver. */
#define STREAM_PEERS_MAX 8

/** Longest text of a numeric address and port, with the NUL. */
#define STREAM_PEER_TEXT_MAX 64

struct stream_peer {
    struct sockaddr_storage sockaddr;
    socklen_t length;
};

/** Embedded in the owner of the streams. The owner sets the first two fields and zeros the rest. */
struct stream_target {
    struct address address;
    struct ssl_ctx_st *tls; /* NULL: no TLS */
    struct stream_peer tried[STREAM_PEERS_MAX];
    size_t tried_count;
    char peer[STREAM_PEER_TEXT_MAX]; /* the last one tried; empty: none yet, or a unix socket */
};

/** Records that `peer` is being tried. */
void stream_target_note(struct stream_target *target, const struct stream_peer *peer);

/**
 * Sorts the current addresses of the name in the order of trying: untried ones first. If all were
 * tried, a new round begins; it does not begin with the address that was tried last.
 */
void stream_target_order(struct stream_target *target, struct stream_peer *peers, size_t count);

/** Records that the last address works. The next stream begins with the first address again. */
void stream_target_settle(struct stream_target *target);

#endif
