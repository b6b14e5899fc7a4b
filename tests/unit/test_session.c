/* SPDX-License-Identifier: MIT */
/* A session by itself. test_engine*.c test how the engine uses it. */
#include "count/session.h"

#include "support/fake_clock.h"
#include "support/fake_database.h"
#include "support/fake_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VISITS_MAX 32
#define SECOND     (7 * UINT64_C(3600))

struct fixture {
    struct fake_database *database;
    struct fake_store *store;
    struct session session;
    bool is_finished;
    struct visit visits[VISITS_MAX];
    uint64_t numbers[VISITS_MAX]; /* 0 until there is an answer */
    size_t count;
    char events[256];       /* "c" counted, "a" applied, and ends: A, H, C, G, F */
    struct session_end end; /* the last end, without its reason */
};

static struct fixture *fixture_of(struct session *session)
{
    return container_of(session, struct fixture, session);
}

static void note_event(struct session *session, char event)
{
    char *events = fixture_of(session)->events;
    size_t length = strlen(events);

    assert_false(fixture_of(session)->is_finished);
    assert_true(length + 1 < sizeof(fixture_of(session)->events));
    events[length] = event;
    events[length + 1] = '\0';
}

static void finish_batch(struct session *session, struct batch *batch,
                         const struct store_applied *applied)
{
    struct fixture *fixture = fixture_of(session);
    struct list answered;
    struct list *link;

    list_init(&answered);
    assert_int_equal(applied->outcome, STORE_OK);
    batch_answer(batch, applied, &answered);
    while ((link = list_pop_first(&answered)) != NULL) {
        struct visit *visit = container_of(link, struct visit, link);

        note_event(session, 'c');
        fixture->numbers[visit - fixture->visits] = visit->answer.count;
    }
    note_event(session, 'a');
    assert_non_null(batch->sealed_batch);
    assert_false(batch_has_visits(batch));
    session_finish_batch(session, batch, applied);
}

static void note_end(struct session *session, const struct session_end *end)
{
    note_event(session, "AHCGF"[end->result]);
    assert_true((end->result == SESSION_FAILED) <= (end->reason != NULL));
    assert_false(session_is_busy(session));
    fixture_of(session)->end = *end;
}

static void on_applied(void *data, const struct store_applied *applied)
{
    struct session_end end;
    struct session *session = session_end_apply(data, applied, &end);

    if (session != NULL && end.batch != NULL) {
        finish_batch(session, end.batch, applied);
    }
    if (session != NULL) {
        note_end(session, &end);
    }
}

static void on_ledger(void *data, const struct store_ledger *ledger)
{
    struct session_end end;
    struct session *session = session_end_check(data, ledger, &end);

    if (session != NULL) {
        note_end(session, &end);
    }
}

static const struct session_events events = {on_applied, on_ledger};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fake_clock_stop(1000, 1000);
    fixture->database = fake_database_create();
    fixture->store = fake_store_create(fixture->database, true);
    session_init(&fixture->session, &fixture->store->store, "default", &events);
    *state = fixture;
    return 0;
}

/* removes all visits from a session, and frees it */
static void finish(struct session *session)
{
    struct list visits;

    list_init(&visits);
    session_expire(session, UINT64_MAX, &visits, &visits);
    while (list_pop_first(&visits) != NULL) {
        continue;
    }
    session_finish(session);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (!fixture->is_finished) {
        finish(&fixture->session);
    }
    fixture->is_finished = true;
    store_destroy(&fixture->store->store);
    fake_database_destroy(fixture->database);
    free(fixture);
    fake_clock_release();
    return 0;
}

/* adds a visit that times out at `deadline_ms`; returns its index */
static size_t add_to(struct fixture *fixture, struct session *session, const char *page,
                     uint64_t deadline_ms)
{
    struct visit *visit = &fixture->visits[fixture->count];

    list_init(&visit->link);
    visit->deadline_ms = deadline_ms;
    visit->second = SECOND;
    session_add(session, page, strlen(page), visit);
    return fixture->count++;
}

