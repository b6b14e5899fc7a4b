/* SPDX-License-Identifier: MIT */
/*
 * Any bytes in a journal: as the payload of a record, as a payload with a correct checksum, and as
 * a whole segment. A record that was read encodes to the same bytes again. Each byte of a segment
 * belongs to a reported record or comes after a reported damage. An instance that starts with the
 * segment changes only a torn tail.
 */
#include "base/crc32c.h"
#include "base/log.h"
#include "journal/journal_inspect.h"
#include "journal/journal_recover.h"
#include "journal/journal_segment.h"
#include "fuzz.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT "00000001.journal"

static char directory[512];
static char path[sizeof(directory) + sizeof(SEGMENT)];

static bool is_same(const struct buf *left, const struct buf *right)
{
    return left->length == right->length &&
           (left->length == 0 || memcmp(left->bytes, right->bytes, left->length) == 0);
}

/* --- the directory --- */

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

static void make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    int length = snprintf(directory, sizeof(directory), "%s/visitcountd-fuzz-XXXXXX",
                          parent != NULL ? parent : "/tmp");

    check_that(length > 0 && (size_t)length < sizeof(directory));
    check_that(mkdtemp(directory) != NULL);
    snprintf(path, sizeof(path), "%s/" SEGMENT, directory);
    atexit(remove_directory);
    log_set_level(LOG_LEVEL_ERROR);
}

static void write_segment(const struct buf *bytes)
{
    FILE *file = fopen(path, "wb");

    check_that(file != NULL && fwrite(bytes->bytes, 1, bytes->length, file) == bytes->length);
    check_that(fclose(file) == 0);
}

/* returns whether there is a segment, and appends its bytes */
static bool read_segment(struct buf *bytes)
{
    FILE *file = fopen(path, "rb");
    char chunk[4096];
    size_t count;

    if (file == NULL) {
        return false;
    }
    while ((count = fread(chunk, 1, sizeof(chunk), file)) != 0) {
        buf_append(bytes, chunk, count);
    }
    fclose(file);
    return true;
}

/* --- the report of a segment --- */

struct told {
    const struct buf *bytes;
    struct buf records;   /* the encoding of all reported records */
    uint64_t next;        /* where the next record or damage must begin, */
    bool is_after_damage; /* or after that place */
    uint64_t good_length; /* up to the last damage, or with the last record */
    size_t torn;
    size_t damaged;
};

static void check_position(const struct told *told, const struct journal_position *position)
{
    check_that(strcmp(position->file, SEGMENT) == 0 && position->offset < told->bytes->length);
    check_that(told->is_after_damage ? position->offset > told->next
                                     : position->offset == told->next);
}

static void on_record(void *data, const struct journal_position *position,
                      const struct journal_record *record)
{
    struct told *told = data;
    size_t start = told->records.length;
    size_t length;

    check_position(told, position);
    journal_segment_put_record(&told->records, record);
    length = told->records.length - start;
    check_that(length <= told->bytes->length - position->offset);
    check_that(memcmp(told->records.bytes + start, told->bytes->bytes + position->offset, length) ==
               0);
    told->next = position->offset + length;
    told->good_length = told->next;
    told->is_after_damage = false;
}

static void on_damage(void *data, const struct journal_position *position, const char *damage)
{
    struct told *told = data;

    check_position(told, position);
    check_that(told->torn == 0); /* a torn tail is the last */
    if (strstr(damage, "an interrupted write") != NULL) {
        told->torn++;
    } else {
        told->damaged++;
    }
    told->next = position->offset;
    told->good_length = told->next;
    told->is_after_damage = true;
}

/* inspects the segment, which has these bytes; told->records is to be freed */
static struct told inspect(const struct buf *bytes)
{
    struct told told = {.bytes = bytes, .records = BUF_EMPTY};
    struct journal_inspector inspector = {on_record, on_damage, &told};
    struct buf header = BUF_EMPTY;

    journal_segment_put_header(&header);
    if (bytes->length >= header.length && memcmp(bytes->bytes, header.bytes, header.length) == 0) {
        told.next = header.length;
        told.good_length = header.length;
    }
    buf_finish(&header);
    check_that(journal_inspect(directory, &inspector) == 0);
    check_that(told.is_after_damage || told.next == bytes->length);
    return told;
}

/* --- an instance that starts with it --- */

