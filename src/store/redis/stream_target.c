/* SPDX-License-Identifier: MIT */
#include "store/redis/stream_target.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_same_peer(const struct stream_peer *one, const struct stream_peer *other)
{
    return one->length == other->length &&
           memcmp(&one->sockaddr, &other->sockaddr, one->length) == 0;
}

static bool was_tried(const struct stream_target *target, const struct stream_peer *peer)
{
    for (size_t i = 0; i < target->tried_count; i++) {
        if (is_same_peer(&target->tried[i], peer)) {
            return true;
        }
    }
    return false;
}

/* formats "10.0.0.3:6379", "[2001:db8::1]:6379", or "" for a path */
static void format_peer(const struct stream_peer *peer, char ret_text[STREAM_PEER_TEXT_MAX])
{
    const struct sockaddr *sockaddr = (const struct sockaddr *)&peer->sockaddr;
    char host[INET6_ADDRSTRLEN];
    char port[8];

    *ret_text = '\0';
    if (sockaddr->sa_family != AF_UNIX &&
        getnameinfo(sockaddr, peer->length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        snprintf(ret_text, STREAM_PEER_TEXT_MAX,
                 sockaddr->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
}

void stream_target_note(struct stream_target *target, const struct stream_peer *peer)
{
    if (!was_tried(target, peer)) {
        if (target->tried_count == STREAM_PEERS_MAX) {
            target->tried_count = 0; /* the name resolves to other addresses now */
        }
        target->tried[target->tried_count++] = *peer;
    }
    format_peer(peer, target->peer);
}

static void begin_round(struct stream_target *target, struct stream_peer *peers, size_t count)
{
    struct stream_peer last = target->tried[target->tried_count - 1];

    target->tried_count = 0;
    if (count > 1 && is_same_peer(&peers[0], &last)) {
        memmove(peers, peers + 1, (count - 1) * sizeof(peers[0]));
        peers[count - 1] = last;
    }
}

void stream_target_order(struct stream_target *target, struct stream_peer *peers, size_t count)
{
    struct stream_peer tried[STREAM_PEERS_MAX];
    size_t tried_count = 0;
    size_t fresh_count = 0;

    for (size_t i = 0; i < count; i++) {
        if (was_tried(target, &peers[i])) {
            tried[tried_count++] = peers[i];
        } else {
            peers[fresh_count++] = peers[i];
        }
    }
    memcpy(peers + fresh_count, tried, tried_count * sizeof(tried[0]));
    if (fresh_count == 0 && tried_count != 0) {
        begin_round(target, peers, count);
    }
}

void stream_target_settle(struct stream_target *target)
{
    target->tried_count = 0;
}
