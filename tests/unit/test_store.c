/* SPDX-License-Identifier: MIT */
/*
 * The contract of store.h, without the parts that have a test_store_*.c of their own. Each test
 * runs against both stores. test_sqlite_store.c and test_sqlite_file.c test SQLite alone.
 */
#include "store_fixture.h"

#include "base/log.h"

#include <sys/mman.h>

/* ---- applying and reading ---- */

static void test_applies_a_batch(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer answer = apply_page(fixture, EPOCH_A, 1, "/", 1);

    assert_total(answer, 0, 1);
    assert_false(answer.is_duplicate);
    assert_total(apply_page(fixture, EPOCH_A, 2, "/", 41), 0, 42);
    assert_true(total_of(fixture, "default", "/") == 42);
}

static void test_answers_the_total_of_each_page(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry first[] = {entry_of("/a", 3), entry_of("/b", 5)};
    struct store_entry second[] = {entry_of("/c", 1), entry_of("/b", 10), entry_of("/a", 100)};
    struct answer answer = apply_entries(fixture, EPOCH_A, 1, first, 2);

    assert_total(answer, 0, 3);
    assert_total(answer, 1, 5);
    answer = apply_entries(fixture, EPOCH_A, 2, second, 3);
    assert_total(answer, 0, 1);
    assert_total(answer, 1, 15);
    assert_total(answer, 2, 103);
}

static void test_sites_are_apart(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 7);
    struct store_batch batch = batch_of(EPOCH_A, 1, 7, &entry, 1);

    batch.site = "one";
    assert_total(apply_batch(fixture, &batch), 0, 7);
    batch.site = "another.example-site_2";
    assert_total(apply_batch(fixture, &batch), 0, 7);
    assert_true(total_of(fixture, "one", "/") == 7);
    assert_true(total_of(fixture, "default", "/") == 0);
}

static void test_a_page_never_visited_has_zero(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry pages[] = {entry_of("/no", 0), entry_of("/yes", 0), entry_of("/neither", 0)};
    struct answer answer;

    apply_page(fixture, EPOCH_A, 1, "/yes", 9);
    answer = read_entries(fixture, "default", pages, 3);
    assert_total(answer, 0, 0);
    assert_total(answer, 1, 9);
    assert_total(answer, 2, 0);
    assert_true(total_of(fixture, "nosite", "/yes") == 0);
}

static void test_page_names_are_bytes(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char longest[STORE_PAGE_MAX + 1];
    const char *names[] = {"/",
                           "a page",
                           "it's \"quoted\"; DROP TABLE hits; --",
                           "/gr\xc3\xbc\xc3\x9f/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x98\x80",
                           "100%",
                           "%s%n%d",
                           "{default}",
                           "\x7f",
                           "a*b?c[d]",
                           "1",
                           "1.0",
                           "-nan",
                           "A",
                           "a",
                           longest};
    size_t count = sizeof(names) / sizeof(names[0]);
    struct store_entry entries[sizeof(names) / sizeof(names[0])];
    struct answer answer;

    memset(longest, 'x', STORE_PAGE_MAX);
    longest[STORE_PAGE_MAX] = '\0';
    for (size_t i = 0; i < count; i++) {
        entries[i] = entry_of(names[i], 100 + i);
    }
    answer = apply_entries(fixture, EPOCH_A, 1, entries, count);
    for (size_t i = 0; i < count; i++) {
        assert_total(answer, i, 100 + i);
    }
    answer = read_entries(fixture, "default", entries, count);
    for (size_t i = 0; i < count; i++) {
        assert_total(answer, i, 100 + i);
    }
}

static void test_a_large_batch(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static char names[PAGES_MAX][64];
    struct store_entry entries[PAGES_MAX];
    struct answer answer;

    for (size_t i = 0; i < PAGES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "/a/page/with/a/number/%zu", i);
        entries[i] = entry_of(names[i], i + 1);
    }
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        answer = apply_entries(fixture, EPOCH_A, sequence, entries, PAGES_MAX);
        for (size_t i = 0; i < PAGES_MAX; i++) {
            assert_total(answer, i, sequence * (i + 1));
        }
    }
    answer = apply_entries(fixture, EPOCH_A, 3, entries, PAGES_MAX);
    assert_true(answer.is_duplicate);
    assert_total(answer, PAGES_MAX - 1, 3 * PAGES_MAX);
    answer = read_entries(fixture, "default", entries, PAGES_MAX);
    assert_total(answer, 122, 3 * 123);
}

