/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/map.h"
#include "oracle.h"
#include "sim_copy.h"
#include "sim_database_inside.h"
#include "store/token_buckets.h"
#include "store/token_key.h"

#include <stdlib.h>
#include <string.h>

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
    kept->duplicates = (bool *)(kept->totals + answer->entry_count);
    memcpy(kept->totals, answer->totals, totals_bytes);
    sim_copy(kept->duplicates, answer->duplicates, answer->token_count);
    return kept;
}

static struct ledger_row *demand_row(struct sim_database *database, size_t site, const char *epoch)
{
    struct ledger_row *row = (struct ledger_row *)sim_find_row(database, site, epoch);

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

/* --- tokens --- */

static uint64_t hash(const char *bytes, size_t length)
{
    static const uint64_t no_secret[2];

    return map_hash(no_secret, bytes, length);
}

static struct token_row row_of(const struct store_batch *batch, const struct store_token *token)
{
    uint64_t ttl_s = store_token_ttl_s(token->window, SIM_KEEP_TOKENS_S);
    struct token_row row = {.site = (uint32_t)sim_site_number(batch->site),
                            .until_ms = clock_monotonic_ms() + 1000 * ttl_s,
                            .window = token->window};

    if (token->window == STORE_WINDOW_CLIENT) {
        row.bucket = token_buckets_of(token->window, batch->second).number;
        row.until_ms = clock_monotonic_ms() +
                       1000 * token_buckets_client_life_s(batch->second, clock_wall_ms() / 1000,
                                                          STORE_WINDOW_CLIENT_S, SIM_KEEP_TOKENS_S);
        return row;
    }
    row.bucket = token->window == STORE_WINDOW_STAMPED
                     ? stamp_read(token->bytes).ms
                     : batch->second / store_window_s(token->window);
    return row;
}

/* the key that the store keeps: the token with its page */
static uint64_t key_of(const struct store_batch *batch, const struct store_token *token)
{
    const struct store_entry *entry = &batch->entries[token->entry];
    struct token_key key;

    token_key_write(token, token_key_page(entry->page, entry->page_length), &key);
    return hash(key.bytes, key.length);
}

/* whether a token is in a bucket within its window around the batch's time */
static bool is_kept(const struct sim_database *database, const struct store_batch *batch,
                    const struct token_row *token)
{
    struct token_buckets reach = {.before = 1, .after = 1};

    if (token->window == STORE_WINDOW_CLIENT) {
        reach = token_buckets_of(token->window, batch->second);
    }
    for (size_t i = database->token_count; i-- != 0;) {
        const struct token_row *row = &database->tokens[i];

        if (row->key == token->key && row->window == token->window && row->site == token->site &&
            row->bucket + reach.before >= token->bucket &&
            row->bucket <= token->bucket + reach.after && row->until_ms > clock_monotonic_ms()) {
            return true;
        }
    }
    return false;
}

/*
 * Returns whether a token was seen before, in its own form or in the form of versions before 0.2.
 * If not, keeps it.
 */
static bool see(struct sim_database *database, const struct store_batch *batch,
                const struct store_token *token, enum sim_version version)
{
    struct token_row old = row_of(batch, token);
    struct token_row new = old;

    old.key = hash(token->bytes, token->length);
    new.key = version == SIM_OLD ? old.key : key_of(batch, token);
    if (is_kept(database, batch, &new) ||
        (batch->finds_old_tokens && is_kept(database, batch, &old))) {
        return true;
    }
    if (database->token_count == TOKENS_MAX) {
        abort();
    }
    database->tokens[database->token_count++] = new;
    return false;
}

size_t sim_database_client_tokens(const struct sim_database *database)
{
    size_t count = 0;

    for (size_t i = 0; i < database->token_count; i++) {
        const struct token_row *row = &database->tokens[i];

        count += row->window == STORE_WINDOW_CLIENT && row->until_ms > clock_monotonic_ms() ? 1 : 0;
    }
    return count;
}

/* --- applying --- */

static void add_hour(struct sim_database *database, const struct store_batch *batch, uint64_t hits)
{
    database->hours[sim_site_number(batch->site)][oracle_hour(batch->hour)] += hits;
}

/* entries of new pages that the site has no room for get the total STORE_NONE */
static void refuse_entries(struct sim_database *database, const struct store_batch *batch,
                           struct sim_answer *answer)
{
    uint64_t *pages = &database->sites[sim_site_number(batch->site)].pages;

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
                       enum sim_version version, uint64_t *hits, struct sim_answer *answer)
{
    for (size_t i = 0; i < batch->token_count; i++) {
        uint32_t entry = batch->tokens[i].entry;

        answer->duplicates[i] =
            answer->totals[entry] != STORE_NONE && see(database, batch, &batch->tokens[i], version);
        hits[entry] -= answer->duplicates[i] ? 1 : 0;
    }
}

static void add_entries(struct sim_database *database, const struct store_batch *batch,
                        enum sim_version version, struct sim_answer *answer)
{
    struct ledger_row *row = demand_row(database, sim_site_number(batch->site), batch->epoch);
    uint64_t hits[SIM_PAGES_MAX];
    uint64_t sum = 0;

