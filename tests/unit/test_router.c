/* SPDX-License-Identifier: MIT */
#include "http/admin/admin.h"
#include "http/request/router.h"
#include "http/routes/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static h2o_iovec_t text(const char *string)
{
    return h2o_iovec_init(string, strlen(string));
}

static void assert_text(h2o_iovec_t value, const char *expected)
{
    assert_int_equal(value.len, strlen(expected));
    assert_memory_equal(value.base, expected, value.len);
}

/* Targets */

static void expect_target(const char *target, const char *path, const char *query)
{
    h2o_iovec_t found_path;
    h2o_iovec_t found_query;

    assert_true(request_split_target(text(target), &found_path, &found_query));
    assert_text(found_path, path);
    assert_text(found_query, query);
}

static void expect_no_target(const char *target)
{
    h2o_iovec_t path;
    h2o_iovec_t query;

    if (request_split_target(text(target), &path, &query)) {
        fail_msg("\"%s\" is taken for a path", target);
    }
}

static void test_origin_form(void **state)
{
    (void)state;
    expect_target("/", "/", "");
    expect_target("/count", "/count", "");
    expect_target("/count?", "/count", "");
    expect_target("/count?a=b&c", "/count", "a=b&c");
    expect_target("/count?a?b", "/count", "a?b");
    expect_target("//x/../y", "//x/../y", "");
    expect_target("/a%3Fb", "/a%3Fb", "");
}

static void test_fragments_are_left_out(void **state)
{
    (void)state;
    expect_target("/a#b?c", "/a", "");
    expect_target("/a?b#c", "/a", "b");
    expect_target("/#", "/", "");
}

static void test_absolute_form(void **state)
{
    (void)state;
    expect_target("http://example.org/count?x", "/count", "x");
    expect_target("https://example.org:8443/", "/", "");
    expect_target("HTTP://[::1]:80/a", "/a", "");
    expect_target("http://example.org", "/", "");
    expect_target("http://example.org?x=1", "/", "x=1");
    expect_target("http://example.org#x", "/", "");
}

static void test_what_is_not_a_path(void **state)
{
    (void)state;
    expect_no_target("");
    expect_no_target("*");
    expect_no_target("count");
    expect_no_target("?a");
    expect_no_target("#");
    expect_no_target("http://");
    expect_no_target("http:///count");
    expect_no_target("http:/count");
    expect_no_target("ftp://example.org/count");
    expect_no_target("example.org:443");
}

/* Routes */

static void handle_nothing(struct request *request)
{
    (void)request;
}

static const struct route rows[] = {
    {METHOD_GET, H2O_STRLIT("/"), handle_nothing, NULL},
    {METHOD_GET, H2O_STRLIT("/thing"), handle_nothing, NULL},
    {METHOD_PUT | METHOD_DELETE, H2O_STRLIT("/thing"), handle_nothing, NULL},
    {METHOD_POST, H2O_STRLIT("/tree/"), handle_nothing, NULL},
};
static const struct route_table table = {rows, 4, true, NULL};

static void test_finds_whole_paths_and_prefixes(void **state)
{
    (void)state;
    assert_ptr_equal(router_find(&table, text("/"), METHOD_GET), &rows[0]);
    assert_ptr_equal(router_find(&table, text("/thing"), METHOD_GET), &rows[1]);
    assert_ptr_equal(router_find(&table, text("/tree/"), METHOD_POST), &rows[3]);
    assert_ptr_equal(router_find(&table, text("/tree/a/b"), METHOD_POST), &rows[3]);
    assert_null(router_find(&table, text("/tree"), METHOD_POST));
    assert_null(router_find(&table, text("/thing/"), METHOD_GET));
    assert_null(router_find(&table, text("/thingx"), METHOD_GET));
    assert_null(router_find(&table, text("/thin"), METHOD_GET));
    assert_null(router_find(&table, text("//"), METHOD_GET));
    assert_null(router_find(&table, text("/THING"), METHOD_GET));
}

static void test_a_path_may_have_a_row_per_method(void **state)
{
    (void)state;
    assert_ptr_equal(router_find(&table, text("/thing"), METHOD_PUT), &rows[2]);
    assert_ptr_equal(router_find(&table, text("/thing"), METHOD_DELETE), &rows[2]);
}

static void test_another_method_still_finds_the_path(void **state)
{
    (void)state;
    assert_ptr_equal(router_find(&table, text("/"), METHOD_POST), &rows[0]);
    assert_ptr_equal(router_find(&table, text("/"), 0), &rows[0]);
    assert_non_null(router_find(&table, text("/thing"), METHOD_POST));
}

