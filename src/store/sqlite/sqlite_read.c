/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "base/alloc.h"
#include "store/sqlite/sqlite_file.h"

#include "store/sqlite/sqlite_file_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- numbers --- */

int sqlite_file_find_page(struct sqlite_file *file, const char *site, const char *name,
                          size_t length, struct sqlite_page *ret_page)
{
    sqlite3_stmt *statement = file->statements[FIND_PAGE];
    int rc;

    require(file->db != NULL && length <= STORE_PAGE_MAX);
    sqlite_file_bind_name(statement, 1, site, strlen(site));
    sqlite_file_bind_name(statement, 2, name, length);
    rc = sqlite3_step(statement);
    *ret_page = (struct sqlite_page){0};
    if (rc == SQLITE_ROW) { /* without a row, reading columns would overwrite the error */
        ret_page->id = sqlite3_column_int64(statement, 0);
        ret_page->total = sqlite3_column_int64(statement, 1);
    }
    return sqlite_file_end_step(file, statement, rc, "find");
}

int sqlite_file_find(struct sqlite_file *file, const char *site, const struct store_entry *entry,
                     struct sqlite_page *ret_page)
{
    return sqlite_file_find_page(file, site, entry->page, entry->page_length, ret_page);
}

int sqlite_file_read_total(struct sqlite_file *file, const char *site,
                           const struct store_entry *page, uint64_t *ret_total)
{
    struct sqlite_page found;

    if (sqlite_file_find(file, site, page, &found) != 0) {
        return -EIO;
    }
    *ret_total = (uint64_t)found.total;
    return 0;
}

static int read_at(struct sqlite_file *file, enum statement which, uint64_t time, int64_t page_id,
                   uint64_t *ret_number)
{
    int64_t number = 0;

    sqlite_file_bind_u64(file->statements[which], 1, time);
    sqlite3_bind_int64(file->statements[which], 2, page_id);
    if (sqlite_file_read_number(file, which, "read", &number) < 0) {
        return -EIO;
    }
    *ret_number = (uint64_t)number;
    return 0;
}

/* reads one number per day or hour from `from` to `to`; zeros if the page does not exist */
static int read_series(struct sqlite_file *file, enum statement which,
                       const struct store_span *span, uint64_t *ret_numbers)
{
    struct sqlite_page page;

    if (sqlite_file_find_page(file, span->site, span->page, span->page_length, &page) != 0) {
        return -EIO;
    }
    memset(ret_numbers, 0, (span->to - span->from + 1) * sizeof(*ret_numbers));
    for (uint64_t step = span->from; step <= span->to && page.id != 0; step++) {
        if (read_at(file, which, step, page.id, &ret_numbers[step - span->from]) != 0) {
            return -EIO;
        }
    }
    return 0;
}

int sqlite_file_read_series(struct sqlite_file *file, const struct store_span *span,
                            uint64_t *ret_numbers)
{
    enum statement by_step = span->step == STORE_BY_DAY ? READ_DAY : READ_HOUR;

    require(span->from <= span->to);
    return read_series(file, span->is_unique ? READ_UNIQUES : by_step, span, ret_numbers);
}

/*
 * Reads the sums over days, also of visitors: the salt changes daily, so visitors of different days
 * cannot be matched.
 */
static int read_sum(struct sqlite_file *file, const struct store_query *query,
                    const struct store_entry *page, uint64_t *ret_sum)
{
    struct store_span span = {.site = query->site,
                              .page = page->page,
                              .page_length = page->page_length,
                              .step = STORE_BY_DAY,
                              .from = query->from_day,
                              .to = query->to_day,
                              .is_unique = query->kind == STORE_UNIQUES};
    uint64_t numbers[STORE_STEPS_MAX];
    uint64_t sum = 0;

    if (sqlite_file_read_series(file, &span, numbers) != 0) {
        return -EIO;
    }
    for (uint64_t i = 0; i <= span.to - span.from; i++) {
        sum += numbers[i];
    }
    *ret_sum = sum;
    return 0;
}

