/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#include "http/visit/novelty.h"
#include "support/fake_clock.h"

#define MINUTE_MS 60000
#define DAY_MS    86400000

struct fixture {
    struct config *config;
    struct novelty novelty;
    struct client client;
    uint64_t wait_ms;
};

static void set_address(struct fixture *fixture, const char *address)
{
    fixture->client.source = CLIENT_REAL_IP;
    assert_int_equal(units_parse_ip(address, strlen(address), &fixture->client.address), 0);
}

static void init(struct fixture *fixture, const char *file)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->config = load_right(&(struct given){.file = file});
    novelty_init(&fixture->novelty);
    set_address(fixture, "192.0.2.1");
    fake_clock_stop(1000000, 1700000000000);
}

static void finish(struct fixture *fixture)
{
    fake_clock_release();
    novelty_finish(&fixture->novelty);
    config_unload(fixture->config);
}

static enum novelty_verdict take_visit(struct fixture *fixture, unsigned page, bool counts_unique,
                                       struct visit *visit, struct novelty_charge *ret_charge)
{
    char names[32];
    struct novelty_visit given = {
        .client = &fixture->client,
        .names = names,
        .names_length = (size_t)snprintf(names, sizeof(names), "site/%u", page),
        .counts_unique = counts_unique,
    };

    names[4] = '\0';
    return novelty_take(&fixture->novelty, fixture->config, &given, visit, ret_charge,
                        &fixture->wait_ms);
}

static enum novelty_verdict take(struct fixture *fixture, unsigned page,
                                 struct novelty_charge *ret_charge)
{
    struct visit visit = {0};

    return take_visit(fixture, page, false, &visit, ret_charge);
}

static void answer(struct fixture *fixture, struct novelty_charge *charge, enum visit_status status,
                   uint64_t count)
{
    novelty_settle(&fixture->novelty, charge,
                   &(struct visit_answer){.status = status, .count = count});
}

/** Visits new pages from number `first` on until one is refused. */
static unsigned make_pages(struct fixture *fixture, unsigned first, unsigned most)
{
    struct novelty_charge charge;
    unsigned made = 0;

    while (made < most && take(fixture, first + made, &charge) == NOVELTY_OK) {
        answer(fixture, &charge, VISIT_COUNTED, 1);
        made++;
    }
    return made;
}

static void test_new_pages_of_a_network(void **state)
{
    struct novelty_charge charge;
    struct fixture fixture;

    (void)state;
    init(&fixture, "");
    assert_int_equal(make_pages(&fixture, 0, 100), 30);
    assert_in_range(fixture.wait_ms, 1, 2000);
    set_address(&fixture, "192.0.2.255"); /* the same /24 */
    assert_int_equal(make_pages(&fixture, 100, 100), 0);
    assert_int_equal(take(&fixture, 0, &charge), NOVELTY_OK); /* a known page */
    set_address(&fixture, "192.0.3.1");
    assert_int_equal(make_pages(&fixture, 100, 100), 30);
    assert_int_equal(fixture.novelty.stats.refused_pages, 3);
    finish(&fixture);
}

static void test_new_pages_of_ipv6_networks(void **state)
{
    struct fixture fixture;
    unsigned made = 0;

    (void)state;
    init(&fixture, "");
    set_address(&fixture, "2001:db8:1:1::1");
    assert_int_equal(make_pages(&fixture, 0, 100), 30);
    set_address(&fixture, "2001:db8:1:1:ffff::1");
    assert_int_equal(make_pages(&fixture, 100, 100), 0);
    for (unsigned i = 2; i < 20; i++) {
        char address[32];

        snprintf(address, sizeof(address), "2001:db8:1:%x::1", i);
        set_address(&fixture, address);
        made += make_pages(&fixture, 1000 * i, 100);
    }
    assert_int_equal(made, 3 * 30); /* the /48 */
    set_address(&fixture, "2001:db8:2:1::1");
    assert_int_equal(make_pages(&fixture, 100, 100), 30);
    finish(&fixture);
}

