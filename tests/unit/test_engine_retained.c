/* SPDX-License-Identifier: MIT */
/* Which batches the engine retains for a resend, for how long, and under which epoch. */
#include "engine_fixture.h"

/* --- batches that were dropped --- */

static void test_what_is_no_longer_kept_is_lost_and_said(void **state)
{
    struct fixture *fixture = *state;
    const struct stats *stats = engine_stats(fixture->engine);
    const char *log;

    fake_database_destroy(count_batches(fixture, 3, 1)); /* 6 visits */
    advance(fixture, RETAIN_MS / 2);
    for (uint64_t i = 0; i < 2; i++) {
        count_one(fixture, "/", 7 + i);
    }
    advance(fixture, RETAIN_MS / 2 + 2000);
    go_back(fixture, fake_database_create());
    visit(fixture, "/");
    turn(fixture);
    log = log_of_end(fixture);
    assert_non_null(strstr(log, "sending 2 visits in 2 batches again"));
    assert_non_null(strstr(log, "6 visits in 3 batches are lost"));
    assert_int_equal(stats->lost, 6);
    turn(fixture);
    resend(fixture, 4, 0, 1);
    resend(fixture, 5, 4, 1);
    resend(fixture, 6, 5, 1);
    assert_counted(fixture, 8, 3);
    assert_int_equal(stats->resent_visits, 2);
    assert_int_equal(total(fixture) + stats->lost, stats->applied);
    count_one(fixture, "/", 4);
}

static void test_all_is_lost(void **state)
{
    struct fixture *fixture = *state;
    const struct stats *stats = engine_stats(fixture->engine);
    struct fake_database *copy = count_batches(fixture, 4, 2);
    const char *log;

    advance(fixture, RETAIN_MS + 2000);
    go_back(fixture, copy);
    visit(fixture, "/");
    turn(fixture);
    log = log_of_end(fixture);
    assert_null(strstr(log, "sending"));
    assert_non_null(strstr(log, "7 visits in 2 batches are lost"));
    turn(fixture);
    resend(fixture, 5, 2, 1);
    assert_counted(fixture, 10, 4);
    assert_int_equal(stats->lost, 7);
    assert_int_equal(stats->resent_visits, 0);
    assert_int_equal(total(fixture) + stats->lost, stats->applied);
}

static void test_what_is_kept_is_bounded_in_memory(void **state)
{
    struct fixture *fixture = *state;
    struct engine_options options = default_options;
    char page[STORE_PAGE_MAX + 1];

    options.retain_max_bytes = 10 * 1024;
    engine_configure(fixture->engine, &options);
    memset(page, 'p', STORE_PAGE_MAX);
    page[STORE_PAGE_MAX] = '\0';
    for (uint64_t i = 1; i <= 40; i++) {
        count_one(fixture, page, i);
    }
    advance(fixture, 2000); /* much less than the retention time */
    go_back(fixture, fake_database_create());
    restart_store(fixture, FAKE_REQUEST_LOST);
    assert_non_null(strstr(log_of_end(fixture), "are lost"));
    turn(fixture);
    while (fake_store_open_count(fixture->store) != 0) {
        end(fixture, FAKE_DONE);
        turn(fixture);
    }
    assert_in_range(engine_stats(fixture->engine)->resent_visits, 5, 20);
    assert_int_equal(
        engine_stats(fixture->engine)->resent_visits + engine_stats(fixture->engine)->lost, 40);
}

/* --- while the store refuses --- */

/* one visit of `site` that is counted */
static void count_at(struct fixture *fixture, const char *site)
{
    size_t i = visit_site(fixture, site, "/");

    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_true(fixture->visits[i].is_answered);
    assert_int_equal(fixture->visits[i].status, VISIT_COUNTED);
}

/* visits of `site` come and are refused for `ms` */
static void refuse_at(struct fixture *fixture, const char *site, enum fake_fate fate, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 200) {
        try_visit(fixture, site, "/");
        advance(fixture, 200);
        fake_store_end_all(fixture->store, fate);
    }
    while (engine_stats(fixture->engine)->waiting != 0) {
        fake_store_end_all(fixture->store, fate);
        advance(fixture, 5);
    }
}

