/* SPDX-License-Identifier: MIT */
#include "http/render/badge.h"

#include "http/render/style.h"
#include "http/render/colour.h"
#include "http/render/font.h"
#include "http/render/number.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Widths */

static double width(const char *text, bool is_bold)
{
    return font_text_width(text, strlen(text), is_bold, 2048);
}

static void test_widths_are_those_of_the_font(void **state)
{
    (void)state;
    assert_int_equal(width("", false), 0);
    assert_int_equal(width(" ", false), 651);
    assert_int_equal(width("0", false), 1303);
    assert_int_equal(width("0", true), 1425);
    assert_int_equal(width("visits", false), 1212 + 569 + 1067 + 569 + 803 + 1067);
    assert_int_equal(width("\u00e9", false), 1260);
    assert_true(width("W", false) > width("i", false));
}

static void test_what_the_font_has_not_is_square(void **state)
{
    (void)state;
    assert_int_equal(width("\u4e2d", false), 2048);
    assert_int_equal(width("\U0001f600", true), 2048);
    assert_int_equal(width("\xff\xfe", false), 0);
}

static void test_characters_are_decoded(void **state)
{
    (void)state;
    assert_int_equal(utf8_decode("A", 1), 'A');
    assert_int_equal(utf8_decode("\u00e9", 2), 0xe9);
    assert_int_equal(utf8_decode("\u4e2d", 3), 0x4e2d);
    assert_int_equal(utf8_decode("\U0001f600", 4), 0x1f600);
}

/* Colours */

static void test_colours(void **state)
{
    static const struct {
        const char *text;
        uint32_t rgb;
    } rows[] = {
        {"4c1", 0x44cc11},
        {"#4c1", 0x44cc11},
        {"ABCDEF", 0xabcdef},
        {"#0a0B0c", 0x0a0b0c},
        {"blue", 0x007ec6},
        {"brightgreen", 0x44cc11},
        {"critical", 0xe05d44},
        {"tomato", 0xff6347},
        {"Rebecca"
         "Purple",
         0x663399},
        {"lightgray", 0x9f9f9f},
        {"black", 0},
        {"white", 0xffffff},
    };
    uint32_t rgb;

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        assert_true(colour_parse(rows[i].text, strlen(rows[i].text), &rgb));
        assert_int_equal(rgb, rows[i].rgb);
    }
}

static void test_what_is_no_colour(void **state)
{
    static const char *const texts[] = {
        "",      "#",       "12",      "1234",  "12345",      "12345g",         "##123",
        "blue ", "url(#x)", "1234567", "bluee", "rgb(1,2,3)", "red\"onload=\"x"};
    uint32_t rgb;

    (void)state;
    for (size_t i = 0; i < LENGTH(texts); i++) {
        if (colour_parse(texts[i], strlen(texts[i]), &rgb)) {
            fail_msg("\"%s\" is taken for a colour", texts[i]);
        }
    }
}

static void test_text_is_dark_on_light_colours(void **state)
{
    (void)state;
    assert_true(colour_is_light(0xffffff));
    assert_true(colour_is_light(0xffd700));
    assert_false(colour_is_light(BADGE_BLUE));
    assert_false(colour_is_light(BADGE_GREY));
    assert_false(colour_is_light(0));
    assert_false(colour_is_light(0x44cc11));
}

/* Numbers */

static void expect_number(enum number_form form, unsigned digits, uint64_t value,
                          const char *expected)
{
    const struct number_style style = {form, digits};
    struct buf out = BUF_EMPTY;

    number_put(&out, value, &style);
    assert_string_equal(out.bytes, expected);
    buf_finish(&out);
}

static void test_plain_numbers(void **state)
{
    (void)state;
    expect_number(NUMBER_PLAIN, 0, 0, "0");
    expect_number(NUMBER_PLAIN, 0, 1234567, "1234567");
    expect_number(NUMBER_PLAIN, 6, 42, "000042");
    expect_number(NUMBER_PLAIN, 1, 42, "42");
    expect_number(NUMBER_PLAIN, 20, UINT64_MAX, "18446744073709551615");
}

