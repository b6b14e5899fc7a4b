/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#define GROUPS                                                           \
    "sites = (\n"                                                        \
    "    \"plain\",\n"                                                   \
    "    { name = \"blog\";\n"                                           \
    "      aliases = [\"www.blog\", \"b\"];\n"                           \
    "      origins = [\"https://blog.example\", \"http://[::1]:80\"];\n" \
    "      count = \"unique\"; bots = \"count\";\n"                      \
    "      bots_add = [\"Abc\"]; bots_except = [\"x y/\"];\n"            \
    "      timezone = \"Europe/Berlin\";\n"                              \
    "      pages = 5000; rate = \"30/1m\"; dashboard = \"public\"; },\n" \
    "    { name = \"shop\" },\n"                                         \
    "    \"*\" );\n"

static void test_groups(void **state)
{
    struct config *config = load_right(&(struct given){.file = GROUPS});
    const struct config_site *sites = config->sites.items;

    (void)state;
    assert_int_equal(config->sites.count, 4);
    assert_string_equal(sites[0].name, "plain");
    assert_int_equal(sites[0].given, 1u << SITE_name);
    assert_string_equal(sites[1].name, "blog");
    assert_int_equal(sites[1].given, (1u << SITE_OPTION_COUNT) - 1);
    assert_int_equal(sites[1].aliases.count, 2);
    assert_string_equal(sites[1].aliases.items[1], "b");
    assert_int_equal(sites[1].origins.count, 2);
    assert_string_equal(sites[1].origins.items[0], "https://blog.example");
    assert_int_equal(sites[1].count, COUNT_UNIQUE);
    assert_int_equal(sites[1].bots, BOTS_COUNT);
    assert_int_equal(sites[1].bots_add.count, 1);
    assert_string_equal(sites[1].bots_add.items[0], "Abc");
    assert_string_equal(sites[1].bots_except.items[0], "x y/");
    assert_string_equal(sites[1].timezone, "Europe/Berlin");
    assert_int_equal(sites[1].pages, 5000);
    assert_int_equal(sites[1].rate.count, 30);
    assert_int_equal(sites[1].rate.per_ms, 60000);
    assert_int_equal(sites[1].dashboard, DASHBOARD_PUBLIC);
    assert_string_equal(sites[2].name, "shop");
    assert_false(config_site_gives(&sites[2], SITE_timezone));
    assert_string_equal(sites[3].name, "*");
    assert_string_equal(config->sources[CONFIG_sites], "test.conf:1");
    config_unload(config);
}

static void test_what_holds_where_no_site_says_otherwise(void **state)
{
    struct config *config = load_right(&(struct given){
        .file = "count: { mode = \"unique\" }; bots = \"count\"; timezone = \"Asia/Tokyo\";\n"
                "limits: { pages = 7; rate = \"1/1s\" }; ignore: { networks = [\"10.0.0.0/8\"] };\n"
                "visitors: { unique = false }; dashboard: { public = true; password = \"p\" };\n"});

    (void)state;
    assert_int_equal(config->count_mode, COUNT_UNIQUE);
    assert_int_equal(config->bots, BOTS_COUNT);
    assert_string_equal(config->timezone, "Asia/Tokyo");
    assert_int_equal(config->limits_pages, 7);
    assert_int_equal(config->limits_rate.per_ms, 1000);
    assert_int_equal(config->ignore_networks.count, 1);
    assert_false(config->visitors_unique);
    assert_true(config->dashboard_public);
    assert_string_equal(config->dashboard_password, "p");
    config_unload(config);
}

static void test_defaults(void **state)
{
    struct config *config = load_right(&(struct given){.file = ""});

    (void)state;
    assert_int_equal(config->count_mode, COUNT_VISITS);
    assert_int_equal(config->bots, BOTS_IGNORE);
    assert_string_equal(config->timezone, "UTC");
    assert_int_equal(config->limits_pages, 100000);
    assert_int_equal(config->limits_rate.count, 0);
    assert_int_equal(config->ignore_networks.count, 0);
    assert_true(config->visitors_unique);
    assert_false(config->dashboard_public);
    assert_string_equal(config->dashboard_password, "");
    config_unload(config);
}

static void test_the_environment_gives_names(void **state)
{
    struct config *config = load_right(
        &(struct given){.file = GROUPS, .environment = {"VISITCOUNTD_SITES=one, two,*"}});

    (void)state;
    assert_int_equal(config->sites.count, 3);
    assert_string_equal(config->sites.items[1].name, "two");
    assert_int_equal(config->sites.items[1].given, 1u << SITE_name);
    config_unload(config);
}

/** What is printed may be read again, and is the same then. */
static void test_printed_groups_are_read_again(void **state)
{
    struct config *config = load_right(&(struct given){.file = GROUPS});
    struct config *again;
    struct buf out = BUF_EMPTY;
    char *line;

    (void)state;
    config_print_text(config, &out);
    line = strstr(out.bytes, "\nsites = (");
    assert_non_null(line);
    line[1 + strcspn(line + 1, "\n")] = '\0';
    again = load_right(&(struct given){.file = line});
    assert_true(config_check_reload(config, again, &out));
    assert_int_equal(again->sites.count, 4);
    assert_int_equal(again->sites.items[1].given, config->sites.items[1].given);
    assert_string_equal(again->sites.items[1].origins.items[1], "http://[::1]:80");
    assert_int_equal(again->sites.items[1].rate.count, 30);
    buf_finish(&out);
    config_unload(again);
    config_unload(config);
}