/* the store comes back empty; returns its total of "/" after all resends */
static uint64_t resent_at(struct fixture *fixture, const char *site)
{
    go_back(fixture, fake_database_create());
    restart_store(fixture, FAKE_REQUEST_LOST);
    for (uint64_t ms = 0; ms < LAST_RETRY_MS; ms += 5) {
        fake_store_end_all(fixture->store, FAKE_DONE);
        advance(fixture, 5);
    }
    return fake_database_total(fixture->database, site, "/");
}

/*
 * Guards: a master that had lost its replicas refused for longer than ledger.retain. Then a replica
 * was promoted. The batches that it lacked were no longer retained.
 */
static void test_time_stands_while_the_store_refuses_all_sites(void **state)
{
    struct fixture *fixture = *state;

    count_at(fixture, "one");
    count_at(fixture, "two");
    refuse_at(fixture, "three", FAKE_REFUSED_ALL, RETAIN_MS + 5000);
    assert_int_equal(resent_at(fixture, "one"), 1);
    assert_int_equal(fake_database_total(fixture->database, "two", "/"), 1);
    assert_int_equal(engine_stats(fixture->engine)->lost, 0);
}

/* No visit tests whether the store still refuses. The connection is lost once. */
static void test_time_stands_until_the_store_takes_something(void **state)
{
    struct fixture *fixture = *state;

    count_at(fixture, "one");
    refuse_at(fixture, "two", FAKE_REFUSED_ALL, 1000);
    advance(fixture, RETAIN_MS);
    restart_store(fixture, FAKE_REQUEST_LOST);
    fake_store_end_all(fixture->store, FAKE_DONE); /* reads of the ledger succeed all the time */
    loop_advance(fixture->loop, 2 * RETAIN_MS, 100);
    assert_int_equal(resent_at(fixture, "one"), 1);
}

static void test_after_a_refusal_all_of_the_time_passes(void **state)
{
    struct fixture *fixture = *state;

    count_at(fixture, "one");
    refuse_at(fixture, "two", FAKE_REFUSED_ALL, RETAIN_MS + 5000);
    visit_site(fixture, "two", "/");
    wait_for_resend(fixture);
    end(fixture, FAKE_DONE);
    advance(fixture, RETAIN_MS - 2000);
    assert_int_not_equal(engine_retained_bytes(fixture->engine), 0);
    assert_int_equal(resent_at(fixture, "one"), 1);
    loop_advance(fixture->loop, RETAIN_MS + 2000, 100);
    assert_int_equal(engine_retained_bytes(fixture->engine), 0);
}

static void test_time_stands_for_the_site_that_is_refused(void **state)
{
    struct fixture *fixture = *state;

    count_at(fixture, "broken");
    count_at(fixture, "sound");
    refuse_at(fixture, "broken", FAKE_REFUSED, RETAIN_MS + 5000);
    assert_int_equal(resent_at(fixture, "broken"), 1);
    assert_int_equal(fake_database_total(fixture->database, "sound", "/"), 0); /* dropped */
}

/* --- until the replicas have it --- */

static void test_what_a_replica_lacks_is_kept(void **state)
{
    struct fixture *fixture = *state;

    fixture->store->replicated_before_ms = clock_monotonic_ms();
    count_at(fixture, "default");
    loop_advance(fixture->loop, 3 * RETAIN_MS, 100);
    assert_int_equal(resent_at(fixture, "default"), 1);
    fixture->store->replicated_before_ms = clock_monotonic_ms();
    loop_advance(fixture->loop, RETAIN_MS + 2000, 100);
    assert_int_equal(engine_retained_bytes(fixture->engine), 0);
}

static void test_what_the_replicas_have_is_kept_for_its_time(void **state)
{
    struct fixture *fixture = *state;

    count_at(fixture, "default");
    fixture->store->replicated_before_ms = clock_monotonic_ms() + 1;
    advance(fixture, RETAIN_MS - 2000);
    assert_int_equal(resent_at(fixture, "default"), 1);
}

/* by then the store has swept the epoch, and would count a resend twice */
static void test_nothing_is_kept_for_longer_than_the_ledger(void **state)
{
    struct fixture *fixture = *state;

    fixture->store->replicated_before_ms = 0;
    count_at(fixture, "default");
    loop_advance(fixture->loop, LEDGER_TTL_MS / 2 - 10000, 500000);
    assert_int_not_equal(engine_retained_bytes(fixture->engine), 0);
    loop_advance(fixture->loop, 20000, 1000);
    assert_int_equal(engine_retained_bytes(fixture->engine), 0);
}

