/* SPDX-License-Identifier: MIT */
/*
 * Keys of one site that get lost one by one: totals and ledger prove each other. These tests are
 * for Redis only, because SQLite changes all its tables in one transaction.
 */
#include "store_fixture.h"

#include "base/log.h"

#define EPOCH_0       "g0000000aaaaaaaaaaaaaaaaaaaaaaaa"
#define EPOCH_0_OTHER "g0000000bbbbbbbbbbbbbbbbbbbbbbbb"
#define EPOCH_1       "g0000001cccccccccccccccccccccccc"
#define EPOCH_2       "g0000002dddddddddddddddddddddddd"

#define MARK "\"\\x01generation\""

/* --- changes of the keys by others --- */

static void order(struct fixture *fixture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void order(struct fixture *fixture, const char *format, ...)
{
    char command[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    assert_int_not_equal(*redis_server_ask(fixture->path, command), '-');
}

static void lose(struct fixture *fixture, const char *key)
{
    order(fixture, "DEL vc:{default}:%s", key);
}

static unsigned long long now_s(void)
{
    return (unsigned long long)(clock_wall_ms() / 1000);
}

/* applies batch `sequence` of an epoch like a version before 0.2 */
static void visit_by_old_version(struct fixture *fixture, uint64_t sequence, unsigned long long at)
{
    order(fixture, "ZINCRBY vc:{default}:hits 1 /old");
    order(fixture, "ZINCRBY vc:{default}:hits 1 \"\"");
    order(fixture, "HSET vc:{default}:ledger %s \"%llu %llu %llu %llu\"", EPOCH_A,
          (unsigned long long)sequence, (unsigned long long)sequence, at,
          (unsigned long long)sequence);
}

/* --- assertions --- */

static void assert_torn(struct fixture *fixture)
{
    uint64_t total = total_of(fixture, "default", "/");
    struct store_entry entry = entry_of("/", 1);
    struct store_batch batch = batch_of(EPOCH_0_OTHER, 1, 1, &entry, 1);
    struct answer answer = apply_page(fixture, EPOCH_0, 2, "/", 1);

    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_true(answer.is_torn);
    assert_false(answer.gap);
    assert_non_null(strstr(answer.reason, "contradict each other"));
    assert_true(apply_batch(fixture, &batch).is_torn);             /* of a new epoch */
    assert_true(apply_page(fixture, EPOCH_0, 1, "/", 10).is_torn); /* one that it had applied */
    assert_true(apply_page(fixture, EPOCH_0, 9, "/", 1).is_torn);  /* a gap */
    entry.hits = 0;
    assert_true(apply_batch(fixture, &batch).is_torn); /* an empty one */
    assert_true(ask_ledger(fixture, EPOCH_0).is_torn);
    assert_int_equal(total_of(fixture, "default", "/"), total);
}

static void assert_counts(struct fixture *fixture, const char *epoch, uint64_t sequence,
                          uint64_t total)
{
    struct answer answer = apply_page(fixture, epoch, sequence, "/", 1);

    assert_total(answer, 0, total);
    assert_int_equal(answer.old_version_s, 0);
    assert_false(answer.is_unproven);
}

static struct fixture *fixture_with_ten(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_total(apply_page(fixture, EPOCH_0, 1, "/", 10), 0, 10);
    return fixture;
}

/* --- lost and restored --- */

static void test_a_lost_ledger_is_torn(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    lose(fixture, "ledger");
    assert_torn(fixture);
}

static void test_lost_totals_are_torn(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    lose(fixture, "hits");
    assert_torn(fixture);
}

static void test_both_lost_is_a_store_that_went_back(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);
    struct answer answer;

    lose(fixture, "hits");
    lose(fixture, "ledger");
    answer = apply_page(fixture, EPOCH_0, 2, "/", 1);
    assert_true(answer.gap);
    assert_int_equal(answer.at.sequence, 0);
    assert_total(apply_page(fixture, EPOCH_0, 1, "/", 10), 0, 10);
    assert_counts(fixture, EPOCH_0, 2, 11);
    lose(fixture, "ledger");
    assert_torn(fixture);
}

static void test_an_older_ledger_is_torn(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    order(fixture, "COPY vc:{default}:ledger older");
    assert_counts(fixture, EPOCH_0, 2, 11);
    order(fixture, "COPY older vc:{default}:ledger REPLACE");
    assert_torn(fixture);
}

static void test_older_totals_are_torn(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    order(fixture, "COPY vc:{default}:hits older");
    assert_counts(fixture, EPOCH_0, 2, 11);
    order(fixture, "COPY older vc:{default}:hits REPLACE");
    assert_torn(fixture);
}

static void test_both_older_is_a_store_that_went_back(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    order(fixture, "COPY vc:{default}:hits older");
    order(fixture, "COPY vc:{default}:ledger old");
    assert_counts(fixture, EPOCH_0, 2, 11);
    order(fixture, "COPY older vc:{default}:hits REPLACE");
    order(fixture, "COPY old vc:{default}:ledger REPLACE");
    assert_true(apply_page(fixture, EPOCH_0, 3, "/", 1).gap);
    assert_counts(fixture, EPOCH_0, 2, 11);
}

static void test_a_part_of_the_proof_lost_is_torn(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    order(fixture, "HDEL vc:{default}:ledger proof");
    assert_torn(fixture);
    order(fixture, "ZREM vc:{default}:hits " MARK);
    assert_torn(fixture); /* an older version has no such entries in its ledger */
    order(fixture, "HSET vc:{default}:ledger proof \"g0 10 0\"");
    assert_torn(fixture);
    order(fixture, "ZADD vc:{default}:hits 0 " MARK);
    assert_counts(fixture, EPOCH_0, 2, 11);
    order(fixture, "HSET vc:{default}:ledger proof nonsense");
    assert_torn(fixture);
}

/*
 * Totals without a mark and an empty ledger look like data of an older version. Only an instance
 * that has counted on the site can see the loss.
 */
static void test_ledger_and_mark_lost_together_is_torn(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_batch next = batch_of(EPOCH_0, 2, 1, &entry, 1);
    struct store_batch of_other = batch_of(EPOCH_0_OTHER, 1, 1, &entry, 1);

    lose(fixture, "ledger");
    order(fixture, "ZREM vc:{default}:hits " MARK);
    next.expects_mark = true;
    assert_true(apply_batch(fixture, &next).is_torn);
    next.follows = 0; /* a gap was reported before */
    assert_true(apply_batch(fixture, &next).is_torn);
    of_other.expects_mark = true; /* another session of the same process */
    assert_true(apply_batch(fixture, &of_other).is_torn);
    assert_true(ask_ledger(fixture, EPOCH_0).is_torn);
    assert_int_equal(total_of(fixture, "default", "/"), 10);
    of_other.expects_mark = false; /* a process that has not counted on the site */
    assert_total(apply_batch(fixture, &of_other), 0, 11);
}

static void test_both_lost_is_no_lost_mark(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);
    struct store_entry entry = entry_of("/", 10);
    struct store_batch again = batch_of(EPOCH_0, 1, 1, &entry, 1);

    lose(fixture, "hits");
    lose(fixture, "ledger");
    again.expects_mark = true;
    assert_total(apply_batch(fixture, &again), 0, 10);
}

