/* SPDX-License-Identifier: MIT */
#include "http/admin/admin_status.h"

#include "base/buf.h"
#include "config/config.h"
#include "count/journal_takeover.h"
#include "count/engine.h"
#include "journal/journal.h"
#include "http/routes/password_guard.h"
#include "http/visit/fullness.h"
#include "http/visit/novelty.h"
#include "http/visit/trouble.h"
#include "http/visit/visit_tally.h"
#include "http/admin/version.h"
#include "loop/loop.h"
#include "store/store.h"

#include <unistd.h>

/* the most site names in one list of the status */
#define NAMES_MAX 20

/* the most rows of visits that were not counted */
#define TALLY_ROWS_MAX 50

static const char *listener_kind_name(enum listener_kind kind)
{
    static const char *const names[] = {
        [LISTENER_VISITORS] = "visitors",
        [LISTENER_ADMIN] = "admin",
        [LISTENER_METRICS] = "metrics",
    };

    return names[kind];
}

static void report_listeners(struct report *report, const struct app_view *view)
{
    report_begin_list(report, "listeners");
    for (size_t i = 0; i < view->server.listener_count; i++) {
        const struct listener_view *listener = &view->server.listeners[i];
        char address[ADDRESS_TEXT_MAX];

        report_begin_section(report, NULL);
        report_text(report, "kind", listener_kind_name(listener->kind));
        report_text(report, "address", address_format(&listener->address, address));
        report_bool(report, "inherited", listener->is_inherited);
        report_end_section(report);
    }
    report_end_list(report);
}

static void put_name(void *data, const char *site)
{
    buf_puts(data, site);
    buf_putc(data, '\n');
}

static void report_torn(struct report *report, const struct engine *engine)
{
    struct buf names = BUF_EMPTY;

    report_u64(report, "torn_sites", engine_torn_count(engine));
    if (engine_torn_count(engine) != 0) {
        engine_list_torn(engine, put_name, &names);
        report_lines(report, "torn_site_names", names.bytes);
        report_text(report, "torn_remedy", "visitcountctl repair SITE --trust hits|NUMBER");
    }
    buf_finish(&names);
}

/* the first NAMES_MAX names of sites */
struct some_names {
    struct buf names;
    uint64_t count;
};

static void count_name(void *data, const char *site)
{
    struct some_names *some = data;

    if (some->count++ < NAMES_MAX) {
        put_name(&some->names, site);
    }
}

/* sites that older versions may still write to after an upgrade */
static void report_unproven(struct report *report, const struct engine *engine)
{
    struct some_names some = {0};

    engine_list_unproven(engine, count_name, &some);
    report_u64(report, "unproven_sites", some.count);
    if (some.count != 0) {
        report_lines(report, "unproven_site_names", some.names.bytes);
    }
    buf_finish(&some.names);
}

static void report_stall(struct report *report, const struct engine *engine)
{
    struct engine_stall stall = {0};

    if (engine_longest_stall(engine, &stall)) {
        report_duration(report, "failing_for", stall.lasted_ms);
        report_text(report, "failing_site", stall.site);
        report_text(report, "failing_reason", stall.reason);
        report_bool(report, "refuses_all_sites", stall.is_server_wide);
    }
    report_u64(report, "failing_sites", stall.site_count);
    report_torn(report, engine);
    report_unproven(report, engine);
}

/** Reports nothing while the store answers the question. */
static void report_trouble(struct report *report, const struct trouble *trouble)
{
    struct trouble_view view;

    if (trouble_view(trouble, &view)) {
        report_duration(report, "failing_for", view.lasted_ms);
        report_text(report, "failing_reason", view.reason);
    }
}