/* --- when there is no room --- */

/* counts batches of two visits of a long page until the oldest are dropped; returns the log */
static const char *log_of_filling(struct fixture *fixture, uint64_t batches)
{
    char page[STORE_PAGE_MAX + 1];

    memset(page, 'p', STORE_PAGE_MAX);
    page[STORE_PAGE_MAX] = '\0';
    log_set_level(LOG_LEVEL_WARNING);
    log_capture_begin();
    for (uint64_t i = 0; i < batches; i++) {
        visit(fixture, page);
        visit(fixture, page);
        turn(fixture);
        end(fixture, FAKE_DONE);
    }
    advance(fixture, 1100);
    log_set_level(LOG_LEVEL_ERROR);
    return log_capture_end();
}

static void test_what_there_is_no_room_for_is_said(void **state)
{
    struct fixture *fixture = *state;
    const struct stats *stats = engine_stats(fixture->engine);
    struct engine_options options = default_options;
    char expected[64];
    const char *log;

    options.retain_max_bytes = 10 * 1024;
    engine_configure(fixture->engine, &options);
    assert_string_equal(log_of_filling(fixture, 5), "");
    log = log_of_filling(fixture, 40);
    assert_in_range(stats->unprotected, 40, 88);
    snprintf(expected, sizeof(expected), "is reached: %llu visits",
             (unsigned long long)stats->unprotected);
    assert_non_null(strstr(log, "warning store: site default: ledger.retain_max, 10KiB, "));
    assert_non_null(strstr(log, expected));
    assert_int_equal(count_in_text(log, "\n"), 1);
    assert_string_equal(log_of_filling(fixture, 40), ""); /* not twice within a minute */
    log_set_level(LOG_LEVEL_WARNING);
    log_capture_begin();
    advance(fixture, 60000);
    log = log_capture_end();
    log_set_level(LOG_LEVEL_ERROR);
    assert_non_null(strstr(log, "is reached: 80 visits"));
    assert_int_equal(count_in_text(log, "\n"), 1);
}

static void visit_of(struct fixture *fixture, const char *site, unsigned count)
{
    char page[STORE_PAGE_MAX + 1];

    memset(page, 'p', STORE_PAGE_MAX);
    page[STORE_PAGE_MAX] = '\0';
    for (unsigned i = 0; i < count; i++) {
        visit_site(fixture, site, page);
        turn(fixture);
        end(fixture, FAKE_DONE);
        turn(fixture);
    }
}

static void test_what_all_sites_keep_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct engine_options options = default_options;
    uint64_t small_bytes;

    options.retain_total_bytes = 20 * 1024;
    engine_configure(fixture->engine, &options);
    visit_of(fixture, "small", 2);
    small_bytes = engine_retained_bytes(fixture->engine);
    visit_of(fixture, "large", 100);
    visit_of(fixture, "larger", 200);
    assert_true(engine_retained_bytes(fixture->engine) > options.retain_total_bytes);
    log_set_level(LOG_LEVEL_WARNING);
    log_capture_begin();
    advance(fixture, 1100);
    log_set_level(LOG_LEVEL_ERROR);
    assert_non_null(
        strstr(log_capture_end(), "site large: ledger.retain_total, 20KiB, is reached"));
    assert_in_range(engine_retained_bytes(fixture->engine), 18 * 1024, options.retain_total_bytes);
    visit_of(fixture, "small", 1); /* a small site keeps all its batches */
    assert_true(3 * small_bytes / 2 < 10 * 1024);
    assert_in_range(engine_stats(fixture->engine)->unprotected, 200, 300);
}

/* --- the content of a resend --- */

