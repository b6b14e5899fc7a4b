/* SPDX-License-Identifier: MIT */
#include "count/outage.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "count/breaker.h"
#include "count/leg.h"
#include "count/sending.h"
#include "count/waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * How long the store may be away before visits go to the journal: enough for its restart, or for
 * the first connection of this process.
 */
#define MOMENT_MS 250

/* pages whose totals are remembered; more are forgotten together, but for those in the journal */
#define ESTIMATES_MAX 10000

/* a batch's record in the journal; outlives the batch while it is written */
struct shelter {
    struct journal_entry entry;
    struct leg *leg;
    struct batch *batch; /* NULL when the store has it already */
    bool is_written;
    bool was_limited;                   /* it had been sent, and new pages may have been refused */
    struct parcel *outdated;            /* to be set aside as soon as it is written; else NULL */
    char epoch[STORE_EPOCH_LENGTH + 1]; /* outdated: of its record */
};

/* what is known of a page without asking the store */
struct estimate {
    struct map_node node;
    uint64_t total;    /* that the store said last; 0 when it said none */
    uint64_t since_us; /* when it said one first */
    uint64_t pending;  /* visits in the journal */
    char key[];        /* site, NUL, page */
};

/* --- estimates --- */

static void forget_estimates(struct engine *engine)
{
    map_for_each(node, &engine->estimates) {
        struct estimate *estimate = container_of(node, struct estimate, node);

        if (estimate->pending == 0) {
            map_remove(&engine->estimates, node);
            free(estimate);
        }
    }
}

static struct estimate *take_estimate(struct engine *engine, const char *site, const char *page,
                                      size_t page_length)
{
    char key[STORE_SITE_MAX + 1 + STORE_PAGE_MAX];
    size_t site_length = strlen(site) + 1;
    size_t length = site_length + page_length;
    struct map_node *node;
    struct estimate *estimate;

    memcpy(key, site, site_length);
    memcpy(key + site_length, page, page_length);
    node = map_find(&engine->estimates, key, length);
    if (node != NULL) {
        return container_of(node, struct estimate, node);
    }
    if (map_count(&engine->estimates) >= ESTIMATES_MAX) {
        forget_estimates(engine);
    }
    estimate = alloc_zero(1, sizeof(*estimate) + length);
    memcpy(estimate->key, key, length);
    map_insert(&engine->estimates, &estimate->node, estimate->key, length);
    return estimate;
}

static void note_totals(struct leg *leg, const struct batch *batch,
                        const struct store_applied *applied)
{
    const struct store_batch *content = &batch->parcel->content;

    for (size_t i = 0; i < content->entry_count; i++) {
        struct estimate *estimate =
            take_estimate(leg->site->engine, leg->flow.site, content->entries[i].page,
                          content->entries[i].page_length);

        if (applied->totals[i] != STORE_NONE) {
            if (estimate->total == 0) {
                estimate->since_us = clock_monotonic_us();
            }
            estimate->total = applied->totals[i];
        }
        if (batch->shelter != NULL && batch->shelter->is_written) {
            estimate->pending -= content->entries[i].hits;
        }
    }
}

/* a page as it was known before a batch of it went to the journal */
struct known {
    uint64_t total;    /* with what is pending; 0 when the store has said none */
    uint64_t since_us; /* it is in the store */
};

/* notes that a batch is in the journal */
static void note_pending(struct leg *leg, const struct batch *batch, struct known *ret_known)
{
    const struct store_batch *content = &batch->parcel->content;

    for (size_t i = 0; i < content->entry_count; i++) {
        struct estimate *estimate =
            take_estimate(leg->site->engine, leg->flow.site, content->entries[i].page,
                          content->entries[i].page_length);

        ret_known[i].total = estimate->total != 0 ? estimate->total + estimate->pending : 0;
        ret_known[i].since_us = estimate->total != 0 ? estimate->since_us : UINT64_MAX;
        estimate->pending += content->entries[i].hits;
    }
}

void outage_finish(struct engine *engine)
{
    map_for_each(node, &engine->estimates) {
        struct estimate *estimate = container_of(node, struct estimate, node);

        map_remove(&engine->estimates, node);
        free(estimate);
    }
    map_finish(&engine->estimates);
}

/* --- a site that was repaired --- */

static void set_aside(struct shelter *shelter, const char *epoch, struct parcel *parcel)
{
    struct journal_record record = {.parcel = parcel};

    memcpy(record.site, shelter->leg->flow.site, sizeof(record.site));
    memcpy(record.epoch, epoch, sizeof(record.epoch));
    journal_set_aside(&shelter->entry, &record);
}

static void forget_pending(struct leg *leg, const struct store_batch *content)
{
    for (size_t i = 0; i < content->entry_count; i++) {
        take_estimate(leg->site->engine, leg->flow.site, content->entries[i].page,
                      content->entries[i].page_length)
            ->pending -= content->entries[i].hits;
    }
}