/* how full limits.pages and limits.sites are */
static void report_limits(struct report *report, const struct app_view *view)
{
    struct some_names some = {0};
    struct fullness_view fullness;

    fullness_view(view->fullness, &fullness);
    report_begin_section(report, "limits");
    if (fullness.fullest_site != NULL) {
        report_text(report, "fullest_site", fullness.fullest_site);
        report_u64(report, "fullest_site_pages", fullness.fullest_pages);
        report_u64(report, "fullest_site_pages_max", fullness.fullest_pages_max);
    }
    report_u64(report, "nearly_full_sites", fullness.nearly_full_count);
    if (fullness.nearly_full_count != 0) {
        fullness_list(view->fullness, count_name, &some);
        report_lines(report, "nearly_full_site_names", some.names.bytes);
        buf_finish(&some.names);
    }
    if (fullness.sites_max != 0) {
        report_u64(report, "sites", fullness.sites);
        report_u64(report, "sites_max", fullness.sites_max);
    }
    report_end_section(report);
}

static void report_sites(struct report *report, const struct app_view *view)
{
    struct trouble_view trouble;

    if (trouble_view(view->site_trouble, &trouble)) {
        report_begin_section(report, "sites");
        report_trouble(report, view->site_trouble);
        report_end_section(report);
    }
}

static void report_replicas(struct report *report, const struct store_health *health)
{
    report_begin_list(report, "replicas");
    for (size_t i = 0; i < health->replica_count; i++) {
        const struct store_replica *replica = &health->replicas[i];

        report_begin_section(report, NULL);
        report_text(report, "address", replica->address);
        report_bool(report, "connected", replica->is_connected);
        report_u64(report, "lag_bytes", replica->lag_bytes);
        report_duration(report, "gone", replica->gone_ms);
        report_end_section(report);
    }
    report_end_list(report);
}

static void report_warnings(struct report *report, const struct store_health *health)
{
    report_begin_list(report, "warnings");
    for (size_t i = 0; i < health->warning_count; i++) {
        if (health->warnings[i].text[0] != '\0') {
            report_begin_section(report, NULL);
            report_text(report, "check", health->warnings[i].check);
            report_text(report, "text", health->warnings[i].text);
            report_end_section(report);
        }
    }
    report_end_list(report);
}

/* the age of the newest state that every replica has confirmed; nothing without replicas */
static void report_replicated(struct report *report, const struct store_health *health,
                              uint64_t now_ms)
{
    if (health->replicated_before_ms != UINT64_MAX && health->replicated_before_ms != 0) {
        report_duration(report, "replicated_ago", now_ms - health->replicated_before_ms);
    }
}

static void report_store(struct report *report, const struct app_view *view)
{
    struct store_health health;

    store_health(view->store, &health);
    report_begin_section(report, "store");
    report_text(report, "backend", health.backend);
    report_text(report, "address", health.address);
    report_text(report, "peer", health.peer);
    report_text(report, "state", health.state);
    report_bool(report, "available", health.available);
    report_duration(report, "changed_ago", loop_now_ms(view->loop) - health.changed_at_ms);
    report_latency(report, "round_trip", health.round_trip_us);
    report_text(report, "last_error", health.last_error);
    report_stall(report, view->engine);
    report_text(report, "role", health.role);
    report_text(report, "version", health.version);
    report_u64(report, "commands", health.commands);
    report_u64(report, "in_flight", health.in_flight);
    report_u64(report, "connects", health.connects);
    report_replicated(report, &health, loop_now_ms(view->loop));
    report_replicas(report, &health);
    report_warnings(report, &health);
    report_duration(report, "idempotency_key_window", 1000 * store_client_window_s(view->store));
    report_end_section(report);
}

