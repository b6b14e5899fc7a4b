/* SPDX-License-Identifier: MIT */
/* The breakers by themselves. test_engine_scope.c tests how the engine uses them. */
#include "parts_fixture.h"

static bool is_closed(const struct parts *parts, size_t site)
{
    return breaker_is_closed(&parts->breaker, &parts->sites[site].breaker);
}

static bool is_open(const struct parts *parts, size_t site)
{
    return breaker_is_open(&parts->breaker, &parts->sites[site].breaker, clock_monotonic_ms());
}

/* waits without turns of the loop: the breaker has no timers */
static void pass(uint64_t ms)
{
    fake_clock_advance(ms);
}

/* does the step of a letter, at site 0 */
static void do_step(struct parts *parts, char what)
{
    struct part_site *site = &parts->sites[0];

    switch (what) {
    case 'a':
        breaker_note_store(&parts->breaker, false); /* away */
        break;
    case 'b':
        breaker_note_store(&parts->breaker, true); /* back */
        break;
    case 'R':
        refuse(&site->live, STORE_SCOPE_SERVER);
        break;
    case 'r':
        refuse(&site->live, STORE_SCOPE_SITE);
        break;
    case 'o':
        refuse(&site->older, STORE_SCOPE_SITE);
        break;
    case 't':
        refuse_torn(&site->older);
        break;
    case 'W':
        breaker_note_applied(&site->live, true); /* written */
        break;
    case 'd':
        breaker_note_applied(&site->live, false); /* an answer without a write */
        break;
    case '+':
        wait_in(site, site->visits.count + 1);
        break;
    case '.':
        pass(MAX_WAIT_MS - 1);
        break;
    case ',':
        pass(1);
        break;
    default:
        fail_msg("no step: %c", what);
    }
}

/* undoes all steps: the store is back and accepts all sites */
static void calm(struct parts *parts)
{
    breaker_note_applied(&parts->sites[0].older, true);
    breaker_note_applied(&parts->sites[0].live, true);
    breaker_note_store(&parts->breaker, true);
    for (size_t i = 0; i < SITES; i++) {
        wait_in(&parts->sites[i], 0);
    }
    assert_true(is_closed(parts, 0));
    assert_true(is_closed(parts, 1));
}

static void test_when_a_breaker_opens_and_closes(void **state)
{
    static const struct {
        const char *steps;
        const char *site;  /* closed, open, or half: half open */
        const char *other; /* another site */
    } cases[] = {
        {"", "closed", "closed"},
        /* a store that is away */
        {"a", "half", "half"},
        {"a.", "half", "half"},
        {"a.,", "open", "open"},
        {"a.,b", "closed", "closed"},
        {"ta", "open", "half"},
        /* a site that is refused alone */
        {"r", "half", "closed"},
        {"r+.", "half", "closed"},
        {"r+.,", "open", "closed"},
        {"r.,", "half", "closed"}, /* the next visit tests whether the site is still refused */
        {"r+.,W", "closed", "closed"},
        {"r+.,d", "closed", "closed"},
        {"r+.,b", "closed", "closed"},
        {"o+.,", "closed", "closed"}, /* a lane of an earlier run does not affect new visits */
        /* all sites are refused */
        {"R", "half", "half"},
        {"R+.", "half", "half"},
        {"R+.,", "open", "open"},
        {"R.,", "half", "half"},
        {"R+.,d", "open", "open"}, /* only a write proves that the store accepts visits again */
        {"R+.,W", "closed", "closed"},
        {"R+.,b", "closed", "closed"},
        /* a visit of a site that is refused alone tests nothing for the other sites */
        {"Rr+.,", "open", "half"},
        /* keys that contradict each other */
        {"t", "half", "closed"},
        {"t+", "open", "closed"},
        {"t+b", "open", "closed"},
        {"t+d", "closed", "closed"},
    };
    struct parts *parts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *expected[] = {cases[i].site, cases[i].other};

        for (const char *step = cases[i].steps; *step != '\0'; step++) {
            do_step(parts, *step);
        }
        for (size_t site = 0; site < 2; site++) {
            const char *found = is_closed(parts, site) ? "closed"
                                : is_open(parts, site) ? "open"
                                                       : "half";

            if (strcmp(found, expected[site]) != 0) {
                fail_msg("\"%s\": site %zu is %s, not %s", cases[i].steps, site, found,
                         expected[site]);
            }
        }
        calm(parts);
    }
}

