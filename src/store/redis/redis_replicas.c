/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_replicas.h"

#include "base/require.h"

#include "base/alloc.h"
#include "base/log.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void redis_replicas_init(struct redis_replicas *replicas, const char *server, uint64_t grace_ms)
{
    require(server != NULL);
    *replicas = (struct redis_replicas){.server = server, .grace_ms = grace_ms};
}

void redis_replicas_finish(struct redis_replicas *replicas)
{
    free(replicas->known);
}

static void remove_at(struct redis_replicas *replicas, size_t i)
{
    require(i < replicas->count);
    replicas->count--;
    memmove(&replicas->known[i], &replicas->known[i + 1],
            (replicas->count - i) * sizeof(replicas->known[0]));
    memmove(&replicas->is_named[i], &replicas->is_named[i + 1],
            (replicas->count - i) * sizeof(replicas->is_named[0]));
}

static size_t find(const struct redis_replicas *replicas, const char *address)
{
    size_t i = 0;

    while (i < replicas->count && strcmp(replicas->known[i].address, address) != 0) {
        i++;
    }
    return i;
}

void redis_replicas_reconnect(struct redis_replicas *replicas, const char *peer)
{
    size_t promoted = find(replicas, peer);

    if (promoted != replicas->count) {
        remove_at(replicas, promoted);
    }
    for (size_t i = 0; i < replicas->count; i++) {
        replicas->known[i].offset = 0;
    }
    replicas->has_mark = false;
    replicas->has_unkept = false;
    replicas->is_reconnected = true;
}

void redis_replicas_clear(struct redis_replicas *replicas)
{
    replicas->count = 0;
    replicas->has_mark = false;
    replicas->has_unkept = false;
}

/* --- a reply --- */

void redis_replicas_begin(struct redis_replicas *replicas, uint64_t asked_at_ms, uint64_t offset)
{
    replicas->reply.asked_at_ms = asked_at_ms;
    replicas->reply.offset = offset;
    replicas->has_unkept = false;
    memset(replicas->is_named, 0, sizeof(replicas->is_named));
}

/* returns the index of the replica that is missing longest; `count` if all are connected */
static size_t find_longest_gone(const struct redis_replicas *replicas)
{
    size_t longest = replicas->count;

    for (size_t i = 0; i < replicas->count; i++) {
        const struct store_replica *replica = &replicas->known[i];

        if (!replica->is_connected && !replicas->is_named[i] &&
            (longest == replicas->count || replica->gone_ms > replicas->known[longest].gone_ms)) {
            longest = i;
        }
    }
    return longest;
}

static void give_up(struct redis_replicas *replicas, size_t i)
{
    char grace[UNITS_TEXT_MAX];

    units_format_duration(replicas->grace_ms, grace);
    log_warning("redis %s: replica %s: not seen for %s; answered batches no longer wait for it",
                replicas->server, replicas->known[i].address, grace);
    remove_at(replicas, i);
}

/* returns a free index, or REDIS_REPLICAS_MAX if there is none */
static size_t make_room(struct redis_replicas *replicas)
{
    if (replicas->count == REDIS_REPLICAS_MAX) {
        size_t longest = find_longest_gone(replicas);

        if (longest == replicas->count) {
            return REDIS_REPLICAS_MAX;
        }
        log_warning("redis %s: replica %s: gone, and %d others are known; answered batches no "
                    "longer wait for it",
                    replicas->server, replicas->known[longest].address, REDIS_REPLICAS_MAX - 1);
        remove_at(replicas, longest);
    }
    if (replicas->known == NULL) {
        replicas->known = alloc_zero(REDIS_REPLICAS_MAX, sizeof(replicas->known[0]));
    }
    memset(&replicas->known[replicas->count], 0, sizeof(replicas->known[0]));
    replicas->is_named[replicas->count] = false;
    return replicas->count++;
}

