/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "ctl_import.h"

#include "base/list.h"
#include "base/map.h"
#include "base/units.h"
#include "ctl_commands.h"
#include "ctl_perform.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* longest line; a site, a page with all bytes percent-encoded, and a number are shorter */
#define LINE_MAX_BYTES 8192

/* how many wrong lines are reported */
#define ERRORS_MAX 10

/* some editors write it at the start of a file */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* a page of the list, or a site with the sum of its pages */
struct sum {
    struct map_node node;
    struct list link; /* of a page: in `order` */
    unsigned long long line;
    uint64_t number;
    char name[]; /* "SITE\tPAGE" in the daemon's normal form, or "SITE" */
};

struct import {
    const struct ctl_socket *socket;
    struct ctl_request request;
    bool is_forced;
    struct map pages;
    struct map sites;
    struct list order;
    unsigned long long line;
    unsigned long long wrong;
    struct buf *error;
};

/* --- a line --- */

enum line_kind { LINE_READ, LINE_TOO_LONG, LINE_END };

/* reads a line without its newline; skips the rest of a line that is too long */
static enum line_kind read_line(struct buf *line)
{
    enum line_kind kind = LINE_READ;
    int c = getc_unlocked(stdin);

    buf_clear(line);
    if (c == EOF) {
        return LINE_END;
    }
    for (; c != EOF && c != '\n'; c = getc_unlocked(stdin)) {
        if (line->length < LINE_MAX_BYTES) {
            buf_putc(line, (char)c);
        } else {
            kind = LINE_TOO_LONG;
        }
    }
    if (line->length != 0 && line->bytes[line->length - 1] == '\r') {
        line->bytes[--line->length] = '\0';
    }
    return kind;
}

/* splits "SITE\tPAGE\tNUMBER" in place; false if the form is wrong */
static bool split(char *line, char *ret_fields[3])
{
    for (int i = 0; i < 3; i++) {
        ret_fields[i] = strsep(&line, "\t");
        if (ret_fields[i] == NULL || *ret_fields[i] == '\0') {
            return false;
        }
    }
    return line == NULL;
}

/* --- requests --- */

/* asks the daemon to set a page, or only to check it; appends its answer to `answer` */
static enum ctl_exit ask(struct import *import, char *const fields[3], bool is_check,
                         struct buf *answer, struct buf *error)
{
    struct buf target = BUF_EMPTY;
    enum ctl_exit result;

    ctl_command_put_target(&target, ctl_command_find("set"), fields, 3);
    buf_puts(&target, is_check ? "&check=1" : "");
    buf_puts(&target, import->is_forced ? "&force=1" : "");
    import->request.target = target.bytes;
    result = ctl_perform(import->socket, &import->request, answer, error);
    buf_finish(&target);
    return result;
}

/* --- checking --- */

static struct sum *find_or_add(struct import *import, struct map *map, const char *name)
{
    size_t length = strlen(name);
    struct map_node *node = map_find(map, name, length);
    struct sum *sum;

    if (node != NULL) {
        return container_of(node, struct sum, node);
    }
    sum = alloc_zero(1, sizeof(*sum) + length + 1);
    memcpy(sum->name, name, length);
    sum->line = import->line;
    list_init(&sum->link);
    if (map == &import->pages) {
        list_append(&import->order, &sum->link);
    }
    map_insert(map, &sum->node, sum->name, length);
    return sum;
}

/* returns false if the sum would exceed the largest total */
static bool add(struct sum *sum, uint64_t number)
{
    if (number > STORE_NUMBER_MAX - sum->number) {
        return false;
    }
    sum->number += number;
    return true;
}

/* adds a checked line; `name` is "SITE\tPAGE\n" */
static enum ctl_exit add_line(struct import *import, char *name, uint64_t number, struct buf *why)
{
    struct sum *page;
    struct sum *site;
    char *tab;

    name[strcspn(name, "\n")] = '\0';
    page = find_or_add(import, &import->pages, name);
    tab = strchr(name, '\t');
    if (tab == NULL) {
        buf_puts(why, "the daemon's answer is not understood; it may be of another version");
        return CTL_REFUSED;
    }
    *tab = '\0';
    site = find_or_add(import, &import->sites, name);
    if (!add(page, number) || !add(site, number)) {
        buf_printf(why, "the numbers of site %s add up to more than %llu", name,
                   (unsigned long long)STORE_NUMBER_MAX);
        return CTL_REFUSED;
    }
    return CTL_DONE;
}

static enum ctl_exit check_line(struct import *import, struct buf *line, struct buf *why)
{
    struct buf answer = BUF_EMPTY;
    uint64_t number = 0;
    char *fields[3];
    enum ctl_exit result;

