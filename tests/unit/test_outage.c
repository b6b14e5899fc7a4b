/* SPDX-License-Identifier: MIT */
/* What an earlier run left in the journal, on its way to the store. */
#include "engine_fixture.h"

#include "count/journal_record.h"

#define EPOCH "0123456789abcdef0123456789abcdef"

/* as the journal does it: through the bytes of a record */
static void restore(struct fixture *fixture, uint64_t sequence, uint64_t hits)
{
    const struct store_entry entry = {"/", 1, hits};
    struct journal_record record = {.site = "default", .epoch = EPOCH};
    struct journal_record decoded;
    struct buf bytes = BUF_EMPTY;

    record.parcel = parcel_create(&(struct store_batch){.hour = WALL_MS / HOUR_MS,
                                                        .second = WALL_MS / 1000,
                                                        .entries = &entry,
                                                        .entry_count = 1});
    record.parcel->content.sequence = sequence;
    record.parcel->content.visits = 100 * sequence;
    journal_record_encode(&record, &bytes);
    assert_int_equal(journal_record_decode(bytes.bytes, bytes.length, &decoded), 0);
    assert_non_null(engine_restore(fixture->engine, &decoded));
    parcel_destroy(record.parcel);
    buf_finish(&bytes);
}

/*
 * Guards: a record whose predecessors were done is sent under the number that it was written with.
 * Under any other one the store may take it for a batch that it has, and its visits are lost.
 */
static void test_a_record_keeps_its_number(void **state)
{
    struct fixture *fixture = *state;

    restore(fixture, 7, 3);
    turn(fixture);
    assert_string_equal(sent(fixture)->batch.epoch, EPOCH);
    assert_sent(fixture, 7, "/", 3);
    assert_int_equal(sent(fixture)->batch.follows, 6);
    assert_int_equal(sent(fixture)->batch.visits, 700);
}

/* where the store is behind, it says so, and the record follows what it has */
static void test_a_record_follows_what_the_store_has(void **state)
{
    struct fixture *fixture = *state;

    restore(fixture, 7, 3);
    turn(fixture);
    end(fixture, FAKE_DONE); /* a gap: it knows nothing of the epoch */
    turn(fixture);
    assert_sent(fixture, 7, "/", 3);
    assert_int_equal(sent(fixture)->batch.follows, 0);
    assert_int_equal(engine_stats(fixture->engine)->lost, 697);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_record_keeps_its_number),
        TEST(test_a_record_follows_what_the_store_has),
    };

    return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
