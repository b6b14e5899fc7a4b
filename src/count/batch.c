/* SPDX-License-Identifier: MIT */
#include "count/batch.h"

#include <stdlib.h>
#include <string.h>

struct batch_page {
    struct list link;
    struct map_node node;
    struct list visits; /* in the order of arrival */
    uint64_t hits;
    size_t name_length;
    char name[];
};

static struct batch_page *page_of(struct list *link)
{
    return container_of(link, struct batch_page, link);
}

struct batch *batch_create(uint64_t hour)
{
    struct batch *batch = calloc(1, sizeof(*batch));

    if (batch == NULL) {
        abort();
    }
    batch->hour = hour;
    list_init(&batch->link);
    list_init(&batch->pages);
    map_init(&batch->by_name);
    return batch;
}

static void remove_page(struct batch *batch, struct batch_page *page)
{
    if (batch->latest == page) {
        batch->latest = NULL;
    }
    map_remove(&batch->by_name, &page->node);
    list_remove(&page->link);
    free(page);
}

void batch_destroy(struct batch *batch)
{
    if (batch == NULL) {
        return;
    }
    while (!list_is_empty(&batch->pages)) {
        remove_page(batch, page_of(batch->pages.next));
    }
    map_finish(&batch->by_name);
    free(batch->entries);
    free(batch);
}

bool batch_takes(const struct batch *batch, uint64_t hour)
{
    return !batch->is_frozen && batch->attempts == 0 && batch->hour == hour &&
           map_count(&batch->by_name) < BATCH_PAGES_MAX;
}

static struct batch_page *find_page(struct batch *batch, const char *name, size_t length)
{
    struct batch_page *latest = batch->latest;
    struct map_node *node;

    if (latest != NULL && latest->name_length == length &&
        memcmp(latest->name, name, length) == 0) {
        return latest;
    }
    node = map_find(&batch->by_name, name, length);
    return node != NULL ? container_of(node, struct batch_page, node) : NULL;
}

static struct batch_page *add_page(struct batch *batch, const char *name, size_t length)
{
    struct batch_page *page = malloc(sizeof(*page) + length + 1);

    if (page == NULL) {
        abort();
    }
    list_init(&page->visits);
    page->hits = 0;
    page->name_length = length;
    memcpy(page->name, name, length);
    page->name[length] = '\0';
    list_append(&batch->pages, &page->link);
    map_insert(&batch->by_name, &page->node, page->name, length);
    return page;
}

void batch_add(struct batch *batch, const char *page_name, size_t page_length, struct visit *visit)
{
    struct batch_page *page = find_page(batch, page_name, page_length);

    if (page == NULL) {
        page = add_page(batch, page_name, page_length);
    }
    batch->latest = page;
    visit->position = page->hits++;
    list_append(&page->visits, &visit->link);
}

bool batch_is_empty(const struct batch *batch)
{
    return list_is_empty(&batch->pages);
}

const struct store_entry *batch_freeze(struct batch *batch, size_t *ret_count)
{
    size_t count = 0;

    *ret_count = map_count(&batch->by_name);
    batch->attempts++;
    if (batch->is_frozen) {
        return batch->entries;
    }
    batch->is_frozen = true;
    batch->entries = calloc(*ret_count, sizeof(*batch->entries));
    if (batch->entries == NULL) {
        abort();
    }
    list_for_each(link, &batch->pages) {
        struct batch_page *page = page_of(link);

        batch->entries[count].page = page->name;
        batch->entries[count].page_length = page->name_length;
        batch->entries[count].hits = page->hits;
        count++;
    }
    return batch->entries;
}

void batch_thaw(struct batch *batch)
{
    batch->is_frozen = false;
    batch->is_doubtful = false;
    free(batch->entries);
    batch->entries = NULL;
}

void batch_answer(struct batch *batch, const uint64_t *totals, batch_on_visit on_visit, void *data)
{
    size_t i = 0;

    list_for_each(page_link, &batch->pages) {
        struct batch_page *page = page_of(page_link);
        uint64_t before = totals[i++] - page->hits;
        struct list *link;

        while ((link = list_take_first(&page->visits)) != NULL) {
            struct visit *visit = container_of(link, struct visit, link);

            on_visit(data, visit, before + visit->position + 1);
        }
    }
}

/* closes the gap that a visit leaves in the numbering of an open page */
static void move_up(struct batch_page *page, struct list *first)
{
    for (struct list *link = first; link != &page->visits; link = link->next) {
        container_of(link, struct visit, link)->position--;
    }
    page->hits--;
}

static void expire_page(struct batch *batch, struct batch_page *page, uint64_t now_ms,
                        struct list *expired)
{
    struct list *link = page->visits.next;

    while (link != &page->visits) {
        struct list *next = link->next;

        if (container_of(link, struct visit, link)->deadline_ms <= now_ms) {
            list_remove(link);
            list_append(expired, link);
            if (!batch->is_frozen) {
                move_up(page, next);
            }
        }
        link = next;
    }
}

void batch_expire(struct batch *batch, uint64_t now_ms, struct list *expired)
{
    struct list *link = batch->pages.next;

    while (link != &batch->pages) {
        struct batch_page *page = page_of(link);

        link = link->next;
        expire_page(batch, page, now_ms, expired);
        if (page->hits == 0) {
            remove_page(batch, page);
        }
    }
}
