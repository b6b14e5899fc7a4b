/* SPDX-License-Identifier: MIT */
/* The store refuses one site or all sites; and how that affects the other sites. */
#include "engine_fixture.h"

/* long enough for the waiting visits to time out and the breaker to open */
#define OPENING_MS (MAX_WAIT_MS + 2 * EXPIRE_MS)

static void set_many_sites(struct fixture *fixture, uint64_t max_waiting)
{
    struct engine_options options = default_options;

    options.has_many_sites = true;
    options.max_waiting = max_waiting;
    engine_configure(fixture->engine, &options);
}

/* ends the calls of `site` with `fate`, and all others with FAKE_DONE */
static void end_calls(struct fixture *fixture, const char *site, enum fake_fate fate)
{
    size_t count = fake_store_open_count(fixture->store);

    for (size_t i = 0; i < count; i++) {
        struct fake_call *call = fake_store_call(fixture->store, 0);

        fake_store_end(fixture->store, call,
                       strcmp(call->batch.site, site) == 0 ? fate : FAKE_DONE);
    }
}

static void refuse_site_for(struct fixture *fixture, const char *site, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 5) {
        end_calls(fixture, site, FAKE_REFUSED);
        advance(fixture, 5);
    }
    end_calls(fixture, site, FAKE_REFUSED);
}

static void end_all_for(struct fixture *fixture, enum fake_fate fate, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 5) {
        fake_store_end_all(fixture->store, fate);
        advance(fixture, 5);
    }
    fake_store_end_all(fixture->store, fate);
}

static size_t count_site(struct fixture *fixture, const char *site)
{
    size_t i = visit_site(fixture, site, "/");

    turn(fixture);
    fake_store_end(fixture->store, fake_store_call_of(fixture->store, site), FAKE_DONE);
    assert_true(fixture->visits[i].is_answered);
    assert_int_equal(fixture->visits[i].status, VISIT_COUNTED);
    return i;
}

/* --- one site --- */

/*
 * guards: after five visits of a refused site, the visits of all other sites were refused at once
 */
static void test_others_notice_nothing_of_a_site_that_is_refused(void **state)
{
    struct fixture *fixture = *state;

    visit_site(fixture, "broken", "/");
    turn(fixture);
    refuse_site_for(fixture, "broken", OPENING_MS);
    for (int i = 0; i < 5; i++) {
        try_visit(fixture, "broken", "/");
    }
    assert_int_equal(engine_stats(fixture->engine)->waiting, 1);
    for (uint64_t i = 1; i <= 14; i++) {
        size_t sound = count_site(fixture, "sound");

        assert_counted(fixture, sound, i);
    }
    refuse_site_for(fixture, "broken", OPENING_MS);
}

static void test_a_refused_site_is_tried_with_one_visit_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit_site(fixture, "broken", "/");

    turn(fixture);
    refuse_site_for(fixture, "broken", OPENING_MS);
    assert_uncounted(fixture, i, VISIT_REFUSED);
    i = visit_site(fixture, "broken", "/");
    assert_int_equal(try_visit(fixture, "broken", "/"), -EHOSTDOWN);
    visit_site(fixture, "sound", "/");
    assert_int_equal(try_visit(fixture, "broken", "/"), -EHOSTDOWN);
    end_all_for(fixture, FAKE_DONE, FIRST_RETRY_MS + MAX_WAIT_MS / 4);
    assert_counted(fixture, i, 1);
    visit_site(fixture, "broken", "/");
    visit_site(fixture, "broken", "/"); /* all visits may pass now */
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, fixture->count - 1, 3);
}

/* all visits that wait for the end of the refusal time out together */
static void test_visits_wait_for_the_rest_of_the_refusals_time(void **state)
{
    struct fixture *fixture = *state;
    size_t first = visit_site(fixture, "broken", "/");
    size_t second;

    turn(fixture);
    refuse_site_for(fixture, "broken", MAX_WAIT_MS / 2);
    second = visit_site(fixture, "broken", "/");
    refuse_site_for(fixture, "broken", MAX_WAIT_MS / 2 + EXPIRE_MS);
    assert_uncounted(fixture, first, VISIT_REFUSED);
    assert_uncounted(fixture, second, VISIT_REFUSED);
}

