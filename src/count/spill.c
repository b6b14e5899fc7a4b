/* SPDX-License-Identifier: MIT */
#include "count/spill.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * How long the store may be away before visits go to the journal. Covers a restart of the store, or
 * the first connection of this process.
 */
#define MOMENT_MS 250

/* a batch's record in the journal; outlives the batch while the record is written */
struct spill_record {
    struct journal_entry entry;
    struct spill *spill;
    struct lane *lane;
    struct batch *batch; /* NULL if the store already has it, or the site was repaired */
    bool is_written;
    bool was_limited; /* the batch was sent, and the store may have refused new pages */
    struct sealed_batch *outdated;      /* to be set aside once it is written; else NULL */
    char epoch[STORE_EPOCH_LENGTH + 1]; /* the epoch of `outdated` */
};

/* --- a site that was repaired --- */

static void set_aside(struct spill_record *spill_record, const char *epoch,
                      struct sealed_batch *sealed_batch)
{
    struct journal_record record = {.sealed_batch = sealed_batch};

    memcpy(record.site, spill_record->lane->session.site, sizeof(record.site));
    memcpy(record.epoch, epoch, sizeof(record.epoch));
    journal_entry_set_aside(&spill_record->entry, &record);
}

bool spill_has_record(const struct batch *batch)
{
    return batch->spill_record != NULL && batch->spill_record->is_written;
}

void spill_set_aside(struct lane *lane, struct batch *batch)
{
    struct spill_record *spill_record = batch->spill_record;

    require(spill_record != NULL);
    require(spill_record->lane == lane);
    require(!batch_has_visits(batch));
    batch->spill_record = NULL;
    if (spill_record->is_written) {
        estimates_forget_pending(&spill_record->spill->estimates, lane->session.site,
                                 &batch->sealed_batch->content);
        set_aside(spill_record, lane->session.ledger.epoch, batch->sealed_batch);
        free(spill_record);
    } else {
        spill_record->batch = NULL;
        spill_record->outdated = batch_detach_sealed_batch(batch);
        memcpy(spill_record->epoch, lane->session.ledger.epoch, sizeof(spill_record->epoch));
    }
}

void spill_recall(struct batch *batch)
{
    require(batch->spill_record != NULL);
    require(!batch->spill_record->is_written);
    require(!batch->may_be_applied);
    batch->spill_record->batch = NULL; /* the record is done when it is written */
    batch->spill_record = NULL;
    batch_reopen(batch);
    if (batch_is_empty(batch)) {
        list_remove(&batch->link);
        batch_destroy(batch);
    }
}

/* --- writing --- */

struct answer_context {
    const struct spill_record *spill_record;
    const struct estimate_before *pages;
    bool is_outdated; /* the record will be set aside: its batch was sent, then the site repaired */
    struct list unknown; /* visits that may not be counted in the end */
};

static void answer_journaled(void *data, struct visit *visit, size_t entry)
{
    struct answer_context *context = data;
    struct visit_answer answer = {.status = VISIT_JOURNALED, .uniques = STORE_NONE};

    /* the page was not known when the visit came: the store may have refused it as a new page */
    if (context->is_outdated || (context->spill_record->was_limited &&
                                 context->pages[entry].since_us >= visit->accepted_at_us)) {
        list_append(&context->unknown, &visit->link);
        return;
    }
    if (context->pages[entry].total != 0) {
        answer.count = context->pages[entry].total + visit->position + 1;
    }
    waiting_visits_end(&context->spill_record->lane->site->visits);
    context->spill_record->spill->stats->journaled++;
    visit->on_answer(visit, &answer);
}

static void finish_written(struct spill_record *spill_record)
{
    struct lane *lane = spill_record->lane;
    struct batch *batch = spill_record->batch;
    struct estimate_before *pages =
        alloc_zero(batch->sealed_batch->content.entry_count, sizeof(*pages));
    struct answer_context context = {
        .spill_record = spill_record,
        .pages = pages,
        .is_outdated = lane == &lane->site->live &&
                       lane->session.ledger.generation < lane->site->generation.latest,
    };

    list_init(&context.unknown);
    spill_record->is_written = true;
    estimates_add_pending(&spill_record->spill->estimates, lane->session.site,
                          &batch->sealed_batch->content, pages);
    batch_release(batch, answer_journaled, &context);
    free(pages);
    waiting_visits_answer_uncounted(
        &lane->site->visits, &context.unknown, VISIT_UNKNOWN,
        context.is_outdated ? "the site was repaired while the store had not confirmed the visit; "
                              "it may have been counted"
                            : "the store did not confirm the visit in time; its page may be one "
                              "more than the site may have");
}

