/* SPDX-License-Identifier: MIT */
#include "sim_database.h"

#include "base/clock.h"
#include "base/map.h"
#include "oracle.h"
#include "sim_copy.h"
#include "store/token_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCHS_MAX 2048
#define TOKENS_MAX 4096

/* the last answer of an epoch, shared by the copies of a database, and never changed */
struct kept_answer {
    unsigned users;
    size_t entry_count;
    size_t token_count;
    uint64_t *totals;
    bool *repeated;
};

struct ledger_row {
    char epoch[STORE_EPOCH_LENGTH + 1];
    size_t site;
    struct store_position at;
    struct kept_answer *answer;
};

/* a member of a bucket */
struct token_row {
    uint32_t site;
    uint64_t key; /* a hash of what is kept */
    uint64_t bucket;
    uint64_t until_ms; /* on the monotonic clock; not known any more from then on */
    enum store_window window;
};

struct sim_database {
    size_t ledger_count;
    size_t token_count;
    uint64_t hours[SIM_SITES_MAX][SIM_HOURS_MAX];
    uint64_t pages[SIM_SITES_MAX]; /* that were ever counted */
    uint32_t totals[SIM_PAGES_MAX];
    struct ledger_row ledger[EPOCHS_MAX]; /* as many as there are are copied */
    struct token_row tokens[TOKENS_MAX];
};

struct sim_database *sim_database_create(void)
{
    struct sim_database *database = malloc(sizeof(*database));

    if (database == NULL) {
        abort();
    }
    memset(database, 0, offsetof(struct sim_database, ledger));
    return database;
}

/* --- answers --- */

static struct kept_answer *keep(const struct sim_answer *answer)
{
    size_t totals_bytes = answer->entry_count * sizeof(*answer->totals);
    struct kept_answer *kept = malloc(sizeof(*kept) + totals_bytes + answer->token_count);

    if (kept == NULL) {
        abort();
    }
    kept->users = 1;
    kept->entry_count = answer->entry_count;
    kept->token_count = answer->token_count;
    kept->totals = (uint64_t *)(kept + 1);
    kept->repeated = (bool *)(kept->totals + answer->entry_count);
    memcpy(kept->totals, answer->totals, totals_bytes);
    sim_copy(kept->repeated, answer->repeated, answer->token_count);
    return kept;
}

static void let_go(struct kept_answer *kept)
{
    if (kept != NULL && --kept->users == 0) {
        free(kept);
    }
}

static void let_all_go(struct sim_database *database)
{
    for (size_t i = 0; i < database->ledger_count; i++) {
        let_go(database->ledger[i].answer);
    }
}

void sim_database_destroy(struct sim_database *database)
{
    if (database != NULL) {
        let_all_go(database);
        free(database);
    }
}

void sim_database_copy(struct sim_database *database, const struct sim_database *from)
{
    for (size_t i = 0; i < from->ledger_count; i++) {
        from->ledger[i].answer->users++;
    }
    let_all_go(database);
    memcpy(database, from, offsetof(struct sim_database, ledger));
    sim_copy(database->ledger, from->ledger, from->ledger_count * sizeof(*from->ledger));
    sim_copy(database->tokens, from->tokens, from->token_count * sizeof(*from->tokens));
}

/* --- rows --- */

size_t sim_page_number(const char *page)
{
    return strtoul(page + strlen("/"), NULL, 10);
}

size_t sim_site_number(const char *site)
{
    return strtoul(site + strlen("site"), NULL, 10);
}

uint64_t sim_database_total(const struct sim_database *database, size_t page)
{
    return database->totals[page];
}

uint64_t sim_database_hour(const struct sim_database *database, size_t site, size_t hour)
{
    return database->hours[site][hour];
}

static const struct ledger_row *find_row(const struct sim_database *database, size_t site,
                                         const char *epoch)
{
    for (size_t i = database->ledger_count; i-- != 0;) {
        const struct ledger_row *row = &database->ledger[i];

        if (row->site == site && strcmp(row->epoch, epoch) == 0) {
            return row;
        }
    }
    return NULL;
}

static struct ledger_row *demand_row(struct sim_database *database, size_t site, const char *epoch)
{
    struct ledger_row *row = (struct ledger_row *)find_row(database, site, epoch);

    if (row == NULL) {
        if (database->ledger_count == EPOCHS_MAX) {
            abort();
        }
        row = &database->ledger[database->ledger_count++];
        *row = (struct ledger_row){.site = site};
        strcpy(row->epoch, epoch);
    }
    return row;
}

struct store_position sim_database_position(const struct sim_database *database, const char *site,
                                            const char *epoch)
{
    const struct ledger_row *row = find_row(database, sim_site_number(site), epoch);

    return row != NULL ? row->at : (struct store_position){0};
}

/* --- tokens --- */

static struct token_row row_of(const struct store_batch *batch, const struct store_token *token)
{
    static const uint64_t no_secret[2];
    const struct store_entry *entry = &batch->entries[token->entry];
    struct token_key key;
    uint64_t ttl_s = store_token_ttl_s(token->window, SIM_KEEP_TOKENS_S);
    struct token_row row = {.site = (uint32_t)sim_site_number(batch->site),
                            .until_ms = clock_monotonic_ms() + 1000 * ttl_s,
                            .window = token->window};

    token_key_write(token, token_key_page(entry->page, entry->page_length), &key);
    row.key = map_hash(no_secret, key.bytes, key.length);
    row.bucket = token->window == STORE_WINDOW_STAMPED
                     ? stamp_read(token->bytes).ms
                     : batch->second / store_window_s(token->window);
    return row;
}

