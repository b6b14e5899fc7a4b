/* SPDX-License-Identifier: MIT */
#include "full_store.h"

#include "base/alloc.h"
#include "fuzz.h"

#include <string.h>

/* a call that fake_store does not know */
struct made_up {
    struct list link;
    void (*answer)(struct made_up *call, bool is_refused);
    union {
        store_on_read on_read;
        store_on_series on_series;
        store_on_pages on_pages;
        store_on_sites on_sites;
        store_on_counted on_counted;
        store_on_edited on_edited;
        store_on_repaired on_repaired;
        store_on_admitted on_admitted;
        store_on_salt on_salt;
    };
    void *data;
    size_t count; /* of numbers or pages */
    uint64_t number;
    char site[STORE_SITE_MAX + 1];
};

struct full {
    struct fake_store *fake;
    struct loop *loop;
    struct store_operations operations;
    void (*apply)(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data);
    void (*ledger)(struct store *store, const char *site, const char *epoch,
                   store_on_ledger on_ledger, void *data);
    void (*destroy)(struct store *store);
    struct loop_task task;
    struct list calls;
    enum fake_fate fate;
    size_t watches;
};

/* the only one at a time: the operations get no more than the fake_store */
static struct full full;

static const char *const odd_names[] = {
    "/", "/a", "/<b>\"&'", "/\xd9\x81\xe2\x80\x8d", "/\xe2\x80\xae.gpj", "/%41 ?#", "/a b"};

#define ODD_NAMES (sizeof(odd_names) / sizeof(odd_names[0]))

static uint64_t make_number(size_t index)
{
    return index % 3 == 0 ? 0 : index * 7919 % 100003;
}

/* --- answers --- */

static void answer_read(struct made_up *call, bool is_refused)
{
    uint64_t numbers[call->count];

    for (size_t i = 0; i < call->count; i++) {
        numbers[i] = make_number(i + 1);
    }
    call->on_read(call->data, &(struct store_read){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                                   .numbers = is_refused ? NULL : numbers,
                                                   .reason = is_refused ? "not now" : NULL});
}

static void answer_series(struct made_up *call, bool is_refused)
{
    uint64_t numbers[call->count];

    for (size_t i = 0; i < call->count; i++) {
        numbers[i] = make_number(i);
    }
    call->on_series(call->data,
                    &(struct store_series){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                           .numbers = is_refused ? NULL : numbers,
                                           .count = is_refused ? 0 : call->count,
                                           .reason = is_refused ? "not now" : NULL});
}

static void answer_pages(struct made_up *call, bool is_refused)
{
    struct store_page pages[ODD_NAMES];
    size_t count = call->count < ODD_NAMES ? call->count : ODD_NAMES;

    for (size_t i = 0; i < count; i++) {
        pages[i] = (struct store_page){odd_names[i], strlen(odd_names[i]), 1000 - i};
    }
    call->on_pages(call->data,
                   &(struct store_pages){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                         .pages = is_refused ? NULL : pages,
                                         .count = is_refused ? 0 : count,
                                         .reason = is_refused ? "not now" : NULL});
}

static void answer_sites(struct made_up *call, bool is_refused)
{
    static const char *const names[] = {"default", "private"};

    call->on_sites(call->data,
                   &(struct store_sites){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                         .names = is_refused ? NULL : names,
                                         .count = is_refused ? 0 : 2,
                                         .reason = is_refused ? "not now" : NULL});
}

static void answer_count(struct made_up *call, bool is_refused)
{
    call->on_counted(call->data,
                     &(struct store_counted){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                             .count = is_refused ? 0 : 4, /* of 5: nearly full */
                                             .reason = is_refused ? "not now" : NULL});
}

static void answer_edit(struct made_up *call, bool is_refused)
{
    call->on_edited(call->data,
                    &(struct store_edited){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                           .before = 3,
                                           .after = call->number,
                                           .reason = is_refused ? "not now" : NULL});
}

static void answer_repair(struct made_up *call, bool is_refused)
{
    call->on_repaired(call->data,
                      &(struct store_repaired){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                               .torn = is_refused ? NULL : "",
                                               .ledger_total = 3,
                                               .hits_total = STORE_NONE,
                                               .reason = is_refused ? "not now" : NULL});
}

static void answer_admit(struct made_up *call, bool is_refused)
{
    call->on_admitted(call->data,
                      &(struct store_admitted){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                               .is_admitted = !is_refused && call->number != 1,
                                               .is_new = !is_refused && call->number != 1,
                                               .reason = is_refused ? "not now" : NULL});
}

static void answer_salt(struct made_up *call, bool is_refused)
{
    char salt[STORE_SALT_LENGTH + 1];

    memset(salt, 'a', STORE_SALT_LENGTH);
    salt[STORE_SALT_LENGTH] = '\0';
    call->on_salt(call->data, &(struct store_salt){.outcome = is_refused ? STORE_REFUSED : STORE_OK,
                                                   .salt = is_refused ? NULL : salt,
                                                   .reason = is_refused ? "not now" : NULL});
}

static void answer_watch(struct made_up *call, bool is_refused)
{
    (void)is_refused;
    store_notify_visits(&full.fake->store, call->site, NULL);
}

/* --- calls --- */

static struct made_up *add_call(void (*answer)(struct made_up *call, bool is_refused), void *data)
{
    struct made_up *call = alloc_zero(1, sizeof(*call));