/* guards: each applied batch of another site reset the back-off of the refused site */
static void test_a_refused_site_keeps_its_backoff_whatever_others_do(void **state)
{
    struct fixture *fixture = *state;
    size_t attempts = 0;

    set_limits(fixture, 600000, MAX_WAITING);
    visit_site(fixture, "broken", "/");
    for (uint64_t ms = 0; ms < 60000; ms += 50) {
        attempts += fake_store_call_of(fixture->store, "broken") != NULL ? 1 : 0;
        end_calls(fixture, "broken", FAKE_REFUSED);
        visit_site(fixture, "sound", "/");
        advance(fixture, 50);
    }
    assert_in_range(attempts, 120, 400); /* half a second apart at most: a minute has 1,200 turns */
    end_all_for(fixture, FAKE_DONE, LAST_RETRY_MS);
    assert_int_equal(fake_database_total(fixture->database, "broken", "/"), 1);
}

/* while the store is there, lost answers of one site do not affect the others */
static void test_a_site_that_is_not_answered_takes_no_other_with_it(void **state)
{
    struct fixture *fixture = *state;

    visit_site(fixture, "broken", "/");
    turn(fixture);
    for (uint64_t ms = 0; ms < OPENING_MS; ms += 5) {
        end_calls(fixture, "broken", FAKE_REQUEST_LOST);
        advance(fixture, 5);
    }
    try_visit(fixture, "broken", "/");
    count_site(fixture, "sound");
    end_all_for(fixture, FAKE_DONE, LAST_RETRY_MS);
    end_all_for(fixture, FAKE_DONE, LAST_RETRY_MS);
}

/* --- all sites --- */

#define SITES 20

static const char *name_of(size_t i)
{
    static char name[16];

    snprintf(name, sizeof(name), "site-%zu", i);
    return name;
}

/* one visit of each site; the first batches are refused */
static void begin_refusal(struct fixture *fixture)
{
    for (size_t i = 0; i < SITES; i++) {
        visit_site(fixture, name_of(i), "/");
    }
    turn(fixture);
    assert_int_equal(fake_store_open_count(fixture->store), SITES);
    fake_store_end_all(fixture->store, FAKE_REFUSED_ALL);
}

/* guards: each site tried the store for itself, and a visit of each waited until its timeout */
static void test_a_store_that_refuses_all_is_tried_by_one_site_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    bool was_tried[SITES] = {false};
    uint64_t before;

    set_limits(fixture, 600000, MAX_WAITING);
    begin_refusal(fixture);
    before = fixture->store->apply_count;
    for (uint64_t ms = 0; ms < 60000; ms += 5) {
        advance(fixture, 5);
        assert_in_range(fake_store_open_count(fixture->store), 0, 1);
        for (size_t i = 0; i < SITES; i++) {
            was_tried[i] |= fake_store_call_of(fixture->store, name_of(i)) != NULL;
        }
        fake_store_end_all(fixture->store, FAKE_REFUSED_ALL);
    }
    assert_in_range(fixture->store->apply_count - before, 120, 400); /* one backoff for all */
    for (size_t i = 0; i < 15; i++) {
        assert_true(was_tried[i]); /* none starves */
    }
    for (uint64_t ms = 0; ms < LAST_RETRY_MS && fake_store_open_count(fixture->store) == 0;
         ms += 5) {
        advance(fixture, 5);
    }
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_int_equal(fake_store_open_count(fixture->store), SITES - 1); /* all are woken */
    fake_store_end_all(fixture->store, FAKE_DONE);
    for (size_t i = 0; i < SITES; i++) {
        assert_counted(fixture, i, 1);
    }
}

static void test_visits_of_all_sites_are_refused_but_for_one(void **state)
{
    struct fixture *fixture = *state;
    size_t probe;

    begin_refusal(fixture);
    end_all_for(fixture, FAKE_REFUSED_ALL, OPENING_MS);
    assert_int_equal(engine_stats(fixture->engine)->refused, SITES);
    probe = visit_site(fixture, "site-3", "/");
    for (size_t i = 0; i < SITES; i++) {
        assert_int_equal(try_visit(fixture, name_of(i), "/"), -EHOSTDOWN);
    }
    assert_int_equal(try_visit(fixture, "new", "/"), -EHOSTDOWN);
    end_all_for(fixture, FAKE_DONE, FIRST_RETRY_MS + MAX_WAIT_MS / 4);
    assert_counted(fixture, probe, 1);
    count_site(fixture, "new");
}

/* ends the calls of `site` with FAKE_REFUSED_ALL, and all others with FAKE_DONE */
static void refuse_part_for(struct fixture *fixture, const char *site, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 5) {
        end_calls(fixture, site, FAKE_REFUSED_ALL);
        advance(fixture, 5);
    }
    end_calls(fixture, site, FAKE_REFUSED_ALL);
}

/*
 * A slot of a cluster has no server, or one server behind a proxy is full. The error says all
 * sites, but other sites are written. Guards: visits of the refused site kept all others out.
 */
