/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "config/option.h"
#include "config/site_option.h"

#include <errno.h>
#include <string.h>

#define COLUMNS 96

/** Appends `text` in lines of at most COLUMNS that begin with `prefix`. */
static void put_wrapped(const char *prefix, const char *text, struct buf *out)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column != 0 && column + 1 + word > COLUMNS) {
            buf_putc(out, '\n');
            column = 0;
        }
        if (column == 0) {
            buf_puts(out, prefix);
            column = strlen(prefix);
        } else {
            buf_putc(out, ' ');
            column++;
        }
        buf_append(out, text, word);
        column += word;
        text += word + (text[word] == ' ');
    }
    buf_putc(out, '\n');
}

static const char *describe_change(const struct option_row *row)
{
    return (row->flags & RELOAD) != 0 ? "reload" : "restart";
}

/** Appends "VISITCOUNTD_REDIS_PASSWORD, VISITCOUNTD_REDIS_PASSWORD_FILE" between marks. */
static void put_environment(const struct option_row *row, const char *before, const char *between,
                            const char *after, struct buf *out)
{
    char name[OPTION_NAME_MAX];

    buf_printf(out, "%s%s", before, option_environment_name(row, false, name));
    if ((row->flags & SECRET) != 0) {
        buf_printf(out, "%s%s", between, option_environment_name(row, true, name));
    }
    buf_puts(out, after);
}

void config_print_help(struct buf *out)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        char name[OPTION_NAME_MAX];

        buf_printf(out, "  %-24s %s, default ", row->path,
                   option_environment_name(row, false, name));
        option_print_default(row, out);
        buf_putc(out, '\n');
        put_wrapped("      ", row->text, out);
    }
}

/* etc/visitcountd.conf */

static const char conf_head[] =
    "# visitcountd.conf(5): the options of visitcountd(8), each with its default. Take the \"#\"\n"
    "# off the line of an option to change it; visitcountd --check-config says what is wrong.\n"
    "#\n"
    "# Durations and sizes are strings with a unit, such as \"250ms\" or \"64KiB\". A list is\n"
    "# [\"a\", \"b\"] or \"a,b\". "
    "@include \"FILE\" at the start of a line includes a file; a relative\n"
    "# path starts from the directory of this one. Stronger than what is said here are, in this\n"
    "# order, --set PATH=VALUE, the environment, and the credentials of systemd.\n"
    "#\n"
    "# Generated from src/config/options.def.\n";

/** Appends the end of the previous row's group and the start of this row's group. */
static void put_group(const struct option_row *before, const struct option_row *row,
                      struct buf *out)
{
    size_t last = before != NULL ? option_group_length(before) : 0;
    size_t group = option_group_length(row);

    if (last == group && (group == 0 || strncmp(before->path, row->path, group) == 0)) {
        buf_putc(out, '\n');
        return;
    }
    buf_puts(out, last != 0 ? "};\n\n" : "\n");
    if (group != 0) {
        buf_printf(out, "%.*s: {\n", (int)group - 1, row->path);
    }
}

static const char conf_sites_example[] =
    "# An example:\n"
    "#   sites = (\n"
    "#       \"default\",\n"
    "#       { name = \"blog\"; aliases = [\"www.blog\"]; origins = [\"https://blog.example\"];\n"
    "#         count = \"unique\"; timezone = \"Europe/Berlin\"; pages = 5000; rate = \"30/1m\"; }\n"
    "#   );\n";

static void put_conf_sites(struct buf *out)
{
    buf_puts(out, "# What a site's group takes:\n");
    for (size_t i = 0; i < SITE_OPTION_COUNT; i++) {
        const struct option_row *row = &site_option_rows[i];
        struct buf text = BUF_EMPTY;

        buf_printf(&text, "%s: %s", row->path, row->text);
        put_wrapped("#   ", text.bytes, out);
        buf_finish(&text);
    }
    buf_puts(out, conf_sites_example);
}

