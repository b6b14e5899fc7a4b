/* SPDX-License-Identifier: MIT */
#include "http/render/render.h"

#include "web/web.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *media_type;
    const char *content_type;
} forms[] = {
    [RENDER_TEXT] = {"text/plain", "text/plain; charset=utf-8"},
    [RENDER_HTML] = {"text/html", "text/html; charset=utf-8"},
    [RENDER_JSON] = {"application/json", "application/json"},
};

#define FORM_COUNT (sizeof(forms) / sizeof(forms[0]))

const char *render_content_type(enum render_form form)
{
    return forms[form].content_type;
}

/** Looks at one member of an Accept header, with its parameters and blanks. */
static bool find_form(const char *member, size_t length, enum render_form *ret_form)
{
    size_t start = 0;
    size_t end;

    while (start < length && (member[start] == ' ' || member[start] == '\t')) {
        start++;
    }
    end = start;
    while (end < length && member[end] != ';' && member[end] != ' ' && member[end] != '\t') {
        end++;
    }
    for (size_t i = 0; i < FORM_COUNT; i++) {
        if (strlen(forms[i].media_type) == end - start &&
            strncasecmp(forms[i].media_type, member + start, end - start) == 0) {
            *ret_form = (enum render_form)i;
            return true;
        }
    }
    return false;
}

enum render_form render_negotiate(const char *accept, size_t length)
{
    enum render_form form = RENDER_TEXT;
    size_t start = 0;

    for (size_t at = 0; length != 0 && at <= length; at++) {
        if (at == length || accept[at] == ',') {
            if (find_form(accept + start, at - start, &form)) {
                return form;
            }
            start = at + 1;
        }
    }
    return RENDER_TEXT;
}

/* whether there is a number to show */
static bool has_count(const struct render_count *count)
{
    return !count->is_estimate || count->count != 0;
}

void render_count_json(struct buf *out, const struct render_count *count)
{
    buf_puts(out, "{\"site\":");
    buf_put_json(out, count->site, strlen(count->site));
    buf_puts(out, ",\"page\":");
    buf_put_json(out, count->page, count->page_length);
    buf_puts(out, ",\"count\":");
    if (has_count(count)) {
        buf_put_u64(out, count->count);
    } else {
        buf_puts(out, "null");
    }
    if (count->is_estimate) {
        buf_puts(out, ",\"estimate\":true");
    }
    if (count->has_uniques) {
        buf_puts(out, ",\"unique_today\":");
        buf_put_u64(out, count->unique_today);
    }
    if (count->period != NULL) {
        buf_puts(out, ",\"period\":");
        buf_put_json(out, count->period, strlen(count->period));
    }
    if (count->status != NULL) {
        buf_puts(out, ",\"status\":");
        buf_put_json(out, count->status, strlen(count->status));
    }
    if (count->replicas < count->replicas_wanted) {
        buf_printf(out, ",\"replicas\":%llu,\"replicas_wanted\":%llu",
                   (unsigned long long)count->replicas, (unsigned long long)count->replicas_wanted);
    }
    buf_puts(out, "}\n");
}

/* "5", "~5" for an estimate, "-" where nothing is known */
static void put_count(struct buf *out, const struct render_count *count)
{
    if (!has_count(count)) {
        buf_putc(out, '-');
        return;
    }
    if (count->is_estimate) {
        buf_putc(out, '~');
    }
    buf_put_u64(out, count->count);
}

void render_count_text(struct buf *out, const struct render_count *count)
{
    put_count(out, count);
    buf_putc(out, '\n');
}

void render_template(struct buf *out, const char *template, size_t length,
                     const struct render_field *fields, size_t field_count)
{
    const char *end = template + length;
    const char *at = template;
    const char *open;

    while ((open = memmem(at, (size_t)(end - at), "{{", 2)) != NULL) {
        const char *name = open + 2;
        const char *close = memmem(name, (size_t)(end - name), "}}", 2);
        size_t name_length;

        if (close == NULL) {
            break;
        }
        buf_append(out, at, (size_t)(open - at));
        name_length = (size_t)(close - name);
        for (size_t i = 0; i < field_count; i++) {
            if (strlen(fields[i].name) != name_length ||
                memcmp(fields[i].name, name, name_length) != 0) {
                continue;
            }
            if (fields[i].is_markup) {
                buf_puts(out, fields[i].value);
            } else {
                buf_put_xml(out, fields[i].value, strlen(fields[i].value));
            }
        }
        at = close + 2;
    }
    buf_append(out, at, (size_t)(end - at));
}

void render_count_html(struct buf *out, const struct render_count *count)
{
    struct buf number = BUF_EMPTY;

    put_count(&number, count);
    render_template(out, web_count, web_count_length,
                    (const struct render_field[]){
                        {"style", web_style, true},
                        {"count", number.bytes, false},
                    },
                    2);
    buf_finish(&number);
}

void render_welcome_html(struct buf *out, const struct render_welcome *welcome)
{
    const struct render_field fields[] = {
        {"style", web_style, true},           {"site", welcome->site, false},
        {"count", welcome->count, false},     {"note", welcome->note, false},
        {"version", welcome->version, false},
    };

    render_template(out, web_welcome, web_welcome_length, fields,
                    sizeof(fields) / sizeof(fields[0]));
}

void render_error_html(struct buf *out, const char *code, const char *message)
{
    struct buf title = BUF_EMPTY;

    for (const char *at = code; *at != '\0'; at++) {
        buf_putc(&title, *at == '_' ? ' ' : *at);
    }
    render_template(out, web_error, web_error_length,
                    (const struct render_field[]){
                        {"style", web_style, true},
                        {"title", title.bytes, false},
                        {"message", message, false},
                    },
                    3);
    buf_finish(&title);
}

void render_ready_json(struct buf *out, const char *state, const char *reason)
{
    render_ready_sites_json(out, state, reason, 0);
}

void render_ready_sites_json(struct buf *out, const char *state, const char *reason,
                             uint64_t failing_sites)
{
    buf_printf(out, "{\"ready\":%s,\"state\":", reason == NULL ? "true" : "false");
    buf_put_json(out, state, strlen(state));
    if (reason != NULL) {
        buf_puts(out, ",\"reason\":");
        buf_put_json(out, reason, strlen(reason));
    }
    if (failing_sites != 0) {
        buf_printf(out, ",\"failing_sites\":%" PRIu64, failing_sites);
    }
    buf_puts(out, "}\n");
}

/** Makes a policy that allows the style that stands in the pages, and what `more` says. */
static const char *make_policy(char *policy, size_t size, const char *style_sources,
                               const char *more)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char text[4 * EVP_MAX_MD_SIZE / 3 + 4];
    unsigned digest_length;

    if (policy[0] == '\0') {
        if (EVP_Digest(web_style, web_style_length, digest, &digest_length, EVP_sha256(), NULL) !=
            1) {
            abort();
        }
        EVP_EncodeBlock(text, digest, (int)digest_length);
        snprintf(policy, size,
                 "default-src 'none'; style-src %s'sha256-%s'; %sbase-uri 'none'; form-action "
                 "'none'; frame-ancestors 'none'",
                 style_sources, (const char *)text, more);
    }
    return policy;
}

const char *render_content_security_policy(void)
{
    static char policy[256];

    return make_policy(policy, sizeof(policy), "", "");
}

const char *render_page_policy(void)
{
    static char policy[384];

    return make_policy(policy, sizeof(policy), "'self' ",
                       "script-src 'self'; connect-src 'self'; img-src data:; ");
}
