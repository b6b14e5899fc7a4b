/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#include "http/visit/sites.h"

static struct sites *make_sites(const char *file)
{
    struct config *config = load_right(&(struct given){.file = file});
    struct sites *sites = sites_create(config);

    config_unload(config); /* it is not needed any more */
    return sites;
}

static const struct site_rules *find(const struct sites *sites, const char *name)
{
    return sites_find(sites, name, strlen(name));
}

static const struct site_rules *admit(struct sites *sites, const char *name)
{
    return sites_admit(sites, name, strlen(name));
}

static void test_aliases_lead_to_the_site(void **state)
{
    struct sites *sites =
        make_sites("sites = ( \"first\", { name = \"blog\"; aliases = [\"www.blog\", \"b\"] } );");

    (void)state;
    assert_ptr_equal(find(sites, "www.blog"), find(sites, "blog"));
    assert_ptr_equal(find(sites, "b"), find(sites, "blog"));
    assert_string_equal(find(sites, "b")->name, "blog");
    assert_int_equal(find(sites, "b")->name_length, 4);
    assert_string_equal(sites_default(sites), "first");
    assert_ptr_equal(sites_default_rules(sites), find(sites, "first"));
    assert_null(find(sites, "www.first"));
    assert_null(find(sites, "*"));
    assert_null(sites_open_rules(sites));
    assert_null(admit(sites, "other"));
    sites_destroy(sites);
}

static void test_a_group_goes_before_the_options(void **state)
{
    struct sites *sites = make_sites(
        "sites = ( \"plain\", { name = \"own\"; count = \"visits\"; bots = \"ignore\"; pages = 3;\n"
        "  timezone = \"Asia/Tokyo\"; rate = \"\"; dashboard = \"private\" } );\n"
        "count: { mode = \"unique\" }; bots = \"count\"; timezone = \"Europe/Berlin\";\n"
        "limits: { pages = 9; rate = \"5/1s\" }; dashboard: { public = true };\n"
        "visitors: { unique = false };");
    const struct site_rules *plain = find(sites, "plain");
    const struct site_rules *own = find(sites, "own");

    (void)state;
    assert_true(plain->counts_unique);
    assert_false(plain->ignores_bots);
    assert_true(plain->is_public);
    assert_false(plain->keeps_visitors);
    assert_int_equal(plain->pages_max, 9);
    assert_int_equal(plain->rate.count, 5);
    assert_int_equal(zone_offset_s(plain->zone, 0), 3600);
    assert_false(own->counts_unique);
    assert_true(own->ignores_bots);
    assert_false(own->is_public);
    assert_int_equal(own->pages_max, 3);
    assert_int_equal(own->rate.count, 0);
    assert_int_equal(zone_offset_s(own->zone, 0), 9 * 3600);
    sites_destroy(sites);
}

static void test_origins(void **state)
{
    struct sites *sites = make_sites(
        "sites = ( \"any\", { name = \"own\"; origins = [\"https://a.example\", \"http://b\"] } );");
    const struct site_rules *own = find(sites, "own");

    (void)state;
    assert_true(site_rules_admit_origin(find(sites, "any"), "null", 4));
    assert_true(site_rules_admit_origin(own, "https://a.example", 17));
    assert_true(site_rules_admit_origin(own, "http://b", 8));
    assert_false(site_rules_admit_origin(own, "https://a.example.org", 21));
    assert_false(site_rules_admit_origin(own, "https://a.exampl", 16));
    assert_false(site_rules_admit_origin(own, "http://a.example", 16));
    assert_false(site_rules_admit_origin(own, "", 0));
    assert_false(site_rules_admit_origin(own, "null", 4));
    sites_destroy(sites);
}

static void test_open_sites_are_known_up_to_the_limit(void **state)
{
    struct sites *sites = make_sites("sites = [\"*\", \"listed\"]; limits: { sites = 2 };"
                                     "timezone = \"Asia/Tokyo\";");

    (void)state;
    assert_string_equal(sites_default(sites), "listed");
    assert_int_equal(sites_open_limit(sites), 2);
    assert_null(find(sites, "one"));
    assert_string_equal(sites_open_rules(sites)->name, "");
    assert_string_equal(admit(sites, "one")->name, "one");
    assert_ptr_equal(admit(sites, "one"), find(sites, "one"));
    assert_int_equal(zone_offset_s(find(sites, "one")->zone, 0), 9 * 3600);
    assert_non_null(admit(sites, "two"));
    assert_null(admit(sites, "three"));
    assert_non_null(admit(sites, "listed"));
    sites_destroy(sites);
    sites_destroy(NULL);
}

static void test_without_a_listed_site_there_is_the_default_one(void **state)
{
    struct sites *sites = make_sites("sites = [\"*\"];");

    (void)state;
    assert_string_equal(sites_default(sites), "default");
    assert_non_null(find(sites, "default"));
    sites_destroy(sites);
}

static void count_rules(void *data, const struct site_rules *rules)
{
    assert_non_null(rules->zone);
    ++*(size_t *)data;
}

static void test_each_set_of_rules(void **state)
{
    struct sites *sites =
        make_sites("sites = ( { name = \"a\"; aliases = \"b\" }, \"c\", \"*\" );");
    size_t count = 0;

    (void)state;
    assert_non_null(admit(sites, "d"));
    sites_for_each(sites, count_rules, &count);
    assert_int_equal(count, 3); /* a, c and the rules of sites that are not listed */
    sites_destroy(sites);
}

/* guards a reload while the store is away: the store could not be asked again */
static void test_a_reload_remembers_sites_that_are_not_listed(void **state)
{
    struct sites *before = make_sites("sites = ( \"listed\", \"*\" ); limits: { sites = 3 };");
    struct sites *after = make_sites("sites = ( \"three\", \"*\" ); limits: { sites = 2 };");
    struct sites *closed = make_sites("sites = \"three\";");

    (void)state;
    assert_non_null(admit(before, "one"));
    assert_non_null(admit(before, "two"));
    assert_non_null(admit(before, "three"));
    sites_remember(after, before);
    sites_remember(closed, before);
    sites_destroy(before);
    assert_string_equal(find(after, "one")->name, "one");
    assert_string_equal(find(after, "two")->name, "two");
    assert_string_equal(find(after, "three")->name, "three");
    assert_null(find(after, "listed")); /* no one has asked for it */
    assert_null(find(closed, "one"));
    sites_destroy(after);
    sites_destroy(closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(test_aliases_lead_to_the_site),
        config_test(test_a_group_goes_before_the_options),
        config_test(test_origins),
        config_test(test_open_sites_are_known_up_to_the_limit),
        config_test(test_without_a_listed_site_there_is_the_default_one),
        config_test(test_each_set_of_rules),
        config_test(test_a_reload_remembers_sites_that_are_not_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
