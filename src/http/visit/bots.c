/* SPDX-License-Identifier: MIT */
#include "http/visit/bots.h"

#include "base/alloc.h"
#include "base/asset.h"
#include "base/map.h"
#include "base/scratch.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

ASSET_DECLARE(bots_list);
ASSET(bots_list, "src/http/visit/bots.txt");

#define LOOKED_AT_BYTES 1024

/* cached verdicts; a power of two */
#define VERDICTS 4096

struct pattern {
    const char *text;
    size_t length;
    bool is_exception;
};

struct bots {
    uint64_t secret[2];
    struct pattern *patterns; /* sorted by their first byte */
    size_t count;
    size_t first[256]; /* index and number of the patterns with this first byte */
    size_t many[256];
    size_t looked_up;
    uint64_t verdicts[VERDICTS]; /* hash of a user agent; its lowest bit is the verdict */
};

/* Reading the list */

static int compare_patterns(const void *a, const void *b)
{
    const struct pattern *one = a;
    const struct pattern *other = b;
    int first = (unsigned char)one->text[0] - (unsigned char)other->text[0];

    /* exceptions first: they hide the patterns inside them */
    return first != 0 ? first : (int)other->is_exception - (int)one->is_exception;
}

static void add_pattern(struct bots *bots, const char *text, size_t length)
{
    bool is_exception = *text == '!';

    bots->patterns[bots->count++] =
        (struct pattern){text + is_exception, length - is_exception, is_exception};
}

static size_t count_lines(const char *list)
{
    size_t count = 1;

    for (; *list != '\0'; list++) {
        count += *list == '\n';
    }
    return count;
}

static void read_list(struct bots *bots, const char *list)
{
    bots->patterns = alloc_zero(count_lines(list), sizeof(bots->patterns[0]));
    while (*list != '\0') {
        size_t length = strcspn(list, "\n");

        if (length > 0 && *list != '#') {
            add_pattern(bots, list, length);
        }
        list += length + (list[length] == '\n');
    }
    qsort(bots->patterns, bots->count, sizeof(bots->patterns[0]), compare_patterns);
    for (size_t i = bots->count; i-- > 0;) {
        unsigned char c = (unsigned char)bots->patterns[i].text[0];

        bots->first[c] = i;
        bots->many[c]++;
    }
}

struct bots *bots_create(const char *list)
{
    struct bots *bots = calloc(1, sizeof(*bots));

    /* getrandom(2) never returns only a part of so few bytes */
    if (bots == NULL ||
        getrandom(bots->secret, sizeof(bots->secret), 0) != (ssize_t)sizeof(bots->secret)) {
        abort();
    }
    read_list(bots, list != NULL ? list : bots_list);
    return bots;
}

void bots_destroy(struct bots *bots)
{
    if (bots != NULL) {
        free(bots->patterns);
        free(bots);
    }
}

/* Matching */

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

/** Returns the pattern that matches at `text`, or NULL. `length` is the rest of the user agent. */
static const struct pattern *match_at(const struct bots *bots, const char *text, size_t length)
{
    unsigned char c = (unsigned char)*text;
    const struct pattern *pattern = &bots->patterns[bots->first[c]];

    for (const struct pattern *end = pattern + bots->many[c]; pattern < end; pattern++) {
        bool goes_on = pattern->length < length && is_letter(text[pattern->length]) &&
                       is_letter(pattern->text[pattern->length - 1]);

        if (pattern->length <= length && (!goes_on || pattern->is_exception) &&
            memcmp(pattern->text, text, pattern->length) == 0) {
            return pattern;
        }
    }
    return NULL;
}

static bool look_up(const struct bots *bots, const char *user_agent, size_t length)
{
    SCRATCH char text[LOOKED_AT_BYTES];

    for (size_t i = 0; i < length; i++) {
        text[i] = (char)tolower((unsigned char)user_agent[i]);
    }
    for (size_t i = 0; i < length; i++) {
        const struct pattern *pattern = match_at(bots, text + i, length - i);

        if (pattern != NULL && !pattern->is_exception) {
            return true;
        }
        i += pattern != NULL ? pattern->length - 1 : 0;
    }
    return false;
}

bool bots_match(struct bots *bots, const char *user_agent, size_t length)
{
    uint64_t hash;
    uint64_t *slot;

    if (length == 0) {
        return false;
    }
    length = length < LOOKED_AT_BYTES ? length : LOOKED_AT_BYTES;
    hash = map_hash(bots->secret, user_agent, length);
    slot = &bots->verdicts[(hash >> 1) % VERDICTS];
    if (*slot >> 1 != hash >> 1) {
        bots->looked_up++;
        *slot = (hash & ~UINT64_C(1)) | look_up(bots, user_agent, length);
    }
    return (*slot & 1) != 0;
}

size_t bots_looked_up(const struct bots *bots)
{
    return bots->looked_up;
}