static size_t add(struct fixture *fixture, const char *page)
{
    return add_to(fixture, &fixture->session, page, UINT64_MAX);
}

static const struct store_batch *sent(struct fixture *fixture)
{
    assert_int_equal(fake_store_open_count(fixture->store), 1);
    return &fake_store_call(fixture->store, 0)->batch;
}

static void send_and_end(struct fixture *fixture, enum fake_fate fate)
{
    session_send(&fixture->session);
    sent(fixture);
    fake_store_end(fixture->store, fake_store_call(fixture->store, 0), fate);
}

/* counts `batches` of one visit each */
static void count(struct fixture *fixture, size_t batches)
{
    for (size_t i = 0; i < batches; i++) {
        add(fixture, "/");
        send_and_end(fixture, FAKE_DONE);
    }
    fixture->events[0] = '\0';
}

static void lose_all(struct fixture *fixture)
{
    struct fake_database *empty = fake_database_create();

    fake_database_restore(fixture->database, empty);
    fake_database_destroy(empty);
}

static void count_expired(struct fixture *fixture, uint64_t now_ms, size_t refused, size_t unknown)
{
    struct list lists[2];
    size_t counts[2] = {0};

    list_init(&lists[0]);
    list_init(&lists[1]);
    session_expire(&fixture->session, now_ms, &lists[0], &lists[1]);
    for (size_t i = 0; i < 2; i++) {
        while (list_pop_first(&lists[i]) != NULL) {
            counts[i]++;
        }
    }
    assert_int_equal(counts[0], refused);
    assert_int_equal(counts[1], unknown);
}

/* --- calls and their ends --- */

static void test_visits_are_told_before_the_end(void **state)
{
    struct fixture *fixture = *state;

    assert_false(session_has_work(&fixture->session));
    session_send(&fixture->session);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    add(fixture, "/");
    add(fixture, "/");
    assert_true(session_has_work(&fixture->session));
    send_and_end(fixture, FAKE_DONE);
    assert_string_equal(fixture->events, "ccaA");
    assert_int_equal(fixture->numbers[1], 2);
    assert_int_equal(fixture->end.hits, 2);
    assert_false(fixture->end.is_retried);
    assert_false(fixture->end.is_duplicate);
    assert_false(session_has_work(&fixture->session));
}

static void test_one_call_at_a_time(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "/");
    session_send(&fixture->session);
    assert_true(session_is_busy(&fixture->session));
    add(fixture, "/");
    session_send(&fixture->session);
    assert_int_equal(sent(fixture)->entries[0].hits, 1);
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_false(session_is_busy(&fixture->session));
    assert_true(session_has_work(&fixture->session));
    send_and_end(fixture, FAKE_DONE);
}

static void test_each_end(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "/");
    send_and_end(fixture, FAKE_REFUSED);
    assert_string_equal(fixture->events, "F");
    send_and_end(fixture, FAKE_REPLY_LOST);
    assert_string_equal(fixture->events, "FF");
    send_and_end(fixture, FAKE_DONE);
    assert_string_equal(fixture->events, "FFcaA");
    assert_true(fixture->end.is_retried);
    assert_true(fixture->end.is_duplicate);

    fixture->events[0] = '\0';
    session_require_check(&fixture->session);
    send_and_end(fixture, FAKE_REFUSED);
    send_and_end(fixture, FAKE_DONE);
    assert_string_equal(fixture->events, "FC");
    lose_all(fixture);
    session_require_check(&fixture->session);
    send_and_end(fixture, FAKE_DONE);
    assert_string_equal(fixture->events, "FCG");
    assert_int_equal(fixture->end.gap.resend_visits, 1);
    send_and_end(fixture, FAKE_REPLY_LOST);
    send_and_end(fixture, FAKE_DONE);
    assert_string_equal(fixture->events, "FCGFH");
    assert_int_equal(fixture->end.hits, 1);
    assert_true(fixture->end.is_duplicate);
    assert_false(session_has_work(&fixture->session));
}