bool outage_has_record(const struct batch *batch)
{
    return batch->shelter != NULL && batch->shelter->is_written;
}

void outage_set_aside(struct leg *leg, struct batch *batch)
{
    struct shelter *shelter = batch->shelter;

    batch->shelter = NULL;
    if (shelter->is_written) {
        forget_pending(leg, &batch->parcel->content);
        set_aside(shelter, leg->flow.ledger.epoch, batch->parcel);
        free(shelter);
    } else {
        shelter->batch = NULL;
        shelter->outdated = batch_take_parcel(batch);
        memcpy(shelter->epoch, leg->flow.ledger.epoch, sizeof(shelter->epoch));
    }
}

void outage_recall(struct batch *batch)
{
    batch->shelter->batch = NULL; /* done when it is written */
    batch->shelter = NULL;
    batch_thaw(batch);
}

/* --- writing --- */

struct answer_context {
    const struct shelter *shelter;
    const struct known *pages;
    struct list unknown; /* visits that the store may have refused already */
};

static void answer_journaled(void *data, struct visit *visit, size_t entry)
{
    struct answer_context *context = data;
    struct engine *engine = context->shelter->leg->site->engine;
    struct visit_answer answer = {.status = VISIT_JOURNALED, .uniques = STORE_NONE};

    /* a page that was not known yet when the visit came may have been new when it was sent */
    if (context->shelter->was_limited && context->pages[entry].since_us >= visit->accepted_at_us) {
        list_append(&context->unknown, &visit->link);
        return;
    }
    if (context->pages[entry].total != 0) {
        answer.count = context->pages[entry].total + visit->position + 1;
    }
    waiting_end(context->shelter->leg->site);
    engine->stats.journaled++;
    visit->on_answer(visit, &answer);
}

static void finish_written(struct shelter *shelter)
{
    struct leg *leg = shelter->leg;
    struct batch *batch = shelter->batch;
    struct known *pages = alloc_zero(batch->parcel->content.entry_count, sizeof(*pages));
    struct answer_context context = {.shelter = shelter, .pages = pages};

    list_init(&context.unknown);
    shelter->is_written = true;
    note_pending(leg, batch, pages);
    batch_release(batch, answer_journaled, &context);
    free(pages);
    waiting_answer_uncounted(leg->site, &context.unknown, VISIT_UNKNOWN,
                             "the store did not confirm the visit in time; its page may be one "
                             "more than the site may have");
}

static void take_out(void *data, struct visit *visit, size_t entry)
{
    (void)entry;
    list_append(data, &visit->link);
}

/* the batch is not in the journal; nothing of it is, unless `error` is -ENOTRECOVERABLE */
static void finish_unwritten(struct shelter *shelter, int error)
{
    struct leg *leg = shelter->leg;
    struct batch *batch = shelter->batch;
    struct list visits;

    list_init(&visits);
    batch_release(batch, take_out, &visits);
    batch->shelter = NULL;
    free(shelter);
    if (leg == &leg->site->live) {
        /* it was sent to the store, and stays to be sent again */
        waiting_answer_uncounted(leg->site, &visits, VISIT_UNKNOWN,
                                 "the store did not confirm the visit, and the journal cannot be "
                                 "written; it may have been counted");
        return;
    }
    list_remove(&batch->link);
    batch_destroy(batch);
    if (error == -ENOTRECOVERABLE) {
        waiting_answer_uncounted(leg->site, &visits, VISIT_UNKNOWN,
                                 "the store is away, and the journal's disk fails; it may be "
                                 "counted if that ends with a crash");
    } else {
        waiting_answer_uncounted(
            leg->site, &visits, VISIT_REFUSED,
            "the store is away, and the journal cannot be written; the visit was "
            "not counted");
    }
}

static void on_written(struct journal_entry *entry, int error)
{
    struct shelter *shelter = container_of(entry, struct shelter, entry);
    struct leg *leg = shelter->leg;

    if (shelter->batch == NULL) {
        /* the store was quicker, or the site was repaired */
        if (error == 0 && shelter->outdated != NULL) {
            set_aside(shelter, shelter->epoch, shelter->outdated);
        } else if (error == 0) {
            journal_done(entry);
        }
        parcel_destroy(shelter->outdated);
        free(shelter);
    } else if (error == 0) {
        finish_written(shelter);
    } else {
        finish_unwritten(shelter, error);
    }
    outage_write(leg->site);
    sending_make_ready(leg);
}

