/* SPDX-License-Identifier: MIT */
#include "journal/journal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/require.h"
#include "base/units.h"
#include "journal/journal_aside.h"
#include "journal/journal_inside.h"
#include "journal/journal_job.h"
#include "journal/journal_recover.h"
#include "journal/journal_segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* size of a record that journal_has_room() assumes */
#define ORDINARY_RECORD_BYTES 4096

/* --- the job --- */

static void work_on_thread(struct disk_job *job)
{
    struct journal *journal = container_of(job, struct journal, job);

    journal_job_work(journal);
    sem_post(&journal->worked);
}

static void on_worked(struct disk_job *job)
{
    struct journal *journal = container_of(job, struct journal, job);

    if (journal->is_closed) {
        free(journal);
        return;
    }
    sem_trywait(&journal->worked); /* journal_close() did not wait for it */
    journal_job_finish(journal);
    if (!list_is_empty(&journal->waiting) ||
        (journal_aside_is_busy(journal) && !journal->asides.is_failing)) {
        loop_task_schedule(journal->loop, &journal->end_of_turn);
    }
}

static void on_end_of_turn(struct loop_task *task)
{
    struct journal *journal = container_of(task, struct journal, end_of_turn);
    struct list refused;

    list_init(&refused);
    list_move_all(&refused, &journal->refused);
    journal_tell(&refused, -ENOSPC);
    if (!journal->is_busy && journal_job_prepare(journal)) {
        journal->is_busy = true;
        disk_submit(journal->disk, &journal->job);
    }
}

/* --- interface --- */

static bool has_room_for(const struct journal *journal, uint64_t bytes)
{
    return journal->status.size_bytes + journal->pending_bytes + JOURNAL_SEGMENT_HEADER_BYTES +
               bytes <=
           journal->status.max_size_bytes;
}

bool journal_has_room(const struct journal *journal)
{
    return has_room_for(journal, ORDINARY_RECORD_BYTES);
}

const struct journal_status *journal_status(const struct journal *journal)
{
    return &journal->status;
}

const char *journal_directory(const struct journal *journal)
{
    return journal->directory;
}

bool journal_is_empty(const struct journal *journal)
{
    return !journal->is_busy && list_is_empty(&journal->segments) &&
           list_is_empty(&journal->removable) && list_is_empty(&journal->waiting) &&
           !journal_aside_is_busy(journal);
}

void journal_configure(struct journal *journal, uint64_t max_size_bytes)
{
    journal->status.max_size_bytes = max_size_bytes;
    journal_forget_full(journal);
}

/* queues the entry: on_written is called at the end of the turn */
static void refuse(struct journal *journal, struct journal_entry *entry, const char *reason)
{
    struct buf text = BUF_EMPTY;
    char limit[UNITS_TEXT_MAX];

    buf_printf(&text, "%s: %s (journal.max_size is %s)", journal->directory, reason,
               format_size(journal->status.max_size_bytes, limit));
    journal_set_error(journal, &text);
    buf_finish(&text);
    if (!journal->is_full) {
        log_error("%s; visits that need the journal are refused", journal->status.error);
    }
    journal->is_full = true;
    buf_finish(&entry->bytes);
    list_append(&journal->refused, &entry->link);
}

void journal_append(struct journal *journal, const struct journal_record *record,
                    struct journal_entry *entry)
{
    require(entry->on_written != NULL);
    require(record->sealed_batch != NULL && !journal->is_closed);
    require(record->sealed_batch != NULL);
    list_init(&entry->link);
    buf_init(&entry->bytes);
    entry->journal = journal;
    entry->segment = NULL;
    entry->visits = record->sealed_batch->hits;
    journal_segment_put_record(&entry->bytes, record);
    if (entry->bytes.length > JOURNAL_RECORD_HEADER_BYTES + JOURNAL_PAYLOAD_MAX_BYTES) {
        refuse(journal, entry, "a record is too long");
    } else if (!has_room_for(journal, entry->bytes.length)) {
        refuse(journal, entry, "it is full");
    } else {
        journal->pending_bytes += entry->bytes.length;
        list_append(&journal->waiting, &entry->link);
    }
    loop_task_schedule(journal->loop, &journal->end_of_turn);
}

void journal_done(struct journal_entry *entry)
{
    struct journal *journal = entry->journal;

    require(entry->segment != NULL);
    require(journal->status.records != 0);
    require(journal->status.visits >= entry->visits);
    journal->status.records--;
    journal->status.visits -= entry->visits;
    journal_release_segment(journal, entry->segment);
    entry->segment = NULL;
}

/* writes all that waits in this thread: the disk thread has nothing of this journal any more */
static void write_rest(struct journal *journal)
{
    while (!list_is_empty(&journal->waiting) || !list_is_empty(&journal->refused) ||
           (journal_aside_is_busy(journal) && !journal->asides.is_failing)) {
        struct list refused;

        list_init(&refused);
        list_move_all(&refused, &journal->refused);
        journal_tell(&refused, -ENOSPC);
        if (journal_job_prepare(journal)) {
            journal_job_work(journal);
            journal_job_finish(journal);
        }
    }
    if (journal->current != NULL && journal->current->open_records == 0) {
        journal_discard(journal, journal->current);
    }
    if (journal_job_prepare(journal)) {
        journal_job_work(journal);
        journal_job_finish(journal);
    }
}

