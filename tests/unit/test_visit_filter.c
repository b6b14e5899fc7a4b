/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#include "http/visit/visit_filter.h"

#define BROWSER  "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"
#define BOT      "Mozilla/5.0 (compatible; Googlebot/2.1)"
#define ANYWHERE "sites = ( { name = \"a\"; } );"

struct fixture {
    struct config *config;
    struct sites *sites;
    struct visit_filter visit_filter;
    struct client client;
    struct page_ref page_ref;
};

static h2o_iovec_t text(const char *string)
{
    return h2o_iovec_init(string, strlen(string));
}

/** A visit of the first site by a browser at 192.0.2.1. */
static void init(struct fixture *fixture, const char *file)
{
    *fixture = (struct fixture){.config = load_right(&(struct given){.file = file})};
    fixture->sites = sites_create(fixture->config);
    visit_filter_init(&fixture->visit_filter);
    fixture->client.source = CLIENT_UNTRUSTED;
    fixture->client.headers.user_agent = text(BROWSER);
    assert_int_equal(units_parse_ip("192.0.2.1", 9, &fixture->client.address), 0);
    fixture->page_ref.rules = sites_default_rules(fixture->sites);
    strcpy(fixture->page_ref.site, fixture->page_ref.rules->name);
    strcpy(fixture->page_ref.page.bytes, "/");
    fixture->page_ref.page.length = 1;
}

static void finish(struct fixture *fixture)
{
    visit_filter_finish(&fixture->visit_filter);
    sites_destroy(fixture->sites);
    config_unload(fixture->config);
}

/** The verdict's memory is not zero before, so that a field that is not set shows. */
static struct visit_filter_verdict judge(struct fixture *fixture)
{
    struct visit_filter_verdict verdict;

    memset(&verdict, 0xa5, sizeof(verdict));
    visit_filter_judge(&fixture->visit_filter, fixture->config, &fixture->client,
                       &fixture->page_ref, &verdict);
    return verdict;
}

static void expect_count(struct fixture *fixture)
{
    assert_int_equal(judge(fixture).result, VISIT_FILTER_COUNT);
}

static void expect_ignore(struct fixture *fixture, const char *status)
{
    struct visit_filter_verdict verdict = judge(fixture);

    assert_int_equal(verdict.result, VISIT_FILTER_IGNORE);
    assert_string_equal(visit_outcomes[verdict.outcome].name.base, status);
}

static void expect_http_error(struct fixture *fixture, enum http_error http_error)
{
    struct visit_filter_verdict verdict = judge(fixture);

    assert_int_equal(verdict.result, VISIT_FILTER_REFUSE);
    assert_int_equal(verdict.http_error, http_error);
    if (http_error != HTTP_ERROR_RATE) {
        assert_int_equal(verdict.retry_after_s, 0); /* otherwise it would be sent as Retry-After */
    }
}

static void test_prefetches(void **state)
{
    static const char *const values[] = {"prefetch", "prefetch;prerender", "Prerender", "preview"};
    struct fixture fixture;

    (void)state;
    init(&fixture, ANYWHERE);
    expect_count(&fixture);
    for (size_t i = 0; i < LENGTH(values); i++) {
        h2o_iovec_t *headers[] = {&fixture.client.headers.purpose,
                                  &fixture.client.headers.sec_purpose,
                                  &fixture.client.headers.x_purpose, &fixture.client.headers.moz};

        for (size_t j = 0; j < LENGTH(headers); j++) {
            *headers[j] = text(values[i]);
            expect_ignore(&fixture, "ignored; reason=prefetch");
            *headers[j] = text("navigate");
            expect_count(&fixture);
        }
    }
    finish(&fixture);
}

static void test_bots(void **state)
{
    struct fixture fixture;

    (void)state;
    init(&fixture, ANYWHERE);
    fixture.client.headers.user_agent = text(BOT);
    expect_ignore(&fixture, "ignored; reason=bot");
    fixture.client.headers.user_agent = text("");
    expect_count(&fixture);
    finish(&fixture);
    init(&fixture, "sites = ( { name = \"a\"; bots = \"count\" } );");
    fixture.client.headers.user_agent = text(BOT);
    expect_count(&fixture);
    finish(&fixture);
    init(&fixture, "sites = ( { name = \"a\"; bots_add = [\"firefox\"] } ); bots_add = [\"x11\"];");
    expect_ignore(&fixture, "ignored; reason=bot");
    finish(&fixture);
    init(&fixture, "sites = ( { name = \"a\"; bots_add = [] } ); bots_add = [\"firefox\"];"
                   "bots_except = [\"googlebot\"];");
    expect_count(&fixture);
    fixture.client.headers.user_agent = text(BOT);
    expect_count(&fixture);
    finish(&fixture);
}

