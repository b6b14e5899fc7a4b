/* SPDX-License-Identifier: MIT */
#include "journal/sealed_batch.h"

#include "count/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_copies_all_but_the_number(void **state)
{
    char page[] = "/page";
    char token[] = "token";
    struct store_entry entries[] = {
        {page, 5, 3, false}, {"", 0, 1, false}, {"/other", 6, 40, false}};
    struct store_token tokens[] = {{token, 5, 0, STORE_WINDOW_ATTEMPT},
                                   {"x\0y", 3, 2, STORE_WINDOW_CLIENT}};
    struct store_batch content = {.site = "default",
                                  .epoch = "epoch",
                                  .sequence = 9,
                                  .follows = 8,
                                  .visits = 7,
                                  .hour = 6,
                                  .second = 6 * 3600 + 5,
                                  .entries = entries,
                                  .entry_count = 3,
                                  .tokens = tokens,
                                  .token_count = 2};
    struct sealed_batch *sealed_batch = sealed_batch_create(&content);
    const struct store_batch *copy = &sealed_batch->content;

    (void)state;
    memset(page, 'y', 5); /* the sealed batch has copies */
    memset(token, 'y', 5);
    memset(entries, 0xa5, sizeof(entries));
    memset(tokens, 0xa5, sizeof(tokens));
    assert_null(copy->site);
    assert_null(copy->epoch);
    assert_int_equal(copy->sequence, 0);
    assert_int_equal(copy->follows, 0);
    assert_int_equal(copy->visits, 0);
    assert_int_equal(copy->hour, 6);
    assert_int_equal(copy->second, 6 * 3600 + 5);
    assert_int_equal(copy->entry_count, 3);
    assert_string_equal(copy->entries[0].page, "/page");
    assert_int_equal(copy->entries[0].hits, 3);
    assert_string_equal(copy->entries[1].page, "");
    assert_int_equal(copy->entries[1].page_length, 0);
    assert_string_equal(copy->entries[2].page, "/other");
    assert_int_equal(copy->entries[2].page_length, 6);
    assert_int_equal(copy->token_count, 2);
    assert_memory_equal(copy->tokens[0].bytes, "token", 5);
    assert_int_equal(copy->tokens[0].window, STORE_WINDOW_ATTEMPT);
    assert_memory_equal(copy->tokens[1].bytes, "x\0y", 3);
    assert_int_equal(copy->tokens[1].length, 3);
    assert_int_equal(copy->tokens[1].entry, 2);
    assert_int_equal(copy->tokens[1].window, STORE_WINDOW_CLIENT);
    assert_int_equal(sealed_batch->hits, 44);
    assert_false(sealed_batch->is_addressed);
    sealed_batch_destroy(sealed_batch);
}

/* the size that retain_max_bytes limits includes all memory of a sealed batch */
static void test_says_its_size(void **state)
{
    static struct store_entry entries[BATCH_PAGES_MAX];
    static struct store_token tokens[BATCH_TOKENS_MAX];
    char page[STORE_PAGE_MAX + 1];
    char token[STORE_TOKEN_MAX];
    struct store_batch content = {.entries = entries,
                                  .entry_count = BATCH_PAGES_MAX,
                                  .tokens = tokens,
                                  .token_count = BATCH_TOKENS_MAX};
    struct sealed_batch *sealed_batch;
    size_t content_bytes =
        BATCH_PAGES_MAX * (size_t)STORE_PAGE_MAX + BATCH_TOKENS_MAX * (size_t)STORE_TOKEN_MAX;

    (void)state;
    memset(page, 'p', STORE_PAGE_MAX);
    page[STORE_PAGE_MAX] = '\0';
    memset(token, 't', STORE_TOKEN_MAX);
    for (size_t i = 0; i < BATCH_PAGES_MAX; i++) {
        entries[i] = (struct store_entry){page, STORE_PAGE_MAX, 1, false};
    }
    for (size_t i = 0; i < BATCH_TOKENS_MAX; i++) {
        tokens[i] = (struct store_token){token, STORE_TOKEN_MAX, 0, STORE_WINDOW_CLIENT};
    }
    sealed_batch = sealed_batch_create(&content);
    assert_in_range(sealed_batch->size_bytes, content_bytes + sizeof(entries) + sizeof(tokens),
                    content_bytes + sizeof(entries) + sizeof(tokens) + 1024);
    assert_string_equal(sealed_batch->content.entries[BATCH_PAGES_MAX - 1].page, page);
    assert_memory_equal(sealed_batch->content.tokens[BATCH_TOKENS_MAX - 1].bytes, token,
                        STORE_TOKEN_MAX);
    sealed_batch_destroy(sealed_batch);
}

static void test_destroy_takes_null(void **state)
{
    (void)state;
    sealed_batch_destroy(NULL);
}

/* a resend does not count visits that were refused before, even if there is room now */
static void test_settled_it_counts_what_was_counted(void **state)
{
    struct store_entry entries[] = {{"/a", 2, 3, true}, {"/new", 4, 1, false}, {"/b", 2, 5, false}};
    struct store_token tokens[] = {{"1", 1, 0, STORE_WINDOW_CLIENT},
                                   {"2", 1, 1, STORE_WINDOW_CLIENT},
                                   {"3", 1, 2, STORE_WINDOW_CLIENT}};
    struct store_visitor visitors[] = {{7, 0}, {8, 1}, {9, 1}, {10, 2}};
    struct store_batch content = {.pages_max = 2,
                                  .entries = entries,
                                  .entry_count = 3,
                                  .tokens = tokens,
                                  .token_count = 3,
                                  .visitors = visitors,
                                  .visitor_count = 4};
    struct sealed_batch *sealed_batch = sealed_batch_create(&content);
    const struct store_batch *copy = &sealed_batch->content;

    (void)state;
    assert_int_equal(copy->pages_max, 2);
    assert_int_equal(copy->visitor_count, 4);
    sealed_batch_settle(sealed_batch, (const uint64_t[]){10, STORE_NONE, 20});
    assert_int_equal(copy->pages_max, 0);
    assert_int_equal(copy->entry_count, 3);
    assert_int_equal(copy->entries[0].hits, 3);
    assert_int_equal(copy->entries[1].hits, 0);
    assert_int_equal(copy->token_count, 2);
    assert_memory_equal(copy->tokens[1].bytes, "3", 1);
    assert_int_equal(copy->visitor_count, 2);
    assert_int_equal(copy->visitors[1].hash, 10);
    assert_int_equal(sealed_batch->hits, 9); /* the ledger has this number of visits */
    sealed_batch_destroy(sealed_batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_all_but_the_number),
        cmocka_unit_test(test_says_its_size),
        cmocka_unit_test(test_settled_it_counts_what_was_counted),
        cmocka_unit_test(test_destroy_takes_null),
    };

    return cmocka_run_group_tests_name("parcel", tests, NULL, NULL);
}
