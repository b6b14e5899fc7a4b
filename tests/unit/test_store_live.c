/* SPDX-License-Identifier: MIT */
/*
 * Watching sites: a store reports visits that it or another process has counted. Each test runs
 * against both stores. The other process is a second store on the same database.
 */
#include "store_fixture.h"

#define TOLD_MAX 64

struct told {
    struct fixture *fixture;
    size_t count;
    char sites[TOLD_MAX][STORE_SITE_MAX + 1];
    char pages[TOLD_MAX][STORE_PAGE_MAX + 1]; /* "?": the site has to be read again */
    uint64_t totals[TOLD_MAX];
    const char *wanted; /* a page that ends the wait */
    uint64_t wanted_total;
    bool unwatches; /* inside the first callback */
};

static void on_visits(void *data, const char *site, const struct store_page *page)
{
    struct told *told = data;
    size_t i = told->count++;

    assert_true(i < TOLD_MAX);
    strcpy(told->sites[i], site);
    strcpy(told->pages[i], page != NULL ? page->page : "?");
    assert_true(page == NULL || strlen(page->page) == page->page_length);
    told->totals[i] = page != NULL ? page->total : 0;
    if (told->unwatches) {
        store_unwatch(told->fixture->store, site);
        told->unwatches = false;
    }
    if (told->wanted != NULL && strcmp(told->pages[i], told->wanted) == 0 &&
        told->totals[i] >= told->wanted_total) {
        told->wanted = NULL;
        loop_stop(told->fixture->loop);
    }
}

static void wait_for(struct told *told, const char *page, uint64_t total)
{
    for (size_t i = 0; i < told->count; i++) {
        if (strcmp(told->pages[i], page) == 0 && told->totals[i] >= total) {
            return;
        }
    }
    told->wanted = page;
    told->wanted_total = total;
    run_loop(told->fixture);
}

/* watches the default site, and waits until the watch has begun */
static void watch(struct fixture *fixture, struct told *told)
{
    *told = (struct told){.fixture = fixture};
    store_listen_visits(fixture->store, on_visits, told);
    store_watch(fixture->store, "default");
    wait_for(told, "?", 0);
    told->count = 0;
}

/* counts a visit with a second store, as another process would; returns the outcome */
static void visit_elsewhere(struct fixture *fixture, const char *page)
{
    struct fixture other = *fixture;
    struct answer answer;

    loop_timer_init(&other.patience, on_patience);
    other.available = false;
    other.store = other.backend->create(&other);
    store_listen(other.store, &other.listener);
    wait_for_available(&other, true);
    answer = apply_page(&other, EPOCH_B, ledger_of(&other, EPOCH_B) + 1, page, 1);
    assert_int_equal(answer.outcome, STORE_OK);
    store_destroy(other.store);
}

static void test_own_visits_are_told(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a b", 3), entry_of("/c", 1)};
    struct told told;

    watch(fixture, &told);
    apply_entries(fixture, EPOCH_A, 1, entries, 2);
    wait_for(&told, "/a b", 3);
    wait_for(&told, "/c", 1);
    wait_for(&told, "", 4); /* the site */
    assert_int_equal(told.count, 3);
    assert_string_equal(told.sites[0], "default");
}

static void test_visits_of_other_processes_are_told(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct told told;

    watch(fixture, &told);
    visit_elsewhere(fixture, "/");
    wait_for(&told, fixture->backend == &sqlite_backend ? "?" : "/", 0);
}

static void test_other_sites_are_not_told(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_batch batch = batch_of(EPOCH_A, 1, 1, &entry, 1);
    struct told told;

    batch.site = "another";
    watch(fixture, &told);
    apply_batch(fixture, &batch);
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    wait_for(&told, "", 1);
    for (size_t i = 0; i < told.count; i++) {
        assert_string_equal(told.sites[i], "default");
    }
}

static void test_a_site_is_watched_as_often_as_it_was_asked_for(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct told told;

    watch(fixture, &told);
    store_watch(fixture->store, "default");
    store_unwatch(fixture->store, "default");
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    wait_for(&told, "/", 1);
    store_unwatch(fixture->store, "default");
    told.count = 0;
    apply_page(fixture, EPOCH_A, 2, "/", 1);
    store_watch(fixture->store, "default"); /* a new watch */
    wait_for(&told, "?", 0);
    told.count = 0;
    apply_page(fixture, EPOCH_A, 3, "/", 1);
    wait_for(&told, "/", 3);
}

/* guards: the store went on with a watch that had ended or was freed */
static void test_who_is_told_may_unwatch(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 1), entry_of("/b", 1)};
    struct told told;

    watch(fixture, &told);
    told.unwatches = true;
    apply_entries(fixture, EPOCH_A, 1, entries, 2);
    wait_for(&told, "", 2);
    apply_page(fixture, EPOCH_A, 2, "/a", 1);
    assert_int_equal(told.count, 1);
}

static void on_edited(void *data, const struct store_edited *edited)
{
    (void)data;
    assert_int_equal(edited->outcome, STORE_OK);
}

static void test_edits_are_told(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_edit edit = {
        .kind = STORE_SET, .site = "default", .page = "/", .page_length = 1, .number = 77};
    struct told told;
    bool is_sqlite = fixture->backend == &sqlite_backend;

    watch(fixture, &told);
    store_edit(fixture->store, &edit, on_edited, NULL);
    wait_for(&told, is_sqlite ? "?" : "/", is_sqlite ? 0 : 77);
}

/* messages published during a gap are not lost: the site is read again */
static void test_after_a_gap_it_is_read_again(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct told told;

    watch(fixture, &told);
    fixture->backend->take_away(fixture);
    wait_for_available(fixture, false);
    fixture->backend->bring_back(fixture);
    wait_for(&told, "?", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_own_visits_are_told),
        FOR_BOTH(test_visits_of_other_processes_are_told),
        FOR_BOTH(test_other_sites_are_not_told),
        FOR_BOTH(test_a_site_is_watched_as_often_as_it_was_asked_for),
        FOR_BOTH(test_who_is_told_may_unwatch),
        FOR_BOTH(test_edits_are_told),
        {"redis: test_after_a_gap_it_is_read_again", test_after_a_gap_it_is_read_again, setup_redis,
         teardown, NULL},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
