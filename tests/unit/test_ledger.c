/* SPDX-License-Identifier: MIT */
/*
 * Our side of the ledger. test_ledger_copies.c tests it against copies of a store that take turns.
 */
#include "count/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEEP_ALL SIZE_MAX

/* --- steps --- */

static int setup(void **state)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));

    assert_non_null(ledger);
    ledger_init(ledger);
    *state = ledger;
    return 0;
}

static int teardown(void **state)
{
    ledger_finish(*state);
    free(*state);
    return 0;
}

/* a sealed batch of one page with `hits` visits */
static struct sealed_batch *make_sealed_batch(uint64_t hits)
{
    const struct store_entry entry = {"/", 1, hits, false};

    return sealed_batch_create(&(struct store_batch){.entries = &entry, .entry_count = 1});
}

/* a new sealed batch that the store has acknowledged */
static struct sealed_batch *acknowledge(struct ledger *ledger, uint64_t hits, uint64_t now_ms)
{
    struct sealed_batch *sealed_batch = make_sealed_batch(hits);

    ledger_address(ledger, sealed_batch);
    ledger_acknowledge(ledger, sealed_batch, now_ms);
    return sealed_batch;
}

/* sealed batches 1, 2, … `count`, answered at 1, 2, … ms, with 1, 2, … visits */
static void acknowledge_many(struct ledger *ledger, uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        acknowledge(ledger, i, i);
    }
}

/* visits in the sealed batches of acknowledge_many() up to `sequence` */
static uint64_t visits_to(uint64_t sequence)
{
    return sequence * (sequence + 1) / 2;
}

static struct store_position position(uint64_t sequence)
{
    return (struct store_position){sequence, visits_to(sequence)};
}

/* resends the sealed batches `first` to `last` to a store that is at `from` */
static void resend(struct ledger *ledger, uint64_t from, uint64_t first, uint64_t last)
{
    uint64_t follows = from;

    for (uint64_t sequence = first; sequence <= last; sequence++) {
        struct sealed_batch *sealed_batch = ledger_next_resend(ledger);

        assert_non_null(sealed_batch);
        ledger_address(ledger, sealed_batch);
        assert_int_equal(sealed_batch->content.sequence, sequence);
        assert_int_equal(sealed_batch->content.follows, follows);
        assert_int_equal(sealed_batch->content.visits, visits_to(sequence));
        ledger_note_resent(ledger);
        follows = sequence;
    }
    assert_null(ledger_next_resend(ledger));
}

/* checks the numbers of the next new sealed batch */
static void assert_next(struct ledger *ledger, uint64_t sequence, uint64_t follows)
{
    struct sealed_batch *sealed_batch = make_sealed_batch(7);

    ledger_address(ledger, sealed_batch);
    assert_int_equal(sealed_batch->content.sequence, sequence);
    assert_int_equal(sealed_batch->content.follows, follows);
    assert_int_equal(sealed_batch->content.visits, ledger->visits + 7);
    sealed_batch_destroy(sealed_batch);
}

/* --- numbers --- */

static void test_an_epoch_is_its_own(void **state)
{
    struct ledger ledgers[20];

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        ledger_init(&ledgers[i]);
        assert_int_equal(strspn(ledgers[i].epoch, "0123456789abcdefg"), STORE_EPOCH_LENGTH);
        assert_int_equal(strlen(ledgers[i].epoch), STORE_EPOCH_LENGTH);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(ledgers[i].epoch, ledgers[j].epoch);
        }
    }
}

static void test_batches_follow_each_other(void **state)
{
    struct ledger *ledger = *state;

    for (uint64_t i = 1; i <= 10; i++) {
        struct sealed_batch *sealed_batch = acknowledge(ledger, i, 0);

        assert_int_equal(sealed_batch->content.sequence, i);
        assert_int_equal(sealed_batch->content.follows, i - 1);
        assert_int_equal(sealed_batch->content.visits, visits_to(i));
        assert_null(ledger_next_resend(ledger));
    }
    assert_int_equal(ledger->acknowledged, 10);
    assert_int_equal(ledger->visits, 55);
}

