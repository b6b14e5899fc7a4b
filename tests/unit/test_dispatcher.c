/* SPDX-License-Identifier: MIT */
/* The dispatcher by itself. test_engine*.c test what the engine sends. */
#include "parts_fixture.h"

#include "count/dispatcher.h"
#include "support/fake_database.h"
#include "support/fake_random.h"
#include "support/fake_store.h"

#define LANES 3

/* the longest delay after the first refusal, and after any refusal */
#define FIRST_RETRY_MS (BACKOFF_FIRST_MS + 10)
#define CAP_MS         (MAX_WAIT_MS / 4)

struct test_lane {
    struct session session;
    struct dispatcher_lane dispatch;
    struct visit visit;
};

struct bench {
    struct parts *parts;
    struct fake_database *database;
    struct fake_store *store;
    struct dispatcher dispatcher;
    struct test_lane lanes[LANES]; /* lane i belongs to site i */
    unsigned flushes;
    char trace[64]; /* the numbers of the lanes that were taken; w: from the unwritten ones */
};

static struct bench *bench_of(struct dispatcher_lane *lane)
{
    return container_of(lane->dispatcher, struct bench, dispatcher);
}

static void note(struct dispatcher_lane *lane, const char *text)
{
    struct test_lane *own = container_of(lane, struct test_lane, dispatch);
    char *trace = bench_of(lane)->trace;
    char number[2] = {(char)('0' + (own - bench_of(lane)->lanes)), '\0'};

    assert_true(strlen(trace) + 3 < sizeof(bench_of(lane)->trace));
    strcat(strcat(trace, number), text);
}

static void on_flush(struct loop_task *task)
{
    struct bench *bench = container_of(task, struct bench, dispatcher.flush);
    struct dispatcher_lane *lane;

    bench->flushes++;
    if (dispatcher_gathers(&bench->dispatcher, waiting_visits_count(&bench->parts->waiting))) {
        return;
    }
    while ((lane = dispatcher_pop_unwritten(&bench->dispatcher)) != NULL) {
        note(lane, "w");
    }
    while ((lane = dispatcher_pop_ready(&bench->dispatcher)) != NULL) {
        if (dispatcher_may_send(lane)) {
            note(lane, "");
        } else {
            note(lane, "z");
            dispatcher_rest(lane);
        }
    }
}

/* The session is gone by now. Only the call has to be freed. */
static void on_applied(void *data, const struct store_applied *applied)
{
    struct session_end end;

    assert_null(session_end_apply(data, applied, &end));
}

static const struct session_events events = {on_applied, NULL};

static int setup_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    bench->parts = parts_create();
    fake_random_seed(1);
    bench->database = fake_database_create();
    bench->store = fake_store_create(bench->database, true);
    dispatcher_init(&bench->dispatcher, bench->parts->loop, &bench->parts->options,
                    &bench->parts->breaker, on_flush);
    for (size_t i = 0; i < LANES; i++) {
        struct test_lane *lane = &bench->lanes[i];

        session_init(&lane->session, &bench->store->store, site_names[i], &events);
        dispatcher_init_lane(&lane->dispatch, &bench->dispatcher, &lane->session);
    }
    *state = bench;
    return 0;
}

static int teardown_bench(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < LANES; i++) {
        struct list out;

        list_init(&out);
        dispatcher_finish_lane(&bench->lanes[i].dispatch);
        session_expire(&bench->lanes[i].session, UINT64_MAX, &out, &out);
        session_finish(&bench->lanes[i].session);
    }
    dispatcher_finish(&bench->dispatcher);
    fake_store_end_all(bench->store, FAKE_DONE);
    store_destroy(&bench->store->store);
    fake_database_destroy(bench->database);
    fake_random_release();
    parts_destroy(bench->parts);
    free(bench);
    return 0;
}

/* gives a lane a batch to send */
static struct dispatcher_lane *fill(struct bench *bench, size_t i)
{
    struct test_lane *lane = &bench->lanes[i];

    if (!session_has_work(&lane->session)) {
        session_add(&lane->session, "/", 1, &lane->visit);
    }
    return &lane->dispatch;
}

/* compares the lanes that were taken since the last time */
#define assert_taken(bench, expected)                  \
    do {                                               \
        loop_turn((bench)->parts->loop, 4);            \
        assert_string_equal((bench)->trace, expected); \
        (bench)->trace[0] = '\0';                      \
    } while (0)

