/* SPDX-License-Identifier: MIT */
#include "count/batch.h"

#include "base/alloc.h"
#include "base/require.h"
#include "base/scratch.h"

#include <stdlib.h>
#include <string.h>

#define SECONDS_PER_HOUR 3600

struct batch_page {
    struct list link;
    struct map_node node;
    struct list visits; /* in the order of arrival */
    uint64_t hits;
    bool wants_uniques;
    size_t name_length;
    char name[];
};

static struct batch_page *page_of(struct list *link)
{
    return container_of(link, struct batch_page, link);
}

struct batch *batch_create(uint64_t second, uint64_t day)
{
    struct batch *batch = alloc_zero(1, sizeof(*batch));

    batch->second = second;
    batch->day = day;
    list_init(&batch->link);
    list_init(&batch->pages);
    map_init(&batch->by_name);
    return batch;
}

static void remove_page(struct batch *batch, struct batch_page *page)
{
    require(list_is_empty(&page->visits));
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
    sealed_batch_destroy(batch->sealed_batch);
    free(batch->token_positions);
    free(batch);
}

struct batch *batch_restore(struct sealed_batch *sealed_batch)
{
    struct batch *batch = batch_create(sealed_batch->content.second, sealed_batch->content.day);

    require(sealed_batch != NULL);
    batch->is_sealed = true;
    batch->is_doubtful = true;
    batch->may_be_applied = true; /* by an earlier run */
    batch->attempts = 1;
    batch->sealed_batch = sealed_batch;
    return batch;
}

/* whether a command has room for one more visit with a page, token and visitor of its own */
static bool has_room(const struct batch *batch)
{
    size_t pages = map_count(&batch->by_name) + 1;

    return BATCH_ARGUMENTS_PAGE * pages + BATCH_ARGUMENTS_TOKEN * (batch->token_count + 1) +
               BATCH_ARGUMENTS_VISITOR * (batch->visitor_count + 1) <=
           BATCH_ARGUMENTS_MAX - BATCH_ARGUMENTS_ALWAYS;
}

bool batch_takes(const struct batch *batch, uint64_t second, uint64_t day)
{
    return !batch->is_sealed && batch->attempts == 0 &&
           batch->second / SECONDS_PER_HOUR == second / SECONDS_PER_HOUR && batch->day == day &&
           batch->token_count < BATCH_TOKENS_MAX && batch->visitor_count < BATCH_VISITORS_MAX &&
           map_count(&batch->by_name) < BATCH_PAGES_MAX && has_room(batch);
}

/* counts the visit's token and visitor; drops a visitor that the store already has */
static void note_visit(struct batch *batch, struct batch_page *page, struct visit *visit)
{
    if (visit->visitor != 0 && batch->known != NULL &&
        known_visitors_have(batch->known, visit->visitor, page->node.hash)) {
        visit->visitor = 0;
    }
    batch->token_count += visit->token != NULL ? 1 : 0;
    batch->visitor_count += visit->visitor != 0 ? 1 : 0;
    page->wants_uniques = page->wants_uniques || visit->wants_uniques;
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
    struct batch_page *page = alloc_bytes(sizeof(*page) + length + 1);

    list_init(&page->visits);
    page->hits = 0;
    page->wants_uniques = false;
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

    require(!batch->is_sealed);
    require(page_length <= STORE_PAGE_MAX);
    if (page == NULL) {
        page = add_page(batch, page_name, page_length);
    }
    batch->latest = page;
    batch->pages_max = visit->pages_max;
    visit->position = page->hits++;
    note_visit(batch, page, visit);
    list_append(&page->visits, &visit->link);
}

bool batch_is_empty(const struct batch *batch)
{
    return batch->sealed_batch == NULL && list_is_empty(&batch->pages);
}

/* appends the tokens of a page's visits */
static void collect_tokens(struct batch *batch, const struct batch_page *page, uint32_t entry,
                           struct store_token *tokens, size_t *count)
{
    list_for_each(link, &page->visits) {
        const struct visit *visit = container_of(link, struct visit, link);

        if (visit->token != NULL) {
            batch->token_positions[*count] = visit->position;
            tokens[(*count)++] = (struct store_token){.bytes = visit->token,
                                                      .length = visit->token_length,
                                                      .entry = entry,
                                                      .window = visit->token_window};
        }
    }
}

