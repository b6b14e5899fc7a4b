/* SPDX-License-Identifier: MIT */
#include "journal/journal_aside.h"

#include "base/require.h"

#include "base/alloc.h"
#include "base/log.h"
#include "journal/journal_inside.h"
#include "journal/journal_segment.h"

#include <stdlib.h>
#include <string.h>

/* site and epoch, each with its NUL, and the sequence */
#define KEY_MAX (STORE_SITE_MAX + 1 + STORE_EPOCH_LENGTH + 1 + sizeof(uint64_t))

/* the key of a record that is in a file */
struct known_aside {
    struct map_node node;
    char key[];
};

/* a record that waits to be written to a file */
struct waiting_aside {
    struct list link;
    struct journal_segment *segment; /* the segment of the record */
    uint64_t visits;
    struct buf bytes;
    size_t key_length;
    char key[KEY_MAX];
};

static struct waiting_aside *waiting_of(struct list *link)
{
    return container_of(link, struct waiting_aside, link);
}

static size_t make_key(const struct journal_record *record, char key[KEY_MAX])
{
    char *end = stpcpy(stpcpy(key, record->site) + 1, record->epoch) + 1;

    memcpy(end, &record->sealed_batch->content.sequence, sizeof(uint64_t));
    return (size_t)(end - key) + sizeof(uint64_t);
}

/* records that a record is in a file; returns false if that was known */
static bool note(struct journal *journal, const char *key, size_t key_length, uint64_t visits)
{
    struct known_aside *known;

    if (map_find(&journal->asides.known, key, key_length) != NULL) {
        return false;
    }
    known = alloc_zero(1, sizeof(*known) + key_length);
    memcpy(known->key, key, key_length);
    map_insert(&journal->asides.known, &known->node, known->key, key_length);
    journal->status.aside_records++;
    journal->status.aside_visits += visits;
    return true;
}

/* --- earlier runs --- */

static void load_file(struct journal *journal, uint64_t number)
{
    struct journal_reader reader;
    struct journal_record record;
    enum journal_found found = JOURNAL_FOUND_END;
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char key[KEY_MAX];
    int error = journal_reader_open(&reader, journal->fd, journal_aside_name(number, name));

    while (error == 0 && (found = journal_reader_next(&reader, &record)) == JOURNAL_FOUND_RECORD) {
        note(journal, key, make_key(&record, key), record.sealed_batch->hits);
        sealed_batch_destroy(record.sealed_batch);
    }
    if (error != 0 || found == JOURNAL_FOUND_DAMAGE) {
        log_warning("journal %s/%s: visits that were set aside cannot be read; the file stays as "
                    "it is",
                    journal->directory, name);
    }
    journal_reader_close(&reader);
    journal->asides.next_number = number + 1;
}

void journal_aside_load(struct journal *journal)
{
    struct journal_asides *asides = &journal->asides;
    uint64_t *numbers;
    size_t count;

    list_init(&asides->waiting);
    list_init(&asides->writing);
    map_init(&asides->known);
    asides->next_number = 1;
    if (journal_aside_list(journal->fd, &numbers, &count) != 0) {
        return; /* unlikely: the directory was read just before */
    }
    for (size_t i = 0; i < count; i++) {
        load_file(journal, numbers[i]);
    }
    free(numbers);
}

static void free_waiting(struct list *list)
{
    struct list *link;

    while ((link = list_take_first(list)) != NULL) {
        buf_finish(&waiting_of(link)->bytes);
        free(waiting_of(link));
    }
}

void journal_aside_finish(struct journal *journal)
{
    struct journal_asides *asides = &journal->asides;

    free_waiting(&asides->waiting);
    free_waiting(&asides->writing);
    map_for_each(node, &asides->known) {
        map_remove(&asides->known, node);
        free(container_of(node, struct known_aside, node));
    }
    map_finish(&asides->known);
    buf_finish(&asides->bytes);
}

/* --- setting aside --- */

void journal_set_aside(struct journal_entry *entry, const struct journal_record *record)
{
    struct journal *journal = entry->journal;
    struct waiting_aside *aside = alloc_zero(1, sizeof(*aside));

    require(entry->segment != NULL);
    aside->key_length = make_key(record, aside->key);
    if (map_find(&journal->asides.known, aside->key, aside->key_length) != NULL) {
        free(aside);
        journal_done(entry);
        return;
    }
    aside->segment = entry->segment;
    aside->visits = entry->visits;
    journal_segment_put_record(&aside->bytes, record);
    list_append(&journal->asides.waiting, &aside->link);
    entry->segment = NULL;
    loop_task_schedule(journal->loop, &journal->end_of_turn);
}

bool journal_aside_prepare(struct journal *journal)
{
    struct journal_asides *asides = &journal->asides;

    require(list_is_empty(&journal->asides.writing));
    if (list_is_empty(&asides->waiting)) {
        return false;
    }
    journal_segment_put_header(&asides->bytes);
    while (!list_is_empty(&asides->waiting) && asides->bytes.length < JOURNAL_SEGMENT_MAX_BYTES) {
        struct waiting_aside *aside = waiting_of(asides->waiting.next);

        list_remove(&aside->link);
        list_append(&asides->writing, &aside->link);
        buf_append(&asides->bytes, aside->bytes.bytes, aside->bytes.length);
    }
    return true;
}

void journal_aside_work(struct journal *journal)
{
    struct journal_asides *asides = &journal->asides;
    char name[JOURNAL_SEGMENT_NAME_MAX];

    asides->error = 0;
    if (!list_is_empty(&asides->writing)) {
        asides->error =
            journal_file_make(journal->fd, journal_aside_name(asides->next_number, name),
                              &asides->bytes, &asides->what);
    }
}

static void warn_of_failure(struct journal *journal)
{
    struct buf reason = BUF_EMPTY;
    char name[JOURNAL_SEGMENT_NAME_MAX];

    journal_put_reason(&reason, journal->asides.error);
    log_error("journal %s/%s: %s: %s; visits of an older generation of their site stay in the "
              "journal, and are set aside with the next write or at the next start",
              journal->directory, journal_aside_name(journal->asides.next_number, name),
              journal->asides.what, reason.bytes);
    buf_finish(&reason);
}

static void finish_written(struct journal *journal)
{
    struct list *link;

    while ((link = list_take_first(&journal->asides.writing)) != NULL) {
        struct waiting_aside *aside = waiting_of(link);

        note(journal, aside->key, aside->key_length, aside->visits);
        journal->status.records--;
        journal->status.visits -= aside->visits;
        journal_release_segment(journal, aside->segment);
        buf_finish(&aside->bytes);
        free(aside);
    }
}

void journal_aside_end(struct journal *journal)
{
    struct journal_asides *asides = &journal->asides;
    bool was_failing = asides->is_failing;

    if (list_is_empty(&asides->writing)) {
        return;
    }
    buf_finish(&asides->bytes);
    asides->is_failing = asides->error != 0;
    if (asides->error == 0) {
        finish_written(journal);
    } else {
        if (!was_failing) {
            warn_of_failure(journal);
        }
        list_move_all(&asides->writing, &asides->waiting);
        list_move_all(&asides->waiting, &asides->writing);
    }
    asides->next_number++; /* a failed write may have left a part of the file */
}

bool journal_aside_is_busy(const struct journal *journal)
{
    return !list_is_empty(&journal->asides.waiting) || !list_is_empty(&journal->asides.writing);
}
