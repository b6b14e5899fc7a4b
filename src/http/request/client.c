/* SPDX-License-Identifier: MIT */
#include "http/request/client.h"

#include "base/log.h"
#include "http/server/connection.h"
#include "http/request/app.h"

#include <arpa/inet.h>
#include <string.h>

/* --- headers --- */

#define NAME_MAX_LENGTH 15
#define SAME_LENGTH     3

struct known {
    const char *name;
    size_t offset;
};

#define KNOWN(name, field)                            \
    {                                                 \
        name, offsetof(struct request_headers, field) \
    }

/* Indexed by the name's length, which differs for most of them. libh2o makes names lower case. */
static const struct known by_length[NAME_MAX_LENGTH + 1][SAME_LENGTH + 1] = {
    [3] = {KNOWN("dnt", dnt)},
    [5] = {KNOWN("x-moz", moz)},
    [6] = {KNOWN("origin", origin)},
    [7] = {KNOWN("referer", referer), KNOWN("sec-gpc", gpc), KNOWN("purpose", purpose)},
    [9] = {KNOWN("x-real-ip", real_ip), KNOWN("x-purpose", x_purpose)},
    [10] = {KNOWN("user-agent", user_agent)},
    [11] = {KNOWN("sec-purpose", sec_purpose)},
    [12] = {KNOWN("x-request-id", request_id)},
    [15] = {KNOWN("x-forwarded-for", forwarded_for), KNOWN("idempotency-key", idempotency_key)},
};

static const struct known *find_known(const h2o_iovec_t *name)
{
    if (name->len > NAME_MAX_LENGTH) {
        return NULL;
    }
    for (const struct known *known = by_length[name->len]; known->name != NULL; known++) {
        if (known->name[0] == name->base[0] && memcmp(known->name, name->base, name->len) == 0) {
            return known;
        }
    }
    return NULL;
}

/** Joins a list that a proxy continued in a second header. */
static h2o_iovec_t join(h2o_mem_pool_t *pool, h2o_iovec_t one, h2o_iovec_t other)
{
    h2o_iovec_t parts[] = {one, {H2O_STRLIT(",")}, other};

    return h2o_concat_list(pool, parts, sizeof(parts) / sizeof(parts[0]));
}

void client_read_headers(const struct request *request, struct request_headers *ret_headers)
{
    const h2o_headers_t *headers = &request->h2o->headers;

    *ret_headers = (struct request_headers){.user_agent = {NULL, 0}};
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        const struct known *known = find_known(header->name);
        h2o_iovec_t *value;

        if (known == NULL) {
            continue;
        }
        value = (h2o_iovec_t *)((char *)ret_headers + known->offset);
        if (value->base == NULL) {
            *value = header->value;
        } else if (value == &ret_headers->forwarded_for) {
            *value = join(&request->h2o->pool, *value, header->value);
        }
    }
}

/* --- the address --- */

bool client_is_in(const struct config_networks *networks, const struct in6_addr *address)
{
    for (size_t i = 0; i < networks->count; i++) {
        if (network_contains(&networks->items[i], address)) {
            return true;
        }
    }
    return false;
}

/* Addresses in headers */

static h2o_iovec_t trim(const char *start, const char *end)
{
    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }
    while (end > start && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return h2o_iovec_init(start, (size_t)(end - start));
}

/** Returns the text without a pair of double quotes around it. */
static h2o_iovec_t unquote(h2o_iovec_t text)
{
    if (text.len >= 2 && text.base[0] == '"' && text.base[text.len - 1] == '"') {
        return trim(text.base + 1, text.base + text.len - 1);
    }
    return text;
}

/** Cuts the last element off a list with commas. Returns false if nothing is left. */
static bool pop_last(h2o_iovec_t *list, h2o_iovec_t *ret_element)
{
    const char *comma;
    const char *start;

    if (list->len == 0) {
        return false;
    }
    comma = memrchr(list->base, ',', list->len);
    start = comma != NULL ? comma + 1 : list->base;
    *ret_element = trim(start, list->base + list->len);
    list->len = comma != NULL ? (size_t)(comma - list->base) : 0;
    return true;
}