/* makes the store refuse all sites, at `lane` */
static void refuse_all(struct bench *bench, size_t i)
{
    refuse(&bench->parts->sites[i].live, STORE_SCOPE_SERVER);
    dispatcher_note_refusal(&bench->lanes[i].dispatch, STORE_SCOPE_SERVER);
}

static void note_store(struct bench *bench, bool is_available)
{
    breaker_note_store(&bench->parts->breaker, is_available);
    dispatcher_note_store(&bench->dispatcher);
    for (size_t i = 0; i < LANES; i++) {
        dispatcher_note_store_of(&bench->lanes[i].dispatch);
    }
}

/* waits until a lane was taken, at most `most_ms`; returns how long that took */
static uint64_t wait_for_flush(struct bench *bench, uint64_t most_ms)
{
    uint64_t begin_ms = clock_monotonic_ms();

    while (bench->trace[0] == '\0') {
        assert_true(clock_monotonic_ms() - begin_ms <= most_ms);
        loop_advance(bench->parts->loop, 1, 1);
    }
    return clock_monotonic_ms() - begin_ms;
}

static void test_ready_lanes_are_taken_once_and_in_order(void **state)
{
    struct bench *bench = *state;

    dispatcher_make_ready(&bench->lanes[2].dispatch);
    dispatcher_make_ready(&bench->lanes[0].dispatch);
    dispatcher_make_ready(&bench->lanes[2].dispatch);
    assert_int_equal(bench->flushes, 0); /* at the end of the turn */
    assert_taken(bench, "20");
    assert_int_equal(bench->flushes, 1);
    assert_taken(bench, "");
    assert_int_equal(bench->flushes, 1);
}

static void test_only_a_lane_with_work_wakes(void **state)
{
    struct bench *bench = *state;

    dispatcher_wake(&bench->lanes[0].dispatch);
    assert_taken(bench, "");
    dispatcher_wake(fill(bench, 0));
    assert_taken(bench, "0");
    session_send(&bench->lanes[0].session);
    assert_true(session_is_busy(&bench->lanes[0].session));
    dispatcher_wake(&bench->lanes[0].dispatch);
    assert_taken(bench, "");
}

static void test_what_is_for_the_journal_is_taken_first(void **state)
{
    struct bench *bench = *state;

    dispatcher_make_ready(&bench->lanes[0].dispatch);
    dispatcher_write_soon(&bench->lanes[1].dispatch);
    dispatcher_write_soon(&bench->lanes[0].dispatch);
    dispatcher_write_soon(&bench->lanes[1].dispatch);
    assert_taken(bench, "1w0w0");
}

static void test_several_visits_gather_once(void **state)
{
    static const struct {
        uint64_t waiting;
        unsigned flushes;
    } cases[] = {{0, 1}, {1, 1}, {2, 2}, {50, 2}};
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        wait_in(&bench->parts->sites[0], cases[i].waiting);
        bench->flushes = 0;
        dispatcher_make_ready(&bench->lanes[0].dispatch);
        assert_taken(bench, "0");
        assert_int_equal(bench->flushes, cases[i].flushes);
    }
}

static void test_a_refused_site_has_a_delay_of_its_own(void **state)
{
    struct bench *bench = *state;
    uint64_t delay_ms;

    dispatcher_note_refusal(fill(bench, 0), STORE_SCOPE_SITE);
    assert_true(dispatcher_is_delayed(&bench->lanes[0].dispatch));
    dispatcher_wake(fill(bench, 1)); /* another site goes on */
    assert_taken(bench, "1");
    assert_in_range(wait_for_flush(bench, FIRST_RETRY_MS), 1, FIRST_RETRY_MS);
    assert_taken(bench, "0");
    assert_false(dispatcher_is_delayed(&bench->lanes[0].dispatch));
    /* so that there are several attempts within max_wait_ms */
    for (int i = 0; i < 20; i++) {
        dispatcher_note_refusal(&bench->lanes[0].dispatch, STORE_SCOPE_SITE);
        delay_ms = wait_for_flush(bench, CAP_MS + 10);
        assert_in_range(delay_ms, 1, CAP_MS + 10);
        bench->trace[0] = '\0';
    }
    dispatcher_note_success(&bench->lanes[0].dispatch);
    assert_taken(bench, "0"); /* it has more work */
    dispatcher_note_refusal(&bench->lanes[0].dispatch, STORE_SCOPE_SITE);
    assert_in_range(wait_for_flush(bench, FIRST_RETRY_MS), 1, FIRST_RETRY_MS);
}

