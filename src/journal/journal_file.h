/* SPDX-License-Identifier: MIT */
/**
 * journal_file: writing a segment so that what is in the file is what was said to be: after each
 * call, successful or not, it is as long as `size_bytes` says, or it is mended before anything else
 * is written to it.
 *
 * Everything here waits for the disk: it is called on the disk thread.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_FILE_H
#define VISITCOUNTD_COUNT_JOURNAL_FILE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct journal_file {
    int directory_fd; /* the journal's */
    uint64_t number;
    int fd;              /* or -1: not made yet, or not written to any more */
    uint64_t size_bytes; /* of it, all good and on the disk */
    bool is_leftover;    /* making it failed: there may be a file, with nothing in it */
    bool is_torn;        /* there may be something behind its end */
    bool is_uncut;       /* and it is what the last call was to append */
};

/** A file that is made, with its header, when it is first written to. */
void journal_file_init(struct journal_file *file, int directory_fd, uint64_t number);

/**
 * Appends `bytes` and waits until they are on the disk. Returns 0; or -errno with `ret_what` saying
 * what failed, and nothing of them is there, unless `is_uncut`.
 */
int journal_file_append(struct journal_file *file, const struct buf *bytes, const char **ret_what);

/**
 * Makes a file of this name in a directory, with `bytes`, and waits until both are on the disk.
 * Returns 0; or -errno with `ret_what` saying what failed; where the disk fails at everything,
 * there is a file with a part of them.
 */
int journal_file_make(int directory_fd, const char *name, const struct buf *bytes,
                      const char **ret_what);

/** Removes the file, where there is one; 0 or -errno. */
int journal_file_remove(struct journal_file *file);

/** Ends writing to it. */
void journal_file_close(struct journal_file *file);

#endif
