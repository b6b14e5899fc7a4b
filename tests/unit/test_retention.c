/* SPDX-License-Identifier: MIT */
/* Retention by itself. test_engine_retained.c tests which batches are resent, and when. */
#include "parts_fixture.h"

#include "count/retention.h"
#include "support/fake_database.h"
#include "support/fake_store.h"

#define RETAIN_MS 60000

struct bench {
    struct parts *parts;
    struct fake_database *database;
    struct fake_store *store;
    struct retention retention;
    struct site_retention sites[SITES];
    struct session sessions[SITES];
    struct lane_retention lanes[SITES];
};

static void on_applied(void *data, const struct store_applied *applied)
{
    (void)data;
    (void)applied;
}

static const struct session_events events = {on_applied, NULL};

static struct bench *bench_create(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    bench->parts = parts_create();
    bench->database = fake_database_create();
    bench->store = fake_store_create(bench->database, true);
    bench->store->replicated_before_ms = UINT64_MAX;
    retention_init(&bench->retention, &bench->store->store, &bench->parts->options,
                   &bench->parts->breaker, &bench->parts->stats);
    for (size_t i = 0; i < SITES; i++) {
        session_init(&bench->sessions[i], &bench->store->store, site_names[i], &events);
        retention_init_site(&bench->sites[i], &bench->retention, &bench->parts->sites[i].breaker,
                            site_names[i]);
        retention_init_lane(&bench->lanes[i], &bench->sites[i], &bench->sessions[i]);
    }
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    for (size_t i = 0; i < SITES; i++) {
        retention_finish_lane(&bench->lanes[i]);
        retention_finish_site(&bench->sites[i]);
        session_finish(&bench->sessions[i]);
    }
    retention_finish(&bench->retention);
    store_destroy(&bench->store->store);
    fake_database_destroy(bench->database);
    parts_destroy(bench->parts);
    free(bench);
}

static int setup_bench(void **state)
{
    *state = bench_create();
    return 0;
}

static int teardown_bench(void **state)
{
    bench_destroy(*state);
    return 0;
}

/* an answered batch of one visit */
static void retain(struct bench *bench, size_t lane)
{
    const struct store_entry entry = {"/", 1, 1, false};
    struct sealed_batch *batch =
        sealed_batch_create(&(struct store_batch){.entries = &entry, .entry_count = 1});

    ledger_address(&bench->sessions[lane].ledger, batch);
    ledger_acknowledge(&bench->sessions[lane].ledger, batch, clock_monotonic_ms());
}

static uint64_t retained(const struct bench *bench, size_t lane)
{
    return session_retained_visits(&bench->sessions[lane]);
}

static void test_old_batches_are_dropped_while_the_store_works(void **state)
{
    /* a: away, b: back, R: refuses all, r: refuses site 0, W: writes, c: site 0 has to check */
    static const struct {
        const char *steps;
        uint64_t passed_ms; /* after the steps; also the age of the batches */
        uint64_t of_site_0; /* retained afterwards */
        uint64_t of_site_1;
    } cases[] = {
        {"", RETAIN_MS, 1, 1},
        {"", RETAIN_MS + 1, 0, 0},
        {"a", 2 * RETAIN_MS, 1, 1},
        {"ab", RETAIN_MS + 1, 0, 0},
        {"R", 2 * RETAIN_MS, 1, 1},
        {"Rb", 2 * RETAIN_MS, 1, 1},
        {"RW", RETAIN_MS + 1, 0, 0},
        {"r", 2 * RETAIN_MS, 1, 0},
        {"rW", RETAIN_MS + 1, 0, 0},
        {"c", 2 * RETAIN_MS, 1, 0},
        /* the store may have forgotten the epoch: a resend would look like a loss */
        {"a", 43200000, 1, 1},
        {"a", 43200001, 0, 0},
        {"p", 2 * RETAIN_MS, 1, 1}, /* a replica lacks them */
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench *bench = bench_create();
        struct parts *parts = bench->parts;

        retain(bench, 0);
        retain(bench, 1);
        for (const char *step = cases[i].steps; *step != '\0'; step++) {
            if (*step == 'a' || *step == 'b') {
                breaker_note_store(&parts->breaker, *step == 'b');
            } else if (*step == 'W') {
                breaker_note_applied(&parts->sites[0].live, true);
            } else if (*step == 'c') {
                session_require_check(&bench->sessions[0]);
            } else if (*step == 'p') {
                bench->store->replicated_before_ms = START_MS - 1;
            } else {
                refuse(&parts->sites[0].live, *step == 'R' ? STORE_SCOPE_SERVER : STORE_SCOPE_SITE);
            }
        }
        fake_clock_advance(cases[i].passed_ms);
        retention_forget(&bench->retention);
        if (retained(bench, 0) != cases[i].of_site_0 || retained(bench, 1) != cases[i].of_site_1) {
            fail_msg("\"%s\" and %llu ms", cases[i].steps, (unsigned long long)cases[i].passed_ms);
        }
        assert_int_equal(parts->stats.unprotected, 0);
        bench_destroy(bench);
    }
    (void)state;
}