    if (memchr(line->bytes, '\0', line->length) != NULL) {
        buf_puts(why, "it contains a NUL byte; the list is text in UTF-8");
        return CTL_REFUSED;
    }
    if (!split(line->bytes, fields)) {
        buf_puts(why, "expected site, page and number, separated by tabs");
        return CTL_REFUSED;
    }
    buf_puts(&answer, "");
    result = ask(import, fields, true, &answer, why);
    if (result == CTL_DONE && units_parse_u64(fields[2], &number) != 0) {
        buf_puts(why, "expected a number");
        result = CTL_REFUSED;
    }
    if (result == CTL_DONE) {
        result = add_line(import, answer.bytes, number, why);
    }
    buf_finish(&answer);
    return result;
}

/* reports several wrong lines, so that they can be corrected together */
static void note_wrong(struct import *import, const char *why)
{
    if (import->wrong++ < ERRORS_MAX) {
        buf_printf(import->error, "import: line %llu: %s\n", import->line, why);
    }
}

static enum ctl_exit check_one(struct import *import, struct buf *line, enum line_kind kind)
{
    struct buf why = BUF_EMPTY;
    enum ctl_exit result = CTL_REFUSED;
    size_t mark = sizeof(BYTE_ORDER_MARK) - 1;

    if (import->line == 1 && line->length >= mark &&
        memcmp(line->bytes, BYTE_ORDER_MARK, mark) == 0) {
        memmove(line->bytes, line->bytes + mark, line->length - mark + 1);
        line->length -= mark;
    }
    if (kind == LINE_TOO_LONG) {
        buf_printf(&why, "it is longer than %d bytes", LINE_MAX_BYTES);
    } else {
        result = line->length != 0 ? check_line(import, line, &why) : CTL_DONE;
    }
    if (result != CTL_DONE) {
        note_wrong(import, why.bytes);
    }
    buf_finish(&why);
    return result;
}

/* checks all lines, unless the daemon stops answering; CTL_DONE if all are right */
static enum ctl_exit check_all(struct import *import)
{
    enum ctl_exit result = CTL_DONE;
    struct buf line = BUF_EMPTY;
    enum line_kind kind;

    buf_puts(&line, "");
    while ((kind = read_line(&line)) != LINE_END) {
        enum ctl_exit checked;

        import->line++;
        checked = check_one(import, &line, kind);
        result = checked != CTL_DONE ? checked : result;
        if (checked != CTL_DONE && checked != CTL_REFUSED) {
            break;
        }
    }
    buf_finish(&line);
    if (ferror(stdin)) {
        buf_printf(import->error, "import: cannot read standard input: %s\n", strerror(errno));
        return CTL_OUTPUT;
    }
    if (import->wrong > ERRORS_MAX) {
        buf_printf(import->error, "import: and %llu more lines are wrong\n",
                   import->wrong - ERRORS_MAX);
    }
    return result;
}

/* --- setting --- */

static enum ctl_exit set_page(struct import *import, const struct sum *page, struct buf *why)
{
    char digits[U64_DIGITS_MAX + 1];
    struct buf answer = BUF_EMPTY;
    char *name = strdup(page->name);
    char *tab = name != NULL ? strchr(name, '\t') : NULL;
    enum ctl_exit result;

    if (tab == NULL) {
        abort();
    }
    *tab = '\0';
    digits[buf_format_u64(page->number, digits)] = '\0';
    result = ask(import, (char *[]){name, tab + 1, digits}, false, &answer, why);
    free(name);
    buf_finish(&answer);
    return result;
}

static enum ctl_exit set_all(struct import *import, unsigned long long *ret_count)
{
    unsigned long long count = 0;

    list_for_each(link, &import->order) {
        const struct sum *page = container_of(link, struct sum, link);
        struct buf why = BUF_EMPTY;
        enum ctl_exit result = set_page(import, page, &why);

        if (result != CTL_DONE) {
            buf_printf(import->error,
                       "import: line %llu: %s; the %llu pages before it are set, and the list may "
                       "be imported again",
                       page->line, why.bytes, count);
            buf_finish(&why);
            return result;
        }
        count++;
        buf_finish(&why);
    }
    *ret_count = count;
    return CTL_DONE;
}

static void forget(struct map *map)
{
    map_for_each(node, map) {
        map_remove(map, node);
        free(container_of(node, struct sum, node));
    }
    map_finish(map);
}

enum ctl_exit ctl_import(const struct ctl_socket *socket, const struct ctl_request *request,
                         bool is_forced, struct buf *error)
{
    struct import import = {
        .socket = socket, .request = *request, .is_forced = is_forced, .error = error};
    unsigned long long count = 0;
    enum ctl_exit result;

    import.request.method = "POST";
    import.request.wants_json = false;
    map_init(&import.pages);
    map_init(&import.sites);
    list_init(&import.order);
    result = check_all(&import);
    if (result != CTL_DONE) {
        buf_puts(error, "import: nothing was changed");
    } else {
        result = set_all(&import, &count);
    }
    forget(&import.sites);
    forget(&import.pages);
    if (result == CTL_DONE) {
        printf(request->wants_json ? "{\"imported\":%llu}\n" : "imported     %llu\n", count);
        if (fflush(stdout) != 0) {
            buf_printf(error, "cannot write the answer: %s", strerror(errno));
            result = CTL_OUTPUT;
        }
    }
    return result;
}
