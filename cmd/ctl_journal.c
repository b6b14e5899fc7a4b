/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "ctl_journal.h"

#include "base/list.h"
#include "base/map.h"
#include "base/report.h"
#include "journal/journal_inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/** What an inspection has found so far. */
struct finding {
    const char *directory;
    struct buf *out;     /* of text */
    struct buf *damages; /* lines of text */
    struct report *json; /* or NULL */
    uint64_t records;
    uint64_t visits;
    uint64_t damage_count;
    struct map told; /* which records that were set aside were told */
};

/** "2026-11-27T07Z" */
static const char *format_hour(uint64_t hour, char text[32])
{
    time_t seconds = (time_t)(hour * 3600);
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL || strftime(text, 32, "%Y-%m-%dT%HZ", &utc) == 0) {
        strcpy(text, "-");
    }
    return text;
}

static void put_record_text(struct finding *finding, const struct journal_position *position,
                            const struct journal_record *record)
{
    const struct store_batch *content = &record->parcel->content;
    char hour[32];

    if (finding->records == 0) {
        buf_printf(finding->out, "%-16s %8s  %-20s %-32s %10s  %-14s %6s %8s\n", "FILE", "OFFSET",
                   "SITE", "EPOCH", "SEQUENCE", "HOUR", "PAGES", "VISITS");
    }
    buf_printf(finding->out,
               "%-16s %8" PRIu64 "  %-20s %-32s %10" PRIu64 "  %-14s %6zu %8" PRIu64 "\n",
               position->file, position->offset, record->site, record->epoch, content->sequence,
               format_hour(content->hour, hour), content->entry_count, record->parcel->hits);
}

static void put_record_json(struct report *json, const struct journal_position *position,
                            const struct journal_record *record)
{
    const struct store_batch *content = &record->parcel->content;
    char hour[32];

    report_begin_section(json, NULL);
    report_text(json, "file", position->file);
    report_u64(json, "offset", position->offset);
    report_text(json, "site", record->site);
    report_text(json, "epoch", record->epoch);
    report_u64(json, "sequence", content->sequence);
    report_text(json, "hour", format_hour(content->hour, hour));
    report_u64(json, "pages", content->entry_count);
    report_u64(json, "visits", record->parcel->hits);
    report_end_section(json);
}

static void count_record(void *data, const struct journal_position *position,
                         const struct journal_record *record)
{
    struct finding *finding = data;

    (void)position;
    finding->records++;
    finding->visits += record->parcel->hits;
}

static void show_record(void *data, const struct journal_position *position,
                        const struct journal_record *record)
{
    struct finding *finding = data;

    if (finding->json != NULL) {
        put_record_json(finding->json, position, record);
    } else {
        put_record_text(finding, position, record);
    }
    count_record(data, position, record);
}

static void note_damage(void *data, const struct journal_position *position, const char *damage)
{
    struct finding *finding = data;

    finding->damage_count++;
    buf_printf(finding->damages, "%s/%s:%" PRIu64 ": %s\n", finding->directory, position->file,
               position->offset, damage);
}

/* --- records that were set aside --- */

struct told {
    struct map_node node;
    char key[];
};

/* notes a record; whether it was told before: a crash may have left it in two files */
static bool was_told(struct finding *finding, const struct journal_record *record)
{
    struct buf key = BUF_EMPTY;
    struct told *told;
    bool is_found;

    buf_printf(&key, "%s %s %" PRIu64, record->site, record->epoch,
               record->parcel->content.sequence);
    is_found = map_find(&finding->told, key.bytes, key.length) != NULL;
    if (!is_found) {
        told = alloc_zero(1, sizeof(*told) + key.length);
        memcpy(told->key, key.bytes, key.length);
        map_insert(&finding->told, &told->node, told->key, key.length);
    }
    buf_finish(&key);
    return is_found;
}

static void forget_told(struct finding *finding)
{
    map_for_each(node, &finding->told) {
        map_remove(&finding->told, node);
        free(container_of(node, struct told, node));
    }
    map_finish(&finding->told);
}