int sqlite_file_read(struct sqlite_file *file, const struct store_query *query,
                     uint64_t *ret_numbers)
{
    require(query->page_count != 0);
    for (size_t i = 0; i < query->page_count; i++) {
        const struct store_entry *page = &query->pages[i];
        int error = query->kind == STORE_TOTALS
                        ? sqlite_file_read_total(file, query->site, page, &ret_numbers[i])
                        : read_sum(file, query, page, &ret_numbers[i]);

        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int sqlite_file_read_version(struct sqlite_file *file, uint64_t *ret_version)
{
    int64_t version = 0;

    require(file->db != NULL);
    if (sqlite_file_read_number(file, READ_VERSION, "read", &version) < 0) {
        return -EIO;
    }
    *ret_version = (uint64_t)version;
    return 0;
}

/* --- lists --- */

void sqlite_list_finish(struct sqlite_list *list)
{
    free(list->pages);
    buf_finish(&list->names);
    *list = (struct sqlite_list){0};
}

/* adds a name and a total; the pointer to the name is set later, because `names` may still move */
static void add_row(struct sqlite_list *list, sqlite3_stmt *statement)
{
    struct store_page *page;
    size_t length = (size_t)sqlite3_column_bytes(statement, 0);

    if ((list->count & (list->count - 1)) == 0) {
        size_t capacity = list->count != 0 ? 2 * list->count : 1;

        list->pages = alloc_grow(list->pages, capacity * sizeof(*list->pages));
    }
    page = &list->pages[list->count++];
    page->page_length = length;
    page->total = (uint64_t)sqlite3_column_int64(statement, 1);
    buf_append(&list->names, sqlite3_column_text(statement, 0), length);
    buf_putc(&list->names, '\0');
}

/* runs a bound statement whose rows are a name and a number */
static int read_list(struct sqlite_file *file, enum statement which, struct sqlite_list *ret_list)
{
    sqlite3_stmt *statement = file->statements[which];
    struct sqlite_list list = {0};
    const char *name;
    int rc;

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        add_row(&list, statement);
    }
    if (sqlite_file_end_step(file, statement, rc, "list") != 0) {
        sqlite_list_finish(&list);
        return -EIO;
    }
    name = list.names.bytes;
    for (size_t i = 0; i < list.count; i++) {
        list.pages[i].page = name;
        name += list.pages[i].page_length + 1;
    }
    *ret_list = list;
    return 0;
}

int sqlite_file_read_top(struct sqlite_file *file, const char *site, size_t count,
                         struct sqlite_list *ret_list)
{
    require(count != 0 && count <= STORE_LIST_MAX);
    sqlite_file_bind_name(file->statements[READ_TOP], 1, site, strlen(site));
    sqlite_file_bind_u64(file->statements[READ_TOP], 2, count);
    return read_list(file, READ_TOP, ret_list);
}

int sqlite_file_scan(struct sqlite_file *file, const char *site, const char *after, size_t count,
                     struct sqlite_list *ret_list)
{
    sqlite3_stmt *statement = file->statements[SCAN_PAGES];

    require(count != 0);
    sqlite_file_bind_name(statement, 1, site, strlen(site));
    sqlite_file_bind_name(statement, 2, after, strlen(after));
    sqlite_file_bind_u64(statement, 3, count);
    if (read_list(file, SCAN_PAGES, ret_list) != 0) {
        return -EIO;
    }
    ret_list->has_more = ret_list->count == count;
    return 0;
}

int sqlite_file_count_sites(struct sqlite_file *file, uint64_t *ret_count)
{
    int64_t count = 0;

    sqlite_file_bind_name(file->statements[COUNT_SITES], 1, "", 0);
    if (sqlite_file_read_number(file, COUNT_SITES, "count sites", &count) < 0) {
        return -EIO;
    }
    *ret_count = (uint64_t)count;
    return 0;
}

int sqlite_file_read_sites(struct sqlite_file *file, struct sqlite_list *ret_list)
{
    require(ret_list->count == 0);
    return read_list(file, READ_SITES, ret_list);
}