void redis_replicas_add(struct redis_replicas *replicas, const char *address, uint64_t offset)
{
    uint64_t written = replicas->reply.offset;
    struct store_replica *replica;
    size_t i = find(replicas, address);

    require(address[0] != '\0');
    if (i == replicas->count) {
        i = make_room(replicas);
    }
    if (i == REDIS_REPLICAS_MAX) {
        if (!replicas->has_unkept || offset < replicas->unkept_offset) {
            replicas->unkept_offset = offset;
        }
        replicas->has_unkept = true;
        return;
    }
    replica = &replicas->known[i];
    if (replicas->is_named[i] && replica->offset < offset) {
        return; /* two replicas share one address: the slower one counts */
    }
    replicas->is_named[i] = true;
    snprintf(replica->address, sizeof(replica->address), "%s", address);
    replica->is_connected = true;
    replica->gone_ms = 0;
    replica->seen_at_ms = replicas->reply.asked_at_ms;
    replica->offset = offset;
    replica->lag_bytes = written > offset ? written - offset : 0;
}

/* adds the time since the last query to the replicas that the reply does not name */
static void note_missing(struct redis_replicas *replicas)
{
    uint64_t passed_ms =
        replicas->asked_at_ms != 0 ? replicas->reply.asked_at_ms - replicas->asked_at_ms : 0;

    if (replicas->is_reconnected && passed_ms > REDIS_REPLICAS_INTERVAL_MS) {
        passed_ms = REDIS_REPLICAS_INTERVAL_MS;
    }
    for (size_t i = replicas->count; i-- != 0;) {
        struct store_replica *replica = &replicas->known[i];

        if (replicas->is_named[i]) {
            continue;
        }
        replica->gone_ms += replica->is_connected ? 0 : passed_ms;
        replica->is_connected = false;
        if (replica->gone_ms >= replicas->grace_ms) {
            give_up(replicas, i);
        }
    }
}

/*
 * Whether a replica has the mark. A missing replica has it only if it acknowledged the mark before
 * it was lost. Equal offsets do not suffice: the offset of a server without replicas does not grow
 * with its writes.
 */
static bool has_mark(const struct redis_replicas *replicas, const struct store_replica *replica)
{
    return replica->offset >= replicas->mark.offset &&
           (replica->is_connected || replica->seen_at_ms >= replicas->mark.at_ms);
}

static bool all_have_mark(const struct redis_replicas *replicas)
{
    for (size_t i = 0; i < replicas->count; i++) {
        if (!has_mark(replicas, &replicas->known[i])) {
            return false;
        }
    }
    return !replicas->has_unkept || replicas->unkept_offset >= replicas->mark.offset;
}

static void set_mark(struct redis_replicas *replicas)
{
    replicas->has_mark = true;
    replicas->mark.at_ms = replicas->reply.asked_at_ms;
    replicas->mark.offset = replicas->reply.offset;
}

void redis_replicas_end(struct redis_replicas *replicas)
{
    require(replicas->count <= REDIS_REPLICAS_MAX);
    note_missing(replicas);
    replicas->asked_at_ms = replicas->reply.asked_at_ms;
    replicas->is_reconnected = false;
    if (replicas->has_mark && replicas->reply.offset < replicas->mark.offset) {
        replicas->has_mark = false; /* the offsets restarted */
    }
    if (replicas->has_mark && all_have_mark(replicas)) {
        replicas->proven_ms = replicas->mark.at_ms;
        replicas->has_mark = false;
    }
    if (!replicas->has_mark) {
        set_mark(replicas);
    }
    if (all_have_mark(replicas)) {
        replicas->proven_ms = replicas->mark.at_ms;
        replicas->has_mark = false;
    }
}

uint64_t redis_replicas_before_ms(const struct redis_replicas *replicas)
{
    return replicas->count == 0 && !replicas->has_unkept ? UINT64_MAX : replicas->proven_ms;
}

/* --- ROLE --- */

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

/* parses an integer, or a string that contains one; returns false if it is neither */
static bool parse_offset(const redisReply *reply, uint64_t *ret_offset)
{
    if (reply->type == REDIS_REPLY_INTEGER) {
        *ret_offset = reply->integer > 0 ? (uint64_t)reply->integer : 0;
        return reply->integer >= 0;
    }
    return is_text(reply) && units_parse_u64(reply->str, ret_offset) == 0;
}