static void put_page(struct finding *finding, const struct journal_position *position,
                     const struct journal_record *record, const struct store_entry *entry)
{
    char hour[32];

    format_hour(record->parcel->content.hour, hour);
    if (finding->json == NULL) {
        buf_printf(finding->out, "%-16s  %-20s  %-14s %8" PRIu64 "  %s\n", position->file,
                   record->site, hour, entry->hits, entry->page);
        return;
    }
    report_begin_section(finding->json, NULL);
    report_text(finding->json, "file", position->file);
    report_text(finding->json, "site", record->site);
    report_text(finding->json, "epoch", record->epoch);
    report_u64(finding->json, "sequence", record->parcel->content.sequence);
    report_text(finding->json, "hour", hour);
    report_text(finding->json, "page", entry->page);
    report_u64(finding->json, "visits", entry->hits);
    report_end_section(finding->json);
}

static void show_aside(void *data, const struct journal_position *position,
                       const struct journal_record *record)
{
    struct finding *finding = data;
    const struct store_batch *content = &record->parcel->content;

    if (was_told(finding, record)) {
        return;
    }
    if (finding->records == 0 && finding->json == NULL) {
        buf_printf(finding->out, "%-16s  %-20s  %-14s %8s  %s\n", "FILE", "SITE", "HOUR", "VISITS",
                   "PAGE");
    }
    for (size_t i = 0; i < content->entry_count; i++) {
        put_page(finding, position, record, &content->entries[i]);
    }
    count_record(data, position, record);
}

/* --- inspecting --- */

static enum ctl_exit inspect(struct finding *finding, const struct journal_inspector *inspector,
                             struct buf *error)
{
    int result = inspector->on_record == show_aside
                     ? journal_inspect_aside(finding->directory, inspector)
                     : journal_inspect(finding->directory, inspector);

    if (result != 0) {
        buf_printf(error, "%s: %s\n", finding->directory, strerror(-result));
        return CTL_UNREACHABLE;
    }
    return finding->damage_count == 0 ? CTL_DONE : CTL_REFUSED;
}

static enum ctl_exit list_records(struct finding finding, bool wants_json,
                                  void (*show)(void *data, const struct journal_position *position,
                                               const struct journal_record *record),
                                  struct buf *error)
{
    struct report report;
    struct journal_inspector inspector = {show, note_damage, &finding};
    struct buf json = BUF_EMPTY;
    enum ctl_exit result;

    if (!wants_json) {
        result = inspect(&finding, &inspector, error);
        forget_told(&finding);
        return result;
    }
    report_init(&report, REPORT_JSON);
    report_text(&report, "directory", finding.directory);
    report_begin_list(&report, "records");
    finding.json = &report;
    result = inspect(&finding, &inspector, error);
    report_end_list(&report);
    report_lines(&report, "damages", error->length != 0 ? error->bytes : "");
    report_finish(&report, &json);
    if (result != CTL_UNREACHABLE) {
        buf_append(finding.out, json.bytes, json.length);
    }
    buf_finish(&json);
    forget_told(&finding);
    return result;
}

enum ctl_exit ctl_journal_show(const char *directory, bool wants_json, struct buf *out,
                               struct buf *error)
{
    return list_records((struct finding){.directory = directory, .out = out, .damages = error},
                        wants_json, show_record, error);
}

enum ctl_exit ctl_journal_aside(const char *directory, bool wants_json, struct buf *out,
                                struct buf *error)
{
    return list_records((struct finding){.directory = directory, .out = out, .damages = error},
                        wants_json, show_aside, error);
}

static void put_verdict(const struct finding *finding, const struct buf *damages, bool wants_json,
                        struct buf *out)
{
    const char *lines = damages->length != 0 ? damages->bytes : "";
    struct report report;

    if (!wants_json) {
        buf_printf(
            out,
            "%s%s: %" PRIu64 " records with %" PRIu64 " visits are good; damages: %" PRIu64 "\n",
            lines, finding->directory, finding->records, finding->visits, finding->damage_count);
        return;
    }
    report_init(&report, REPORT_JSON);
    report_text(&report, "directory", finding->directory);
    report_u64(&report, "records", finding->records);
    report_u64(&report, "visits", finding->visits);
    report_lines(&report, "damages", lines);
    report_finish(&report, out);
}

enum ctl_exit ctl_journal_verify(const char *directory, bool wants_json, struct buf *out,
                                 struct buf *error)
{
    struct buf damages = BUF_EMPTY;
    struct finding finding = {.directory = directory, .damages = &damages};
    struct journal_inspector inspector = {count_record, note_damage, &finding};
    enum ctl_exit result = inspect(&finding, &inspector, error);

    if (result != CTL_UNREACHABLE) {
        put_verdict(&finding, &damages, wants_json, out);
    }
    buf_finish(&damages);
    return result;
}