static void test_a_refused_site_tests_no_store_that_refuses_all(void **state)
{
    struct parts *parts = *state;

    refuse(&parts->sites[0].live, STORE_SCOPE_SITE);
    refuse(&parts->sites[1].live, STORE_SCOPE_SITE);
    refuse(&parts->sites[2].live, STORE_SCOPE_SERVER);
    pass(MAX_WAIT_MS);
    wait_in(&parts->sites[1], 1);
    assert_true(is_open(parts, 0)); /* one waiting visit is enough to refuse others */
    assert_false(is_open(parts, 2));
    wait_in(&parts->sites[1], 0);
    assert_false(is_open(parts, 0));
}

/* Guards: a site whose attempt had failed kept its turn, and no other site was tried. */
static void test_a_site_that_was_tried_in_vain_gives_way(void **state)
{
    struct parts *parts = *state;

    parts->options.has_many_sites = true;
    refuse(&parts->sites[0].live, breaker_scope(&parts->sites[0].breaker, STORE_SCOPE_SERVER));
    pass(MAX_WAIT_MS);
    assert_false(is_open(parts, 0));
    breaker_scope(&parts->sites[0].breaker, STORE_SCOPE_SERVER); /* tried once more */
    assert_true(is_open(parts, 0));
    assert_false(is_open(parts, 1));
    pass(MAX_WAIT_MS / 2);
    assert_false(is_open(parts, 0));
}

static void test_an_error_of_all_sites_may_be_the_sites_own(void **state)
{
    /*
     * R: site 0 gets an error of all sites; W: site 1 is written; w: site 0 is written; m: a minute
     * passes
     */
    static const struct {
        const char *steps;
        enum store_scope scope; /* of the last error */
    } cases[] = {
        {"R", STORE_SCOPE_SERVER},    {"RR", STORE_SCOPE_SERVER},   {"WR", STORE_SCOPE_SERVER},
        {"RWR", STORE_SCOPE_SITE},    {"RWRR", STORE_SCOPE_SITE},   {"RwR", STORE_SCOPE_SERVER},
        {"RWwR", STORE_SCOPE_SERVER}, {"RWmR", STORE_SCOPE_SERVER},
    };
    struct parts *parts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        enum store_scope scope = STORE_SCOPE_SITE;

        for (const char *step = cases[i].steps; *step != '\0'; step++) {
            if (*step == 'R') {
                scope = breaker_scope(&parts->sites[0].breaker, STORE_SCOPE_SERVER);
            } else if (*step == 'm') {
                pass(60001);
            } else {
                breaker_note_applied(&parts->sites[*step == 'W' ? 1 : 0].live, true);
            }
        }
        if (scope != cases[i].scope) {
            fail_msg("\"%s\"", cases[i].steps);
        }
        calm(parts);
    }
    assert_int_equal(breaker_scope(&parts->sites[0].breaker, STORE_SCOPE_SITE), STORE_SCOPE_SITE);
}

static void test_visits_that_wait_for_one_end_time_out_together(void **state)
{
    static const struct {
        const char *steps;
        uint64_t passed_ms; /* since the steps */
        uint64_t waits_ms;
    } cases[] = {
        {"", 400, MAX_WAIT_MS},        {"a", 400, MAX_WAIT_MS - 400},
        {"R", 400, MAX_WAIT_MS - 400}, {"R", MAX_WAIT_MS, MAX_WAIT_MS}, /* tests the store */
        {"r", 400, MAX_WAIT_MS - 400}, {"r", MAX_WAIT_MS, MAX_WAIT_MS},
        {"o", 400, MAX_WAIT_MS},
    };
    struct parts *parts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t deadline_ms;

        for (const char *step = cases[i].steps; *step != '\0'; step++) {
            do_step(parts, *step);
        }
        pass(cases[i].passed_ms);
        deadline_ms =
            breaker_deadline_ms(&parts->breaker, &parts->sites[0].breaker, clock_monotonic_ms());
        if (deadline_ms != clock_monotonic_ms() + cases[i].waits_ms) {
            fail_msg("case %zu", i);
        }
        calm(parts);
    }
}

