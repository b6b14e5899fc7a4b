/* SPDX-License-Identifier: MIT */
#include "ctl_fleet.h"

#include "ctl_perform.h"
#include "base/utf8.h"

#include <string.h>

#define COLUMNS_MAX 16

/** Number of spaces between columns. */
#define GAP 2

/* A table: lines of cells with tabs between them. Each line ends in a newline, also the last. */

static bool ends_line(const char *cell_end)
{
    return *cell_end != '\t';
}

/** Measures the width of each column. Ignores the last cell of each line. */
static void measure(const char *table, size_t *ret_widths)
{
    size_t column = 0;
    size_t length;

    for (const char *cell = table; *cell != '\0'; cell += length + 1) {
        length = strcspn(cell, "\t\n");
        if (ends_line(cell + length)) {
            column = 0;
        } else if (column < COLUMNS_MAX) {
            size_t width = utf8_width(cell, length);

            ret_widths[column] = width > ret_widths[column] ? width : ret_widths[column];
            column++;
        }
    }
}

/** Appends the table with its columns aligned. */
static void put_aligned(struct buf *out, const char *table)
{
    size_t widths[COLUMNS_MAX] = {0};
    size_t column = 0;
    size_t length;

    measure(table, widths);
    for (const char *cell = table; *cell != '\0'; cell += length + 1) {
        length = strcspn(cell, "\t\n");
        buf_append(out, cell, length);
        if (ends_line(cell + length)) {
            buf_putc(out, '\n');
            column = 0;
        } else if (column < COLUMNS_MAX) {
            buf_printf(out, "%*s", (int)(widths[column] + GAP - utf8_width(cell, length)), "");
            column++;
        }
    }
}

/* Asking */

/**
 * Adds the answer of an instance, a line of names and one of values. Adds the names only if they
 * differ from the previous ones, which happens between versions of the daemon.
 */
static void add_answer(struct buf *table, struct buf *names, const struct buf *answer)
{
    size_t length = strcspn(answer->bytes, "\n");
    const char *values = answer->bytes + length + 1;

    if (names->length != length || memcmp(names->bytes, answer->bytes, length) != 0) {
        buf_clear(names);
        buf_append(names, answer->bytes, length);
        buf_printf(table, "%s\n", names->bytes);
    }
    buf_printf(table, "%.*s\n", (int)strcspn(values, "\n"), values);
}

/** Whether the answer is a line of names and one of as many values. */
static bool is_line(const struct buf *answer)
{
    size_t tabs[2] = {0};
    size_t line = 0;

    for (size_t i = 0; i < answer->length; i++) {
        line += answer->bytes[i] == '\n';
        if (line == 2) {
            return i + 1 == answer->length && tabs[0] != 0 && tabs[0] == tabs[1];
        }
        tabs[line] += answer->bytes[i] == '\t';
    }
    return false;
}

static void add_failure(struct buf *table, const struct ctl_socket *socket, enum ctl_exit result,
                        const struct buf *reason)
{
    ctl_socket_put_instance(table, socket);
    buf_printf(table, "\t%s: %s\n", result == CTL_UNREACHABLE ? "no answer" : "refused",
               reason->bytes);
}

static enum ctl_exit show_table(const struct ctl_sockets *sockets,
                                const struct ctl_request *request, struct buf *out)
{
    enum ctl_exit first = CTL_DONE;
    struct buf table = BUF_EMPTY;
    struct buf names = BUF_EMPTY;

    buf_puts(&names, ""); /* makes it a string for the comparison */
    for (size_t i = 0; i < sockets->count; i++) {
        struct buf answer = BUF_EMPTY;
        struct buf reason = BUF_EMPTY;
        enum ctl_exit result = ctl_perform(&sockets->sockets[i], request, &answer, &reason);

        if (result == CTL_DONE && !is_line(&answer)) {
            buf_printf(&reason,
                       "%s: expected a line of names and one of values, got %zu bytes in another "
                       "form; is it another version of visitcountd?",
                       sockets->sockets[i].path, answer.length);
            result = CTL_UNREACHABLE;
        }
        if (result == CTL_DONE) {
            add_answer(&table, &names, &answer);
        } else {
            add_failure(&table, &sockets->sockets[i], result, &reason);
            first = first == CTL_DONE ? result : first;
        }
        buf_finish(&answer);
        buf_finish(&reason);
    }
    put_aligned(out, table.bytes);
    buf_finish(&table);
    buf_finish(&names);
    return first;
}

static enum ctl_exit show_json(const struct ctl_sockets *sockets, const struct ctl_request *request,
                               struct buf *out, struct buf *error)
{
    enum ctl_exit first = CTL_DONE;

    for (size_t i = 0; i < sockets->count; i++) {
        enum ctl_exit result = ctl_perform(&sockets->sockets[i], request, out, error);

        if (out->length != 0 && out->bytes[out->length - 1] != '\n') {
            buf_putc(out, '\n'); /* of another version; each instance has a line of its own */
        }
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
