/* SPDX-License-Identifier: MIT */
/* What the engine does when the store went back in time: it sends again what is missing there. */
#include "engine_fixture.h"

/* what the store has of "/" of the default site */
static uint64_t total(const struct fixture *fixture)
{
    return fake_database_total(fixture->database, "default", "/");
}

/* counts batches of 1, 2, … visits of "/"; returns the database as it was after `keep` of them */
static struct fake_database *count_batches(struct fixture *fixture, size_t batches, size_t keep)
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

static void go_back(struct fixture *fixture, struct fake_database *copy)
{
    fake_database_restore(fixture->database, copy);
    fake_database_destroy(copy);
}

/* what is sent is `hits` of "/" under `sequence`, behind `follows`; it is answered */
#define heal(fixture, sequence, after, hits)                   \
    do {                                                       \
        assert_sent(fixture, sequence, "/", hits);             \
        assert_int_equal(sent(fixture)->batch.follows, after); \
        end(fixture, FAKE_DONE);                               \
        turn(fixture);                                         \
    } while (0)

/* ends the one open call and returns what was logged meanwhile, from warnings on */
static const char *log_of_end(struct fixture *fixture)
{
    const char *log;

    log_set_level(LOG_LEVEL_WARNING);
    log_capture_begin();
    end(fixture, FAKE_DONE);
    log = log_capture_end();
    log_set_level(LOG_LEVEL_ERROR);
    return log;
}

/* --- found out by a batch --- */

static void test_lost_batches_are_sent_again_before_new_ones(void **state)
{
    struct fixture *fixture = *state;
    const struct stats *stats = engine_stats(fixture->engine);
    char epoch[STORE_EPOCH_LENGTH + 1];
    const char *log;
    size_t next;

    go_back(fixture, count_batches(fixture, 5, 2));
    assert_int_equal(total(fixture), 3);
    next = visit(fixture, "/");
    turn(fixture);
    assert_sent(fixture, 6, "/", 1);
    assert_int_equal(sent(fixture)->batch.follows, 5);
    strcpy(epoch, sent(fixture)->batch.epoch);
    log = log_of_end(fixture);
    assert_non_null(strstr(log, "site default went back in time; sending 12 visits in 3 batches"));
    assert_int_equal(count_in_text(log, "\n"), 1);
    loop_turn(fixture->loop, 1); /* at once: it was certainly not applied */
    assert_string_equal(sent(fixture)->batch.epoch, epoch);
    heal(fixture, 3, 2, 3);
    heal(fixture, 4, 3, 4);
    assert_waiting(fixture, next);
    heal(fixture, 5, 4, 5);
    heal(fixture, 6, 5, 1);
    assert_counted(fixture, next, 16);
    assert_int_equal(total(fixture), 16);
    assert_int_equal(stats->gaps, 1);
    assert_int_equal(stats->healed, 12);
    assert_int_equal(stats->lost, 0);
    assert_int_equal(stats->batches, 6);
    assert_int_equal(stats->applied, 16);
    assert_true(engine_is_idle(fixture->engine));
    count_one(fixture, "/", 17);
}

static void test_visits_that_arrive_while_it_heals(void **state)
{
    struct fixture *fixture = *state;
    size_t first;

    go_back(fixture, count_batches(fixture, 3, 0));
    first = visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        turn(fixture);
        visit(fixture, "/");
        heal(fixture, sequence, sequence - 1, sequence);
    }
    /* the one that found out left alone; the others had no batch to join but the next */
    assert_sent(fixture, 4, "/", 1);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_sent(fixture, 5, "/", 3);
    end(fixture, FAKE_DONE);
    for (size_t i = 0; i < 4; i++) {
        assert_counted(fixture, first + i, 7 + i);
    }
}

/* the visits of the batch that found out may still lose their patience, and are not counted then */
static void test_patience_ends_while_it_heals(void **state)
{
    struct fixture *fixture = *state;
    size_t gone;

    go_back(fixture, count_batches(fixture, 2, 1));
    gone = visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_sent(fixture, 2, "/", 2);
    advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
    assert_uncounted(fixture, gone, VISIT_REFUSED);
    assert_false(engine_is_idle(fixture->engine));
    heal(fixture, 2, 1, 2);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_int_equal(total(fixture), 3);
    assert_true(engine_is_idle(fixture->engine));
    count_one(fixture, "/", 4);
}

