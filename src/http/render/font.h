/* SPDX-License-Identifier: MIT */
/**
 * font: measures text with the widths of a real font, so that badges fit their text.
 */
#ifndef VISITCOUNTD_HTTP_FONT_H
#define VISITCOUNTD_HTTP_FONT_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Returns the width, in pixels, of UTF-8 text in DejaVu Sans of `size` pixels. Characters that the
 * font lacks (CJK, emoji) come from another font and count as square. Invalid bytes have no width.
 */
double font_text_width(const char *text, size_t length, bool is_bold, double size);

#endif
