/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

size_t utf8_sequence_length(const char *bytes, size_t length)
{
    static const struct {
        unsigned char first, last; /* range of the lead byte */
        unsigned char low, high;   /* range of the byte after it */
        size_t length;
    } rows[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const unsigned char *u = (const unsigned char *)bytes;

    for (size_t i = 0; length != 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (u[0] < rows[i].first || u[0] > rows[i].last) {
            continue;
        }
        if (rows[i].length > length) {
            return 0;
        }
        if (rows[i].length > 1 && (u[1] < rows[i].low || u[1] > rows[i].high)) {
            return 0;
        }
        for (size_t k = 2; k < rows[i].length; k++) {
            if ((u[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return rows[i].length;
    }
    return 0;
}

unsigned utf8_misleading(const char *bytes, size_t sequence)
{
    const unsigned char *u = (const unsigned char *)bytes;
    unsigned code;

    if (sequence == 2 && u[0] == 0xc2 && u[1] < 0xa0) {
        return u[1];
    }
    if (sequence != 3 || u[0] != 0xe2) {
        return 0;
    }
    code = 0x2000 | (unsigned)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
    return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ? code : 0;
}

size_t utf8_width(const char *bytes, size_t length)
{
    size_t width = 0;

    for (size_t i = 0; i < length; i++) {
        width += ((unsigned char)bytes[i] & 0xc0) != 0x80; /* no continuation */
    }
    return width;
}

unsigned utf8_decode(const char *bytes, size_t length)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned character = (unsigned char)bytes[0] & first_bits[length];

    for (size_t i = 1; i < length; i++) {
        character = character << 6 | ((unsigned char)bytes[i] & 0x3f);
    }
    return character;
}
