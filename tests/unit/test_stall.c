/* SPDX-License-Identifier: MIT */
/* Stalls by themselves: the log and the status of refused sites. */
#include "parts_fixture.h"

#include "count/stall.h"

#define WARN_AFTER_MS    1000
#define WARN_INTERVAL_MS 60000
#define FRESH_MS         5000

struct test_lane {
    struct session session;
    struct lane_stall stall;
};

struct bench {
    struct parts *parts;
    struct stalls stalls;
    struct site_stalls sites[SITES];
    struct test_lane live[SITES];
    struct test_lane older[SITES];
};

static void on_applied(void *data, const struct store_applied *applied)
{
    (void)data;
    (void)applied;
}

static const struct session_events events = {on_applied, NULL};

static void begin_lane(struct bench *bench, struct test_lane *lane, size_t site)
{
    session_init(&lane->session, NULL, site_names[site], &events);
    stall_init_lane(&lane->stall, &bench->sites[site], &lane->session);
}

static int setup_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    bench->parts = parts_create();
    stall_init(&bench->stalls, &bench->parts->breaker, &bench->parts->waiting);
    for (size_t i = 0; i < SITES; i++) {
        stall_init_site(&bench->sites[i], &bench->stalls, &bench->parts->sites[i].breaker);
        begin_lane(bench, &bench->live[i], i);
        begin_lane(bench, &bench->older[i], i);
    }
    log_set_level(LOG_LEVEL_INFO);
    *state = bench;
    return 0;
}

static int teardown_bench(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < SITES; i++) {
        stall_forget(&bench->live[i].stall);
        stall_forget(&bench->older[i].stall);
        session_finish(&bench->live[i].session);
        session_finish(&bench->older[i].session);
    }
    stall_finish(&bench->stalls);
    parts_destroy(bench->parts);
    free(bench);
    return 0;
}

/* refuses the live lane of a site, for the breaker and the stall; returns the log */
static const char *refuse_live(struct bench *bench, size_t site, enum store_scope scope,
                               bool is_torn)
{
    struct session_end end = refusal(scope, is_torn);

    breaker_note_refusal(&bench->parts->sites[site].live, &end);
    log_capture_begin();
    stall_note(&bench->live[site].stall, &end);
    return log_capture_end();
}

static void refuse_older(struct bench *bench, size_t site)
{
    struct session_end end = refusal(STORE_SCOPE_SITE, false);

    stall_note(&bench->older[site].stall, &end);
}

#define assert_logged(text, expected)               \
    do {                                            \
        const char *logged = (text);                \
                                                    \
        if (*(expected) == '\0') {                  \
            assert_string_equal(logged, "");        \
        } else {                                    \
            if (strstr(logged, expected) == NULL) { \
                fail_msg("%s", logged);             \
            }                                       \
        }                                           \
    } while (0)

static void test_one_lane_after_the_other_is_warned_of(void **state)
{
    static const struct {
        uint64_t passed_ms; /* since the step before */
        size_t site;
        const char *logged;
    } steps[] = {
        {0, 0, ""},
        {WARN_AFTER_MS - 1, 0, ""},
        {1, 0, "site one: takes no batches for 1s: no; trying again, 3 visits wait, 0 are"},
        {1000, 0, ""},
        {0, 1, ""},
        {WARN_INTERVAL_MS - 1001, 0, ""},
        {1, 1, "site one: takes no batches for 61s"}, /* its turn, whichever site is refused */
        {WARN_INTERVAL_MS, 0, "site two: takes no batches for 119s"},
        {WARN_INTERVAL_MS, 0, "site one: takes no batches for 181s"},
    };
    struct bench *bench = *state;

    wait_in(&bench->parts->sites[1], 3);
    for (size_t i = 0; i < COUNT(steps); i++) {
        fake_clock_advance(steps[i].passed_ms);
        assert_logged(refuse_live(bench, steps[i].site, STORE_SCOPE_SITE, false), steps[i].logged);
    }
}

static void test_a_torn_site_is_warned_of_at_once(void **state)
{
    struct bench *bench = *state;

    assert_logged(refuse_live(bench, 1, STORE_SCOPE_SITE, true),
                  "site two: no; no visits of the site are counted until it is repaired");
    assert_logged(refuse_live(bench, 1, STORE_SCOPE_SITE, true), "");
    fake_clock_advance(WARN_INTERVAL_MS);
    assert_logged(refuse_live(bench, 1, STORE_SCOPE_SITE, true), "until it is repaired");
}

static void test_only_the_end_of_what_was_warned_of_is_logged(void **state)
{
    struct bench *bench = *state;

    refuse_live(bench, 0, STORE_SCOPE_SITE, false);
    log_capture_begin();
    stall_end(&bench->live[0].stall);
    stall_end(&bench->live[0].stall); /* the stall has ended already */
    assert_logged(log_capture_end(), "");
    refuse_live(bench, 0, STORE_SCOPE_SITE, false);
    fake_clock_advance(WARN_AFTER_MS);
    refuse_live(bench, 0, STORE_SCOPE_SITE, false);
    fake_clock_advance(2000);
    log_capture_begin();
    stall_end(&bench->live[0].stall);
    assert_logged(log_capture_end(), "site one: takes batches again, after 3s");
    assert_null(bench->live[0].stall.stall);
}

