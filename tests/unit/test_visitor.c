/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#include "http/visit/visitor.h"
#include "base/clock.h"
#include "support/fake_clock.h"

#define DAY_MS 86400000ULL

/* 2024-07-01T12:00Z, and the day in UTC */
#define NOON_MS (19905 * DAY_MS + DAY_MS / 2)
#define TODAY   19905

#define FIREFOX "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"
#define CHROME  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"

/* --- a store that has only salts --- */

#define CALLS_MAX 16

struct salt_store {
    struct store store;
    bool is_there;
    size_t call_count; /* open */
    struct {
        uint64_t day;
        store_on_salt on_salt;
        void *data;
    } calls[CALLS_MAX];
    size_t asked; /* since the start */
};

static void keep_salt_call(struct store *store, uint64_t day, store_on_salt on_salt, void *data)
{
    struct salt_store *salts = container_of(store, struct salt_store, store);

    assert_true(salts->call_count < CALLS_MAX);
    salts->calls[salts->call_count].day = day;
    salts->calls[salts->call_count].on_salt = on_salt;
    salts->calls[salts->call_count++].data = data;
    salts->asked++;
}

static void tell_health(struct store *store, struct store_health *ret_health)
{
    *ret_health =
        (struct store_health){.available = container_of(store, struct salt_store, store)->is_there};
}

/** The salt of a day, the same for all instances. */
static void make_salt(uint64_t day, char ret_salt[STORE_SALT_LENGTH + 1])
{
    for (size_t i = 0; i < STORE_SALT_LENGTH; i++) {
        ret_salt[i] = "0123456789abcdef"[(day * 31 + i * i) % 16];
    }
    ret_salt[STORE_SALT_LENGTH] = '\0';
}

/** Ends the open calls. */
static void answer_salts(struct salt_store *salts, enum store_outcome outcome)
{
    size_t count = salts->call_count;

    salts->call_count = 0;
    for (size_t i = 0; i < count; i++) {
        char salt[STORE_SALT_LENGTH + 1];

        make_salt(salts->calls[i].day, salt);
        salts->calls[i].on_salt(salts->calls[i].data, &(struct store_salt){
                                                          .outcome = outcome,
                                                          .salt = outcome == STORE_OK ? salt : NULL,
                                                          .reason = "the test says so",
                                                      });
    }
}

static const struct store_operations operations = {.salt = keep_salt_call, .health = tell_health};

/* --- an instance --- */

struct instance {
    struct loop *loop;
    struct salt_store salts;
    struct sites *sites;
    struct visitors *visitors;
    h2o_mem_pool_t pool;
    struct client client;
    struct page_ref page_ref;
    struct visit visit;
};

static h2o_iovec_t text(const char *string)
{
    return h2o_iovec_init(string, strlen(string));
}

static void come_from(struct instance *instance, const char *address, const char *user_agent)
{
    instance->client.source = CLIENT_UNTRUSTED;
    instance->client.headers.user_agent = text(user_agent);
    assert_int_equal(units_parse_ip(address, strlen(address), &instance->client.address), 0);
}

static void go_to(struct instance *instance, const char *site, const char *page)
{
    instance->page_ref.rules = sites_find(instance->sites, site, strlen(site));
    assert_non_null(instance->page_ref.rules);
    strcpy(instance->page_ref.site, instance->page_ref.rules->name);
    instance->page_ref.site_length = instance->page_ref.rules->name_length;
    strcpy(instance->page_ref.page.bytes, page);
    instance->page_ref.page.length = strlen(page);
}

static struct sites *make_sites(const char *file)
{
    struct config *config = load_right(&(struct given){.file = file});
    struct sites *sites = sites_create(config);

    config_unload(config);
    return sites;
}

static void init_with(struct instance *instance, const char *file, bool is_there)
{
    *instance = (struct instance){.loop = loop_create(), .sites = make_sites(file)};
    instance->salts.store.operations = &operations;
    instance->salts.is_there = is_there;
    h2o_mem_init_pool(&instance->pool);
    instance->visitors = visitors_create(instance->loop, &instance->salts.store, instance->sites);
    come_from(instance, "192.0.2.1", FIREFOX);
    go_to(instance, sites_default(instance->sites), "/");
}

static void init(struct instance *instance, const char *file)
{
    init_with(instance, file, true);
}

