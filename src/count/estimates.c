/* SPDX-License-Identifier: MIT */
#include "count/estimates.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

/* limit of remembered pages; then all are forgotten except those with visits in the journal */
#define ESTIMATES_MAX 10000

/* the total of a page as far as this process knows it */
struct estimate {
    struct map_node node;
    uint64_t total;    /* the last total of the store; 0: none yet */
    uint64_t since_us; /* time of the first total */
    uint64_t pending;  /* visits in the journal */
    char key[];        /* site, NUL, page */
};

void estimates_init(struct estimates *estimates)
{
    map_init(&estimates->pages);
}

void estimates_finish(struct estimates *estimates)
{
    map_for_each(node, &estimates->pages) {
        struct estimate *estimate = container_of(node, struct estimate, node);

        map_remove(&estimates->pages, node);
        free(estimate);
    }
    map_finish(&estimates->pages);
}

static void forget_idle(struct estimates *estimates)
{
    map_for_each(node, &estimates->pages) {
        struct estimate *estimate = container_of(node, struct estimate, node);

        if (estimate->pending == 0) {
            map_remove(&estimates->pages, node);
            free(estimate);
        }
    }
}

static struct estimate *find_or_create(struct estimates *estimates, const char *site,
                                       const struct store_entry *entry)
{
    char key[STORE_SITE_MAX + 1 + STORE_PAGE_MAX];
    size_t site_length = strlen(site) + 1;
    size_t length = site_length + entry->page_length;
    struct map_node *node;
    struct estimate *estimate;

    memcpy(key, site, site_length);
    memcpy(key + site_length, entry->page, entry->page_length);
    node = map_find(&estimates->pages, key, length);
    if (node != NULL) {
        return container_of(node, struct estimate, node);
    }
    if (map_count(&estimates->pages) >= ESTIMATES_MAX) {
        forget_idle(estimates);
    }
    estimate = alloc_zero(1, sizeof(*estimate) + length);
    memcpy(estimate->key, key, length);
    map_insert(&estimates->pages, &estimate->node, estimate->key, length);
    return estimate;
}

void estimates_note_totals(struct estimates *estimates, const char *site,
                           const struct store_batch *content, const uint64_t *totals)
{
    for (size_t i = 0; i < content->entry_count; i++) {
        struct estimate *estimate = find_or_create(estimates, site, &content->entries[i]);

        if (totals[i] != STORE_NONE) {
            if (estimate->total == 0) {
                estimate->since_us = clock_monotonic_us();
            }
            estimate->total = totals[i];
        }
    }
}

void estimates_add_pending(struct estimates *estimates, const char *site,
                           const struct store_batch *content, struct estimate_before *ret_before)
{
    for (size_t i = 0; i < content->entry_count; i++) {
        struct estimate *estimate = find_or_create(estimates, site, &content->entries[i]);

        if (ret_before != NULL) {
            ret_before[i].total = estimate->total != 0 ? estimate->total + estimate->pending : 0;
            ret_before[i].since_us = estimate->total != 0 ? estimate->since_us : UINT64_MAX;
        }
        estimate->pending += content->entries[i].hits;
    }
}

void estimates_forget_pending(struct estimates *estimates, const char *site,
                              const struct store_batch *content)
{
    for (size_t i = 0; i < content->entry_count; i++) {
        /* may have overflowed: a journal can say anything of how many visits there were */
        find_or_create(estimates, site, &content->entries[i])->pending -= content->entries[i].hits;
    }
}