static void test_large_totals_are_exact(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t limit = UINT64_C(1) << 53;

    assert_total(apply_page(fixture, EPOCH_A, 1, "/", UINT32_MAX), 0, UINT32_MAX);
    assert_total(apply_page(fixture, EPOCH_A, 2, "/", 1), 0, UINT64_C(1) << 32);
    assert_total(apply_page(fixture, EPOCH_A, 3, "/", limit - (UINT64_C(1) << 32) - 3), 0,
                 limit - 3);
    assert_total(apply_page(fixture, EPOCH_A, 4, "/", 1), 0, limit - 2);
    assert_total(apply_page(fixture, EPOCH_A, 5, "/", 1), 0, limit - 1);
    assert_total(apply_page(fixture, EPOCH_A, 5, "/", 1), 0, limit - 1);
    assert_true(total_of(fixture, "default", "/") == limit - 1);
}

/* ---- many calls ---- */

#define MANY 200

/* batches are answered in their order, and reads in theirs */
static void test_calls_of_one_turn_are_answered_once_and_in_order(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer *answers = calloc(MANY, sizeof(*answers));
    struct store_batch batches[MANY];
    struct store_entry entry = entry_of("/", 1);
    struct store_query query = {
        .site = "default", .pages = &entry, .page_count = 1, .kind = STORE_TOTALS};
    int order = 0;

    for (int i = 0; i < MANY; i++) {
        answers[i] = (struct answer){.fixture = fixture, .order = &order, .count = 1};
        batches[i] = batch_of(EPOCH_A, (uint64_t)i / 2 + 1, 1, &entry, 1);
        if (i % 2 == 0) {
            store_apply(fixture->store, &batches[i], on_applied, &answers[i]);
        } else {
            store_read(fixture->store, &query, on_read, &answers[i]);
        }
    }
    while (order < MANY) {
        run_loop(fixture);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_false(answers[i].is_duplicate);
        if (i % 2 == 0) {
            assert_total(answers[i], 0, i / 2 + 1);
        } else {
            assert_int_equal(answers[i].outcome, STORE_OK);
            assert_in_range(answers[i].totals[0], 0, MANY / 2);
        }
        if (i >= 2 && i % 2 == 0) {
            assert_true(answers[i].position > answers[i - 2].position);
        } else if (i >= 2) {
            assert_true(answers[i].totals[0] >= answers[i - 2].totals[0]);
        }
    }
    free(answers);
}

/*
 * a client that counts a visit and then reads sees the visit, also while others make the same read
 */
struct looker {
    struct fixture *fixture;
    struct store_query query;
    struct store_entry entry;
    struct store_batch batch;
    uint64_t counted;
    uint64_t seen;
    int noise;      /* reads of others without an answer */
    int noise_left; /* the loop stops when all are answered */
};

static void on_noise(void *data, const struct store_read *read)
{
    struct looker *looker = data;

    assert_int_equal(read->outcome, STORE_OK);
    looker->noise--;
    if (looker->noise == looker->noise_left) {
        loop_stop(looker->fixture->loop);
    }
}

static void make_noise(struct looker *looker)
{
    for (int i = 0; i < 20; i++) {
        looker->noise++;
        store_read(looker->fixture->store, &looker->query, on_noise, looker);
    }
}

static void on_looked(void *data, const struct store_read *read)
{
    struct looker *looker = data;

    assert_int_equal(read->outcome, STORE_OK);
    looker->seen = read->numbers[0];
    loop_stop(looker->fixture->loop);
}

static void on_counted(void *data, const struct store_applied *applied)
{
    struct looker *looker = data;

    assert_int_equal(applied->outcome, STORE_OK);
    looker->counted = applied->totals[0];
    store_read(looker->fixture->store, &looker->query, on_looked, looker);
}

static void test_a_read_sees_what_was_answered_before(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct looker looker = {.fixture = fixture, .entry = entry_of("/", 1), .noise_left = -1};

    looker.query = (struct store_query){
        .site = "default", .pages = &looker.entry, .page_count = 1, .kind = STORE_TOTALS};
    for (uint64_t i = 1; i <= MANY; i++) {
        make_noise(&looker);
        if (i % 3 == 0) { /* such reads may run already */
            looker.noise_left = looker.noise - 1;
            run_loop(fixture);
            looker.noise_left = -1;
        }
        looker.batch = batch_of(EPOCH_A, i, 1, &looker.entry, 1);
        store_apply(fixture->store, &looker.batch, on_counted, &looker);
        make_noise(&looker);
        looker.seen = 0;
        run_loop(fixture);
        assert_true(looker.counted == i);
        assert_true(looker.seen == i);
    }
    looker.noise_left = 0;
    while (looker.noise != 0) {
        run_loop(fixture);
    }
}

