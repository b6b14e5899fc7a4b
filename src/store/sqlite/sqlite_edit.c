/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "store/sqlite/sqlite_file.h"

#include "store/sqlite/sqlite_file_inside.h"

#include "base/clock.h"
#include "store/salt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- totals --- */

/* adds to a page's total; creates the page if missing; -ERANGE: too large, nothing was changed */
static int add_to_total(struct sqlite_file *file, const char *site, const char *name, size_t length,
                        int64_t number, struct sqlite_page *ret_page)
{
    int64_t total;

    if (sqlite_file_find_page(file, site, name, length, ret_page) != 0) {
        return -EIO;
    }
    if (__builtin_add_overflow(ret_page->total, number, &total)) {
        return -ERANGE;
    }
    return sqlite_file_set_total(file, site, name, length, total, ret_page);
}

static int delete_page(struct sqlite_file *file, const struct sqlite_page *page)
{
    require(page->id != 0);
    sqlite3_bind_int64(file->statements[DELETE_PAGE], 1, page->id);
    return sqlite_file_run(file, DELETE_PAGE, "edit");
}

/* --- days, hours, visitors --- */

/* a move of numbers by time from one page to another */
struct move {
    int64_t from_id;
    int64_t to_id;
    int sign;
};

/* runs a statement with a time and one or two pages; returns 1 and its number, 0 or -EIO */
static int run_at(struct sqlite_file *file, enum statement which, uint64_t time,
                  const struct move *move, int64_t *ret_number)
{
    sqlite3_stmt *statement = file->statements[which];

    sqlite_file_bind_u64(statement, 1, time);
    sqlite3_bind_int64(statement, 2, move->from_id);
    if (sqlite3_bind_parameter_count(statement) == 3) {
        sqlite3_bind_int64(statement, 3, move->to_id);
    }
    return sqlite_file_read_number(file, which, "edit", ret_number);
}

static int move_number(struct sqlite_file *file, enum statement take, enum statement add,
                       uint64_t time, const struct move *move)
{
    int64_t number;
    int found = run_at(file, take, time, move, &number);

    return found == 1 ? sqlite_file_add_at(file, add, time, move->to_id, move->sign * number)
                      : found;
}

/* deletes a page's visitors of a day; the site keeps them */
static int drop_visitors(struct sqlite_file *file, uint64_t day, const struct move *move)
{
    int64_t number;

    return run_at(file, DELETE_VISITORS, day, move, &number) < 0 ||
                   run_at(file, TAKE_UNIQUES, day, move, &number) < 0
               ? -EIO
               : 0;
}

/* moves a page's visitors of a day to another page; common visitors count once */
static int move_visitors(struct sqlite_file *file, uint64_t day, const struct move *move)
{
    int64_t common = 0;
    int64_t number = 0;

    if (run_at(file, COUNT_COMMON, day, move, &common) < 0 ||
        run_at(file, MOVE_VISITORS, day, move, &number) < 0 ||
        run_at(file, DELETE_VISITORS, day, move, &number) < 0 ||
        run_at(file, TAKE_UNIQUES, day, move, &number) < 0) {
        return -EIO;
    }
    return number != common
               ? sqlite_file_add_at(file, ADD_TO_UNIQUES, day, move->to_id, number - common)
               : 0;
}

/* finds the next day or hour after `*time` with numbers; returns 1, 0 if there is none, or -EIO */
static int find_after(struct sqlite_file *file, enum statement which, int64_t *time)
{
    sqlite3_bind_int64(file->statements[which], 1, *time);
    return sqlite_file_read_number(file, which, "edit", time);
}

static int move_days(struct sqlite_file *file, const struct move *move)
{
    int64_t day = -1;
    int found;

    while ((found = find_after(file, DAY_AFTER, &day)) == 1) {
        if (move_number(file, TAKE_DAY, ADD_TO_DAY, (uint64_t)day, move) != 0 ||
            (move->sign > 0 ? move_visitors(file, (uint64_t)day, move)
                            : drop_visitors(file, (uint64_t)day, move)) != 0) {
            return -EIO;
        }
    }
    return found;
}

static int move_hours(struct sqlite_file *file, const struct move *move)
{
    int64_t hour = -1;
    int found;

    while ((found = find_after(file, HOUR_AFTER, &hour)) == 1) {
        if (move_number(file, TAKE_HOUR, ADD_TO_HOUR, (uint64_t)hour, move) != 0) {
            return -EIO;
        }
    }
    return found;
}

static int move_series(struct sqlite_file *file, const struct move *move)
{
    return move_days(file, move) != 0 || move_hours(file, move) != 0 ? -EIO : 0;
}

/* --- edit --- */

/* returns 0 if the site's own total may grow by `more`, else -ERANGE or another error */
static int check_site(struct sqlite_file *file, const char *site, uint64_t more)
{
    struct sqlite_page whole;
    int error = sqlite_file_find_page(file, site, "", 0, &whole);

    if (error == 0 && whole.id != 0 && (uint64_t)whole.total + more > STORE_NUMBER_MAX) {
        return -ERANGE;
    }
    return error;
}

