/* SPDX-License-Identifier: MIT */
/*
 * Stamps in the contract of store.h: a visit that arrives again counts once, at any time and
 * through any instance. Each test runs against both stores. A few check Redis' keys.
 */
#include "store_fixture.h"

#include "base/log.h"
#include "store/token_key.h"

/* the length of Redis' buckets of stamps */
#define BUCKET_MS 4

/* a time some hours ahead, because stores expire old stamps by their own clocks */
static uint64_t now_s(void)
{
    return (HOUR + 3) * 3600;
}

static struct stamp stamp_at(uint64_t ms, uint64_t id)
{
    return (struct stamp){1000 * now_s() + ms, id};
}

/* applies the next batch of EPOCH_A: visits of "/", all with stamps */
static struct answer apply_stamps_at(struct fixture *fixture, uint64_t second,
                                     const struct stamp *stamps, size_t count)
{
    static char bytes[TOKENS_MAX][STAMP_LENGTH];
    static struct store_token tokens[TOKENS_MAX];
    struct store_entry entry = entry_of("/", count);
    struct store_batch batch = batch_of(EPOCH_A, ledger_of(fixture, EPOCH_A) + 1, count, &entry, 1);
    struct answer answer;

    for (size_t i = 0; i < count; i++) {
        stamp_write(stamps[i], bytes[i]);
        tokens[i] = (struct store_token){bytes[i], STAMP_LENGTH, 0, STORE_WINDOW_STAMPED};
    }
    batch.second = second;
    batch.hour = second / 3600;
    batch.tokens = tokens;
    batch.token_count = count;
    answer = apply_batch(fixture, &batch);
    assert_int_equal(answer.outcome, STORE_OK);
    return answer;
}

static bool repeats_at(struct fixture *fixture, uint64_t second, struct stamp stamp)
{
    uint64_t before = total_of(fixture, "default", "/");
    struct answer answer = apply_stamps_at(fixture, second, &stamp, 1);

    assert_total(answer, 0, before + (answer.duplicates[0] ? 0 : 1));
    return answer.duplicates[0];
}

static bool repeats(struct fixture *fixture, struct stamp stamp)
{
    return repeats_at(fixture, now_s(), stamp);
}

static void test_a_stamp_counts_once(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_false(repeats(fixture, stamp_at(7, 1)));
    for (int i = 0; i < 3; i++) {
        assert_true(repeats(fixture, stamp_at(7, 1)));
    }
    assert_false(repeats(fixture, stamp_at(7, 2)));
    assert_true(repeats(fixture, stamp_at(7, 1)));
    assert_true(total_of(fixture, "default", "/") == 2);
}

/* ids are random and may be any number */
static void test_ids_are_any_number(void **state)
{
    static const uint64_t ids[] = {0,         1,          10,         UINT64_MAX,    INT64_MAX,
                                   INT64_MIN, 1ULL << 32, UINT32_MAX, UINT64_MAX - 1};
    struct fixture *fixture = open_fixture(state);

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
            assert_int_equal(repeats(fixture, stamp_at(0, ids[i])), round == 1);
        }
    }
}

/* the same id in another bucket belongs to another request */
static void test_times_tell_stamps_apart(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (int round = 0; round < 2; round++) {
        assert_int_equal(repeats(fixture, stamp_at(0, 5)), round == 1);
        assert_int_equal(repeats(fixture, stamp_at(BUCKET_MS, 5)), round == 1);
        assert_int_equal(repeats(fixture, stamp_at(60000, 5)), round == 1);
        assert_int_equal(repeats(fixture, (struct stamp){0, 5}), round == 1);
        assert_int_equal(repeats(fixture, (struct stamp){UINT64_MAX, 5}), round == 1);
    }
}

