/* SPDX-License-Identifier: MIT */
#include "store/sqlite_inside.h"

#include "base/clock.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sqlite_file_count_pages(struct sqlite_file *file, const char *site, uint64_t *ret_count)
{
    int64_t count = 0;

    sqlite_bind_name(file->statements[COUNT_PAGES], 1, site, strlen(site));
    if (sqlite_take_number(file, COUNT_PAGES, "count pages", &count) < 0) {
        return -EIO;
    }
    *ret_count = (uint64_t)count;
    return 0;
}

int sqlite_file_has_page(struct sqlite_file *file, const char *site, const struct store_entry *page)
{
    int64_t id;

    return sqlite_find_page(file, site, page->page, page->page_length, &id);
}

static int add_to_series(struct sqlite_file *file, enum statement which, uint64_t time,
                         sqlite3_int64 page_id, uint64_t hits)
{
    sqlite_bind_u64(file->statements[which], 1, time);
    sqlite3_bind_int64(file->statements[which], 2, page_id);
    sqlite_bind_u64(file->statements[which], 3, hits);
    return sqlite_run(file, which, "apply");
}

int sqlite_file_add(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_entry *entry, uint64_t hits, uint64_t *ret_total)
{
    sqlite3_stmt *statement = file->statements[ADD_TO_HITS];
    sqlite3_int64 page_id = 0;
    int rc;

    if (hits > INT64_MAX) {
        return -ERANGE;
    }
    sqlite_bind_name(statement, 1, batch->site, strlen(batch->site));
    sqlite_bind_name(statement, 2, entry->page, entry->page_length);
    sqlite_bind_u64(statement, 3, hits);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) { /* asking for columns of no row would replace the error */
        page_id = sqlite3_column_int64(statement, 0);
        *ret_total = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    if (sqlite_end_step(file, statement, rc, "apply") != 0) {
        /* a sum beyond 2^63 becomes a float, which the column does not take */
        return file->error_code == SQLITE_CONSTRAINT ? -ERANGE : -EIO;
    }
    if (add_to_series(file, ADD_TO_DAY, batch->day, page_id, hits) != 0) {
        return -EIO;
    }
    return add_to_series(file, ADD_TO_HOUR, batch->hour, page_id, hits);
}

int sqlite_file_see(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_token *token)
{
    sqlite3_stmt *statement = file->statements[ADD_TO_SEEN];
    uint64_t window_s = store_window_s(token->window);
    bool is_daily = token->window == STORE_WINDOW_DAY;
    uint64_t at_s = is_daily ? batch->day * window_s : batch->second;
    uint64_t ttl_s = store_token_ttl_s(token->window, file->keep_tokens_ms / 1000);

    sqlite_bind_name(statement, 1, batch->site, strlen(batch->site));
    sqlite_bind_u64(statement, 2, window_s);
    sqlite3_bind_blob(statement, 3, token->bytes, (int)token->length, SQLITE_STATIC);
    sqlite_bind_u64(statement, 4, at_s);
    sqlite_bind_u64(statement, 5, is_daily ? at_s : sqlite_before(at_s, window_s));
    sqlite_bind_u64(statement, 6, clock_wall_ms() / 1000 + ttl_s);
    if (sqlite_run(file, ADD_TO_SEEN, "see") != 0) {
        return -EIO;
    }
    return sqlite3_changes(file->db) == 0 ? 1 : 0;
}

int sqlite_file_meet(struct sqlite_file *file, const struct store_batch *batch,
                     const struct store_entry *page, const struct store_visitor *visitors,
                     size_t count)
{
    sqlite3_stmt *add = file->statements[ADD_VISITOR];
    sqlite3_stmt *sum = file->statements[ADD_TO_UNIQUES];
    uint64_t fresh = 0;
    int64_t id;
    int found = sqlite_find_page(file, batch->site, page->page, page->page_length, &id);

    for (size_t i = 0; i < count && found == 1; i++) {
        sqlite_bind_u64(add, 1, batch->day);
        sqlite3_bind_int64(add, 2, id);
        sqlite_bind_u64(add, 3, visitors[i].hash);
        if (sqlite_run(file, ADD_VISITOR, "meet") != 0) {
            return -EIO;
        }
        fresh += (uint64_t)sqlite3_changes(file->db);
    }
    if (found < 0 || fresh == 0) {
        return found < 0 ? found : 0;
    }
    sqlite_bind_u64(sum, 1, batch->day);
    sqlite3_bind_int64(sum, 2, id);
    sqlite_bind_u64(sum, 3, fresh);
    return sqlite_run(file, ADD_TO_UNIQUES, "meet");
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
        answer->repeated[i] = bytes[2 * numbers_size + i] != 0;
    }
}

int sqlite_file_read_ledger(struct sqlite_file *file, const struct store_batch *batch,
                            struct store_position *ret_at, const struct sqlite_answer *answer)
{
    sqlite3_stmt *statement = file->statements[READ_LEDGER];
    bool known = false;
    int rc;

    sqlite_bind_name(statement, 1, batch->site, strlen(batch->site));
    sqlite_bind_name(statement, 2, batch->epoch, strlen(batch->epoch));
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
    return sqlite_end_step(file, statement, rc, "read the ledger") == 0 ? known : -EIO;
}

int sqlite_file_write_ledger(struct sqlite_file *file, const struct store_batch *batch,
                             const struct sqlite_answer *answer)
{
    sqlite3_stmt *statement = file->statements[WRITE_LEDGER];
    size_t numbers_size = batch->entry_count * sizeof(uint64_t);
    unsigned char *bytes = malloc(answer_size(batch));

    if (bytes == NULL) {
        abort();
    }
    encode_numbers(answer->totals, batch->entry_count, bytes);
    encode_numbers(answer->uniques, batch->entry_count, bytes + numbers_size);
    for (size_t i = 0; i < batch->token_count; i++) {
        bytes[2 * numbers_size + i] = answer->repeated[i] ? 1 : 0;
    }
    sqlite_bind_name(statement, 1, batch->site, strlen(batch->site));
    sqlite_bind_name(statement, 2, batch->epoch, strlen(batch->epoch));
    sqlite_bind_u64(statement, 3, batch->sequence);
    sqlite_bind_u64(statement, 4, batch->visits);
    sqlite_bind_u64(statement, 5, clock_wall_ms());
    sqlite3_bind_blob64(statement, 6, bytes, answer_size(batch), free);
    return sqlite_run(file, WRITE_LEDGER, "write the ledger");
}

int sqlite_file_sweep_ledger(struct sqlite_file *file)
{
    sqlite_bind_u64(file->statements[SWEEP_LEDGER], 1,
                    sqlite_before(clock_wall_ms(), file->ledger_ttl_ms));
    return sqlite_run(file, SWEEP_LEDGER, "sweep the ledger");
}
