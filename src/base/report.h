/* SPDX-License-Identifier: MIT */
/**
 * report: facts, written once, as aligned lines for people or as JSON for programs.
 *
 *     uptime         3d 4h               "uptime_s": 273600
 *     store
 *       state        ready               "store": {"state": "ready",
 *       round trip   0.31 ms                       "round_trip_us": 312}
 *
 * Text has the unit with the value; JSON has a plain number and the unit in the key. A key is a
 * string constant in snake_case; text shows "_" as a space. Text never contains control bytes,
 * whatever the values: it may be shown on a terminal.
 *
 * A report is filled in order and then written, once, with report_finish().
 */
#ifndef VISITCOUNTD_BASE_REPORT_H
#define VISITCOUNTD_BASE_REPORT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * LINE is text for a table of several reports: a line with the keys and one with the values, each
 * separated by tabs. Such a report has neither sections nor lists.
 */
enum report_form { REPORT_TEXT, REPORT_JSON, REPORT_LINE };

/** Sections and lists may be this deep inside each other. */
#define REPORT_DEPTH_MAX 8

struct report_row;

struct report {
    enum report_form form;
    unsigned depth;                 /* of open sections and lists */
    bool in_list[REPORT_DEPTH_MAX]; /* by depth: list, or section */
    bool has_member[REPORT_DEPTH_MAX];
    struct buf json;
    struct report_row *rows; /* of text, aligned when all are known */
    size_t row_count;
    size_t row_capacity;
    bool in_row; /* between begin and end of a section that is a row of a list */
};

/** Begins an empty report. */
void report_init(struct report *report, enum report_form form);

/** Appends the whole report to `out`, ending in a newline, and frees it. All sections are ended. */
void report_finish(struct report *report, struct buf *out);

/**
 * Begins a section: in JSON an object. Directly inside a list `key` is NULL and the section is one
 * row: in text its first value stands where keys stand, the others follow; a bool shows as its key
 * when it is true.
 */
void report_begin_section(struct report *report, const char *key);
void report_end_section(struct report *report);

/** Begins a list of sections: in JSON an array of objects. */
void report_begin_list(struct report *report, const char *key);
void report_end_list(struct report *report);

/** Text; NULL or empty for a fact that is not known: "-", in JSON null. */
void report_text(struct report *report, const char *key, const char *value);

/** Each line of `lines` that is not empty by itself: in JSON an array of strings. */
void report_lines(struct report *report, const char *key, const char *lines);

/** A count. */
void report_u64(struct report *report, const char *key, uint64_t value);

/** A ratio, with two digits behind the point; something that is no number is not known. */
void report_ratio(struct report *report, const char *key, double value);

/** How many in a second: "12.50/s", in JSON KEY_per_s. */
void report_rate(struct report *report, const char *key, double per_second);

/** "yes" or "no". */
void report_bool(struct report *report, const char *key, bool value);

/** A long time, in its two largest units: "3d 4h"; in JSON whole seconds, KEY_s. */
void report_duration(struct report *report, const char *key, uint64_t ms);

/** A short time: "312 us", "12.4 ms", "1.20 s"; in JSON KEY_us. */
void report_latency(struct report *report, const char *key, uint64_t us);

#endif
