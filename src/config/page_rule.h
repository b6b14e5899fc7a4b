/* SPDX-License-Identifier: MIT */
/**
 * page_rule: rules that say which pages of a site may be counted (the option `page_rules` of a
 * site's group).
 *
 * A rule is a path like that of a visit. It is percent-decoded, so "%2A" is a literal "*". A rule
 * without "*" is one page. "*" stands for any characters but "/", and two stars for any characters.
 * A rule that ends in a slash and two stars matches all pages below a page, and the page itself.
 *
 * A rule has the normal form of a page key (see http/visit/page_key.h). Other rules would match no
 * page, so they are refused.
 */
#ifndef VISITCOUNTD_CONFIG_PAGE_RULE_H
#define VISITCOUNTD_CONFIG_PAGE_RULE_H

#include <stdbool.h>
#include <stddef.h>

/** The most bytes of a decoded rule: those of a page. */
#define PAGE_RULE_MAX 512

/** A rule that can be matched. Zeroed it is empty and may be cleared. */
struct page_rule {
    char *pattern; /* decoded, with marks for wildcards; NUL-terminated */
    size_t length;
    size_t literal_length; /* bytes before the first wildcard */
    bool is_tree;          /* the only wildcard is "**" at the end, after "/" */
};

/**
 * Makes a rule of `text`. Returns NULL on success; page_rule_clear() frees the rule. Otherwise
 * returns a description of the error, and `ret_rule` is empty.
 */
const char *page_rule_parse(const char *text, struct page_rule *ret_rule);

/** Frees the rule. It is then empty. */
void page_rule_clear(struct page_rule *rule);

/** Whether the rule matches a page. Takes at most rule->length times `length` steps. */
bool page_rule_matches(const struct page_rule *rule, const char *page, size_t length);

#endif