static void collect_visit(void *data, struct visit *visit, size_t entry)
{
    (void)entry;
    list_append(data, &visit->link);
}

/* the record was not written: nothing of it is on the disk, unless `error` is -ENOTRECOVERABLE */
static void finish_unwritten(struct spill_record *spill_record, int error)
{
    struct lane *lane = spill_record->lane;
    struct batch *batch = spill_record->batch;
    struct list visits;

    list_init(&visits);
    batch_release(batch, collect_visit, &visits);
    batch->spill_record = NULL;
    free(spill_record);
    if (lane == &lane->site->live) {
        /* the batch was sent to the store, and stays in the session to be sent again */
        waiting_visits_answer_uncounted(
            &lane->site->visits, &visits, VISIT_UNKNOWN,
            "the store did not confirm the visit, and the journal cannot be "
            "written; it may have been counted");
        return;
    }
    list_remove(&batch->link);
    batch_destroy(batch);
    if (error == -ENOTRECOVERABLE) {
        waiting_visits_answer_uncounted(
            &lane->site->visits, &visits, VISIT_UNKNOWN,
            "the store is away, and the journal's disk fails; it may be "
            "counted if that ends with a crash");
    } else {
        waiting_visits_answer_uncounted(
            &lane->site->visits, &visits, VISIT_REFUSED,
            "the store is away, and the journal cannot be written; the visit was "
            "not counted");
    }
}

static void on_written(struct journal_entry *entry, int error)
{
    struct spill_record *spill_record = container_of(entry, struct spill_record, entry);
    struct spill *spill = spill_record->spill;
    struct lane *lane = spill_record->lane;

    require(!spill_record->is_written);
    if (spill_record->batch == NULL) {
        /* the store was faster than the journal, or the site was repaired */
        if (error == 0 && spill_record->outdated != NULL) {
            set_aside(spill_record, spill_record->epoch, spill_record->outdated);
        } else if (error == 0) {
            journal_entry_done(entry);
        }
        sealed_batch_destroy(spill_record->outdated);
        free(spill_record);
    } else if (error == 0) {
        finish_written(spill_record);
    } else {
        finish_unwritten(spill_record, error);
    }
    spill_write_next(spill, lane->site);
    dispatcher_make_ready(&lane->dispatch);
}

static void write_batch(struct spill *spill, struct lane *lane, struct batch *batch)
{
    struct spill_record *spill_record = alloc_zero(1, sizeof(*spill_record));
    struct journal_record record;

    require(batch->is_sealed);
    require(batch->spill_record == NULL);
    spill_record->entry.on_written = on_written;
    spill_record->spill = spill;
    spill_record->lane = lane;
    spill_record->batch = batch;
    batch->spill_record = spill_record;
    /*
     * A visit that is answered as journaled must not be refused later because of the limit of
     * pages. Of a batch that was sent, the store may already have refused new pages. Then only
     * visits of known pages are answered as journaled.
     */
    spill_record->was_limited =
        lane == &lane->site->live && batch->sealed_batch->content.pages_max != 0;
    batch->sealed_batch->content.pages_max = 0;
    memcpy(record.site, lane->session.site, sizeof(record.site));
    memcpy(record.epoch, lane->session.ledger.epoch, sizeof(record.epoch));
    record.sealed_batch = batch->sealed_batch;
    journal_append(spill->journal, &record, &spill_record->entry);
}

static struct batch *batch_of(struct list *link)
{
    return container_of(link, struct batch, link);
}

/*
 * Returns the first batch of the backlog that is not in the journal; NULL if there is none, or one
 * before it is being written. Searches from the end, because thousands before it may be in the
 * journal.
 */
static struct batch *next_to_write(struct lane *lane)
{
    struct list *batches = &lane->session.batches;
    struct list *link = batches;

