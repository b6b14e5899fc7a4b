/* SPDX-License-Identifier: MIT */
#include "ctl_fleet.h"

#include "ctl_perform.h"

#include <string.h>

#define COLUMNS_MAX 16

/** Spaces between columns. */
#define GAP 2

/* A table */

/** Lines of cells that are separated by tabs, the last one without an end. */
struct table {
    struct buf lines;
    size_t widths[COLUMNS_MAX]; /* of all columns but the last one of a line */
};

/** Whether a character of UTF-8 begins with this byte; a terminal takes each for one column. */
static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t width_of(const char *text, size_t length)
{
    size_t width = 0;

    for (size_t i = 0; i < length; i++) {
        width += begins_character(text[i]);
    }
    return width;
}

static void add_line(struct table *table, const char *line, size_t length)
{
    const char *end = line + length;
    const char *cell = line;
    const char *tab;

    for (size_t column = 0;
         column < COLUMNS_MAX && (tab = memchr(cell, '\t', (size_t)(end - cell))) != NULL;
         column++) {
        size_t width = width_of(cell, (size_t)(tab - cell));

        if (width > table->widths[column]) {
            table->widths[column] = width;
        }
        cell = tab + 1;
    }
    buf_append(&table->lines, line, length);
    buf_putc(&table->lines, '\n');
}

/** Appends the table with its columns aligned, and frees it. */
static void finish_table(struct table *table, struct buf *out)
{
    size_t column = 0;
    size_t width = 0;

    for (const char *at = table->lines.bytes; *at != '\0'; at++) {
        if (*at != '\t' && *at != '\n') {
            buf_putc(out, *at);
            width += begins_character(*at);
            continue;
        }
        if (*at == '\n') {
            buf_putc(out, '\n');
            column = 0;
        } else if (column < COLUMNS_MAX) {
            for (; width < table->widths[column] + GAP; width++) {
                buf_putc(out, ' ');
            }
            column++;
        }
        width = 0;
    }
    buf_finish(&table->lines);
}

/* Asking */

/**
 * Adds what an instance answered: a line of names and one of values. The names are shown once, and
 * again where another version of the daemon has others.
 */
static void add_answer(struct table *table, struct buf *names, const struct buf *answer)
{
    const char *end = strchrnul(answer->bytes, '\n');
    size_t length = (size_t)(end - answer->bytes);

    if (names->length != length || memcmp(names->bytes, answer->bytes, length) != 0) {
        buf_clear(names);
        buf_append(names, answer->bytes, length);
        add_line(table, names->bytes, length);
    }
    if (*end == '\n') {
        add_line(table, end + 1, strcspn(end + 1, "\n"));
    }
}

static void add_failure(struct table *table, const struct ctl_socket *socket, enum ctl_exit result,
                        const struct buf *reason)
{
    struct buf line = BUF_EMPTY;

    ctl_put_instance(&line, socket);
    buf_printf(&line, "\t%s: %.*s", result == CTL_UNREACHABLE ? "no answer" : "refused",
               (int)strcspn(reason->bytes, "\n"), reason->bytes);
    add_line(table, line.bytes, line.length);
    buf_finish(&line);
}

static enum ctl_exit show_table(const struct ctl_sockets *sockets,
                                const struct ctl_request *request, struct buf *out)
{
    enum ctl_exit first = CTL_DONE;
    struct table table = {.lines = BUF_EMPTY};
    struct buf names = BUF_EMPTY;

    buf_puts(&names, ""); /* to compare with */
    for (size_t i = 0; i < sockets->count; i++) {
        struct buf answer = BUF_EMPTY;
        struct buf reason = BUF_EMPTY;
        enum ctl_exit result = ctl_perform(&sockets->sockets[i], request, &answer, &reason);

        if (result == CTL_DONE) {
            add_answer(&table, &names, &answer);
        } else {
            add_failure(&table, &sockets->sockets[i], result, &reason);
            first = first == CTL_DONE ? result : first;
        }
        buf_finish(&answer);
        buf_finish(&reason);
    }
    finish_table(&table, out);
    buf_finish(&names);
    return first;
}

static enum ctl_exit show_json(const struct ctl_sockets *sockets, const struct ctl_request *request,
                               struct buf *out, struct buf *error)
{
    enum ctl_exit first = CTL_DONE;

    for (size_t i = 0; i < sockets->count; i++) {
        enum ctl_exit result = ctl_perform(&sockets->sockets[i], request, out, error);

        if (result != CTL_DONE) {
            buf_putc(error, '\n');
            first = first == CTL_DONE ? result : first;
        }
    }
    return first;
}

enum ctl_exit ctl_fleet_status(const struct ctl_sockets *sockets, uint64_t timeout_ms,
                               bool wants_json, struct buf *out, struct buf *error)
{
    struct ctl_request request = {.method = "GET",
                                  .target = wants_json ? "/status" : "/status?format=line",
                                  .wants_json = wants_json,
                                  .timeout_ms = timeout_ms};

    return wants_json ? show_json(sockets, &request, out, error)
                      : show_table(sockets, &request, out);
}
