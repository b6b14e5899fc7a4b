/* SPDX-License-Identifier: MIT */
#include "http/request/request.h"

#include "base/buf.h"

#include <string.h>
#include <strings.h>

/* Targets */

/** Returns the start of the path in an absolute-form target, or NULL for another form. */
static const char *skip_scheme_and_host(const char *target, size_t length)
{
    static const char *const schemes[] = {"http://", "https://"};
    const char *end = target + length;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t scheme_length = strlen(schemes[i]);
        const char *host = target + scheme_length;
        const char *at = host;

        if (length <= scheme_length || strncasecmp(target, schemes[i], scheme_length) != 0) {
            continue;
        }
        while (at < end && *at != '/' && *at != '?' && *at != '#') {
            at++;
        }
        return at > host ? at : NULL;
    }
    return NULL;
}

bool request_split_target(h2o_iovec_t target, h2o_iovec_t *ret_path, h2o_iovec_t *ret_query)
{
    const char *end = target.base + target.len;
    const char *path = target.base;
    const char *path_end;
    const char *query;

    if (target.len == 0 || *path != '/') {
        path = skip_scheme_and_host(target.base, target.len);
        if (path == NULL) {
            return false;
        }
    }
    end = buf_find_byte(path, end, '#');
    path_end = buf_find_byte(path, end, '?');
    query = path_end < end ? path_end + 1 : end;
    *ret_query = h2o_iovec_init(query, (size_t)(end - query));
    *ret_path = path == path_end ? h2o_iovec_init(H2O_STRLIT("/"))
                                 : h2o_iovec_init(path, (size_t)(path_end - path));
    return true;
}

/* Headers and query parameters */

h2o_iovec_t request_header(const struct request *request, const h2o_token_t *token)
{
    ssize_t at = h2o_find_header(&request->h2o->headers, token, -1);

    return at != -1 ? request->h2o->headers.entries[at].value : h2o_iovec_init("", 0);
}

h2o_iovec_t request_header_named(const struct request *request, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&request->h2o->headers, name, strlen(name), -1);

    return at != -1 ? request->h2o->headers.entries[at].value : h2o_iovec_init("", 0);
}

static int hex_value(const char *two)
{
    int value = 0;

    for (int i = 0; i < 2; i++) {
        char c = two[i];

        if (c >= '0' && c <= '9') {
            value = value * 16 + c - '0';
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            value = value * 16 + (c | 0x20) - 'a' + 10;
        } else {
            return -1;
        }
    }
    return value;
}

static h2o_iovec_t decode_parameter(h2o_mem_pool_t *pool, const char *text, size_t length)
{
    h2o_iovec_t value = h2o_iovec_init(h2o_mem_alloc_pool(pool, length + 1), 0);

    for (size_t at = 0; at < length; at++) {
        char c = text[at];

        if (c == '+') {
            c = ' ';
        } else if (c == '%' && length - at > 2 && hex_value(text + at + 1) >= 0) {
            c = (char)hex_value(text + at + 1);
            at += 2;
        }
        value.base[value.len++] = c;
    }
    value.base[value.len] = '\0';
    return value;
}

bool request_find_parameter(h2o_mem_pool_t *pool, h2o_iovec_t query, const char *name,
                            h2o_iovec_t *ret_value)
{
    const char *end = query.base + query.len;
    const char *at = query.base;
    size_t name_length = strlen(name);

    while (at < end) {
        const char *pair_end = buf_find_byte(at, end, '&');
        const char *name_end = buf_find_byte(at, pair_end, '=');

        if (h2o_memis(at, (size_t)(name_end - at), name, name_length)) {
            const char *value = name_end < pair_end ? name_end + 1 : pair_end;

            *ret_value = decode_parameter(pool, value, (size_t)(pair_end - value));
            return true;
        }
        at = pair_end < end ? pair_end + 1 : end;
    }
    return false;
}

bool request_parameter(const struct request *request, const char *name, h2o_iovec_t *ret_value)
{
    return request->query.len != 0 &&
           request_find_parameter(&request->h2o->pool, request->query, name, ret_value);
}