static void test_a_gap_settles_a_doubtful_batch(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST};
    struct fixture *fixture = *state;

    count_one(fixture, "/", 1);
    for (uint64_t i = 0; i < 2; i++) {
        struct fake_database *empty = fake_database_create();
        uint64_t before = total(fixture);

        visit(fixture, "/");
        visit(fixture, "/");
        turn(fixture);
        end(fixture, rows[i]);
        go_back(fixture, empty);
        wait_for_resend(fixture);
        assert_sent(fixture, i + 2, "/", 2);
        end(fixture, FAKE_DONE);
        turn(fixture);
        heal(fixture, 1, 0, 1);
        for (uint64_t sequence = 2; sequence < i + 2; sequence++) {
            heal(fixture, sequence, sequence - 1, 2);
        }
        heal(fixture, i + 2, i + 1, 2);
        assert_counted(fixture, fixture->count - 2, before + 1);
        assert_counted(fixture, fixture->count - 1, before + 2);
        assert_int_equal(total(fixture), before + 2);
    }
}

/* an older copy, but not older than what we know: the doubtful batch is simply not in it */
static void test_only_the_doubtful_batch_was_lost(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *copy = count_batches(fixture, 2, 2);

    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_REPLY_LOST);
    go_back(fixture, copy);
    wait_for_resend(fixture);
    heal(fixture, 3, 2, 1);
    assert_counted(fixture, 3, 4);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 0);
}

static struct fake_call *call_of(const struct fixture *fixture, const char *site)
{
    for (size_t i = 0; i < fake_store_open_count(fixture->store); i++) {
        if (strcmp(fake_store_call(fixture->store, i)->batch.site, site) == 0) {
            return fake_store_call(fixture->store, i);
        }
    }
    return NULL;
}

/* guards against a site without visits that is never healed, since no link was lost */
static void test_a_gap_of_one_site_is_looked_for_in_all(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *before = fake_database_copy(fixture->database);
    size_t one;

    visit_site(fixture, "one", "/");
    visit_site(fixture, "two", "/");
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    go_back(fixture, before);
    assert_false(engine_is_healing(fixture->engine));
    one = visit_site(fixture, "one", "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_true(engine_is_healing(fixture->engine));
    assert_int_equal(call_of(fixture, "one")->kind, FAKE_APPLY);
    assert_int_equal(call_of(fixture, "two")->kind, FAKE_LEDGER);
    for (int i = 0; i < 2; i++) {
        fake_store_end_all(fixture->store, FAKE_DONE);
        turn(fixture);
    }
    assert_false(engine_is_healing(fixture->engine));
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_counted(fixture, one, 2);
    assert_int_equal(fake_database_total(fixture->database, "two", "/"), 1);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 2);
}

static void test_a_gap_of_one_site_is_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *before;
    size_t one;
    size_t two;

    one = visit_site(fixture, "one", "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    before = fake_database_copy(fixture->database);
    visit_site(fixture, "two", "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    go_back(fixture, before);
    one = visit_site(fixture, "one", "/");
    two = visit_site(fixture, "two", "/");
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_counted(fixture, one, 2);
    assert_waiting(fixture, two);
    turn(fixture);
    assert_int_equal(call_of(fixture, "one")->kind, FAKE_LEDGER);
    fake_store_end(fixture->store, call_of(fixture, "one"), FAKE_DONE);
    for (uint64_t sequence = 1; sequence <= 2; sequence++) {
        turn(fixture);
        assert_string_equal(sent(fixture)->batch.site, "two");
        assert_sent(fixture, sequence, "/", 1);
        end(fixture, FAKE_DONE);
    }
    assert_counted(fixture, two, 2);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 1);
    assert_int_equal(engine_stats(fixture->engine)->healed, 1);
}

/* --- found out when the store comes back --- */

static void test_a_store_that_comes_back_is_healed_without_visits(void **state)
{
    struct fixture *fixture = *state;
    const char *log;

    go_back(fixture, count_batches(fixture, 4, 1));
    restart_store(fixture, FAKE_REQUEST_LOST);
    assert_int_equal(sent(fixture)->kind, FAKE_LEDGER);
    assert_false(engine_is_idle(fixture->engine));
    log = log_of_end(fixture);
    assert_non_null(strstr(log, "sending 9 visits in 3 batches again"));
    turn(fixture);
    heal(fixture, 2, 1, 2);
    heal(fixture, 3, 2, 3);
    assert_false(engine_is_idle(fixture->engine));
    heal(fixture, 4, 3, 4);
    assert_true(engine_is_idle(fixture->engine));
    assert_int_equal(total(fixture), 10);
    assert_int_equal(engine_stats(fixture->engine)->healed, 9);
    count_one(fixture, "/", 11);
}

