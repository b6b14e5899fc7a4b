/* SPDX-License-Identifier: MIT */
/**
 * journal_takeover: takes over journals of instances that do not come back. The engine replays them
 * like its own journal, under the epochs that they contain, so nothing is counted twice. A segment
 * is removed when the store has all of it. The directory stays, and stays locked until its last
 * segment is gone.
 *
 * Segments that the store does not have when this process ends stay in the directory unchanged.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_TAKEOVER_H
#define VISITCOUNTD_COUNT_JOURNAL_TAKEOVER_H

#include "base/buf.h"
#include "count/engine.h"
#include "loop/disk.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal_takeovers;

/** One journal that was taken over, for status. `directory` is valid until the loop's next turn. */
struct journal_takeover_view {
    const char *directory;
    uint64_t visits; /* that were in the journal */
    uint64_t left;   /* of these, not known to be in the store */
    uint64_t aside;  /* visits that are set aside in the directory: see journal_aside.h */
    bool is_done;    /* no segment is left */
};

/** Creates an empty set of takeovers. `engine` must outlive it. */
struct journal_takeovers *journal_takeovers_create(struct loop *loop, struct engine *engine);

/** Closes the journals that are not done, and frees all. NULL is allowed. */
void journal_takeovers_destroy(struct journal_takeovers *takeovers);

/**
 * Takes over the journal in the existing `directory`. `disk` must outlive it. Blocks while the
 * journal is read. Does nothing if the directory is being replayed already. On failure returns
 * false and appends one line per error to `message`, like journal_open().
 */
bool journal_takeovers_begin(struct journal_takeovers *takeovers, struct disk *disk,
                             const char *directory, struct buf *message);

/**
 * journal_takeovers_count() returns the number of takeovers, including the last few that are done.
 * journal_takeovers_at() returns one of them. Index 0 began first.
 */
size_t journal_takeovers_count(const struct journal_takeovers *takeovers);
struct journal_takeover_view journal_takeovers_at(const struct journal_takeovers *takeovers,
                                                  size_t index);

/** Finds the latest takeover of `directory`. Returns false if there is none. */
bool journal_takeovers_find(const struct journal_takeovers *takeovers, const char *directory,
                            struct journal_takeover_view *ret_view);

#endif
