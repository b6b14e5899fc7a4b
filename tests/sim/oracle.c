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
    if (number == 0 || number > total || number > ORACLE_VISITS) {
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

/* where the hour is noted; the wall clock of a run is set a few times at most */
static size_t index_of_hour(struct oracle *oracle, uint64_t hour)
{
    size_t i = 0;

    while (i < oracle->hour_count && oracle->hours[i] != hour) {
        i++;
    }
    if (i == oracle->hour_count && i < ORACLE_HOURS) {
        oracle->hours[oracle->hour_count++] = hour;
    }
    if (i == ORACLE_HOURS) {
        oracle_accuse(oracle, "the run sees too many hours");
        return 0;
    }
    return i;
}

static void add(struct oracle_count *count, enum visit_status status)
{
    switch (status) {
    case VISIT_COUNTED:
        count->counted++;
        break;
    case VISIT_REFUSED:
        count->refused++;
        break;
    case VISIT_UNKNOWN:
        count->unknown++;
        break;
    }
}

void oracle_answered(struct oracle *oracle, struct oracle_page *page, size_t instance,
                     uint64_t hour, const struct visit_answer *answer)
{
    add(&page->all, answer->status);
    add(&page->hours[index_of_hour(oracle, hour)], answer->status);
    if (answer->status == VISIT_COUNTED) {
        judge_number(oracle, page, instance, answer->count);
    }
}

void oracle_killed(struct oracle *oracle, struct oracle_page *page, uint64_t hour)
{
    page->all.unknown++;
    page->hours[index_of_hour(oracle, hour)].unknown++;
}

static void judge_total(struct oracle *oracle, const struct oracle_page *page, const char *what,
                        const struct oracle_count *count, uint64_t total)
{
    bool is_lost = total < count->counted && !oracle->store_goes_back;

    if (is_lost || total > count->counted + count->unknown) {
        oracle_accuse(oracle,
                      "%s%s: %s: %s: %llu answered as counted, %llu in doubt, %llu refused, but "
                      "the store has %llu",
                      page->site, page->name, what, is_lost ? "lost" : "counted twice",
                      (unsigned long long)count->counted, (unsigned long long)count->unknown,
                      (unsigned long long)count->refused, (unsigned long long)total);
    }
}

static void judge_page(struct oracle *oracle, const struct oracle_page *page)
{
    judge_total(oracle, page, "total", &page->all,
                fake_database_total(oracle->database, page->site, page->name));
    for (size_t i = 0; i < oracle->hour_count; i++) {
        judge_total(oracle, page, "of an hour", &page->hours[i],
                    fake_database_hour(oracle->database, page->site, page->name, oracle->hours[i]));
    }
}

void oracle_end(struct oracle *oracle)
{
    uint64_t answered = 0;

    for (size_t i = 0; i < oracle->page_count; i++) {
        const struct oracle_count *all = &oracle->pages[i].all;

        judge_page(oracle, &oracle->pages[i]);
        answered += all->counted + all->refused + all->unknown;
    }
    if (answered != oracle->visits) {
        oracle_accuse(oracle, "%llu visits, but %llu answers", (unsigned long long)oracle->visits,
                      (unsigned long long)answered);
    }
}
