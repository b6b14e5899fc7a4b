/* SPDX-License-Identifier: MIT */
#include "http/admin.h"

#include "base/log.h"
#include "base/report.h"
#include "count/adoption.h"
#include "http/admin_status.h"
#include "http/key.h"
#include "http/metrics.h"
#include "http/page_read.h"
#include "http/render.h"
#include "http/server_view.h"
#include "http/version.h"
#include "http/whoami.h"

#include <string.h>
#include <unistd.h>

/* shorter than the patience of visitcountctl, so that it gets to know why */
#define READ_LIMIT_MS 3000

/* Answers */

/**
 * The text of a query parameter, or NULL when it is absent. A NUL in it becomes DEL, which no
 * parameter may contain either.
 */
static const char *parameter_text(const struct request *request, const char *name)
{
    h2o_iovec_t value;
    h2o_iovec_t text;

    if (!request_parameter(request, name, &value)) {
        return NULL;
    }
    text = h2o_strdup(&request->h2o->pool, value.base, value.len);
    for (size_t i = 0; i < text.len; i++) {
        if (text.base[i] == '\0') {
            text.base[i] = 0x7f;
        }
    }
    return text.base;
}

/** Text, unless the request asks for JSON in its query or, when that is silent, in Accept. */
static enum report_form wanted_form(const struct request *request)
{
    const char *format = parameter_text(request, "format");
    h2o_iovec_t accept = request_header(request, H2O_TOKEN_ACCEPT);
    bool is_json = format != NULL ? strcmp(format, "json") == 0
                                  : render_negotiate(accept.base, accept.len) == RENDER_JSON;

    return is_json ? REPORT_JSON : REPORT_TEXT;
}

/** Sends `body` as what wanted_form() says, and frees it. */
static void respond_form(struct request *request, int status, struct buf *body)
{
    enum render_form form = wanted_form(request) == REPORT_JSON ? RENDER_JSON : RENDER_TEXT;

    respond_buf(request, status, render_content_type(form), body);
    buf_finish(body);
}

static void respond_report(struct request *request, int status, struct report *report)
{
    struct buf body = BUF_EMPTY;

    report_finish(report, &body);
    respond_form(request, status, &body);
}

/* status, journal */

static void handle_status(struct request *request)
{
    struct report report;
    struct server_view view;

    server_view(request->server, &view);
    report_init(&report, wanted_form(request));
    admin_status_report(&report, &view);
    respond_report(request, 200, &report);
}

static void respond_replay(struct request *request, int status, const struct adoption_view *replay)
{
    struct report report;

    report_init(&report, wanted_form(request));
    report_text(&report, "directory", replay->directory);
    report_text(&report, "state", replay->is_done ? "done" : "replaying");
    report_u64(&report, "visits", replay->visits);
    report_u64(&report, "left", replay->left);
    respond_report(request, status, &report);
}

static void begin_replay(struct request *request, const char *directory)
{
    struct server_view view;
    struct adoption_view replay;
    struct buf lines = BUF_EMPTY;

    server_view(request->server, &view);
    if (!view.actions->replay(view.actions->data, directory, &lines)) {
        respond_error(request, 422, "journal_refused", "%s", lines.bytes);
    } else if (adoptions_find(view.adoptions, directory, &replay)) {
        respond_replay(request, 202, &replay);
    }
    buf_finish(&lines);
}

static void show_replay(struct request *request, const char *directory)
{
    struct server_view view;
    struct adoption_view replay;

    server_view(request->server, &view);
    if (adoptions_find(view.adoptions, directory, &replay)) {
        respond_replay(request, 200, &replay);
    } else {
        respond_error(request, 404, "no_replay",
                      "journal %s: this instance knows nothing of its replay; was it restarted? "
                      "What is not in the store is still in the journal",
                      directory);
    }
}

