/* SPDX-License-Identifier: MIT */
/*
 * The contract of store.h beyond batches: history, lists, edits, admission of sites, salts. Each
 * test runs against both stores.
 */
#include "store_fixture.h"

#define SCANNED (5 * PAGES_MAX)

/* ---- calls that wait ---- */

/* a copy of the answer of a call other than apply, read and ledger */
struct end {
    struct fixture *fixture;
    enum store_outcome outcome;
    int calls;
    uint64_t numbers[STORE_STEPS_MAX];
    size_t count;
    bool *told; /* scan: whether "/NUMBER" was reported; or NULL */
    char names[64][STORE_PAGE_MAX + 1];
    uint64_t totals[64];
    char next[STORE_PAGE_MAX + 1];
    bool is_admitted;
    char salt[STORE_SALT_LENGTH + 1];
    struct store_edited edited;
};

static void end_call(struct end *end, enum store_outcome outcome, const char *reason)
{
    assert_true(outcome == STORE_OK || reason != NULL);
    end->outcome = outcome;
    end->calls++;
    loop_stop(end->fixture->loop);
}

static struct end *begin_call(struct fixture *fixture)
{
    struct end *end = calloc(1, sizeof(*end));

    assert_non_null(end);
    end->fixture = fixture;
    return end;
}

static void wait_for_end(struct end *end)
{
    assert_int_equal(end->calls, 0); /* never from inside the call */
    run_loop(end->fixture);
    assert_int_equal(end->calls, 1);
    assert_int_equal(end->outcome, STORE_OK);
}

static void on_series(void *data, const struct store_series *series)
{
    struct end *end = data;

    end->count = series->count;
    if (series->outcome == STORE_OK) {
        memcpy(end->numbers, series->numbers, series->count * sizeof(*series->numbers));
    }
    end_call(end, series->outcome, series->reason);
}

static void on_pages(void *data, const struct store_pages *pages)
{
    struct end *end = data;

    end->count = pages->count;
    for (size_t i = 0; i < pages->count && i < 64; i++) {
        assert_true(strlen(pages->pages[i].page) == pages->pages[i].page_length);
        strcpy(end->names[i], pages->pages[i].page);
        end->totals[i] = pages->pages[i].total;
    }
    for (size_t i = 0; i < pages->count && end->told != NULL; i++) {
        size_t number = (size_t)atoi(pages->pages[i].page + 1);

        assert_true(number < SCANNED);
        assert_true(pages->pages[i].total == number % PAGES_MAX + 1);
        end->told[number] = true;
    }
    snprintf(end->next, sizeof(end->next), "%s", pages->next != NULL ? pages->next : "");
    end_call(end, pages->outcome, pages->reason);
}

static void on_sites(void *data, const struct store_sites *sites)
{
    struct end *end = data;

    end->count = sites->count;
    for (size_t i = 0; i < sites->count && i < 64; i++) {
        strcpy(end->names[i], sites->names[i]);
    }
    end_call(end, sites->outcome, sites->reason);
}

static void on_counted(void *data, const struct store_counted *counted)
{
    struct end *end = data;

    end->count = counted->count;
    end_call(end, counted->outcome, counted->reason);
}

static size_t count_of(struct fixture *fixture, const char *site)
{
    struct end *end = begin_call(fixture);
    size_t count;

    store_count(fixture->store, site, on_counted, end);
    wait_for_end(end);
    count = end->count;
    free(end);
    return count;
}

static void on_edited(void *data, const struct store_edited *edited)
{
    ((struct end *)data)->edited = *edited;
    end_call(data, edited->outcome, edited->reason);
}

static void on_admitted(void *data, const struct store_admitted *admitted)
{
    ((struct end *)data)->is_admitted = admitted->is_admitted;
    end_call(data, admitted->outcome, admitted->reason);
}

static void on_salt(void *data, const struct store_salt *salt)
{
    snprintf(((struct end *)data)->salt, STORE_SALT_LENGTH + 1, "%s", salt->salt);
    end_call(data, salt->outcome, salt->reason);
}

