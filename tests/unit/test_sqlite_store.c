/* SPDX-License-Identifier: MIT */
/*
 * Tests for SQLite only, beyond the contract's tests in test_store.c: the content of the file, and
 * batches that the store rejects.
 */
#include "sqlite_fixture.h"
#include "support/fake_clock.h"

#include "base/log.h"

#define APPLICATION_ID "1986227828"

/* ---- the content of the file ---- */

static void test_the_file_is_marked_as_ours(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_true(ask(fixture, "PRAGMA application_id") == atoi(APPLICATION_ID));
    assert_true(ask(fixture, "PRAGMA user_version") == 2);
    close_store(fixture);
    /* a normal close leaves one file */
    strcat(fixture->path, "-wal");
    assert_int_equal(access(fixture->path, F_OK), -1);
}

static void test_keeps_days_and_hours(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t today = clock_wall_ms() / 86400000;
    struct store_entry entries[] = {entry_of("/a", 2), entry_of("/b", 3)};
    struct store_batch batch = batch_of(EPOCH_A, 1, 5, entries, 2);

    batch.hour = today * 24;
    batch.day = today;
    apply_batch(fixture, &batch);
    apply_batch(fixture, &batch); /* a duplicate does not change the series */
    batch = batch_of(EPOCH_A, 2, 5, entries, 2);
    batch.hour = today * 24 + 1;
    batch.day = today;
    apply_batch(fixture, &batch);
    batch = batch_of(EPOCH_A, 3, 5, entries, 2);
    batch.hour = today * 24 - 1;
    batch.day = today - 1;
    apply_batch(fixture, &batch);
    assert_true(ask(fixture, "SELECT count(*) FROM day") == 6); /* of two pages and the site */
    assert_true(ask(fixture, "SELECT count(*) FROM hour") == 9);
    assert_true(ask(fixture, "SELECT max(day) FROM day") == (int64_t)today);
    assert_true(ask(fixture, "SELECT hits FROM day JOIN hits ON page_id = id WHERE page = '/b'"
                             " ORDER BY day DESC LIMIT 1") == 6);
    assert_true(ask(fixture, "SELECT hits FROM day JOIN hits ON page_id = id WHERE page = '/b'"
                             " ORDER BY day LIMIT 1") == 3);
    assert_true(ask(fixture, "SELECT sum(hits) FROM hour JOIN hits ON page_id = id"
                             " WHERE page <> ''") == 15);
    assert_true(ask(fixture, "SELECT sum(hits) FROM hour JOIN hits ON page_id = id"
                             " WHERE page = ''") == 15);
    assert_true(ask(fixture, "SELECT max(hour) FROM hour") == (int64_t)today * 24 + 1);
}

static void test_drops_what_is_too_old(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t hour = clock_wall_ms() / 3600000;

    close_store(fixture);
    change(fixture, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)"
                    " INSERT INTO hour SELECT 1000 + i, i, 1 FROM n");
    change(fixture, "INSERT INTO day VALUES (41, 1, 1), (42, 1, 1), (50000, 1, 1)");
    change(fixture, "INSERT INTO hour VALUES (1200000, 1, 1)");
    fake_clock_stop(clock_monotonic_ms(), clock_wall_ms());
    open_store(fixture);
    fake_clock_advance(3600000); /* before that the store does not trust its clock */
    for (uint64_t sequence = 1; sequence <= 4; sequence++) {
        struct store_entry entry = entry_of("/", 1);
        struct store_batch batch = batch_of(EPOCH_A, sequence, 1, &entry, 1);

        batch.hour = hour;
        apply_batch(fixture, &batch);
        if (sequence == 1) { /* the sweep works in portions, with the batch and by a timer */
            int64_t left = ask(fixture, "SELECT count(*) FROM hour WHERE hour < 5000");

            assert_true(left == 1500 || left == 500);
        }
    }
    assert_true(ask(fixture, "SELECT count(*) FROM hour") == 3); /* of the page and the site */
    assert_true(ask(fixture, "SELECT count(*) FROM day") == 3);
    fake_clock_release();
}

static void test_a_new_epoch_sweeps_unused_ones(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    uint64_t applied_at_ms;

    fixture->ledger_ttl_ms = 1;
    open_store(fixture);
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    applied_at_ms = clock_wall_ms();
    while (clock_wall_ms() < applied_at_ms + 3) {
        continue;
    }
    apply_page(fixture, EPOCH_B, 1, "/", 1);
    assert_true(ledger_of(fixture, EPOCH_A) == 0);
    assert_true(ledger_of(fixture, EPOCH_B) == 1);
    assert_true(total_of(fixture, "default", "/") == 2);
}