    for (size_t i = 0; i < batch->entry_count; i++) {
        hits[i] = batch->entries[i].hits;
    }
    refuse_entries(database, batch, answer);
    see_tokens(database, batch, version, hits, answer);
    for (size_t i = 0; i < batch->entry_count; i++) {
        uint32_t *total = &database->totals[sim_page_number(batch->entries[i].page)];

        if (answer->totals[i] != STORE_NONE) {
            sum += hits[i];
            *total += (uint32_t)hits[i];
            answer->totals[i] = *total;
        }
    }
    add_hour(database, batch, sum);
    database->sites[sim_site_number(batch->site)].total += sum;
    row->used_at_ms = clock_monotonic_ms();
    row->at = (struct store_position){batch->sequence, batch->visits};
    sim_let_answer_go(row->answer);
    row->answer = keep(answer);
}

static void repeat_answer(const struct sim_database *database, const struct store_batch *batch,
                          const struct ledger_row *row, struct sim_answer *answer)
{
    memset(answer->duplicates, 0, answer->token_count);
    if (row->at.sequence == batch->sequence) {
        if (row->at.visits != batch->visits || row->answer->entry_count != batch->entry_count ||
            row->answer->token_count <
                batch->token_count) { /* refused entries have no tokens any more */
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
        sim_copy(answer->duplicates, row->answer->duplicates, row->answer->token_count);
        return;
    }
    for (size_t i = 0; i < batch->entry_count; i++) {
        answer->totals[i] = database->totals[sim_page_number(batch->entries[i].page)];
    }
}

/* --- the proof --- */

bool sim_database_refuses(const struct sim_database *database, const struct store_batch *batch,
                          struct store_applied *ret_applied)
{
    size_t site = sim_site_number(batch->site);
    uint64_t generation = sim_database_generation(database, site);
    uint64_t old_at_ms;

    *ret_applied = (struct store_applied){.outcome = STORE_REFUSED, .scope = STORE_SCOPE_SITE};
    if (!sim_examine(database, site, batch->expects_mark, &old_at_ms)) {
        ret_applied->is_torn = true;
        ret_applied->reason = "the site is torn";
        return true;
    }
    if (sim_epoch_generation(batch->epoch) < generation) {
        ret_applied->is_outdated = true;
        ret_applied->generation = generation;
        ret_applied->reason = "the site was repaired";
        return true;
    }
    return false;
}

bool sim_database_would_write(const struct sim_database *database, const struct store_batch *batch)
{
    struct store_applied refusal;

    return !sim_database_refuses(database, batch, &refusal) &&
           sim_database_position(database, batch->site, batch->epoch).sequence == batch->follows;
}

/* writes into each key the proof of the other one */
static void prove(struct sim_database *database, const struct store_batch *batch,
                  uint64_t old_at_ms)
{
    struct sim_site *site = &database->sites[sim_site_number(batch->site)];

    site->hits.is_there = true;
    site->hits.generation = sim_epoch_generation(batch->epoch);
    site->ledger = site->hits;
    site->ledger.total = site->total;
    site->ledger.old_at_ms = sim_is_old_epoch(batch->epoch) ? clock_monotonic_ms() : old_at_ms;
}

static void tell_old_version(struct store_applied *applied, uint64_t old_at_ms)
{
    uint64_t past_s = (clock_monotonic_ms() - old_at_ms) / 1000;

    if (old_at_ms != 0 && past_s < STORE_OLD_VERSION_S) {
        applied->old_version_s = STORE_OLD_VERSION_S - past_s;
        applied->is_unproven = past_s < STORE_UNPROVEN_S;
    }
}

/* --- a batch --- */

static void apply(struct sim_database *database, const struct store_batch *batch,
                  enum sim_version version, struct sim_answer *answer,
                  struct store_applied *ret_applied)
{
    const struct ledger_row *row =
        sim_find_row(database, sim_site_number(batch->site), batch->epoch);
    struct store_position at = row != NULL ? row->at : (struct store_position){0};

    if (at.sequence >= batch->sequence) {
        ret_applied->is_duplicate = true;
        repeat_answer(database, batch, row, answer);
    } else if (at.sequence != batch->follows) {
        *ret_applied = (struct store_applied){.outcome = STORE_REFUSED,
                                              .gap = true,
                                              .at = at,
                                              .reason = "the store went back in time"};
    } else {
        add_entries(database, batch, version, answer);
    }
}

void sim_database_apply(struct sim_database *database, const struct store_batch *batch,
                        enum sim_version version, struct sim_answer *answer,
                        struct store_applied *ret_applied)
{
    struct store_applied refusal;
    uint64_t old_at_ms;

    answer->entry_count = batch->entry_count;
    answer->token_count = batch->token_count;
    memset(answer->uniques, 0xff, batch->entry_count * sizeof(*answer->uniques)); /* STORE_NONE */
    *ret_applied = (struct store_applied){.outcome = STORE_OK,
                                          .totals = answer->totals,
                                          .uniques = answer->uniques,
                                          .duplicate_tokens = answer->duplicates};
    if (version == SIM_OLD) {
        apply(database, batch, version, answer, ret_applied);
        return;
    }
    if (sim_database_refuses(database, batch, &refusal)) {
        *ret_applied = refusal;
        return;
    }
    sim_examine(database, sim_site_number(batch->site), batch->expects_mark, &old_at_ms);
    apply(database, batch, version, answer, ret_applied);
    if (ret_applied->outcome == STORE_OK) {
        if (!ret_applied->is_duplicate) {
            prove(database, batch, old_at_ms);
            old_at_ms = database->sites[sim_site_number(batch->site)].ledger.old_at_ms;
        }
        tell_old_version(ret_applied, old_at_ms);
    }
}
