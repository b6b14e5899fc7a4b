/* SPDX-License-Identifier: MIT */
#include "config/page_rule.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* marks in a pattern; a page has no control characters */
#define ANY_IN_SEGMENT '\1'
#define ANY            '\2'

#define INDEX "/index.html"

/* Parsing */

/** A rule under construction. */
struct parser {
    const char *at;
    char pattern[PAGE_RULE_MAX + 1];
    size_t length;
};

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *digit = c != '\0' ? strchr(digits, c | 0x20) : NULL;

    return digit != NULL && (c | 0x20) != ' ' ? (int)(digit - digits) : -1;
}

/** Takes one character or wildcard. Returns NULL, or a description of the error. */
static const char *take(struct parser *parser, char *ret_byte)
{
    const char *at = parser->at;

    if (at[0] == '*') {
        size_t stars = strspn(at, "*");

        parser->at += stars;
        *ret_byte = stars == 1 ? ANY_IN_SEGMENT : ANY;
        return stars <= 2 ? NULL : "it has more than two \"*\" together";
    }
    if (at[0] == '?' || at[0] == '#') {
        return "it has a query or a fragment, which no page has; write \"?\" as %3F";
    }
    if (at[0] == '%') {
        int high = hex_digit(at[1]);
        int low = high >= 0 ? hex_digit(at[2]) : -1;

        if (low < 0) {
            return "it has a \"%\" without two hexadecimal digits";
        }
        *ret_byte = (char)(high << 4 | low);
        parser->at += 3;
    } else {
        *ret_byte = *parser->at++;
    }
    return (unsigned char)*ret_byte < 0x20 || *ret_byte == 0x7f ? "it has a control character"
                                                                : NULL;
}

static const char *check_utf8(const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t sequence =
            (unsigned char)bytes[at] < 0x80 ? 1 : utf8_sequence_length(bytes + at, length - at);

        if (sequence == 0) {
            return "it is not valid UTF-8";
        }
        if ((unsigned char)bytes[at] == 0xc2 && (unsigned char)bytes[at + 1] < 0xa0) {
            return "it has a control character";
        }
        at += sequence;
    }
    return NULL;
}

static bool ends_with(const struct parser *parser, const char *end)
{
    size_t length = strlen(end);

    return parser->length >= length &&
           memcmp(parser->pattern + parser->length - length, end, length) == 0;
}

/** Returns why no page can have this form, or NULL. */
static const char *check_form(const struct parser *parser)
{
    const char *pattern = parser->pattern;

    if (pattern[0] != '/') {
        return "it does not begin with \"/\"";
    }
    if (strstr(pattern, "//") != NULL) {
        return "it has an empty segment";
    }
    if (strstr(pattern, "/./") != NULL || strstr(pattern, "/../") != NULL ||
        ends_with(parser, "/.") || ends_with(parser, "/..")) {
        return "it has \".\" or \"..\" in it";
    }
    if (ends_with(parser, INDEX)) {
        return "\"/index.html\" at the end is left out of pages";
    }
    if (parser->length > 1 && ends_with(parser, "/")) {
        return "it ends in \"/\"; write \"/**\" for all pages below";
    }
    return check_utf8(pattern, parser->length);
}

static const char *parse(struct parser *parser)
{
    while (*parser->at != '\0') {
        char byte;
        const char *wrong = take(parser, &byte);

        if (wrong != NULL) {
            return wrong;
        }
        if (parser->length == PAGE_RULE_MAX) {
            return "it is longer than 512 bytes";
        }
        parser->pattern[parser->length++] = byte;
    }
    parser->pattern[parser->length] = '\0';
    return check_form(parser);
}

const char *page_rule_parse(const char *text, struct page_rule *ret_rule)
{
    struct parser parser = {.at = text};
    const char *wrong = parse(&parser);
    const char wildcards[] = {ANY_IN_SEGMENT, ANY, '\0'};

    memset(ret_rule, 0, sizeof(*ret_rule));
    if (wrong != NULL) {
        return wrong;
    }
    ret_rule->pattern = alloc_text_of(parser.pattern, parser.length);
    ret_rule->length = parser.length;
    ret_rule->literal_length = strcspn(parser.pattern, wildcards);
    ret_rule->is_tree = ret_rule->literal_length + 1 == parser.length &&
                        parser.pattern[parser.length - 1] == ANY &&
                        parser.pattern[parser.length - 2] == '/';
    return NULL;
}

void page_rule_clear(struct page_rule *rule)
{
    free(rule->pattern);
    memset(rule, 0, sizeof(*rule));
}

/* Matching */

/** Adds the state after `at`, and those that wildcards reach from there without a character. */
static void enter(const struct page_rule *rule, bool *states, size_t at)
{
    states[at] = true;
    while (at < rule->length && (rule->pattern[at] == ANY || rule->pattern[at] == ANY_IN_SEGMENT)) {
        states[++at] = true;
    }
}

/** Follows all states at once: without backtracking, no page can make it slow. */
static bool matches_pattern(const struct page_rule *rule, const char *page, size_t length)
{
    bool states[2][PAGE_RULE_MAX + 1] = {{false}};

    enter(rule, states[0], 0);
    for (size_t i = 0; i < length; i++) {
        const bool *now = states[i % 2];
        bool *next = states[(i + 1) % 2];

        memset(next, 0, rule->length + 1);
        for (size_t at = 0; at < rule->length; at++) {
            char expected = rule->pattern[at];

            if (!now[at]) {
                continue;
            }
            if (expected == ANY || (expected == ANY_IN_SEGMENT && page[i] != '/')) {
                enter(rule, next, at);
            } else if (expected == page[i]) {
                enter(rule, next, at + 1);
            }
        }
    }
    return states[length % 2][rule->length];
}

bool page_rule_matches(const struct page_rule *rule, const char *page, size_t length)
{
    size_t literal_length = rule->literal_length;

    if (rule->is_tree && length + 1 == literal_length) {
        return memcmp(rule->pattern, page, length) == 0; /* the page itself, without "/" */
    }
    if (length < literal_length || memcmp(rule->pattern, page, literal_length) != 0) {
        return false;
    }
    if (literal_length == rule->length) {
        return length == literal_length;
    }
    return rule->is_tree || matches_pattern(rule, page, length);
}
