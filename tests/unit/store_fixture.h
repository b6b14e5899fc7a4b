/* SPDX-License-Identifier: MIT */
/**
 * store_fixture: common to the tests of stores. It has a directory, a loop, a store on one of the
 * two backends, and functions that make a call and wait for its answer.
 *
 * setup_sqlite() and setup_redis() make a `struct fixture` without a store; open_store() opens it.
 * One Redis server is started per fixture, on a unix socket in the directory.
 */
#ifndef VISITCOUNTD_TESTS_STORE_FIXTURE_H
#define VISITCOUNTD_TESTS_STORE_FIXTURE_H

#include "base/clock.h"
#include "loop/disk.h"
#include "loop/loop.h"
#include "redis_server.h"
#include "store/redis/redis_store.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* longer than any step here takes, also under valgrind: a wait of that length has failed */
#define PATIENCE_MS 60000

#define PAGES_MAX  500
#define TOKENS_MAX 1000
/* the current hour, because a store may drop old ones at any time */
#define HOUR (clock_wall_ms() / 3600000)
#define DAY  (HOUR / 24)

#define EPOCH_A "0123456789abcdef0123456789abcdef"
#define EPOCH_B "fedcba9876543210fedcba9876543210"

struct fixture;

struct backend {
    const char *name;
    struct store *(*create)(struct fixture *fixture);
    void (*take_away)(struct fixture *fixture); /* so that opening the store fails */
    void (*bring_back)(struct fixture *fixture);
};

struct fixture {
    const struct backend *backend;
    char directory[64];
    char path[96]; /* of the database, or of the server's socket */
    uint64_t ledger_ttl_ms;
    uint64_t keep_tokens_ms;
    uint64_t series_days; /* how long numbers by day are kept; the next field: numbers by hour */
    uint64_t series_hours_days;
    pid_t server;

    struct loop *loop;
    struct disk *disk;
    struct store *store;
    struct store_listener listener;
    struct loop_timer patience;
    bool ran_out;
    bool available;
    bool wanted; /* what wait_for_available() waits for */
    bool waits;
};

/* ---- waiting ---- */

static inline void on_patience(struct loop_timer *timer)
{
    struct fixture *fixture = container_of(timer, struct fixture, patience);

    fixture->ran_out = true;
    loop_stop(fixture->loop);
}

/* runs the loop until something stops it */
static inline void run_loop(struct fixture *fixture)
{
    fixture->ran_out = false;
    loop_timer_start(fixture->loop, &fixture->patience, PATIENCE_MS);
    loop_run(fixture->loop);
    loop_timer_stop(&fixture->patience);
    assert_false(fixture->ran_out);
}

static inline void on_change(struct store_listener *listener, bool available)
{
    struct fixture *fixture = container_of(listener, struct fixture, listener);

    fixture->available = available;
    if (fixture->waits && available == fixture->wanted) {
        loop_stop(fixture->loop);
    }
}

static inline void wait_for_available(struct fixture *fixture, bool wanted)
{
    fixture->wanted = wanted;
    fixture->waits = true;
    if (fixture->available != wanted) {
        run_loop(fixture);
    }
    fixture->waits = false;
    assert_true(fixture->available == wanted);
}

/* ---- calls that wait ---- */

/* a call and its answer, copied */
struct answer {
    struct fixture *fixture;
    int calls;  /* of the callback: 1 at the end */
    int *order; /* counts the callbacks of several calls; may be NULL */
    int position;
    enum store_outcome outcome;
    bool is_duplicate;
    bool gap;
    enum store_scope scope;
    struct store_position at;
    bool is_torn;
    bool is_outdated;
    uint64_t generation;
    uint64_t old_version_s;
    bool is_unproven;
    char reason[256];
    size_t count; /* of totals */
    uint64_t totals[PAGES_MAX];
    size_t token_count; /* of duplicates */
    bool duplicates[TOKENS_MAX];
    uint64_t uniques[PAGES_MAX];
};

