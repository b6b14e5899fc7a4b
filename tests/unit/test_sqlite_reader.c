/* SPDX-License-Identifier: MIT */
/* Reads of a SQLite store run in parallel to visits: the connection, the thread and the log. */
#include "sqlite_fixture.h"

#define READS 200

/* reads of the test; `answered` counts them, and other answers that take a position */
struct asked {
    struct fixture *fixture;
    int answered;
    int wanted; /* the loop stops after this many answers */
};

struct read {
    struct asked *asked;
    int calls;
    int position;
    enum store_outcome outcome;
    size_t count;
    uint64_t first; /* total of the first page */
    struct store_ranking ranking;
    struct store_query query;
    struct store_span span;
};

static void take_position(struct asked *asked, int *ret_position)
{
    *ret_position = asked->answered++;
    if (asked->answered == asked->wanted) {
        loop_stop(asked->fixture->loop);
    }
}

static void wait_for(struct asked *asked, int wanted)
{
    asked->wanted = wanted;
    while (asked->answered < wanted) {
        run_loop(asked->fixture);
    }
}

static void on_pages(void *data, const struct store_pages *pages)
{
    struct read *read = data;

    read->calls++;
    read->outcome = pages->outcome;
    read->count = pages->count;
    read->first = pages->count != 0 ? pages->pages[0].total : 0;
    take_position(read->asked, &read->position);
}

static void on_numbers(void *data, const struct store_read *result)
{
    struct read *read = data;

    read->calls++;
    read->outcome = result->outcome;
    read->first = result->outcome == STORE_OK ? result->numbers[0] : 0;
    take_position(read->asked, &read->position);
}

static void on_steps(void *data, const struct store_series *series)
{
    struct read *read = data;

    read->calls++;
    read->outcome = series->outcome;
    read->count = series->count;
    take_position(read->asked, &read->position);
}

static void ask_top(struct asked *asked, struct read *read, size_t count, bool for_operator)
{
    *read = (struct read){.asked = asked};
    read->ranking =
        (struct store_ranking){.site = "default", .count = count, .for_operator = for_operator};
    store_top(asked->fixture->store, &read->ranking, on_pages, read);
}

/* adds a site with so many pages that its top list takes some time */
static void add_pages(struct fixture *fixture, int count)
{
    char sql[512];

    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO hits (site, page, total) SELECT 'default', '/page/' || i, i FROM n",
             count);
    change(fixture, sql);
}

static uint64_t transactions(struct fixture *fixture)
{
    return health_of(fixture).commands;
}

/* --- one answer for identical questions --- */

static void test_identical_reads_share_one_answer(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct asked asked = {.fixture = fixture};
    struct read *reads = calloc(READS, sizeof(*reads));
    uint64_t before;

    add_pages(fixture, 1000);
    before = transactions(fixture);
    for (int i = 0; i < READS; i++) {
        ask_top(&asked, &reads[i], 10, false);
    }
    wait_for(&asked, READS);
    assert_true(transactions(fixture) - before == 1);
    for (int i = 0; i < READS; i++) {
        assert_int_equal(reads[i].calls, 1);
        assert_int_equal(reads[i].outcome, STORE_OK);
        assert_int_equal(reads[i].count, 10);
        assert_true(reads[i].first == 1000);
    }
    free(reads);
}

