/* SPDX-License-Identifier: MIT */
/* Waiting visits by themselves. test_engine*.c test how the engine uses them. */
#include "parts_fixture.h"

#define LOOK_MS 50

static void test_one_site_leaves_places_to_the_others(void **state)
{
    static const struct {
        bool has_many_sites;
        uint64_t of_the_site;
        uint64_t of_the_others;
        bool has_room;
    } cases[] = {
        {false, 0, 0, true},   {false, 99, 0, true}, {false, 100, 0, false}, {false, 50, 50, false},
        {true, 0, 0, true},    {true, 86, 0, true},  {true, 87, 0, false},   {true, 0, 99, true},
        {true, 0, 100, false}, {true, 1, 98, false}, {true, 6, 92, true},    {true, 7, 92, false},
    };
    struct parts *parts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        parts->options.has_many_sites = cases[i].has_many_sites;
        wait_in(&parts->sites[0], cases[i].of_the_site);
        wait_in(&parts->sites[1], cases[i].of_the_others);
        if (waiting_visits_have_room(&parts->waiting, &parts->sites[0].visits) !=
            cases[i].has_room) {
            fail_msg("case %zu", i);
        }
        /* a site that is not known yet has no waiting visits */
        assert_true(waiting_visits_have_room(&parts->waiting, NULL) ==
                    (cases[i].of_the_site + cases[i].of_the_others < MAX_WAITING));
    }
}

static void test_visits_are_counted_per_site_and_apart(void **state)
{
    static const struct {
        size_t site;
        char what; /* +: begins, -: ends, a: sets apart, t: takes back */
        uint64_t count;
        uint64_t apart;
    } steps[] = {
        {0, '+', 1, 0}, {1, '+', 2, 0}, {1, '+', 3, 0}, {1, 'a', 3, 2}, {1, 'a', 3, 2},
        {1, '+', 4, 3}, {0, '+', 5, 3}, {0, '-', 4, 3}, {1, '-', 3, 2}, {0, 'a', 3, 3},
        {1, 't', 3, 1}, {1, 't', 3, 1}, {1, '-', 2, 1}, {0, '-', 1, 0}, {0, 't', 1, 0},
    };
    struct parts *parts = *state;

    for (size_t i = 0; i < COUNT(steps); i++) {
        struct site_visits *site = &parts->sites[steps[i].site].visits;

        if (steps[i].what == '+') {
            waiting_visits_begin(site);
        } else if (steps[i].what == '-') {
            waiting_visits_end(site);
        } else {
            waiting_visits_set_apart(site, steps[i].what == 'a');
        }
        if (waiting_visits_count(&parts->waiting) != steps[i].count ||
            waiting_visits_count_apart(&parts->waiting) != steps[i].apart) {
            fail_msg("step %zu", i);
        }
    }
    assert_int_equal(waiting_visits_count_of(&parts->sites[0].visits), 0);
    assert_int_equal(waiting_visits_count_of(&parts->sites[1].visits), 1);
}

static void test_only_sites_with_waiting_visits_are_looked_at(void **state)
{
    struct parts *parts = *state;

    wait_in(&parts->sites[0], 2);
    wait_in(&parts->sites[1], 1);
    parts->sites[0].may_wait = true;
    loop_advance(parts->loop, LOOK_MS, 5);
    assert_int_equal(parts->sites[0].looks, 1);
    assert_int_equal(parts->sites[1].looks, 1);
    assert_int_equal(parts->sites[2].looks, 0);
    loop_advance(parts->loop, LOOK_MS, 5);
    assert_int_equal(parts->sites[0].looks, 2);
    assert_int_equal(parts->sites[1].looks, 1); /* none of its visits may wait */
    wait_in(&parts->sites[1], 2);               /* comes back */
    loop_advance(parts->loop, LOOK_MS, 5);
    assert_int_equal(parts->sites[0].looks, 3);
    assert_int_equal(parts->sites[1].looks, 2);
}

