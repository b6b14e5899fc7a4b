/* SPDX-License-Identifier: MIT */
/**
 * journal_fixture: a journal in a directory of its own, records for it, and notes of how each
 * record ended.
 */
#ifndef VISITCOUNTD_TESTS_JOURNAL_FIXTURE_H
#define VISITCOUNTD_TESTS_JOURNAL_FIXTURE_H

#include "journal/journal.h"
#include "support/log_capture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define MIB         ((uint64_t)1024 * 1024)
#define EPOCH       "00112233445566778899aabbccddeeff"
#define FIRST       "00000001.journal"

struct fixture {
    char directory[64];
    struct loop *loop;
    struct disk *disk;
    struct journal *journal;
    uint64_t max_size_bytes;
    struct buf errors;  /* of the last journal_open() */
    struct list left;   /* notes of records that journal_open() found */
    uint64_t left_next; /* the expected sequence of the next one; 0: any */
    uint64_t ended;     /* on_written calls */
    uint64_t wanted;    /* the loop stops after this many of them */
    struct loop_timer patience;
    bool ran_out;
};

/* an owner of a journal's entry */
struct note {
    struct journal_entry entry;
    struct list link;
    struct fixture *fixture;
    uint64_t sequence;
    struct journal_record record; /* of records that were left; the note owns its sealed batch */
    int ended;
    int error;
};

static inline void on_patience(struct loop_timer *timer)
{
    struct fixture *fixture = container_of(timer, struct fixture, patience);

    fixture->ran_out = true;
    loop_stop(fixture->loop);
}

static inline void start_loop(struct fixture *fixture)
{
    fixture->loop = loop_create();
    fixture->disk = disk_create(fixture->loop);
    loop_timer_init(&fixture->patience, on_patience);
}

static inline void stop_loop(struct fixture *fixture)
{
    disk_destroy(fixture->disk);
    loop_destroy(fixture->loop);
    fixture->disk = NULL;
    fixture->loop = NULL;
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    strcpy(fixture->directory, "/tmp/visitcountd-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->max_size_bytes = 64 * MIB;
    list_init(&fixture->left);
    start_loop(fixture);
    *state = fixture;
    return 0;
}

static inline void path_of(const struct fixture *fixture, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", fixture->directory, name);
}

/* counts the files in the directory; removes them if `remove_them` is set */
static inline size_t count_files(const struct fixture *fixture, bool remove_them)
{
    DIR *directory = opendir(fixture->directory);
    struct dirent *entry;
    size_t count = 0;

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        char path[512];

        if (*entry->d_name == '.') {
            continue;
        }
        count++;
        path_of(fixture, entry->d_name, path);
        if (remove_them) {
            unlink(path);
        }
    }
    closedir(directory);
    return count;
}

static inline void forget_left(struct fixture *fixture)
{
    struct list *link;

    while ((link = list_pop_first(&fixture->left)) != NULL) {
        sealed_batch_destroy(container_of(link, struct note, link)->record.sealed_batch);
        free(container_of(link, struct note, link));
    }
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;

    journal_close(fixture->journal);
    stop_loop(fixture);
    forget_left(fixture);
    buf_finish(&fixture->errors);
    count_files(fixture, true);
    rmdir(fixture->directory);
    free(fixture);
    return 0;
}

static inline struct journal_entry *on_left(void *data, struct journal_record *record)
{
    struct fixture *fixture = data;
    struct note *note = calloc(1, sizeof(*note));

    assert_non_null(note);
    note->fixture = fixture;
    note->record = *record;
    note->sequence = record->sealed_batch->content.sequence;
    if (fixture->left_next != 0) {
        assert_int_equal(note->sequence, fixture->left_next);
        fixture->left_next++;
    }
    list_append(&fixture->left, &note->link);
    return &note->entry;
}

/* tries to open the journal; returns whether it is open */
static inline bool try_open(struct fixture *fixture)
{
    struct journal_options options = {fixture->directory, fixture->max_size_bytes};

    buf_clear(&fixture->errors);
    forget_left(fixture);
    fixture->journal =
        journal_open(fixture->loop, fixture->disk, &options, on_left, fixture, &fixture->errors);
    assert_true((fixture->journal == NULL) == (fixture->errors.length != 0));
    return fixture->journal != NULL;
}

static inline void open_journal(struct fixture *fixture)
{
    if (!try_open(fixture)) {
        fail_msg("%s", fixture->errors.bytes);
    }
}

static inline void close_journal(struct fixture *fixture)
{
    journal_close(fixture->journal);
    fixture->journal = NULL;
}

static inline size_t count_left(const struct fixture *fixture)
{
    size_t count = 0;

    list_for_each(link, &fixture->left) {
        count++;
    }
    return count;
}

static inline struct note *left_at(const struct fixture *fixture, size_t index)
{
    struct list *link = fixture->left.next;

    while (index-- > 0) {
        link = link->next;
    }
    assert_true(link != &fixture->left);
    return container_of(link, struct note, link);
}