static int set(struct sqlite_file *file, const struct store_edit *edit, struct sqlite_page *page,
               uint64_t *ret_after)
{
    uint64_t present = (uint64_t)page->total;
    uint64_t total = edit->kind == STORE_ADD ? present + edit->number : edit->number;
    struct sqlite_page site;
    int error = 0;

    if (total > STORE_NUMBER_MAX) {
        return -ERANGE;
    }
    if (total > present) { /* a site that is past it already may become smaller */
        error = check_site(file, edit->site, total - present);
    }
    if (error != 0) {
        return error;
    }
    *ret_after = total;
    error = add_to_total(file, edit->site, "", 0, (int64_t)(total - present), &site);
    return error == 0 ? sqlite_file_set_total(file, edit->site, edit->page, edit->page_length,
                                              (int64_t)total, page)
                      : error;
}

static int delete (struct sqlite_file *file, const struct store_edit *edit,
                   const struct sqlite_page *page)
{
    struct move move = {.from_id = page->id, .sign = -1};
    struct sqlite_page site;
    int error;

    if (page->id == 0) {
        return 0;
    }
    error = add_to_total(file, edit->site, "", 0, -page->total, &site);
    if (error != 0) {
        return error;
    }
    move.to_id = site.id;
    return move_series(file, &move) == 0 ? delete_page(file, page) : -EIO;
}

static int rename_page(struct sqlite_file *file, const struct store_edit *edit,
                       const struct sqlite_page *page, uint64_t *ret_after)
{
    struct move move = {.from_id = page->id, .sign = 1};
    struct sqlite_page to;
    int error;

    error = sqlite_file_find_page(file, edit->site, edit->to, edit->to_length, &to);
    if (error != 0 || page->id == 0) {
        *ret_after = to.id != 0 ? (uint64_t)to.total : STORE_NONE;
        return error;
    }
    if ((uint64_t)page->total + (uint64_t)to.total > STORE_NUMBER_MAX) {
        return -ERANGE;
    }
    error = add_to_total(file, edit->site, edit->to, edit->to_length, page->total, &to);
    if (error != 0) {
        return error;
    }
    move.to_id = to.id;
    *ret_after = (uint64_t)to.total;
    return move_series(file, &move) == 0 ? delete_page(file, page) : -EIO;
}

int sqlite_file_edit(struct sqlite_file *file, const struct store_edit *edit, uint64_t *ret_before,
                     uint64_t *ret_after)
{
    struct sqlite_page page;

    require(file->writes && edit->page_length != 0);
    if (sqlite_file_find_page(file, edit->site, edit->page, edit->page_length, &page) != 0) {
        return -EIO;
    }
    *ret_before = page.id != 0 ? (uint64_t)page.total : STORE_NONE;
    *ret_after = STORE_NONE;
    switch (edit->kind) {
    case STORE_SET:
    case STORE_ADD:
        return set(file, edit, &page, ret_after);
    case STORE_DELETE:
        return delete (file, edit, &page);
    case STORE_RENAME:
        return rename_page(file, edit, &page, ret_after);
    }
    return -EINVAL;
}

/* --- sites and salts --- */

int sqlite_file_admit(struct sqlite_file *file, const char *site, uint64_t limit)
{
    int64_t others = 0;
    int64_t one;
    int found;

    require(file->writes);
    sqlite_file_bind_name(file->statements[FIND_SITE], 1, site, strlen(site));
    found = sqlite_file_read_number(file, FIND_SITE, "admit", &one);
    if (found != 0) {
        return found;
    }
    sqlite_file_bind_name(file->statements[COUNT_SITES], 1, site, strlen(site));
    if (sqlite_file_read_number(file, COUNT_SITES, "admit", &others) < 0) {
        return -EIO;
    }
    if (limit != 0 && (uint64_t)others >= limit) {
        return 0;
    }
    sqlite_file_bind_name(file->statements[ADD_SITE], 1, site, strlen(site));
    return sqlite_file_run(file, ADD_SITE, "admit") == 0 ? 2 : -EIO;
}

int sqlite_file_salt(struct sqlite_file *file, uint64_t day, char salt[STORE_SALT_LENGTH + 1])
{
    sqlite3_stmt *add = file->statements[ADD_SALT];
    sqlite3_stmt *read = file->statements[READ_SALT];
    int rc;

    require(file->writes);
    require(strlen(salt) == STORE_SALT_LENGTH);
    sqlite_file_bind_u64(add, 1, day);
    sqlite_file_bind_name(add, 2, salt, STORE_SALT_LENGTH);
    sqlite_file_bind_u64(add, 3, clock_wall_ms() / 1000 + salt_ttl_s(day));
    if (sqlite_file_run(file, ADD_SALT, "salt") != 0) {
        return -EIO;
    }
    sqlite_file_bind_u64(read, 1, day);
    rc = sqlite3_step(read);
    if (rc == SQLITE_ROW) {
        snprintf(salt, STORE_SALT_LENGTH + 1, "%s", (const char *)sqlite3_column_text(read, 0));
    }
    return sqlite_file_end_step(file, read, rc, "salt");
}