static void test_grouped_numbers(void **state)
{
    (void)state;
    expect_number(NUMBER_GROUPED, 0, 0, "0");
    expect_number(NUMBER_GROUPED, 0, 999, "999");
    expect_number(NUMBER_GROUPED, 0, 1000, "1,000");
    expect_number(NUMBER_GROUPED, 0, 123456, "123,456");
    expect_number(NUMBER_GROUPED, 7, 1, "0,000,001");
    expect_number(NUMBER_GROUPED, 0, UINT64_MAX, "18,446,744,073,709,551,615");
}

static void test_compact_numbers_are_cut(void **state)
{
    (void)state;
    expect_number(NUMBER_COMPACT, 0, 0, "0");
    expect_number(NUMBER_COMPACT, 9, 999, "999");
    expect_number(NUMBER_COMPACT, 0, 1000, "1k");
    expect_number(NUMBER_COMPACT, 0, 1999, "1.9k");
    expect_number(NUMBER_COMPACT, 0, 12345, "12.3k");
    expect_number(NUMBER_COMPACT, 0, 99999, "99.9k");
    expect_number(NUMBER_COMPACT, 0, 123456, "123k");
    expect_number(NUMBER_COMPACT, 0, 999999, "999k");
    expect_number(NUMBER_COMPACT, 0, 1000000, "1M");
    expect_number(NUMBER_COMPACT, 0, 4000000000, "4G");
    expect_number(NUMBER_COMPACT, 0, UINT64_MAX, "18.4E");
}

static void test_forms_of_numbers_by_name(void **state)
{
    enum number_form form;

    (void)state;
    assert_true(number_parse_form("plain", 5, &form) && form == NUMBER_PLAIN);
    assert_true(number_parse_form("grouped", 7, &form) && form == NUMBER_GROUPED);
    assert_true(number_parse_form("compact", 7, &form) && form == NUMBER_COMPACT);
    assert_false(number_parse_form("Plain", 5, &form));
    assert_false(number_parse_form("", 0, &form));
}

/* Texts */

static void expect_text(const char *text, const char *expected)
{
    struct buf out = BUF_EMPTY;

    assert_true(badge_put_text(&out, text, strlen(text)));
    assert_string_equal(out.length != 0 ? out.bytes : "", expected);
    buf_finish(&out);
}

static void test_texts_are_cleaned(void **state)
{
    (void)state;
    expect_text("", "");
    expect_text("page views", "page views");
    expect_text("  a \t\n b  ", "a b");
    expect_text("a\x01\x7f\xc2\x85"
                "b",
                "ab");
    expect_text("\u202e"
                "abc\u2066\u200f",
                "abc");
    expect_text("a\uffff\ufffe"
                "b",
                "ab");
    expect_text("\xff"
                "a\xc3",
                "\ufffd"
                "a\ufffd");
    expect_text("<script>", "<script>"); /* the renderer escapes it */
    expect_text("\u4e2d\U0001f600", "\u4e2d\U0001f600");
}

static void test_texts_have_a_limit(void **state)
{
    struct buf out = BUF_EMPTY;
    char text[3 * (BADGE_TEXT_MAX + 1) + 1] = "";

    (void)state;
    for (int i = 0; i < BADGE_TEXT_MAX; i++) {
        strcat(text, "\u4e2d");
    }
    assert_true(badge_put_text(&out, text, strlen(text)));
    assert_string_equal(out.bytes, text);
    strcat(text, "x");
    assert_false(badge_put_text(&out, text, strlen(text)));
    buf_finish(&out);
}

/* Badges */

static char *render(struct badge badge)
{
    struct buf out = BUF_EMPTY;

    badge_render(&out, &badge);
    return buf_steal(&out);
}

static void expect_in(const char *svg, const char *part)
{
    if (strstr(svg, part) == NULL) {
        fail_msg("%s is not in %s", part, svg);
    }
}

static const struct badge plain = {
    .label = "visits", .message = "42", .label_rgb = BADGE_GREY, .rgb = BADGE_BLUE};