static void report_visits(struct report *report, const struct app_view *view)
{
    const struct stats *stats = engine_stats(view->engine);

    report_begin_section(report, "visits");
    report_u64(report, "accepted", stats->accepted);
    report_u64(report, "applied", stats->applied);
    report_u64(report, "repeated", stats->duplicate_visits);
    report_u64(report, "unconfirmed", stats->unconfirmed);
    report_u64(report, "journaled", stats->journaled);
    report_u64(report, "refused", stats->refused);
    report_u64(report, "unknown", stats->unknown);
    report_u64(report, "waiting", stats->waiting);
    report_rate(report, "rate", stats_rate(stats, loop_now_ms(view->loop)));
    report_latency(report, "latency_p50", stats_latency_us(stats, 50));
    report_latency(report, "latency_p99", stats_latency_us(stats, 99));
    report_end_section(report);
}

struct tally_rows {
    struct report *report;
    size_t count;
};

static void put_tally(void *data, const struct visit_tally *tally)
{
    struct tally_rows *rows = data;

    for (enum visit_outcome outcome = OUTCOME_NONE; outcome < OUTCOMES; outcome++) {
        if (tally->visits[outcome] != 0 && rows->count++ < TALLY_ROWS_MAX) {
            report_begin_section(rows->report, NULL);
            report_text(rows->report, "reason", visit_outcome_reason(outcome));
            report_text(rows->report, "site", tally->site);
            report_u64(rows->report, "visits", tally->visits[outcome]);
            report_end_section(rows->report);
        }
    }
}

/** Reports what was ignored or refused. The metrics have the rows that are too many here. */
static void report_not_counted(struct report *report, const struct app_view *view)
{
    report_begin_list(report, "not_counted");
    visit_tallies_for_each(view->visit_tallies, put_tally, &(struct tally_rows){report, 0});
    report_end_list(report);
}

static void report_journal(struct report *report, const struct app_view *view)
{
    const struct journal_status *status = engine_journal_status(view->engine);

    if (status == NULL) {
        return;
    }
    report_begin_section(report, "journal");
    report_u64(report, "visits", status->visits);
    report_u64(report, "records", status->records);
    report_u64(report, "replayed_visits", engine_stats(view->engine)->replayed);
    report_u64(report, "size_bytes", status->size_bytes);
    report_u64(report, "max_size_bytes", status->max_size_bytes);
    report_u64(report, "segments", status->segments);
    report_u64(report, "written", status->written);
    report_u64(report, "syncs", status->syncs);
    report_u64(report, "aside_visits", status->aside_visits);
    report_u64(report, "aside_records", status->aside_records);
    report_text(report, "error", status->error);
    report_end_section(report);
}

static void report_batches(struct report *report, const struct app_view *view)
{
    const struct stats *stats = engine_stats(view->engine);

    report_begin_section(report, "batches");
    report_u64(report, "applied", stats->batches);
    report_ratio(report, "visits_per_batch", (double)stats->applied / (double)stats->batches);
    report_u64(report, "resent", stats->retried);
    report_u64(report, "duplicates", stats->duplicate_batches);
    report_u64(report, "gaps", stats->gaps);
    report_bool(report, "healing", engine_is_resending(view->engine));
    report_u64(report, "healed_visits", stats->resent_visits);
    report_u64(report, "lost_visits", stats->lost);
    report_u64(report, "outdated_visits", stats->outdated);
    report_u64(report, "unprotected_visits", stats->unprotected);
    report_u64(report, "retained_bytes", engine_retained_bytes(view->engine));
    report_end_section(report);
}

static void report_replays(struct report *report, const struct app_view *view)
{
    size_t count = journal_takeovers_count(view->takeovers);

    if (count == 0) {
        return;
    }
    report_begin_list(report, "replays");
    for (size_t i = 0; i < count; i++) {
        struct journal_takeover_view replay = journal_takeovers_at(view->takeovers, i);

        report_begin_section(report, NULL);
        report_text(report, "directory", replay.directory);
        report_u64(report, "visits", replay.visits);
        report_u64(report, "left", replay.left);
        if (replay.aside != 0) {
            report_u64(report, "aside", replay.aside);
        }
        report_bool(report, "is_done", replay.is_done);
        report_end_section(report);
    }
    report_end_list(report);
}

