/* SPDX-License-Identifier: MIT */
/**
 * report: writes named facts as aligned lines of text or as JSON.
 *
 *     uptime         3d 4h               "uptime_s": 273600
 *     store
 *       state        ready               "store": {"state": "ready",
 *       round trip   0.31 ms                       "round_trip_us": 312}
 *
 * Text has the unit beside the value. JSON has a plain number, and the unit in the key. A key is a
 * string constant in snake_case; text shows "_" as a space. Text never contains control bytes,
 * because it may be shown on a terminal.
 *
 * The caller adds the facts in order, and then writes the report once with report_finish().
 */
#ifndef VISITCOUNTD_BASE_REPORT_H
#define VISITCOUNTD_BASE_REPORT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * REPORT_LINE is for a table of several reports. It has one line of keys and one line of values,
 * separated by tabs. It has no sections and no lists.
 */
enum report_form { REPORT_TEXT, REPORT_JSON, REPORT_LINE };

/** How deep sections and lists may be nested. */
#define REPORT_DEPTH_MAX 8

struct report_row;

struct report {
    enum report_form form;
    unsigned depth;                 /* number of open sections and lists */
    bool in_list[REPORT_DEPTH_MAX]; /* by depth: a list, else a section */
    bool has_member[REPORT_DEPTH_MAX];
    struct buf json;
    struct report_row *rows; /* text; report_finish() aligns the rows */
    size_t row_count;
    size_t row_capacity;
    bool in_row; /* a section that is a row of a list is open */
};

/** Initialises an empty report. */
void report_init(struct report *report, enum report_form form);

/** Appends the report and a newline to `out`, and frees it. All sections must have ended. */
void report_finish(struct report *report, struct buf *out);

/**
 * Begins a section, which is an object in JSON. Directly inside a list, `key` is NULL and the
 * section is a row. The text of a row has the first value in the column of the keys, and the others
 * after it. A bool in a row shows its key if it is true.
 */
void report_begin_section(struct report *report, const char *key);
void report_end_section(struct report *report);

/** Begins a list of sections, which is an array of objects in JSON. */
void report_begin_list(struct report *report, const char *key);
void report_end_list(struct report *report);

/** Adds a text. NULL or empty means unknown: "-" in text, null in JSON. */
void report_text(struct report *report, const char *key, const char *value);

/** Adds each non-empty line of `lines` as a value of its own; in JSON an array of strings. */
void report_lines(struct report *report, const char *key, const char *lines);

/** Adds a count. */
void report_u64(struct report *report, const char *key, uint64_t value);

/** Adds a ratio with two decimals. A `value` that is not a finite number means unknown. */
void report_ratio(struct report *report, const char *key, double value);

/** Adds a rate per second: "12.50/s"; in JSON KEY_per_s. */
void report_rate(struct report *report, const char *key, double per_second);

/** Adds "yes" or "no"; in JSON true or false. */
void report_bool(struct report *report, const char *key, bool value);

/** Adds a long time in its two largest units: "3d 4h"; in JSON whole seconds as KEY_s. */
void report_duration(struct report *report, const char *key, uint64_t ms);

/** Adds a short time: "312 us", "12.4 ms", "1.20 s"; in JSON KEY_us. */
void report_latency(struct report *report, const char *key, uint64_t us);

#endif
