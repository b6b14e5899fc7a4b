/* SPDX-License-Identifier: MIT */
#include "journal/journal_job.h"

#include "base/require.h"
#include "journal/journal_inside.h"
#include "base/alloc.h"
#include "base/log.h"
#include "journal/journal_aside.h"
#include "journal/journal_segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* the current segment is kept without open records while it is shorter than this */
#define KEPT_BYTES ((uint64_t)64 * 1024)

/* --- segments --- */

struct journal_segment *journal_add_segment(struct journal *journal, uint64_t number)
{
    struct journal_segment *segment = alloc_zero(1, sizeof(*segment));

    require(number != 0);
    journal_file_init(&segment->file, journal->fd, number);
    list_append(&journal->segments, &segment->link);
    return segment;
}

void journal_forget_full(struct journal *journal)
{
    if (journal->is_full && !journal->is_failing) {
        *journal->status.error = '\0';
    }
    journal->is_full = false;
}

void journal_count_segment(struct journal *journal, struct journal_segment *segment, uint64_t bytes)
{
    require(journal->status.size_bytes >= segment->counted_bytes);
    journal->status.size_bytes += bytes - segment->counted_bytes;
    journal->status.segments += (uint64_t)(bytes != 0) - (uint64_t)(segment->counted_bytes != 0);
    if (bytes < segment->counted_bytes) {
        journal_forget_full(journal);
    }
    segment->counted_bytes = bytes;
}

void journal_discard(struct journal *journal, struct journal_segment *segment)
{
    require(segment->open_records == 0);
    if (segment == journal->current) {
        journal->current = NULL;
    }
    list_remove(&segment->link);
    list_append(&journal->removable, &segment->link);
    loop_task_schedule(journal->loop, &journal->end_of_turn);
}

/*
 * A short current segment is kept, because creating a new one costs two fsyncs. A torn one is kept,
 * because no newer segment may follow a torn one.
 */
static bool is_kept(const struct journal *journal, const struct journal_segment *segment)
{
    uint64_t share = journal->status.max_size_bytes / 4;

    return segment == journal->current &&
           (segment->file.is_torn ||
            segment->counted_bytes < (share < KEPT_BYTES ? share : KEPT_BYTES));
}

void journal_release_segment(struct journal *journal, struct journal_segment *segment)
{
    require(segment->open_records != 0);
    segment->open_records--;
    if (segment->open_records == 0 && !is_kept(journal, segment)) {
        journal_discard(journal, segment);
    }
}

/* --- on the disk thread --- */

static void warn_of_stuck(const struct journal *journal, const struct journal_segment *segment,
                          int error)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    struct buf reason = BUF_EMPTY;

    journal_segment_put_reason(&reason, error);
    log_warning("journal %s/%s: remove: %s; trying again after the next write", journal->directory,
                journal_segment_name(segment->file.number, name), reason.bytes);
    buf_finish(&reason);
}

static void remove_segments(struct journal *journal)
{
    list_for_each(link, &journal->removing) {
        struct journal_segment *segment = journal_segment_of(link);
        int error = journal_file_remove(&segment->file);

        segment->file.is_leftover = error != 0;
        if (error == 0) {
            segment->file.size_bytes = 0;
        } else if (!segment->is_stuck) {
            segment->is_stuck = true;
            warn_of_stuck(journal, segment, error);
        }
    }
}

void journal_job_work(struct journal *journal)
{
    if (journal->rotated != NULL) {
        journal_file_close(&journal->rotated->file);
    }
    remove_segments(journal);
    journal_aside_work(journal);
    journal->error = 0;
    if (!list_is_empty(&journal->writing)) {
        journal->error =
            journal_file_append(&journal->current->file, &journal->bytes, &journal->what);
    }
}

/* --- afterwards, in the loop --- */

void journal_set_error(struct journal *journal, const struct buf *text)
{
    snprintf(journal->status.error, sizeof(journal->status.error), "journal %s", text->bytes);
}

static void note_error(struct journal *journal)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    struct buf text = BUF_EMPTY;

    require(journal->error != 0);
    journal_segment_name(journal->current->file.number, name);
    buf_printf(&text, "%s/%s: %s: ", journal->directory, name, journal->what);
    journal_segment_put_reason(&text, journal->error);
    journal_set_error(journal, &text);
    buf_finish(&text);
    if (!journal->is_failing) {
        log_error("%s; visits that need the journal are refused", journal->status.error);
    }
    journal->is_failing = true;
}