/* ---- batches that cannot be applied ---- */

static void test_a_bad_batch_spoils_no_other(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static const char *const sites[] = {"one", "two", "three", "four"};
    struct store_entry good[] = {entry_of("/a", 1), entry_of("/full", 1)};
    struct store_batch batches[4];
    struct answer answers[4];
    uint64_t commands;

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    for (int i = 0; i < 4; i++) {
        batches[i] = batch_of(EPOCH_A, 1, 2, good, 2);
        batches[i].site = sites[i];
        answers[i] = (struct answer){.count = 2};
    }
    change(fixture,
           "INSERT INTO hits (site, page, total) VALUES ('two', '/full', 9223372036854775807)");
    commands = health_of(fixture).commands;
    batches[2].sequence = 7; /* a gap */
    batches[2].follows = 6;
    answers[3].fixture = fixture;
    for (int i = 0; i < 4; i++) {
        store_apply(fixture->store, &batches[i], on_applied, &answers[i]);
    }
    run_loop(fixture);
    assert_true(health_of(fixture).commands == commands + 1);
    assert_total(answers[0], 1, 1);
    assert_int_equal(answers[1].outcome, STORE_REFUSED);
    assert_int_equal(answers[1].scope, STORE_SCOPE_SITE);
    assert_false(answers[1].gap);
    assert_int_equal(answers[2].outcome, STORE_REFUSED);
    assert_true(answers[2].gap);
    assert_total(answers[3], 1, 1);
    assert_true(total_of(fixture, "two", "/a") == 0);
    assert_true(ask(fixture, "SELECT count(*) FROM ledger WHERE site = 'two'") == 0);
    assert_true(ask(fixture, "SELECT sum(hits) FROM hour") == 2 * 5);
    assert_true(health_of(fixture).available);
}

/*
 * Guards: the tables themselves refused a batch of one site. That ended the transaction of all
 * sites and closed the file, again with each attempt.
 */
static void test_a_site_that_the_tables_refuse_spoils_no_other(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static const char *const sites[] = {"one", "bad", "two", "worse", "three"};
    struct store_entry entries[] = {entry_of("/a", 1), entry_of("/b", 2)};
    struct store_batch batches[5];
    struct answer answers[5];

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    change(fixture, "CREATE TRIGGER no_bad BEFORE INSERT ON hits WHEN NEW.site = 'bad'"
                    " AND NEW.page = '/b' BEGIN SELECT RAISE(ABORT, 'bad is full'); END");
    change(fixture, "CREATE TRIGGER no_worse BEFORE INSERT ON ledger WHEN NEW.site = 'worse'"
                    " BEGIN SELECT RAISE(ABORT, 'worse is worse'); END");
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 5; i++) {
            batches[i] = batch_of(EPOCH_A, i % 2 == 0 ? (uint64_t)round : 1, 3, entries, 2);
            batches[i].site = sites[i];
            answers[i] = (struct answer){.count = 2};
            store_apply(fixture->store, &batches[i], on_applied, &answers[i]);
        }
        answers[4].fixture = fixture; /* the last one ends the wait */
        run_loop(fixture);
        for (int i = 0; i < 5; i += 2) {
            assert_int_equal(answers[i].outcome, STORE_OK);
            assert_false(answers[i].is_duplicate);
            assert_true(answers[i].totals[0] == (uint64_t)round);
            assert_true(answers[i].totals[1] == 2 * (uint64_t)round);
        }
        for (int i = 1; i < 5; i += 2) {
            assert_int_equal(answers[i].outcome, STORE_REFUSED);
            assert_int_equal(answers[i].scope, STORE_SCOPE_SITE);
        }
        assert_non_null(strstr(answers[1].reason, "bad is full"));
        assert_non_null(strstr(answers[3].reason, "worse is worse"));
        assert_true(total_of(fixture, "one", "/a") == (uint64_t)round);
        assert_true(total_of(fixture, "one", "/b") == 2 * (uint64_t)round);
    }
    assert_true(health_of(fixture).available);
    assert_true(health_of(fixture).connects == 1); /* it stayed open */
    assert_true(ask(fixture, "SELECT count(*) FROM hits WHERE site IN ('bad', 'worse')") == 0);
}

