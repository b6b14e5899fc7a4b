/* SPDX-License-Identifier: MIT */
#include "http/render/number.h"

#include <stdio.h>
#include <string.h>

bool number_parse_form(const char *text, size_t length, enum number_form *ret_form)
{
    static const char *const names[] = {
        [NUMBER_PLAIN] = "plain",
        [NUMBER_GROUPED] = "grouped",
        [NUMBER_COMPACT] = "compact",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0) {
            *ret_form = (enum number_form)i;
            return true;
        }
    }
    return false;
}

static void put_compact(struct buf *out, uint64_t value)
{
    static const char suffixes[] = {'\0', 'k', 'M', 'G', 'T', 'P', 'E'};
    uint64_t tenths = 0;
    size_t power = 0;

    while (value >= 1000) {
        tenths = value % 1000 / 100;
        value /= 1000;
        power++;
    }
    buf_put_u64(out, value);
    if (value < 100 && tenths != 0) {
        buf_putc(out, '.');
        buf_put_u64(out, tenths);
    }
    if (power != 0) {
        buf_putc(out, suffixes[power]);
    }
}

void number_put(struct buf *out, uint64_t value, const struct number_style *style)
{
    char digits[NUMBER_DIGITS_MAX + 2];
    int length;

    if (style->form == NUMBER_COMPACT) {
        put_compact(out, value);
        return;
    }
    length =
        snprintf(digits, sizeof(digits), "%0*llu", (int)style->digits, (unsigned long long)value);
    for (int i = 0; i < length; i++) {
        if (style->form == NUMBER_GROUPED && i != 0 && (length - i) % 3 == 0) {
            buf_putc(out, ',');
        }
        buf_putc(out, digits[i]);
    }
}
