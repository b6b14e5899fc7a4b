/* SPDX-License-Identifier: MIT */
/**
 * ctl_journal: `visitcountctl journal show`, `aside` and `verify`. They read the journal's
 * directory themselves, because a daemon with a damaged journal does not start.
 */
#ifndef VISITCOUNTD_CMD_CTL_JOURNAL_H
#define VISITCOUNTD_CMD_CTL_JOURNAL_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>

/**
 * Appends the undamaged records to `out`, as a table or as JSON. Appends a line for each damage to
 * `error`, and in JSON also to `out`. Returns CTL_DONE, CTL_REFUSED if there is damage, or
 * CTL_UNREACHABLE if the directory cannot be read.
 */
enum ctl_exit ctl_journal_show(const char *directory, bool wants_json, struct buf *out,
                               struct buf *error);

/**
 * Like ctl_journal_show(), for the records that were set aside. Appends a line or an object for
 * each page, with its visits by hour.
 */
enum ctl_exit ctl_journal_aside(const char *directory, bool wants_json, struct buf *out,
                                struct buf *error);

/** Appends a line FILE:OFFSET for each damage and a summary to `out`. Returns the same values. */
enum ctl_exit ctl_journal_verify(const char *directory, bool wants_json, struct buf *out,
                                 struct buf *error);

#endif