static void test_nothing_is_looked_at_while_no_visit_waits(void **state)
{
    struct parts *parts = *state;

    parts->sites[0].may_wait = true;
    wait_in(&parts->sites[0], 1);
    wait_in(&parts->sites[0], 0);
    loop_advance(parts->loop, 10 * LOOK_MS, 5);
    assert_int_equal(parts->sites[0].looks, 1); /* the timer ran already */
    assert_false(loop_timer_is_active(&parts->waiting.timer));
    wait_in(&parts->sites[0], 1);
    loop_advance(parts->loop, LOOK_MS, 5);
    assert_int_equal(parts->sites[0].looks, 2);
}

/* --- answers --- */

struct answered {
    struct visit visit;
    struct parts *parts;
    struct visit_answer answer;
    unsigned times;
};

static void on_answer(struct visit *visit, const struct visit_answer *answer)
{
    struct answered *own = container_of(visit, struct answered, visit);

    own->answer = *answer;
    own->times++;
    /* in its callback a visit no longer counts as waiting */
    assert_int_equal(waiting_visits_count(&own->parts->waiting), 0);
}

static void test_an_answer_is_passed_on_and_counted(void **state)
{
    static const struct {
        struct visit_answer answer;
        size_t counter; /* in struct stats */
        bool is_unconfirmed;
    } cases[] = {
        {{.status = VISIT_COUNTED, .count = 7}, offsetof(struct stats, applied), false},
        {{.status = VISIT_COUNTED, .replicas = 1, .replicas_wanted = 2},
         offsetof(struct stats, applied),
         true},
        {{.status = VISIT_DUPLICATE, .replicas = 1, .replicas_wanted = 1},
         offsetof(struct stats, duplicate_visits),
         false},
        {{.status = VISIT_TOO_MANY_PAGES, .reason = "no"}, offsetof(struct stats, refused), false},
    };
    struct parts *parts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct answered own = {.visit.on_answer = on_answer, .parts = parts};
        const uint64_t *counter = (void *)((char *)&parts->stats + cases[i].counter);
        struct stats before = parts->stats;
        uint64_t counted = *counter;

        own.visit.accepted_at_us = clock_monotonic_us() - 30;
        wait_in(&parts->sites[0], 1);
        waiting_visits_answer(&parts->sites[0].visits, &own.visit, &cases[i].answer);
        assert_int_equal(own.times, 1);
        assert_int_equal(own.answer.status, cases[i].answer.status);
        assert_int_equal(own.answer.count, cases[i].answer.count);
        assert_int_equal(*counter, counted + 1);
        assert_int_equal(parts->stats.unconfirmed - before.unconfirmed, cases[i].is_unconfirmed);
        assert_int_equal(parts->stats.latency_count, before.latency_count + 1);
        assert_int_equal(parts->stats.latency_sum_us, before.latency_sum_us + 30);
    }
}

static void test_all_of_a_list_are_answered_as_uncounted(void **state)
{
    static const struct {
        enum visit_status status;
        uint64_t refused;
        uint64_t unknown;
    } cases[] = {{VISIT_REFUSED, 1, 0}, {VISIT_UNKNOWN, 1, 1}, {VISIT_UNKNOWN, 1, 2}};
    struct parts *parts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct answered own = {.visit.on_answer = on_answer, .parts = parts};
        struct list visits;

        list_init(&visits);
        list_append(&visits, &own.visit.link);
        wait_in(&parts->sites[0], 1);
        waiting_visits_answer_uncounted(&parts->sites[0].visits, &visits, cases[i].status, "why");
        assert_true(list_is_empty(&visits));
        assert_int_equal(own.times, 1);
        assert_int_equal(own.answer.status, cases[i].status);
        assert_string_equal(own.answer.reason, "why");
        assert_true(own.answer.uniques == STORE_NONE);
        assert_int_equal(parts->stats.refused, cases[i].refused);
        assert_int_equal(parts->stats.unknown, cases[i].unknown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_site_leaves_places_to_the_others),
        TEST(test_visits_are_counted_per_site_and_apart),
        TEST(test_only_sites_with_waiting_visits_are_looked_at),
        TEST(test_nothing_is_looked_at_while_no_visit_waits),
        TEST(test_an_answer_is_passed_on_and_counted),
        TEST(test_all_of_a_list_are_answered_as_uncounted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
