/* SPDX-License-Identifier: MIT */
#include "oracle.h"

#include "base/clock.h"
#include "sim_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    size_t site;
    size_t page;
    bool is_promised;
    bool is_possible;
    bool is_at_risk;
    bool is_old;        /* it was tried before the last repair of its site */
    bool was_possible;  /* it was possible or promised before that repair */
    bool was_blind;     /* journaled by an instance that may not have known the site's generation */
    unsigned instances; /* bits: where it was tried */
    unsigned hours;     /* bits: when */
};

/* bounds of the total of a page, or of an hour of a site */
struct bounds {
    uint64_t promised; /* the store must have them */
    uint64_t most;
};

static struct {
    bool is_steady;
    size_t request_count;
    struct request requests[ORACLE_REQUESTS_MAX];
    size_t hour_count;
    uint64_t hours[SIM_HOURS_MAX];
    uint64_t repaired[SIM_PAGES_MAX];                    /* totals that operators put in */
    uint64_t repaired_at_ms[SIM_SITES_MAX];              /* 0: never */
    bool is_heard[ORACLE_INSTANCES][SIM_SITES_MAX];      /* the instance knows of the last repair */
    bool is_acquainted[ORACLE_INSTANCES][SIM_SITES_MAX]; /* the instance has had an answer */
    bool was_blind[ORACLE_INSTANCES][SIM_SITES_MAX];     /* and had visits before that */
    uint64_t sent[SIM_PAGES_MAX];
    uint64_t latest[ORACLE_INSTANCES][ORACLE_SHARED_PAGES];
    bool given[ORACLE_SHARED_PAGES][ORACLE_REQUESTS_MAX + 1]; /* by number */
    char violation[256];
} oracle;

void oracle_begin(bool is_steady)
{
    memset(&oracle, 0, sizeof(oracle));
    oracle.is_steady = is_steady;
}

void oracle_accuse(const char *format, ...)
{
    va_list arguments;

    if (*oracle.violation == '\0') {
        va_start(arguments, format);
        vsnprintf(oracle.violation, sizeof(oracle.violation), format, arguments);
        va_end(arguments);
    }
}

const char *oracle_violation(void)
{
    return oracle.violation;
}

size_t oracle_hour(uint64_t hour)
{
    for (size_t i = 0; i < oracle.hour_count; i++) {
        if (oracle.hours[i] == hour) {
            return i;
        }
    }
    if (oracle.hour_count == SIM_HOURS_MAX) {
        abort();
    }
    oracle.hours[oracle.hour_count] = hour;
    return oracle.hour_count++;
}

/* --- all the time --- */

size_t oracle_request(size_t site, size_t page)
{
    if (oracle.request_count == ORACLE_REQUESTS_MAX) {
        abort();
    }
    oracle.requests[oracle.request_count] = (struct request){.site = site, .page = page};
    oracle.sent[page]++;
    return oracle.request_count++;
}

void oracle_attempt(size_t request, size_t instance, size_t hour)
{
    oracle.requests[request].instances |= 1U << instance;
    oracle.requests[request].hours |= 1U << hour;
    oracle.was_blind[instance][oracle.requests[request].site] |=
        !oracle.is_acquainted[instance][oracle.requests[request].site];
}

static void judge_number(size_t page, size_t instance, uint64_t number, uint64_t total)
{
    unsigned long long shown = number;
    uint64_t *latest = &oracle.latest[instance][page];

    if (number == 0 || number > total) {
        oracle_accuse("page %zu: number %llu with a total of %llu", page, shown,
                      (unsigned long long)total);
        return;
    }
    if (oracle.given[page][number]) {
        oracle_accuse("page %zu: number %llu given twice", page, shown);
    }
    if (number <= *latest) {
        oracle_accuse("page %zu: number %llu after %llu", page, shown, (unsigned long long)*latest);
    }
    oracle.given[page][number] = true;
    *latest = number;
}

/* a visit that was tried before a repair may be part of the operator's totals */
static void promise(struct request *request, bool is_sure)
{
    if (is_sure && !request->is_old) {
        request->is_promised = true;
    } else {
        request->is_possible = true;
    }
}

/*
 * whether the instance will send what it journals now: not if the generation has ended and the
 * instance does not know of it
 */
static bool may_journal(const struct request *request, size_t instance)
{
    return oracle.repaired_at_ms[request->site] == 0 || oracle.is_heard[instance][request->site];
}

void oracle_answered(size_t request, size_t instance, const struct visit_answer *answer,
                     const struct sim_database *database)
{
    struct request *own = &oracle.requests[request];

    switch (answer->status) {
    case VISIT_COUNTED:
        if (oracle.is_steady && own->page < ORACLE_SHARED_PAGES) {
            judge_number(own->page, instance, answer->count,
                         sim_database_total(database, own->page));
        }
        promise(own, true);
        break;
    case VISIT_DUPLICATE:
        promise(own, true);
        break;
    case VISIT_JOURNALED:
        own->was_blind |= oracle.was_blind[instance][own->site];
        promise(own, may_journal(own, instance));
        break;
    case VISIT_UNKNOWN:
        own->was_blind |= oracle.was_blind[instance][own->site];
        own->is_possible = true;
        break;
    case VISIT_REFUSED:
    case VISIT_TOO_MANY_PAGES:
        break;
    }
}

void oracle_unanswered(size_t request)
{
    oracle.requests[request].is_possible = true;
}

