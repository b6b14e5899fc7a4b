/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "ctl_pages.h"

#include "base/list.h"
#include "base/map.h"
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

/* the state of an export */
struct export
{
    const struct ctl_socket *socket;
    struct ctl_request request;
    bool is_forced;
    struct map told; /* written pages of the site; struct told */
    struct buf *error;
};

struct told {
    struct map_node node;
    char line[]; /* the line up to the number */
};

/* whether a line is the first of its page; a growing store may return a page twice */
static bool is_first(struct export *export, const char *line, size_t length)
{
    char end = export->request.wants_json ? ',' : '\t';
    const char *number = memrchr(line, end, length);
    size_t name_length = number != NULL ? (size_t)(number - line) : length;
    struct told *told;

    if (map_find(&export->told, line, name_length) != NULL) {
        return false;
    }
    told = alloc_bytes(sizeof(*told) + name_length);
    memcpy(told->line, line, name_length);
    map_insert(&export->told, &told->node, told->line, name_length);
    return true;
}

static void forget_told(struct export *export)
{
    map_for_each(node, &export->told) {
        map_remove(&export->told, node);
        free(container_of(node, struct told, node));
    }
    map_finish(&export->told);
}

static enum ctl_exit write_lines(struct export *export, const char *lines)
{
    enum ctl_exit result = CTL_DONE;

    while (*lines != '\0' && result == CTL_DONE) {
        size_t length = strcspn(lines, "\n");

        length += lines[length] == '\n';
        if (is_first(export, lines, length)) {
            result = write_out(lines, length, export->error);
        }
        lines += length;
    }
    return result;
}

/* exports the pages after the cursor `after`, and moves the cursor; "" at the end */
static enum ctl_exit export_piece(struct export *export, const char *site, struct buf *after)
{
    static const char head[] = "next\t";
    struct buf target = BUF_EMPTY;
    struct buf piece = BUF_EMPTY;
    enum ctl_exit result;
    size_t length;

    buf_puts(&piece, ""); /* a string, also without an answer */
    buf_puts(&target, "/export");
    put_parameter(&target, "site", site);
    put_parameter(&target, "after", after->bytes);
    put_parameter(&target, "force", export->is_forced ? "1" : "0");
    export->request.target = target.bytes;
    result = ctl_perform(export->socket, &export->request, &piece, export->error);
    if (result == CTL_REFUSED) { /* JSON output has the reason as well */
        write_out(piece.bytes, piece.length, export->error);
    }
    if (result == CTL_DONE && strncmp(piece.bytes, head, sizeof(head) - 1) != 0) {
        buf_puts(export->error,
                 "the daemon's answer is not understood; it may be of another version");
        result = CTL_REFUSED;
    }
    if (result == CTL_DONE) {
        length = strcspn(piece.bytes, "\n");
        buf_clear(after);
        buf_append(after, piece.bytes + sizeof(head) - 1, length - (sizeof(head) - 1));
        result = write_lines(export, piece.bytes + length + (piece.bytes[length] == '\n'));
    }
    buf_finish(&target);
    buf_finish(&piece);
    return result;
}

static enum ctl_exit export_site(struct export *export, const char *site)
{
    struct buf after = BUF_EMPTY;
    enum ctl_exit result;

    buf_puts(&after, "");
    do {
        result = export_piece(export, site, &after);
    } while (result == CTL_DONE && after.length != 0);
    buf_finish(&after);
    forget_told(export);
    return result;
}

/* exports each site of `names`, one per line; modifies `names` */
static enum ctl_exit export_each(struct export *export, char *names)
{
    enum ctl_exit result = CTL_DONE;
    char *rest;

    for (char *name = strtok_r(names, "\n", &rest); result == CTL_DONE && name != NULL;
         name = strtok_r(NULL, "\n", &rest)) {
        result = export_site(export, name);
    }
    return result;
}

/* exports all sites of the store, also those that are no longer counted */
static enum ctl_exit export_sites(struct export *export)
{
    struct ctl_request question = export->request;
    struct buf names = BUF_EMPTY;
    enum ctl_exit result;

    export->is_forced = true;
    question.target = "/export";
    question.wants_json = false;
    buf_puts(&names, ""); /* a string, also without sites */
    result = ctl_perform(export->socket, &question, &names, export->error);
    if (result == CTL_DONE) {
        result = export_each(export, names.bytes);
    }
    buf_finish(&names);
    return result;
}

enum ctl_exit ctl_pages_export(const struct ctl_socket *socket, const struct ctl_request *request,
                               bool is_forced, const char *site, struct buf *error)
{
    struct export export = {
        .socket = socket, .request = *request, .is_forced = is_forced, .error = error};
    enum ctl_exit result;

    map_init(&export.told);
    result = site != NULL ? export_site(&export, site) : export_sites(&export);
    map_finish(&export.told);
    return result == CTL_DONE ? flush(error) : result;
}
