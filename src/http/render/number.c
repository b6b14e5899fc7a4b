/* SPDX-License-Identifier: MIT */
#include "http/render/number.h"

#include <stdio.h>
#include <string.h>

/** Appends 12.3k, 1.2M, 999G: cut and not rounded, so never above the count. Ignores `digits`. */
static void put_compact(struct buf *out, uint64_t value, unsigned digits)
{
    static const char suffixes[] = {'\0', 'k', 'M', 'G', 'T', 'P', 'E'};
    uint64_t tenths = 0;
    size_t power = 0;

    (void)digits;
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

/** Appends the digits, padded with zeros, with a comma before each `group` of them from the end. */
static void put_digits(struct buf *out, uint64_t value, unsigned digits, int group)
{
    char text[NUMBER_DIGITS_MAX + 2];
    int length = snprintf(text, sizeof(text), "%0*llu", (int)digits, (unsigned long long)value);

    for (int i = 0; i < length; i++) {
        if (i != 0 && (length - i) % group == 0) {
            buf_putc(out, ',');
        }
        buf_putc(out, text[i]);
    }
}

static void put_plain(struct buf *out, uint64_t value, unsigned digits)
{
    put_digits(out, value, digits, NUMBER_DIGITS_MAX + 1);
}

static void put_grouped(struct buf *out, uint64_t value, unsigned digits)
{
    put_digits(out, value, digits, 3);
}

static const struct {
    const char *name;
    void (*put)(struct buf *out, uint64_t value, unsigned digits);
} forms[] = {
#define FORM(id, name, put, example) [NUMBER_##id] = {name, put},
#include "http/render/number_forms.def"
#undef FORM
};

bool number_parse_form(const char *text, size_t length, enum number_form *ret_form)
{
    for (size_t i = 0; i < NUMBER_FORM_COUNT; i++) {
        if (strlen(forms[i].name) == length && memcmp(forms[i].name, text, length) == 0) {
            *ret_form = (enum number_form)i;
            return true;
        }
    }
    return false;
}

const char *number_form_list(void)
{
    static const char list[] =
#define FORM(id, name, put, example) ", " name
#include "http/render/number_forms.def"
#undef FORM
        ;

    return list + 2; /* without the first comma */
}

void number_put(struct buf *out, uint64_t value, const struct number_style *style)
{
    forms[style->form].put(out, value, style->digits);
}