static void test_a_pause_is_no_time_of_the_store(void **state)
{
    struct parts *parts = *state;
    uint64_t lost_ms = loop_lost_ms(parts->loop);
    uint64_t away_ms;

    breaker_note_store(&parts->breaker, false);
    away_ms = breaker_away_since_ms(&parts->breaker);
    assert_int_equal(away_ms, clock_monotonic_ms());
    loop_turn(parts->loop, 4);
    loop_patience_ms(parts->loop);
    pass(5000); /* the loop did not sleep: the process was suspended */
    loop_patience_ms(parts->loop);
    assert_int_equal(loop_lost_ms(parts->loop), lost_ms + 5000);
    assert_int_equal(breaker_away_since_ms(&parts->breaker), away_ms + 5000);
    assert_int_equal(breaker_changed_at_ms(&parts->breaker), START_MS);
}

static void test_how_long_the_store_has_worked(void **state)
{
    static const struct {
        const char *steps;
        uint64_t passed_ms;
        bool has_worked;
        bool has_site_worked;
    } cases[] = {
        {"", 99, false, true}, /* the breaker knows no more than 99 ms */
        {"", 100, true, true},    {"a", 100, false, true},
        {"ab", 99, false, true},  {"ab", 100, true, true},
        {"R", 100, false, true},  {"Rd", 100, false, true},
        {"Rb", 100, false, true}, /* not until the store writes something */
        {"RW", 99, false, true},  {"RW", 100, true, true},
        {"r", 100, true, false},  {"rb", 100, true, false},
        {"o", 100, true, false},  {"od", 100, true, false}, /* another lane was answered */
        {"rd", 99, false, false}, {"rd", 100, true, true},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct parts *parts = parts_create();
        uint64_t now_ms;

        for (const char *step = cases[i].steps; *step != '\0'; step++) {
            do_step(parts, *step);
        }
        pass(cases[i].passed_ms);
        now_ms = clock_monotonic_ms();
        if (breaker_has_worked_for(&parts->breaker, now_ms, 100) != cases[i].has_worked ||
            breaker_has_site_worked_for(&parts->sites[0].breaker, now_ms, 100) !=
                cases[i].has_site_worked) {
            fail_msg("\"%s\" and %llu ms", cases[i].steps, (unsigned long long)cases[i].passed_ms);
        }
        parts_destroy(parts);
    }
    (void)state;
}

static void add_name(void *data, const char *site)
{
    strcat(strcat(data, site), " ");
}

static void test_torn_sites_are_listed(void **state)
{
    struct parts *parts = *state;
    char names[32] = "";

    refuse_torn(&parts->sites[2].live);
    refuse_torn(&parts->sites[0].older);
    refuse_torn(&parts->sites[2].live);
    assert_int_equal(breaker_torn_count(&parts->breaker), 2);
    breaker_list_torn(&parts->breaker, add_name, names);
    assert_string_equal(names, "three one ");
    breaker_note_applied(&parts->sites[2].live, false); /* after a repair */
    assert_false(breaker_is_torn(&parts->sites[2].breaker));
    assert_true(breaker_is_torn(&parts->sites[0].breaker));
    assert_int_equal(breaker_torn_count(&parts->breaker), 1);
}

/* Guards: a lane that had ended kept its site refused. */
static void test_a_lane_that_ends_is_no_longer_refused(void **state)
{
    struct parts *parts = *state;
    struct part_site *site = &parts->sites[0];
    uint64_t now_ms = clock_monotonic_ms();

    refuse(&site->older, STORE_SCOPE_SITE);
    refuse(&site->older, STORE_SCOPE_SITE);
    assert_false(breaker_has_site_worked_for(&site->breaker, now_ms, 0));
    breaker_finish_lane(&site->older);
    assert_true(breaker_has_site_worked_for(&site->breaker, now_ms, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_when_a_breaker_opens_and_closes),
        TEST(test_a_refused_site_tests_no_store_that_refuses_all),
        TEST(test_a_site_that_was_tried_in_vain_gives_way),
        TEST(test_an_error_of_all_sites_may_be_the_sites_own),
        TEST(test_visits_that_wait_for_one_end_time_out_together),
        TEST(test_a_pause_is_no_time_of_the_store),
        cmocka_unit_test(test_how_long_the_store_has_worked),
        TEST(test_torn_sites_are_listed),
        TEST(test_a_lane_that_ends_is_no_longer_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
