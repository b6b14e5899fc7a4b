/* SPDX-License-Identifier: MIT */
/*
 * The ledger in the contract of store.h: which batch is applied, which one is a duplicate, and
 * which one shows a gap. Each test runs against both stores. A few check Redis' entries.
 */
#include "store_fixture.h"

#include "base/log.h"

static void test_a_batch_sent_again_is_not_applied_again(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 2), entry_of("/b", 3)};
    struct answer answer;

    apply_entries(fixture, EPOCH_A, 1, entries, 2);
    apply_entries(fixture, EPOCH_A, 2, entries, 2);
    apply_page(fixture, EPOCH_B, 1, "/a", 1000); /* writes of others must not change the answer */
    for (int i = 0; i < 3; i++) {
        answer = apply_entries(fixture, EPOCH_A, 2, entries, 2);
        assert_true(answer.is_duplicate);
        assert_total(answer, 0, 4);
        assert_total(answer, 1, 6);
    }
    assert_true(total_of(fixture, "default", "/a") == 1004);
    assert_true(total_of(fixture, "default", "/b") == 6);
    assert_true(ledger_of(fixture, EPOCH_A) == 2);
}

/* the engine never does this, but the answer must not claim that the batch was not applied */
static void test_a_batch_before_the_last_one_is_a_duplicate(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer answer;

    apply_page(fixture, EPOCH_A, 1, "/a", 1);
    apply_page(fixture, EPOCH_A, 2, "/a", 10);
    apply_page(fixture, EPOCH_A, 3, "/b", 100);
    answer = apply_page(fixture, EPOCH_A, 1, "/a", 1);
    assert_int_equal(answer.outcome, STORE_OK);
    assert_true(answer.is_duplicate);
    assert_true(total_of(fixture, "default", "/a") == 11);
    assert_true(total_of(fixture, "default", "/b") == 100);
    assert_true(ledger_of(fixture, EPOCH_A) == 3);
}

static void test_a_gap_is_refused(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer answer;

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    apply_page(fixture, EPOCH_A, 2, "/", 1);
    answer = apply_page(fixture, EPOCH_A, 4, "/", 1);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_true(answer.gap);
    assert_true(answer.at.sequence == 2);
    assert_true(answer.reason[0] != '\0');
    assert_true(total_of(fixture, "default", "/") == 2);
    assert_true(ledger_of(fixture, EPOCH_A) == 2);
    /* the missing batches are resent */
    assert_total(apply_page(fixture, EPOCH_A, 3, "/", 1), 0, 3);
    assert_total(apply_page(fixture, EPOCH_A, 4, "/", 1), 0, 4);
}

/* missing batches may have been dropped; then the next batch follows the store's last one */
static void test_a_batch_may_follow_an_earlier_one(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 5);
    struct store_batch batch = batch_of(EPOCH_A, 1, 5, &entry, 1);
    struct answer answer;

    apply_batch(fixture, &batch);
    batch.sequence = 7;
    batch.visits = 35;
    for (uint64_t follows = 0; follows < 7; follows++) {
        if (follows != 1) {
            batch.follows = follows;
            answer = apply_batch(fixture, &batch);
            assert_int_equal(answer.outcome, STORE_REFUSED);
            assert_true(answer.gap);
            assert_true(answer.at.sequence == 1);
            assert_true(answer.at.visits == 5);
        }
    }
    batch.follows = 1;
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 10);
    assert_false(answer.is_duplicate);
    assert_true(position_of(fixture, EPOCH_A).sequence == 7);
    assert_true(position_of(fixture, EPOCH_A).visits == 35);
    /* it is a duplicate, whatever batch it follows */
    for (batch.follows = 0; batch.follows < 7; batch.follows++) {
        answer = apply_batch(fixture, &batch);
        assert_true(answer.is_duplicate);
        assert_total(answer, 0, 10);
    }
    assert_true(total_of(fixture, "default", "/") == 10);
}

/* the same for an epoch that the store does not know */
static void test_a_batch_may_follow_nothing(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_batch batch = batch_of(EPOCH_A, UINT32_MAX, 3, &entry, 1);

    batch.follows = 0;
    assert_total(apply_batch(fixture, &batch), 0, 1);
    assert_true(apply_batch(fixture, &batch).is_duplicate);
    assert_true(ledger_of(fixture, EPOCH_A) == UINT32_MAX);
    assert_true(position_of(fixture, EPOCH_A).visits == UINT64_C(3) * UINT32_MAX);
    assert_total(apply_page(fixture, EPOCH_A, UINT64_C(1) << 32, "/", 1), 0, 2);
}