static void finish(struct instance *instance)
{
    visitors_destroy(instance->visitors);
    answer_salts(&instance->salts, STORE_UNKNOWN); /* like a store that ends later */
    sites_destroy(instance->sites);
    h2o_mem_clear_pool(&instance->pool);
    loop_destroy(instance->loop);
}

static uint64_t identify(struct instance *instance)
{
    instance->visit = (struct visit){.second = clock_wall_ms() / 1000};
    visitors_identify(instance->visitors, &instance->pool, &instance->client, &instance->page_ref,
                      &instance->visit);
    return instance->visit.visitor;
}

static int stop_clock(void **state)
{
    fake_clock_stop(5000, NOON_MS);
    return enter_directory(state);
}

static int release_clock(void **state)
{
    fake_clock_release();
    return leave_directory(state);
}

/* --- tests --- */

static void test_visitors_are_told_apart(void **state)
{
    struct instance instance;
    uint64_t one;

    (void)state;
    init(&instance, "sites = [\"a\", \"b\"];");
    answer_salts(&instance.salts, STORE_OK);
    one = identify(&instance);
    assert_true(one != 0);
    assert_int_equal(instance.visit.day, TODAY);
    assert_int_equal(instance.visit.pages_max, 100000);
    assert_null(instance.visit.token);
    assert_int_equal(identify(&instance), one);
    go_to(&instance, "a", "/other");
    assert_int_equal(identify(&instance), one); /* the same visitor on several pages */
    come_from(&instance, "192.0.2.2", FIREFOX);
    assert_int_not_equal(identify(&instance), one);
    come_from(&instance, "192.0.2.1", CHROME);
    assert_int_not_equal(identify(&instance), one);
    come_from(&instance, "192.0.2.1", FIREFOX);
    go_to(&instance, "b", "/");
    assert_int_not_equal(identify(&instance), one); /* sites have different hashes */
    come_from(&instance, "192.0.2.1", "");
    instance.client.headers.user_agent = (h2o_iovec_t){NULL, 0};
    assert_true(identify(&instance) != 0);
    finish(&instance);
}

static void test_who_cannot_be_told_apart(void **state)
{
    struct instance instance;

    (void)state;
    init(&instance, "sites = [\"a\"]; count: { mode = \"unique\" };");
    assert_false(visitors_are_told_apart(instance.visitors));
    assert_int_equal(identify(&instance), 0); /* no salt yet */
    assert_null(instance.visit.token);
    assert_int_equal(instance.visit.day, TODAY);
    answer_salts(&instance.salts, STORE_OK);
    assert_true(visitors_are_told_apart(instance.visitors));
    assert_true(identify(&instance) != 0);
    instance.client.headers.dnt = text("1");
    assert_int_equal(identify(&instance), 0);
    assert_null(instance.visit.token); /* each visit counts */
    instance.client.headers.dnt = text("0");
    assert_true(identify(&instance) != 0);
    instance.client.headers.gpc = text("1");
    assert_int_equal(identify(&instance), 0);
    instance.client.headers.gpc = text("");
    instance.client.source = CLIENT_UNKNOWN;
    assert_int_equal(identify(&instance), 0);
    finish(&instance);
}

static void test_tokens_of_sites_that_count_visitors(void **state)
{
    struct instance instance;
    char first[17];

    (void)state;
    init(&instance,
         "sites = ( { name = \"a\"; count = \"unique\" } ); visitors: { unique = false };");
    answer_salts(&instance.salts, STORE_OK);
    assert_int_equal(identify(&instance), 0); /* the site wants no sketch of visitors */
    assert_int_equal(instance.visit.token_length, 16);
    assert_int_equal(instance.visit.token_window, STORE_WINDOW_DAY);
    strcpy(first, instance.visit.token);
    assert_int_equal(strspn(first, "0123456789abcdef"), 16);
    identify(&instance);
    assert_string_equal(instance.visit.token, first);
    go_to(&instance, "a", "/other");
    identify(&instance);
    assert_string_not_equal(instance.visit.token, first);
    go_to(&instance, "a", "/");
    come_from(&instance, "192.0.2.2", FIREFOX);
    identify(&instance);
    assert_string_not_equal(instance.visit.token, first);
    finish(&instance);
}