static void test_a_total_changed_by_hand_is_torn(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    order(fixture, "ZINCRBY vc:{default}:hits 5 /");
    assert_counts(fixture, EPOCH_0, 2, 16); /* the proof does not cover single pages */
    order(fixture, "ZINCRBY vc:{default}:hits -1 \"\"");
    assert_torn(fixture);
}

static void test_what_fails_leaves_the_proof(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    order(fixture, "CONFIG SET maxmemory 1");
    assert_int_equal(apply_page(fixture, EPOCH_0, 2, "/", 1).outcome, STORE_REFUSED);
    assert_int_equal(apply_page(fixture, EPOCH_0_OTHER, 1, "/", 1).outcome, STORE_REFUSED);
    order(fixture, "CONFIG SET maxmemory 0");
    assert_counts(fixture, EPOCH_0, 2, 11);
}

/* --- generations --- */

static struct store_repaired last_repair;
static char last_torn[256];

static void on_repaired(void *data, const struct store_repaired *repaired)
{
    struct fixture *fixture = data;

    last_repair = *repaired;
    snprintf(last_torn, sizeof(last_torn), "%s", repaired->torn != NULL ? repaired->torn : "");
    loop_stop(fixture->loop);
}

static void repair_with(struct fixture *fixture, struct store_repair repair)
{
    repair.site = "default";
    store_repair(fixture->store, &repair, on_repaired, fixture);
    run_loop(fixture);
    assert_int_equal(last_repair.outcome, STORE_OK);
}

