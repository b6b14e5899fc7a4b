/* SPDX-License-Identifier: MIT */
#include "count/ledger.h"

#include "base/backoff.h"
#include "base/require.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sealed_batch *sealed_batch_of(struct list *link)
{
    return container_of(link, struct sealed_batch, link);
}

/* the part of an epoch before its random bits */
#define GENERATION_LENGTH 8

static void draw_epoch(struct ledger *ledger)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bits[(STORE_EPOCH_LENGTH - GENERATION_LENGTH) / 2];
    char *end;

    random_bytes(bits, sizeof(bits));
    end = ledger->epoch +
          snprintf(ledger->epoch, sizeof(ledger->epoch), "g%07" PRIu64, ledger->generation);
    for (size_t i = 0; i < sizeof(bits); i++) {
        *end++ = digits[bits[i] >> 4];
        *end++ = digits[bits[i] & 15];
    }
    *end = '\0';
}

void ledger_init(struct ledger *ledger)
{
    list_init(&ledger->retained);
    ledger->retained_bytes = 0;
    ledger->generation = 0;
    ledger_renew(ledger);
}

static void drop_oldest(struct ledger *ledger)
{
    struct sealed_batch *sealed_batch = sealed_batch_of(list_take_first(&ledger->retained));

    require(ledger->retained_bytes >= sealed_batch->size_bytes);
    ledger->retained_bytes -= sealed_batch->size_bytes;
    sealed_batch_destroy(sealed_batch);
}

void ledger_finish(struct ledger *ledger)
{
    while (!list_is_empty(&ledger->retained)) {
        drop_oldest(ledger);
    }
}

void ledger_begin_generation(struct ledger *ledger, uint64_t generation)
{
    require(generation <= STORE_GENERATION_MAX);
    ledger->generation = generation;
    ledger_renew(ledger);
}

void ledger_continue(struct ledger *ledger, const char *epoch)
{
    char digits[GENERATION_LENGTH] = "0"; /* for an epoch of a version before 0.2 */

    memcpy(ledger->epoch, epoch, sizeof(ledger->epoch));
    if (*epoch == 'g') {
        memcpy(digits, epoch + 1, GENERATION_LENGTH - 1);
    }
    ledger->generation = strtoull(digits, NULL, 10);
}

void ledger_renew(struct ledger *ledger)
{
    ledger_finish(ledger);
    draw_epoch(ledger);
    ledger->acknowledged = 0;
    ledger->visits = 0;
    ledger->store_at = 0;
    ledger->next_resend = &ledger->retained;
}

struct sealed_batch *ledger_next_resend(const struct ledger *ledger)
{
    return ledger->next_resend != &ledger->retained ? sealed_batch_of(ledger->next_resend) : NULL;
}

/*
 * Catches up with a sealed batch from the journal of an earlier run: all sealed batches before it
 * were answered when it was sent or written. The store will report its present position.
 */
static void catch_up(struct ledger *ledger, const struct sealed_batch *sealed_batch)
{
    if (sealed_batch->content.sequence > ledger->acknowledged + 1) {
        ledger->acknowledged = sealed_batch->content.sequence - 1;
        ledger->visits = sealed_batch->content.visits - sealed_batch->hits;
        ledger->store_at = ledger->acknowledged;
    }
}

void ledger_address(struct ledger *ledger, struct sealed_batch *sealed_batch)
{
    if (ledger_next_resend(ledger) != sealed_batch) {
        if (sealed_batch->is_addressed) {
            catch_up(ledger, sealed_batch);
        } else {
            sealed_batch->content.sequence = ledger->acknowledged + 1;
            sealed_batch->content.visits = ledger->visits + sealed_batch->hits;
        }
    }
    sealed_batch->content.follows = ledger->store_at;
}

void ledger_fix(const struct ledger *ledger, const struct sealed_batch *before,
                struct sealed_batch *sealed_batch)
{
    uint64_t sequence = before != NULL ? before->content.sequence : ledger->acknowledged;
    uint64_t visits = before != NULL ? before->content.visits : ledger->visits;

    require(before != sealed_batch);
    sealed_batch->content.sequence = sequence + 1;
    sealed_batch->content.visits = visits + sealed_batch->hits;
    sealed_batch->is_addressed = true;
}

void ledger_acknowledge(struct ledger *ledger, struct sealed_batch *sealed_batch, uint64_t now_ms)
{
    ledger->acknowledged = sealed_batch->content.sequence;
    ledger->visits = sealed_batch->content.visits;
    ledger->store_at = sealed_batch->content.sequence;
    sealed_batch->answered_at_ms = now_ms;
    ledger->retained_bytes += sealed_batch->size_bytes;
    list_append(&ledger->retained, &sealed_batch->link);
}

void ledger_note_resent(struct ledger *ledger)
{
    require(ledger_next_resend(ledger) != NULL);
    ledger->store_at = sealed_batch_of(ledger->next_resend)->content.sequence;
    ledger->next_resend = ledger->next_resend->next;
}

static void note_lost(const struct ledger *ledger, uint64_t sequence, uint64_t visits,
                      struct ledger_gap *gap)
{
    uint64_t kept_from = ledger->acknowledged + 1;
    uint64_t visits_before = ledger->visits;

    if (ledger->next_resend != &ledger->retained) {
        const struct sealed_batch *first = sealed_batch_of(ledger->next_resend);

        kept_from = first->content.sequence;
        visits_before = first->content.visits - first->hits;
    }
    gap->lost_batches = kept_from - (sequence + 1);
    gap->lost_visits = gap->lost_batches != 0 ? visits_before - visits : 0;
}

/* the first retained sealed batch that a store at `sequence` lacks, or the list's anchor */
static struct list *first_missing(struct ledger *ledger, uint64_t sequence)
{
    struct list *missing = &ledger->retained;

    /* the newest sealed batches are missing, so the search begins at that end */
    while (missing->prev != &ledger->retained &&
           sealed_batch_of(missing->prev)->content.sequence > sequence) {
        missing = missing->prev;
    }
    return missing;
}

bool ledger_store_is_at(struct ledger *ledger, struct store_position at, struct ledger_gap *ret_gap)
{
    /* a higher sequence is that of a sealed batch whose answer we did not get */
    uint64_t sequence = at.sequence < ledger->acknowledged ? at.sequence : ledger->acknowledged;
    bool is_behind = sequence < ledger->store_at;

    *ret_gap = (struct ledger_gap){0};
    ledger->store_at = sequence;
    ledger->next_resend = first_missing(ledger, sequence);
    if (!is_behind) {
        return false;
    }
    for (struct list *link = ledger->next_resend; link != &ledger->retained; link = link->next) {
        ret_gap->resend_batches++;
        ret_gap->resend_visits += sealed_batch_of(link)->hits;
    }
    note_lost(ledger, sequence, at.visits, ret_gap);
    return true;
}

uint64_t ledger_forget(struct ledger *ledger, uint64_t before_ms, size_t max_bytes)
{
    uint64_t unprotected = 0;

    while (!list_is_empty(&ledger->retained) && ledger->retained.next != ledger->next_resend) {
        const struct sealed_batch *oldest = sealed_batch_of(ledger->retained.next);
        bool is_needed = oldest->answered_at_ms >= before_ms;

        if (is_needed && ledger->retained_bytes <= max_bytes) {
            break;
        }
        unprotected += is_needed ? oldest->hits : 0;
        drop_oldest(ledger);
    }
    return unprotected;
}
