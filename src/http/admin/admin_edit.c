/* SPDX-License-Identifier: MIT */
#include "http/admin/admin_edit.h"

#include "base/buf.h"
#include "count/engine.h"
#include "http/admin/admin_answer.h"
#include "http/request/app.h"
#include "http/request/pending_query.h"
#include "http/request/response.h"
#include "store/store.h"

#include <string.h>

/** Reports a total. An unknown one is "-", or null in JSON. */
static void report_total(struct report *report, const char *key, uint64_t total)
{
    if (total == STORE_NONE) {
        report_text(report, key, NULL);
    } else {
        report_u64(report, key, total);
    }
}

struct pending_edit {
    struct pending_query pending;
    struct store_edit edit;
    struct store_edited edited;
    char reason[256];
    char site[STORE_SITE_MAX + 1];
    struct page_key page;
    struct page_key to;
};

static void respond_edited(struct request *request, const struct pending_edit *edit)
{
    struct report report;

    report_init(&report, admin_answer_form(request));
    report_text(&report, "site", edit->site);
    report_text(&report, "page", edit->edit.page);
    if (edit->edit.kind == STORE_RENAME) {
        report_text(&report, "to", edit->edit.to);
    }
    report_total(&report, "before", edit->edited.before);
    report_total(&report, "count", edit->edited.after);
    admin_answer_respond_report(request, 200, &report);
}

static void on_edit_answered(struct request *request, struct pending_query *pending)
{
    struct pending_edit *edit = container_of(pending, struct pending_edit, pending);
    bool needs_page = edit->edit.kind == STORE_DELETE || edit->edit.kind == STORE_RENAME;

    if (needs_page) {
        engine_forget_visitors(request->app->engine);
    }
    if (edit->edited.outcome == STORE_REFUSED && edit->reason[0] != '\0') {
        response_send_error(request, 503, "not_done", "nothing was changed: %s", edit->reason);
    } else if (!pending->is_complete) {
        response_send_error(request, 504, "outcome_unknown",
                            "the store did not answer; whether this was done is not known%s%s",
                            edit->reason[0] != '\0' ? ": " : "", edit->reason);
    } else if (needs_page && edit->edited.before == STORE_NONE) {
        response_send_error(request, 404, "no_such_page", "site %s has no page %s", edit->site,
                            edit->edit.page);
    } else {
        respond_edited(request, edit);
    }
}

static void on_edited(void *data, const struct store_edited *edited)
{
    struct pending_edit *edit = data;

    edit->edited = *edited;
    if (edited->reason != NULL) {
        strncpy(edit->reason, edited->reason, sizeof(edit->reason) - 1);
    }
    pending_query_end_call(&edit->pending, edited->outcome == STORE_OK);
}

/** A failure is harmless: the site is not listed until its first visit. */
static void on_site(void *data, const struct store_admitted *admitted)
{
    struct pending_edit *edit = data;

    (void)admitted;
    pending_query_end_call(&edit->pending, true);
}

static void begin_edit(struct pending_edit *edit, const struct app *app)
{
    struct store *store = app->store;

    edit->edit.site = edit->site;
    edit->edit.page = edit->page.bytes;
    edit->edit.page_length = edit->page.length;
    edit->edit.to = edit->to.bytes;
    edit->edit.to_length = edit->to.length;
    edit->edit.expects_mark = engine_has_counted(app->engine, edit->site);
    pending_query_begin_call(&edit->pending);
    store_edit(store, &edit->edit, on_edited, edit);
    if (edit->edit.kind == STORE_SET || edit->edit.kind == STORE_ADD) {
        pending_query_begin_call(&edit->pending);
        store_admit(store, edit->site, 0, on_site, edit);
    }
}

/** Answers which page a line of an import ("SITE\tPAGE") means. Changes nothing. */
static void respond_checked(struct request *request, const struct pending_edit *parts)
{
    struct buf body = BUF_EMPTY;

    buf_printf(&body, "%s\t", parts->site);
    admin_answer_put_page(&body, parts->page.bytes);
    buf_putc(&body, '\n');
    admin_answer_respond_form(request, 200, &body);
}

static void handle_edit(struct request *request, enum store_edit_kind kind)
{
    struct pending_edit parts = {.edit = {.kind = kind, .number = 0}};
    struct pending_edit *edit;

    if (!admin_answer_parse_site(request, parts.site) ||
        !admin_answer_parse_page(request, "page", &parts.page) ||
        !admin_answer_parse_number(request, 0, STORE_NUMBER_MAX, &parts.edit.number) ||
        (kind == STORE_RENAME && !admin_answer_parse_page(request, "to", &parts.to))) {
        return;
    }
    if (kind == STORE_SET && admin_answer_parameter(request, "check") != NULL) {
        respond_checked(request, &parts);
        return;
    }
    if (kind == STORE_RENAME && strcmp(parts.page.bytes, parts.to.bytes) == 0) {
        response_send_error(request, 400, "same_page", "%s is the same page", parts.to.bytes);
        return;
    }
    edit = pending_query_create(request, sizeof(*edit), ADMIN_LIMIT_MS, on_edit_answered);
    if (edit == NULL) {
        return;
    }
    edit->edit = parts.edit;
    memcpy(edit->site, parts.site, sizeof(parts.site));
    edit->page = parts.page;
    edit->to = parts.to;
    begin_edit(edit, request->app);
}

void admin_handle_set(struct request *request)
{
    handle_edit(request, STORE_SET);
}

void admin_handle_add(struct request *request)
{
    handle_edit(request, STORE_ADD);
}

void admin_handle_delete(struct request *request)
{
    handle_edit(request, STORE_DELETE);
}

void admin_handle_rename(struct request *request)
{
    handle_edit(request, STORE_RENAME);
}