static void test_hits_beyond_the_numbers_are_refused(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_int_equal(apply_page(fixture, EPOCH_A, 1, "/", UINT64_MAX).outcome, STORE_REFUSED);
    assert_total(apply_page(fixture, EPOCH_A, 1, "/", INT64_MAX), 0, INT64_MAX);
    assert_int_equal(apply_page(fixture, EPOCH_A, 2, "/", 1).outcome, STORE_REFUSED);
    assert_true(total_of(fixture, "default", "/") == INT64_MAX);
}

static void on_edited(void *data, const struct store_edited *edited)
{
    keep_answer(data, edited->outcome, NULL, edited->reason);
}

static void test_a_rename_beyond_the_numbers_changes_nothing(void **state)
{
    struct fixture *fixture = open_fixture(state);
    const struct store_edit edit = {.kind = STORE_RENAME,
                                    .site = "default",
                                    .page = "/",
                                    .page_length = 1,
                                    .to = "/full",
                                    .to_length = 5};
    struct answer answer = {.fixture = fixture};

    apply_page(fixture, EPOCH_A, 1, "/", 2);
    change(fixture,
           "INSERT INTO hits (site, page, total) VALUES ('default', '/full', 9223372036854775806)");
    store_edit(fixture->store, &edit, on_edited, &answer);
    run_loop(fixture);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_true(total_of(fixture, "default", "/") == 2);
    assert_true(total_of(fixture, "default", "/full") == INT64_MAX - 1);
    assert_true(health_of(fixture).available);
}

/* ---- tokens ---- */

static struct store_batch batch_with_token(uint64_t sequence, const struct store_entry *entry,
                                           const struct store_token *token)
{
    struct store_batch batch = batch_of(EPOCH_A, sequence, entry->hits, entry, 1);

    batch.tokens = token;
    batch.token_count = 1;
    batch.second = clock_wall_ms() / 1000;
    return batch;
}

static void test_repetitions_are_not_in_the_series(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 2);
    struct store_entry again = entry_of("/", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_CLIENT};
    struct store_batch batch = batch_with_token(1, &entry, &token);

    assert_total(apply_batch(fixture, &batch), 0, 2);
    batch = batch_with_token(2, &entry, &token);
    assert_total(apply_batch(fixture, &batch), 0, 3);
    batch = batch_with_token(3, &again, &token);
    assert_total(apply_batch(fixture, &batch), 0, 3);
    assert_true(ask(fixture, "SELECT sum(hits) FROM hour") == 2 * 3);
    assert_true(ask(fixture, "SELECT sum(hits) FROM day") == 2 * 3);
    assert_true(ask(fixture, "SELECT count(*) FROM hits WHERE page <> ''") ==
                1); /* no page without visits */
}

/* guards: the store kept tokens of visits that were not counted, so these could never count */
static void test_a_batch_that_is_refused_remembers_no_token(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/full", 1);
    struct store_entry good = entry_of("/", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_CLIENT};
    struct store_batch batch = batch_with_token(1, &entry, &token);
    struct answer answer;

    change(fixture,
           "INSERT INTO hits (site, page, total) VALUES ('default', '/full', 9223372036854775807)");
    assert_int_equal(apply_batch(fixture, &batch).outcome, STORE_REFUSED);
    assert_true(ask(fixture, "SELECT count(*) FROM seen") == 0);
    batch = batch_with_token(1, &good, &token);
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 1);
    assert_false(answer.duplicates[0]);
}

static void test_drops_tokens_that_are_too_old(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char sql[256];

    close_store(fixture);
    snprintf(
        sql, sizeof(sql),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)"
        " INSERT INTO seen SELECT 'old', 15 + 3585 * (i %% 2), CAST(i AS BLOB), 1, %llu FROM n",
        (unsigned long long)clock_wall_ms() / 1000 - 5);
    change(fixture, sql);
    snprintf(sql, sizeof(sql),
             "INSERT INTO seen VALUES ('new', 15, x'61', 1, %llu), ('new', 3600, x'61', 1, %llu)",
             (unsigned long long)clock_wall_ms() / 1000 + 5,
             (unsigned long long)clock_wall_ms() / 1000 + 5);
    change(fixture, sql);
    open_store(fixture);
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    assert_true(ask(fixture, "SELECT count(*) FROM seen") == 502); /* in portions of 4000 */
    apply_page(fixture, EPOCH_A, 2, "/", 1);
    assert_true(ask(fixture, "SELECT count(*) FROM seen") == 2);
    assert_true(ask(fixture, "SELECT count(*) FROM seen WHERE site = 'new'") == 2);
}