static void test_new_pages_of_a_day(void **state)
{
    struct fixture fixture;
    unsigned made = 0;

    (void)state;
    init(&fixture, "");
    for (unsigned minute = 0; minute < 60; minute++) {
        made += make_pages(&fixture, 1000 * minute, 100);
        fake_clock_advance(MINUTE_MS);
    }
    assert_in_range(made, 1000, 1000 + 60 * MINUTE_MS * 1000ULL / DAY_MS + 1);
    finish(&fixture);
}

static void test_pages_that_exist_cost_nothing(void **state)
{
    struct novelty_charge charge;
    struct fixture fixture;

    (void)state;
    init(&fixture, "");
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(take(&fixture, i, &charge), NOVELTY_OK);
        answer(&fixture, &charge, VISIT_COUNTED, 2);
        assert_int_equal(take(&fixture, 1000 + i, &charge), NOVELTY_OK);
        answer(&fixture, &charge, VISIT_DUPLICATE, 1);
    }
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(take(&fixture, 2000, &charge), NOVELTY_OK);
        answer(&fixture, &charge, i % 2 == 0 ? VISIT_REFUSED : VISIT_TOO_MANY_PAGES, 0);
    }
    assert_int_equal(make_pages(&fixture, 10000, 100), 30);
    finish(&fixture);
}

/**
 * guards: many visits of a new page that arrived before the first answer were charged one by one
 */
static void test_a_crowd_on_one_page(void **state)
{
    struct novelty_charge charges[100];
    struct fixture fixture;

    (void)state;
    init(&fixture, "");
    for (unsigned i = 0; i < LENGTH(charges); i++) {
        assert_int_equal(take(&fixture, 1, &charges[i]), NOVELTY_OK);
    }
    for (unsigned i = 0; i < LENGTH(charges); i++) {
        answer(&fixture, &charges[i], VISIT_COUNTED, i + 1);
    }
    assert_int_equal(make_pages(&fixture, 100, 100), 29);
    finish(&fixture);
}

static void test_visits_in_the_journal(void **state)
{
    struct novelty_charge charge;
    struct fixture fixture;
    unsigned made = 0;

    (void)state;
    init(&fixture, "");
    for (unsigned i = 0; i < 100 && take(&fixture, 1, &charge) == NOVELTY_OK; i++) {
        answer(&fixture, &charge, VISIT_JOURNALED, 0);
    }
    while (made < 100 && take(&fixture, 100 + made, &charge) == NOVELTY_OK) {
        answer(&fixture, &charge, VISIT_JOURNALED, 0);
        made++;
    }
    assert_int_equal(made, 29);
    finish(&fixture);
}

static void test_unknown_clients(void **state)
{
    static const enum client_source sources[] = {CLIENT_UNKNOWN, CLIENT_SILENT};
    struct fixture fixture;

    (void)state;
    init(&fixture, "");
    for (size_t i = 0; i < LENGTH(sources); i++) {
        fixture.client.source = sources[i];
        assert_int_equal(make_pages(&fixture, 0, 100), 100);
    }
    set_address(&fixture, "127.0.0.1");
    assert_int_equal(make_pages(&fixture, 0, 100), 100);
    fixture.client.source = CLIENT_UNTRUSTED;
    assert_int_equal(make_pages(&fixture, 200, 100), 30);
    finish(&fixture);
    init(&fixture, "limits: { new_pages = \"\"; new_pages_daily = 0 };");
    assert_int_equal(make_pages(&fixture, 0, 2000), 2000);
    finish(&fixture);
}