    call->answer = answer;
    call->data = data;
    list_append(&full.calls, &call->link);
    loop_task_schedule(full.loop, &full.task);
    return call;
}

static void apply(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data)
{
    full.apply(store, batch, on_applied, data);
    loop_task_schedule(full.loop, &full.task);
}

static void read_numbers(struct store *store, const struct store_query *query,
                         store_on_read on_read, void *data)
{
    struct made_up *call = add_call(answer_read, data);

    (void)store;
    call->on_read = on_read;
    call->count = query->page_count;
}

static void series(struct store *store, const struct store_span *span, store_on_series on_series,
                   void *data)
{
    struct made_up *call = add_call(answer_series, data);

    (void)store;
    call->on_series = on_series;
    call->count = span->to - span->from + 1;
}

static void list_pages(size_t count, store_on_pages on_pages, void *data)
{
    struct made_up *call = add_call(answer_pages, data);

    call->on_pages = on_pages;
    call->count = count;
}

static void top(struct store *store, const struct store_ranking *ranking, store_on_pages on_pages,
                void *data)
{
    (void)store;
    list_pages(ranking->count, on_pages, data);
}

static void scan(struct store *store, const char *site, const char *after, store_on_pages on_pages,
                 void *data)
{
    (void)store, (void)site, (void)after;
    list_pages(STORE_LIST_MAX, on_pages, data);
}

static void sites(struct store *store, store_on_sites on_sites, void *data)
{
    (void)store;
    add_call(answer_sites, data)->on_sites = on_sites;
}

static void count(struct store *store, const char *site, store_on_counted on_counted, void *data)
{
    (void)store, (void)site;
    add_call(answer_count, data)->on_counted = on_counted;
}

static void ledger(struct store *store, const char *site, const char *epoch,
                   store_on_ledger on_ledger, void *data)
{
    full.ledger(store, site, epoch, on_ledger, data);
    loop_task_schedule(full.loop, &full.task);
}

static void edit(struct store *store, const struct store_edit *what, store_on_edited on_edited,
                 void *data)
{
    struct made_up *call = add_call(answer_edit, data);

    (void)store;
    call->on_edited = on_edited;
    call->number = what->number;
}

static void repair(struct store *store, const struct store_repair *what,
                   store_on_repaired on_repaired, void *data)
{
    (void)store, (void)what;
    add_call(answer_repair, data)->on_repaired = on_repaired;
}

static void admit(struct store *store, const char *site, uint64_t limit,
                  store_on_admitted on_admitted, void *data)
{
    struct made_up *call = add_call(answer_admit, data);

    (void)store, (void)limit;
    call->on_admitted = on_admitted;
    call->number = strcmp(site, "one-too-many") == 0;
}

static void salt(struct store *store, uint64_t day, store_on_salt on_salt, void *data)
{
    (void)store, (void)day;
    add_call(answer_salt, data)->on_salt = on_salt;
}

static void watch(struct store *store, const char *site)
{
    (void)store;
    full.watches++;
    strcpy(add_call(answer_watch, NULL)->site, site);
}

static void unwatch(struct store *store, const char *site)
{
    (void)store, (void)site;
    check_that(full.watches-- != 0);
}

/* --- the end of calls --- */

static void end_made_up(bool is_refused)
{
    struct list *link;

    while ((link = list_pop_first(&full.calls)) != NULL) {
        struct made_up *call = container_of(link, struct made_up, link);

        call->answer(call, is_refused);
        free(call);
    }
}

static void on_turn_end(struct loop_task *task)
{
    (void)task;
    fake_store_end_all(full.fake, full.fate);
    end_made_up(full.fate != FAKE_DONE || !full.fake->available);
    if (full.watches != 0) {
        store_notify_visits(&full.fake->store, "default", &(struct store_page){"/", 1, 12});
    }
}

static void destroy(struct store *store)
{
    loop_task_cancel(&full.task);
    end_made_up(true);
    check_that(full.watches == 0);
    full.destroy(store);
}

struct fake_store *full_store_create(struct loop *loop, struct fake_database *database)
{
    struct fake_store *fake = fake_store_create(database, true);

    full = (struct full){.fake = fake, .loop = loop, .operations = *fake->store.operations};
    full.apply = full.operations.apply;
    full.ledger = full.operations.ledger;
    full.destroy = full.operations.destroy;
    full.operations.apply = apply;
    full.operations.read = read_numbers;
    full.operations.series = series;
    full.operations.top = top;
    full.operations.scan = scan;
    full.operations.sites = sites;
    full.operations.count = count;
    full.operations.ledger = ledger;
    full.operations.edit = edit;
    full.operations.repair = repair;
    full.operations.admit = admit;
    full.operations.salt = salt;
    full.operations.watch = watch;
    full.operations.unwatch = unwatch;
    full.operations.destroy = destroy;
    fake->store.operations = &full.operations;
    loop_task_init(&full.task, on_turn_end);
    list_init(&full.calls);
    return fake;
}

void full_store_set_fate(struct fake_store *fake, enum fake_fate fate)
{
    check_that(fake == full.fake);
    full.fate = fate;
}

bool full_store_is_busy(const struct fake_store *fake)
{
    return fake_store_open_count(fake) != 0 || !list_is_empty(&full.calls);
}