static void test_a_repair_trusts_the_totals(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    order(fixture, "COPY vc:{default}:ledger older");
    assert_counts(fixture, EPOCH_0, 2, 11);
    order(fixture, "COPY older vc:{default}:ledger REPLACE");
    repair_with(fixture, (struct store_repair){.is_look = true});
    assert_false(last_repair.is_done);
    assert_string_not_equal(last_torn, "");
    assert_int_equal(last_repair.ledger_total, 10);
    assert_int_equal(last_repair.hits_total, 11);
    assert_int_equal(last_repair.pages, 1);
    assert_torn(fixture);

    repair_with(fixture, (struct store_repair){.trusts_hits = true});
    assert_true(last_repair.is_done);
    assert_int_equal(last_repair.generation, 0);
    assert_int_equal(last_repair.generation_after, 1);
    assert_int_equal(last_repair.total, 11);
    assert_true(apply_page(fixture, EPOCH_0, 2, "/", 1).is_outdated);
    assert_int_equal(apply_page(fixture, EPOCH_0, 3, "/", 1).generation, 1);
    assert_true(ask_ledger(fixture, EPOCH_0).is_outdated);
    assert_true(apply_page(fixture, EPOCH_A, 1, "/", 1).is_outdated);
    assert_counts(fixture, EPOCH_1, 1, 12);
    assert_int_equal(total_of(fixture, "default", ""), 12);
}

static void test_a_repair_takes_a_number(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    lose(fixture, "hits");
    repair_with(fixture, (struct store_repair){.number = 500, .generation = 6});
    assert_int_equal(last_repair.ledger_total, 10);
    assert_int_equal(last_repair.hits_total, STORE_NONE);
    assert_int_equal(last_repair.generation_after, 7);
    assert_int_equal(last_repair.total, 500);
    assert_counts(fixture, "g0000007cccccccccccccccccccccccc", 1, 1);
    assert_int_equal(total_of(fixture, "default", ""), 501);
}

static void test_a_repair_adds_pages_up(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);
    struct store_entry entries[PAGES_MAX];
    char names[PAGES_MAX][8];

    for (size_t i = 0; i < PAGES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "/%zu", i);
        entries[i] = entry_of(names[i], 3);
    }
    assert_int_equal(apply_entries(fixture, EPOCH_0, 2, entries, PAGES_MAX).outcome, STORE_OK);
    order(fixture, "ZREM vc:{default}:hits \"\"");
    repair_with(fixture, (struct store_repair){.trusts_hits = true});
    assert_int_equal(last_repair.pages, PAGES_MAX + 1);
    assert_int_equal(last_repair.total, 10 + 3 * PAGES_MAX);
}

/* Numbers that this version never writes: they were changed by hand. */
static void test_numbers_of_nonsense_are_repaired(void **state)
{
    static const char *const spoils[] = {
        "ZADD vc:{default}:hits inf " MARK,
        "ZADD vc:{default}:hits 1e300 " MARK,
        "ZADD vc:{default}:hits -3 " MARK,
        "ZADD vc:{default}:hits 0.5 " MARK,
        "ZADD vc:{default}:hits inf \"\"",
        "ZADD vc:{default}:hits -5 \"\"",
        "ZADD vc:{default}:hits 1.5 \"\"",
        "HSET vc:{default}:ledger proof \"g0 -7 0\"",
        "HSET vc:{default}:ledger proof \"g99999999999999999999 10 0\"",
        "HSET vc:{default}:ledger proof \"g0 inf 0\"",
    };
    struct fixture *fixture = fixture_with_ten(state);
    char epoch[] = EPOCH_0;
    uint64_t total = 10;

    for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
        order(fixture, "%s", spoils[i]);
        repair_with(fixture, (struct store_repair){.is_look = true});
        assert_string_not_equal(last_torn, "");
        repair_with(fixture, (struct store_repair){.trusts_hits = true});
        assert_true(last_repair.is_done);
        assert_int_equal(last_repair.total, total);
        assert_int_equal(last_repair.generation_after, i + 1);
        snprintf(epoch, sizeof(epoch), "g%07zuaaaaaaaaaaaaaaaaaaaaaaaa", i + 1);
        assert_counts(fixture, epoch, 1, ++total);
        assert_int_equal(total_of(fixture, "default", ""), total);
    }
}

