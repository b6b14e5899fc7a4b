/* SPDX-License-Identifier: MIT */
#include "http/request/headers.h"

#include <string.h>

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
    [9] = {KNOWN("x-real-ip", real_ip)},
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

void headers_read(const struct request *request, struct request_headers *ret_headers)
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
