/* SPDX-License-Identifier: MIT */
/*
 * One token on several pages in the contract of store.h: each page has a visit of its own. And
 * tokens that a version before 0.2 kept without the page. Each test runs against both stores. A few
 * check the data of one store.
 */
#include "sqlite_fixture.h"

#include "base/log.h"
#include "store/stamp.h"
#include "store/token_buckets.h"
#include "store/token_key.h"

/* the windows whose tokens the store keeps together with the page */
static const enum store_window windows[] = {STORE_WINDOW_ATTEMPT, STORE_WINDOW_CLIENT,
                                            STORE_WINDOW_STAMPED};
#define WINDOWS (sizeof(windows) / sizeof(windows[0]))

/*
 * the first second of a bucket of each window, some hours ahead, because stores expire old tokens
 */
static uint64_t now_s(void)
{
    return (HOUR + 3) * 3600;
}

/* a token of STAMP_LENGTH bytes that begins with a time, so that it fits any window */
static const char *bytes_of(char letter)
{
    static char bytes[STAMP_LENGTH];

    stamp_write((struct stamp){1000 * now_s(), UINT64_C(0x4142434445464700) | (uint8_t)letter},
                bytes);
    return bytes;
}

static struct store_token token_of(const char *bytes, uint32_t entry, enum store_window window)
{
    return (struct store_token){
        .bytes = bytes, .length = STAMP_LENGTH, .entry = entry, .window = window};
}

static struct store_batch batch_with(struct fixture *fixture, const struct store_entry *entries,
                                     size_t count, const struct store_token *tokens,
                                     size_t token_count)
{
    struct store_batch batch = batch_of(EPOCH_A, next_sequence(fixture), 1, entries, count);

    batch.second = now_s();
    batch.hour = batch.second / 3600;
    batch.tokens = tokens;
    batch.token_count = token_count;
    return batch;
}

/* makes one visit of a page; returns whether it was a repetition */
static bool repeats_on(struct fixture *fixture, const char *page, char letter,
                       enum store_window window, bool finds_old_tokens)
{
    struct store_entry entry = entry_of(page, 1);
    struct store_token token = token_of(bytes_of(letter), 0, window);
    struct store_batch batch = batch_with(fixture, &entry, 1, &token, 1);
    uint64_t before = total_of(fixture, "default", page);
    struct answer answer;

    batch.finds_old_tokens = finds_old_tokens;
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, before + (answer.duplicates[0] ? 0 : 1));
    return answer.duplicates[0];
}

static bool repeats(struct fixture *fixture, const char *page, char letter,
                    enum store_window window)
{
    return repeats_on(fixture, page, letter, window, false);
}

/* ---- one token, several pages ---- */

static void test_each_page_counts_once(void **state)
{
    static const char *const pages[] = {"/a", "/b", "/", "/a/b", "/A", "a", "/a%20", "/\xc3\xa4"};
    struct fixture *fixture = open_fixture(state);

    for (size_t i = 0; i < WINDOWS; i++) {
        for (int round = 0; round < 3; round++) {
            for (size_t j = 0; j < sizeof(pages) / sizeof(pages[0]); j++) {
                assert_int_equal(repeats(fixture, pages[j], '1', windows[i]), round != 0);
                assert_true(total_of(fixture, "default", pages[j]) == i + 1);
            }
        }
    }
}

static void test_each_page_counts_once_in_one_batch(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 2), entry_of("/b", 3), entry_of("/c", 1)};
    static const bool expected[] = {false, true, false, true, true, false};

    for (size_t i = 0; i < WINDOWS; i++) {
        const char *bytes = bytes_of('1');
        struct store_token tokens[] = {
            token_of(bytes, 0, windows[i]), token_of(bytes, 0, windows[i]),
            token_of(bytes, 1, windows[i]), token_of(bytes, 1, windows[i]),
            token_of(bytes, 1, windows[i]), token_of(bytes, 2, windows[i])};
        struct store_batch batch = batch_with(fixture, entries, 3, tokens, 6);
        struct answer answer = apply_batch(fixture, &batch);

        assert_memory_equal(answer.duplicates, expected, sizeof(expected));
        assert_total(answer, 0, i + 1);
        assert_total(answer, 1, i + 1);
        assert_total(answer, 2, i + 1);
        batch = batch_with(fixture, entries, 3, tokens, 6);
        answer = apply_batch(fixture, &batch);
        for (size_t j = 0; j < 6; j++) {
            assert_true(answer.duplicates[j]);
        }
    }
}

