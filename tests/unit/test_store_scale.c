/* SPDX-License-Identifier: MIT */
/*
 * Many visitors, and a flood of invented pages: how exact the numbers of visitors are, and that a
 * limit on pages keeps the store from growing. Each test runs against both stores.
 */
#include "store_fixture.h"

#include "count/batch.h"
#include "store/stamp.h"
#include "store/token_buckets.h"

#define FLOOD 1000000
#define LIMIT 1000

/* the documented standard error of Redis' sketch, and the deviations allowed by chance */
#define REDIS_ERROR 0.0081
#define DEVIATIONS  3

/* well mixed, and the same in each run (Steele, Lea, Flood: SplitMix) */
static uint64_t hash_of(uint64_t number)
{
    uint64_t z = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* adds visitors `first` to `first` + BATCH_VISITORS_MAX - 1; returns the number of visitors then */
static uint64_t bring_visitors(struct fixture *fixture, uint64_t sequence, uint64_t first)
{
    static struct store_visitor visitors[BATCH_VISITORS_MAX];
    struct store_entry entry = entry_of("/", BATCH_VISITORS_MAX);
    struct store_batch batch = batch_of(EPOCH_A, sequence, BATCH_VISITORS_MAX, &entry, 1);
    struct answer answer;

    for (uint64_t i = 0; i < BATCH_VISITORS_MAX; i++) {
        visitors[i] = (struct store_visitor){hash_of(first + i), 0};
    }
    entry.wants_uniques = true;
    batch.visitors = visitors;
    batch.visitor_count = BATCH_VISITORS_MAX;
    answer = apply_batch(fixture, &batch);
    assert_int_equal(answer.outcome, STORE_OK);
    return answer.uniques[0];
}

static void check_error(const struct fixture *fixture, uint64_t visitors, uint64_t told)
{
    double error = ((double)told - (double)visitors) / (double)visitors;

    print_message("%s: %llu visitors are told as %llu: %+.2f %%\n", fixture->backend->name,
                  (unsigned long long)visitors, (unsigned long long)told, 100 * error);
    if (fixture->backend == &sqlite_backend) {
        assert_true(told == visitors);
    } else {
        assert_true(error < DEVIATIONS * REDIS_ERROR && error > -DEVIATIONS * REDIS_ERROR);
    }
}

static void test_visitors_are_counted_well(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t sequence = 1;
    uint64_t told;

    check_error(fixture, 1000, bring_visitors(fixture, sequence++, 0));
    for (uint64_t first = 1000; first < 100000; first += BATCH_VISITORS_MAX) {
        told = bring_visitors(fixture, sequence++, first);
    }
    check_error(fixture, 100000, told);
    told = bring_visitors(fixture, sequence++, 50000); /* known visitors */
    check_error(fixture, 100000, told);
}

/* --- a flood --- */

/* the size of the store: memory, or bytes of the file; opens the store again */
static uint64_t size_of_store(struct fixture *fixture)
{
    char command[512];
    char line[64] = "0";
    struct stat status;
    FILE *pipe;

    close_store(fixture);
    if (fixture->backend == &sqlite_backend) {
        assert_int_equal(stat(fixture->path, &status), 0);
        open_store(fixture);
        return (uint64_t)status.st_size;
    }
    /* only the memory of its keys: the memory of the server includes connections */
    snprintf(
        command, sizeof(command),
        "redis-cli -s %s eval \"local sum = 0; for _, key in ipairs(redis.call('KEYS', '*')) do"
        " sum = sum + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) end; return sum\" 0",
        fixture->path);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof(line), pipe));
    pclose(pipe);
    open_store(fixture);
    return strtoull(line, NULL, 10);
}

/* visits PAGES_MAX new pages; returns how many of the visits were counted */
static size_t visit_new_pages(struct fixture *fixture, uint64_t sequence)
{
    static char names[PAGES_MAX][32];
    struct store_entry entries[PAGES_MAX];
    struct store_batch batch = batch_of(EPOCH_A, sequence, PAGES_MAX, entries, PAGES_MAX);
    struct answer answer;
    size_t counted = 0;

    for (uint64_t i = 0; i < PAGES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "/%016llx",
                 (unsigned long long)hash_of(sequence * PAGES_MAX + i));
        entries[i] = entry_of(names[i], 1);
    }
    batch.pages_max = LIMIT;
    answer = apply_batch(fixture, &batch);
    assert_int_equal(answer.outcome, STORE_OK);
    for (size_t i = 0; i < PAGES_MAX; i++) {
        counted += answer.totals[i] != STORE_NONE ? 1 : 0;
    }
    return counted;
}

