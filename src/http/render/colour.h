/* SPDX-License-Identifier: MIT */
/**
 * colour: parses and judges the colours of badges.
 */
#ifndef VISITCOUNTD_HTTP_COLOUR_H
#define VISITCOUNTD_HTTP_COLOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Parses a colour into 0xRRGGBB. It is three or six hexadecimal digits, with or without a leading
 * "#", or a name. Names are those of shields.io (brightgreen, green, yellowgreen, yellow, orange,
 * red, blue, grey, lightgrey, success, important, critical, informational, inactive), then those of
 * CSS. Case does not matter. Returns false if it is not a colour.
 */
bool colour_parse(const char *text, size_t length, uint32_t *ret_rgb);

/** Whether dark text reads better on this colour: its luma (ITU-R BT.601) is above 0.69. */
bool colour_is_light(uint32_t rgb);

#endif