/* the border between page and token matters */
static void test_page_and_token_do_not_run_together(void **state)
{
    static const char *const pairs[][2] = {
        {"/a", "bcd"},   {"/ab", "cd"},   {"/abc", "d"},  {"/", "abcd"},
        {"/abcd", "/a"}, {"/a", "/abcd"}, {"/abcd", "/"}, {"/abcdefgh", "abcdefgh"}};
    struct fixture *fixture = open_fixture(state);

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
            struct store_entry entry = entry_of(pairs[i][0], 1);
            struct store_token token = {
                .bytes = pairs[i][1], .length = strlen(pairs[i][1]), .window = STORE_WINDOW_CLIENT};
            struct store_batch batch = batch_with(fixture, &entry, 1, &token, 1);

            assert_int_equal(apply_batch(fixture, &batch).duplicates[0], round == 1);
        }
    }
}

/* the longest page and token, and tokens of each length */
static void test_lengths(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char page[STORE_PAGE_MAX + 1] = "/";
    char bytes[STORE_TOKEN_MAX];

    memset(page + 1, 'p', STORE_PAGE_MAX - 1);
    memset(bytes, 't', sizeof(bytes));
    for (int round = 0; round < 2; round++) {
        for (size_t length = 1; length <= STORE_TOKEN_MAX; length += length < 20 ? 1 : 27) {
            struct store_entry entries[] = {entry_of(page, 1), entry_of(page + 1, 1)};
            struct store_token tokens[] = {{bytes, length, 0, STORE_WINDOW_ATTEMPT},
                                           {bytes, length, 1, STORE_WINDOW_ATTEMPT}};
            struct store_batch batch = batch_with(fixture, entries, 2, tokens, 2);
            struct answer answer = apply_batch(fixture, &batch);

            assert_int_equal(answer.duplicates[0], round == 1);
            assert_int_equal(answer.duplicates[1], round == 1);
        }
    }
}

/* as many tokens as fit into a batch, each on two of five hundred pages */
static void test_many_pages(void **state)
{
    static char names[PAGES_MAX][16];
    static char bytes[TOKENS_MAX / 2][STAMP_LENGTH];
    static struct store_token tokens[TOKENS_MAX];
    struct store_entry entries[PAGES_MAX];
    struct fixture *fixture = open_fixture(state);

    for (uint32_t i = 0; i < PAGES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "/%u", i);
        entries[i] = entry_of(names[i], 2);
    }
    for (uint32_t i = 0; i < TOKENS_MAX; i++) {
        enum store_window window = windows[i % (TOKENS_MAX / 2) % WINDOWS];

        stamp_write((struct stamp){1000 * now_s(), i % (TOKENS_MAX / 2)},
                    bytes[i % (TOKENS_MAX / 2)]);
        tokens[i] = token_of(bytes[i % (TOKENS_MAX / 2)], i / 2, window);
    }
    for (uint64_t round = 0; round < 2; round++) {
        struct store_batch batch = batch_with(fixture, entries, PAGES_MAX, tokens, TOKENS_MAX);
        struct answer answer = apply_batch(fixture, &batch);

        for (size_t i = 0; i < TOKENS_MAX; i++) {
            assert_int_equal(answer.duplicates[i], round);
        }
        for (size_t i = 0; i < PAGES_MAX; i++) {
            assert_total(answer, i, 2);
        }
    }
}

