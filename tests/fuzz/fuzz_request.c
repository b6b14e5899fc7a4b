/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a visitor's request. The first line is the request target, the rest is the value of
 * its Accept header. An accepted page has a key in its one form. The JSON with the key is text
 * without control characters.
 */
#include "base/buf.h"
#include "base/utf8.h"
#include "http/visit/page_key.h"
#include "http/render/render.h"
#include "http/routes/routes.h"
#include "fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check_text(const char *bytes, size_t length)
{
    size_t at = 0;

    while (at < length) {
        unsigned char c = (unsigned char)bytes[at];
        size_t sequence = utf8_sequence_length(bytes + at, length - at);

        check_that(sequence != 0 && c >= 0x20 && c != 0x7f);
        check_that(c != 0xc2 || (unsigned char)bytes[at + 1] >= 0xa0);
        at += sequence;
    }
}

static void check_segments(const struct page_key *key)
{
    const char *segment = key->bytes;

    while (segment != NULL) {
        const char *name = segment + 1;
        const char *next = strchr(name, '/');
        size_t length = next != NULL ? (size_t)(next - name) : strlen(name);

        check_that(length != 0);
        check_that(!(length == 1 && memcmp(name, ".", 1) == 0));
        check_that(!(length == 2 && memcmp(name, "..", 2) == 0));
        check_that(next != NULL || strcmp(name, "index.html") != 0);
        segment = next;
    }
}

/** A key that is encoded as by a client gives the same key again. */
static void check_stable(const struct page_key *key)
{
    struct buf path = BUF_EMPTY;
    struct page_key again;

    for (size_t i = 0; i < key->length; i++) {
        buf_printf(&path, strchr("%?#", key->bytes[i]) != NULL ? "%%%02x" : "%c",
                   (unsigned char)key->bytes[i]);
    }
    check_that(page_key_from_path(path.bytes, path.length, &again) == PAGE_KEY_OK);
    check_that(again.length == key->length && memcmp(again.bytes, key->bytes, key->length) == 0);
    buf_finish(&path);
}

static void show(const struct page_key *key, enum render_form form)
{
    const struct render_count count = {
        .site = "default",
        .page = key->bytes,
        .page_length = key->length,
        .count = 1,
        .status = "counted",
    };
    struct buf out = BUF_EMPTY;

    render_count_json(&out, &count);
    check_that(out.bytes[out.length - 1] == '\n');
    check_text(out.bytes, out.length - 1);
    buf_clear(&out);
    if (form == RENDER_HTML) {
        render_count_html(&out, &count);
    }
    check_that(strchr(render_content_type(form), '/') != NULL);
    buf_finish(&out);
}

static void take_page(const char *path, size_t length, enum render_form form)
{
    struct page_key key;
    enum page_key_status status = page_key_from_path(path, length, &key);

    check_that(strlen(page_key_status_text(status)) != 0);
    if (status != PAGE_KEY_OK) {
        return;
    }
    check_that(key.length >= 1 && key.length <= STORE_PAGE_MAX);
    check_that(strlen(key.bytes) == key.length && key.bytes[0] == '/');
    check_text(key.bytes, key.length);
    if (key.length > 1) {
        check_segments(&key);
    }
    check_stable(&key);
    show(&key, form);
}

static void take_query(h2o_iovec_t query)
{
    static const char *const names[] = {"n", "readonly", ""};
    h2o_mem_pool_t pool;
    h2o_iovec_t value;

    h2o_mem_init_pool(&pool);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (request_find_parameter(&pool, query, names[i], &value)) {
            check_that(value.len <= query.len && value.base[value.len] == '\0');
        }
    }
    h2o_mem_clear_pool(&pool);
}

static void take_target(h2o_iovec_t target, enum render_form form)
{
    const struct route *route;
    h2o_iovec_t path;
    h2o_iovec_t query;
    size_t matched;

    if (!request_split_target(target, &path, &query)) {
        return;
    }
    check_that(path.len >= 1 && path.base[0] == '/');
    check_that(memchr(path.base, '?', path.len) == NULL);
    take_query(query);
    route = router_find(&visitor_routes, path, METHOD_GET);
    if (route != NULL) {
        matched = strlen(route->path);
        check_that(matched <= path.len && memcmp(route->path, path.base, matched) == 0);
        (void)page_key_is_site(path.base + matched, path.len - matched);
        take_page(path.base + matched, path.len - matched, form);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *text = (const char *)bytes;
    const char *line_end = length != 0 ? memchr(text, '\n', length) : NULL;
    size_t line = line_end != NULL ? (size_t)(line_end - text) : length;
    size_t rest = line_end != NULL ? line + 1 : length;
    enum render_form form = render_negotiate(text + rest, length - rest);

    take_target(h2o_iovec_init(text, line), form);
    take_page(text, line, form);
    return 0;
}