    while (link->prev != batches && batch_of(link->prev)->spill_record == NULL) {
        link = link->prev;
    }
    if (link == batches ||
        (link->prev != batches && !batch_of(link->prev)->spill_record->is_written)) {
        return NULL;
    }
    return batch_of(link);
}

bool spill_has_begun(const struct spill *spill, uint64_t now_ms)
{
    uint64_t max_wait_ms = spill->options->max_wait_ms;

    return spill->journal != NULL && !breaker_is_available(spill->breaker) &&
           now_ms - breaker_away_since_ms(spill->breaker) >=
               (max_wait_ms < MOMENT_MS ? max_wait_ms : MOMENT_MS);
}

void spill_write_next(struct spill *spill, struct site *site)
{
    struct batch *batch;

    if (spill->journal == NULL || site->backlog == NULL) {
        return;
    }
    batch = next_to_write(site->backlog);
    if (batch != NULL) {
        session_seal(&site->backlog->session, batch);
        write_batch(spill, site->backlog, batch);
    }
}

void spill_waiting_visits(struct spill *spill, struct site *site)
{
    struct lane *backlog;
    struct batch *batch;

    if (spill->journal == NULL) {
        return;
    }
    /* a batch that was sent stays in its lane under its sequence; the journal gets a copy */
    batch = session_first_sealed(&site->live.session);
    if (batch != NULL && batch->spill_record == NULL && batch_has_visits(batch)) {
        batch->is_doubtful = true;
        batch->sealed_batch->is_addressed = true;
        write_batch(spill, &site->live, batch);
    }
    backlog = site_find_or_create_backlog(site);
    lane_use(backlog, clock_monotonic_ms());
    session_move_open(&site->live.session, &backlog->session);
    spill_write_next(spill, site);
}

/* --- sending and the end --- */

bool spill_is_first_written(const struct lane *lane)
{
    const struct batch *first;

    if (list_is_empty(&lane->session.batches)) {
        return true;
    }
    first = container_of(lane->session.batches.next, struct batch, link);
    return first->spill_record != NULL && first->spill_record->is_written;
}

bool spill_is_safe(const struct lane *lane)
{
    list_for_each(link, &lane->session.batches) {
        const struct batch *batch = container_of(link, struct batch, link);

        if (batch->spill_record == NULL || !batch->spill_record->is_written) {
            return false;
        }
    }
    return true;
}

void spill_end_record(struct spill *spill, struct lane *lane, struct batch *batch,
                      const struct store_applied *applied)
{
    struct spill_record *spill_record = batch->spill_record;

    estimates_note_totals(&spill->estimates, lane->session.site, &batch->sealed_batch->content,
                          applied->totals);
    if (spill_has_record(batch)) {
        estimates_forget_pending(&spill->estimates, lane->session.site,
                                 &batch->sealed_batch->content);
    }
    if (spill_record == NULL) {
        return;
    }
    require(spill_record->batch == batch);
    batch->spill_record = NULL;
    if (spill_record->is_written) {
        spill->stats->replayed += batch->sealed_batch->hits;
        journal_entry_done(&spill_record->entry);
        free(spill_record);
    } else {
        spill_record->batch = NULL;
    }
}

struct journal_entry *spill_restore(struct spill *spill, struct lane *lane,
                                    struct journal_record *record)
{
    struct batch *batch = batch_restore(record->sealed_batch);
    struct spill_record *spill_record = alloc_zero(1, sizeof(*spill_record));
    const struct store_batch *content = &record->sealed_batch->content;

    spill_record->spill = spill;
    spill_record->lane = lane;
    spill_record->batch = batch;
    spill_record->is_written = true;
    batch->spill_record = spill_record;
    list_append(&lane->session.batches, &batch->link);
    estimates_add_pending(&spill->estimates, lane->site->name, content, NULL);
    dispatcher_make_ready(&lane->dispatch);
    return &spill_record->entry;
}

/* --- the part of the engine --- */

void spill_init(struct spill *spill, const struct engine_options *options,
                const struct breaker *breaker, struct stats *stats)
{
    *spill = (struct spill){.options = options, .breaker = breaker, .stats = stats};
    estimates_init(&spill->estimates);
}

void spill_finish(struct spill *spill)
{
    estimates_finish(&spill->estimates);
}

void spill_use_journal(struct spill *spill, struct journal *journal)
{
    spill->journal = journal;
}