/* a page without room in the site keeps no token, and does not affect the token on other pages */
static void test_a_refused_page_remembers_nothing(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/", 1), entry_of("/new", 1)};

    for (size_t i = 0; i < WINDOWS; i++) {
        const char *bytes = bytes_of('1');
        struct store_token tokens[] = {token_of(bytes, 0, windows[i]),
                                       token_of(bytes, 1, windows[i])};

        for (uint64_t round = 0; round < 3; round++) {
            struct store_batch batch = batch_with(fixture, entries, 2, tokens, 2);
            bool has_room = round != 0 || i != 0;
            struct answer answer;

            batch.pages_max = has_room ? 2 : 1;
            answer = apply_batch(fixture, &batch);
            assert_int_equal(answer.duplicates[0], round != 0);
            assert_int_equal(answer.duplicates[1], has_room && round > (i == 0 ? 1 : 0));
            assert_total(answer, 1, has_room ? i + 1 : STORE_NONE);
        }
    }
}

static void test_keeps_the_page(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (size_t i = 0; i < WINDOWS; i++) {
        assert_false(repeats(fixture, "/a", '1', windows[i]));
        close_store(fixture);
        open_store(fixture);
        assert_false(repeats(fixture, "/b", '1', windows[i]));
        assert_true(repeats(fixture, "/a", '1', windows[i]));
    }
}

/* http/visitor has hashed the page into the token, so the store keeps the token unchanged */
static void test_a_token_of_a_day_names_its_page_itself(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 1), entry_of("/b", 1)};
    struct store_token tokens[] = {{"0123456789abcdef", 16, 0, STORE_WINDOW_DAY},
                                   {"0123456789abcdef", 16, 1, STORE_WINDOW_DAY}};
    struct store_batch batch = batch_with(fixture, entries, 2, tokens, 2);
    struct answer answer = apply_batch(fixture, &batch);

    assert_false(answer.duplicates[0]);
    assert_true(answer.duplicates[1]);
}

/* ---- tokens that a version before 0.2 kept ---- */

/* writes a token as such a version did */
static void put_old(struct fixture *fixture, char letter, enum store_window window)
{
    const unsigned char *bytes = (const unsigned char *)bytes_of(letter);
    unsigned long long second = now_s();
    char hex[2 * STAMP_LENGTH + 1];
    char escaped[4 * STAMP_LENGTH + 1];
    char text[320];

    for (size_t i = 0; i < STAMP_LENGTH; i++) {
        sprintf(hex + 2 * i, "%02x", bytes[i]);
        sprintf(escaped + 4 * i, "\\x%02x", bytes[i]);
    }
    if (fixture->backend == &sqlite_backend) {
        snprintf(text, sizeof(text), "INSERT INTO seen VALUES ('default', %llu, x'%s', %llu, %llu)",
                 (unsigned long long)store_window_s(window), hex, second, second + 3600);
        change(fixture, text);
        return;
    }
    if (window == STORE_WINDOW_STAMPED) {
        snprintf(text, sizeof(text), "APPEND vc:{default}:stamps:%llu \"%s\"", 250 * second,
                 escaped + 4 * STAMP_ID_AT);
    } else {
        unsigned long long stretch_s = window == STORE_WINDOW_ATTEMPT ? 60 : 3600;

        snprintf(text, sizeof(text), "SADD vc:{default}:seen:%llu:%llu \"%s\"", stretch_s,
                 second / stretch_s, escaped);
    }
    assert_int_equal(*redis_server_ask(fixture->path, text), ':');
}

/* writes a token as version 0.2 did */
static void put_long(struct fixture *fixture, const char *page, const char *bytes, size_t length,
                     enum store_window window)
{
    struct store_token token = {.bytes = bytes, .length = length, .window = window};
    uint64_t window_s = store_window_s(window);
    unsigned long long stretch_s = window == STORE_WINDOW_ATTEMPT ? 60 : 3600;
    char escaped[4 * TOKEN_KEY_LONG_MAX + 1];
    char text[1024];
    struct token_key form;