/*
 * a token is kept from when the store saw it, even in an old batch: a repetition may wait in a
 * journal
 */
static void test_keeps_tokens_for_journals(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_ATTEMPT};
    struct store_batch batch = batch_with_token(1, &entry, &token);
    int64_t now_s = (int64_t)(clock_wall_ms() / 1000);

    close_store(fixture);
    fixture->keep_tokens_ms = 600000;
    open_store(fixture);
    batch.second -= 86400;
    assert_false(apply_batch(fixture, &batch).duplicates[0]);
    close_store(fixture);
    open_store(fixture);
    apply_page(fixture, EPOCH_B, 1, "/", 1); /* the first batch in a second sweeps */
    assert_in_range(ask(fixture, "SELECT until FROM seen") - now_s, 645, 647);
    batch.epoch = EPOCH_B;
    batch.sequence = 2;
    batch.follows = 1;
    assert_true(apply_batch(fixture, &batch).duplicates[0]);
}

/* a file of the version before is upgraded with its tokens */
static void test_upgrades_a_file(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_CLIENT};
    struct store_batch batch = batch_with_token(2, &entry, &token);
    char sql[512];

    apply_page(fixture, EPOCH_A, 1, "/", 7);
    close_store(fixture);
    snprintf(sql, sizeof(sql),
             "DROP TABLE seen;"
             " CREATE TABLE seen (site TEXT NOT NULL, window INTEGER NOT NULL, token BLOB NOT NULL,"
             "  at INTEGER NOT NULL, PRIMARY KEY (site, window, token)) STRICT, WITHOUT ROWID;"
             " CREATE INDEX seen_at ON seen (window, at);"
             " INSERT INTO seen VALUES ('default', 3600, CAST('id' AS BLOB), %llu);"
             " PRAGMA user_version = 1",
             (unsigned long long)batch.second);
    change(fixture, sql);
    open_store(fixture);
    assert_true(ask(fixture, "PRAGMA user_version") == 2);
    assert_true(ask(fixture, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'seen%'") == 2);
    assert_true(apply_batch(fixture, &batch).duplicates[0]);
    assert_true(total_of(fixture, "default", "/") == 7);
}

/* ---- calls made while the store ends ---- */

/* sends its batch again after a refusal, as the contract allows */
struct resend {
    struct store *store;
    struct store_batch batch;
    int calls;
    int answers;
};

static void on_applied_resend(void *data, const struct store_applied *applied)
{
    struct resend *resend = data;

    resend->answers++;
    if (applied->outcome == STORE_REFUSED && resend->calls < 3) {
        resend->calls++;
        store_apply(resend->store, &resend->batch, on_applied_resend, resend);
    }
}

/* guards: calls were lost or answered as applied */
static void test_destroy_answers_calls_made_meanwhile(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct resend resend = {.calls = 1};

    fixture->backend->take_away(fixture);
    create_store(fixture);
    resend.store = fixture->store;
    resend.batch = batch_of(EPOCH_A, 1, 1, &entry, 1);
    store_apply(fixture->store, &resend.batch, on_applied_resend, &resend);
    close_store(fixture);
    assert_int_equal(resend.calls, 3);
    assert_int_equal(resend.answers, 3);
    fixture->backend->bring_back(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_SQLITE(test_the_file_is_marked_as_ours),
        FOR_SQLITE(test_keeps_days_and_hours),
        FOR_SQLITE(test_drops_what_is_too_old),
        FOR_SQLITE(test_a_new_epoch_sweeps_unused_ones),
        FOR_SQLITE(test_a_bad_batch_spoils_no_other),
        FOR_SQLITE(test_a_site_that_the_tables_refuse_spoils_no_other),
        FOR_SQLITE(test_hits_beyond_the_numbers_are_refused),
        FOR_SQLITE(test_a_rename_beyond_the_numbers_changes_nothing),
        FOR_SQLITE(test_repetitions_are_not_in_the_series),
        FOR_SQLITE(test_a_batch_that_is_refused_remembers_no_token),
        FOR_SQLITE(test_drops_tokens_that_are_too_old),
        FOR_SQLITE(test_keeps_tokens_for_journals),
        FOR_SQLITE(test_upgrades_a_file),
        FOR_SQLITE(test_destroy_answers_calls_made_meanwhile),
    };

    log_set_level(LOG_LEVEL_ERROR); /* the failures here are meant */
    return cmocka_run_group_tests_name("sqlite_store", tests, NULL, NULL);
}
