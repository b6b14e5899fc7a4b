/* SPDX-License-Identifier: MIT */
#include "fake_store.h"

#include "count/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define check(condition) check_that((condition), #condition, __LINE__)

static void check_that(bool condition, const char *text, int line)
{
    if (!condition) {
        fprintf(stderr, "fake_store.c:%d: the contract of store.h is broken: not %s\n", line, text);
        abort();
    }
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count != 0 ? count : 1, size);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* --- the database --- */

struct total_row {
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
    uint64_t total;
};

struct ledger_row {
    char site[STORE_SITE_MAX + 1];
    char epoch[STORE_EPOCH_LENGTH + 1];
    struct store_position at;
    uint64_t totals[BATCH_PAGES_MAX];
    uint64_t uniques[BATCH_PAGES_MAX];
    bool repeated[BATCH_TOKENS_MAX];
};

/* what an answer points to */
struct answer_memory {
    uint64_t totals[BATCH_PAGES_MAX];
    uint64_t uniques[BATCH_PAGES_MAX];
    bool repeated[BATCH_TOKENS_MAX];
};

/* a member of a bucket */
struct token_row {
    char site[STORE_SITE_MAX + 1];
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
    return allocate(1, sizeof(struct fake_database));
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

/* in place of what `rows` were */
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

static void read_totals(const struct fake_database *database, const struct store_batch *batch,
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

/* whether the token is in the bucket before, at or after the batch's time, or in the day's */
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
            strcmp(row->site, batch->site) == 0) {
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
    row->window = token->window;
    row->bucket = bucket_of(batch, token);
    row->length = token->length;
    memcpy(row->bytes, token->bytes, token->length);
}

/* takes the visits out of `hits` whose tokens were seen before, also earlier in the batch */
static void see_tokens(struct fake_database *database, const struct store_batch *batch,
                       uint64_t *hits, struct answer_memory *answer)
{
    for (size_t i = 0; i < batch->token_count; i++) {
        if (answer->totals[batch->tokens[i].entry] == STORE_NONE) {
            continue;
        }
        answer->repeated[i] = is_seen(database, batch, &batch->tokens[i]);
        if (answer->repeated[i]) {
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
                           struct answer_memory *answer)
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
                          struct answer_memory *answer)
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
                     struct answer_memory *answer)
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
                        struct answer_memory *answer)
{
    struct ledger_row *row = demand_ledger(database, batch->site, batch->epoch);

    refuse_entries(database, batch, answer);
    add_hits(database, batch, answer);
    meet_visitors(database, batch, answer);
    row->at = (struct store_position){batch->sequence, batch->visits};
    memcpy(row->totals, answer->totals, sizeof(row->totals));
    memcpy(row->repeated, answer->repeated, sizeof(row->repeated));
    memcpy(row->uniques, answer->uniques, sizeof(row->uniques));
}

/* the rules of apply.lua */
static struct store_applied execute(struct fake_database *database, const struct store_batch *batch,
                                    struct answer_memory *answer)
{
    struct store_applied applied = {.outcome = STORE_OK,
                                    .totals = answer->totals,
                                    .uniques = answer->uniques,
                                    .repeated = answer->repeated};
    struct store_position at = fake_database_position(database, batch->site, batch->epoch);