static void test_a_sound_site_is_only_repaired_by_force(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    repair_with(fixture, (struct store_repair){.trusts_hits = true});
    assert_false(last_repair.is_done);
    assert_string_equal(last_torn, "");
    assert_counts(fixture, EPOCH_0, 2, 11);
    repair_with(fixture, (struct store_repair){.trusts_hits = true, .is_forced = true});
    assert_true(last_repair.is_done);
    assert_true(apply_page(fixture, EPOCH_0, 3, "/", 1).is_outdated);
    assert_counts(fixture, EPOCH_1, 1, 12);
}

static void test_a_ledger_that_is_no_hash_is_repaired(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    order(fixture, "SET vc:{default}:ledger xyz");
    repair_with(fixture, (struct store_repair){.trusts_hits = true});
    assert_true(last_repair.is_done);
    assert_counts(fixture, EPOCH_1, 1, 11);
}

static void test_a_store_from_before_a_repair_is_a_store_that_went_back(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);
    struct answer answer;

    answer = apply_page(fixture, EPOCH_2, 5, "/", 1);
    assert_true(answer.gap);
    assert_int_equal(answer.at.sequence, 0);
    assert_counts(fixture, EPOCH_0, 2, 11); /* this instance does not know of the repair yet */
    assert_counts(fixture, EPOCH_2, 1, 12);
    assert_true(apply_page(fixture, EPOCH_0, 3, "/", 1).is_outdated);
    assert_true(apply_page(fixture, EPOCH_1, 1, "/", 1).is_outdated);
    assert_counts(fixture, EPOCH_2, 2, 13);
}

/* --- versions before 0.2 --- */

static void test_data_of_an_older_version_is_adopted(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer answer;

    visit_by_old_version(fixture, 1, now_s() - 100);
    visit_by_old_version(fixture, 2, now_s() - 100);
    assert_true(apply_page(fixture, EPOCH_A, 2, "/old", 1).is_duplicate);
    answer = apply_page(fixture, EPOCH_0, 1, "/", 1);
    assert_total(answer, 0, 1);
    assert_true(answer.is_unproven);
    assert_in_range(answer.old_version_s, STORE_OLD_VERSION_S - 200, STORE_OLD_VERSION_S - 90);
    assert_int_equal(total_of(fixture, "default", ""), 3);
    lose(fixture, "ledger");
    assert_torn(fixture); /* the mark in the totals is there */
}

static void test_data_that_was_unused_for_long_is_proven_at_once(void **state)
{
    struct fixture *fixture = open_fixture(state);

    visit_by_old_version(fixture, 1, now_s() - STORE_OLD_VERSION_S - 60);
    assert_counts(fixture, EPOCH_0, 1, 1);
    order(fixture, "ZINCRBY vc:{default}:hits 1 \"\"");
    assert_torn(fixture);
}

static void test_totals_without_a_ledger_are_adopted(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer answer;

    order(fixture, "ZADD vc:{default}:hits 7 / 7 \"\"");
    answer = apply_page(fixture, EPOCH_0, 1, "/", 1);
    assert_total(answer, 0, 8);
    assert_true(answer.is_unproven);
}

