/* SPDX-License-Identifier: MIT */
/**
 * word_list: searches a user agent for all words of a list in one pass. The automaton is that of
 * A. Aho and M. Corasick, "Efficient string matching" (1975). bots.txt explains the words.
 */
#ifndef VISITCOUNTD_HTTP_WORD_LIST_H
#define VISITCOUNTD_HTTP_WORD_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct word_list;

enum word_verdict {
    WORD_NOTHING, /* no word was found that decides */
    WORD_BOT,
    WORD_COUNTS /* a word says that the request counts, whatever else was found */
};

/** Returns a list without words. Aborts without memory, as all functions here. */
struct word_list *word_list_create(void);

/** NULL is allowed. */
void word_list_destroy(struct word_list *list);

/** Adds all words of a text in the format of bots.txt. Copies them. */
void word_list_add_lines(struct word_list *list, const char *lines);

/** Adds a word that is found anywhere, in lower or upper case. `verdict`: what it says. */
void word_list_add_word(struct word_list *list, const char *word, enum word_verdict verdict);

/** Ends the list. Call it once, before the first search. */
void word_list_seal(struct word_list *list);

/**
 * Searches `text`, which is in lower case. With `skips_devices`, names of devices are skipped: see
 * device_names.h.
 */
enum word_verdict word_list_search(const struct word_list *list, const char *text, size_t length,
                                   bool skips_devices);

#endif
