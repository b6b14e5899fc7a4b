/* SPDX-License-Identifier: MIT */
#include "fake_database.h"

#include <stdlib.h>
#include <string.h>

struct total_row {
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
    uint64_t total;
};

struct ledger_row {
    char site[STORE_SITE_MAX + 1];
    char epoch[STORE_EPOCH_LENGTH + 1];
    struct store_position at;
    struct fake_answer answer;
};

/* a member of a bucket */
struct token_row {
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
    enum store_window window;
    uint64_t bucket;
    size_t length;
    char bytes[STORE_TOKEN_MAX];
};

struct visitor_row {
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
    uint64_t day;
    uint64_t hash;
};

struct fake_database {
    struct total_row *totals;
    size_t total_count;
    struct ledger_row *ledger;
    size_t ledger_count;
    struct token_row *tokens;
    size_t token_count;
    struct visitor_row *visitors;
    size_t visitor_count;
};

struct fake_database *fake_database_create(void)
{
    struct fake_database *database = calloc(1, sizeof(*database));

    if (database == NULL) {
        abort();
    }
    return database;
}

void fake_database_destroy(struct fake_database *database)
{
    if (database != NULL) {
        free(database->totals);
        free(database->ledger);
        free(database->tokens);
        free(database->visitors);
        free(database);
    }
}

/* one more row, zeroed; grows at each power of two */
static void *add_row(void **rows, size_t *count, size_t size)
{
    if ((*count & (*count - 1)) == 0) {
        *rows = realloc(*rows, (*count != 0 ? 2 * *count : 1) * size);
        if (*rows == NULL) {
            abort();
        }
    }
    return memset((char *)*rows + (*count)++ * size, 0, size);
}

static struct total_row *find_total(const struct fake_database *database, const char *site,
                                    const char *page)
{
    for (size_t i = 0; i < database->total_count; i++) {
        struct total_row *row = &database->totals[i];

        if (strcmp(row->page, page) == 0 && strcmp(row->site, site) == 0) {
            return row;
        }
    }
    return NULL;
}

static struct total_row *demand_total(struct fake_database *database, const char *site,
                                      const char *page)
{
    struct total_row *row = find_total(database, site, page);
    void *rows = database->totals;

    if (row == NULL) {
        row = add_row(&rows, &database->total_count, sizeof(*row));
        database->totals = rows;
        strcpy(row->site, site);
        strcpy(row->page, page);
    }
    return row;
}

static struct ledger_row *find_ledger(const struct fake_database *database, const char *site,
                                      const char *epoch)
{
    for (size_t i = 0; i < database->ledger_count; i++) {
        struct ledger_row *row = &database->ledger[i];

        if (strcmp(row->epoch, epoch) == 0 && strcmp(row->site, site) == 0) {
            return row;
        }
    }
    return NULL;
}

static struct ledger_row *demand_ledger(struct fake_database *database, const char *site,
                                        const char *epoch)
{
    struct ledger_row *row = find_ledger(database, site, epoch);
    void *rows = database->ledger;

    if (row == NULL) {
        row = add_row(&rows, &database->ledger_count, sizeof(*row));
        database->ledger = rows;
        strcpy(row->site, site);
        strcpy(row->epoch, epoch);
    }
    return row;
}

uint64_t fake_database_total(const struct fake_database *database, const char *site,
                             const char *page)
{
    struct total_row *row = find_total(database, site, page);

    return row != NULL ? row->total : 0;
}

void fake_database_set(struct fake_database *database, const char *site, const char *page,
                       uint64_t total)
{
    demand_total(database, site, page)->total = total;
}

struct fake_database *fake_database_copy(const struct fake_database *database)
{
    struct fake_database *copy = fake_database_create();

    fake_database_restore(copy, database);
    return copy;
}

/* replaces `rows` with copies of `from` */
static void copy_rows(void **rows, size_t *count, const void *from, size_t from_count, size_t size)
{
    *count = 0;
    for (size_t i = 0; i < from_count; i++) {
        memcpy(add_row(rows, count, size), (const char *)from + i * size, size);
    }
}

