/* SPDX-License-Identifier: MIT */
/* Which tokens a batch sends, and the numbers if the store has seen some of its visits before. */
#include "batch_fixture.h"

/* like add(); `tokens` has a letter for each visit's token; "." is none */
static void add_tokens(struct fixture *fixture, const char *pages, const char *tokens,
                       const char *leaving)
{
    for (size_t i = 0; pages[i] != '\0'; i++) {
        if (tokens[i] != '.') {
            fixture->visits[fixture->count + i].token = &tokens[i];
            fixture->visits[fixture->count + i].token_length = 1;
            fixture->visits[fixture->count + i].token_window =
                tokens[i] < 'a' ? STORE_WINDOW_CLIENT : STORE_WINDOW_ATTEMPT;
        }
    }
    add(fixture, pages, leaving);
}

/* compares the tokens of the sealed batch, as "0x 1y": the entry of a token, and the token */
static void assert_tokens(struct fixture *fixture, const char *expected)
{
    const struct store_batch *content = &batch_seal(fixture->batch)->content;
    char text[256] = "";

    for (size_t i = 0; i < content->token_count; i++) {
        const struct store_token *token = &content->tokens[i];
        size_t length = strlen(text);

        assert_int_equal(token->length, 1);
        assert_int_equal(token->window,
                         token->bytes[0] < 'a' ? STORE_WINDOW_CLIENT : STORE_WINDOW_ATTEMPT);
        snprintf(text + length, sizeof(text) - length, "%s%u%c", i != 0 ? " " : "",
                 (unsigned)token->entry, token->bytes[0]);
    }
    assert_string_equal(text, expected);
}

/* `repeated` has a letter for each token of the batch: "x" if the store has seen it before */
static void answer_duplicates(struct fixture *fixture, const uint64_t *totals, const char *repeated)
{
    bool flags[VISITS_MAX];

    assert_int_equal(strlen(repeated), fixture->batch->sealed_batch->content.token_count);
    for (size_t i = 0; repeated[i] != '\0'; i++) {
        flags[i] = repeated[i] == 'x';
    }
    answer_with(fixture, totals, flags);
}