    token_key_write_long(&token, token_key_page(page, strlen(page)), &form);
    for (size_t i = 0; i < form.length; i++) {
        sprintf(escaped + 4 * i, "\\x%02x", (unsigned char)form.bytes[i]);
    }
    if (fixture->backend == &sqlite_backend) {
        for (size_t i = 0; i < form.length; i++) {
            memcpy(escaped + 2 * i, escaped + 4 * i + 2, 2);
        }
        snprintf(text, sizeof(text),
                 "INSERT INTO seen VALUES ('default', -%llu, x'%.*s', %llu, %llu)",
                 (unsigned long long)window_s, (int)(2 * form.length), escaped,
                 (unsigned long long)now_s(), (unsigned long long)now_s() + 3600);
        change(fixture, text);
        return;
    }
    snprintf(text, sizeof(text), "SADD vc:{default}:seen:%llu:%llu \"%s\"", stretch_s,
             now_s() / stretch_s, escaped);
    assert_int_equal(*redis_server_ask(fixture->path, text), ':');
}

/* makes one visit of a page with a token of any length; returns whether it was a repetition */
static bool repeats_text(struct fixture *fixture, const char *page, const char *text,
                         enum store_window window, bool finds_old_tokens)
{
    struct store_entry entry = entry_of(page, 1);
    struct store_token token = {.bytes = text, .length = strlen(text), .window = window};
    struct store_batch batch = batch_with(fixture, &entry, 1, &token, 1);

    batch.finds_old_tokens = finds_old_tokens;
    return apply_batch(fixture, &batch).duplicates[0];
}

/* version 0.2 counted them on one page, so they are repetitions there and nowhere else */
static void test_finds_tokens_of_version_0_2(void **state)
{
    static const enum store_window hashed[] = {STORE_WINDOW_ATTEMPT, STORE_WINDOW_CLIENT};
    struct fixture *fixture = open_fixture(state);
    char texts[][STORE_TOKEN_MAX + 1] = {"a", "0123456789abcdef", "12345678", ""};

    memset(texts[3], 'x', STORE_TOKEN_MAX);
    for (size_t i = 0; i < 4 * 2 * 2; i++) {
        const char *text = texts[i % 4];
        enum store_window window = hashed[i / 4 % 2];
        bool finds_old_tokens = i >= 8;
        const char *page = finds_old_tokens ? "/later" : "/a";

        put_long(fixture, page, text, strlen(text), window);
        assert_true(repeats_text(fixture, page, text, window, finds_old_tokens));
        assert_true(repeats_text(fixture, page, text, window, finds_old_tokens));
        if (i < 8) {
            assert_false(repeats_text(fixture, "/b", text, window, finds_old_tokens));
        }
        assert_true(repeats_text(fixture, "/b", text, window, finds_old_tokens));
    }
}

/* a batch of many tokens: some are known in one of the forms, others in none */
static void test_finds_tokens_of_both_older_versions(void **state)
{
    static char texts[400][16];
    static struct store_token tokens[400];
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/a", 400);
    struct store_batch batch;
    struct answer answer;

    for (size_t i = 0; i < 400; i++) {
        snprintf(texts[i], sizeof(texts[i]), "token-%zu", i);
        tokens[i] = (struct store_token){texts[i], strlen(texts[i]), 0,
                                         i % 2 == 0 ? STORE_WINDOW_CLIENT : STORE_WINDOW_ATTEMPT};
        if (i % 100 == 7) {
            put_long(fixture, "/a", texts[i], strlen(texts[i]), tokens[i].window);
        }
    }
    batch = batch_with(fixture, &entry, 1, tokens, 400);
    batch.finds_old_tokens = true;
    answer = apply_batch(fixture, &batch);
    for (size_t i = 0; i < 400; i++) {
        assert_int_equal(answer.duplicates[i], i % 100 == 7);
    }
    assert_total(answer, 0, 396);
}

