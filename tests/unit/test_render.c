/* SPDX-License-Identifier: MIT */
#include "http/render/render.h"
#include "http/request/response.h"

#include "web/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum render_form negotiate(const char *accept)
{
    return render_negotiate(accept, strlen(accept));
}

static void test_the_first_known_type_wins(void **state)
{
    (void)state;
    assert_int_equal(negotiate("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
                     RENDER_HTML);
    assert_int_equal(negotiate("application/json"), RENDER_JSON);
    assert_int_equal(negotiate("text/plain"), RENDER_TEXT);
    assert_int_equal(negotiate("text/plain, text/html"), RENDER_TEXT);
    assert_int_equal(negotiate("image/png, application/json;q=0.5, text/html"), RENDER_JSON);
    assert_int_equal(negotiate(" \t application/json ; charset=utf-8"), RENDER_JSON);
    assert_int_equal(negotiate("Application/JSON"), RENDER_JSON);
}

static void test_otherwise_text(void **state)
{
    (void)state;
    assert_int_equal(negotiate(""), RENDER_TEXT);
    assert_int_equal(negotiate("*/*"), RENDER_TEXT);
    assert_int_equal(negotiate(",,;,"), RENDER_TEXT);
    assert_int_equal(negotiate("text/htmlx, xtext/html, application/json5, text/"), RENDER_TEXT);
    assert_int_equal(render_negotiate("application/json", 15), RENDER_TEXT);
}

static void expect_json(const struct render_count *count, const char *expected)
{
    struct buf out = BUF_EMPTY;

    render_count_json(&out, count);
    assert_string_equal(out.bytes, expected);
    buf_finish(&out);
}

static void test_count_as_json(void **state)
{
    struct render_count count = {
        .site = "default", .page = "/blog", .page_length = 5, .count = 42, .status = "counted"};

    (void)state;
    expect_json(&count,
                "{\"site\":\"default\",\"page\":\"/blog\",\"count\":42,\"status\":\"counted\"}\n");
    count.replicas_wanted = 2;
    count.replicas = 1;
    expect_json(&count, "{\"site\":\"default\",\"page\":\"/blog\",\"count\":42,\"status\":"
                        "\"counted\",\"replicas\":1,\"replicas_wanted\":2}\n");
    count.replicas = 2;
    expect_json(&count,
                "{\"site\":\"default\",\"page\":\"/blog\",\"count\":42,\"status\":\"counted\"}\n");
    count.status = NULL;
    count.count = UINT64_MAX;
    expect_json(&count,
                "{\"site\":\"default\",\"page\":\"/blog\",\"count\":18446744073709551615}\n");
    count.page = "/a\"\\<\xc3\xa9";
    count.page_length = 7;
    count.count = 0;
    expect_json(&count,
                "{\"site\":\"default\",\"page\":\"/a\\\"\\\\\\u003c\xc3\xa9\",\"count\":0}\n");
}

static void test_count_as_text_is_a_line_with_the_number(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    render_count_text(&out, &(struct render_count){.count = 7});
    assert_string_equal(out.bytes, "7\n");
    buf_finish(&out);
}

static void test_count_as_html(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    render_count_html(&out, &(struct render_count){.count = 1234567});
    assert_non_null(strstr(out.bytes, "Visitor count: 1234567<"));
    assert_null(strstr(out.bytes, "{{"));
    buf_finish(&out);
}

static void test_welcome_escapes_what_it_is_given(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    render_welcome_html(&out, &(struct render_welcome){"<script>\"'&", "12", "a note", "v"});
    assert_null(strstr(out.bytes, "<script>"));
    assert_non_null(strstr(out.bytes, "&lt;script&gt;&quot;&#39;&amp;"));
    assert_non_null(strstr(out.bytes, "<strong data-count>12</strong>"));
    assert_non_null(strstr(out.bytes, "a note"));
    assert_null(strstr(out.bytes, "{{"));
    buf_finish(&out);
}

/* guards "no external requests": the policy forbids them, and no page tries one */
static void test_pages_ask_for_nothing_elsewhere(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    render_welcome_html(&out, &(struct render_welcome){"default", "1", "", "v"});
    render_count_html(&out, &(struct render_count){.count = 1});
    assert_null(strstr(out.bytes, "http:"));
    assert_null(strstr(out.bytes, "https:"));
    for (const char *at = out.bytes; (at = strstr(at, "src=")) != NULL; at++) {
        assert_memory_equal(at, "src=\"/", 6);
    }
    for (const char *at = out.bytes; (at = strstr(at, "<link ")) != NULL; at++) {
        assert_memory_equal(at, "<link rel=\"icon\" href=\"data:,\"", 30);
    }
    assert_null(strstr(out.bytes, "style=")); /* the policy allows only the one element */
    assert_null(strstr(out.bytes, "@import"));
    assert_null(strstr(out.bytes, "url("));
    buf_finish(&out);
}

static void test_policy_allows_exactly_the_style(void **state)
{
    const char *policy = render_content_security_policy();
    struct buf out = BUF_EMPTY;
    const char *style;

    (void)state;
    assert_non_null(strstr(policy, "default-src 'none'; style-src 'sha256-"));
    assert_ptr_equal(policy, render_content_security_policy());
    render_welcome_html(&out, &(struct render_welcome){"default", "1", "", "v"});
    style = strstr(out.bytes, "<style>");
    assert_non_null(style);
    assert_memory_equal(style + 7, web_style, web_style_length);
    assert_memory_equal(style + 7 + web_style_length, "</style>", 8);
    buf_finish(&out);
}

static void test_errors(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    response_put_error_json(&out, "bad_site", "not \"a\nb\" but 5");
    assert_string_equal(out.bytes, "{\"error\":{\"code\":\"bad_site\","
                                   "\"message\":\"not \\\"a\\nb\\\" but 5\"}}\n");
    buf_finish(&out);
}

static void test_errors_as_html_are_escaped(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    render_error_html(&out, "unknown_site", "site <b> is not counted here");
    assert_non_null(strstr(out.bytes, "<h1>Sorry: unknown site</h1>"));
    assert_non_null(strstr(out.bytes, "site &lt;b&gt; is not counted here."));
    buf_finish(&out);
}

static void test_pages_may_run_what_the_server_has(void **state)
{
    const char *policy = render_page_policy();

    (void)state;
    assert_non_null(strstr(policy, "script-src 'self'; connect-src 'self'"));
    assert_non_null(strstr(policy, "style-src 'self' 'sha256-"));
    assert_null(strstr(policy, "unsafe"));
    assert_null(strstr(render_content_security_policy(), "script-src"));
}

static void test_an_error_without_text(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    response_put_error_json(&out, "x", "");
    assert_string_equal(out.bytes, "{\"error\":{\"code\":\"x\",\"message\":\"\"}}\n");
    buf_finish(&out);
}

static void test_ready(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    render_ready_json(&out, "ready", NULL);
    render_ready_json(&out, "draining", "this instance ends");
    assert_string_equal(
        out.bytes, "{\"ready\":true,\"state\":\"ready\"}\n"
                   "{\"ready\":false,\"state\":\"draining\",\"reason\":\"this instance ends\"}\n");
    buf_clear(&out);
    render_ready_sites_json(&out, "ready", NULL, 3);
    assert_string_equal(out.bytes, "{\"ready\":true,\"state\":\"ready\",\"failing_sites\":3}\n");
    buf_finish(&out);
}

static void expect_template(const char *template, const char *expected)
{
    const struct render_field fields[] = {{"a", "<1>", false}, {"b", "<2>", true}};
    struct buf out = BUF_EMPTY;

    render_template(&out, template, strlen(template), fields, 2);
    assert_string_equal(out.bytes, expected);
    buf_finish(&out);
}

static void test_templates(void **state)
{
    (void)state;
    expect_template("", "");
    expect_template("plain { } }} text", "plain { } }} text");
    expect_template("{{a}}", "&lt;1&gt;");
    expect_template("x{{b}}y{{a}}{{b}}", "x<2>y&lt;1&gt;<2>");
    expect_template("[{{unknown}}]", "[]");
    expect_template("[{{ a }}]", "[]");
    expect_template("open {{a", "open {{a");
    expect_template("{{", "{{");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_known_type_wins),
        cmocka_unit_test(test_otherwise_text),
        cmocka_unit_test(test_count_as_json),
        cmocka_unit_test(test_count_as_text_is_a_line_with_the_number),
        cmocka_unit_test(test_count_as_html),
        cmocka_unit_test(test_welcome_escapes_what_it_is_given),
        cmocka_unit_test(test_pages_ask_for_nothing_elsewhere),
        cmocka_unit_test(test_policy_allows_exactly_the_style),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_errors_as_html_are_escaped),
        cmocka_unit_test(test_pages_may_run_what_the_server_has),
        cmocka_unit_test(test_an_error_without_text),
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_templates),
    };

    return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