static void collect_visitors(const struct batch_page *page, uint32_t entry,
                             struct store_visitor *visitors, size_t *count)
{
    list_for_each(link, &page->visits) {
        const struct visit *visit = container_of(link, struct visit, link);

        if (visit->visitor != 0) {
            visitors[(*count)++] = (struct store_visitor){visit->visitor, entry};
        }
    }
}

static struct sealed_batch *pack(struct batch *batch)
{
    SCRATCH struct store_entry entries[BATCH_PAGES_MAX];
    SCRATCH struct store_token tokens[BATCH_TOKENS_MAX];
    SCRATCH struct store_visitor visitors[BATCH_VISITORS_MAX];
    struct store_batch content = {.hour = batch->second / SECONDS_PER_HOUR,
                                  .day = batch->day,
                                  .second = batch->second,
                                  .entries = entries,
                                  .tokens = tokens,
                                  .visitors = visitors,
                                  .pages_max = batch->pages_max};

    require(map_count(&batch->by_name) <= BATCH_PAGES_MAX);
    require(batch->token_count <= BATCH_TOKENS_MAX);
    require(batch->visitor_count <= BATCH_VISITORS_MAX);
    batch->token_positions = alloc_zero(batch->token_count + 1, sizeof(*batch->token_positions));
    list_for_each(link, &batch->pages) {
        struct batch_page *page = page_of(link);

        collect_tokens(batch, page, (uint32_t)content.entry_count, tokens, &content.token_count);
        if (batch->visitor_count != 0) {
            collect_visitors(page, (uint32_t)content.entry_count, visitors, &content.visitor_count);
        }
        entries[content.entry_count++] =
            (struct store_entry){page->name, page->name_length, page->hits, page->wants_uniques};
    }
    require(content.token_count == batch->token_count);
    require(content.visitor_count == batch->visitor_count);
    return sealed_batch_create(&content);
}

struct sealed_batch *batch_seal(struct batch *batch)
{
    require(!batch_is_empty(batch));
    batch->attempts++;
    if (!batch->is_sealed) {
        batch->is_sealed = true;
        batch->sealed_batch = pack(batch);
    }
    return batch->sealed_batch;
}

struct sealed_batch *batch_detach_sealed_batch(struct batch *batch)
{
    struct sealed_batch *sealed_batch = batch->sealed_batch;

    require(batch->is_sealed && sealed_batch != NULL);
    batch->sealed_batch = NULL;
    return sealed_batch;
}

/* numbers the visits of a page again: those that left while it was sealed are not sent again */
static void recount_page(struct batch *batch, struct batch_page *page)
{
    page->hits = 0;
    list_for_each(link, &page->visits) {
        struct visit *visit = container_of(link, struct visit, link);

        visit->position = page->hits++;
        note_visit(batch, page, visit);
    }
}

static void recount(struct batch *batch)
{
    struct list *link = batch->pages.next;

    batch->token_count = 0;
    batch->visitor_count = 0;
    while (link != &batch->pages) {
        struct batch_page *page = page_of(link);

        link = link->next;
        recount_page(batch, page);
        if (page->hits == 0) {
            remove_page(batch, page);
        }
    }
}

void batch_reopen(struct batch *batch)
{
    require(batch->is_sealed && batch->sealed_batch != NULL);
    batch->is_sealed = false;
    batch->is_doubtful = false;
    sealed_batch_destroy(batch->sealed_batch);
    batch->sealed_batch = NULL;
    free(batch->token_positions);
    batch->token_positions = NULL;
    recount(batch);
}

/* the tokens of one page, in the order of their visits */
struct page_tokens {
    const uint64_t *positions;
    const bool *duplicates;
    size_t count;
    size_t next;
    uint64_t skipped; /* duplicates before the next token */
};

static uint64_t count_duplicates(const struct page_tokens *tokens)
{
    uint64_t duplicates = 0;

    for (size_t i = 0; i < tokens->count; i++) {
        duplicates += tokens->duplicates[i] ? 1 : 0;
    }
    return duplicates;
}