/** Of the actions only replay is ours: visitcountctl shows and verifies by itself. */
static void handle_journal(struct request *request)
{
    const char *action = parameter_text(request, "action");
    const char *directory = parameter_text(request, "directory");

    if (action == NULL || strcmp(action, "replay") != 0) {
        respond_error(request, 400, "bad_action", "an instance only does journal replay");
    } else if (directory == NULL || *directory != '/') {
        respond_error(request, 400, "bad_directory", "the journal's directory begins with /");
    } else if (request->method == METHOD_POST) {
        begin_replay(request, directory);
    } else {
        show_replay(request, directory);
    }
}

/* ping, version, metrics */

static void handle_ping(struct request *request)
{
    struct buf body = BUF_EMPTY;

    if (wanted_form(request) == REPORT_JSON) {
        buf_puts(&body, "{\"result\":\"pong\"}\n");
    }
    respond_form(request, 200, &body);
}

static void handle_version(struct request *request)
{
    struct report report;
    struct server_view view;
    struct store_health health;

    server_view(request->server, &view);
    store_health(view.store, &health);
    report_init(&report, wanted_form(request));
    version_report(&report);
    report_begin_section(&report, "store");
    report_text(&report, "backend", health.backend);
    report_text(&report, "version", health.version);
    report_end_section(&report);
    respond_report(request, 200, &report);
}

static void handle_metrics(struct request *request)
{
    struct server_view view;
    struct store_health health;
    struct metrics_facts facts;
    struct buf body = BUF_EMPTY;

    server_view(request->server, &view);
    store_health(view.store, &health);
    facts = (struct metrics_facts){
        .version = VISITCOUNTD_VERSION,
        .stats = engine_stats(view.engine),
        .store = &health,
        .journal = engine_journal_status(view.engine),
        .is_draining = view.is_draining,
        .open_connections = view.open_connections,
        .accepted_connections = view.accepted_connections,
        .live_clients = view.live_clients,
        .requests = view.requests,
    };
    metrics_read_process(&facts.process);
    metrics_write(&facts, &body);
    respond_buf(request, 200, METRICS_CONTENT_TYPE, &body);
    buf_finish(&body);
}

/* config, check, reload, drain, log-level */

static void handle_config(struct request *request)
{
    struct server_view view;
    struct buf body = BUF_EMPTY;

    server_view(request->server, &view);
    if (wanted_form(request) == REPORT_JSON) {
        config_print_json(view.config, &body);
    } else {
        config_print_text(view.config, &body);
    }
    respond_form(request, 200, &body);
}

/** Answers what an action did: its lines under `result`, or as an error. */
static void respond_action(struct request *request, bool is_done, const char *result,
                           struct buf *lines)
{
    const char *text = lines->length != 0 ? lines->bytes : "";

    if (is_done) {
        struct report report;

        report_init(&report, wanted_form(request));
        report_text(&report, "result", result);
        report_lines(&report, "changes", text);
        respond_report(request, 200, &report);
    } else {
        respond_error(request, 422, "config_refused", "%s", text);
    }
    buf_finish(lines);
}

static void handle_check(struct request *request)
{
    struct server_view view;
    struct buf lines = BUF_EMPTY;

    server_view(request->server, &view);
    respond_action(request, view.actions->check(view.actions->data, &lines), "acceptable", &lines);
}

static void handle_reload(struct request *request)
{
    struct server_view view;
    struct buf lines = BUF_EMPTY;

    server_view(request->server, &view);
    respond_action(request, view.actions->reload(view.actions->data, &lines), "reloaded", &lines);
}

static void handle_drain(struct request *request)
{
    struct server_view view;
    struct report report;

    server_view(request->server, &view);
    report_init(&report, wanted_form(request));
    report_text(&report, "result", "draining");
    report_u64(&report, "open_connections", view.open_connections);
    report_u64(&report, "waiting_visits", engine_stats(view.engine)->waiting);
    /* first the answer: afterwards this process may have nothing left to wait for */
    respond_report(request, 202, &report);
    if (!view.is_draining) {
        view.actions->drain(view.actions->data);
    }
}

static void respond_log_level(struct request *request)
{
    struct report report;

    report_init(&report, wanted_form(request));
    report_text(&report, "level", log_level_names[log_get_level()]);
    respond_report(request, 200, &report);
}

