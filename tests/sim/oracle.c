/* SPDX-License-Identifier: MIT */
#include "oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void oracle_begin(struct oracle *oracle, const struct fake_database *database)
{
    memset(oracle, 0, sizeof(*oracle));
    oracle->database = database;
}

void oracle_accuse(struct oracle *oracle, const char *format, ...)
{
    va_list arguments;

    if (*oracle->violation == '\0') {
        va_start(arguments, format);
        vsnprintf(oracle->violation, sizeof(oracle->violation), format, arguments);
        va_end(arguments);
    }
}

static void judge_number(struct oracle *oracle, struct oracle_page *page, size_t instance,
                         uint64_t number)
{
    unsigned long long shown = number;
    uint64_t total = fake_database_total(oracle->database, page->site, page->name);

    if (oracle->store_goes_back) {
        return;
    }
    if (number == 0 || number > total || number >= ORACLE_VISITS) {
        oracle_accuse(oracle, "%s%s: number %llu with a total of %llu", page->site, page->name,
                      shown, (unsigned long long)total);
        return;
    }
    if (page->given[number] != 0) {
        oracle_accuse(oracle, "%s%s: number %llu given twice", page->site, page->name, shown);
    }
    page->given[number] = 1;
    if (number <= page->latest[instance]) {
        oracle_accuse(oracle, "%s%s: number %llu after %llu", page->site, page->name, shown,
                      (unsigned long long)page->latest[instance]);
    }
    page->latest[instance] = number;
}

void oracle_answered(struct oracle *oracle, struct oracle_page *page, size_t instance,
                     const struct visit_answer *answer)
{
    switch (answer->status) {
    case VISIT_COUNTED:
        page->counted++;
        judge_number(oracle, page, instance, answer->count);
        break;
    case VISIT_REFUSED:
        page->refused++;
        break;
    case VISIT_UNKNOWN:
        page->unknown++;
        break;
    }
}

void oracle_killed(struct oracle_page *page)
{
    page->unknown++;
}

void oracle_end(struct oracle *oracle)
{
    uint64_t answered = 0;

    for (size_t i = 0; i < oracle->page_count; i++) {
        const struct oracle_page *page = &oracle->pages[i];
        uint64_t total = fake_database_total(oracle->database, page->site, page->name);
        bool is_lost = total < page->counted && !oracle->store_goes_back;

        answered += page->counted + page->refused + page->unknown;
        if (is_lost || total > page->counted + page->unknown) {
            oracle_accuse(oracle,
                          "%s%s: %s: %llu answered as counted, %llu in doubt, %llu refused, but the "
                          "total is %llu",
                          page->site, page->name, is_lost ? "lost" : "counted twice",
                          (unsigned long long)page->counted, (unsigned long long)page->unknown,
                          (unsigned long long)page->refused, (unsigned long long)total);
        }
    }
    if (answered != oracle->visits) {
        oracle_accuse(oracle, "%llu visits, but %llu answers", (unsigned long long)oracle->visits,
                      (unsigned long long)answered);
    }
}