static void test_a_store_that_comes_back_whole_is_only_asked(void **state)
{
    struct fixture *fixture = *state;

    fake_database_destroy(count_batches(fixture, 3, 1));
    for (int i = 0; i < 3; i++) {
        restart_store(fixture, FAKE_REQUEST_LOST);
        end_check(fixture, FAKE_DONE);
        assert_int_equal(fake_store_open_count(fixture->store), 0);
        assert_true(engine_is_idle(fixture->engine));
    }
    assert_int_equal(engine_stats(fixture->engine)->gaps, 0);
    count_one(fixture, "/", 7);
}

/* visits wait for the check: they must not be sent to a store that may have to be healed first */
static void test_visits_wait_for_the_check(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REFUSED, FAKE_REQUEST_LOST, FAKE_DONE};
    struct fixture *fixture = *state;
    size_t next;

    go_back(fixture, count_batches(fixture, 2, 1));
    restart_store(fixture, FAKE_REQUEST_LOST);
    next = visit(fixture, "/");
    for (size_t i = 0; i < 3; i++) {
        turn(fixture);
        assert_int_equal(sent(fixture)->kind, FAKE_LEDGER);
        end(fixture, rows[i]);
        if (rows[i] != FAKE_DONE) {
            wait_for_resend(fixture);
        }
    }
    turn(fixture);
    heal(fixture, 2, 1, 2);
    heal(fixture, 3, 2, 1);
    assert_counted(fixture, next, 4);
}

/* the batch that was in flight when the store went is behind what must be healed */
static void test_a_doubtful_batch_waits_for_the_check(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST, FAKE_LATE};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 3; i++) {
        struct fake_database *copy = fake_database_copy(fixture->database);
        uint64_t before = total(fixture);

        count_one(fixture, "/", before + 1);
        visit(fixture, "/");
        turn(fixture);
        fake_store_go_away(fixture->store, rows[i]);
        go_back(fixture, copy);
        fake_store_come_back(fixture->store);
        turn(fixture);
        end_check(fixture, FAKE_DONE);
        heal(fixture, 2 * i + 1, 2 * i, 1);
        heal(fixture, 2 * i + 2, 2 * i + 1, 1);
        assert_counted(fixture, fixture->count - 1, before + 2);
    }
    fake_store_execute_late(fixture->store);
    assert_int_equal(total(fixture), 6);
}

static void test_nothing_is_asked_where_nothing_is_kept(void **state)
{
    struct fixture *fixture = *state;

    restart_store(fixture, FAKE_REQUEST_LOST); /* nothing was sent yet */
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    count_one(fixture, "/", 1);
    advance(fixture, RETAIN_MS + 2000);
    restart_store(fixture, FAKE_REQUEST_LOST);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_true(engine_is_idle(fixture->engine));
}

/* --- what can go wrong meanwhile --- */

static void test_what_heals_is_sent_until_the_store_has_it(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REFUSED, FAKE_REPLY_LOST, FAKE_REQUEST_LOST,
                                          FAKE_LATE};
    struct fixture *fixture = *state;

    go_back(fixture, count_batches(fixture, 4, 0));
    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    set_limits(fixture, 60000, MAX_WAITING);
    for (size_t i = 0; i < 4; i++) {
        turn(fixture);
        assert_sent(fixture, i + 1, "/", i + 1);
        end(fixture, rows[i]);
        wait_for_resend(fixture);
        heal(fixture, i + 1, i, i + 1);
    }
    while (fake_store_late_count(fixture->store) != 0) {
        fake_store_execute_late(fixture->store);
    }
    assert_int_equal(total(fixture), 10);
    assert_int_equal(engine_stats(fixture->engine)->healed, 10);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 1);
    if (fake_store_open_count(fixture->store) != 0) {
        end(fixture, FAKE_DONE);
    }
}

