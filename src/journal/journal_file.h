/* SPDX-License-Identifier: MIT */
/**
 * journal_file: writes a segment so that its content is always known. After each call, successful
 * or not, the file is as long as `size_bytes`. Otherwise it is repaired before the next write.
 *
 * All functions that write block on the disk. They run on the disk thread.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_FILE_H
#define VISITCOUNTD_COUNT_JOURNAL_FILE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct journal_file {
    int directory_fd; /* of the journal */
    uint64_t number;
    int fd;              /* -1: not created yet, or closed for writing */
    uint64_t size_bytes; /* all of it is good and on the disk */
    bool is_leftover;    /* creating it failed: an empty file may be left */
    bool is_torn;        /* there may be bytes behind its end */
    bool is_uncut;       /* these bytes are the ones of the last call */
};

/** Initialises a file. The first write creates it with its header. */
void journal_file_init(struct journal_file *file, int directory_fd, uint64_t number);

/**
 * Appends `bytes` and waits until they are on the disk. Returns 0. On failure returns -errno, and
 * `ret_what` names the operation that failed. Then nothing of `bytes` is in the file, unless
 * `is_uncut` is set.
 */
int journal_file_append(struct journal_file *file, const struct buf *bytes, const char **ret_what);

/**
 * Creates a file `name` with `bytes` in a directory, and waits until both are on the disk. Returns
 * 0. On failure returns -errno, and `ret_what` names the operation that failed. The new file is
 * then removed; if that fails too, a part of it is left.
 */
int journal_file_make(int directory_fd, const char *name, const struct buf *bytes,
                      const char **ret_what);

/** Closes and removes the file, if there is one. Returns 0 or -errno. */
int journal_file_remove(struct journal_file *file);

/** Closes the file. It takes no more bytes. */
void journal_file_close(struct journal_file *file);

#endif