static void test_destroy_answers_open_calls(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer *answers = calloc(MANY, sizeof(*answers));
    struct store_batch batches[MANY];
    struct store_entry entry = entry_of("/", 1);
    uint64_t ok = 0;
    uint64_t unknown = 0;
    uint64_t total;

    for (int i = 0; i < MANY; i++) {
        answers[i].count = 1;
        batches[i] = batch_of(EPOCH_A, (uint64_t)i + 1, 1, &entry, 1);
        store_apply(fixture->store, &batches[i], on_applied, &answers[i]);
        if (i == MANY / 2) { /* some of them are under way now */
            answers[0].fixture = fixture;
            run_loop(fixture);
        }
    }
    close_store(fixture);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(answers[i].calls, 1);
        ok += answers[i].outcome == STORE_OK;
        unknown += answers[i].outcome == STORE_UNKNOWN;
    }
    assert_true(ok >= 1);
    open_store(fixture);
    total = total_of(fixture, "default", "/");
    assert_in_range(total, ok, ok + unknown);
    free(answers);
}

static void test_destroys_a_store_that_was_never_available(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_batch batch = batch_of(EPOCH_A, 1, 1, &entry, 1);
    struct answer answer = {.count = 1};

    fixture->backend->take_away(fixture);
    create_store(fixture);
    store_apply(fixture->store, &batch, on_applied, &answer);
    close_store(fixture);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    fixture->backend->bring_back(fixture);
}

/* ---- a store that is away, and its health ---- */

static void test_becomes_available_later(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    struct store_health health;

    fixture->backend->take_away(fixture);
    create_store(fixture);
    do { /* until the store has tried to connect */
        struct answer answer = apply_page(fixture, EPOCH_A, 1, "/", 1);

        assert_int_equal(answer.outcome, STORE_REFUSED);
        assert_false(answer.gap);
        assert_true(answer.reason[0] != '\0');
        store_health(fixture->store, &health);
    } while (health.last_error[0] == '\0');
    assert_false(health.available);
    assert_false(fixture->available);

    fixture->backend->bring_back(fixture);
    wait_for_available(fixture, true);
    store_health(fixture->store, &health);
    assert_true(health.available);
    assert_total(apply_page(fixture, EPOCH_A, 1, "/", 1), 0, 1);
}

static void test_keeps_totals_and_ledger(void **state)
{
    struct fixture *fixture = open_fixture(state);

    apply_page(fixture, EPOCH_A, 1, "/", 5);
    close_store(fixture);
    open_store(fixture);
    assert_true(apply_page(fixture, EPOCH_A, 1, "/", 5).is_duplicate);
    assert_total(apply_page(fixture, EPOCH_A, 2, "/", 1), 0, 6);
}

static void test_health_says_how_it_is(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_health before;
    struct store_health health;

    store_health(fixture->store, &before);
    assert_string_equal(before.backend, fixture->backend->name);
    assert_true(before.available);
    assert_string_equal(before.state, "ready");
    assert_non_null(strstr(before.address, fixture->path));
    assert_true(before.version[0] != '\0');
    assert_string_equal(before.last_error, "");
    assert_true(before.connects == 1);
    assert_true(before.changed_at_ms <= loop_now_ms(fixture->loop));
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    store_health(fixture->store, &health);
    assert_true(health.commands > before.commands);
    assert_true(health.round_trip_us > 0);
    /* the store may still be checking the settings of Redis */
    for (uint64_t sequence = 2; health.in_flight != 0 && sequence < 1000; sequence++) {
        apply_page(fixture, EPOCH_A, sequence, "/", 1);
        store_health(fixture->store, &health);
    }
    assert_true(health.in_flight == 0);
}

/* ---- kill -9 ---- */

/* shared with the child, because a killed child cannot report anything */
struct progress {
    uint64_t sent;     /* sequence of the last batch sent */
    uint64_t answered; /* sequence of the last batch answered as applied */
};

/* in a child: a failed assertion ends the child instead of running the next test */
static void be_child(void)
{
    setenv("CMOCKA_TEST_ABORT", "1", 1);
}

