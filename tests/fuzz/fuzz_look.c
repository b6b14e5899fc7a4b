/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the query of a badge, and as the name of a script's function. The result is one SVG
 * document with only our tags and attributes. It is valid UTF-8 and has no character that XML
 * forbids.
 */
#include "base/buf.h"
#include "base/utf8.h"
#include "http/render/style.h"
#include "http/render/font.h"
#include "http/render/format.h"
#include "fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/** Each "<" begins one of our tags, and in each tag the quotes are even. */
static void check_tags(const char *svg)
{
    static const char *const tags[] = {
        "svg ", "title>", "linearGradient ", "stop ", "clipPath ", "rect ", "g ", "text "};

    for (const char *at = strchr(svg, '<'); at != NULL; at = strchr(at + 1, '<')) {
        const char *name = at + 1 + (at[1] == '/');
        size_t length = strcspn(name, " >");
        bool is_ours = false;
        size_t quotes = 0;

        for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
            is_ours |= strlen(tags[i]) - 1 == length && strncmp(tags[i], name, length) == 0;
        }
        check_that(is_ours);
        for (; *at != '>' || quotes % 2 != 0; at++) {
            check_that(*at != '\0');
            quotes += *at == '"';
        }
    }
}

static void check_text(const char *svg, size_t length)
{
    size_t at = 0;

    check_that(strlen(svg) == length);
    while (at < length) {
        size_t sequence = utf8_sequence_length(svg + at, length - at);
        unsigned character;

        check_that(sequence != 0);
        character = utf8_decode(svg + at, sequence);
        check_that(character >= 0x20 || (character == '\n' && at + 1 == length));
        check_that((character & 0xfffe) != 0xfffe);
        at += sequence;
    }
}

static void draw(h2o_iovec_t query)
{
    struct style style;
    struct buf message = BUF_EMPTY;
    struct buf svg = BUF_EMPTY;
    h2o_mem_pool_t pool;

    h2o_mem_init_pool(&pool);
    (void)style_parse(&pool, query, &style);
    if (style.badge.label == NULL) {
        style.badge.label = "visits";
    }
    style_put_count(&message, &style, &(struct render_count){.count = query.len * 1234567});
    style.badge.message = message.bytes;
    badge_render(&svg, &style.badge);
    check_tags(svg.bytes);
    check_text(svg.bytes, svg.length);
    buf_finish(&svg);
    buf_finish(&message);
    h2o_mem_clear_pool(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *text = (const char *)bytes;

    draw(h2o_iovec_init(text, length));
    if (format_is_callback(text, length)) {
        check_that(length <= 64 && memchr(text, '(', length) == NULL &&
                   memchr(text, '\n', length) == NULL);
    }
    return 0;
}