/** All instances see the same visitor, because they have the same salt. */
static void test_instances_agree(void **state)
{
    struct instance one;
    struct instance other;

    (void)state;
    init(&one, "sites = [\"a\"]; count: { mode = \"unique\" };");
    init(&other, "sites = ( \"z\", { name = \"a\" } ); count: { mode = \"unique\" };");
    go_to(&other, "a", "/");
    answer_salts(&one.salts, STORE_OK);
    answer_salts(&other.salts, STORE_OK);
    assert_int_equal(identify(&one), identify(&other));
    assert_string_equal(one.visit.token, other.visit.token);
    finish(&one);
    finish(&other);
}

/** At midnight a visitor becomes another one. The salt was read before, so no visit waits. */
static void test_the_change_of_the_day(void **state)
{
    struct instance instance;
    uint64_t before;

    (void)state;
    init(&instance, "sites = [\"a\"];");
    answer_salts(&instance.salts, STORE_OK);
    before = identify(&instance);
    loop_advance(instance.loop, DAY_MS / 2 - 60000, 30000); /* 23:59 */
    assert_int_equal(instance.salts.asked, 2);
    assert_int_equal(instance.salts.calls[0].day, TODAY + 1);
    answer_salts(&instance.salts, STORE_OK);
    assert_int_equal(identify(&instance), before);
    assert_int_equal(instance.visit.day, TODAY);
    fake_clock_advance(60000);
    assert_int_equal(instance.salts.asked, 2);
    assert_int_not_equal(identify(&instance), before);
    assert_int_equal(instance.visit.day, TODAY + 1);
    assert_true(instance.visit.visitor != 0);
    before = instance.visit.visitor;
    for (int i = 0; i < 10; i++) { /* the same on the next days */
        loop_advance(instance.loop, DAY_MS, 30000);
        answer_salts(&instance.salts, STORE_OK);
        assert_int_not_equal(identify(&instance), before);
        assert_int_equal(instance.visit.day, TODAY + 2 + i);
        before = instance.visit.visitor;
        assert_true(before != 0);
    }
    finish(&instance);
}

static void test_days_of_time_zones(void **state)
{
    struct instance instance;

    (void)state;
    fake_clock_stop(5000, NOON_MS + DAY_MS / 2 - 3 * 3600000); /* 21:00Z: tomorrow in Tokyo */
    init(&instance, "sites = ( { name = \"a\"; timezone = \"Asia/Tokyo\" }, \"b\" );");
    assert_int_equal(instance.salts.call_count, 2);
    answer_salts(&instance.salts, STORE_OK);
    assert_true(identify(&instance) != 0);
    assert_int_equal(instance.visit.day, TODAY + 1);
    go_to(&instance, "b", "/");
    assert_true(identify(&instance) != 0);
    assert_int_equal(instance.visit.day, TODAY);
    finish(&instance);
}

static void come_back(struct instance *instance)
{
    instance->salts.is_there = true;
    store_notify(&instance->salts.store, true);
}

/** No visitor waits for a timer. Readiness waits only for the first answer. */
static void test_the_store_is_asked_as_soon_as_it_is_there(void **state)
{
    struct instance instance;

    (void)state;
    init_with(&instance, "sites = [\"a\"];", false);
    assert_int_equal(instance.salts.asked, 0);
    assert_false(visitors_are_awaited(instance.visitors)); /* the store is away */
    come_back(&instance);
    assert_int_equal(instance.salts.asked, 1);
    assert_true(visitors_are_awaited(instance.visitors));
    answer_salts(&instance.salts, STORE_REFUSED);
    assert_false(visitors_are_awaited(instance.visitors)); /* any answer ends the wait */
    loop_advance(instance.loop, 200, 100);
    assert_int_equal(instance.salts.asked, 2);
    assert_false(visitors_are_awaited(instance.visitors));
    answer_salts(&instance.salts, STORE_OK);
    assert_true(identify(&instance) != 0);
    come_back(&instance);
    assert_int_equal(instance.salts.asked, 2);
    finish(&instance);
}

/**
 * The machine slept over midnight, or the clock was set: the salt must not come half a minute late.
 */