static bool counts(const char *path)
{
    const struct route *route = router_find(&visitor_routes, text(path), METHOD_GET);

    assert_non_null(route);
    assert_int_not_equal(route->methods & METHOD_GET, 0);
    return (route->methods & ROUTE_COUNTS) != 0;
}

static void test_visitors_have_their_routes(void **state)
{
    (void)state;
    assert_true(visitor_routes.is_public);
    assert_true(counts("/count"));
    assert_true(counts("/count.json"));
    assert_true(counts("/v1/hit/default/a"));
    assert_false(counts("/"));
    assert_false(counts("/v1/get/default/a"));
    assert_false(counts("/livez"));
    assert_false(counts("/readyz"));
    assert_true(counts("/badge/default/a.svg"));
    assert_true(counts("/pixel/default/a.gif"));
    assert_true(counts("/v1/text/default/a"));
    assert_true(counts("/v1/shields/default/a"));
    assert_false(counts("/v1/top/default"));
    assert_false(counts("/v1/series/default/a"));
    assert_false(counts("/v1/live/default/a"));
    assert_false(counts("/site/default"));
    assert_false(counts("/count.js"));
}

/* guards the separation of the three kinds of listeners */
static void test_nothing_of_the_admin_socket_is_public(void **state)
{
    (void)state;
    assert_false(admin_routes.is_public);
    assert_false(metrics_routes.is_public);
    assert_true(admin_routes.count > 5);
    for (size_t i = 0; i < admin_routes.count; i++) {
        assert_null(router_find(&visitor_routes, text(admin_routes.routes[i].path), ~0U));
    }
    for (size_t i = 0; i < visitor_routes.count; i++) {
        assert_null(router_find(&metrics_routes, text(visitor_routes.routes[i].path), ~0U));
    }
}

/* Parameters */

static void expect_parameter(const char *query, const char *name, const char *expected)
{
    h2o_mem_pool_t pool;
    h2o_iovec_t value;

    h2o_mem_init_pool(&pool);
    if (expected != NULL) {
        assert_true(request_find_parameter(&pool, text(query), name, &value));
        assert_text(value, expected);
        assert_int_equal(value.base[value.len], '\0');
    } else {
        assert_false(request_find_parameter(&pool, text(query), name, &value));
    }
    h2o_mem_clear_pool(&pool);
}

static void test_finds_parameters(void **state)
{
    (void)state;
    expect_parameter("a=1&b=2", "a", "1");
    expect_parameter("a=1&b=2", "b", "2");
    expect_parameter("a=1&a=2", "a", "1");
    expect_parameter("a", "a", "");
    expect_parameter("a=", "a", "");
    expect_parameter("a&b", "b", "");
    expect_parameter("&&a=1&&", "a", "1");
    expect_parameter("a=b=c", "a", "b=c");
    expect_parameter("", "a", NULL);
    expect_parameter("ab=1", "a", NULL);
    expect_parameter("b=a", "a", NULL);
    expect_parameter("A=1", "a", NULL);
    expect_parameter("=1", "a", NULL);
}

static void test_decodes_parameters(void **state)
{
    (void)state;
    expect_parameter("a=x+y%20z", "a", "x y z");
    expect_parameter("a=%26%3D%25", "a", "&=%");
    expect_parameter("a=%C3%A9%c3%a9", "a", "\xc3\xa9\xc3\xa9");
    expect_parameter("a=%2541", "a", "%41");
    expect_parameter("a=%", "a", "%");
    expect_parameter("a=%4", "a", "%4");
    expect_parameter("a=%zz%4", "a", "%zz%4");
    expect_parameter("a=%4&b=1", "a", "%4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origin_form),
        cmocka_unit_test(test_fragments_are_left_out),
        cmocka_unit_test(test_absolute_form),
        cmocka_unit_test(test_what_is_not_a_path),
        cmocka_unit_test(test_finds_whole_paths_and_prefixes),
        cmocka_unit_test(test_a_path_may_have_a_row_per_method),
        cmocka_unit_test(test_another_method_still_finds_the_path),
        cmocka_unit_test(test_visitors_have_their_routes),
        cmocka_unit_test(test_nothing_of_the_admin_socket_is_public),
        cmocka_unit_test(test_finds_parameters),
        cmocka_unit_test(test_decodes_parameters),
    };

    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
