/* SPDX-License-Identifier: MIT */
#include "base/report.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** One line of text. The heading of a section has no value. */
struct report_row {
    struct buf key;
    struct buf value;
    unsigned depth;
};

/** Longest text of a number with its unit, including the NUL. */
#define NUMBER_MAX 64

void report_init(struct report *report, enum report_form form)
{
    memset(report, 0, sizeof(*report));
    report->form = form;
    if (form == REPORT_JSON) {
        buf_putc(&report->json, '{');
    }
}

/* Text */

static struct report_row *add_row(struct report *report)
{
    struct report_row *row;

    if (report->row_count == report->row_capacity) {
        report->row_capacity = report->row_capacity != 0 ? report->row_capacity * 2 : 32;
        report->rows = alloc_grow(report->rows, report->row_capacity * sizeof(*report->rows));
    }
    row = &report->rows[report->row_count++];
    memset(row, 0, sizeof(*row));
    row->depth = report->depth;
    return row;
}

static void put_key(struct buf *out, const char *key)
{
    for (; *key != '\0'; key++) {
        buf_putc(out, *key == '_' ? ' ' : *key);
    }
}

static void add_text(struct report *report, const char *key, const char *value, size_t length)
{
    struct report_row *row;

    if (!report->in_row) {
        row = add_row(report);
        put_key(&row->key, key);
        buf_put_printable(&row->value, value, length);
        return;
    }
    row = &report->rows[report->row_count - 1];
    if (row->key.length == 0) {
        buf_put_printable(&row->key, value, length);
    } else {
        if (row->value.length != 0) {
            buf_puts(&row->value, "  ");
        }
        buf_put_printable(&row->value, value, length);
    }
}

static size_t row_key_width(const struct report_row *row)
{
    return 2 * (size_t)row->depth + utf8_width(row->key.bytes, row->key.length);
}

static void write_row(const struct report_row *row, size_t column, struct buf *out)
{
    if (row->depth == 0 && row->value.length == 0 && out->length != 0) {
        buf_putc(out, '\n'); /* before the heading of a section */
    }
    for (unsigned i = 0; i < row->depth; i++) {
        buf_puts(out, "  ");
    }
    if (row->key.length != 0) {
        buf_append(out, row->key.bytes, row->key.length);
    }
    if (row->value.length != 0) {
        for (size_t i = row_key_width(row); i < column; i++) {
            buf_putc(out, ' ');
        }
        buf_append(out, row->value.bytes, row->value.length);
    }
    buf_putc(out, '\n');
}

static void free_rows(struct report *report)
{
    for (size_t i = 0; i < report->row_count; i++) {
        buf_finish(&report->rows[i].key);
        buf_finish(&report->rows[i].value);
    }
    free(report->rows);
}

static void write_text(struct report *report, struct buf *out)
{
    size_t column = 0;

    for (size_t i = 0; i < report->row_count; i++) {
        const struct report_row *row = &report->rows[i];

        if (row->value.length != 0 && row_key_width(row) + 2 > column) {
            column = row_key_width(row) + 2;
        }
    }
    for (size_t i = 0; i < report->row_count; i++) {
        write_row(&report->rows[i], column, out);
    }
    free_rows(report);
}

static void put_cell(struct buf *out, const struct buf *text, bool is_last)
{
    buf_append(out, text->bytes, text->length);
    buf_putc(out, is_last ? '\n' : '\t');
}

static void write_line(struct report *report, struct buf *out)
{
    for (size_t i = 0; i < report->row_count; i++) {
        put_cell(out, &report->rows[i].key, i + 1 == report->row_count);
    }
    for (size_t i = 0; i < report->row_count; i++) {
        put_cell(out, &report->rows[i].value, i + 1 == report->row_count);
    }
    free_rows(report);
}

/* JSON */

/** Begins a member of the open object, or of the open array when `key` is NULL. */
static void put_json_key(struct report *report, const char *key, const char *suffix)
{
    if (report->has_member[report->depth]) {
        buf_putc(&report->json, ',');
    }
    report->has_member[report->depth] = true;
    if (key != NULL) {
        buf_printf(&report->json, "\"%s%s\":", key, suffix);
    }
}

static void put_json_string(struct report *report, const char *text, size_t length)
{
    if (length != 0) {
        buf_put_json(&report->json, text, length);
    } else {
        buf_puts(&report->json, "null");
    }
}

void report_finish(struct report *report, struct buf *out)
{
    assert(report->depth == 0);
    if (report->form == REPORT_JSON) {
        buf_append(out, report->json.bytes, report->json.length);
        buf_puts(out, "}\n");
        buf_finish(&report->json);
    } else if (report->form == REPORT_LINE) {
        write_line(report, out);
    } else {
        write_text(report, out);
    }
    memset(report, 0, sizeof(*report));
}

/* Sections and lists */

