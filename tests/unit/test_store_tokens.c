/* SPDX-License-Identifier: MIT */
/*
 * Tokens in the contract of store.h: a visit that arrives again counts once. Each test runs against
 * both stores. A few check the data of one store.
 */
#include "sqlite_fixture.h"

#include "base/log.h"
#include "store/token_buckets.h"

/* the lengths of Redis' buckets */
#define ATTEMPT_BUCKET_S TOKEN_BUCKET_ATTEMPT_S
#define CLIENT_BUCKET_S  TOKEN_BUCKET_CLIENT_S

/*
 * The first second of a bucket of both windows, some hours ahead, because stores expire old tokens
 * by their own clocks.
 */
static uint64_t bucket_start(void)
{
    return (HOUR + 3) * 3600;
}

static struct store_token token_of(const char *text, uint32_t entry, enum store_window window)
{
    return (struct store_token){
        .bytes = text, .length = strlen(text), .entry = entry, .window = window};
}

/* applies the next batch of EPOCH_A, with visits at `second` */
static struct answer apply_tokens_at(struct fixture *fixture, uint64_t second,
                                     const struct store_entry *entries, size_t count,
                                     const struct store_token *tokens, size_t token_count)
{
    uint64_t sequence = ledger_of(fixture, EPOCH_A) + 1;
    struct store_batch batch = batch_of(EPOCH_A, sequence, 1, entries, count);
    struct answer answer;

    batch.second = second;
    batch.hour = second / 3600;
    batch.tokens = tokens;
    batch.token_count = token_count;
    answer = apply_batch(fixture, &batch);
    assert_int_equal(answer.outcome, STORE_OK);
    assert_false(answer.is_duplicate);
    return answer;
}

/* makes one visit of "/" with a token; returns whether it was a repetition */
static bool repeats_at(struct fixture *fixture, uint64_t second, const char *text,
                       enum store_window window)
{
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = token_of(text, 0, window);
    uint64_t before = total_of(fixture, "default", "/");
    struct answer answer = apply_tokens_at(fixture, second, &entry, 1, &token, 1);

    assert_total(answer, 0, before + (answer.duplicates[0] ? 0 : 1));
    assert_true(total_of(fixture, "default", "/") == answer.totals[0]);
    return answer.duplicates[0];
}

static bool repeats(struct fixture *fixture, const char *text, enum store_window window)
{
    return repeats_at(fixture, bucket_start(), text, window);
}

/* ---- once ---- */

static void test_a_token_counts_once(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (int window = STORE_WINDOW_ATTEMPT; window <= STORE_WINDOW_CLIENT; window++) {
        assert_false(repeats(fixture, "one", (enum store_window)window));
        for (int i = 0; i < 5; i++) {
            assert_true(repeats(fixture, "one", (enum store_window)window));
        }
        assert_false(repeats(fixture, "two", (enum store_window)window));
        assert_true(repeats(fixture, "one", (enum store_window)window));
    }
    assert_true(total_of(fixture, "default", "/") == 4);
}

/* clients choose one kind and proxies the other: equal tokens of the two kinds are a coincidence */
static void test_windows_do_not_mix(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 2);
    struct store_token tokens[] = {token_of("same", 0, STORE_WINDOW_CLIENT),
                                   token_of("same", 0, STORE_WINDOW_ATTEMPT)};
    struct answer answer;

    assert_false(repeats(fixture, "id", STORE_WINDOW_ATTEMPT));
    assert_false(repeats(fixture, "id", STORE_WINDOW_CLIENT));
    assert_true(repeats(fixture, "id", STORE_WINDOW_ATTEMPT));
    assert_true(repeats(fixture, "id", STORE_WINDOW_CLIENT));
    answer = apply_tokens_at(fixture, bucket_start(), &entry, 1, tokens, 2);
    assert_total(answer, 0, 4);
    assert_false(answer.duplicates[0]);
    assert_false(answer.duplicates[1]);
}