static void test_an_error_of_all_sites_that_only_one_gets_is_its_own(void **state)
{
    struct fixture *fixture = *state;

    set_many_sites(fixture, MAX_WAITING);
    visit_site(fixture, "broken", "/");
    turn(fixture);
    refuse_part_for(fixture, "broken", OPENING_MS);
    assert_int_equal(try_visit(fixture, "broken", "/"), -EHOSTDOWN); /* its attempt failed */
    visit_site(fixture, "sound", "/");
    refuse_part_for(fixture, "broken", MAX_WAIT_MS / 2);
    assert_counted(fixture, fixture->count - 1, 1);
    for (uint64_t i = 2; i <= 15; i++) {
        size_t sound;

        try_visit(fixture, "broken", "/");
        sound = count_site(fixture, "sound");
        assert_counted(fixture, sound, i);
        refuse_part_for(fixture, "broken", FIRST_RETRY_MS);
    }
    refuse_part_for(fixture, "broken", OPENING_MS);
    assert_true(engine_serves(fixture->engine, "sound"));
    assert_int_equal(fake_database_total(fixture->database, "broken", "/"), 0);
}

/* a refusal of all sites long ago does not decide the scope of the next refusal */
static void test_a_site_that_was_not_tried_since_the_last_refusal_of_all(void **state)
{
    struct fixture *fixture = *state;

    visit_site(fixture, "idle", "/");
    visit_site(fixture, "sound", "/");
    turn(fixture);
    end_all_for(fixture, FAKE_REFUSED_ALL, OPENING_MS);
    visit_site(fixture, "sound", "/");
    end_all_for(fixture, FAKE_DONE, LAST_RETRY_MS);
    advance(fixture, 61000);
    visit_site(fixture, "idle", "/");
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_REFUSED_ALL);
    assert_false(engine_serves(fixture->engine, "sound"));
    end_all_for(fixture, FAKE_REFUSED_ALL, OPENING_MS);
}

/* an answer that writes nothing does not show that the store takes writes */
static void test_what_is_only_read_ends_no_refusal(void **state)
{
    struct fixture *fixture = *state;
    size_t doubtful = visit_site(fixture, "one", "/");

    set_limits(fixture, 60000, MAX_WAITING);
    turn(fixture);
    end(fixture, FAKE_REPLY_LOST);
    visit_site(fixture, "two", "/");
    visit_site(fixture, "three", "/");
    advance(fixture, FIRST_RETRY_MS);
    for (size_t count = fake_store_open_count(fixture->store); count > 0; count--) {
        fake_store_end(fixture->store, fake_store_call(fixture->store, 0), FAKE_REFUSED_ALL);
    }
    while (!fixture->visits[doubtful].is_answered) { /* sooner or later with a duplicate */
        struct fake_call *call = fake_store_call(fixture->store, 0);

        assert_in_range(fake_store_open_count(fixture->store), 0, 1);
        if (call != NULL) {
            bool is_doubtful = strcmp(call->batch.site, "one") == 0;

            fake_store_end(fixture->store, call, is_doubtful ? FAKE_DONE : FAKE_REFUSED_ALL);
        }
        advance(fixture, 5);
    }
    assert_in_range(fake_store_open_count(fixture->store), 0, 1); /* still one at a time */
    end_all_for(fixture, FAKE_DONE, LAST_RETRY_MS);
    assert_counted(fixture, 1, 1);
    assert_counted(fixture, 2, 1);
}

/* --- both --- */

/*
 * Guards: a site with a refusal of its own was the probe for a refusal of all sites, and the others
 * waited for it.
 */
static void test_a_refused_site_is_no_probe_for_the_others(void **state)
{
    struct fixture *fixture = *state;
    size_t sound;

    visit_site(fixture, "broken", "/");
    turn(fixture);
    refuse_site_for(fixture, "broken", OPENING_MS);
    visit_site(fixture, "sound", "/");
    turn(fixture);
    end_all_for(fixture, FAKE_REFUSED_ALL, OPENING_MS); /* of both */
    visit_site(fixture, "broken", "/");
    sound = visit_site(fixture, "sound", "/"); /* both are admitted */
    assert_int_equal(try_visit(fixture, "broken", "/"), -EHOSTDOWN);
    assert_int_equal(try_visit(fixture, "sound", "/"), -EHOSTDOWN);
    assert_int_equal(try_visit(fixture, "third", "/"), -EHOSTDOWN);
    refuse_site_for(fixture, "broken", FIRST_RETRY_MS + MAX_WAIT_MS / 4);
    assert_counted(fixture, sound, 1);
    count_site(fixture, "third");
    assert_int_equal(try_visit(fixture, "broken", "/"), -EHOSTDOWN);
    refuse_site_for(fixture, "broken", OPENING_MS);
}