/* clocks of instances differ from each other and from the proxy's clock */
static void test_instances_clocks_do_not_matter(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static const int64_t proxy_is_off_s[] = {0, 1, -1, 3600, -86400};

    for (size_t i = 0; i < sizeof(proxy_is_off_s) / sizeof(proxy_is_off_s[0]); i++) {
        struct stamp stamp = stamp_at((uint64_t)(1000 * proxy_is_off_s[i]), i);

        assert_false(repeats_at(fixture, now_s(), stamp));
        assert_true(repeats_at(fixture, now_s() + 1, stamp));
        assert_true(repeats_at(fixture, now_s() + 15, stamp));
        assert_true(repeats_at(fixture, now_s() - 15, stamp));
    }
}

static void test_a_stamp_twice_in_one_batch(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct stamp stamps[] = {stamp_at(1, 7), stamp_at(900, 7), stamp_at(1, 7), stamp_at(1, 8),
                             stamp_at(1, 7)};
    struct answer answer = apply_stamps_at(fixture, now_s(), stamps, 5);

    assert_total(answer, 0, 3);
    assert_int_equal(answer.duplicates[0] + answer.duplicates[2] + answer.duplicates[4], 2);
    assert_false(answer.duplicates[1]);
    assert_false(answer.duplicates[3]);
}

static void test_windows_do_not_mix(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char bytes[STAMP_LENGTH];
    struct store_entry entry = entry_of("/", 4);
    struct store_token tokens[STORE_WINDOW_COUNT];
    struct store_batch batch = batch_of(EPOCH_B, 1, 4, &entry, 1);
    struct answer answer;

    assert_false(repeats(fixture, stamp_at(0, 1)));
    stamp_write(stamp_at(0, 1), bytes);
    for (int window = 0; window < STORE_WINDOW_COUNT; window++) {
        tokens[window] = (struct store_token){bytes, STAMP_LENGTH, 0, (enum store_window)window};
    }
    batch.second = now_s();
    batch.tokens = tokens;
    batch.token_count = STORE_WINDOW_COUNT;
    answer = apply_batch(fixture, &batch);
    for (int window = 0; window < STORE_WINDOW_COUNT; window++) {
        assert_int_equal(answer.duplicates[window], window == STORE_WINDOW_STAMPED);
    }
    assert_total(answer, 0, 4);
}

/*
 * as many stamps as fit into a batch, each in a bucket of its own, with repetitions among new ones
 */
static void test_many_stamps(void **state)
{
    static struct stamp stamps[TOKENS_MAX];
    struct fixture *fixture = open_fixture(state);

    for (uint64_t buckets = 1; buckets <= TOKENS_MAX; buckets *= 10) {
        uint64_t before = total_of(fixture, "default", "/");

        for (uint64_t i = 0; i < TOKENS_MAX; i++) {
            stamps[i] = stamp_at(i % buckets * BUCKET_MS, i + 1000000 * buckets);
        }
        for (int round = 0; round < 2; round++) {
            struct answer answer = apply_stamps_at(fixture, now_s(), stamps, TOKENS_MAX);

            assert_total(answer, 0, before + TOKENS_MAX);
            for (size_t i = 0; i < TOKENS_MAX; i++) {
                assert_int_equal(answer.duplicates[i], round == 1);
            }
        }
        /* the positions in the answer show which ones were repetitions */
        for (size_t i = 0; i < TOKENS_MAX; i += 3) {
            stamps[i].id += 1ULL << 40;
        }
        struct answer answer = apply_stamps_at(fixture, now_s(), stamps, TOKENS_MAX);

        for (size_t i = 0; i < TOKENS_MAX; i++) {
            assert_int_equal(answer.duplicates[i], i % 3 != 0);
        }
    }
}