void fake_database_restore(struct fake_database *database, const struct fake_database *copy)
{
    void *totals = database->totals;
    void *ledger = database->ledger;
    void *tokens = database->tokens;
    void *visitors = database->visitors;

    copy_rows(&totals, &database->total_count, copy->totals, copy->total_count,
              sizeof(*copy->totals));
    copy_rows(&ledger, &database->ledger_count, copy->ledger, copy->ledger_count,
              sizeof(*copy->ledger));
    copy_rows(&tokens, &database->token_count, copy->tokens, copy->token_count,
              sizeof(*copy->tokens));
    copy_rows(&visitors, &database->visitor_count, copy->visitors, copy->visitor_count,
              sizeof(*copy->visitors));
    database->totals = totals;
    database->ledger = ledger;
    database->tokens = tokens;
    database->visitors = visitors;
}

void fake_database_read(const struct fake_database *database, const struct store_batch *batch,
                        uint64_t *totals)
{
    for (size_t i = 0; i < batch->entry_count; i++) {
        totals[i] = fake_database_total(database, batch->site, batch->entries[i].page);
    }
}

struct store_position fake_database_position(const struct fake_database *database, const char *site,
                                             const char *epoch)
{
    const struct ledger_row *row = find_ledger(database, site, epoch);

    return row != NULL ? row->at : (struct store_position){0};
}

static uint64_t bucket_of(const struct store_batch *batch, const struct store_token *token)
{
    if (token->window == STORE_WINDOW_DAY) {
        return batch->day;
    }
    return batch->second /
           (token->window == STORE_WINDOW_ATTEMPT ? STORE_WINDOW_ATTEMPT_S : STORE_WINDOW_CLIENT_S);
}

static const char *page_of(const struct store_batch *batch, const struct store_token *token)
{
    return batch->entries[token->entry].page;
}

/*
 * Whether the page's token is in the bucket of the batch's time, in the one before or after it, or
 * in the bucket of the day.
 */
static bool is_seen(const struct fake_database *database, const struct store_batch *batch,
                    const struct store_token *token)
{
    uint64_t bucket = bucket_of(batch, token);
    uint64_t around = token->window == STORE_WINDOW_DAY ? 0 : 1;

    for (size_t i = 0; i < database->token_count; i++) {
        const struct token_row *row = &database->tokens[i];

        if (row->window == token->window && row->bucket + around >= bucket &&
            row->bucket <= bucket + around && row->length == token->length &&
            memcmp(row->bytes, token->bytes, token->length) == 0 &&
            strcmp(row->site, batch->site) == 0 && strcmp(row->page, page_of(batch, token)) == 0) {
            return true;
        }
    }
    return false;
}

static void see(struct fake_database *database, const struct store_batch *batch,
                const struct store_token *token)
{
    void *rows = database->tokens;
    struct token_row *row = add_row(&rows, &database->token_count, sizeof(*row));

    database->tokens = rows;
    strcpy(row->site, batch->site);
    strcpy(row->page, page_of(batch, token));
    row->window = token->window;
    row->bucket = bucket_of(batch, token);
    row->length = token->length;
    memcpy(row->bytes, token->bytes, token->length);
}

/* takes the visits out of `hits` whose tokens were seen before, also earlier in the batch */
static void see_tokens(struct fake_database *database, const struct store_batch *batch,
                       uint64_t *hits, struct fake_answer *answer)
{
    for (size_t i = 0; i < batch->token_count; i++) {
        if (answer->totals[batch->tokens[i].entry] == STORE_NONE) {
            continue;
        }
        answer->duplicates[i] = is_seen(database, batch, &batch->tokens[i]);
        if (answer->duplicates[i]) {
            hits[batch->tokens[i].entry]--;
        } else {
            see(database, batch, &batch->tokens[i]);
        }
    }
}

static size_t count_pages(const struct fake_database *database, const char *site)
{
    size_t count = 0;

    for (size_t i = 0; i < database->total_count; i++) {
        count += strcmp(database->totals[i].site, site) == 0 && *database->totals[i].page != '\0';
    }
    return count;
}

/* entries of new pages that the site has no room for get the total STORE_NONE */
static void refuse_entries(const struct fake_database *database, const struct store_batch *batch,
                           struct fake_answer *answer)
{
    size_t count = count_pages(database, batch->site);

    for (size_t i = 0; i < batch->entry_count && batch->pages_max != 0; i++) {
        if (find_total(database, batch->site, batch->entries[i].page) != NULL) {
            continue;
        }
        if (count >= batch->pages_max) {
            answer->totals[i] = STORE_NONE;
        } else {
            count++;
        }
    }
}