/* ---- history ---- */

static struct end *read_series(struct fixture *fixture, const struct store_span *span)
{
    struct end *end = begin_call(fixture);

    store_series(fixture->store, span, on_series, end);
    wait_for_end(end);
    assert_true(end->count == span->to - span->from + 1);
    return end;
}

static void test_series_have_zeros_where_nothing_happened(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_span span = {"default", "/a", 2, STORE_BY_DAY, DAY - 3, DAY + 1, false, false};
    struct end *end;

    visit(fixture, "/a", 5, (DAY - 2) * 24 + 3);
    visit(fixture, "/b", 9, (DAY - 2) * 24 + 3);
    visit(fixture, "/a", 1, (DAY - 2) * 24 + 4);
    visit(fixture, "/a", 2, DAY * 24);
    end = read_series(fixture, &span);
    assert_memory_equal(end->numbers, ((uint64_t[]){0, 6, 0, 2, 0}), 5 * sizeof(uint64_t));
    free(end);
    span.step = STORE_BY_HOUR;
    span.from = (DAY - 2) * 24 + 2;
    span.to = span.from + 2;
    end = read_series(fixture, &span);
    assert_memory_equal(end->numbers, ((uint64_t[]){0, 5, 1}), 3 * sizeof(uint64_t));
    free(end);
    span.page = "";
    span.page_length = 0;
    end = read_series(fixture, &span);
    assert_memory_equal(end->numbers, ((uint64_t[]){0, 14, 1}), 3 * sizeof(uint64_t));
    free(end);
    span.site = "nobody";
    end = read_series(fixture, &span);
    assert_memory_equal(end->numbers, ((uint64_t[]){0, 0, 0}), 3 * sizeof(uint64_t));
    free(end);
}

static void test_the_longest_series(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_span span = {"default", "/a",  2,    STORE_BY_HOUR, HOUR - STORE_STEPS_MAX + 1,
                              HOUR,      false, false};
    struct end *end;

    visit(fixture, "/a", 3, span.to - 300);
    visit(fixture, "/a", 4, span.to);
    end = read_series(fixture, &span);
    assert_true(end->numbers[0] == 0);
    assert_true(end->numbers[STORE_STEPS_MAX - 301] == 3);
    assert_true(end->numbers[STORE_STEPS_MAX - 1] == 4);
    free(end);
}

static void test_series_of_visitors(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_span span = {"default", "/a", 2, STORE_BY_DAY, DAY - 1, DAY + 1, true, false};
    struct end *end;

    meet(fixture, "/a", DAY, (uint64_t[]){1, 2, 2}, 3);
    meet(fixture, "/a", DAY + 1, (uint64_t[]){1}, 1);
    end = read_series(fixture, &span);
    assert_memory_equal(end->numbers, ((uint64_t[]){0, 2, 1}), 3 * sizeof(uint64_t));
    free(end);
}

static void test_days_are_summed(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry pages[] = {entry_of("/a", 0), entry_of("/none", 0), entry_of("/b", 0)};
    struct store_query query = {"default", pages, 3, STORE_DAYS, DAY - 6, DAY, false};
    struct answer answer;

    visit(fixture, "/a", 1, (DAY - 7) * 24);
    visit(fixture, "/a", 10, (DAY - 6) * 24);
    visit(fixture, "/a", 100, DAY * 24);
    visit(fixture, "/b", 4, (DAY - 1) * 24);
    answer = read_numbers(fixture, &query);
    assert_total(answer, 0, 110);
    assert_total(answer, 1, 0);
    assert_total(answer, 2, 4);
}

/* ---- lists ---- */

static struct end *read_top(struct fixture *fixture, const char *site, size_t count)
{
    struct store_ranking ranking = {.site = site, .count = count};
    struct end *end = begin_call(fixture);

    store_top(fixture->store, &ranking, on_pages, end);
    wait_for_end(end);
    return end;
}