static void begin(struct report *report, const char *key, bool is_list)
{
    assert(report->depth + 1 < REPORT_DEPTH_MAX && !report->in_row);
    assert(report->form != REPORT_LINE);
    assert((key == NULL) == report->in_list[report->depth]);
    if (report->form == REPORT_JSON) {
        put_json_key(report, key, "");
        buf_putc(&report->json, is_list ? '[' : '{');
    } else {
        struct report_row *row = add_row(report);

        if (key != NULL) {
            put_key(&row->key, key);
        }
    }
    report->in_row = report->in_list[report->depth];
    report->depth++;
    report->in_list[report->depth] = is_list;
    report->has_member[report->depth] = false;
}

static void end(struct report *report, bool is_list)
{
    assert(report->depth > 0 && report->in_list[report->depth] == is_list);
    if (report->form == REPORT_JSON) {
        buf_putc(&report->json, is_list ? ']' : '}');
    }
    report->in_row = false;
    report->depth--;
}

void report_begin_section(struct report *report, const char *key)
{
    begin(report, key, false);
}

void report_end_section(struct report *report)
{
    end(report, false);
}

void report_begin_list(struct report *report, const char *key)
{
    begin(report, key, true);
}

void report_end_list(struct report *report)
{
    end(report, true);
}

/* Facts */

/** Adds a fact: JSON shows `number` under the key with `suffix`, text shows `text`. */
static void add_number(struct report *report, const char *key, const char *suffix,
                       const char *number, const char *text)
{
    if (report->form == REPORT_JSON) {
        put_json_key(report, key, suffix);
        buf_puts(&report->json, number);
    } else {
        add_text(report, key, text, strlen(text));
    }
}

void report_text(struct report *report, const char *key, const char *value)
{
    size_t length = value != NULL ? strlen(value) : 0;

    if (report->form == REPORT_JSON) {
        put_json_key(report, key, "");
        put_json_string(report, value, length);
    } else if (length != 0) {
        add_text(report, key, value, length);
    } else {
        add_text(report, key, "-", 1);
    }
}

void report_lines(struct report *report, const char *key, const char *lines)
{
    bool is_json = report->form == REPORT_JSON;
    const char *separator = "";

    if (is_json) {
        put_json_key(report, key, "");
        buf_putc(&report->json, '[');
    }
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");

        if (is_json && length != 0) {
            buf_puts(&report->json, separator);
            buf_put_json(&report->json, lines, length);
            separator = ",";
        } else if (length != 0) {
            add_text(report, key, lines, length);
            key = "";
        }
        lines += length + (lines[length] == '\n');
    }
    if (is_json) {
        buf_putc(&report->json, ']');
    }
}

void report_u64(struct report *report, const char *key, uint64_t value)
{
    char number[NUMBER_MAX];

    snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
    add_number(report, key, "", number, number);
}

void report_ratio(struct report *report, const char *key, double value)
{
    char number[NUMBER_MAX];

    if (!isfinite(value)) {
        report_text(report, key, NULL);
        return;
    }
    snprintf(number, sizeof(number), "%.2f", value);
    add_number(report, key, "", number, number);
}

void report_rate(struct report *report, const char *key, double per_second)
{
    char number[NUMBER_MAX];
    char text[NUMBER_MAX + 2];

    snprintf(number, sizeof(number), "%.2f", per_second);
    snprintf(text, sizeof(text), "%s/s", number);
    add_number(report, key, "_per_s", number, text);
}

void report_bool(struct report *report, const char *key, bool value)
{
    if (report->form == REPORT_TEXT && report->in_row) {
        if (value) {
            add_text(report, key, key, strlen(key));
        }
        return;
    }
    add_number(report, key, "", value ? "true" : "false", value ? "yes" : "no");
}

void report_duration(struct report *report, const char *key, uint64_t ms)
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };
    uint64_t seconds = ms / 1000;
    char number[NUMBER_MAX];
    char text[NUMBER_MAX];
    size_t first = 0;
    int length;

    while (first + 1 < UNIT_COUNT && seconds < units[first].seconds) {
        first++;
    }
    length = snprintf(text, sizeof(text), "%llu%s",
                      (unsigned long long)(seconds / units[first].seconds), units[first].name);
    if (first + 1 < UNIT_COUNT) {
        uint64_t rest = seconds % units[first].seconds / units[first + 1].seconds;

        snprintf(text + length, sizeof(text) - (size_t)length, " %llu%s", (unsigned long long)rest,
                 units[first + 1].name);
    }
    snprintf(number, sizeof(number), "%llu", (unsigned long long)seconds);
    add_number(report, key, "_s", number, text);
}

void report_latency(struct report *report, const char *key, uint64_t us)
{
    char number[NUMBER_MAX];
    char text[NUMBER_MAX];
    double value = (double)us;

    if (us < 1000) {
        snprintf(text, sizeof(text), "%llu us", (unsigned long long)us);
    } else if (us < 1000000) {
        snprintf(text, sizeof(text), us < 10000 ? "%.2f ms" : "%.1f ms", value / 1000);
    } else {
        snprintf(text, sizeof(text), "%.2f s", value / 1000000);
    }
    snprintf(number, sizeof(number), "%llu", (unsigned long long)us);
    add_number(report, key, "_us", number, text);
}