/* version 0.2 counted one attempt, and had another one in its journal */
static void test_finds_tokens_of_version_0_2_for_a_record(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/a", 2);
    struct store_token tokens[] = {{"order-17", 8, 0, STORE_WINDOW_CLIENT},
                                   {"order-18", 8, 0, STORE_WINDOW_CLIENT}};
    struct store_batch batch;

    put_long(fixture, "/a", "order-17", 8, STORE_WINDOW_CLIENT);
    batch = batch_of(EPOCH_B, 1, 2, &entry, 1);
    batch.second = now_s();
    batch.tokens = tokens;
    batch.token_count = 2;
    for (int round = 0; round < 3; round++) {
        struct answer answer = apply_batch(fixture, &batch);

        assert_int_equal(answer.is_duplicate, round != 0);
        assert_true(answer.duplicates[0]);
        assert_false(answer.duplicates[1]);
        assert_total(answer, 0, 1);
    }
}

/* the old version has counted the token once, on an unknown page */
static void test_finds_old_tokens(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (size_t i = 0; i < WINDOWS; i++) {
        put_old(fixture, '1', windows[i]);
        assert_true(repeats_on(fixture, "/a", '1', windows[i], true));
        assert_true(repeats_on(fixture, "/b", '1', windows[i], true));
        assert_false(repeats_on(fixture, "/a", '2', windows[i], true));
        assert_true(repeats_on(fixture, "/a", '2', windows[i], true));
        assert_false(repeats_on(fixture, "/b", '2', windows[i], true));
        assert_true(repeats_on(fixture, "/a", '1', windows[i], true));
    }
}

static void test_finds_old_tokens_among_others(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 12), entry_of("/b", 12)};
    static char bytes[4][STAMP_LENGTH];
    struct store_token tokens[4 * 2 * WINDOWS];
    struct store_batch batch;
    struct answer answer;
    size_t count = 0;

    for (size_t i = 0; i < 4; i++) {
        memcpy(bytes[i], bytes_of((char)('0' + i)), STAMP_LENGTH);
    }
    for (size_t i = 0; i < WINDOWS; i++) {
        put_old(fixture, '1', windows[i]);
        put_old(fixture, '3', windows[i]);
    }
    for (uint32_t entry = 0; entry < 2; entry++) {
        for (size_t i = 0; i < 4; i++) {
            for (size_t j = 0; j < WINDOWS; j++) {
                tokens[count++] = token_of(bytes[i], entry, windows[j]);
            }
        }
    }
    batch = batch_with(fixture, entries, 2, tokens, count);
    batch.finds_old_tokens = true;
    answer = apply_batch(fixture, &batch);
    for (size_t i = 0; i < count; i++) {
        bool is_old = tokens[i].bytes == bytes[1] || tokens[i].bytes == bytes[3];

        assert_int_equal(answer.duplicates[i], is_old);
    }
    assert_total(answer, 0, 6);
    assert_total(answer, 1, 6);
}

/* as many tokens as fit into a batch */
static void test_finds_many_old_tokens(void **state)
{
    static char bytes[TOKENS_MAX][STAMP_LENGTH];
    static struct store_token tokens[TOKENS_MAX];
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", TOKENS_MAX);
    struct store_batch batch;
    struct answer answer;

    for (uint32_t i = 0; i < TOKENS_MAX; i++) {
        char letter = i == 700 ? 'o' : i == 701 ? 'p' : i == 702 ? 'q' : '\0';

        stamp_write((struct stamp){1000 * now_s() + 1000 * (i % 7), i}, bytes[i]);
        if (letter != '\0') {
            memcpy(bytes[i], bytes_of(letter), STAMP_LENGTH);
            put_old(fixture, letter, windows[i % WINDOWS]);
        }
        tokens[i] = token_of(bytes[i], 0, windows[i % WINDOWS]);
    }
    batch = batch_with(fixture, &entry, 1, tokens, TOKENS_MAX);
    batch.finds_old_tokens = true;
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, TOKENS_MAX - 3);
    for (size_t i = 0; i < TOKENS_MAX; i++) {
        assert_int_equal(answer.duplicates[i], i >= 700 && i <= 702);
    }
}