static void test_nothing_to_distrust(void **state)
{
    struct fixture *fixture = *state;

    session_require_check(&fixture->session);
    assert_false(session_has_work(&fixture->session));
    count(fixture, 1);
    session_require_check(&fixture->session);
    assert_true(session_has_work(&fixture->session));
}

/* the owner may free the session at any time; an open call then ends without it */
static void test_finish_with_a_call_open(void **state)
{
    enum kind { BATCH, RESENT, CHECK, RESEND, KINDS };

    (void)state;
    for (int kind = BATCH; kind < KINDS; kind++) {
        struct fixture *fixture;
        void *own;

        setup(&own);
        fixture = own;
        count(fixture, 3);
        add(fixture, "/");
        if (kind == RESENT) {
            send_and_end(fixture, FAKE_REPLY_LOST);
        } else if (kind != BATCH) {
            lose_all(fixture);
            session_require_check(&fixture->session);
        }
        if (kind == RESEND) {
            send_and_end(fixture, FAKE_DONE);
        }
        session_send(&fixture->session);
        assert_int_equal(fake_store_open_count(fixture->store), 1);
        finish(&fixture->session);
        fixture->is_finished = true;
        memset(&fixture->session, 0xa5, sizeof(fixture->session));
        fake_store_end_all(fixture->store, FAKE_DONE);
        teardown(&own);
    }
}

/* --- doubt --- */

static void test_who_leaves_when(void **state)
{
    struct fixture *fixture = *state;

    add_to(fixture, &fixture->session, "/", 10);
    add_to(fixture, &fixture->session, "/", 20);
    add_to(fixture, &fixture->session, "/", 30);
    add_to(fixture, &fixture->session, "/", 40);
    assert_false(session_is_overdue(&fixture->session, 9));
    assert_true(session_is_overdue(&fixture->session, 10));
    count_expired(fixture, 10, 1, 0);
    send_and_end(fixture, FAKE_REFUSED);
    count_expired(fixture, 20, 1, 0);
    session_send(&fixture->session);
    assert_int_equal(sent(fixture)->entries[0].hits, 2);
    count_expired(fixture, 30, 0, 1);
    fake_store_end_all(fixture->store, FAKE_REPLY_LOST);
    count_expired(fixture, 40, 0, 1);
    assert_false(session_is_overdue(&fixture->session, UINT64_MAX));
    assert_true(session_has_work(&fixture->session));
    send_and_end(fixture, FAKE_DONE);
    assert_int_equal(fake_database_total(fixture->database, "default", "/"), 2);
}

/*
 * Guards: a gap reopened a batch in doubt. If the copy of the store that applied the batch came
 * back, it had counted visits that were answered as not counted.
 */
static void test_a_gap_does_not_open_a_doubtful_batch(void **state)
{
    struct fixture *fixture = *state;

    count(fixture, 1);
    add_to(fixture, &fixture->session, "/gone", 10);
    add(fixture, "/stays");
    send_and_end(fixture, FAKE_REPLY_LOST);
    lose_all(fixture);
    send_and_end(fixture, FAKE_DONE);
    assert_string_equal(fixture->events, "FG");
    count_expired(fixture, 10, 0, 1);
    send_and_end(fixture, FAKE_DONE); /* a resend */
    session_send(&fixture->session);
    assert_int_equal(sent(fixture)->entry_count, 2);
}

static void test_a_gap_opens_a_batch_without_doubt(void **state)
{
    struct fixture *fixture = *state;

    count(fixture, 1);
    lose_all(fixture);
    add_to(fixture, &fixture->session, "/gone", 10);
    add(fixture, "/stays");
    send_and_end(fixture, FAKE_DONE);
    assert_string_equal(fixture->events, "G");
    count_expired(fixture, 10, 1, 0);
    send_and_end(fixture, FAKE_DONE);
    session_send(&fixture->session);
    assert_int_equal(sent(fixture)->entry_count, 1);
    assert_string_equal(sent(fixture)->entries[0].page, "/stays");
}

/* --- epochs --- */