static void test_what_is_resent_is_complete(void **state)
{
    struct fixture *fixture = *state;
    const struct store_batch *batch;

    fake_clock_advance(HOUR_MS - 1000);
    visit(fixture, "/a");
    visit_with(fixture, "/b", "request-1", STORE_WINDOW_ATTEMPT);
    visit(fixture, "/b");
    visit_with(fixture, "/a", "key", STORE_WINDOW_CLIENT);
    turn(fixture);
    end(fixture, FAKE_DONE);
    go_back(fixture, fake_database_create());
    advance(fixture, 2000);
    restart_store(fixture, FAKE_REQUEST_LOST);
    end_check(fixture, FAKE_DONE);
    batch = &sent(fixture)->batch;
    assert_int_equal(batch->hour, 500000); /* that of the visits, not of the resend */
    assert_int_equal(batch->second, 500000 * 3600 + 3599);
    assert_int_equal(batch->entry_count, 2);
    assert_string_equal(batch->entries[0].page, "/a");
    assert_int_equal(batch->entries[0].hits, 2);
    assert_string_equal(batch->entries[1].page, "/b");
    assert_int_equal(batch->entries[1].hits, 2);
    assert_int_equal(batch->token_count, 2);
    assert_int_equal(batch->tokens[0].entry, 0);
    assert_memory_equal(batch->tokens[0].bytes, "key", 3);
    assert_int_equal(batch->tokens[1].entry, 1);
    assert_memory_equal(batch->tokens[1].bytes, "request-1", 9);
    end(fixture, FAKE_DONE);
    turn(fixture);
    /* so the tokens are back too */
    visit_with(fixture, "/a", "key", STORE_WINDOW_CLIENT);
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_duplicate(fixture, 4, 2);
}

/* Another instance counted the repetition before this one could resend. It still counts once. */
static void test_a_repetition_elsewhere_before_it_resent(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *empty = fake_database_create();
    struct fake_store *other_store = fake_store_create(fixture->database, true);
    struct engine *first = fixture->engine;
    struct fake_store *first_store = fixture->store;

    visit_with(fixture, "/", "key", STORE_WINDOW_CLIENT);
    turn(fixture);
    end(fixture, FAKE_DONE);
    go_back(fixture, empty);
    fixture->store = other_store;
    fixture->engine = engine_create(fixture->loop, &other_store->store, &default_options);
    visit_with(fixture, "/", "key", STORE_WINDOW_CLIENT);
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, 1, 1);
    engine_destroy(fixture->engine);
    store_destroy(&other_store->store);
    fixture->engine = first;
    fixture->store = first_store;
    restart_store(fixture, FAKE_REQUEST_LOST);
    end_check(fixture, FAKE_DONE);
    resend(fixture, 1, 0, 1);
    assert_int_equal(total(fixture), 1);
}

/* --- epochs --- */

/* the store may have swept an epoch that was unused for long; that is not reported as a loss */
static void test_an_epoch_that_was_unused_for_long_is_renewed(void **state)
{
    struct fixture *fixture = *state;
    char epoch[STORE_EPOCH_LENGTH + 1];

    visit(fixture, "/");
    turn(fixture);
    strcpy(epoch, sent(fixture)->batch.epoch);
    end(fixture, FAKE_DONE);
    loop_advance(fixture->loop, LEDGER_TTL_MS / 2 - 10000, 500000);
    loop_advance(fixture->loop, 5000, 1000);
    visit(fixture, "/");
    turn(fixture);
    assert_sent(fixture, 2, "/", 1);
    assert_string_equal(sent(fixture)->batch.epoch, epoch);
    end(fixture, FAKE_DONE);
    loop_advance(fixture->loop, LEDGER_TTL_MS / 2 + 10000, 500000);
    visit(fixture, "/");
    turn(fixture);
    assert_sent(fixture, 1, "/", 1);
    assert_string_not_equal(sent(fixture)->batch.epoch, epoch);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, 2, 3);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_no_longer_kept_is_lost_and_said),
        TEST(test_all_is_lost),
        TEST(test_what_is_kept_is_bounded_in_memory),
        TEST(test_time_stands_while_the_store_refuses_all_sites),
        TEST(test_time_stands_until_the_store_takes_something),
        TEST(test_after_a_refusal_all_of_the_time_passes),
        TEST(test_time_stands_for_the_site_that_is_refused),
        TEST(test_what_a_replica_lacks_is_kept),
        TEST(test_what_the_replicas_have_is_kept_for_its_time),
        TEST(test_nothing_is_kept_for_longer_than_the_ledger),
        TEST(test_what_there_is_no_room_for_is_said),
        TEST(test_what_all_sites_keep_is_bounded),
        TEST(test_what_is_resent_is_complete),
        TEST(test_a_repetition_elsewhere_before_it_resent),
        TEST(test_an_epoch_that_was_unused_for_long_is_renewed),
    };

    return cmocka_run_group_tests_name("engine_retained", tests, NULL, NULL);
}
