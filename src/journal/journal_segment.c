/* SPDX-License-Identifier: MIT */
#include "journal/journal_segment.h"

#include "base/require.h"

#include "base/crc32c.h"

#include <ctype.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC        "VCJOURNL"
#define MAGIC_LENGTH 8
#define VERSION      1
#define SUFFIX       ".journal"
#define ASIDE_SUFFIX ".aside"

/* --- names --- */

static char *format_name(uint64_t number, const char *suffix, char name[JOURNAL_SEGMENT_NAME_MAX])
{
    snprintf(name, JOURNAL_SEGMENT_NAME_MAX, "%08" PRIx64 "%s", number, suffix);
    return name;
}

char *journal_segment_name(uint64_t number, char name[JOURNAL_SEGMENT_NAME_MAX])
{
    require(number != 0);
    return format_name(number, SUFFIX, name);
}

char *journal_aside_name(uint64_t number, char name[JOURNAL_SEGMENT_NAME_MAX])
{
    return format_name(number, ASIDE_SUFFIX, name);
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name);

    return length >= strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0;
}

/* whether `name` is exactly the name of its number */
static bool parse_name(const char *name, const char *suffix, uint64_t *ret_number)
{
    char expected[JOURNAL_SEGMENT_NAME_MAX];

    *ret_number = strtoull(name, NULL, 16);
    return strcmp(name, format_name(*ret_number, suffix, expected)) == 0;
}

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* appends the numbers of all files with a suffix to `numbers`, unsorted */
static int list_numbers(DIR *directory, const char *suffix, struct buf *numbers, char *ret_foreign)
{
    struct dirent *entry;
    uint64_t number;

    *ret_foreign = '\0';
    while (errno = 0, (entry = readdir(directory)) != NULL) {
        if (!has_suffix(entry->d_name, suffix)) {
            continue;
        }
        if (parse_name(entry->d_name, suffix, &number)) {
            buf_append(numbers, &number, sizeof(number));
        } else {
            snprintf(ret_foreign, NAME_MAX + 1, "%s", entry->d_name);
        }
    }
    return -errno;
}

static int list_files(int directory_fd, const char *suffix, uint64_t **ret_numbers,
                      size_t *ret_count, char *ret_foreign)
{
    struct buf numbers = BUF_EMPTY;
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    int result;

    if (directory == NULL) {
        result = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return result;
    }
    result = list_numbers(directory, suffix, &numbers, ret_foreign);
    closedir(directory);
    if (result != 0) {
        buf_finish(&numbers);
        return result;
    }
    *ret_count = numbers.length / sizeof(uint64_t);
    *ret_numbers = (uint64_t *)(void *)buf_steal(&numbers);
    qsort(*ret_numbers, *ret_count, sizeof(uint64_t), compare_numbers);
    return 0;
}

int journal_segment_list(int directory_fd, uint64_t **ret_numbers, size_t *ret_count,
                         char *ret_foreign)
{
    require(directory_fd >= 0);
    return list_files(directory_fd, SUFFIX, ret_numbers, ret_count, ret_foreign);
}

int journal_aside_list(int directory_fd, uint64_t **ret_numbers, size_t *ret_count)
{
    char foreign[NAME_MAX + 1];

    require(directory_fd >= 0);
    return list_files(directory_fd, ASIDE_SUFFIX, ret_numbers, ret_count, foreign);
}

/* --- writing --- */

static void write_u32(char *bytes, uint32_t value)
{
    uint32_t little = htole32(value);

    memcpy(bytes, &little, sizeof(little));
}

void journal_segment_put_header(struct buf *out)
{
    char header[JOURNAL_SEGMENT_HEADER_BYTES];

    memcpy(header, MAGIC, MAGIC_LENGTH);
    write_u32(header + 8, VERSION);
    write_u32(header + 12, crc32c(0, header, 12));
    buf_append(out, header, sizeof(header));
}

/* checksum of the length and the payload */
static uint32_t record_checksum(const char *header, size_t payload_length)
{
    return crc32c(crc32c(0, header, 4), header + JOURNAL_RECORD_HEADER_BYTES, payload_length);
}

void journal_segment_put_record(struct buf *out, const struct journal_record *record)
{
    static const char no_header[JOURNAL_RECORD_HEADER_BYTES];
    size_t start = out->length;
    size_t length;
    char *header;

    buf_append(out, no_header, sizeof(no_header));
    journal_record_encode(record, out);
    header = out->bytes + start;
    length = out->length - start - sizeof(no_header);
    write_u32(header, (uint32_t)length);
    write_u32(header + 4, record_checksum(header, length));
}

/* --- reading --- */

static uint32_t read_u32(const char *bytes)
{
    uint32_t little;

    memcpy(&little, bytes, sizeof(little));
    return le32toh(little);
}