static void test_the_top_pages(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 3), entry_of("/b b", 7), entry_of("/c", 5)};
    struct end *end;

    apply_entries(fixture, EPOCH_A, 1, entries, 3);
    end = read_top(fixture, "default", 2);
    assert_int_equal(end->count, 2);
    assert_string_equal(end->names[0], "/b b");
    assert_true(end->totals[0] == 7);
    assert_string_equal(end->names[1], "/c");
    free(end);
    end = read_top(fixture, "default", STORE_LIST_MAX);
    assert_int_equal(end->count, 3); /* the site itself does not count as a page */
    assert_string_equal(end->names[2], "/a");
    free(end);
    end = read_top(fixture, "nobody", 5);
    assert_int_equal(end->count, 0);
    free(end);
}

static void fill_site(struct fixture *fixture)
{
    struct store_entry entries[PAGES_MAX];
    static char names[PAGES_MAX][16];

    for (uint64_t sequence = 1; sequence <= SCANNED / PAGES_MAX; sequence++) {
        for (size_t i = 0; i < PAGES_MAX; i++) {
            snprintf(names[i], sizeof(names[i]), "/%zu", (size_t)(sequence - 1) * PAGES_MAX + i);
            entries[i] = entry_of(names[i], i + 1);
        }
        apply_entries(fixture, EPOCH_A, sequence, entries, PAGES_MAX);
    }
}

static void test_a_scan_tells_of_each_page(void **state)
{
    struct fixture *fixture = open_fixture(state);
    bool told[SCANNED] = {false};
    char after[STORE_PAGE_MAX + 1] = "";
    int calls = 0;

    assert_int_equal(count_of(fixture, "default"), 0);
    fill_site(fixture);
    assert_int_equal(count_of(fixture, "default"), SCANNED);
    assert_int_equal(count_of(fixture, "other"), 0);
    do {
        struct end *end = begin_call(fixture);

        end->told = told;
        store_scan(fixture->store, "default", after, on_pages, end);
        wait_for_end(end);
        strcpy(after, end->next);
        free(end);
        calls++;
    } while (*after != '\0');
    assert_true(calls > 1);
    for (size_t i = 0; i < SCANNED; i++) {
        assert_true(told[i]);
    }
}

static void test_sites_are_admitted_up_to_a_limit(void **state)
{
    static const struct {
        const char *site;
        uint64_t limit;
        bool is_admitted;
    } rows[] = {{"b", 2, true}, {"a", 2, true},  {"c", 2, false}, {"b", 1, true},
                {"d", 0, true}, {"c", 2, false}, {"c", 4, true},  {"a", 2, true}};
    struct fixture *fixture = open_fixture(state);
    struct end *end;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        end = begin_call(fixture);
        store_admit(fixture->store, rows[i].site, rows[i].limit, on_admitted, end);
        wait_for_end(end);
        assert_int_equal(end->is_admitted, rows[i].is_admitted);
        free(end);
    }
    end = begin_call(fixture);
    store_sites(fixture->store, on_sites, end);
    wait_for_end(end);
    assert_int_equal(end->count, 4);
    assert_string_equal(end->names[0], "a");
    assert_string_equal(end->names[3], "d");
    free(end);
    assert_int_equal(count_of(fixture, ""), 4);
}

/* ---- edits ---- */

/* edits, and sets `ret_edited` to the result */
static enum store_outcome edit_page(struct fixture *fixture, enum store_edit_kind kind,
                                    const char *page, uint64_t number, const char *to,
                                    struct store_edited *ret_edited)
{
    struct store_edit edit = {.kind = kind,
                              .site = "default",
                              .page = page,
                              .page_length = strlen(page),
                              .to = to,
                              .to_length = to != NULL ? strlen(to) : 0,
                              .number = number};
    struct end *end = begin_call(fixture);
    enum store_outcome outcome;

