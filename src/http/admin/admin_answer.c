/* SPDX-License-Identifier: MIT */
#include "http/admin/admin_answer.h"

#include "base/units.h"
#include "base/utf8.h"
#include "http/admin/app_view.h"
#include "http/render/render.h"
#include "http/request/response.h"
#include "http/visit/sites.h"

#include <string.h>

const char *admin_answer_parameter(const struct request *request, const char *name)
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

enum report_form admin_answer_form(const struct request *request)
{
    const char *format = admin_answer_parameter(request, "format");
    h2o_iovec_t accept = request_header(request, H2O_TOKEN_ACCEPT);
    bool is_json = format != NULL ? strcmp(format, "json") == 0
                                  : render_negotiate(accept.base, accept.len) == RENDER_JSON;

    return is_json ? REPORT_JSON : REPORT_TEXT;
}

void admin_answer_respond_form(struct request *request, int status, struct buf *body)
{
    enum render_form form = admin_answer_form(request) == REPORT_JSON ? RENDER_JSON : RENDER_TEXT;

    response_send_buf(request, status, render_content_type(form), body);
    buf_finish(body);
}

void admin_answer_respond_report(struct request *request, int status, struct report *report)
{
    struct buf body = BUF_EMPTY;

    report_finish(report, &body);
    admin_answer_respond_form(request, status, &body);
}

bool admin_answer_is_forced(const struct request *request)
{
    const char *force = admin_answer_parameter(request, "force");

    return force != NULL && strcmp(force, "1") == 0;
}

/** Takes a site that is neither listed nor admitted yet. Returns false after answering. */
static bool parse_unlisted(struct request *request, const char *site, char *ret_site)
{
    if (!page_key_is_site(site, strlen(site))) {
        response_send_error(request, 400, "bad_site",
                            "the name of a site has 1 to %d of the characters a-z 0-9 . _ -",
                            STORE_SITE_MAX);
        return false;
    }
    if (sites_open_rules(request->app->sites) == NULL && !admin_answer_is_forced(request)) {
        response_send_error(
            request, 404, "unknown_site",
            "site %s is not counted here (option sites); --force takes it all the same", site);
        return false;
    }
    strcpy(ret_site, site);
    return true;
}

bool admin_answer_parse_site(struct request *request, char ret_site[STORE_SITE_MAX + 1])
{
    const struct sites *sites = request->app->sites;
    const char *site = admin_answer_parameter(request, "site");
    const struct site_rules *rules =
        site == NULL ? sites_default_rules(sites) : sites_find(sites, site, strlen(site));

    if (rules == NULL) {
        return parse_unlisted(request, site, ret_site);
    }
    memcpy(ret_site, rules->name, rules->name_length + 1);
    return true;
}

bool admin_answer_parse_page(struct request *request, const char *name, struct page_key *ret_page)
{
    const char *page = admin_answer_parameter(request, name);
    enum page_key_status status;

    page = page != NULL ? page : "/";
    status = page_key_from_path(page, strlen(page), ret_page);
    if (status != PAGE_KEY_OK) {
        response_send_error(request, 400, "bad_page", "%s", page_key_status_text(status));
    }
    return status == PAGE_KEY_OK;
}

bool admin_answer_parse_number(struct request *request, uint64_t smallest, uint64_t largest,
                               uint64_t *number)
{
    const char *text = admin_answer_parameter(request, "number");

    if (text == NULL) {
        return true;
    }
    if (units_parse_u64(text, number) != 0 || *number < smallest || *number > largest) {
        response_send_error(request, 400, "bad_number",
                            "expected a number from %llu to %llu, not \"%s\"",
                            (unsigned long long)smallest, (unsigned long long)largest, text);
        return false;
    }
    return true;
}

void admin_answer_put_page(struct buf *out, const char *page)
{
    size_t left = strlen(page);
    size_t sequence;

    for (const char *at = page; left != 0; at += sequence, left -= sequence) {
        bool is_escaped;

        sequence = utf8_sequence_length(at, left);
        is_escaped = utf8_misleading(at, sequence) != 0 || strchr("%?#", *at) != NULL;
        sequence += sequence == 0;
        for (size_t i = 0; i < sequence; i++) {
            if (is_escaped) {
                buf_printf(out, "%%%02X", (unsigned char)at[i]);
            } else {
                buf_putc(out, at[i]);
            }
        }
    }
}

void admin_answer_respond_unavailable(struct request *request)
{
    struct app_view view;
    struct store_health health;

    app_view(request->app, &view);
    store_health(view.store, &health);
    response_send_error(request, 503, "store_unavailable", "%s %s did not answer (%s%s%s)",
                        health.backend, health.address, health.state,
                        health.last_error[0] != '\0' ? "; " : "", health.last_error);
}