static void test_the_store_goes_back_again_while_it_is_healed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *one = count_batches(fixture, 5, 1);
    struct fake_database *again = fake_database_copy(one);

    go_back(fixture, one);
    restart_store(fixture, FAKE_REQUEST_LOST);
    end_check(fixture, FAKE_DONE);
    heal(fixture, 2, 1, 2);
    heal(fixture, 3, 2, 3);
    fake_store_go_away(fixture->store, FAKE_REPLY_LOST); /* batch 4 is in flight */
    go_back(fixture, again);
    fake_store_come_back(fixture->store);
    turn(fixture);
    end_check(fixture, FAKE_DONE);
    for (uint64_t sequence = 2; sequence <= 5; sequence++) {
        heal(fixture, sequence, sequence - 1, sequence);
    }
    assert_int_equal(total(fixture), 15);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 2);
    assert_true(engine_is_idle(fixture->engine));
}

/* guards against a store that is further than the last time: it has what would be sent to it */
static void test_the_store_comes_back_further_than_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *one = count_batches(fixture, 5, 1);
    struct fake_database *all = fake_database_copy(fixture->database);

    go_back(fixture, one);
    restart_store(fixture, FAKE_REQUEST_LOST);
    end_check(fixture, FAKE_DONE);
    heal(fixture, 2, 1, 2);
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    go_back(fixture, all);
    fake_store_come_back(fixture->store);
    turn(fixture);
    end_check(fixture, FAKE_DONE);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_int_equal(total(fixture), 15);
    count_one(fixture, "/", 16);
}

/* the answer to what is sent again is lost, and the store says that it has it: it counts as healed
 */
static void test_what_arrived_without_an_answer_is_healed(void **state)
{
    static const struct {
        enum fake_fate fate;
        uint64_t missing; /* the parcel that is sent next, of 2 and 3 */
    } rows[] = {{FAKE_REPLY_LOST, 3}, {FAKE_REQUEST_LOST, 2}};
    struct fixture *fixture = *state;

    go_back(fixture, count_batches(fixture, 3, 1));
    for (size_t i = 0; i < 2; i++) {
        struct fake_database *one = fake_database_copy(fixture->database);

        restart_store(fixture, FAKE_REQUEST_LOST);
        end_check(fixture, FAKE_DONE);
        assert_sent(fixture, 2, "/", 2);
        restart_store(fixture, rows[i].fate);
        end_check(fixture, FAKE_DONE);
        for (uint64_t sequence = rows[i].missing; sequence <= 3; sequence++) {
            heal(fixture, sequence, sequence - 1, sequence);
        }
        assert_int_equal(total(fixture), 6);
        assert_int_equal(engine_stats(fixture->engine)->healed, 5 * (i + 1));
        go_back(fixture, one);
    }
}

/* guards against forgetting, during a long outage, what a crash at its beginning took */
static void test_an_outage_does_not_count_as_time_to_forget(void **state)
{
    struct fixture *fixture = *state;

    go_back(fixture, count_batches(fixture, 2, 1));
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    advance(fixture, 3 * RETAIN_MS);
    fake_store_come_back(fixture->store);
    advance(fixture, 2000); /* nor does the time until it has said where it is */
    end_check(fixture, FAKE_DONE);
    heal(fixture, 2, 1, 2);
    assert_int_equal(total(fixture), 3);
    assert_int_equal(engine_stats(fixture->engine)->lost, 0);
}

/* a store that lost it once may lose it again */
static void test_what_was_healed_is_kept_as_long_as_what_is_new(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++) {
        if (i == 0) {
            count_one(fixture, "/", 1);
        } else {
            visit(fixture, "/");
            turn(fixture);
            end(fixture, FAKE_DONE); /* a gap */
            turn(fixture);
            heal(fixture, 1, 0, 1);
            for (uint64_t sequence = 2; sequence <= (uint64_t)i + 1; sequence++) {
                heal(fixture, sequence, sequence - 1, 1);
            }
        }
        advance(fixture, RETAIN_MS * 2 / 3);
        go_back(fixture, fake_database_create());
    }
    assert_int_equal(engine_stats(fixture->engine)->lost, 0);
}

