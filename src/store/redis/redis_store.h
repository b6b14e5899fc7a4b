/* SPDX-License-Identifier: MIT */
/**
 * redis_store: the store that several instances share: Redis 6.2 or later, or Valkey.
 *
 * Layout; all keys of a site carry the hash tag {site}, so that a batch is one slot of a Cluster:
 *
 *     vc:{site}:hits             zset  page -> total (exact to 2^53); "\1generation" -> generation
 *     vc:{site}:day:YYYYMMDD     hash  page -> hits, expires after series.days
 *     vc:{site}:hour:YYYYMMDDHH  hash  page -> hits, expires after series.hours
 *     vc:{site}:uv:YYYYMMDD:PAGE HyperLogLog of visitors, expires after series.days
 *     vc:{site}:seen:S:BUCKET    set   tokens of a stretch of S seconds since 1970: attempts (60),
 *                                      clients' (3600); expire, as all of these: redis_tokens.h
 *     vc:{site}:seen:day:DAY     set   tokens of a day since 1970
 *     vc:{site}:stamps:BUCKET    string  ids of stamps of a stretch of 4 milliseconds, in a row
 *     vc:{site}:stamps:more:BUCKET  set  of those that came when the row was full
 *     vc:{site}:ledger           hash  epoch -> "sequence visits time total ...", swept after
 *                                      ledger.ttl; "proof" -> see proof.lua
 *     vc:live:{site}             channel: a line "TOTAL PAGE" for each page that changed
 *     vc:sites                   set   sites that were admitted
 *     vc:salt:YYYYMMDD           the day's salt, by which visitors are told apart
 *
 * The page "" is the site itself. Days are those of the site's time zone, hours those of UTC.
 */
#ifndef VISITCOUNTD_STORE_REDIS_STORE_H
#define VISITCOUNTD_STORE_REDIS_STORE_H

#include "loop/loop.h"
#include "store/store.h"

struct redis_store_options {
    struct address address;
    const char *username; /* empty: the default user */
    const char *password; /* empty: no authentication */
    uint64_t db;
    bool tls;
    const char *tls_ca;   /* file; empty: the system's */
    const char *instance; /* name shown by CLIENT LIST */
    uint64_t connect_timeout_ms;
    uint64_t command_timeout_ms;
    uint64_t wait_replicas;    /* that have to confirm a batch before it is answered; 0: none */
    uint64_t wait_timeout_ms;  /* after which it is answered anyway */
    uint64_t replica_grace_ms; /* for how long a replica that is gone holds back what is proven */
    uint64_t keep_tokens_ms;   /* how much longer than their windows; see store_token_ttl_s() */
    uint64_t ledger_ttl_ms;
    uint64_t series_days_ms;
    uint64_t series_hours_ms;
    /** The server did not accept the user or password, or wants one; in the loop. May be NULL. */
    void (*on_denied)(void *data);
    void *on_denied_data;
};

/**
 * A new store, which starts to connect; it works, or says why not, with the server away as well.
 * `options` is copied. Returns NULL, with a static text in `ret_reason`, when tls_ca cannot be
 * read.
 */
struct store *redis_store_create(struct loop *loop, const struct redis_store_options *options,
                                 const char **ret_reason);

/**
 * Other credentials, which are copied: for the next connections, and the one that is open. The same
 * ones as before change nothing. `store` is of this kind.
 */
void redis_store_set_credentials(struct store *store, const char *username, const char *password);

/** For how long a replica that is gone is remembered from now on. `store` is of this kind. */
void redis_store_set_replica_grace(struct store *store, uint64_t grace_ms);

/** The version of hiredis. */
const char *redis_store_library_version(void);

#endif