static void meet(struct fake_database *database, const struct store_batch *batch, const char *page,
                 uint64_t hash)
{
    void *rows = database->visitors;
    struct visitor_row *row;

    for (size_t i = 0; i < database->visitor_count; i++) {
        row = &database->visitors[i];
        if (row->hash == hash && row->day == batch->day && strcmp(row->page, page) == 0 &&
            strcmp(row->site, batch->site) == 0) {
            return;
        }
    }
    row = add_row(&rows, &database->visitor_count, sizeof(*row));
    database->visitors = rows;
    strcpy(row->site, batch->site);
    strcpy(row->page, page);
    row->day = batch->day;
    row->hash = hash;
}

uint64_t fake_database_visits(const struct fake_database *database)
{
    uint64_t visits = 0;

    for (size_t i = 0; i < database->total_count; i++) {
        visits += database->totals[i].page[0] == '\0' ? database->totals[i].total : 0;
    }
    return visits;
}

uint64_t fake_database_uniques(const struct fake_database *database, const char *site,
                               const char *page, uint64_t day)
{
    uint64_t count = 0;

    for (size_t i = 0; i < database->visitor_count; i++) {
        const struct visitor_row *row = &database->visitors[i];

        count += row->day == day && strcmp(row->page, page) == 0 && strcmp(row->site, site) == 0;
    }
    return count;
}

static void meet_visitors(struct fake_database *database, const struct store_batch *batch,
                          struct fake_answer *answer)
{
    for (size_t i = 0; i < batch->visitor_count; i++) {
        const struct store_visitor *visitor = &batch->visitors[i];

        if (answer->totals[visitor->entry] != STORE_NONE) {
            meet(database, batch, batch->entries[visitor->entry].page, visitor->hash);
            meet(database, batch, "", visitor->hash);
        }
    }
    for (size_t i = 0; i < batch->entry_count; i++) {
        answer->uniques[i] =
            batch->entries[i].wants_uniques
                ? fake_database_uniques(database, batch->site, batch->entries[i].page, batch->day)
                : STORE_NONE;
    }
}

static void add_hits(struct fake_database *database, const struct store_batch *batch,
                     struct fake_answer *answer)
{
    uint64_t hits[BATCH_PAGES_MAX];

    for (size_t i = 0; i < batch->entry_count; i++) {
        hits[i] = batch->entries[i].hits;
    }
    see_tokens(database, batch, hits, answer);
    for (size_t i = 0; i < batch->entry_count; i++) {
        if (answer->totals[i] == STORE_NONE) {
            continue;
        }
        answer->totals[i] = fake_database_total(database, batch->site, batch->entries[i].page);
        if (hits[i] != 0) {
            answer->totals[i] += hits[i];
            demand_total(database, batch->site, batch->entries[i].page)->total = answer->totals[i];
            demand_total(database, batch->site, "")->total += hits[i];
        }
    }
}

static void add_entries(struct fake_database *database, const struct store_batch *batch,
                        struct fake_answer *answer)
{
    struct ledger_row *row = demand_ledger(database, batch->site, batch->epoch);

    refuse_entries(database, batch, answer);
    add_hits(database, batch, answer);
    meet_visitors(database, batch, answer);
    row->at = (struct store_position){batch->sequence, batch->visits};
    row->answer = *answer;
}

struct store_applied fake_database_apply(struct fake_database *database,
                                         const struct store_batch *batch,
                                         struct fake_answer *answer)
{
    struct store_applied applied = {.outcome = STORE_OK,
                                    .totals = answer->totals,
                                    .uniques = answer->uniques,
                                    .duplicate_tokens = answer->duplicates};
    struct store_position at = fake_database_position(database, batch->site, batch->epoch);

    memset(answer, 0, sizeof(*answer));
    if (at.sequence == batch->sequence) {
        applied.is_duplicate = true;
        *answer = find_ledger(database, batch->site, batch->epoch)->answer;
    } else if (at.sequence > batch->sequence) {
        applied.is_duplicate = true;
        memset(answer->uniques, 0xff, sizeof(answer->uniques)); /* STORE_NONE */
        fake_database_read(database, batch, answer->totals);
    } else if (at.sequence != batch->follows) {
        applied = (struct store_applied){.outcome = STORE_REFUSED,
                                         .gap = true,
                                         .at = at,
                                         .reason = "the store went back in time"};
    } else {
        add_entries(database, batch, answer);
    }
    return applied;
}