/* a visit of a refused page is neither counted nor a repetition */
static void test_finds_old_tokens_of_counted_pages_only(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/", 3), entry_of("/new", 3)};
    const char *bytes = bytes_of('1');
    struct store_token tokens[2 * WINDOWS];
    struct store_batch batch;
    struct answer answer;

    for (size_t i = 0; i < WINDOWS; i++) {
        put_old(fixture, '1', windows[i]);
        tokens[i] = token_of(bytes, 0, windows[i]);
        tokens[WINDOWS + i] = token_of(bytes, 1, windows[i]);
    }
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    batch = batch_with(fixture, entries, 2, tokens, 2 * WINDOWS);
    batch.finds_old_tokens = true;
    batch.pages_max = 1;
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 1);
    assert_total(answer, 1, STORE_NONE);
    for (size_t i = 0; i < WINDOWS; i++) {
        assert_true(answer.duplicates[i]);
        assert_false(answer.duplicates[WINDOWS + i]);
    }
}

/*
 * Such a version counted one attempt and had another one in its journal. This version replays the
 * record under its old number and time, as often as needed.
 */
static void test_finds_old_tokens_of_a_record(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", WINDOWS), entry_of("/b", 1)};
    static char bytes[2][STAMP_LENGTH];
    struct store_token tokens[WINDOWS + 1];
    struct store_batch batch;

    memcpy(bytes[0], bytes_of('1'), STAMP_LENGTH);
    memcpy(bytes[1], bytes_of('2'), STAMP_LENGTH);
    for (size_t i = 0; i < WINDOWS; i++) {
        put_old(fixture, '1', windows[i]);
        tokens[i] = token_of(bytes[0], 0, windows[i]);
    }
    tokens[WINDOWS] = token_of(bytes[1], 1, STORE_WINDOW_ATTEMPT);
    apply_page(fixture, EPOCH_A, 1, "/a", 3); /* the visits that the old version counted */
    batch = batch_of(EPOCH_B, 1, WINDOWS + 1, entries, 2);
    batch.second = now_s();
    batch.tokens = tokens;
    batch.token_count = WINDOWS + 1;
    batch.finds_old_tokens = true;
    for (int round = 0; round < 3; round++) {
        struct answer answer = apply_batch(fixture, &batch);

        assert_int_equal(answer.is_duplicate, round != 0);
        assert_total(answer, 0, 3);
        assert_total(answer, 1, 1);
        for (size_t i = 0; i <= WINDOWS; i++) {
            assert_int_equal(answer.duplicates[i], i != WINDOWS);
        }
        batch.finds_old_tokens = false; /* a given answer stays the same */
    }
    assert_true(repeats(fixture, "/b", '2', STORE_WINDOW_ATTEMPT));
    assert_true(total_of(fixture, "default", "/a") == 3);
}

static void test_finds_old_tokens_of_their_window_only(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (size_t i = 0; i < WINDOWS; i++) {
        put_old(fixture, (char)('1' + i), windows[i]);
    }
    for (size_t i = 0; i < WINDOWS; i++) {
        for (size_t j = 0; j < WINDOWS; j++) {
            assert_int_equal(repeats_on(fixture, "/", (char)('1' + i), windows[j], true), i == j);
        }
    }
}

/* ---- Redis ---- */

/* without the request for it, Redis does not search for old tokens */
static void test_redis_finds_old_tokens_when_it_is_asked_to(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (size_t i = 0; i < WINDOWS; i++) {
        put_old(fixture, '1', windows[i]);
        assert_false(repeats_on(fixture, "/a", '1', windows[i], false));
        assert_true(repeats_on(fixture, "/a", '1', windows[i], false));
        assert_true(repeats_on(fixture, "/b", '1', windows[i], true));
    }
}

