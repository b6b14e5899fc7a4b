/* SPDX-License-Identifier: MIT */
#include "count/outdated.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/require.h"

#include <string.h>

/* visits of a lane that may be in the site's total */
struct doubt {
    uint64_t dropped; /* sent, and not in the journal */
    uint64_t aside;   /* in records of the journal */
    struct list visits;
};

static void collect_visit(void *data, struct visit *visit, size_t entry)
{
    (void)entry;
    list_append(data, &visit->link);
}

static bool was_certainly_not_applied(const struct lane *lane, const struct batch *batch)
{
    return !batch->is_sealed || (lane->is_blind && !batch->may_be_applied);
}

static void give_up(struct lane *lane, struct batch *batch, struct doubt *doubt)
{
    require(batch->is_sealed);
    if (spill_has_record(batch)) {
        doubt->aside += batch->sealed_batch->hits;
    } else {
        doubt->dropped += batch->sealed_batch->hits;
    }
    batch_release(batch, collect_visit, &doubt->visits);
    if (batch->spill_record != NULL) {
        spill_set_aside(lane, batch);
    }
    list_remove(&batch->link);
    batch_destroy(batch);
}

static void give_up_batches(struct lane *lane, struct doubt *doubt)
{
    struct list *link = lane->session.batches.next;

    while (link != &lane->session.batches) {
        struct batch *batch = container_of(link, struct batch, link);

        link = link->next;
        if (was_certainly_not_applied(lane, batch)) {
            continue;
        }
        if (lane == lane->site->backlog && !spill_has_record(batch)) {
            spill_recall(batch); /* it is not sent before it is written */
        } else {
            give_up(lane, batch, doubt);
        }
    }
}

static void tell(const struct lane *lane, const struct doubt *doubt)
{
    const struct site *site = lane->site;

    if (doubt->dropped == 0 && doubt->aside == 0) {
        log_debug("store: site %s: is of generation %llu", site->name,
                  (unsigned long long)site->generation.latest);
        return;
    }
    log_warning("store: site %s was repaired, and is of generation %llu now; %llu visits that were "
                "sent before are not sent again, %llu visits of the journal are set aside: "
                "visitcountctl journal aside DIRECTORY lists them",
                site->name, (unsigned long long)site->generation.latest,
                (unsigned long long)doubt->dropped, (unsigned long long)doubt->aside);
}

static void begin_generation(struct lane *lane)
{
    struct doubt doubt = {.dropped = session_retained_visits(&lane->session)};

    list_init(&doubt.visits);
    give_up_batches(lane, &doubt);
    session_begin_generation(&lane->session, lane->site->generation.latest);
    lane->is_blind =
        !lane->site->generation.is_known; /* an earlier run's records may have told it */
    lane->site->table->parts.stats->outdated += doubt.dropped + doubt.aside;
    stall_end(&lane->stall);
    tell(lane, &doubt);
    waiting_visits_answer_uncounted(
        &lane->site->visits, &doubt.visits, VISIT_UNKNOWN,
        "the site was repaired while the store had not confirmed the visit; "
        "it may have been counted");
}

/*
 * Gives the site a new backlog while the old one has an open call. That call will report that the
 * old backlog is outdated, and its batches will be set aside. Visits that come before that, or are
 * not on the disk yet, must not be among them: they move to the new backlog. The old one becomes a
 * lane of an earlier generation.
 */
static void replace_backlog(struct spill *spill, struct site *site)
{
    struct lane *old = site->backlog;

    require(session_is_busy(&old->session));
    site->backlog = NULL;
    for (struct list *link = old->session.batches.next; link != &old->session.batches;) {
        struct batch *batch = container_of(link, struct batch, link);

        link = link->next;
        if (batch->is_sealed && !spill_has_record(batch)) {
            spill_recall(batch);
        }
    }
    session_move_open(&old->session, &site_find_or_create_backlog(site)->session);
    spill_write_next(spill, site);
}

/* moves a lane of this run to the new generation; lanes of earlier runs find out by their epoch */
static void follow(struct spill *spill, struct lane *lane)
{
    if (lane->session.ledger.generation >= lane->site->generation.latest) {
        return;
    }
    if (!session_is_busy(&lane->session)) {
        begin_generation(lane);
        dispatcher_wake(&lane->dispatch);
    } else if (lane == lane->site->backlog) {
        replace_backlog(spill, lane->site);
    }
}

void outdated_note_generation(struct spill *spill, struct site *site, uint64_t generation)
{
    if (generation <= site->generation.latest) {
        return;
    }
    site->generation.latest = generation;
    follow(spill, &site->live);
    if (site->backlog != NULL) {
        follow(spill, site->backlog);
    }
}

void outdated_learn(struct spill *spill, struct lane *lane, uint64_t generation)
{
    struct site *site = lane->site;

    require(!session_is_busy(&lane->session));
    require(generation > lane->session.ledger.generation);
    site->generation.is_known = true;
    known_visitors_forget(site->table->parts.known);
    outdated_note_generation(spill, site, generation);
    if (lane->session.ledger.generation < site->generation.latest) {
        begin_generation(lane); /* a lane of an earlier run */
    }
    spill_write_next(spill, site);
}

/* --- reports --- */

static void add_doubts(const struct lane *lane, struct engine_doubts *doubts)
{
    doubts->retained += session_retained_visits(&lane->session);
    list_for_each(link, &lane->session.batches) {
        const struct batch *batch = container_of(link, struct batch, link);

        if (spill_has_record(batch)) {
            doubts->journaled += batch->sealed_batch->hits;
        } else if (batch->is_sealed) {
            doubts->unconfirmed += batch->sealed_batch->hits;
        }
    }
}

void outdated_count_doubts(const struct site *site, struct engine_doubts *ret_doubts)
{
    *ret_doubts = (struct engine_doubts){.generation = site->generation.latest};
    list_for_each(link, &site->lanes) {
        add_doubts(lane_in_site(link), ret_doubts);
    }
}

void outdated_note_repair(struct spill *spill, struct site *site, uint64_t generation)
{
    site->generation.is_known = true;
    breaker_note_applied(&site->live.breaker, false);
    known_visitors_forget(site->table->parts.known);
    outdated_note_generation(spill, site, generation);
}

void outdated_list_unproven(const struct site_table *table,
                            void (*on_site)(void *data, const char *site), void *data)
{
    const uint64_t proven_ms = (STORE_OLD_VERSION_S - STORE_UNPROVEN_S) * UINT64_C(1000);
    uint64_t now_ms = clock_monotonic_ms();

    map_for_each(node, &table->map) {
        uint64_t until_ms = site_of(node)->old_version.until_ms;

        if (until_ms != UINT64_MAX && until_ms > now_ms + proven_ms) {
            on_site(data, site_of(node)->name);
        }
    }
}
