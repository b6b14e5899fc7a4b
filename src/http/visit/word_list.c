/* SPDX-License-Identifier: MIT */
#include "http/visit/word_list.h"

#include "base/alloc.h"
#include "base/require.h"
#include "http/visit/device_names.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* words that were found and that a longer exception may still cover */
#define FOUND_MAX 16

enum kind {
    KIND_BOT,
    KIND_UNLESS_BROWSER, /* "~": decides only where no browser is named */
    KIND_BROWSER,        /* "=" */
    KIND_EXCEPTION,      /* "!" */
    KIND_COUNTS          /* "+" */
};

struct word {
    uint16_t length;
    uint16_t next; /* another word with the same text; 0: none */
    uint8_t kind;
    bool is_at_start;   /* "^" */
    bool begins_a_word; /* "<" */
    bool ends_a_word;   /* no letter may follow */
    bool is_address;    /* it has "://": it is found in names of devices as well */
};

/* A state of the automaton: a text with which some word begins. 0 is the empty text. */
struct node {
    uint16_t child;   /* the first of its longer texts */
    uint16_t sibling; /* another text that is as long and differs in its last byte */
    uint16_t shorter; /* the longest end of this text that is a state as well */
    uint16_t word;    /* the word that this text is; 0: none */
    uint16_t found;   /* this state or the next shorter one that is a word; 0: none */
    char byte;        /* its last byte */
};

struct word_list {
    struct node *nodes;
    struct word *words; /* the first one is unused */
    size_t node_count;
    size_t word_count;
    uint16_t first[256]; /* states of one byte */
};

struct word_list *word_list_create(void)
{
    struct word_list *list = alloc_zero(1, sizeof(*list));

    list->nodes = alloc_zero(1, sizeof(list->nodes[0]));
    list->words = alloc_zero(1, sizeof(list->words[0]));
    list->node_count = 1;
    list->word_count = 1;
    return list;
}

void word_list_destroy(struct word_list *list)
{
    if (list != NULL) {
        free(list->nodes);
        free(list->words);
        free(list);
    }
}

/* Adding words */

static uint16_t find_child(const struct word_list *list, uint16_t node, char byte)
{
    uint16_t child;

    if (node == 0) {
        return list->first[(unsigned char)byte];
    }
    child = list->nodes[node].child;
    while (child != 0 && list->nodes[child].byte != byte) {
        child = list->nodes[child].sibling;
    }
    return child;
}

/** Doubles an array when its length has reached a power of two. */
static void *make_room(void *array, size_t count, size_t size)
{
    require(count < UINT16_MAX);
    return (count & (count - 1)) == 0 ? alloc_grow(array, 2 * count * size) : array;
}

static uint16_t add_child(struct word_list *list, uint16_t parent, char byte)
{
    uint16_t child = (uint16_t)list->node_count;

    list->nodes = make_room(list->nodes, list->node_count, sizeof(list->nodes[0]));
    list->nodes[list->node_count++] = (struct node){.byte = byte};
    if (parent == 0) {
        list->first[(unsigned char)byte] = child;
    } else {
        list->nodes[child].sibling = list->nodes[parent].child;
        list->nodes[parent].child = child;
    }
    return child;
}

static void add_text(struct word_list *list, const char *text, const struct word *word)
{
    uint16_t node = 0;

    if (word->length == 0) {
        return;
    }
    for (size_t i = 0; i < word->length; i++) {
        char byte = (char)tolower((unsigned char)text[i]);
        uint16_t child = find_child(list, node, byte);

        node = child != 0 ? child : add_child(list, node, byte);
    }
    list->words = make_room(list->words, list->word_count, sizeof(list->words[0]));
    list->words[list->word_count] = *word;
    list->words[list->word_count].next = list->nodes[node].word;
    list->nodes[node].word = (uint16_t)list->word_count++;
}

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static enum kind parse_kind(char sign)
{
    switch (sign) {
    case '~':
        return KIND_UNLESS_BROWSER;
    case '=':
        return KIND_BROWSER;
    case '!':
        return KIND_EXCEPTION;
    case '+':
        return KIND_COUNTS;
    default:
        return KIND_BOT;
    }
}

static void add_line(struct word_list *list, const char *line, size_t length)
{
    struct word word = {.kind = (uint8_t)parse_kind(*line)};
    const char *text = line + (word.kind != KIND_BOT);
    size_t rest = length - (size_t)(text - line);

    word.is_at_start = rest > 0 && *text == '^';
    word.begins_a_word = rest > 0 && *text == '<';
    text += word.is_at_start || word.begins_a_word;
    rest -= word.is_at_start || word.begins_a_word;
    if (rest > 1 && text[rest - 1] == '*') {
        rest--;
    } else {
        word.ends_a_word = rest > 0 && word.kind != KIND_EXCEPTION && is_letter(text[rest - 1]);
    }
    word.is_address = memmem(text, rest, "://", 3) != NULL;
    word.length = (uint16_t)rest;
    add_text(list, text, &word);
}

