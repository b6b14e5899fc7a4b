/* SPDX-License-Identifier: MIT */
#include "store/sqlite_inside.h"

#include "base/clock.h"
#include "store/salt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- totals --- */

static int read_total(struct sqlite_file *file, const char *site, const char *page,
                      size_t page_length, uint64_t *ret_total)
{
    sqlite3_stmt *statement = file->statements[READ_HITS];
    int64_t total;
    int found;

    sqlite_bind_name(statement, 1, site, strlen(site));
    sqlite_bind_name(statement, 2, page, page_length);
    found = sqlite_take_number(file, READ_HITS, "edit", &total);
    if (found < 0) {
        return found;
    }
    *ret_total = found == 1 ? (uint64_t)total : STORE_NONE;
    return 0;
}

static int set_total(struct sqlite_file *file, const struct store_edit *edit, uint64_t total)
{
    sqlite3_stmt *statement = file->statements[SET_HITS];

    sqlite_bind_name(statement, 1, edit->site, strlen(edit->site));
    sqlite_bind_name(statement, 2, edit->page, edit->page_length);
    sqlite_bind_u64(statement, 3, total);
    return sqlite_run(file, SET_HITS, "edit");
}

/* adds to a page's total, and returns its id */
static int add_to_total(struct sqlite_file *file, const char *site, const char *page,
                        size_t page_length, int64_t number, int64_t *ret_id)
{
    sqlite3_stmt *statement = file->statements[ADD_TO_HITS];

    sqlite_bind_name(statement, 1, site, strlen(site));
    sqlite_bind_name(statement, 2, page, page_length);
    sqlite3_bind_int64(statement, 3, number);
    return sqlite_take_number(file, ADD_TO_HITS, "edit", ret_id) == 1 ? 0 : -EIO;
}

static int delete_page(struct sqlite_file *file, const struct store_edit *edit)
{
    sqlite3_stmt *statement = file->statements[DELETE_HITS];

    sqlite_bind_name(statement, 1, edit->site, strlen(edit->site));
    sqlite_bind_name(statement, 2, edit->page, edit->page_length);
    return sqlite_run(file, DELETE_HITS, "edit");
}

/* --- days, hours, visitors --- */

/* which numbers by time go from one page to another, with a sign */
struct move {
    int64_t from_id;
    int64_t to_id;
    int sign;
};

static int add_at(struct sqlite_file *file, enum statement which, uint64_t time, int64_t page_id,
                  int64_t number)
{
    sqlite3_stmt *statement = file->statements[which];

    sqlite_bind_u64(statement, 1, time);
    sqlite3_bind_int64(statement, 2, page_id);
    sqlite3_bind_int64(statement, 3, number);
    return sqlite_run(file, which, "edit");
}

/* runs a statement with a time and a page, maybe another one; 1 with its number, 0, or -EIO */
static int take_at(struct sqlite_file *file, enum statement which, uint64_t time,
                   const struct move *move, int64_t *ret_number)
{
    sqlite3_stmt *statement = file->statements[which];

    sqlite_bind_u64(statement, 1, time);
    sqlite3_bind_int64(statement, 2, move->from_id);
    if (sqlite3_bind_parameter_count(statement) == 3) {
        sqlite3_bind_int64(statement, 3, move->to_id);
    }
    return sqlite_take_number(file, which, "edit", ret_number);
}

static int move_number(struct sqlite_file *file, enum statement take, enum statement add,
                       uint64_t time, const struct move *move)
{
    int64_t number;
    int found = take_at(file, take, time, move, &number);

    return found == 1 ? add_at(file, add, time, move->to_id, move->sign * number) : found;
}

/* the visitors of a deleted page stay the site's */
static int drop_visitors(struct sqlite_file *file, uint64_t day, const struct move *move)
{
    int64_t number;

    return take_at(file, DELETE_VISITORS, day, move, &number) < 0 ||
                   take_at(file, TAKE_UNIQUES, day, move, &number) < 0
               ? -EIO
               : 0;
}

/* those that both pages had are one each */
static int move_visitors(struct sqlite_file *file, uint64_t day, const struct move *move)
{
    int64_t common = 0;
    int64_t number = 0;

    if (take_at(file, COUNT_COMMON, day, move, &common) < 0 ||
        take_at(file, MOVE_VISITORS, day, move, &number) < 0 ||
        take_at(file, DELETE_VISITORS, day, move, &number) < 0 ||
        take_at(file, TAKE_UNIQUES, day, move, &number) < 0) {
        return -EIO;
    }
    return number != common ? add_at(file, ADD_TO_UNIQUES, day, move->to_id, number - common) : 0;
}

/* from when to when there are numbers; nothing: from after to */
static int find_times(struct sqlite_file *file, enum statement first, enum statement last,
                      int64_t *ret_from, int64_t *ret_to)
{
    int found;

    *ret_from = 1;
    *ret_to = 0;
    found = sqlite_take_number(file, first, "edit", ret_from);
    if (found == 1) {
        found = sqlite_take_number(file, last, "edit", ret_to);
    }
    return found < 0 ? found : 0;
}