/* applies batch after batch and writes a byte for each answer */
static _Noreturn void run_child(struct fixture *fixture, struct progress *progress, int fd)
{
    uint64_t sequence = progress->answered;

    be_child();
    open_store(fixture);
    for (;;) {
        sequence++;
        __atomic_store_n(&progress->sent, sequence, __ATOMIC_SEQ_CST);
        if (apply_page(fixture, EPOCH_A, sequence, "/", 3).outcome != STORE_OK) {
            _exit(1);
        }
        __atomic_store_n(&progress->answered, sequence, __ATOMIC_SEQ_CST);
        if (write(fd, "", 1) != 1) {
            _exit(1);
        }
    }
}

/* lets a child apply batches and kills it after `answers` of them */
static void kill_after(struct fixture *fixture, struct progress *progress, int answers)
{
    int fds[2];
    char byte;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        run_child(fixture, progress, fds[1]);
    }
    close(fds[1]);
    for (int i = 0; i < answers; i++) {
        assert_int_equal(read(fds[0], &byte, 1), 1);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(fds[0]);
}

static void test_survives_kill_9(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    struct progress *progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(progress, MAP_FAILED);
    for (int round = 0; round < 8; round++) {
        uint64_t stored;

        kill_after(fixture, progress, 1 + round * 13);
        open_store(fixture);
        stored = ledger_of(fixture, EPOCH_A);
        assert_in_range(stored, progress->answered, progress->sent);
        assert_true(total_of(fixture, "default", "/") == 3 * stored);
        /* a batch that was in flight is resent under its number: it counts once */
        assert_int_equal(apply_page(fixture, EPOCH_A, progress->sent, "/", 3).is_duplicate,
                         stored == progress->sent);
        assert_true(total_of(fixture, "default", "/") == 3 * progress->sent);
        progress->answered = progress->sent;
        close_store(fixture);
    }
    munmap(progress, sizeof(*progress));
}

/* ---- several processes ---- */

#define BATCHES 150

/* adds one visit at a time and writes each number to `fd` */
static _Noreturn void run_instance(struct fixture *fixture, const char *epoch, int fd)
{
    be_child();
    open_store(fixture);
    for (uint64_t sequence = 1; sequence <= BATCHES; sequence++) {
        struct answer answer;

        do {
            answer = apply_page(fixture, epoch, sequence, "/", 1);
        } while (answer.outcome == STORE_REFUSED && !answer.gap);
        if (answer.outcome != STORE_OK ||
            write(fd, answer.totals, sizeof(uint64_t)) != (ssize_t)sizeof(uint64_t)) {
            _exit(1);
        }
    }
    close_store(fixture);
    _exit(0);
}

static void test_instances_share_the_store(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    static const char *const epochs[] = {EPOCH_A, EPOCH_B, "00000000000000000000000000000000"};
    bool seen[3 * BATCHES + 1] = {false};
    uint64_t number;
    int count = 0;
    int status;
    int fds[2];
    pid_t children[3];

    assert_int_equal(pipe(fds), 0);
    for (int i = 0; i < 3; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            run_instance(fixture, epochs[i], fds[1]);
        }
    }
    close(fds[1]);
    while (read(fds[0], &number, sizeof(number)) == (ssize_t)sizeof(number)) {
        assert_in_range(number, 1, 3 * BATCHES);
        assert_false(seen[number]);
        seen[number] = true;
        count++;
    }
    close(fds[0]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count, 3 * BATCHES);
    open_store(fixture);
    assert_true(total_of(fixture, "default", "/") == 3 * BATCHES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_applies_a_batch),
        FOR_BOTH(test_answers_the_total_of_each_page),
        FOR_BOTH(test_sites_are_apart),
        FOR_BOTH(test_a_page_never_visited_has_zero),
        FOR_BOTH(test_page_names_are_bytes),
        FOR_BOTH(test_a_large_batch),
        FOR_BOTH(test_large_totals_are_exact),
        FOR_BOTH(test_calls_of_one_turn_are_answered_once_and_in_order),
        FOR_BOTH(test_a_read_sees_what_was_answered_before),
        FOR_BOTH(test_destroy_answers_open_calls),
        FOR_BOTH(test_destroys_a_store_that_was_never_available),
        FOR_BOTH(test_becomes_available_later),
        FOR_BOTH(test_keeps_totals_and_ledger),
        FOR_BOTH(test_health_says_how_it_is),
        FOR_BOTH(test_survives_kill_9),
        FOR_BOTH(test_instances_share_the_store),
    };

    log_set_level(LOG_LEVEL_ERROR); /* a store logs each time that it is ready */
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