/** Parses "192.0.2.1", "192.0.2.1:80", "2001:db8::1" or "[2001:db8::1]:80". */
static bool parse_element(h2o_iovec_t text, struct in6_addr *ret_address)
{
    const char *colon;
    const char *bracket;

    if (units_parse_ip(text.base, text.len, ret_address) == 0) {
        return true;
    }
    if (text.len > 0 && text.base[0] == '[') {
        bracket = memchr(text.base, ']', text.len);
        return bracket != NULL &&
               units_parse_ip(text.base + 1, (size_t)(bracket - text.base) - 1, ret_address) == 0;
    }
    colon = text.len > 0 ? memchr(text.base, ':', text.len) : NULL;
    return colon != NULL &&
           units_parse_ip(text.base, (size_t)(colon - text.base), ret_address) == 0;
}

/** Searches the list from the right for the first untrusted address. */
static enum client_source find_forwarded(const struct config_networks *trusted, h2o_iovec_t list,
                                         struct in6_addr *ret_address)
{
    enum client_source source = CLIENT_SILENT;
    h2o_iovec_t element;

    while (pop_last(&list, &element)) {
        struct in6_addr address;

        if (element.len == 0) {
            continue; /* an empty element counts for nothing (RFC 9110, 5.6.1) */
        }
        if (!parse_element(unquote(element), &address)) {
            break;
        }
        *ret_address = address;
        if (!client_is_in(trusted, &address)) {
            return CLIENT_FORWARDED_FOR;
        }
        source = CLIENT_FIRST_HOP;
    }
    return source;
}

enum client_source client_find(const struct config_networks *trusted,
                               const struct client_evidence *evidence, struct in6_addr *ret_address)
{
    h2o_iovec_t real_ip = evidence->real_ip;
    enum client_source source;

    if (!evidence->is_local && !client_is_in(trusted, &evidence->peer)) {
        *ret_address = evidence->peer;
        return CLIENT_UNTRUSTED;
    }
    if (real_ip.len > 0 &&
        parse_element(unquote(trim(real_ip.base, real_ip.base + real_ip.len)), ret_address)) {
        return CLIENT_REAL_IP;
    }
    source = find_forwarded(trusted, evidence->forwarded_for, ret_address);
    if (source != CLIENT_SILENT) {
        return source;
    }
    if (evidence->is_local) {
        *ret_address = in6addr_any;
        return CLIENT_UNKNOWN;
    }
    *ret_address = evidence->peer;
    return CLIENT_SILENT;
}

const char *client_source_text(enum client_source source)
{
    static const char *const texts[] = {
        [CLIENT_UNKNOWN] = "the peer is on a unix socket, and neither X-Real-IP nor "
                           "X-Forwarded-For has an address",
        [CLIENT_UNTRUSTED] = "the peer, which is not in trusted_proxies: its headers are not "
                             "believed",
        [CLIENT_SILENT] = "the peer, which is in trusted_proxies, but neither X-Real-IP nor "
                          "X-Forwarded-For has an address",
        [CLIENT_REAL_IP] = "X-Real-IP, since the peer is in trusted_proxies or on a unix socket",
        [CLIENT_FORWARDED_FOR] = "the last address in X-Forwarded-For that is not in "
                                 "trusted_proxies",
        [CLIENT_FIRST_HOP] = "the first address in X-Forwarded-For up to which all are in "
                             "trusted_proxies",
    };

    return texts[source];
}

char *client_format(const struct in6_addr *address, char text[INET6_ADDRSTRLEN])
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        inet_ntop(AF_INET, &address->s6_addr[12], text, INET6_ADDRSTRLEN);
    } else {
        inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
    }
    return text;
}

/* The client of a request */

static void log_client(const struct client *client)
{
    char text[INET6_ADDRSTRLEN];

    log_debug("client %s: %s",
              client->source != CLIENT_UNKNOWN ? client_format(&client->address, text) : "unknown",
              client_source_text(client->source));
}

void client_read(const struct request *request, struct client *ret_client)
{
    const struct config *config = request->app->config;
    const struct connection_peer *peer = connection_peer(request->h2o);

    client_read_headers(request, &ret_client->headers);
    if (peer->is_known) {
        struct client_evidence evidence = {.is_local = peer->is_local,
                                           .peer = peer->address,
                                           .real_ip = ret_client->headers.real_ip,
                                           .forwarded_for = ret_client->headers.forwarded_for};

        ret_client->source = client_find(&config->trusted_proxies, &evidence, &ret_client->address);
        ret_client->is_behind_proxy = ret_client->source != CLIENT_UNTRUSTED;
    } else {
        ret_client->source = CLIENT_UNKNOWN;
        ret_client->address = in6addr_any;
        ret_client->is_behind_proxy = false;
    }
    if (log_wants(LOG_LEVEL_DEBUG)) {
        log_client(ret_client);
    }
}