static void test_a_token_twice_in_one_batch(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 5);
    struct store_token tokens[] = {
        token_of("a", 0, STORE_WINDOW_CLIENT), token_of("b", 0, STORE_WINDOW_CLIENT),
        token_of("a", 0, STORE_WINDOW_CLIENT), token_of("a", 0, STORE_WINDOW_CLIENT)};
    struct answer answer = apply_tokens_at(fixture, bucket_start(), &entry, 1, tokens, 4);

    assert_total(answer, 0, 3);
    assert_false(answer.duplicates[0]);
    assert_false(answer.duplicates[1]);
    assert_true(answer.duplicates[2]);
    assert_true(answer.duplicates[3]);
}

static void test_only_the_visit_of_the_token_is_left_out(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/", 3), entry_of("/b", 1), entry_of("/c", 2),
                                    entry_of("/d", 4)};
    struct store_token tokens[] = {
        token_of("seen", 0, STORE_WINDOW_ATTEMPT), token_of("new", 0, STORE_WINDOW_ATTEMPT),
        token_of("seen", 1, STORE_WINDOW_ATTEMPT), token_of("another", 2, STORE_WINDOW_CLIENT),
        token_of("seen", 3, STORE_WINDOW_CLIENT)};
    static const bool expected[] = {true, false, false, false, false};
    struct answer answer;

    assert_false(repeats(fixture, "seen", STORE_WINDOW_ATTEMPT));
    answer = apply_tokens_at(fixture, bucket_start(), entries, 4, tokens, 5);
    assert_memory_equal(answer.duplicates, expected, sizeof(expected));
    assert_total(answer, 0, 1 + 2);
    assert_total(answer, 1, 1);
    assert_total(answer, 2, 2);
    assert_total(answer, 3, 4);
}

static void test_sites_have_tokens_of_their_own(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = token_of("id", 0, STORE_WINDOW_CLIENT);
    struct store_batch batch = batch_of(EPOCH_A, 1, 1, &entry, 1);
    struct answer answer;

    assert_false(repeats(fixture, "id", STORE_WINDOW_CLIENT));
    batch.site = "another";
    batch.second = bucket_start();
    batch.tokens = &token;
    batch.token_count = 1;
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 1);
    assert_false(answer.duplicates[0]);
}

static void test_instances_share_tokens(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = token_of("id", 0, STORE_WINDOW_ATTEMPT);
    struct store_batch batch = batch_of(EPOCH_B, 1, 1, &entry, 1);
    struct answer answer;

    assert_false(repeats(fixture, "id", STORE_WINDOW_ATTEMPT));
    batch.second = bucket_start();
    batch.tokens = &token;
    batch.token_count = 1;
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 1);
    assert_true(answer.duplicates[0]);
}

static void test_tokens_are_bytes(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char longest[STORE_TOKEN_MAX + 1];
    const char *texts[] = {
        "a", "A", "aa",        "1",  "01",       "1.0",   "+1",       "'; DROP TABLE seen; --",
        "~", "!", "{default}", "%s", "\xc3\xbc", longest, longest + 1};
    struct store_entry entry = entry_of("/", 2);
    struct store_token tokens[] = {{"x\0y", 3, 0, STORE_WINDOW_CLIENT},
                                   {"x\0z", 3, 0, STORE_WINDOW_CLIENT}};
    struct answer answer;

    memset(longest, 'x', STORE_TOKEN_MAX);
    longest[STORE_TOKEN_MAX] = '\0';
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(repeats(fixture, texts[i], STORE_WINDOW_CLIENT));
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(repeats(fixture, texts[i], STORE_WINDOW_CLIENT));
    }
    answer = apply_tokens_at(fixture, bucket_start(), &entry, 1, tokens, 2);
    assert_false(answer.duplicates[0]);
    assert_false(answer.duplicates[1]);
}

/* ---- page views ---- */

/* the token of the view `number`; its first byte chooses the part of a bucket in Redis */
static struct store_token view_of(uint64_t number, char bytes[static STORE_VIEW_LENGTH])
{
    uint64_t id = htobe64(number);

    memcpy(bytes, &id, sizeof(id));
    return (struct store_token){
        .bytes = bytes, .length = STORE_VIEW_LENGTH, .window = STORE_WINDOW_VIEW};
}