void admin_status_report(struct report *report, const struct app_view *view)
{
    report_text(report, "instance", view->config->instance);
    report_text(report, "version", VISITCOUNTD_VERSION);
    report_u64(report, "pid", (uint64_t)getpid());
    report_duration(report, "uptime", loop_now_ms(view->loop) - view->started_at_ms);
    report_text(report, "state", view->is_draining ? "draining" : "running");
    /* the most volatile facts come first: --watch cuts the output at the terminal's height */
    report_visits(report, view);
    report_store(report, view);
    report_batches(report, view);
    report_journal(report, view);
    report_replays(report, view);
    report_begin_section(report, "visitors");
    report_bool(report, "told_apart", view->visitors_are_told_apart);
    report_u64(report, "ignored", view->novelty->ignored_visitors);
    report_trouble(report, view->salt_trouble);
    report_end_section(report);
    report_begin_section(report, "budgets");
    report_u64(report, "refused_pages", view->novelty->refused_pages);
    report_u64(report, "refused_sites", view->novelty->refused_sites);
    report_u64(report, "refused_idempotency_keys", view->novelty->refused_tokens);
    report_u64(report, "refused_idempotency_key_shares", view->novelty->refused_shares);
    report_end_section(report);
    report_limits(report, view);
    report_begin_section(report, "dashboard");
    report_u64(report, "wrong_passwords", view->passwords->wrong);
    report_u64(report, "delayed_attempts", view->passwords->delayed);
    report_u64(report, "refused_attempts", view->passwords->refused);
    report_end_section(report);
    report_not_counted(report, view);
    report_sites(report, view);
    report_begin_section(report, "connections");
    report_u64(report, "open", view->server.open_connections);
    report_u64(report, "accepted", view->server.accepted_connections);
    report_u64(report, "live", view->live_clients);
    report_u64(report, "requests", view->server.requests);
    report_end_section(report);
    report_listeners(report, view);
}

/* the problem that prevents most counting, or NULL */
static const char *find_trouble(const struct app_view *view, const struct store_health *store,
                                const struct engine_stall *stall)
{
    const struct journal_status *journal = engine_journal_status(view->engine);
    struct trouble_view trouble;

    if (!store->available) {
        return store->last_error[0] != '\0' ? store->last_error : "the store is away";
    }
    if (stall != NULL) {
        return stall->reason;
    }
    if (engine_torn_count(view->engine) != 0) {
        return "the keys of a site contradict each other";
    }
    if (journal != NULL && journal->error[0] != '\0') {
        return journal->error;
    }
    if (trouble_view(view->site_trouble, &trouble) || trouble_view(view->salt_trouble, &trouble)) {
        return trouble.reason;
    }
    return view->visitors_are_told_apart ? NULL : "visitors are not told apart";
}

void admin_status_summary(struct report *report, const struct app_view *view)
{
    const struct stats *stats = engine_stats(view->engine);
    const struct journal_status *journal = engine_journal_status(view->engine);
    struct store_health store;
    struct engine_stall stall;
    bool is_stalled = engine_longest_stall(view->engine, &stall);

    store_health(view->store, &store);
    report_text(report, "instance", view->config->instance);
    report_text(report, "state", view->is_draining ? "draining" : "running");
    report_duration(report, "uptime", loop_now_ms(view->loop) - view->started_at_ms);
    report_text(report, "store", store.available && is_stalled ? "failing" : store.state);
    report_rate(report, "rate", stats_rate(stats, loop_now_ms(view->loop)));
    report_latency(report, "p99", stats_latency_us(stats, 99));
    report_u64(report, "waiting", stats->waiting);
    report_u64(report, "journal", journal != NULL ? journal->visits : 0);
    report_u64(report, "refused", stats->refused);
    report_u64(report, "unknown", stats->unknown);
    report_text(report, "trouble", find_trouble(view, &store, is_stalled ? &stall : NULL));
}
