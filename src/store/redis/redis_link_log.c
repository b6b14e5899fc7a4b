/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_link_inside.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* an unchanged reason is logged again after this time */
#define LOG_AGAIN_MS 60000

/*
 * FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo). If two reasons collide, the second one is logged late.
 */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* whether to log a reason: it is new, or was not logged for LOG_AGAIN_MS; notes it as logged */
static bool note_reason(struct redis_link *link, const char *text)
{
    uint64_t now_ms = loop_now_ms(link->loop);
    uint64_t hash = hash_of(text);
    struct redis_link_reason *reason = NULL;

    for (size_t i = 0; i < REDIS_LINK_REASONS_MAX && i < link->reason_count; i++) {
        if (link->reasons[i].hash == hash) {
            reason = &link->reasons[i];
        }
    }
    if (reason != NULL && !link->was_ready && now_ms - reason->logged_at_ms < LOG_AGAIN_MS) {
        return false;
    }
    if (reason == NULL) {
        reason = &link->reasons[link->reason_count++ % REDIS_LINK_REASONS_MAX];
        reason->hash = hash;
    }
    reason->logged_at_ms = now_ms;
    return true;
}

/* formats " (10.0.0.3:6379)": the address of the name that failed */
static const char *format_peer(const struct redis_link *link,
                               char text[STREAM_PEER_TEXT_MAX + sizeof(" ()")])
{
    bool is_told =
        *link->target.peer != '\0' && strcmp(link->target.peer, link->health.address) != 0;

    snprintf(text, STREAM_PEER_TEXT_MAX + sizeof(" ()"), is_told ? " (%s)" : "%s",
             is_told ? link->target.peer : "");
    return text;
}

void redis_link_log_failure(struct redis_link *link, const char *reason)
{
    uint64_t now_ms = loop_now_ms(link->loop);
    uint64_t delay_ms = link->timer.at_ms > now_ms ? link->timer.at_ms - now_ms : 0;
    char peer[STREAM_PEER_TEXT_MAX + sizeof(" ()")];
    char text[sizeof(link->health.last_error) + sizeof(peer)];

    snprintf(link->health.last_error, sizeof(link->health.last_error), "%s", reason);
    snprintf(text, sizeof(text), "%s%s", link->health.last_error, format_peer(link, peer));
    if (note_reason(link, text)) {
        log_warning("redis %s: %s; retrying in %llu ms", link->health.address, text,
                    (unsigned long long)delay_ms);
    }
    link->was_ready = false;
}

void redis_link_log_ready(const struct redis_link *link)
{
    char db[32] = "";
    char peer[STREAM_PEER_TEXT_MAX + sizeof(" ()")];
    const char *role = link->health.role;

    if (link->options.db != 0) {
        snprintf(db, sizeof(db), ", db %s", link->handshake.db);
    }
    log_info("redis %s: ready after %llu ms: %s, version %s%s%s", link->health.address,
             (unsigned long long)(loop_now_ms(link->loop) - link->down_since_ms),
             *role != '\0' ? role : "taken for a master, since it does not tell its role",
             link->health.version[0] != '\0' ? link->health.version : "unknown", db,
             format_peer(link, peer));
}