static void test_the_store_recovers_before_the_site_does(void **state)
{
    struct fixture *fixture = *state;
    struct engine_stall stall;

    set_limits(fixture, 60000, MAX_WAITING);
    visit_site(fixture, "broken", "/");
    visit_site(fixture, "sound", "/");
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_REFUSED_ALL);
    assert_true(engine_longest_stall(fixture->engine, &stall));
    assert_true(stall.is_server_wide);
    assert_int_equal(stall.site_count, 2);
    refuse_site_for(fixture, "broken", LAST_RETRY_MS);
    assert_counted(fixture, 1, 1);
    assert_true(engine_longest_stall(fixture->engine, &stall));
    assert_false(stall.is_server_wide);
    assert_int_equal(stall.site_count, 1);
    assert_string_equal(stall.site, "broken");
    end_all_for(fixture, FAKE_DONE, LAST_RETRY_MS);
    assert_counted(fixture, 0, 1);
    assert_false(engine_longest_stall(fixture->engine, &stall));
}

/* --- torn --- */

static void test_a_torn_site_is_refused_at_once(void **state)
{
    struct fixture *fixture = *state;
    size_t first = visit_site(fixture, "torn", "/");
    size_t gathered;
    const char *log;

    turn(fixture);
    gathered = visit_site(fixture, "torn", "/other");
    log_set_level(LOG_LEVEL_WARNING);
    log_capture_begin();
    end(fixture, FAKE_TORN);
    log = log_capture_end();
    log_set_level(LOG_LEVEL_ERROR);
    assert_non_null(strstr(log, "warning store: site torn: a key was lost; "));
    assert_non_null(strstr(log, "visitcountctl repair torn --trust hits|NUMBER\n"));
    assert_uncounted(fixture, first, VISIT_REFUSED);
    assert_uncounted(fixture, gathered, VISIT_REFUSED);
    assert_int_equal(engine_torn_count(fixture->engine), 1);
    visit_site(fixture, "torn", "/"); /* tests whether it was repaired */
    assert_int_equal(try_visit(fixture, "torn", "/"), -EHOSTDOWN);
    count_site(fixture, "sound");
    end_all_for(fixture, FAKE_TORN, MAX_WAIT_MS / 2);
    assert_uncounted(fixture, 2, VISIT_REFUSED);
    assert_int_equal(engine_stats(fixture->engine)->waiting, 0);
}

static void note_name(void *data, const char *site)
{
    strcat(data, site);
    strcat(data, " ");
}

static void test_a_torn_site_that_is_repaired_counts_again(void **state)
{
    struct fixture *fixture = *state;
    char names[2 * STORE_SITE_MAX] = "";
    size_t i;

    visit_site(fixture, "one", "/");
    visit_site(fixture, "two", "/");
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_TORN);
    engine_list_torn(fixture->engine, note_name, names);
    assert_string_equal(names, "one two ");
    restart_store(fixture, FAKE_REQUEST_LOST); /* a restart repairs nothing */
    assert_int_equal(engine_torn_count(fixture->engine), 2);
    i = visit_site(fixture, "one", "/");
    end_all_for(fixture, FAKE_DONE, LAST_RETRY_MS);
    assert_counted(fixture, i, 1);
    assert_int_equal(engine_torn_count(fixture->engine), 1);
    visit_site(fixture, "one", "/");
    visit_site(fixture, "one", "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i + 2, 3);
}

/* its first attempt may have been applied before the key was lost */
static void test_of_a_torn_site_a_doubtful_batch_stays_in_doubt(void **state)
{
    struct fixture *fixture = *state;
    size_t doubtful = visit_site(fixture, "torn", "/");
    size_t gathered;

    turn(fixture);
    end(fixture, FAKE_REPLY_LOST);
    gathered = visit_site(fixture, "torn", "/");
    wait_for_resend(fixture);
    end(fixture, FAKE_TORN);
    assert_uncounted(fixture, doubtful, VISIT_UNKNOWN);
    assert_uncounted(fixture, gathered, VISIT_REFUSED);
    wait_for_resend(fixture);
    assert_sent(fixture, 1, "/", 1); /* unchanged */
    end(fixture, FAKE_DONE);
    assert_int_equal(engine_torn_count(fixture->engine), 0);
    assert_true(engine_is_idle(fixture->engine));
}