/* The old form is only read. If it were written as well, the token would be found on every page. */
static void test_redis_keeps_no_old_form(void **state)
{
    struct fixture *fixture = open_fixture(state);
    unsigned long long second = now_s();
    char text[128];

    for (size_t i = 0; i < WINDOWS; i++) {
        assert_false(repeats_on(fixture, "/a", '1', windows[i], true));
        assert_false(repeats_on(fixture, "/b", '1', windows[i], true));
    }
    snprintf(text, sizeof(text), "SCARD vc:{default}:seen:attempt:%llu",
             second / TOKEN_BUCKET_ATTEMPT_S);
    assert_string_equal(redis_server_ask(fixture->path, text), ":2\r\n");
    snprintf(text, sizeof(text), "SCARD vc:{default}:seen:client:%llu",
             second / TOKEN_BUCKET_CLIENT_S);
    assert_string_equal(redis_server_ask(fixture->path, text), ":2\r\n");
    snprintf(text, sizeof(text), "EXISTS vc:{default}:seen:60:%llu vc:{default}:seen:3600:%llu",
             second / 60, second / 3600);
    assert_string_equal(redis_server_ask(fixture->path, text), ":0\r\n");
    snprintf(text, sizeof(text), "STRLEN vc:{default}:stamps:%llu", 250 * second);
    assert_string_equal(redis_server_ask(fixture->path, text), ":16\r\n");
}

/* in the full string and in the additional set */
static void test_redis_finds_old_stamps_beside_a_row(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char text[256];
    char row[8 * 1024 + 1];

    put_old(fixture, '1', STORE_WINDOW_STAMPED);
    memset(row, 'x', sizeof(row) - 1);
    row[sizeof(row) - 1] = '\0';
    for (size_t i = 0; i + 128 < sizeof(row); i += 128) {
        snprintf(text, sizeof(text), "APPEND vc:{default}:stamps:%llu %.128s",
                 (unsigned long long)(250 * now_s()), row);
        assert_int_equal(*redis_server_ask(fixture->path, text), ':');
    }
    snprintf(text, sizeof(text), "SADD vc:{default}:stamps:more:%llu ABCDEFG2",
             (unsigned long long)(250 * now_s()));
    assert_string_equal(redis_server_ask(fixture->path, text), ":1\r\n");
    assert_true(repeats_on(fixture, "/a", '1', STORE_WINDOW_STAMPED, true));
    assert_true(repeats_on(fixture, "/a", '2', STORE_WINDOW_STAMPED, true));
    assert_false(repeats_on(fixture, "/a", '3', STORE_WINDOW_STAMPED, true));
    assert_true(repeats_on(fixture, "/a", '3', STORE_WINDOW_STAMPED, true));
    assert_false(repeats_on(fixture, "/b", '3', STORE_WINDOW_STAMPED, true));
}

/* in the bucket before, if the window reaches into it */
static void test_redis_finds_old_tokens_in_the_bucket_before(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char text[128];

    snprintf(text, sizeof(text), "SADD vc:{default}:seen:60:%llu \"%s\"",
             (unsigned long long)(now_s() / 60 - 1), "0123456789abcdef");
    assert_string_equal(redis_server_ask(fixture->path, text), ":1\r\n");
    struct store_entry entry = entry_of("/", 2);
    struct store_token tokens[] = {{"0123456789abcdef", 16, 0, STORE_WINDOW_ATTEMPT},
                                   {"0123456789abcdeg", 16, 0, STORE_WINDOW_ATTEMPT}};
    struct store_batch batch = batch_with(fixture, &entry, 1, tokens, 2);
    struct answer answer;

    batch.finds_old_tokens = true;
    answer = apply_batch(fixture, &batch);
    assert_true(answer.duplicates[0]);
    assert_false(answer.duplicates[1]);
}

/* ---- SQLite ---- */