static void test_without_work_a_refusal_delays_nothing(void **state)
{
    struct bench *bench = *state;

    dispatcher_note_refusal(&bench->lanes[0].dispatch, STORE_SCOPE_SITE);
    assert_false(dispatcher_is_delayed(&bench->lanes[0].dispatch));
    refuse_all(bench, 0);
    assert_true(list_is_empty(&bench->lanes[0].dispatch.queue));
}

static void test_of_a_store_that_refuses_all_one_lane_is_tried(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < LANES; i++) {
        fill(bench, i);
    }
    refuse_all(bench, 1); /* rests longest */
    dispatcher_make_ready(&bench->lanes[0].dispatch);
    dispatcher_make_ready(&bench->lanes[1].dispatch); /* this lane rests already */
    dispatcher_make_ready(&bench->lanes[2].dispatch);
    assert_taken(bench, "0z2z"); /* no lane is tried before the delay is over */
    wait_for_flush(bench, FIRST_RETRY_MS);
    assert_taken(bench, "1");
    dispatcher_make_ready(&bench->lanes[0].dispatch);
    assert_taken(bench, "");
    refuse_all(bench, 1); /* after another refusal the next lane is tried */
    wait_for_flush(bench, 2 * FIRST_RETRY_MS);
    assert_taken(bench, "0");
    breaker_note_applied(&bench->parts->sites[0].live, true);
    dispatcher_note_success(&bench->lanes[0].dispatch);
    assert_taken(bench, "210"); /* the lanes that rested, then the rest of lane 0 */
}

static void test_a_probe_that_does_not_send_passes_its_turn_on(void **state)
{
    struct bench *bench = *state;

    fill(bench, 0);
    fill(bench, 2);
    refuse_all(bench, 0);
    dispatcher_rest(&bench->lanes[1].dispatch); /* without work: it leaves the queue */
    dispatcher_rest(&bench->lanes[2].dispatch);
    wait_for_flush(bench, FIRST_RETRY_MS);
    assert_taken(bench, "0");
    dispatcher_release_probe(&bench->lanes[1].dispatch); /* it is not the probe */
    assert_taken(bench, "");
    dispatcher_release_probe(&bench->lanes[0].dispatch);
    assert_taken(bench, "2");
    assert_true(list_is_empty(&bench->lanes[1].dispatch.queue));
    dispatcher_finish_lane(&bench->lanes[2].dispatch); /* without the probe the others may send */
    assert_true(dispatcher_may_send(&bench->lanes[1].dispatch));
    assert_false(dispatcher_may_send(&bench->lanes[0].dispatch));
}

static void test_a_store_that_comes_back_wakes_all(void **state)
{
    struct bench *bench = *state;

    note_store(bench, false);
    for (size_t i = 0; i < LANES; i++) {
        dispatcher_note_refusal(fill(bench, i), STORE_SCOPE_SERVER);
    }
    assert_true(dispatcher_may_send(&bench->lanes[0].dispatch)); /* away, but no refusal */
    dispatcher_make_ready(&bench->lanes[0].dispatch);
    loop_advance(bench->parts->loop, 10000, 100);
    assert_taken(bench, ""); /* no timer wakes the lanes */
    note_store(bench, true);
    assert_taken(bench, "012");
    dispatcher_note_refusal(&bench->lanes[1].dispatch, STORE_SCOPE_SITE);
    refuse_all(bench, 2);
    note_store(bench, true);
    assert_false(dispatcher_is_delayed(&bench->lanes[1].dispatch));
    loop_turn(bench->parts->loop, 4);
    assert_int_equal(strlen(bench->trace), LANES);
}

#define TEST_BENCH(name) cmocka_unit_test_setup_teardown(name, setup_bench, teardown_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_BENCH(test_ready_lanes_are_taken_once_and_in_order),
        TEST_BENCH(test_only_a_lane_with_work_wakes),
        TEST_BENCH(test_what_is_for_the_journal_is_taken_first),
        TEST_BENCH(test_several_visits_gather_once),
        TEST_BENCH(test_a_refused_site_has_a_delay_of_its_own),
        TEST_BENCH(test_without_work_a_refusal_delays_nothing),
        TEST_BENCH(test_of_a_store_that_refuses_all_one_lane_is_tried),
        TEST_BENCH(test_a_probe_that_does_not_send_passes_its_turn_on),
        TEST_BENCH(test_a_store_that_comes_back_wakes_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