static void test_a_flood_of_new_pages_does_not_fill_the_store(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t sequence = 1;
    size_t counted = 0;
    uint64_t before;
    uint64_t after;

    while (counted < LIMIT) {
        counted += visit_new_pages(fixture, sequence++);
    }
    visit_new_pages(fixture, sequence++);
    before = size_of_store(fixture);
    while (sequence <= FLOOD / PAGES_MAX) {
        counted += visit_new_pages(fixture, sequence++);
    }
    after = size_of_store(fixture);
    print_message("%s: %d made-up pages against a limit of %d: %llu bytes, then %llu\n",
                  fixture->backend->name, FLOOD, LIMIT, (unsigned long long)before,
                  (unsigned long long)after);
    assert_int_equal(counted, LIMIT);
    assert_true(total_of(fixture, "default", "") == LIMIT);
    assert_true(after < before + 65536);
}

/* --- tokens --- */

/* tokens of a batch under load; batches and buckets end at different places */
#define TOKENS_AT_ONCE 37

/*
 * adds tokens of STAMP_LENGTH bytes, or of the greatest length if they are a client's;
 * `in_a_bucket` of them have stamps in the same four milliseconds, or are page views of the same
 * bucket
 */
static void bring_tokens(struct fixture *fixture, enum store_window window, uint64_t first,
                         uint64_t in_a_bucket)
{
    static char bytes[TOKENS_AT_ONCE][STORE_TOKEN_MAX];
    static struct store_token tokens[TOKENS_AT_ONCE];
    struct store_entry entry = entry_of("/", TOKENS_AT_ONCE);
    size_t length = window == STORE_WINDOW_CLIENT ? STORE_TOKEN_MAX
                    : window == STORE_WINDOW_VIEW ? STORE_VIEW_LENGTH
                                                  : STAMP_LENGTH;
    struct store_batch batch =
        batch_of(EPOCH_A, ledger_of(fixture, EPOCH_A) + 1, TOKENS_AT_ONCE, &entry, 1);

    for (uint64_t i = 0; i < TOKENS_AT_ONCE; i++) {
        uint64_t bucket = (first + i) / in_a_bucket;

        stamp_write((struct stamp){4 * bucket, hash_of(first + i)}, bytes[i]);
        if (window == STORE_WINDOW_VIEW) {
            memmove(bytes[i], bytes[i] + STAMP_ID_AT, STORE_VIEW_LENGTH);
        }
        tokens[i] = (struct store_token){bytes[i], length, 0, window};
    }
    if (window == STORE_WINDOW_VIEW) {
        batch.second = TOKEN_BUCKET_VIEW_S * (first / in_a_bucket);
    }
    batch.tokens = tokens;
    batch.token_count = TOKENS_AT_ONCE;
    assert_int_equal(apply_batch(fixture, &batch).outcome, STORE_OK);
}

static double bytes_of_a_token(struct fixture *fixture, enum store_window window,
                               uint64_t in_a_bucket)
{
    static uint64_t first;
    uint64_t count = 0;
    uint64_t before;

    bring_tokens(fixture, window, first += 1000000000, in_a_bucket); /* the fixed costs */
    first += 1000000000;
    before = size_of_store(fixture);
    for (; count < 100000; count += TOKENS_AT_ONCE) {
        bring_tokens(fixture, window, first + count, in_a_bucket);
    }
    return (double)(size_of_store(fixture) - before) / (double)count;
}

/* the sizes in docs/redis.md */
static void test_redis_room_for_tokens(void **state)
{
    static const struct {
        const char *name;
        enum store_window window;
        uint64_t in_a_bucket;
        double bytes_max;
    } kinds[] = {{"a stamp, of 100,000 a second", STORE_WINDOW_STAMPED, 400, 20},
                 {"a stamp, of 10,000 a second", STORE_WINDOW_STAMPED, 40, 25},
                 {"a stamp, of 1,000 a second", STORE_WINDOW_STAMPED, 4, 40},
                 {"a stamp, of less than 100 a second", STORE_WINDOW_STAMPED, 1, 120},
                 {"a stamp, of 1,000,000 a second", STORE_WINDOW_STAMPED, 4000, 80},
                 {"a page view, of 1,000 a second", STORE_WINDOW_VIEW, 150000, 20},
                 {"a page view, of 100 a second", STORE_WINDOW_VIEW, 15000, 20},
                 {"a page view, of 10 a second", STORE_WINDOW_VIEW, 1500, 40},
                 {"a page view, of 1 a second", STORE_WINDOW_VIEW, 150, 120},
                 {"another token of a proxy", STORE_WINDOW_ATTEMPT, 1, 80},
                 {"an Idempotency-Key of 128 characters", STORE_WINDOW_CLIENT, 1, 80}};
    struct fixture *fixture = open_fixture(state);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        double bytes = bytes_of_a_token(fixture, kinds[i].window, kinds[i].in_a_bucket);

        print_message("Redis keeps %s, in %.1f bytes\n", kinds[i].name, bytes);
        assert_true(bytes > 7 && bytes <= kinds[i].bytes_max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_visitors_are_counted_well),
        FOR_BOTH(test_a_flood_of_new_pages_does_not_fill_the_store),
        FOR_REDIS(test_redis_room_for_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
