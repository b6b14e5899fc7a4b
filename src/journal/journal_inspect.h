/* SPDX-License-Identifier: MIT */
/**
 * journal_inspect: reads a journal without changing or locking it, to show it to an operator. It
 * needs no loop, so visitcountctl uses it without a daemon.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_INSPECT_H
#define VISITCOUNTD_COUNT_JOURNAL_INSPECT_H

#include "journal/journal_record.h"

#include <stdint.h>

/** A place in a journal. */
struct journal_position {
    const char *file; /* without the directory */
    uint64_t offset;
};

/** Callbacks for the findings. Strings are valid until a call returns. */
struct journal_inspector {
    /** A good record. The callee must not keep it. */
    void (*on_record)(void *data, const struct journal_position *position,
                      const struct journal_record *record);
    /** A damage, in words. */
    void (*on_damage)(void *data, const struct journal_position *position, const char *damage);
    void *data;
};

/**
 * Reads all segments in order. Behind a damage it continues at the next good record. Returns 0, or
 * -errno if the directory cannot be read. If a daemon is writing the journal, its end may look like
 * a damage.
 */
int journal_inspect(const char *directory, const struct journal_inspector *inspector);

/**
 * Does the same for the records that were set aside: see journal_aside.h. A record that a crash
 * left in two files is reported twice.
 */
int journal_inspect_aside(const char *directory, const struct journal_inspector *inspector);

#endif