/* one visit of "/" with a view's token; whether it was a repetition */
static bool views_at(struct fixture *fixture, uint64_t second, uint64_t number)
{
    char bytes[STORE_VIEW_LENGTH];
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = view_of(number, bytes);
    uint64_t before = total_of(fixture, "default", "/");
    struct answer answer = apply_tokens_at(fixture, second, &entry, 1, &token, 1);

    assert_total(answer, 0, before + (answer.duplicates[0] ? 0 : 1));
    return answer.duplicates[0];
}

static void test_a_view_counts_once(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (uint64_t start = bucket_start(); start < bucket_start() + 2 * TOKEN_BUCKET_VIEW_S;
         start += 25) {
        uint64_t number = start << 40 | start;

        assert_false(views_at(fixture, start, number));
        assert_true(views_at(fixture, start, number));
        assert_true(views_at(fixture, start + STORE_WINDOW_VIEW_S, number));
        assert_false(views_at(fixture, start, number + 1));
        assert_false(views_at(fixture, start, number ^ UINT64_C(1) << 60)); /* of another part */
        assert_true(views_at(fixture, start + 1, number ^ UINT64_C(1) << 60));
        assert_false(views_at(fixture, start + 100 * TOKEN_BUCKET_VIEW_S, number));
    }
}

/* a server's clock may be a little behind that of the one before */
static void test_views_of_servers_whose_clocks_differ(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (uint64_t into = 0; into < TOKEN_BUCKET_VIEW_S; into += 10) {
        uint64_t second = bucket_start() + into;

        assert_false(views_at(fixture, second, second));
        assert_true(views_at(fixture, second - TOKEN_BUCKET_VIEW_SKEW_S, second));
    }
}

static void test_views_of_pages_and_sites(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char bytes[2][STORE_VIEW_LENGTH];
    struct store_entry entries[] = {entry_of("/a", 3), entry_of("/b", 1)};
    struct store_token tokens[] = {view_of(1, bytes[0]), view_of(2, bytes[1]), view_of(1, bytes[0]),
                                   view_of(1, bytes[0])};
    static const bool expected[] = {false, false, true, false};
    static const bool again[] = {true, true, true, true};
    struct answer answer;

    tokens[3].entry = 1;
    answer = apply_tokens_at(fixture, bucket_start(), entries, 2, tokens, 4);
    assert_memory_equal(answer.duplicates, expected, sizeof(expected));
    assert_total(answer, 0, 2);
    assert_total(answer, 1, 1);
    answer = apply_tokens_at(fixture, bucket_start() + 60, entries, 2, tokens, 4);
    assert_memory_equal(answer.duplicates, again, sizeof(again));
    assert_total(answer, 0, 2);
}

/* more of a part than a row has room for, in this bucket and the one before */
static void test_many_views(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static char bytes[TOKENS_MAX][STORE_VIEW_LENGTH];
    static struct store_token tokens[TOKENS_MAX];
    struct store_entry entry = entry_of("/", TOKENS_MAX);
    uint64_t rounds = 3000 / TOKENS_MAX + 1;
    struct answer answer;

    for (uint64_t pass = 0; pass < 3; pass++) {
        for (uint64_t round = 0; round < rounds; round++) {
            for (uint64_t i = 0; i < TOKENS_MAX; i++) {
                tokens[i] = view_of(round * TOKENS_MAX + i + 1, bytes[i]);
            }
            answer = apply_tokens_at(fixture, bucket_start() + 110 * (pass / 2), &entry, 1, tokens,
                                     TOKENS_MAX);
            for (size_t i = 0; i < TOKENS_MAX; i++) {
                assert_int_equal(answer.duplicates[i], pass != 0);
            }
        }
    }
    assert_true(total_of(fixture, "default", "/") == rounds * TOKENS_MAX);
}

/* ---- many ---- */

