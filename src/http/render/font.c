/* SPDX-License-Identifier: MIT */
#include "http/render/font.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <stdint.h>

#define UNITS_PER_EM 2048

static const struct run {
    uint32_t first;
    uint16_t count;
    uint16_t regular;
    uint16_t bold;
} runs[] = {
#define W(first, count, regular, bold) {first, count, regular, bold},
#include "http/render/font_widths.def"
#undef W
};

/** Returns the width of a character in the font's units. */
static unsigned character_width(unsigned character, bool is_bold)
{
    size_t low = 0;
    size_t high = sizeof(runs) / sizeof(runs[0]);

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct run *run = &runs[middle];

        if (character < run->first) {
            high = middle;
        } else if (character - run->first >= run->count) {
            low = middle + 1;
        } else {
            return is_bold ? run->bold : run->regular;
        }
    }
    return UNITS_PER_EM;
}

double font_text_width(const char *text, size_t length, bool is_bold, double size)
{
    uint64_t units = 0;
    size_t at = 0;

    while (at < length) {
        size_t sequence = utf8_sequence_length(text + at, length - at);

        if (sequence == 0) {
            at++;
            continue;
        }
        units += character_width(utf8_decode(text + at, sequence), is_bold);
        at += sequence;
    }
    return (double)units * size / UNITS_PER_EM;
}