/* each differs from the first in one thing */
static void test_different_reads_have_answers_of_their_own(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct asked asked = {.fixture = fixture};
    struct store_entry pages[] = {entry_of("/page/7", 1), entry_of("/page/8", 1)};
    const struct store_query queries[] = {
        {.site = "default", .pages = pages, .page_count = 1},
        {.site = "default", .pages = pages + 1, .page_count = 1},
        {.site = "default", .pages = pages, .page_count = 2},
        {.site = "other", .pages = pages, .page_count = 1},
        {.site = "default", .pages = pages, .page_count = 1, .kind = STORE_DAYS, .to_day = 9},
        {.site = "default", .pages = pages, .page_count = 1, .kind = STORE_DAYS, .to_day = 8},
        {.site = "default", .pages = pages, .page_count = 1, .kind = STORE_UNIQUES, .to_day = 9},
    };
    const uint64_t numbers[] = {7, 8, 7, 0, 0, 0, 0};
    const struct store_span spans[] = {
        {.site = "default", .page = "/", .page_length = 1, .to = 9},
        {.site = "default", .page = "/", .page_length = 1, .from = 1, .to = 9},
        {.site = "default", .page = "/", .page_length = 1, .to = 8},
        {.site = "default", .page = "/", .page_length = 1, .to = 9, .is_unique = true},
        {.site = "default", .page = "/", .page_length = 1, .to = 9, .step = STORE_BY_HOUR},
        {.site = "default", .page = "", .page_length = 0, .to = 9},
    };
    enum { QUERIES = sizeof(queries) / sizeof(*queries), SPANS = sizeof(spans) / sizeof(*spans) };
    struct read reads[QUERIES + SPANS];
    uint64_t before;

    add_pages(fixture, 10);
    before = transactions(fixture);
    for (size_t i = 0; i < QUERIES; i++) {
        reads[i] = (struct read){.asked = &asked, .query = queries[i]};
        store_read(fixture->store, &reads[i].query, on_numbers, &reads[i]);
    }
    for (size_t i = 0; i < SPANS; i++) {
        struct read *read = &reads[QUERIES + i];

        *read = (struct read){.asked = &asked, .span = spans[i]};
        store_series(fixture->store, &read->span, on_steps, read);
    }
    wait_for(&asked, QUERIES + SPANS);
    assert_true(transactions(fixture) - before == QUERIES + SPANS);
    for (size_t i = 0; i < QUERIES; i++) {
        assert_true(reads[i].first == numbers[i]);
    }
    for (size_t i = 0; i < SPANS; i++) {
        assert_int_equal(reads[QUERIES + i].count, spans[i].to - spans[i].from + 1);
    }
}

/* --- order of reads and visits --- */

struct visit {
    struct asked *asked;
    int position;
};

static void on_visit(void *data, const struct store_applied *applied)
{
    struct visit *visit = data;

    assert_int_equal(applied->outcome, STORE_OK);
    take_position(visit->asked, &visit->position);
}

static void test_visits_do_not_wait_for_reads(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct asked asked = {.fixture = fixture};
    struct read *reads = calloc(READS, sizeof(*reads));
    struct store_entry entry = entry_of("/", 1);
    struct store_batch batch = batch_of(EPOCH_A, 1, 1, &entry, 1);
    struct visit visit = {.asked = &asked};

    add_pages(fixture, 50000);
    for (int i = 0; i < READS; i++) {
        ask_top(&asked, &reads[i], (size_t)i + 1, false);
    }
    store_apply(fixture->store, &batch, on_visit, &visit);
    wait_for(&asked, READS + 1);
    assert_in_range(visit.position, 0, READS / 2);
    free(reads);
}

/* a read that starts after a visit was answered, while an identical read runs for another client */
struct looker {
    struct asked *asked;
    struct read own;
    struct read others;
};

static void on_visit_looked_at(void *data, const struct store_applied *applied)
{
    struct looker *looker = data;

    assert_int_equal(applied->outcome, STORE_OK);
    ask_top(looker->asked, &looker->own, 10, false);
}

static void test_a_read_does_not_join_one_that_runs(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct asked asked = {.fixture = fixture};
    struct looker looker = {.asked = &asked};
    struct store_entry entry = entry_of("/first", 1000000);

    add_pages(fixture, 50000);
    for (uint64_t round = 1; round <= 20; round++) {
        struct store_batch batch = batch_of(EPOCH_A, round, 1000000 * round, &entry, 1);

        ask_top(&asked, &looker.others, 10, false); /* starts at the end of this turn */
        store_apply(fixture->store, &batch, on_visit_looked_at, &looker);
        wait_for(&asked, (int)(2 * round));
        assert_true(looker.own.first == 1000000 * round);
    }
}