static void test_a_stall_begins_anew_when_the_store_was_away(void **state)
{
    struct bench *bench = *state;
    struct engine_stall longest;

    refuse_live(bench, 0, STORE_SCOPE_SITE, false);
    fake_clock_advance(WARN_AFTER_MS / 2);
    breaker_note_store(&bench->parts->breaker, false);
    breaker_note_store(&bench->parts->breaker, true);
    fake_clock_advance(WARN_AFTER_MS / 2);
    assert_logged(refuse_live(bench, 0, STORE_SCOPE_SITE, false), "");
    assert_true(stall_find_longest(&bench->stalls, &longest));
    assert_int_equal(longest.lasted_ms, 0);
}

static void test_which_stalls_are_known(void **state)
{
    static const struct {
        enum store_scope scope;
        uint64_t passed_ms;
        bool of_all;
        bool of_the_site;
        bool of_another;
    } cases[] = {
        {STORE_SCOPE_SITE, 0, false, true, false},
        {STORE_SCOPE_SITE, FRESH_MS, false, true, false},
        {STORE_SCOPE_SITE, FRESH_MS + 1, false, false, false},
        {STORE_SCOPE_SERVER, FRESH_MS, true, true, true},
        {STORE_SCOPE_SERVER, FRESH_MS + 1, false, false, false},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        refuse_live(bench, 0, cases[i].scope, false);
        fake_clock_advance(cases[i].passed_ms);
        if (stall_is_known(&bench->stalls, NULL) != cases[i].of_all ||
            stall_is_known(&bench->stalls, &bench->sites[0]) != cases[i].of_the_site ||
            stall_is_known(&bench->stalls, &bench->sites[1]) != cases[i].of_another) {
            fail_msg("case %zu", i);
        }
        stall_forget(&bench->live[0].stall);
    }
    /* a refusal of one site does not affect the others, although all were refused before */
    refuse_live(bench, 0, STORE_SCOPE_SERVER, false);
    fake_clock_advance(FRESH_MS + 1);
    refuse_live(bench, 1, STORE_SCOPE_SITE, false);
    assert_false(stall_is_known(&bench->stalls, NULL));
    /* a stall of an older lane does not affect new visits */
    breaker_note_applied(&bench->parts->sites[1].live, true);
    refuse_older(bench, 1);
    assert_false(stall_is_known(&bench->stalls, &bench->sites[1]));
}

static void test_the_longest_stall_and_the_number_of_sites(void **state)
{
    struct bench *bench = *state;
    struct engine_stall longest;

    assert_false(stall_find_longest(&bench->stalls, &longest));
    refuse_live(bench, 2, STORE_SCOPE_SITE, false);
    fake_clock_advance(500);
    refuse_live(bench, 0, STORE_SCOPE_SITE, false);
    refuse_older(bench, 0); /* another lane of the same site */
    assert_true(stall_find_longest(&bench->stalls, &longest));
    assert_string_equal(longest.site, "three");
    assert_string_equal(longest.reason, "no");
    assert_int_equal(longest.lasted_ms, 500);
    assert_int_equal(longest.site_count, 2);
    assert_false(longest.is_server_wide);
    stall_end(&bench->live[2].stall);
    stall_end(&bench->live[0].stall);
    assert_true(stall_find_longest(&bench->stalls, &longest));
    assert_string_equal(longest.site, "one");
    assert_int_equal(longest.site_count, 1);
    refuse_live(bench, 1, STORE_SCOPE_SERVER, false);
    assert_true(stall_find_longest(&bench->stalls, &longest));
    assert_true(longest.is_server_wide);
}

static void test_the_end_of_a_refusal_of_all_ends_those_stalls(void **state)
{
    struct bench *bench = *state;

    refuse_live(bench, 0, STORE_SCOPE_SERVER, false);
    refuse_live(bench, 1, STORE_SCOPE_SITE, false);
    refuse_live(bench, 2, STORE_SCOPE_SERVER, false);
    stall_end_for_all(&bench->stalls);
    assert_null(bench->live[0].stall.stall);
    assert_non_null(bench->live[1].stall.stall);
    assert_null(bench->live[2].stall.stall);
    assert_int_equal(bench->stalls.site_count, 1);
}

static void test_an_idle_lane_is_forgotten_after_a_minute(void **state)
{
    struct bench *bench = *state;
    struct visit visit = {0};
    struct list out;

    list_init(&out);
    refuse_live(bench, 0, STORE_SCOPE_SITE, false);
    refuse_live(bench, 1, STORE_SCOPE_SITE, false);
    session_add(&bench->live[1].session, "/", 1, &visit);
    fake_clock_advance(60000);
    stall_forget_idle(&bench->stalls);
    assert_int_equal(bench->stalls.site_count, 2);
    fake_clock_advance(1);
    stall_forget_idle(&bench->stalls);
    assert_null(bench->live[0].stall.stall);
    assert_non_null(bench->live[1].stall.stall); /* the lane has a batch that will be tried */
    session_expire(&bench->live[1].session, UINT64_MAX, &out, &out);
}

#define TEST_BENCH(name) cmocka_unit_test_setup_teardown(name, setup_bench, teardown_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_BENCH(test_one_lane_after_the_other_is_warned_of),
        TEST_BENCH(test_a_torn_site_is_warned_of_at_once),
        TEST_BENCH(test_only_the_end_of_what_was_warned_of_is_logged),
        TEST_BENCH(test_a_stall_begins_anew_when_the_store_was_away),
        TEST_BENCH(test_which_stalls_are_known),
        TEST_BENCH(test_the_longest_stall_and_the_number_of_sites),
        TEST_BENCH(test_the_end_of_a_refusal_of_all_ends_those_stalls),
        TEST_BENCH(test_an_idle_lane_is_forgotten_after_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