    store_edit(fixture->store, &edit, on_edited, end);
    assert_int_equal(end->calls, 0);
    run_loop(fixture);
    assert_int_equal(end->calls, 1);
    *ret_edited = end->edited;
    outcome = end->outcome;
    free(end);
    return outcome;
}

#define assert_edited(fixture, kind, page, number, to, wanted_before, wanted_after)       \
    do {                                                                                  \
        struct store_edited edited_;                                                      \
                                                                                          \
        assert_int_equal(edit_page(fixture, kind, page, number, to, &edited_), STORE_OK); \
        assert_true(edited_.before == (wanted_before));                                   \
        assert_true(edited_.after == (wanted_after));                                     \
    } while (0)

static void test_set_and_add(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_edited edited;

    visit(fixture, "/a", 5, HOUR);
    assert_edited(fixture, STORE_SET, "/a", 1000, NULL, 5, 1000);
    assert_edited(fixture, STORE_SET, "/a", 1000, NULL, 1000, 1000);
    assert_edited(fixture, STORE_SET, "/b", 7, NULL, STORE_NONE, 7);
    assert_edited(fixture, STORE_ADD, "/b", 3, NULL, 7, 10);
    assert_edited(fixture, STORE_ADD, "/c", 1, NULL, STORE_NONE, 1);
    assert_true(total_of(fixture, "default", "") == 1011);
    assert_edited(fixture, STORE_SET, "/a", 0, NULL, 1000, 0);
    assert_true(total_of(fixture, "default", "") == 11);
    assert_true(visit(fixture, "/a", 1, HOUR).totals[0] == 1);
    assert_true(read_number(fixture, "/a", STORE_DAYS, DAY, DAY) == 6); /* only visits */
    /* the other pages have 11, and the site's own total is also limited to STORE_NUMBER_MAX */
    assert_int_equal(edit_page(fixture, STORE_SET, "/a", STORE_NUMBER_MAX - 10, NULL, &edited),
                     STORE_REFUSED);
    assert_true(total_of(fixture, "default", "/a") == 1);
    assert_edited(fixture, STORE_SET, "/a", STORE_NUMBER_MAX - 11, NULL, 1, STORE_NUMBER_MAX - 11);
    assert_true(total_of(fixture, "default", "") == STORE_NUMBER_MAX);
    assert_int_equal(edit_page(fixture, STORE_ADD, "/a", 1, NULL, &edited), STORE_REFUSED);
    assert_true(total_of(fixture, "default", "/a") == STORE_NUMBER_MAX - 11);
    assert_edited(fixture, STORE_RENAME, "/b", 0, "/a", 10, STORE_NUMBER_MAX - 1);
}

static void test_delete(void **state)
{
    struct fixture *fixture = open_fixture(state);

    visit(fixture, "/a", 5, HOUR - 24);
    visit(fixture, "/a", 2, HOUR);
    visit(fixture, "/b", 1, HOUR);
    meet(fixture, "/a", DAY, (uint64_t[]){1, 2}, 2);
    assert_edited(fixture, STORE_DELETE, "/a", 0, NULL, 9, STORE_NONE);
    assert_edited(fixture, STORE_DELETE, "/a", 0, NULL, STORE_NONE, STORE_NONE);
    assert_true(total_of(fixture, "default", "/a") == 0);
    assert_true(total_of(fixture, "default", "") == 1);
    assert_true(read_number(fixture, "/a", STORE_DAYS, DAY - 2, DAY) == 0);
    assert_true(read_number(fixture, "", STORE_DAYS, DAY - 2, DAY) == 1);
    assert_true(read_number(fixture, "/a", STORE_UNIQUES, DAY, DAY) == 0);
    assert_true(meet(fixture, "/a", DAY, (uint64_t[]){1}, 1).uniques[0] == 1);
}