static void free_segments(struct list *segments)
{
    struct list *link;

    while ((link = list_take_first(segments)) != NULL) {
        journal_file_close(&segment_of(link)->file);
        free(segment_of(link));
    }
}

static void finish(struct journal *journal)
{
    free_segments(&journal->segments);
    free_segments(&journal->removable);
    journal_aside_finish(journal);
    buf_finish(&journal->bytes);
    free(journal->directory);
    close(journal->fd);
    sem_destroy(&journal->worked);
}

void journal_close(struct journal *journal)
{
    bool is_awaited;

    if (journal == NULL) {
        return;
    }
    is_awaited = journal->is_busy;
    while (journal->is_busy) {
        if (sem_wait(&journal->worked) == 0) {
            journal_job_finish(journal);
        }
    }
    write_rest(journal);
    loop_task_cancel(&journal->end_of_turn);
    finish(journal);
    journal->is_closed = true;
    if (!is_awaited) {
        free(journal);
    }
}

/* --- opening --- */

/* creates the journal of a directory that is open and locked */
static struct journal *create(struct loop *loop, struct disk *disk,
                              const struct journal_options *options, int fd)
{
    struct journal *journal = alloc_zero(1, sizeof(*journal));

    journal->loop = loop;
    journal->disk = disk;
    journal->directory = alloc_text(options->directory);
    journal->fd = fd;
    journal->status.max_size_bytes = options->max_size_bytes;
    journal->next_number = 1;
    list_init(&journal->segments);
    list_init(&journal->removable);
    list_init(&journal->waiting);
    list_init(&journal->refused);
    list_init(&journal->writing);
    list_init(&journal->removing);
    loop_task_init(&journal->end_of_turn, on_end_of_turn);
    journal->job.work = work_on_thread;
    journal->job.done = on_worked;
    sem_init(&journal->worked, 0, 0);
    return journal;
}

/* a record that was read and not passed on yet */
struct restored {
    struct journal_record record;
    struct journal_segment *segment;
};

/* reads a segment that journal_recover() has checked */
static int read_segment(struct journal *journal, uint64_t number, struct buf *restored)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    struct restored one = {.segment = journal_add_segment(journal, number)};
    struct journal_reader reader;
    enum journal_found found = JOURNAL_FOUND_END;
    int error = journal_reader_open(&reader, journal->fd, journal_segment_name(number, name));

    while (error == 0 &&
           (found = journal_reader_next(&reader, &one.record)) == JOURNAL_FOUND_RECORD) {
        buf_append(restored, &one, sizeof(one));
    }
    one.segment->file.size_bytes = reader.bytes.length;
    journal_count_segment(journal, one.segment, reader.bytes.length);
    journal_reader_close(&reader);
    journal->next_number = number + 1;
    return found == JOURNAL_FOUND_END ? error : -EIO; /* changed since the check */
}

static void pass_on(struct journal *journal, struct restored *one,
                    struct journal_entry *(*on_record)(void *data, struct journal_record *record),
                    void *data)
{
    uint64_t visits = one->record.sealed_batch->hits;
    struct journal_entry *entry = on_record(data, &one->record);

    list_init(&entry->link);
    buf_init(&entry->bytes);
    entry->journal = journal;
    entry->segment = one->segment;
    entry->visits = visits;
    one->segment->open_records++;
    journal->status.records++;
    journal->status.visits += visits;
}

/* reads all segments; then passes on all records, or none after an error */
static int restore(struct journal *journal, const uint64_t *numbers, size_t count,
                   struct journal_entry *(*on_record)(void *data, struct journal_record *record),
                   void *data)
{
    struct buf bytes = BUF_EMPTY;
    struct restored *restored;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        error = read_segment(journal, numbers[i], &bytes);
    }
    restored = (struct restored *)(void *)bytes.bytes;
    for (size_t i = 0; i < bytes.length / sizeof(*restored); i++) {
        if (error == 0) {
            pass_on(journal, &restored[i], on_record, data);
        } else {
            sealed_batch_destroy(restored[i].record.sealed_batch);
        }
    }
    buf_finish(&bytes);
    return error;
}

struct journal *journal_open(struct loop *loop, struct disk *disk,
                             const struct journal_options *options,
                             struct journal_entry *(*on_record)(void *data,
                                                                struct journal_record *record),
                             void *data, struct buf *errors)
{
    struct journal *journal;
    uint64_t *numbers;
    size_t count;
    int error;
    int fd = journal_recover(options->directory, &numbers, &count, errors);

    require(options->directory[0] != '\0' && on_record != NULL);
    if (fd < 0) {
        return NULL;
    }
    journal = create(loop, disk, options, fd);
    journal_aside_load(journal);
    error = restore(journal, numbers, count, on_record, data);
    free(numbers);
    if (error != 0) {
        buf_printf(errors, "journal %s: read: ", options->directory);
        journal_put_reason(errors, error);
        buf_putc(errors, '\n');
        finish(journal);
        free(journal);
        return NULL;
    }
    return journal;
}