static void test_an_older_version_that_writes_beside_is_not_torn(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);
    struct answer answer;

    for (uint64_t i = 1; i <= 3; i++) {
        visit_by_old_version(fixture, i, now_s());
        answer = apply_page(fixture, EPOCH_0, i + 1, "/", 1);
        assert_total(answer, 0, 10 + i);
        assert_true(answer.is_unproven);
        assert_in_range(answer.old_version_s, STORE_OLD_VERSION_S - 60, STORE_OLD_VERSION_S);
    }
    assert_true(apply_page(fixture, EPOCH_0, 4, "/", 1).is_unproven); /* a duplicate */
    assert_int_equal(total_of(fixture, "default", ""), 16);
}

static void test_the_proof_is_armed_when_the_older_version_has_stopped(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);
    unsigned long long then = now_s() - STORE_UNPROVEN_S - 60;
    struct answer answer;

    visit_by_old_version(fixture, 1, then);
    order(fixture, "HSET vc:{default}:ledger proof \"g0 11 %llu\"", then);
    answer = apply_page(fixture, EPOCH_0, 2, "/", 1);
    assert_total(answer, 0, 11);
    assert_false(answer.is_unproven);
    assert_in_range(answer.old_version_s, 1, STORE_OLD_VERSION_S - STORE_UNPROVEN_S);
    order(fixture, "ZINCRBY vc:{default}:hits 1 \"\"");
    assert_torn(fixture);
    then = now_s() - STORE_OLD_VERSION_S;
    order(fixture, "HSET vc:{default}:ledger proof \"g0 13 %llu\"", then);
    assert_counts(fixture, EPOCH_0, 3, 12);
    assert_counts(fixture, EPOCH_0, 4, 13);
}

static void test_what_an_older_version_left_in_a_journal_counts(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    assert_total(apply_page(fixture, EPOCH_A, 1, "/", 1), 0, 11);
    assert_true(apply_page(fixture, EPOCH_A, 1, "/", 1).is_duplicate);
    assert_true(apply_page(fixture, EPOCH_0, 2, "/", 1).is_unproven);
    lose(fixture, "hits");
    assert_true(apply_page(fixture, EPOCH_A, 2, "/", 1).is_torn);
}

/* the sweep of version 0.1, of the entry whose field is the proof */
static void test_the_sweep_of_an_older_version_leaves_the_proof(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);
    static const char sweep[] =
        "EVAL \"local some = redis.pcall('HRANDFIELD', KEYS[1], 16, 'WITHVALUES') "
        "for i = 1, #some, 2 do "
        "local other_at = tonumber(string.match(some[i + 1], '^%%d+ %%d+ (%%d+)')) "
        "if other_at and other_at < 99999999999 then redis.pcall('HDEL', KEYS[1], some[i]) end end "
        "return #some\" 1 vc:{default}:ledger";

    order(fixture, sweep);
    assert_string_equal(redis_server_ask(fixture->path, "HLEN vc:{default}:ledger"), ":1\r\n");
    assert_counts(fixture, EPOCH_0_OTHER, 1, 11);
}

/* --- hidden entries --- */

static void test_the_mark_takes_no_place_of_a_page(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_batch batch = batch_of(EPOCH_0, 1, 1, &entry, 1);
    static const char *const pages[] = {"/", "/b", "/c", "/d"};

    for (uint64_t i = 0; i < 4; i++) {
        entry = entry_of(pages[i], 1);
        batch = batch_of(EPOCH_0, i + 1, 1, &entry, 1);
        batch.pages_max = 3;
        assert_total(apply_batch(fixture, &batch), 0, i < 3 ? 1 : STORE_NONE);
    }
}

static struct store_page listed[16];
static size_t listed_count;

static void on_pages(void *data, const struct store_pages *pages)
{
    assert_int_equal(pages->outcome, STORE_OK);
    for (size_t i = 0; i < pages->count; i++) {
        assert_int_equal(*pages->pages[i].page, '/');
        listed[listed_count++] = pages->pages[i];
    }
    loop_stop(((struct fixture *)data)->loop);
}