static void test_many_tokens(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static char names[PAGES_MAX][16];
    static char texts[TOKENS_MAX][STORE_TOKEN_MAX + 1];
    static struct store_token tokens[TOKENS_MAX];
    struct store_entry entries[PAGES_MAX];
    struct answer answer;

    for (uint32_t i = 0; i < TOKENS_MAX; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%0128u", i);
        tokens[i] =
            token_of(texts[i], i / 2, i % 3 == 0 ? STORE_WINDOW_ATTEMPT : STORE_WINDOW_CLIENT);
    }
    for (size_t i = 0; i < PAGES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "/%zu", i);
        entries[i] = entry_of(names[i], 3);
    }
    for (uint64_t round = 1; round <= 3; round++) {
        answer = apply_tokens_at(fixture, bucket_start(), entries, PAGES_MAX, tokens, TOKENS_MAX);
        for (size_t i = 0; i < TOKENS_MAX; i++) {
            assert_true(answer.duplicates[i] == (round != 1));
        }
        for (size_t i = 0; i < PAGES_MAX; i++) {
            assert_total(answer, i, 2 + round);
        }
    }
}

/* ---- the ledger ---- */

/* a resend must get the first answer, otherwise two visitors get the same number */
static void test_a_batch_sent_again_has_the_same_repetitions(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 2), entry_of("/b", 2)};
    struct store_token tokens[] = {
        token_of("new", 0, STORE_WINDOW_CLIENT), token_of("new", 0, STORE_WINDOW_CLIENT),
        token_of("seen", 1, STORE_WINDOW_ATTEMPT), token_of("seen", 1, STORE_WINDOW_ATTEMPT)};
    static const bool expected[] = {false, true, false, true};
    struct store_batch batch = batch_of(EPOCH_B, 1, 4, entries, 2);
    struct answer answer;

    assert_false(repeats(fixture, "seen", STORE_WINDOW_CLIENT));
    batch.second = bucket_start();
    batch.tokens = tokens;
    batch.token_count = 4;
    for (int i = 0; i < 3; i++) {
        answer = apply_batch(fixture, &batch);
        assert_int_equal(answer.outcome, STORE_OK);
        assert_int_equal(answer.is_duplicate, i != 0);
        assert_memory_equal(answer.duplicates, expected, sizeof(expected));
        assert_total(answer, 0, 1);
        assert_total(answer, 1, 1);
        apply_page(fixture, EPOCH_A, 2 + (uint64_t)i, "/a", 100);
    }
    assert_true(total_of(fixture, "default", "/a") == 301);
}

/* a batch that was not applied must not turn its visits into repetitions */
static void test_a_gap_remembers_no_token(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = token_of("id", 0, STORE_WINDOW_CLIENT);
    struct store_batch batch = batch_of(EPOCH_A, 5, 1, &entry, 1);

    batch.second = bucket_start();
    batch.tokens = &token;
    batch.token_count = 1;
    assert_true(apply_batch(fixture, &batch).gap);
    assert_false(repeats(fixture, "id", STORE_WINDOW_CLIENT));
}

/* the ledger counts all visits, with repetitions */
static void test_positions_count_repetitions(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_false(repeats(fixture, "id", STORE_WINDOW_CLIENT));
    assert_true(repeats(fixture, "id", STORE_WINDOW_CLIENT));
    assert_true(position_of(fixture, EPOCH_A).sequence == 2);
    assert_true(position_of(fixture, EPOCH_A).visits == 2);
}

/* ---- windows ---- */

/*
 * makes a visit at `first` and its repetition at `second`; checks whether the store recognises it
 */
static void check_distance(struct fixture *fixture, enum store_window window, uint64_t first,
                           uint64_t second, bool expected)
{
    static int number;
    char text[32];

    snprintf(text, sizeof(text), "token-%d", number++);
    assert_false(repeats_at(fixture, first, text, window));
    assert_int_equal(repeats_at(fixture, second, text, window), expected);
}

static void test_windows_end(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static const uint64_t seconds[] = {STORE_WINDOW_ATTEMPT_S, STORE_WINDOW_CLIENT_S};
    static const uint64_t stretches[] = {ATTEMPT_BUCKET_S, STORE_WINDOW_CLIENT_S};

    for (int i = STORE_WINDOW_ATTEMPT; i <= STORE_WINDOW_CLIENT; i++) {
        enum store_window window = (enum store_window)i;
        uint64_t length = seconds[i];
        uint64_t stretch = stretches[i];

        for (uint64_t start = bucket_start(); start < bucket_start() + stretch;
             start += length / 5) {
            check_distance(fixture, window, start, start + 1, true);
            check_distance(fixture, window, start, start + length - 1, true);
            check_distance(fixture, window, start, start + length, true);
            check_distance(fixture, window, start, start + 2 * stretch, false);
            check_distance(fixture, window, start, start + 100 * stretch, false);
        }
    }
}

