/* SPDX-License-Identifier: MIT */
/**
 * badge: draws badges as SVG. The looks are those that readers know from shields.io: a label and a
 * message side by side. Knows nothing of requests.
 */
#ifndef VISITCOUNTD_HTTP_BADGE_H
#define VISITCOUNTD_HTTP_BADGE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Longest text that badge_put_text() takes, in characters. */
#define BADGE_TEXT_MAX 64

/** Colours, as 0xRRGGBB. */
#define BADGE_GREY 0x555555
#define BADGE_BLUE 0x007ec6
#define BADGE_RED  0xe05d44

enum badge_style { BADGE_FLAT, BADGE_FLAT_SQUARE, BADGE_PLASTIC, BADGE_FOR_THE_BADGE };

/** "flat", "flat-square", "plastic" or "for-the-badge"; false for anything else. */
bool badge_parse_style(const char *text, size_t length, enum badge_style *ret_style);

/** The name that badge_parse_style() takes. */
const char *badge_style_name(enum badge_style style);

/** What is drawn. The texts are as badge_put_text() makes them. */
struct badge {
    enum badge_style style;
    const char *label; /* empty: the message stands alone */
    const char *message;
    uint32_t label_rgb;
    uint32_t rgb; /* behind the message */
};

/**
 * Appends what a client wants as text of a badge: blanks become single spaces, none at the ends;
 * what is not UTF-8 becomes U+FFFD; characters that XML does not allow, control characters and
 * those that change the direction of writing are left out. Returns false, with nothing appended
 * beyond BADGE_TEXT_MAX characters, when there are more.
 */
bool badge_put_text(struct buf *out, const char *text, size_t length);

/** Appends the SVG document. Texts are escaped. */
void badge_render(struct buf *out, const struct badge *badge);

#endif
