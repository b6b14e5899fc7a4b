/* SPDX-License-Identifier: MIT */
/**
 * render: the bodies of answers: text, HTML and JSON. All functions append to `out` and know
 * nothing of requests.
 */
#ifndef VISITCOUNTD_HTTP_RENDER_H
#define VISITCOUNTD_HTTP_RENDER_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum render_form { RENDER_TEXT, RENDER_HTML, RENDER_JSON };

/** Content-Type of each form. */
const char *render_content_type(enum render_form form);

/**
 * The form that an Accept header asks for: the first one listed of text/html, application/json and
 * text/plain; RENDER_TEXT when it names none of them. Parameters are not looked at, so neither are
 * weights: browsers and programs list first what they want.
 */
enum render_form render_negotiate(const char *accept, size_t length);

/** The number of a page. */
struct render_count {
    const char *site;
    const char *page;
    size_t page_length;
    uint64_t count; /* with is_estimate 0 for none */
    bool is_estimate;
    bool has_uniques;
    uint64_t unique_today;    /* visitors of the page */
    const char *period;       /* of what time the number is, as the client wrote it; NULL: all */
    const char *status;       /* "counted"; NULL for a number that was only read */
    uint64_t replicas;        /* that have confirmed it, */
    uint64_t replicas_wanted; /* of how many; shown where they are fewer */
};

/**
 * {"site":"default","page":"/","count":5,"unique_today":2,"status":"counted"}; an estimate has
 * "estimate":true behind the count, and null for a count of which nothing is known; one that too
 * few replicas have confirmed has "replicas":1,"replicas_wanted":2 behind the status.
 */
void render_count_json(struct buf *out, const struct render_count *count);

/** The number alone on its line, for shells; "~5" for an estimate, "-" for none. */
void render_count_text(struct buf *out, const struct render_count *count);

/** The page with "Visitor count: N"; likewise. */
void render_count_html(struct buf *out, const struct render_count *count);

/** What stands on the welcome page. `count` is a number, or what stands there without one. */
struct render_welcome {
    const char *site;
    const char *count;
    const char *note;
    const char *version; /* of the assets; see assets_version() */
};

/** The welcome page. */
void render_welcome_html(struct buf *out, const struct render_welcome *welcome);

/** A page that says what is wrong; `code` as "unknown_site". */
void render_error_html(struct buf *out, const char *code, const char *message);

/** {"ready":false,"state":"draining","reason":"…"}; without reason where it is NULL. */
void render_ready_json(struct buf *out, const char *state, const char *reason);

/** The same with "failing_sites":N at the end, unless there are none. */
void render_ready_sites_json(struct buf *out, const char *state, const char *reason,
                             uint64_t failing_sites);

/** The Content-Security-Policy of the page of /count: nothing but its own style. */
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
