/* SPDX-License-Identifier: MIT */
/**
 * adoption: journals that instances left which do not come back. The engine replays them like its
 * own, under the epochs that are in them, so nothing is counted twice; a segment goes when the
 * store has all of it. The directory stays, and stays locked until the last segment is gone.
 *
 * What is not in the store when this process ends is left in the directory as it is.
 */
#ifndef VISITCOUNTD_COUNT_ADOPTION_H
#define VISITCOUNTD_COUNT_ADOPTION_H

#include "base/buf.h"
#include "count/engine.h"
#include "loop/disk.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct adoptions;

/** One journal, for status; `directory` is valid until the loop's next turn. */
struct adoption_view {
    const char *directory;
    uint64_t visits; /* that were in it */
    uint64_t left;   /* of these, not known to be in the store */
    uint64_t aside;  /* visits that are set aside in the directory: see journal_aside.h */
    bool is_done;    /* nothing of it is left on the disk */
};

/** None yet. `engine` outlives them. */
struct adoptions *adoptions_create(struct loop *loop, struct engine *engine);

/** Closes those that are not done and frees all. NULL is allowed. */
void adoptions_destroy(struct adoptions *adoptions);

/**
 * Takes over the journal in `directory`, which exists; `disk` outlives it. Blocks while it is read.
 * One that is on its way already is left to that. Returns false after appending to `message` why
 * not, one line each: as journal_open().
 */
bool adoptions_begin(struct adoptions *adoptions, struct disk *disk, const char *directory,
                     struct buf *message);

/** How many there are, with the last few that are done; from 0 in the order of their beginning. */
size_t adoptions_count(const struct adoptions *adoptions);
struct adoption_view adoptions_at(const struct adoptions *adoptions, size_t index);

/** The latest one of `directory`; false when there is none. */
bool adoptions_find(const struct adoptions *adoptions, const char *directory,
                    struct adoption_view *ret_view);

#endif