void oracle_instance_gone(size_t instance)
{
    memset(oracle.is_acquainted[instance], 0, sizeof(oracle.is_acquainted[instance]));
    memset(oracle.was_blind[instance], 0, sizeof(oracle.was_blind[instance]));
    memset(oracle.is_heard[instance], 0, sizeof(oracle.is_heard[instance]));
    for (size_t i = 0; i < oracle.request_count && !oracle.is_steady; i++) {
        if ((oracle.requests[i].instances & 1U << instance) != 0) {
            oracle.requests[i].is_at_risk = true;
        }
    }
}

void oracle_missed(size_t instance, size_t site)
{
    for (size_t i = 0; i < oracle.request_count; i++) {
        if ((oracle.requests[i].instances & 1U << instance) != 0 &&
            oracle.requests[i].site == site) {
            oracle.requests[i].is_at_risk = true;
        }
    }
}

void oracle_repaired(size_t site, const struct sim_database *database)
{
    oracle.repaired_at_ms[site] = clock_monotonic_ms();
    for (size_t i = 0; i < ORACLE_INSTANCES; i++) {
        oracle.is_heard[i][site] = false;
    }
    for (size_t i = 0; i < oracle.request_count; i++) {
        struct request *request = &oracle.requests[i];

        if (request->site == site) {
            request->is_old = true;
            request->was_possible |= request->is_promised || request->is_possible;
            request->is_promised = false;
            request->is_possible = false;
            oracle.repaired[request->page] = sim_database_total(database, request->page);
        }
    }
}

void oracle_heard(size_t instance, size_t site, uint64_t executed_at_ms)
{
    oracle.is_acquainted[instance][site] = true;
    if (executed_at_ms > oracle.repaired_at_ms[site]) {
        oracle.is_heard[instance][site] = true;
    }
}

bool oracle_was_repaired(size_t site)
{
    return oracle.repaired_at_ms[site] != 0;
}

void oracle_applied(const struct sim_database *database, const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->entry_count; i++) {
        size_t page = sim_page_number(batch->entries[i].page);
        uint64_t total = sim_database_total(database, page);

        if (total > oracle.sent[page]) {
            oracle_accuse("page %zu: counted twice: %llu sent, the store has %llu", page,
                          (unsigned long long)oracle.sent[page], (unsigned long long)total);
        }
    }
}

/* --- at the end --- */

/* `is_all_of_it`: the request cannot be in the bounds of another hour */
static void add(struct bounds *bounds, const struct request *request, bool is_all_of_it)
{
    if (request->is_promised || request->is_possible) {
        bounds->most++;
    }
    if (request->is_promised && !request->is_at_risk && is_all_of_it) {
        bounds->promised++;
    }
}

/* returns how many promised visits are missing */
static uint64_t judge(const char *what, size_t number, const struct bounds *bounds, uint64_t total)
{
    if (total > bounds->most) {
        oracle_accuse("%s %zu: counted twice, or although refused: %llu promised, %llu possible, "
                      "the store has %llu",
                      what, number, (unsigned long long)bounds->promised,
                      (unsigned long long)(bounds->most - bounds->promised),
                      (unsigned long long)total);
    }
    if (total < bounds->promised) {
        sim_say("%s %zu: %llu promised, it has %llu", what, number,
                (unsigned long long)bounds->promised, (unsigned long long)total);
        return bounds->promised - total;
    }
    return 0;
}

static uint64_t judge_pages(const struct sim_database *database)
{
    struct bounds *pages = calloc(SIM_PAGES_MAX, sizeof(*pages));
    uint64_t missing = 0;

    if (pages == NULL) {
        abort();
    }
    for (size_t page = 0; page < SIM_PAGES_MAX; page++) {
        pages[page] = (struct bounds){oracle.repaired[page], oracle.repaired[page]};
    }
    for (size_t i = 0; i < oracle.request_count; i++) {
        const struct request *request = &oracle.requests[i];

        add(&pages[request->page], request, true);
        /* it was never sent before the repair, so it may still be counted */
        pages[request->page].most +=
            request->is_old && request->was_blind && !request->is_promised && !request->is_possible
                ? 1
                : 0;
    }
    for (size_t page = 0; page < SIM_PAGES_MAX; page++) {
        missing += judge("page", page, &pages[page], sim_database_total(database, page));
    }
    free(pages);
    return missing;
}

static uint64_t judge_hours(const struct sim_database *database)
{
    struct bounds hours[SIM_SITES_MAX][SIM_HOURS_MAX] = {0};
    uint64_t missing = 0;

    for (size_t i = 0; i < oracle.request_count; i++) {
        const struct request *request = &oracle.requests[i];
        bool is_one = (request->hours & (request->hours - 1)) == 0;

        for (size_t hour = 0; hour < SIM_HOURS_MAX; hour++) {
            if ((request->hours & 1U << hour) != 0) {
                add(&hours[request->site][hour], request, is_one);
                hours[request->site][hour].most +=
                    request->was_possible && !request->is_promised && !request->is_possible ? 1 : 0;
            }
        }
    }
    for (size_t site = 0; site < SIM_SITES_MAX; site++) {
        for (size_t hour = 0; hour < SIM_HOURS_MAX; hour++) {
            missing +=
                judge("hour", hour, &hours[site][hour], sim_database_hour(database, site, hour));
        }
    }
    return missing;
}

void oracle_judge(const struct sim_database *database, bool is_final)
{
    uint64_t of_pages;
    uint64_t of_hours;

    sim_say("%s:", is_final ? "what the store has in the end" : "what a copy has");
    of_pages = judge_pages(database);
    of_hours = judge_hours(database);

    if (is_final && (of_pages != 0 || of_hours != 0)) {
        oracle_accuse("lost: %llu visits that were promised are not in the store, or %llu not in "
                      "their hours",
                      (unsigned long long)of_pages, (unsigned long long)of_hours);
    }
}