/* the last second of a bucket and the first one of the next bucket are neighbours too */
static void test_neighbour_buckets(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (int i = STORE_WINDOW_ATTEMPT; i <= STORE_WINDOW_CLIENT; i++) {
        check_distance(fixture, (enum store_window)i, bucket_start() - 1, bucket_start(), true);
        check_distance(fixture, (enum store_window)i, bucket_start() - 7, bucket_start() + 7, true);
    }
}

/* clocks of instances differ: the repetition may seem to be earlier */
static void test_a_clock_that_is_behind(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static const uint64_t seconds[] = {STORE_WINDOW_ATTEMPT_S, STORE_WINDOW_CLIENT_S};

    for (int i = STORE_WINDOW_ATTEMPT; i <= STORE_WINDOW_CLIENT; i++) {
        enum store_window window = (enum store_window)i;

        check_distance(fixture, window, bucket_start(), bucket_start() - 1, true);
        check_distance(fixture, window, bucket_start(), bucket_start() - seconds[i], true);
        check_distance(fixture, window, bucket_start() + 3, bucket_start() - 5, true);
    }
}

/* a token that comes back after its window is new and starts a new window */
static void test_a_window_begins_anew(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t second = bucket_start();

    assert_false(repeats_at(fixture, second, "id", STORE_WINDOW_ATTEMPT));
    assert_false(repeats_at(fixture, second + 120, "id", STORE_WINDOW_ATTEMPT));
    assert_true(repeats_at(fixture, second + 120, "id", STORE_WINDOW_ATTEMPT));
    assert_true(repeats_at(fixture, second + 135, "id", STORE_WINDOW_ATTEMPT));
    assert_false(repeats_at(fixture, second + 250, "id", STORE_WINDOW_ATTEMPT));
}

static void test_keeps_tokens(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_false(repeats(fixture, "id", STORE_WINDOW_CLIENT));
    close_store(fixture);
    open_store(fixture);
    assert_true(repeats(fixture, "id", STORE_WINDOW_CLIENT));
}

/* ---- Redis ---- */

/* runs a command on a bucket; `stretch_s` selects attempts or clients' tokens */
static const char *ask_bucket(struct fixture *fixture, const char *name, uint64_t stretch_s,
                              uint64_t second, const char *rest)
{
    char command[128];

    snprintf(command, sizeof(command), "%s vc:{default}:seen:%s:%llu%s", name,
             stretch_s == ATTEMPT_BUCKET_S ? "attempt" : "client",
             (unsigned long long)(second / stretch_s), rest);
    return redis_server_ask(fixture->path, command);
}

/* the length of a member of the bucket; its answer is "$16\r\n…" */
static int length_of_member(struct fixture *fixture, uint64_t stretch_s)
{
    return atoi(ask_bucket(fixture, "SRANDMEMBER", stretch_s, bucket_start(), "") + 1);
}

static int ttl_of_bucket(struct fixture *fixture, uint64_t stretch_s)
{
    return atoi(ask_bucket(fixture, "TTL", stretch_s, bucket_start(), "") + 1);
}

/* a client's repetition at different distances after and before a visit */
static void test_redis_windows_of_clients_reach_each_bucket(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (uint64_t start = bucket_start(); start < bucket_start() + CLIENT_BUCKET_S; start += 599) {
        for (uint64_t distance = 0; distance <= STORE_WINDOW_CLIENT_S; distance += 300) {
            check_distance(fixture, STORE_WINDOW_CLIENT, start, start + distance, true);
            check_distance(fixture, STORE_WINDOW_CLIENT, start, start - distance, true);
        }
        /* the clocks may differ by this much */
        check_distance(fixture, STORE_WINDOW_CLIENT, start,
                       start + STORE_WINDOW_CLIENT_S + TOKEN_BUCKET_SKEW_S, true);
    }
}

/*
 * attempts: three windows after the last token that may enter the bucket; clients' tokens: see
 * below
 */