/* a sealed batch without an answer keeps its number in every resend */
static void test_a_number_is_used_once(void **state)
{
    struct ledger *ledger = *state;
    struct sealed_batch *sealed_batch = make_sealed_batch(3);

    acknowledge_many(ledger, 4);
    for (int i = 0; i < 3; i++) {
        ledger_address(ledger, sealed_batch);
        assert_int_equal(sealed_batch->content.sequence, 5);
        assert_int_equal(sealed_batch->content.visits, 13);
    }
    sealed_batch_destroy(sealed_batch);
    assert_next(ledger, 5, 4);
}

static void test_a_new_epoch_begins_anew(void **state)
{
    struct ledger *ledger = *state;
    struct ledger_gap gap;
    char epoch[STORE_EPOCH_LENGTH + 1];

    acknowledge_many(ledger, 5);
    assert_true(ledger_store_is_at(ledger, position(2), &gap));
    strcpy(epoch, ledger->epoch);
    ledger_renew(ledger);
    assert_string_not_equal(ledger->epoch, epoch);
    assert_null(ledger_next_resend(ledger));
    assert_true(list_is_empty(&ledger->retained));
    assert_int_equal(ledger->retained_bytes, 0);
    assert_int_equal(acknowledge(ledger, 1, 0)->content.visits, 1);
    assert_next(ledger, 2, 1);
}

/* --- numbers that stand in a journal --- */

static void test_fixed_numbers_are_those_that_come(void **state)
{
    struct ledger *ledger = *state;
    struct sealed_batch *batches[3];

    acknowledge_many(ledger, 3);
    for (size_t i = 0; i < 3; i++) {
        batches[i] = make_sealed_batch(10);
        ledger_fix(ledger, i != 0 ? batches[i - 1] : NULL, batches[i]);
    }
    for (uint64_t i = 0; i < 3; i++) {
        ledger_address(ledger, batches[i]);
        assert_int_equal(batches[i]->content.sequence, 4 + i);
        assert_int_equal(batches[i]->content.follows, 3 + i);
        assert_int_equal(batches[i]->content.visits, 6 + 10 * (i + 1));
        ledger_acknowledge(ledger, batches[i], 0);
    }
    assert_next(ledger, 7, 6);
}

/* An earlier run got answers to all batches before this one. So this one follows them. */
static void test_a_sealed_batch_of_an_earlier_run(void **state)
{
    struct ledger *ledger = *state;
    struct sealed_batch *sealed_batch = make_sealed_batch(5);
    struct ledger_gap gap;

    sealed_batch->is_addressed = true;
    sealed_batch->content.sequence = 9;
    sealed_batch->content.visits = 105;
    ledger_address(ledger, sealed_batch);
    assert_int_equal(sealed_batch->content.sequence, 9);
    assert_int_equal(sealed_batch->content.visits, 105);
    assert_int_equal(sealed_batch->content.follows, 8);
    /* the store lacks batches that only the earlier run had */
    assert_true(ledger_store_is_at(ledger, (struct store_position){6, 70}, &gap));
    assert_int_equal(gap.resend_batches, 0);
    assert_int_equal(gap.lost_batches, 2);
    assert_int_equal(gap.lost_visits, 30);
    ledger_address(ledger, sealed_batch);
    assert_int_equal(sealed_batch->content.sequence, 9);
    assert_int_equal(sealed_batch->content.follows, 6);
    ledger_acknowledge(ledger, sealed_batch, 0);
    assert_int_equal(ledger->visits, 105);
    assert_next(ledger, 10, 9);
}

/* --- the position of the store --- */