static void put_conf(struct buf *out)
{
    const struct option_row *before = NULL;

    buf_puts(out, conf_head);
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        size_t group = option_group_length(row);
        const char *indent = group != 0 ? "    " : "";
        const char *prefix = group != 0 ? "    # " : "# ";

        put_group(before, row, out);
        put_wrapped(prefix, row->text, out);
        put_environment(row, prefix, " or ", "", out);
        buf_printf(out, "; a change needs a %s.\n", describe_change(row));
        if (i == CONFIG_sites) {
            put_conf_sites(out);
        }
        buf_printf(out, "%s#%s = ", indent, row->path + group);
        option_print_default(row, out);
        buf_puts(out, ";\n");
        before = row;
    }
    buf_puts(out, option_group_length(before) != 0 ? "};\n" : "");
}

/* the tables of docs/configure.md */

static void put_markdown_text(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (strchr("|*<>`", *text) != NULL) {
            buf_putc(out, '\\');
        }
        buf_putc(out, *text);
    }
}

static void put_markdown(struct buf *out)
{
    buf_puts(out, "| Option | Environment | Default | A change needs | Meaning |\n"
                  "| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];

        buf_printf(out, "| `%s` | ", row->path);
        put_environment(row, "`", "`, `", "` | `", out);
        option_print_default(row, out);
        buf_printf(out, "` | %s | ", describe_change(row));
        put_markdown_text(row->text, out);
        buf_puts(out, " |\n");
    }
    buf_puts(out, "\nA site's group in `sites` takes:\n\n"
                  "| In a site's group | Meaning |\n"
                  "| --- | --- |\n");
    for (size_t i = 0; i < SITE_OPTION_COUNT; i++) {
        buf_printf(out, "| `%s` | ", site_option_rows[i].path);
        put_markdown_text(site_option_rows[i].text, out);
        buf_puts(out, " |\n");
    }
}

/* the lists of visitcountd.conf(5), in mdoc(7) */

static void put_mdoc_text(const char *text, struct buf *out)
{
    if (*text == '.' || *text == '\'') {
        buf_puts(out, "\\&");
    }
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            buf_puts(out, "\\e");
        } else if (*text == '"') {
            buf_puts(out, "\\(dq"); /* macros drop the quotes of their arguments */
        } else {
            buf_putc(out, *text);
        }
    }
}

/** Appends the heading and the text of a row. */
static void put_man_item(const struct option_row *row, struct buf *out)
{
    struct buf text = BUF_EMPTY;

    buf_printf(out, ".It Va %s\n", row->path);
    put_wrapped("", row->text, &text);
    for (char *line = strtok(text.bytes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        put_mdoc_text(line, out);
        buf_putc(out, '\n');
    }
    buf_finish(&text);
}

static void put_man_sites(struct buf *out)
{
    buf_puts(out, "A site's group in it takes:\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < SITE_OPTION_COUNT; i++) {
        put_man_item(&site_option_rows[i], out);
    }
    buf_puts(out, ".El\n.Pp\n");
}

static void put_man(struct buf *out)
{
    buf_puts(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        struct buf text = BUF_EMPTY;

        put_man_item(row, out);
        if (i == CONFIG_sites) {
            put_man_sites(out);
        }
        option_print_default(row, &text);
        buf_puts(out, "Default:\n.Li ");
        put_mdoc_text(text.bytes, out);
        put_environment(row, " .\nEnvironment:\n.Ev ", " ,\n.Ev ", " .\n", out);
        buf_printf(out, "A change needs a %s.\n", describe_change(row));
        buf_finish(&text);
    }
    buf_puts(out, ".El\n");
}

int config_print_reference(const char *form, struct buf *out)
{
    static const struct {
        const char *form;
        void (*put)(struct buf *out);
    } forms[] = {{"conf", put_conf}, {"markdown", put_markdown}, {"man", put_man}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(forms[i].form, form) == 0) {
            forms[i].put(out);
            return 0;
        }
    }
    return -EINVAL;
}