static void test_redis_buckets_expire(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_false(repeats(fixture, "a", STORE_WINDOW_ATTEMPT));
    assert_false(repeats(fixture, "b", STORE_WINDOW_ATTEMPT));
    assert_false(repeats(fixture, "c", STORE_WINDOW_CLIENT));
    assert_in_range(ttl_of_bucket(fixture, ATTEMPT_BUCKET_S), 60 + 3 * 15 - 5, 60 + 3 * 15);
    assert_string_equal(ask_bucket(fixture, "SCARD", ATTEMPT_BUCKET_S, bucket_start(), ""),
                        ":2\r\n");
    assert_in_range(ttl_of_bucket(fixture, CLIENT_BUCKET_S), 5400 - 5, 5400);
}

/*
 * A client can invent any number of tokens. So they are kept for at most one window, one bucket and
 * journal.keep_tokens, whenever they enter the bucket.
 */
static void test_redis_keeps_tokens_of_clients_for_a_window_and_a_bucket(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t start = bucket_start() - 3 * 3600 - CLIENT_BUCKET_S; /* in the past */
    uint64_t now_s = clock_wall_ms() / 1000;
    char text[32];

    close_store(fixture);
    fixture->keep_tokens_ms = 600000;
    open_store(fixture);
    for (uint64_t second = now_s - now_s % CLIENT_BUCKET_S; second <= now_s; second += 60) {
        uint64_t end = now_s - now_s % CLIENT_BUCKET_S + CLIENT_BUCKET_S;

        snprintf(text, sizeof(text), "of-%llu", (unsigned long long)second);
        assert_false(repeats_at(fixture, second, text, STORE_WINDOW_CLIENT));
        now_s = clock_wall_ms() / 1000;
        if (now_s >= end) { /* the next bucket begins */
            return;
        }
        assert_in_range(atoi(ask_bucket(fixture, "TTL", CLIENT_BUCKET_S, second, "") + 1),
                        end + 3600 + 600 - now_s - 60, end + 3600 + 600 - now_s + 2);
    }
    /*
     * a token from a journal is kept as long as another journal may have it, or for the rest of its
     * window
     */
    assert_false(repeats_at(fixture, start, "late", STORE_WINDOW_CLIENT));
    assert_in_range(atoi(ask_bucket(fixture, "TTL", CLIENT_BUCKET_S, start, "") + 1), 595, 4200);
    assert_false(repeats_at(fixture, start - 7200, "later", STORE_WINDOW_CLIENT));
    assert_in_range(atoi(ask_bucket(fixture, "TTL", CLIENT_BUCKET_S, start - 7200, "") + 1), 595,
                    600);
}

/* a token of any length is kept as a hash of page and token with sixteen bytes */
static void test_tokens_are_kept_as_hashes(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char text[STORE_TOKEN_MAX + 1] = "";

    for (size_t length = 1; length <= STORE_TOKEN_MAX; length += length < 40 ? 1 : 11) {
        memset(text, 't', length);
        for (int i = STORE_WINDOW_ATTEMPT; i <= STORE_WINDOW_CLIENT; i++) {
            assert_false(repeats(fixture, text, (enum store_window)i));
            assert_true(repeats(fixture, text, (enum store_window)i));
        }
    }
    if (fixture->backend == &sqlite_backend) {
        assert_true(ask(fixture, "SELECT min(length(token)) FROM seen") == 16);
        assert_true(ask(fixture, "SELECT max(length(token)) FROM seen") == 16);
    } else {
        assert_in_range(length_of_member(fixture, CLIENT_BUCKET_S), 16, 16);
        assert_in_range(length_of_member(fixture, ATTEMPT_BUCKET_S), 16, 16);
    }
}

/* a late token is kept for as long as one that is on time */
static void test_redis_buckets_live_on(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_false(repeats(fixture, "a", STORE_WINDOW_ATTEMPT));
    ask_bucket(fixture, "EXPIRE", ATTEMPT_BUCKET_S, bucket_start(), " 50");
    assert_false(repeats(fixture, "b", STORE_WINDOW_ATTEMPT)); /* longer than needed */
    assert_in_range(ttl_of_bucket(fixture, ATTEMPT_BUCKET_S), 45, 50);
    ask_bucket(fixture, "EXPIRE", ATTEMPT_BUCKET_S, bucket_start(), " 40");
    assert_false(repeats(fixture, "c", STORE_WINDOW_ATTEMPT));
    assert_in_range(ttl_of_bucket(fixture, ATTEMPT_BUCKET_S), 100, 105);
}