static void test_a_torn_site_is_refused_while_the_store_is_away(void **state)
{
    struct fixture *fixture = *state;

    visit_site(fixture, "torn", "/");
    turn(fixture);
    end(fixture, FAKE_TORN);
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    assert_int_equal(try_visit(fixture, "torn", "/"), -EHOSTDOWN);
    visit_site(fixture, "sound", "/"); /* waits for the store as usual */
    fake_store_come_back(fixture->store);
    turn(fixture);
    end(fixture, FAKE_DONE);
}

/* --- places --- */

/* fills all places that `site` can get */
static size_t fill(struct fixture *fixture, const char *site)
{
    size_t before = fixture->count;

    while (try_visit(fixture, site, "/") == 0) {
        continue;
    }
    return fixture->count - before;
}

static void test_a_site_leaves_places_for_the_others(void **state)
{
    struct fixture *fixture = *state;

    set_many_sites(fixture, 800);
    assert_int_equal(fill(fixture, "greedy"), 700);
    assert_int_equal(try_visit(fixture, "greedy", "/"), -ENOBUFS);
    assert_int_equal(fill(fixture, "second"), 87); /* of the 100 that are left */
    assert_int_equal(fill(fixture, "third"), 11);
    assert_int_equal(fill(fixture, "fourth"), 1);
    assert_int_equal(fill(fixture, "fifth"), 1); /* while there is one */
    assert_int_equal(fill(fixture, "sixth"), 0);
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
}

static void test_the_only_site_may_take_all_places(void **state)
{
    struct fixture *fixture = *state;

    set_limits(fixture, MAX_WAIT_MS, 800);
    assert_int_equal(fill(fixture, "default"), 800);
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
}

static void test_where_there_is_one_place_it_is_given(void **state)
{
    struct fixture *fixture = *state;

    set_many_sites(fixture, 1);
    count_site(fixture, "one");
    count_site(fixture, "two");
}

/* --- served sites --- */

static void test_who_is_served(void **state)
{
    struct fixture *fixture = *state;
    struct engine *engine = fixture->engine;

    assert_true(engine_serves(engine, NULL));
    assert_true(engine_serves(engine, "broken"));
    visit_site(fixture, "broken", "/");
    turn(fixture);
    end(fixture, FAKE_REFUSED);
    assert_false(engine_serves(engine, "broken"));
    assert_true(engine_serves(engine, "sound"));
    assert_true(engine_serves(engine, NULL));
    visit_site(fixture, "sound", "/");
    turn(fixture);
    fake_store_end(fixture->store, fake_store_call_of(fixture->store, "sound"), FAKE_REFUSED_ALL);
    assert_false(engine_serves(engine, "sound"));
    assert_false(engine_serves(engine, NULL));
    end_all_for(fixture, FAKE_REFUSED_ALL, OPENING_MS);
    assert_false(engine_serves(engine, NULL));
    advance(fixture, 15000); /* no visit tests the store */
    assert_true(engine_serves(engine, NULL));
    fake_store_go_away(fixture->store, FAKE_REFUSED);
    assert_false(engine_serves(engine, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_others_notice_nothing_of_a_site_that_is_refused),
        TEST(test_a_refused_site_is_tried_with_one_visit_at_a_time),
        TEST(test_visits_wait_for_the_rest_of_the_refusals_time),
        TEST(test_a_refused_site_keeps_its_backoff_whatever_others_do),
        TEST(test_a_site_that_is_not_answered_takes_no_other_with_it),
        TEST(test_a_store_that_refuses_all_is_tried_by_one_site_at_a_time),
        TEST(test_visits_of_all_sites_are_refused_but_for_one),
        TEST(test_an_error_of_all_sites_that_only_one_gets_is_its_own),
        TEST(test_a_site_that_was_not_tried_since_the_last_refusal_of_all),
        TEST(test_what_is_only_read_ends_no_refusal),
        TEST(test_a_refused_site_is_no_probe_for_the_others),
        TEST(test_the_store_recovers_before_the_site_does),
        TEST(test_a_torn_site_is_refused_at_once),
        TEST(test_a_torn_site_that_is_repaired_counts_again),
        TEST(test_of_a_torn_site_a_doubtful_batch_stays_in_doubt),
        TEST(test_a_torn_site_is_refused_while_the_store_is_away),
        TEST(test_a_site_leaves_places_for_the_others),
        TEST(test_the_only_site_may_take_all_places),
        TEST(test_where_there_is_one_place_it_is_given),
        TEST(test_who_is_served),
    };

    return cmocka_run_group_tests_name("engine_scope", tests, NULL, NULL);
}