static void test_a_badge_says_its_text_to_all(void **state)
{
    char *svg = render(plain);

    (void)state;
    expect_in(svg,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"20\" role=\"img\" "
              "aria-label=\"visits: 42\"><title>visits: 42</title>");
    expect_in(svg, "fill=\"#555555\"");
    expect_in(svg, "fill=\"#007ec6\"");
    expect_in(svg, ">visits</text>");
    expect_in(svg, ">42</text>");
    expect_in(svg, "</svg>\n");
    free(svg);
}

static void test_styles_differ(void **state)
{
    static const struct {
        const char *name;
        const char *height;
        bool has_gradient;
        bool has_corners;
    } rows[] = {
        {"flat", "height=\"20\"", true, true},
        {"flat-square", "height=\"20\"", false, false},
        {"plastic", "height=\"18\"", true, true},
        {"for-the-badge", "height=\"28\"", false, false},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct badge badge = plain;
        char *svg;

        assert_true(badge_parse_style(rows[i].name, strlen(rows[i].name), &badge.style));
        assert_string_equal(badge_style_name(badge.style), rows[i].name);
        svg = render(badge);
        expect_in(svg, rows[i].height);
        assert_int_equal(strstr(svg, "linearGradient") != NULL, rows[i].has_gradient);
        assert_int_equal(strstr(svg, "clipPath") != NULL, rows[i].has_corners);
        free(svg);
    }
}

static void test_for_the_badge_is_in_capitals(void **state)
{
    struct badge badge = plain;
    char *svg;

    (void)state;
    badge.style = BADGE_FOR_THE_BADGE;
    badge.label = "besuche \u00e4\u00f6 \u4e2d\U00010428";
    badge.message = "1.5k";
    svg = render(badge);
    expect_in(svg, ">BESUCHE \u00c4\u00d6 \u4e2d\U00010400</text>");
    expect_in(svg, "font-weight=\"bold\" fill=\"#fff\">1.5K</text>");
    expect_in(svg, "<title>besuche \u00e4\u00f6 \u4e2d\U00010428: 1.5k</title>");
    free(svg);
}

static void test_without_a_label_the_message_stands_alone(void **state)
{
    struct badge badge = plain;
    char *svg;

    (void)state;
    badge.label = "";
    svg = render(badge);
    expect_in(svg, "width=\"25\" height=\"20\" role=\"img\" aria-label=\"42\"");
    assert_null(strstr(svg, "#555555"));
    free(svg);
}

/** Every label stays text: it adds no markup and cannot leave an attribute. */
static void test_labels_cannot_break_out(void **state)
{
    static const char *const labels[] = {
        "<script>alert(1)</script>",
        "\"><script>",
        "' onload='alert(1)",
        "</text></svg><script>",
        "]]><!--",
        "&lt;script&gt;",
        "&#60;b&#62;",
        "--><svg onload=alert(1)>",
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(labels); i++) {
        for (int style = BADGE_FLAT; style < BADGE_STYLE_COUNT; style++) {
            char *svg = render((struct badge){
                .style = (enum badge_style)style, .label = labels[i], .message = labels[i]});
            size_t opened = 0;

            assert_null(strcasestr(svg, "<script"));
            assert_null(strstr(svg, "<!--"));
            assert_null(strstr(svg, "onload=\""));
            assert_null(strstr(svg, "\" onload"));
            for (const char *at = svg; (at = strstr(at, "<svg")) != NULL; at++) {
                opened++;
            }
            assert_int_equal(opened, 1);
            assert_null(strstr(strstr(svg, "</svg>") + 1, "<"));
            free(svg);
        }
    }
}

/* Parameters */

static const char *parse(h2o_mem_pool_t *pool, const char *query, struct style *ret)
{
    return style_parse(pool, h2o_iovec_init(query, strlen(query)), ret);
}