/* whether the visit at `position` is a duplicate; called with growing positions */
static bool is_duplicate(struct page_tokens *tokens, uint64_t position)
{
    while (tokens->next < tokens->count && tokens->positions[tokens->next] < position) {
        tokens->skipped += tokens->duplicates[tokens->next++] ? 1 : 0;
    }
    return tokens->next < tokens->count && tokens->positions[tokens->next] == position &&
           tokens->duplicates[tokens->next];
}

/* refuses all visits of a page */
static void refuse_page(struct batch_page *page, struct list *answered)
{
    const struct visit_answer refused = {.status = VISIT_TOO_MANY_PAGES,
                                         .uniques = STORE_NONE,
                                         .reason = "the site has as many pages as it may have; "
                                                   "this one is new, and was not counted"};
    struct list *link;

    while ((link = list_pop_first(&page->visits)) != NULL) {
        container_of(link, struct visit, link)->answer = refused;
        list_append(answered, link);
    }
}

/* `duplicate` is the answer to a duplicate and has the page's total */
static void answer_page(struct batch_page *page, struct page_tokens *tokens,
                        const struct visit_answer *duplicate, struct list *answered)
{
    uint64_t before = duplicate->count - (page->hits - count_duplicates(tokens));
    struct list *link;

    while ((link = list_pop_first(&page->visits)) != NULL) {
        struct visit *visit = container_of(link, struct visit, link);

        visit->answer = *duplicate;
        if (!is_duplicate(tokens, visit->position)) {
            visit->answer.status = VISIT_COUNTED;
            visit->answer.count = before + visit->position - tokens->skipped + 1;
        }
        list_append(answered, link);
    }
}

void batch_answer(struct batch *batch, const struct store_applied *applied, struct list *answered)
{
    const struct store_batch *content = &batch->sealed_batch->content;
    size_t entry = 0;
    size_t first = 0;

    list_for_each(link, &batch->pages) {
        struct page_tokens tokens = {.positions = batch->token_positions + first,
                                     .duplicates = applied->duplicate_tokens + first};
        struct visit_answer duplicate = {.status = VISIT_DUPLICATE,
                                         .count = applied->totals[entry],
                                         .uniques = applied->uniques[entry],
                                         .replicas = applied->replicas,
                                         .replicas_wanted = applied->replicas_wanted};

        require(entry < content->entry_count);
        while (first < content->token_count && content->tokens[first].entry == entry) {
            tokens.count++;
            first++;
        }
        if (applied->totals[entry] == STORE_NONE) {
            refuse_page(page_of(link), answered);
        } else {
            answer_page(page_of(link), &tokens, &duplicate, answered);
        }
        entry++;
    }
}

bool batch_has_visits(const struct batch *batch)
{
    list_for_each(link, &batch->pages) {
        if (!list_is_empty(&page_of(link)->visits)) {
            return true;
        }
    }
    return false;
}

bool batch_is_overdue(const struct batch *batch, uint64_t now_ms)
{
    list_for_each(link, &batch->pages) {
        const struct batch_page *page = page_of(link);

        /* deadlines grow in the order of arrival */
        if (!list_is_empty(&page->visits) &&
            container_of(page->visits.next, struct visit, link)->deadline_ms <= now_ms) {
            return true;
        }
    }
    return false;
}

void batch_release(struct batch *batch,
                   void (*on_visit)(void *data, struct visit *visit, size_t entry), void *data)
{
    size_t entry = 0;

    require(batch->is_sealed);
    list_for_each(page_link, &batch->pages) {
        struct batch_page *page = page_of(page_link);
        struct list *link;

        while ((link = list_pop_first(&page->visits)) != NULL) {
            on_visit(data, container_of(link, struct visit, link), entry);
        }
        entry++;
    }
}

/* renumbers the visits behind one that left an open page */
static void move_up(struct batch_page *page, struct list *first)
{
    require(page->hits != 0);
    for (struct list *link = first; link != &page->visits; link = link->next) {
        container_of(link, struct visit, link)->position--;
    }
    page->hits--;
}

static void forget_visit(struct batch *batch, const struct visit *visit)
{
    require(visit->token == NULL || batch->token_count != 0);
    require(visit->visitor == 0 || batch->visitor_count != 0);
    batch->token_count -= visit->token != NULL ? 1 : 0;
    batch->visitor_count -= visit->visitor != 0 ? 1 : 0;
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
            if (!batch->is_sealed) {
                forget_visit(batch, container_of(link, struct visit, link));
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
