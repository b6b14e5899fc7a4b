/* SPDX-License-Identifier: MIT */
/**
 * engine_fixture: an engine on a fake store with a fake clock, and the steps of the engine's tests.
 * The test decides the store's answers and the time.
 */
#ifndef VISITCOUNTD_TESTS_ENGINE_FIXTURE_H
#define VISITCOUNTD_TESTS_ENGINE_FIXTURE_H

#include "count/engine.h"

#include "base/log.h"
#include "count/batch.h"
#include "base/clock.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/fake_database.h"
#include "support/fake_store.h"
#include "support/log_capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VISITS_MAX  2048
#define MAX_WAIT_MS 1000
#define MAX_WAITING 1000
#define RETAIN_MS   60000

/* so much room that batches are dropped only by age */
#define RETAIN_MAX_BYTES (1 << 20)

#define LEDGER_TTL_MS (7 * UINT64_C(86400000))

/* how often the engine looks for visits that have timed out */
#define EXPIRE_MS 50

/* the longest first delay and the longest delay before a resend, each with a turn */
#define FIRST_RETRY_MS 60
#define LAST_RETRY_MS  5010

#define START_MS 1000000
#define HOUR_MS  3600000
#define WALL_MS  (500000 * UINT64_C(3600000)) /* the first moment of an hour */

struct fixture;

struct test_visit {
    struct visit visit;
    struct fixture *fixture;
    bool is_answered;
    enum visit_status status;
    uint64_t number;
    uint64_t uniques;
    size_t rank; /* position of its answer among all answers */
    char token[STORE_TOKEN_MAX];
};

struct fixture {
    struct loop *loop;
    struct fake_database *database;
    struct fake_store *store;
    struct engine *engine;
    struct test_visit visits[VISITS_MAX];
    size_t count;
    size_t answered;
    void (*on_answer)(struct fixture *fixture); /* what a test does inside an answer */
};

static const struct engine_options default_options = {.max_wait_ms = MAX_WAIT_MS,
                                                      .max_waiting = MAX_WAITING,
                                                      .retain_ms = RETAIN_MS,
                                                      .retain_max_bytes = RETAIN_MAX_BYTES,
                                                      .ledger_ttl_ms = LEDGER_TTL_MS};

static inline int setup_with(void **state, bool available)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    log_set_level(LOG_LEVEL_ERROR);
    fake_clock_stop(START_MS, WALL_MS);
    fake_random_seed(1); /* tests that draw a seed of their own set it after this */
    fixture->loop = loop_create();
    fixture->database = fake_database_create();
    fixture->store = fake_store_create(fixture->database, available);
    fixture->engine = engine_create(fixture->loop, &fixture->store->store, &default_options);
    *state = fixture;
    return 0;
}

static inline int setup(void **state)
{
    return setup_with(state, true);
}

static inline int setup_away(void **state)
{
    return setup_with(state, false);
}

static inline void destroy_store(struct fixture *fixture)
{
    store_destroy(&fixture->store->store);
    fixture->store = NULL;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;

    engine_destroy(fixture->engine);
    if (fixture->store != NULL) {
        destroy_store(fixture);
    }
    loop_destroy(fixture->loop);
    fake_database_destroy(fixture->database);
    for (size_t i = 0; i < fixture->count; i++) {
        assert_true(fixture->visits[i].is_answered);
    }
    free(fixture);
    fake_random_release();
    fake_clock_release();
    return 0;
}

/* --- steps --- */

static inline void on_answer(struct visit *visit, const struct visit_answer *answer)
{
    struct test_visit *own = container_of(visit, struct test_visit, visit);
    bool is_promised = answer->status != VISIT_REFUSED && answer->status != VISIT_UNKNOWN &&
                       answer->status != VISIT_TOO_MANY_PAGES;

    assert_false(own->is_answered);
    assert_true(is_promised == (answer->reason == NULL));
    own->is_answered = true;
    own->status = answer->status;
    own->number = answer->count;
    own->uniques = answer->uniques;
    own->rank = own->fixture->answered++;
    memset(visit, 0xa5, sizeof(*visit)); /* the caller owns it again and may free it */
    memset(own->token, 0xa5, sizeof(own->token));
    if (own->fixture->on_answer != NULL) {
        own->fixture->on_answer(own->fixture);
    }
}

/* changes only how long visits wait and how many may wait */
static inline void set_limits(struct fixture *fixture, uint64_t max_wait_ms, uint64_t max_waiting)
{
    struct engine_options options = default_options;

    options.max_wait_ms = max_wait_ms;
    options.max_waiting = max_waiting;
    engine_configure(fixture->engine, &options);
}

/* a visit that may be refused; only an accepted visit stays in the fixture */
static inline int try_visit(struct fixture *fixture, const char *site, const char *page)
{
    struct test_visit *own = &fixture->visits[fixture->count];
    size_t answered = fixture->answered;
    int error;

    assert_true(fixture->count < VISITS_MAX);
    own->fixture = fixture;
    own->visit.on_answer = on_answer;
    own->visit.second = clock_wall_ms() / 1000;
    fixture->count++;
    error = engine_visit(fixture->engine, site, page, strlen(page), &own->visit);
    assert_int_equal(fixture->answered, answered); /* never from inside the call */
    if (error != 0) {
        fixture->count--;
    }
    return error;
}

/* returns the visit's index */
static inline size_t visit(struct fixture *fixture, const char *page)
{
    assert_int_equal(try_visit(fixture, "default", page), 0);
    return fixture->count - 1;
}

static inline size_t visit_site(struct fixture *fixture, const char *site, const char *page)
{
    assert_int_equal(try_visit(fixture, site, page), 0);
    return fixture->count - 1;
}