static void write_batch(struct leg *leg, struct batch *batch)
{
    struct shelter *shelter = alloc_zero(1, sizeof(*shelter));
    struct journal_record record;

    shelter->entry.on_written = on_written;
    shelter->leg = leg;
    shelter->batch = batch;
    batch->shelter = shelter;
    /*
     * Who is told that the visit will be counted must not be refused for want of room later. A
     * batch that was sent may have been: then only pages that are known are sure to be counted.
     */
    shelter->was_limited = leg == &leg->site->live && batch->parcel->content.pages_max != 0;
    batch->parcel->content.pages_max = 0;
    memcpy(record.site, leg->flow.site, sizeof(record.site));
    memcpy(record.epoch, leg->flow.ledger.epoch, sizeof(record.epoch));
    record.parcel = batch->parcel;
    journal_append(leg->site->engine->journal, &record, &shelter->entry);
}

static struct batch *batch_of(struct list *link)
{
    return container_of(link, struct batch, link);
}

/*
 * The first batch of the backlog that is not in the journal, unless one before it is on its way.
 * There may be thousands that are in it, so it is searched from the other end.
 */
static struct batch *next_to_write(struct leg *leg)
{
    struct list *batches = &leg->flow.batches;
    struct list *link = batches;

    while (link->prev != batches && batch_of(link->prev)->shelter == NULL) {
        link = link->prev;
    }
    if (link == batches || (link->prev != batches && !batch_of(link->prev)->shelter->is_written)) {
        return NULL;
    }
    return batch_of(link);
}

bool outage_has_begun(const struct engine *engine, uint64_t now_ms)
{
    uint64_t max_wait_ms = engine->options.max_wait_ms;

    return engine->journal != NULL && !engine->is_available &&
           now_ms - breaker_away_since_ms(engine) >=
               (max_wait_ms < MOMENT_MS ? max_wait_ms : MOMENT_MS);
}

struct leg *outage_backlog(struct site *site)
{
    if (site->backlog == NULL) {
        site->backlog = alloc_zero(1, sizeof(*site->backlog));
        leg_init(site->backlog, site);
    }
    return site->backlog;
}

void outage_write(struct site *site)
{
    struct batch *batch;

    if (site->engine->journal == NULL || site->backlog == NULL) {
        return;
    }
    batch = next_to_write(site->backlog);
    if (batch != NULL) {
        flow_freeze(&site->backlog->flow, batch);
        write_batch(site->backlog, batch);
    }
}

void outage_shelter(struct site *site)
{
    struct batch *batch;

    if (site->engine->journal == NULL) {
        return;
    }
    /* what was sent stays where it is, under its number; the journal takes a copy */
    batch = flow_first_frozen(&site->live.flow);
    if (batch != NULL && batch->shelter == NULL && batch_has_visits(batch)) {
        batch->is_doubtful = true;
        batch->parcel->is_addressed = true;
        write_batch(&site->live, batch);
    }
    leg_use(outage_backlog(site), clock_monotonic_ms());
    flow_move_open(&site->live.flow, &outage_backlog(site)->flow);
    outage_write(site);
}

/* --- sending and the end --- */

bool outage_may_send(const struct leg *leg)
{
    const struct batch *first;

    if (leg != leg->site->backlog || list_is_empty(&leg->flow.batches)) {
        return true;
    }
    first = container_of(leg->flow.batches.next, struct batch, link);
    return first->shelter != NULL && first->shelter->is_written;
}

bool outage_is_safe(const struct leg *leg)
{
    list_for_each(link, &leg->flow.batches) {
        const struct batch *batch = container_of(link, struct batch, link);

        if (batch->shelter == NULL || !batch->shelter->is_written) {
            return false;
        }
    }
    return true;
}

void outage_note_applied(struct leg *leg, struct batch *batch, const struct store_applied *applied)
{
    struct engine *engine = leg->site->engine;
    struct shelter *shelter = batch->shelter;

    if (engine->journal != NULL || shelter != NULL) {
        note_totals(leg, batch, applied);
    }
    if (shelter == NULL) {
        return;
    }
    batch->shelter = NULL;
    if (shelter->is_written) {
        engine->stats.replayed += batch->parcel->hits;
        journal_done(&shelter->entry);
        free(shelter);
    } else {
        shelter->batch = NULL;
    }
}

struct journal_entry *outage_restore(struct leg *leg, struct journal_record *record)
{
    struct batch *batch = batch_restore(record->parcel);
    struct shelter *shelter = alloc_zero(1, sizeof(*shelter));
    const struct store_batch *content = &record->parcel->content;

    shelter->leg = leg;
    shelter->batch = batch;
    shelter->is_written = true;
    batch->shelter = shelter;
    list_append(&leg->flow.batches, &batch->link);
    for (size_t i = 0; i < content->entry_count; i++) {
        take_estimate(leg->site->engine, leg->site->name, content->entries[i].page,
                      content->entries[i].page_length)
            ->pending += content->entries[i].hits;
    }
    sending_make_ready(leg);
    return &shelter->entry;
}
