/* SPDX-License-Identifier: MIT */
#include "journal/journal_inspect.h"

#include "base/require.h"

#include "journal/journal_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static void tell_damage(const struct journal_inspector *inspector, const char *name,
                        uint64_t offset, const char *damage, const char *more)
{
    struct journal_position position = {name, offset};
    struct buf text = BUF_EMPTY;

    buf_printf(&text, "%s%s", damage, more);
    inspector->on_damage(inspector->data, &position, text.bytes);
    buf_finish(&text);
}

static void tell_unreadable(const struct journal_inspector *inspector, const char *name, int error)
{
    struct buf reason = BUF_EMPTY;

    if (error == -EFBIG || error == -EINVAL) {
        buf_puts(&reason, "this is no segment of a journal");
    } else {
        buf_puts(&reason, "read: ");
        journal_put_reason(&reason, error);
    }
    tell_damage(inspector, name, 0, reason.bytes, "");
    buf_finish(&reason);
}

static void inspect_records(const struct journal_inspector *inspector, const char *name,
                            struct journal_reader *reader)
{
    struct journal_record record;
    enum journal_found found;

    while ((found = journal_reader_next(reader, &record)) != JOURNAL_FOUND_END) {
        if (found == JOURNAL_FOUND_RECORD) {
            struct journal_position position = {name, reader->found_offset};

            inspector->on_record(inspector->data, &position, &record);
            sealed_batch_destroy(record.sealed_batch);
        } else {
            tell_damage(inspector, name, reader->found_offset, reader->damage,
                        found == JOURNAL_FOUND_TORN
                            ? "; nothing good is behind it: an interrupted write"
                            : "");
        }
    }
}

static void inspect_segment(const struct journal_inspector *inspector, int directory_fd,
                            const char *name)
{
    struct journal_reader reader;
    int error = journal_reader_open(&reader, directory_fd, name);

    if (error == 0) {
        inspect_records(inspector, name, &reader);
    } else if (error != -ENOENT) { /* -ENOENT: the daemon has removed it meanwhile */
        tell_unreadable(inspector, name, error);
    }
    journal_reader_close(&reader);
}

static int inspect_all(const struct journal_inspector *inspector, int directory_fd)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char foreign[NAME_MAX + 1];
    uint64_t *numbers;
    size_t count;
    int error = journal_segment_list(directory_fd, &numbers, &count, foreign);

    if (error != 0) {
        return error;
    }
    if (*foreign != '\0') {
        tell_damage(inspector, foreign, 0, "this is no name of a segment", "");
    }
    for (size_t i = 0; i < count; i++) {
        inspect_segment(inspector, directory_fd, journal_segment_name(numbers[i], name));
    }
    free(numbers);
    return 0;
}

static int inspect_asides(const struct journal_inspector *inspector, int directory_fd)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    uint64_t *numbers;
    size_t count;
    int error = journal_aside_list(directory_fd, &numbers, &count);

    if (error != 0) {
        return error;
    }
    for (size_t i = 0; i < count; i++) {
        inspect_segment(inspector, directory_fd, journal_aside_name(numbers[i], name));
    }
    free(numbers);
    return 0;
}

static int inspect_directory(const char *directory, const struct journal_inspector *inspector,
                             int (*inspect)(const struct journal_inspector *inspector,
                                            int directory_fd))
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error;

    if (fd < 0) {
        return -errno;
    }
    error = inspect(inspector, fd);
    close(fd);
    return error;
}

int journal_inspect(const char *directory, const struct journal_inspector *inspector)
{
    require(inspector->on_record != NULL && inspector->on_damage != NULL);
    return inspect_directory(directory, inspector, inspect_all);
}

int journal_inspect_aside(const char *directory, const struct journal_inspector *inspector)
{
    require(inspector->on_record != NULL && inspector->on_damage != NULL);
    return inspect_directory(directory, inspector, inspect_asides);
}