/* guards: another attempt may wait in a journal */
static void test_redis_keeps_tokens_for_journals(void **state)
{
    struct fixture *fixture = open_fixture(state);

    close_store(fixture);
    fixture->keep_tokens_ms = 600000;
    open_store(fixture);
    assert_false(repeats(fixture, "a", STORE_WINDOW_ATTEMPT));
    assert_in_range(ttl_of_bucket(fixture, ATTEMPT_BUCKET_S), 700, 705);
}

/* an error reply means that no part was applied, also not the commands before the error */
static void test_redis_applies_nothing_of_what_fails(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 1), entry_of("/b", 1)};
    struct store_token tokens[] = {token_of("one", 0, STORE_WINDOW_ATTEMPT),
                                   token_of("two", 1, STORE_WINDOW_CLIENT)};
    struct store_batch batch = batch_of(EPOCH_A, 1, 2, entries, 2);
    struct answer answer;

    batch.second = bucket_start();
    batch.tokens = tokens;
    batch.token_count = 2;
    for (uint64_t i = 0; i < 3; i++) { /* the buckets before, now and after */
        uint64_t second = bucket_start() + (i - 1) * CLIENT_BUCKET_S;

        assert_string_equal(ask_bucket(fixture, "SET", CLIENT_BUCKET_S, second, " wrong"),
                            "+OK\r\n");
        answer = apply_batch(fixture, &batch);
        assert_int_equal(answer.outcome, STORE_REFUSED);
        assert_false(answer.gap);
        assert_non_null(strstr(answer.reason, "WRONGTYPE"));
        assert_true(total_of(fixture, "default", "/a") == 0);
        assert_true(ledger_of(fixture, EPOCH_A) == 0);
        assert_string_equal(ask_bucket(fixture, "DEL", CLIENT_BUCKET_S, second, ""), ":1\r\n");
    }
    assert_string_equal(redis_server_ask(fixture->path, "DBSIZE"), ":0\r\n");
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 1);
    assert_total(answer, 1, 1);
    assert_false(answer.duplicates[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_a_token_counts_once),
        FOR_BOTH(test_windows_do_not_mix),
        FOR_BOTH(test_a_token_twice_in_one_batch),
        FOR_BOTH(test_only_the_visit_of_the_token_is_left_out),
        FOR_BOTH(test_sites_have_tokens_of_their_own),
        FOR_BOTH(test_instances_share_tokens),
        FOR_BOTH(test_tokens_are_bytes),
        FOR_BOTH(test_a_view_counts_once),
        FOR_BOTH(test_views_of_servers_whose_clocks_differ),
        FOR_BOTH(test_views_of_pages_and_sites),
        FOR_BOTH(test_many_views),
        FOR_BOTH(test_many_tokens),
        FOR_BOTH(test_a_batch_sent_again_has_the_same_repetitions),
        FOR_BOTH(test_a_gap_remembers_no_token),
        FOR_BOTH(test_positions_count_repetitions),
        FOR_BOTH(test_windows_end),
        FOR_BOTH(test_neighbour_buckets),
        FOR_BOTH(test_a_clock_that_is_behind),
        FOR_BOTH(test_a_window_begins_anew),
        FOR_BOTH(test_keeps_tokens),
        FOR_BOTH(test_tokens_are_kept_as_hashes),
        FOR_REDIS(test_redis_windows_of_clients_reach_each_bucket),
        FOR_REDIS(test_redis_buckets_expire),
        FOR_REDIS(test_redis_keeps_tokens_of_clients_for_a_window_and_a_bucket),
        FOR_REDIS(test_redis_buckets_live_on),
        FOR_REDIS(test_redis_keeps_tokens_for_journals),
        FOR_REDIS(test_redis_applies_nothing_of_what_fails),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("store_tokens", tests, NULL, NULL);
}
