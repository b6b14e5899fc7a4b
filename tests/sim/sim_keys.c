/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "sim_database_inside.h"

#include <stdlib.h>
#include <string.h>

/* --- keys that get lost --- */

static void drop_rows(struct sim_database *database, size_t site)
{
    size_t kept = 0;

    for (size_t i = 0; i < database->ledger_count; i++) {
        if (database->ledger[i].site == site) {
            sim_let_answer_go(database->ledger[i].answer);
        } else {
            database->ledger[kept++] = database->ledger[i];
        }
    }
    database->ledger_count = kept;
}

static void copy_rows(struct sim_database *database, size_t site, const struct sim_database *from)
{
    for (size_t i = 0; i < from->ledger_count; i++) {
        if (from->ledger[i].site == site) {
            from->ledger[i].answer->users++;
            database->ledger[database->ledger_count++] = from->ledger[i];
        }
    }
}

static void restore_tokens(struct sim_database *database, size_t site,
                           const struct sim_database *from)
{
    size_t kept = 0;

    for (size_t i = 0; i < database->token_count; i++) {
        if (database->tokens[i].site != site) {
            database->tokens[kept++] = database->tokens[i];
        }
    }
    for (size_t i = 0; i < from->token_count; i++) {
        if (from->tokens[i].site == site) {
            database->tokens[kept++] = from->tokens[i];
        }
    }
    database->token_count = kept;
}

void sim_database_lose(struct sim_database *database, size_t site, unsigned keys)
{
    struct sim_site *own = &database->sites[site];

    if ((keys & SIM_HITS) != 0) {
        for (size_t page = site; page < SIM_PAGES_MAX; page += database->site_count) {
            database->totals[page] = 0;
        }
        own->pages = 0;
        own->total = 0;
        own->hits = (struct sim_mark){0};
    }
    if ((keys & SIM_MARK) != 0) {
        own->hits.is_there = false; /* a repair takes the generation from an instance */
    }
    if ((keys & SIM_LEDGER) != 0) {
        drop_rows(database, site);
        own->ledger = (struct sim_mark){0};
    }
}

void sim_database_restore(struct sim_database *database, size_t site, unsigned keys,
                          const struct sim_database *from)
{
    struct sim_site *own = &database->sites[site];
    const struct sim_site *old = &from->sites[site];

    sim_database_lose(database, site, keys);
    if ((keys & SIM_HITS) != 0) {
        for (size_t page = site; page < SIM_PAGES_MAX; page += database->site_count) {
            database->totals[page] = from->totals[page];
        }
        own->pages = old->pages;
        own->total = old->total;
        own->hits = old->hits;
    }
    if ((keys & SIM_LEDGER) != 0) {
        copy_rows(database, site, from);
        own->ledger = old->ledger;
    }
    if (keys == (SIM_HITS | SIM_LEDGER)) { /* both keys: the whole site is restored */
        memcpy(database->hours[site], from->hours[site], sizeof(database->hours[site]));
        restore_tokens(database, site, from);
    }
}

/* --- the proof --- */

bool sim_is_old_epoch(const char *epoch)
{
    return *epoch != 'g';
}

uint64_t sim_epoch_generation(const char *epoch)
{
    char digits[8] = "";

    if (!sim_is_old_epoch(epoch)) {
        memcpy(digits, epoch + 1, sizeof(digits) - 1);
    }
    return strtoull(digits, NULL, 10);
}

/* when an epoch of a version before 0.2 was used last, or 0 */
static uint64_t find_writers(const struct sim_database *database, size_t site, bool *ret_has_new)
{
    uint64_t last_ms = 0;

    *ret_has_new = false;
    for (size_t i = 0; i < database->ledger_count; i++) {
        const struct ledger_row *row = &database->ledger[i];

        if (row->site == site && !sim_is_old_epoch(row->epoch)) {
            *ret_has_new = true;
        } else if (row->site == site && row->used_at_ms > last_ms) {
            last_ms = row->used_at_ms;
        }
    }
    return last_ms;
}

static bool has_rows(const struct sim_database *database, size_t site)
{
    for (size_t i = 0; i < database->ledger_count; i++) {
        if (database->ledger[i].site == site) {
            return true;
        }
    }
    return false;
}

static bool is_within(uint64_t at_ms, uint64_t seconds)
{
    return at_ms != 0 && clock_monotonic_ms() - at_ms < 1000 * seconds;
}

bool sim_database_has_pages(const struct sim_database *database, size_t site)
{
    return database->sites[site].pages != 0;
}

bool sim_database_lacks_marks(const struct sim_database *database, size_t site)
{
    const struct sim_site *own = &database->sites[site];

    return own->pages != 0 && !own->hits.is_there && !own->ledger.is_there &&
           !has_rows(database, site);
}

bool sim_examine(const struct sim_database *database, size_t site, bool expects_mark,
                 uint64_t *ret_old_at_ms)
{
    const struct sim_site *own = &database->sites[site];
    bool has_new;
    uint64_t last_ms;

    *ret_old_at_ms = own->ledger.old_at_ms;
    if (!own->hits.is_there && !own->ledger.is_there) {
        *ret_old_at_ms = find_writers(database, site, &has_new);
        return !has_new && !(expects_mark && sim_database_lacks_marks(database, site));
    }
    if (!own->hits.is_there || !own->ledger.is_there ||
        own->hits.generation != own->ledger.generation) {
        return false;
    }
    if (own->total == own->ledger.total) {
        return true;
    }
    last_ms = find_writers(database, site, &has_new);
    if (is_within(last_ms, STORE_UNPROVEN_S)) {
        *ret_old_at_ms = clock_monotonic_ms();
        return true;
    }
    return is_within(own->ledger.old_at_ms, STORE_UNPROVEN_S);
}

bool sim_database_is_torn(const struct sim_database *database, size_t site)
{
    uint64_t old_at_ms;

    return !sim_examine(database, site, true, &old_at_ms);
}

uint64_t sim_database_generation(const struct sim_database *database, size_t site)
{
    return database->sites[site].hits.generation;
}

bool sim_database_differs(const struct sim_database *database, size_t site,
                          const struct sim_database *from)
{
    const struct sim_mark *own = &database->sites[site].ledger;
    const struct sim_mark *old = &from->sites[site].ledger;

    return own->is_there != old->is_there || own->generation != old->generation ||
           own->total != old->total;
}

void sim_database_repair(struct sim_database *database, size_t site)
{
    struct sim_site *own = &database->sites[site];
    uint64_t generation = own->hits.generation > own->ledger.generation ? own->hits.generation
                                                                        : own->ledger.generation;

    for (size_t i = 0; i < database->ledger_count; i++) {
        const struct ledger_row *row = &database->ledger[i];

        if (row->site == site && sim_epoch_generation(row->epoch) > generation) {
            generation = sim_epoch_generation(row->epoch);
        }
    }
    drop_rows(database, site);
    own->hits = (struct sim_mark){.is_there = true, .generation = generation + 1};
    own->ledger = own->hits;
    own->ledger.total = own->total;
}