static void assert_renews(struct fixture *fixture, bool expected)
{
    char epoch[STORE_EPOCH_LENGTH + 1];

    strcpy(epoch, fixture->session.ledger.epoch);
    session_renew(&fixture->session);
    assert_int_equal(strcmp(epoch, fixture->session.ledger.epoch) != 0, expected);
}

static void test_renews_when_nothing_depends_on_it(void **state)
{
    struct fixture *fixture = *state;

    assert_renews(fixture, true);
    add(fixture, "/");
    assert_renews(fixture, true);
    session_send(&fixture->session);
    assert_renews(fixture, false); /* in flight */
    fake_store_end_all(fixture->store, FAKE_REPLY_LOST);
    assert_renews(fixture, false); /* in doubt */
    send_and_end(fixture, FAKE_DONE);
    assert_renews(fixture, false); /* may have to be resent */
    ledger_forget(&fixture->session.ledger, UINT64_MAX, 0);
    add(fixture, "/");
    send_and_end(fixture, FAKE_REFUSED);
    assert_renews(fixture, true); /* no batch of this epoch can be applied any more */
    session_send(&fixture->session);
    assert_int_equal(sent(fixture)->sequence, 1);
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_int_equal(fixture->numbers[1], 2);
}

/* --- on the way to a journal --- */

static void test_open_batches_move_to_another_session(void **state)
{
    static const char *const pages[] = {"/before", "/first", "/second"};
    struct fixture *fixture = *state;
    size_t moved = 0;
    struct session other;

    session_init(&other, &fixture->store->store, "default", &events);
    add(fixture, "/sent");
    assert_null(session_first_sealed(&fixture->session));
    session_send(&fixture->session);
    assert_ptr_equal(session_first_sealed(&fixture->session)->sealed_batch->content.entries,
                     fake_store_call(fixture->store, 0)->theirs.entries);
    add(fixture, "/first");
    fixture->visits[fixture->count].second = SECOND + 3600;
    session_add(&fixture->session, "/second", 7, &fixture->visits[fixture->count++]);
    add_to(fixture, &other, "/before", UINT64_MAX);
    session_move_open(&fixture->session, &other);
    fake_store_end_all(fixture->store, FAKE_DONE); /* the sent batch stayed */
    assert_string_equal(fixture->events, "caA");
    assert_false(session_has_work(&fixture->session));
    list_for_each(link, &other.batches) {
        struct batch *batch = container_of(link, struct batch, link);

        session_seal(&other, batch);
        assert_string_equal(batch->sealed_batch->content.entries[0].page, pages[moved++]);
        assert_int_equal(batch->sealed_batch->content.sequence, moved);
    }
    assert_int_equal(moved, 3);
    finish(&other);
}

/* its number is in the journal, so a refusal does not reopen it */
static void test_a_batch_with_a_fixed_number(void **state)
{
    struct fixture *fixture = *state;

    count(fixture, 2);
    add_to(fixture, &fixture->session, "/", 10);
    add(fixture, "/");
    session_seal(&fixture->session,
                 container_of(fixture->session.batches.next, struct batch, link));
    send_and_end(fixture, FAKE_REFUSED);
    count_expired(fixture, 10, 0, 1);
    session_send(&fixture->session);
    assert_int_equal(sent(fixture)->sequence, 3);
    assert_int_equal(sent(fixture)->follows, 2);
    assert_int_equal(sent(fixture)->entries[0].hits, 2);
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_int_equal(fixture->numbers[3], 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_visits_are_told_before_the_end),
        TEST(test_one_call_at_a_time),
        TEST(test_each_end),
        TEST(test_nothing_to_distrust),
        cmocka_unit_test(test_finish_with_a_call_open),
        TEST(test_who_leaves_when),
        TEST(test_a_gap_does_not_open_a_doubtful_batch),
        TEST(test_a_gap_opens_a_batch_without_doubt),
        TEST(test_renews_when_nothing_depends_on_it),
        TEST(test_open_batches_move_to_another_session),
        TEST(test_a_batch_with_a_fixed_number),
    };

    return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
