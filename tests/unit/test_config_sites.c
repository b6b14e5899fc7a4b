/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#include <sys/stat.h>

#define GROUPS                                                           \
    "sites = (\n"                                                        \
    "    \"plain\",\n"                                                   \
    "    { name = \"blog\";\n"                                           \
    "      aliases = [\"www.blog\", \"b\"];\n"                           \
    "      origins = [\"https://blog.example\", \"http://[::1]:80\"];\n" \
    "      count = \"unique\"; bots = \"count\";\n"                      \
    "      bots_add = [\"Abc\"]; bots_except = [\"x y/\"];\n"            \
    "      timezone = \"Europe/Berlin\";\n"                              \
    "      pages = 5000; rate = \"30/1m\"; dashboard = \"public\";\n"    \
    "      page_rules = [\"/a,b\", \"/c/**\"];\n"                        \
    "      dashboard_password = \"only for the blog\"; },\n"             \
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
    assert_string_equal(sites[1].dashboard_password, "only for the blog");
    assert_int_equal(sites[1].page_rules.count, 2);
    assert_string_equal(sites[1].page_rules.items[0], "/a,b");
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

/** The printed config can be loaded again and has the same content. */
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
        "\"https://blog.example\" or \"http://localhost:8000\", got \"https://blog.example/\"; a browser writes it "
        "\"https://blog.example\"\n"
        "test.conf:6: sites.rate: expected a rate such as \"30/1m\", both above 0, or \"\" for none, "
        "got \"30\"\n"
        "test.conf:6: sites.pages: expected a whole number from 1 to 100000000, got 0\n"
        "test.conf:6: sites.count: expected \"visits\" or \"unique\", got \"uniq\"\n"
        "test.conf:7: sites.xyzzy: unknown option of a site\n"
        "test.conf:9: sites: a site's group needs its name: { name = \"…\"; … }\n"
        "test.conf:10: sites.name: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a "
        "site, got \"Blog\"\n");
}

static void test_page_rules_are_checked(void **state)
{
    (void)state;
    load_wrong(
        &(struct given){.file = "sites = (\n"
                                "  { name = \"blog\";\n"
                                "    page_rules = [\"/a\", \"blog/**\",\n"
                                "      \"/a//b\"]; },\n"
                                "  { name = \"shop\";\n"
                                "    page_rules = \"/shop/\"; },\n"
                                "  { name = \"*\"; page_rules = 7 } );\n"},
        "test.conf:3: sites.page_rules: expected a page such as \"/about\", \"/blog/**\" or "
        "\"/*/comments\", got \"blog/**\"; it does not begin with \"/\"; expected a page such as "
        "\"/about\", \"/blog/**\" or \"/*/comments\", got \"/a//b\"; it has an empty segment\n"
        "test.conf:6: sites.page_rules: expected a page such as \"/about\", \"/blog/**\" or "
        "\"/*/comments\", got \"/shop/\"; it ends in \"/\"; write \"/**\" for all pages below\n"
        "test.conf:7: sites.page_rules: expected a page such as \"/about\", \"/blog/**\" or "
        "\"/*/comments\", got 7; it does not begin with \"/\"\n");
}

