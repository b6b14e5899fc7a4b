/* SPDX-License-Identifier: MIT */
/**
 * parts_fixture: sites with only the lower parts of the engine, waiting_visits and breaker. The
 * test decides the time.
 */
#ifndef VISITCOUNTD_TESTS_PARTS_FIXTURE_H
#define VISITCOUNTD_TESTS_PARTS_FIXTURE_H

#include "count/breaker.h"
#include "count/waiting_visits.h"

#include "base/clock.h"
#include "base/log.h"
#include "support/fake_clock.h"
#include "support/log_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START_MS    1000000
#define WALL_MS     (500000 * UINT64_C(3600000))
#define MAX_WAIT_MS 1000
#define MAX_WAITING 100
#define SITES       3

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct part_site {
    struct site_visits visits;
    struct site_breaker breaker;
    struct lane_breaker live;
    struct lane_breaker older; /* a lane of an earlier run */
    bool may_wait;             /* on_look() returns it */
    unsigned looks;            /* how often it was called */
};

struct parts {
    struct loop *loop;
    struct engine_options options;
    struct stats stats;
    struct waiting_visits waiting;
    struct breaker breaker;
    struct part_site sites[SITES];
    void *more; /* the test's own */
};

static const char *const site_names[SITES] = {"one", "two", "three"};

static inline bool on_look(struct site_visits *visits, uint64_t patience_ms)
{
    struct part_site *site = container_of(visits, struct part_site, visits);

    assert_int_equal(patience_ms, clock_monotonic_ms());
    site->looks++;
    return site->may_wait;
}

static inline struct parts *parts_create(void)
{
    struct parts *parts = calloc(1, sizeof(*parts));

    assert_non_null(parts);
    log_set_level(LOG_LEVEL_ERROR);
    fake_clock_stop(START_MS, WALL_MS);
    parts->loop = loop_create();
    parts->options = (struct engine_options){.max_wait_ms = MAX_WAIT_MS,
                                             .max_waiting = MAX_WAITING,
                                             .retain_ms = 60000,
                                             .retain_max_bytes = 1 << 20,
                                             .ledger_ttl_ms = 86400000};
    waiting_visits_init(&parts->waiting, parts->loop, &parts->options, &parts->stats, on_look);
    breaker_init(&parts->breaker, parts->loop, &parts->options, &parts->waiting, true);
    for (size_t i = 0; i < SITES; i++) {
        struct part_site *site = &parts->sites[i];

        waiting_visits_init_site(&site->visits, &parts->waiting);
        breaker_init_site(&site->breaker, &parts->breaker, &site->visits, site_names[i]);
        breaker_init_lane(&site->live, &site->breaker, true);
        breaker_init_lane(&site->older, &site->breaker, false);
    }
    return parts;
}

/* begins or ends the waiting of `count` visits of a site */
static inline void wait_in(struct part_site *site, uint64_t count)
{
    while (site->visits.count < count) {
        waiting_visits_begin(&site->visits);
    }
    while (site->visits.count > count) {
        waiting_visits_end(&site->visits);
    }
}

static inline void parts_destroy(struct parts *parts)
{
    for (size_t i = 0; i < SITES; i++) {
        struct part_site *site = &parts->sites[i];

        wait_in(site, 0);
        breaker_finish_lane(&site->older);
        breaker_finish_lane(&site->live);
        breaker_finish_site(&site->breaker);
        waiting_visits_finish_site(&site->visits);
    }
    breaker_finish(&parts->breaker);
    waiting_visits_finish(&parts->waiting);
    loop_destroy(parts->loop);
    fake_clock_release();
    free(parts);
}

static inline int setup(void **state)
{
    *state = parts_create();
    return 0;
}

static inline int teardown(void **state)
{
    parts_destroy(*state);
    return 0;
}

/* a refusal by the store */
static inline struct session_end refusal(enum store_scope scope, bool is_torn)
{
    return (struct session_end){
        .result = SESSION_FAILED, .reason = "no", .scope = scope, .is_torn = is_torn};
}

static inline void refuse(struct lane_breaker *lane, enum store_scope scope)
{
    struct session_end end = refusal(scope, false);

    breaker_note_refusal(lane, &end);
}

static inline void refuse_torn(struct lane_breaker *lane)
{
    struct session_end end = refusal(STORE_SCOPE_SITE, true);

    breaker_note_refusal(lane, &end);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