/* a visit that a client or proxy may repeat under the same token */
static inline size_t visit_with(struct fixture *fixture, const char *page, const char *token,
                                enum store_window window)
{
    struct test_visit *own = &fixture->visits[fixture->count];

    memcpy(own->token, token, strlen(token));
    own->visit.token = own->token;
    own->visit.token_length = strlen(token);
    own->visit.token_window = window;
    return visit(fixture, page);
}

static inline void turn(struct fixture *fixture)
{
    loop_turn(fixture->loop, 4);
}

static inline void advance(struct fixture *fixture, uint64_t ms)
{
    loop_advance(fixture->loop, ms, 5);
}

/* the one open call */
static inline const struct fake_call *sent(struct fixture *fixture)
{
    assert_int_equal(fake_store_open_count(fixture->store), 1);
    return fake_store_call(fixture->store, 0);
}

static inline void end(struct fixture *fixture, enum fake_fate fate)
{
    sent(fixture);
    fake_store_end(fixture->store, fake_store_call(fixture->store, 0), fate);
}

static inline void restart_store(struct fixture *fixture, enum fake_fate fate)
{
    fake_store_go_away(fixture->store, fate);
    turn(fixture);
    fake_store_come_back(fixture->store);
    turn(fixture);
}

/* ends the one open call, which reads the ledger */
static inline void end_check(struct fixture *fixture, enum fake_fate fate)
{
    assert_int_equal(sent(fixture)->kind, FAKE_LEDGER);
    end(fixture, fate);
    turn(fixture);
}

/* waits until a batch without an answer is sent again */
static inline void wait_for_resend(struct fixture *fixture)
{
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    for (uint64_t ms = 0; ms < LAST_RETRY_MS; ms += 5) {
        if (fake_store_open_count(fixture->store) != 0) {
            return;
        }
        advance(fixture, 5);
    }
    sent(fixture);
}

/* counts one visit from end to end */
static inline void count_one(struct fixture *fixture, const char *page, uint64_t number)
{
    size_t i = visit(fixture, page);

    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_true(fixture->visits[i].is_answered);
    assert_int_equal(fixture->visits[i].status, VISIT_COUNTED);
    assert_int_equal(fixture->visits[i].number, number);
}

#define assert_counted(fixture, i, expected)                               \
    do {                                                                   \
        assert_true((fixture)->visits[i].is_answered);                     \
        assert_int_equal((fixture)->visits[i].status, VISIT_COUNTED);      \
        assert_int_equal((fixture)->visits[i].number, (uint64_t)expected); \
    } while (0)

#define assert_duplicate(fixture, i, expected)                             \
    do {                                                                   \
        assert_true((fixture)->visits[i].is_answered);                     \
        assert_int_equal((fixture)->visits[i].status, VISIT_DUPLICATE);    \
        assert_int_equal((fixture)->visits[i].number, (uint64_t)expected); \
    } while (0)

#define assert_uncounted(fixture, i, expected)                   \
    do {                                                         \
        assert_true((fixture)->visits[i].is_answered);           \
        assert_int_equal((fixture)->visits[i].status, expected); \
        assert_int_equal((fixture)->visits[i].number, 0);        \
    } while (0)

#define assert_waiting(fixture, i) assert_false((fixture)->visits[i].is_answered)

/* the batch in flight has one page with these hits */
#define assert_sent(fixture, expected_sequence, page, hits)                    \
    do {                                                                       \
        assert_int_equal(sent(fixture)->batch.sequence, expected_sequence);    \
        assert_int_equal(sent(fixture)->batch.entry_count, 1);                 \
        assert_int_equal(fake_call_hits(sent(fixture), page), (uint64_t)hits); \
    } while (0)

/* --- a store that goes back in time --- */

/* the store's total of "/" on the default site */
static inline uint64_t total(const struct fixture *fixture)
{
    return fake_database_total(fixture->database, "default", "/");
}

/* counts batches of 1, 2, … visits of "/"; returns the database as it was after `keep` of them */
static inline struct fake_database *count_batches(struct fixture *fixture, size_t batches,
                                                  size_t keep)
{
    struct fake_database *copy = keep == 0 ? fake_database_copy(fixture->database) : NULL;

    for (size_t i = 1; i <= batches; i++) {
        for (size_t j = 0; j < i; j++) {
            visit(fixture, "/");
        }
        turn(fixture);
        assert_sent(fixture, i, "/", i);
        end(fixture, FAKE_DONE);
        if (i == keep) {
            copy = fake_database_copy(fixture->database);
        }
    }
    return copy;
}

static inline void go_back(struct fixture *fixture, struct fake_database *copy)
{
    fake_database_restore(fixture->database, copy);
    fake_database_destroy(copy);
}

/* asserts that the engine resends `hits` of "/" under `sequence` after `after`, and answers it */
#define resend(fixture, sequence, after, hits)                 \
    do {                                                       \
        assert_sent(fixture, sequence, "/", hits);             \
        assert_int_equal(sent(fixture)->batch.follows, after); \
        end(fixture, FAKE_DONE);                               \
        turn(fixture);                                         \
    } while (0)

/* ends the one open call and returns the warnings and errors logged meanwhile */
static inline const char *log_of_end(struct fixture *fixture)
{
    const char *log;

    log_set_level(LOG_LEVEL_WARNING);
    log_capture_begin();
    end(fixture, FAKE_DONE);
    log = log_capture_end();
    log_set_level(LOG_LEVEL_ERROR);
    return log;
}

#define TEST(name)      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_AWAY(name) cmocka_unit_test_setup_teardown(name, setup_away, teardown)

#endif
