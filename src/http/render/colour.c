/* SPDX-License-Identifier: MIT */
#include "http/render/colour.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    uint32_t rgb;
} named[] = {
#define COLOUR(name, rgb) {#name, rgb},
#include "http/render/colours.def"
#undef COLOUR
};

static bool parse_hex(const char *text, size_t length, uint32_t *ret_rgb)
{
    uint32_t rgb = 0;

    if (length != 3 && length != 6) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        uint32_t digit;

        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        } else {
            return false;
        }
        rgb = rgb << 4 | digit;
        if (length == 3) {
            rgb = rgb << 4 | digit;
        }
    }
    *ret_rgb = rgb;
    return true;
}

bool colour_parse(const char *text, size_t length, uint32_t *ret_rgb)
{
    bool is_marked = length != 0 && text[0] == '#';

    if (parse_hex(text + is_marked, length - is_marked, ret_rgb)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (strlen(named[i].name) == length && strncasecmp(named[i].name, text, length) == 0) {
            *ret_rgb = named[i].rgb;
            return true;
        }
    }
    return false;
}

bool colour_is_light(uint32_t rgb)
{
    unsigned red = rgb >> 16 & 0xff;
    unsigned green = rgb >> 8 & 0xff;
    unsigned blue = rgb & 0xff;

    return red * 299 + green * 587 + blue * 114 > 69 * 255 * 10;
}
