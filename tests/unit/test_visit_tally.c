/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#include "http/request/app.h"
#include "http/request/router.h"
#include "http/visit/sites.h"
#include "http/visit/visit_tally.h"

#define HIT "/v1/hit/"

static const struct route prefix = {METHOD_GET | ROUTE_COUNTS, H2O_STRLIT(HIT), NULL, NULL};
static const struct route whole = {METHOD_GET | ROUTE_COUNTS, H2O_STRLIT("/count"), NULL, NULL};

/** A request of `rest` after the route's path that was answered with `outcome`. */
static void note(struct app *app, const struct route *route, const char *rest,
                 enum visit_outcome outcome)
{
    struct request request = {
        .app = app, .route = route, .rest = h2o_iovec_init(rest, strlen(rest)), .outcome = outcome};

    visit_tally_note(&request);
}

static void test_reasons(void **state)
{
    (void)state;
    assert_string_equal(visit_outcome_reason(OUTCOME_BOT), "bot");
    assert_string_equal(visit_outcome_reason(OUTCOME_ORIGIN), "origin");
    assert_null(visit_outcome_reason(OUTCOME_NONE));
    assert_null(visit_outcome_reason(OUTCOME_COUNTED));
    assert_null(visit_outcome_reason(OUTCOME_UNKNOWN)); /* it may have been counted */
}

static void test_sites(void **state)
{
    struct config *config = load_right(
        &(struct given){.file = "sites = ( { name = \"a\"; aliases = [\"b\"] }, \"*\" );"});
    struct app app = {.sites = sites_create(config), .visit_tallies = visit_tallies_create()};

    (void)state;
    note(&app, &prefix, "a/page", OUTCOME_BOT);
    note(&app, &prefix, "b", OUTCOME_BOT);
    note(&app, &whole, "", OUTCOME_BOT);
    note(&app, &prefix, "a", OUTCOME_RATE);
    note(&app, &prefix, "a", OUTCOME_UNKNOWN);
    assert_int_equal(visit_tallies_find(app.visit_tallies, "a")->visits[OUTCOME_BOT], 3);
    assert_int_equal(visit_tallies_find(app.visit_tallies, "a")->visits[OUTCOME_RATE], 1);
    assert_int_equal(visit_tallies_find(app.visit_tallies, "a")->visits[OUTCOME_UNKNOWN], 0);
    assert_null(visit_tallies_find(app.visit_tallies, VISIT_TALLY_OTHERS));
    sites_admit(app.sites, "c", 1); /* a client chose the name */
    note(&app, &prefix, "c/page", OUTCOME_BOT);
    note(&app, &prefix, "d/page", OUTCOME_BOT);
    note(&app, &prefix, "", OUTCOME_BOT);
    assert_null(visit_tallies_find(app.visit_tallies, "c"));
    assert_int_equal(visit_tallies_find(app.visit_tallies, VISIT_TALLY_OTHERS)->visits[OUTCOME_BOT],
                     3);
    visit_tallies_destroy(app.visit_tallies);
    sites_destroy(app.sites);
    config_unload(config);
}

static void count_sites(void *data, const struct visit_tally *tally)
{
    *(size_t *)data += tally->visits[OUTCOME_BOT] == 1;
}

/** Reloads with other names do not make the table grow without end. */
static void test_the_table_is_bounded(void **state)
{
    struct visit_tallies *tallies = visit_tallies_create();
    char file[64];
    char name[16];
    size_t count = 0;

    (void)state;
    for (int i = 0; i < VISIT_TALLY_SITES_MAX + 7; i++) {
        struct config *config;
        struct app app = {.visit_tallies = tallies};

        sprintf(name, "s%d", i);
        sprintf(file, "sites = [\"%s\"];", name);
        config = load_right(&(struct given){.file = file});
        app.sites = sites_create(config);
        note(&app, &prefix, name, OUTCOME_BOT);
        sites_destroy(app.sites);
        config_unload(config);
    }
    visit_tallies_for_each(tallies, count_sites, &count);
    assert_int_equal(count, VISIT_TALLY_SITES_MAX);
    assert_int_equal(visit_tallies_find(tallies, VISIT_TALLY_OTHERS)->visits[OUTCOME_BOT], 7);
    assert_int_equal(visit_tallies_find(tallies, "s0")->visits[OUTCOME_BOT], 1);
    visit_tallies_destroy(tallies);
    visit_tallies_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(test_reasons),
        config_test(test_sites),
        config_test(test_the_table_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
