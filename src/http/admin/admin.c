/* SPDX-License-Identifier: MIT */
#include "http/admin/admin.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/report.h"
#include "count/journal_takeover.h"
#include "count/engine.h"
#include "http/admin/admin_answer.h"
#include "http/admin/admin_backup.h"
#include "http/admin/admin_edit.h"
#include "http/admin/admin_lists.h"
#include "http/admin/admin_repair.h"
#include "http/admin/admin_status.h"
#include "http/admin/app_view.h"
#include "http/admin/metrics.h"
#include "http/routes/page_read.h"
#include "http/request/response.h"
#include "http/visit/trouble.h"
#include "http/admin/version.h"
#include "http/admin/whoami.h"
#include "store/store.h"

#include <string.h>
#include <unistd.h>

/* status, journal */

static void admin_handle_status(struct request *request)
{
    const char *format = admin_answer_parameter(request, "format");
    struct report report;
    struct app_view view;

    app_view(request->app, &view);
    if (format != NULL && strcmp(format, "line") == 0) { /* a row of visitcountctl's table */
        report_init(&report, REPORT_LINE);
        admin_status_summary(&report, &view);
    } else {
        report_init(&report, admin_answer_form(request));
        admin_status_report(&report, &view);
    }
    admin_answer_respond_report(request, 200, &report);
}

static void respond_replay(struct request *request, int status,
                           const struct journal_takeover_view *replay)
{
    struct report report;

    report_init(&report, admin_answer_form(request));
    report_text(&report, "directory", replay->directory);
    report_text(&report, "state", replay->is_done ? "done" : "replaying");
    report_u64(&report, "visits", replay->visits);
    report_u64(&report, "left", replay->left);
    if (replay->aside != 0) {
        report_u64(&report, "aside", replay->aside);
    }
    admin_answer_respond_report(request, status, &report);
}

static void begin_replay(struct request *request, const char *directory)
{
    struct app_view view;
    struct journal_takeover_view replay;
    struct buf lines = BUF_EMPTY;

    app_view(request->app, &view);
    if (!view.actions->replay(view.actions->data, directory, &lines)) {
        response_send_error(request, 422, "journal_refused", "%s", lines.bytes);
    } else if (journal_takeovers_find(view.takeovers, directory, &replay)) {
        respond_replay(request, 202, &replay);
    }
    buf_finish(&lines);
}

static void show_replay(struct request *request, const char *directory)
{
    struct app_view view;
    struct journal_takeover_view replay;

    app_view(request->app, &view);
    if (journal_takeovers_find(view.takeovers, directory, &replay)) {
        respond_replay(request, 200, &replay);
    } else {
        response_send_error(
            request, 404, "no_replay",
            "journal %s: this instance knows nothing of its replay; was it restarted? "
            "What is not in the store is still in the journal",
            directory);
    }
}

/** The daemon handles only replay. visitcountctl shows and verifies journals itself. */
static void admin_handle_journal(struct request *request)
{
    const char *action = admin_answer_parameter(request, "action");
    const char *directory = admin_answer_parameter(request, "directory");

    if (action == NULL || strcmp(action, "replay") != 0) {
        response_send_error(request, 400, "bad_action", "an instance only does journal replay");
    } else if (directory == NULL || *directory != '/') {
        response_send_error(request, 400, "bad_directory", "the journal's directory begins with /");
    } else if (request->method == METHOD_POST) {
        begin_replay(request, directory);
    } else {
        show_replay(request, directory);
    }
}

/* ping, version, metrics */

static void admin_handle_ping(struct request *request)
{
    struct buf body = BUF_EMPTY;

    if (admin_answer_form(request) == REPORT_JSON) {
        buf_puts(&body, "{\"result\":\"pong\"}\n");
    }
    admin_answer_respond_form(request, 200, &body);
}

static void admin_handle_version(struct request *request)
{
    struct report report;
    struct app_view view;
    struct store_health health;

    app_view(request->app, &view);
    store_health(view.store, &health);
    report_init(&report, admin_answer_form(request));
    version_report(&report);
    report_begin_section(&report, "store");
    report_text(&report, "backend", health.backend);
    report_text(&report, "version", health.version);
    report_end_section(&report);
    admin_answer_respond_report(request, 200, &report);
}

static void count_site(void *data, const char *site)
{
    (void)site;
    ++*(uint64_t *)data;
}

static void admin_handle_metrics(struct request *request)
{
    struct app_view view;
    struct store_health health;
    struct engine_stall stall = {0};
    struct trouble_view sites = {0};
    struct trouble_view salt = {0};
    struct metrics_facts facts;
    struct fullness_view fullness;
    struct buf body = BUF_EMPTY;

    app_view(request->app, &view);
    store_health(view.store, &health);
    fullness_view(view.fullness, &fullness);
    engine_longest_stall(view.engine, &stall);
    trouble_view(view.site_trouble, &sites);
    trouble_view(view.salt_trouble, &salt);
    facts = (struct metrics_facts){
        .version = VISITCOUNTD_VERSION,
        .stats = engine_stats(view.engine),
        .store = &health,
        .failing_ms = stall.lasted_ms,
        .failing_sites = stall.site_count,
        .torn_sites = engine_torn_count(view.engine),
        .site_failing_ms = sites.lasted_ms,
        .salt_failing_ms = salt.lasted_ms,
        .journal = engine_journal_status(view.engine),
        .is_draining = view.is_draining,
        .open_connections = view.server.open_connections,
        .accepted_connections = view.server.accepted_connections,
        .live_clients = view.live_clients,
        .novelty = view.novelty,
        .tallies = view.visit_tallies,
        .passwords = view.passwords,
        .fullness = &fullness,
        .client_window_s = store_client_window_s(view.store),
        .requests = view.server.requests,
    };
    engine_list_unproven(view.engine, count_site, &facts.unproven_sites);
    metrics_read_process(&facts.process);
    metrics_write(&facts, &body);
    response_send_buf(request, 200, METRICS_CONTENT_TYPE, &body);
    buf_finish(&body);
}

