/* SPDX-License-Identifier: MIT */
#include "sim_database.h"

#include "sim_copy.h"
#include "sim_database_inside.h"

#include <stdlib.h>
#include <string.h>

struct sim_database *sim_database_create(size_t sites)
{
    struct sim_database *database = malloc(sizeof(*database));

    if (database == NULL) {
        abort();
    }
    memset(database, 0, offsetof(struct sim_database, ledger));
    database->site_count = sites;
    return database;
}

/* --- answers --- */

void sim_let_answer_go(struct kept_answer *kept)
{
    if (kept != NULL && --kept->users == 0) {
        free(kept);
    }
}

static void let_all_go(struct sim_database *database)
{
    for (size_t i = 0; i < database->ledger_count; i++) {
        sim_let_answer_go(database->ledger[i].answer);
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

const struct ledger_row *sim_find_row(const struct sim_database *database, size_t site,
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

struct store_position sim_database_position(const struct sim_database *database, const char *site,
                                            const char *epoch)
{
    const struct ledger_row *row = sim_find_row(database, sim_site_number(site), epoch);

    return row != NULL ? row->at : (struct store_position){0};
}
