/* SPDX-License-Identifier: MIT */
/**
 * colour: the colours of badges.
 */
#ifndef VISITCOUNTD_HTTP_COLOUR_H
#define VISITCOUNTD_HTTP_COLOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Takes a colour: three or six hexadecimal digits, with or without "#" before them, or a name:
 * those of shields.io (brightgreen, green, yellowgreen, yellow, orange, red, blue, grey, lightgrey,
 * success, important, critical, informational, inactive), else of CSS. Letters may be large or
 * small. False when it is none; `ret_rgb` is 0xRRGGBB.
 */
bool colour_parse(const char *text, size_t length, uint32_t *ret_rgb);

/** Whether dark text is to be preferred on it: its luma (ITU-R BT.601) is above 0.69. */
bool colour_is_light(uint32_t rgb);

#endif
