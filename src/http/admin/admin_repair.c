/* SPDX-License-Identifier: MIT */
#include "http/admin/admin_repair.h"

#include "base/log.h"
#include "base/units.h"
#include "count/engine.h"
#include "http/admin/admin_answer.h"
#include "http/request/app.h"
#include "http/request/pending_query.h"
#include "http/request/response.h"
#include "store/store.h"

#include <string.h>

struct pending_repair {
    struct pending_query pending;
    struct engine *engine;
    struct store_repair repair;
    struct store_repaired repaired;
    struct engine_doubts doubts; /* before the repair */
    char reason[256];
    char torn[256];
    char site[STORE_SITE_MAX + 1];
};

/** Reports a number. An unknown one is "-", or null in JSON. */
static void report_number(struct report *report, const char *key, uint64_t number)
{
    if (number == STORE_NONE) {
        report_text(report, key, NULL);
    } else {
        report_u64(report, key, number);
    }
}

static const char *state_of(const struct store_repaired *repaired)
{
    if (repaired->is_done) {
        return "repaired";
    }
    return *repaired->torn != '\0' ? "torn" : "sound";
}

static void respond_repaired(struct request *request, const struct pending_repair *repair)
{
    const struct store_repaired *repaired = &repair->repaired;
    struct report report;

    report_init(&report, admin_answer_form(request));
    report_text(&report, "site", repair->site);
    report_text(&report, "state", state_of(repaired));
    report_text(&report, "contradiction", repair->torn);
    report_number(&report, "ledger_total", repaired->ledger_total);
    report_number(&report, "hits_total", repaired->hits_total);
    report_u64(&report, "pages", repaired->pages);
    report_u64(&report, "generation", repaired->generation);
    if (repaired->is_done) {
        report_text(&report, "trusted", repair->repair.trusts_hits ? "hits" : "number");
        report_u64(&report, "new_generation", repaired->generation_after);
        report_u64(&report, "count", repaired->total);
    }
    report_begin_section(&report, "in_doubt");
    report_u64(&report, "unconfirmed_visits", repair->doubts.unconfirmed);
    report_u64(&report, "retained_visits", repair->doubts.retained);
    report_u64(&report, "journal_visits", repair->doubts.journaled);
    report_end_section(&report);
    admin_answer_respond_report(request, 200, &report);
}

static void on_repair_answered(struct request *request, struct pending_query *pending)
{
    struct pending_repair *repair = container_of(pending, struct pending_repair, pending);
    const struct store_repaired *repaired = &repair->repaired;

    if (repaired->outcome == STORE_REFUSED && repair->reason[0] != '\0') {
        response_send_error(request, 503, "not_done", "nothing was changed: %s", repair->reason);
    } else if (!pending->is_complete) {
        response_send_error(
            request, 504, "outcome_unknown",
            "the store did not answer; whether the site was repaired is not known; repeat "
            "the command%s%s",
            repair->reason[0] != '\0' ? ": " : "", repair->reason);
    } else if (!repair->repair.is_look && !repaired->is_done) {
        response_send_error(
            request, 409, "not_torn",
            "the keys of site %s do not contradict each other; nothing was changed; "
            "--force begins a new generation all the same",
            repair->site);
    } else {
        respond_repaired(request, repair);
    }
}

static void on_repaired(void *data, const struct store_repaired *repaired)
{
    struct pending_repair *repair = data;

    repair->repaired = *repaired;
    if (repaired->reason != NULL) {
        strncpy(repair->reason, repaired->reason, sizeof(repair->reason) - 1);
    }
    if (repaired->torn != NULL) {
        strncpy(repair->torn, repaired->torn, sizeof(repair->torn) - 1);
    }
    repair->repaired.torn = repair->torn;
    if (repaired->outcome == STORE_OK && repaired->is_done) {
        log_warning("site %s: repaired by hand: %llu visits, generation %llu", repair->site,
                    (unsigned long long)repaired->total,
                    (unsigned long long)repaired->generation_after);
        engine_note_repair(repair->engine, repair->site, repaired->generation_after);
    }
    pending_query_end_call(&repair->pending, repaired->outcome == STORE_OK);
}

/** Parses the parameter `trust`. Returns false after answering that it is invalid. */
static bool parse_trust(struct request *request, struct store_repair *repair)
{
    const char *trust = admin_answer_parameter(request, "trust");
    const char *force = admin_answer_parameter(request, "force");

    repair->is_forced = force != NULL && strcmp(force, "1") == 0;
    if (trust == NULL) {
        repair->is_look = true;
    } else if (strcmp(trust, "hits") == 0) {
        repair->trusts_hits = true;
    } else if (units_parse_u64(trust, &repair->number) != 0 || repair->number > STORE_NUMBER_MAX) {
        response_send_error(
            request, 400, "bad_trust",
            "--trust: expected hits, or the site's total from 0 to %llu, not \"%s\"",
            (unsigned long long)STORE_NUMBER_MAX, trust);
        return false;
    }
    return true;
}

void admin_handle_repair(struct request *request)
{
    struct store *store = request->app->store;
    struct store_repair parts = {.is_look = false};
    char site[STORE_SITE_MAX + 1];
    struct pending_repair *repair;

    if (!store_can_repair(store)) {
        response_send_error(
            request, 409, "needs_no_repair",
            "this store changes all it keeps of a site in one transaction: there is "
            "nothing to repair");
        return;
    }
    if (!admin_answer_parse_site(request, site) || !parse_trust(request, &parts)) {
        return;
    }
    repair = pending_query_create(request, sizeof(*repair), ADMIN_LIMIT_MS, on_repair_answered);
    if (repair == NULL) {
        return;
    }
    strcpy(repair->site, site);
    repair->engine = request->app->engine;
    engine_doubts(repair->engine, site, &repair->doubts);
    repair->repair = parts;
    repair->repair.site = repair->site;
    repair->repair.generation = repair->doubts.generation;
    repair->repair.expects_mark = engine_has_counted(request->app->engine, repair->site);
    pending_query_begin_call(&repair->pending);
    store_repair(store, &repair->repair, on_repaired, repair);
}