/* damage is refused with one line, and the segment stays unchanged */
static void check_refused(const struct buf *before, const struct buf *errors)
{
    struct buf after = BUF_EMPTY;

    check_that(errors->length != 0);
    check_that(strchr(errors->bytes, '\n') == errors->bytes + errors->length - 1);
    check_that(strstr(errors->bytes, SEGMENT) != NULL);
    check_that(read_segment(&after) && is_same(&after, before));
    buf_finish(&after);
}

/* the segment has all good records and nothing else */
static void check_recovered(const struct told *before, size_t segments)
{
    struct buf after = BUF_EMPTY;
    struct told told;

    check_that(segments == (before->records.length != 0));
    check_that(read_segment(&after) == (segments != 0));
    if (segments != 0) {
        check_that(after.length == before->good_length);
        told = inspect(&after);
        check_that(told.torn == 0 && told.damaged == 0);
        check_that(is_same(&told.records, &before->records));
        buf_finish(&told.records);
    }
    buf_finish(&after);
}

/* returns the report of the segment, without its records */
static struct told take_segment(const struct buf *bytes)
{
    struct buf errors = BUF_EMPTY;
    uint64_t *numbers;
    size_t count;
    struct told told;
    int fd;

    write_segment(bytes);
    told = inspect(bytes);
    fd = journal_recover(directory, &numbers, &count, &errors);
    check_that((fd < 0) == (told.damaged != 0));
    if (fd < 0) {
        check_refused(bytes, &errors);
    } else {
        check_that(errors.length == 0);
        check_recovered(&told, count);
        free(numbers);
        close(fd);
    }
    buf_finish(&told.records);
    buf_finish(&errors);
    return told;
}

static void put_good_record(struct buf *out)
{
    const struct store_entry entry = {"/", 1, 1, false};
    const struct store_batch content = {.entries = &entry, .entry_count = 1};
    struct journal_record record = {"default", "00112233445566778899aabbccddeeff", NULL};

    record.sealed_batch = sealed_batch_create(&content);
    record.sealed_batch->content.sequence = 1;
    record.sealed_batch->content.visits = 1;
    journal_segment_put_record(out, &record);
    sealed_batch_destroy(record.sealed_batch);
}

/* a torn record with a good record after it is damaged, not torn */
static void take_end(const struct buf *torn)
{
    struct buf bytes = BUF_EMPTY;

    buf_append(&bytes, torn->bytes, torn->length);
    put_good_record(&bytes);
    check_that(take_segment(&bytes).damaged != 0);
    buf_finish(&bytes);
}

/* --- a payload --- */

/*
 * The payload in a segment whose header and checksum are correct. An interrupted write never has a
 * matching checksum.
 */
static void take_checked(const struct buf *payload, bool is_understood)
{
    struct told told;
    struct buf bytes = BUF_EMPTY;
    uint32_t number = htole32((uint32_t)payload->length);
    uint32_t checksum = crc32c(0, &number, sizeof(number));

    journal_segment_put_header(&bytes);
    buf_append(&bytes, &number, sizeof(number));
    number = htole32(crc32c(checksum, payload->bytes, payload->length));
    buf_append(&bytes, &number, sizeof(number));
    buf_append(&bytes, payload->bytes, payload->length);
    told = take_segment(&bytes);
    check_that((told.damaged != 0) == (payload->length != 0 && !is_understood));
    check_that(told.torn == 0 || !is_understood);
    buf_finish(&bytes);
}

/* returns whether it is the payload of a record */
static bool take_payload(const struct buf *payload)
{
    struct journal_record record;
    struct buf again = BUF_EMPTY;
    bool is_understood = journal_record_decode(payload->bytes, payload->length, &record) == 0;

    if (is_understood) {
        check_that(record.sealed_batch->content.sequence != 0 &&
                   record.sealed_batch->content.entry_count != 0);
        journal_record_encode(&record, &again);
        check_that(is_same(&again, payload));
        sealed_batch_destroy(record.sealed_batch);
    }
    buf_finish(&again);
    return is_understood;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct buf input = BUF_EMPTY;

    if (*directory == '\0') {
        make_directory();
    }
    buf_append(&input, bytes, length);
    buf_reserve(&input, 1); /* an empty input has memory too */
    take_checked(&input, take_payload(&input));
    if (take_segment(&input).torn != 0) {
        take_end(&input);
    }
    buf_finish(&input);
    return 0;
}
