/* SPDX-License-Identifier: MIT */
#include "config/redis_url.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT ":6379"

/* indexes of the parts */
enum { HOST, PORT, SOCKET, USERNAME, PASSWORD, DB, TLS };

static const struct {
    const char *name;
    bool is_unix;
    bool is_tls;
} schemes[] = {
    {"redis://", false, false},
    {"rediss://", false, true},
    {"unix://", true, false},
    {"redis+unix://", true, false},
};

/** Stores a part. An empty part counts as absent. */
static void set_part(struct redis_url *url, int part, const char *text, size_t length)
{
    if (length == 0) {
        return;
    }
    url->parts[part].text = alloc_text_of(text, length);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    return found != NULL ? (int)((found - digits) % 16) : -1;
}

/** Decodes a part in place. False for a "%" without two hex digits, and for %00. */
static bool decode_part(struct redis_url *url, int part)
{
    char *from = url->parts[part].text;
    char *to = from;

    if (from == NULL) {
        return true;
    }
    while (*from != '\0') {
        int high = *from == '%' ? hex_digit(from[1]) : 0;
        int low = *from == '%' && high >= 0 ? hex_digit(from[2]) : 0;

        if (*from != '%') {
            *to++ = *from++;
            continue;
        }
        if (high < 0 || low < 0 || high + low == 0) {
            return false;
        }
        *to++ = (char)(high * 16 + low);
        from += 3;
    }
    *to = '\0';
    return true;
}

/** Parses "user:password@" at the start of the text. Returns the rest. */
static const char *parse_user(struct redis_url *url, const char *text)
{
    size_t authority = strcspn(text, "/?#");
    const char *at = memrchr(text, '@', authority);
    const char *colon;

    if (at == NULL) {
        return text;
    }
    colon = memchr(text, ':', (size_t)(at - text));
    if (colon != NULL) {
        set_part(url, PASSWORD, colon + 1, (size_t)(at - colon - 1));
    }
    if (colon != text) {
        set_part(url, USERNAME, text, (size_t)((colon != NULL ? colon : at) - text));
    }
    return at + 1;
}

/** Parses and cuts "?db=N" at the end of a path of `*length` bytes. False for another query. */
static bool parse_query(struct redis_url *url, const char *text, size_t *length)
{
    const char *query = strpbrk(text, "?#");

    *length = query != NULL ? (size_t)(query - text) : strlen(text);
    if (query == NULL) {
        return true;
    }
    if (strncmp(query, "?db=", 4) != 0) {
        return false;
    }
    set_part(url, DB, query + 4, strlen(query + 4));
    return true;
}

static const char *parse_socket(struct redis_url *url, const char *text)
{
    size_t length;

    if (!parse_query(url, text, &length)) {
        return "there is more than a database behind the path";
    }
    if (length == 0) {
        return "there is no path";
    }
    set_part(url, SOCKET, text, length);
    return NULL;
}

static const char *parse_server(struct redis_url *url, const char *text)
{
    size_t length = strcspn(text, "/?#");
    const char *bracket = memrchr(text, ']', length);
    const char *last = bracket != NULL ? bracket : text;
    bool has_port = memchr(last, ':', (size_t)(text + length - last)) != NULL;
    struct buf host = BUF_EMPTY;
    struct address address;
    int rc;

    buf_append(&host, text, length);
    buf_puts(&host, has_port ? "" : DEFAULT_PORT);
    rc = address_parse(host.bytes, &address);
    if (rc < 0 || address.is_unix) {
        buf_finish(&host);
        return "the host or the port is not understood";
    }
    set_part(url, HOST, address.host, strlen(address.host));
    buf_clear(&host);
    buf_put_u64(&host, address.port);
    set_part(url, PORT, host.bytes, host.length);
    buf_finish(&host);
    text += length;
    if (*text == '/' && text[1] != '\0') {
        set_part(url, DB, text + 1, strlen(text + 1));
        return NULL;
    }
    return *text == '\0' || *text == '/' ? NULL : "there is more than a database behind the host";
}

const char *redis_url_parse(const char *text, struct redis_url *ret_url)
{
    const char *problem = "it begins with no known scheme";

    *ret_url = (struct redis_url){{
        [HOST] = {CONFIG_redis_host, NULL},
        [PORT] = {CONFIG_redis_port, NULL},
        [SOCKET] = {CONFIG_redis_socket, NULL},
        [USERNAME] = {CONFIG_redis_username, NULL},
        [PASSWORD] = {CONFIG_redis_password, NULL},
        [DB] = {CONFIG_redis_db, NULL},
        [TLS] = {CONFIG_redis_tls, NULL},
    }};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t length = strlen(schemes[i].name);

        if (strncmp(text, schemes[i].name, length) != 0) {
            continue;
        }
        if (schemes[i].is_tls) {
            set_part(ret_url, TLS, "true", 4);
        }
        text = parse_user(ret_url, text + length);
        problem = schemes[i].is_unix ? parse_socket(ret_url, text) : parse_server(ret_url, text);
        break;
    }
    if (problem == NULL && !(decode_part(ret_url, USERNAME) && decode_part(ret_url, PASSWORD) &&
                             decode_part(ret_url, SOCKET))) {
        problem = "a \"%\" is not followed by two hexadecimal digits";
    }
    return problem;
}

void redis_url_finish(struct redis_url *url)
{
    for (size_t i = 0; i < REDIS_URL_PARTS; i++) {
        free(url->parts[i].text);
        url->parts[i].text = NULL;
    }
}
