/* SPDX-License-Identifier: MIT */
/**
 * font: how wide a text is, from the table of a real font, so that what is drawn around it fits.
 */
#ifndef VISITCOUNTD_HTTP_FONT_H
#define VISITCOUNTD_HTTP_FONT_H

#include <stdbool.h>
#include <stddef.h>

/**
 * The width of UTF-8 text in DejaVu Sans of `size` pixels, in pixels. Characters that the font does
 * not have (CJK, emoji) come from another one and are taken as square, as those are. Bytes that are
 * not UTF-8 have no width.
 */
double font_text_width(const char *text, size_t length, bool is_bold, double size);

/** The character of a valid UTF-8 sequence of `length` bytes, as utf8_sequence_length() tells. */
unsigned utf8_decode(const char *bytes, size_t length);

#endif