static void test_errors_have_lines_of_their_own(void **state)
{
    (void)state;
    load_wrong(
        &(struct given){.file = "sites = (\n"
                                "  { name = \"blog\";\n"
                                "    tmezone = \"x\";\n"
                                "    timezone = \"Europe/Berln\";\n"
                                "    origins = \"https://blog.example/\";\n"
                                "    rate = \"30\"; pages = 0; count = \"uniq\";\n"
                                "    xyzzy = 1;\n"
                                "  },\n"
                                "  { count = \"unique\" },\n"
                                "  { name = \"Blog\" } );\n"},
        "test.conf:3: sites.tmezone: unknown option of a site; did you mean timezone?\n"
        "test.conf:4: sites.timezone: expected \"UTC\", or a time zone of this machine's tz database "
        "such as \"Europe/Berlin\", got \"Europe/Berln\"; did you mean \"Europe/Berlin\"?\n"
        "test.conf:5: sites.origins: expected an origin in lower case and without path, such as "
        "\"https://blog.example\" or \"http://localhost:8000\", got \"https://blog.example/\"\n"
        "test.conf:6: sites.rate: expected a rate such as \"30/1m\", both above 0, or \"\" for none, "
        "got \"30\"\n"
        "test.conf:6: sites.pages: expected a whole number from 1 to 100000000, got 0\n"
        "test.conf:6: sites.count: expected \"visits\" or \"unique\", got \"uniq\"\n"
        "test.conf:7: sites.xyzzy: unknown option of a site\n"
        "test.conf:9: sites: a site's group needs its name: { name = \"…\"; … }\n"
        "test.conf:10: sites.name: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a "
        "site, got \"Blog\"\n");
}

static void test_names_belong_to_one_site(void **state)
{
    static const struct {
        const char *file;
        const char *error;
    } rows[] = {
        {"sites = ( \"a\", { name = \"b\"; aliases = [\"a\"]; } );",
         "test.conf:1: sites: \"a\" is a name of both \"a\" and \"b\"\n"},
        {"sites = ( { name = \"a\"; aliases = \"x\" }, { name = \"b\"; aliases = \"x\" } );",
         "test.conf:1: sites: \"x\" is a name of both \"a\" and \"b\"\n"},
        {"sites = ( { name = \"a\"; aliases = [\"a\"]; } );",
         "test.conf:1: sites: \"a\" is there twice, as a name of \"a\"\n"},
        {"sites = ( \"a\", { name = \"a\"; } );", "test.conf:1: sites: \"a\" is there twice\n"},
        {"sites = ( { name = \"a\"; aliases = [\"x\", \"x\"]; } );",
         "test.conf:1: sites.aliases: \"x\" is there twice\n"},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        load_wrong(&(struct given){.file = rows[i].file}, rows[i].error);
    }
}

/** Groups are for lists of sites only. */
static void test_groups_elsewhere(void **state)
{
    (void)state;
    load_wrong(&(struct given){.file = "trusted_proxies = ( { name = \"a\" } );"},
               "test.conf:1: trusted_proxies: expected a network such as \"10.0.0.0/8\" or "
               "\"2001:db8::/32\", or an address, got a group\n");
    load_wrong(
        &(struct given){.file = "sites = { name = \"a\" };"},
        "test.conf:1: sites: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a "
        "site, or \"*\", got a group\n");
    load_wrong(
        &(struct given){.file = "sites = ( \"b\", ( \"a\" ) );"},
        "test.conf:1: sites: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a "
        "site, or \"*\", got a list\n");
}

static void test_origins(void **state)
{
    static const char *const right[] = {"https://a", "http://a.b-c.example:8080", "http://10.0.0.1",
                                        "https://[2001:db8::1]", "https://[2001:db8::1]:8443"};
    static const char *const wrong[] = {"",
                                        "null",
                                        "*",
                                        "a.example",
                                        "ftp://a",
                                        "https://",
                                        "https://A.example",
                                        "https://a/",
                                        "https://a:0",
                                        "https://a:65536",
                                        "https://a:",
                                        "https://a b",
                                        "https://u@a",
                                        "https://[::1",
                                        "https://unix:/x"};
    struct buf errors = BUF_EMPTY;
    char file[128];

    (void)state;
    for (size_t i = 0; i < LENGTH(right); i++) {
        snprintf(file, sizeof(file), "sites = ({ name = \"a\"; origins = [\"%s\"] });", right[i]);
        config_unload(load_right(&(struct given){.file = file}));
    }
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        snprintf(file, sizeof(file), "sites = ({ name = \"a\"; origins = [\"%s\"] });", wrong[i]);
        if (load(&(struct given){.file = file}, &errors) != NULL) {
            fail_msg("%s is taken for an origin", wrong[i]);
        }
    }
    buf_finish(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(test_groups),
        config_test(test_what_holds_where_no_site_says_otherwise),
        config_test(test_defaults),
        config_test(test_the_environment_gives_names),
        config_test(test_printed_groups_are_read_again),
        config_test(test_errors_have_lines_of_their_own),
        config_test(test_names_belong_to_one_site),
        config_test(test_groups_elsewhere),
        config_test(test_origins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