static void test_a_day_that_comes_by_surprise(void **state)
{
    struct instance instance;

    (void)state;
    init(&instance, "sites = [\"a\"];");
    answer_salts(&instance.salts, STORE_OK);
    fake_clock_advance(DAY_MS);
    assert_int_equal(identify(&instance), 0);
    assert_int_equal(instance.salts.asked, 2);
    assert_int_equal(instance.salts.calls[0].day, TODAY + 1);
    assert_int_equal(identify(&instance), 0);
    assert_int_equal(instance.salts.asked, 2);
    answer_salts(&instance.salts, STORE_OK);
    assert_true(identify(&instance) != 0);
    finish(&instance);
}

/** Guards: the salt of a day in the future stayed in memory until that day had passed. */
static void test_a_clock_that_was_ahead_leaves_no_salt(void **state)
{
    struct instance instance;
    uint64_t before;

    (void)state;
    init(&instance, "sites = [\"a\"];");
    answer_salts(&instance.salts, STORE_OK);
    before = identify(&instance);
    for (size_t jumps = 1; jumps <= 3; jumps++) {
        uint64_t monotonic_ms = clock_monotonic_ms();

        fake_clock_stop(monotonic_ms, NOON_MS + 500 * DAY_MS);
        loop_advance(instance.loop, 30000, 30000);
        assert_int_equal(instance.salts.calls[0].day, TODAY + 500);
        answer_salts(&instance.salts, STORE_OK);
        fake_clock_stop(monotonic_ms + 30000, NOON_MS);
        loop_advance(instance.loop, 30000, 30000);
        answer_salts(&instance.salts, STORE_OK);
        assert_int_equal(identify(&instance), before);
        assert_int_equal(instance.salts.asked, 1 + 2 * jumps);
    }
    finish(&instance);
}

static void test_the_store_is_asked_until_it_tells(void **state)
{
    struct instance instance;

    (void)state;
    init(&instance, "sites = [\"a\"];");
    assert_int_equal(instance.salts.asked, 1);
    loop_advance(instance.loop, 3000, 100);
    assert_int_equal(instance.salts.asked, 1); /* one call at a time */
    answer_salts(&instance.salts, STORE_REFUSED);
    instance.salts.is_there = false;
    loop_advance(instance.loop, 3000, 100);
    assert_int_equal(instance.salts.asked, 1); /* the store is away */
    instance.salts.is_there = true;
    loop_advance(instance.loop, 200, 100);
    assert_int_equal(instance.salts.asked, 2);
    answer_salts(&instance.salts, STORE_UNKNOWN);
    loop_advance(instance.loop, 200, 100);
    answer_salts(&instance.salts, STORE_OK);
    assert_true(identify(&instance) != 0);
    loop_advance(instance.loop, 3600000, 30000);
    assert_int_equal(instance.salts.asked, 3);
    finish(&instance);
}

static void test_sites_that_need_no_salt(void **state)
{
    struct sites *next;
    struct instance instance;

    (void)state;
    init(&instance, "sites = [\"a\"]; visitors: { unique = false };");
    assert_int_equal(instance.salts.asked, 0);
    assert_int_equal(identify(&instance), 0);
    next = make_sites("sites = ( { name = \"a\"; count = \"unique\" } );");
    visitors_configure(instance.visitors, next); /* a reload needs a salt */
    sites_destroy(instance.sites);
    instance.sites = next;
    go_to(&instance, "a", "/");
    assert_int_equal(instance.salts.asked, 1);
    answer_salts(&instance.salts, STORE_OK);
    assert_true(identify(&instance) != 0);
    finish(&instance);
    visitors_destroy(NULL);
}

#define clock_test(function) cmocka_unit_test_setup_teardown(function, stop_clock, release_clock)

int main(void)
{
    const struct CMUnitTest tests[] = {
        clock_test(test_visitors_are_told_apart),
        clock_test(test_who_cannot_be_told_apart),
        clock_test(test_tokens_of_sites_that_count_visitors),
        clock_test(test_instances_agree),
        clock_test(test_the_change_of_the_day),
        clock_test(test_days_of_time_zones),
        clock_test(test_the_store_is_asked_as_soon_as_it_is_there),
        clock_test(test_a_day_that_comes_by_surprise),
        clock_test(test_a_clock_that_was_ahead_leaves_no_salt),
        clock_test(test_the_store_is_asked_until_it_tells),
        clock_test(test_sites_that_need_no_salt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
