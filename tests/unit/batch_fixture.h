/* SPDX-License-Identifier: MIT */
/**
 * batch_fixture: a batch of visits, written as letters. "aba" is a visit of the page "a", one of
 * "b" and a second one of "a".
 */
#ifndef VISITCOUNTD_TESTS_BATCH_FIXTURE_H
#define VISITCOUNTD_TESTS_BATCH_FIXTURE_H

#include "count/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VISITS_MAX 32
#define LEAVES_MS  100
#define STAYS_MS   1000

#define HOUR_S 3600

/* the first second of an hour */
#define SECOND (7 * UINT64_C(3600))
#define DAY    UINT64_C(3)

struct fixture {
    struct batch *batch;
    struct visit visits[VISITS_MAX];
    uint64_t numbers[VISITS_MAX]; /* 0 until there is an answer */
    bool duplicates[VISITS_MAX];
    size_t count;
};

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->batch = batch_create(SECOND, DAY);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;

    batch_destroy(fixture->batch);
    free(fixture);
    return 0;
}

/* adds visits; those with an x in `leaving` time out at LEAVES_MS; NULL: none does */
static inline void add(struct fixture *fixture, const char *pages, const char *leaving)
{
    for (size_t i = 0; pages[i] != '\0'; i++) {
        struct visit *visit = &fixture->visits[fixture->count++];

        list_init(&visit->link);
        visit->deadline_ms = leaving != NULL && leaving[i] == 'x' ? LEAVES_MS : STAYS_MS;
        batch_add(fixture->batch, &pages[i], 1, visit);
    }
}

/* Returns how many visits timed out. Checks their order: by page, then by arrival. */
static inline size_t expire(struct fixture *fixture, uint64_t now_ms)
{
    struct list expired;
    struct list *link;
    size_t count = 0;

    list_init(&expired);
    batch_expire(fixture->batch, now_ms, &expired);
    while ((link = list_pop_first(&expired)) != NULL) {
        assert_true(container_of(link, struct visit, link)->deadline_ms <= now_ms);
        count++;
    }
    return count;
}

static inline void note_answer(struct fixture *fixture, struct visit *visit)
{
    const struct visit_answer *answer = &visit->answer;
    ptrdiff_t i = visit - fixture->visits;

    assert_true(list_is_empty(&visit->link));
    assert_true(answer->status == VISIT_COUNTED || answer->status == VISIT_DUPLICATE);
    assert_null(answer->reason);
    assert_int_equal(fixture->numbers[i], 0);
    fixture->numbers[i] = answer->count;
    fixture->duplicates[i] = answer->status == VISIT_DUPLICATE;
}

static inline void answer_with(struct fixture *fixture, const uint64_t *totals,
                               const bool *duplicates)
{
    static const uint64_t uniques[VISITS_MAX]; /* of each page */
    const struct store_applied applied = {
        .outcome = STORE_OK, .totals = totals, .uniques = uniques, .duplicate_tokens = duplicates};

    struct list answered;
    struct list *link;

    list_init(&answered);
    batch_answer(fixture->batch, &applied, &answered);
    while ((link = list_pop_first(&answered)) != NULL) {
        note_answer(fixture, container_of(link, struct visit, link));
    }
}

/* answers a batch without tokens */
static inline void answer(struct fixture *fixture, const uint64_t *totals)
{
    answer_with(fixture, totals, (const bool[1]){false});
}

/* compares the content to send, as "a2 b1" */
static inline void assert_content(struct fixture *fixture, const char *expected)
{
    const struct sealed_batch *sealed_batch = batch_seal(fixture->batch);
    const struct store_batch *content = &sealed_batch->content;
    uint64_t hits = 0;
    char text[256] = "";

    for (size_t i = 0; i < content->entry_count; i++) {
        const struct store_entry *entry = &content->entries[i];
        size_t length = strlen(text);

        assert_int_equal(strlen(entry->page), entry->page_length);
        hits += entry->hits;
        snprintf(text + length, sizeof(text) - length, "%s%s%llu", i != 0 ? " " : "", entry->page,
                 (unsigned long long)entry->hits);
    }
    assert_string_equal(text, expected);
    assert_int_equal(sealed_batch->hits, hits);
    assert_int_equal(content->hour, SECOND / HOUR_S);
    assert_int_equal(content->day, DAY);
    assert_int_equal(content->second, SECOND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