/* config, check, reload, drain, log-level */

static void admin_handle_config(struct request *request)
{
    struct app_view view;
    struct buf body = BUF_EMPTY;

    app_view(request->app, &view);
    if (admin_answer_form(request) == REPORT_JSON) {
        config_print_json(view.config, &body);
    } else {
        config_print_text(view.config, &body);
    }
    admin_answer_respond_form(request, 200, &body);
}

/** Runs an action on the configuration. Answers with its changes and warnings, or its errors. */
static void run_config_action(struct request *request,
                              bool (*action)(void *data, struct buf *message, struct buf *warnings),
                              const char *result)
{
    struct buf lines = BUF_EMPTY;
    struct buf warnings = BUF_EMPTY;
    bool is_done = action(request->app->actions.data, &lines, &warnings);
    const char *text = lines.length != 0 ? lines.bytes : "";

    if (is_done) {
        struct report report;

        report_init(&report, admin_answer_form(request));
        report_text(&report, "result", result);
        report_lines(&report, "changes", text);
        if (warnings.length != 0) {
            report_lines(&report, "warnings", warnings.bytes);
        }
        admin_answer_respond_report(request, 200, &report);
    } else {
        response_send_error(request, 422, "config_refused", "%s", text);
    }
    buf_finish(&warnings);
    buf_finish(&lines);
}

static void admin_handle_check(struct request *request)
{
    run_config_action(request, request->app->actions.check, "acceptable");
}

static void admin_handle_reload(struct request *request)
{
    run_config_action(request, request->app->actions.reload, "reloaded");
}

static void admin_handle_drain(struct request *request)
{
    struct app_view view;
    struct report report;

    app_view(request->app, &view);
    report_init(&report, admin_answer_form(request));
    report_text(&report, "result", "draining");
    report_u64(&report, "open_connections", view.server.open_connections);
    report_u64(&report, "waiting_visits", engine_stats(view.engine)->waiting);
    /* answer first: after the drain the process may end at once */
    admin_answer_respond_report(request, 202, &report);
    if (!view.is_draining) {
        view.actions->drain(view.actions->data);
    }
}

static void respond_log_level(struct request *request)
{
    struct report report;

    report_init(&report, admin_answer_form(request));
    report_text(&report, "level", log_level_names[log_get_level()]);
    admin_answer_respond_report(request, 200, &report);
}

static void admin_handle_log_level(struct request *request)
{
    const char *level = admin_answer_parameter(request, "level");
    int index = 0;

    if (request->method == METHOD_POST) {
        while (log_level_names[index] != NULL &&
               (level == NULL || strcmp(log_level_names[index], level) != 0)) {
            index++;
        }
        if (log_level_names[index] == NULL) {
            response_send_error(request, 400, "bad_level",
                                "log level must be error, warning, info or debug");
            return;
        }
        log_set_level((enum log_level)index);
    }
    respond_log_level(request);
}

/* get */

static void on_page_read(struct request *request, const struct page_read_answer *answer)
{
    struct report report;

    if (answer->is_known) {
        report_init(&report, admin_answer_form(request));
        report_text(&report, "site", answer->site);
        report_text(&report, "page", answer->page);
        report_u64(&report, "count", answer->count);
        admin_answer_respond_report(request, 200, &report);
        return;
    }
    admin_answer_respond_unavailable(request);
}

static void admin_handle_get(struct request *request)
{
    char site[STORE_SITE_MAX + 1];
    struct page_key page;

    if (admin_answer_parse_site(request, site) && admin_answer_parse_page(request, "page", &page)) {
        page_read_start(request, site, page.bytes, ADMIN_LIMIT_MS, on_page_read);
    }
}

/* whoami */

static void admin_handle_whoami(struct request *request)
{
    struct whoami_question question = {
        .peer = admin_answer_parameter(request, "peer"),
        .real_ip = admin_answer_parameter(request, "real_ip"),
        .forwarded_for = admin_answer_parameter(request, "forwarded_for"),
    };
    struct client_evidence evidence;
    struct report report;

    if (question.peer == NULL || !whoami_take(&question, &evidence)) {
        response_send_error(request, 400, "bad_peer",
                            "the peer is an IP address without port, or unix");
        return;
    }
    report_init(&report, admin_answer_form(request));
    whoami_explain(request->app->config, &evidence, &report);
    admin_answer_respond_report(request, 200, &report);
}

/* Routes */

#define ROUTE_METHODS_ASK  METHOD_GET
#define ROUTE_METHODS_ACT  METHOD_POST
#define ROUTE_METHODS_TUNE (METHOD_GET | METHOD_POST)

static const struct route rows[] = {
#define COMMAND(id, name, kind, run, options, parameters, required, words, summary, details) \
    {ROUTE_METHODS_##kind, H2O_STRLIT("/" name), admin_handle_##id, NULL},
#define LOCAL_COMMAND(id, name, options, parameters, required, words, summary, details)
#include "http/admin/commands.def"
#undef COMMAND
#undef LOCAL_COMMAND
};

static const struct route metrics_rows[] = {
    {METHOD_GET, H2O_STRLIT("/metrics"), admin_handle_metrics, NULL}};

const struct route_table admin_routes = {rows, sizeof(rows) / sizeof(rows[0]), false, NULL};
const struct route_table metrics_routes = {metrics_rows, 1, false, NULL};
