/* SPDX-License-Identifier: MIT */
/* The engine with two copies of the store that take turns at random. */
#include "engine_fixture.h"

#define COPIES 2
#define STEPS  400
#define SEEDS  400

static uint64_t draw(uint64_t *seed, uint64_t limit)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (*seed >> 33) % limit;
}

/* each visit has a page of its own, so that a visit that is applied twice shows */
static void check_pages(struct fixture *fixture, const struct fake_database *copy)
{
    char page[24];

    for (size_t i = 0; i < fixture->count; i++) {
        snprintf(page, sizeof(page), "/%zu", i);
        assert_in_range(fake_database_total(copy, "default", page), 0, 1);
    }
}

/* the next copy may first get the data of the other one, like a replica that has caught up */
static void fail_over(struct fixture *fixture, struct fake_database *copies[COPIES], uint64_t *seed)
{
    uint64_t to = draw(seed, COPIES);

    if (fixture->store->available) {
        fake_store_go_away(fixture->store, (enum fake_fate)draw(seed, 4)); /* all but FAKE_LATE */
    }
    if (draw(seed, 4) == 0) {
        fake_database_restore(copies[to], copies[1 - to]);
    }
    fixture->database = copies[to];
    fixture->store->database = copies[to];
    if (draw(seed, 2) == 0) {
        advance(fixture, draw(seed, 300));
    }
    fake_store_come_back(fixture->store);
}

static void step(struct fixture *fixture, struct fake_database *copies[COPIES], uint64_t *seed)
{
    char page[24];
    uint64_t what = draw(seed, 20);

    if (what == 0) {
        fail_over(fixture, copies, seed);
    } else if (what == 1) { /* a failover that the engine cannot notice */
        fixture->database = copies[draw(seed, COPIES)];
        fixture->store->database = fixture->database;
    } else if (what < 12) {
        snprintf(page, sizeof(page), "/%zu", fixture->count);
        try_visit(fixture, "default", page);
    } else if (fake_store_open_count(fixture->store) != 0) {
        enum fake_fate fate = draw(seed, 3) == 0 ? (enum fake_fate)draw(seed, 4) : FAKE_DONE;

        fake_store_end(fixture->store, fake_store_call(fixture->store, 0), fate);
    }
    advance(fixture, 5);
}

/* answers all calls until the engine is idle */
static void settle(struct fixture *fixture)
{
    for (int i = 0; i < 20000 && !engine_is_idle(fixture->engine); i++) {
        fake_store_end_all(fixture->store, FAKE_DONE);
        advance(fixture, 5);
    }
    assert_true(engine_is_idle(fixture->engine));
}

static void test_copies_that_take_turns_get_each_visit_once(void **state)
{
    (void)state;
    for (uint64_t first_seed = 1; first_seed <= SEEDS; first_seed++) {
        struct fake_database *copies[COPIES] = {NULL, fake_database_create()};
        struct fixture *fixture;
        uint64_t seed = first_seed;
        void *own;

        setup(&own);
        fixture = own;
        fake_random_seed(first_seed);
        copies[0] = fixture->database;
        set_limits(fixture, 600000, MAX_WAITING);
        for (int i = 0; i < STEPS; i++) {
            step(fixture, copies, &seed);
        }
        settle(fixture);
        restart_store(fixture, FAKE_REQUEST_LOST);
        settle(fixture);
        check_pages(fixture, copies[0]);
        check_pages(fixture, copies[1]);
        for (size_t i = 0; i < fixture->count; i++) {
            char page[24];

            snprintf(page, sizeof(page), "/%zu", i);
            assert_counted(fixture, i, 1);
            if (fake_database_total(fixture->database, "default", page) != 1) {
                fail_msg("seed %d: visit %zu is lost", (int)first_seed, i);
            }
        }
        assert_int_equal(engine_stats(fixture->engine)->lost, 0);
        fake_database_destroy(copies[fixture->database == copies[0] ? 1 : 0]);
        teardown(&own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_that_take_turns_get_each_visit_once),
    };

    return cmocka_run_group_tests_name("engine_copies", tests, NULL, NULL);
}