static void test_reads_of_operators_go_first(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct asked asked = {.fixture = fixture};
    struct read *reads = calloc(READS + 1, sizeof(*reads));

    add_pages(fixture, 1000);
    for (int i = 0; i < READS; i++) {
        ask_top(&asked, &reads[i], (size_t)i + 1, false);
    }
    ask_top(&asked, &reads[READS], 5, true);
    wait_for(&asked, READS + 1);
    assert_int_equal(reads[READS].position, 0);
    for (int i = 1; i < READS; i++) { /* the others keep their order */
        assert_true(reads[i].position > reads[i - 1].position);
    }
    free(reads);
}

static void test_the_end_answers_all_reads(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct asked asked = {.fixture = fixture};
    struct read *reads = calloc(READS, sizeof(*reads));

    add_pages(fixture, 50000);
    for (int i = 0; i < READS; i++) {
        ask_top(&asked, &reads[i], (size_t)i / 2 + 1, i % 5 == 0);
    }
    wait_for(&asked, 1);
    close_store(fixture);
    assert_int_equal(asked.answered, READS);
    for (int i = 0; i < READS; i++) {
        assert_int_equal(reads[i].calls, 1);
    }
    free(reads);
}

/* --- the log --- */

static uint64_t log_bytes(const struct fixture *fixture)
{
    char path[128];
    struct stat status;

    snprintf(path, sizeof(path), "%s-wal", fixture->path);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* repeats its read, so that two reads are open at any time */
struct asker {
    struct read read;
    size_t count;
    bool is_ending;
    bool is_open;
};

static void on_asked(void *data, const struct store_pages *pages)
{
    struct asker *asker = data;

    assert_int_equal(pages->outcome, STORE_OK);
    asker->is_open = !asker->is_ending;
    if (asker->is_open) {
        asker->read.ranking.count = asker->count++ % 500 + 1;
        store_top(asker->read.asked->fixture->store, &asker->read.ranking, on_asked, asker);
    }
}

static void test_reads_without_end_do_not_make_the_log_endless(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct asked asked = {.fixture = fixture};
    struct asker askers[3] = {0};
    struct store_entry entries[PAGES_MAX];
    static char names[PAGES_MAX][600];
    uint64_t largest = 0;

    add_pages(fixture, 20000);
    for (size_t i = 0; i < 3; i++) {
        askers[i] = (struct asker){.count = 100 * i + 1, .is_open = true};
        askers[i].read = (struct read){.asked = &asked};
        askers[i].read.ranking = (struct store_ranking){.site = "default", .count = 100 * i + 1};
        store_top(fixture->store, &askers[i].read.ranking, on_asked, &askers[i]);
    }
    for (uint64_t batch = 1; batch <= 40; batch++) {
        for (int i = 0; i < PAGES_MAX; i++) { /* long names in no order: a page of the file each */
            snprintf(names[i], sizeof(names[i]), "/%08lx%0480d",
                     (unsigned long)((batch * PAGES_MAX + (uint64_t)i) * 2654435761u % 0xffffffff),
                     0);
            entries[i] = entry_of(names[i], 1);
        }
        apply_entries(fixture, EPOCH_A, batch, entries, PAGES_MAX);
        largest = log_bytes(fixture) > largest ? log_bytes(fixture) : largest;
    }
    for (size_t i = 0; i < 3; i++) {
        askers[i].is_ending = true;
    }
    assert_in_range(largest, 1, 64 << 20);
    while (askers[0].is_open || askers[1].is_open || askers[2].is_open) {
        read_entries(fixture, "default", entries, 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_sqlite, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_identical_reads_share_one_answer),
        TEST(test_different_reads_have_answers_of_their_own),
        TEST(test_visits_do_not_wait_for_reads),
        TEST(test_a_read_does_not_join_one_that_runs),
        TEST(test_reads_of_operators_go_first),
        TEST(test_the_end_answers_all_reads),
        TEST(test_reads_without_end_do_not_make_the_log_endless),
    };

    return cmocka_run_group_tests_name("sqlite_reader", tests, NULL, NULL);
}