static void test_repetitions_have_no_number_of_their_own(void **state)
{
    /* totals: after the batch, without its repetitions */
    static const struct {
        const char *pages;
        const char *tokens;
        const char *sent;
        const char *repeated; /* a letter for each token that was sent */
        uint64_t totals[3];
        uint64_t numbers[8];
        bool is_duplicate[8];
    } rows[] = {
        {"a", "p", "0p", ".", {1}, {1}, {false}},
        {"a", "p", "0p", "x", {7}, {7}, {true}},
        {"aaa", "p..", "0p", "x", {12}, {12, 11, 12}, {true}},
        {"aaa", ".p.", "0p", "x", {12}, {11, 12, 12}, {false, true}},
        {"aaa", "..p", "0p", "x", {12}, {11, 12, 12}, {false, false, true}},
        {"aaaaa", ".p.q.", "0p 0q", "xx", {13}, {11, 13, 12, 13, 13}, {false, true, false, true}},
        {"aaaaa",
         "pqrst",
         "0p 0q 0r 0s 0t",
         ".xx.x",
         {2},
         {1, 2, 2, 2, 2},
         {false, true, true, false, true}},
        {"aaaa", "pqrs", "0p 0q 0r 0s", "xxxx", {5}, {5, 5, 5, 5}, {true, true, true, true}},
        {"aaaa", "pqrs", "0p 0q 0r 0s", "....", {9}, {6, 7, 8, 9}, {false}},
        {"abab", "p.q.", "0p 0q", "x.", {3, 2}, {3, 1, 3, 2}, {true}},
        {"abab", ".p.q", "1p 1q", ".x", {2, 5}, {1, 5, 2, 5}, {false, false, false, true}},
        {"abcabc",
         "p.qrs.",
         "0p 0r 1s 2q",
         "x.x.",
         {4, 8, 20},
         {4, 8, 19, 4, 8, 20},
         {true, false, false, false, true}},
        {"aab", ".Pp", "0P 1p", "x.", {1, 1}, {1, 1, 1}, {false, true}},
        {"aa", "pp", "0p 0p", ".x", {1}, {1, 1}, {false, true}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *fixture;
        void *own;

        setup(&own);
        fixture = own;
        add_tokens(fixture, rows[i].pages, rows[i].tokens, NULL);
        assert_tokens(fixture, rows[i].sent);
        answer_duplicates(fixture, rows[i].totals, rows[i].repeated);
        assert_memory_equal(fixture->numbers, rows[i].numbers, sizeof(rows[i].numbers));
        assert_memory_equal(fixture->duplicates, rows[i].is_duplicate,
                            sizeof(rows[i].is_duplicate));
        teardown(&own);
    }
}

/* x: the visit times out, before the batch is sent or, with `sealed`, after that */
static void test_tokens_of_visits_that_left(void **state)
{
    static const struct {
        const char *pages;
        const char *tokens;
        const char *leaving;
        bool sealed;
        const char *sent;
        const char *repeated;
        uint64_t totals[3];
        uint64_t numbers[8];
    } rows[] = {
        {"aaa", "pq.", "x..", false, "0q", "x", {4}, {0, 4, 4}},
        {"aaa", "pq.", ".x.", false, "0p", "x", {4}, {4, 0, 4}},
        {"aaa", "p.q", ".x.", false, "0p 0q", "x.", {4}, {4, 0, 4}},
        {"aabb", "p.q.", "xx..", false, "0q", "x", {9}, {0, 0, 9, 9}},
        {"aaaa", "pq..", "x...", true, "0p 0q", "x.", {13}, {0, 11, 12, 13}},
        {"aaaa", "pq..", "x...", true, "0p 0q", "..", {14}, {0, 12, 13, 14}},
        {"aaaa", ".p.q", "..x.", true, "0p 0q", "x.", {13}, {11, 13, 0, 13}},
        {"aaaa", ".pq.", "..x.", true, "0p 0q", "xx", {12}, {11, 12, 0, 12}},
        {"aaaa", "p..q", "x..x", true, "0p 0q", "x.", {3}, {0, 1, 2, 0}},
        {"abab", "pqrs", "xx..", true, "0p 0r 1q 1s", "x.x.", {5, 7}, {0, 0, 5, 7}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *fixture;
        void *own;

        setup(&own);
        fixture = own;
        add_tokens(fixture, rows[i].pages, rows[i].tokens, rows[i].leaving);
        if (rows[i].sealed) {
            assert_tokens(fixture, rows[i].sent);
        }
        expire(fixture, LEAVES_MS);
        assert_tokens(fixture, rows[i].sent);
        answer_duplicates(fixture, rows[i].totals, rows[i].repeated);
        assert_memory_equal(fixture->numbers, rows[i].numbers, sizeof(rows[i].numbers));
        teardown(&own);
    }
}

static void test_tokens_are_collected_anew_after_it_was_reopened(void **state)
{
    struct fixture *fixture = *state;

    add_tokens(fixture, "abab", "pq.s", "x..");
    assert_tokens(fixture, "0p 1q 1s");
    batch_reopen(fixture->batch);
    assert_int_equal(expire(fixture, LEAVES_MS), 1);
    assert_content(fixture, "a1 b2");
    assert_tokens(fixture, "1q 1s");
    answer_duplicates(fixture, (uint64_t[]){6, 8}, "x.");
    assert_int_equal(fixture->numbers[1], 8);
    assert_int_equal(fixture->numbers[2], 6);
    assert_int_equal(fixture->numbers[3], 8);
}

static void test_takes_a_bounded_number_of_tokens(void **state)
{
    struct fixture *fixture = *state;
    struct visit *visits = calloc(BATCH_TOKENS_MAX, sizeof(*visits));
    struct list expired;

    assert_non_null(visits);
    for (size_t i = 0; i < BATCH_TOKENS_MAX; i++) {
        assert_true(batch_takes(fixture->batch, SECOND, DAY));
        visits[i].token = "token";
        visits[i].token_length = 5;
        visits[i].deadline_ms = i == 0 ? LEAVES_MS : STAYS_MS;
        batch_add(fixture->batch, "/", 1, &visits[i]);
    }
    assert_false(batch_takes(fixture->batch, SECOND, DAY));
    expire(fixture, LEAVES_MS); /* makes room */
    assert_true(batch_takes(fixture->batch, SECOND, DAY));
    assert_int_equal(batch_seal(fixture->batch)->content.token_count, BATCH_TOKENS_MAX - 1);
    list_init(&expired);
    batch_expire(fixture->batch, UINT64_MAX, &expired);
    free(visits);
}

/*
 * The caller owns a token and may free it. The batch may be sent again later, so it needs a copy.
 */
static void test_tokens_are_copied(void **state)
{
    struct fixture *fixture = *state;
    char token[STORE_TOKEN_MAX];
    const struct store_token *sent;
    struct sealed_batch *sealed_batch;

    memset(token, 'x', sizeof(token));
    fixture->visits[0].token = token;
    fixture->visits[0].token_length = sizeof(token);
    add(fixture, "a", NULL);
    batch_seal(fixture->batch);
    memset(token, 'y', sizeof(token));
    answer_duplicates(fixture, (uint64_t[]){1}, ".");
    sealed_batch = batch_detach_sealed_batch(fixture->batch);
    batch_destroy(fixture->batch);
    fixture->batch = NULL;
    sent = sealed_batch->content.tokens;
    assert_int_equal(sent[0].length, STORE_TOKEN_MAX);
    assert_int_equal(sent[0].bytes[0], 'x');
    assert_int_equal(sent[0].bytes[STORE_TOKEN_MAX - 1], 'x');
    sealed_batch_destroy(sealed_batch);
}

/* --- against a model --- */

struct model {
    size_t entries[4]; /* entries of the pages a to d, or SIZE_MAX */
    size_t entry_count;
    uint64_t totals[4]; /* by page */
    size_t pages[VISITS_MAX];
    bool repeats[VISITS_MAX];
    uint64_t numbers[VISITS_MAX];
};

static uint64_t draw(uint64_t *seed, uint64_t limit)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (*seed >> 33) % limit;
}

/* adds visits one after the other and counts them like the store */
static void add_random(struct fixture *fixture, struct model *model, uint64_t *seed)
{
    static const char letters[] = "abcd";
    size_t count = 1 + draw(seed, VISITS_MAX - 1);

    for (size_t page = 0; page < 4; page++) {
        model->entries[page] = SIZE_MAX;
        model->totals[page] = draw(seed, 100);
    }
    for (size_t i = 0; i < count; i++) {
        size_t page = draw(seed, 4);
        bool has_token = draw(seed, 2) == 0;

        if (model->entries[page] == SIZE_MAX) {
            model->entries[page] = model->entry_count++;
        }
        model->pages[i] = page;
        model->repeats[i] = has_token && draw(seed, 2) == 0;
        model->totals[page] += model->repeats[i] ? 0 : 1;
        model->numbers[i] = model->totals[page];
        add_tokens(fixture, (char[]){letters[page], '\0'}, has_token ? "t" : ".", NULL);
    }
}

/*
 * the store's answer: totals by entry, and whether each token is a repetition, by entry and arrival
 */
static void answer_model(struct fixture *fixture, const struct model *model)
{
    uint64_t totals[4] = {0};
    bool repeated[VISITS_MAX];
    size_t tokens = 0;

    for (size_t entry = 0; entry < model->entry_count; entry++) {
        for (size_t i = 0; i < fixture->count; i++) {
            if (model->entries[model->pages[i]] == entry && fixture->visits[i].token != NULL) {
                repeated[tokens++] = model->repeats[i];
            }
        }
    }
    for (size_t page = 0; page < 4; page++) {
        if (model->entries[page] != SIZE_MAX) {
            totals[model->entries[page]] = model->totals[page];
        }
    }
    answer_with(fixture, totals, repeated);
}

static void test_numbers_of_random_batches(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct model model = {.entry_count = 0};
        struct fixture *fixture;
        void *own;

        setup(&own);
        fixture = own;
        add_random(fixture, &model, &seed);
        batch_seal(fixture->batch);
        answer_model(fixture, &model);
        for (size_t i = 0; i < fixture->count; i++) {
            assert_int_equal(fixture->duplicates[i], model.repeats[i]);
            assert_int_equal(fixture->numbers[i],
                             model.repeats[i] ? model.totals[model.pages[i]] : model.numbers[i]);
        }
        teardown(&own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repetitions_have_no_number_of_their_own),
        cmocka_unit_test(test_tokens_of_visits_that_left),
        TEST(test_tokens_are_collected_anew_after_it_was_reopened),
        TEST(test_takes_a_bounded_number_of_tokens),
        TEST(test_tokens_are_copied),
        cmocka_unit_test(test_numbers_of_random_batches),
    };

    return cmocka_run_group_tests_name("batch_tokens", tests, NULL, NULL);
}
