/* SPDX-License-Identifier: MIT */
#include "http/visit/visit_tally.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "http/request/app.h"
#include "http/visit/page_ref.h"
#include "http/visit/sites.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct map_node node; /* in `by_site` */
    struct list link;     /* in `in_order` */
    struct visit_tally tally;
    char site[STORE_SITE_MAX + 1];
};

struct visit_tallies {
    struct map by_site;
    struct list in_order;
};

struct visit_tallies *visit_tallies_create(void)
{
    struct visit_tallies *tallies = alloc_zero(1, sizeof(*tallies));

    map_init(&tallies->by_site);
    list_init(&tallies->in_order);
    return tallies;
}

void visit_tallies_destroy(struct visit_tallies *tallies)
{
    if (tallies == NULL) {
        return;
    }
    map_for_each(node, &tallies->by_site) {
        map_remove(&tallies->by_site, node);
        free(container_of(node, struct entry, node));
    }
    map_finish(&tallies->by_site);
    free(tallies);
}

static struct entry *find(const struct visit_tallies *tallies, const char *site)
{
    struct map_node *node = map_find(&tallies->by_site, site, strlen(site));

    return node != NULL ? container_of(node, struct entry, node) : NULL;
}

static struct entry *find_or_create(struct visit_tallies *tallies, const char *site)
{
    struct entry *entry = find(tallies, site);

    if (entry == NULL && strcmp(site, VISIT_TALLY_OTHERS) != 0 &&
        map_count(&tallies->by_site) >= VISIT_TALLY_SITES_MAX) {
        return find_or_create(tallies, VISIT_TALLY_OTHERS);
    }
    if (entry == NULL) {
        entry = alloc_zero(1, sizeof(*entry));
        strcpy(entry->site, site);
        entry->tally.site = entry->site;
        map_insert(&tallies->by_site, &entry->node, entry->site, strlen(site));
        list_append(&tallies->in_order, &entry->link);
    }
    return entry;
}

void visit_tally_note(struct request *request)
{
    const struct site_rules *rules;

    if (visit_outcome_reason(request->outcome) == NULL) {
        return;
    }
    rules = page_ref_find_rules(request);
    find_or_create(request->app->visit_tallies,
                   rules != NULL && sites_is_listed(rules) ? rules->name : VISIT_TALLY_OTHERS)
        ->tally.visits[request->outcome]++;
}

const struct visit_tally *visit_tallies_find(const struct visit_tallies *tallies, const char *site)
{
    const struct entry *entry = find(tallies, site);

    return entry != NULL ? &entry->tally : NULL;
}

void visit_tallies_for_each(const struct visit_tallies *tallies,
                            void (*on_tally)(void *data, const struct visit_tally *tally),
                            void *data)
{
    if (tallies == NULL) {
        return;
    }
    list_for_each(link, &tallies->in_order) {
        on_tally(data, &container_of(link, struct entry, link)->tally);
    }
}
