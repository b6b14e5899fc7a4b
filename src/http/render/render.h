/* SPDX-License-Identifier: MIT */
/**
 * render: writes answers as text, HTML or JSON. All functions append to `out` and know nothing of
 * requests.
 */
#ifndef VISITCOUNTD_HTTP_RENDER_H
#define VISITCOUNTD_HTTP_RENDER_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum render_form { RENDER_TEXT, RENDER_HTML, RENDER_JSON };

/** Returns the Content-Type of a form. */
const char *render_content_type(enum render_form form);

/**
 * Returns the form that an Accept header asks for: the first listed of text/html, application/json
 * and text/plain, or RENDER_TEXT without any of them. Ignores parameters, also weights, because
 * browsers and programs list their preferred type first.
 */
enum render_form render_negotiate(const char *accept, size_t length);

/** The number of a page. */
struct render_count {
    const char *site;
    const char *page;
    size_t page_length;
    uint64_t count; /* with is_estimate, 0 means unknown */
    bool is_estimate;
    bool has_uniques;
    uint64_t unique_today;    /* visitors of the page */
    const char *period;       /* the time span, as the client wrote it; NULL: all time */
    const char *status;       /* "counted"; NULL for a number that was only read */
    uint64_t replicas;        /* replicas that have confirmed it */
    uint64_t replicas_wanted; /* replicas wanted; both are shown if too few have confirmed */
};

/**
 * Appends {"site":"default","page":"/","count":5,"unique_today":2,"status":"counted"}. An estimate
 * has "estimate":true after the count. An unknown count is null. If too few replicas have confirmed
 * the visit, "replicas":1,"replicas_wanted":2 follow the status.
 */
void render_count_json(struct buf *out, const struct render_count *count);

/** Appends the number on a line of its own. An estimate is "~5", an unknown number "-". */
void render_count_text(struct buf *out, const struct render_count *count);

/** Appends an HTML page with "Visitor count: N". Estimates are marked as in text. */
void render_count_html(struct buf *out, const struct render_count *count);

/** The contents of the welcome page. `count` is a number or a placeholder. */
struct render_welcome {
    const char *site;
    const char *count;
    const char *note;
    const char *version; /* of the assets; see assets_version() */
};

/** Appends the welcome page. */
void render_welcome_html(struct buf *out, const struct render_welcome *welcome);

/** Appends an error page. `code` is for example "unknown_site". */
void render_error_html(struct buf *out, const char *code, const char *message);

/** Appends {"ready":false,"state":"draining","reason":"…"}. A NULL `reason` is left out. */
void render_ready_json(struct buf *out, const char *state, const char *reason);

/** Like render_ready_json(). Adds "failing_sites":N at the end if N is not 0. */
void render_ready_sites_json(struct buf *out, const char *state, const char *reason,
                             uint64_t failing_sites);

/** Returns the Content-Security-Policy of the page /count. It allows the page's own style only. */
const char *render_content_security_policy(void);

/** That of the other pages: also script, style and numbers from where they come from. */
const char *render_page_policy(void);

/** A value of a template. */
struct render_field {
    const char *name;
    const char *value;
    bool is_markup; /* it is ours and stands as it is; otherwise it is escaped */
};

/**
 * Appends `template` with each {{name}} replaced by the value of the field, or by nothing when
 * there is no such field.
 */
void render_template(struct buf *out, const char *template, size_t length,
                     const struct render_field *fields, size_t field_count);

#endif