static void format_replica(const char *host, const char *port, char ret_address[ADDRESS_TEXT_MAX])
{
    bool has_colon = strchr(host, ':') != NULL;

    snprintf(ret_address, ADDRESS_TEXT_MAX, "%s%.255s%s:%.16s", has_colon ? "[" : "", host,
             has_colon ? "]" : "", port);
    for (char *at = ret_address; *at != '\0'; at++) {
        if (*at < ' ' || *at == '"' || *at == '\\' || *at == 0x7f) {
            *at = '?'; /* the address becomes a label in metrics */
        }
    }
}

/* adds a replica [host, port, offset] */
static void add_element(struct redis_replicas *replicas, const redisReply *element)
{
    char address[ADDRESS_TEXT_MAX];
    char port[24];
    uint64_t offset;

    if (element->type != REDIS_REPLY_ARRAY || element->elements < 3 ||
        !is_text(element->element[0])) {
        return;
    }
    if (!is_text(element->element[1])) {
        snprintf(port, sizeof(port), "%lld", element->element[1]->integer);
    } else {
        snprintf(port, sizeof(port), "%.16s", element->element[1]->str);
    }
    if (!parse_offset(element->element[2], &offset)) {
        offset = 0; /* connected, but its offset is unknown */
    }
    format_replica(element->element[0]->str, port, address);
    redis_replicas_add(replicas, address, offset);
}

bool redis_replicas_parse_role(struct redis_replicas *replicas, uint64_t asked_at_ms,
                               const redisReply *reply)
{
    uint64_t offset;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3 ||
        !parse_offset(reply->element[1], &offset) || reply->element[2]->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    redis_replicas_begin(replicas, asked_at_ms, offset);
    for (size_t i = 0; i < reply->element[2]->elements; i++) {
        add_element(replicas, reply->element[2]->element[i]);
    }
    redis_replicas_end(replicas);
    return true;
}

/* --- INFO replication --- */

/* reads the value of "name=" or "name:", up to one of `ends` or the line's end; empty: none */
static void read_field(const char *text, const char *name, const char *ends, char *ret_value,
                       size_t size)
{
    const char *found = strstr(text, name);

    *ret_value = '\0';
    if (found != NULL) {
        found += strlen(name);
        snprintf(ret_value, size, "%.*s", (int)strcspn(found, ends), found);
    }
}

/* adds a replica from "slave0:ip=10.0.0.2,port=6379,state=online,offset=123,lag=0" */
static void add_line(struct redis_replicas *replicas, const char *line)
{
    char fields[512];
    char host[256];
    char port[24];
    char state[24];
    char number[24];
    char address[ADDRESS_TEXT_MAX];
    uint64_t offset = 0;

    snprintf(fields, sizeof(fields), "%.*s", (int)strcspn(line, "\r\n"), line);
    read_field(fields, "ip=", ",", host, sizeof(host));
    read_field(fields, ",port=", ",", port, sizeof(port));
    read_field(fields, ",state=", ",", state, sizeof(state));
    read_field(fields, ",offset=", ",", number, sizeof(number));
    if (*host == '\0' || (*state != '\0' && strcmp(state, "online") != 0)) {
        return; /* no replica, or one that is still in its full synchronisation */
    }
    if (units_parse_u64(number, &offset) != 0) {
        offset = 0;
    }
    format_replica(host, port, address);
    redis_replicas_add(replicas, address, offset);
}

bool redis_replicas_parse_info(struct redis_replicas *replicas, uint64_t asked_at_ms,
                               const char *text)
{
    char number[24];
    uint64_t offset;

    read_field(text, "\nmaster_repl_offset:", "\r\n", number, sizeof(number));
    if (units_parse_u64(number, &offset) != 0) {
        return false;
    }
    redis_replicas_begin(replicas, asked_at_ms, offset);
    for (const char *line = strstr(text, "\nslave"); line != NULL; line = strstr(line, "\nslave")) {
        line += strlen("\nslave");
        if (*line >= '0' && *line <= '9') {
            add_line(replicas, strchr(line, ':') != NULL ? strchr(line, ':') + 1 : "");
        }
    }
    redis_replicas_end(replicas);
    return true;
}