static inline void keep_answer(struct answer *answer, enum store_outcome outcome,
                               const uint64_t *totals, const char *reason)
{
    answer->calls++;
    answer->outcome = outcome;
    if (answer->order != NULL) {
        answer->position = (*answer->order)++;
    }
    if (outcome == STORE_OK && totals != NULL) {
        memcpy(answer->totals, totals, answer->count * sizeof(*totals));
    }
    if (outcome != STORE_OK) {
        snprintf(answer->reason, sizeof(answer->reason), "%s", reason);
    }
    if (answer->fixture != NULL) {
        loop_stop(answer->fixture->loop);
    }
}

static inline void on_applied(void *data, const struct store_applied *applied)
{
    struct answer *answer = data;

    answer->is_duplicate = applied->is_duplicate;
    answer->gap = applied->gap;
    answer->scope = applied->scope;
    answer->at = applied->at;
    answer->is_torn = applied->is_torn;
    answer->is_outdated = applied->is_outdated;
    answer->generation = applied->generation;
    answer->old_version_s = applied->old_version_s;
    answer->is_unproven = applied->is_unproven;
    if (applied->outcome == STORE_OK) {
        assert_non_null(applied->duplicate_tokens);
        assert_non_null(applied->uniques);
        memcpy(answer->duplicates, applied->duplicate_tokens, answer->token_count);
        memcpy(answer->uniques, applied->uniques, answer->count * sizeof(*applied->uniques));
    }
    keep_answer(answer, applied->outcome, applied->totals, applied->reason);
}

static inline void on_read(void *data, const struct store_read *read)
{
    keep_answer(data, read->outcome, read->numbers, read->reason);
}

static inline void on_ledger(void *data, const struct store_ledger *ledger)
{
    struct answer *answer = data;

    answer->at = ledger->at;
    answer->scope = ledger->scope;
    answer->is_torn = ledger->is_torn;
    answer->is_outdated = ledger->is_outdated;
    answer->generation = ledger->generation;
    keep_answer(answer, ledger->outcome, NULL, ledger->reason);
}

static inline struct store_entry entry_of(const char *page, uint64_t hits)
{
    return (struct store_entry){.page = page, .page_length = strlen(page), .hits = hits};
}

static inline struct answer apply_batch(struct fixture *fixture, const struct store_batch *batch)
{
    struct answer answer = {
        .fixture = fixture, .count = batch->entry_count, .token_count = batch->token_count};

    store_apply(fixture->store, batch, on_applied, &answer);
    assert_int_equal(answer.calls, 0); /* never from inside the call */
    run_loop(fixture);
    assert_int_equal(answer.calls, 1);
    return answer;
}

/* the batch with this sequence in an epoch whose batches have `visits` visits each */
static inline struct store_batch batch_of(const char *epoch, uint64_t sequence, uint64_t visits,
                                          const struct store_entry *entries, size_t count)
{
    return (struct store_batch){.site = "default",
                                .epoch = epoch,
                                .sequence = sequence,
                                .follows = sequence - 1,
                                .visits = sequence * visits,
                                .hour = HOUR,
                                .day = HOUR / 24,
                                .second = HOUR * 3600,
                                .entries = entries,
                                .entry_count = count};
}

static inline struct answer apply_entries(struct fixture *fixture, const char *epoch,
                                          uint64_t sequence, const struct store_entry *entries,
                                          size_t count)
{
    struct store_batch batch = batch_of(epoch, sequence, 1, entries, count);

    return apply_batch(fixture, &batch);
}

/* applies a batch of one page on the site "default" */
static inline struct answer apply_page(struct fixture *fixture, const char *epoch,
                                       uint64_t sequence, const char *page, uint64_t hits)
{
    struct store_entry entry = entry_of(page, hits);

    return apply_entries(fixture, epoch, sequence, &entry, 1);
}

static inline struct answer read_numbers(struct fixture *fixture, const struct store_query *query)
{
    struct answer answer = {.fixture = fixture, .count = query->page_count};

    store_read(fixture->store, query, on_read, &answer);
    assert_int_equal(answer.calls, 0);
    run_loop(fixture);
    assert_int_equal(answer.calls, 1);
    return answer;
}

static inline struct answer read_entries(struct fixture *fixture, const char *site,
                                         const struct store_entry *entries, size_t count)
{
    struct store_query query = {
        .site = site, .pages = entries, .page_count = count, .kind = STORE_TOTALS};

    return read_numbers(fixture, &query);
}