static void note_success(struct journal *journal)
{
    if (journal->is_failing) {
        log_info("journal %s: written again", journal->directory);
    }
    journal->is_failing = false;
    *journal->status.error = '\0';
    journal->status.syncs++;
}

static void note_entries(struct journal *journal, const struct list *entries)
{
    list_for_each(link, entries) {
        journal->status.records++;
        journal->status.written++;
        journal->status.visits += journal_entry_of(link)->visits;
    }
}

void journal_tell(struct list *entries, int error)
{
    struct list *link;

    while ((link = list_pop_first(entries)) != NULL) {
        journal_entry_of(link)->on_written(journal_entry_of(link), error);
    }
}

static void finish_removing(struct journal *journal)
{
    struct list *link;
    struct list stuck;

    list_init(&stuck);
    while ((link = list_pop_first(&journal->removing)) != NULL) {
        journal_count_segment(journal, journal_segment_of(link),
                              journal_segment_of(link)->file.size_bytes);
        if (journal_segment_of(link)->file.is_leftover) {
            list_append(&stuck, link);
        } else {
            free(journal_segment_of(link));
        }
    }
    list_move_all(&journal->removable, &stuck);
}

static void finish_writing(struct journal *journal)
{
    struct journal_segment *segment = journal->current;
    struct list entries;

    if (list_is_empty(&journal->writing)) {
        return;
    }
    list_init(&entries);
    list_move_all(&entries, &journal->writing);
    require(segment != NULL);
    require(journal->pending_bytes >= journal->bytes.length);
    journal->pending_bytes -= journal->bytes.length;
    buf_finish(&journal->bytes);
    journal_count_segment(journal, segment, segment->file.size_bytes);
    if (journal->error == 0) {
        note_success(journal);
        note_entries(journal, &entries);
    } else {
        note_error(journal);
        list_for_each(link, &entries) {
            journal_release_segment(journal, segment);
        }
    }
    /* a record that could not be cut off may be found after a crash */
    journal_tell(&entries, segment->file.is_uncut ? -ENOTRECOVERABLE : journal->error);
}

void journal_job_finish(struct journal *journal)
{
    journal->is_busy = false;
    journal->rotated = NULL;
    finish_removing(journal);
    journal_aside_end(journal);
    finish_writing(journal);
}

/* --- beforehand, in the loop --- */

static void rotate(struct journal *journal)
{
    struct journal_segment *segment = journal->current;

    require(journal->rotated == NULL);
    journal->current = NULL;
    if (segment->open_records == 0) {
        journal_discard(journal, segment);
    } else {
        journal->rotated = segment;
    }
}

/* returns the segment for an entry; keeps a torn one at any length, since it is repaired first */
static struct journal_segment *find_or_create_segment(struct journal *journal,
                                                      const struct journal_entry *entry)
{
    struct journal_segment *current = journal->current;

    if (current != NULL && !current->file.is_torn &&
        current->file.size_bytes > JOURNAL_SEGMENT_HEADER_BYTES &&
        current->file.size_bytes + entry->bytes.length > JOURNAL_SEGMENT_MAX_BYTES) {
        rotate(journal);
    }
    if (journal->current == NULL) {
        journal->current = journal_add_segment(journal, journal->next_number++);
    }
    return journal->current;
}

/* moves waiting entries to `writing`, as many as the segment takes */
static void prepare_writing(struct journal *journal)
{
    struct journal_segment *segment;

    if (list_is_empty(&journal->waiting)) {
        return;
    }
    segment = find_or_create_segment(journal, journal_entry_of(journal->waiting.next));
    while (!list_is_empty(&journal->waiting)) {
        struct journal_entry *entry = journal_entry_of(journal->waiting.next);

        if (journal->bytes.length != 0 &&
            segment->file.size_bytes + journal->bytes.length + entry->bytes.length >
                JOURNAL_SEGMENT_MAX_BYTES) {
            break;
        }
        list_remove(&entry->link);
        list_append(&journal->writing, &entry->link);
        buf_append(&journal->bytes, entry->bytes.bytes, entry->bytes.length);
        buf_finish(&entry->bytes);
        entry->segment = segment;
        segment->open_records++;
    }
}

bool journal_job_prepare(struct journal *journal)
{
    bool sets_aside = journal_aside_prepare(journal);

    require(!journal->is_busy);
    require(list_is_empty(&journal->writing));
    require(list_is_empty(&journal->removing));
    prepare_writing(journal);
    list_move_all(&journal->removing, &journal->removable);
    return sets_aside || !list_is_empty(&journal->writing) || !list_is_empty(&journal->removing);
}