static inline void run_until(struct fixture *fixture, uint64_t ended)
{
    fixture->wanted = ended;
    if (fixture->ended >= ended) {
        return;
    }
    loop_timer_start(fixture->loop, &fixture->patience, PATIENCE_MS);
    loop_run(fixture->loop);
    loop_timer_stop(&fixture->patience);
    assert_false(fixture->ran_out);
}

static inline void on_written(struct journal_entry *entry, int error)
{
    struct note *note = container_of(entry, struct note, entry);

    note->ended++;
    note->error = error;
    if (++note->fixture->ended == note->fixture->wanted) {
        loop_stop(note->fixture->loop);
    }
}

/* a record of `sequence` with two pages, one with a token, and `sequence` + 1 visits in it */
static inline struct journal_record make_record(uint64_t sequence)
{
    struct journal_record record = {.site = "site.example", .epoch = EPOCH};
    struct store_entry entries[] = {{"/a", 2, sequence, false}, {"/käse", 6, 1, false}};
    struct store_token tokens[] = {{"token-1", 7, 1, STORE_WINDOW_CLIENT}};
    struct store_visitor visitors[] = {{UINT64_MAX, 0}, {1, 1}};
    struct store_batch content = {.hour = 470000,
                                  .day = 19519,
                                  .visitors = visitors,
                                  .visitor_count = 2,
                                  .second = 1692000000,
                                  .entries = entries,
                                  .entry_count = 2,
                                  .tokens = tokens,
                                  .token_count = 1};

    record.sealed_batch = sealed_batch_create(&content);
    record.sealed_batch->content.sequence = sequence;
    record.sealed_batch->content.visits = sequence * 10;
    return record;
}

/* one of about 256 KiB */
static inline struct journal_record make_long_record(uint64_t sequence)
{
    static char pages[500][STORE_PAGE_MAX + 1];
    static struct store_entry entries[500];
    struct journal_record record = {.site = "s", .epoch = EPOCH};
    struct store_batch content = {.entries = entries, .entry_count = 500};

    for (int i = 0; i < 500; i++) {
        memset(pages[i], 'x', STORE_PAGE_MAX);
        snprintf(pages[i], 8, "/%05d", i);
        pages[i][6] = '-';
        entries[i] = (struct store_entry){pages[i], STORE_PAGE_MAX, 1, false};
    }
    record.sealed_batch = sealed_batch_create(&content);
    record.sealed_batch->content.sequence = sequence;
    record.sealed_batch->content.visits = sequence;
    return record;
}

static inline void append_record(struct fixture *fixture, struct note *note,
                                 struct journal_record record)
{
    memset(note, 0, sizeof(*note));
    note->entry.on_written = on_written;
    note->fixture = fixture;
    note->sequence = record.sealed_batch->content.sequence;
    journal_append(fixture->journal, &record, &note->entry);
    sealed_batch_destroy(record.sealed_batch);
    assert_int_equal(note->ended, 0); /* never from inside the call */
}

static inline void append(struct fixture *fixture, struct note *note, uint64_t sequence)
{
    append_record(fixture, note, make_record(sequence));
}

/* appends one record, waits for its end and returns the result */
static inline int append_and_wait(struct fixture *fixture, struct note *note, uint64_t sequence)
{
    append(fixture, note, sequence);
    run_until(fixture, fixture->ended + 1);
    assert_int_equal(note->ended, 1);
    return note->error;
}

/* writes records 1 … count in one turn and closes the journal, so that they are left in it */
static inline void leave_records(struct fixture *fixture, uint64_t count)
{
    struct note *notes = calloc(count, sizeof(*notes));

    assert_non_null(notes);
    open_journal(fixture);
    for (uint64_t i = 0; i < count; i++) {
        append(fixture, &notes[i], i + 1);
    }
    close_journal(fixture);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(notes[i].ended, 1);
        assert_int_equal(notes[i].error, 0);
    }
    free(notes);
}

static inline bool exists(const struct fixture *fixture, const char *name)
{
    char path[512];

    path_of(fixture, name, path);
    return access(path, F_OK) == 0;
}

/* the bytes of a file in the directory */
static inline struct buf read_file(const struct fixture *fixture, const char *name)
{
    struct buf bytes = BUF_EMPTY;
    char path[512];
    char chunk[4096];
    size_t count;
    FILE *file;

    path_of(fixture, name, path);
    file = fopen(path, "rb");
    assert_non_null(file);
    while ((count = fread(chunk, 1, sizeof(chunk), file)) != 0) {
        buf_append(&bytes, chunk, count);
    }
    fclose(file);
    return bytes;
}

static inline void write_file(const struct fixture *fixture, const char *name, const char *bytes,
                              size_t length)
{
    char path[512];
    FILE *file;

    path_of(fixture, name, path);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

#endif