static void test_destroy_and_abandon_while_it_heals(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 6; i++) {
        struct fake_database *before = fake_database_copy(fixture->database);

        visit(fixture, "/");
        turn(fixture);
        end(fixture, FAKE_DONE);
        go_back(fixture, before);
        restart_store(fixture, FAKE_REQUEST_LOST);
        if (i >= 2) {
            end_check(fixture, FAKE_DONE);
        }
        if (i >= 4) { /* sent, and not answered */
            end(fixture, FAKE_REPLY_LOST);
        }
        visit(fixture, "/");
        if (i % 2 == 0) {
            engine_abandon(fixture->engine);
        }
        engine_destroy(fixture->engine);
        assert_uncounted(fixture, fixture->count - 1, VISIT_REFUSED);
        fake_store_end_all(fixture->store, FAKE_DONE); /* to an engine that is gone */
        turn(fixture);
        assert_int_equal(fake_store_open_count(fixture->store), 0);
        fixture->engine = engine_create(fixture->loop, &fixture->store->store, &default_options);
    }
}

/* --- what is no longer kept --- */

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
    heal(fixture, 4, 0, 1);
    heal(fixture, 5, 4, 1);
    heal(fixture, 6, 5, 1);
    assert_counted(fixture, 8, 3);
    assert_int_equal(stats->healed, 2);
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
    heal(fixture, 5, 2, 1);
    assert_counted(fixture, 10, 4);
    assert_int_equal(stats->lost, 7);
    assert_int_equal(stats->healed, 0);
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
    advance(fixture, 2000); /* well within the time for which it would be kept */
    go_back(fixture, fake_database_create());
    restart_store(fixture, FAKE_REQUEST_LOST);
    assert_non_null(strstr(log_of_end(fixture), "are lost"));
    turn(fixture);
    while (fake_store_open_count(fixture->store) != 0) {
        end(fixture, FAKE_DONE);
        turn(fixture);
    }
    assert_in_range(engine_stats(fixture->engine)->healed, 5, 20);
    assert_int_equal(engine_stats(fixture->engine)->healed + engine_stats(fixture->engine)->lost,
                     40);
}

/* --- what is sent again is what was sent --- */

static void test_what_heals_is_complete(void **state)
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
    assert_int_equal(batch->hour, 500000); /* of the visits, not of the healing */
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
    /* so the tokens are there again as well */
    visit_with(fixture, "/a", "key", STORE_WINDOW_CLIENT);
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_repeated(fixture, 4, 2);
}

/* another instance counted the repetition before this one could heal: still once */
static void test_a_repetition_elsewhere_before_it_healed(void **state)
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
    heal(fixture, 1, 0, 1);
    assert_int_equal(total(fixture), 1);
}

/* --- epochs --- */

/* the store may have swept what was not used for long: no loss is made of that */
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
        TEST(test_lost_batches_are_sent_again_before_new_ones),
        TEST(test_visits_that_arrive_while_it_heals),
        TEST(test_patience_ends_while_it_heals),
        TEST(test_a_gap_settles_a_doubtful_batch),
        TEST(test_only_the_doubtful_batch_was_lost),
        TEST(test_a_gap_of_one_site_is_looked_for_in_all),
        TEST(test_a_gap_of_one_site_is_its_own),
        TEST(test_a_store_that_comes_back_is_healed_without_visits),
        TEST(test_a_store_that_comes_back_whole_is_only_asked),
        TEST(test_visits_wait_for_the_check),
        TEST(test_a_doubtful_batch_waits_for_the_check),
        TEST(test_nothing_is_asked_where_nothing_is_kept),
        TEST(test_what_heals_is_sent_until_the_store_has_it),
        TEST(test_the_store_goes_back_again_while_it_is_healed),
        TEST(test_the_store_comes_back_further_than_it_was),
        TEST(test_what_arrived_without_an_answer_is_healed),
        TEST(test_an_outage_does_not_count_as_time_to_forget),
        TEST(test_what_was_healed_is_kept_as_long_as_what_is_new),
        TEST(test_destroy_and_abandon_while_it_heals),
        TEST(test_what_is_no_longer_kept_is_lost_and_said),
        TEST(test_all_is_lost),
        TEST(test_what_is_kept_is_bounded_in_memory),
        TEST(test_what_heals_is_complete),
        TEST(test_a_repetition_elsewhere_before_it_healed),
        TEST(test_an_epoch_that_was_unused_for_long_is_renewed),
    };

    return cmocka_run_group_tests_name("engine_healing", tests, NULL, NULL);
}
