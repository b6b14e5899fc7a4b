/* SPDX-License-Identifier: MIT */
/**
 * badge: draws badges as SVG: a label and a message side by side, in the styles of shields.io.
 * Knows nothing of requests.
 */
#ifndef VISITCOUNTD_HTTP_BADGE_H
#define VISITCOUNTD_HTTP_BADGE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The longest text that badge_put_text() accepts, in characters. */
#define BADGE_TEXT_MAX 64

/** Colours, as 0xRRGGBB. */
#define BADGE_GREY 0x555555
#define BADGE_BLUE 0x007ec6
#define BADGE_RED  0xe05d44

/** The styles: BADGE_FLAT and so on, in the order of badge_styles.def. */
enum badge_style {
#define STYLE(id, name, ...) BADGE_##id,
#include "http/render/badge_styles.def"
#undef STYLE
    BADGE_STYLE_COUNT
};

/** Parses the name of a style, such as "flat-square". Returns false for anything else. */
bool badge_parse_style(const char *text, size_t length, enum badge_style *ret_style);

/** Returns the name of a style, as badge_parse_style() accepts it. */
const char *badge_style_name(enum badge_style style);

/** Returns the names of all styles, separated by ", ". */
const char *badge_style_list(void);

/** A badge to draw. badge_put_text() must have made the texts. */
struct badge {
    enum badge_style style;
    const char *label; /* empty: the badge has only a message */
    const char *message;
    uint32_t label_rgb;
    uint32_t rgb; /* behind the message */
};

/**
 * Appends a client's text for a badge. Runs of blanks become one space; blanks at the ends are
 * dropped. Invalid UTF-8 becomes U+FFFD. Characters that XML does not allow, control characters and
 * those that change the writing direction are dropped. Returns false if the text is longer than
 * BADGE_TEXT_MAX characters; at most BADGE_TEXT_MAX of them are appended then.
 */
bool badge_put_text(struct buf *out, const char *text, size_t length);

/** Appends the SVG document. Texts are escaped. */
void badge_render(struct buf *out, const struct badge *badge);

#endif