static void test_a_page_that_is_deleted_makes_room(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry a = entry_of("/a", 1);
    struct store_entry b = entry_of("/b", 1);
    struct store_batch batch = batch_of(EPOCH_A, 1, 1, &a, 1);

    batch.pages_max = 1;
    assert_total(apply_batch(fixture, &batch), 0, 1);
    batch = batch_of(EPOCH_A, 2, 1, &b, 1);
    batch.pages_max = 1;
    assert_total(apply_batch(fixture, &batch), 0, STORE_NONE);
    assert_edited(fixture, STORE_DELETE, "/a", 0, NULL, 1, STORE_NONE);
    batch = batch_of(EPOCH_A, 3, 1, &b, 1);
    batch.pages_max = 1;
    assert_total(apply_batch(fixture, &batch), 0, 1);
}

static void test_rename(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct end *end;

    visit(fixture, "/old", 5, HOUR - 24);
    meet(fixture, "/old", DAY, (uint64_t[]){1, 2, 3}, 3);
    assert_edited(fixture, STORE_RENAME, "/old", 0, "/new", 8, 8);
    assert_edited(fixture, STORE_RENAME, "/old", 0, "/new", STORE_NONE, 8);
    assert_true(total_of(fixture, "default", "/old") == 0);
    assert_true(total_of(fixture, "default", "/new") == 8);
    assert_true(total_of(fixture, "default", "") == 8);
    assert_true(read_number(fixture, "/new", STORE_DAYS, DAY - 2, DAY) == 8);
    assert_true(read_number(fixture, "/old", STORE_DAYS, DAY - 2, DAY) == 0);
    assert_true(read_number(fixture, "/new", STORE_UNIQUES, DAY, DAY) == 3);
    assert_true(read_number(fixture, "/old", STORE_UNIQUES, DAY, DAY) == 0);
    /*
     * to the name of an existing page: the totals add up, and a visitor of both pages counts once
     */
    meet(fixture, "/old", DAY, (uint64_t[]){3, 4}, 2);
    assert_edited(fixture, STORE_RENAME, "/old", 0, "/new", 2, 10);
    assert_true(read_number(fixture, "/new", STORE_UNIQUES, DAY, DAY) == 4);
    assert_true(meet(fixture, "/new", DAY, (uint64_t[]){4, 5}, 2).uniques[0] == 5);
    end = read_top(fixture, "default", 10);
    assert_int_equal(end->count, 1);
    free(end);
}

/* a history that is too long for one command of Redis, so that the edit takes several */
static void test_edits_of_a_long_history(void **state)
{
    static const uint64_t days_ago[] = {0, 1, 100, 130, 160, 300, 364, 2000, 3600};
    struct fixture *fixture = *state;
    size_t count = sizeof(days_ago) / sizeof(days_ago[0]);

    fixture->series_days = 3650;
    fixture->series_hours_days = 365;
    fixture = open_fixture(state);
    for (size_t i = 0; i < count; i++) {
        visit(fixture, "/a", 1, HOUR - 24 * days_ago[i]);
        visit(fixture, "/c", 1, HOUR - 24 * days_ago[i]);
        meet(fixture, "/a", DAY - days_ago[i], (uint64_t[]){1, 2}, 2);
    }
    assert_edited(fixture, STORE_RENAME, "/a", 0, "/b", 3 * count, 3 * count);
    for (size_t i = 0; i < count; i++) {
        uint64_t day = DAY - days_ago[i];

        assert_true(read_number(fixture, "/b", STORE_DAYS, day, day) == 3);
        assert_true(read_number(fixture, "/a", STORE_DAYS, day, day) == 0);
        assert_true(read_number(fixture, "/b", STORE_UNIQUES, day, day) == 2);
        assert_true(read_number(fixture, "/a", STORE_UNIQUES, day, day) == 0);
        assert_true(read_number(fixture, "", STORE_DAYS, day, day) == 4);
    }
    assert_edited(fixture, STORE_RENAME, "/none", 0, "/b", STORE_NONE, 3 * count);
    assert_edited(fixture, STORE_DELETE, "/none", 0, NULL, STORE_NONE, STORE_NONE);
    assert_edited(fixture, STORE_DELETE, "/b", 0, NULL, 3 * count, STORE_NONE);
    assert_true(total_of(fixture, "default", "") == count);
    for (size_t i = 0; i < count; i++) {
        uint64_t day = DAY - days_ago[i];

        assert_true(read_number(fixture, "/b", STORE_DAYS, day, day) == 0);
        assert_true(read_number(fixture, "/b", STORE_UNIQUES, day, day) == 0);
        assert_true(read_number(fixture, "", STORE_DAYS, day, day) == 1);
    }
}