/** A group of "*" has the options of all sites that are not listed. */
static void test_any_site_has_options(void **state)
{
    struct config *config = load_right(&(struct given){
        .file = "sites = ( \"a\", { name = \"*\"; pages = 7; page_rules = [\"/x\"] } );"});

    (void)state;
    assert_string_equal(config->sites.items[1].name, "*");
    assert_int_equal(config->sites.items[1].pages, 7);
    config_unload(config);
    load_wrong(&(struct given){.file = "sites = ( \"*\", { name = \"*\"; pages = 7 } );"},
               "test.conf:1: sites: \"*\" is there twice\n");
    load_wrong(&(struct given){.file = "sites = (\n { name = \"*\"; aliases = [\"x\"] } );"},
               "test.conf:2: sites: \"*\" cannot have aliases\n");
    load_wrong(&(struct given){.file = "sites = ({ name = \"a\"; aliases = [\"*\"] } );"},
               "test.conf:1: sites.aliases: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the "
               "name of a site, got \"*\"\n");
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

/** Groups are allowed only in lists of sites. */
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

#define WITH_FILE "sites = (\n  { name = \"a\"; dashboard_password_file = \"p\" },\n  \"b\" );\n"

static void test_passwords_come_from_files(void **state)
{
    struct config *config;
    struct buf out = BUF_EMPTY;

    (void)state;
    write_text("p", "from a file\n");
    config = load_right(&(struct given){.file = WITH_FILE});
    assert_string_equal(config->sites.items[0].dashboard_password, "from a file");
    assert_string_equal(config->sites.items[0].secret_file, "p");
    config_print_text(config, &out);
    config_print_json(config, &out);
    assert_null(strstr(out.bytes, "from a file"));
    assert_non_null(strstr(out.bytes, "dashboard_password = \"********\""));
    config_unload(config);
    config = load_right(&(struct given){.file = "sites = ({ name = \"a\"; "
                                                "dashboard_password = \"\"; "
                                                "dashboard_password_file = \"p\" });"});
    assert_string_equal(config->sites.items[0].dashboard_password, "from a file");
    config_unload(config);
    buf_finish(&out);
}

static void test_wrong_password_files(void **state)
{
    (void)state;
    load_wrong(&(struct given){.file = WITH_FILE},
               "test.conf:2: sites.dashboard_password_file: p: No such file or directory\n");
    write_text("p", "x\n");
    load_wrong(&(struct given){.file = "sites = ({ name = \"a\";\n dashboard_password = \"x\";\n "
                                       "dashboard_password_file = \"p\" });"},
               "test.conf:1: sites.dashboard_password_file: dashboard_password is given as well; "
               "keep one of them\n");
    load_wrong(
        &(struct given){.file = "sites = ({ name = \"a\";\n dashboard_password_file = 1 });"},
        "test.conf:2: sites.dashboard_password_file: expected the path of a file in "
        "quotes\n");
    load_wrong(
        &(struct given){.file = "sites = ({ name = \"a\";\n dashboard_pasword_file = \"p\" });"},
        "test.conf:2: sites.dashboard_pasword_file: unknown option of a site; did you mean "
        "dashboard_password_file?\n");
    load_wrong(
        &(struct given){.file = "sites = ({ name = \"a\";\n dashboard_password = secret });"},
        "test.conf:2: syntax error\n");
}

/** A reload keeps the password of a file that it cannot read any more. */
static void test_a_reload_keeps_a_password(void **state)
{
    struct config_request request = {.file = "test.conf"};
    struct config *config;
    struct config *next;
    struct buf warnings = BUF_EMPTY;
    struct buf errors = BUF_EMPTY;

    (void)state;
    write_text("p", "from a file\n");
    config = load_right(&(struct given){.file = WITH_FILE});
    write_text("p", "");
    next = config_load_again(&request, config, &warnings, &errors);
    assert_non_null(next);
    assert_string_equal(next->sites.items[0].dashboard_password, "from a file");
    assert_string_equal(warnings.bytes,
                        "test.conf:2: sites.dashboard_password_file: p: the file is "
                        "empty; the secret that was read before is kept\n");
    config_unload(next);
    write_text("p", "another");
    next = config_load_again(&request, config, &warnings, &errors);
    assert_string_equal(next->sites.items[0].dashboard_password, "another");
    assert_int_equal(errors.length, 0);
    config_unload(next);
    config_unload(config);
    buf_finish(&warnings);
}

static void test_short_passwords_are_warned_of(void **state)
{
    struct config *config = load_right(&(struct given){
        .file = "dashboard: { password = \"short\"; };\n"
                "sites = ( { name = \"a\"; dashboard_password = \"eleven byte\" },\n"
                "  { name = \"b\"; dashboard_password = \"twelve bytes\" }, \"c\" );"});
    struct buf out = BUF_EMPTY;

    (void)state;
    assert_int_equal(chmod("test.conf", 0600), 0); /* otherwise there is a warning of that too */
    config_list_warnings(config, &out);
    assert_string_equal(
        out.bytes,
        "test.conf:1: dashboard.password: the password is shorter than 12 characters, so it may be "
        "guessed\n"
        "test.conf:2: sites.dashboard_password of a: the password is shorter than 12 characters, so "
        "it may be guessed\n");
    buf_finish(&out);
    config_unload(config);
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
        config_test(test_page_rules_are_checked),
        config_test(test_any_site_has_options),
        config_test(test_names_belong_to_one_site),
        config_test(test_groups_elsewhere),
        config_test(test_origins),
        config_test(test_passwords_come_from_files),
        config_test(test_wrong_password_files),
        config_test(test_a_reload_keeps_a_password),
        config_test(test_short_passwords_are_warned_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
