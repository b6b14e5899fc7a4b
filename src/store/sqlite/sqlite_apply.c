/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "base/alloc.h"
#include "store/sqlite/sqlite_file.h"

#include "store/sqlite/sqlite_file_inside.h"

#include "base/clock.h"
#include "store/token_key.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sqlite_file_count_pages(struct sqlite_file *file, const char *site, uint64_t *ret_count)
{
    int64_t count = 0;

    require(file->db != NULL);
    sqlite_file_bind_name(file->statements[COUNT_PAGES], 1, site, strlen(site));
    if (sqlite_file_read_number(file, COUNT_PAGES, "count pages", &count) < 0) {
        return -EIO;
    }
    *ret_count = (uint64_t)count;
    return 0;
}

int sqlite_file_add_at(struct sqlite_file *file, enum statement which, uint64_t time,
                       int64_t page_id, int64_t number)
{
    sqlite3_stmt *statement = file->statements[which];

    require(page_id != 0);
    sqlite_file_bind_u64(statement, 1, time);
    sqlite3_bind_int64(statement, 2, page_id);
    sqlite3_bind_int64(statement, 3, number);
    return sqlite_file_run(file, which, "write");
}

int sqlite_file_set_total(struct sqlite_file *file, const char *site, const char *name,
                          size_t length, int64_t total, struct sqlite_page *page)
{
    sqlite3_stmt *add = file->statements[ADD_PAGE];
    sqlite3_stmt *set = file->statements[SET_TOTAL];

    require(length <= STORE_PAGE_MAX);
    require(file->writes);
    page->total = total;
    if (page->id != 0) {
        sqlite3_bind_int64(set, 1, page->id);
        sqlite3_bind_int64(set, 2, total);
        return sqlite_file_run(file, SET_TOTAL, "write");
    }
    sqlite_file_bind_name(add, 1, site, strlen(site));
    sqlite_file_bind_name(add, 2, name, length);
    sqlite3_bind_int64(add, 3, total);
    if (sqlite_file_run(file, ADD_PAGE, "write") != 0) {
        return -EIO;
    }
    page->id = sqlite3_last_insert_rowid(file->db);
    return 0;
}

int sqlite_file_add(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_entry *entry, uint64_t hits, struct sqlite_page *page)
{
    require(file->writes && hits <= INT64_MAX);
    if (sqlite_file_set_total(file, batch->site, entry->page, entry->page_length,
                              page->total + (int64_t)hits, page) != 0 ||
        sqlite_file_add_at(file, ADD_TO_DAY, batch->day, page->id, (int64_t)hits) != 0) {
        return -EIO;
    }
    return sqlite_file_add_at(file, ADD_TO_HOUR, batch->hour, page->id, (int64_t)hits);
}

/* identifies a window, and the form of its tokens; sqlite_sql.def describes it */
static int64_t window_of(enum store_window window)
{
    int64_t length_s = (int64_t)store_window_s(window);

    if (store_window_is_hashed(window)) {
        return -1000000 - length_s;
    }
    return token_key_has_page(window) ? -length_s : length_s;
}

int sqlite_file_see(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_token *token, uint64_t page)
{
    sqlite3_stmt *statement = file->statements[ADD_TO_SEEN];
    uint64_t window_s = store_window_s(token->window);
    bool is_daily = token->window == STORE_WINDOW_DAY;
    uint64_t at_s = is_daily ? batch->day * window_s : batch->second;
    uint64_t ttl_s = store_token_ttl_s(token->window, file->keep_tokens_ms / 1000);
    struct token_key key;

    require(file->writes && token->length <= STORE_TOKEN_MAX);
    token_key_write(token, page, &key);
    sqlite_file_bind_name(statement, 1, batch->site, strlen(batch->site));
    sqlite3_bind_int64(statement, 2, window_of(token->window));
    sqlite3_bind_blob(statement, 3, key.bytes, (int)key.length, SQLITE_STATIC);
    sqlite_file_bind_u64(statement, 4, at_s);
    sqlite_file_bind_u64(statement, 5, is_daily ? at_s : sqlite_file_before(at_s, window_s));
    sqlite_file_bind_u64(statement, 6, clock_wall_ms() / 1000 + ttl_s);
    if (sqlite_file_run(file, ADD_TO_SEEN, "see") != 0) {
        return -EIO;
    }
    return sqlite3_changes(file->db) == 0 ? 1 : 0;
}

int sqlite_file_has_old_tokens(struct sqlite_file *file)
{
    int64_t one;

    require(file->db != NULL);
    return sqlite_file_read_number(file, HAS_OLD_TOKENS, "see", &one);
}

/* whether a form of a token is stored, in a window of `window` seconds, which may be negated */
static int find_form(struct sqlite_file *file, const struct store_batch *batch, int64_t window,
                     const char *form, size_t length)
{
    sqlite3_stmt *statement = file->statements[FIND_OLD_TOKEN];
    uint64_t window_s = (uint64_t)(window < 0 ? -window : window);
    int64_t one;

    sqlite_file_bind_name(statement, 1, batch->site, strlen(batch->site));
    sqlite3_bind_int64(statement, 2, window);
    sqlite3_bind_blob(statement, 3, form, (int)length, SQLITE_STATIC);
    sqlite_file_bind_u64(statement, 4, sqlite_file_before(batch->second, window_s));
    return sqlite_file_read_number(file, FIND_OLD_TOKEN, "see", &one);
}

