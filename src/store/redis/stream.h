/* SPDX-License-Identifier: MIT */
/**
 * stream: one outgoing connection on libh2o's sockets: resolves without blocking, tries each
 * address, speaks TLS where asked to, and says in words why it failed. The only file of store/ that
 * sees libh2o.
 *
 * A stream is good for one connection. Its callbacks run in the loop, never from inside
 * stream_open() or stream_write(); after `on_failed` only stream_close() may be called.
 */
#ifndef VISITCOUNTD_STORE_STREAM_H
#define VISITCOUNTD_STORE_STREAM_H

#include "loop/loop.h"
#include "store/redis/stream_target.h"

#include <stdbool.h>
#include <stddef.h>

struct stream;
struct ssl_ctx_st;

/** Why a peer that ends the connection in order is gone. */
#define STREAM_CLOSED "read: connection closed by server"

struct stream_callbacks {
    void (*on_resolved)(void *data); /* now connecting */
    void (*on_open)(void *data);     /* connected, TLS included: may be written to */
    void (*on_bytes)(void *data, const char *bytes, size_t length);
    void (*on_failed)(void *data, const char *reason); /* once; nothing follows */
};

/**
 * Starts to connect to `target`, with TLS and a verified certificate where it has `tls`. An address
 * that refuses is followed by the next one at once. There are no timeouts here: who waits too long
 * closes the stream. `target` and `callbacks` must outlive it.
 */
struct stream *stream_open(struct loop *loop, struct stream_target *target,
                           const struct stream_callbacks *callbacks, void *data);

/** Whether the peer has accepted the connection, and TLS is being negotiated. */
bool stream_is_handshaking(const struct stream *stream);

/** Whether the name is still looked up; on_resolved follows only where it once was. */
bool stream_is_resolving(const struct stream *stream);

/** Sends a copy of the bytes; the stream is open. */
void stream_write(struct stream *stream, const char *bytes, size_t length);

/** Closes and frees the stream, in whatever state; also from inside its callbacks. NULL is fine. */
void stream_close(struct stream *stream);

/**
 * A context for stream_open() to `host`, a name or a numeric address, that verifies the peer: its
 * certificate has to be for that host, and from an authority in `ca_file`, or of the system's when
 * it is empty. TLS 1.2 or later; for a numeric address 1.3, since libh2o knows only names where it
 * looks itself. NULL, with a static text in `ret_reason`, when the file cannot be read.
 */
struct ssl_ctx_st *stream_tls_create(const char *ca_file, const char *host,
                                     const char **ret_reason);
void stream_tls_destroy(struct ssl_ctx_st *tls);

#endif