static void test_an_unknown_epoch_begins_with_one(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer answer = apply_page(fixture, EPOCH_A, 2, "/", 1);

    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_true(answer.gap);
    assert_true(answer.at.sequence == 0);
    assert_true(total_of(fixture, "default", "/") == 0);
    assert_true(ledger_of(fixture, EPOCH_A) == 0);
    assert_total(apply_page(fixture, EPOCH_A, 1, "/", 1), 0, 1);
    assert_true(ledger_of(fixture, EPOCH_A) == 1);
}

static void test_epochs_are_apart(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        assert_total(apply_page(fixture, EPOCH_A, sequence, "/", 1), 0, 3 * sequence - 2);
        assert_total(apply_page(fixture, EPOCH_B, sequence, "/", 2), 0, 3 * sequence);
    }
    assert_true(apply_page(fixture, EPOCH_A, 5, "/", 1).is_duplicate);
    assert_true(apply_page(fixture, EPOCH_B, 5, "/", 2).is_duplicate);
    assert_true(ledger_of(fixture, EPOCH_A) == 5);
    assert_true(ledger_of(fixture, EPOCH_B) == 5);
    assert_true(total_of(fixture, "default", "/") == 15);
}

static void write_ledger(struct fixture *fixture, const char *entry)
{
    char command[160];

    snprintf(command, sizeof(command), "HSET vc:{default}:ledger " EPOCH_A " \"%s\"", entry);
    assert_string_equal(redis_server_ask(fixture->path, command), ":0\r\n");
}

/* treated as no entry, it would make the engine count its batches twice */
static void test_redis_an_unreadable_entry_is_an_error(void **state)
{
    static const char *const entries[] = {"",
                                          "x",
                                          "1",
                                          "1 1",
                                          "1  1 17",
                                          " 1 1 17",
                                          "-1 1 17",
                                          "1 -1 17",
                                          "1 1 -",
                                          "1 x 17",
                                          "18446744073709551615 1 17",
                                          "1 99999999999999999999 17"};
    struct fixture *fixture = open_fixture(state);

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        struct answer answer;

        write_ledger(fixture, entries[i]);
        answer = ask_ledger(fixture, EPOCH_A);
        assert_int_equal(answer.outcome, STORE_REFUSED);
        assert_int_equal(answer.scope, STORE_SCOPE_SITE);
        assert_non_null(strstr(answer.reason, "vc:{default}:ledger"));
        assert_non_null(strstr(answer.reason, EPOCH_A));
    }
    write_ledger(fixture, "1 2 17 1");
    assert_int_equal(position_of(fixture, EPOCH_A).sequence, 1);
    assert_int_equal(position_of(fixture, EPOCH_A).visits, 2);
    write_ledger(fixture, "0 0 17"); /* as in a new epoch */
    assert_int_equal(position_of(fixture, EPOCH_A).sequence, 0);
}

static void test_redis_applies_nothing_to_an_unreadable_entry(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer answer;

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    write_ledger(fixture, "x");
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        answer = apply_page(fixture, EPOCH_A, sequence, "/", 1);
        assert_int_equal(answer.outcome, STORE_REFUSED);
        assert_int_equal(answer.scope, STORE_SCOPE_SITE);
        assert_false(answer.gap);
        assert_true(total_of(fixture, "default", "/") == 1);
    }
}

static void test_sites_have_ledgers_of_their_own(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_batch batch = batch_of(EPOCH_A, 1, 1, &entry, 1);

    batch.site = "other";
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    apply_page(fixture, EPOCH_A, 2, "/", 1);
    assert_false(apply_batch(fixture, &batch).is_duplicate);
    assert_true(ledger_of(fixture, EPOCH_A) == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_a_batch_sent_again_is_not_applied_again),
        FOR_BOTH(test_a_batch_before_the_last_one_is_a_duplicate),
        FOR_BOTH(test_a_gap_is_refused),
        FOR_BOTH(test_a_batch_may_follow_an_earlier_one),
        FOR_BOTH(test_a_batch_may_follow_nothing),
        FOR_BOTH(test_an_unknown_epoch_begins_with_one),
        FOR_BOTH(test_epochs_are_apart),
        FOR_BOTH(test_sites_have_ledgers_of_their_own),
        FOR_REDIS(test_redis_an_unreadable_entry_is_an_error),
        FOR_REDIS(test_redis_applies_nothing_to_an_unreadable_entry),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("store_ledger", tests, NULL, NULL);
}