static void test_networks(void **state)
{
    struct fixture fixture;

    (void)state;
    init(&fixture, ANYWHERE "ignore: { networks = [\"192.0.2.0/24\", \"2001:db8::/32\"] };");
    expect_ignore(&fixture, "ignored; reason=network");
    assert_int_equal(units_parse_ip("2001:db8::5", 11, &fixture.client.address), 0);
    expect_ignore(&fixture, "ignored; reason=network");
    assert_int_equal(units_parse_ip("192.0.3.1", 9, &fixture.client.address), 0);
    expect_count(&fixture);
    assert_int_equal(units_parse_ip("192.0.2.1", 9, &fixture.client.address), 0);
    fixture.client.source = CLIENT_UNKNOWN; /* then the address is ignored */
    expect_count(&fixture);
    finish(&fixture);
}

static void test_origins(void **state)
{
    static const struct {
        const char *origin;
        const char *referer;
        bool is_admitted;
    } rows[] = {
        {"https://a.example", NULL, true},
        {"https://a.example", "https://elsewhere.example/", true},
        {"https://elsewhere.example", "https://a.example/", false},
        {"null", "https://a.example/", false},
        {"https://a.example.org", NULL, false},
        {NULL, "https://a.example/page?query#part", true},
        {NULL, "https://a.example?https://b", true},
        {NULL, "https://a.example", true},
        {NULL, "https://a.example.org/", false},
        {NULL, "https://elsewhere.example/https://a.example/", false},
        {NULL, "https://a.example@elsewhere.example/", false},
        {NULL, "a.example", false},
        {NULL, "://", false},
        {NULL, NULL, false},
    };
    struct fixture fixture;

    (void)state;
    init(&fixture, "sites = ( { name = \"a\"; origins = [\"https://a.example\"] } );");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        fixture.client.headers.origin = text(rows[i].origin != NULL ? rows[i].origin : "");
        fixture.client.headers.referer = text(rows[i].referer != NULL ? rows[i].referer : "");
        if ((judge(&fixture).result == VISIT_FILTER_COUNT) != rows[i].is_admitted) {
            fail_msg("Origin %s, Referer %s", rows[i].origin, rows[i].referer);
        }
    }
    expect_http_error(&fixture, HTTP_ERROR_ORIGIN);
    finish(&fixture);
}

static void test_rates(void **state)
{
    struct visit_filter_verdict verdict;
    struct fixture fixture;

    (void)state;
    init(&fixture, "sites = ( { name = \"a\"; rate = \"2/1h\" } );");
    expect_count(&fixture);
    expect_count(&fixture);
    verdict = judge(&fixture);
    assert_int_equal(verdict.result, VISIT_FILTER_REFUSE);
    assert_int_equal(verdict.http_error, HTTP_ERROR_RATE);
    assert_in_range(verdict.retry_after_s, 1700, 1801);
    fixture.client.source = CLIENT_UNKNOWN;
    expect_count(&fixture);
    finish(&fixture);
}

/** A visit that is ignored, or refused for its origin, takes nothing from the bucket. */
static void test_the_order(void **state)
{
    struct fixture fixture;

    (void)state;
    init(&fixture, "sites = ( { name = \"a\"; rate = \"1/1h\"; origins = [\"https://a\"] } );"
                   "ignore: { networks = [\"192.0.2.0/24\"] };");
    fixture.client.headers.purpose = text("prefetch");
    fixture.client.headers.user_agent = text(BOT);
    expect_ignore(&fixture, "ignored; reason=prefetch");
    fixture.client.headers.purpose = text("");
    expect_ignore(&fixture, "ignored; reason=bot");
    fixture.client.headers.user_agent = text(BROWSER);
    expect_ignore(&fixture, "ignored; reason=network");
    assert_int_equal(units_parse_ip("192.0.3.1", 9, &fixture.client.address), 0);
    expect_http_error(&fixture, HTTP_ERROR_ORIGIN);
    fixture.client.headers.origin = text("https://a");
    expect_count(&fixture);
    expect_http_error(&fixture, HTTP_ERROR_RATE);
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(test_prefetches), config_test(test_bots),  config_test(test_networks),
        config_test(test_origins),    config_test(test_rates), config_test(test_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