/* whether the token is in the bucket before, at or after the batch's time; else it is put there */
static bool see(struct sim_database *database, const struct token_row *new)
{
    for (size_t i = database->token_count; i-- != 0;) {
        const struct token_row *row = &database->tokens[i];

        if (row->key == new->key && row->window == new->window && row->site == new->site &&
            row->bucket + 1 >= new->bucket && row->bucket <= new->bucket + 1 &&
            row->until_ms > clock_monotonic_ms()) {
            return true;
        }
    }
    if (database->token_count == TOKENS_MAX) {
        abort();
    }
    database->tokens[database->token_count++] = *new;
    return false;
}

/* --- applying --- */

static void add_hour(struct sim_database *database, const struct store_batch *batch, uint64_t hits)
{
    uint64_t hour = batch->hour - SIM_FIRST_HOUR;

    if (hour >= SIM_HOURS_MAX) {
        abort();
    }
    database->hours[sim_site_number(batch->site)][hour] += hits;
}

/* entries of new pages that the site has no room for get the total STORE_NONE */
static void refuse_entries(struct sim_database *database, const struct store_batch *batch,
                           struct sim_answer *answer)
{
    uint64_t *pages = &database->pages[sim_site_number(batch->site)];

    for (size_t i = 0; i < batch->entry_count; i++) {
        bool is_new = database->totals[sim_page_number(batch->entries[i].page)] == 0 &&
                      batch->entries[i].hits != 0;

        answer->totals[i] = 0;
        if (is_new && batch->pages_max != 0 && *pages >= batch->pages_max) {
            answer->totals[i] = STORE_NONE;
        } else if (is_new) {
            (*pages)++;
        }
    }
}

/* takes the visits out of `hits` whose tokens were seen before */
static void see_tokens(struct sim_database *database, const struct store_batch *batch,
                       uint64_t *hits, struct sim_answer *answer)
{
    for (size_t i = 0; i < batch->token_count; i++) {
        uint32_t entry = batch->tokens[i].entry;
        struct token_row token = row_of(batch, &batch->tokens[i]);

        answer->repeated[i] = answer->totals[entry] != STORE_NONE && see(database, &token);
        hits[entry] -= answer->repeated[i] ? 1 : 0;
    }
}

static void add_entries(struct sim_database *database, const struct store_batch *batch,
                        struct sim_answer *answer)
{
    struct ledger_row *row = demand_row(database, sim_site_number(batch->site), batch->epoch);
    uint64_t hits[SIM_PAGES_MAX];
    uint64_t sum = 0;

    for (size_t i = 0; i < batch->entry_count; i++) {
        hits[i] = batch->entries[i].hits;
    }
    refuse_entries(database, batch, answer);
    see_tokens(database, batch, hits, answer);
    for (size_t i = 0; i < batch->entry_count; i++) {
        uint32_t *total = &database->totals[sim_page_number(batch->entries[i].page)];

        if (answer->totals[i] != STORE_NONE) {
            sum += hits[i];
            *total += (uint32_t)hits[i];
            answer->totals[i] = *total;
        }
    }
    add_hour(database, batch, sum);
    row->at = (struct store_position){batch->sequence, batch->visits};
    let_go(row->answer);
    row->answer = keep(answer);
}

static void repeat_answer(const struct sim_database *database, const struct store_batch *batch,
                          const struct ledger_row *row, struct sim_answer *answer)
{
    memset(answer->repeated, 0, answer->token_count);
    if (row->at.sequence == batch->sequence) {
        if (row->at.visits != batch->visits || row->answer->entry_count != batch->entry_count ||
            row->answer->token_count <
                batch->token_count) { /* what was refused has none any more */
            oracle_accuse("number %llu of %.4s stands for other visits than before: now %llu "
                          "visits of %zu pages with %zu tokens, then %llu, %zu and %zu",
                          (unsigned long long)batch->sequence, batch->epoch,
                          (unsigned long long)batch->visits, batch->entry_count, batch->token_count,
                          (unsigned long long)row->at.visits, row->answer->entry_count,
                          row->answer->token_count);
            return;
        }
        memcpy(answer->totals, row->answer->totals,
               row->answer->entry_count * sizeof(*answer->totals));
        sim_copy(answer->repeated, row->answer->repeated, row->answer->token_count);
        return;
    }
    for (size_t i = 0; i < batch->entry_count; i++) {
        answer->totals[i] = database->totals[sim_page_number(batch->entries[i].page)];
    }
}

void sim_database_apply(struct sim_database *database, const struct store_batch *batch,
                        struct sim_answer *answer, struct store_applied *ret_applied)
{
    const struct ledger_row *row = find_row(database, sim_site_number(batch->site), batch->epoch);
    uint64_t last = row != NULL ? row->at.sequence : 0;

    answer->entry_count = batch->entry_count;
    answer->token_count = batch->token_count;
    memset(answer->uniques, 0xff, batch->entry_count * sizeof(*answer->uniques)); /* STORE_NONE */
    *ret_applied = (struct store_applied){.outcome = STORE_OK,
                                          .totals = answer->totals,
                                          .uniques = answer->uniques,
                                          .repeated = answer->repeated};
    if (last >= batch->sequence) {
        ret_applied->duplicate = true;
        repeat_answer(database, batch, row, answer);
    } else if (last != batch->follows) {
        *ret_applied =
            (struct store_applied){.outcome = STORE_REFUSED,
                                   .gap = true,
                                   .at = row != NULL ? row->at : (struct store_position){0},
                                   .reason = "the store went back in time"};
    } else {
        add_entries(database, batch, answer);
    }
}