int sqlite_file_find_old(struct sqlite_file *file, const struct store_batch *batch,
                         const struct store_token *token, uint64_t page)
{
    int64_t window = (int64_t)store_window_s(token->window);
    struct token_key form;
    int found;

    require(token->length <= STORE_TOKEN_MAX);
    if (!token_key_has_page(token->window) || token->window == STORE_WINDOW_VIEW) {
        return 0; /* its form did not change */
    }
    found = find_form(file, batch, window, token->bytes, token->length);
    if (found != 0 || !store_window_is_hashed(token->window)) {
        return found;
    }
    token_key_write_long(token, page, &form);
    return find_form(file, batch, -window, form.bytes, form.length);
}

int sqlite_file_meet(struct sqlite_file *file, const struct store_batch *batch,
                     const struct sqlite_page *page, const struct store_visitor *visitors,
                     size_t count)
{
    sqlite3_stmt *add = file->statements[ADD_VISITOR];
    int64_t fresh = 0;

    require(file->writes && (count == 0 || visitors != NULL));
    for (size_t i = 0; i < count && page->id != 0; i++) {
        sqlite_file_bind_u64(add, 1, batch->day);
        sqlite3_bind_int64(add, 2, page->id);
        sqlite_file_bind_u64(add, 3, visitors[i].hash);
        if (sqlite_file_run(file, ADD_VISITOR, "meet") != 0) {
            return -EIO;
        }
        fresh += sqlite3_changes(file->db);
    }
    return fresh != 0 ? sqlite_file_add_at(file, ADD_TO_UNIQUES, batch->day, page->id, fresh) : 0;
}

static size_t answer_size(const struct store_batch *batch)
{
    return 2 * batch->entry_count * sizeof(uint64_t) + batch->token_count;
}

static void decode_numbers(const unsigned char *bytes, size_t count, uint64_t *ret_numbers)
{
    memcpy(ret_numbers, bytes, count * sizeof(*ret_numbers));
    for (size_t i = 0; i < count; i++) {
        ret_numbers[i] = le64toh(ret_numbers[i]);
    }
}

static void encode_numbers(const uint64_t *numbers, size_t count, unsigned char *ret_bytes)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t number = htole64(numbers[i]);

        memcpy(ret_bytes + i * sizeof(number), &number, sizeof(number));
    }
}

static void decode_answer(const struct store_batch *batch, const unsigned char *bytes,
                          const struct sqlite_answer *answer)
{
    size_t numbers_size = batch->entry_count * sizeof(uint64_t);

    decode_numbers(bytes, batch->entry_count, answer->totals);
    decode_numbers(bytes + numbers_size, batch->entry_count, answer->uniques);
    for (size_t i = 0; i < batch->token_count; i++) {
        answer->duplicates[i] = bytes[2 * numbers_size + i] != 0;
    }
}

int sqlite_file_read_ledger(struct sqlite_file *file, const struct store_batch *batch,
                            struct store_position *ret_at, const struct sqlite_answer *answer)
{
    sqlite3_stmt *statement = file->statements[READ_LEDGER];
    bool known = false;
    int rc;

    require(file->db != NULL);
    sqlite_file_bind_name(statement, 1, batch->site, strlen(batch->site));
    sqlite_file_bind_name(statement, 2, batch->epoch, strlen(batch->epoch));
    rc = sqlite3_step(statement);
    *ret_at = (struct store_position){0};
    if (rc == SQLITE_ROW) {
        ret_at->sequence = (uint64_t)sqlite3_column_int64(statement, 0);
        ret_at->visits = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    if (answer != NULL && rc == SQLITE_ROW && ret_at->sequence == batch->sequence &&
        (size_t)sqlite3_column_bytes(statement, 2) == answer_size(batch)) {
        known = true;
        decode_answer(batch, sqlite3_column_blob(statement, 2), answer);
    }
    return sqlite_file_end_step(file, statement, rc, "read the ledger") == 0 ? known : -EIO;
}

int sqlite_file_write_ledger(struct sqlite_file *file, const struct store_batch *batch,
                             const struct sqlite_answer *answer)
{
    sqlite3_stmt *statement = file->statements[WRITE_LEDGER];
    size_t numbers_size = batch->entry_count * sizeof(uint64_t);
    unsigned char *bytes = alloc_bytes(answer_size(batch));

    require(file->writes && answer != NULL);
    encode_numbers(answer->totals, batch->entry_count, bytes);
    encode_numbers(answer->uniques, batch->entry_count, bytes + numbers_size);
    for (size_t i = 0; i < batch->token_count; i++) {
        bytes[2 * numbers_size + i] = answer->duplicates[i] ? 1 : 0;
    }
    sqlite_file_bind_name(statement, 1, batch->site, strlen(batch->site));
    sqlite_file_bind_name(statement, 2, batch->epoch, strlen(batch->epoch));
    sqlite_file_bind_u64(statement, 3, batch->sequence);
    sqlite_file_bind_u64(statement, 4, batch->visits);
    sqlite_file_bind_u64(statement, 5, sqlite_file_used_at_ms(file));
    sqlite3_bind_blob64(statement, 6, bytes, answer_size(batch), free);
    return sqlite_file_run(file, WRITE_LEDGER, "write the ledger");
}
