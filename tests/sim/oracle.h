/* SPDX-License-Identifier: MIT */
/**
 * oracle: knows every visit of a run and what it was told, and says what must not be.
 *
 * At each answer:
 * - (the world sees to it that) a visit is answered once, and within its patience;
 * - a number is at most the page's total in the store, and nobody else has it;
 * - numbers of a page grow in the order in which the visits reached the instance.
 *
 * At the end, per page: visits answered as counted <= total <= these + those whose answer was that
 * nobody knows, or who were never answered since their instance was killed. So a visit that was
 * answered as refused is certainly not in the total, and with no doubts the numbers are equal. The
 * same holds for each hour in which the visits arrived.
 *
 * In a run in which the store goes back in time, numbers are given again and acknowledged visits
 * are lost: only the upper limit holds.
 */
#ifndef VISITCOUNTD_TESTS_ORACLE_H
#define VISITCOUNTD_TESTS_ORACLE_H

#include "count/engine.h"
#include "../unit/support/fake_store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORACLE_INSTANCES 3
#define ORACLE_PAGES     16 /* of all sites */
#define ORACLE_VISITS    4096
#define ORACLE_HOURS     8 /* that a run may see */

/** What the visits of a page were told. */
struct oracle_count {
    uint64_t counted;
    uint64_t refused;
    uint64_t unknown;
};

struct oracle_page {
    char site[32];
    char name[32];
    struct oracle_count all;
    struct oracle_count hours[ORACLE_HOURS];
    uint64_t latest[ORACLE_INSTANCES];      /* the last number that each handed out */
    unsigned char given[ORACLE_VISITS + 1]; /* by number */
};

struct oracle {
    const struct fake_database *database;
    bool store_goes_back;
    struct oracle_page pages[ORACLE_PAGES];
    size_t page_count;
    uint64_t visits; /* taken by an engine */
    uint64_t hours[ORACLE_HOURS];
    size_t hour_count;
    char violation[256]; /* the first one; empty as long as there is none */
};

/** Starts anew, without pages. Which hours there are is found by what happens. */
void oracle_begin(struct oracle *oracle, const struct fake_database *database);

/** Notes what must not be, for good. */
void oracle_accuse(struct oracle *oracle, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Judges an answer that an instance gave to a visit which it took in `hour`. */
void oracle_answered(struct oracle *oracle, struct oracle_page *page, size_t instance,
                     uint64_t hour, const struct visit_answer *answer);

/** Notes a visit that will never be answered: its instance was killed. */
void oracle_killed(struct oracle *oracle, struct oracle_page *page, uint64_t hour);

/** Judges the totals, when all is quiet. */
void oracle_end(struct oracle *oracle);

#endif