void word_list_add_lines(struct word_list *list, const char *lines)
{
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");

        if (length > 0 && *lines != '#') {
            add_line(list, lines, length);
        }
        lines += length + (lines[length] == '\n');
    }
}

void word_list_add_word(struct word_list *list, const char *word, enum word_verdict verdict)
{
    add_text(list, word,
             &(struct word){.kind = verdict == WORD_COUNTS ? KIND_COUNTS : KIND_BOT,
                            .length = (uint16_t)strlen(word)});
}

/** Returns the state after `byte` in state `node`. */
static uint16_t step(const struct word_list *list, uint16_t node, char byte)
{
    uint16_t next = find_child(list, node, byte);

    while (next == 0 && node != 0) {
        node = list->nodes[node].shorter;
        next = find_child(list, node, byte);
    }
    return next;
}

static void link_node(struct word_list *list, uint16_t node, uint16_t shorter)
{
    list->nodes[node].shorter = shorter;
    list->nodes[node].found = list->nodes[node].word != 0 ? node : list->nodes[shorter].found;
}

void word_list_seal(struct word_list *list)
{
    uint16_t *queue = alloc_zero(list->node_count, sizeof(queue[0]));
    size_t count = 0;

    for (size_t byte = 0; byte < 256; byte++) {
        if (list->first[byte] != 0) {
            link_node(list, list->first[byte], 0);
            queue[count++] = list->first[byte];
        }
    }
    for (size_t i = 0; i < count; i++) { /* shorter texts first */
        const struct node *parent = &list->nodes[queue[i]];

        for (uint16_t child = parent->child; child != 0; child = list->nodes[child].sibling) {
            link_node(list, child, step(list, parent->shorter, list->nodes[child].byte));
            queue[count++] = child;
        }
    }
    free(queue);
}

/* Searching */

struct span {
    size_t start;
    size_t end;
    enum kind kind;
};

struct search {
    const char *text;
    size_t length;
    struct device_names devices;
    struct span found[FOUND_MAX];
    size_t found_count;
    struct span exception; /* the last one */
    bool counts;
    bool names_browser;
    bool is_full; /* so many words were found that one had no place */
};

static bool covers(const struct span *outer, const struct span *inner)
{
    return inner->start >= outer->start && inner->end <= outer->end;
}

/** Forgets words that the exception covers. Words that end where it ends are found after it. */
static void except(struct search *search, const struct span *span)
{
    size_t kept = 0;

    for (size_t i = 0; i < search->found_count; i++) {
        if (!covers(span, &search->found[i])) {
            search->found[kept++] = search->found[i];
        }
    }
    search->found_count = kept;
    if (!covers(&search->exception, span)) {
        search->exception = *span;
    }
}

static void note(struct search *search, const struct word *word, const struct span *span)
{
    if (covers(&search->exception, span) ||
        (!word->is_address && device_names_have(&search->devices, span->start))) {
        return;
    }
    if (search->found_count < (span->kind == KIND_BOT ? FOUND_MAX : FOUND_MAX / 2)) {
        search->found[search->found_count++] = *span;
    } else {
        search->is_full |= span->kind == KIND_BOT;
    }
}

static bool is_in_place(const struct search *search, const struct word *word,
                        const struct span *span)
{
    const char *text = search->text;

    if (span->start > 0 && (word->is_at_start || (word->begins_a_word &&
                                                  isalnum((unsigned char)text[span->start - 1])))) {
        return false;
    }
    return !word->ends_a_word || span->end == search->length || !is_letter(text[span->end]);
}

static void meet(struct search *search, const struct word *word, size_t end)
{
    struct span span = {end - word->length, end, (enum kind)word->kind};

    if (!is_in_place(search, word, &span)) {
        return;
    }
    switch (span.kind) {
    case KIND_BOT:
    case KIND_UNLESS_BROWSER:
        note(search, word, &span);
        break;
    case KIND_BROWSER:
        search->names_browser = true;
        break;
    case KIND_EXCEPTION:
        except(search, &span);
        break;
    case KIND_COUNTS:
        search->counts = true;
        break;
    }
}

static enum word_verdict decide(const struct search *search)
{
    if (search->counts) {
        return WORD_COUNTS;
    }
    for (size_t i = 0; i < search->found_count; i++) {
        if (search->found[i].kind == KIND_BOT || !search->names_browser) {
            return WORD_BOT;
        }
    }
    return search->is_full ? WORD_BOT : WORD_NOTHING;
}

enum word_verdict word_list_search(const struct word_list *list, const char *text, size_t length,
                                   bool skips_devices)
{
    struct search search = {.text = text, .length = length};
    uint16_t node = 0;

    if (skips_devices) {
        device_names_find(text, length, &search.devices);
    }
    for (size_t i = 0; i < length; i++) {
        node = step(list, node, text[i]);
        for (uint16_t at = list->nodes[node].found; at != 0;
             at = list->nodes[list->nodes[at].shorter].found) {
            for (uint16_t word = list->nodes[at].word; word != 0; word = list->words[word].next) {
                meet(&search, &list->words[word], i + 1);
            }
        }
    }
    return decide(&search);
}
