/* SPDX-License-Identifier: MIT */
#include "http/render/style.h"

#include "base/buf.h"
#include "http/render/colour.h"

#include <string.h>

/* parsers of one parameter each; they return false if it is invalid */

static bool parse_label(h2o_mem_pool_t *pool, h2o_iovec_t value, struct style *style)
{
    struct buf text = BUF_EMPTY;
    bool is_right = badge_put_text(&text, value.base, value.len);

    if (is_right) {
        style->badge.label = h2o_strdup(pool, text.bytes, text.length).base;
    }
    buf_finish(&text);
    return is_right;
}

static bool parse_colour(h2o_mem_pool_t *pool, h2o_iovec_t value, struct style *style)
{
    (void)pool;
    return colour_parse(value.base, value.len, &style->badge.rgb);
}

static bool parse_label_colour(h2o_mem_pool_t *pool, h2o_iovec_t value, struct style *style)
{
    (void)pool;
    return colour_parse(value.base, value.len, &style->badge.label_rgb);
}

static bool parse_style(h2o_mem_pool_t *pool, h2o_iovec_t value, struct style *style)
{
    (void)pool;
    return badge_parse_style(value.base, value.len, &style->badge.style);
}

static bool parse_form(h2o_mem_pool_t *pool, h2o_iovec_t value, struct style *style)
{
    (void)pool;
    return number_parse_form(value.base, value.len, &style->number.form);
}

static bool parse_digits(h2o_mem_pool_t *pool, h2o_iovec_t value, struct style *style)
{
    unsigned digits = 0;

    (void)pool;
    for (size_t i = 0; i < value.len; i++) {
        if (value.base[i] < '0' || value.base[i] > '9' || i == 2) {
            return false;
        }
        digits = digits * 10 + (unsigned)(value.base[i] - '0');
    }
    if (digits == 0 || digits > NUMBER_DIGITS_MAX) {
        return false;
    }
    style->number.digits = digits;
    return true;
}

static const struct parameter {
    const char *name;
    bool (*take)(h2o_mem_pool_t *pool, h2o_iovec_t value, struct style *style);
    const char *expected;      /* the message if `take` fails */
    const char *(*list)(void); /* the values that follow in the message; NULL: none */
} parameters[] = {
    {"label", parse_label, "label is a text of at most 64 characters", NULL},
    {"color", parse_colour, "color is 3 or 6 hexadecimal digits or the name of a colour", NULL},
    {"labelColor", parse_label_colour,
     "labelColor is 3 or 6 hexadecimal digits or the name of a colour", NULL},
    {"style", parse_style, "style is one of ", badge_style_list},
    {"format", parse_form, "format is one of ", number_form_list},
    {"digits", parse_digits, "digits is a number from 1 to 20", NULL},
};

static const char *explain(h2o_mem_pool_t *pool, const struct parameter *parameter)
{
    const char *list = parameter->list != NULL ? parameter->list() : "";

    return h2o_concat(pool, h2o_iovec_init(parameter->expected, strlen(parameter->expected)),
                      h2o_iovec_init(list, strlen(list)))
        .base;
}

const char *style_parse(h2o_mem_pool_t *pool, h2o_iovec_t query, struct style *ret_style)
{
    const char *wrong = NULL;
    h2o_iovec_t value;

    *ret_style = (struct style){
        .badge = {.label_rgb = BADGE_GREY, .rgb = BADGE_BLUE},
    };
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        const struct parameter *parameter = &parameters[i];

        if (request_find_parameter(pool, query, parameter->name, &value) &&
            !parameter->take(pool, value, ret_style) && wrong == NULL) {
            wrong = explain(pool, parameter);
        }
    }
    return wrong;
}

void style_put_count(struct buf *out, const struct style *style, const struct render_count *count)
{
    if (count->is_estimate && count->count == 0) {
        buf_puts(out, "\u2013");
        return;
    }
    buf_puts(out, count->is_estimate ? "~" : "");
    number_put(out, count->count, &style->number);
}