    memset(answer, 0, sizeof(*answer));
    if (at.sequence == batch->sequence) {
        const struct ledger_row *row = find_ledger(database, batch->site, batch->epoch);

        applied.duplicate = true;
        memcpy(answer->totals, row->totals, sizeof(row->totals));
        memcpy(answer->repeated, row->repeated, sizeof(row->repeated));
        memcpy(answer->uniques, row->uniques, sizeof(row->uniques));
    } else if (at.sequence > batch->sequence) {
        applied.duplicate = true;
        memset(answer->uniques, 0xff, sizeof(answer->uniques)); /* STORE_NONE */
        read_totals(database, batch, answer->totals);
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

/* --- calls --- */

static struct fake_call *call_of(struct list *link)
{
    return container_of(link, struct fake_call, link);
}

static struct fake_store *fake_of(struct store *store)
{
    return container_of(store, struct fake_store, store);
}

static char *copy_text(const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;

    if (text != NULL && copy == NULL) {
        abort();
    }
    return copy;
}

static struct store_batch copy_batch(const struct store_batch *batch)
{
    struct store_entry *entries = allocate(batch->entry_count, sizeof(*entries));
    struct store_token *tokens = allocate(batch->token_count, sizeof(*tokens));
    struct store_visitor *visitors = allocate(batch->visitor_count, sizeof(*visitors));
    struct store_batch copy = *batch;

    if (batch->visitor_count != 0) {
        memcpy(visitors, batch->visitors, batch->visitor_count * sizeof(*visitors));
    }
    for (size_t i = 0; i < batch->entry_count; i++) {
        entries[i] = batch->entries[i];
        entries[i].page = copy_text(batch->entries[i].page);
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        tokens[i] = batch->tokens[i];
        tokens[i].bytes = memcpy(allocate(tokens[i].length, 1), tokens[i].bytes, tokens[i].length);
    }
    copy.site = copy_text(batch->site);
    copy.epoch = copy_text(batch->epoch);
    copy.entries = entries;
    copy.tokens = tokens;
    copy.visitors = visitors;
    return copy;
}

static void free_call(struct fake_call *call)
{
    for (size_t i = 0; i < call->batch.entry_count; i++) {
        free((char *)call->batch.entries[i].page);
    }
    for (size_t i = 0; i < call->batch.token_count; i++) {
        free((char *)call->batch.tokens[i].bytes);
    }
    free((struct store_entry *)call->batch.entries);
    free((struct store_token *)call->batch.tokens);
    free((struct store_visitor *)call->batch.visitors);
    free((char *)call->batch.site);
    free((char *)call->batch.epoch);
    free(call);
}

static void check_tokens(const struct store_batch *batch)
{
    uint64_t tokens[BATCH_PAGES_MAX] = {0};

    check(batch->token_count <= BATCH_TOKENS_MAX);
    for (size_t i = 0; i < batch->token_count; i++) {
        const struct store_token *token = &batch->tokens[i];

        check(token->length >= 1 && token->length <= STORE_TOKEN_MAX);
        check(token->entry < batch->entry_count);
        check(token->window == STORE_WINDOW_ATTEMPT || token->window == STORE_WINDOW_CLIENT ||
              token->window == STORE_WINDOW_DAY);
        check(++tokens[token->entry] <= batch->entries[token->entry].hits);
    }
}

static void check_visitors(const struct store_batch *batch)
{
    check(batch->visitor_count <= BATCH_VISITORS_MAX);
    for (size_t i = 0; i < batch->visitor_count; i++) {
        check(batch->visitors[i].entry < batch->entry_count);
        check(i == 0 || batch->visitors[i - 1].entry <= batch->visitors[i].entry);
    }
}

static void check_batch(const struct store_batch *batch)
{
    uint64_t hits = 0;

    check(strlen(batch->site) <= STORE_SITE_MAX);
    check(strlen(batch->epoch) == STORE_EPOCH_LENGTH);
    check(batch->sequence >= 1);
    check(batch->follows < batch->sequence);
    check(batch->second / 3600 == batch->hour);
    check(batch->entry_count >= 1 && batch->entry_count <= BATCH_PAGES_MAX);
    for (size_t i = 0; i < batch->entry_count; i++) {
        /* none: what heals a batch of which the entry was refused */
        check(batch->entries[i].hits != 0 || batch->pages_max == 0);
        check(batch->entries[i].page_length != 0);
        check(batch->entries[i].page_length <= STORE_PAGE_MAX);
        check(strlen(batch->entries[i].page) == batch->entries[i].page_length);
        hits += batch->entries[i].hits;
        for (size_t j = 0; j < i; j++) {
            check(strcmp(batch->entries[i].page, batch->entries[j].page) != 0);
        }
    }
    check(batch->visits >= hits);
    check(batch->sequence != 1 || batch->visits == hits);
    check_tokens(batch);
    check_visitors(batch);
}

/* what was passed by pointer must not have changed */
static void check_unchanged(const struct fake_call *call)
{
    const struct store_batch *now = &call->theirs;
    const struct store_batch *then = &call->batch;

    check(strcmp(now->site, then->site) == 0);
    check(then->epoch == NULL || strcmp(now->epoch, then->epoch) == 0);
    for (size_t i = 0; i < then->entry_count; i++) {
        check(now->entries[i].hits == then->entries[i].hits);
        check(strcmp(now->entries[i].page, then->entries[i].page) == 0);
    }
    for (size_t i = 0; i < then->token_count; i++) {
        check(now->tokens[i].entry == then->tokens[i].entry);
        check(now->tokens[i].window == then->tokens[i].window);
        check(now->tokens[i].length == then->tokens[i].length);
        check(memcmp(now->tokens[i].bytes, then->tokens[i].bytes, then->tokens[i].length) == 0);
    }
    for (size_t i = 0; i < then->visitor_count; i++) {
        check(now->visitors[i].entry == then->visitors[i].entry);
        check(now->visitors[i].hash == then->visitors[i].hash);
    }
}

static struct fake_call *add_call(struct store *store, enum fake_kind kind,
                                  const struct store_batch *batch, void *data)
{
    struct fake_store *fake = fake_of(store);
    struct fake_call *call = allocate(1, sizeof(*call));

    call->kind = kind;
    call->theirs = *batch;
    call->batch = copy_batch(batch);
    call->data = data;
    list_append(&fake->calls, &call->link);
    return call;
}

static void apply(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data)
{
    check_batch(batch);
    /* the ledger knows only the last batch of an epoch: a second one must wait for the first */
    list_for_each(link, &fake_of(store)->calls) {
        check(call_of(link)->kind != FAKE_APPLY ||
              strcmp(call_of(link)->batch.epoch, batch->epoch) != 0);
    }
    fake_of(store)->apply_count++;
    add_call(store, FAKE_APPLY, batch, data)->on_applied = on_applied;
}

static void read_pages(struct store *store, const struct store_query *query, store_on_read on_read,
                       void *data)
{
    struct store_batch batch = {
        .site = query->site, .entries = query->pages, .entry_count = query->page_count};

    check(query->kind == STORE_TOTALS);
    add_call(store, FAKE_READ, &batch, data)->on_read = on_read;
}

static void ledger(struct store *store, const char *site, const char *epoch,
                   store_on_ledger on_ledger, void *data)
{
    struct store_batch batch = {.site = site, .epoch = epoch};

    add_call(store, FAKE_LEDGER, &batch, data)->on_ledger = on_ledger;
}

static void health(struct store *store, struct store_health *ret_health)
{
    *ret_health = (struct store_health){.backend = "fake",
                                        .available = fake_of(store)->available,
                                        .state = fake_of(store)->available ? "ready" : "down"};
}

/* --- fates --- */

static void end_apply(struct fake_store *fake, struct fake_call *call, enum fake_fate fate)
{
    struct store_applied applied = {.outcome = STORE_UNKNOWN, .reason = "the reply was lost"};
    struct answer_memory *answer = allocate(1, sizeof(*answer));

    if (fate == FAKE_DONE) {
        applied = execute(fake->database, &call->batch, answer);
    } else if (fate == FAKE_REPLY_LOST) {
        execute(fake->database, &call->batch, answer);
    } else if (fate == FAKE_REFUSED) {
        applied.outcome = STORE_REFUSED;
        applied.reason = "not now";
    }
    call->on_applied(call->data, &applied);
    free(answer); /* gone after the callback */
}

static void end_read(struct fake_store *fake, struct fake_call *call, enum fake_fate fate)
{
    struct store_read read = {.outcome = STORE_REFUSED, .reason = "not now"};
    uint64_t *totals = allocate(call->batch.entry_count, sizeof(*totals));

    if (fate == FAKE_DONE) {
        read_totals(fake->database, &call->batch, totals);
        read = (struct store_read){.outcome = STORE_OK, .numbers = totals};
    }
    call->on_read(call->data, &read);
    free(totals);
}

static void end_ledger(struct fake_store *fake, struct fake_call *call, enum fake_fate fate)
{
    struct store_ledger answer = {.outcome = STORE_REFUSED, .reason = "not now"};

    if (fate == FAKE_DONE) {
        answer = (struct store_ledger){
            .outcome = STORE_OK,
            .at = fake_database_position(fake->database, call->batch.site, call->batch.epoch)};
    }
    call->on_ledger(call->data, &answer);
}

void fake_store_end(struct fake_store *fake, struct fake_call *call, enum fake_fate fate)
{
    check_unchanged(call);
    list_remove(&call->link);
    switch (call->kind) {
    case FAKE_APPLY:
        end_apply(fake, call, fate);
        break;
    case FAKE_READ:
        end_read(fake, call, fate);
        break;
    case FAKE_LEDGER:
        end_ledger(fake, call, fate);
        break;
    }
    if (fate == FAKE_LATE && call->kind == FAKE_APPLY) {
        list_append(&fake->late, &call->link);
    } else {
        free_call(call);
    }
}

void fake_store_end_all(struct fake_store *fake, enum fake_fate fate)
{
    struct list calls;

    list_init(&calls);
    list_move_all(&calls, &fake->calls);
    while (!list_is_empty(&calls)) {
        fake_store_end(fake, call_of(calls.next), fate);
    }
}

void fake_store_execute_late(struct fake_store *fake)
{
    struct list *link = list_take_first(&fake->late);
    struct answer_memory answer;

    check(link != NULL);
    execute(fake->database, &call_of(link)->batch, &answer);
    free_call(call_of(link));
}

void fake_store_go_away(struct fake_store *fake, enum fake_fate fate)
{
    check(fake->available);
    fake->available = false;
    store_notify(&fake->store, false);
    fake_store_end_all(fake, fate);
}

void fake_store_come_back(struct fake_store *fake)
{
    check(!fake->available);
    fake->available = true;
    store_notify(&fake->store, true);
}

/* --- the store itself --- */

static void destroy(struct store *store)
{
    struct fake_store *fake = fake_of(store);
    struct list *link;

    fake_store_end_all(fake, FAKE_REQUEST_LOST);
    while ((link = list_take_first(&fake->late)) != NULL) {
        free_call(call_of(link));
    }
    free(fake);
}

/* what an engine asks of a store */
static const struct store_operations operations = {
    .apply = apply,
    .read = read_pages,
    .ledger = ledger,
    .health = health,
    .destroy = destroy,
};

struct fake_store *fake_store_create(struct fake_database *database, bool available)
{
    struct fake_store *fake = allocate(1, sizeof(*fake));

    fake->store.operations = &operations;
    fake->database = database;
    fake->available = available;
    list_init(&fake->calls);
    list_init(&fake->late);
    return fake;
}

static size_t count_links(const struct list *anchor)
{
    size_t count = 0;

    list_for_each(link, anchor) {
        count++;
    }
    return count;
}

size_t fake_store_open_count(const struct fake_store *fake)
{
    return count_links(&fake->calls);
}

size_t fake_store_late_count(const struct fake_store *fake)
{
    return count_links(&fake->late);
}

struct fake_call *fake_store_call(const struct fake_store *fake, size_t index)
{
    list_for_each(link, &fake->calls) {
        if (index-- == 0) {
            return call_of(link);
        }
    }
    return NULL;
}

struct fake_call *fake_store_call_of(const struct fake_store *fake, const char *site)
{
    list_for_each(link, &fake->calls) {
        if (call_of(link)->kind == FAKE_APPLY && strcmp(call_of(link)->batch.site, site) == 0) {
            return call_of(link);
        }
    }
    return NULL;
}

uint64_t fake_call_hits(const struct fake_call *call, const char *page)
{
    for (size_t i = 0; i < call->batch.entry_count; i++) {
        if (strcmp(call->batch.entries[i].page, page) == 0) {
            return call->batch.entries[i].hits;
        }
    }
    return 0;
}