static inline uint64_t total_of(struct fixture *fixture, const char *site, const char *page)
{
    struct store_entry entry = entry_of(page, 0);
    struct answer answer = read_entries(fixture, site, &entry, 1);

    assert_int_equal(answer.outcome, STORE_OK);
    return answer.totals[0];
}

static inline struct answer ask_ledger(struct fixture *fixture, const char *epoch)
{
    struct answer answer = {.fixture = fixture};

    store_ledger(fixture->store, "default", epoch, on_ledger, &answer);
    assert_int_equal(answer.calls, 0);
    run_loop(fixture);
    assert_int_equal(answer.calls, 1);
    return answer;
}

static inline struct store_position position_of(struct fixture *fixture, const char *epoch)
{
    struct answer answer = ask_ledger(fixture, epoch);

    assert_int_equal(answer.outcome, STORE_OK);
    return answer.at;
}

static inline uint64_t ledger_of(struct fixture *fixture, const char *epoch)
{
    return position_of(fixture, epoch).sequence;
}

/* the next sequence of EPOCH_A in this test */
static inline uint64_t next_sequence(struct fixture *fixture)
{
    return ledger_of(fixture, EPOCH_A) + 1;
}

static inline struct answer visit(struct fixture *fixture, const char *page, uint64_t hits,
                                  uint64_t hour)
{
    struct store_entry entry = entry_of(page, hits);
    struct store_batch batch = batch_of(EPOCH_A, next_sequence(fixture), hits, &entry, 1);

    batch.hour = hour;
    batch.day = hour / 24;
    batch.second = hour * 3600;
    return apply_batch(fixture, &batch);
}

static inline uint64_t read_number(struct fixture *fixture, const char *page,
                                   enum store_number kind, uint64_t from_day, uint64_t to_day)
{
    struct store_entry entry = entry_of(page, 0);
    struct store_query query = {"default", &entry, 1, kind, from_day, to_day, false};
    struct answer answer = read_numbers(fixture, &query);

    assert_int_equal(answer.outcome, STORE_OK);
    return answer.totals[0];
}

static inline struct answer meet(struct fixture *fixture, const char *page, uint64_t day,
                                 const uint64_t *hashes, size_t count)
{
    struct store_entry entry = entry_of(page, count);
    struct store_visitor visitors[16];
    struct store_batch batch = batch_of(EPOCH_A, next_sequence(fixture), count, &entry, 1);

    for (size_t i = 0; i < count; i++) {
        visitors[i] = (struct store_visitor){hashes[i], 0};
    }
    entry.wants_uniques = true;
    batch.day = day;
    batch.visitors = visitors;
    batch.visitor_count = count;
    return apply_batch(fixture, &batch);
}

#define assert_total(answer, index, expected)                        \
    do {                                                             \
        assert_int_equal((answer).outcome, STORE_OK);                \
        assert_true((answer).totals[index] == (uint64_t)(expected)); \
    } while (0)

/* ---- SQLite ---- */

static inline struct store *create_sqlite(struct fixture *fixture)
{
    return sqlite_store_create(
        fixture->loop, fixture->disk,
        &(struct sqlite_store_options){.path = fixture->path,
                                       .keep_tokens_ms = fixture->keep_tokens_ms,
                                       .ledger_ttl_ms = fixture->ledger_ttl_ms,
                                       .series_days_ms = fixture->series_days * UINT64_C(86400000),
                                       .series_hours_ms =
                                           fixture->series_hours_days * UINT64_C(86400000)});
}

/* puts a file in the place of the database's directory; unlike permissions, this stops root too */
static inline void take_sqlite_away(struct fixture *fixture)
{
    char directory[128];
    FILE *file;

    snprintf(directory, sizeof(directory), "%s/data", fixture->directory);
    file = fopen(directory, "w");
    assert_non_null(file);
    fclose(file);
}

static inline void bring_sqlite_back(struct fixture *fixture)
{
    char directory[128];

    snprintf(directory, sizeof(directory), "%s/data", fixture->directory);
    assert_int_equal(unlink(directory), 0);
}

static const struct backend sqlite_backend = {"sqlite", create_sqlite, take_sqlite_away,
                                              bring_sqlite_back};

/* ---- Redis ---- */

