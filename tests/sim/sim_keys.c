/* SPDX-License-Identifier: MIT */
#include "sim_copy.h"
#include "sim_database_inside.h"

#include <string.h>

uint64_t sim_epoch_generation(const char *epoch)
{
    (void)epoch;
    return 0;
}

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
    if (keys == (SIM_HITS | SIM_LEDGER)) { /* the site as a whole */
        memcpy(database->hours[site], from->hours[site], sizeof(database->hours[site]));
    }
}

/* --- the proof --- */

bool sim_database_is_torn(const struct sim_database *database, size_t site)
{
    const struct sim_site *own = &database->sites[site];

    return own->hits.is_there != own->ledger.is_there ||
           (own->hits.is_there &&
            (own->hits.generation != own->ledger.generation || own->total != own->ledger.total));
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

    drop_rows(database, site);
    own->hits = (struct sim_mark){true, generation + 1, own->total};
    own->ledger = own->hits;
}