/* a refused visit may come again: the site has no room for its page now, but has some later */
static void test_what_is_refused_is_not_remembered(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char bytes[3][STAMP_LENGTH];
    struct store_entry entries[] = {entry_of("/", 1), entry_of("/new", 2)};
    struct store_token tokens[3];

    for (uint64_t i = 0; i < 3; i++) {
        stamp_write(stamp_at(0, i), bytes[i]);
        tokens[i] =
            (struct store_token){bytes[i], STAMP_LENGTH, i == 0 ? 0 : 1, STORE_WINDOW_STAMPED};
    }
    for (uint64_t round = 1; round <= 3; round++) {
        struct store_batch batch = batch_of(EPOCH_A, round, 3 * round, entries, 2);
        struct answer answer;

        batch.second = now_s();
        batch.tokens = tokens;
        batch.token_count = 3;
        batch.pages_max = round == 1 ? 1 : 2;
        answer = apply_batch(fixture, &batch);
        assert_total(answer, 0, 1);
        assert_total(answer, 1, round == 1 ? STORE_NONE : 2);
        assert_int_equal(answer.duplicates[0], round != 1);
        assert_int_equal(answer.duplicates[1], round == 3);
        assert_int_equal(answer.duplicates[2], round == 3);
    }
}

static void test_keeps_stamps(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_false(repeats(fixture, stamp_at(0, 1)));
    close_store(fixture);
    open_store(fixture);
    assert_true(repeats(fixture, stamp_at(0, 1)));
}

/* ---- Redis ---- */

/*
 * asks for the bucket at the time 0; `rest` has further arguments, or "more" for its additional set
 */
static const char *ask_bucket(struct fixture *fixture, const char *command, const char *rest)
{
    bool is_more = strcmp(rest, "more") == 0;
    char text[128];

    snprintf(text, sizeof(text), "%s vc:{default}:stamps:%s%llu%s", command, is_more ? "more:" : "",
             (unsigned long long)(1000 * now_s() / BUCKET_MS), is_more ? "" : rest);
    return redis_server_ask(fixture->path, text);
}

/* the id that the store keeps as `kept` on the page "/" */
static uint64_t id_of(uint64_t kept)
{
    return kept ^ token_key_page("/", 1);
}

/* stamps are cheap: 8 bytes each, in one string */
static void test_redis_keeps_ids_in_a_row(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct stamp stamps[2] = {stamp_at(0, id_of(UINT64_C(0x4142434445464748))),
                              stamp_at(1, id_of(UINT64_C(0x6162636465666768)))};

    apply_stamps_at(fixture, now_s(), stamps, 2);
    assert_string_equal(ask_bucket(fixture, "GET", ""), "$16\r\nABCDEFGHabcdefgh\r\n");
    assert_true(repeats(fixture, stamps[0]));
    assert_string_equal(ask_bucket(fixture, "STRLEN", ""), ":16\r\n");
}

/* bytes that equal an id, but are the end of one id and the start of the next one */
static void test_redis_knows_where_ids_begin(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct stamp stamps[3] = {stamp_at(0, id_of(UINT64_C(0x0102030401020304))),
                              stamp_at(0, id_of(UINT64_C(0x0102030401020305))),
                              stamp_at(0, id_of(UINT64_C(0x0304010203050102)))};

    assert_total(apply_stamps_at(fixture, now_s(), stamps, 3), 0, 3);
    assert_false(repeats(fixture, stamp_at(0, id_of(UINT64_C(0x0401020304010203)))));
    assert_false(repeats(fixture, stamp_at(0, id_of(UINT64_C(0x0102030501020304)))));
    /* the first match is not at the start of an id, the second one is */
    assert_false(repeats(fixture, stamp_at(0, id_of(UINT64_C(0x0304010203040102)))));
    assert_true(repeats(fixture, stamp_at(0, id_of(UINT64_C(0x0304010203040102)))));
    for (size_t i = 0; i < 3; i++) {
        assert_true(repeats(fixture, stamps[i]));
    }
    assert_true(total_of(fixture, "default", "/") == 6);
}

