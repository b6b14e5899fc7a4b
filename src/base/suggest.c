/* SPDX-License-Identifier: MIT */
#include "base/suggest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* longer names get no suggestion, which bounds the work for an arbitrary file */
#define WANTED_MAX 128

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/** Counts the changes, additions, omissions and swaps of neighbours that turn `a` into `b`. */
static size_t measure_distance(const char *a, const char *b)
{
    size_t columns = strlen(b) + 1;
    size_t rows[3][SUGGEST_NAME_MAX];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *row = rows[2];

    for (size_t k = 0; k < columns; k++) {
        last[k] = k;
    }
    for (size_t i = 1; i <= strlen(a); i++) {
        size_t *oldest = before;

        row[0] = i;
        for (size_t k = 1; k < columns; k++) {
            row[k] = last[k - 1] + (a[i - 1] != b[k - 1]);
            row[k] = min_of(row[k], min_of(last[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1]) {
                row[k] = min_of(row[k], before[k - 2] + 1);
            }
        }
        before = last;
        last = row;
        row = oldest;
    }
    return last[columns - 1];
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL ? dot + 1 : name;
}

void suggestion_init(struct suggestion *suggestion, const char *wanted)
{
    *suggestion = (struct suggestion){.wanted = wanted, .distance = SIZE_MAX};
}

void suggestion_offer(struct suggestion *suggestion, const char *known)
{
    size_t length = strlen(known);
    size_t distance;

    if (length >= SUGGEST_NAME_MAX || strlen(suggestion->wanted) > WANTED_MAX) {
        return;
    }
    distance = measure_distance(suggestion->wanted, known);
    if (distance > (length + 1) / 3) {
        if (strcmp(last_part(suggestion->wanted), last_part(known)) != 0) {
            return;
        }
        distance = length; /* farther than any typing error */
    }
    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        memcpy(suggestion->nearest, known, length + 1);
    }
}

const char *suggestion_get(const struct suggestion *suggestion)
{
    return suggestion->distance != SIZE_MAX ? suggestion->nearest : NULL;
}