static void test_parameters(void **state)
{
    struct style style;
    h2o_mem_pool_t pool;

    (void)state;
    h2o_mem_init_pool(&pool);
    assert_null(parse(&pool, "", &style));
    assert_null(style.badge.label);
    assert_int_equal(style.badge.rgb, BADGE_BLUE);
    assert_null(parse(&pool,
                      "style=plastic&label=a+%3Cb%3E&color=f00&labelColor=%23123456&"
                      "format=grouped&digits=20",
                      &style));
    assert_string_equal(style.badge.label, "a <b>");
    assert_int_equal(style.badge.style, BADGE_PLASTIC);
    assert_int_equal(style.badge.rgb, 0xff0000);
    assert_int_equal(style.badge.label_rgb, 0x123456);
    assert_int_equal(style.number.form, NUMBER_GROUPED);
    assert_int_equal(style.number.digits, 20);
    assert_null(parse(&pool, "label=", &style));
    assert_string_equal(style.badge.label, "");
    h2o_mem_clear_pool(&pool);
}

static void test_wrong_parameters_are_named(void **state)
{
    static const char *const queries[] = {
        "style=round",  "style=",   "color=",     "color=nice", "labelColor=1",
        "format=roman", "digits=0", "digits=21",  "digits=-1",  "digits=100",
        "digits=x",     "digits=",  "digits=1e1",
    };
    h2o_mem_pool_t pool;

    (void)state;
    h2o_mem_init_pool(&pool);
    for (size_t i = 0; i < LENGTH(queries); i++) {
        struct style style;
        const char *wrong = parse(&pool, queries[i], &style);
        size_t name = strcspn(queries[i], "=");

        if (wrong == NULL || strncmp(wrong, queries[i], name) != 0 || wrong[name] != ' ') {
            fail_msg("%s: \"%s\"", queries[i], wrong != NULL ? wrong : "");
        }
        /* errors are badges too, and need a style */
        assert_int_equal(style.badge.rgb, BADGE_BLUE);
    }
    h2o_mem_clear_pool(&pool);
}

/* the message lists the names of the table */
static void test_a_wrong_name_is_answered_with_the_right_ones(void **state)
{
    h2o_mem_pool_t pool;
    struct style style;
    enum badge_style found;

    (void)state;
    h2o_mem_init_pool(&pool);
    assert_string_equal(parse(&pool, "style=round", &style),
                        "style is one of flat, flat-square, plastic, for-the-badge");
    assert_string_equal(parse(&pool, "format=roman", &style),
                        "format is one of plain, grouped, compact");
    for (int i = 0; i < BADGE_STYLE_COUNT; i++) {
        const char *name = badge_style_name((enum badge_style)i);

        assert_true(badge_parse_style(name, strlen(name), &found) && (int)found == i);
        assert_non_null(strstr(badge_style_list(), name));
    }
    h2o_mem_clear_pool(&pool);
}

static void test_estimates_are_marked(void **state)
{
    const struct style style = {.number = {NUMBER_GROUPED, 0}};
    struct render_count count = {.count = 1234, .is_estimate = true};
    struct buf out = BUF_EMPTY;

    (void)state;
    style_put_count(&out, &style, &count);
    count.count = 0;
    style_put_count(&out, &style, &count);
    count.is_estimate = false;
    style_put_count(&out, &style, &count);
    assert_string_equal(out.bytes, "~1,234\u20130");
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths_are_those_of_the_font),
        cmocka_unit_test(test_what_the_font_has_not_is_square),
        cmocka_unit_test(test_characters_are_decoded),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_what_is_no_colour),
        cmocka_unit_test(test_text_is_dark_on_light_colours),
        cmocka_unit_test(test_plain_numbers),
        cmocka_unit_test(test_grouped_numbers),
        cmocka_unit_test(test_compact_numbers_are_cut),
        cmocka_unit_test(test_forms_of_numbers_by_name),
        cmocka_unit_test(test_texts_are_cleaned),
        cmocka_unit_test(test_texts_have_a_limit),
        cmocka_unit_test(test_a_badge_says_its_text_to_all),
        cmocka_unit_test(test_styles_differ),
        cmocka_unit_test(test_for_the_badge_is_in_capitals),
        cmocka_unit_test(test_without_a_label_the_message_stands_alone),
        cmocka_unit_test(test_labels_cannot_break_out),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_wrong_parameters_are_named),
        cmocka_unit_test(test_a_wrong_name_is_answered_with_the_right_ones),
        cmocka_unit_test(test_estimates_are_marked),
    };

    return cmocka_run_group_tests_name("badge", tests, NULL, NULL);
}
