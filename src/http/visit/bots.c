/* SPDX-License-Identifier: MIT */
#include "http/visit/bots.h"

#include "base/alloc.h"
#include "base/asset.h"
#include "base/map.h"
#include "base/scratch.h"
#include "http/visit/word_list.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

ASSET_DECLARE(bots_list);
ASSET(bots_list, "src/http/visit/bots.txt");

#define LOOKED_AT_BYTES 1024

/* cached verdicts; a power of two */
#define VERDICTS 4096

struct bots {
    uint64_t secret[2];
    struct word_list *list;
    size_t looked_up;
    uint64_t verdicts[VERDICTS]; /* hash of a user agent; its lowest bit is the verdict */
};

struct bots_own {
    uint64_t id; /* random: tells the verdicts of a site from those of others */
    struct word_list *list;
};

static void fill_random(void *bytes, size_t size)
{
    /* getrandom(2) never returns only a part of so few bytes */
    if (getrandom(bytes, size, 0) != (ssize_t)size) {
        abort();
    }
}

/* The list */

struct bots *bots_create(const char *list)
{
    struct bots *bots = alloc_zero(1, sizeof(*bots));

    fill_random(bots->secret, sizeof(bots->secret));
    bots->list = word_list_create();
    word_list_add_lines(bots->list, list != NULL ? list : bots_list);
    word_list_seal(bots->list);
    return bots;
}

void bots_destroy(struct bots *bots)
{
    if (bots != NULL) {
        word_list_destroy(bots->list);
        free(bots);
    }
}

static void add_words(struct word_list *list, const struct config_strings *words,
                      enum word_verdict verdict)
{
    for (size_t i = 0; i < words->count; i++) {
        word_list_add_word(list, words->items[i], verdict);
    }
}

struct bots_own *bots_own_create(const struct config_strings *added,
                                 const struct config_strings *excepted)
{
    struct bots_own *own;

    if (added->count == 0 && excepted->count == 0) {
        return NULL;
    }
    own = alloc_zero(1, sizeof(*own));
    fill_random(&own->id, sizeof(own->id));
    own->list = word_list_create();
    add_words(own->list, added, WORD_BOT);
    add_words(own->list, excepted, WORD_COUNTS);
    word_list_seal(own->list);
    return own;
}

void bots_own_destroy(struct bots_own *own)
{
    if (own != NULL) {
        word_list_destroy(own->list);
        free(own);
    }
}

/* Matching */

static bool look_up(const struct bots *bots, const struct bots_own *own, const char *user_agent,
                    size_t length)
{
    SCRATCH char text[LOOKED_AT_BYTES];
    enum word_verdict verdict = WORD_NOTHING;

    for (size_t i = 0; i < length; i++) {
        text[i] = (char)tolower((unsigned char)user_agent[i]);
    }
    if (own != NULL) {
        verdict = word_list_search(own->list, text, length, false);
    }
    if (verdict == WORD_NOTHING) {
        verdict = word_list_search(bots->list, text, length, true);
    }
    return verdict == WORD_BOT;
}

bool bots_match_own(struct bots *bots, const struct bots_own *own, const char *user_agent,
                    size_t length)
{
    uint64_t hash;
    uint64_t *slot;

    if (length == 0) {
        return false;
    }
    length = length < LOOKED_AT_BYTES ? length : LOOKED_AT_BYTES;
    hash = map_hash(bots->secret, user_agent, length);
    if (own != NULL) {
        hash ^= own->id;
    }
    slot = &bots->verdicts[(hash >> 1) % VERDICTS];
    if (*slot >> 1 != hash >> 1) {
        bots->looked_up++;
        *slot = (hash & ~UINT64_C(1)) | look_up(bots, own, user_agent, length);
    }
    return (*slot & 1) != 0;
}

bool bots_match(struct bots *bots, const char *user_agent, size_t length)
{
    return bots_match_own(bots, NULL, user_agent, length);
}

size_t bots_looked_up(const struct bots *bots)
{
    return bots->looked_up;
}