/* the memory of one batch */
static uint64_t batch_bytes(struct bench *bench)
{
    retain(bench, 2);
    return retention_bytes(&bench->retention);
}

static void test_the_lanes_that_take_most_lose_batches(void **state)
{
    static const struct {
        uint64_t max;   /* of a lane, in batches */
        uint64_t total; /* of all lanes, in batches; 0: no limit */
        uint64_t retained[SITES];
    } cases[] = {
        {20, 0, {9, 4, 1}},  {20, 14, {9, 4, 1}}, {5, 0, {5, 4, 1}},
        {20, 11, {6, 4, 1}}, {20, 7, {3, 3, 1}},  {2, 14, {2, 2, 1}},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench *bench = bench_create();
        uint64_t bytes = batch_bytes(bench);
        uint64_t lost = 0;

        for (int batch = 0; batch < 9; batch++) {
            retain(bench, 0);
        }
        for (int batch = 0; batch < 4; batch++) {
            retain(bench, 1);
        }
        assert_int_equal(retention_bytes(&bench->retention), 14 * bytes);
        bench->parts->options.retain_max_bytes = cases[i].max * bytes;
        bench->parts->options.retain_total_bytes = cases[i].total * bytes;
        log_capture_begin();
        retention_forget(&bench->retention);
        log_capture_end();
        for (size_t lane = 0; lane < SITES; lane++) {
            if (retained(bench, lane) != cases[i].retained[lane]) {
                fail_msg("case %zu: lane %zu has %llu", i, lane,
                         (unsigned long long)retained(bench, lane));
            }
            lost += cases[i].retained[lane];
        }
        assert_int_equal(bench->parts->stats.unprotected, 14 - lost);
        bench_destroy(bench);
    }
    (void)state;
}

static const char *log_of_forget(struct bench *bench)
{
    log_capture_begin();
    retention_forget(&bench->retention);
    return log_capture_end();
}

static void test_a_lack_of_room_is_logged_once_a_minute(void **state)
{
    struct bench *bench = *state;
    const char *log;

    log_set_level(LOG_LEVEL_WARNING);
    bench->parts->options.retain_max_bytes = 0;
    retain(bench, 0);
    retain(bench, 1);
    log = log_of_forget(bench);
    assert_int_equal(count_in_text(log, "ledger.retain_max, "), 2);
    assert_non_null(strstr(log, "site one: "));
    assert_non_null(strstr(log, "site two: "));
    retain(bench, 0);
    fake_clock_advance(59999);
    assert_string_equal(log_of_forget(bench), "");
    retain(bench, 0);
    fake_clock_advance(1);
    log = log_of_forget(bench);
    assert_non_null(strstr(log, "site one: "));
    assert_non_null(strstr(log, "2 visits that were counted"));
    assert_null(strstr(log, "site two: "));
    fake_clock_advance(60000);
    assert_string_equal(log_of_forget(bench), ""); /* no further loss */
}

#define TEST_BENCH(name) cmocka_unit_test_setup_teardown(name, setup_bench, teardown_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_batches_are_dropped_while_the_store_works),
        cmocka_unit_test(test_the_lanes_that_take_most_lose_batches),
        TEST_BENCH(test_a_lack_of_room_is_logged_once_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