static void test_idempotency_keys(void **state)
{
    struct visit visit = {.token = "a", .token_length = 1, .token_window = STORE_WINDOW_CLIENT};
    struct novelty_charge charge_of_third;
    struct novelty_charge charge;
    struct fixture fixture;

    (void)state;
    init(&fixture, "limits: { idempotency_keys = \"3/1h\" };");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take_visit(&fixture, 1, false, &visit, &charge), NOVELTY_OK);
    }
    assert_int_equal(take_visit(&fixture, 1, false, &visit, &charge_of_third), NOVELTY_OK);
    assert_int_equal(take_visit(&fixture, 1, false, &visit, &charge), NOVELTY_TOKEN);
    assert_in_range(fixture.wait_ms, 1, 1200000);
    /* a repetition takes no room in the store */
    answer(&fixture, &charge_of_third, VISIT_DUPLICATE, 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(take_visit(&fixture, 1, false, &visit, &charge), NOVELTY_OK);
        answer(&fixture, &charge, VISIT_DUPLICATE, 1);
    }
    assert_int_equal(take_visit(&fixture, 1, false, &visit, &charge), NOVELTY_OK);
    visit.token_window = STORE_WINDOW_ATTEMPT; /* of a proxy */
    assert_int_equal(take_visit(&fixture, 1, false, &visit, &charge), NOVELTY_OK);
    /* a visit that is refused because of its key gives the charge of its new page back */
    visit.token_window = STORE_WINDOW_CLIENT;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(take_visit(&fixture, 500 + i, false, &visit, &charge), NOVELTY_TOKEN);
    }
    assert_int_equal(make_pages(&fixture, 1000, 100), 29);
    finish(&fixture);
}

/* takes a token of a client at a site, on a known page */
static enum novelty_verdict take_token_at(struct fixture *fixture, const char *site,
                                          struct novelty_charge *ret_charge)
{
    struct visit visit = {.token = "a", .token_length = 1, .token_window = STORE_WINDOW_CLIENT};
    char names[64];
    struct novelty_visit given = {
        .client = &fixture->client,
        .names = names,
        .names_length = (size_t)snprintf(names, sizeof(names), "%s/p", site),
    };

    names[strlen(site)] = '\0';
    assert_true(novelty_concerns(&fixture->client, &visit));
    return novelty_take(&fixture->novelty, fixture->config, &given, &visit, ret_charge,
                        &fixture->wait_ms);
}

/*
 * sends tokens, each from a network of its own, until one is refused; returns how many were
 * accepted
 */
static int flood(struct fixture *fixture, const char *site, enum novelty_verdict expected)
{
    struct novelty_charge charge;
    enum novelty_verdict verdict;
    int taken = -1;

    do {
        char address[32];

        taken++;
        snprintf(address, sizeof(address), "10.%d.%d.1", taken / 256, taken % 256);
        set_address(fixture, address);
        verdict = take_token_at(fixture, site, &charge);
    } while (verdict == NOVELTY_OK && taken < 1000);
    assert_int_equal(verdict, expected);
    assert_in_range(fixture->wait_ms, 1, 3600000);
    return taken;
}

/* one site cannot use up the share of all sites, however many networks its clients have */
static void test_a_share_of_idempotency_keys(void **state)
{
    static const char several[] =
        "sites = [\"a\", \"b\", \"c\"]; limits: { idempotency_keys_total = \"20/1h\" };";
    static const char any[] = "sites = [\"*\"]; limits: { idempotency_keys_total = \"20/1h\" };";
    struct novelty_charge charge;
    struct fixture fixture;

    (void)state;
    init(&fixture, several);
    assert_int_equal(flood(&fixture, "a", NOVELTY_SITE_TOKEN), 10);
    assert_int_equal(flood(&fixture, "a", NOVELTY_SITE_TOKEN), 0);
    assert_int_equal(flood(&fixture, "b", NOVELTY_SITE_TOKEN), 10);
    assert_int_equal(flood(&fixture, "c", NOVELTY_ALL_TOKENS), 0);
    assert_int_equal(fixture.novelty.stats.refused_shares, 4);
    assert_int_equal(fixture.novelty.stats.refused_tokens, 0);
    fake_clock_stop(1000000 + 6 * 180000, 1700000000000); /* 180 s for one of all */
    assert_int_equal(flood(&fixture, "c", NOVELTY_ALL_TOKENS), 6);
    finish(&fixture);

    init(&fixture, any);
    assert_int_equal(flood(&fixture, "x", NOVELTY_SITE_TOKEN), 10);
    finish(&fixture);

    /* a single site gets the whole budget, also for clients without a network */
    init(&fixture, "sites = [\"a\"]; limits: { idempotency_keys_total = \"20/1h\" };");
    fixture.client.source = CLIENT_UNKNOWN;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(take_token_at(&fixture, "a", &charge), NOVELTY_OK);
    }
    /* a repetition, and a visit that was refused, take no room */
    for (int i = 0; i < 3; i++) {
        answer(&fixture, &charge, i == 0 ? VISIT_REFUSED : VISIT_DUPLICATE, 1);
        assert_int_equal(take_token_at(&fixture, "a", &charge), NOVELTY_OK);
    }
    assert_int_not_equal(take_token_at(&fixture, "a", &charge), NOVELTY_OK);
    finish(&fixture);
}