/* ---- many pages at once ---- */

#define ASKED 30

static void on_numbers(void *data, const struct store_read *read)
{
    struct end *end = data;

    if (read->outcome == STORE_OK) {
        memcpy(end->numbers, read->numbers, ASKED * sizeof(*read->numbers));
    }
    end_call(end, read->outcome, read->reason);
}

static void test_many_pages_over_a_year(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry pages[ASKED];
    char names[ASKED][16];
    struct store_query query = {.site = "default",
                                .pages = pages,
                                .page_count = ASKED,
                                .kind = STORE_UNIQUES,
                                .from_day = DAY - 365,
                                .to_day = DAY};

    for (uint64_t i = 0; i < ASKED; i++) {
        snprintf(names[i], sizeof(names[i]), "/%u", (unsigned)i);
        pages[i] = (struct store_entry){.page = names[i], .page_length = strlen(names[i])};
        meet(fixture, names[i], DAY, (uint64_t[]){1, 2 + i}, i % 3 != 0 ? 2 : 1);
        if (i % 5 == 0) {
            meet(fixture, names[i], DAY - 300, (uint64_t[]){1000}, 1);
        }
    }
    for (int kind = STORE_TOTALS; kind <= STORE_UNIQUES; kind++) {
        struct end *end = begin_call(fixture);

        query.kind = (enum store_number)kind;
        store_read(fixture->store, &query, on_numbers, end);
        wait_for_end(end);
        for (uint64_t i = 0; i < ASKED; i++) {
            assert_int_equal(end->numbers[i], (i % 3 != 0 ? 2 : 1) + (i % 5 == 0 ? 1 : 0));
        }
        free(end);
    }
}

/* ---- salts ---- */

static void read_salt(struct fixture *fixture, uint64_t day, char ret_salt[STORE_SALT_LENGTH + 1])
{
    struct end *end = begin_call(fixture);

    store_salt(fixture->store, day, on_salt, end);
    wait_for_end(end);
    assert_int_equal(strspn(end->salt, "0123456789abcdef"), STORE_SALT_LENGTH);
    strcpy(ret_salt, end->salt);
    free(end);
}

static void test_a_day_has_one_salt(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char today[STORE_SALT_LENGTH + 1];
    char again[STORE_SALT_LENGTH + 1];
    char tomorrow[STORE_SALT_LENGTH + 1];

    read_salt(fixture, DAY, today);
    close_store(fixture);
    open_store(fixture);
    read_salt(fixture, DAY, again);
    read_salt(fixture, DAY + 1, tomorrow);
    assert_string_equal(today, again);
    assert_string_not_equal(today, tomorrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_series_have_zeros_where_nothing_happened),
        FOR_BOTH(test_the_longest_series),
        FOR_BOTH(test_series_of_visitors),
        FOR_BOTH(test_days_are_summed),
        FOR_BOTH(test_the_top_pages),
        FOR_BOTH(test_a_scan_tells_of_each_page),
        FOR_BOTH(test_sites_are_admitted_up_to_a_limit),
        FOR_BOTH(test_set_and_add),
        FOR_BOTH(test_delete),
        FOR_BOTH(test_a_page_that_is_deleted_makes_room),
        FOR_BOTH(test_rename),
        FOR_BOTH(test_edits_of_a_long_history),
        FOR_BOTH(test_many_pages_over_a_year),
        FOR_BOTH(test_a_day_has_one_salt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
