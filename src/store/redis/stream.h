/* SPDX-License-Identifier: MIT */
/**
 * stream: one outgoing connection on libh2o's sockets. It resolves the name without blocking, tries
 * each address, negotiates TLS if configured, and reports failures in words. No other file of
 * store/ includes libh2o.
 *
 * A stream carries one connection. Its callbacks run in the loop, never inside stream_open() or
 * stream_write(). After `on_failed`, only stream_close() may be called.
 */
#ifndef VISITCOUNTD_STORE_STREAM_H
#define VISITCOUNTD_STORE_STREAM_H

#include "loop/loop.h"
#include "store/redis/stream_target.h"

#include <stdbool.h>
#include <stddef.h>

struct stream;
struct ssl_ctx_st;

/** The reason when the peer closes the connection in order. */
#define STREAM_CLOSED "read: connection closed by server"

struct stream_callbacks {
    void (*on_resolved)(void *data); /* the name is resolved; connecting begins */
    void (*on_open)(void *data);     /* connected, TLS included; stream_write() is allowed */
    void (*on_bytes)(void *data, const char *bytes, size_t length);
    void (*on_failed)(void *data, const char *reason); /* once; no other callback follows */
};

/**
 * Starts to connect to `target`; if `target->tls` is set, with TLS and a verified certificate. If
 * an address refuses, the stream tries the next one at once. There are no timeouts; the caller
 * closes a stream that takes too long. `target` and `callbacks` must outlive the stream.
 */
struct stream *stream_open(struct loop *loop, struct stream_target *target,
                           const struct stream_callbacks *callbacks, void *data);

/** Returns whether the peer has accepted the connection and TLS is being negotiated. */
bool stream_is_handshaking(const struct stream *stream);

/**
 * Returns whether the name is still being resolved. If it is never so, on_resolved is not called.
 */
bool stream_is_resolving(const struct stream *stream);

/** Sends a copy of the bytes. The stream must be open. */
void stream_write(struct stream *stream, const char *bytes, size_t length);

/** Closes and frees the stream in any state, also from inside its callbacks. NULL is allowed. */
void stream_close(struct stream *stream);

/**
 * Creates a TLS context for stream_open() to `host`, a name or a numeric address. The peer's
 * certificate must match `host` and come from an authority in `ca_file`, or from one of the
 * system's if `ca_file` is empty. TLS 1.2 or later is required. A numeric address requires TLS 1.3,
 * because libh2o's own check for TLS 1.2 accepts only names. Returns NULL, with a static text in
 * `ret_reason`, if the file cannot be read. Free it with stream_tls_destroy().
 */
struct ssl_ctx_st *stream_tls_create(const char *ca_file, const char *host,
                                     const char **ret_reason);

/** Frees a context. NULL is allowed. */
void stream_tls_destroy(struct ssl_ctx_st *tls);

#endif