static void test_visitors(void **state)
{
    struct novelty_charge charge;
    struct fixture fixture;
    unsigned kept = 0;

    (void)state;
    init(&fixture, "");
    for (uint64_t i = 1; i <= 1500; i++) {
        struct visit visit = {.visitor = i * UINT64_C(0x9e3779b97f4a7c15)};

        assert_int_equal(take_visit(&fixture, 1, false, &visit, &charge), NOVELTY_OK);
        kept += visit.visitor != 0 ? 1 : 0;
    }
    assert_int_equal(kept, 1000);
    assert_int_equal(fixture.novelty.stats.ignored_visitors, 500);
    for (uint64_t i = 901; i <= 1000; i++) { /* earlier visitors are known */
        struct visit visit = {.visitor = i * UINT64_C(0x9e3779b97f4a7c15)};

        assert_int_equal(take_visit(&fixture, 1, true, &visit, &charge), NOVELTY_OK);
        assert_int_not_equal(visit.visitor, 0);
    }
    for (unsigned page = 2; page < 4; page++) {
        struct visit visit = {.visitor = 77};

        assert_int_equal(take_visit(&fixture, page, true, &visit, &charge), NOVELTY_OK);
        assert_int_equal(visit.visitor, 77);
    }
    finish(&fixture);
}

static void test_visitors_where_they_count(void **state)
{
    struct novelty_charge charge;
    struct fixture fixture;

    (void)state;
    init(&fixture, "visitors: { new_daily = 2 };");
    for (unsigned i = 0; i < 5; i++) {
        char token[17];
        struct visit visit = {.token = token, .token_length = 16, .token_window = STORE_WINDOW_DAY};

        snprintf(token, sizeof(token), "%016x", i);
        assert_int_equal(take_visit(&fixture, 1, true, &visit, &charge),
                         i < 2 ? NOVELTY_OK : NOVELTY_VISITOR);
    }
    finish(&fixture);
}

static void test_sites(void **state)
{
    struct novelty_site_charge charge;
    struct fixture fixture;
    unsigned made = 0;

    (void)state;
    init(&fixture, "");
    for (unsigned i = 0; i < 100; i++) { /* sites that exist, and one that waits */
        assert_int_equal(novelty_charge_site(&fixture.novelty, fixture.config, "there",
                                             &fixture.client, &charge),
                         0);
        novelty_settle_site(&fixture.novelty, &charge, i % 2 == 0, false);
    }
    for (; made < 100; made++) {
        char site[16];

        snprintf(site, sizeof(site), "s%u", made);
        if (novelty_charge_site(&fixture.novelty, fixture.config, site, &fixture.client, &charge) !=
            0) {
            break;
        }
        novelty_settle_site(&fixture.novelty, &charge, true, true);
    }
    assert_int_equal(made, 30);
    assert_int_equal(fixture.novelty.stats.refused_sites, 1);
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(test_new_pages_of_a_network),
        config_test(test_new_pages_of_ipv6_networks),
        config_test(test_new_pages_of_a_day),
        config_test(test_pages_that_exist_cost_nothing),
        config_test(test_a_crowd_on_one_page),
        config_test(test_visits_in_the_journal),
        config_test(test_unknown_clients),
        config_test(test_idempotency_keys),
        config_test(test_a_share_of_idempotency_keys),
        config_test(test_visitors),
        config_test(test_visitors_where_they_count),
        config_test(test_sites),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