static void test_lists_do_not_show_the_mark(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    assert_total(apply_page(fixture, EPOCH_0, 2, "/b", 1), 0, 1);
    repair_with(fixture, (struct store_repair){.trusts_hits = true,
                                               .is_forced = true,
                                               .generation = 50}); /* a score above the pages' */
    for (size_t count = 1; count <= 3; count++) {
        struct store_ranking ranking = {.site = "default", .count = count};

        listed_count = 0;
        store_top(fixture->store, &ranking, on_pages, fixture);
        run_loop(fixture);
        assert_int_equal(listed_count, count < 2 ? 1 : 2);
    }
    listed_count = 0;
    store_scan(fixture->store, "default", "", on_pages, fixture);
    run_loop(fixture);
    assert_int_equal(listed_count, 2);
}

/* --- edits --- */

static struct store_edited last_edit;
static char last_reason[256];

static void on_edited(void *data, const struct store_edited *edited)
{
    last_edit = *edited;
    snprintf(last_reason, sizeof(last_reason), "%s", edited->reason != NULL ? edited->reason : "");
    loop_stop(((struct fixture *)data)->loop);
}

static void edit_page_of(struct fixture *fixture, enum store_edit_kind kind, const char *page,
                         uint64_t number, bool expects_mark)
{
    struct store_edit edit = {.kind = kind, .site = "default", .page = page, .number = number};

    edit.expects_mark = expects_mark;
    edit.page_length = strlen(page);
    edit.to = "/to";
    edit.to_length = 3;
    store_edit(fixture->store, &edit, on_edited, fixture);
    run_loop(fixture);
}

static void edit_page(struct fixture *fixture, enum store_edit_kind kind, const char *page,
                      uint64_t number)
{
    edit_page_of(fixture, kind, page, number, false);
}

static void test_edits_keep_the_proof(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    edit_page(fixture, STORE_SET, "/a", 100);
    assert_int_equal(last_edit.outcome, STORE_OK);
    assert_counts(fixture, EPOCH_0, 2, 11);
    edit_page(fixture, STORE_ADD, "/b", 5);
    assert_counts(fixture, EPOCH_0, 3, 12);
    edit_page(fixture, STORE_RENAME, "/a", 0);
    assert_counts(fixture, EPOCH_0, 4, 13);
    edit_page(fixture, STORE_DELETE, "/b", 0);
    assert_counts(fixture, EPOCH_0, 5, 14);
    edit_page(fixture, STORE_DELETE, "/nothing", 0);
    assert_counts(fixture, EPOCH_0, 6, 15);
    assert_int_equal(total_of(fixture, "default", ""), 115);
    edit_page(fixture, STORE_ADD, "/b", STORE_NUMBER_MAX - 115);
    assert_int_equal(last_edit.outcome, STORE_OK);
    edit_page(fixture, STORE_ADD, "/b", 1);
    assert_int_equal(last_edit.outcome, STORE_REFUSED);
}

/* A site that was repaired to a lower total than that of its pages. */
static void test_edits_leave_no_total_below_zero(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    lose(fixture, "ledger");
    repair_with(fixture, (struct store_repair){.number = 3});
    edit_page(fixture, STORE_SET, "/", 2);
    assert_int_equal(last_edit.outcome, STORE_OK);
    assert_int_equal(total_of(fixture, "default", ""), 0);
    assert_counts(fixture, EPOCH_1, 1, 3);
    edit_page(fixture, STORE_DELETE, "/", 0);
    assert_int_equal(last_edit.outcome, STORE_OK);
    assert_int_equal(total_of(fixture, "default", ""), 0);
    assert_counts(fixture, EPOCH_1, 2, 1);
    repair_with(fixture, (struct store_repair){.is_look = true});
    assert_string_equal(last_torn, "");
    assert_int_equal(last_repair.hits_total, 1);
}

static void test_edits_are_refused_where_a_site_is_torn(void **state)
{
    static const enum store_edit_kind kinds[] = {STORE_SET, STORE_ADD, STORE_DELETE, STORE_RENAME};
    struct fixture *fixture = fixture_with_ten(state);

    lose(fixture, "ledger");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        edit_page(fixture, kinds[i], "/", 5);
        assert_int_equal(last_edit.outcome, STORE_REFUSED);
        assert_non_null(strstr(last_reason, "visitcountctl repair default"));
    }
    assert_int_equal(total_of(fixture, "default", "/"), 10);
    assert_torn(fixture);
}