static int read_all(int fd, struct buf *bytes)
{
    struct stat status;
    ssize_t count;

    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return -EINVAL;
    }
    if ((uint64_t)status.st_size > 2 * JOURNAL_SEGMENT_MAX_BYTES) {
        return -EFBIG;
    }
    buf_reserve(bytes, (size_t)status.st_size);
    while (bytes->length < (size_t)status.st_size) {
        count = read(fd, bytes->bytes + bytes->length, (size_t)status.st_size - bytes->length);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        if (count == 0) {
            break;
        }
        bytes->length += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

int journal_reader_open(struct journal_reader *reader, int directory_fd, const char *name)
{
    /* non-blocking, because the name may be that of a pipe */
    int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int result;

    memset(reader, 0, sizeof(*reader));
    if (fd < 0) {
        return -errno;
    }
    result = read_all(fd, &reader->bytes);
    close(fd);
    return result;
}

void journal_reader_close(struct journal_reader *reader)
{
    buf_finish(&reader->bytes);
}

static const char not_understood[] = "a record matches its checksum and is not understood";

/* returns the damage of the record at `offset`; NULL with the record if there is none */
static const char *examine_record(const struct buf *bytes, size_t offset, size_t *ret_length,
                                  struct journal_record *ret_record)
{
    size_t left = bytes->length - offset;
    const char *header = bytes->bytes + offset;
    size_t length;

    if (left < JOURNAL_RECORD_HEADER_BYTES) {
        return "a record is cut short";
    }
    length = read_u32(header);
    if (length == 0 || length > JOURNAL_PAYLOAD_MAX_BYTES) {
        return "a record has an impossible length";
    }
    if (length > left - JOURNAL_RECORD_HEADER_BYTES) {
        return "a record is cut short";
    }
    if (record_checksum(header, length) != read_u32(header + 4)) {
        return "a record does not match its checksum";
    }
    *ret_length = JOURNAL_RECORD_HEADER_BYTES + length;
    return journal_record_decode(header + JOURNAL_RECORD_HEADER_BYTES, length, ret_record) == 0
               ? NULL
               : not_understood;
}

/*
 * Whether a good record is at `offset`. Decodes the content first: that nearly always fails after a
 * few bytes, while a checksum needs all of them.
 */
static bool is_record(const struct buf *bytes, size_t offset)
{
    size_t left = bytes->length - offset;
    const char *header = bytes->bytes + offset;
    struct journal_record record;
    size_t length = read_u32(header);

    if (length > left - JOURNAL_RECORD_HEADER_BYTES || length > JOURNAL_PAYLOAD_MAX_BYTES ||
        journal_record_decode(header + JOURNAL_RECORD_HEADER_BYTES, length, &record) != 0) {
        return false;
    }
    sealed_batch_destroy(record.sealed_batch);
    return record_checksum(header, length) == read_u32(header + 4);
}

/* returns the offset of the first good record from `offset` on, or the file's length */
static size_t find_record(const struct buf *bytes, size_t offset)
{
    for (; offset + JOURNAL_RECORD_HEADER_BYTES < bytes->length; offset++) {
        if (is_record(bytes, offset)) {
            return offset;
        }
    }
    return bytes->length;
}

/* continues at the next good record behind a damage */
static enum journal_found pass_damage(struct journal_reader *reader, const char *damage)
{
    reader->damage = damage;
    reader->offset = find_record(&reader->bytes, reader->offset + 1);
    return damage == not_understood || reader->offset < reader->bytes.length ? JOURNAL_FOUND_DAMAGE
                                                                             : JOURNAL_FOUND_TORN;
}

/* whether the header is a prefix of a good one, followed by nothing or by zeros */
static bool is_torn_header(const struct buf *bytes, const char *header)
{
    size_t length =
        bytes->length < JOURNAL_SEGMENT_HEADER_BYTES ? bytes->length : JOURNAL_SEGMENT_HEADER_BYTES;
    size_t right = 0;

    while (right < length && bytes->bytes[right] == header[right]) {
        right++;
    }
    for (size_t i = right; i < length; i++) {
        if (bytes->bytes[i] != 0) {
            return false;
        }
    }
    return right < JOURNAL_SEGMENT_HEADER_BYTES;
}

static enum journal_found read_header(struct journal_reader *reader)
{
    struct buf *bytes = &reader->bytes;
    struct buf header = BUF_EMPTY;
    enum journal_found found = JOURNAL_FOUND_RECORD;

    journal_segment_put_header(&header);
    if (is_torn_header(bytes, header.bytes)) {
        found = pass_damage(reader, "the header is cut short");
    } else if (bytes->length < JOURNAL_SEGMENT_HEADER_BYTES ||
               memcmp(bytes->bytes, MAGIC, MAGIC_LENGTH) != 0) {
        reader->damage = "this is no segment of a journal";
        reader->offset = bytes->length;
        found = JOURNAL_FOUND_DAMAGE;
    } else if (crc32c(0, bytes->bytes, 12) != read_u32(bytes->bytes + 12)) {
        pass_damage(reader, "the header does not match its checksum");
        found = JOURNAL_FOUND_DAMAGE;
    } else if (read_u32(bytes->bytes + 8) != VERSION) {
        reader->damage = "the format is of another version than this program's";
        reader->offset = bytes->length;
        found = JOURNAL_FOUND_DAMAGE;
    } else {
        reader->offset = JOURNAL_SEGMENT_HEADER_BYTES;
    }
    buf_finish(&header);
    return found;
}

enum journal_found journal_reader_next(struct journal_reader *reader,
                                       struct journal_record *ret_record)
{
    enum journal_found found;
    const char *damage;
    size_t length;

    require(reader->offset <= reader->bytes.length);
    reader->found_offset = reader->offset;
    if (reader->offset >= reader->bytes.length) {
        return JOURNAL_FOUND_END;
    }
    if (reader->offset == 0) {
        found = read_header(reader);
        if (found != JOURNAL_FOUND_RECORD) {
            return found;
        }
        return journal_reader_next(reader, ret_record);
    }
    damage = examine_record(&reader->bytes, reader->offset, &length, ret_record);
    if (damage != NULL) {
        return pass_damage(reader, damage);
    }
    reader->offset += length;
    return JOURNAL_FOUND_RECORD;
}

/* --- errors --- */

void journal_put_reason(struct buf *out, int error)
{
    const char *text = strerror(-error);

    require(error < 0);
    buf_putc(out, (char)tolower((unsigned char)text[0]));
    buf_puts(out, text + 1);
}