static inline struct store *create_redis(struct fixture *fixture)
{
    struct redis_store_options options = {
        .link = {.username = "",
                 .password = "",
                 .connect_timeout_ms = 1000,
                 .command_timeout_ms = 5000},
        .tls_ca = "",
        .instance = "test",
        .keep_tokens_ms = fixture->keep_tokens_ms,
        .ledger_ttl_ms = fixture->ledger_ttl_ms,
        .series_days_ms = fixture->series_days * UINT64_C(86400000),
        .series_hours_ms = fixture->series_hours_days * UINT64_C(86400000)};
    struct store *store;
    const char *reason;

    options.link.address.is_unix = true;
    snprintf(options.link.address.path, sizeof(options.link.address.path), "%s", fixture->path);
    store = redis_store_create(fixture->loop, &options, &reason);
    assert_non_null(store);
    return store;
}

static inline void take_redis_away(struct fixture *fixture)
{
    redis_server_stop(&fixture->server);
}

static inline void bring_redis_back(struct fixture *fixture)
{
    fixture->server = redis_server_start(fixture->directory, fixture->path);
}

static const struct backend redis_backend = {"redis", create_redis, take_redis_away,
                                             bring_redis_back};

/* ---- set up and tear down ---- */

static inline struct fixture *make_fixture(const struct backend *backend)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->backend = backend;
    fixture->ledger_ttl_ms = 7 * UINT64_C(86400000);
    fixture->series_days = 400;
    fixture->series_hours_days = 14;
    strcpy(fixture->directory, "/tmp/visitcountd-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    return fixture;
}

static inline int setup_sqlite(void **state)
{
    struct fixture *fixture = make_fixture(&sqlite_backend);

    snprintf(fixture->path, sizeof(fixture->path), "%s/data/visits.db", fixture->directory);
    *state = fixture;
    return 0;
}

/* returns 0 with *state NULL if the test has to be skipped */
static inline int setup_redis(void **state)
{
    struct fixture *fixture;

    *state = NULL;
    if (!redis_server_is_installed()) {
        return getenv("CI") != NULL && strcmp(getenv("CI"), "true") == 0 ? -1 : 0;
    }
    fixture = make_fixture(&redis_backend);
    snprintf(fixture->path, sizeof(fixture->path), "%s/redis.sock", fixture->directory);
    bring_redis_back(fixture);
    *state = fixture;
    return 0;
}

/* creates a loop and a store that has not reported its state yet */
static inline void create_store(struct fixture *fixture)
{
    fixture->loop = loop_create();
    fixture->disk = disk_create(fixture->loop);
    loop_timer_init(&fixture->patience, on_patience);
    fixture->available = false;
    fixture->store = fixture->backend->create(fixture);
    fixture->listener.on_change = on_change;
    store_listen(fixture->store, &fixture->listener);
}

static inline void open_store(struct fixture *fixture)
{
    create_store(fixture);
    wait_for_available(fixture, true);
}

static inline void close_store(struct fixture *fixture)
{
    store_destroy(fixture->store);
    fixture->store = NULL;
    disk_destroy(fixture->disk);
    fixture->disk = NULL;
    loop_destroy(fixture->loop);
    fixture->loop = NULL;
}

static inline int remove_one(const char *path, const struct stat *status, int type,
                             struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture == NULL) {
        return 0;
    }
    if (fixture->loop != NULL) {
        loop_timer_stop(&fixture->patience);
        close_store(fixture);
    }
    take_redis_away(fixture);
    nftw(fixture->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    free(fixture);
    return 0;
}

/* the fixture of a test, with an open store; skips the test if there is no store */
static inline struct fixture *bare_fixture(void **state)
{
    if (*state == NULL) {
        print_message("redis-server is not installed\n");
        skip();
    }
    return *state;
}

static inline struct fixture *open_fixture(void **state)
{
    struct fixture *fixture = bare_fixture(state);

    open_store(fixture);
    return fixture;
}

/* clang-format off */
#define FOR_BOTH(test)                                                                             \
    FOR_SQLITE(test),                                                                              \
    FOR_REDIS(test)
#define FOR_SQLITE(test) {"sqlite: " #test, test, setup_sqlite, teardown, NULL}
#define FOR_REDIS(test) {"redis: " #test, test, setup_redis, teardown, NULL}
/* clang-format on */

#endif