static int move_series(struct sqlite_file *file, const struct move *move)
{
    int64_t from;
    int64_t to;

    if (find_times(file, FIRST_DAY, LAST_DAY, &from, &to) != 0) {
        return -EIO;
    }
    for (int64_t day = from; day <= to; day++) {
        if (move_number(file, TAKE_DAY, ADD_TO_DAY, (uint64_t)day, move) != 0 ||
            (move->sign > 0 ? move_visitors(file, (uint64_t)day, move)
                            : drop_visitors(file, (uint64_t)day, move)) != 0) {
            return -EIO;
        }
    }
    if (find_times(file, FIRST_HOUR, LAST_HOUR, &from, &to) != 0) {
        return -EIO;
    }
    for (int64_t hour = from; hour <= to; hour++) {
        if (move_number(file, TAKE_HOUR, ADD_TO_HOUR, (uint64_t)hour, move) != 0) {
            return -EIO;
        }
    }
    return 0;
}

/* --- edit --- */

static int set(struct sqlite_file *file, const struct store_edit *edit, uint64_t before,
               uint64_t *ret_after)
{
    uint64_t present = before != STORE_NONE ? before : 0;
    uint64_t total = edit->kind == STORE_ADD ? present + edit->number : edit->number;
    int64_t site_id;

    if (total > STORE_NUMBER_MAX) {
        return -ERANGE;
    }
    *ret_after = total;
    if (set_total(file, edit, total) != 0) {
        return -EIO;
    }
    return add_to_total(file, edit->site, "", 0, (int64_t)(total - present), &site_id);
}

static int delete (struct sqlite_file *file, const struct store_edit *edit, uint64_t before)
{
    struct move move = {.sign = -1};

    if (before == STORE_NONE) {
        return 0;
    }
    if (sqlite_find_page(file, edit->site, edit->page, edit->page_length, &move.from_id) != 1 ||
        add_to_total(file, edit->site, "", 0, -(int64_t)before, &move.to_id) != 0 ||
        move_series(file, &move) != 0) {
        return -EIO;
    }
    return delete_page(file, edit);
}

static int rename_page(struct sqlite_file *file, const struct store_edit *edit, uint64_t before,
                       uint64_t *ret_after)
{
    struct move move = {.sign = 1};

    if (before != STORE_NONE &&
        (sqlite_find_page(file, edit->site, edit->page, edit->page_length, &move.from_id) != 1 ||
         add_to_total(file, edit->site, edit->to, edit->to_length, (int64_t)before, &move.to_id) !=
             0 ||
         move_series(file, &move) != 0 || delete_page(file, edit) != 0)) {
        return -EIO;
    }
    return read_total(file, edit->site, edit->to, edit->to_length, ret_after);
}

int sqlite_file_edit(struct sqlite_file *file, const struct store_edit *edit, uint64_t *ret_before,
                     uint64_t *ret_after)
{
    if (read_total(file, edit->site, edit->page, edit->page_length, ret_before) != 0) {
        return -EIO;
    }
    *ret_after = STORE_NONE;
    switch (edit->kind) {
    case STORE_SET:
    case STORE_ADD:
        return set(file, edit, *ret_before, ret_after);
    case STORE_DELETE:
        return delete (file, edit, *ret_before);
    case STORE_RENAME:
        return rename_page(file, edit, *ret_before, ret_after);
    }
    return -EINVAL;
}

/* --- sites and salts --- */

int sqlite_file_admit(struct sqlite_file *file, const char *site, uint64_t limit)
{
    int64_t others = 0;
    int64_t one;
    int found;

    sqlite_bind_name(file->statements[FIND_SITE], 1, site, strlen(site));
    found = sqlite_take_number(file, FIND_SITE, "admit", &one);
    if (found != 0) {
        return found;
    }
    sqlite_bind_name(file->statements[COUNT_SITES], 1, site, strlen(site));
    if (sqlite_take_number(file, COUNT_SITES, "admit", &others) < 0) {
        return -EIO;
    }
    if (limit != 0 && (uint64_t)others >= limit) {
        return 0;
    }
    sqlite_bind_name(file->statements[ADD_SITE], 1, site, strlen(site));
    return sqlite_run(file, ADD_SITE, "admit") == 0 ? 1 : -EIO;
}

int sqlite_file_salt(struct sqlite_file *file, uint64_t day, char salt[STORE_SALT_LENGTH + 1])
{
    sqlite3_stmt *add = file->statements[ADD_SALT];
    sqlite3_stmt *read = file->statements[READ_SALT];
    int rc;

    sqlite_bind_u64(add, 1, day);
    sqlite_bind_name(add, 2, salt, STORE_SALT_LENGTH);
    sqlite_bind_u64(add, 3, clock_wall_ms() / 1000 + salt_ttl_s(day));
    if (sqlite_run(file, ADD_SALT, "salt") != 0) {
        return -EIO;
    }
    sqlite_bind_u64(read, 1, day);
    rc = sqlite3_step(read);
    if (rc == SQLITE_ROW) {
        snprintf(salt, STORE_SALT_LENGTH + 1, "%s", (const char *)sqlite3_column_text(read, 0));
    }
    return sqlite_end_step(file, read, rc, "salt");
}