static void test_edits_know_that_a_mark_is_lost(void **state)
{
    struct fixture *fixture = fixture_with_ten(state);

    lose(fixture, "ledger");
    order(fixture, "ZREM vc:{default}:hits " MARK);
    edit_page_of(fixture, STORE_ADD, "/", 5, true);
    assert_int_equal(last_edit.outcome, STORE_REFUSED);
    assert_non_null(strstr(last_reason, "visitcountctl repair default"));
    assert_int_equal(total_of(fixture, "default", "/"), 10);
}

static void test_edits_begin_a_proof(void **state)
{
    struct fixture *fixture = open_fixture(state);

    edit_page(fixture, STORE_DELETE, "/", 0); /* an unknown site is not created */
    assert_string_equal(redis_server_ask(fixture->path, "EXISTS vc:{default}:ledger"), ":0\r\n");
    edit_page(fixture, STORE_SET, "/", 10);
    assert_counts(fixture, EPOCH_0, 1, 11);
    lose(fixture, "hits");
    assert_torn(fixture);
}

static void test_edits_adopt_data_of_an_older_version(void **state)
{
    struct fixture *fixture = open_fixture(state);

    visit_by_old_version(fixture, 1, now_s());
    edit_page(fixture, STORE_SET, "/", 10);
    assert_int_equal(last_edit.outcome, STORE_OK);
    assert_true(apply_page(fixture, EPOCH_0, 1, "/", 1).is_unproven);
    lose(fixture, "hits");
    assert_torn(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_REDIS(test_a_lost_ledger_is_torn),
        FOR_REDIS(test_lost_totals_are_torn),
        FOR_REDIS(test_both_lost_is_a_store_that_went_back),
        FOR_REDIS(test_an_older_ledger_is_torn),
        FOR_REDIS(test_older_totals_are_torn),
        FOR_REDIS(test_both_older_is_a_store_that_went_back),
        FOR_REDIS(test_a_part_of_the_proof_lost_is_torn),
        FOR_REDIS(test_ledger_and_mark_lost_together_is_torn),
        FOR_REDIS(test_both_lost_is_no_lost_mark),
        FOR_REDIS(test_a_total_changed_by_hand_is_torn),
        FOR_REDIS(test_what_fails_leaves_the_proof),
        FOR_REDIS(test_a_repair_trusts_the_totals),
        FOR_REDIS(test_a_repair_takes_a_number),
        FOR_REDIS(test_a_repair_adds_pages_up),
        FOR_REDIS(test_numbers_of_nonsense_are_repaired),
        FOR_REDIS(test_a_sound_site_is_only_repaired_by_force),
        FOR_REDIS(test_a_ledger_that_is_no_hash_is_repaired),
        FOR_REDIS(test_a_store_from_before_a_repair_is_a_store_that_went_back),
        FOR_REDIS(test_data_of_an_older_version_is_adopted),
        FOR_REDIS(test_data_that_was_unused_for_long_is_proven_at_once),
        FOR_REDIS(test_totals_without_a_ledger_are_adopted),
        FOR_REDIS(test_an_older_version_that_writes_beside_is_not_torn),
        FOR_REDIS(test_the_proof_is_armed_when_the_older_version_has_stopped),
        FOR_REDIS(test_what_an_older_version_left_in_a_journal_counts),
        FOR_REDIS(test_the_sweep_of_an_older_version_leaves_the_proof),
        FOR_REDIS(test_the_mark_takes_no_place_of_a_page),
        FOR_REDIS(test_lists_do_not_show_the_mark),
        FOR_REDIS(test_edits_keep_the_proof),
        FOR_REDIS(test_edits_leave_no_total_below_zero),
        FOR_REDIS(test_edits_are_refused_where_a_site_is_torn),
        FOR_REDIS(test_edits_know_that_a_mark_is_lost),
        FOR_REDIS(test_edits_begin_a_proof),
        FOR_REDIS(test_edits_adopt_data_of_an_older_version),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("store_proof", tests, NULL, NULL);
}
