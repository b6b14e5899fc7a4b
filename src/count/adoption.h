/* SPDX-License-Identifier: MIT */
/**
 * adoption: takes over journals of instances that do not come back. The engine replays them like
 * its own journal, under the epochs that they contain, so nothing is counted twice. A segment is
 * removed when the store has all of it. The directory stays, and stays locked until its last
 * segment is gone.
 *
 * Segments that the store does not have when this process ends stay in the directory unchanged.
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

/** One adopted journal, for status. `directory` is valid until the loop's next turn. */
struct adoption_view {
    const char *directory;
    uint64_t visits; /* that were in the journal */
    uint64_t left;   /* of these, not known to be in the store */
    uint64_t aside;  /* visits that are set aside in the directory: see journal_aside.h */
    bool is_done;    /* no segment is left */
};

/** Creates an empty set of adoptions. `engine` must outlive it. */
struct adoptions *adoptions_create(struct loop *loop, struct engine *engine);

/** Closes the journals that are not done, and frees all. NULL is allowed. */
void adoptions_destroy(struct adoptions *adoptions);

/**
 * Takes over the journal in the existing `directory`. `disk` must outlive it. Blocks while the
 * journal is read. Does nothing if the directory is being replayed already. On failure returns
 * false and appends one line per error to `message`, like journal_open().
 */
bool adoptions_begin(struct adoptions *adoptions, struct disk *disk, const char *directory,
                     struct buf *message);

/**
 * adoptions_count() returns the number of adoptions, including the last few that are done.
 * adoptions_at() returns one of them. Index 0 began first.
 */
size_t adoptions_count(const struct adoptions *adoptions);
struct adoption_view adoptions_at(const struct adoptions *adoptions, size_t index);

/** Finds the latest adoption of `directory`. Returns false if there is none. */
bool adoptions_find(const struct adoptions *adoptions, const char *directory,
                    struct adoption_view *ret_view);

#endif