static void handle_log_level(struct request *request)
{
    const char *level = parameter_text(request, "level");
    int index = 0;

    if (request->method == METHOD_POST) {
        while (log_level_names[index] != NULL &&
               (level == NULL || strcmp(log_level_names[index], level) != 0)) {
            index++;
        }
        if (log_level_names[index] == NULL) {
            respond_error(request, 400, "bad_level",
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
    struct server_view view;
    struct store_health health;

    if (answer->is_known) {
        report_init(&report, wanted_form(request));
        report_text(&report, "site", answer->site);
        report_text(&report, "page", answer->page);
        report_u64(&report, "count", answer->count);
        respond_report(request, 200, &report);
        return;
    }
    server_view(request->server, &view);
    store_health(view.store, &health);
    respond_error(request, 503, "store_unavailable", "%s %s did not answer (%s%s%s)",
                  health.backend, health.address, health.state,
                  health.last_error[0] != '\0' ? "; " : "", health.last_error);
}

/** The site that is asked for; false after answering that its name is none. */
static bool take_site(struct request *request, const char *default_site,
                      char ret_site[STORE_SITE_MAX + 1])
{
    const char *site = parameter_text(request, "site");

    if (site == NULL) {
        site = default_site;
    }
    if (!key_is_site(site, strlen(site))) {
        respond_error(request, 400, "bad_site",
                      "the name of a site has 1 to %d of the characters a-z 0-9 . _ -",
                      STORE_SITE_MAX);
        return false;
    }
    strcpy(ret_site, site);
    return true;
}

/**
 * The key of the page that is asked for; false after answering that there is none. A parameter has
 * its percent-encoding taken off already, while keys are made from paths that still have it.
 */
static bool take_page(struct request *request, struct key *ret_page)
{
    const char *page = parameter_text(request, "page");
    struct buf path = BUF_EMPTY;
    enum key_status status;

    for (const char *at = page != NULL ? page : "/"; *at != '\0'; at++) {
        buf_printf(&path, strchr("%?#", *at) != NULL ? "%%%02X" : "%c", (unsigned char)*at);
    }
    status = key_from_path(path.bytes, path.length, ret_page);
    buf_finish(&path);
    if (status != KEY_OK) {
        respond_error(request, 400, "bad_page", "%s", key_status_text(status));
    }
    return status == KEY_OK;
}

static void handle_get(struct request *request)
{
    struct server_view view;
    char site[STORE_SITE_MAX + 1];
    struct key page;

    server_view(request->server, &view);
    if (take_site(request, view.default_site, site) && take_page(request, &page)) {
        page_read_start(request, site, page.bytes, READ_LIMIT_MS, on_page_read);
    }
}

/* whoami */

static void handle_whoami(struct request *request)
{
    struct whoami_question question = {
        .peer = parameter_text(request, "peer"),
        .real_ip = parameter_text(request, "real_ip"),
        .forwarded_for = parameter_text(request, "forwarded_for"),
    };
    struct client_evidence evidence;
    struct report report;

    if (question.peer == NULL || !whoami_take(&question, &evidence)) {
        respond_error(request, 400, "bad_peer", "the peer is an IP address without port, or unix");
        return;
    }
    report_init(&report, wanted_form(request));
    whoami_explain(server_config(request->server), &evidence, &report);
    respond_report(request, 200, &report);
}

/* Routes */

#define ROUTE_METHODS_ASK  METHOD_GET
#define ROUTE_METHODS_ACT  METHOD_POST
#define ROUTE_METHODS_TUNE (METHOD_GET | METHOD_POST)

static const struct route rows[] = {
#define COMMAND(id, name, kind, parameters, required, words, summary, details) \
    {ROUTE_METHODS_##kind, "/" name, handle_##id, NULL},
#define LOCAL_COMMAND(id, name, parameters, required, words, summary, details)
#include "http/commands.def"
#undef COMMAND
#undef LOCAL_COMMAND
};

static const struct route metrics_rows[] = {{METHOD_GET, "/metrics", handle_metrics, NULL}};

const struct route_table admin_routes = {rows, sizeof(rows) / sizeof(rows[0]), false};
const struct route_table metrics_routes = {metrics_rows, 1, false};
