/* SPDX-License-Identifier: MIT */
/*
 * The ledger against copies of a store that take turns, as after failovers and restored snapshots.
 * A copy has the position of its ledger, and how often it applied each sealed batch.
 */
#include "count/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEQUENCES_MAX 2000

#define KEEP_ALL SIZE_MAX

struct copy {
    struct store_position at;
    uint8_t applied[SEQUENCES_MAX]; /* by sequence */
};

/* a sealed batch of one page with `hits` visits */
static struct sealed_batch *make_sealed_batch(uint64_t hits)
{
    const struct store_entry entry = {"/", 1, hits, false};

    return sealed_batch_create(&(struct store_batch){.entries = &entry, .entry_count = 1});
}

/* the rules of apply.lua; returns whether the copy has the sealed batch now */
static bool copy_apply(struct copy *copy, const struct sealed_batch *sealed_batch)
{
    const struct store_batch *content = &sealed_batch->content;

    if (copy->at.sequence >= content->sequence) {
        return true;
    }
    if (copy->at.sequence != content->follows) {
        return false;
    }
    copy->at = (struct store_position){content->sequence, content->visits};
    copy->applied[content->sequence]++;
    return true;
}

struct world {
    struct ledger ledger;
    struct copy copies[2];
    struct copy old; /* one of the copies may go back to it */
    struct copy *store;
    struct sealed_batch *open; /* a new sealed batch without an answer, or NULL */
    uint64_t seed;
    uint64_t hits[SEQUENCES_MAX];
    uint64_t gaps;
    uint64_t lost;
};

static uint64_t draw(struct world *world, uint64_t limit)
{
    world->seed = world->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (world->seed >> 33) % limit;
}

static bool is_retained(const struct world *world, uint64_t sequence)
{
    list_for_each(link, &world->ledger.retained) {
        if (container_of(link, struct sealed_batch, link)->content.sequence == sequence) {
            return true;
        }
    }
    return false;
}

/* the store reports its position; the reported gap must be the real one */
static void ask(struct world *world)
{
    struct ledger *ledger = &world->ledger;
    struct store_position at = world->store->at;
    struct ledger_gap expected = {0};
    struct ledger_gap gap;
    bool is_behind = at.sequence < ledger->store_at;

    for (uint64_t i = at.sequence + 1; is_behind && i <= ledger->acknowledged; i++) {
        bool is_kept = is_retained(world, i);

        expected.resend_batches += is_kept ? 1 : 0;
        expected.resend_visits += is_kept ? world->hits[i] : 0;
        expected.lost_batches += is_kept ? 0 : 1;
        expected.lost_visits += is_kept ? 0 : world->hits[i];
    }
    assert_int_equal(ledger_store_is_at(ledger, at, &gap), is_behind);
    assert_memory_equal(&gap, &expected, sizeof(gap));
    world->gaps += is_behind ? 1 : 0;
    world->lost += gap.lost_batches;
}

/* sends the next batch, whose answer may be lost */
static void send_next(struct world *world, bool may_fail)
{
    struct ledger *ledger = &world->ledger;
    struct sealed_batch *resend = ledger_next_resend(ledger);
    struct sealed_batch *sealed_batch = resend;
    uint64_t fate = may_fail ? draw(world, 6) : 5;

    if (sealed_batch == NULL && world->open == NULL) {
        world->open = make_sealed_batch(1 + draw(world, 5));
    }
    sealed_batch = sealed_batch != NULL ? sealed_batch : world->open;
    ledger_address(ledger, sealed_batch);
    world->hits[sealed_batch->content.sequence] = sealed_batch->hits;
    if (fate == 0) { /* the request was lost */
        return;
    }
    if (!copy_apply(world->store, sealed_batch)) {
        ask(world);
    } else if (fate == 1) { /* the reply was lost */
        return;
    } else if (resend != NULL) {
        ledger_note_resent(ledger);
    } else {
        ledger_acknowledge(ledger, sealed_batch, ledger->acknowledged);
        world->open = NULL;
    }
}

static void change_store(struct world *world)
{
    switch (draw(world, 5)) {
    case 0:
        world->old = *world->store;
        break;
    case 1:
        *world->store = world->old; /* a restored snapshot */
        break;
    case 2: /* a replica that caught up takes over */
        world->copies[0] = world->copies[1];
        break;
    default:
        world->store = &world->copies[draw(world, 2)];
        break;
    }
    if (draw(world, 2) == 0) { /* or the failover goes unnoticed */
        ask(world);
    }
}

static void check_copy(const struct copy *copy)
{
    for (size_t i = 0; i < SEQUENCES_MAX; i++) {
        assert_in_range(copy->applied[i], 0, 1);
    }
}

static void run_world(struct world *world, bool forgets)
{
    ledger_init(&world->ledger);
    world->store = &world->copies[0];
    for (int i = 0; i < 1500; i++) {
        if (draw(world, 20) == 0) {
            change_store(world);
        }
        send_next(world, true);
        if (forgets) {
            uint64_t kept = draw(world, 40);

            ledger_forget(&world->ledger,
                          world->ledger.acknowledged > kept ? world->ledger.acknowledged - kept : 0,
                          KEEP_ALL);
        }
    }
    do {
        send_next(world, false);
    } while (world->open != NULL || ledger_next_resend(&world->ledger) != NULL);
    check_copy(&world->copies[0]);
    check_copy(&world->copies[1]);
}

static void test_copies_that_take_turns_get_all_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->seed = seed;
        run_world(world, false);
        assert_int_equal(world->lost, 0);
        assert_true(world->gaps > 0);
        assert_int_equal(world->store->at.sequence, world->ledger.acknowledged);
        for (uint64_t i = 1; i <= world->ledger.acknowledged; i++) {
            assert_int_equal(world->store->applied[i], 1);
        }
        ledger_finish(&world->ledger);
        free(world);
    }
}

static void test_copies_that_take_turns_lose_what_is_said(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct world *world = calloc(1, sizeof(*world));
        uint64_t missing = 0;

        assert_non_null(world);
        world->seed = seed;
        run_world(world, true);
        for (uint64_t i = 1; i <= world->ledger.acknowledged; i++) {
            missing += world->store->applied[i] == 0 ? 1 : 0;
        }
        assert_true(missing <= world->lost);
        assert_int_equal(world->store->at.sequence, world->ledger.acknowledged);
        ledger_finish(&world->ledger);
        free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_that_take_turns_get_all_once),
        cmocka_unit_test(test_copies_that_take_turns_lose_what_is_said),
    };

    return cmocka_run_group_tests_name("ledger_copies", tests, NULL, NULL);
}
