/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "config/option.h"

#include <string.h>

void config_print_text(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];

        buf_printf(out, "%s = ", row->path);
        option_print_file(row, option_field_const(row, config), out);
        buf_printf(out, "   # %s\n", config->sources[i]);
    }
}

static void put_member(const char *name, const char *value, struct buf *out)
{
    buf_printf(out, "\"%s\":", name);
    buf_put_json(out, value, strlen(value));
    buf_putc(out, ',');
}

void config_print_json(const struct config *config, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        struct buf value = BUF_EMPTY;

        option_print(row, option_field_const(row, config), &value);
        buf_puts(&value, "");
        buf_puts(out, i != 0 ? ",{" : "{");
        put_member("path", row->path, out);
        put_member("value", value.bytes, out);
        put_member("source", config->sources[i], out);
        put_member("default", row->fallback, out);
        buf_printf(out, "\"reload\":%s}", (row->flags & RELOAD) != 0 ? "true" : "false");
        buf_finish(&value);
    }
    buf_putc(out, ']');
}
