/* SPDX-License-Identifier: MIT */
/**
 * journal_inspect: reading a journal without changing or locking it, for people. It needs no loop,
 * so that visitcountctl can do it where no daemon runs.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_INSPECT_H
#define VISITCOUNTD_COUNT_JOURNAL_INSPECT_H

#include "journal/journal_record.h"

#include <stdint.h>

/** Where in a journal something is. */
struct journal_position {
    const char *file; /* its name, without the directory */
    uint64_t offset;
};

/** Who is told what is found. Strings are gone when a call returns. */
struct journal_inspector {
    /** A good record; it is not the callee's. */
    void (*on_record)(void *data, const struct journal_position *position,
                      const struct journal_record *record);
    /** Something else, in words. */
    void (*on_damage)(void *data, const struct journal_position *position, const char *damage);
    void *data;
};

/**
 * Goes through all segments in their order, and in each on to the next good record behind a damage.
 * Returns 0, or -errno when the directory cannot be read. Of a journal that is being written, the
 * end may look like a damage.
 */
int journal_inspect(const char *directory, const struct journal_inspector *inspector);

/**
 * The same of the records that were set aside, see journal_aside.h. A crash may have left a record
 * in two files: it is told twice.
 */
int journal_inspect_aside(const char *directory, const struct journal_inspector *inspector);

#endif