/* ids beyond the length of the string go into a set */
static void test_redis_puts_more_into_a_set(void **state)
{
    static struct stamp stamps[1000];
    struct fixture *fixture = open_fixture(state);

    for (uint64_t batch = 0; batch < 4; batch++) {
        for (uint64_t i = 0; i < 1000; i++) {
            stamps[i] = stamp_at(i % BUCKET_MS, 1000 * batch + i);
        }
        stamps[999].id = stamps[998].id - 2; /* a repetition of 996, which has the same time */
        stamps[999].ms = stamps[996].ms;
        assert_total(apply_stamps_at(fixture, now_s(), stamps, 1000), 0, 999 * (batch + 1));
    }
    /* there was room for the second batch, but not for the third */
    assert_string_equal(ask_bucket(fixture, "STRLEN", ""), ":15984\r\n");
    assert_string_equal(ask_bucket(fixture, "SCARD", "more"), ":1998\r\n");
    assert_in_range(atoi(ask_bucket(fixture, "TTL", "more") + 1), 58, 61);
    for (uint64_t id = 0; id < 3999; id += id % 1000 == 998 ? 2 : 1) {
        if (id % 37 == 0 || id % 1000 > 990) {
            assert_true(repeats(fixture, stamp_at(id % BUCKET_MS, id)));
        }
    }
    assert_false(repeats(fixture, stamp_at(0, 5000)));
    assert_string_equal(ask_bucket(fixture, "SCARD", "more"), ":1999\r\n");
    /* without the string, the set is not searched */
    ask_bucket(fixture, "EXPIRE", " 30");
    assert_false(repeats(fixture, stamp_at(0, 5001)));
    assert_in_range(atoi(ask_bucket(fixture, "TTL", "") + 1), 58, 61);
}

/* three windows after its last stamp */
static void test_redis_buckets_expire(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_false(repeats(fixture, stamp_at(0, 1)));
    assert_in_range(atoi(ask_bucket(fixture, "TTL", "") + 1), 58, 61);
    ask_bucket(fixture, "EXPIRE", " 30");
    assert_false(repeats(fixture, stamp_at(1, 2)));
    assert_in_range(atoi(ask_bucket(fixture, "TTL", "") + 1), 58, 61);
    close_store(fixture);
    fixture->keep_tokens_ms = 600000;
    open_store(fixture);
    assert_false(repeats(fixture, stamp_at(1, 3)));
    assert_in_range(atoi(ask_bucket(fixture, "TTL", "") + 1), 658, 661);
}

/* an error reply means that nothing was applied */
static void test_redis_applies_nothing_of_what_fails(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char bytes[2][STAMP_LENGTH];
    struct store_entry entry = entry_of("/", 2);
    struct store_token tokens[2];
    struct store_batch batch = batch_of(EPOCH_A, 1, 2, &entry, 1);
    struct answer answer;

    for (uint64_t i = 0; i < 2; i++) {
        stamp_write(stamp_at(5000 * (1 - i), 9), bytes[i]);
        tokens[i] = (struct store_token){bytes[i], STAMP_LENGTH, 0, STORE_WINDOW_STAMPED};
    }
    batch.second = now_s();
    batch.tokens = tokens;
    batch.token_count = 2;
    assert_string_equal(ask_bucket(fixture, "SADD", " wrong"), ":1\r\n");
    answer = apply_batch(fixture, &batch);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_non_null(strstr(answer.reason, "WRONGTYPE"));
    assert_string_equal(ask_bucket(fixture, "DEL", ""), ":1\r\n");
    assert_string_equal(redis_server_ask(fixture->path, "DBSIZE"), ":0\r\n");
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_a_stamp_counts_once),
        FOR_BOTH(test_ids_are_any_number),
        FOR_BOTH(test_times_tell_stamps_apart),
        FOR_BOTH(test_instances_clocks_do_not_matter),
        FOR_BOTH(test_a_stamp_twice_in_one_batch),
        FOR_BOTH(test_windows_do_not_mix),
        FOR_BOTH(test_many_stamps),
        FOR_BOTH(test_what_is_refused_is_not_remembered),
        FOR_BOTH(test_keeps_stamps),
        FOR_REDIS(test_redis_keeps_ids_in_a_row),
        FOR_REDIS(test_redis_knows_where_ids_begin),
        FOR_REDIS(test_redis_puts_more_into_a_set),
        FOR_REDIS(test_redis_buckets_expire),
        FOR_REDIS(test_redis_applies_nothing_of_what_fails),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("store_stamps", tests, NULL, NULL);
}