static void test_a_store_that_is_where_it_was(void **state)
{
    struct ledger *ledger = *state;
    struct ledger_gap gap;

    for (uint64_t i = 0; i < 3; i++) {
        memset(&gap, 0xa5, sizeof(gap));
        assert_false(ledger_store_is_at(ledger, position(i), &gap));
        assert_int_equal(gap.resend_batches + gap.resend_visits, 0);
        assert_int_equal(gap.lost_batches + gap.lost_visits, 0);
        assert_null(ledger_next_resend(ledger));
        assert_next(ledger, i + 1, i);
        acknowledge(ledger, i + 1, 0);
    }
}

/* It has a sealed batch whose answer we did not get. That batch is sent again under its number. */
static void test_a_store_that_is_ahead(void **state)
{
    struct ledger *ledger = *state;
    struct ledger_gap gap;

    acknowledge_many(ledger, 3);
    assert_false(ledger_store_is_at(ledger, position(4), &gap));
    assert_null(ledger_next_resend(ledger));
    assert_next(ledger, 4, 3);
    acknowledge(ledger, 4, 0);
    assert_next(ledger, 5, 4);
}

/* `kept`: the first sequence that is still retained */
static void test_what_a_store_that_went_back_lacks(void **state)
{
    static const struct {
        uint64_t acknowledged;
        uint64_t kept;
        uint64_t at;
        struct ledger_gap gap;
    } rows[] = {
        {1, 1, 0, {1, 1, 0, 0}},
        {5, 1, 4, {1, 5, 0, 0}},
        {5, 1, 2, {3, 12, 0, 0}},
        {5, 1, 0, {5, 15, 0, 0}},
        {5, 4, 4, {1, 5, 0, 0}},
        {5, 4, 3, {2, 9, 0, 0}},
        {5, 4, 2, {2, 9, 1, 3}},
        {5, 4, 0, {2, 9, 3, 6}},
        {5, 6, 4, {0, 0, 1, 5}},
        {5, 6, 0, {0, 0, 5, 15}},
        {100, 91, 50, {10, 955, 40, 2820}},
        {100, 100, 0, {1, 100, 99, 4950}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ledger_gap gap;
        struct ledger *ledger;
        void *own;

        setup(&own);
        ledger = own;
        acknowledge_many(ledger, rows[i].acknowledged);
        ledger_forget(ledger, rows[i].kept, KEEP_ALL);
        assert_true(ledger_store_is_at(ledger, position(rows[i].at), &gap));
        assert_memory_equal(&gap, &rows[i].gap, sizeof(gap));
        resend(ledger, rows[i].at, rows[i].kept > rows[i].at + 1 ? rows[i].kept : rows[i].at + 1,
               rows[i].acknowledged);
        assert_next(ledger, rows[i].acknowledged + 1,
                    rows[i].kept > rows[i].acknowledged ? rows[i].at : rows[i].acknowledged);
        teardown(&own);
    }
}

/* the check after a refused batch reports the same gap again: it is one loss */
static void test_said_twice_is_one_gap(void **state)
{
    struct ledger *ledger = *state;
    struct ledger_gap gap;

    acknowledge_many(ledger, 5);
    assert_true(ledger_store_is_at(ledger, position(2), &gap));
    assert_false(ledger_store_is_at(ledger, position(2), &gap));
    assert_int_equal(gap.resend_batches, 0);
    resend(ledger, 2, 3, 5);
}

static void test_it_moves_while_it_is_resent_to(void **state)
{
    struct ledger *ledger = *state;
    struct ledger_gap gap;

    acknowledge_many(ledger, 9);
    assert_true(ledger_store_is_at(ledger, position(3), &gap));
    ledger_note_resent(ledger);
    ledger_note_resent(ledger);
    /* another copy, which has more than the resent batches */
    assert_false(ledger_store_is_at(ledger, position(7), &gap));
    assert_int_equal(ledger_next_resend(ledger)->content.sequence, 8);
    ledger_note_resent(ledger);
    /* the first copy again */
    assert_true(ledger_store_is_at(ledger, position(5), &gap));
    assert_int_equal(gap.resend_batches, 4);
    assert_int_equal(gap.lost_batches, 0);
    resend(ledger, 5, 6, 9);
    /* the store loses the resent batches again */
    assert_true(ledger_store_is_at(ledger, position(0), &gap));
    resend(ledger, 0, 1, 9);
    assert_false(ledger_store_is_at(ledger, position(9), &gap));
    assert_false(ledger_store_is_at(ledger, position(10), &gap));
    assert_next(ledger, 10, 9);
}

/* --- forgetting --- */

static size_t count_retained(const struct ledger *ledger)
{
    size_t count = 0;
    size_t bytes = 0;

    list_for_each(link, &ledger->retained) {
        bytes += container_of(link, struct sealed_batch, link)->size_bytes;
        count++;
    }
    assert_int_equal(ledger->retained_bytes, bytes);
    return count;
}

static void test_forgets_by_age(void **state)
{
    struct ledger *ledger = *state;

    ledger_forget(ledger, UINT64_MAX, 0); /* nothing to forget */
    acknowledge_many(ledger, 10);
    ledger_forget(ledger, 1, KEEP_ALL);
    assert_int_equal(count_retained(ledger), 10);
    ledger_forget(ledger, 4, KEEP_ALL);
    assert_int_equal(count_retained(ledger), 7);
    ledger_forget(ledger, 11, KEEP_ALL);
    assert_int_equal(count_retained(ledger), 0);
    assert_next(ledger, 11, 10);
}

static void test_forgets_by_bytes(void **state)
{
    struct ledger *ledger = *state;
    size_t bytes;

    acknowledge_many(ledger, 10);
    bytes = ledger->retained_bytes / 10; /* all are the same */
    ledger_forget(ledger, 0, 10 * bytes);
    assert_int_equal(count_retained(ledger), 10);
    ledger_forget(ledger, 0, 10 * bytes - 1);
    assert_int_equal(count_retained(ledger), 9);
    assert_int_equal(
        container_of(ledger->retained.next, struct sealed_batch, link)->content.sequence, 2);
    ledger_forget(ledger, 0, 4 * bytes);
    assert_int_equal(count_retained(ledger), 4);
    ledger_forget(ledger, 0, 0);
    assert_int_equal(count_retained(ledger), 0);
}

/* a batch that has to be resent is not dropped, however old it is */
static void test_what_is_to_be_resent_is_kept(void **state)
{
    struct ledger *ledger = *state;
    struct ledger_gap gap;

    acknowledge_many(ledger, 10);
    assert_true(ledger_store_is_at(ledger, position(4), &gap));
    ledger_forget(ledger, UINT64_MAX, 0);
    assert_int_equal(count_retained(ledger), 6);
    ledger_note_resent(ledger);
    ledger_forget(ledger, UINT64_MAX, 0);
    assert_int_equal(count_retained(ledger), 5);
    resend(ledger, 5, 6, 10);
    ledger_forget(ledger, UINT64_MAX, 0);
    assert_int_equal(count_retained(ledger), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_epoch_is_its_own),
        TEST(test_batches_follow_each_other),
        TEST(test_a_number_is_used_once),
        TEST(test_a_new_epoch_begins_anew),
        TEST(test_fixed_numbers_are_those_that_come),
        TEST(test_a_sealed_batch_of_an_earlier_run),
        TEST(test_a_store_that_is_where_it_was),
        TEST(test_a_store_that_is_ahead),
        cmocka_unit_test(test_what_a_store_that_went_back_lacks),
        TEST(test_said_twice_is_one_gap),
        TEST(test_it_moves_while_it_is_resent_to),
        TEST(test_forgets_by_age),
        TEST(test_forgets_by_bytes),
        TEST(test_what_is_to_be_resent_is_kept),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