/* a file of the version before is opened unchanged; the file itself shows that it has old tokens */
static void test_sqlite_finds_old_tokens_by_itself(void **state)
{
    struct fixture *fixture = open_fixture(state);

    close_store(fixture);
    for (size_t i = 0; i < WINDOWS; i++) {
        put_old(fixture, '1', windows[i]);
    }
    open_store(fixture);
    for (size_t i = 0; i < WINDOWS; i++) {
        assert_true(repeats(fixture, "/a", '1', windows[i]));
        assert_true(repeats(fixture, "/b", '1', windows[i]));
        assert_false(repeats(fixture, "/b", '2', windows[i]));
        assert_true(repeats(fixture, "/b", '2', windows[i]));
    }
    assert_true(ask(fixture, "PRAGMA user_version") == 2);
}

/* a process of the version before may have the file open too, and add such a token at any time */
static void test_sqlite_finds_old_tokens_that_come_late(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (size_t i = 0; i < WINDOWS; i++) {
        assert_false(repeats(fixture, "/a", '1', windows[i]));
        put_old(fixture, '2', windows[i]);
        assert_true(repeats(fixture, "/a", '2', windows[i]));
    }
}

/* the window of an old token ends as before */
static void test_sqlite_finds_old_tokens_within_their_window(void **state)
{
    struct fixture *fixture = open_fixture(state);

    for (size_t i = 0; i < WINDOWS; i++) {
        char sql[128];

        put_old(fixture, '1', windows[i]);
        snprintf(sql, sizeof(sql), "UPDATE seen SET at = at - %llu WHERE window = %llu",
                 (unsigned long long)store_window_s(windows[i]),
                 (unsigned long long)store_window_s(windows[i]));
        change(fixture, sql);
        assert_true(repeats(fixture, "/a", '1', windows[i]));
        change(fixture, "UPDATE seen SET at = at - 1");
        assert_false(repeats(fixture, "/a", '1', windows[i]));
        assert_true(repeats(fixture, "/a", '1', windows[i]));
        change(fixture, "DELETE FROM seen");
    }
}

/* guards: each batch searched all tokens */
static void test_sqlite_knows_at_once_that_there_are_none(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_true(ask(fixture, "SELECT count(*) FROM pragma_index_list('seen') WHERE partial") == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_each_page_counts_once),
        FOR_BOTH(test_each_page_counts_once_in_one_batch),
        FOR_BOTH(test_page_and_token_do_not_run_together),
        FOR_BOTH(test_lengths),
        FOR_BOTH(test_many_pages),
        FOR_BOTH(test_a_refused_page_remembers_nothing),
        FOR_BOTH(test_keeps_the_page),
        FOR_BOTH(test_a_token_of_a_day_names_its_page_itself),
        FOR_BOTH(test_finds_tokens_of_version_0_2),
        FOR_BOTH(test_finds_tokens_of_both_older_versions),
        FOR_BOTH(test_finds_tokens_of_version_0_2_for_a_record),
        FOR_BOTH(test_finds_old_tokens),
        FOR_BOTH(test_finds_old_tokens_among_others),
        FOR_BOTH(test_finds_many_old_tokens),
        FOR_BOTH(test_finds_old_tokens_of_counted_pages_only),
        FOR_BOTH(test_finds_old_tokens_of_a_record),
        FOR_BOTH(test_finds_old_tokens_of_their_window_only),
        FOR_REDIS(test_redis_finds_old_tokens_when_it_is_asked_to),
        FOR_REDIS(test_redis_keeps_no_old_form),
        FOR_REDIS(test_redis_finds_old_stamps_beside_a_row),
        FOR_REDIS(test_redis_finds_old_tokens_in_the_bucket_before),
        FOR_SQLITE(test_sqlite_finds_old_tokens_by_itself),
        FOR_SQLITE(test_sqlite_finds_old_tokens_that_come_late),
        FOR_SQLITE(test_sqlite_finds_old_tokens_within_their_window),
        FOR_SQLITE(test_sqlite_knows_at_once_that_there_are_none),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("store_token_pages", tests, NULL, NULL);
}
