/* SPDX-License-Identifier: MIT */
#include "ctl_pages.h"

#include "ctl_commands.h"
#include "ctl_perform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum ctl_exit write_out(const char *bytes, size_t length, struct buf *error)
{
    if (length != 0 && fwrite(bytes, length, 1, stdout) != 1) {
        buf_printf(error, "cannot write the answer: %s", strerror(errno));
        return CTL_OUTPUT;
    }
    return CTL_DONE;
}

static enum ctl_exit flush(struct buf *error)
{
    if (fflush(stdout) != 0) {
        buf_printf(error, "cannot write the answer: %s", strerror(errno));
        return CTL_OUTPUT;
    }
    return CTL_DONE;
}

/* --- export --- */

static void put_parameter(struct buf *target, const char *name, const char *value)
{
    buf_printf(target, "%s%s=", strchr(target->bytes, '?') == NULL ? "?" : "&", name);
    for (; *value != '\0'; value++) {
        buf_printf(target, "%%%02X", (unsigned char)*value);
    }
}

/* asks for what is behind `after`, which becomes what is behind the answer; "" at the end */
static enum ctl_exit export_piece(const struct ctl_socket *socket, struct ctl_request *request,
                                  const char *site, struct buf *after, struct buf *error)
{
    static const char head[] = "next\t";
    struct buf target = BUF_EMPTY;
    struct buf piece = BUF_EMPTY;
    enum ctl_exit result;
    size_t length;

    buf_puts(&piece, ""); /* whatever is answered */
    buf_puts(&target, "/export");
    put_parameter(&target, "site", site);
    put_parameter(&target, "after", after->bytes);
    request->target = target.bytes;
    result = ctl_perform(socket, request, &piece, error);
    if (result == CTL_DONE && strncmp(piece.bytes, head, sizeof(head) - 1) != 0) {
        buf_puts(error, "the daemon's answer is not understood; it may be of another version");
        result = CTL_REFUSED;
    }
    if (result == CTL_DONE) {
        length = strcspn(piece.bytes, "\n");
        buf_clear(after);
        buf_append(after, piece.bytes + sizeof(head) - 1, length - (sizeof(head) - 1));
        result = write_out(piece.bytes + length + 1, piece.length - length - 1, error);
    }
    buf_finish(&target);
    buf_finish(&piece);
    return result;
}

static enum ctl_exit export_site(const struct ctl_socket *socket, struct ctl_request *request,
                                 const char *site, struct buf *error)
{
    struct buf after = BUF_EMPTY;
    enum ctl_exit result;

    buf_puts(&after, "");
    do {
        result = export_piece(socket, request, site, &after, error);
    } while (result == CTL_DONE && after.length != 0);
    buf_finish(&after);
    return result;
}

/* `names` are lines, and are taken apart */
static enum ctl_exit export_each(const struct ctl_socket *socket, struct ctl_request *request,
                                 char *names, struct buf *error)
{
    enum ctl_exit result = CTL_DONE;
    char *rest;

    for (char *name = strtok_r(names, "\n", &rest); result == CTL_DONE && name != NULL;
         name = strtok_r(NULL, "\n", &rest)) {
        result = export_site(socket, request, name, error);
    }
    return result;
}

static enum ctl_exit export_sites(const struct ctl_socket *socket, struct ctl_request *request,
                                  struct buf *error)
{
    struct ctl_request question = *request;
    struct buf names = BUF_EMPTY;
    enum ctl_exit result;

    question.target = "/export";
    question.wants_json = false;
    buf_puts(&names, ""); /* there may be none */
    result = ctl_perform(socket, &question, &names, error);
    if (result == CTL_DONE) {
        result = export_each(socket, request, names.bytes, error);
    }
    buf_finish(&names);
    return result;
}

enum ctl_exit ctl_export(const struct ctl_socket *socket, uint64_t timeout_ms, bool wants_json,
                         const char *site, struct buf *error)
{
    struct ctl_request request = {
        .method = "GET", .wants_json = wants_json, .timeout_ms = timeout_ms};
    enum ctl_exit result = site != NULL ? export_site(socket, &request, site, error)
                                        : export_sites(socket, &request, error);

    return result == CTL_DONE ? flush(error) : result;
}

/* --- import --- */

/* splits "SITE\tPAGE\tNUMBER" in place; false when it is something else */
static bool split(char *line, char *ret_fields[3])
{
    line[strcspn(line, "\r\n")] = '\0';
    for (int i = 0; i < 3; i++) {
        ret_fields[i] = strsep(&line, "\t");
        if (ret_fields[i] == NULL || *ret_fields[i] == '\0') {
            return false;
        }
    }
    return line == NULL;
}

static enum ctl_exit import_line(const struct ctl_socket *socket, struct ctl_request *request,
                                 char *line, struct buf *error)
{
    struct buf target = BUF_EMPTY;
    struct buf answer = BUF_EMPTY;
    char *fields[3];
    enum ctl_exit result;

    if (!split(line, fields)) {
        buf_puts(error, "expected site, page and number, separated by tabs");
        return CTL_REFUSED;
    }
    ctl_put_target(&target, ctl_command_find("set"), fields, 3);
    request->target = target.bytes;
    result = ctl_perform(socket, request, &answer, error);
    buf_finish(&target);
    buf_finish(&answer);
    return result;
}

enum ctl_exit ctl_import(const struct ctl_socket *socket, uint64_t timeout_ms, bool wants_json,
                         struct buf *error)
{
    struct ctl_request request = {.method = "POST", .timeout_ms = timeout_ms};
    struct buf why = BUF_EMPTY;
    char *line = NULL;
    size_t size = 0;
    unsigned long long number = 0;
    unsigned long long imported = 0;
    enum ctl_exit result = CTL_DONE;

    while (result == CTL_DONE && getline(&line, &size, stdin) >= 0) {
        number++;
        if (line[strspn(line, "\r\n")] != '\0') {
            result = import_line(socket, &request, line, &why);
            imported += result == CTL_DONE ? 1 : 0;
        }
    }
    free(line);
    if (result != CTL_DONE) {
        buf_printf(error, "line %llu: %s; the %llu pages before it are set", number, why.bytes,
                   imported);
    } else {
        printf(wants_json ? "{\"imported\":%llu}\n" : "imported     %llu\n", imported);
        result = flush(error);
    }
    buf_finish(&why);
    return result;
}
